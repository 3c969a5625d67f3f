#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - operations, files and streams, then whole passes and training steps beside their peers, as
# `make bench` runs them
# usage: BUILD=build PYTHON=python3 run.sh [pattern]   only works whose name holds the pattern
#
# The peer is PyTorch where PYTHON has torch, timm and transformers; else rows say 'peer missing'. The
# table goes to $BUILD/bench.tsv (work, ours, peer: seconds or MiB; ratio peer/ours; limit: the seconds
# of the products alone; share limit/ours) and is drawn: a full bar is the limit.
set -euo pipefail

cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build} PYTHON=${PYTHON:-python3}
export BUILD
pattern=${1:-}

alone() {
    "$BUILD"/bench/steps ${pattern:+"$pattern"}
    [[ "um-encode to its first record" != *"$pattern"* ]] ||
        printf 'um-encode to its first record\t%s\tpeer missing\t-\t-\t-\n' "$(tests/bench/start.sh)"
}

draw() {
    awk -F'\t' '{ bar = ""; if ($6 + 0 > 0) for (i = 0; i < 20; i++) bar = bar (i < $6 * 20 - 0.5 ? "#" : ".")
                  printf "%-60s %8s %12s %6s %8s %5s  %s\n", $1, $2, $3, $4, $5, $6, bar; fflush() }'
}

[ -n "$pattern" ] || "$BUILD"/bench/ops
{
    "$PYTHON" tests/bench/media.py "$pattern"
    if [[ "DICOM series" == *"$pattern"* ]] && "$PYTHON" -c 'import numpy, pydicom' 2>/dev/null; then
        tests/bench/dicom.sh | sed 's/$/\t-\t-/'
    fi
    if "$PYTHON" -c 'import timm, torch, transformers' 2>/dev/null; then
        "$PYTHON" tests/bench/peer.py "$pattern"
    else
        alone
    fi
} | tee "$BUILD/bench.tsv" | draw
