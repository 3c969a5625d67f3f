#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# pipelines.bats - the scripts of pipelines/ on the real tools, small

setup() {
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    cd "$BATS_TEST_TMPDIR" || return 1
}

@test "hits.awk counts slices that touch a lesion, and both chances" {
    {
        printf 'ct\tfinding\tf0\tf1\n'
        printf 'a\tnodule\t0.5\t0.5625\n'       # slice 8 of 16: slab 2
        printf 'b\teffusion\t0.0\t0.3\n'        # slices 0..4: slabs 0 and 1
        printf 'c\tcardiomegaly\t0.2\t0.6\n'    # has no place in depth
        printf 'd\tnone\t\t\n'
    } >truth.tsv
    for v in a b c d; do
        for z in 8 9 10 11; do echo "$v/s$z"; done
    done >keys
    run awk -F '\t' -v depth=16 -v slab=4 -f "$top/pipelines/hits.awk" truth.tsv keys
    [ "$status" = 0 ]
    # a is hit, b is not; chance of a slab (1/4 + 2/4)/2; of 4 slices (1 - C(15,4)/C(16,4) + 1 - C(11,4)/C(16,4))/2
    [ "${lines[1]}" = "$(printf '2\t0.500\t0.375\t0.534\t0.500')" ]
}

@test "hits.awk refuses keys without a lesion" {
    printf 'ct\tfinding\tf0\tf1\nd\tnone\t\t\n' >truth.tsv
    echo d/s1 >keys
    run awk -F '\t' -v depth=16 -v slab=4 -f "$top/pipelines/hits.awk" truth.tsv keys
    [ "$status" = 1 ]
}

@test "demo.sh: every step, the same table twice" {
    for i in 1 2; do
        BUILD=$BUILD "$top/pipelines/demo.sh" -n 64 -e 1 -j "$i" "demo$i" >"log$i" 2>&1 || { cat "log$i"; return 1; }
        [ -s "demo$i/slices.png" ] && [ -s "demo$i/ct.png" ]
        grep -q '^linear probe on ct' "demo$i/table.txt"
        grep -q 'hold the lesion' "demo$i/table.txt"
    done
    cmp demo1/table.txt demo2/table.txt
    cmp demo1/run/model.safetensors demo2/run/model.safetensors
}

@test "real.sh: real X-rays and volumes, a phantom set in the place of missing reports" {
    [ -n "${UM_REAL_DATA:-}" ] || skip "UM_REAL_DATA is not set"
    BUILD=$BUILD "$top/pipelines/real.sh" -e 1 -n 32 "$UM_REAL_DATA" real >log 2>&1 || { cat log; return 1; }
    grep -q '^mean loss, 2d: first epoch' log
    [ "$(um-show --keys real/ct.umt | wc -l)" = 10 ]
    [ -s real/slices.png ] && [ -s real/xray.png ]
}

@test "scripts say how they are used" {
    run "$top/pipelines/demo.sh" -x
    [ "$status" = 2 ]
    run "$top/pipelines/real.sh"
    [ "$status" = 2 ]
    [[ $output == *usage:* ]]
}
