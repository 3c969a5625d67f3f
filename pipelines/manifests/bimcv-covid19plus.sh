#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# bimcv-covid19plus.sh - BIMCV-COVID19+ (iterations 1 and 2): X-rays and CTs with reports to a manifest
# usage: bimcv-covid19plus.sh [-h] [-t reports] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER is the unpacked one that holds the patients (covid19_posi):
#   sub-S03582/ses-E07281/mod-rx/sub-S03582_ses-E07281_run-1_bp-chest_vp-ap_cr.png   X-rays: cr, dx
#   sub-S03582/ses-E07281/mod-rx/sub-S03582_ses-E07281_run-2_bp-chest_ct.nii.gz      CT
#   derivatives/labels/labels_covid19_posi.tsv (or labels_covid_posi.tsv)            reports, in Spanish
# A row is a picture or a volume: key, view (what the name says after vp-), patient, session, modality,
# findings (the labels, commas between). All of a session share its report.
#
# The method trains on English reports, and translates nothing: -t names a table that you had
# translated, CSV or TSV with the columns ReportID (or session: ses-E07281) and report. Without it the
# reports are the Spanish ones.
#
# There is no official split; the method holds out 5 % of the patients by a hash of their id:
#   um-preprocess --root FOLDER --filter frontal,sentences=3 manifest.tsv |
#       um-cat --hash-split patient:train=0.95,valid=0.05 -o bimcv.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

translated=''
options 't@translated' "$@"
enter

labels=''
for f in derivatives/labels/labels_covid*posi*.tsv derivatives/labels/labels_covid*posi*.tsv.gz; do
    if [ -z "$labels" ] && [ -f "$f" ]; then labels=$f; fi
done
[ -n "$labels" ] || die "$folder: no derivatives/labels/labels_covid19_posi.tsv here: BIMCV-COVID19+ is expected"
list 'picture or volume sub-*/ses-*/mod-*/sub-*.png or .nii.gz' . -type f \( -name 'sub-*.png' -o -name 'sub-*.nii.gz' \) -path './sub-*/ses-*/mod-*/*'
# a CR in a field is a line break to whoever reads the report
csv "$labels" -v "sep=$tab" -v newline='\r' >"$tmp/labels"
echo "ReportID${tab}report" >"$tmp/translated"
if [ -n "$translated" ]; then
    [ -f "$translated" ] || die "$translated: no such file"
    case $translated in
    *.csv | *.csv.gz) csv "$translated" -v newline='\r' >"$tmp/translated" ;;
    *) csv "$translated" -v "sep=$tab" -v newline='\r' >"$tmp/translated" ;;
    esac
fi

tabs -v english="$translated" "$lib"'
    # "[\x27one\x27, \x27two\\n\x27]", as Python prints a list of texts: their characters, between them `with`
    function unlist(x, with,    q, c, out, i, n, inside) {
        if (x !~ /^\[.*\]$/) return x
        n = length(x)
        for (i = 2; i < n; i++) {
            c = substr(x, i, 1)
            if (!inside) {
                if (c != "\047" && c != "\"") continue
                inside = 1
                q = c
                if (out != "") out = out with
            } else if (c == q) inside = 0
            else if (c != "\\") out = out c
            else {
                c = substr(x, ++i, 1)
                out = out (c == "n" ? "\r" : c == "t" ? " " : c == "r" ? "" : c)
            }
        }
        return out
    }
    part == 1 && FNR == 1 {
        table = "the table of translated reports"
        head()
        id = "ReportID" in at ? at["ReportID"] : "session" in at ? at["session"] : column("ReportID")
        text = "Report" in at ? at["Report"] : column("report")
        next
    }
    part == 1 {
        report[$id] = $text
        next
    }

    part == 2 && FNR == 1 {
        table = "labels"
        head()
        id = column("ReportID")
        text = column("Report")
        labels = column("Labels")
        next
    }
    part == 2 {
        if (english == "") report[$id] = unlist($text, "\r")
        findings[$id] = unlist($labels, ", ")
        next
    }

    FNR == 1 { print "key", "image", "report", "view", "patient", "session", "modality", "findings" }
    {
        n = split($0, piece, "/")
        key = piece[n]
        sub(/\.(png|nii\.gz)$/, "", key)
        kind = key
        sub(/.*_/, "", kind)
        view = ""
        if (match(key, /_vp-[a-z]+/)) view = toupper(substr(key, RSTART + 4, RLENGTH - 4))
        if (report[piece[2]] == "") none++
        if ($0 ~ /\.gz$/) volumes++
        print key, $0, report[piece[2]], view, piece[1], piece[2], toupper(kind), findings[piece[2]]
    }
    END {
        if (bad) exit 1
        print volumes + 0 " volumes" > notes
        if (none) print none " without a " (english == "" ? "report" : "translated report") > notes
        if (english == "") print "reports in Spanish: -t names translated ones" > notes
    }
' part=1 "$tmp/translated" part=2 "$tmp/labels" part=3 "$tmp/files" >"$tmp/manifest"
finish
