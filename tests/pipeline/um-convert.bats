#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-convert: weights in and out, what it refuses; files made here (foreign.py)

setup_file() {
    export PYTHONPATH=$BATS_TEST_DIRNAME PY=${UM_PYTHON:-/usr/bin/python3} S=$BATS_FILE_TMPDIR
    "$PY" "$BATS_TEST_DIRNAME/foreign.py" all "$S"
    um-convert --preset tiny --vision "$S/vit.safetensors" --pixels imagenet --text "$S/bert.safetensors" \
        -o "$S/model.safetensors"
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

foreign() { "$PY" "$BATS_TEST_DIRNAME/foreign.py" "$@"; }

tiny() { um-convert --preset tiny "$@"; }

refuses() { # STATUS MESSAGE command...: one line with it, nothing under the final name
    local want=$1 says=$2
    shift 2
    run "$@" -o out.safetensors
    if [ "$status" != "$want" ] || [ "${#lines[@]}" != 1 ] || [[ $output != "um-convert: "*"$says"* ]] ||
        [ -n "$(ls)" ]; then
        echo "status $status: $output"
        echo "wanted: $says"
        ls
        return 1
    fi
}

@test "a ViT and a BERT become a model, what is not folded keeps its bits" {
    local m=$S/model.safetensors
    foreign folded "$m" "$S/vit.safetensors" 0.485,0.456,0.406 0.229,0.224,0.225
    foreign same "$S/vit.safetensors" "$m" blocks. vision.blocks.
    foreign same "$S/vit.safetensors" "$m" pos_embed vision.pos_embed
    foreign same "$S/vit.safetensors" "$m" norm. vision.norm.
    foreign same "$S/vit.safetensors" "$m" cls_token vision.cls_token
    foreign same "$S/bert.safetensors" "$m" encoder. text.encoder.
    foreign same "$S/bert.safetensors" "$m" embeddings. text.embeddings. position_ids
}

@test "what no file gives is drawn by the seed, as um-train draws it" {
    um-convert --preset tiny --seed 7 --vision "$S/vit.safetensors" --pixels half -o a.safetensors
    um-convert --preset tiny --seed 7 --text "$S/bert.safetensors" -o b.safetensors
    foreign same a.safetensors b.safetensors proj. proj.
    foreign same a.safetensors b.safetensors logit_scale logit_scale
    um-convert --preset tiny --seed 8 --vision "$S/vit.safetensors" --pixels half -o c.safetensors
    run foreign same a.safetensors c.safetensors proj. proj.
    [ "$status" = 1 ]
    um-convert --preset tiny --seed 7 --vision "$S/vit.safetensors" --pixels half -o d.safetensors
    cmp a.safetensors d.safetensors
}

@test "pixels: names, numbers, and the input range of the result" {
    local v=$S/vit.safetensors
    tiny --vision "$v" --pixels half -o half.safetensors
    foreign folded half.safetensors "$v" 0.5 0.5
    tiny --vision "$v" --mean 0.5 --std 0.5 -o same.safetensors
    cmp half.safetensors same.safetensors
    tiny --vision "$v" --pixels unit -o unit.safetensors
    foreign folded unit.safetensors "$v" 0 1
    tiny --vision "$v" --mean 0.1,-2,3 --std 1,2,0.25 -o odd.safetensors
    foreign folded odd.safetensors "$v" 0.1,-2,3 1,2,0.25
    tiny --vision "$v" --pixels imagenet --norm mgca -o mgca.safetensors
    foreign folded mgca.safetensors "$v" 0.485,0.456,0.406 0.229,0.224,0.225 2 -1
    tiny --vision "$S/grey.safetensors" -o grey.safetensors
    foreign folded grey.safetensors "$S/grey.safetensors" 0 1
    foreign same "$S/grey.safetensors" grey.safetensors patch_embed. vision.patch_embed.
}

@test "prefixes: found where there is one, said where there are more" {
    tiny --vision "$S/vit.safetensors" --pixels half -o vit.safetensors
    tiny --vision "$S/mae.safetensors" --pixels half -o mae.safetensors
    cmp vit.safetensors mae.safetensors
    for p in teacher teacher. teacher.back teacher.backbone teacher.backbone.; do
        tiny --vision "$S/dino.safetensors" --pixels half --prefix $p -o dino.safetensors
        cmp vit.safetensors dino.safetensors
    done
    rm ./*.safetensors
    refuses 1 'dino.safetensors: encoders under several prefixes, student.module.backbone., teacher.backbone.' \
        tiny --vision "$S/dino.safetensors" --pixels half
    refuses 1 'mae.safetensors: nothing under the prefix encoder: the encoder'"'"'s is model.' \
        tiny --vision "$S/mae.safetensors" --pixels half --prefix encoder
    tiny --text "$S/bert.safetensors" -o bert.safetensors
    tiny --text "$S/pretraining.safetensors" -o pretraining.safetensors
    cmp bert.safetensors pretraining.safetensors
}

@test "a sharded file is the file that it is of" {
    tiny --vision "$S/vit.safetensors" --pixels half -o whole.safetensors
    tiny --vision "$S/vit.safetensors.index.json" --pixels half -o sharded.safetensors
    cmp whole.safetensors sharded.safetensors
    diff <(um-convert --list -q "$S/vit.safetensors") <(um-convert --list -q "$S/vit.safetensors.index.json")
    cp "$S/vit.safetensors.index.json" ../lost.index.json
    rm ./*
    refuses 1 'vit-' tiny --vision ../lost.index.json --pixels half
}

@test "positions of another grid are resized, those without one for [CLS] get 0" {
    tiny --vision "$S/large.safetensors" --pixels half -o large.safetensors
    foreign same "$S/large.safetensors" large.safetensors blocks. vision.blocks.
    [ "$(foreign value large.safetensors vision.pos_embed | cut -d' ' -f1-32)" = \
        "$(foreign value "$S/large.safetensors" pos_embed | cut -d' ' -f1-32)" ]
    tiny --vision "$S/nocls.safetensors" --pixels half -o nocls.safetensors
    [ "$(foreign value nocls.safetensors vision.pos_embed | cut -d' ' -f1-32 | tr ' ' '\n' | sort -u)" = 0.0 ]
    [ "$(foreign value nocls.safetensors vision.pos_embed | cut -d' ' -f33-)" = \
        "$(foreign value "$S/nocls.safetensors" pos_embed)" ]
}

@test "fewer layers of text, half and double precision" {
    tiny --text "$S/deep.safetensors" -v -o m.safetensors 2>said
    grep -q 'left out of .*: encoder.layer.2.attention.output.LayerNorm.bias, ' said
    foreign same m.safetensors "$S/deep.safetensors" text. ''
    tiny --text "$S/deep.safetensors" --text-layers 1 -o m.safetensors
    foreign same m.safetensors "$S/deep.safetensors" text. ''
    tiny --text "$S/half.safetensors" -o half.safetensors
    [ "$(foreign value half.safetensors text.embeddings.LayerNorm.bias)" = \
        "$(foreign value "$S/half.safetensors" embeddings.LayerNorm.bias)" ]
    tiny --text "$S/double.safetensors" -o double.safetensors
}

@test "parts of our own models: -m, the teacher, sizes that come along" {
    ln -s "$S/model.safetensors" m.safetensors
    um-convert -m m.safetensors -o copy.safetensors
    cmp m.safetensors copy.safetensors
    tiny --vision "$S/grey.safetensors" --text "$S/half.safetensors" --config '{"image": 48, "vocab": 64}' -o other.safetensors
    um-convert -m m.safetensors --vision other.safetensors -o mixed.safetensors
    foreign same other.safetensors mixed.safetensors vision. vision.
    foreign same m.safetensors mixed.safetensors text. text.
    foreign same m.safetensors mixed.safetensors proj. proj.
    [[ $(foreign meta mixed.safetensors um.config) == *'"image":48'* ]]
    um-convert -m m.safetensors --text other.safetensors --seed 1 -o mixed.safetensors
    foreign same other.safetensors mixed.safetensors text. text.
    foreign same m.safetensors mixed.safetensors vision. vision.
    um-convert -m m.safetensors --vision "$S/grey.safetensors" -o mixed.safetensors
    foreign folded mixed.safetensors "$S/grey.safetensors" 0 1
    foreign same m.safetensors mixed.safetensors text. text.
    tiny --vision "$S/grey.safetensors" --config '{"prototypes": 9, "head_hidden": 8, "head_bottleneck": 4}' -o head.safetensors
    um-convert -m head.safetensors --text "$S/bert.safetensors" -o mixed.safetensors
    foreign same head.safetensors mixed.safetensors head. head.
    rm ./*
    refuses 1 'model.safetensors: no teacher in it: no tensor teacher.vision.*' \
        um-convert -m "$S/model.safetensors" --use teacher
}

@test "--config and --vocab go into um.config" {
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' >vocab.txt
    seq 59 >>vocab.txt
    tiny --text "$S/bert.safetensors" --vocab vocab.txt --config '{"cased": true, "window": [-160, 240]}' -o m.safetensors
    [[ $(foreign meta m.safetensors um.config) =~ '"window":[-160.0,240.0]'.*'"cased":true,"vocab_digest":"'[0-9a-f]{32} ]]
    echo '{"bn_shared": true, "proj_linear": true, "embed": 7}' >config.json
    tiny --text "$S/bert.safetensors" --config config.json -o m.safetensors
    [[ $(foreign meta m.safetensors um.config) == *'"embed":7,'*'"bn_shared":true,"proj_linear":true'* ]]
    rm ./*.safetensors config.json
    mv vocab.txt ../vocab.txt
    echo 60 >>../vocab.txt
    refuses 1 'bert.safetensors: word embeddings of 64 pieces, the vocabulary has 65' \
        tiny --text "$S/bert.safetensors" --vocab ../vocab.txt
    refuses 1 'um.config: no field is called width2' tiny --text "$S/bert.safetensors" --config '{"width2": 1}'
    refuses 1 'um.config: heads 3 does not divide width 32' tiny --text "$S/bert.safetensors" --config '{"heads": 3}'
    refuses 1 'nowhere.json' tiny --text "$S/bert.safetensors" --config nowhere.json
    refuses 1 'um.config' tiny --text "$S/bert.safetensors" --config '{"width": 1'
}

@test "um-train begins with it, um-encode reads it" {
    "$PY" "$BATS_TEST_DIRNAME/pairs.py" pairs | um-cat -q -o train.umt
    um-encode --device cpu -m "$S/model.safetensors" --text train.umt -o out.umt
    "$PY" "$BATS_TEST_DIRNAME/model.py" shapes <out.umt >said
    grep -q '^2d/0 .* cls:32 embedding:16 text_cls:32 text_embedding:16' said
    um-train -q --init "$S/model.safetensors" --epochs 0 --lambda-icl 0 --lambda-pcl 0 --select none -o copy train.umt
    foreign same copy/model.safetensors "$S/model.safetensors" vision. vision.
    foreign same copy/model.safetensors "$S/model.safetensors" text. text.
    um-train -q --init "$S/model.safetensors" --epochs 6 --batch 8 --lr 1e-3 --lambda-icl 0 --lambda-pcl 0 --select none \
        -o run train.umt
    [ "$(awk 'NR > 1' run/log.tsv | wc -l)" = 36 ]
    awk 'NR > 1 { if ($1 < 12) first += $4; if ($1 >= 24) last += $4 } END { print first, last; exit !(last < first) }' run/log.tsv
    run foreign same run/model.safetensors "$S/model.safetensors" vision.blocks. vision.blocks.
    [ "$status" = 1 ]
    um-train -q --preset tiny --init random --epochs 0 -o random train.umt
    um-train -q --preset tiny --epochs 0 -o plain train.umt
    cmp random/model.safetensors plain/model.safetensors
}

@test "out to timm and BERT, and in again" {
    ln -s "$S/model.safetensors" m.safetensors
    um-convert -m m.safetensors --to timm -o timm.safetensors
    foreign same timm.safetensors m.safetensors '' vision.
    [ "$(um-convert --list -q timm.safetensors | cut -f1)" = \
        "$(um-convert --list -q "$S/vit.safetensors" | cut -f1 | grep -v '^head')" ]
    tiny --vision timm.safetensors -o again.safetensors
    foreign same again.safetensors m.safetensors vision. vision.
    um-convert -m m.safetensors --to timm --channels 3 --pixels imagenet -o timm3.safetensors
    foreign folded m.safetensors timm3.safetensors 0.485,0.456,0.406 0.229,0.224,0.225
    [[ $(foreign meta timm3.safetensors um.export) =~ '"to":"timm","model":"'[0-9a-f]{32}'","dtype":"float32","heads":2,"image":32,"patch":16,"channels":3,"mean":[0.48499999999999999,' ]]
    um-convert -m m.safetensors --to bert -o bert.safetensors
    foreign same bert.safetensors m.safetensors '' text.
    [ "$(foreign meta bert.safetensors format)" = pt ]
    um-convert -m m.safetensors --to bert --dtype f16 >half.safetensors
    [ "$(um-convert --list -q half.safetensors | cut -f2 | sort -u)" = float16 ]
    tiny --text half.safetensors -o again.safetensors
    um-convert -m again.safetensors --to bert --dtype f16 -o half2.safetensors
    foreign same half.safetensors half2.safetensors '' ''
    tiny --vision "$S/grey.safetensors" --norm mgca -o mgca.safetensors
    um-convert -m mgca.safetensors --to timm -o back.safetensors
    foreign folded mgca.safetensors back.safetensors 0 1 2 -1
}

@test "--list: a line for each tensor" {
    um-convert --list "$S/bert.safetensors" >all
    [ "$(head -n 1 all)" = "# $S/bert.safetensors: safetensors, 39 tensors, 21344 values" ]
    grep -qxF "$(printf 'embeddings.position_ids\tint64\t[1,32]')" all
    grep -qxF "$(printf 'embeddings.word_embeddings.weight\tfloat32\t[64,32]')" all
    [ "$(awk -F '\t' '!/^#/ && NF != 3' all | wc -l)" = 0 ]
    um-convert --list -q "$S/bert.safetensors" "$S/bert.safetensors" >both
    [ "$(wc -l <both)" = 78 ]
    um-convert --list -v "$S/model.safetensors" | head -n 2 >two
    grep -q '^# .*: safetensors, a model of um, ' two
    grep -q '^# um.config {"preset":"tiny"' two
    [ "$(um-convert --list -v "$S/lines.safetensors" | sed 1d)" = $'# um.config {  " [2J": 1 }\na\tfloat32\t[1]' ]
    um-convert --list "$S/model.safetensors" | head -n 1 >/dev/null
    rm ./*
    refuses 1 'nowhere' um-convert --list "$S/bert.safetensors" nowhere
    refuses 2 '--list: no file' um-convert --list
}

@test "what does not fit is named, all of it, in one line" {
    refuses 1 'three.safetensors does not fit tiny: 2 missing: blocks.1.attn.qkv.weight [96,32], norm.bias [32]; 1 of another shape or type: cls_token (expected [1,1,32], got float32 [1,32]); 3 not known: blocks.0.ls1.gamma (LayerScale), dist_token (distillation token), what' \
        tiny --vision "$S/three.safetensors" --pixels half
    refuses 1 'three.safetensors does not fit tiny: 2 missing: ' \
        tiny --vision "$S/three.safetensors" --pixels half --text "$S/bert.safetensors" --config '{"text_positions": 31}'
    [[ $output == *'what; '*'bert.safetensors does not fit tiny: 1 of another shape or type: embeddings.position_embeddings.weight (expected [31,32], got float32 [32,32])' ]]
    refuses 1 'and 30 more' um-convert --preset phantom --text "$S/bert.safetensors"
    refuses 1 '1 not known: reg_token (register tokens)' tiny --vision "$S/register.safetensors" --pixels half
    refuses 1 'pos_embed (expected [1,5,32] or of another square grid, got float32 [1,7,32])' \
        tiny --vision "$S/oblong.safetensors" --pixels half
    refuses 1 'patch_embed.proj.weight (expected [32,1,16,16] or [32,3,16,16], got float32 [32,4,16,16])' \
        tiny --vision "$S/four.safetensors" --pixels half
    refuses 1 '1 not known: blocks.2.norm1.bias' tiny --vision "$S/blocks.safetensors" --pixels half
    refuses 1 'norm.weight (expected floating-point [32], got int32 [32])' tiny --vision "$S/whole.safetensors" --pixels half
}

@test "values that are not finite are named" {
    refuses 1 'nan.safetensors: blocks.1.mlp.fc2.bias: element 7 is nan, not a finite float32' \
        tiny --vision "$S/nan.safetensors" --pixels half
    refuses 1 'embeddings.word_embeddings.weight: element 65 is -inf' tiny --text "$S/inf.safetensors"
    refuses 1 'embeddings.LayerNorm.bias: element 3 is 1e+300, not a finite float32' tiny --text "$S/big.safetensors"
}

@test "what is no encoder, and options that do not go together" {
    refuses 1 'nothing.safetensors: not a ViT: no blocks.0.attn.qkv.weight' tiny --vision "$S/nothing.safetensors"
    refuses 1 'vit.safetensors: not a BERT' tiny --text "$S/vit.safetensors"
    refuses 1 'vit.safetensors: no um.config in the metadata: not a model of um' um-convert -m "$S/vit.safetensors"
    refuses 2 'vit.safetensors: patch_embed.proj.weight sees three channels' tiny --vision "$S/vit.safetensors"
    refuses 2 'pixels of one channel' tiny --vision "$S/grey.safetensors" --pixels imagenet
    refuses 2 'std 0: expected numbers above 0' tiny --vision "$S/vit.safetensors" --mean 0 --std 0
    refuses 2 'mean 1,2: expected one number or three' tiny --vision "$S/vit.safetensors" --mean 1,2 --std 1,2
    refuses 2 'either --pixels, or' tiny --vision "$S/vit.safetensors" --mean 1
    refuses 2 'pixels are said of' tiny --text "$S/bert.safetensors" --pixels half
    refuses 2 'a prefix is said of' um-convert -m "$S/model.safetensors" --prefix x
    refuses 2 'a teacher is in models of um alone' tiny --vision "$S/vit.safetensors" --pixels half --use teacher
    refuses 2 '--to timm writes what is in a model: -m FILE alone' um-convert --to timm --vision "$S/vit.safetensors"
    refuses 2 '--channels: 1 or 3' um-convert --to bert --channels 3 -m "$S/model.safetensors"
    refuses 2 '--dtype goes with' um-convert --dtype f16 -m "$S/model.safetensors"
    refuses 2 'nothing to convert' um-convert
    refuses 2 'files are named by' um-convert "$S/vit.safetensors"
    refuses 2 'either -m or --preset' tiny -m "$S/model.safetensors"
    refuses 1 'x: no such file' tiny --vision x
}

@test "cut files, a full disk, a terminal" {
    head -c 50000 "$S/vit.safetensors" >../cut
    refuses 1 'cut' tiny --vision ../cut --pixels half
    refuses 1 'not a file' tiny --vision . --pixels half
    run um-convert -m "$S/model.safetensors" -o /dev/full
    [ "$status" = 1 ]
    [ "$output" = 'um-convert: /dev/full: No space left on device' ]
    if command -v script >/dev/null; then
        run script -qec "um-convert -m $S/model.safetensors" /dev/null
        [ "$status" = 2 ]
        [[ $output == *'weights are not written to a terminal'* ]]
        run script -qec "um-convert -m $S/model.safetensors -o -" /dev/null
        [ "$status" = 2 ]
        [[ $output == *'weights are not written to a terminal'* ]]
    fi
}
