#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - the CUDA plug-in on the emulated GPU: what tests/gpu/run.sh asks of a card, and the tools
# usage: BUILD=build tests/emu/run.sh [ops|cudnn|model|tools]...   without a word: all
#
#   ops    the operation table against ref, each judgement twice, in three orders of a block's threads
#   cudnn  convolutions and attention by the emulator's cuDNN, with it refusing every plan, and every run; the
#          plans of a real cuDNN (UM_CUDNN), which needs no card for them
#   model  the golden models, losses and twenty steps of training
#   tools  tests/emu/*.bats
#
# Lines are TAP; the last one counts them, and $BUILD/emu/check.tally holds it. Needs `make emu gpu` and the
# tools in $BUILD.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
export BUILD PATH="$BUILD:$PATH" LD_LIBRARY_PATH="$BUILD/emu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" LC_ALL=C.UTF-8
verbs=("$@")
[ ${#verbs[@]} -gt 0 ] || verbs=(ops cudnn model tools)
real=${UM_CUDNN:-}
export UM_CUDNN=0 # a real one beside the toolkit has no card here
log=$BUILD/emu/check.log
: >"$log" || exit 1

# run NAME COMMAND...: its TAP lines, each with NAME; one that is not ok if it ends badly and says nothing
run() {
    local name=$1 out=$BUILD/emu/out.$BASHPID rc before=$SECONDS
    shift
    "$@" >"$out" 2>&1 </dev/null
    rc=$?
    sed -nE "s|^((not )?ok [0-9]*) (- )?|\1 - $name: |p; /^ *#/p" "$out" >>"$log"
    if [ "$rc" != 0 ] && ! grep -q '^not ok' "$out" || ! grep -qE '^(not )?ok' "$out"; then
        echo "not ok 0 - $name: status $rc: $(tail -n 1 "$out")" >>"$log"
    fi
    grep '^not ok' "$out"
    printf '  %-24s %4d ok (%d s)\n' "$name" "$(grep -c '^ok' "$out")" $((SECONDS - before))
    rm -f "$out"
}

# beside NAME COMMAND...: the same, as many at a time as there are cores; then `wait`
beside() {
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
    run "$@" &
}

ops() {
    for order in forward reverse 1; do # all the second judgement asks for is a graph in one of them
        UM_GRAPH=$([ "$order" = 1 ] && echo 1 || echo 8) UM_EMU_DEVICES=2 UM_EMU_NODE=4096 UM_EMU_ORDER=$order \
            run "ops, $order" "$BUILD/gpu/ops" -j "$(nproc)" -t 600 cuda
    done
}

# dnn REFUSED NAME [VAR=VALUE]...: the operations NAME by the emulator's cuDNN
dnn() {
    local refused=$1 name=$2
    shift 2
    rm -f "$BUILD/emu/runs"
    run "$name, refused: $refused" env UM_CUDNN="$BUILD/emu/libcudart.so" UM_EMU_CUDNN="$refused" \
        UM_EMU_CUDNN_LOG="$BUILD/emu/runs" "$@" "$BUILD/gpu/ops" -j "$(nproc)" -t 600 -m "$name" cuda
}

# ran yes|no WHAT: did the emulator's cuDNN do attention just now, both ways?
ran() {
    local fwd bwd how='not ok'
    fwd=$(grep -cs attention_fwd "$BUILD/emu/runs") bwd=$(grep -cs attention_bwd "$BUILD/emu/runs")
    if [ "$1" = yes ]; then
        [ "${fwd:-0}" -gt 0 ] && [ "${bwd:-0}" -gt 0 ] && how=ok
    else
        [ -e "$BUILD/emu/runs" ] || how=ok
    fi
    echo "$how 0 - attention, $2: cuDNN's ${fwd:-0} times forward, ${bwd:-0} backward" | tee -a "$log"
}

cudnn() {
    for refuse in nothing plan run; do
        dnn "$refuse" conv_
        dnn "$refuse" attention UM_CUDNN_ATTENTION=1
        ran "$([ "$refuse" = nothing ] && echo yes || echo no)" "refused: $refuse"
    done
    dnn nothing "attention_fwd, whole"
    ran no "not asked for"
    UM_CUDNN=$real run "plans of a real cuDNN" "$BUILD/emu/plans" "$BUILD/emu/driver"
}

model() {
    local i n
    n=$("$BUILD/gpu/golden" cuda) || n=1
    for ((i = n - 1; i >= 0; i--)); do # the longest first
        beside "golden $i" "$BUILD/gpu/golden" cuda "$i"
    done
    wait
}

tools() {
    for t in tests/emu/*.bats; do
        [ ! -e "$t" ] || beside "${t##*/}" bats --tap "$t"
    done
    wait
}

for verb in "${verbs[@]}"; do "$verb" || exit 1; done
skipped=$(grep -ciE '^ok .*# *skip' "$log")
echo "$(($(grep -c '^ok' "$log") - skipped)) passed, $(grep -c '^not ok' "$log") failed, $skipped skipped" | tee "$BUILD/emu/check.tally"
! grep -q '^not ok' "$log"
