#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# bcv.sh - BCV (Beyond the Cranial Vault, abdomen) to a manifest with masks
# usage: bcv.sh [-h] [-l tests.txt] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER holds RawData/Training/img/img0001.nii.gz and RawData/Training/label/label0001.nii.gz (or is
# RawData, or Training); the 20 scans of RawData/Testing have no labels and are not looked at. Masks hold
# 13 organs. Six of the 30 scans, 0001 to 0010 and 0021 to 0040, test, as nnU-Net's fold 0 of 5 has it:
# 0004, 0009, 0023, 0026, 0029, 0037, whichever files are there. Where scans with labels have other names a
# fifth of those that are there is drawn, and the summary says so. With -l those test whose names (img0001)
# the file has, one a line, each a scan that is there; without it um-split is needed. A scan of the 30 that
# is not there, and one without its label, are left out, named (-m: all of them) and counted.
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
# where the folders are that should be here, in a few words
elsewhere() {
    for sub in */; do
        for in in '' Training/ RawData/Training/; do
            [ ! -d "$sub${in}img" ] || printf '; is it %s?' "$folder/${sub%/}"
        done
    done
    for sub in '' */; do
        [ ! -d "${sub}imagesTr" ] ||
            printf '; %s is there: if it holds img0001.nii.gz, link img to it, and label to labelsTr' "${sub}imagesTr"
    done
}
need_folder "${base}img" "RawData/Training of BCV" "$(elsewhere)"
need_folder "${base}label" 'RawData/Training of BCV'
[ -z "$tests" ] || [ -f "$tests" ] || die "$tests: no such file"
list 'scan .nii.gz in img' "./${base}img" "./${base}label" -type f -name '*.nii.gz'

# names, and which are drawn from: the 30, whichever files are there; or, where scans with labels have
# others, all that are there
tabs -v base="$base" '
    BEGIN {
        for (i = 1; i <= 40; i++) if (i <= 10 || i > 20) official[whole[++n] = sprintf("img%04d", i)]
    }
    index($0, base "img/img") == 1 || index($0, base "label/label") == 1 {
        key = substr($0, length(base) + 1)
        if (!sub(/^img\//, "", key)) sub(/^label\/label/, "img", key)
        sub(/\.nii\.gz$/, "", key)
        if (!(key in seen)) here[++m] = key
        else if (!(key in official)) others = 1
        seen[key]
    }
    END {
        for (i = 1; i <= n && !others; i++) print whole[i], "drawn", "official"
        for (i = 1; i <= m; i++)
            if (others) print here[i], "drawn", ""
            else if (!(here[i] in official)) print here[i], "", "official"
    }
' "$tmp/files" >"$tmp/unsorted"
sort "$tmp/unsorted" >"$tmp/names"
tabs 'BEGIN { print "key", "image", "patient" } $2 != "" { print $1, $1, $1 }' "$tmp/names" >"$tmp/whole"
if [ -n "$tests" ]; then
    tabs -v base="$base" -v tests="$tests" "$lib"'
        NR == FNR { have[$0]; next }
        {
            gsub(/^[ \t]+|[ \t\r]+$/, "")
            sub(/\.nii(\.gz)?$/, "")
            if ($0 == "") next
            if (!((base "img/" $0 ".nii.gz") in have)) die(tests ": line " FNR ": no scan " $0 " in " base "img")
            print $0, $0, $0, "test"
            named = 1
        }
        END { if (!bad && !named) die(tests ": empty: names of scans, such as img0001, are expected, one a line") }
    ' "$tmp/files" "$tests" >"$tmp/drawn"
else
    need_split
    parted -l "$tmp/whole" "$tmp/drawn" --seed 12345 --test 0.2
fi

tabs -v base="$base" -v drawn="$([ -n "$tests" ] || echo drawn)" "$lib"'
    part == 1 { have[$0]; next }
    part == 2 { if ($4 == "test") test[$1]; next }
    FNR == 1 { print "key", "image", "mask", "patient", "split" }
    {
        if ($2 != "") n++
        official = $3 != ""
        image = base "img/" $1 ".nii.gz"
        mask = base "label/label" substr($1, 4) ".nii.gz"
        if (!there(image) || !there(mask)) next
        here++
        print $1, image, mask, $1, ($1 in test ? "test" : "train")
    }
    END {
        if (official) print here + 0 " of the 30 scans of BCV" > notes
        else if (drawn != "") print "other names than the 30 of BCV: the draw is from the " n " that are here" > notes
    }
' part=1 "$tmp/files" part=2 "$tmp/drawn" part=3 "$tmp/names" >"$tmp/manifest"
finish
