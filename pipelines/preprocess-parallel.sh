#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# preprocess-parallel.sh - make a data set's shards by N processes at a time, on one host or on several
# usage: preprocess-parallel.sh N [option of um-preprocess ...] manifest.tsv
#
#   preprocess-parallel.sh 16 --shard-size 1000 -o 'shards/train-%05d.umt' train.tsv
#   PARALLEL='--sshloginfile hosts --workdir .' preprocess-parallel.sh 64 ...    GNU parallel, many hosts
#
# Process I of N makes shards I, I + N, I + 2 N, ... A shard is whole or absent, and one that is there is
# passed over: after any failure run the same again, with the same N or another, and only what is
# missing is made. On one host um-preprocess alone (-j) does the same in one process; this is for what
# threads of one process do not reach: several hosts, or storage that answers one reader slowly.
#
# GNU parallel does it, or xargs where that is not installed (or with UM_PARALLEL=xargs). Each process
# has one thread; a -j among the arguments wins. What rows were skipped or dropped each says, unless
# -q is among the arguments. um-preprocess is looked for in BUILD, if that is
# set, and on PATH. The exit status is 0 if all of them did their part, 2 at a usage error, else 1.
set -euo pipefail

case ${1:-} in
-h | --help) # the comment above is the manual
    sed -n '1,2d; /^#/!q; s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
'' | *[!0-9]* | 0*) sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
esac
n=$1
shift
case " $*" in
*' --shard-size'*) ;;
*) echo "preprocess-parallel.sh: --shard-size N is missing: rows for each file" >&2; exit 2 ;;
esac
PATH=${BUILD:+$BUILD:}$PATH
way=${UM_PARALLEL:-$(command -v parallel >/dev/null && parallel --version 2>/dev/null | grep -q '^GNU' && echo parallel || echo xargs)}

status=0
if [ "$way" = parallel ]; then
    seq "$n" | parallel --quote -I '{UM}' --jobs "$n" um-preprocess --progress never -j 1 --shard "{UM}/$n" "$@" || status=$?
else
    seq "$n" | xargs -P "$n" -I '{UM}' um-preprocess --progress never -j 1 --shard "{UM}/$n" "$@" || status=$?
fi
[ "$status" = 0 ] || { echo "preprocess-parallel.sh: not all shards could be made: see the messages above" >&2; exit 1; }
