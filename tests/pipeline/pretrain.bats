#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# pipelines/pretrain.slurm, with srun and scontrol that only note what they were asked

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    job=$top/pipelines/pretrain.slurm
    tools=$BUILD
    mkdir fake
    export PATH=$BATS_TEST_TMPDIR/fake:$PATH BUILD=$BATS_TEST_TMPDIR/fake
    export SLURM_JOB_ID=4711 SLURM_CPUS_PER_TASK=2
    fake srun 'echo "$*" >>srun.log; while [[ $1 == -* ]]; do shift; done; exec "$@"'
    fake scontrol 'echo "$*" >>scontrol.log'
}

fake() { # NAME BODY
    printf '#!/usr/bin/env bash\n%s\n' "$2" >"fake/$1"
    chmod +x "fake/$1"
}

@test "75 queues the job again, once, and is 0; every other status ends it" {
    for want in 75 0 1 2 9 138; do
        fake um-train "echo run >>runs; exit $want"
        rm -f scontrol.log runs
        run "$job" -o run train.umt
        echo "$want: $status: $output"
        [ "$(wc -l <runs)" = 1 ]
        if [ "$want" = 75 ]; then
            [ "$status" = 0 ]
            [ "$(cat scontrol.log)" = 'requeue 4711' ]
            [ "$output" = 'pretrain.slurm: job 4711 stopped with a checkpoint: queued again' ]
        else
            [ "$status" = "$want" ]
            [ ! -e scontrol.log ]
            [ -z "$output" ]
        fi
    done
}

@test "a job that cannot be queued again says so, and ends with 75" {
    fake um-train 'exit 75'
    fake scontrol 'exit 1'
    run "$job" -o run train.umt
    [ "$status" = 75 ]
    [[ $output == *'could not be queued again: submit it once more' ]]
}

@test "arguments as they are, a thread a processor, --resume" {
    fake um-train 'printf "<%s>" "$@"'
    run "$job" -o 'a run' --batch 8 'x*.umt'
    [ "$output" = '<-j><2><-o><a run><--batch><8><x*.umt><--resume>' ]
    grep -q -- '--cpus-per-task=2 ' srun.log
    unset SLURM_CPUS_PER_TASK
    run "$job" -j 7 -o run x.umt
    [ "$output" = '<-j><1><-j><7><-o><run><x.umt><--resume>' ] # the last -j wins
}

@test "SIGUSR1 to the job's shell reaches um-train, and the job waits for it" {
    fake um-train 'trap "echo asked >>asked; sleep 1; exit 75" USR1
        echo ready >ready
        while :; do sleep 0.1; done'
    "$job" -o run train.umt 2>err &
    pid=$!
    while [ ! -s ready ]; do sleep 0.05; done
    kill -USR1 "$pid"
    sleep 0.4
    kill -USR1 "$pid" # impatience changes nothing
    status=0
    wait "$pid" || status=$?
    cat err
    [ "$status" = 0 ]
    grep -q asked asked
    [ "$(cat scontrol.log)" = 'requeue 4711' ]
}

@test "SIGUSR1 to the shell, and um-train has ended before the shell looks: queued again, each time" {
    fake um-train 'trap "kill \$!; exit 75" USR1
        echo ready >ready
        sleep 60 &
        wait'
    for _ in $(seq 20); do
        rm -f ready
        "$job" -o run train.umt 2>>err &
        pid=$!
        while [ ! -s ready ]; do sleep 0.01; done
        kill -USR1 "$pid"
        wait "$pid"
    done
    [ "$(wc -l <scontrol.log)" = 20 ]
}

@test "SIGUSR1 that um-train lives through: the job goes on to its end" {
    fake um-train 'trap "echo asked >asked" USR1
        echo ready >ready
        while [ ! -e asked ]; do sleep 0.1; done
        sleep 0.5
        exit 3'
    "$job" -o run train.umt &
    pid=$!
    while [ ! -s ready ]; do sleep 0.05; done
    kill -USR1 "$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" = 3 ]
    [ ! -e scontrol.log ]
}

@test "um-train itself: stopped by SIGUSR1, queued again, done: the bytes of one that was never stopped" {
    BUILD=$tools
    "${UM_PYTHON:-/usr/bin/python3}" "$BATS_TEST_DIRNAME/pairs.py" pairs 280 | "$tools/um-cat" -q -o pairs.umt
    train=(-q --preset tiny --epochs 3 --batch 8 --lr 1e-3 pairs.umt)
    "$tools/um-train" -o whole "${train[@]}"
    "$job" -o run "${train[@]}" 2>err &
    pid=$!
    while [ ! -s run/log.tsv ] || [ "$(wc -l <run/log.tsv)" -lt 3 ]; do sleep 0.02; done
    kill -USR1 "$pid"
    wait "$pid"
    cat err
    [ "$(cat scontrol.log)" = 'requeue 4711' ]
    [ ! -e run/model.safetensors ]
    "$job" -o run "${train[@]}"
    [ "$(wc -l <scontrol.log)" = 1 ]
    cmp whole/model.safetensors run/model.safetensors
    cmp whole/log.tsv run/log.tsv
}

@test "how it is used; not a job" {
    run "$job"
    [ "$status" = 2 ]
    [[ $output == usage:* ]]
    unset SLURM_JOB_ID
    run "$job" -o run train.umt
    [ "$status" = 2 ]
    [[ $output == *'start it by sbatch' ]]
}
