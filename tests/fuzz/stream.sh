#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# stream.sh - damage streams at random and count what is accepted (run.sh has libFuzzer try)
# usage: stream.sh [-n count] [-s seed] [file.umt ...]
#
# Without files, streams of all kinds are made: raw, compressed, small and large records, no records,
# several parts.
set -euo pipefail

count=10000 seed=1
while getopts n:s: opt; do
    case $opt in
    n) count=$OPTARG ;;
    s) seed=$OPTARG ;;
    *) sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))

top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$top/build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

read -ra packages <<<"$(pkg-config --cflags --libs libzstd libxxhash libutf8proc)"
sources=("$top"/lib/base/*.c)
for s in frame index index_entry index_find ledger message reader tensor value writer; do sources+=("$top/lib/stream/$s.c"); done
flags=(-std=c11 -g -I"$top/lib" -D_POSIX_C_SOURCE=200809L -DUM_VERSION='"fuzz"')

${CC:-cc} -O2 "${flags[@]}" -o "$work/damage" "$top/tests/fuzz/damage.c" "${sources[@]}" \
    "${packages[@]}" -lpthread -lm
if [ $# = 0 ]; then
    py() { /usr/bin/python3 "$top/tests/pipeline/umt.py" "$@"; }
    py write "$work/in" 0 4
    py write "$work/many" 100 40
    "$build/um-cat" -z 0 -o "$work/raw.umt" "$work/in"
    "$build/um-cat" -z 1 -o "$work/zstd.umt" "$work/in"
    "$build/um-cat" -z 3 --keep t_uint8,t_int16 -o "$work/small.umt" "$work/many"
    "$build/um-cat" -z 0 -k k/100,k/101 --keep t_bfloat16,t_int32 -o "$work/two.umt" "$work/many"
    "$build/um-cat" -z 0 --keep t_uint8 -w n=102 -o "$work/one-raw.umt" "$work/many"
    "$build/um-cat" -g nothing -o "$work/none.umt" "$work/in"
    set -- "$work"/*.umt
fi
"$work/damage" "$count" "$seed" "$@"
