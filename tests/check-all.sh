#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-all.sh - everything there is to check, one tally at the end
# usage: BUILD=build tests/check-all.sh
#
# `make check`, both compilers, format, clang-tidy, shellcheck, the CUDA compile, in the forms of a
# machine with a GPU too, its kernels on an emulated GPU, an installed copy, valgrind, libFuzzer for a
# moment, and `make check` again under the address, undefined-behaviour and thread sanitizers. Each
# check is one test; a run of the tests adds all of them. UM_CHECKED=1: take the tally of the run of
# `make check` that just ended.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
make=("${MAKE:-make}" "-j$(nproc)" --no-print-directory UM_NO_SETUP=1)
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES SAN
logs=$BUILD/all
mkdir -p "$logs"
passed=0 failed=0 skipped=0
before=$(git status --porcelain 2>/dev/null)

say() { printf '  %-16s %s (%d s)\n' "$1" "$2" "$SECONDS"; }

# check NAME COMMAND...: one test
check() {
    local name=$1
    shift
    SECONDS=0
    if "$@" >"$logs/$name.log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        say "$name" passed
    else
        failed=$((failed + 1))
        say "$name" FAILED
        grep -vE '^  (CC|CXX|NVCC|LINK|AR|TIDY) ' "$logs/$name.log" | tail -n 40 | sed 's/^/    /'
    fi
}

# skip NAME WHY
skip() {
    skipped=$((skipped + 1))
    echo "  $1: skipped: $2"
}

# tests NAME BUILD COMMAND...: a run of the tests, which leaves its tally in BUILD
tests() {
    local name=$1 tally=$2/check.tally p=0 f=1 s=0
    shift 2
    SECONDS=0
    [ $# = 0 ] || rm -f "$tally"
    [ $# = 0 ] || "$@" >"$logs/$name.log" 2>&1 </dev/null
    [ ! -s "$tally" ] || read -r p _ f _ s _ < <(tr -d , <"$tally")
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    say "$name" "$p passed, $f failed, $s skipped"
    [ "$f" = 0 ] || [ $# = 0 ] || grep -vE '^  (CC|LINK|AR) ' "$logs/$name.log" | tail -n 80 | sed 's/^/    /'
}

formatted() {
    git ls-files '*.c' '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format --dry-run -Werror
}

scripts() {
    git ls-files '*.sh' '*.slurm' .ci/run | xargs shellcheck
}

valgrind_units() {
    local t bad=0
    # quick ones that never reach vector code, which valgrind may not know
    for t in base cli file flow media_dicom media_dicom_codes media_meta_write media_planes media_text_volumes media_upright media_write picture plot retrieval safetensors text_report text_wordpiece weights weights_pickle weights_torch; do
        [ -x "$BUILD/unit/$t" ] || continue
        valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
            --trace-children=no "$BUILD/unit/$t" || bad=1
    done
    return $bad
}

# as a machine with a GPU builds (tests/gpu/run.sh), with none of um's libraries and with all but oneDNN; the
# plug-in's objects are those of `check cuda`, which know of neither
gpu_forms() {
    local form at target=gpu-ops
    for form in libs cpu; do
        at=$PWD/$logs/without-$form
        mkdir -p "$at" && (cd "$BUILD" && find kernels -name '*.cu.o' -exec cp -p --parents -t "$at" {} +) || return 1
        "${make[@]}" BUILD="$logs/without-$form" WITHOUT=$form $target || return 1
        "$at/gpu/ops" -m gelu ref || return 1
        target=gpu
    done
}

# a copy installed elsewhere runs without the build tree, and a program finds the library by um.pc
installed() {
    local root=$PWD/$logs/root
    rm -rf "$root"
    "${make[@]}" BUILD="$BUILD" install DESTDIR="$root" prefix=/opt/um || return 1
    env -i "$root/opt/um/bin/um-show" --version || return 1
    printf '#include "base/status.h"\nint main(void)\n{\n    return um_errmsg()[0];\n}\n' >"$logs/user.c"
    # shellcheck disable=SC2046
    cc "$logs/user.c" -o "$logs/user" $(PKG_CONFIG_SYSROOT_DIR=$root \
        PKG_CONFIG_PATH=$root/opt/um/lib/pkgconfig pkg-config --cflags --libs um) || return 1
    LD_LIBRARY_PATH=$root/opt/um/lib "$logs/user" || return 1
    "${make[@]}" BUILD="$BUILD" uninstall DESTDIR="$root" prefix=/opt/um || return 1
    [ -z "$(find "$root" -type f -o -type l)" ] || { find "$root" -type f -o -type l && return 1; }
}

nothing_left() {
    local after
    after=$(git status --porcelain)
    diff <(echo "$before") <(echo "$after")
}

if [ -n "${UM_CHECKED:-}" ]; then
    tests check "$BUILD"
else
    tests check "$BUILD" "${make[@]}" BUILD="$BUILD" check
fi
check format formatted
check shellcheck scripts
check static "${make[@]}" BUILD="$BUILD" static
check gcc "${make[@]}" CC=gcc CXX=g++ CFLAGS=-O3 BUILD="$BUILD/all/gcc" lib tools units
check clang "${make[@]}" CC=clang CXX=clang++ BUILD="$BUILD/all/clang" lib tools units
if [ -n "$("${make[@]}" -s nvcc)" ]; then
    check cuda "${make[@]}" BUILD="$BUILD" cuda gpu cuda-report
    check gpu-forms gpu_forms
    check emulator "${make[@]}" BUILD="$BUILD" emu
    tests emulated "$BUILD/emu" env BUILD="$BUILD" tests/emu/run.sh
else
    skip cuda 'no nvcc'
fi
check install installed
check valgrind valgrind_units
check fuzz env BUILD="$BUILD" tests/fuzz/run.sh -t 3
tests sanitize "$BUILD-san-1" "${make[@]}" SAN=1 BUILD="$BUILD-san-1" check
tests threads "$BUILD-san-thread" "${make[@]}" SAN=thread BUILD="$BUILD-san-thread" check
check tidy "${make[@]}" -k BUILD="$BUILD" tidy
check leftovers nothing_left

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
