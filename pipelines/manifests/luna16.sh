#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# luna16.sh - LUNA16 to a manifest
# usage: luna16.sh [-h] [-t K] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER holds subset0 to subset9 (those you have) with <series uid>.mhd and .raw or .zraw, and
# annotations.csv (or CSVFILES/annotations.csv). A row is a scan with label.nodule: 1 if annotations.csv
# has a nodule in it (601 of the 888 scans), and nodules: "x,y,z,diameter;..." in mm to the left, the back
# and the head. patient is the series uid, for LUNA16 says no more: LIDC-IDRI's patients, of whom a few have
# two scans, are in its own tables alone. Subset K tests (-t, 9), the one before it is valid (8), the others
# train; -t 0 to -t 9 are the ten folds. Scans whose voxels are not there are left out, named (-m: all of
# them) and counted. A scan that is twice in a subset is taken once; one in two subsets is refused.
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
set --
for subset in ./subset[0-9]; do # nothing else is looked at
    [ ! -d "$subset" ] || set -- "$@" "$subset"
done
[ $# != 0 ] || die "$folder: no folder subset0 to subset9 here: LUNA16 is expected"
list 'scan .mhd in subset0 to subset9' "$@" -type f \( -name '*.mhd' -o -name '*.raw' -o -name '*.zraw' \)
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
        uid = stem = substr($0, 1, length($0) - 4)
        sub(/.*\//, "", uid)
        subset = substr($0, 7, 1)
        if (uid in subset_of && subset_of[uid] != subset)
            die("the scan " uid " is in subset" subset_of[uid] " and in subset" subset)
        subset_of[uid] = subset
        if (!((stem ".raw") in have) && !((stem ".zraw") in have)) {
            gone[++n] = stem ".raw"
            uid_of[n] = uid
            next
        }
        if (uid in taken) {
            twice++
            next
        }
        taken[uid]
        scans++
        if (uid in nodules) positive++
        print uid, $0, uid, subset, (uid in nodules), nodules[uid], \
            (subset == fold ? "test" : subset == (fold + 9) % 10 ? "valid" : "train")
    }
    END {
        if (bad) exit 1
        for (i = 1; i <= n; i++) if (!(uid_of[i] in taken)) print gone[i] > missing
        if (twice) print twice (twice > 1 ? " scans are" : " scan is") " twice in a subset, taken once" > notes
        print positive + 0 " with a nodule" > notes
        if (scans == 888 && positive != 601) print "601 are expected: another annotations.csv?" > notes
    }
' part=1 "$tmp/annotations" part=2 "$tmp/files" part=3 "$tmp/files" >"$tmp/manifest"
finish
