#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-train on the emulated GPU: cpu's losses, the same bytes twice and with any graphs or none, steps that are
# not finite, a card that is too small

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    "${UM_PYTHON:-/usr/bin/python3}" "$BATS_TEST_DIRNAME/../pipeline/pairs.py" pairs | um-cat -q -o pairs.umt
}

tiny() { # DEVICE RUN [OPTION...]
    local device=$1 run=$2
    shift 2
    um-train -q -j 2 --device "$device" --preset tiny --batch 8 --lr 1e-3 -o "$run" "$@" pairs.umt
}

# FILE FILE: losses and norms of the same steps, within a thousandth
curves() {
    paste <(cut -f 4-7,11 "$1") <(cut -f 4-7,11 "$2") | awk 'NR > 1 {
        for (i = 1; i <= 5; i++) {
            d = $i - $(i + 5); s = $i < 0 ? -$i : $i
            if ($i == "nan" ? $(i + 5) != "nan" : !(d * d <= 1e-6 * s * s)) { print NR, $i, $(i + 5); bad = 1 }
        }
    } END { exit bad || NR < 3 }'
}

@test "the losses of cpu, and the same bytes twice: whole, in parts, joint steps" {
    local way=0
    for options in '' '--accumulate 2 --checkpoint-activations --freeze-text' '--mix joint --views 2'; do
        way=$((way + 1))
        for run in "cpu c$way" "cuda g$way" "cuda again$way"; do
            # shellcheck disable=SC2086
            tiny $run --steps 6 --validate-every 3 $options
        done
        curves "c$way/log.tsv" "g$way/log.tsv"
        for f in log.tsv valid.tsv model.safetensors ckpt-000006.safetensors; do
            cmp "g$way/$f" "again$way/$f"
        done
    done
}

# RUN...: what a step leaves
same_bytes() {
    local first=$1 f
    shift
    for run; do
        for f in log.tsv valid.tsv model.safetensors; do cmp "$first/$f" "$run/$f"; done
    done
}

# LEAST FILE: at least that many percent ran in graphs, as the notes in FILE say
repeated() {
    awk -v least="$1" '/ran in [0-9]+ captured graphs$/ { said = 1; bad = !($2 + 0 >= least) } END { exit bad || !said }' "$2"
}

@test "graphs: the same bytes with none, with any, and where the card refuses them at every point" {
    local steps='--steps 12 --validate-every 6 --text-dropout 0.1'
    # shellcheck disable=SC2086
    {
        UM_GRAPH=0 tiny cuda none $steps
        UM_GRAPH=1 tiny cuda all $steps
        tiny cuda some $steps
        for point in capture instantiate set launch; do UM_EMU_GRAPH=$point tiny cuda $point $steps; done
    }
    same_bytes none all some capture instantiate set launch
}

@test "graphs: a step of one shape is captured once and repeated, whatever it drops and learns" {
    um-train -v -j 2 --device cuda --preset tiny --batch 8 --steps 60 --validate-every 0 --text-dropout 0.1 -o run pairs.umt 2>err
    cat err
    repeated 75 err
}

@test "attention by cuDNN, both ways: the same bytes with graphs and without" {
    local steps='--steps 6 --validate-every 6 --precision bf16'
    export UM_CUDNN=$BUILD/emu/libcudart.so UM_CUDNN_ATTENTION=1 UM_EMU_CUDNN_LOG=$PWD/runs
    # shellcheck disable=SC2086
    {
        UM_GRAPH=0 tiny cuda none $steps
        tiny cuda some $steps
    }
    same_bytes none some
    grep -q attention_fwd runs
    grep -q attention_bwd runs
}

@test "a step that is not finite: stopped with the words of cpu, or passed over without a trace" {
    local hot='--steps 6 --clip 0 --lr 1e3 --lr-low 1e3 --weight-decay 1000 --warmup 0 --validate-every 0 --select none --mask random'
    for d in cpu cuda; do
        # shellcheck disable=SC2086
        tiny $d stop-$d $hot 2>$d.err && return 1
        sed -i 's/-nan/nan/g' $d.err
        # shellcheck disable=SC2086
        tiny $d skip-$d $hot --skip-nonfinite 2>/dev/null
        cut -f 1-3 skip-$d/log.tsv >$d.steps
        awk -F '\t' '$4 == "nan" { print $1 }' skip-$d/log.tsv >$d.lost
    done
    grep -q 'the loss is nan' cpu.err
    cmp cpu.err cuda.err
    cmp cpu.steps cuda.steps
    [ -s cpu.lost ]
    cmp cpu.lost cuda.lost
}

@test "a card that is too small, in the middle of the first step: bytes, what is held, what helps" {
    local inside=0
    for ((mb = 40; mb < 60; mb++)); do # workspace and weights fit, more and more of a step
        UM_EMU_MEMORY=${mb}000000 run tiny cuda "r$mb" --steps 4 --validate-every 0
        [ "$status" = 0 ] && break
        echo "$output"
        [ "$status" = 1 ]
        [ "${#lines[@]}" = 1 ]
        [[ $output == *'cuda:0'*' bytes wanted, '*" free of ${mb}000000; of "*'activations '*'--accumulate above 1'* ]]
        [ -z "$(find "r$mb" -name 'ckpt-*')" ]
        if [[ $output == *'memory of the '* ]]; then inside=$((inside + 1)); fi
    done
    [ "$inside" -gt 0 ]
    UM_EMU_MEMORY=100000000 tiny cuda r --steps 4 --validate-every 0
}
