#!/bin/sh
# shellcheck disable=SC1091,SC2016,SC2034,SC2154 # common.sh has the rest; awk has the $
# SPDX-License-Identifier: Apache-2.0
# chexpert.sh - CheXpert v1.0, full or small, to a manifest
# usage: chexpert.sh [-h] [-s patient|mgca|5x200|none] [-n N] [-e N] [-a] [-m missing.txt] FOLDER > manifest.tsv
#
# FOLDER holds train.csv and valid.csv with train/ and valid/ beside them, or is the folder above that, or
# holds the four batches that CheXpert is handed out in: "CheXpert-v1.0 batch 1 (validate & csv)" and so on.
# Frontal pictures alone (-a: lateral ones too), five labels: atelectasis, cardiomegaly, consolidation,
# edema, pleural_effusion; uncertain is 1, 0, 0, 1, 1 and blank 0, as is usual. valid.csv, which experts
# labelled, is the test set. -s says what of train.csv chooses the model:
#   patient  whole patients, drawn until N frontal pictures are reached (-n, 5000); nothing is shared. The
#            default. The lateral pictures of a patient go where the frontal ones do.
#   mgca     the lists of MGCA and GLoRIA: 200 pictures of each label alone are taken away (-e), N positions
#            of the rest, all views counted, are drawn. Nearly all of those stay in the training part
#            too, as they do there: their second row has the key KEY#valid.
#   5x200    those 5 x 200 pictures and nothing else, for retrieval: split test, class the label
#   none     train.csv has no split; um-split is needed for all others
# All are drawn from the rows of train.csv, whichever files are there, with -a and without. Pictures that are
# not there are then left out, named (-m: all of them) and counted.
#
#   um-preprocess --root FOLDER manifest.tsv -o chexpert.umt
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0 # by a link, too
here=$(CDPATH='' cd -- "$(dirname -- "$self")" && pwd)
. "$here/common.sh"

how=patient count=5000 each=200 all=0
options 's=how n=count e=each a!all' "$@"
case $how in patient | mgca | 5x200 | none) ;; *) usage ;; esac
number n "$count"
number e "$each"
[ "$how" = none ] || need_split
enter

# base: the folder of the tables; "$@": those of the pictures
base=none
for sub in '' CheXpert-v1.0-small/ CheXpert-v1.0/; do
    if [ "$base" = none ] && [ -f "${sub}train.csv" ]; then base=$sub; fi
done
set --
batches=0
if [ "$base" != none ] && [ -d "${base}train" ]; then
    set -- "./${base}train"
    [ ! -d "${base}valid" ] || set -- "$@" "./${base}valid"
else
    for batch in ./CheXpert-v1.0*batch*/ ./chexpertchestxrays*/CheXpert-v1.0*batch*/; do
        [ -d "$batch" ] || continue
        batches=$((batches + 1))
        set -- "$@" "${batch%/}"
        if [ "$base" = none ] && [ -f "${batch}train.csv" ]; then base=${batch#./}; fi
    done
    [ $batches -ge 4 ] || echo "$batches of the 4 batches are here" >"$tmp/notes"
fi
if [ "$base" = none ]; then
    [ $batches = 0 ] || die "$folder: no CheXpert-v1.0 batch 1 (validate & csv) with train.csv among the batches here"
    base=''
fi
need "${base}train.csv" 'CheXpert-v1.0 or CheXpert-v1.0-small'
need "${base}valid.csv" 'CheXpert-v1.0 or CheXpert-v1.0-small'
[ $# != 0 ] ||
    die "$folder: no folder ${base}train here: it is expected, or, where CheXpert is in batches, the folder that holds all four"
where='train or valid'
[ $batches = 0 ] || where='the batches'
list "picture .jpg in $where" "$@" -type f -name '*.jpg'
csv "${base}train.csv" >"$tmp/train"
csv "${base}valid.csv" >"$tmp/valid"

# all rows of both tables: number in train.csv, 1 if frontal, which of the five it has alone (0: none),
# and the row of the manifest; files are looked for when everything is drawn
tabs "$lib"'
    BEGIN {
        n = split("Atelectasis,Cardiomegaly,Consolidation,Edema,Pleural Effusion", task, ",")
        split("1 0 0 1 1", uncertain, " ")
        m = split("Enlarged Cardiomediastinum,Lung Lesion,Lung Opacity,Pneumonia,Pneumothorax," \
            "Pleural Other,Fracture,Support Devices", other, ",")
    }
    function score(x, label) {
        if (x !~ /^((-?1|0)(\.0*)?)?$/)
            die(table ": " $path ": " label " is \"" x "\", expected 1, 0, -1 or nothing")
        return x
    }
    FNR == 1 {
        table = part == 1 ? "train.csv" : "valid.csv"
        head()
        path = column("Path")
        side = column("Frontal/Lateral")
        view = column("AP/PA")
        for (i = 1; i <= n; i++) t[i] = column(task[i])
        for (i = 1; i <= m; i++) o[i] = column(other[i])
        next
    }
    {
        alone = sum = 0
        text = ""
        for (i = 1; i <= n; i++) {
            x = score($(t[i]), task[i])
            if (x != "" && x + 0 != 0) {
                sum += x + 0 == 1 ? 1 : 2
                alone = i
            }
            text = text OFS (x == "" ? 0 : x + 0 == -1 ? uncertain[i] : plain(x))
        }
        for (i = 1; i <= m; i++) if (score($(o[i]), other[i]) + 0 != 0) sum = 2
        frontal = $side == "Frontal"
        # CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg
        file = $path
        sub(/^[^\/]*\//, "", file)
        k = split(file, piece, "/")
        key = file
        sub(/\.[^.\/]*$/, "", key)
        print FNR - 2, frontal, (part == 1 && frontal && sum == 1 ? alone : 0), key, file, \
            (!frontal ? "LATERAL" : $view == "" ? "FRONTAL" : $view), piece[2], \
            (part == 1 ? "train" : "test") text
    }
    END { if (bad) exit 1 }
' part=1 "$tmp/train" part=2 "$tmp/valid" >"$tmp/all"
tail -n +2 "$tmp/train" | wc -l >"$tmp/ntrain"

case $how in
mgca | 5x200)
    : >"$tmp/away" # numbers of the 5 x 200 and their label
    for task in 1 2 3 4 5; do
        awk -F '\t' -v t="$task" '$3 == t { print $1 }' "$tmp/all" >"$tmp/alone"
        n=$(wc -l <"$tmp/alone" | tr -d ' ')
        [ "$n" -ge "$each" ] || die "$folder: only $n pictures have label $task of the five alone: $each are needed (-e)"
        um-split --permutation "$n" --first "$each" --seed 0 >"$tmp/drawn" || exit 1
        awk -v t="$task" 'NR == FNR { row[NR - 1] = $1; next } { print row[$1] "\t" t }' "$tmp/alone" "$tmp/drawn" >>"$tmp/away"
    done
    ;;
esac

columns="key${tab}image${tab}view${tab}patient${tab}split"
columns=$columns${tab}label.atelectasis${tab}label.cardiomegaly${tab}label.consolidation
columns=$columns${tab}label.edema${tab}label.pleural_effusion
case $how in
mgca)
    left=$(($(cat "$tmp/ntrain") - $(wc -l <"$tmp/away")))
    [ "$count" -lt "$left" ] || die "$folder: $count pictures cannot be drawn from $left (-n)"
    um-split --permutation "$left" --first "$count" --seed 0 >"$tmp/drawn" || exit 1
    tabs '
        part == 1 { away[$1]; next }
        part == 2 { drawn[$1]; next }
        $8 == "test" { print; next }
        $1 in away { next }
        !($1 in drawn) { print } # by its number in the whole table
        (place++ in drawn) { # by its place among those that are left
            $4 = $4 "#valid"
            $8 = "valid"
            print
        }
    ' part=1 "$tmp/away" part=2 "$tmp/drawn" part=3 "$tmp/all" >"$tmp/parted"
    ;;
5x200)
    tabs '
        BEGIN { split("atelectasis cardiomegaly consolidation edema pleural_effusion", task, " ") }
        NR == FNR { away[$1] = $2; next }
        $8 == "train" && $1 in away { $8 = "test"; print $0, task[away[$1]] }
    ' "$tmp/away" "$tmp/all" >"$tmp/parted"
    columns=$columns${tab}class
    ;;
patient)
    tabs 'BEGIN { print "key", "image", "patient", "split" } $2 { print $4, $5, $7, $8 }' "$tmp/all" >"$tmp/frontal"
    parted -n "$tmp/frontal" "$tmp/drawn" --valid "$count"
    tabs '
        NR == FNR { if ($4 == "valid") valid[$3]; next }
        $8 == "train" && $7 in valid { $8 = "valid" }
        { print }
    ' "$tmp/drawn" "$tmp/all" >"$tmp/parted"
    ;;
none) tabs '$8 == "train" { $8 = "" } { print }' "$tmp/all" >"$tmp/parted" ;;
esac

tabs -v all="$all" -v base="$base" -v batches="$batches" -v columns="$columns" "$lib"'
    # the name by which the tables know it: a batch is the train or the valid folder, or holds that
    function known(path,    valid) {
        if (!batches) return substr(path, length(base) + 1)
        valid = path ~ /\/valid\/patient[^\/]*\//
        if (!sub(/^.*\/patient/, "patient", path)) return ""
        return (valid ? "valid/" : "train/") path
    }
    NR == FNR {
        file_of[known($0)] = $0
        next
    }
    FNR == 1 { print columns }
    !all && !$2 { next }
    !($5 in file_of) {
        print (batches ? "" : base) $5 > missing
        next
    }
    {
        $5 = file_of[$5]
        sub(/^[^\t]*\t[^\t]*\t[^\t]*\t/, "")
        print
    }
' "$tmp/files" "$tmp/parted" >"$tmp/manifest"
finish
