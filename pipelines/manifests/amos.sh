#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# amos.sh - AMOS 2022, its CT scans, to a manifest with masks
# usage: amos.sh [-h] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER is amos22 (or the folder above it), with imagesTr/amos_0001.nii.gz, labelsTr, imagesVa and labelsVa.
# Scans up to 500 are CT, the others MR, which are left out. imagesTr trains (200 scans), imagesVa tests
# (100); imagesTs has no labels. Masks hold 15 organs. Scans that dataset.json names, if it is there, or
# that lack their label, are left out if they are not there, named (-m: all of them) and counted.
#
#   um-preprocess --root FOLDER --window abdomen --spacing 1.5,1.5,2 --crop-foreground manifest.tsv -o amos.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

options '' "$@"
enter

base=''
if [ ! -d imagesTr ] && [ -d amos22/imagesTr ]; then base=amos22/; fi
need_folder "${base}imagesTr" 'amos22'
need_folder "${base}labelsTr" 'amos22'
set -- "./${base}imagesTr" "./${base}labelsTr"
for sub in imagesVa labelsVa; do
    if [ -d "$base$sub" ]; then set -- "$@" "./$base$sub"; fi
done
list 'scan amos_*.nii.gz in imagesTr or imagesVa' "$@" -type f -name 'amos_*.nii.gz'
json=/dev/null
[ ! -f "${base}dataset.json" ] || json=${base}dataset.json

tabs -v base="$base" -v files="$tmp/files" "$lib"'
    # a scan by its path below base: images, Tr or Va, amos_, number
    function scan(path,    part, key, id, mask) {
        part = substr(path, 7, 2)
        key = path
        sub(/.*\//, "", key)
        sub(/\.nii\.gz$/, "", key)
        if (path in done || !(part == "Tr" || part == "Va")) return
        done[path]
        id = key
        sub(/^amos_0*/, "", id) # busybox takes 0501 for an octal number
        id += 0
        if (id > 500) {
            mr++
            return
        }
        mask = base "labels" part "/" key ".nii.gz"
        if (there(base path) && there(mask))
            print key, base path, mask, key, (part == "Tr" ? "train" : "test")
    }
    BEGIN {
        print "key", "image", "mask", "patient", "split"
        while ((getline line < files) > 0) {
            have[line]
            if (index(line, base "images") == 1) order[++n] = substr(line, length(base) + 1)
        }
        for (i = 1; i <= n; i++) scan(order[i])
    }
    # dataset.json: what it names and is not there
    {
        while (match($0, /images(Tr|Va)\/amos_[0-9]+\.nii\.gz/)) {
            path = substr($0, RSTART, RLENGTH)
            $0 = substr($0, RSTART + RLENGTH)
            scan(path)
        }
    }
    END { if (mr) print mr " MR scans left out" > notes }
' "$json" >"$tmp/manifest"
finish
