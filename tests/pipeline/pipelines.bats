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

@test "before-after.awk: means at both ends, the first look beside the last" {
    {
        printf 'step\tepoch\tmodality\tloss\tvl\ticl\tpcl\n'
        for i in 1 2 3 4 5; do printf '%d\t0\t2d\t%d\t%d\t0.5\t0.25\n' "$i" $((i * i)) "$i"; done
        printf '6\t0\t3d\t7\t6\t0.5\t0.5\n'
    } >log.tsv
    {
        printf 'step\tset\tpairs\tloss\ti2t_r1\ti2t_r5\tt2i_r1\n'
        printf '0\t2d\t8\t2.5\t0.125\t0.5\t0\n'
        printf '0\tall\t8\t2.5\tnan\tnan\tnan\n'
        printf '3\t2d\t8\t9\t0.9\t0.9\t0.9\n' # neither first nor last
        printf '6\t2d\t8\t1.5\t0.25\t0.75\t0.5\n'
    } >valid.tsv
    run awk -F '\t' -v steps=2 -f "$top/pipelines/before-after.awk" log.tsv valid.tsv
    [ "$status" = 0 ]
    # 1 and 4; 16 and 25: of five steps, two at each end
    [ "$(xargs <<<"${lines[2]}")" = '2d 5 2 2.500 -> 20.500 1.500 -> 4.500 0.500 -> 0.500 0.250 -> 0.250' ]
    [ "$(xargs <<<"${lines[3]}")" = '3d 1 1 7.000 -> 7.000 6.000 -> 6.000 0.500 -> 0.500 0.500 -> 0.500' ]
    [ "$(xargs <<<"${lines[6]}")" = '2d 8 2.500 -> 1.500 0.125 -> 0.250 (0.125) 0.500 -> 0.750 (0.625) 0.000 -> 0.500 (0.125)' ]
    [ "${#lines[@]}" = 7 ]
    run awk -F '\t' -v steps=9 -f "$top/pipelines/before-after.awk" log.tsv <(head -n 1 valid.tsv)
    [ "$(xargs <<<"${lines[2]}")" = '2d 5 2 2.500 -> 20.500 1.500 -> 4.500 0.500 -> 0.500 0.250 -> 0.250' ] # halves
    [ "${lines[4]}" = 'no held-out records' ]
}

@test "demo.sh: every step, the same table twice" {
    for i in 1 2; do
        BUILD=$BUILD "$top/pipelines/demo.sh" -n 64 -e 1 -j "$i" "demo$i" >"log$i" 2>&1 || { cat "log$i"; return 1; }
        [ -s "demo$i/slices.png" ]
        [ -s "demo$i/ct.png" ]
        grep -q '^linear probe on ct' "demo$i/table.txt"
        grep -q 'hold the lesion' "demo$i/table.txt"
    done
    cmp demo1/table.txt demo2/table.txt
    cmp demo1/run/model.safetensors demo2/run/model.safetensors
}

@test "real.sh: real X-rays and volumes, a phantom set in the place of missing reports" {
    [ -n "${UM_REAL_DATA:-}" ] || skip "UM_REAL_DATA is not set"
    BUILD=$BUILD "$top/pipelines/real.sh" -p phantom -n 6 -v 24 "$UM_REAL_DATA" real >log 2>&1 || { cat log; return 1; }
    grep -q 'real X-rays: .* to train on, .* held out' log
    grep -q 'phantom volumes: .* to train on, .* held out' log
    # the whole method: every part of the loss is there in every step, of both modalities
    [ "$(awk 'NR > 1 && $6 > 0 && $7 > 0 { print $3 }' real/run/log.tsv | sort | uniq -c | awk '{ printf "%s ", $2; n += $1 } END { print n }')" = '2d 3d 6' ]
    # a look before the first step and after the last
    [ "$(awk '$3 == "2d" { print $1 }' real/run/valid.tsv | sed -n '1p;$p' | xargs)" = '0 6' ]
    grep -q '^  2d .*->' real/table.txt && grep -q '^  3d .*->' real/table.txt
    [ "$(um-show --keys real/ct.umt | wc -l)" = 10 ]
    [ "$(um-show --keys real/slices.umt | wc -l)" = 40 ]
    [ -s real/slices.png ]
    [ -s real/xray.png ]
    [ -s real/ct.png ]
    ! command -v gnuplot >/dev/null || [ -s real/curves.png ]
}

@test "scripts say how they are used" {
    run "$top/pipelines/demo.sh" -x
    [ "$status" = 2 ]
    run "$top/pipelines/real.sh"
    [ "$status" = 2 ]
    [[ $output == *usage:* ]]
}
