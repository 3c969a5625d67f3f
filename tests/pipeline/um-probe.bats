#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-probe: what it finds, what it prints, the same for any -j; refusals

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    PAIRS=$BATS_TEST_DIRNAME/pairs.py
}

features() { "$PY" "$PAIRS" "$@" >"$1.umt"; } # KIND [N [SEED]]

value() { # LABEL METRIC: the last one in the table on standard input
    awk -F '\t' -v l="$1" -v m="$2" '$2 == l && $7 == m { v = $8 } END { print v }'
}

above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

fails() { # MESSAGE command...: exit 1, one line, no table
    local want=$1
    shift
    run um-probe "$@" -o table.tsv
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [[ $output != "um-probe: "*"$want"* ]] || [ -e table.tsv ]; then
        echo "status $status: $output"
        return 1
    fi
}

@test "labels: a line each and their mean, for each fraction" {
    features labels 600
    um-probe -q --lr 0.02 labels.umt -o t.tsv
    [ "$(head -n 1 t.tsv)" = "$(printf 'name\tlabel\tfraction\tn_train\tn_valid\tn_test\tmetric\tvalue\tlo\thi\tepoch\tseed\tprotocol')" ]
    [ "$(cut -f 2 t.tsv | tr '\n' ' ')" = 'label a b c mean a b c mean a b c mean ' ]
    [ "$(awk -F '\t' '$2 == "c" { print $3, $4, $5, $6, $13 }' t.tsv)" = "$(printf '%s\n' \
        '0.01 3 90 60 cached' '0.1 27 90 60 cached' '1 270 90 60 cached')" ]
    above "$(value a auroc <t.tsv)" 0.87 # two normals a distance of 2 apart: 0.921
    above "$(value b auroc <t.tsv)" 0.95
    awk -F '\t' 'NR > 1 && !($9 <= $8 && $8 <= $10 && $9 < $10) { exit 1 }' t.tsv
}

@test "classes: accuracy, and AUROC of each against the others" {
    features classes 600
    um-probe -q --task multiclass --lr 0.02 --fractions 1 --name run classes.umt >t.tsv
    [ "$(cut -f 1,2,7 t.tsv | tail -n +2 | tr '\t\n' '  ')" = \
        'run x auroc run y auroc run z auroc run mean auroc run all accuracy ' ]
    above "$(value all accuracy <t.tsv)" 0.9
    above "$(value mean auroc <t.tsv)" 0.97
}

@test "the same bytes for -j 1, 2, 7, from a pipe and in parts; another seed differs" {
    features labels
    um-probe -q -j 1 labels.umt >one
    um-probe -q -j 2 labels.umt | cmp - one
    um-probe -q -j 7 <labels.umt | cmp - one
    um-cat -q -w split=train -o a.umt labels.umt
    um-cat -q -w split!=train -o b.umt labels.umt
    cat a.umt b.umt | um-probe -q | cmp - one
    um-probe -q --seed 7 labels.umt >seven
    ! cmp -s one seven
}

@test "labels by name, records by meta, standardized features" {
    features labels
    [ "$(um-probe -q --labels b,a --fractions 1 labels.umt | cut -f 2 | tr '\n' ' ')" = 'label b a mean ' ]
    [ "$(um-probe -q -w label.a=1,label.c=0 --labels b --fractions 1 --patience 0 labels.umt | sed -n 2p | cut -f 6)" -lt 34 ]
    um-probe -q --standardize --lr 0.02 --fractions 1 labels.umt >t.tsv
    above "$(value a auroc <t.tsv)" 0.75
}

@test "one class alone in the test part: nan, out of the mean, said" {
    features labels 90
    run um-probe --fractions 1 -w label.b=0 labels.umt
    [ "$status" = 0 ]
    [[ $output == *'um-probe: warning: b: only one of the two classes in the test part'* ]]
    [ "$(grep -c "$(printf '\tb\t').*$(printf '\tnan\tnan\tnan\t')" <<<"$output")" = 1 ]
    [ "$(grep "$(printf '\tmean\t')" <<<"$output" | grep -c nan)" = 0 ]
}

@test "input that cannot be probed" {
    features labels
    features pairs
    features empty
    fails 'record 2d/0: `cls` missing' pairs.umt
    fails 'no record with a label' empty.umt
    fails 'no record with a class' --task multiclass labels.umt
    fails 'no labelled record with split valid' -w split!=valid labels.umt
    fails 'no labelled record with split test' -w split!=test labels.umt
    fails 'no record with a label' --labels nosuch labels.umt
    fails '`tokens` missing' -t tokens labels.umt
    head -c 5000 labels.umt >cut.umt
    fails 'cut' cut.umt
    um-probe -q --patience 0 --fractions 1 -w split!=valid labels.umt | grep -q "$(printf '\tmean\t1\t38\t0\t')"
    for bad in '--fractions 0' '--fractions 1,2' '--fractions 1,,1' '--task x' '--labels a --task multiclass'; do
        # shellcheck disable=SC2086 # two words
        run um-probe $bad labels.umt
        [ "$status" = 2 ]
    done
    run bash -c 'um-probe -q labels.umt >/dev/full'
    [ "$status" = 1 ]
}
