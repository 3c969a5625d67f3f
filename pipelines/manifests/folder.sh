#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# folder.sh - a folder of your own images, with reports, masks and a table if there are any, to a manifest
# usage: folder.sh [-h] [-t table] [-p N] [-k MASK] [-d] [-s V,S] [-m missing.txt] FOLDER > manifest.tsv
#
# A row is an image: .jpg .jpeg .png .dcm .nii .nii.gz .mha .mhd .nrrd, in capitals or not, wherever it lies
# below FOLDER, or DICOM ("DICM" at byte 128) in a file without an ending, or with a number for one, as a
# PACS names them; its key is its path. Beside NAME.jpg, NAME.txt is its report and NAME_mask.* its mask (-k:
# another ending than _mask). With -d a folder of DICOM files is one image, a series of slices. The patient is
# the folder that it lies in, the N-th on its path (-p, 1; 0: each image by itself). Hidden files are left
# out; other files, and masks and texts without an image, are passed over and counted, and folders that cannot
# be read and links that lead round in a circle are left out and named.
# -t is a table, CSV or TSV, with the column file: paths below FOLDER, each once; its other columns go into
# the manifest (view, split, class, label.NAME, report, ... mean what they do there), and its key, image,
# mask, report_file, patient in place of those above, where they are not empty. Files that it names and
# that are not there are named (-m: all of them) and counted; images that it does not name keep its columns
# empty. -s 0.1,0.2 makes a tenth of the patients valid and a fifth test, with um-split; from 1 on they are
# numbers of images. It draws from what is there: with other files the draw is another.
#
#   um-preprocess --root FOLDER manifest.tsv -o mine.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

table='' level=1 mask=_mask series=0 shares=''
options 't@table p=level k=mask d!series s=shares' "$@"
case $level in '' | *[!0-9]*) usage ;; esac
[ -n "$mask" ] || usage '-k: an ending is expected'
case $shares in '' | *,*) ;; *) usage ;; esac
[ -z "$shares" ] || need_split
enter

# what find cannot read, into the line at the end
unread() {
    awk '
        { sub(/^find: /, ""); sub(/^File system loop detected; /, ""); sub(/\.$/, "") }
        NR <= 3 { text = text (NR > 1 ? ", " : "") $0 }
        END { print "left out: " text (NR > 3 ? ", ... (" NR ")" : "") }
    ' "$tmp/why" >"$tmp/notes"
}
names . -name '.?*' -prune -o -type f \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o \
    -iname '*.dcm' -o -iname '*.nii' -o -iname '*.nii.gz' -o -iname '*.mha' -o -iname '*.mhd' -o \
    -iname '*.nrrd' -o -iname '*.txt' \) -print
find -L . -name '.?*' -prune -o -type f -print 2>/dev/null >"$tmp/every"

# folder and path of those that may be DICOM; the folders of .dcm files are series already
tabs -v series="$series" '
    function folder(path) { return sub(/\/[^\/]*$/, "", path) ? path : "." }
    part == 1 { if (tolower($0) ~ /\.dcm$/) dcm[folder($0)]; next }
    !/^\.\/[^\t\r]*$/ { next }
    {
        path = file = substr($0, 3)
        sub(/.*\//, "", file)
        if (file ~ /\./ && file !~ /\.[0-9]+$/) next
        if (toupper(file) == "DICOMDIR") next # a list of files
        where = folder(path)
        if (!series || where == "." || !(where in dcm)) print where, path
    }
' part=1 "$tmp/files" part=2 "$tmp/every" >"$tmp/unsorted"
known=''
sort "$tmp/unsorted" | while IFS=$tab read -r in file; do
    if [ "$in" = "$known" ]; then continue; fi # one of a series is enough
    if [ "$(dd if="./$file" bs=4 skip=32 count=1 2>/dev/null)" != DICM ]; then continue; fi
    if [ "$series" = 1 ] && [ "$in" != . ]; then known=$in; fi
    printf '%s\n' "$file"
done 2>/dev/null >"$tmp/dicom"

# endings of the files that are of no kind above; the table, the voxels of .mhd, and what may be a slice of a
# series, are nobody's loss
awk -v own="${table##*/}" -v series="$series" '
    function folder(path) { return sub(/\/[^\/]*$/, "", path) ? path : "." }
    part == 1 && tolower($0) ~ /\.mhd$/ { header[substr($0, 1, length($0) - 4)] }
    part == 1 && tolower($0) ~ /\.dcm$/ { dcm[folder($0)] }
    part == 1 { next }
    part == 2 {
        dicom[$0]
        dcm[folder($0)]
        next
    }
    !/^\.\// { next }
    {
        path = file = substr($0, 3)
        sub(/.*\//, "", file)
        kind = tolower(file)
        if (file == own || path in dicom || kind ~ /\.(jpe?g|png|dcm|nii|nii\.gz|mha|mhd|nrrd|txt)$/) next
        where = folder(path)
        if (kind ~ /\.z?raw$/ && sub(/\.[^.]*$/, "", path) && path in header) next
        if (kind ~ /\./ && kind !~ /\.[0-9]+$/) {
            sub(/.*\./, ".", kind)
            print kind
        } else if (!series || where == "." || !(where in dcm)) print "without an ending"
    }
' part=1 "$tmp/files" part=2 "$tmp/dicom" part=3 "$tmp/every" | sort | uniq -c | sort -k1,1nr -k2 | awk '
    {
        n += $1
        if (NR <= 4) text = text (NR > 1 ? ", " : "") $0
    }
    END {
        gsub(/  +/, " ", text)
        if (n) print n " other file" (n > 1 ? "s" : "") " passed over:" text (NR > 4 ? ", ..." : "")
    }
' >"$tmp/passed"

cat "$tmp/dicom" >>"$tmp/files"
awk -v series="$series" '
    part == 1 { dicom[$0]; next }
    series && /\// && ($0 in dicom || tolower($0) ~ /\.dcm$/) { sub(/\/[^\/]*$/, "") }
    !($0 in seen) { seen[$0]; print }
' part=1 "$tmp/dicom" part=2 "$tmp/files" >"$tmp/found"
sort "$tmp/found" >"$tmp/files"
[ -s "$tmp/files" ] || die "$folder: no image here$(noted)$(sed 's/^/; /' "$tmp/passed")"
echo "file" >"$tmp/table"
if [ -n "$table" ]; then
    [ -f "$table" ] || die "$table: no such file"
    case $table in
    *.csv | *.csv.gz) csv "$table" -v newline='\r' >"$tmp/table" ;;
    *) csv "$table" -v "sep=$tab" -v newline='\r' >"$tmp/table" ;;
    esac
fi

tabs -v level="$level" -v mask="$mask" "$lib"'
    # a number is no ending: 1.2.840.113619.7 is a name, as the UIDs of DICOM are
    function stem(path) {
        if (path ~ /\.[0-9]+$/) return path
        sub(/\.[gG][zZ]$/, "", path)
        sub(/\.[^.\/]*$/, "", path)
        return path
    }
    function ends(path, with) {
        return length(path) > length(with) && substr(path, length(path) - length(with) + 1) == with
    }
    function text(path) { return tolower(path) ~ /\.txt$/ }
    function image(path) { return !text(path) && !ends(stem(path), mask) }
    function count(n, what, rest) { if (n) print n " " what (n > 1 ? "s" : "") rest > notes }
    BEGIN { own = split("key image mask report_file patient", own_column, " ") }

    part == 1 {
        have[$0]
        if (text($0)) report_of[stem($0)] = $0
        else image_of[stem($0)] = $0
        next
    }

    part == 2 && FNR == 1 {
        table = "the table"
        head()
        file = column("file")
        for (i = 1; i <= own; i++) is_own[own_column[i]]
        for (i = 1; i <= NF; i++) {
            if (i == file) continue
            if ($i == "") {
                nameless++
                continue
            }
            if ($i in given || $i == "file") die("the table: two columns are called " $i)
            given[$i] = i
            if ($i in is_own) continue
            at_more[++n] = i
            more = more OFS $i
            blank = blank OFS
        }
        next
    }
    part == 2 {
        path = $file
        sub(/^\.\//, "", path)
        if (path in named) die("the table: the file " path " is named twice")
        named[path]
        if (!there(path)) next
        if (!image(path)) {
            no_image++
            next
        }
        line = ""
        for (i = 1; i <= n; i++) line = line OFS $(at_more[i])
        row[path] = line
        for (i = 1; i <= own; i++)
            if (own_column[i] in given) cell[path, i] = $(given[own_column[i]])
        if ("report" in given && $(given["report"]) != "") written[path]
        next
    }

    FNR == 1 { print "key", "image", "mask", "report_file", "patient" more }
    !image($0) { next }
    {
        name_of = stem($0)
        seen[name_of]
        m = split($0, piece, "/")
        value[1] = value[2] = $0
        value[3] = name_of mask in image_of ? image_of[name_of mask] : ""
        value[4] = name_of in report_of && !($0 in written) ? report_of[name_of] : ""
        value[5] = level > 0 && level < m ? piece[level] : $0
        line = ""
        for (i = 1; i <= own; i++) {
            if (($0, i) in cell && cell[$0, i] != "") value[i] = cell[$0, i]
            else if (i == 5) by_folder = 1
            line = line (i > 1 ? OFS : "") value[i]
        }
        if (rows++ && value[5] != whose) several = 1
        whose = value[5]
        if (value[4] != "" || $0 in written) reports++
        if (value[3] != "") masks++
        print line ($0 in row ? row[$0] : blank)
    }
    END {
        if (bad) exit 1
        for (x in image_of) if (ends(x, mask) && !(substr(x, 1, length(x) - length(mask)) in seen)) lone_masks++
        for (x in report_of) if (!(x in seen)) lone_texts++
        if (rows > 1 && by_folder && !several)
            print "all are of one patient, " whose ": -p 0 makes each image one of its own, -p N takes the N-th folder" > notes
        count(reports, "report")
        count(masks, "mask")
        count(lone_masks, "mask", " without an image")
        count(lone_texts, "text", " without an image")
        count(no_image, "row", " of the table without an image")
        count(nameless, "column", " without a name left out")
    }
' part=1 "$tmp/files" part=2 "$tmp/table" part=3 "$tmp/files" >"$tmp/manifest"
if [ -n "$shares" ]; then
    option=-s
    ! grep -q '^all are of one patient' "$tmp/notes" || option='-s, and -p, by which all are of one patient'
    parted "$option" "$tmp/manifest" "$tmp/parted" --valid "${shares%%,*}" --test "${shares#*,}"
    mv "$tmp/parted" "$tmp/manifest"
fi
cat "$tmp/passed" >>"$tmp/notes"
finish
