#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh - the whole way on made-up patients: data, pre-training, and two numbers that say what it did
# usage: demo.sh [-n patients] [-e epochs] [-s seed] [-j threads] [folder]
#
# Writes everything to the folder (default: demo) and prints a table: what a linear probe reads from
# the embeddings before and after pre-training, by contrast alone, and how often the slices that the
# network looks at hold a lesion, beside chance. The same seed gives the same table.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
patients=1600 epochs=16 seed=42 threads=0
while getopts n:e:s:j: opt; do
    case $opt in
    n) patients=$OPTARG ;;
    e) epochs=$OPTARG ;;
    s) seed=$OPTARG ;;
    j) threads=$OPTARG ;;
    *) sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
dir=${1:-demo}
PATH=${BUILD:-$here/../build}:$PATH
labels=nodule,consolidation,effusion,cardiomegaly,pneumothorax
start=$SECONDS step=0

say() {
    step=$((step + 1))
    printf '[%d/7 %3d s] %s\n' "$step" $((SECONDS - start)) "$*"
}
j=(-j "$threads" -q)
mkdir -p "$dir"

say "um-phantom: $patients made-up patients: a chest CT, the X-ray projected from it, a report for each"
um-phantom -n "$patients" --seed "$seed" --volume 32x96x96 --xray-size 224 "${j[@]}" -o "$dir/data"

say "um-preprocess: files to streams of images and volumes"
um-preprocess --size 128 "${j[@]}" -o "$dir/xray.raw.umt" "$dir/data/xray.tsv"
um-preprocess --size 16x64x64 "${j[@]}" -o "$dir/ct.raw.umt" "$dir/data/ct.tsv"
um-show --montage -n 24 -o "$dir/xray.png" "$dir/xray.raw.umt"
um-show --montage -n 24 -o "$dir/ct.png" "$dir/ct.raw.umt"

say "um-tokenize: a vocabulary from the training reports, reports to word pieces"
um-cat --where split=train "$dir/xray.raw.umt" "$dir/ct.raw.umt" |
    um-tokenize --train-vocab 600 "${j[@]}" -o "$dir/vocab.txt"
for kind in xray ct; do
    um-tokenize --vocab "$dir/vocab.txt" "${j[@]}" -o "$dir/$kind.umt" "$dir/$kind.raw.umt"
    rm "$dir/$kind.raw.umt"
done
um-show --header "$dir/ct.umt"

say "um-train: contrastive pre-training on X-rays and volumes with their reports, $epochs epochs"
# contrast alone, which takes two minutes; from random weights on few patients: input about 0, no dropout, a short warm-up (um-method(7) has the defaults)
train=(um-train --preset phantom --norm mgca --batch 32 --lr 5e-4 --warmup 1 --text-dropout 0
    --lambda-icl 0 --lambda-pcl 0 --select none --seed "$seed" -j "$threads")
rm -rf "$dir/run" "$dir/random"
"${train[@]}" --epochs "$epochs" -o "$dir/run" "$dir/xray.umt" "$dir/ct.umt"
if command -v gnuplot >/dev/null; then um-plot -o "$dir/curves.png" "$dir/run"; fi
"${train[@]}" --epochs 0 -q -o "$dir/random" "$dir/xray.umt" "$dir/ct.umt"

say "um-encode, um-probe: a linear probe on frozen embeddings, random weights beside pre-trained"
for kind in xray ct; do
    for weights in random run; do
        um-encode -m "$dir/$weights/model.safetensors" --drop-input "${j[@]}" "$dir/$kind.umt" |
            um-probe --name "$weights" --labels "$labels" --fractions 1 --standardize --seed "$seed" -q \
                -o "$dir/probe.$weights.$kind.tsv"
    done
done

say "um-encode --attention, um-select-slices: the slices that the network looks at, test patients"
um-cat --where split=test "$dir/ct.umt" |
    um-encode -m "$dir/run/model.safetensors" --attention "${j[@]}" |
    um-select-slices -k 4 --slice-size 112 -o "$dir/slices.umt"
um-show --keys "$dir/slices.umt" >"$dir/slices.txt"
um-show --montage -n 32 -o "$dir/slices.png" "$dir/slices.umt"

say "the table"
awk -F '\t' -v depth=16 -v slab=4 -f "$here/hits.awk" "$dir/data/truth.tsv" "$dir/slices.txt" >"$dir/hits.tsv"
for kind in xray ct; do
    awk -F '\t' -v kind="$kind" -f "$here/beside.awk" "$dir/probe.random.$kind.tsv" "$dir/probe.run.$kind.tsv"
done >"$dir/table.txt"
awk -F '\t' 'NR == 2 {
    printf "\nchosen slices, %d test volumes with a lesion that has a place in depth\n", $1
    printf "  %-32s %5.1f %%\n", "hold the lesion", 100 * $2
    printf "  %-32s %5.1f %%\n", "chance, a slab at random", 100 * $3
    printf "  %-32s %5.1f %%\n", "chance, four slices at random", 100 * $4
    printf "  %-32s %5.1f %%\n", "the best slab, same for everyone", 100 * $5
}' "$dir/hits.tsv" >>"$dir/table.txt"
cat "$dir/table.txt"
pictures=("$dir"/*.png)
printf '\npictures: %s; %d s in all\n' "${pictures[*]}" $((SECONDS - start))
