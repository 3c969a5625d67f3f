#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - build for the GPU of this machine and try what can only be tried on one
# usage: tests/gpu/run.sh [-o FILE] [-l DIR] [-d DEVICE] [-w WORKERS] [-p WHEELS] [VERB]...
#
#   ops       the operation table: cuda against ref, each judgement twice, the same bits
#   cudnn     attention's part of it again, by cuDNN where there is one that can (UM_CUDNN: um(7))
#   model     the golden models, losses and twenty steps of training in both precisions
#   sanitize  compute-sanitizer's memcheck and racecheck over the table's small shapes
#   bench     how fast: operations beside the card's own rates, whole works and where their time goes, the
#             same works in PyTorch, in UM_GPU_BENCH_SECONDS (420)
#
# Without a verb: all but bench. Lines are TAP, numbered anew by each verb; the last line counts them. -o: all
# of it goes to FILE, and what fails, tables and the count to the terminal too. Needs the CUDA toolkit, a C
# compiler and make; `model` and most of `bench` need um's libraries too, which -l takes, and make, from a
# folder that libs.sh made. Its peer is $PYTHON (python3) with torch, timm and transformers; -p: a folder of
# wheels to add. No GPU: every verb is skipped. -d: another device in its place (cpu, ref), to try these
# tests. It builds in $BUILD (build-gpu).
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build-gpu}
PYTHON=${PYTHON:-python3}
report=/dev/null libs='' device=cuda wheels='' workers=$(($(nproc) > 12 ? 12 : $(nproc)))
all=(ops cudnn model sanitize bench)

usage() {
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
}
while getopts o:l:d:w:p: c; do
    case $c in
    o) report=$OPTARG ;;
    l) libs=$(cd "$OPTARG" && pwd) || exit 2 ;;
    d) device=$OPTARG ;;
    w) workers=$OPTARG ;;
    p) wheels=$(cd "$OPTARG" && pwd) || exit 2 ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
verbs=("$@")
[ ${#verbs[@]} -gt 0 ] || verbs=(ops cudnn model sanitize)
for verb in "${verbs[@]}"; do
    [[ " ${all[*]} " == *" $verb "* ]] || usage
done
SECONDS=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
: >"$report" || exit 1
[ "$report" != /dev/null ] || report=$tmp/report

# lines of stdin: to the report; to the terminal too, or with -o what one must see
tell() {
    if [ "$report" = "$tmp/report" ]; then
        tee -a "$report"
    else
        tee -a "$report" | grep --line-buffered -E '^not ok|^#|^Bail|SKIP'
    fi
    return 0
}
# shellcheck disable=SC2059
line() { printf "$@" | tell; }

# ---- what is here -----------------------------------------------------------------------------------

gpu_here() { [ -e /dev/nvidiactl ] || [ -e /dev/dxg ]; }

CC=${CC:-$(command -v cc || command -v gcc)}
export CC
[ -z "$libs" ] || PATH=$PATH:$libs/bin
nvcc=$(make -s --no-print-directory nvcc 2>/dev/null)
smi() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null | head -n 1; }

about() {
    line '# um %s, %s\n' "$(git describe --always --dirty --abbrev=12 2>/dev/null || echo 'of an unknown commit')" "$(date -u '+%F %T UTC')"
    line '# card      %s\n' "$(smi name,memory.total,compute_cap,driver_version || true)"
    line '# toolkit   %s\n' "$([ -n "$nvcc" ] && "$nvcc" --version | grep -o 'release.*')"
    line '# host      %s, %s, %s cores, Linux %s\n' "$("$CC" --version 2>/dev/null | head -n 1)" \
        "$(getconf GNU_LIBC_VERSION)" "$(nproc)" "$(uname -r)"
}

# where cuBLASLt is, if it is not in the toolkit: pip's nvidia-cublas
cublas() {
    printf '#include <cublasLt.h>\nint main() { return (int)cublasLtGetVersion(); }\n' >"$tmp/lt.cu"
    "$nvcc" -o "$tmp/lt" "$tmp/lt.cu" -lcublasLt >/dev/null 2>&1 && return
    for at in $(python3 -c 'import site; print(*site.getsitepackages())' 2>/dev/null); do
        for root in "$at"/nvidia/cu13 "$at"/nvidia/cublas; do
            [ -e "$root/include/cublasLt.h" ] && echo "$root" && return
        done
    done
}

# are the libraries that the whole of um needs, but oneDNN, here?
whole() {
    printf '#include <stdio.h>\n#include <%s>\n' msgpack.h zstd.h jpeglib.h png.h libdeflate.h jansson.h utf8proc.h \
        xxhash.h nifti2_io.h | "$CC" -isystem /usr/include/nifti -fsyntax-only -x c - 2>"$tmp/libs.log"
}

# ---- building ---------------------------------------------------------------------------------------

plain_path=${LD_LIBRARY_PATH:-}
if [ -n "$libs" ]; then
    export C_INCLUDE_PATH=$libs/include LIBRARY_PATH=$libs/lib LD_LIBRARY_PATH=$libs/lib:${LD_LIBRARY_PATH:-}
fi
# where containers mount the driver; where the toolkit has its libraries
toolkit=$(readlink -f "${nvcc:-/}")
for at in /usr/local/nvidia/lib64 "${toolkit%/bin/nvcc}"/{lib64,targets/x86_64-linux/lib}; do
    [ ! -d "$at" ] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$at
done

build() {
    local arch=90 how target=gpu
    [ -z "$(smi compute_cap)" ] || arch=$(smi compute_cap | tr -d .)
    how=(BUILD="$BUILD" CUDA_ARCHS="$arch" UM_NO_SETUP=1 CXX="$CC")
    if [ "$device" = cpu ]; then
        :
    elif whole; then
        how+=(WITHOUT=cpu)
        [ -z "$libs" ] || how+=(PKG_CFLAGS= "PKG_LIBS=-lzstd -ljpeg -lpng -ldeflate -ljansson -lutf8proc -lxxhash -lnifti2 -lznz -lz -lpthread -lm -ldl")
    else
        how+=(WITHOUT=libs)
        target=gpu-ops
    fi
    [ -z "$nvcc" ] || how+=("CUBLAS=$(cublas)")
    if make -j"$(nproc)" --no-print-directory "${how[@]}" "$target" >"$tmp/make.log" 2>&1; then
        line 'ok 1 - build: %s, without warnings (%d s)\n' "$target ${how[*]}" "$SECONDS"
        return
    fi
    line 'not ok 1 - build: %s, without warnings (%d s)\n' "$target ${how[*]}" "$SECONDS"
    grep -vE '^  [A-Z]+  ' "$tmp/make.log" | head -n 60 | sed 's/^/#   /' | tell
    make -k -j"$(nproc)" --no-print-directory "${how[@]}" WERROR= "$target" >"$tmp/make.log" 2>&1
    [ -x "$BUILD/gpu/ops" ] || {
        grep -vE '^  [A-Z]+  ' "$tmp/make.log" | head -n 60 | sed 's/^/#   /' | tell
        return 1
    }
}

# ---- verbs ------------------------------------------------------------------------------------------

ops() { "$BUILD/gpu/ops" -j "$workers" "$device" 2>&1 | tell; }

cudnn() { UM_CUDNN_ATTENTION=1 "$BUILD/gpu/ops" -j "$workers" -m attention "$device" 2>&1 | tell; }

model() {
    local n i
    if [ ! -x "$BUILD/gpu/golden" ]; then
        line 'ok 1 - model # SKIP um was built without its libraries: %s\n' "$(head -n 1 "$tmp/libs.log" 2>/dev/null)"
        return
    fi
    n=$("$BUILD/gpu/golden" "$device")
    # shellcheck disable=SC2016
    seq 0 $((n - 1)) | xargs -P "$workers" -I{} sh -c \
        'timeout -k 5 150 "$1/gpu/golden" "$2" "$3" >"$4/golden.$3" 2>&1; echo $? >"$4/golden.$3.rc"' sh "$BUILD" "$device" {} "$tmp"
    for ((i = 0; i < n; i++)); do
        tell <"$tmp/golden.$i"
        case $(cat "$tmp/golden.$i.rc") in
        0) ;;
        1) grep -q '^not ok' "$tmp/golden.$i" || line 'not ok - %s: golden case %d says nothing\n' "$device" "$i" ;;
        *) line 'not ok - %s: golden case %d ended with status %s\n' "$device" "$i" "$(cat "$tmp/golden.$i.rc")" ;;
        esac
    done
    line '1..%d\n' "$n"
}

# watch TOOL PART OF: a part of the table under a tool of compute-sanitizer
watch() {
    local log=$tmp/$1.$2 more=()
    [ "$1" != memcheck ] || more=(--report-api-errors no) # one judgement asks for too much memory
    # each kernel started as it is asked for; "graphs" opens devices with graphs of its own
    UM_GRAPH=0 timeout -k 5 "${UM_GPU_SANITIZE_SECONDS:-110}" "$sanitizer" --tool "$1" "${more[@]}" --error-exitcode 9 --print-limit 20 \
        "$BUILD/gpu/ops" -j 0 -e 4000 -p "$2/$3" "$device" >"$log" 2>&1
    echo $? >"$log.rc"
}

# outcome TOOL PART OF: the line of what `watch` left
outcome() {
    local log=$tmp/$1.$2 rc name errors
    rc=$(cat "$log.rc")
    name="sanitize $1, part $2 of $3: $(grep -c '^ok' "$log") judgements"
    errors=$(sed -n 's/^========= ERROR SUMMARY: \([0-9]*\).*/\1/p; s/^========= RACECHECK SUMMARY: \([0-9]*\).*/\1/p' "$log")
    if grep -qiE 'not supported|unable to|failed to initialize' "$log" && ! grep -q '^ok' "$log"; then
        line 'ok %d - %s # SKIP the tool refuses: %s\n' "$nr" "$name" "$(grep -iE -m 1 'not supported|unable to|failed to' "$log")"
    elif [ "$rc" = 0 ] && [ "$errors" = 0 ]; then
        line 'ok %d - %s, no errors\n' "$nr" "$name"
    elif [ "$rc" = 124 ] && ! grep -qE '^not ok|^========= (Invalid|Error|Warning|Race)' "$log"; then
        line 'ok %d - %s # SKIP the rest: out of time\n' "$nr" "$name"
    else
        line 'not ok %d - %s: %s errors, status %s\n' "$nr" "$name" "${errors:-?}" "$rc"
        grep -E '^=========|^not ok' "$log" | head -n 60 | sed 's/^/#   /' | tell
    fi
}

sanitize() {
    local tool parts=$workers p nr=0
    sanitizer=$(command -v compute-sanitizer || ls "${nvcc%/*}/compute-sanitizer" 2>/dev/null)
    if [ -z "$sanitizer" ]; then
        line 'ok 1 - sanitize # SKIP there is no compute-sanitizer\n'
        return
    fi
    for tool in memcheck racecheck; do
        for ((p = 0; p < parts; p++)); do
            watch "$tool" "$p" "$parts" &
        done
        wait
        for ((p = 0; p < parts; p++)); do
            nr=$((nr + 1))
            outcome "$tool" "$p" "$parts"
        done
    done
    line '1..%d\n' "$nr"
}

# beside SECONDS NAME COMMAND...: a table of `bench`; its lines but those indented are comments. It may end
# early: what it said until then stays
beside() {
    local limit=$1 name=$2 log=$tmp/bench.log before=$SECONDS rc
    shift 2
    timeout -k 5 "$limit" "$@" 2>"$log" | sed -u '/^    /!s/^/# /' | tell
    rc=${PIPESTATUS[0]}
    nr=$((nr + 1))
    case $name.$rc in
    *.0) line 'ok %d - bench %s (%d s)\n' "$nr" "$name" $((SECONDS - before)) ;;
    *.124 | *.137) line 'ok %d - bench %s # SKIP the rest: %d s are over\n' "$nr" "$name" "$limit" ;;
    peers.*) line 'ok %d - bench %s # SKIP status %s: %s\n' "$nr" "$name" "$rc" "$(tail -n 1 "$log")" ;;
    *) line 'not ok %d - bench %s: status %s\n' "$nr" "$name" "$rc" ;;
    esac
    [ "$rc" = 0 ] || tail -n 12 "$log" | sed 's/^/    /' | tell
}

# PyTorch with the libraries it came with: ours are for our own program alone
peers() {
    local site=$tmp/site
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "${LD_LIBRARY_PATH:-}" "$BUILD/gpu/steps" >"$tmp/steps"
    chmod +x "$tmp/steps"
    [ -z "$wheels" ] || "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
        --target "$site" "$wheels"/*.whl >"$tmp/pip.log" 2>&1 || line '# the wheels: %s\n' "$(tail -n 1 "$tmp/pip.log")"
    beside "$1" peers env LD_LIBRARY_PATH="$plain_path" PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}" UM_BENCH_DEVICE="$device" \
        TORCHINDUCTOR_CACHE_DIR="$tmp/inductor" TRITON_CACHE_DIR="$tmp/triton" \
        "$PYTHON" tests/gpu/bench/peers.py "$tmp/steps" $(($1 - 10))
}

bench() {
    local seconds=${UM_GPU_BENCH_SECONDS:-420} from=$SECONDS nr=0
    beside $((seconds / 4)) operations "$BUILD/gpu/kernels" -d "$device" -t $((seconds / 5))
    if [ ! -x "$BUILD/gpu/steps" ]; then
        line 'ok 2 - bench works # SKIP um was built without its libraries\n1..2\n'
        return
    fi
    beside $((seconds / 3)) works "$BUILD/gpu/steps" -d "$device" -t $((seconds / 4))
    beside $((seconds / 12)) 'small work, UM_GRAPH=0' env UM_GRAPH=0 "$BUILD/gpu/steps" -d "$device" 'small step'
    peers $((seconds - SECONDS + from))
    line '1..%d\n' "$nr"
}

# ---- all of it --------------------------------------------------------------------------------------

about
if [ "$device" = cuda ] && ! gpu_here; then
    for verb in "${verbs[@]}"; do
        line 'ok - %s # SKIP there is no GPU here\n' "$verb"
    done
elif build; then
    for verb in "${verbs[@]}"; do
        line '# ---- %s\n' "$verb"
        before=$SECONDS
        "$verb"
        line '# ---- %s: %d s\n' "$verb" $((SECONDS - before))
    done
else
    line 'not ok - build: nothing to run\n'
fi
skipped=$(grep -cE '^ok .*# SKIP' "$report")
passed=$(($(grep -cE '^ok ' "$report") - skipped))
failed=$(grep -cE '^not ok ' "$report")
line '# gpu: %d passed, %d failed, %d skipped in %d s\n' "$passed" "$failed" "$skipped" "$SECONDS"
[ "$failed" = 0 ]
