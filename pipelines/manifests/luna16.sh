#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# luna16.sh - LUNA16 to a manifest
# usage: luna16.sh [-h] [-t K] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER holds subset0 to subset9 (those you have) with <series uid>.mhd and .raw or .zraw, and
# annotations.csv (or CSVFILES/annotations.csv). A row is a scan with label.nodule: 1 if annotations.csv
# has a nodule in it (601 of the 888 scans), and nodules: "x,y,z,diameter;..." in mm to the left, the back
# and the head. Subset K tests (-t, 9), the one before it is valid (8), the others train; -t 0 to -t 9
# are the ten folds. Scans whose voxels are not there are left out, named (-m: all of them) and counted.
#
#   um-preprocess --root FOLDER manifest.tsv -o luna16.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

fold=9
options 't=fold' "$@"
case $fold in [0-9]) ;; *) usage ;; esac
enter

annotations=annotations.csv
[ -f $annotations ] || [ ! -f CSVFILES/annotations.csv ] || annotations=CSVFILES/annotations.csv
need $annotations 'LUNA16'
[ -d subset0 ] || [ -d subset1 ] || [ -d subset9 ] || die "$folder: no folder subset0 to subset9 here: LUNA16 is expected"
list 'scan .mhd in subset0 to subset9' . -type f -path './subset[0-9]/*' \( -name '*.mhd' -o -name '*.raw' -o -name '*.zraw' \)
csv $annotations >"$tmp/annotations"

tabs -v fold="$fold" "$lib"'
    part == 1 && FNR == 1 {
        table = "annotations.csv"
        head()
        id = column("seriesuid")
        x = column("coordX")
        y = column("coordY")
        z = column("coordZ")
        d = column("diameter_mm")
        next
    }
    part == 1 {
        nodules[$id] = nodules[$id] (nodules[$id] == "" ? "" : ";") $x "," $y "," $z "," $d
        next
    }
    part == 2 {
        have[$0]
        next
    }
    FNR == 1 { print "key", "image", "patient", "subset", "label.nodule", "nodules", "split" }
    /\.mhd$/ {
        stem = substr($0, 1, length($0) - 4)
        if (!((stem ".raw") in have) && !((stem ".zraw") in have)) {
            print stem ".raw" > missing
            next
        }
        uid = stem
        sub(/.*\//, "", uid)
        subset = substr($0, 7, 1)
        scans++
        if (uid in nodules) positive++
        print uid, $0, uid, subset, (uid in nodules), nodules[uid], \
            (subset == fold ? "test" : subset == (fold + 9) % 10 ? "valid" : "train")
    }
    END {
        if (bad) exit 1
        print positive + 0 " with a nodule" > notes
        if (scans == 888 && positive != 601) print "601 are expected: another annotations.csv?" > notes
    }
' part=1 "$tmp/annotations" part=2 "$tmp/files" part=3 "$tmp/files" >"$tmp/manifest"
finish
