#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# cc-ccii.sh - Clean-CC-CCII to a manifest of folders of slices
# usage: cc-ccii.sh [-h] [-l lists] [-f head|feet] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER holds CP/, NCP/ and Normal/, each with patient/scan/0000.png, 0001.png, ..., and the lists
# ct_train.json, ct_val.json and ct_test.json that were published with the set (-l: the folder they are
# in). A row is a scan: image is its folder, slices those of it that are listed and there, from the feet
# to the head, class CP, NCP or Normal, split as listed. A scan with no slice there is left out; it and
# single slices that are listed and not there are named (-m: all of them) and counted, as are scans that
# no list has and slices beside listed ones.
#
# The lists name a scan's slices from the head down (-f head), as do six of seven scans that boxes of
# the body were published for by others; nothing in the set says so. -f feet takes them from the feet
# up. A contact sheet shows which it is: um-show --montage --plane coronal.
#
# Slices have 8 bits and no Hounsfield units:
#   um-preprocess --root FOLDER --window 0,255 manifest.tsv -o ccccii.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

lists=. from=head
options 'l@lists f=from' "$@"
case $from in head | feet) ;; *) usage ;; esac
enter

for class in CP NCP Normal; do need_folder "$class" 'Clean-CC-CCII'; done
for list in ct_train ct_val ct_test; do
    [ -f "$lists/$list.json" ] || die "$folder: no $list.json in $lists: the published lists are expected there (-l)"
    filled "$lists/$list.json" 'scans with their slices'
done
list 'slice .png or .jpg in CP, NCP or Normal' ./CP ./NCP ./Normal -type f \( -name '*.png' -o -name '*.jpg' \)

# strings do not cross lines in JSON: between quotes is text, around it brackets count the depth
tabs -v from="$from" "$lib"'
    BEGIN { print "key", "image", "slices", "patient", "class", "split" }
    NR == FNR {
        have[$0]
        folder = $0
        sub(/\/[^\/]*$/, "", folder)
        slices[folder]++
        next
    }
    FNR == 1 {
        whole()
        depth = scans = 0
        list = set == "train" ? "ct_train.json" : set == "valid" ? "ct_val.json" : "ct_test.json"
    }
    {
        n = split($0, piece, "\"")
        for (i = 1; i <= n; i++) {
            if (i % 2 == 0) {
                if (depth == 1) class = piece[i]
                else if (depth == 2) patient = piece[i]
                else if (depth == 3) scan = class "/" patient "/" piece[i]
                else if (depth == 4 && there_or(scan "/" piece[i])) add(piece[i])
                continue
            }
            opened = gsub(/[{[]/, "", piece[i])
            closed = gsub(/[]}]/, "", piece[i])
            if (depth + opened == 4 && opened) {
                here_now = gone = 0
                named = ""
            }
            if (depth == 4 && closed) row()
            depth += opened - closed
        }
    }
    function whole() {
        if (depth) die(list ": ends inside of a list: is it cut?")
        if (list != "" && !scans) die(list ": no scan in it")
    }
    function there_or(path) {
        if (path in have) return 1
        absent[++gone] = path
        return 0
    }
    function add(slice) {
        here_now++
        named = here_now == 1 ? slice : from == "head" ? slice ";" named : named ";" slice
    }
    function row(    k) {
        scans++
        if (scan in listed) twice++
        else if (here_now == 0) print scan > missing
        else {
            for (k = 1; k <= gone; k++) print absent[k] > missing
            if (gone) cut++
            if (slices[scan] > here_now) beside++
            print scan, scan, named, patient, class, set
        }
        listed[scan]
    }
    END {
        if (bad) exit 1
        whole()
        for (folder in slices) if (!(folder in listed)) extra++
        if (cut) print cut " scans lack slices" > notes
        if (extra) print extra " scans in no list" > notes
        if (beside) print beside " scans have slices that are not listed" > notes
        if (twice) print twice " listed twice" > notes
    }
' "$tmp/files" set=train "$lists/ct_train.json" set=valid "$lists/ct_val.json" set=test "$lists/ct_test.json" \
    >"$tmp/manifest"
finish
