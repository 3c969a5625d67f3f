#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-train on several GPUs: emulated ones (make emu), whose NCCL adds between processes

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    . "$BATS_TEST_DIRNAME/../pipeline/mpi.sh"
    need_mpi
    [ -e "$BUILD/emu/libnccl.so.2" ] || skip "no emulated GPU: make emu"
    export LD_LIBRARY_PATH=$BUILD/emu UM_EMU_DEVICES=2
    unset UM_NCCL UM_EMU_NCCL CUDA_VISIBLE_DEVICES
    "${UM_PYTHON:-/usr/bin/python3}" "$BATS_TEST_DIRNAME/../pipeline/pairs.py" pairs 60 | um-cat -q -o pairs.umt
}

ranks() { # N RUN [OPTION...]
    local n=$1 run=$2
    shift 2
    timeout 240 mpirun -np "$n" um-train -j 1 --preset tiny --steps 4 --batch 8 --lr 1e-3 --validate-every 0 \
        --device cuda -o "$run" "$@" pairs.umt
}

curves() { # FILE FILE: the same steps, every number within 1e-4 of the other's, lengths of gradients 1e-3
    awk -F '\t' 'NR == FNR { line[FNR] = $0; n = FNR; next }
        FNR == 1 { if ($0 != line[1]) bad = 1; next }
        {
            split(line[FNR], a, "\t")
            for (i = 1; i <= NF; i++) {
                d = $i - a[i]; d = d < 0 ? -d : d; s = a[i] < 0 ? -a[i] : a[i]
                if (i == 3 || i == NF || $i == "nan" ? $i != a[i] : !(d <= (i == 11 ? 1e-3 : 1e-4) * s)) { print FNR, i, $i, a[i]; bad = 1 }
            }
        }
        END { exit bad || FNR != n || n < 3 }' "$1" "$2"
}

same() { # RUN RUN: with two ranks any order of a sum gives the same bits
    cmp "$1/log.tsv" "$2/log.tsv"
    cmp "$1/model.safetensors" "$2/model.safetensors"
}

@test "two GPUs: the loss curve of one, and the bytes of sums through the host" {
    # a joint step in parts, the contrast alone, and the default
    for options in '--mix joint --accumulate 2' '--select none --lambda-icl 0 --lambda-pcl 0' ''; do
        rm -rf one two host
        # shellcheck disable=SC2086 # words
        ranks 1 one $options -q
        # shellcheck disable=SC2086
        UM_EMU_NCCL=$PWD/sums run --separate-stderr ranks 2 two $options
        echo "$stderr"
        [ "$status" = 0 ]
        if grep warning <<<"$stderr"; then return 1; fi
        # shellcheck disable=SC2086
        UM_NCCL=0 run --separate-stderr ranks 2 host $options
        [ "$status" = 0 ]
        if grep warning <<<"$stderr"; then return 1; fi
        curves one/log.tsv two/log.tsv
        same two host
    done
    # both ranks began the same sums in the same order
    [ -s sums ]
    cmp <(sed -n 's/^0 //p' sums) <(sed -n 's/^1 //p' sums)
}

@test "sums that begin during the backward, in many buckets: the bits of those through the host" {
    [ -e "$BUILD/ranks/reduce" ] || skip "no test program: make units"
    mpi 2 "$BUILD/ranks/reduce" cuda
    echo "$output"
    [ "$status" = 0 ]
}

@test "without NCCL, or where it refuses: through the host, which is said once" {
    UM_NCCL=0 ranks 2 host -q
    UM_NCCL=/nowhere/libnccl.so run --separate-stderr ranks 2 without
    echo "$stderr"
    [ "$status" = 0 ]
    [ "$(grep -c '^um-train: warning: NCCL: /nowhere/libnccl.so: ' <<<"$stderr")" = 1 ]
    same without host
    run --separate-stderr ranks 2 one-card --device cuda:0 # both have it
    echo "$stderr"
    [ "$status" = 0 ]
    [ "$(grep -c '^um-train: warning: NCCL: .*Duplicate GPU detected: rank 0 and rank 1' <<<"$stderr")" = 1 ]
    same one-card host
}

@test "each rank has its own GPU; too few are refused" {
    run --separate-stderr ranks 4 four
    echo "$stderr"
    [ "$status" = 1 ]
    [ "$(grep -c '^um-train: ' <<<"$stderr")" = 1 ]
    grep -q '^um-train: 4 ranks on this host, but 2 GPUs: start one rank a GPU (mpirun -np 2, ' <<<"$stderr"
    # a launcher that shows each rank one: both are cuda:0, and each is another card
    UM_EMU_DEVICES=1 CUDA_VISIBLE_DEVICES=3 run --separate-stderr ranks 2 shown
    echo "$stderr"
    [ "$status" = 0 ]
    UM_EMU_DEVICES=1 run --separate-stderr ranks 2 hidden
    [ "$status" = 1 ]
    [[ $stderr == *'2 ranks on this host, but 1 GPU: '* ]]
}

@test "a rank that is killed ends the run; the checkpoint is whole, and the run goes on from it" {
    timeout 240 mpirun -np 2 um-train -q -j 1 --preset tiny --epochs 100000 --batch 8 --device cuda --validate-every 0 \
        --checkpoint-every 2 -o dead-gpu pairs.umt >out 2>&1 &
    pid=$!
    for _ in $(seq 600); do
        if find dead-gpu -name 'ckpt-*.safetensors' 2>/dev/null | grep -q .; then break; fi
        sleep 0.1
    done
    pkill -9 -n -f -- '--checkpoint-every 2 -o dead-gpu' # the youngest: a rank, not mpirun
    status=0
    wait "$pid" || status=$?
    cat out
    [ "$status" != 0 ]
    [ "$status" != 124 ]
    newest=$(find dead-gpu -name 'ckpt-*.safetensors' | sort | tail -n 1)
    step=$((10#$(basename "$newest" .safetensors | sed 's/^ckpt-//')))
    run mpirun -np 2 um-train -q -j 1 --preset tiny --epochs 100000 --batch 8 --device cuda --validate-every 0 \
        --checkpoint-every 2 -o dead-gpu --resume --stop-after $((step + 1)) pairs.umt
    echo "$output"
    [ "$status" = 75 ]
}
