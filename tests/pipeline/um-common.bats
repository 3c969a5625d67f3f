#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# what every tool does alike, asked of each tool there is

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    STREAM=$BATS_TEST_DIRNAME/stream.py
}

# each COMMAND...: run it for every tool, name in $tool, and say which one it failed for. The || makes a
# chain of the command's tests needful: a line that fails in the middle would not be seen.
each() {
    local path bad=0
    for path in "$BUILD"/um-*; do
        if [ ! -f "$path" ] || [ ! -x "$path" ]; then continue; fi
        tool=${path##*/}
        "$@" || {
            echo "$tool: $1: exit $status: $(cat out err 2>/dev/null | head -c 2000)"
            bad=1
        }
    done
    return $bad
}

# call ARGUMENT...: run $tool, output to out and err, exit status to $status
call() {
    status=0
    timeout 60 "$tool" "$@" >out 2>err || status=$?
}

# one line on standard error that begins with the tool's name
one_line() {
    [ "$(wc -l <err)" = 1 ] && [ "$(head -c $((${#tool} + 2)) err)" = "$tool: " ]
}

help_and_version() {
    call --help </dev/null
    [ "$status" = 0 ] && [ ! -s err ] && grep -q "^Usage: $tool " out || return 1
    call --version </dev/null
    [ "$status" = 0 ] && [ ! -s err ] && head -n 1 out | grep -q "^$tool (um) [0-9]"
}

@test "--help and --version: standard output, exit 0" { each help_and_version; }

unknown_flag() {
    call --no-such-flag </dev/null
    [ "$status" = 2 ] && [ ! -s out ] && one_line && grep -q "see $tool --help" err
}

@test "an unknown flag: exit 2, one line with a hint" { each unknown_flag; }

empty_input() { # a tool that cannot do without an operand or an option says so: usage
    call </dev/null
    { [ "$status" = 1 ] || [ "$status" = 2 ]; } && one_line
}

@test "empty standard input: exit 1, one line" { each empty_input; }

missing_file() {
    call no-such-file </dev/null
    { [ "$status" = 1 ] || [ "$status" = 2 ]; } && one_line && { [ "$status" != 1 ] || grep -q no-such-file err; }
}

@test "a missing file: exit 1, one line that names it" { each missing_file; }

full_disk() {
    status=0
    "$tool" --help >/dev/full 2>err || status=$?
    [ "$status" = 1 ] && one_line || return 1
    status=0
    timeout 60 "$tool" <xray.umt >/dev/full 2>err || status=$?
    { [ "$status" = 1 ] || [ "$status" = 2 ]; } && one_line
}

@test "a full disk: exit 1, one line" {
    "$PY" "$STREAM" make xray >xray.umt
    each full_disk
}

cut_stream() {
    call <cut.umt
    { [ "$status" = 1 ] || [ "$status" = 2 ]; } && tail -n 1 err | grep -q "^$tool: "
}

@test "a cut stream: exit 1" {
    "$PY" "$STREAM" make many | head -c 100000 >cut.umt
    each cut_stream
}

@test "a stream is not written to a terminal" {
    "$PY" "$STREAM" make xray >xray.umt
    for tool in um-show:--tee um-cat:; do
        command -v "${tool%%:*}" >/dev/null || continue
        run "$PY" - "${tool%%:*}" ${tool#*:} xray.umt <<'EOF'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
text = b""
try:
    while chunk := os.read(fd, 4096):
        text += chunk
except OSError:
    pass
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert code == 2 and b"terminal" in text and text.count(b"\n") == 1, (code, text)
EOF
        [ "$status" = 0 ] || { echo "$output"; return 1; }
    done
}
