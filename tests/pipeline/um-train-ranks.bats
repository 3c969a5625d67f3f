#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-train under mpirun: the loss curve of one process, the same bytes when stopped, clean ends

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    . "$BATS_TEST_DIRNAME/mpi.sh"
    need_mpi
    "${UM_PYTHON:-/usr/bin/python3}" "$BATS_TEST_DIRNAME/pairs.py" pairs 120 | um-cat -q -o pairs.umt
}

ranks() { # N RUN [OPTION...]
    local n=$1 run=$2
    shift 2
    mpirun -np "$n" um-train -q -j 1 --preset tiny --epochs 2 --batch 16 --lr 1e-3 -o "$run" "$@" pairs.umt
}

# RUN: two ranks without an end, output in the file out, process $pid; returns when there is a checkpoint
endless() {
    timeout 240 mpirun -np 2 um-train -q -j 1 --preset tiny --epochs 100000 --batch 16 --checkpoint-every 2 -o "$1" pairs.umt \
        >out 2>&1 &
    pid=$!
    while kill -0 "$pid" && ! find "$1" -name 'ckpt-*.safetensors' 2>/dev/null | grep -q .; do sleep 0.1; done
}

# RUN: its newest checkpoint can be read, and a run goes on from it
whole_checkpoint() {
    local newest step
    newest=$(find "$1" -name 'ckpt-*.safetensors' | sort | tail -n 1)
    um-encode -q -m "$newest" pairs.umt | um-show --keys - | wc -l
    step=$(basename "$newest" .safetensors)
    step=$((10#${step#ckpt-} + 1))
    run mpirun -np 2 um-train -q -j 1 --preset tiny --epochs 100000 --batch 16 --checkpoint-every 2 -o "$1" \
        --resume --stop-after "$step" pairs.umt
    echo "$output"
    [ "$status" = 75 ]
}

# FILE FILE TOLERANCE: the same steps, and every number of them within TOLERANCE of the other's, the
# length of the gradient within ten times that
curves() {
    awk -F '\t' -v tol="$3" 'NR == FNR { line[FNR] = $0; n = FNR; next }
        FNR == 1 { if ($0 != line[1]) bad = 1; next }
        {
            split(line[FNR], a, "\t")
            for (i = 1; i <= NF; i++) {
                d = $i - a[i]; d = d < 0 ? -d : d; s = a[i] < 0 ? -a[i] : a[i]
                if (i == 3 || i == NF || $i == "nan" ? $i != a[i] : !(d <= (i == 11 ? 10 : 1) * tol * s)) { print FNR, i, $i, a[i]; bad = 1 }
            }
        }
        END { exit bad || FNR != n || n < 3 }' "$1" "$2"
}

@test "check 6: one, two and four ranks, and ranks with parts: the loss curve of one" {
    um-train -q -j 1 --preset tiny --epochs 2 --batch 16 --lr 1e-3 -o one pairs.umt
    ranks 2 two
    ranks 4 four
    ranks 2 parts --accumulate 2
    for run in two four parts; do curves one/log.tsv $run/log.tsv 1e-4; done
    ranks 2 again # the same number of ranks: the same bytes
    for f in log.tsv valid.tsv model.safetensors best.safetensors; do cmp two/$f again/$f; done
}

@test "equal reports, local negatives, joint steps under two ranks" {
    for options in '--same-text positive' '--mix joint'; do
        rm -rf one two
        # shellcheck disable=SC2086 # words
        um-train -q -j 1 --preset tiny --epochs 2 --batch 16 --lr 1e-3 $options -o one pairs.umt
        # shellcheck disable=SC2086
        ranks 2 two $options
        curves one/log.tsv two/log.tsv 1e-4
    done
    # half the negatives: about log 2 less to lose at the first step
    rm -rf one
    um-train -q -j 1 --preset tiny --epochs 2 --batch 16 --lr 1e-3 -o one pairs.umt
    ranks 2 local --negatives local
    awk -F '\t' 'NR == FNR { if (FNR == 2) one = $5; next } FNR == 2 { print one, $5; d = one - $5; exit !(d > 0.3 && d < 1.5) }' \
        one/log.tsv local/log.tsv
}

@test "batches.tsv has the records of all ranks, in the order of one process" {
    for options in '--select random' '--select random --mix joint' '--select none --modalities 3d'; do
        rm -rf one two four parts
        # shellcheck disable=SC2086 # words
        um-train -q -j 1 --preset tiny --epochs 2 --batch 16 --lr 1e-3 --log-batches $options -o one pairs.umt
        # shellcheck disable=SC2086
        for n in 2 4; do ranks "$n" "n$n" --log-batches $options; cmp one/batches.tsv "n$n/batches.tsv"; rm -r "n$n"; done
        # shellcheck disable=SC2086
        ranks 2 parts --accumulate 4 --log-batches $options
        cmp one/batches.tsv parts/batches.tsv
    done
    [ "$(awk -F '\t' '$1 == 0' one/batches.tsv | wc -l)" = 16 ]
    run ranks 2 cut --log-batches --select random --stop-after 3
    [ "$status" = 75 ]
    ranks 2 cut --log-batches --select random --resume
    ranks 2 whole --log-batches --select random
    cmp whole/batches.tsv cut/batches.tsv
    # steps that are passed over have their lines too, on every rank
    for run in one two; do
        rm -rf $run
        n=2
        [ $run = two ] || n=1
        mpirun -np $n um-train -q -j 1 --preset tiny --steps 8 --batch 16 --lr 1e3 --clip 0 --skip-nonfinite \
            --validate-every 0 --select none --log-batches -o $run pairs.umt
        grep -q nan $run/log.tsv
    done
    cmp one/batches.tsv two/batches.tsv
}

@test "stopped under ranks, and resumed: the same bytes; one line, one log" {
    ranks 2 whole
    run --separate-stderr ranks 2 cut --stop-after 5
    [ "$status" = 75 ]
    [ "$(grep -c '^um-train: stopped after step 5' <<<"$stderr")" = 1 ]
    ranks 2 cut --resume
    for f in log.tsv valid.tsv model.safetensors; do cmp whole/$f cut/$f; done
}

@test "what all ranks refuse is said once; a killed rank ends the run and leaves the checkpoint" {
    run --separate-stderr ranks 3 three
    [ "$status" = 1 ]
    [ "$(grep -c 'a batch of 16 X-rays does not divide into 3 ranks x 1 part' <<<"$stderr")" = 1 ]
    unset OMPI_MCA_orte_execute_quiet PRTE_MCA_prte_execute_quiet # mpirun says which it was
    endless "dead.$$" # no other test on this machine has that name
    pkill -9 -n -f -- "--checkpoint-every 2 -o dead.$$" # the youngest: a rank, not mpirun
    status=0
    wait "$pid" || status=$?
    cat out
    [ "$status" != 0 ]
    grep -q 'rank [01] .*exited on signal 9' out
    whole_checkpoint "dead.$$"
}

@test "a disk that is full ends the run, by its rank, and leaves the last checkpoint whole" {
    command -v prlimit >/dev/null || skip "no prlimit"
    endless "full.$$"
    for p in $(pgrep -f -- "^um-train .*--checkpoint-every 2 -o full.$$"); do
        prlimit --pid "$p" --fsize=4096 || true # rank 0 may have ended already, and the other with it
    done
    status=0
    wait "$pid" || status=$?
    cat out
    [ "$status" = 1 ]
    [ "$(grep -c "^um-train: rank 0 of 2: full\.$$/.*: File too large\$" out)" = 1 ]
    [ "$(grep -c '^um-train: ' out)" = 1 ]
    whole_checkpoint "full.$$"
}

@test "input that is bad on one rank names the rank, on all it is said once" {
    "${UM_PYTHON:-/usr/bin/python3}" - <<'PY'
b = bytearray(open("pairs.umt", "rb").read())
for i in range(len(b) // 2, len(b) // 2 + 64):
    b[i] ^= 0x5a
open("bad.umt", "wb").write(b)
PY
    some='um-train -q -j 1 --preset tiny --steps 4 --batch 16 -o run'
    for what in bad.umt nowhere.umt; do
        # shellcheck disable=SC2086 # words
        run --separate-stderr timeout 60 mpirun -np 1 $some pairs.umt : -np 1 $some $what
        echo "$stderr"
        [ "$status" = 1 ]
        [ "$(grep -c '^um-train: ' <<<"$stderr")" = 1 ]
        grep -q "^um-train: rank 1 of 2: $what: " <<<"$stderr"
        # shellcheck disable=SC2086
        run --separate-stderr timeout 60 mpirun -np 2 $some $what
        [ "$status" = 1 ]
        [ "$(grep -c '^um-train: ' <<<"$stderr")" = 1 ]
        grep -q "^um-train: $what: " <<<"$stderr"
    done
    "${UM_PYTHON:-/usr/bin/python3}" "$BATS_TEST_DIRNAME/pairs.py" pairs 130 | um-cat -q -o other.umt
    # shellcheck disable=SC2086
    run --separate-stderr timeout 60 mpirun -np 1 $some pairs.umt : -np 1 $some other.umt
    echo "$stderr"
    [ "$status" = 1 ]
    grep -q '^um-train: rank 1 of 2: other data ' <<<"$stderr"
    [ ! -e run/log.tsv ]
}

@test "the plan of a run under ranks: one rank makes it" {
    run --separate-stderr mpirun -np 2 um-train -q -j 1 --preset tiny --epochs 2 --batch 16 --explain pairs.umt
    [ "$status" = 0 ]
    [ "$(grep -c '^expected' <<<"$output")" = 1 ]
}
