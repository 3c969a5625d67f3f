#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# covidx.sh - COVIDx CXR, version 6 (lists COVIDx9A), to a manifest
# usage: covidx.sh [-h] [-s patient|mgca|none] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER as Kaggle has it: train/, test/, train_COVIDx9A.txt and test_COVIDx9A.txt, whose lines are
# patient, file, class and source. class is normal, pneumonia or COVID-19. The test list is the test set.
# -s says what of the training list chooses the model:
#   patient  a tenth of its patients. The default.
#   mgca     a fifth of its pictures, as MGCA draws them, in that order: patients are shared
#   none     no split; um-split is needed for the others
# Pictures that are not there are left out, named (-m: all of them) and counted.
#
#   um-preprocess --root FOLDER manifest.tsv -o covidx.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

how=patient
options 's=how' "$@"
case $how in patient | mgca | none) ;; *) usage ;; esac
[ "$how" = none ] || need_split
enter

need train_COVIDx9A.txt 'COVIDx, version 6'
need test_COVIDx9A.txt 'COVIDx, version 6'
filled train_COVIDx9A.txt 'lines of patient, file, class and source'
filled test_COVIDx9A.txt 'lines of patient, file, class and source'
need_folder train 'COVIDx, version 6'
need_folder test 'COVIDx, version 6'
list 'file in train or test' ./train ./test -type f

# patient, file, class and source, parted by single spaces; a file's name may hold some too
tabs -F ' ' "$lib"'
    BEGIN { print "key", "image", "patient", "class", "source", "split" }
    { sub(/\r$/, "") }
    NF == 0 { next }
    { lines[set]++ }
    NF < 4 { die(set "_COVIDx9A.txt: line " FNR ": patient, file, class and source are expected") }
    {
        class = $(NF - 1)
        file = substr($0, length($1) + 2)
        file = substr(file, 1, length(file) - length($NF) - length(class) - 2)
        if (class != "normal" && class != "pneumonia" && class != "COVID-19")
            die(set "_COVIDx9A.txt: line " FNR ": class " class ", expected normal, pneumonia or COVID-19")
        key = set "/" file
        if (key in seen) {
            twice++
            next
        }
        seen[key]
        print key, set "/" file, $1, class, $NF, set
    }
    END {
        if (bad) exit 1
        if (!lines["train"] || !lines["test"])
            die((lines["train"] ? "test" : "train") "_COVIDx9A.txt: empty: nothing but blank lines")
        if (twice) print twice " listed twice" > notes
    }
' set=train train_COVIDx9A.txt set=test test_COVIDx9A.txt >"$tmp/whole"
case $how in
patient) parted -s "$tmp/whole" "$tmp/parted" --valid 0.1 ;;
mgca) parted -s "$tmp/whole" "$tmp/parted" --by row --seed 0 --valid 0.2 --drawn ;;
none) awk -F '\t' -v OFS='\t' '$6 == "train" { $6 = "" } { print }' "$tmp/whole" >"$tmp/parted" ;;
esac
tabs "$lib"'
    NR == FNR { have[$0]; next }
    FNR == 1 || there($2)
' "$tmp/files" "$tmp/parted" >"$tmp/manifest"
finish
