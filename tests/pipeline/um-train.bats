#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-train: same bytes for any -j and however often it is stopped or killed; it learns; refusals

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    PAIRS=$BATS_TEST_DIRNAME/pairs.py
    FILES='model.safetensors best.safetensors log.tsv valid.tsv'
    contrast='--lambda-icl 0 --lambda-pcl 0 --select none' # no teacher, no head
}

make_pairs() { # KIND [N [SEED]]: KIND.umt, with an index
    "$PY" "$PAIRS" "$@" | um-cat -q -o "$1.umt"
}

tiny() { # RUN [OPTION...]
    local run=$1
    shift
    um-train -q --preset tiny --epochs 3 --batch 8 --lr 1e-3 -o "$run" "$@"
}

same() { # RUN RUN
    for f in $FILES; do cmp "$1/$f" "$2/$f" || return 1; done
}

fails() { # MESSAGE command...: exit 1, one line
    local want=$1
    shift
    run "$@"
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [[ $output != "um-train: "*"$want"* ]]; then
        echo "status $status: $output"
        return 1
    fi
}

@test "the same bytes for -j 1, 2, 7; a run's files" {
    make_pairs pairs
    for j in 1 2 7; do tiny "j$j" -j "$j" pairs.umt; done
    same j1 j2
    same j1 j7
    cmp j1/ckpt-000018.safetensors j7/ckpt-000018.safetensors
    [ "$(find j1 -name 'ckpt-*' | wc -l)" = 2 ] # --keep-checkpoints
    [ "$(head -n 1 j1/log.tsv | cut -f 1-8)" = "$(printf 'step\tepoch\tmodality\tloss\tvl\ticl\tpcl\tlr')" ]
    [ "$(awk 'NR > 1' j1/log.tsv | wc -l)" = 18 ]
    # looks are numbered by what was done before them: the first before any step
    [ "$(awk '$3 == "all" { printf "%s:%s ", $1, $2 }' j1/valid.tsv)" = '0:0 6:1 12:2 18:3 ' ]
    [ "$(awk '$1 == 5 || $1 == 6 { printf "%s:%s ", $1, $2 }' j1/log.tsv)" = '5:0 6:1 ' ]
    [ "$(awk '$1 == 6 { print $2 }' j1/timing.tsv)" = 0 ]
    [ "$(awk 'NR > 1 && $2 == 0 { printf "%s ", $3 }' j1/log.tsv)" = '2d 3d 2d 3d 2d 3d ' ]
    [ "$(awk '$1 == 7 { print $8 }' j1/log.tsv)" = 0.001 ] # W = round(0.4 18)
    tiny other --seed 43 -j 2 pairs.umt
    ! cmp -s j1/log.tsv other/log.tsv
}

@test "blocks run again for the backward: the same bytes" {
    make_pairs 2d 40
    make_pairs 3d 24
    tiny kept 2d.umt 3d.umt
    tiny again --checkpoint-activations 2d.umt 3d.umt
    same kept again
    tiny half --precision bf16 2d.umt 3d.umt
    tiny half-again --precision bf16 --checkpoint-activations 2d.umt 3d.umt
    same half half-again
    ! cmp -s kept/model.safetensors half/model.safetensors
}

@test "one file or two, the same records: the same losses" {
    make_pairs pairs
    um-cat -q -w split=train -o a.umt pairs.umt
    um-cat -q -w split=valid -o b.umt pairs.umt
    tiny one pairs.umt
    tiny two a.umt b.umt
    cmp one/log.tsv two/log.tsv
}

@test "it learns what the reports say of the images" {
    make_pairs pairs 280
    # shellcheck disable=SC2086 # options
    um-train -q --preset tiny --epochs 20 --batch 10 --lr 3e-3 $contrast -o run pairs.umt
    # held-out batches of 10: chance is log 10 = 2.30; 0.6 to 0.7 with seeds 42, 1, 2
    awk '$3 == "all" { v = $5 } END { print v; exit !(v < 1.1) }' run/valid.tsv
}

@test "killed three times and resumed: the same bytes as never stopped" {
    make_pairs pairs 280
    tiny whole --checkpoint-every 5 pairs.umt
    for wait in 0.35 0.5 0.7; do
        (exec um-train -q --preset tiny --epochs 3 --batch 8 --lr 1e-3 -o killed --checkpoint-every 5 \
            --resume pairs.umt) &
        pid=$!
        sleep "$wait"
        kill -9 "$pid" 2>/dev/null || true # it may have finished: fine
        wait "$pid" || true
    done
    tiny killed --checkpoint-every 5 --resume pairs.umt
    same whole killed
    [ "$(find killed -name '*.safetensors.*' | wc -l)" = 0 ]
}

@test "stopped at every step in turn, and resumed" {
    make_pairs pairs
    tiny whole pairs.umt
    for step in 1 2 3 7 12 17; do
        run tiny steps --resume --stop-after "$step" pairs.umt
        [ "$status" = 75 ]
        [[ $output == *"stopped after step $step of 18 with a checkpoint: --resume goes on" ]]
        [ ! -e steps/model.safetensors ]
    done
    tiny steps --resume pairs.umt
    same whole steps
    tiny steps --resume pairs.umt # done already
    same whole steps
}

@test "SIGTERM, SIGINT and SIGUSR1: a checkpoint, exit 75" {
    make_pairs pairs
    for sig in TERM USR1; do
        um-train -q --preset tiny --epochs 100000 --batch 8 -o "run-$sig" pairs.umt 2>err &
        pid=$!
        while [ ! -s "run-$sig/log.tsv" ] || [ "$(wc -l <"run-$sig/log.tsv")" -lt 3 ]; do sleep 0.05; done
        kill -s "$sig" "$pid"
        status=0
        wait "$pid" || status=$?
        [ "$status" = 75 ]
        grep -q 'with a checkpoint: --resume goes on' err
        find "run-$sig" -name 'ckpt-*.safetensors' | grep -q .
    done
}

@test "a run that is there, another seed, data or model" {
    make_pairs pairs
    make_pairs xray
    run tiny run --stop-after 2 pairs.umt
    fails 'run: a run is here already (ckpt-000002.safetensors): --resume goes on with it' tiny run pairs.umt
    fails 'train.seed was 42 when this run began, and is 7 now' tiny run --resume --seed 7 pairs.umt
    fails 'train.data was ' tiny run --resume xray.umt
    fails 'um.config was "text_layers":2 when this run began, and is "text_layers":1 now' \
        tiny run --resume --text-layers 1 pairs.umt
    fails 'train.batch-2d was 8 when this run began, and is 4 now' tiny run --resume --batch-2d 4 pairs.umt
    fails 'train.mix was separate when this run began, and is joint now' tiny run --resume --mix joint pairs.umt
    head -c 3000 run/ckpt-000002.safetensors >cut
    mv cut run/ckpt-000002.safetensors
    fails 'ckpt-000002.safetensors' tiny run --resume pairs.umt
}

@test "two runs in one folder at once" {
    make_pairs pairs
    um-train -q --preset tiny --epochs 100000 --batch 8 --checkpoint-every 1000000 -o run pairs.umt &
    pid=$!
    while [ ! -s run/log.tsv ]; do sleep 0.05; done
    fails 'another um-train is writing to this run' tiny run pairs.umt
    kill -9 "$pid"
    wait "$pid" || true
}

@test "records that do not fit are named before the first step" {
    for kind in no-ids big-id no-mask no-cls nan both neither shape small split test empty labels; do
        make_pairs "$kind"
    done
    fails 'record 3d/3: `ids` missing: run um-tokenize' tiny r no-ids.umt
    fails 'record 3d/3: ids: ' tiny r big-id.umt
    fails 'outside the vocabulary of 64' tiny r big-id.umt
    fails 'record 3d/3: ids_mask: no id is real' tiny r no-mask.umt
    fails 'record 3d/3: ids_mask: the first id, [CLS], is left out' tiny r no-cls.umt
    fails 'record 3d/3: volume: element 0 is not finite' tiny r nan.umt
    fails 'record 3d/3: both `image` and `volume`' tiny r both.umt
    fails 'record 3d/3: neither `image` nor `volume`: run um-preprocess' tiny r neither.umt
    fails 'record 3d/3: volume: preset tiny takes [8,32,32], got [4,32,32]' tiny r shape.umt
    fails 'record 2d/0: image: [1,20,36] is too small for the 32 x 32 of preset tiny' tiny r small.umt
    fails 'record 2d/0: split "dev": expected train, valid or test' tiny r split.umt
    fails 'record f0: neither `image` nor `volume`: run um-preprocess' tiny r labels.umt
    fails 'nothing to train on: 84 records' tiny r test.umt
    fails 'nothing to train on: 0 records' tiny r empty.umt
    [ ! -e r ]
}

@test "streams and options that do not fit" {
    for kind in pairs window vocab xray; do make_pairs "$kind"; done
    fails 'window.umt: part 1: window -1000,400 HU where the parts before have -1000,1000 HU' tiny r pairs.umt window.umt
    fails 'vocab.umt: part 1: vocabulary ' tiny r pairs.umt vocab.umt
    fails '30 X-rays to train on do not fill a batch of 31: give a smaller --batch-2d' tiny r --batch-2d 31 pairs.umt
    fails '30 volumes to train on do not fill a batch of 31: give a smaller --batch-3d' tiny r --batch-3d 31 pairs.umt
    run tiny r --batch 1000 pairs.umt # the option that was given
    [ "$output" = 'um-train: 30 X-rays to train on do not fill a batch of 1000: give a smaller --batch' ]
    fails 'no volume to train on, and they were asked for: 60 X-rays and 0 volumes' tiny r --modalities 2d,3d xray.umt
    fails 'nothing to train on' tiny r --modalities 3d xray.umt
    fails 'vocabulary has 64 pieces, not 65' tiny r --vocab-size 65 pairs.umt
    fails 'nosuch.umt' tiny r nosuch.umt
    "$PY" "$PAIRS" pairs >noindex.umt
    fails 'um-cat makes one' tiny r noindex.umt
    [ ! -e r ]
    for bad in '--modalities 4d' '--clip x' '--temperature 0' '--nosuch' '--batch 1'; do
        # shellcheck disable=SC2086 # two words
        run tiny r $bad pairs.umt
        [ "$status" = 2 ]
    done
    fails 'standard input: empty' um-train --preset tiny -o r --steps 3 </dev/null
    touch file
    fails 'file' tiny file pairs.umt
}

piped() { # FILE RUN [OPTION...]
    local file=$1
    shift
    cat "$file" | tiny "$@"
}

@test "from a pipe: the same bytes for any -j; what does not fit is named" {
    for kind in pairs no-ids test; do make_pairs "$kind"; done
    piped pairs.umt one --steps 6 -j 1
    piped pairs.umt two --steps 6 -j 3
    for f in model.safetensors log.tsv; do cmp "one/$f" "two/$f"; done
    [ "$(awk 'NR > 1 { printf "%s ", $3 }' one/log.tsv)" = '2d 3d 2d 3d 2d 3d ' ]
    mkfifo named
    cat pairs.umt >named &
    tiny three --steps 6 named
    cmp one/log.tsv three/log.tsv
    fails 'standard input: record 3d/3: `ids` missing: run um-tokenize' piped no-ids.umt four --steps 6
    fails 'standard input: nothing to train on' piped test.umt five --steps 6
    fails 'standard input: its 30 X-rays and 30 volumes to train on do not fill a batch' \
        piped pairs.umt six --steps 6 --batch 31
    fails 'a window of 15 records does not hold the 16 of the batches' piped pairs.umt seven --steps 6 --window 15
    run tiny eight pairs.umt - </dev/null
    [ "$status" = 2 ]
    [[ $output == *'standard input: a pipe is read alone, not together with files'* ]]
}

@test "a pipe that is sent again: the same bytes; another stream, part of one or another window is refused" {
    make_pairs pairs
    "$PY" "$PAIRS" pairs 84 2 | um-cat -q -o other.umt
    um-cat -q -w split=train -o most.umt pairs.umt
    "$PY" "$PAIRS" pairs 35 | um-cat -q -o part.umt
    for mix in separate joint; do
        options="--steps 4 --batch 6 --window 16 --mix $mix"
        # shellcheck disable=SC2086 # options
        piped pairs.umt "whole-$mix" $options
        # shellcheck disable=SC2086
        run piped pairs.umt "cut-$mix" $options --stop-after 2
        [ "$status" = 75 ]
        for file in other most; do # the same keys, other content; without the held-out
            # shellcheck disable=SC2086
            fails 'records are not those that were read before step 2: not the stream that this run began with' \
                piped $file.umt "cut-$mix" $options --resume
        done
        # shellcheck disable=SC2086
        fails 'train.window was 16 when this run began, and is 17 now' \
            piped pairs.umt "cut-$mix" $options --resume --window 17
        # shellcheck disable=SC2086
        piped pairs.umt "cut-$mix" $options --resume
        for f in model.safetensors log.tsv; do cmp "whole-$mix/$f" "cut-$mix/$f"; done
    done
    run piped pairs.umt short --steps 5 --batch 6 --window 16 --stop-after 4
    fails 'standard input: it ends after 35 records, and ' piped part.umt short --steps 5 --batch 6 --window 16 --resume
    # one that ended is done, and stays so
    piped part.umt ended --steps 50 --batch 6 --window 16
    piped part.umt ended --steps 50 --batch 6 --window 16 --resume
}

@test "--init goes on from weights, and holds the streams against them" {
    for kind in pairs window vocab; do make_pairs "$kind"; done
    tiny first pairs.umt
    um-train -q --init first/model.safetensors --epochs 0 -o copy pairs.umt
    "$PY" - "$BATS_TEST_DIRNAME" <<'END' # the student; the teacher begins as its copy
import sys
sys.path.insert(0, sys.argv[1])
from model import load
(_, a), (_, b) = load("first/model.safetensors"), load("copy/model.safetensors")
assert a.keys() == b.keys()
for k in a:
    if not k.startswith("teacher."):
        assert a[k].tobytes() == b[k].tobytes(), k
        assert a[k].tobytes() == b.get("teacher." + k, a[k]).tobytes(), k
END
    fails "window: the model's is -1000,1000 HU, the streams' -1000,400" \
        um-train --init first/model.safetensors -o r window.umt
    fails "vocabulary: the model's is 0000" um-train --init first/model.safetensors -o r vocab.umt
    head -c 5000 first/model.safetensors >cut
    fails 'cut' um-train --init cut -o r pairs.umt
    [ ! -e r ]
}

@test "a distillation head that comes with --init's weights is kept as it is" {
    make_pairs pairs
    # shellcheck disable=SC2086 # words
    tiny start --epochs 0 $contrast pairs.umt
    cat >head.py <<'END'
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from model import load, save
rng = np.random.default_rng(1)
sizes = {"mlp.0.weight": (6, 32), "mlp.0.bias": (6,), "mlp.2.weight": (6, 6), "mlp.2.bias": (6,),
         "mlp.4.weight": (5, 6), "mlp.4.bias": (5,), "last.weight_v": (9, 5)}
if len(sys.argv) == 2:
    config, t = load("start/model.safetensors")
    t |= {"head." + k: rng.normal(size=s).astype(np.float32) for k, s in sizes.items()}
    save("headed", config | {"prototypes": 9, "head_hidden": 6, "head_bottleneck": 5}, t)
else:
    (_, a), (config, b) = load("headed"), load(sys.argv[2])
    assert config["prototypes"] == 9 and list(a.keys() ^ b.keys()) == []
    same = {k for k in a if (a[k] == b[k]).all()}
    assert {k for k in same if k.startswith("head.")} == {"head." + k for k in sizes}, same
    assert not any(k.startswith("vision.blocks") for k in same), same
END
    "$PY" head.py "$BATS_TEST_DIRNAME"
    # shellcheck disable=SC2086
    um-train -q --init headed --epochs 2 --batch 8 --lr 1e-3 $contrast -o run pairs.umt
    "$PY" head.py "$BATS_TEST_DIRNAME" run/model.safetensors
}

@test "--epochs 0, --explain, --modalities, a fixed temperature" {
    make_pairs pairs
    tiny random --epochs 0 pairs.umt
    [ "$(ls random)" = "$(printf 'log.tsv\nmodel.safetensors\ntiming.tsv\nvalid.tsv')" ]
    tiny x --explain pairs.umt >out
    grep -q "^steps$(printf '\t')an epoch 6$(printf '\t')all 18$(printf '\t')warm-up 7\$" out
    [ ! -e x ]
    tiny two --modalities 2d --temperature 0.05 --clip global:1 pairs.umt
    [ "$(awk 'NR > 1 { print $3, $10 }' two/log.tsv | sort -u)" = '2d 0.0499999983' ]
}

@test "the temperature stays below log 100 after every update" {
    make_pairs pairs
    tiny start --epochs 0 pairs.umt
    # logit_scale of the weights file becomes 6
    "$PY" - <<'END'
import json, struct
raw = bytearray(open("start/model.safetensors", "rb").read())
n = struct.unpack("<Q", raw[:8])[0]
at = 8 + n + json.loads(raw[8:8 + n])["logit_scale"]["data_offsets"][0]
raw[at:at + 4] = struct.pack("<f", 6)
open("hot.safetensors", "wb").write(raw)
END
    um-train -q --init hot.safetensors --epochs 2 --batch 8 --lr 1e-3 -o run pairs.umt
    awk 'NR == 2 { exit !($10 < 0.00248) }' run/log.tsv # e^-6
    awk 'NR > 2 && !($10 >= 0.00999999) { print; bad = 1 } END { exit bad }' run/log.tsv
}

@test "--skip-nonfinite: a line without numbers, no trace of the step, and an end where no step is left" {
    make_pairs pairs
    # a rate that throws the weights out of range: every step from then on is passed over
    run um-train --preset tiny --steps 12 --batch 8 --lr 1e3 --clip 0 --skip-nonfinite --validate-every 0 \
        --progress never -o run pairs.umt
    [ "$status" = 0 ]
    [[ $output == *'step 11, records '*'the last checkpoint'*'is not finite'* || $output == *'no checkpoint yet'* ]]
    [ "$(tail -n 1 run/log.tsv | cut -f 4-7,10,11,13-16 | sort -u)" = "$(printf 'nan\tnan\tnan\tnan\tnan\tnan\tnan\tnan\tnan\tnan')" ]
    # of a joint step that is passed over both batches are: as many steps, the batches of a run without
    um-train -q --preset tiny --steps 8 --batch 8 --lr 1e3 --clip 0 --skip-nonfinite --validate-every 0 \
        --mix joint -o joint pairs.umt
    grep -q nan joint/log.tsv
    um-train -q --preset tiny --steps 8 --batch 8 --lr 1e-3 --validate-every 0 --mix joint -o plain pairs.umt
    cmp <(cut -f 1-3,17 joint/log.tsv) <(cut -f 1-3,17 plain/log.tsv)
    fails 'held-out records from ' um-train -q --preset tiny --steps 12 --batch 8 --lr 1e3 --clip 0 \
        --skip-nonfinite -o looked pairs.umt
    fails 'step ' tiny stopped --lr 1e3 --clip 0 pairs.umt
}

@test "numbers that mean nothing are refused" {
    make_pairs pairs
    for bad in '--prototypes 1' '--text-dropout -0.5' '--warmup -0.5'; do
        # shellcheck disable=SC2086 # an option and its value
        run tiny run $bad pairs.umt
        [ "$status" = 2 ]
        [[ $output == "um-train: $bad: "* ]]
        [ ! -e run ]
    done
}

@test "a checkpoint with a flipped bit is not gone on from" {
    make_pairs pairs
    run tiny run --stop-after 4 pairs.umt
    "$PY" - <<'END' # in the middle of the values
path = "run/ckpt-000004.safetensors"
raw = bytearray(open(path, "rb").read())
raw[len(raw) // 2] ^= 0x10
open(path, "wb").write(raw)
END
    fails 'ckpt-000004.safetensors: damaged' tiny run --resume pairs.umt
}

@test "steps that are never finite stop the run; sizes that cannot be" {
    make_pairs pairs
    run tiny wild --lr 1e3 --clip 0 --epochs 30 --validate-every 0 --skip-nonfinite pairs.umt
    [ "$status" = 1 ]
    [[ ${lines[-1]} == *'21 steps in a row are not finite'* ]]
    fails '--slice-size 64: larger than the model' tiny r --slice-size 64 pairs.umt
    fails '--slice-size 17: the patches of 16 x 16 must divide it' tiny r --slice-size 17 pairs.umt
    fails '--patch-3d 2x8x8: rows and columns must be 16, as the patches of X-rays, which tokens of volumes begin as: 2x16x16' \
        tiny r --patch-3d 2x8x8 pairs.umt
    fails '--patch-3d: tokens of 3x16x16 must divide volumes of 8x32x32' tiny r --patch-3d 3x16x16 pairs.umt
    fails '--volume: tokens of 4x16x16 must divide volumes of 8x32x40' tiny r --volume 8x32x40 pairs.umt
    fails '--mask-block 3: a mask of blocks of 3 does not divide 2 x 2 tokens' tiny r --mask-block 3 pairs.umt
    fails '--patch-loss masked: --keep 0.9 masks no token' tiny r --patch-loss masked --keep 0.9 --modalities 2d pairs.umt
    tiny first --epochs 0 pairs.umt
    fails '--slice-size 17: the patches' um-train -q --init first/model.safetensors --slice-size 17 -o r pairs.umt
    fails '--text-layers 1: the model of --init has 2' um-train -q --init first/model.safetensors --text-layers 1 -o r pairs.umt
    fails '--volume, --patch-3d: the model of --init has 8x32x32 in 4x16x16' \
        um-train -q --init first/model.safetensors --volume 8x32x64 -o r pairs.umt
    [ ! -e r ]
}

@test "a warm-up in epochs is one, whether epochs or steps say how long the run is" {
    make_pairs pairs # 6 steps an epoch
    tiny a --warmup 1 pairs.umt
    um-train -q --preset tiny --steps 18 --batch 8 --lr 1e-3 --warmup 1 -o b pairs.umt
    cut -f 1,8 a/log.tsv >a.lr
    cut -f 1,8 b/log.tsv >b.lr
    cmp a.lr b.lr
    [ "$(awk '$1 == 6 { print $8 }' a/log.tsv)" = 0.001 ]
}

@test "a collapse is named: a teacher without preferences, one that knows a single image; not a healthy run" {
    for kind in pairs same; do make_pairs "$kind"; done
    warned() { # RUN OPTION...: its warnings
        local run=$1
        shift
        um-train --progress never --preset tiny --batch 2 --lr 1e-4 --validate-every 0 -o "$run" "$@" 2>err
        grep '^um-train: warning: ' err || true
    }
    [ "$(warned uniform --modalities 2d --steps 1001 --lambda-pcl 0 --tau-t 1e4 pairs.umt)" = "um-train: warning: \
step 999: L_icl of 2d stays at log M = 4.1589: the uniform collapse of self-distillation (a lower --tau-t or a \
higher --lr may help)" ]
    # batches of volumes in between do not hide it: its 50th step
    said=$(warned single --steps 99 --tau-t 1e-4 same.umt)
    echo "$said"
    [ "$(wc -l <<<"$said")" = 1 ]
    [[ $said == "um-train: warning: step 98: the entropy of the mean target of 2d is "*'0.000: one prototype takes all, a '*'(--centres separate, a higher --tau-t or --ema may help)' ]]
    [ "$(warned healthy --steps 1001 --lambda-pcl 0 --mix joint pairs.umt)" = '' ]
    [ "$(warned half --modalities 2d --steps 101 --tau-t 1e-4 pairs.umt)" = '' ]
    # the losses of a joint step, two batches, add up to more than log M: that is not it
    awk -F '\t' 'NR > 900 { n += $6 > 4.16 } END { exit !(n > 0) }' healthy/log.tsv
}

@test "a device that is too small: bytes, what the run holds, what helps; the checkpoint stays" {
    make_pairs pairs
    tiny whole pairs.umt
    tiny r --stop-after 7 pairs.umt || [ $? = 75 ]
    cp r/ckpt-000007.safetensors before
    export UM_MEMORY=8000000 # enough for the weights, and for a part of the first step
    fails 'bytes wanted' tiny r --resume pairs.umt
    [[ $output == *' free of 8000000; of '*'MiB held, weights are '*', activations '* ]]
    [[ $output == *'--accumulate above 1, --checkpoint-activations, --precision bf16, a smaller --batch; a run that has begun takes --checkpoint-activations alone' ]]
    fails 'a smaller --batch, none of which a run that has begun takes' env UM_MEMORY=4000000 \
        um-train -q --preset tiny --epochs 3 --batch 8 --lr 1e-3 -o r --resume --checkpoint-activations pairs.umt
    fails 'a smaller --batch' tiny anew pairs.umt
    [[ $output == *'a smaller --batch' ]]
    cmp r/ckpt-000007.safetensors before
    for limit in '' 8M 2e9 -5; do
        UM_MEMORY=$limit fails "UM_MEMORY=$limit: expected a number of bytes" tiny r --resume pairs.umt
    done
    UM_MEMORY=20000000 tiny r --resume pairs.umt
    same whole r
}
