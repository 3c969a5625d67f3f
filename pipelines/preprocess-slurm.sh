#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# preprocess-slurm.sh - one task of a job array that makes a data set's shards
# usage: sbatch --array 1-N [option of sbatch ...] preprocess-slurm.sh [option of um-preprocess ...] manifest.tsv
#
#   sbatch --array 1-1000 --cpus-per-task 4 --time 1:00:00 preprocess-slurm.sh \
#       --shard-size 1000 -o 'shards/train-%05d.umt' train.tsv
#
# Task I of N makes shards I, I + N, I + 2 N, ... and no other; which task made a shard does not show
# in its bytes. A shard is whole or absent, and one that is there is passed over: submit the same again
# after a time limit, a lost node or a mistake in a few files, with the same number of tasks or
# another, and only what is missing is made.
#
# um-preprocess is looked for in BUILD, if that is set, and on PATH. It runs a thread for each of the
# task's processors (a -j among the arguments wins). Outside Slurm the same script makes the part
# that SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_MIN and SLURM_ARRAY_TASK_COUNT in the environment name.
#
#SBATCH --job-name=um-preprocess
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@30
#
# --signal with "B:": the shell below becomes um-preprocess, which removes its unfinished file at
# SIGTERM. Without it the file would be left under a temporary name at the time limit.
set -euo pipefail

case ${1:-} in
-h | --help) # the comment above is the manual
    sed -n '1,2d; /^#SBATCH/q; s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
'') sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
esac
if [ -z "${SLURM_ARRAY_TASK_ID:-}" ] || [ -z "${SLURM_ARRAY_TASK_COUNT:-}" ]; then
    echo "preprocess-slurm.sh: not a task of an array: start it by sbatch --array 1-N" >&2
    exit 2
fi
case " $*" in
*' --shard-size'*) ;;
*) echo "preprocess-slurm.sh: --shard-size N is missing: rows for each file" >&2; exit 2 ;;
esac
tasks=$SLURM_ARRAY_TASK_COUNT
first=${SLURM_ARRAY_TASK_MIN:-1} step=${SLURM_ARRAY_TASK_STEP:-1}
task=$(((SLURM_ARRAY_TASK_ID - first) / step + 1))
if [ "$task" -gt "$tasks" ]; then # --array 3,17: there is no telling which of them this is
    echo "preprocess-slurm.sh: task $SLURM_ARRAY_TASK_ID of $tasks: the array must be a range, as in --array 1-N" >&2
    exit 2
fi
PATH=${BUILD:+$BUILD:}$PATH
exec um-preprocess -j "${SLURM_CPUS_PER_TASK:-1}" --shard "$task/$tasks" "$@"
