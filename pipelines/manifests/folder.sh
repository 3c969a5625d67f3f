#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# folder.sh - a folder of your own images, with reports, masks and a table if there are any, to a manifest
# usage: folder.sh [-h] [-t table] [-p N] [-k MASK] [-d] [-s V,S] [-m missing.txt] FOLDER > manifest.tsv
#
# A row is an image: .jpg .jpeg .png .dcm .nii .nii.gz .mha .mhd .nrrd, wherever it lies below FOLDER; its
# key is its path. Beside NAME.jpg, NAME.txt is its report and NAME_mask.* its mask (-k: another ending
# than _mask). With -d a folder of .dcm files is one image, a series of slices. The patient is the folder
# that it lies in, the N-th on its path (-p, 1; 0: each image by itself).
# -t is a table, CSV or TSV, with the column file: paths below FOLDER; its other columns go into the
# manifest (key, view, patient, split, class, label.NAME, report, ... mean what they do there). Files that
# it names and that are not there are named (-m: all of them) and counted; images that it does not name
# keep its columns empty. -s 0.1,0.2 makes a tenth of the patients valid and a fifth test (um-split).
#
#   um-preprocess --root FOLDER manifest.tsv -o mine.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

table='' level=1 mask=_mask series=0 shares=''
while getopts ht:p:k:ds:m: opt; do
    case $opt in
    h) help ;;
    t) table=$(absolute "$OPTARG") ;;
    p) level=$OPTARG ;;
    k) mask=$OPTARG ;;
    d) series=1 ;;
    s) shares=$OPTARG ;;
    m) missing_list=$(absolute "$OPTARG") ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# = 1 ] || usage
case $level in '' | *[!0-9]*) usage ;; esac
case $shares in '' | *,*) ;; *) usage ;; esac
[ -z "$shares" ] || need_split
enter "$1"

list . -type f \( -name '*.[jJ][pP][gG]' -o -name '*.[jJ][pP][eE][gG]' -o -name '*.[pP][nN][gG]' -o \
    -name '*.[dD][cC][mM]' -o -name '*.nii' -o -name '*.nii.gz' -o -name '*.mha' -o -name '*.mhd' -o \
    -name '*.nrrd' -o -name '*.txt' \)
if [ "$series" = 1 ]; then
    awk 'tolower($0) !~ /\.dcm$/ || !/\// { print; next }
        { sub(/\/[^\/]*$/, "") } !($0 in seen) { seen[$0]; print }' "$tmp/files" >"$tmp/found"
    sort "$tmp/found" >"$tmp/files"
fi
echo "file" >"$tmp/table"
if [ -n "$table" ]; then
    [ -f "$table" ] || die "$table: no such file"
    case $table in
    *.csv | *.csv.gz) csv "$table" -v newline='\r' >"$tmp/table" ;;
    *) csv "$table" -v "sep=$tab" -v newline='\r' >"$tmp/table" ;;
    esac
fi

tabs -v level="$level" -v mask="$mask" "$lib"'
    function stem(path) {
        sub(/\.gz$/, "", path)
        sub(/\.[^.\/]*$/, "", path)
        return path
    }
    function ends(path, with) {
        return length(path) > length(with) && substr(path, length(path) - length(with) + 1) == with
    }
    part == 1 {
        have[$0]
        if (!ends($0, ".txt")) image_of[stem($0)] = $0
        next
    }
    part == 2 && FNR == 1 {
        table = "the table"
        head()
        file = column("file")
        for (i = 1; i <= NF; i++)
            if (i != file) {
                at_more[++n] = i
                more = more OFS $i
                blank = blank OFS
                given[$i] = i
            }
        next
    }
    part == 2 {
        sub(/^\.\//, "", $file)
        if (!there($file)) next
        text = ""
        for (i = 1; i <= n; i++) text = text OFS $(at_more[i])
        row[$file] = text
        if ("key" in given) key[$file] = $(given["key"])
        next
    }
    FNR == 1 {
        own = split("key image mask report_file patient", column_name, " ")
        line = ""
        for (i = 1; i <= own; i++)
            if (!(column_name[i] in given) && !(column_name[i] == "report_file" && "report" in given))
                line = line (line == "" ? "" : OFS) column_name[i]
        print line more
    }
    ends($0, ".txt") || ends(stem($0), mask) { next }
    {
        value["key"] = $0
        value["image"] = $0
        value["mask"] = image_of[stem($0) mask]
        value["report_file"] = (stem($0) ".txt") in have ? stem($0) ".txt" : ""
        m = split($0, piece, "/")
        value["patient"] = level > 0 && level < m ? piece[level] : $0
        if (value["report_file"] != "") reports++
        if (value["mask"] != "") masks++
        line = ""
        for (i = 1; i <= own; i++)
            if (!(column_name[i] in given) && !(column_name[i] == "report_file" && "report" in given))
                line = line (line == "" ? "" : OFS) value[column_name[i]]
        print line ($0 in row ? row[$0] : blank)
    }
    END {
        if (bad) exit 1
        if (reports) print reports " reports" > notes
        if (masks) print masks " masks" > notes
    }
' part=1 "$tmp/files" part=2 "$tmp/table" part=3 "$tmp/files" >"$tmp/manifest"
if [ -n "$shares" ]; then
    parted -s "$tmp/manifest" "$tmp/parted" --valid "${shares%%,*}" --test "${shares#*,}"
    mv "$tmp/parted" "$tmp/manifest"
fi
finish
