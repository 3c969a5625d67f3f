#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-tokenize: ids by a vocabulary made here, patches against NumPy, learned vocabularies, refusals
# shellcheck disable=SC2016 # backquotes in messages are meant so

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    R=$BATS_TEST_DIRNAME/reports.py
    # 5 the, 6 heart, 7 is, 8 large, 9 no, 10 effusion, 11 ##s, 12 ., 13 Heart
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' \
        the heart is large no effusion '##s' . Heart >vocab.txt
}

reports() { printf '%s\n' "$@" | "$PY" "$R" make; }

ids() { um-tokenize --vocab vocab.txt "$@" | "$PY" "$R" ids; }

fails() { # MESSAGE command...: exit 1, one line, nothing under the final name
    local want=$1
    shift
    run "$@" -o out.umt
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [[ $output != "um-tokenize: "*"$want"* ]] || [ -e out.umt ]; then
        echo "status $status: $output"
        return 1
    fi
}

@test "the method's cleaning, then ids, mask, padding" {
    reports $'a\tThe heart is LARGE. No effusions.' \
        $'b\tFINDINGS: No effusion.\\nIMPRESSION: Heart large.' >in.umt
    um-tokenize --vocab vocab.txt in.umt -o out.umt
    run "$PY" "$R" ids <out.umt
    [ "${lines[0]}" = 'a 112 2 5 6 7 8 9 10 11 3' ]
    [ "${lines[1]}" = 'b 112 2 6 8 9 10 3' ]
    [ "$(ids <in.umt)" = "$output" ]
    [ "$(ids - <in.umt)" = "$output" ]
}

@test "--clean none, --cased, --max-length, --sentences strict" {
    reports $'a\tHeart is large.' >in.umt
    [ "$(ids --clean none in.umt)" = 'a 112 2 6 7 8 12 3' ]
    [ "$(ids --clean none --cased in.umt)" = 'a 112 2 13 7 8 12 3' ]
    [ "$(ids --max-length 4 in.umt)" = 'a 4 2 6 7 3' ]
    reports $'a\tno 1.5 the. x' >in.umt
    [ "$(ids in.umt)" = 'a 112 2 1 5 3' ]
    [ "$(ids --sentences strict in.umt)" = 'a 112 2 9 1 1 5 3' ]
}

@test "header and history say whose ids these are, and no paths" {
    reports $'a\tthe heart' >in.umt
    um-tokenize --vocab "$PWD/vocab.txt" --cased in.umt >out.umt
    run "$PY" "$R" show <out.umt
    digest=${lines[0]#*'"vocab": "'}
    digest=${digest%%'"'*}
    [ "${#digest}" = 32 ]
    [[ ${lines[0]} == *'"cased": true'* ]]
    [[ ${lines[1]} == *'"tool": "um-tokenize"'*"\"vocab\": \"$digest\""* ]]
    [[ ${lines[1]} == *'"max-length": 112'* ]]
    [[ $output != *"$PWD"* ]]
    sed 's/$/\r/' vocab.txt >crlf.txt # the pieces count, not how their lines end
    um-tokenize --vocab crlf.txt --cased in.umt | cmp - out.umt
}

@test "the same bytes for any number of threads; parts stay parts" {
    for i in $(seq 300); do printf 'k%d\tThe heart is large %d. No effusion, %d times.\n' "$i" "$i" $((i * i)); done |
        "$PY" "$R" make >in.umt
    cat in.umt in.umt >two.umt
    um-tokenize --vocab vocab.txt -j 1 two.umt -o 1.umt
    for j in 2 7; do um-tokenize --vocab vocab.txt -j "$j" two.umt | cmp - 1.umt; done
    [ "$("$PY" "$R" ids <1.umt | wc -l)" = 600 ]
}

@test "patches of images and volumes, as NumPy cuts them" {
    "$PY" "$R" images 2d 3d image:float32:1,32,48 >in.umt
    um-tokenize --patches --crop 32 --patch-2d 8 --patch-3d 2x4x5 in.umt | "$PY" "$R" patches 32 8 2x4x5 >got
    printf '%s\n' 'r0 [16, 64] [4, 4] float32' 'r1 [48, 40] [4, 3, 4] float32' \
        'r2 [24, 64] [4, 6] float32' | diff - got
    um-tokenize --patches --crop 24 --norm mgca --patch-2d 8 --patch-3d 8x4x4 in.umt |
        "$PY" "$R" patches 24 8 8x4x4 mgca
    "$PY" "$R" images image:uint8:1,256,256 image:uint8:1,224,224 volume:float32:32,128,128 >full.umt
    um-tokenize --patches full.umt | "$PY" "$R" patches 224 16 4x16x16 >got
    printf '%s\n' 'r0 [196, 256] [14, 14] float32' 'r1 [196, 256] [14, 14] float32' \
        'r2 [512, 1024] [8, 8, 8] float32' | diff - got
    "$PY" "$R" images image:uint8:1,16,48 | um-tokenize --patches --crop 0 | "$PY" "$R" patches 0 16 4x16x16
}

@test "a record that lacks what is needed" {
    reports $'a\tthe heart' b >in.umt
    fails 'record b: meta `report` missing: um-preprocess keeps it' um-tokenize --vocab vocab.txt in.umt
    [ "$(ids --missing pass in.umt)" = $'a 112 2 5 6 3\nb none' ]
    [ "$(ids --on-error skip --rejects bad.tsv in.umt)" = 'a 112 2 5 6 3' ]
    grep -q $'^b\tmissing\tmeta `report` missing' bad.tsv
    reports $'a\tok.' >in.umt
    fails 'record a: meta `report`: nothing left after cleaning' um-tokenize --vocab vocab.txt in.umt
    reports $'a\t\u200b ' >in.umt
    fails 'record a: meta `report`: no word in it' um-tokenize --vocab vocab.txt --clean none in.umt
    fails 'record a: neither `image` nor `volume`: run um-preprocess' um-tokenize --patches in.umt
    um-tokenize --patches --missing pass in.umt >passed.umt
    run um-tokenize --vocab vocab.txt --on-error skip --rejects both.umt -o both.umt in.umt
    [ "$status" = 2 ]
    [ ! -e both.umt ]
}

@test "ids without the report they came from are not passed on" {
    reports $'a\tthe heart' >in.umt
    um-tokenize --vocab vocab.txt in.umt >out1.umt
    "$PY" "$R" strip <out1.umt >old.umt
    fails 'record a: meta `report` missing' um-tokenize --vocab vocab.txt --missing pass old.umt
}

@test "images and volumes that cannot be cut" {
    "$PY" "$R" images both >in.umt
    fails 'record r0: both `image` and `volume`' um-tokenize --patches in.umt
    "$PY" "$R" images image:uint8:1,200,256 >in.umt
    fails 'record r0: `image`: 200x256, smaller than the crop of 224' um-tokenize --patches in.umt
    "$PY" "$R" images image:uint8:3,224,224 >in.umt
    fails '`image`: expected [1,H,W], got [3,224,224]' um-tokenize --patches in.umt
    "$PY" "$R" images image:float32:1,224,220 >in.umt
    fails '`image`: [1,224,220] is not a whole number of patches of 1x16x16' um-tokenize --patches in.umt
    "$PY" "$R" images volume:uint8:32,128,128 >in.umt
    fails '`volume`: expected float32, got uint8' um-tokenize --patches in.umt
    "$PY" "$R" images nan >in.umt
    fails '`volume`: element 805 is not finite' um-tokenize --patches --patch-3d 4x4x4 in.umt
}

@test "vocabularies that are none" {
    reports $'a\tthe heart' >in.umt
    fails 'nowhere.txt: no such file' um-tokenize --vocab nowhere.txt in.umt
    fails '.: a directory, not a file' um-tokenize --vocab . in.umt
    echo the >bad.txt
    fails 'bad.txt: no [PAD] in it: not a BERT vocabulary' um-tokenize --vocab bad.txt in.umt
    cat vocab.txt vocab.txt >bad.txt
    fails 'bad.txt: lines 1 and 15 are the same piece, "[PAD]"' um-tokenize --vocab bad.txt in.umt
}

@test "streams that are none, a full disk, usage" {
    : >empty.umt
    fails empty um-tokenize --vocab vocab.txt empty.umt
    reports $'a\tthe heart' >in.umt
    head -c 60 in.umt >cut.umt
    fails cut.umt um-tokenize --vocab vocab.txt cut.umt
    run um-tokenize --vocab vocab.txt in.umt -o /dev/full
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    for bad in '' '--patches --patch-3d 4x16' '--patches --patch-3d 4x16x0' '--patches --crop 100' \
        '--vocab vocab.txt --train-vocab 100' '--train-vocab 15' '--vocab vocab.txt --max-length 2' --no-such-flag; do
        # shellcheck disable=SC2086
        run um-tokenize $bad in.umt
        [ "$status" = 2 ] || { echo "$bad: $status" && return 1; }
    done
}

@test "a vocabulary learned from the reports makes ids without [UNK]" {
    for i in $(seq 50); do printf 'k%d\tThe heart is large. No pleural effusion seen.\n' "$i"; done |
        "$PY" "$R" make >in.umt
    um-tokenize --train-vocab 60 in.umt -o learned.txt
    [ "$(head -n 5 learned.txt | tr '\n' ' ')" = '[PAD] [UNK] [CLS] [SEP] [MASK] ' ]
    [ "$(wc -l <learned.txt)" = 60 ]
    um-tokenize --train-vocab 60 -j 7 <in.umt | cmp - learned.txt
    um-tokenize --vocab learned.txt in.umt | "$PY" "$R" ids >got
    [ "$(grep -cE '^k.* 112 2 .* 3$' got)" = 50 ]
    [ "$(grep -cE '^[^ ]+ 112 2 .* 1 ' got)" = 0 ]
    run um-tokenize --train-vocab 5000 in.umt -o all.txt
    [ "$status" = 0 ]
    [[ $output == *'warning: '*' pieces, not 5000: '* ]]
    reports a >none.umt
    fails 'record a: meta `report` missing' um-tokenize --train-vocab 60 none.umt
    fails 'no words to learn a vocabulary from' um-tokenize --train-vocab 60 --missing pass none.umt
    run um-tokenize --train-vocab 60 --on-error skip in.umt none.umt -o two.txt
    [ "$status" = 0 ]
    [[ $output == *'1 records skipped'* ]]
    cmp two.txt learned.txt
}

@test "real reports: all tokenized, threads agree, a learned vocabulary spells every word" {
    [ -n "${UM_REAL_DATA:-}" ] || skip 'UM_REAL_DATA is not set'
    "$PY" "$R" table "$UM_REAL_DATA/text/ct_reports.tsv" >ct.umt
    um-tokenize --vocab "$UM_REAL_DATA/text/vocab.txt" -j 1 ct.umt -o 1.umt
    um-tokenize --vocab "$UM_REAL_DATA/text/vocab.txt" -j 7 ct.umt | cmp - 1.umt
    [ "$("$PY" "$R" ids <1.umt | grep -c ' 112 101 .* 102$')" = 1000 ]
    um-tokenize --train-vocab 4000 ct.umt -o learned.txt
    um-tokenize --vocab learned.txt --max-length 2048 ct.umt | "$PY" "$R" ids >got
    [ "$(wc -l <got)" = 1000 ]
    [ "$(grep -cE '^[^ ]+ 2048 2 .* 1 ' got)" = 0 ]
}
