#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# real.sh - the whole way on a folder of real X-rays with notes and real CT volumes
# usage: real.sh [-e epochs] [-n phantoms] [-p preset] [-s seed] [-j threads] folder [output]
#
# The folder holds xray/manifest.tsv and ct/manifest.tsv. The X-rays with their notes train the 2D
# branch. The volumes come without reports, and no volume is given a stranger's report: a phantom set
# trains the 3D branch. The real volumes are then encoded, and the slices that the network looks at
# are shown.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
epochs=30 phantoms=150 preset=phantom seed=42 threads=0
while getopts e:n:p:s:j: opt; do
    case $opt in
    e) epochs=$OPTARG ;;
    n) phantoms=$OPTARG ;;
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
    printf '[%d/6 %3d s] %s\n' "$step" $((SECONDS - start)) "$*"
}
count() { um-show --keys "$1" | wc -l; }
j=(-j "$threads")
mkdir -p "$dir"

say "um-preprocess: real X-rays, frontal, with notes of three sentences or more"
um-preprocess --filter frontal,sentences=3 --image-size "$image" "${j[@]}" "$data/xray/manifest.tsv" |
    um-cat --hash-split patient:train=0.85,valid=0.15 -o "$dir/xray.raw.umt"
echo "        $(count "$dir/xray.raw.umt") X-rays; patients split by a hash, so that none is on both sides"
um-show --montage -n 40 -o "$dir/xray.png" "$dir/xray.raw.umt"

say "um-preprocess: real volumes: no reports come with them, so they are not trained on"
um-preprocess --volume-size "$volume" --mask-threshold 127.5 --on-error skip --rejects "$dir/ct.rejects.tsv" "${j[@]}" \
    -o "$dir/ct.umt" "$data/ct/manifest.tsv"
echo "        $(count "$dir/ct.umt") volumes"
um-show --montage -o "$dir/ct.png" "$dir/ct.umt"

say "um-phantom: $phantoms made-up volumes with reports train the 3D branch in their place"
um-phantom -n "$phantoms" --seed "$seed" --pairs ct "${j[@]}" -q -o "$dir/phantom"
um-preprocess --volume-size "$volume" "${j[@]}" -q -o "$dir/phantom.raw.umt" "$dir/phantom/ct.tsv"

say "um-tokenize, um-train: preset $preset, $epochs epochs"
um-cat --where split=train "$dir/xray.raw.umt" "$dir/phantom.raw.umt" |
    um-tokenize --train-vocab 1500 "${j[@]}" -q -o "$dir/vocab.txt"
for kind in xray phantom; do
    um-tokenize --vocab "$dir/vocab.txt" "${j[@]}" -q -o "$dir/$kind.umt" "$dir/$kind.raw.umt"
done
rm -rf "$dir/run"
um-train --preset "$preset" --epochs "$epochs" --norm mgca --batch 16 --lr 5e-4 --text-dropout 0 \
    --seed "$seed" -j "$threads" -o "$dir/run" "$dir/xray.umt" "$dir/phantom.umt"

say "um-encode, um-select-slices: the real volumes"
um-encode -m "$dir/run/model.safetensors" --attention "${j[@]}" -q "$dir/ct.umt" |
    um-select-slices -k 4 --slice-size "$slice" -o "$dir/slices.umt"
um-show --keys "$dir/slices.umt"
um-show --montage -o "$dir/slices.png" "$dir/slices.umt"

say "done"
awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
    {
        k = $c["modality"]
        if (!(k in first)) { first[k] = $c["epoch"]; order[++n] = k }
        last[k] = $c["epoch"]
        sum[k, last[k]] += $c["loss"]; steps[k, last[k]]++
    }
    END {
        for (i = 1; i <= n; i++) {
            k = order[i]; f = first[k]; l = last[k]
            printf "mean loss, %-3s first epoch %.3f, last %.3f\n", k ":", sum[k, f] / steps[k, f], sum[k, l] / steps[k, l]
        }
    }' "$dir/run/log.tsv"
echo "pictures: $dir/xray.png (X-rays), $dir/ct.png (volumes), $dir/slices.png (chosen slices)"
