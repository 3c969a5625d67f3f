#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lib/ranks with processes that mpirun starts: sums, gathers, broadcasts; how a job ends

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    R=$BUILD/ranks/ranks
    . "$BATS_TEST_DIRNAME/mpi.sh"
}

ranks() { # N MODE [ARGUMENT]
    SECONDS=0
    mpi "$@"
}

@test "one process: no MPI, every function" {
    run "$R" check
    [ "$status" = 0 ]
    [ "${lines[0]}" = 'rank 0 of 1, one process' ]
}

@test "1 to 4 ranks: what every function must give, the same bits on all ranks and in two runs" {
    ranks 1 "$R" check
    [ "${lines[0]}" = 'rank 0 of 1, one process' ] # nothing loaded
    for n in 2 3 4; do
        ranks "$n" "$R" check
        [ "$status" = 0 ] || { echo "$output"; return 1; }
        [[ ${lines[0]} == "rank 0 of $n, "* ]]
        [ "${#lines[@]}" = 2 ] # and quiet
        first=${lines[1]}
        ranks "$n" "$R" check
        [ "${lines[1]}" = "$first" ]
    done
}

@test "sums that begin during the backward: the same bits as at its end, the same order on all ranks" {
    for n in 2 4; do
        ranks "$n" "$BUILD/ranks/reduce"
        [ "$status" = 0 ] || { echo "$output"; return 1; }
        [ -z "$output" ]
    done
}

@test "a rank that fails alone ends the job at once, by name" {
    for who in 0 1 2; do
        ranks 3 "$R" alone "$who"
        echo "$output"
        [ "$status" = 1 ]
        [ "$SECONDS" -lt 30 ]
        [ "$(grep -c '^ranks: ' <<<"$output")" = 1 ]
        grep -qx "ranks: rank $who of 3: record p7: \"volume\": cut" <<<"$output"
    done
}

@test "a rank that is killed ends the job" {
    ranks 3 "$R" die 1
    [ "$status" != 0 ]
    [ "$status" != 124 ]
    [ "$SECONDS" -lt 30 ]
}

@test "a failure agreed on is told once, with its rank if it was one alone" {
    ranks 3 "$R" agree 2
    echo "$output"
    [ "$status" = 1 ]
    [ "$(grep '^ranks: ' <<<"$output")" = 'ranks: rank 2 of 3: ckpt-000008: disk full' ]
    ranks 3 "$R" agree -1
    [ "$status" = 1 ]
    [ "$(grep '^ranks: ' <<<"$output")" = 'ranks: ckpt-000008: disk full' ]
}

@test "all stopped together: exit 75, told once" {
    for n in 1 4; do
        ranks "$n" "$R" stop
        echo "$output"
        [ "$status" = 75 ]
        [ "$(grep '^ranks: ' <<<"$output")" = 'ranks: stopped after step 8' ]
    done
}

@test "MPI begins once in a process" {
    ranks 2 "$R" twice
    [ "$status" = 1 ]
    [[ $output == *'ranks: MPI: start: it has ended already in this process'* ]]
}

@test "no plug-in: how many were started, and what is missing" {
    mkdir sub
    cp "$R" sub/
    cp "$BUILD/libum.so.0" .
    OMPI_COMM_WORLD_SIZE=3 run sub/ranks check
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == 'ranks: Open MPI started 3 processes, but '* ]]
    PMIX_RANK=0 SLURM_STEP_NUM_TASKS=1 run sub/ranks check
    [ "$status" = 0 ]
    echo 'not a library' >libum-mpi.so
    PMI_SIZE=2 run sub/ranks check
    [ "$status" = 1 ]
    [[ $output == 'ranks: PMI started 2 processes, but the MPI plug-in is not there ('*libum-mpi.so*'make mpi'* ]]
}

@test "a plug-in that is none, or of another build" {
    mkdir sub
    cp "$R" sub/
    cp "$BUILD/libum.so.0" .
    echo 'int um;' | cc -shared -x c -o libum-mpi.so -
    PMI_SIZE=2 run sub/ranks check
    [ "$output" = 'ranks: libum-mpi.so is not a plug-in of um' ]
    echo 'void *um_mpi_plugin(unsigned abi); void *um_mpi_plugin(unsigned abi) { (void)abi; return 0; }' |
        cc -shared -fPIC -x c -o libum-mpi.so -
    PMI_SIZE=2 run sub/ranks check
    [ "$status" = 1 ]
    [ "$output" = 'ranks: libum-mpi.so is of another version of um' ]
}

@test "started by what MPI knows nothing of: an error, not as many jobs of one" {
    need_mpi
    SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=2 run "$R" check
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == 'ranks: Slurm started 4 processes, but MPI ('*') sees 1: '* ]]
}
