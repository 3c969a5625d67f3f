#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-show: text, JSON and files out of streams that Python wrote

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    STREAM=$BATS_TEST_DIRNAME/stream.py
}

make_stream() { # KIND...
    for kind; do "$PY" "$STREAM" make "$kind" >"$kind.umt"; done
}

@test "header, history, a line per record, totals" {
    make_stream xray
    run um-show xray.umt
    [ "$status" = 0 ]
    [ "${lines[0]}" = 'part 1 window=[-1000,1000]' ]
    [ "${lines[1]}" = '  um-made 1 seed=7 filter="frontal"' ]
    [ "${lines[2]}" = 'p0/s1  image uint8 [1,20,30] min 0 mean 24 max 48 std 10.4003 nan 0' ]
    [ "${lines[5]}" = '3 records in 1 parts, 1800 bytes of tensors' ]
    [ "$(um-show <xray.umt)" = "$output" ]
    [ "$(cat xray.umt | um-show -)" = "$output" ]
    um-show -v -k p1/s1 xray.umt | grep -q '^    view="PA" patient="p1" n=1$'
}

@test "parts, several files, keys, the first N" {
    make_stream parts xray
    [ "$(um-show --keys parts.umt xray.umt | tr '\n' ' ')" = 'p0/s1 p1/s1 p5/s1 p0/s1 p1/s1 p2/s1 ' ]
    [ "$(um-show --keys -n 2 parts.umt)" = "$(printf 'p0/s1\np1/s1')" ]
    [ "$(um-show --header parts.umt | grep -c '^part')" = 2 ]
    um-show parts.umt | grep -q '^3 records in 2 parts'
    make_stream empty
    [ -z "$(um-show --keys empty.umt)" ]
}

@test "every line of --json is JSON that says what is there" {
    make_stream mixed odd
    um-show --json mixed.umt odd.umt >all.json
    "$PY" - <<'EOF'
import json
def no(x): raise ValueError(x)
lines = [json.loads(l, parse_constant=no) for l in open("all.json")]
assert [l.get("part") for l in lines] == [1, None, None, None, None, 2, None], lines
assert lines[1]["tensors"]["image"] == {"dtype": "uint8", "shape": [1, 20, 30], "min": 0, "mean": 24,
                                        "max": 48, "std": 10.400320507881796, "nan": 0}
odd = lines[6]
assert odd["meta"]["report"] == 'Zeile\n"zwei"'
assert odd["tensors"]["f"]["nan"] == 1 and odd["tensors"]["f"]["mean"] is None
assert odd["tensors"]["none"]["shape"] == [0, 3] and odd["tensors"]["one"]["shape"] == []
EOF
}

@test "--dump gives the same values back" {
    make_stream odd mixed
    um-show --dump -t i odd.umt | grep -qx -- '-9223372036854775808 9223372036854775807'
    um-show --dump -t f odd.umt | grep -qx '3.1415926535897931 1e-300 3'
    um-show --dump -k ct1 -t volume mixed.umt >v.txt
    "$PY" - <<'EOF'
import numpy as np
z, y, x = np.mgrid[0:4, 0:6, 0:5]
want = ((z * 100 + y * 10 + x + 1) / 512).astype(np.float32)
assert (np.loadtxt("v.txt").astype(np.float32).reshape(want.shape) == want).all()
EOF
    run um-show --dump -t nothing odd.umt
    [ "$status" = 1 ]
    [ "$output" = 'um-show: no record has a tensor nothing' ]
}

@test "--npy: one tensor, a file each, all stacked" {
    make_stream mixed xray odd
    um-show --npy -t volume -k ct1 mixed.umt >v.npy
    um-show --npy -t f -o f.npy odd.umt
    um-show --npy -t one -o one.npy odd.umt
    um-show --npy -o many/ xray.umt
    um-show --npy --stack xray.umt >all.npy
    "$PY" - <<'EOF'
import numpy as np
v = np.load("v.npy")
assert v.dtype == np.float32 and v.shape == (4, 6, 5) and v[3, 2, 1] == np.float32(322 / 512)
f = np.load("f.npy")
assert np.isnan(f[0, 1]) and f[0, 2] == -np.inf and f[1, 1] == 1e-300
assert np.load("one.npy").shape == () and np.load("one.npy") == np.float32(0.1)
all = np.load("all.npy")
assert all.shape == (3, 1, 20, 30) and all.dtype == np.uint8
assert (all[2] == np.load("many/p2_s1.npy")).all() and all[2, 0, 1, 1] == 4
EOF
    make_stream dots many
    run um-show --npy --stack -t x -o no.npy dots.umt many.umt
    [ "$status" = 1 ]
    [ "$output" = 'um-show: record r0: x: [1000] among [1] does not stack' ]
    [ ! -e no.npy ]
}

@test "--png and --montage draw, and the pixels are the tensor's" {
    make_stream mixed xray
    um-show --png -k p1/s1 mixed.umt >image.png
    um-show --png -o 'p/%s.png' mixed.umt
    um-show --png -t attention -o a.png -k ct0 mixed.umt
    um-show --montage -o sheet.png mixed.umt
    [ "$(ls p | tr '\n' ' ')" = 'ct0.png ct1.png p0_s1.png p1_s1.png ' ]
    cmp image.png p/p1_s1.png
    "$PY" - <<'EOF'
import struct, zlib
def png(path):
    data, at, idat = open(path, "rb").read(), 8, b""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0]
        if kind == b"IHDR":
            w, h, depth, colour = struct.unpack(">IIBB", body[:10])
        idat += body if kind == b"IDAT" else b""
        at += 12 + n
    return w, h, depth, colour
assert png("image.png") == (30, 20, 8, 0)
assert png("p/ct0.png") == (11, 13, 8, 0)   # four slices of 6 x 5 in two rows, a pixel apart
assert png("a.png") == (49, 24, 8, 2)       # two slabs of 2 x 2 cells
assert png("sheet.png") == (321, 341, 8, 0)
EOF
}

# pixels FILE X,Y ...: each as R,G,B (a gray one as one number), after width x height
pixels() {
    "$PY" - "$@" <<'END'
import struct, sys, zlib
data, at, idat = open(sys.argv[1], "rb").read(), 8, b""
while at < len(data):
    n, kind = struct.unpack(">I4s", data[at:at + 8])
    body = data[at + 8:at + 8 + n]
    if kind == b"IHDR":
        w, h, depth, colour = struct.unpack(">IIBB", body[:10])
    idat += body if kind == b"IDAT" else b""
    at += 12 + n
c, raw, rows, last = 3 if colour == 2 else 1, zlib.decompress(idat), [], None
for y in range(h):
    f, row = raw[y * (w * c + 1)], bytearray(raw[y * (w * c + 1) + 1:(y + 1) * (w * c + 1)])
    last = last or bytes(w * c)
    for i in range(w * c):
        a, b, d = row[i - c] if i >= c else 0, last[i], last[i - c] if i >= c else 0
        p = a + b - d
        paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - d), 2, d))[2]
        row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth)[f]) & 255
    rows.append(bytes(row))
    last = rows[-1]
out = [f"{w}x{h}"]
for xy in sys.argv[2:]:
    x, y = map(int, xy.split(","))
    out.append(",".join(map(str, rows[y][x * c:x * c + c])))
print(*out)
END
}

@test "--overlay: mask, boxes and attention over the picture they belong to" {
    make_stream marked
    um-show --png --overlay mask -k p/x -o m.png marked.umt # 16 pixels for each
    [ "$(pixels m.png 0,0 48,32 60,40 143,79 144,79)" = '256x256 100,100,100 213,94,0 140,98,65 213,94,0 100,100,100' ]
    um-show --png --overlay boxes -k p/x marked.umt >b.png
    [ "$(pixels b.png 64,128 191,223 100,150)" = '256x256 240,228,66 240,228,66 100,100,100' ]
    um-show --png --overlay attention -k p/x marked.umt >a.png # cells of 7 pixels, from the first on
    [ "$(pixels a.png 127,20 128,20 240,20)" = '256x256 100,100,100 193,193,193 100,100,100' ]
    um-show --png --overlay attention --crop 8 -k p/x marked.umt >a.png
    [ "$(pixels a.png 127,20 128,127 128,128)" = '256x256 100,100,100 193,193,193 100,100,100' ]
    um-show --png --overlay attention,mask --plane coronal --slice 5 -k p/ct -o c.png marked.umt
    # 5 x 4 voxels of 1 x 3 mm, 21 times as large; the head at the top: values 115/119, 119/119 (the
    # largest attention, white), 25/119; the first two under label 1
    [ "$(pixels c.png 0,0 104,0 0,251)" = '105x252 234,193,160 240,199,166 54,54,54' ]
    um-show --png --overlay mask,boxes,attention -o 'all/%s.png' -k p/x marked.umt
    [ "$(ls all)" = p_x.png ]
}

@test "--window, --slice, --plane, --crop: what is looked at" {
    make_stream marked mixed dots
    um-show --png --slice middle -k p/ct -o s.png marked.umt # 5 x 6 voxels, 42 times as large
    [ "$(pixels s.png 0,0)" = '210x252 129' ]
    um-show --png --slice 0 --window=-1000,0 -k p/ct -o w.png marked.umt # HU: twice as bright
    [ "$(pixels w.png 209,251)" = '210x252 124' ]
    um-show --png --slice 0 --window lung -k p/ct -o w.png marked.umt # -1350 to 150 HU; -513 here
    [ "$(pixels w.png 209,251)" = '210x252 142' ]
    um-show --png --slice even=2 -k p/ct -o e.png marked.umt
    [ "$(pixels e.png)" = 421x252 ]
    um-show --png --window 10,20 -k p0/s1 -o r.png mixed.umt # raw values
    [ "$(pixels r.png 0,0 88,0 159,0 239,0)" = '240x160 0 26 230 255' ]
    um-show --png --crop 10 -k p0/s1 -o r.png mixed.umt
    [ "$(pixels r.png 0,0 249,249)" = '250x250 15 33' ]
    # pictures among volumes have no HU and no other planes
    um-show --montage --window lung -o r.png mixed.umt
    [ "$(pixels r.png 5,30 154,129)" = '321x341 0 48' ]
    um-show --png --plane coronal -o 'c/%s.png' mixed.umt
    [ "$(pixels c/p0_s1.png 0,0 239,159)" = '240x160 0 48' ]
    um-show --montage --slice all -k p/ct -o sheet.png marked.umt
    [ "$(pixels sheet.png)" = 321x341 ]
    um-show --montage --overlay mask -o sheet.png marked.umt # two lines beneath
    [ "$(pixels sheet.png)" = 321x180 ]
    um-show --png -o 'x/%s.png' dots.umt 2>err && return 1 # keys with slashes
    [ "$(ls -A x | tr '\n' ' ')" = '_._up.png _hidden.png a_b.png ' ] || ls -A x
    [ "$(ls -A x | wc -l)" = 3 ]
    grep -q 'would be written twice' err
}

# view_fails STATUS TEXT ARGUMENT...: one line, and no picture
view_fails() {
    local want=$1 says=$2
    shift 2
    run um-show -o no.png "$@"
    [ "$status" = "$want" ] && [ "${#lines[@]}" = 1 ] && [[ $output == *"$says"* ]] && [ ! -e no.png ] ||
        { echo "$*: exit $status: $output"; return 1; }
}

@test "views that cannot be: said in one line" {
    make_stream marked mixed xray
    view_fails 2 'overlay "lesion": expected mask, boxes or attention' --png --overlay lesion marked.umt
    view_fails 2 'slice "x"' --png --slice x marked.umt
    view_fails 2 'window' --png --window 5,5 marked.umt
    view_fails 2 'go with --png or --montage' --npy --overlay mask marked.umt
    view_fails 1 '--overlay: no record has a tensor boxes' --montage --overlay boxes xray.umt
    view_fails 1 'no record has a tensor boxes' --png --overlay boxes -k p/ct marked.umt
    view_fails 1 '--plane: a picture has no other planes' --png --plane coronal -k p/x marked.umt
    view_fails 1 'no record showed a volume; with pictures beside them: -t volume' --montage --plane sagittal xray.umt
    view_fails 1 'record p/ct: volume: slice 4 asked for, there are 4 (0 to 3)' --png --slice 4 -k p/ct marked.umt
    view_fails 1 'record p/x: image: 16 x 16 pixels, smaller than the crop of 17' --montage --crop 17 marked.umt
}

@test "--nii carries the affine; .gz by name" {
    make_stream mixed
    um-show --nii -k ct0 mixed.umt >v.nii
    um-show --nii -o nii/ mixed.umt
    um-show --nii -k ct0 -o v.nii.GZ mixed.umt
    cmp v.nii.GZ nii/ct0.nii.gz
    "$PY" - <<'EOF'
import gzip, struct
import numpy as np
raw = open("v.nii", "rb").read()
assert gzip.open("nii/ct0.nii.gz").read() == raw
assert struct.unpack("<8h", raw[40:56]) == (3, 5, 6, 4, 1, 1, 1, 1)
assert struct.unpack("<2h", raw[252:256]) == (1, 1)                      # qform, sform
assert struct.unpack("<12f", raw[280:328]) == (-.5, 0, 0, 1, 0, -.5, 0, 2, 0, 0, 2, 3)
v = np.frombuffer(raw[352:], "<f4").reshape(4, 6, 5)
assert v[3, 2, 1] == np.float32(321 / 512)
EOF
}

@test "--nii --like: back onto the file's own grid, axes and frame" {
    "$PY" - <<'END'
import gzip, struct
import numpy as np
rng = np.random.default_rng(1)
v = rng.integers(-1000, 1000, (6, 5, 4)).astype("<i2")  # stored z, y, x
def nii(path, q, s, rows):
    h = bytearray(352)
    struct.pack_into("<i", h, 0, 348)
    struct.pack_into("<8h", h, 40, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into("<hh", h, 70, 4, 16)
    struct.pack_into("<8f", h, 76, 1, 2, 3, 4, 0, 0, 0, 0)
    struct.pack_into("<f", h, 108, 352)
    struct.pack_into("<hh", h, 252, q, s)
    struct.pack_into("<12f", h, 280, *np.ravel(rows))
    h[344:348] = b"n+1\0"
    gzip.open(path, "wb").write(bytes(h) + v.tobytes())
nii("ras.nii.gz", 0, 2, [[2, 0, 0, 5], [0, 3, 0, 6], [0, 0, 4, 7]])
nii("turned.nii.gz", 0, 1, [[0, 0, -4, 5], [0, 2.4, 1.6, 6], [2, 0.9, 0.6, 7]])
END
    printf 'key\timage\np/ras\tras.nii.gz\np/turned\tturned.nii.gz\n' >m.tsv
    um-preprocess -q --size 12x10x8 m.tsv -o v.umt
    mkdir p
    cp ras.nii.gz turned.nii.gz p
    um-show --nii --like '%s' -t volume -o 'no/%s.nii' v.umt 2>err && return 1
    grep -q 'um-show: record p/ras: p/ras: no such file' err
    um-show --nii --like '%s.nii.gz' -o 'back/%s.nii' v.umt
    um-show --nii --like ras.nii.gz -k p/ras -o one.nii.gz v.umt
    "$PY" - <<'END'
import gzip
import numpy as np
for name in ("ras", "turned"):
    want, got = gzip.open(name + ".nii.gz").read(), open(f"back/p_{name}.nii", "rb").read()
    assert got[40:70] == want[40:70] and got[70:74] == b"\x10\0\x20\0"  # sides; float32
    assert got[76:108] == want[76:108] and got[252:344] == want[252:344]  # sizes, forms
    x = (np.clip(np.frombuffer(want[352:], "<i2"), -1000, 1000) + 1000) / 2000
    y = np.frombuffer(got[352:], "<f4")
    # twice as many samples by linear interpolation and back by linear interpolation: near enough to
    # tell one arrangement of axes from another
    assert np.corrcoef(x, y)[0, 1] > 0.8, np.corrcoef(x, y)
assert gzip.open("one.nii.gz").read() == open("back/p_ras.nii", "rb").read()
END
    "$PY" - <<'END' # the same grid 100 m away; one that it lies in a corner of
import gzip, struct
h = bytearray(gzip.open("ras.nii.gz").read())
struct.pack_into("<f", h, 280 + 12, 1e5)
open("far.nii", "wb").write(h)
struct.pack_into("<12f", h, 280, 2, 0, 0, 5 + 6, 0, 3, 0, 6 + 12, 0, 0, 4, 7 + 20)
open("corner.nii", "wb").write(h)
END
    run um-show --nii -k p/ras -t volume --like far.nii -o away.nii v.umt
    [ "$status" = 0 ]
    [ "$output" = 'um-show: warning: record p/ras: nothing of volume lies on far.nii' ]
    run um-show --nii -k p/ras -t volume --like corner.nii -o away.nii v.umt
    [ "$status" = 0 ]
    [ "$output" = 'um-show: warning: record p/ras: only 0.83 % of volume lies on corner.nii' ] || { echo "$output"; return 1; }
    run um-show --nii -k p/ras -t volume --like ras.nii.gz -o away.nii v.umt
    [ -z "$output" ]
    mkdir kept
    cp ras.nii.gz v.umt kept # what is read is not written over
    run um-show --nii -k p/ras -t volume --like ras.nii.gz -o ./ras.nii.gz v.umt
    [ "$status" = 2 ]
    [[ $output == *'ras.nii.gz is read, and the output ./ras.nii.gz would take its place'* ]]
    run um-show --nii --like '%s.nii.gz' -o '%s.nii.gz' v.umt # of keys p/ras and p/turned: p_ras.nii.gz
    [ "$status" = 0 ]
    run um-show --keys -o ./v.umt v.umt
    [ "$status" = 2 ]
    [[ $output == *'-o ./v.umt would take the place of v.umt, which is read'* ]]
    cmp ras.nii.gz kept/ras.nii.gz
    cmp v.umt kept/v.umt
    run um-show --nii --like v.umt v.umt
    [ "$status" = 1 ]
    [[ $output == 'um-show: record p/ras: v.umt: '* ]]
    make_stream xray
    run um-show --nii --like ras.nii.gz -k p0/s1 -t image -o none.nii xray.umt
    [ "$status" = 1 ]
    [[ $output == *'no meta.affine, which says where a volume lies'* ]]
    [ ! -e none.nii ]
    run um-show --png --like ras.nii.gz v.umt
    [ "$status" = 2 ]
}

@test "--stats: over all records" {
    make_stream mixed
    run um-show --stats mixed.umt
    [ "$status" = 0 ]
    [ "${lines[1]}" = "$(printf 'image\tuint8\t[1,20,30]\t2\t1200\t0\t24.5\t49\t10.4123324\t0')" ]
    [ "${#lines[@]}" = 4 ]
}

@test "--tee passes the stream on and talks on standard error" {
    make_stream mixed parts
    um-show --tee mixed.umt 2>text | um-show --json >after.json
    um-show --json mixed.umt | cmp - after.json
    um-show mixed.umt | cmp - text
    [ "$(um-show --tee -n 1 parts.umt 2>/dev/null | um-show --keys | wc -l)" = 3 ]
    um-show --tee -o text parts.umt | um-show | grep -q '2 parts'
    run bash -c 'um-show --tee --png mixed.umt | cat'
    [[ $output = *'--tee has standard output'* ]]
}

@test "keys lead no file out of its folder, and none is written twice" {
    make_stream dots
    mkdir in
    cd in
    run um-show --npy -o out/ ../dots.umt
    [ "$status" = 1 ]
    [ "$output" = 'um-show: record a_b: out/a_b.npy would be written twice' ]
    [ "$(ls -A out | tr '\n' ' ')" = '_._up.npy _hidden.npy a_b.npy ' ] || ls -A out
    [ "$(ls -A out | wc -l)" = 3 ]
    [ "$(ls -A ..)" = "$(printf 'dots.umt\nin')" ]
}

@test "usage: ways that exclude each other, several records for one file" {
    make_stream xray
    run um-show --json --keys xray.umt
    [ "$status" = 2 ]
    run um-show --stack --png xray.umt
    [ "$status" = 2 ]
    run um-show --png -o one.png xray.umt
    [ "$status" = 2 ]
    [ "${#lines[@]}" = 1 ]
    [ ! -e one.png ]
    for o in '--nii o.mha' '--nii o.nrrd' '--nii %s.png' '--png o.JPG' '--png o.png.gz' '--npy o.nii' '--montage o.npy'; do
        run um-show "${o% *}" -k p1/s1 -o "${o#* }" xray.umt
        [ "$status" = 2 ] && [[ $output == "um-show: -o ${o#* }: what is written is "*", not ."* ]] && [ ! -e "${o#* }" ] ||
            { echo "$o: exit $status: $output"; return 1; }
    done
    run um-show -k nobody xray.umt
    [ "$status" = 1 ]
    run um-show --nii -t ids xray.umt
    [ "$output" = 'um-show: no record has a tensor ids' ]
}

@test "a cut stream fails after what could be read; a closed pipe does not" {
    make_stream xray many
    head -c 400 xray.umt >cut.umt
    run um-show --keys cut.umt
    [ "$status" = 1 ]
    [[ ${lines[-1]} = um-show:* ]]
    run bash -c 'set -o pipefail; um-show many.umt | head -n 3; echo ${PIPESTATUS[0]}'
    [ "${lines[3]}" = 141 ] || [ "${lines[3]}" = 0 ]
    [ "${#lines[@]}" = 4 ] # nothing on standard error
}

@test "infinities: mean and spread as NumPy has them" {
    /usr/bin/python3 - <<'EOF'
import msgpack, struct, zstandard
with open("inf.umt", "wb") as f:
    for m in ({"umt": 1, "history": []},
              {"key": "a", "meta": {}, "tensors": {n: {"dtype": "float32", "shape": [3], "data": struct.pack("<3f", *x)}
               for n, x in {"both": (float("inf"), -float("inf"), 1), "one": (float("inf"), 0, 1)}.items()}},
              {"end": 1, "index": False}):
        f.write(zstandard.ZstdCompressor(write_checksum=True).compress(msgpack.packb(m)))
EOF
    run um-show inf.umt
    [[ $output == *'both float32 [3] min -inf mean nan max inf std nan nan 0'* ]]
    [[ $output == *'one float32 [3] min 0 mean inf max inf std nan nan 0'* ]]
}
