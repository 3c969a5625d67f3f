#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# bcv.sh - BCV (Beyond the Cranial Vault, abdomen) to a manifest with masks
# usage: bcv.sh [-h] [-l tests.txt] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER holds RawData/Training/img/img0001.nii.gz and RawData/Training/label/label0001.nii.gz (or is
# RawData, or Training); the 20 scans of RawData/Testing have no labels and are not looked at. Masks hold
# 13 organs. Six scans test, as nnU-Net's fold 0 of 5 has it: 0004, 0009, 0023, 0026, 0029, 0037; or
# those whose names (img0001) the file of -l has, one a line, each a scan that is there; without -l um-split is
# needed. A scan without its label is left out, named (-m: all of them) and counted.
#
#   um-preprocess --root FOLDER --window abdomen --spacing 1.5,1.5,2 --crop-foreground manifest.tsv -o bcv.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

tests=''
options 'l@tests' "$@"
enter

base=''
for sub in RawData/Training/ Training/; do
    if [ -z "$base" ] && [ -d "${sub}img" ]; then base=$sub; fi
done
need_folder "${base}img" 'RawData/Training of BCV'
need_folder "${base}label" 'RawData/Training of BCV'
[ -z "$tests" ] || [ -f "$tests" ] || die "$tests: no such file"
list 'scan .nii.gz in img' "./${base}img" "./${base}label" -type f -name '*.nii.gz'

tabs -v base="$base" "$lib"'
    NR == FNR { have[$0]; next }
    FNR == 1 { print "key", "image", "mask", "patient" }
    index($0, base "img/img") == 1 {
        key = substr($0, length(base) + 5)
        sub(/\.nii\.gz$/, "", key)
        mask = base "label/label" substr(key, 4) ".nii.gz"
        if (there(mask)) print key, $0, mask, key
    }
' "$tmp/files" "$tmp/files" >"$tmp/whole"
if [ -n "$tests" ]; then
    tabs -v base="$base" -v tests="$tests" "$lib"'
        part == 1 { have[$0]; next }
        part == 2 {
            gsub(/^[ \t]+|[ \t\r]+$/, "")
            sub(/\.nii(\.gz)?$/, "")
            if ($0 == "") next
            if (!((base "img/" $0 ".nii.gz") in have)) die(tests ": line " FNR ": no scan " $0 " in " base "img")
            test[$0]
            named = 1
            next
        }
        FNR == 1 && !named { die(tests ": empty: names of scans, such as img0001, are expected, one a line") }
        { print $0, (FNR == 1 ? "split" : $1 in test ? "test" : "train") }
    ' part=1 "$tmp/files" part=2 "$tests" part=3 "$tmp/whole" >"$tmp/manifest"
elif [ "$(wc -l <"$tmp/whole")" -gt 1 ]; then
    need_split
    parted -l "$tmp/whole" "$tmp/manifest" --seed 12345 --test 0.2
else
    cp "$tmp/whole" "$tmp/manifest"
fi
finish
