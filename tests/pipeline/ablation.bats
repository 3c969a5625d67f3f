#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ablation.bats - the phantom study of pipelines/ablation.mk, small, and the scripts beside it

setup() {
    scripts=$BATS_TEST_DIRNAME/../../pipelines
    cd "$BATS_FILE_TMPDIR" || return 1
}

study() {
    make -f "$scripts/ablation.mk" DIR=a SCALE=0.08 EPOCHS=1 SEEDS=7 THREADS=1 \
        TRAIN="um-train --preset phantom --batch 12 --warmup 0 --epochs 1 --checkpoint-every 1" "$@"
}

# once for all tests that look at it
setup_file() {
    [ -z "${SAN:-}" ] || return 0
    setup
    study >log 2>&1 || { cat log; return 1; }
}

studied() {
    [ -z "${SAN:-}" ] || skip "too slow with sanitizers"
}

# row NAME MEASURE < rows of name, measure, value
value() {
    awk -F '\t' -v name="$1" -v measure="$2" '$1 == name && $2 == measure { print $3 }'
}

@test "ablation.mk: the table has every row" {
    studied
    for run in random vl vl+slices vl+distil full 2d 3d random-slices middle-slices uniform-slices separate-centres; do
        name=${run//+/\\+}
        grep -qE "^\| $name \|( [0-9.]+ \|){6}$" a/table.md || { cat a/table.md; return 1; } # A
        grep -qE "^\| $name \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \| -?[0-9.]+ \| [0-9.]+ \|$" a/table.md || { cat a/table.md; return 1; } # C3
        grep -qE "^    $name +um-train --preset phantom" a/table.md
    done
    [ "$(grep -cE '^\| .* - vl \|( [-+][0-9.]+ \|){6}$' a/table.md)" = 10 ]
    [ "$(grep -cE '^\| full - [23]d \|( [-+][0-9.]+ \|){6}$' a/table.md)" = 2 ]
    [ "$(grep -cE '^\| (attention of .*|(random|middle|uniform) slices|chance: .*|the best slab.*) \| [01]\.[0-9]{3} \|' a/table.md)" = 10 ]
    [ "$(grep -cE '^\| (teacher, full|student, full|student, vl|random weights) \| [0-9.]+ \| [0-9.]+ \|$' a/table.md)" = 4 ]
    if grep nan a/table.md; then return 1; fi
}

@test "ablation.mk: a second time there is nothing to do, and another option makes again what it changes" {
    studied
    cp a/seconds.tsv before
    study >log 2>&1 || { cat log; return 1; }
    [ ! -s log ] || { cat log; return 1; }
    cmp before a/seconds.tsv

    study PROBE="um-probe --fractions 1" a/probe/full.7.ct.tsv >log 2>&1 || { cat log; return 1; }
    [ "$(cat log)" = probe/full.7.ct.tsv ]

    study options.vl="--lambda-icl 0 --lambda-pcl 0 --select none --views 2" a/run/vl.7/model.safetensors >log 2>&1 ||
        { cat log; return 1; }
    [ "$(cat log)" = run/vl.7/model.safetensors ]
}

@test "ablation.mk: a run that was killed goes on, and ends as if it had not been" {
    studied
    mv a/run/full.7 whole
    set -m
    study a/run/full.7/model.safetensors >log 2>&1 3>&- &
    pid=$!
    set +m
    for _ in $(seq 1200); do
        if [ -e a/run/full.7/ckpt-000002.safetensors ]; then break; fi
        sleep 0.02
    done
    kill -KILL -- "-$pid"
    wait "$pid" || true
    [ ! -e a/run/full.7/model.safetensors ]
    [ -e a/run/full.7/ckpt-000002.safetensors ]
    touch -r a/run/full.7/begun mark
    study a/run/full.7/model.safetensors >log 2>&1 || { cat log; return 1; }
    [ ! a/run/full.7/begun -nt mark ] # not begun anew
    cmp whole/model.safetensors a/run/full.7/model.safetensors
    cmp whole/log.tsv a/run/full.7/log.tsv
}

@test "lesion.awk, attention.awk: the lesion's share of tokens, and attention inside over outside" {
    # 2 slabs of 2 slices, 2 x 2 tokens of 2 x 2 pixels; volume a: 2 voxels of token 1, one of them under a
    # large heart (8 + 1), and the heart alone in token 7; volume b: none; volume c: all of token 0
    {
        printf '# a mask uint8 [4,4,4]\n0 0 1 9\n0 0 0 0\n0 0 0 0\n0 0 0 0\n'
        printf '0 0 0 0\n%.0s' 1 2 3 4 5 6 7 8
        printf '0 0 0 0\n0 0 0 0\n0 0 0 0\n0 0 8 0\n\n'
        printf '# b mask uint8 [4,4,4]\n'
        printf '0 0 0 0\n%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
        printf '\n# c mask uint8 [4,4,4]\n16 2 0 0\n4 1 0 0\n0 0 0 0\n0 0 0 0\n1 1 0 0\n1 1 0 0\n'
        printf '0 0 0 0\n%.0s' 1 2 3 4 5 6 7 8 9 10
    } >mask
    awk -v slab=2 -v patch=2 -f "$scripts/lesion.awk" mask >lesion.tsv
    [ "$(cat lesion.tsv)" = "$(printf 'a\t1\t0.250000\nc\t0\t1.000000')" ]

    {
        printf '# a attention float32 [2,4]\n0.1 0.4 0.1 0.1\n0.1 0.1 0 0\n\n'
        printf '# b attention float32 [2,4]\n0.1 0.1 0.1 0.1\n0.1 0.1 0.1 0.1\n\n'
        printf '# c attention float32 [2,4]\n0.2 0.1 0.1 0.1\n0.1 0.1 0.1 0.1\n'
    } >attention
    awk -v name=x -f "$scripts/attention.awk" lesion.tsv attention >rows
    # a: 0.4 over (0.5 + 0.75 x 0.4) / 7.75; c: 0.2 over 0.7 / 7 = 2;  others: a 0.2 / ((1.5 + 0.15) / 7.75), c 0.2 / (1.5 / 7)
    awk -v own="$(value x inside <rows)" -v others="$(value x inside_same <rows)" 'BEGIN {
        a = (0.4 / (0.8 / 7.75) + 2) / 2
        b = (0.2 / (1.65 / 7.75) + 0.2 / (1.5 / 7)) / 2
        exit !((own - a) ^ 2 < 1e-10 && (others - b) ^ 2 < 1e-10)
    }' || { cat rows; return 1; }
}

@test "gap.awk: the figures that um-train itself has of its held-out patients" {
    studied
    for kind in xray ct; do
        um-cat -q -w split=valid "a/$kind.umt" | um-encode -q -m a/run/vl.7/model.safetensors |
            um-show --dump -t embedding >"$kind"
    done
    awk -v name=x -f "$scripts/gap.awk" a/data/xray.tsv a/data/ct.tsv xray ct >rows
    for pair in same:true_distance other:random_distance cross_r1:cross_r1; do
        awk -F '\t' -v got="$(value x "${pair%:*}" <rows)" -v want="${pair#*:}" '
            NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i }
            $col["set"] == "all" { last = $col[want] }
            END { exit !(last != "" && (got - last) ^ 2 < 1e-10) }' a/run/vl.7/valid.tsv ||
            { cat rows a/run/vl.7/valid.tsv; return 1; }
    done
}

@test "gap.awk: distances, nearest and centroids by hand" {
    printf 'key\tpatient\tclass\na\tp\tn\nb\tq\tn\n' >xray.tsv
    printf 'key\tpatient\tclass\nc\tp\tn\nd\tq\tn\n' >ct.tsv
    printf '# a embedding float32 [2]\n1 0\n\n# b embedding float32 [2]\n0 1\n' >xray
    printf '# c embedding float32 [2]\n0.6 0.8\n\n# d embedding float32 [2]\n0 1\n' >ct
    awk -v name=x -f "$scripts/gap.awk" xray.tsv ct.tsv xray ct >rows
    [ "$(value x same <rows)" = 0.200000 ]  # 0.4 and 0
    [ "$(value x other <rows)" = 0.600000 ] # 1 and 0.2
    [ "$(value x cross_r1 <rows)" = 1.000000 ]
    # centroids (0.5, 0.5) and (0.3, 0.9): sqrt 0.2; within: sqrt 0.5 and sqrt 0.1
    [ "$(value x centres <rows)" = 0.874032 ]
}

@test "hits.awk with a name: for any lesion and for each finding" {
    {
        printf 'ct\tfinding\tf0\tf1\n'
        printf 'a\tnodule\t0.5\t0.5625\n'
        printf 'a\teffusion\t0.0\t0.3\n'
        printf 'b\teffusion\t0.0\t0.3\n'
    } >truth.tsv
    printf '%s\n' a/s8 a/s9 b/s8 b/s9 >keys
    awk -F '\t' -v depth=16 -v slab=4 -v name=x -f "$scripts/hits.awk" truth.tsv keys >rows
    [ "$(value x hits_any <rows)" = 0.500000 ]
    [ "$(value x hits_nodule <rows)" = 1.000000 ]
    [ "$(value x volumes_effusion <rows)" = 2.000000 ]
    [ "$(value x hits_effusion <rows)" = 0.000000 ]
    [ "$(value x fixed_effusion <rows)" = 1.000000 ]
    [ "$(value x slab_nodule <rows)" = 0.250000 ]
    [ "$(value x hits_pneumothorax <rows)" = "" ]
}

@test "ablation.awk: mean, interval of Student's t, paired differences" {
    {
        printf 'run\tseed\twhat\tmeasure\tvalue\n'
        for s in 1 2 3; do
            printf 'random\t%d\txray\ttrain_1\t40\n' "$s"
            printf 'vl\t%d\txray\tauroc_1\t0.%d\n' "$s" "$s"
            printf 'full\t%d\txray\tauroc_1\t0.%d\n' "$s" "$((s + 2))"
        done
    } >numbers.tsv
    awk -F '\t' -v runs='vl full' -f "$scripts/ablation.awk" numbers.tsv >table
    grep -qx '| vl | 0.200 ± 0.248 | – |' table # 4.303 x 0.1 / sqrt 3
    grep -qx '| full - vl | +0.200 ± 0.000 | – |' table
}
