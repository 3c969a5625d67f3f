#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-select-slices: which slices, what is in them, what is refused
# shellcheck disable=SC2016 # backquotes in messages are meant so

setup_file() {
    export PYTHONPATH=$BATS_TEST_DIRNAME PY=${UM_PYTHON:-/usr/bin/python3} S=$BATS_FILE_TMPDIR
    "$PY" "$BATS_TEST_DIRNAME/model.py" all "$S"
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}

model() { "$PY" "$BATS_TEST_DIRNAME/model.py" "$@"; }

fails() { # MESSAGE command...: exit 1, one line with it, nothing under the final name
    local want=$1
    shift
    run "$@" -o out.umt
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [[ $output != "um-select-slices: "*"$want"* ]] || [ -e out.umt ]; then
        echo "status $status: $output"
        echo "wanted: $want"
        return 1
    fi
}

@test "the best slab, slice by slice, as images with score, rank, z and position" {
    ln -sf "$S/attended.umt" in.umt
    um-select-slices --slice-size 56 in.umt -o out.umt
    run model slices in.umt out.umt 56
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 12 ]
    [ "${lines[0]}" = 'ct0/s4 0 0.125' ]
    [ "${lines[3]}" = 'ct0/s7 3 0.125' ]
    [ "${lines[4]}" = 'ct1/s0 0 0.125' ]
    um-select-slices in.umt -o out.umt # 224 by default
    model slices in.umt out.umt 224
    um-select-slices --slice-size 32 -k 8 in.umt -o out.umt # the grid's own size: copies
    [ "$(model slices in.umt out.umt 32 | sed -n '1p;5p')" = $'ct0/s0 4 0.1\nct0/s4 0 0.125' ]
    um-select-slices --slice-size 20 in.umt -o out.umt # smaller
    model slices in.umt out.umt 20
}

@test "--spread: the middle slice of each of the best slabs" {
    ln -sf "$S/attended.umt" in.umt
    um-select-slices --spread -k 2 --slice-size 32 in.umt -o out.umt
    [ "$(model slices in.umt out.umt 32 | head -n 4 | tr '\n' ';')" = 'ct0/s2 1 0.1;ct0/s6 0 0.125;ct1/s2 0 0.125;ct1/s6 1 0.1;' ]
    rm out.umt
    fails 'record ct0: 3 of 2 slabs' um-select-slices --spread -k 3 in.umt
}

@test "--scores: a number for every slice, and no slices" {
    um-select-slices --scores "$S/attended.umt" -o out.umt
    [ "$(model shapes <out.umt | tr '\n' ';')" = 'ct0 score:8;ct1 score:8;ct2 score:8;' ]
}

@test "a K that cuts a slab is said once; equal scores with -v" {
    ln -sf "$S/attended.umt" in.umt
    run um-select-slices -k 3 in.umt -o out.umt
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == 'um-select-slices: warning: 3 slices cut a slab of 4'* ]]
    [ "$(model slices in.umt out.umt 224 | head -n 3 | cut -d' ' -f1 | tr '\n' ' ')" = 'ct0/s4 ct0/s5 ct0/s6 ' ]
    ln -sf "$S/equal.umt" in.umt
    run um-select-slices -v in.umt -o out.umt
    [[ $output == *'record ct0: all scores are equal'* ]]
    [ "$(model slices in.umt out.umt 224 | cut -d' ' -f1 | tr '\n' ' ')" = 'ct0/s0 ct0/s1 ct0/s2 ct0/s3 ' ]
    run um-select-slices in.umt -o out.umt
    [ -z "$output" ]
}

@test "equal bytes for any number of threads" {
    ln -sf "$S/attended.umt" in.umt
    for j in 1 2 7; do um-select-slices -j $j in.umt -o $j.umt; done
    cmp 1.umt 2.umt
    cmp 1.umt 7.umt
}

@test "after um-encode in a pipe" {
    um-encode --init tiny --device cpu --attention "$S/ct.umt" | um-select-slices --slice-size 32 -o out.umt
    ln -sf "$S/ct.umt" in.umt
    [ "$(model slices in.umt out.umt 32 | wc -l)" = 12 ]
    um-encode --init tiny --device cpu out.umt | model shapes | grep -c 'image:1,32,32 cls:32 embedding:16'
}

@test "what is refused" {
    ln -sf "$S/attnan.umt" in.umt
    fails 'record ct1: `attention` of slab 0 is not finite' um-select-slices in.umt
    ln -sf "$S/unattended.umt" in.umt
    fails 'record ct0: `attention` missing: run um-encode --attention' um-select-slices in.umt
    ln -sf "$S/xray.umt" in.umt
    fails 'record p0/s1: `volume` missing' um-select-slices in.umt
    ln -sf "$S/slabs.umt" in.umt
    fails 'record ct0: `attention` [3,4]: its slabs do not divide 8 slices' um-select-slices in.umt
    ln -sf "$S/attended.umt" in.umt
    fails 'record ct0: 9 of 8 slices' um-select-slices -k 9 -q in.umt
    run um-select-slices -k 0 in.umt
    [ "$status" = 2 ]
    run um-select-slices in.umt -o /dev/full
    [ "$status" = 1 ]
    um-select-slices --on-error skip -q --rejects r.tsv "$S/attnan.umt" -o out.umt
    [ "$(cut -f1,2 r.tsv)" = $'ct1\tnonfinite' ]
}
