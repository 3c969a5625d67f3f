#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-preprocess --shard-size, alone and by the scripts that share the work among processes
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    MEDIA=$BATS_TEST_DIRNAME/media.py
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1
}

# rows N: a manifest of N reports; every fifth has one sentence
rows() {
    awk -v n="$1" 'BEGIN {
        print "key\treport\tpatient"
        for (i = 0; i < n; i++)
            printf "p%d/s\t%s Heart %d of normal size.\tp%d\n", i,
                   i % 5 ? "Lungs are clear. No effusion is seen." : "", i, i % 7
    }'
}

@test "a file for each N rows, in the order of the rows; keys once; the same for any job, thread, order" {
    "$PY" "$MEDIA" good
    rows 23 >m.tsv
    um-preprocess --shard-size 10 m.tsv -o 'a/t-%03d.umt'
    [ "$(ls a | tr '\n' ' ')" = 't-000.umt t-001.umt t-002.umt ' ]
    um-show --keys a/*.umt | cmp - <(sed 1d m.tsv | cut -f 1)
    [ "$(um-show --keys a/t-002.umt | tr '\n' ' ')" = 'p20/s p21/s p22/s ' ]
    for i in 4 2 1 3; do um-preprocess -j "$i" --shard "$i/4" --shard-size 10 m.tsv -o 'b/t-%03d.umt'; done
    diff -r a b
    um-cat a/*.umt | um-show --header | grep -q 'shard-size=10'
    [ "$(um-cat a/*.umt | um-show --header | wc -l)" = 3 ] # one history, not one for each file
    um-show --header a/t-002.umt | grep -q 'shard={"rows":3,"digest":"[0-9a-f]*"}' || um-show --header a/t-002.umt
    [ -z "$(um-cat a/*.umt | um-show --header | grep digest)" ]
    sed 's/$/\r/' m.tsv >crlf.tsv # the same rows
    um-preprocess -q --shard-size 10 crlf.tsv -o 'a/t-%03d.umt'

    # images and volumes too
    um-preprocess -q -j 1 --shard-size 3 manifest.tsv -o 'one/%d.umt'
    um-preprocess -q -j 3 --shard-size 3 manifest.tsv -o 'three/%d.umt'
    diff -r one three
    um-preprocess -q manifest.tsv -o all.umt
    um-show --json all.umt | grep '"key"' >want
    um-show --json one/*.umt | grep '"key"' | cmp - want
}

@test "a shard that is there whole is passed over; one that is cut, or missing, is made" {
    rows 40 >m.tsv
    um-preprocess --shard-size 10 m.tsv -o 'a/%d.umt'
    cp -r a b
    touch -d 2001-01-01 b/0.umt b/1.umt
    rm b/2.umt
    head -c 300 a/3.umt >b/3.umt
    run um-preprocess --shard-size 10 m.tsv -o 'b/%d.umt'
    [ "$status" = 0 ]
    [ "${lines[0]}" = 'um-preprocess: warning: b/3.umt is there, but not whole: made anew' ]
    [ "${lines[1]}" = 'um-preprocess: 2 shards made, 2 were there' ]
    [ "${#lines[@]}" = 2 ]
    diff -r a b
    [ "$(date -r b/1.umt +%Y)" = 2001 ]
    [ -z "$(um-preprocess -q --shard-size 10 m.tsv -o 'b/%d.umt' 2>&1)" ]
}

# not_ours TEXT ARGUMENT...: refused with that text, and every file as it was
not_ours() {
    local says=$1
    shift
    run um-preprocess "$@" -o 'a/%d.umt'
    [ "$status" = 1 ] && [ "${#lines[@]}" = 1 ] && [[ $output == *"$says"* ]] && diff -r a kept ||
        { echo "$*: exit $status: $output"; return 1; }
}

@test "a shard that another option, tool, manifest or hand made is refused by name" {
    rows 40 >m.tsv
    um-preprocess --shard-size 10 m.tsv -o 'a/%d.umt'
    cp -r a kept
    not_ours 'a/0.umt is there, made with --size null and not "128": remove it' \
        --size 128 --shard-size 10 m.tsv
    not_ours 'a/0.umt is there, made with --window "-1000,1000" and not "lung"' --window lung --shard-size 10 m.tsv
    not_ours 'a/0.umt is there, made with --shard-size 10 and not 20' --shard-size 20 m.tsv
    not_ours 'a/0.umt is there, made with --filter null and not "words=2"' --filter words=2 --shard-size 10 m.tsv
    sed 25d m.tsv >less.tsv
    not_ours 'a/2.umt is there, made from other rows: remove it' --shard-size 10 less.tsv
    sed '13s/Lungs/Lung/' m.tsv >other.tsv # any column
    not_ours 'a/1.umt is there, made from other rows' --shard-size 10 other.tsv
    sed '1s/patient/subject/' m.tsv >other.tsv
    not_ours 'a/0.umt is there, made from other rows' --shard-size 10 other.tsv
    rm a/3.umt kept/3.umt
    um-cat a/2.umt -o a/1.umt
    cp a/1.umt kept
    not_ours 'a/1.umt is there, made by um-cat' --shard-size 10 m.tsv
    echo 'not a stream' >a/1.umt
    cp a/1.umt kept
    not_ours 'a/1.umt is there, and is not a shard of this set: remove it' --shard-size 10 m.tsv
    cat a/0.umt a/0.umt >a/1.umt
    cp a/1.umt kept
    not_ours 'a/1.umt is there, and has 2 parts' --shard-size 10 m.tsv
}

@test "shards beyond the end of the manifest are refused before any is made" {
    rows 40 >m.tsv
    um-preprocess --shard-size 10 m.tsv -o 'a/%d.umt'
    head -n 31 m.tsv >less.tsv
    cp -r a kept
    not_ours 'a/3.umt is there, and the manifest ends before it: remove it' --shard-size 10 less.tsv
    not_ours 'a/3.umt is there' --shard 1/2 --shard-size 10 less.tsv # whichever job
    rm a/0.umt kept/0.umt
    head -n 21 m.tsv >less.tsv
    not_ours 'a/2.umt and 1 more are there, and the manifest ends before them' --shard-size 10 less.tsv
    head -n 1 m.tsv >less.tsv
    rm a/* kept/*
    touch a/0.umt kept/0.umt
    not_ours 'a/0.umt is there' --shard-size 10 less.tsv
}

@test "dropped and rejected rows leave shards smaller; each has its lists" {
    rows 20 >m.tsv
    printf 'bad\tx\tp1\n' | sed 's/x/\xb0/' >>m.tsv
    run um-preprocess --shard-size 7 m.tsv -o 'a/%d.umt' # the manifest itself is damaged
    [ "$status" = 1 ]
    [[ $output == *'line 22'* ]]
    [ "$(ls a | tr '\n' ' ')" = '0.umt 1.umt ' ] # whole ones stay; the third is absent
    rows 20 | awk -F '\t' -v OFS='\t' '{ $3 = NR == 1 ? "image" : NR == 9 ? "no.png" : "" } 1' >m.tsv
    rm -r a
    run um-preprocess --shard-size 7 m.tsv -o 'a/%d.umt'
    [ "$status" = 1 ]
    [[ $output == *'record p7/s: no.png: no such file' ]]
    [ "$(ls a)" = 0.umt ]
    run um-preprocess --shard-size 7 --on-error skip m.tsv -o 'a/%d.umt' # whole ones stay
    [ "$status" = 0 ]
    [[ $output == *'2 shards made, 1 were there'* ]]
    [ "$(um-cat a/?.umt | um-show --keys | wc -l)" = 19 ]
    run um-preprocess --shard-size 7 m.tsv -o 'a/%d.umt' # but not the other way round: rows may lack
    [ "$status" = 1 ]
    [[ $output == *'1.umt is there, made with --on-error "skip" and not "stop"'* ]]
    rm -r a
    run um-preprocess --shard-size 7 --filter sentences=2 --dropped 'a/%d.dropped' --on-error skip \
        --rejects 'a/%d.rejects' m.tsv -o 'a/%d.umt'
    [ "$status" = 0 ]
    [ "$(um-show --keys a/1.umt | tr '\n' ' ')" = 'p8/s p9/s p11/s p12/s p13/s ' ]
    [ "$(cut -f 1 a/1.rejects)" = p7/s ]
    [ "$(sed 1d a/1.dropped)" = "$(printf 'p10/s\tsentences')" ]
    [[ $output == *'dropped 4 of 20 rows: frontal 0, sentences 4, words 0'* ]]
    rm a/2.*
    run um-preprocess --shard-size 7 --filter sentences=2 --dropped 'a/%d.dropped' --on-error skip \
        --rejects 'a/%d.rejects' m.tsv -o 'a/%d.umt'
    [[ $output == *'dropped 1 of 6 rows'*'1 shards made, 2 were there; 4 rows of those were skipped or dropped' ]]
    [ -s a/2.dropped ]
    run um-preprocess --shard-size 7 --filter sentences=2 --dropped 'a/%d.dropped' --on-error skip \
        --rejects 'a/%d.rejects' m.tsv -o 'a/%d.umt' # makes nothing
    [[ $output == *'0 shards made, 3 were there; 5 rows of those were skipped or dropped' ]]
    head -n 1 m.tsv >none.tsv
    for o in "--rejects r" "--dropped d --filter words=9"; do
        # shellcheck disable=SC2086
        run um-preprocess --shard-size 7 --on-error skip $o m.tsv -o 'c/%d.umt'
        [ "$status" = 2 ]
        [[ $output == *'with a place for their number'* ]]
        # shellcheck disable=SC2086
        run um-preprocess --shard-size 7 --on-error skip $o none.tsv -o 'c/%d.umt' # nothing to make
        [ "$status" = 2 ]
    done
    run um-preprocess --shard-size 7 m.tsv -o 'c/%d%d.umt'
    [ "$status" = 2 ]
    [[ $output == *'-o c/%d%d.umt: two places for the number; one is needed'* ]]
    [ ! -e c ]
    cp -r a kept
    tail -n 1 m.tsv | sed 's/^p19/p20/' >>m.tsv # a row more: the last shard is another's
    not_ours 'a/2.umt is there, made from other rows' --shard-size 7 --filter sentences=2 --dropped 'a/%d.dropped' \
        --on-error skip --rejects 'a/%d.rejects' m.tsv
    run bash -c "cat m.tsv | um-preprocess --shard-size 7 -o 'c/%d.umt'"
    [ "$status" = 1 ]
    [[ $output == *'standard input: shards are made of a manifest that is a file'* ]]
    run um-preprocess --shard-size 7 m.tsv -o c.umt
    [ "$status" = 2 ]
    [ ! -e c.umt ]
    run um-preprocess --shard-size 7 none.tsv -o 'none-%d.umt'
    [ "$status" = 1 ]
    [ "$output" = 'um-preprocess: none.tsv: no row after the header: there is no file to make' ]
    [ ! -e none-0.umt ]
    run um-preprocess --shard 2/2 --shard-size 7 none.tsv -o 'none-%d.umt'
    [ "$status" = 0 ] && [ -z "$output" ] || false
}

count() { find "$1" -name '*.umt' 2>/dev/null | wc -l; }

@test "killed at any time: what is there is whole, and running again makes the rest" {
    rows 60000 >m.tsv
    um-preprocess --shard-size 3000 m.tsv -o 'want/%02d.umt'
    [ "$(ls want | wc -l)" = 20 ]
    for signal in KILL TERM KILL; do
        um-preprocess -q -j 2 --shard-size 3000 m.tsv -o 'a/%02d.umt' &
        pid=$!
        have=$(count a)
        until [ "$(count a)" -gt "$have" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
        kill -$signal $pid 2>/dev/null || :
        wait $pid || :
        for f in a/*.umt; do cmp "$f" "want/${f#a/}"; done
    done
    um-preprocess -q --shard-size 3000 m.tsv -o 'a/%02d.umt'
    rm -f a/*.umt.?????? # what SIGKILL left, under a temporary name
    diff -r want a
}

@test "preprocess-slurm.sh: tasks of an array in any order, one lost and done again" {
    script=$top/pipelines/preprocess-slurm.sh
    rows 100 >m.tsv
    um-preprocess --shard-size 9 m.tsv -o 'want/%d.umt'
    export SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=3 SLURM_CPUS_PER_TASK=2
    for i in 2 0 3; do SLURM_ARRAY_TASK_ID=$i "$script" --shard-size 9 m.tsv -o 'a/%d.umt'; done
    [ "$(ls a | wc -l)" = 9 ]
    [ ! -e a/1.umt ] # task 1 makes 1, 5 and 9
    rm a/6.umt
    for i in 0 1 2 3; do SLURM_ARRAY_TASK_ID=$i "$script" -q --shard-size 9 m.tsv -o 'a/%d.umt'; done
    diff -r want a
    SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_COUNT=1 "$script" -q --shard-size 9 m.tsv -o 'b/%d.umt'
    diff -r want b
    SLURM_ARRAY_TASK_ID=17 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_COUNT=2 run "$script" --shard-size 9 m.tsv -o 'b/%d.umt'
    [ "$status" = 2 ]
    [[ $output == *'the array must be a range'* ]]
    SLURM_ARRAY_TASK_ID=1 run "$script" m.tsv -o x.umt
    [ "$status" = 2 ]
    unset SLURM_ARRAY_TASK_COUNT
    run "$script" --shard-size 9 m.tsv -o 'b/%d.umt'
    [ "$status" = 2 ]
    [[ $output == *'sbatch --array 1-N'* ]]
    unset SLURM_ARRAY_TASK_ID
    for o in -h --help; do # the whole of it
        run --separate-stderr "$script" $o
        [ "$status" = 0 ] && [ -z "$stderr" ] || false
        [[ $output == 'preprocess-slurm.sh - '*'usage: sbatch '*'PATH. It runs a thread for each of'*SLURM_ARRAY_TASK_COUNT* ]]
        [[ $output != *'#SBATCH'* ]]
    done
}

@test "preprocess-parallel.sh: xargs and GNU parallel, restarted with another number of processes" {
    script=$top/pipelines/preprocess-parallel.sh
    rows 100 >m.tsv
    um-preprocess --shard-size 9 m.tsv -o 'want/%d.umt'
    ways='xargs'
    parallel --version 2>/dev/null | grep -q '^GNU' && ways='xargs parallel'
    for way in $ways; do
        export UM_PARALLEL=$way
        "$script" 3 --shard-size 9 m.tsv -o 'a b/%d.umt'
        diff -r want 'a b'
        rm 'a b/3.umt' 'a b/7.umt'
        "$script" 5 --shard-size 9 m.tsv -o 'a b/%d.umt'
        diff -r want 'a b'
        run "$script" 5 --shard-size 9 no.tsv -o 'c/%d.umt'
        [ "$status" = 1 ]
        [[ $output == *'no.tsv: no such file'* ]]
        rm -r 'a b'
        # what was left out is said, when it happens and ever after
        printf 'key\timage\nx\tno.png\n' >bad.tsv
        run "$script" 2 --shard-size 1 --on-error skip bad.tsv -o 'd/%d.umt'
        [ "$status" = 0 ]
        [ "$output" = 'um-preprocess: warning: 1 of 1 records skipped; the first: x: no.png: no such file' ] ||
            { echo "$output"; return 1; }
        run "$script" 2 --shard-size 1 --on-error skip bad.tsv -o 'd/%d.umt'
        [ "$output" = 'um-preprocess: 0 shards made, 1 were there; 1 rows of those were skipped or dropped' ]
        [ -z "$("$script" 2 -q --shard-size 1 --on-error skip bad.tsv -o 'd/%d.umt' 2>&1)" ]
        rm -r d
        head -n 1 m.tsv >none.tsv
        run "$script" 3 --shard-size 9 none.tsv -o 'd/%d.umt'
        [ "$status" = 1 ] && [ ! -e d ] && [ "${#lines[@]}" = 2 ] || false
        [ "${lines[0]}" = 'um-preprocess: none.tsv: no row after the header: there is no file to make' ]
        [ "${lines[1]}" = 'preprocess-parallel.sh: not all shards could be made: see the messages above' ]
    done
    run "$script" --shard-size 9 m.tsv
    [ "$status" = 2 ]
    run "$script" 5 m.tsv -o x.umt
    [ "$status" = 2 ]
    for o in -h --help; do
        run --separate-stderr "$script" $o
        [ "$status" = 0 ] && [ -z "$stderr" ] || false
        [[ $output == 'preprocess-parallel.sh - '*'usage: preprocess-parallel.sh N '*'The exit status is 0 if all'* ]]
    done
}

@test "um-train: shards in the order of their numbers are the one stream; more than a process may open at first" {
    "$PY" "$BATS_TEST_DIRNAME/pairs.py" pairs | um-cat -q -o all.umt
    um-cat -q --split-records 1 all.umt -o 's/%03d.umt'
    [ "$(count s)" -gt 60 ]
    tiny() { um-train -q --preset tiny --epochs 2 --batch 8 --lambda-icl 0 --lambda-pcl 0 --select none -o "$@"; }
    tiny one all.umt
    (ulimit -S -n 40 && tiny shards s/*.umt)
    for f in log.tsv valid.tsv model.safetensors; do cmp "one/$f" "shards/$f"; done
    # named in another order they are numbered in that order: another order of batches, as um-cat's would be
    mapfile -t back < <(find s -name '*.umt' | sort -r)
    tiny back "${back[@]}"
    um-cat -q -o back.umt "${back[@]}"
    tiny joined back.umt
    cmp back/log.tsv joined/log.tsv
    ! cmp -s back/log.tsv one/log.tsv
}
