#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# bimcv-covid19plus.sh - BIMCV-COVID19+ (iterations 1 and 2): X-rays and CTs with reports to a manifest
# usage: bimcv-covid19plus.sh [-h] [-l labels] [-t reports] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER is the unpacked one that holds the patients (covid19_posi):
#   sub-S03582/ses-E07281/mod-rx/sub-S03582_ses-E07281_run-1_bp-chest_vp-ap_cr.png   X-rays: cr, dx
#   sub-S03582/ses-E07281/mod-rx/sub-S03582_ses-E07281_run-1_bp-chest_vp-ap_cr.json  their DICOM tags
#   sub-S03582/ses-E07281/mod-rx/sub-S03582_ses-E07281_run-2_bp-chest_ct.nii.gz      CT
#   derivatives/labels/labels_covid19_posi.tsv (or labels_covid_posi.tsv)            reports, in Spanish
# -l names the table of labels where it lies elsewhere (TSV or CSV, .gz too; columns ReportID, Report,
# Labels). Of two rows for one session that differ the first is taken, and they are counted.
# A row is a picture or a volume: key, levels, view, patient, session, modality, findings (the labels,
# commas between). All of a session share its report.
#
# levels (um-preprocess): the PNGs hold stored values of 10 to 16 bits, some with bones dark. What becomes
# black and white, LO,HI, is what the json beside says:
#   the first window (0028,1050 centre c, 0028,1051 width w): LO = c - w/2, HI = c + w/2 - 1, DICOM's
#     linear function; or c + w/2 where 0028,1056 is LINEAR_EXACT, or SIGMOID, whose curve is taken as straight;
#   without one, the first VOI lookup table (0028,3010): the two values between which it changes, its
#     curve taken as straight;
#   without either: 0 and 2^bits - 1 (0028,0101).
# Window and table are of rescaled values, so slope and intercept (0028,1053, 0028,1052) are taken back.
# MONOCHROME1 (0028,0004) swaps the two. Levels are empty where there is no json, or one that is cut or
# says none of it, and for a PNG in colour or of fewer bits than its json says, which somebody made into
# a picture already: all of these are counted, and um-preprocess warns of dark ones.
#
# view is what the name says after vp-, but LATERAL where the json says so and the name does not: the
# view position (0018,5101) is LL or RL, or the series description (0008,103E; without one the meaning of
# the procedure, 0008,1032) holds LAT, LATERAL or PERFIL and neither PA nor AP. Where the name says none it
# is PA or AP as the json has them (a portable one is AP).
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

translated='' labels=''
options 't@translated l@labels' "$@"
enter

# a table into $2; a CR in a field is a line break to whoever reads the report
table() { # FILE OUT
    [ -f "$1" ] || die "$1: no such file"
    case $1 in
    *.csv | *.csv.gz) csv "$1" -v newline='\r' >"$2" ;;
    *) csv "$1" -v "sep=$tab" -v newline='\r' >"$2" ;;
    esac
}

for f in derivatives/labels/[Ll]abels_covid*.tsv derivatives/labels/[Ll]abels_covid*.tsv.gz; do
    case $labels in
    '') if [ -f "$f" ]; then labels=$f; fi ;;
    "${f%.gz}" | /*) ;;
    *) if [ -f "$f" ]; then die "$folder: two tables of labels, $labels and $f: -l names the one to take"; fi ;;
    esac
done
[ -n "$labels" ] || die "$folder: no derivatives/labels/labels_covid19_posi.tsv here:" \
    "BIMCV-COVID19+ is expected (-l names the table where it lies elsewhere)"
list 'picture or volume sub-*/ses-*/mod-*/sub-*.png or .nii.gz' . -type f \( -name 'sub-*.png' -o -name 'sub-*.nii.gz' \) -path './sub-*/ses-*/mod-*/*'
table "$labels" "$tmp/labels"
echo "ReportID${tab}report" >"$tmp/translated"
[ -z "$translated" ] || table "$translated" "$tmp/translated"

want='00280004 00280101 00281050 00281051 00281056'              # photometric, bits; window: centre, width, function
want="$want 00281052 00281053 00283010.00283002 00283010.00283006" # intercept, slope; lookup table
want="$want 00185101 0008103E 00081032.00080104"                   # view position, descriptions
sed -n '/\.png$/p' "$tmp/files" >"$tmp/pictures"
awk -v want="$want" -f "$here/tags.awk" "$tmp/pictures" >"$tmp/tags" || exit 1
while IFS= read -r f; do # bits and colours, as a PNG begins
    echo "$f$tab$(od -A n -t u1 -j 24 -N 2 "$f" 2>"$tmp/said")"
done <"$tmp/pictures" >"$tmp/kinds"

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
    # the first of several values as a number; nothing if it is none
    function number(x) {
        gsub(/\037/, "", x)
        sub(/[ \\].*/, "", x)
        return x ~ /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$/ ? x + 0 : ""
    }
    # as the column levels takes it
    function decimal(x) {
        x = sprintf("%.4f", x)
        sub(/0+$/, "", x)
        sub(/\.$/, "", x)
        return x == "-0" ? "0" : x
    }
    # LO,HI of two values after slope and intercept; nothing if they are none
    function between(lo, hi, slope, intercept) {
        lo = decimal((lo - intercept) / slope)
        hi = decimal((hi - intercept) / slope)
        if (lo == hi || lo * lo > 1e12 || hi * hi > 1e12) return ""
        return inverted ? hi "," lo : lo "," hi
    }
    function by_window(c, w, form,    less) {
        less = form == "" || form == "LINEAR" # white begins a value before the end of the width
        return c == "" || w == "" || w <= less ? "" : between(c - w / 2, c + w / 2 - less, slope, intercept)
    }
    function by_table(descriptor, data,    d, v, i, k, n) {
        if (split(descriptor, d, " ") < 2) return ""
        n = split(data, v, " ")
        for (i = 1; i < n && v[i + 1] == v[1]; i++);
        for (k = n; k > 1 && v[k - 1] == v[n]; k--);
        if (n < 2) k = d[1] + 0 ? d[1] : 65536 # the entries are not there, their number is
        else if (i >= k) return ""
        if (n > 1 && v[k] + 0 < v[i] + 0) return between(d[2] + k - 1, d[2] + i - 1, slope, intercept)
        return between(d[2] + i - 1, d[2] + k - 1, slope, intercept)
    }
    function by_bits(bits,    full) {
        if (bits < 1 || bits > 16) return ""
        for (full = 1; bits > 1; bits--) full = 2 * full + 1
        return between(0, full, 1, 0)
    }
    # the levels that the tags of this line say, and how
    function levels(    x, kind) {
        how = "in colour"
        if (split(file[$1], kind, " ") == 2 && kind[2] != 0 && kind[2] != 4) return ""
        x = toupper($3)
        gsub(/[^A-Z0-9_]/, "", x)
        if (x != "" && x !~ /^MONOCHROME[12]$/) return ""
        how = "of fewer bits than the json says"
        if (kind[1] != "" && kind[1] + 0 < number($4) + 0) return ""
        inverted = x == "MONOCHROME1"
        intercept = number($8) + 0
        slope = number($9) + 0 ? number($9) : 1
        how = "by window"
        if ((x = by_window(number($5), number($6), toupper($7))) != "") return x
        how = "by lookup table"
        if ((x = by_table($10, $11)) != "") return x
        how = "by bits"
        if ((x = by_bits(number($4))) != "") return x
        how = "not said"
        return ""
    }

    function says(x, list,    i, n, v) {
        n = split(list, v, " ")
        for (i = 1; i <= n; i++) if (index(x, " " v[i] " ")) return 1
        return 0
    }
    # LATERAL, PA, AP, or nothing: also where it says two of them
    function view_of(x,    pa, ap) {
        x = toupper(x)
        gsub(/\\U00[CE]1/, "A", x)
        gsub("\303[\201\241]", "A", x)
        gsub(/[^A-Z]+/, " ", x)
        x = " " x " "
        pa = says(x, "PA")
        ap = says(x, "AP")
        # lateral decubitus is how the patient lies
        if (says(x, "LL RL LAT LATERAL PERFIL") && !says(x, "DEC DECUBITO DECUBITUS"))
            return pa || ap || says(x, "FRENTE") ? "" : "LATERAL"
        return pa && ap ? "" : pa ? "PA" : ap || says(x, "PORTATIL PORTABLE") ? "AP" : ""
    }
    function view_by_tags(    position, series) {
        position = view_of($12)
        series = view_of($13 != "" ? $13 : $14)
        return series == "LATERAL" || position == "" ? series : position
    }

    # is this the first row of the session? others should say the same
    function first(id, text) {
        if (!(id in row)) {
            row[id] = text
            return 1
        }
        if (row[id] != text) differ[id]
        return 0
    }

    part == 1 && FNR == 1 {
        table = "the table of translated reports"
        head()
        id = "ReportID" in at ? at["ReportID"] : "session" in at ? at["session"] : column("ReportID")
        text = "Report" in at ? at["Report"] : column("report")
        next
    }
    part == 1 {
        if (first("report " $id, $text)) report[$id] = $text
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
        if (!first($id, $text "\t" $labels)) next
        if (english == "") report[$id] = unlist($text, "\r")
        findings[$id] = unlist($labels, ", ")
        next
    }

    part == 3 {
        file[$1] = $2
        next
    }
    part == 4 {
        if ($2 == "read") {
            level[$1] = levels()
            if (level[$1] != "" && inverted) inversions++
            view_said[$1] = view_by_tags()
        } else how = $2 == "none" ? "without a json" : "with a damaged json"
        hows[how]++
        next
    }

    FNR == 1 { print "key", "image", "levels", "report", "view", "patient", "session", "modality", "findings" }
    {
        n = split($0, piece, "/")
        key = piece[n]
        sub(/\.(png|nii\.gz)$/, "", key)
        kind = key
        sub(/.*_/, "", kind)
        view = ""
        if (match(key, /_vp-[A-Za-z]+/)) view = toupper(substr(key, RSTART + 4, RLENGTH - 4))
        if (view_said[$0] == "LATERAL" && view != "" && view_of(view) != "LATERAL") otherwise++
        if (view == "" || (view_said[$0] == "LATERAL" && view_of(view) != "LATERAL")) view = view_said[$0]
        if (report[piece[2]] == "") none++
        if ($0 ~ /\.gz$/) volumes++
        else if (view == "") unseen++
        print key, $0, level[$0], report[piece[2]], view, piece[1], piece[2], toupper(kind), findings[piece[2]]
    }
    # counts of those hows, commas between
    function counts(list,    i, n, v, text) {
        n = split(list, v, ",")
        for (i = 1; i <= n; i++) if (hows[v[i]]) text = text (text == "" ? "" : ", ") hows[v[i]] " " v[i]
        return text
    }
    END {
        if (bad) exit 1
        print volumes + 0 " volumes" > notes
        if ((text = counts("by window,by lookup table,by bits")) != "")
            print "levels: " text (inversions ? ", " inversions " of them inverted" : "") > notes
        if ((text = counts("without a json,with a damaged json,in colour,of fewer bits than the json says,not said")) != "")
            print "no levels: " text > notes
        if (otherwise) print otherwise " lateral by the json alone" > notes
        if (unseen) print unseen " of no known view" > notes
        if (none) print none " without a " (english == "" ? "report" : "translated report") > notes
        for (n in differ) differing++
        if (differing) print differing " with a second row that differs" > notes
        if (english == "") print "reports in Spanish: -t names translated ones" > notes
    }
' part=1 "$tmp/translated" part=2 "$tmp/labels" part=3 "$tmp/kinds" part=4 "$tmp/tags" part=5 "$tmp/files" >"$tmp/manifest"
finish
