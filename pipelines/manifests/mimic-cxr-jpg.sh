#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# mimic-cxr-jpg.sh - MIMIC-CXR-JPG 2.0.0, with the reports of MIMIC-CXR, to a manifest
# usage: mimic-cxr-jpg.sh [-h] [-l chexpert|negbio] [-r reports] [-p] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER as PhysioNet has it:
#   files/p10/p10000032/s50414267/<dicom id>.jpg
#   mimic-cxr-2.0.0-metadata.csv.gz  mimic-cxr-2.0.0-split.csv.gz   (or unpacked)
#   mimic-cxr-2.0.0-chexpert.csv.gz  mimic-cxr-2.0.0-negbio.csv.gz  labels; -l picks
#   files/p10/p10000032/s50414267.txt                               reports, or below -r DIR, unpacked
# A report is read by um-preprocess, which finds its sections; a study without one keeps its pictures. A DIR
# without a report of any picture is refused.
#
# A row is a picture: key p10000032/s50414267/<dicom id>, view, patient, study, split (the official one;
# validate is valid), report_file, and the labels as published: 1, 0, -1 uncertain, empty not
# mentioned. With -p, as pre-training has it, the official test part is valid too. Pictures that the table of
# splits does not have are left out and counted, as they may be of the test part; a table that has less than
# half of them is refused. Rows whose picture is not there are left out, named (-m: all of them) and counted.
#
#   mimic-cxr-jpg.sh -p FOLDER | um-preprocess --root FOLDER --filter frontal,sentences=3 -o mimic.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

labels=chexpert reports='' pretrain=0
options 'l=labels r@reports p!pretrain' "$@"
case $labels in chexpert | negbio) ;; *) usage ;; esac
enter

metadata=$(either mimic-cxr-2.0.0-metadata.csv) split=$(either mimic-cxr-2.0.0-split.csv)
labels=$(either "mimic-cxr-2.0.0-$labels.csv")
need "$metadata" 'MIMIC-CXR-JPG'
need "$split" 'MIMIC-CXR-JPG'
need "$labels" 'MIMIC-CXR-JPG'
need_folder files 'MIMIC-CXR-JPG'
list 'picture .jpg in files' ./files -type f \( -name '*.jpg' -o -name '*.txt' \)
if [ -n "$reports" ]; then
    wanted='files/p10/p10000032/s50414267.txt is expected in it'
    if [ ! -d "$reports" ]; then
        [ ! -e "$reports" ] || die "$reports: not a folder: unpack it: $wanted"
        die "$reports: no such folder of reports"
    fi
    in=$reports
    [ ! -d "$in/files" ] || in=$in/files
    (
        CDPATH='' cd -- "$in" || exit 1
        set -- ./p[0-9]*
        [ ! -e "$1" ] || find -L "$@" -type f -name 's*.txt'
    ) >"$tmp/texts" 2>"$tmp/why" || die "$reports: $(sed -n '1s/^find: //p' "$tmp/why")"
    [ -s "$tmp/texts" ] || die "$reports: no report here: $wanted"
    sed 's/^\.\//reports\//' "$tmp/texts" >>"$tmp/files"
fi
csv "$split" >"$tmp/split"
csv "$labels" >"$tmp/labels"
csv "$metadata" >"$tmp/metadata"

tabs -v reports="${in-}" -v given="$reports" -v wanted="${wanted-}" -v pretrain=$pretrain -v splits="$split" "$lib"'
    part == 1 { have[$0]; next }

    part == 2 && FNR == 1 {
        table = "split"
        head()
        id = column("dicom_id")
        set = column("split")
        next
    }
    part == 2 {
        if ($set != "train" && $set != "validate" && $set != "test")
            die("split: " $id " is \"" $set "\", expected train, validate or test")
        split_of[$id] = $set == "validate" || (pretrain && $set == "test") ? "valid" : $set
        next
    }

    part == 3 && FNR == 1 {
        table = "labels"
        head()
        study = column("study_id")
        for (i = 1; i <= NF; i++)
            if ($i != "subject_id" && $i != "study_id") {
                at_label[++n] = i
                names = names OFS "label." word($i)
                blank = blank OFS
            }
        next
    }
    part == 3 {
        text = ""
        for (i = 1; i <= n; i++) text = text OFS plain($(at_label[i]))
        labels_of[$study] = text
        next
    }

    part == 4 && FNR == 1 {
        table = "metadata"
        head()
        id = column("dicom_id")
        subject = column("subject_id")
        study = column("study_id")
        view = column("ViewPosition")
        print "key", "image", "report_file", "view", "patient", "study", "split" names
        next
    }
    {
        folder = "p" substr($subject, 1, 2) "/p" $subject
        where = folder "/s" $study
        image = "files/" where "/" $id ".jpg"
        if (!there(image)) next
        pictures++
        if (!($id in split_of)) {
            no_split++
            next
        }
        report = "files/" where ".txt"
        if (!(report in have)) {
            report = ""
            if (("reports/" where ".txt") in have) report = reports "/" where ".txt"
            else no_report++
        }
        if (!($study in labels_of)) no_label++
        print "p" $subject "/s" $study "/" $id, image, report, $view, "p" $subject, "s" $study, \
            split_of[$id] ($study in labels_of ? labels_of[$study] : blank)
    }
    END {
        if (bad) exit 1
        if (2 * no_split > pictures)
            die(splits ": no row for " no_split " of " pictures " pictures: the table that came with them is expected")
        if (reports != "" && no_report > 0 && no_report == pictures - no_split)
            die(given ": none of the reports here is of one of the pictures: " wanted)
        if (no_split) print no_split " without a split, left out" > notes
        if (no_report) print no_report " without a report" > notes
        if (no_label) print no_label " without labels" > notes
    }
' part=1 "$tmp/files" part=2 "$tmp/split" part=3 "$tmp/labels" part=4 "$tmp/metadata" >"$tmp/manifest"
finish
