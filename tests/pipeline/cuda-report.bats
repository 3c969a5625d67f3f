#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cuda-report.bats - what `make cuda-report` makes of the compiler's words

setup() {
    cd "$BATS_TEST_TMPDIR"
    report=$BATS_TEST_DIRNAME/../../kernels/report.awk
    mkdir -p one two
    said one sm_90 40 0 0 0 >one/cuda.cu.o.log
    said one sm_80 48 16 0 0 >>one/cuda.cu.o.log
    said one sm_90 12 0 0 0 >two/cuda.cu.o.log # the same name in another family
}

said() { # KERNEL ARCH REGISTERS STACK STORES LOADS
    echo "ptxas info    : 0 bytes gmem"
    echo "ptxas info    : Compiling entry function '$1' for '$2'"
    echo "ptxas info    : Function properties for $1"
    echo "    $4 bytes stack frame, $5 bytes spill stores, $6 bytes spill loads"
    echo "ptxas info    : Used $3 registers, used 1 barriers, 2048 bytes smem, 400 bytes cmem[0]"
}

@test "a line a kernel: registers of each architecture, the most memory of all" {
    run awk -f "$report" one/cuda.cu.o.log two/cuda.cu.o.log
    [ "$status" = 0 ]
    [ "$(awk '{ $1 = $1 } 1' <<<"$output")" = "sm_90 sm_80 shared stack spills family kernel
40 48 2048 16 0 one one
12 0 2048 0 0 two one
2 kernels, 0 with spills" ]
}

@test "a kernel that spills is a failure, by stores or by loads; so is no kernel at all" {
    said spiller sm_100 255 8 4 0 >>one/cuda.cu.o.log
    run awk -f "$report" one/cuda.cu.o.log two/cuda.cu.o.log
    [ "$status" = 1 ]
    [[ ${lines[-1]} == "3 kernels, 1 with spills" ]]
    said loader sm_100 255 0 0 12 >>two/cuda.cu.o.log
    run awk -f "$report" one/cuda.cu.o.log two/cuda.cu.o.log
    [ "$status" = 1 ]
    [[ ${lines[-1]} == "4 kernels, 2 with spills" ]]
    : >empty
    run awk -f "$report" empty
    [ "$status" = 1 ]
}
