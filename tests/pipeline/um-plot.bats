#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-plot: pictures of tables that Python wrote, and what happens when gnuplot does not

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    command -v gnuplot >/dev/null || skip "no gnuplot"
}

# make_run FOLDER: log.tsv and valid.tsv with the columns of um-train
make_run() {
    mkdir -p "$1"
    "$PY" - "$1" <<'EOF'
import math, sys
log = ("step epoch modality loss vl icl pcl lr momentum temperature grad_norm clipped entropy_cls entropy_patch "
       "entropy_mean_cls entropy_mean_patch batch").split()
valid = ("step epoch set pairs loss i2t_r1 i2t_r5 i2t_r10 i2t_median t2i_r1 t2i_r5 t2i_r10 t2i_median true_distance "
         "random_distance cross_r1").split()
with open(sys.argv[1] + "/log.tsv", "w") as f:
    print(*log, sep="\t", file=f)
    for s in range(1, 121):
        v = [s, (s - 1) // 40, "23"[s % 2] + "d", 9 / s, 3 / s, 4 / s, 2 / s, 1e-4, .996, .07, 1 + math.sin(s), 0]
        print(*v, 5, "nan", 6, "nan", "%016x" % s, sep="\t", file=f)
with open(sys.argv[1] + "/valid.tsv", "w") as f:
    print(*valid, sep="\t", file=f)
    for s in (40, 80, 120):
        for k in ("2d", "3d", "all"):
            far = [.5, .9, s / 200] if k == "all" else ["nan"] * 3
            print(s, s // 40, k, 50, 4 - s / 60, *[s / 300] * 3, 20, *[s / 400] * 3, 25, *far, sep="\t", file=f)
EOF
}

fake_gnuplot() { # COMMAND: what stands in for it
    mkdir -p bin
    printf '#!/bin/sh\n%s\n' "$1" >bin/gnuplot
    chmod +x bin/gnuplot
}

# fails STATUS TEXT ARGUMENT...: one line that holds the text, and no picture
fails() {
    local want=$1 text=$2
    shift 2
    run um-plot "$@"
    [ "$status" = "$want" ] && [ "${#lines[@]}" = 1 ] && [[ "${lines[0]}" == "um-plot: "*"$text"* ]] || {
        echo "$*: exit $status, expected $want: $text"
        echo "$output"
        return 1
    }
    ! compgen -G 'no.*' || return 1
}

@test "PNG, SVG and text, by name and by --to" {
    make_run run
    um-plot run -o a.png
    [ "$(head -c 8 a.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
    um-plot run >b.png
    cmp a.png b.png
    um-plot run --size 640x480 -o small.png
    "$PY" - <<'EOF'
import struct
def size(path): return struct.unpack(">II", open(path, "rb").read(24)[16:])
assert size("small.png") == (640, 480), size("small.png")
assert size("a.png") == (4 * 480, 4 * 320), size("a.png")
EOF
    um-plot run/log.tsv --y loss,lr --title 'what & why' -o a.svg
    um-plot run/log.tsv --y loss,lr --title 'what & why' --to svg >b.svg
    cmp a.svg b.svg
    "$PY" -c 'import xml.dom.minidom as x; t = x.parse("a.svg").toxml(); assert "what &amp; why" in t and "loss" in t'
    um-plot run -o a.txt
    um-plot run --to text | cmp - a.txt
    [ "$(ls | tr '\n' ' ')" = 'a.png a.svg a.txt b.png b.svg run small.png ' ]
}

@test "a run has the panels it deserves, those without a value left out" {
    make_run run
    um-plot run -o all.txt
    grep -v '[|+*]' all.txt | sed -n 's/^ \{6,\}\([a-zA-Z].*\)/\1/p' | grep -v '^step$' >titles
    diff titles - <<'EOF'
loss
contrastive loss, image and report
self-distillation, class token
self-distillation, patches
learning rate
temperature
gradient norm
entropy of the teacher, class token
held-out loss
held-out R@1
held-out R@5
held-out R@10
held-out median rank
X-ray to CT, 1 - cos
X-ray to CT of its patient, R@1
EOF
    grep -q '2d mean of each ' all.txt
    grep -q '3d of mean q ' all.txt
    grep -q ' same patient [*]' all.txt
    rm run/valid.tsv
    um-plot run -o all.txt
    if grep -q held-out all.txt; then return 1; fi
}

@test "runs over each other, --by, --x, --smooth: the legend says what is what" {
    make_run x/a
    make_run x/b
    um-plot x/a x/b/ --y loss -o two.txt
    for name in 'a 2d' 'a 3d' 'b 2d' 'b 3d'; do grep -q " $name " two.txt; done
    um-plot x/a/log.tsv x/b/log.tsv --y loss -o files.txt
    cmp two.txt files.txt
    um-plot x/a --y loss --by none -o one.txt
    if grep -q '2d' one.txt; then return 1; fi
    um-plot x/a --y i2t_r1+t2i_r1 --x epoch -o r.txt
    grep -q 'i2t_r1' r.txt
    grep -q '^ *epoch' r.txt
    um-plot x/a --smooth 10 --y loss --log y -o s.svg
    um-plot x/a --y loss --log y -o n.svg
    if cmp -s s.svg n.svg; then return 1; fi
}

@test "any table, standard input, gaps, a last line that is still being written" {
    printf 'when\ttemp\tname\n1\t5\ta\n2\tnan\tb\n3\t7\tc\n' >t.tsv
    um-plot <t.tsv -o t.txt
    grep -q temp t.txt
    if grep -q name t.txt; then return 1; fi
    printf '4\t9' >>t.tsv
    um-plot t.tsv -o cut.txt
    cmp t.txt cut.txt
    run um-plot -v t.tsv -o cut.txt
    [ "$output" = 'um-plot: t.tsv: the last line is not complete: left out' ]
    um-plot t.tsv --x when --y temp --by name -o by.txt
    grep -qE '^ +a [*A]+ +c [#B]+$' by.txt # b has no value
    printf 'v\n1\n' | um-plot --log xy -o point.png
    printf 'step\tv\n1\t1e300\n2\t-1e249\n3\t1e249\n' | um-plot -o far.png
}

@test "what is wrong with a table: one line with file, line and column, and no picture" {
    make_run run
    : >empty.tsv
    printf 'step\tloss\n1\t2\n2\tx\n' >word.tsv
    printf 'step\tloss\n1\t2\n2\t3\t4\n' >wide.tsv
    printf 'step\tloss\n' >none.tsv
    printf 'step\tloss\n1\t\0\n' >zero.tsv
    mkdir hollow
    fails 1 'empty.tsv: empty file' empty.tsv -o no.png
    fails 1 'word.tsv: line 3: loss: "x" is not a number' word.tsv -o no.png
    fails 1 'wide.tsv: line 3: 3 fields, but the header has 2' wide.tsv -o no.svg
    fails 1 'none.tsv: no line after the header' none.tsv --to text
    fails 1 'zero.tsv: line 2: a NUL byte' zero.tsv -o no.png
    fails 1 'hollow/log.tsv: no such file' hollow -o no.png
    fails 1 'word.tsv: no column lss; there are step, loss' word.tsv --y lss -o no.png
    fails 1 'run: no table with a line has the column lss' run --y lss -o no.png
    fails 1 'run/log.tsv: entropy_patch: no value to draw' run --y entropy_patch -o no.png
    fails 1 'run/log.tsv: batch: more than 32 different texts' run/log.tsv --by batch -o no.png
    fails 1 'run/log.tsv: no column when' run --x when -o no.png
    fails 1 'word.tsv: line 3: loss: "x" is not a number' run/log.tsv word.tsv --y loss --by none -o no.png
}

@test "what is wrong with the command line: exit 2" {
    make_run run
    fails 2 'no.gif ends in none of .png, .svg and .txt' run -o no.gif
    fails 2 '--size 9x9: expected WxH, 100 to 10000' run --size 9x9 -o no.png
    fails 2 '--size 300x200x1: expected' run --size 300x200x1 -o no.png
    fails 2 '--y loss+: a name is missing' run --y loss+ -o no.png
    fails 2 '--y : a name is missing' run --y loss, -o no.png
}

@test "no gnuplot, one that fails, dies or says nothing: one line, and nothing is left" {
    make_run run
    tool=$(command -v um-plot)
    run env PATH=/nonexistent "$tool" run -o no.png
    [ "$status" = 1 ]
    [[ "$output" == 'um-plot: gnuplot is not installed'*gnuplot-nox ]]
    PATH=$PWD/bin:$PATH
    fake_gnuplot 'printf half; printf "\n  something\n\n   line 7: bad news\n" >&2; exit 3'
    fails 1 'gnuplot failed (exit 3): line 7: bad news' run -o no.png
    fake_gnuplot 'kill -9 $$'
    fails 1 'gnuplot was ended by signal 9' run -o no.png
    fake_gnuplot 'cat >/dev/null'
    fails 1 'gnuplot drew nothing' run -o no.png
    fake_gnuplot 'exec <&-; printf picture; sleep 0.2' # closes its ears: the rest of the script goes nowhere
    um-plot run -o yes.png
    [ "$(cat yes.png)" = picture ]
    fake_gnuplot 'head -c 100000 /dev/zero | tr "\0" x >&2; cat >/dev/null; echo drawn' # talks before it listens
    um-plot run --to svg >said.svg
    [ "$(cat said.svg)" = drawn ]
    [ "$(ls | tr '\n' ' ')" = 'bin run said.svg yes.png ' ]
}

@test "names in a table are text: nothing in them is run" {
    # what ends a string, continues a command, or is expanded, at the beginning and later
    for name in '`touch owned`' '"`touch owned`"' "'; system('touch owned'); '" "'. system('touch owned') .'" \
        '$(touch owned)' "a\\'; system('touch owned') #" "a\\" '";system("touch owned")#' '@owned' '"@owned"' \
        "'@owned" "''; system('touch owned') #" '`' "'" '"' '!touch owned' '%s%n' $'a\vb\x01' \
        $'\xff\'; system("touch owned") #' $'a\rsystem("touch owned")\r'; do
        printf 'step\t%s\tby\n1\t2\t%s\n2\t3\t%s\n' "$name" "$name" "$name" >t.tsv
        for as in png svg text; do
            um-plot t.tsv "--title=$name" "--y=$name" --by by --to "$as" -o picture
            um-plot t.tsv t.tsv --to "$as" -o picture
            [ -s picture ]
            [ ! -e owned ] || { echo "$as: $name"; return 1; }
        done
    done
    printf 'step\t`touch owned`\n1\t2\n2\t3\n' | um-plot -o t.txt
    grep -qF '`touch owned`' t.txt
    [ ! -e owned ]
}

@test "on a terminal: a drawing as wide as it; a PNG is refused" {
    make_run run
    "$PY" - <<'EOF'
import fcntl, os, pty, struct, termios
def on_terminal(*args):
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 61, 0, 0))
        os.execvp("um-plot", ["um-plot", *args])
    text = b""
    try:
        while chunk := os.read(fd, 4096):
            text += chunk
    except OSError:
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()
code, text = on_terminal("run", "--y", "loss")
lines = text.splitlines()
assert code == 0 and 50 < max(map(len, lines)) <= 60, (code, text)
code, text = on_terminal("run", "--to", "png")
assert code == 2 and "terminal" in text and text.count("\n") == 1, (code, text)
EOF
}
