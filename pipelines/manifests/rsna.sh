#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# rsna.sh - the RSNA pneumonia detection challenge, stage 2, to a manifest with boxes
# usage: rsna.sh [-h] [-s classify|segment|none] [-n N] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER as Kaggle has it: stage_2_train_labels.csv, stage_2_train_images/<patient id>.dcm, and, if it is
# there, stage_2_detailed_class_info.csv. A row is a patient, with label.pneumonia (has a box), class (the
# detailed one) and boxes: "x0,y0,x1,y1;..." in pixels of the file. -s is whose lists are drawn, both
# MGCA's, bit for bit and in their order:
#   classify  18,678 to train, 4,003 valid, 4,003 test. The default.
#   segment   16,010, 5,337, 5,337, for segmentation and detection (-n: another number than 5337)
#   none      no split; um-split is needed for the others
# The lists are drawn from all patients of the table; those whose file is not there are then left out,
# named (-m: all of them) and counted.
#
#   um-preprocess --root FOLDER manifest.tsv -o rsna.umt
#   um-preprocess --root FOLDER --size 224 --fit stretch --box-mask --mask-filter area segment.tsv -o segment.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

how=classify count=5337
options 's=how n=count' "$@"
case $how in classify | segment | none) ;; *) usage ;; esac
number n "$count"
[ "$how" = none ] || need_split
enter

need stage_2_train_labels.csv 'the RSNA pneumonia challenge, stage 2'
need_folder stage_2_train_images 'the RSNA pneumonia challenge, stage 2'
list 'file .dcm in stage_2_train_images' ./stage_2_train_images -type f -name '*.dcm'
csv stage_2_train_labels.csv >"$tmp/labels"
if [ -f stage_2_detailed_class_info.csv ]; then
    csv stage_2_detailed_class_info.csv >"$tmp/classes"
else
    echo "patientId${tab}class" >"$tmp/classes"
fi

tabs "$lib"'
    FNR == 1 {
        table = part == 1 ? "stage_2_detailed_class_info.csv" : "stage_2_train_labels.csv"
        head()
        id = column("patientId")
        if (part == 1) class = column("class")
        else {
            x = column("x")
            y = column("y")
            w = column("width")
            h = column("height")
            target = column("Target")
        }
        next
    }
    part == 1 {
        class_of[$id] = $class
        next
    }
    {
        if (!($id in label)) {
            label[$id] = 0
            order[++n] = $id
        }
        if ($target + 0 == 0) next
        label[$id] = 1
        boxes[$id] = boxes[$id] (boxes[$id] == "" ? "" : ";") $x + 0 "," $y + 0 "," $x + $w "," $y + $h
    }
    END {
        if (bad) exit 1
        print "key", "image", "patient", "class", "label.pneumonia", "boxes"
        for (i = 1; i <= n; i++) {
            id = order[i]
            print id, "stage_2_train_images/" id ".dcm", id, class_of[id], label[id], boxes[id]
        }
    }
' part=1 "$tmp/classes" part=2 "$tmp/labels" >"$tmp/whole"
case $how in
classify) parted -s "$tmp/whole" "$tmp/parted" --seed 0 --valid 0.15 --test 0.15 --drawn ;;
segment) parted -n "$tmp/whole" "$tmp/parted" --seed 0 --valid "$count" --test "$count" --drawn ;;
none) mv "$tmp/whole" "$tmp/parted" ;;
esac
tabs "$lib"'
    NR == FNR { have[$0]; next }
    FNR == 1 || there($2)
' "$tmp/files" "$tmp/parted" >"$tmp/manifest"
finish
