#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# start.sh - seconds from the start of um-encode to its first record out: the tiny model, one X-ray
# usage: BUILD=build start.sh [runs]     prints the median
set -euo pipefail

PATH=$(cd "${BUILD:-build}" && pwd):$PATH
runs=${1:-11}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
um-phantom -q -n 20 --pairs xray -o data
um-preprocess -q --size 40 -o raw.umt data/xray.tsv
um-tokenize -q --train-vocab 60 -o vocab.txt raw.umt
um-tokenize -q --vocab vocab.txt --max-length 16 raw.umt | um-cat -q --range 0:1 -o in.umt
um-train -q --preset tiny --epochs 0 -o run in.umt
for ((i = 0; i < runs; i++)); do
    from=$(date +%s%N)
    um-encode -q --device cpu -m run/model.safetensors in.umt >out.umt
    echo $(($(date +%s%N) - from))
done | sort -n | awk '{ t[NR] = $1 } END { printf "%.4f\n", t[int((NR + 1) / 2)] / 1e9 }'
