#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-encode: shapes, crops, equal bytes for any -j, what it refuses; weights made here (model.py)
# shellcheck disable=SC2016 # backquotes in messages are meant so

setup_file() {
    export PYTHONPATH=$BATS_TEST_DIRNAME PY=${UM_PYTHON:-/usr/bin/python3}
    export S=$BATS_FILE_TMPDIR M=$BATS_FILE_TMPDIR/model.safetensors
    "$PY" "$BATS_TEST_DIRNAME/model.py" weights "$M"
    "$PY" "$BATS_TEST_DIRNAME/model.py" all "$S"
    "$PY" "$BATS_TEST_DIRNAME/model.py" edits "$M" "$S"
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

model() { "$PY" "$BATS_TEST_DIRNAME/model.py" "$@"; }

encode() { um-encode --device cpu -m "$M" "$@"; }

fails() { # MESSAGE command...: exit 1, one line with it, nothing under the final name
    local want=$1
    shift
    run "$@" -o out.umt
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [[ $output != "um-encode: "*"$want"* ]] || [ -e out.umt ]; then
        echo "status $status: $output"
        echo "wanted: $want"
        return 1
    fi
}

@test "every kind of record gets its vectors, in the order read" {
    ln -s "$S/mixed.umt" in.umt
    encode --attention --tokens --text --drop-input in.umt | model shapes >said
    [ "$(cut -d' ' -f1 said)" = "$(model shapes <in.umt | cut -d' ' -f1)" ]
    grep -qx 'p1/s1 cls:32 embedding:16 tokens:4,32 attention:1,4 text_cls:32 text_embedding:16' said
    grep -qx 'ct1 cls:32 embedding:16 tokens:8,32 attention:2,4 text_cls:32 text_embedding:16' said
    [ "$(encode in.umt | model shapes | head -n 1)" = 'p0/s1 image:1,41,36 ids:12 ids_mask:12 cls:32 embedding:16' ]
    [ "$(encode --text --drop-input "$S/text.umt" | model shapes | tail -n 1)" = 'p2/s1 text_cls:32 text_embedding:16' ]
}

@test "attention of [CLS]: a part of one, the rest is its own" {
    encode --attention "$S/mixed.umt" | model attention >said
    [ "$(grep -c 'True$' said)" = 11 ]
    [ "$(wc -l <said)" = 11 ]
    grep -q '^p1/s1 1 ' said
    grep -q '^ct1 2 ' said
}

@test "an image in bytes is cropped at its centre, one in floats is used as it is" {
    encode --batch 1 -o out.umt "$S/cropped.umt" # with AVX2 a row's place in the batch is seen in the last bits
    model equal out.umt p3/s1 floats cls
    model equal out.umt p3/s1 floats embedding
}

@test "equal bytes for any number of threads" {
    ln -s "$S/mixed.umt" in.umt
    for j in 1 2 7; do encode --attention --tokens --text -j $j in.umt -o $j.umt; done
    cmp 1.umt 2.umt
    cmp 1.umt 7.umt
}

@test "the size of the batch changes no more than rounding" {
    ln -s "$S/mixed.umt" in.umt
    for b in 1 3 16; do encode --text --attention --tokens --batch $b in.umt -o $b.umt; done
    model close 1.umt 16.umt 1e-5
    model close 3.umt 16.umt 1e-5
}

@test "bfloat16 is near float32, and is not it" {
    ln -s "$S/mixed.umt" in.umt
    encode --drop-input in.umt -o f.umt
    encode --drop-input --precision bf16 in.umt -o b.umt
    model close b.umt f.umt 0.05
    if model close b.umt f.umt 1e-4; then return 1; fi
}

@test "parts stay parts, tensors it does not know pass, those of another model do not" {
    cat "$S/xray.umt" "$S/extra.umt" | encode -o out.umt
    [ "$(model history <out.umt | wc -l)" = 2 ]
    [ "$(model shapes <out.umt | tail -n 1)" = 'p0/s1 image:1,41,36 ids:12 ids_mask:12 mask:1,41,36 cls:32 embedding:16' ]
}

@test "the history holds the model's digest and the device, and no path" {
    encode --attention "$S/xray.umt" -o out.umt
    run model history <out.umt
    [[ $output == *'"tool": "um-encode"'* && $output == *'"device": "cpu"'* && $output == *'"attention": true'* ]]
    [[ $output =~ \"model\":\ \"[0-9a-f]{32}\" ]]
    [[ $output != *safetensors* ]]
}

@test "random weights by seed: --init" {
    ln -s "$S/mixed.umt" in.umt
    for s in 1 2; do um-encode --init tiny --vocab 70 --seed $s --text --drop-input in.umt -o $s.umt; done
    um-encode --init tiny --vocab 70 --seed 1 --text --drop-input in.umt -o again.umt
    cmp 1.umt again.umt
    if model close 1.umt 2.umt 0.1; then return 1; fi
    run um-encode in.umt
    [ "$status" = 2 ]
    run um-encode --init tiny -m "$M" in.umt
    [ "$status" = 2 ]
    run um-encode --vocab 3 -m "$M" in.umt
    [ "$status" = 2 ]
    run um-encode --init huge in.umt
    [ "$status" = 1 ]
    [[ $output == *'preset huge: expected tiny, phantom, vit-ti, vit-s or vit-b'* ]]
}

@test "records that do not fit are refused by name" {
    for t in 'small:record p1/s1: `image`: expected uint8 [1,32,32] or larger, or float32 [1,32,32], got uint8 [1,31,40]' \
        'colour:record p1/s1: `image`: expected uint8 [1,32,32]' \
        'float:record p1/s1: `image`: expected uint8 [1,32,32] or larger, or float32 [1,32,32], got float32 [1,40,40]' \
        'grid:record ct1: `volume`: expected float32 [8,32,32], got float32 [8,32,16]' \
        'bytes:record ct1: `volume`: expected float32 [8,32,32], got uint8' \
        'nan:record ct1: `cls` came out not finite' \
        'inf:record ct1: `cls` came out not finite' \
        'bare:record p0/s1: no `image` or `volume`: run um-preprocess' \
        'both:record p0/s1: `image` and `volume` in one record'; do
        fails "${t#*:}" encode "$S/${t%%:*}.umt"
    done
}

@test "texts that do not fit are refused by name" {
    for t in 'noids:record p0/s1: `ids` missing: run um-tokenize' \
        'id64:record p1/s1: `ids`: 64 at 0, the model knows 0 to 63' \
        'id-1:record p1/s1: `ids`: -1 at 0' \
        'long:record p1/s1: `ids` [33]: the model has 32 positions' \
        'mask:record p1/s1: `ids_mask` leaves no id' \
        'mask2:record p1/s1: `ids_mask`: 2 at 0, expected 0 or 1' \
        'mask11:record p1/s1: `ids_mask` [11] does not fit `ids` [12]'; do
        fails "${t#*:}" encode --text "$S/${t%%:*}.umt"
    done
    encode -o out.umt "$S/id64.umt" # no text is wanted
}

@test "--on-error skip: the others come through as without the bad one" {
    ln -s "$S/small.umt" in.umt
    encode --on-error skip --rejects rejects.tsv -q in.umt -o out.umt
    [ "$(model shapes <out.umt | cut -d' ' -f1 | tr '\n' ' ')" = 'p0/s1 p2/s1 ' ]
    [ "$(cut -f1,2 rejects.tsv)" = $'p1/s1\tshape' ]
    encode --on-error skip -q --batch 8 "$S/nan.umt" -o out.umt
    [ "$(model shapes <out.umt | wc -l)" = 2 ]
}

@test "streams of another window, range, vocabulary or case are refused" {
    model make xray 'window=[-160,240]' >in.umt
    fails 'window -160,240, the model was trained with -1000,1000' encode in.umt
    model make xray 'window="x"' >in.umt
    fails 'window is not two numbers' encode in.umt
    model make xray 'norm="mgca"' >in.umt
    fails "norm mgca, the model's input is 1 x +0" encode in.umt
    model make xray 'vocab="ffffffffffffffffffffffffffffffff"' >in.umt
    fails 'vocabulary ffffffffffffffffffffffffffffffff, the model was trained with 0123456789abcdef0123456789abcdef' encode --text in.umt
    encode in.umt >out.umt # without texts it does not matter
    rm out.umt
    model make xray cased=true >in.umt
    fails 'ids are cased, the model was trained with lower case text' encode --text in.umt
}

@test "weights that are not what they say are refused" {
    ln -s "$S/xray.umt" in.umt
    for t in 'shape:vision.norm.bias: expected float32 [32], got float32 [31]' \
        'missing:no tensor text.embeddings.LayerNorm.bias' \
        'nan:vision.blocks.1.mlp.fc2.bias: element 0 is NaN' \
        'dtype:logit_scale: expected float32 [], got int32 []' \
        'layers:no tensor vision.blocks.2.norm1.weight' \
        'heads:um.config: heads 5 does not divide width 32'; do
        fails "${t%%:*}: ${t#*:}" encode -m "$S/${t%%:*}" in.umt
    done
    head -c 100000 "$M" >bad.safetensors
    fails 'cut' um-encode -m bad.safetensors in.umt
    head -c 100 "$M" >bad.safetensors
    fails 'bad.safetensors: a header of' um-encode -m bad.safetensors in.umt
    : >bad.safetensors
    fails 'bad.safetensors: 0 bytes: not a safetensors file' um-encode -m bad.safetensors in.umt
    fails 'in.umt: a header of' um-encode -m in.umt in.umt
    fails 'none: no such file' um-encode -m none in.umt
    fails 'a directory, not a file' um-encode -m . in.umt
    fails 'record p0/s1: `cls` came out not finite' encode -m "$S/huge" in.umt
}

@test "cut, empty and foreign streams; a full disk" {
    ln -s "$S/mixed.umt" in.umt
    head -c 9000 in.umt >cut.umt
    fails 'cut.umt' encode cut.umt
    : >cut.umt
    fails 'empty' encode cut.umt
    run encode --no-such-flag
    [ "$status" = 2 ]
    run encode in.umt -o /dev/full
    [ "$status" = 1 ]
    [[ $output == *'No space left'* ]]
}
