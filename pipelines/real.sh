#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# real.sh - the whole method on a folder of real X-rays with notes and real CT volumes
# usage: real.sh [-n steps] [-v phantoms] [-p preset] [-s seed] [-j threads] folder [output]
#
# The folder holds xray/manifest.tsv and ct/manifest.tsv. The X-rays with their notes train the 2D
# branch. The volumes come without reports, and no volume is given a stranger's report: a phantom set
# trains the 3D branch. All of the method is on: teacher, slices picked by its attention, masks,
# self-distillation. Prints the parts of the loss at the beginning and at the end, and the held-out
# loss and retrieval before and after; then the teacher looks at the real volumes, and the slices that
# it picks are shown. 200 steps of ViT-Ti take a quarter of an hour on two cores.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
steps=200 phantoms=60 preset=vit-ti seed=42 threads=0
while getopts n:v:p:s:j: opt; do
    case $opt in
    n) steps=$OPTARG ;;
    v) phantoms=$OPTARG ;;
    p) preset=$OPTARG ;;
    s) seed=$OPTARG ;;
    j) threads=$OPTARG ;;
    *) sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
if [ $# -lt 1 ]; then sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; fi
data=$1 dir=${2:-real}
case $preset in # what the preset's network takes: stored image, volume, and the side of a slice
phantom) image=128 volume=16x64x64 slice=112 ;;
*) image=256 volume=32x128x128 slice=224 ;;
esac
PATH=${BUILD:-$here/../build}:$PATH
start=$SECONDS step=0
say() {
    step=$((step + 1))
    printf '[%d/7 %3d s] %s\n' "$step" $((SECONDS - start)) "$*"
}
count() { # FILE [SPLIT]
    um-cat ${2:+--where "split=$2"} "$1" | um-show --keys - | wc -l
}
split() { echo "$(count "$1") $2: $(count "$1" train) to train on, $(count "$1" valid) held out"; }
j=(-j "$threads")
mkdir -p "$dir"

say "um-preprocess: real X-rays, frontal, with notes of three sentences or more"
um-preprocess --filter frontal,sentences=3 --size "$image" "${j[@]}" "$data/xray/manifest.tsv" |
    um-cat --hash-split patient:train=0.85,valid=0.15 -o "$dir/xray.raw.umt"
echo "        $(split "$dir/xray.raw.umt" "real X-rays"); patients split by a hash, so that none is on both sides"
um-show --montage -n 40 -o "$dir/xray.png" "$dir/xray.raw.umt"

say "um-preprocess: real volumes: no reports come with them, so they are not trained on"
um-preprocess --size "$volume" --mask-threshold 127.5 --on-error skip --rejects "$dir/ct.rejects.tsv" "${j[@]}" \
    -o "$dir/ct.umt" "$data/ct/manifest.tsv"
echo "        $(count "$dir/ct.umt") real volumes"
um-show --montage -o "$dir/ct.png" "$dir/ct.umt"

say "um-phantom: made-up volumes with reports train the 3D branch in their place"
um-phantom -n "$phantoms" --seed "$seed" --pairs ct --split 0.8,0.2,0 "${j[@]}" -q -o "$dir/phantom"
um-preprocess --size "$volume" "${j[@]}" -q -o "$dir/phantom.raw.umt" "$dir/phantom/ct.tsv"
echo "        $(split "$dir/phantom.raw.umt" "phantom volumes")"

say "um-tokenize: a vocabulary from the training notes and reports"
um-cat --where split=train "$dir/xray.raw.umt" "$dir/phantom.raw.umt" |
    um-tokenize --train-vocab 1500 "${j[@]}" -q -o "$dir/vocab.txt"
for kind in xray phantom; do
    um-tokenize --vocab "$dir/vocab.txt" "${j[@]}" -q -o "$dir/$kind.umt" "$dir/$kind.raw.umt"
done

say "um-train: the whole method, preset $preset, $steps steps, real X-rays and phantom volumes"
# batches that two cores can do; from random weights on few patients: input about 0, no dropout, a higher rate
rm -rf "$dir/run"
um-train --preset "$preset" --steps "$steps" --batch-2d 8 --batch-3d 6 --precision bf16 --norm mgca --lr 5e-4 \
    --text-dropout 0 --validate-every 2 --seed "$seed" "${j[@]}" -o "$dir/run" "$dir/xray.umt" "$dir/phantom.umt"
if command -v gnuplot >/dev/null; then um-plot --smooth 10 -o "$dir/curves.png" "$dir/run"; fi

say "um-encode --use teacher, um-select-slices: the slices of the real volumes that the teacher picks"
um-encode -m "$dir/run/model.safetensors" --use teacher --attention "${j[@]}" -q "$dir/ct.umt" |
    um-select-slices -k 4 --slice-size "$slice" -o "$dir/slices.umt"
um-show --keys "$dir/slices.umt"
um-show --montage -o "$dir/slices.png" "$dir/slices.umt"

say "before and after: 2d real X-rays, 3d phantom volumes"
awk -F '\t' -f "$here/before-after.awk" "$dir/run/log.tsv" "$dir/run/valid.tsv" | tee "$dir/table.txt"
echo "(chance has a loss vl of log 8 = 2.079 in batches of X-rays, of log 6 = 1.792 in those of volumes)"
pictures=("$dir"/*.png)
printf 'pictures: %s; %d s in all\n' "${pictures[*]}" $((SECONDS - start))
