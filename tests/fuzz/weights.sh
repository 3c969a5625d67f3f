#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weights.sh - damage weights files at random and count what is accepted (run.sh has libFuzzer try)
# usage: weights.sh [-n count] [-s seed]
#
# Files of every format are made: safetensors, PyTorch's zip in three dialects, PyTorch's legacy
# format. -n: how many are damaged of each.
set -euo pipefail

count=10000 seed=1
while getopts n:s: opt; do
    case $opt in
    n) count=$OPTARG ;;
    s) seed=$OPTARG ;;
    *) sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
    esac
done

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

read -ra packages <<<"$(pkg-config --cflags --libs jansson libdeflate libutf8proc libxxhash)"
sources=("$top"/lib/base/*.c "$top"/lib/weights/*.c)
for s in message tensor value; do sources+=("$top/lib/stream/$s.c"); done
flags=(-std=c11 -g -I"$top/lib" -I"$top" -D_POSIX_C_SOURCE=200809L -DUM_VERSION='"fuzz"')

${CC:-cc} -O2 "${flags[@]}" -o "$work/damage" "$top/tests/fuzz/damage_weights.c" "${sources[@]}" \
    "${packages[@]}" -lpthread -lm
"$work/damage" "$count" "$seed"
