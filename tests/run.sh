#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - run the tests that are built and say in one last line how many passed
# usage: BUILD=build tests/run.sh [pattern]   only tests whose name holds the pattern
#
# Unit tests are the programs in $BUILD/unit (cmocka); pipeline tests are tests/pipeline/*.bats and run
# the tools of $BUILD; tests/man.sh holds the manual against the option tables. All speak TAP. As many
# run at a time as there are processors (UM_TEST_JOBS). Real files come from the folder in UM_REAL_DATA;
# without it those tests are skipped and say so.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
export BUILD PATH="$BUILD:$PATH" CMOCKA_MESSAGE_OUTPUT=TAP LC_ALL=C.UTF-8
export UM_PYTHON=${UM_PYTHON:-/usr/bin/python3}
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp ${TSAN_OPTIONS:-}"
unset MAKEFLAGS MAKELEVEL
pattern=${1:-}
jobs=${UM_TEST_JOBS:-$(nproc)}
limit=${UM_TEST_TIMEOUT:-$([ -n "${SAN:-}" ] && echo 1200 || echo 300)} # seconds a test
taps=$BUILD/tap
rm -rf "$taps"
mkdir -p "$taps"

names=() # of all tests, in the order they are reported
running=0

# start NAME COMMAND...: in the background, TAP and exit status into $taps
start() {
    local name=$1 file=$taps/${1//\//_}
    shift
    [[ $name == *"$pattern"* ]] || return 0
    names+=("$name")
    while [ "$running" -ge "$jobs" ]; do
        wait -n
        running=$((running - 1))
    done
    {
        SECONDS=0
        timeout "$limit" "$@" >"$file.tap" 2>&1 </dev/null
        echo "$? $SECONDS" >"$file.rc"
    } &
    running=$((running + 1))
}

passed=0 failed=0 skipped=0

# tally NAME: count one TAP file, show what is not ok
tally() {
    local name=$1 tap=$taps/${1//\//_}.tap rc seconds p f s
    read -r rc seconds <"${tap%.tap}.rc"
    s=$(grep -cEi '^ok .*# *skip' "$tap")
    p=$(($(grep -cE '^ok ' "$tap") - s))
    f=$(grep -cE '^not ok ' "$tap")
    if [ "$f" = 0 ] && { [ "$rc" != 0 ] || [ $((p + s)) = 0 ]; }; then
        f=1 # died before it could say so, or said nothing
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '  %-28s %4d passed' "$name" "$p"
    [ "$f" = 0 ] || printf ', %d FAILED (exit %d)' "$f" "$rc"
    [ "$s" = 0 ] || printf ', %d skipped' "$s"
    [ "$seconds" -lt 5 ] || printf '  (%d s)' "$seconds"
    echo
    if [ "$f" != 0 ]; then grep -vE '^ok ' "$tap" | tail -n 60 | sed 's/^/    /'; fi
}

for t in "$BUILD"/unit/*; do
    if [ -x "$t" ] && [ ! -d "$t" ]; then start "unit/${t##*/}" "$t"; fi
done
for t in "$PWD"/tests/pipeline/*.bats; do
    if [ -e "$t" ]; then start "pipeline/${t##*/}" bats --tap "$t"; fi
done
start man "$PWD/tests/man.sh"
wait
if [ ${#names[@]} = 0 ]; then
    echo "run.sh: no test's name holds \"$pattern\" (unit tests are built by: make units)" >&2
    exit 1
fi
for name in "${names[@]}"; do tally "$name"; done
cat "$taps"/*.tap >"$BUILD/check.log"

echo "$passed passed, $failed failed, $skipped skipped" | tee "$BUILD/check.tally"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
