#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# adapters.bats - pipelines/manifests: each data set's folder, as um-phantom makes it, to a manifest to a
# stream, held against the phantom's truth; wrong folders; every awk that is there
bats_require_minimum_version 1.5.0

all=(amos bcv bimcv-covid19plus cc-ccii chexpert covidx folder luna16 mimic-cxr-jpg rsna)
sh=$BATS_TEST_DIRNAME/../../pipelines/manifests

setup_file() {
    cd "$BATS_FILE_TMPDIR" || exit 1
    for name in amos bcv bimcv-covid19plus cc-ccii chexpert covidx folder luna16 mimic-cxr-jpg rsna; do
        um-phantom -q -n 32 --volume 16x40x40 --xray-size 96 --layout $name -o "tree of $name"
    done
}

setup() { cd "$BATS_FILE_TMPDIR" || exit 1; }

# options that a tree of 32 patients needs, or that show more of it
options() {
    case $1 in
    chexpert) echo "-n 5" ;;
    folder) echo "-t|tree of folder/table.csv" ;;
    *) echo ;;
    esac
}

adapter() { # NAME FOLDER
    local more
    IFS='|' read -ra more <<<"$(options "$1")"
    [ "$1" != chexpert ] || more=(-n 5)
    "$sh/$1.sh" "${more[@]}" "$2"
}

# NAME SAID UM-PREPROCESS OPTION...: manifest, one line on standard error, stream, truth
whole() {
    local name=$1 said=$2
    shift 2
    adapter "$name" "tree of $name" >"$name.tsv" 2>"$name.err"
    [ "$(wc -l <"$name.err")" = 1 ]
    [[ $(cat "$name.err") == "$name.sh: $said"* ]] || { cat "$name.err"; false; }
    um-preprocess -q --root "tree of $name" "$@" "$name.tsv" -o "$name.umt"
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/adapters.py" "$name" "tree of $name" "$name.tsv" "$name.umt"
}

# copy NAME: a tree to spoil, $tree
spoiled() {
    tree=spoiled.$1
    rm -rf "$tree"
    cp -r "tree of $1" "$tree"
}

# NAME TEXT: it refuses $tree with this one line
refuses() {
    run --separate-stderr adapter "$1" "$tree"
    [ "$status" = 1 ] && [ -z "$output" ] && [ "$stderr" = "$1.sh: $2" ] || { echo "$1: $status, $stderr"; false; }
}

@test "mimic-cxr-jpg" {
    whole mimic-cxr-jpg '43 rows, 31 patients, 28 train, 6 valid, 9 test; 3 without a report; 6 without labels; 3 missing: files/p10/p10000007/s50000014/'
    "$sh/mimic-cxr-jpg.sh" -p "tree of mimic-cxr-jpg" 2>err >pretrain.tsv
    sed 's/	test	/	valid	/' mimic-cxr-jpg.tsv | cmp - pretrain.tsv
    # another table of labels; reports from their own folder, named by where they are
    "$sh/mimic-cxr-jpg.sh" -l negbio "tree of mimic-cxr-jpg" 2>err >negbio.tsv
    cmp negbio.tsv mimic-cxr-jpg.tsv
    mkdir -p notes "no notes"
    cp -r "tree of mimic-cxr-jpg/." "no notes"
    (cd "no notes" && find files -name '*.txt' | while read -r f; do mkdir -p "../notes/${f%/*}" && mv "$f" "../notes/$f"; done)
    "$sh/mimic-cxr-jpg.sh" -r notes "no notes" 2>err | sed "s:	$PWD/notes/:	:" | cmp - mimic-cxr-jpg.tsv
    um-preprocess -q --root "tree of mimic-cxr-jpg" --filter frontal,sentences=3 mimic-cxr-jpg.tsv -o f.umt
    [ "$(um-show --keys f.umt | wc -l)" = "$(awk -F '\t' 'NR > 1 && $3 != "" && $4 != "LATERAL"' mimic-cxr-jpg.tsv | wc -l)" ]
}

@test "mimic-cxr-jpg: pictures that the table of splits lacks never train; a table that is another's is refused" {
    local name=mimic-cxr-2.0.0-split.csv
    spoiled mimic-cxr-jpg
    gzip -dc "$tree/$name.gz" >whole.csv && rm "$tree/$name.gz"
    # without the first three of those that test
    awk -F , 'NR > 1 && /,test\r?$/ && k++ < 3 { print $1 > "gone.txt"; next } { print }' whole.csv >"$tree/$name"
    "$sh/mimic-cxr-jpg.sh" "tree of mimic-cxr-jpg" 2>err >whole.tsv
    n=$(grep -cFf gone.txt whole.tsv)
    [ "$n" -gt 0 ]
    "$sh/mimic-cxr-jpg.sh" "$tree" 2>err >few.tsv
    grep -vFf gone.txt whole.tsv | cmp - few.tsv
    grep -q "; $n without a split, left out; " err
    head -n 4 whole.csv >"$tree/$name"
    run --separate-stderr "$sh/mimic-cxr-jpg.sh" "$tree"
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [[ $stderr == "mimic-cxr-jpg.sh: $name: no row for 4"?" of 43 pictures: the table that came with them is expected" ]]
    id=$(sed -n '2s/,.*//p' whole.csv)
    sed '2s/,[a-z]*\(.\{0,1\}\)$/,dev\1/' whole.csv >"$tree/$name"
    refuses mimic-cxr-jpg "split: $id is \"dev\", expected train, validate or test"
}

@test "mimic-cxr-jpg: -r is a folder with reports of the pictures" {
    tree="tree of mimic-cxr-jpg" wanted='files/p10/p10000032/s50414267.txt is expected in it'
    rm -rf texts texts.zip
    mkdir -p texts/mimic-cxr-reports/files/p10/p10000032
    : >texts.zip
    refused() { # DIR TEXT
        run --separate-stderr "$sh/mimic-cxr-jpg.sh" -r "$1" "$tree"
        [ "$status" = 1 ] && [ -z "$output" ] && [ "$stderr" = "mimic-cxr-jpg.sh: $PWD/$1$2" ] || false
    }
    refused texts ": no report here: $wanted"
    refused texts/mimic-cxr-reports ": no report here: $wanted"
    refused texts.zip ": not a folder: unpack it: $wanted"
    refused nowhere ': no such folder of reports'
    : >texts/mimic-cxr-reports/files/p10/p10000032/s50414267.txt
    # reports are here, but not of these pictures, which have none of their own
    spoiled mimic-cxr-jpg
    find "$tree" -name '*.txt' -exec rm {} +
    refused texts/mimic-cxr-reports ": none of the reports here is of one of the pictures: $wanted"
    "$sh/mimic-cxr-jpg.sh" "$tree" 2>err | awk -F '\t' 'NR > 1 && $3 != "" { exit 1 }'
    grep -q '; 43 without a report; ' err
}

@test "bimcv-covid19plus" {
    whole bimcv-covid19plus '57 rows, 32 patients; 11 volumes; levels: 23 by window, 11 by lookup table, 10 by bits, 15 of '\
'them inverted; no levels: 2 without a json; 4 lateral by the json alone; 3 of no known view; 6 without a report; '\
'reports in Spanish'
    # stored values of 12 bits, some with bones dark, are the phantom's pictures again
    um-phantom -q -n 32 --volume 16x40x40 --xray-size 96 --pairs xray --xray-files png -o plain
    um-preprocess -q plain/xray.tsv -o plain.umt
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/adapters.py" bimcv-covid19plus "tree of bimcv-covid19plus" bimcv-covid19plus.tsv \
        bimcv-covid19plus.umt plain.umt
    # and the two without a json are said to be dark
    um-preprocess --root "tree of bimcv-covid19plus" bimcv-covid19plus.tsv -o again.umt 2>err
    [ "$(grep -c 'no value above 4095: near black, unless the column levels' err)" = 2 ]
    "$sh/bimcv-covid19plus.sh" -t "tree of bimcv-covid19plus/reports_en.tsv" "tree of bimcv-covid19plus" 2>err >english.tsv
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/adapters.py" bimcv-covid19plus "tree of bimcv-covid19plus" english.tsv
    um-preprocess -q --root "tree of bimcv-covid19plus" --filter frontal,sentences=3 english.tsv -o english.umt
    [ "$(um-show --keys english.umt | wc -l)" -gt 20 ]
}

# each_awk COMMAND...: with every awk that is there as `awk`, $found counting them
each_awk() {
    local awk
    found=0
    for awk in mawk gawk original-awk "busybox awk"; do
        command -v "${awk%% *}" >/dev/null || continue
        found=$((found + 1))
        mkdir -p "bin$found"
        printf '#!/bin/sh\nexec %s "$@"\n' "$awk" >"bin$found/awk"
        chmod +x "bin$found/awk"
        echo "# $awk"
        PATH=$PWD/bin$found:$PATH "$@" # with no || after it, which would hide all but the last failure
    done
    [ "$found" -ge 1 ]
}

@test "bimcv-covid19plus: what json say of levels and views, cut ones, by every awk" {
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/tags.py" many "many json"
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/tags.py" cut "cut json"
    many() {
        "$sh/bimcv-covid19plus.sh" "many json" 2>err | awk -F '\t' 'NR > 1 { print $1 "\t" $3 "\t" $5 }' | sort |
            diff - <(sort "many json/expected.tsv")
        [ "$(cat err)" = 'bimcv-covid19plus.sh: 92 rows, 1 patient; 0 volumes; levels: 22 by window, 7 by lookup table, '\
'43 by bits, 6 of them inverted; no levels: 3 without a json, 6 with a damaged json, 4 in colour, 1 of fewer bits than '\
'the json says, 6 not said; 9 lateral by the json alone; 65 of no known view; reports in Spanish: -t names translated ones' ]
    }
    each_awk many
    # no part of a json is taken for all of it
    cuts() {
        awk -v want='00280101 00281050 0008103E' -f "$sh/tags.awk" "cut json/list" >cuts.tsv
        [ "$(head -n -1 cuts.tsv | cut -f 2- | uniq)" = 'damaged			' ]
        [ "$(tail -n 1 cuts.tsv | cut -f 2- | tr '\t\037' '|_')" = 'read|12|2048|T\u00d3RAX_\"PA\"_\\' ]
    }
    each_awk cuts
}

@test "bimcv-covid19plus: tables of labels elsewhere, and rows that differ" {
    local tree=spoiled.bimcv-covid19plus f=derivatives/labels/labels_covid19_posi.tsv
    spoiled bimcv-covid19plus
    adapter bimcv-covid19plus "$tree" >whole.tsv 2>whole.err
    # by other names, packed, as CSV
    mv "$tree/$f" "$tree/derivatives/labels/Labels_covid_123.tsv"
    adapter bimcv-covid19plus "$tree" 2>err | cmp - whole.tsv
    cmp err whole.err
    mv "$tree/derivatives/labels/Labels_covid_123.tsv" elsewhere.tsv
    refuses bimcv-covid19plus "$tree: no $f here: BIMCV-COVID19+ is expected (-l names the table where it lies elsewhere)"
    gzip -c elsewhere.tsv >elsewhere.tsv.gz
    "$UM_PYTHON" -c 'import csv
csv.writer(open("elsewhere.csv", "w", newline="")).writerows(csv.reader(open("elsewhere.tsv", newline=""), delimiter="\t"))'
    for table in elsewhere.tsv elsewhere.tsv.gz elsewhere.csv "$PWD/elsewhere.tsv"; do
        "$sh/bimcv-covid19plus.sh" -l "$table" "$tree" 2>err | cmp - whole.tsv
    done
    run --separate-stderr "$sh/bimcv-covid19plus.sh" -l nowhere.tsv "$tree"
    [ "$status" = 1 ]
    [ -z "$output" ]
    [ "$stderr" = "bimcv-covid19plus.sh: $PWD/nowhere.tsv: no such file" ]
    run --separate-stderr "$sh/bimcv-covid19plus.sh" -t nowhere.tsv -l elsewhere.tsv "$tree"
    [ "$status" = 1 ]
    [ "$stderr" = "bimcv-covid19plus.sh: $PWD/nowhere.tsv: no such file" ]
    # two are there, one of them twice
    cp elsewhere.tsv "$tree/$f" && cp elsewhere.tsv.gz "$tree/$f.gz"
    adapter bimcv-covid19plus "$tree" 2>err | cmp - whole.tsv
    cp elsewhere.tsv "$tree/derivatives/labels/labels_covid_posi.tsv"
    refuses bimcv-covid19plus "$tree: two tables of labels, $f and derivatives/labels/labels_covid_posi.tsv: -l names the one to take"
    "$sh/bimcv-covid19plus.sh" -l elsewhere.tsv "$tree" 2>err | cmp - whole.tsv
    # a second row: the same is no news, others are counted, the first is taken
    spoiled bimcv-covid19plus
    sed -n '2,3p' "$tree/$f" >>"$tree/$f"
    adapter bimcv-covid19plus "$tree" 2>err | cmp - whole.tsv
    cmp err whole.err
    sed -n "2,3s/\['/['NADA. /p" "$tree/$f" >>"$tree/$f"
    sed -n "4s/'normal'\|'nodule'\|'consolidation'/'other'/p" "$tree/$f" >>"$tree/$f"
    adapter bimcv-covid19plus "$tree" 2>err | cmp - whole.tsv
    sed 's/; reports in/; 3 with a second row that differs&/' whole.err | cmp - err
    { cat "$tree/reports_en.tsv" && sed -n '2s/\t/\tNo. /p' "$tree/reports_en.tsv"; } >twice.tsv
    "$sh/bimcv-covid19plus.sh" -t twice.tsv "tree of bimcv-covid19plus" 2>err >twice.out
    grep -q '; 1 with a second row that differs$' err
    "$sh/bimcv-covid19plus.sh" -t "$tree/reports_en.tsv" "tree of bimcv-covid19plus" 2>err | cmp - twice.out
}

@test "chexpert" { whole chexpert '32 rows, 30 patients, '; }

@test "chexpert: the lists of the relatives" {
    tree="tree of chexpert"
    "$sh/chexpert.sh" -s none "$tree" 2>err | awk -F '\t' 'NR > 1 { print $5 }' | sort -u | tr '\n' ' ' >parts
    [ "$(cat parts)" = ' test ' ]
    # of the five alone the phantom has three at most: none can be drawn of atelectasis
    run --separate-stderr "$sh/chexpert.sh" -s mgca -e 1 -n 5 "$tree"
    [ "$status" = 1 ] && [ -z "$output" ] && [[ $stderr == *'only 0 pictures have label 1 of the five alone: 1 are needed (-e)' ]] || false
    # with all five: against pandas' rules, worked out in Python
    mkdir -p five/train five/valid
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/chexpert.py" make five
    for how in mgca 5x200 patient; do
        "$sh/chexpert.sh" -s $how -e 7 -n 60 five 2>err >"$how.tsv"
    done
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/chexpert.py" check five 7 60 mgca.tsv 5x200.tsv patient.tsv
}

# ROWS: the rows of a manifest whose pictures (column N, second argument) are in the folder (first), in order
there() {
    awk -F '\t' -v f="$1" -v n="$2" '{ if (NR == 1 || (getline line < (f "/" $n)) >= 0) print; close(f "/" $n) }'
}

@test "what is drawn does not depend on which files are there" {
    mkdir -p draw/train draw/valid
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/chexpert.py" make draw
    rm -rf "few of"*
    same_draw() { # NAME TREE OPTION...
        local name=$1 tree=$2
        shift 2
        "$sh/$name.sh" "$@" "$tree" 2>err >whole.tsv
        "$sh/$name.sh" "$@" -m missing.txt "few of $tree" 2>err >few.tsv
        [ "$(wc -l <few.tsv)" -lt "$(wc -l <whole.tsv)" ]
        there "few of $tree" 2 <whole.tsv | cmp - few.tsv
    }
    for tree in draw "tree of rsna" "tree of covidx"; do
        cp -r "$tree" "few of $tree"
        find "few of $tree" -name '*.jpg' -o -name '*.png' -o -name '*.dcm' | sort | awk 'NR % 7 == 3' | tr '\n' '\0' | xargs -0 rm
    done
    same_draw chexpert draw -n 60
    same_draw chexpert draw -n 60 -a
    same_draw chexpert draw -s mgca -e 7 -n 60
    same_draw chexpert draw -s mgca -e 7 -n 60 -a
    same_draw chexpert draw -s 5x200 -e 7
    same_draw rsna "tree of rsna"
    same_draw rsna "tree of rsna" -s segment -n 5
    same_draw covidx "tree of covidx"
    same_draw covidx "tree of covidx" -s mgca
}

@test "chexpert: with lateral pictures the same patients are drawn" {
    mkdir -p sides/train sides/valid
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/chexpert.py" make sides
    valid() { awk -F '\t' '$5 == "valid" { print $4 }' "$1" | sort -u; }
    "$sh/chexpert.sh" -n 60 sides 2>err >frontal.tsv
    "$sh/chexpert.sh" -a -n 60 sides 2>err >both.tsv
    [ "$(valid frontal.tsv | wc -l)" -gt 20 ]
    cmp <(valid frontal.tsv) <(valid both.tsv)
    awk -F '\t' '$3 != "LATERAL"' both.tsv | cmp - frontal.tsv
    [ "$(awk -F '\t' '$3 == "LATERAL" && $5 == "valid"' both.tsv | wc -l)" -gt 5 ] && [ "$(grep -c 'more than one part' err)" = 0 ] || false
}

@test "chexpert: the four batches of the download are one data set" {
    one="CheXpert-v1.0 batch 1 (validate & csv)" two="CheXpert-v1.0 batch 2 (train 1)"
    three="CheXpert-v1.0 batch 3 (train 2)" four="CheXpert-v1.0 batch 4 (train 3)"
    rm -rf batches
    mkdir -p "batches/$one" "batches/$two" "batches/$three" "batches/$four"
    cp -r "tree of chexpert/"*.csv "tree of chexpert/valid" "batches/$one"
    for p in "tree of chexpert/train/"*; do
        case $p in *[0-3]) b=$two ;; *[4-6]) b=$three ;; *) b=$four ;; esac
        cp -r "$p" "batches/$b"
    done
    "$sh/chexpert.sh" -n 5 "tree of chexpert" 2>one.err >one.tsv
    "$sh/chexpert.sh" -n 5 batches 2>err >batches.tsv
    cmp one.err err
    cut -f 1,3- batches.tsv | cmp - <(cut -f 1,3- one.tsv)
    grep -q "	$two/patient00001/study1/view1_frontal.jpg	" batches.tsv && grep -q "	$one/valid/patient" batches.tsv || false
    um-preprocess -q --root batches batches.tsv -o batches.umt
    um-preprocess -q --root "tree of chexpert" one.tsv -o one.umt
    [ "$(um-show batches.umt | tail -n +2)" = "$(um-show one.umt | tail -n +2)" ]
    # in the folder that the download makes; and the tables above the batches
    mkdir -p above && rm -rf above/* && mv batches above/chexpertchestxrays-u20210408
    "$sh/chexpert.sh" -n 5 above 2>err | sed 's:	chexpertchestxrays-u20210408/:	:' | cmp - batches.tsv
    mv above/chexpertchestxrays-u20210408 batches
    mv "batches/$one/"*.csv batches
    "$sh/chexpert.sh" -n 5 batches 2>err | cmp - batches.tsv
    mv batches/*.csv "batches/$one"
    rm -r "batches/$three"
    "$sh/chexpert.sh" -n 5 batches 2>err >three.tsv
    there batches 2 <batches.tsv | cmp - three.tsv
    grep -q '; 3 of the 4 batches are here; ' err
    run --separate-stderr "$sh/chexpert.sh" "batches/$one"
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = "chexpert.sh: batches/$one: no folder train here: it is expected, or, where CheXpert is in batches, the folder that holds all four" ]
    rm -r "batches/$one"
    run --separate-stderr "$sh/chexpert.sh" batches
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = "chexpert.sh: batches: no CheXpert-v1.0 batch 1 (validate & csv) with train.csv among the batches here" ]
}

@test "rsna" {
    um-preprocess -q --root "tree of rsna" <("$sh/rsna.sh" "tree of rsna" 2>/dev/null) -o rsna.umt 2>err ||
        { grep -q 'DICOM, expected' err && skip "built without DICOM"; }
    whole rsna '30 rows, 30 patients, '
    "$sh/rsna.sh" -s segment -n 5 "tree of rsna" 2>err >segment.tsv
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/adapters.py" rsna "tree of rsna" segment.tsv
    um-preprocess -q --root "tree of rsna" --size 64 --fit stretch --box-mask --mask-filter area segment.tsv -o segment.umt
    um-show segment.umt | grep -q 'mask uint8 \[1,64,64\]'
}

@test "covidx" {
    whole covidx '37 rows, 30 patients, '
    "$sh/covidx.sh" -s mgca "tree of covidx" 2>err >mgca.tsv
    [ "$(awk -F '\t' '$6 == "valid"' mgca.tsv | wc -l)" -ge 4 ]
    [ "$(cut -f 1 covidx.tsv | sort)" = "$(cut -f 1 mgca.tsv | sort)" ]
}

@test "cc-ccii" {
    whole cc-ccii '34 rows, 27 patients, ' --window 0,255
    # what is listed alone, from the head down unless -f says otherwise
    cp -r "tree of cc-ccii" listed
    cp listed/CP/0/0/0003.png listed/CP/0/0/0003a.png
    : >listed/CP/0/0/Thumbs.db
    "$sh/cc-ccii.sh" listed 2>err | cmp - cc-ccii.tsv
    grep -q '; 1 scans have slices that are not listed' err
    "$sh/cc-ccii.sh" -f feet listed >feet.tsv 2>err
    awk -F '\t' 'NR == FNR { up[$1] = $3; next } FNR > 1 {
        n = split($3, s, ";"); for (down = s[n--]; n > 0; n--) down = down ";" s[n]; if (up[$1] != down) exit 1 }' feet.tsv cc-ccii.tsv
    um-preprocess -q --root "tree of cc-ccii" --window 0,255 feet.tsv -o feet.umt
    "$UM_PYTHON" - "$BATS_TEST_DIRNAME" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from media import *
up, down = read("feet.umt")[1], read("cc-ccii.umt")[1]
assert len(up) == 34
for k in up:
    assert np.abs(up[k][1]["volume"] - down[k][1]["volume"][::-1]).max() < 1e-5, k
END
    run "$sh/cc-ccii.sh" -f toes listed
    [ "$status" = 2 ]
}

@test "luna16" {
    whole luna16 '30 rows, 30 patients, 24 train, 3 valid, 3 test; '
    "$sh/luna16.sh" -t 0 "tree of luna16" 2>err | awk -F '\t' 'NR > 1 { print $4, $7 }' | sort -u >folds
    grep -qx '0 test' folds && grep -qx '9 valid' folds && grep -qx '8 train' folds && [ "$(wc -l <folds)" = 10 ] || false
}

@test "luna16: whichever subsets are there, and nothing beside them; scans that are there twice" {
    rm -rf some
    mkdir -p some/lost+found
    ln -sfn .. some/lost+found/loop # of no interest to this data set
    cp "tree of luna16/annotations.csv" some
    cp -r "tree of luna16/subset5" some
    "$sh/luna16.sh" "tree of luna16" 2>err >all.tsv
    "$sh/luna16.sh" some 2>err | cmp - <(awk -F '\t' 'NR == 1 || $4 == 5' all.tsv)
    for i in 2 3 4 6 7 8; do cp -r "tree of luna16/subset$i" some; done
    "$sh/luna16.sh" some 2>err | cmp - <(awk -F '\t' 'NR == 1 || $4 ~ /[2-8]/' all.tsv)
    # unpacked twice, one of the copies without voxels: the other is taken
    mkdir -p some/subset3/subset3
    cp some/subset3/*.* some/subset3/subset3
    one=$(awk -F '\t' '$4 == 3 { print $2; exit }' all.tsv)
    rm "some/${one%.mhd}."*raw
    n=$(awk -F '\t' '$4 == 3' all.tsv | wc -l)
    [ "$n" -gt 1 ]
    "$sh/luna16.sh" some 2>err >twice.tsv
    cut -f 1,3- twice.tsv | sort | cmp - <(awk -F '\t' 'NR == 1 || $4 ~ /[2-8]/' all.tsv | cut -f 1,3- | sort)
    grep -q "; $((n - 1)) scans\? \(is\|are\) twice in a subset, taken once; " err && [ "$(grep -c "$(basename "$one" .mhd)" err)" = 0 ] || false
    cp "some/subset3/subset3/$(basename "$one")" some/subset6
    run --separate-stderr "$sh/luna16.sh" some
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = "luna16.sh: the scan $(basename "$one" .mhd) is in subset3 and in subset6" ]
}

@test "bcv" {
    # the phantom's names are others than nnU-Net's 30, and it leaves out three labels of 32
    whole bcv '29 rows, 29 patients, 22 train, 7 test; other names than the 30 of BCV: the draw is from the 32 that are here; 3 missing: ' \
        --window abdomen --spacing 6,6,8 --crop-foreground
    mkdir -p thirty/img thirty/label
    for i in $(seq 1 10) $(seq 21 40); do
        n=$(printf %04d "$i")
        : >"thirty/img/img$n.nii.gz"
        : >"thirty/label/label$n.nii.gz"
    done
    tests() { "$sh/bcv.sh" "$@" thirty 2>err | awk -F '\t' '$5 == "test" { print substr($1, 4) }' | tr '\n' ' '; }
    [ "$(tests)" = '0004 0009 0023 0026 0029 0037 ' ]
    [ "$(cat err)" = 'bcv.sh: 30 rows, 30 patients, 24 train, 6 test; 30 of the 30 scans of BCV' ]
    printf 'img0001\nimg0040\n' >tests.txt
    [ "$(tests -l tests.txt)" = '0001 0040 ' ]
    # nnU-Net's fold 0 whichever files are there
    rm thirty/label/label0001.nii.gz
    [ "$(tests)" = '0004 0009 0023 0026 0029 0037 ' ]
    grep -q ': 29 rows, .*; 29 of the 30 scans of BCV; 1 missing: label/label0001.nii.gz$' err
    rm thirty/img/img0009.nii.gz thirty/img/img0010.nii.gz thirty/label/label0010.nii.gz
    : >thirty/img/img0061.nii.gz # of those to test, without a label: no other data set
    [ "$(tests -m missing.txt)" = '0004 0023 0026 0029 0037 ' ]
    grep -q '; 27 of the 30 scans of BCV; 4 missing: ' err
    [ "$(tr '\n' ' ' <missing.txt)" = 'label/label0001.nii.gz img/img0009.nii.gz img/img0010.nii.gz label/label0061.nii.gz ' ]
    : >thirty/label/label0061.nii.gz
    [ "$(tests)" != '0004 0023 0026 0029 0037 ' ]
    grep -q '; other names than the 30 of BCV: the draw is from the 30 that are here; 2 missing' err
}

@test "bcv: where the data are, if not here" {
    mkdir -p up/Abdomen/RawData/Training/img up/set/imagesTr
    run --separate-stderr "$sh/bcv.sh" up
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = 'bcv.sh: up: no folder img here: RawData/Training of BCV is expected; is it up/Abdomen?; '\
'set/imagesTr is there: if it holds img0001.nii.gz, link img to it, and label to labelsTr' ]
    run --separate-stderr "$sh/bcv.sh" up/set
    [[ $stderr == 'bcv.sh: up/set: no folder img here: RawData/Training of BCV is expected; imagesTr is there: '* ]]
}

@test "amos" { whole amos '24 rows, 24 patients, ' --window abdomen --spacing 6,6,8 --crop-foreground; }

@test "folder" {
    whole folder '40 rows, 30 patients; '
    "$sh/folder.sh" -s 0.1,0.2 "tree of folder" 2>err >parted.tsv
    grep -q ', 3 valid, 9 test; ' err
    [ "$(awk -F '\t' 'NR > 1 { print $5, $6 }' parted.tsv | sort -u | wc -l)" = "$(awk -F '\t' 'NR > 1 { print $5 }' parted.tsv | sort -u | wc -l)" ]
    for bad in '0.5,0.6: valid 0.5 and test 0.6: shares must sum to less than 1' \
        '0.5,1.5: test 1.5: a share is below 1, a number of rows is whole'; do
        run --separate-stderr "$sh/folder.sh" -s "${bad%%:*}" "tree of folder"
        [ "$status" = 1 ] && [ -z "$output" ] && [ "$stderr" = "folder.sh: tree of folder: ${bad#*: } (see -s)" ] || false
    done
    "$sh/folder.sh" -p 0 "tree of folder" 2>err | awk -F '\t' 'NR > 1 && $5 != $2 { exit 1 }'
    # -d: a folder of .dcm files is one image
    mkdir -p "series/p1/ct 1"
    : >"series/p1/ct 1/2.dcm"
    : >"series/p1/ct 1/1.dcm"
    : >series/one.dcm
    [ "$("$sh/folder.sh" -d series 2>err | tail -n +2 | cut -f 1,5 | tr '\t\n' '=;')" = 'one.dcm=one.dcm;p1/ct 1=p1;' ]
}

@test "the same bytes by every awk that is there" {
    all_of_them() {
        for name in "${all[@]}"; do
            adapter $name "tree of $name" >out.tsv 2>out.err
            [ "$found" = 1 ] && { mv out.tsv first.$name.tsv && mv out.err first.$name.err; } ||
                { cmp out.tsv first.$name.tsv && cmp out.err first.$name.err; }
        done
    }
    each_awk all_of_them
}

@test "a folder that is another: one line, exit 1, nothing printed" {
    mkdir -p empty
    for name in "${all[@]}"; do
        for tree in empty nowhere "$([ $name = chexpert ] && echo tree of rsna || echo tree of chexpert)"; do
            [ "$name" != folder ] || [ "$tree" != "tree of chexpert" ] || continue # that one has images
            run --separate-stderr "$sh/$name.sh" "$tree"
            [ "$status" = 1 ] && [ -z "$output" ] && [ "${#stderr_lines[@]}" = 1 ] ||
                { echo "$name on $tree: $status, $output, $stderr"; false; }
            [[ $stderr == "$name.sh: $tree: no "* ]] || { echo "$name on $tree: $stderr"; false; }
        done
    done
}

@test "help, usage, files that are all gone, lists of what is missing" {
    for name in "${all[@]}"; do
        [[ $("$sh/$name.sh" -h) == "$name.sh - "*"usage: $name.sh "*"um-preprocess --root FOLDER"* ]]
        [ "$("$sh/$name.sh" --help)" = "$("$sh/$name.sh" -h)" ]
        run --separate-stderr "$sh/$name.sh" -- --help
        [ "$status" = 1 ] && [ "$stderr" = "$name.sh: --help: no such folder" ] || false
        run --separate-stderr "$sh/$name.sh" "tree of chexpert/train.csv"
        [ "$status" = 1 ] && [ -z "$output" ] && [ "$stderr" = "$name.sh: tree of chexpert/train.csv: not a folder" ] || false
        run --separate-stderr "$sh/$name.sh"
        [ "$status" = 2 ] && [ -z "$output" ] && [[ $stderr == "usage: $name.sh "* ]] || false
    done
    mkdir -p gone
    cp "tree of chexpert"/*.csv gone
    mkdir -p gone/train gone/valid
    : >gone/train/other.jpg
    run --separate-stderr "$sh/chexpert.sh" -s none gone
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = "chexpert.sh: gone: none of 34 files is there, such as train/patient00001/study1/view1_frontal.jpg" ]
    "$sh/cc-ccii.sh" -m missing.txt "tree of cc-ccii" 2>err >out.tsv
    [ "$(wc -l <missing.txt)" -gt 3 ] && grep -q "$(wc -l <missing.txt | tr -d ' ') missing: " err || false
}

@test "names with tabs and line breaks are refused, with spaces not" {
    mkdir -p "odd/a b"
    cp "tree of folder/p000000/chest x-ray.jpg" "odd/a b/c d.jpg"
    "$sh/folder.sh" odd 2>err | grep -q '^a b/c d.jpg	a b/c d.jpg'
    : >"odd/x$(printf '\ty').png"
    run --separate-stderr "$sh/folder.sh" odd
    [ "$status" = 1 ] && [ -z "$output" ] && [[ $stderr == *'a file name holds a tab'* ]] || false
    rm odd/x*
    : >"odd/x$(printf '\ny').png"
    run --separate-stderr "$sh/folder.sh" odd
    [ "$status" = 1 ] && [ -z "$output" ] && [[ $stderr == *'a file name holds a line break'* ]] || false
}

@test "a loop of links, a table that is cut, one without a column: one line" {
    # in a folder that is needed it is the end, in one's own it is left out and said
    cp -r "tree of chexpert" loop
    ln -s .. loop/train/up
    run --separate-stderr "$sh/chexpert.sh" loop
    [ "$status" = 1 ] && [ -z "$output" ] && [ "${#stderr_lines[@]}" = 1 ] && [[ $stderr == 'chexpert.sh: loop: '*loop* ]] || false
    cp -r "tree of mimic-cxr-jpg" cut
    head -c 300 "tree of mimic-cxr-jpg/mimic-cxr-2.0.0-split.csv.gz" >cut/mimic-cxr-2.0.0-split.csv.gz
    run --separate-stderr "$sh/mimic-cxr-jpg.sh" cut
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = 'mimic-cxr-jpg.sh: mimic-cxr-2.0.0-split.csv.gz: cannot be read to its end' ]
    # unpacked is as good
    gzip -dc "tree of mimic-cxr-jpg/mimic-cxr-2.0.0-split.csv.gz" >cut/mimic-cxr-2.0.0-split.csv
    "$sh/mimic-cxr-jpg.sh" cut 2>err | cmp - <("$sh/mimic-cxr-jpg.sh" "tree of mimic-cxr-jpg" 2>err2)
    cp -r "tree of rsna" less
    cut -d , -f 1-4,6 "tree of rsna/stage_2_train_labels.csv" >less/stage_2_train_labels.csv
    run --separate-stderr "$sh/rsna.sh" less
    [ "$status" = 1 ] && [ -z "$output" ] && [ "$stderr" = 'rsna.sh: stage_2_train_labels.csv: no column height' ] || false
}

@test "csv.awk: quotes, commas, line breaks, a mark, CRs, tabs" {
    printf '\357\273\277a,"b ""c"", d",""\r\n"one\r\ntwo",,5" tube\r\n\r\n"","""",x\ty\n' >t.csv
    awk -v name=t.csv -v newline='|' -f "$sh/csv.awk" t.csv >t.tsv
    printf 'a\tb "c", d\t\none|two\t\t5" tube\n\t"\tx y\n' | cmp - t.tsv
    printf 'a\t"b\tc"\td"e\n' | awk -v name=- -v sep='\t' -f "$sh/csv.awk" | cmp - <(printf 'a\tb c\td"e\n')
    run awk -v name=cut.csv -f "$sh/csv.awk" <<<'a,"b'
    [ "$status" = 1 ] && [ "$output" = 'cut.csv: the quoted field that begins on line 1 does not end' ] || false
    f=${UM_REAL_DATA:-}/odd/covid_chestxray_metadata.csv
    [ -f "$f" ] || skip "no real data"
    "$UM_PYTHON" -c 'import csv, sys
for r in csv.reader(open(sys.argv[1], encoding="utf-8-sig", newline="")):
    if r: print("\t".join(x.replace("\t", " ").replace("\r\n", " ").replace("\n", " ") for x in r))' "$f" |
        cmp - <(awk -v name=f -f "$sh/csv.awk" "$f")
}

@test "an empty table is refused by name, and shifts no other" {
    local name file
    while read -r name file; do
        spoiled $name
        : >"$tree/$file"
        refuses $name "$file: empty: a line with the columns' names is expected"
    done <<'END'
chexpert train.csv
chexpert valid.csv
rsna stage_2_train_labels.csv
rsna stage_2_detailed_class_info.csv
luna16 annotations.csv
bimcv-covid19plus derivatives/labels/labels_covid19_posi.tsv
END
    for file in train test; do
        spoiled covidx
        : >"$tree/${file}_COVIDx9A.txt"
        refuses covidx "${file}_COVIDx9A.txt: empty: lines of patient, file, class and source are expected"
        echo >"$tree/${file}_COVIDx9A.txt"
        refuses covidx "${file}_COVIDx9A.txt: empty: nothing but blank lines"
    done
    for file in ct_train ct_val ct_test; do
        spoiled cc-ccii
        : >"$tree/$file.json"
        refuses cc-ccii "./$file.json: empty: scans with their slices are expected"
        echo '{}' >"$tree/$file.json"
        refuses cc-ccii "$file.json: no scan in it"
        head -c 300 "tree of cc-ccii/$file.json" >"$tree/$file.json"
        refuses cc-ccii "$file.json: ends inside of a list: is it cut?"
    done
    spoiled folder
    : >"$tree/table.csv"
    run --separate-stderr "$sh/folder.sh" -t "$tree/table.csv" "$tree"
    [ "$status" = 1 ] && [ -z "$output" ] && [[ $stderr == *"/table.csv: empty: a line with the columns' names is expected" ]] || false
}

@test "rows with more or fewer fields than the header are refused by file and line" {
    local n
    spoiled chexpert
    n=$(wc -l <"$tree/train.csv")
    head -n -1 "tree of chexpert/train.csv" >"$tree/train.csv"
    tail -n 1 "tree of chexpert/train.csv" | cut -d , -f 1-17 | head -c -1 >>"$tree/train.csv"
    refuses chexpert "train.csv: line $n: 17 fields, the header has 19"
    # quotes, and a comma outside of them
    spoiled luna16
    printf '"seriesuid","coordX",coordY,coordZ,diameter_mm\na,1,2,3,4,5\n' >"$tree/annotations.csv"
    refuses luna16 'annotations.csv: line 2: 6 fields, the header has 5'
    printf 'seriesuid,coordX,coordY,coordZ,diameter_mm\na,"1\n",2,3,4\n"a","1"\n' >"$tree/annotations.csv"
    refuses luna16 'annotations.csv: line 4: 2 fields, the header has 5'
    spoiled bimcv-covid19plus
    f=derivatives/labels/labels_covid19_posi.tsv
    printf 'x\ty\n' >>"$tree/$f"
    n=$(wc -l <"$tree/$f")
    refuses bimcv-covid19plus "$f: line $n: 2 fields, the header has $(head -n 1 "$tree/$f" | tr -cd '\t' | wc -c | awk '{ print $1 + 1 }')"
    # a last line without its end is whole
    spoiled chexpert
    head -c -1 "tree of chexpert/train.csv" >"$tree/train.csv"
    adapter chexpert "$tree" 2>err | cmp - <(adapter chexpert "tree of chexpert" 2>err2)
}

@test "an adapter by a link" {
    mkdir -p links
    ln -sfn "$(cd "$sh" && pwd)/chexpert.sh" links/chexpert.sh
    ln -sfn chexpert.sh links/again.sh
    links/again.sh -n 5 "tree of chexpert" 2>err | cmp - <(adapter chexpert "tree of chexpert" 2>err2)
    links/again.sh -h | grep -q '^usage: chexpert.sh'
}

@test "patients in more than one part are counted in the line" {
    spoiled covidx
    first=$(head -n 1 "$tree/train_COVIDx9A.txt")
    test=$(head -n 1 "$tree/test_COVIDx9A.txt")
    # a picture of the test list, given to a patient of the training list
    awk -v p="${first%% *}" 'NR == 1 { sub(/^[^ ]*/, p) } { print }' "tree of covidx/test_COVIDx9A.txt" >"$tree/test_COVIDx9A.txt"
    [ "${first%% *}" != "${test%% *}" ]
    "$sh/covidx.sh" "$tree" 2>err >out.tsv
    grep -q "; 1 patient is in more than one part: ${first%% *}" err && [ "$(wc -l <err)" = 1 ] || false
    "$sh/covidx.sh" -s none "$tree" 2>err >out.tsv
    grep -q "; 1 patient is in more than one part: ${first%% *}" err
    # CheXpert's lists as MGCA has them share pictures, and those by patient none
    mkdir -p shared/train shared/valid
    "$UM_PYTHON" "$BATS_TEST_DIRNAME/chexpert.py" make shared
    "$sh/chexpert.sh" -s mgca -e 7 -n 60 shared 2>err >out.tsv
    n=$(awk -F '\t' 'NR > 1 && !(($4, $5) in s) { s[$4, $5]; n[$4]++ } END { for (p in n) if (n[p] > 1) k++; print k }' out.tsv)
    [ "$n" -gt 1 ] && grep -q "; $n patients are in more than one part, such as " err || false
    "$sh/chexpert.sh" -n 60 shared 2>err >out.tsv
    [ "$(grep -c 'more than one part' err)" = 0 ]
    # a table's own split
    mkdir -p leak/a leak/b
    : >leak/a/1.png && : >leak/a/2.png && : >leak/b/1.png && : >leak/b/2.png
    printf 'file,split\na/1.png,test\nb/1.png,train\n' >leak/t.csv
    "$sh/folder.sh" -t leak/t.csv leak 2>err >out.tsv
    grep -q '; 1 patient is in more than one part: a' err
}

@test "bcv: the names of -l with their ending or without; unknown ones and none are refused" {
    mkdir -p names/img names/label
    for i in 1 2 3 4; do : >names/img/img000$i.nii.gz && : >names/label/label000$i.nii.gz; done
    printf ' img0002.nii.gz\r\n\nimg0003' >l.txt
    "$sh/bcv.sh" -l l.txt names 2>err | awk -F '\t' '$5 == "test" { print $1 }' >got
    [ "$(tr '\n' ' ' <got)" = 'img0002 img0003 ' ]
    printf 'img0002\nfoo\n' >l.txt
    run --separate-stderr "$sh/bcv.sh" -l l.txt names
    [ "$status" = 1 ] && [ -z "$output" ] && [ "$stderr" = "bcv.sh: $PWD/l.txt: line 2: no scan foo in img" ] || false
    printf '\n' >l.txt
    run --separate-stderr "$sh/bcv.sh" -l l.txt names
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = "bcv.sh: $PWD/l.txt: empty: names of scans, such as img0001, are expected, one a line" ]
}

@test "chexpert: a label that is none is refused by name" {
    for bad in 2 x 0.5 -2.0; do
        spoiled chexpert
        awk -F , -v OFS=, -v bad="$bad" 'NR == 3 { $NF = bad } { print }' "tree of chexpert/train.csv" >"$tree/train.csv"
        path=$(sed -n '3s/,.*//p' "$tree/train.csv")
        refuses chexpert "train.csv: $path: Support Devices is \"$bad\", expected 1, 0, -1 or nothing"
    done
    spoiled chexpert
    sed 's/,1\.0/,1/g; s/,0\.0/,0/g; s/,-1\.0/,-1/g' "tree of chexpert/train.csv" >"$tree/train.csv"
    adapter chexpert "$tree" 2>err | cmp - <(adapter chexpert "tree of chexpert" 2>err2)
}

@test "messages speak of the data set: nothing found, nothing left, draws that cannot be, no um-split" {
    mkdir -p none/train none/valid
    cp "tree of chexpert/"*.csv none
    run --separate-stderr "$sh/chexpert.sh" none
    [ "$status" = 1 ] && [ "$stderr" = 'chexpert.sh: none: no picture .jpg in train or valid here' ] || false
    spoiled chexpert
    for f in train valid; do head -n 1 "tree of chexpert/$f.csv" >"$tree/$f.csv"; done
    run --separate-stderr "$sh/chexpert.sh" -s none "$tree"
    [ "$status" = 1 ] && [ "$stderr" = "chexpert.sh: $tree: no row comes of it" ] || false
    run --separate-stderr "$sh/chexpert.sh" -n 5000 "tree of chexpert"
    [ "$status" = 1 ] && [ -z "$output" ] && [ "${#stderr_lines[@]}" = 1 ] || false
    [[ $stderr == 'chexpert.sh: tree of chexpert: valid 5000 and test 0 of '*' patients: train would get 0, '*'(see -n)' ]]
    for n in 0 x -1 1.5; do
        run --separate-stderr "$sh/chexpert.sh" -n "$n" "tree of chexpert"
        [ "$status" = 2 ] && [ -z "$output" ] && [[ $stderr == "chexpert.sh: -n $n: a whole number from 1 on is expected"* ]] || false
    done
    # without um-split: those that draw say so at once, and the others do without
    mkdir -p unbuilt
    for tool in $(compgen -c | grep -x 'sh\|awk\|mawk\|busybox\|find\|sort\|sed\|mktemp\|rm\|cat\|cp\|mv\|wc\|tr\|dirname\|readlink\|gzip\|tail\|head'); do
        ln -sfn "$(command -v "$tool")" unbuilt/
    done
    for name in bcv chexpert covidx rsna; do
        run --separate-stderr env BUILD=/nowhere PATH="$PWD/unbuilt" "$sh/$name.sh" "tree of $name"
        [ "$status" = 1 ] && [ -z "$output" ] || false
        [ "$stderr" = "$name.sh: um-split is needed for it and not found: build it (make tools); BUILD=FOLDER names where it is" ]
        "$sh/$name.sh" -h | grep -q um-split
    done
    BUILD=/nowhere PATH=$PWD/unbuilt "$sh/chexpert.sh" -s none "tree of chexpert" 2>err | grep -q patient00001
    BUILD=/nowhere PATH=$PWD/unbuilt "$sh/folder.sh" "tree of folder" 2>err | grep -q p000000
}

# closed COMMAND...: with nothing more than anybody's right to read
closed() { setpriv --bounding-set=-dac_override,-dac_read_search -- "$@"; }

@test "folder: what cannot be read, and links in a circle, are left out and named" {
    rm -rf shut
    mkdir -p shut/p1 shut/lost+found shut/p2
    : >shut/p1/x.png && : >shut/p2/y.png && : >shut/lost+found/z.png
    ln -s .. shut/p2/up
    "$sh/folder.sh" shut 2>err | cut -f 1 | tail -n +2 | sort | tr '\n' ' ' >got
    [ "$(cat got)" = 'lost+found/z.png p1/x.png p2/y.png ' ]
    [ "$(wc -l <err)" = 1 ]
    grep -q "^folder.sh: 3 rows, 3 patients; left out: './p2/up' is part of the same file system loop as '.'" err
    rm shut/p2/up
    chmod 000 shut/lost+found
    as=
    if [ -r shut/lost+found ]; then
        closed test ! -r shut/lost+found || skip 'a superuser who can read everything'
        as=closed
    fi
    $as "$sh/folder.sh" shut 2>err >out.tsv
    [ "$(wc -l <out.tsv)" = 3 ]
    [ "$(cat err)" = "folder.sh: 2 rows, 2 patients; left out: './lost+found': Permission denied" ]
    rm shut/p1/x.png shut/p2/y.png
    run --separate-stderr $as "$sh/folder.sh" shut
    chmod 700 shut/lost+found
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = "folder.sh: shut: no image here; left out: './lost+found': Permission denied" ]
}

@test "folder: DICOM in files without an ending, alone and as series" {
    rm -rf pacs
    mkdir -p pacs/P1/ST1/SE1 pacs/P1/ST1/SE2 pacs/P2 pacs/docs
    dicom() { for f in "$@"; do { head -c 128 /dev/zero && printf DICM; } >"pacs/$f"; done; }
    dicom P1/ST1/SE1/IM{1,2,3} P1/ST1/SE2/1.2.840.113619.{1,2} 'P2/I0 =a' IM9 DICOMDIR P1/ST1/DICOMDIR
    echo 'not a picture' | tee pacs/README pacs/P1/ST1/SE1/A0 pacs/docs/VERSION >pacs/P2/notes.7
    : >"pacs/docs/Icon$(printf '\r')" && : >pacs/short
    echo 'FINDINGS: The lungs are clear.' | tee pacs/P1/ST1/SE2/1.2.840.113619.2.txt >'pacs/P2/I0 =a.txt'
    "$sh/folder.sh" pacs 2>err >pacs.tsv
    [ "$(tail -n +2 pacs.tsv | cut -f 1,4,5 | tr '\t\n' '|;')" = 'IM9||IM9;P1/ST1/SE1/IM1||P1;P1/ST1/SE1/IM2||P1;'\
'P1/ST1/SE1/IM3||P1;P1/ST1/SE2/1.2.840.113619.1||P1;P1/ST1/SE2/1.2.840.113619.2|P1/ST1/SE2/1.2.840.113619.2.txt|P1;'\
'P2/I0 =a|P2/I0 =a.txt|P2;' ]
    [ "$(cat err)" = 'folder.sh: 7 rows, 3 patients; 2 reports; 8 other files passed over: 8 without an ending' ]
    "$sh/folder.sh" -d pacs 2>err >pacs.tsv
    [ "$(tail -n +2 pacs.tsv | cut -f 1,5 | tr '\t\n' '|;')" = 'IM9|IM9;P1/ST1/SE1|P1;P1/ST1/SE2|P1;P2|P2;' ]
    # none but such
    mkdir -p pacs/only && mv pacs/P1 pacs/only
    "$sh/folder.sh" -d pacs/only 2>err | tail -n +2 | cut -f 1 | tr '\n' ' ' >got
    [ "$(cat got)" = 'P1/ST1/SE1 P1/ST1/SE2 ' ]
    run --separate-stderr "$sh/folder.sh" pacs/docs
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [ "$stderr" = 'folder.sh: pacs/docs: no image here; 2 other files passed over: 2 without an ending' ]
}

@test "folder: files that are taken for DICOM by what they hold are read as such" {
    rm -rf ends
    mkdir -p ends/ct/p1
    n=0
    for f in "tree of rsna/stage_2_train_images/"*.dcm; do
        n=$((n + 1))
        [ $n -gt 3 ] || cp "$f" "ends/IM000$n"
    done
    "$sh/folder.sh" ends 2>err >ends.tsv
    um-preprocess -q --root ends ends.tsv -o ends.umt 2>err || { grep -q 'DICOM, expected' err && skip "built without DICOM"; }
    [ "$(um-show --keys ends.umt | tr '\n' ' ')" = 'IM0001 IM0002 IM0003 ' ]
    series=${UM_REAL_DATA:-}/dicom/series
    [ -d "$series" ] || skip "no real data"
    cp "$series/"* ends/ct/p1
    "$sh/folder.sh" -d ends/ct 2>err >ct.tsv
    [ "$(cut -f 2,5 ct.tsv | tail -n 1)" = "p1	p1" ]
    um-preprocess -q --root ends/ct ct.tsv -o ct.umt
    [ "$(um-show --keys ct.umt)" = p1 ]
}

@test "folder: all images in one folder are of one patient, and the summary says so" {
    rm -rf flat
    mkdir -p flat/images
    for i in 1 2 3 4 5; do : >flat/images/$i.jpg; done
    "$sh/folder.sh" flat 2>err >flat.tsv
    [ "$(cat err)" = 'folder.sh: 5 rows, 1 patient; all are of one patient, images: -p 0 makes each image one of its own, '\
'-p N takes the N-th folder' ]
    run --separate-stderr "$sh/folder.sh" -s 0.2,0.2 flat
    [ "$status" = 1 ] && [ -z "$output" ] || false
    [[ $stderr == 'folder.sh: flat: valid 0.2 and test 0.2 of 1 patient: '*' (see -s, and -p, by which all are of one patient)' ]]
    "$sh/folder.sh" -p 0 -s 0.2,0.2 flat 2>err >flat.tsv
    [ "$(cat err)" = 'folder.sh: 5 rows, 5 patients, 3 train, 1 valid, 1 test' ]
    # a table that says so is right
    printf 'file,patient\n' >flat/t.csv
    for i in 1 2 3 4 5; do echo "images/$i.jpg,P1"; done >>flat/t.csv
    "$sh/folder.sh" -t flat/t.csv flat 2>err >flat.tsv
    [ "$(cat err)" = 'folder.sh: 5 rows, 1 patient' ]
    rm flat/images/[2-5].jpg
    "$sh/folder.sh" flat 2>err >flat.tsv
    [ "$(cat err)" = 'folder.sh: 1 row, 1 patient; 1 other file passed over: 1 .csv' ]
}

@test "folder: a table's own columns, cells that are empty, columns without a name, files named twice" {
    local jpg="tree of folder/p000000/chest x-ray.jpg"
    rm -rf own
    mkdir -p own/a own/b
    for f in a/1.jpg a/2.jpg b/1.jpg b/2.jpg; do cp "$jpg" own/$f; done
    echo 'FINDINGS: The lungs are clear.' | tee own/a/1.txt own/a/2.txt >own/b/1.txt
    printf 'file,key, patient ,image,report, url,\na/1.jpg,k1,P9,b/2.jpg,IMPRESSION: A nodule.,u,\na/2.jpg,,,,,,x\n' >own/t.csv
    "$sh/folder.sh" -t own/t.csv own 2>err >own.tsv
    [ "$(head -n 1 own.tsv | tr '\t' '|')" = 'key|image|mask|report_file|patient|report|url' ]
    [ "$(tail -n +2 own.tsv | tr '\t\n' '|;')" = 'k1|b/2.jpg|||P9|IMPRESSION: A nodule.|u;'\
'a/2.jpg|a/2.jpg||a/2.txt|a||;b/1.jpg|b/1.jpg||b/1.txt|b||;b/2.jpg|b/2.jpg|||b||;' ]
    [ "$(cat err)" = 'folder.sh: 4 rows, 3 patients; 3 reports; 1 column without a name left out' ]
    um-preprocess -q --root own own.tsv -o own.umt
    [ "$(um-show --keys own.umt | tr '\n' ' ')" = 'k1 a/2.jpg b/1.jpg b/2.jpg ' ]
    "$sh/folder.sh" -s 0.3,0.3 -t own/t.csv own 2>err >own.tsv # no patient is empty

    refused() { # TABLE TEXT
        printf "$1" >own/t.csv
        run --separate-stderr "$sh/folder.sh" -t own/t.csv own
        [ "$status" = 1 ] && [ -z "$output" ] && [ "$stderr" = "folder.sh: $2" ] || false
    }
    refused 'file,x\na/1.jpg,1\nb/1.jpg,1\n./a/1.jpg,2\n' 'the table: the file a/1.jpg is named twice'
    refused 'file,x, x\na/1.jpg,1,2\n' 'the table: two columns are called x'
    printf 'file,x\na/1.txt,1\na/1.jpg,2\n' >own/t.csv
    "$sh/folder.sh" -t own/t.csv own 2>&1 >own.tsv | grep -q '; 1 row of the table without an image'
}

@test "folder: endings in any case, hidden files, what is passed over" {
    rm -rf kinds
    mkdir -p kinds/p/.hidden kinds/q
    for f in CT.NII.GZ CT.TXT CT_mask.Nii.Gz x.bmp y.BMP z.tif IM0001 v.mhd v.raw w.raw lone_mask.png note.txt \
        ._x.jpg .z.png .hidden/a.png s.DCM; do
        : >"kinds/p/$f"
    done
    : >kinds/q/notes.csv && : >kinds/q/a.JPEG
    printf 'file\np/CT.NII.GZ\n' >kinds/t.csv
    "$sh/folder.sh" -t kinds/t.csv kinds 2>err >kinds.tsv
    [ "$(cut -f 1,3,4 kinds.tsv | tail -n +2 | tr '\t\n' '|;')" = \
        'p/CT.NII.GZ|p/CT_mask.Nii.Gz|p/CT.TXT;p/s.DCM||;p/v.mhd||;q/a.JPEG||;' ]
    [ "$(cat err)" = 'folder.sh: 4 rows, 2 patients; 1 report; 1 mask; 1 mask without an image; 1 text without an image; '\
'6 other files passed over: 2 .bmp, 1 .csv, 1 .raw, 1 .tif, ...' ]
    rm kinds/p/[a-z]* && rm kinds/q/notes.csv
    "$sh/folder.sh" -t kinds/t.csv kinds 2>err >kinds.tsv
    [ "$(cat err)" = 'folder.sh: 2 rows, 2 patients; 1 report; 1 mask; 1 other file passed over: 1 without an ending' ] || { cat err; false; }
}
