#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# stream.sh - damage streams at random and count what is accepted; then let libFuzzer try
# usage: stream.sh [-n count] [-s seed] [-t seconds] [file.umt ...]
#
# Without files, streams of all kinds are made: raw, compressed, small and large records, no records,
# several parts. -t: run the libFuzzer target that long (needs clang), starting from small ones of them.
set -euo pipefail

count=10000 seed=1 seconds=0
while getopts n:s:t: opt; do
    case $opt in
    n) count=$OPTARG ;;
    s) seed=$OPTARG ;;
    t) seconds=$OPTARG ;;
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

if [ "$seconds" != 0 ]; then
    clang -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "${flags[@]}" \
        -o "$work/fuzz" "$top/tests/fuzz/fuzz_stream.c" "${sources[@]}" "${packages[@]}" -lpthread -lm
    mkdir "$work/corpus"
    for f in "$@"; do
        if [ "$(stat -c %s "$f")" -gt 65536 ]; then continue; fi
        cp "$f" "$work/corpus/"
        (printf m; zstd -dcq <"$f") >"$work/corpus/m-${f##*/}" # see fuzz_stream.c
    done
    "$work/fuzz" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=4096 -print_final_stats=1 "$work/corpus"
fi
