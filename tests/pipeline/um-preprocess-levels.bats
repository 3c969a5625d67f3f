#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-preprocess: the column `levels`, against whole numbers of Python, at the size of the file
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    export PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1
}

# refused TEXT MANIFEST: exit 1 and one line that holds TEXT
refused() {
    run um-preprocess -o refused.umt "${@:2}"
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [[ $output != *"$1"* ]] || [ -e refused.umt ]; then
        echo "$status: $output"
        return 1
    fi
}

@test "every value of 16, 8, 4, 2 and 1 bits, up and down, with decimals, under alpha" {
    "$PY" - <<'END'
from media import *
rng = np.random.default_rng(5)
all16 = np.arange(65536).reshape(256, 256).astype(np.uint16)
put("16.png", png(all16))
put("16a.png", png(np.dstack([all16, rng.permutation(all16.ravel()).reshape(256, 256)])))
put("8a.png", png(np.dstack([all16 >> 8, all16 & 255]).astype(np.uint8)))
for depth in 8, 4, 2, 1:
    put(f"{depth}.png", png(rng.integers(0, 2**depth, (256, 256)).astype(np.uint8), depth=depth))
pairs = {"16": ["0,65535", "65535,0", "0,4095", "4095,0", "200.5,3800.5", "-100,70000.0001", "8,9", "9.9999,8", "70000,80000"],
         "16a": ["0,65535", "50000.5,1000"], "8a": ["0,255", "200,3.25"], "8": ["0,255", "10,20", "255,0", "-1000,1000"],
         "4": ["0,15", "15,0", "2,9.5"], "2": ["0,3", "3,0", "0.5,2"], "1": ["0,1", "1,0", "-1,1", "0,4"]}
put("m.tsv", ("key\tlevels\timage\n" +
              "".join(f"{f}/{i}\t{p}\t{f}.png\n" for f, ps in pairs.items() for i, p in enumerate(ps))).encode())
END
    um-preprocess -q m.tsv -o m.umt
    "$PY" - <<'END'
from fractions import Fraction
import math
from media import *
rng = np.random.default_rng(5)
all16 = np.arange(65536).reshape(256, 256)
stored = {"16": (all16, None, 1), "16a": (all16, rng.permutation(all16.ravel()).reshape(256, 256), 65535),
          "8a": (all16 >> 8, all16 & 255, 255)}
for depth in 8, 4, 2, 1:
    stored[str(depth)] = (rng.integers(0, 2**depth, (256, 256)), None, 1)
rows = [line.split("\t") for line in open("m.tsv").read().splitlines()[1:]]
records = read("m.umt")[1]
assert len(records) == len(rows) == 27
for key, levels, image in rows:
    meta, t = records[key]
    lo, hi = map(Fraction, levels.split(","))
    assert meta["levels"] == [float(lo), float(hi)], meta
    values, alpha, full = stored[image[:-4]]
    alphas = [1] * 65536 if alpha is None else alpha.ravel().tolist()
    first, last = 10000 * lo, 10000 * hi
    assert first.denominator == last.denominator == 1
    first, last, up = int(first), int(last), 1 if hi > lo else -1
    d = abs(last - first)
    for v, a, y in zip(values.ravel().tolist(), alphas, t["image"].ravel().tolist()):
        n = min(max((10000 * v - first) * up, 0), d)
        want = (2 * 255 * n * a + d * full) // (2 * d * full)
        assert y == want, (key, levels, v, a, y, want)
END
}

@test "an empty field, and no column: as ever; EXIF, mask and boxes go along" {
    "$PY" - <<'END'
from media import *
import zlib
put("a.png", png(gray().astype(np.uint16) * 256))
put("lesion.png", png((gray() > 200).astype(np.uint8)))
exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"    # 6: seen after a quarter turn
data = png(gray().astype(np.uint16) * 16)
chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
put("turned.png", data[:33] + chunk + data[33:])
END
    printf 'key\timage\tlevels\tmask\tboxes\na\ta.png\t\tlesion.png\t1,2,30,40\n' >empty.tsv
    printf 'key\timage\tmask\tboxes\na\ta.png\tlesion.png\t1,2,30,40\n' >none.tsv
    um-preprocess empty.tsv -o empty.umt 2>err && [ ! -s err ]
    um-preprocess none.tsv -o none.umt
    cmp empty.umt none.umt
    printf 'key\timage\tlevels\tmask\tboxes\nup\ta.png\t0,64256\tlesion.png\t1,2,30,40\ndown\ta.png\t64256,0\tlesion.png\t\n' >m.tsv
    printf 'turned\tturned.png\t0,4080\t\t\n' >>m.tsv
    um-preprocess --size 300 m.tsv -o m.umt
    "$PY" - <<'END'
from media import *
plain, r = read("none.umt")[1], read("m.umt")[1]
assert "levels" not in plain["a"][0] and r["up"][0]["levels"] == [0, 64256] and r["down"][0]["levels"] == [64256, 0]
g = gray().astype(int) * 256
assert (r["up"][1]["image"][0, :, 50:250] == (2 * 255 * g + 64256) // (2 * 64256)).all()
assert (r["down"][1]["image"][0, :, 50:250] == (2 * 255 * (64256 - g) + 64256) // (2 * 64256)).all()
assert (r["up"][1]["mask"][0, :, 50:250] == (gray() > 200)).all() and (r["down"][1]["mask"] == r["up"][1]["mask"]).all()
assert r["up"][1]["boxes"].tolist() == [[51, 2, 80, 40]]
assert (r["turned"][1]["image"][0, 50:250] == np.rot90(gray(), -1)).all()
END
}

@test "slices of 16 bits: by levels, or said to be flat" {
    mkdir hu
    "$PY" - <<'END'
from media import *
hu = np.random.default_rng(3).integers(-1200, 1500, (4, 20, 30))
np.save("hu.npy", hu)
for z in range(4):
    put(f"hu/{z + 1:03}.png", png((hu[z] + 32768).astype(np.uint16)))
END
    printf 'key\timage\tlevels\tmask\nv\thu\t31768,33768\t\n' >m.tsv
    um-preprocess --size 8,4x20x30 m.tsv -o m.umt 2>err
    [ "$(wc -l <err)" = 1 ] # spacing and direction
    "$PY" - <<'END'
from media import *
meta, t = read("m.umt")[1]["v"]
want = np.floor(np.clip(np.load("hu.npy") + 1000, 0, 2000) * 255 / 2000 + 0.5) / 255
assert np.abs(t["volume"] - want).max() < 1e-6 and meta["levels"] == [31768, 33768] and meta["window"] == [0, 255]
END
    printf 'key\timage\nv\thu\n' >m.tsv
    um-preprocess --size 8,4x20x30 m.tsv -o m.umt 2>err
    grep -q 'record v: slices of 16 bits that use less than an eighth of the range: the column levels' err
}

@test "what levels are refused for: one line each" {
    "$PY" "$BATS_TEST_DIRNAME/media.py" good
    "$PY" -c 'from media import *
put("rgb.png", png(np.dstack([gray()] * 3)))'
    printf 'key\timage\tlevels\nv\tct.nii\t0,1\n' >m.tsv
    refused 'record v: ct.nii: a volume, and levels are for gray PNG (a volume has --window)' m.tsv
    mkdir rgbs
    cp rgb.png rgbs/1.png
    cp rgb.png rgbs/2.png
    printf 'key\timage\tlevels\nv\trgbs\t0,1\n' >m.tsv
    refused 'record v: rgbs: rgbs/1.png: PNG: levels are for gray' m.tsv
    printf 'key\timage\tlevels\nj\tblocks.jpg\t0,1\n' >m.tsv
    refused 'record j: blocks.jpg: JPEG: levels are for gray PNG' m.tsv
    for f in rgb rgba; do
        printf 'key\timage\tlevels\nc\t%s.png\t0,1\n' $f >m.tsv
        refused "record c: $f.png: PNG: levels are for gray, this one has colours" m.tsv
    done
    printf 'key\timage\treport\tlevels\nt\t\tThe lungs are clear.\t0,1\n' >m.tsv
    refused 'record t: line 2 has levels and no image' m.tsv
    for bad in 1 1,1 0,1,2 '0, 1' 0,1e3 0,1.00001 x,y 0,1000001; do
        printf 'key\timage\tlevels\ng\tgray.png\t%s\n' "$bad" >m.tsv
        refused "record g: gray.png: column levels: \"$bad\": LO,HI expected" m.tsv
    done
    printf 'key\timage\tlevels\tlevels\n' >m.tsv
    refused 'line 1: two columns are called "levels"' m.tsv
    # one among others
    printf 'key\timage\tlevels\na\tgray.png\t250,0\nj\tblocks.jpg\t0,1\n' >m.tsv
    um-preprocess -q --on-error skip --rejects r.txt m.tsv -o m.umt
    grep -q '^j	.*JPEG: levels are for gray PNG' r.txt
    [ "$(um-show --keys m.umt)" = a ]
}

@test "levels of a DICOM window make the picture that DICOM's window makes" {
    "$PY" - <<'END'
from media import *
def element(group, number, vr, value):
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    length = struct.pack("<HI", 0, len(value)) if vr == b"OW" else struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr) + length + value
def us(v):
    return struct.pack("<H", v)
px = np.arange(4096).reshape(64, 64).astype(np.uint16)
put("x.png", png(px))
for name, kind, voi in ("x", b"MONOCHROME2", b"LINEAR"), ("m1", b"MONOCHROME1", b"LINEAR"), ("exact", b"MONOCHROME2", b"LINEAR_EXACT"):
    head = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1")
    put(name + ".dcm", bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(head))) + head +
        element(8, 0x60, b"CS", b"CR") + element(0x28, 2, b"US", us(1)) + element(0x28, 4, b"CS", kind) +
        element(0x28, 0x10, b"US", us(64)) + element(0x28, 0x11, b"US", us(64)) + element(0x28, 0x100, b"US", us(16)) +
        element(0x28, 0x101, b"US", us(12)) + element(0x28, 0x102, b"US", us(11)) + element(0x28, 0x103, b"US", us(0)) +
        element(0x28, 0x1050, b"DS", b"2000.5") + element(0x28, 0x1051, b"DS", b"3001") + element(0x28, 0x1056, b"CS", voi) +
        element(0x7fe0, 0x10, b"OW", px.astype("<u2").tobytes()))
END
    printf 'key\timage\nx\tx.dcm\nm1\tm1.dcm\nexact\texact.dcm\n' >d.tsv
    um-preprocess -q --dicom=window --size 64 d.tsv -o d.umt
    # LINEAR: centre - width / 2 to centre + width / 2 - 1
    printf 'key\timage\tlevels\nx\tx.png\t500,3500\nm1\tx.png\t3500,500\nexact\tx.png\t500,3501\n' >p.tsv
    um-preprocess -q --size 64 p.tsv -o p.umt
    "$PY" - <<'END'
from media import *
d, p = read("d.umt")[1], read("p.umt")[1]
v = np.arange(4096).reshape(64, 64)
for key, span in ("x", 3000), ("m1", 3000), ("exact", 3001):
    far = np.abs(d[key][1]["image"][0].astype(int) - p[key][1]["image"][0])
    half = 2 * 255 * (v - 500) % (2 * span) == span    # which doubles, and inverting afterwards, round either way
    assert far.max() <= 1 and not far[~half].any(), (key, far.max(), far[~half].sum())
END
    printf 'key\timage\tlevels\nd\tx.dcm\t0,1\n' >m.tsv
    refused 'record d: x.dcm: DICOM: levels are for gray PNG' m.tsv
}

@test "warnings: 16 bits that are hardly used, levels of another file" {
    "$PY" - <<'END'
from media import *
for name, most in ("dark", 4000), ("edge", 8191), ("fine", 8192), ("black", 0), ("ten", 1023):
    put(name + ".png", png(np.full((9, 9), most, np.uint16)))
put("alpha.png", png(np.tile(np.array([300, 65535], np.uint16), (9, 9, 1))))
put("rgb.png", png(np.full((9, 9, 3), 300, np.uint16)))
put("eight.png", png(np.full((9, 9), 3, np.uint8)))
put("ramp.png", png((np.arange(81).reshape(9, 9) * 50).astype(np.uint16)))
put("m.tsv", ("key\timage\n" + "".join(f"{i}\tdark.png\n" for i in range(7)) +
    "".join(f"{f}\t{f}.png\n" for f in ("edge", "fine", "black", "ten", "alpha", "rgb", "eight"))).encode())
END
    um-preprocess -j 1 m.tsv -o m.umt 2>err
    said() { # WHO MOST
        echo "um-preprocess: warning: $1: 16 bits, and no value above $2: near black, unless the column levels" \
            "says what black and white are (0,$2)"
    }
    {
        for i in 0 1 2; do said "record $i" 4095; done
        said 'record edge' 8191
        said 'record black' 1
        said 'record ten' 1023
        said 'record alpha' 511
        said '4 more records' 4095
    } | cmp - err
    um-preprocess -q m.tsv -o m.umt 2>err && [ ! -s err ]
    printf 'key\timage\tlevels\nok\tramp.png\t0,4000\nall\tramp.png\t0,32000\nfew\tramp.png\t0,33500\n' >m.tsv
    printf 'black\tramp.png\t5000,6000\nwhite\tramp.png\t-2,-1\n' >>m.tsv
    um-preprocess -j 1 m.tsv -o m.umt 2>err
    [ "$(grep -c "levels that leave less than an eighth of all grays: are they this file's?" err)" = 3 ]
    [ "$(sed 's/.*record \([a-z]*\):.*/\1/' err | tr '\n' ' ')" = 'few black white ' ] || { cat err; false; }
}
