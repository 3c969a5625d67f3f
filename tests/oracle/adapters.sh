#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# adapters.sh - what becomes of each data set's folder, as a table: files, rows, parts, records, seconds
# usage: adapters.sh [-n patients] [-v ZxYxX]     um-phantom and the other tools on PATH
set -euo pipefail

patients=40 volume=32x96x96
while getopts n:v: opt; do
    case $opt in
    n) patients=$OPTARG ;;
    v) volume=$OPTARG ;;
    *) sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
    esac
done
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# NAME ADAPTER-OPTIONS UM-PREPROCESS-OPTIONS
run() {
    local name=$1 said split start seconds
    # shellcheck disable=SC2086 # options
    {
        um-phantom -q -n "$patients" --volume "$volume" --xray-size 256 --layout "$name" -o "$name"
        said=$("$here/../../pipelines/manifests/$name.sh" $2 "$name" 2>&1 >"$name.tsv")
        start=$(date +%s%N)
        um-preprocess -q --root "$name" $3 "$name.tsv" -o "$name.umt"
        seconds=$((($(date +%s%N) - start) / 100000000))
    }
    split=$(awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "split") s = i; next }
        { n[s ? $s : ""]++ } END { print n["train"] + 0 "/" n["valid"] + 0 "/" n["test"] + 0 }' "$name.tsv")
    printf '| %s | %d | %d | %s | %d | %d.%d | %s |\n' "$name" "$(find "$name" -type f | wc -l)" \
        "$(($(wc -l <"$name.tsv") - 1))" "$split" "$(um-show --keys "$name.umt" | wc -l)" $((seconds / 10)) \
        $((seconds % 10)) "$(cut -d ' ' -f 2- <<<"$said")"
}

echo "| layout | files | rows | train/valid/test | records | um-preprocess s | what the adapter said |"
echo "|---|---|---|---|---|---|---|"
run mimic-cxr-jpg "" ""
run bimcv-covid19plus "-t bimcv-covid19plus/reports_en.tsv" ""
run chexpert "-n 5" ""
run rsna "" ""
run covidx "" ""
run cc-ccii "" "--window 0,255"
run luna16 "" ""
run bcv "" "--window abdomen --spacing 1.5,1.5,2 --crop-foreground"
run amos "" "--window abdomen --spacing 1.5,1.5,2 --crop-foreground"
run folder "-t folder/table.csv -s 0.1,0.2" ""
