#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-cat.bats - the stream format against Python, and what um-cat does to streams

py() { /usr/bin/python3 "$BATS_TEST_DIRNAME/umt.py" "$@"; }

setup_file() {
    cd "$BATS_FILE_TMPDIR" || exit 1
    py write a.py.umt 0 12 window=-1000,400
    py write b.py.umt 12 8 window=-1000,400
    py write w.py.umt 20 2 window=0,1
    for f in a b w; do um-cat "$f.py.umt" -o "$f.umt"; done
}

setup() {
    cd "$BATS_TEST_TMPDIR" || exit 1
    ln -s "$BATS_FILE_TMPDIR"/*.umt .
}

keys() { py keys "$1" | tr '\n' ' '; }

@test "Python's stream, read and written, is the same to the eight lines of umt(5)" {
    for z in 0 1 9; do
        um-cat -z $z a.py.umt -o z.umt
        py same z.umt 0 12
        zstd -qt <z.umt
    done
    [ "$(sed -n '/^\.\\" reader.py/,/^\.Ed/p' "$BATS_TEST_DIRNAME/../../man/umt.5" | grep -vc '^\.')" = 8 ]
}

@test "the eight lines refuse a cut stream" {
    head -c -41 a.umt >cut.umt
    head -c 1000000 a.umt >cut2.umt
    run py read cut.umt
    [ "$output" = 12 ] # the index is not theirs to miss
    run py read cut2.umt
    [ "$output" = cut ]
    [ "$status" = 1 ]
}

@test "files, pipes and levels give the same bytes" {
    um-cat a.umt -o x.umt
    head -c -0 a.umt | um-cat >y.umt
    um-cat <a.umt >z.umt
    um-cat - <a.umt | cmp - x.umt
    cmp x.umt y.umt
    cmp x.umt z.umt
}

@test "frames of records that do not change are kept as they came, others are not" {
    /usr/bin/python3 - <<'END'
import msgpack, numpy as np, zstandard
z = zstandard.ZstdCompressor(level=19, write_checksum=True)
def frame(m):
    return z.compress(msgpack.packb(m))
def rec(key, shape, seed):
    x = np.random.default_rng(seed).integers(0, 20, shape).astype(np.uint8)
    return {"key": key, "meta": {"split": "train"},
            "tensors": {"t": {"dtype": "uint8", "shape": list(shape), "data": x.tobytes()}}}
big, small = rec("big", (600, 1000), 1), rec("small", (3, 5), 2)
odd = rec("odd", (700, 1000), 3)
odd["meta"] = {"b": 1, "split": "train", "a": 2}
frames = {"big": frame(big), "odd": frame(odd)}
for k, f in frames.items():
    open(k, "wb").write(f)
two = z.compress(msgpack.packb(rec("x", (600, 999), 4)) + msgpack.packb(rec("y", (600, 998), 5)))
open("two", "wb").write(two)
with open("in.umt", "wb") as f:
    f.write(frame({"umt": 1, "history": []}) + frames["big"] + frame(small) + frames["odd"] + two)
    f.write(frame({"end": 5, "index": False}))
END
    holds() { /usr/bin/python3 -c 'import sys; sys.exit(open(sys.argv[2], "rb").read() not in open(sys.argv[1], "rb").read())' "$@"; }
    um-cat in.umt -o kept.umt
    holds kept.umt big
    holds kept.umt odd
    ! holds kept.umt two || false
    cat in.umt | um-cat -o pipe.umt
    cmp kept.umt pipe.umt
    um-cat -z 1 in.umt -o one.umt
    ! holds one.umt big || false
    for o in '--prefix p/' '--rename t=u' '--hash-split split:valid=1'; do
        # shellcheck disable=SC2086
        um-cat $o in.umt -o edited.umt
        ! holds edited.umt big || false
        # shellcheck disable=SC2086
        um-cat -z 1 $o in.umt -o again.umt
        cmp <(um-show --dump edited.umt) <(um-show --dump again.umt)
        cmp <(um-show --json edited.umt) <(um-show --json again.umt)
    done
    cmp <(um-show --dump kept.umt) <(um-show --dump in.umt)
    um-show --keys kept.umt | tr '\n' ' ' | grep -qx 'big small odd x y '
    um-cat -k odd kept.umt -o odd.umt # by the index that was made
    holds odd.umt odd
}

@test "two streams become one part" {
    um-cat a.umt b.umt -o ab.umt
    py same ab.umt 0 20
    cat a.umt b.umt >cat.umt
    py same cat.umt 0 20
    um-cat cat.umt | cmp - ab.umt
    head -c -0 cat.umt | um-cat | cmp - ab.umt
}

@test "different histories are both kept" {
    um-cat --keep t_uint8 b.umt -o k.umt
    um-cat a.umt k.umt -o ab.umt
    zstd -dcq ab.umt | head -c 3000 | grep -a -q inputs
    run bash -c 'cat a.umt k.umt | um-cat >x.umt'
    [ "$status" = 1 ]
    [[ $output == "um-cat: standard input: a later part has another header"* ]]
    cat a.umt k.umt | um-cat --spool | cmp - ab.umt
}

@test "headers that do not go together are refused" {
    run um-cat a.umt w.umt -o x.umt
    [ "$status" = 1 ]
    [ "$output" = 'um-cat: w.umt: "window" in the header is "0,1", and "-1000,400" in the streams before it' ]
    [ ! -e x.umt ]
}

@test "keys that come twice" {
    run um-cat a.umt a.umt -o x.umt
    [ "$status" = 1 ]
    [[ $output == "um-cat: record k/0: the key came before"* ]]
    [ ! -e x.umt ]
    um-cat --rename-duplicates a.umt a.umt a.umt -o x.umt
    [ "$(py keys x.umt | sort -u | wc -l)" = 36 ]
    py keys x.umt | grep -qx 'k/3~3'
    um-cat --prefix one/,two/ a.umt a.umt -o x.umt
    py keys x.umt | grep -qx 'two/k/11'
}

@test "pick by key, range, expression, meta" {
    um-cat -k k/3,k/1 a.umt >x.umt
    [ "$(keys x.umt)" = 'k/1 k/3 ' ]
    printf 'k/5\nk/2\n' >list
    um-cat -k @list a.umt >x.umt
    [ "$(keys x.umt)" = 'k/2 k/5 ' ]
    run um-cat -k k/3,k/99 a.umt -o y.umt
    [ "$status" = 1 ]
    [ "$output" = 'um-cat: no record has the key k/99' ]
    [ ! -e y.umt ]
    um-cat --range 10:14 a.umt b.umt >x.umt
    [ "$(keys x.umt)" = 'k/10 k/11 k/12 k/13 ' ]
    um-cat --range :1 a.umt >x.umt
    [ "$(keys x.umt)" = 'k/0 ' ]
    um-cat -g '1[01]$' a.umt >x.umt
    [ "$(keys x.umt)" = 'k/10 k/11 ' ]
    um-cat -w 'view=PA,label.Edema!=1,n!=4,patient!=p3' a.umt >x.umt
    [ "$(keys x.umt)" = 'k/0 k/2 k/6 k/8 ' ]
    um-cat -w 'none=nil,flag=true,n=6' a.umt >x.umt
    [ "$(keys x.umt)" = 'k/6 ' ]
    um-cat -g nothing a.umt >x.umt
    [ "$(keys x.umt)" = '' ]
}

@test "sample and shuffle follow the seed" {
    um-cat --sample 5 a.umt b.umt >x.umt
    um-cat --sample 5 b.umt a.umt >y.umt
    [ "$(py keys x.umt | wc -l)" = 5 ]
    [ "$(py keys x.umt | sort)" = "$(py keys y.umt | sort)" ]
    um-cat --sample 5 --seed 7 a.umt b.umt >y.umt
    [ "$(keys x.umt)" != "$(keys y.umt)" ]
    um-cat --sample 0.5 a.umt b.umt >x.umt
    [ "$(py keys x.umt | wc -l)" -gt 4 ]
    [ "$(py keys x.umt | wc -l)" -lt 16 ]
    um-cat --shuffle a.umt b.umt >x.umt
    cat a.umt b.umt | um-cat --shuffle | cmp - x.umt
    um-cat a.umt b.umt | um-cat --shuffle >z.umt
    [ "$(keys z.umt)" = "$(keys x.umt)" ]
    [ "$(keys x.umt)" != "$(py keys a.umt; py keys b.umt | tr '\n' ' ')" ]
    [ "$(py keys x.umt | sort)" = "$( (py keys a.umt; py keys b.umt) | sort)" ]
    um-cat --shuffle -k k/3,k/4 --sample 1 a.umt >x.umt
    [ "$(py keys x.umt | wc -l)" = 1 ]
}

@test "a stream without an index cannot be shuffled, and says what to do" {
    run um-cat --shuffle a.py.umt -o x.umt
    [ "$status" = 1 ]
    [[ $output == *"um-cat makes one" ]]
}

@test "shards and files of N records are all there" {
    um-cat --shards 3 a.umt -o 's-%02d.umt'
    [ "$(keys s-01.umt)" = 'k/1 k/4 k/7 k/10 ' ]
    [ "$(cat s-0?.umt | um-cat | py keys /dev/stdin | wc -l)" = 12 ]
    um-cat --split-records 5 a.umt -o 'n%d.umt'
    [ "$(keys n2.umt)" = 'k/10 k/11 ' ]
    [ ! -e n3.umt ]
    run um-cat --shards 3 a.umt -o s.umt
    [ "$status" = 2 ]
    run um-cat --shards 3 a.umt a.umt -o 'd-%d.umt'
    [ "$status" = 1 ]
    [ ! -e d-0.umt ]
}

@test "a split by patient keeps patients together" {
    um-cat --hash-split patient:train=0.6,test=0.4 a.umt b.umt -o 'h-%s.umt'
    [ "$( (py keys h-train.umt; py keys h-test.umt) | wc -l)" = 20 ]
    [ -n "$(keys h-train.umt)" ]
    [ -n "$(keys h-test.umt)" ]
    py meta h-train.umt patient | cut -d' ' -f2 | sort -u >t1
    py meta h-test.umt patient | cut -d' ' -f2 | sort -u >t2
    [ -z "$(comm -12 t1 t2)" ]
    [ "$(py meta h-test.umt split | cut -d' ' -f2 | sort -u)" = test ]
    um-cat --hash-split patient:train=0.6,test=0.4 a.umt | um-cat -w split=test >x.umt
    py keys x.umt | while read -r k; do py keys h-test.umt | grep -qx "$k"; done
    run um-cat --hash-split nobody:a=0.5,b=0.5 a.umt -o x2.umt
    [ "$status" = 1 ]
    [[ $output == "um-cat: record k/0: meta \`nobody\` missing"* ]]
    run um-cat --hash-split patient:a=0.5,b=0.4 a.umt -o x2.umt
    [ "$status" = 2 ]
    run um-cat --hash-split patient:a=0.5,a=0.5 a.umt -o '%s.umt'
    [ "$status" = 2 ]
}

@test "tensors kept, dropped, renamed" {
    um-cat --keep t_int16,t_uint8 --rename t_int16=image -k k/0 a.umt >x.umt
    [ "$(py names x.umt)" = 'k/0 t_uint8 image' ]
    um-cat --drop t_int16,t_uint8,t_int32,t_int64,t_float16,t_float32 -k k/0 a.umt >x.umt
    [ "$(py names x.umt)" = 'k/0 t_bfloat16 t_float64' ]
    um-cat --keep t_int16,t_uint8 --rename t_int16=t_uint8,t_uint8=t_int16 -k k/0 a.umt >x.umt
    [ "$(py names x.umt)" = 'k/0 t_int16 t_uint8' ]
    run um-cat --rename t_int16=t_uint8 a.umt -o y.umt
    [ "$status" = 1 ]
    run um-cat --keep t_int16,nope --drop none --rename t_int16=y,no=z a.umt -o y.umt # slips, as a rule
    [ "$status" = 0 ]
    [ "$output" = 'um-cat: warning: --keep: no record has a tensor nope
um-cat: warning: --drop: no record has a tensor none
um-cat: warning: --rename: no record has a tensor no' ]
    [ -z "$(um-cat -q --keep t_int16,nope a.umt -o y.umt 2>&1)" ]
}

@test "tensors of two streams are merged by key" {
    um-cat --drop t_int16 a.umt -o left.umt
    um-cat --keep t_int16 --shuffle a.umt -o right.umt
    um-cat --merge right.umt left.umt -o m.umt
    [ "$(py names m.umt | wc -w)" = $((12 * 9)) ]
    um-cat --keep t_int16 m.umt -o m16.umt
    py meta m16.umt n | diff - <(py meta a.umt n)
    run um-cat --merge a.umt left.umt -o x.umt
    [ "$output" = "um-cat: record k/0: both streams have a tensor \`t_uint8\`" ]
    um-cat --range 0:5 right.umt -o few.umt
    run um-cat --merge few.umt left.umt -o x.umt
    [ "$status" = 1 ]
    [ ! -e x.umt ]
    um-cat --merge few.umt --unmatched drop left.umt >x.umt
    [ "$(py keys x.umt | wc -l)" = 5 ]
    um-cat --merge few.umt --unmatched keep left.umt >x.umt
    [ "$(py keys x.umt | wc -l)" = 12 ]
    run um-cat --merge right.umt --range 0:5 left.umt -o x2.umt
    [ "$status" = 0 ]
    um-cat --range 0:5 left.umt -o fewleft.umt
    run um-cat --merge right.umt fewleft.umt -o x3.umt
    [ "$status" = 1 ]
    [[ $output == *'has no partner' ]]
}

@test "bad streams: one line, exit 1, no file" {
    bad() {
        run um-cat "$@" -o out.umt
        [ "$status" = 1 ]
        [ "${#lines[@]}" = 1 ]
        [ ! -e out.umt ]
    }
    : >empty.umt
    bad empty.umt
    [ "$output" = 'um-cat: empty.umt: empty: no bytes at all; no record before it' ]
    head -c 1000000 a.umt >cut.umt
    bad cut.umt
    [[ $output == 'um-cat: cut.umt: cut; last good record: k/'* ]]
    head -c -1 a.umt >cut2.umt
    bad cut2.umt
    [ "$output" = 'um-cat: cut2.umt: cut; last good record: k/11' ]
    (cat a.umt; echo) >tail.umt
    bad tail.umt
    [[ $output == *'last good record: k/11' ]]
    echo hello, this is text >text.umt
    bad text.umt
    [[ $output == *'not a tensor stream'* ]]
    bad missing.umt
    bad .
    run bash -c 'head -c 1000000 a.umt | um-cat | cat >/dev/null; exit ${PIPESTATUS[1]}'
    [ "$status" = 1 ]
    run um-cat --nonsense
    [ "$status" = 2 ]
    run um-cat -w nonsense a.umt
    [ "$status" = 2 ]
}

@test "a file that may not grow is named as it was given, there already or not" {
    mkdir there
    echo whole >there/old.umt
    ln -s there/old.umt link.umt
    for file in new.umt there/old.umt link.umt there/../link.umt; do
        run bash -c 'ulimit -f 4; exec um-cat a.umt -o "$1"' - "$file"
        [ "$status" = 1 ]
        [ "$output" = "um-cat: $file: File too large" ]
    done
    [ "$(cat link.umt)" = whole ]
    [ "$(ls there)" = old.umt ]
    [ ! -e new.umt ]
}

@test "a full disk, a closed pipe, a FIFO" {
    run bash -c 'um-cat a.umt >/dev/full'
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    run um-cat a.umt -o /dev/full
    [ "$status" = 1 ]
    run bash -c 'um-cat a.umt b.umt a.py.umt --rename-duplicates | head -c 100 | wc -c'
    [ "$output" = 100 ]
    mkfifo pipe
    um-cat a.umt -o pipe &
    cat pipe >got.umt
    wait $!
    py same got.umt 0 12
    um-cat a.umt -o /dev/stdout | cat >out.umt # a link to a pipe
    cmp got.umt out.umt
}

@test "a file of keys may end its lines in any way" {
    for end in '\n' '\r\n' '\r' '\0'; do
        for i in $(seq 0 300) 3; do printf "k/%d$end" $i; done >keys
        run um-cat -k @keys a.umt -o none.umt
        [ "$status" = 1 ]
        [ "$output" = "um-cat: no record has the key k/100" ]
        printf "k/3$end${end}k/7$end" >keys
        [ "$(um-cat -k @keys a.umt | um-show --keys | tr '\n' ' ')" = "k/3 k/7 " ]
    done
}

@test "a header and a meta of thousands of fields take no memory to speak of" {
    /usr/bin/python3 - <<'EOF'
import msgpack, zstandard
def write(file, fields, meta):
    with open(file, "wb") as f:
        for m in ({"umt": 1, "history": [], **{"f%d" % i: i for i in range(fields)}},
                  {"key": "a", "meta": {"%s%d" % (meta, i): i for i in range(fields)}, "tensors": {}},
                  {"end": 1, "index": False}):
            f.write(zstandard.ZstdCompressor(write_checksum=True).compress(msgpack.packb(m)))
write("wide.umt", 5000, "m")
write("more.umt", 5000, "n")
EOF
    um-cat more.umt -o indexed.umt
    # a sanitizer reserves more addresses than any limit leaves
    ([ -n "${SAN:-}" ] || ulimit -v 800000; um-cat wide.umt --merge indexed.umt -o both.umt)
    [ "$(um-show --json both.umt | grep -o '"[mn][0-9]*":' | wc -l)" = 10000 ]
}

@test "-o follows a link, also one to a file that is not there yet" {
    mkdir -p there
    ln -s there/new.umt link.umt
    ln -s link.umt again.umt
    um-cat a.umt -o again.umt
    [ -L again.umt ]
    [ -L link.umt ]
    [ ! -L there/new.umt ]
    um-cat a.umt | cmp - there/new.umt
    ln -s round.umt round.umt
    run um-cat a.umt -o round.umt
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
}

@test "--shuffle: thousands of small records, and records too large to be held together" {
    "${UM_PYTHON:-/usr/bin/python3}" - <<'END'
import msgpack, struct, zstandard
def write(path, n, large):
    z = zstandard.ZstdCompressor(level=1, write_checksum=True)
    with open(path, "wb") as f:
        def put(m): f.write(z.compress(msgpack.packb(m)))
        put({"umt": 1, "history": []})
        for i in range(n):
            t = {"x": {"dtype": "int32", "shape": [1], "data": struct.pack("<i", i)}}
            if large:
                t["pad"] = {"dtype": "uint8", "shape": [large], "data": bytes(large)}
            put({"key": f"k{i}", "meta": {}, "tensors": t})
        put({"end": n, "index": False})
write("small.umt", 3000, 0)
write("large.umt", 300, 300000)
END
    for f in small large; do
        um-cat -q -o "$f.ix.umt" "$f.umt"
        um-cat -q --shuffle -o "$f.out.umt" "$f.ix.umt"
        um-show --keys "$f.out.umt" >"$f.keys"
        ! cmp -s "$f.keys" <(um-show --keys "$f.umt")
        sort "$f.keys" | cmp - <(um-show --keys "$f.umt" | sort)
        um-show --dump -t x "$f.out.umt" | sed -n 's/^[0-9]/k&/p' | cmp - "$f.keys"
    done
    um-cat -q --drop pad --shuffle large.ix.umt | um-show --keys | cmp - large.keys # the lot is the key's alone
}
