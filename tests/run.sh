#!/usr/bin/env bash
# run.sh - run the tests that are built and say in one last line how many passed
# usage: BUILD=build tests/run.sh [-k] [pattern]   only tests whose file name holds the pattern
#
# Unit tests are the programs in $BUILD/unit (cmocka); pipeline tests are tests/pipeline/*.bats and run
# the tools of $BUILD. All speak TAP. Real files come from the folder in UM_REAL_DATA; without it those
# tests are skipped and say so.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
export BUILD PATH="$BUILD:$PATH" CMOCKA_MESSAGE_OUTPUT=TAP LC_ALL=C.UTF-8
pattern=${1:-}
log=$BUILD/check.log
passed=0 failed=0 skipped=0
: >"$log"

# one TAP file: count, show what is not ok
tally() {
    local name=$1 tap=$2 rc=$3 p f s
    s=$(grep -cEi '^ok .*# *skip' "$tap")
    p=$(($(grep -cE '^ok ' "$tap") - s))
    f=$(grep -cE '^not ok ' "$tap")
    if [ "$rc" != 0 ] && [ "$f" = 0 ]; then f=1; fi # died before it could say so
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '  %-28s %4d passed' "$name" "$p"
    [ "$f" = 0 ] || printf ', %d FAILED (exit %d)' "$f" "$rc"
    [ "$s" = 0 ] || printf ', %d skipped' "$s"
    echo
    if [ "$f" != 0 ]; then sed 's/^/    /' "$tap" | grep -vE '^    ok ' | tail -n 60; fi
    cat "$tap" >>"$log"
}

tap=$BUILD/test.tap
for t in "$BUILD"/unit/*; do
    if [ ! -x "$t" ] || [ -d "$t" ] || [[ $t != *"$pattern"* ]]; then continue; fi
    timeout "${UM_TEST_TIMEOUT:-300}" "$t" >"$tap" 2>&1 </dev/null
    tally "unit/${t##*/}" "$tap" $?
done
for t in tests/pipeline/*.bats; do
    if [ ! -e "$t" ] || [[ $t != *"$pattern"* ]]; then continue; fi
    timeout "${UM_TEST_TIMEOUT:-300}" bats --tap "$t" >"$tap" 2>&1 </dev/null
    tally "${t#tests/}" "$tap" $?
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
