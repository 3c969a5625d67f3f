#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-train on made-up patients: checks 14 and 15 of method.md section 12

setup_file() {
    [ -z "${SAN:-}" ] || return 0 # 200 steps of a real size: minutes under a sanitizer
    cd "$BATS_FILE_TMPDIR" || return 1
    um-phantom -q -n 160 --seed 7 --volume 32x96x96 --xray-size 224 -o data
    um-preprocess -q --size 128 -o xray.raw.umt data/xray.tsv
    um-preprocess -q --size 16x64x64 -o ct.raw.umt data/ct.tsv
    um-tokenize -q --train-vocab 400 -o vocab.txt xray.raw.umt ct.raw.umt
    for kind in xray ct; do um-tokenize -q --vocab vocab.txt -o $kind.umt $kind.raw.umt; done
    um-train -q --preset phantom --norm mgca --steps 200 --batch 8 --lr 5e-4 --text-dropout 0 --log-batches \
        --checkpoint-every 51 --keep-checkpoints 9 -o run xray.umt ct.umt
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return 1
    [ -z "${SAN:-}" ] || skip "too slow under a sanitizer"
}

@test "check 14: two flows give the same slices, those of training and those of the tools" {
    um-cat -q -w split=train -o train.umt ct.umt
    for step in 51 153; do # of volumes; the teacher of a step is that of the checkpoint before it
        um-encode -q -m "run/ckpt-$(printf %06d "$step").safetensors" --use teacher --attention train.umt |
            um-select-slices -q -k 4 --slice-size 112 | um-show --keys - >"keys.$step"
        awk -v step="$step" 'NR == FNR {
                cut = match($1, "/s[0-9]+$"); key = substr($1, 1, cut - 1); z = substr($1, cut + 2)
                if (key in picked) picked[key] = picked[key] "," z; else picked[key] = z
                next
            }
            $1 == step && $2 == "3d" { n++; if (picked[$3] != $4) { print $0, picked[$3]; bad = 1 } }
            END { print n + 0 " compared"; exit bad || n != 8 }' "keys.$step" run/batches.tsv
    done
}

@test "check 15: the teacher neither freezes nor stays uniform in 200 steps; slices hit lesions above chance" {
    # 16 prototypes' worth of entropy is far from 0.1, and log 512 = 6.238 is the uniform collapse
    awk -F '\t' 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
        { n++; cls += $c["entropy_cls"]; patch += $c["entropy_patch"]; low += $c["entropy_cls"] < 0.1 }
        n > 150 { late++; late_cls += $c["entropy_cls"] }
        END { printf "entropy of [CLS] %.3f, of patches %.3f; of the last 50 steps %.3f\n", cls / n, patch / n, late_cls / late
            exit !(n == 200 && low == 0 && late_cls / late > 0.1 && late_cls / late < 6.2) }' run/log.tsv
    um-encode -q -m run/model.safetensors --use teacher --attention ct.umt | um-select-slices -q -k 4 --slice-size 112 |
        um-show --keys - >keys
    awk -F '\t' -v depth=16 -v slab=4 -f "$BATS_TEST_DIRNAME/../../pipelines/hits.awk" data/truth.tsv keys >hits
    cat hits
    awk -F '\t' 'NR == 2 { exit !($2 > $3) }' hits # more often than a slab at random
}
