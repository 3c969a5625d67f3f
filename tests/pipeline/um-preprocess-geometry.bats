#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-preprocess: where things come to lie; files made by media.py, the arithmetic written out in NumPy

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    MEDIA=$BATS_TEST_DIRNAME/media.py
    export PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1
    "$PY" "$MEDIA" good
}

# refused TEXT ARGUMENT...: exit 1 and one line that holds TEXT
refused() {
    run um-preprocess -o refused.umt "${@:2}"
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [[ $output != *"$1"* ]] || [ -e refused.umt ]; then
        echo "$status: $output"
        return 1
    fi
}

@test "a spacing, a crop to what is there, a size around the centre; the mask with it" {
    printf 'key\timage\tmask\nv\tct.nii\torgans.nii\n' >m.tsv
    um-preprocess --window=-500,1000 --spacing 3.1,1.3,2 m.tsv -o all.umt
    um-preprocess --window=-500,1000 --spacing 3.1,1.3,2 --crop-foreground m.tsv -o crop.umt
    um-preprocess --window=-500,1000 --spacing 3.1,1.3,2 --size 40x40x8 m.tsv -o sized.umt
    um-preprocess --window=-500,1000 --spacing 3.1,1.3,2 --size 40x40x8 --crop-foreground m.tsv -o both.umt
    um-preprocess --window=-500,1000 --crop-foreground --size 6x7x8 m.tsv -o resized.umt
    um-preprocess --window=-500,1000 --resize point --size 6x7x8 m.tsv -o point.umt
    "$PY" - <<'END'
from media import *
def taps(n, c, step, point=False):
    r = 1 if point else max(1, step)
    w = np.clip(1 - np.abs(np.arange(n) - c[:, None]) / r, 0, None)
    return w / w.sum(1, keepdims=True)
def at(n_out, step, first=0):
    return (np.arange(n_out) + first + 0.5) * step - 0.5
def near(want, got, tol=2e-6):
    assert want.shape == got.shape and np.abs(want - got).max() <= tol, (want.shape, got.shape)
x = (np.clip(body(), -500, 1000) + 500) / 1500                 # 20 x 30 x 25, 3 x 2 x 2 mm
labels = ((body() > 0) * 3).astype(np.uint8)
step = [2 / 3, 1.3 / 2, 3.1 / 2]
n = [int(np.round(a / s)) for a, s in zip(x.shape, step)]
w = [taps(a, at(m, s), s) for a, m, s in zip(x.shape, n, step)]
full = np.einsum("az,by,cx,zyx->abc", *w, x, optimize=True)
grid = np.ix_(*(np.floor((np.arange(m) + 0.5) * s).astype(int) for m, s in zip(n, step)))
meta, t = read("all.umt")[1]["v"]
near(full, t["volume"]); near(labels[grid], t["mask"], 0)
assert np.allclose(meta["spacing"], [3.1, 1.3, 2])
A = np.array(meta["affine"]).reshape(3, 4)
assert np.allclose(A[:, 3], [1 - 1.55, 1 - 0.65, -1.5 + 1])     # the near edges stay

box = [(np.flatnonzero((full > 0).any(tuple({0, 1, 2} - {k}))))[[0, -1]] for k in range(3)]
part = tuple(slice(lo, hi + 1) for lo, hi in box)
meta, t = read("crop.umt")[1]["v"]
near(full[part], t["volume"]); near(labels[grid][part], t["mask"], 0)
B = np.array(meta["affine"]).reshape(3, 4)
assert np.allclose(B[:, 3], A @ [box[2][0], box[1][0], box[0][0], 1])

def centred(a, shape):
    out = np.zeros(shape, a.dtype)
    src, dst = [], []
    for m, k in zip(a.shape, shape):
        lo, pad = max(0, (m - k) // 2), max(0, (k - m) // 2)
        src.append(slice(lo, lo + min(m, k))); dst.append(slice(pad, pad + min(m, k)))
    out[tuple(dst)] = a[tuple(src)]
    return out
meta, t = read("sized.umt")[1]["v"]
near(centred(full, (40, 40, 8)), t["volume"]); near(centred(labels[grid], (40, 40, 8)), t["mask"], 0)
t = read("both.umt")[1]["v"][1]
near(centred(full[part], (40, 40, 8)), t["volume"])

own = [(np.flatnonzero((x > 0).any(tuple({0, 1, 2} - {k}))))[[0, -1]] for k in range(3)]
y = x[tuple(slice(lo, hi + 1) for lo, hi in own)]
w = [taps(a, at(m, a / m), a / m) for a, m in zip(y.shape, (6, 7, 8))]
meta, t = read("resized.umt")[1]["v"]
near(np.einsum("az,by,cx,zyx->abc", *w, y, optimize=True), t["volume"])
w = [taps(a, at(m, a / m), a / m, True) for a, m in zip(x.shape, (6, 7, 8))]
near(np.einsum("az,by,cx,zyx->abc", *w, x, optimize=True), read("point.umt")[1]["v"][1]["volume"])
END
    refused 'record v: ct.nii: nothing lies above 3000: no foreground to crop to' --window=3000,4000 --crop-foreground m.tsv
    refused 'record v: ct.nii: nothing lies above 0' --window=3000,4000 --crop-foreground --spacing 2 m.tsv
    refused '64 x 64 x 64 voxels by --size, at most 20000 allowed (--max-pixels)' --size 64x64x64 --max-pixels 20000 m.tsv
    refused 'voxels at that spacing, at most 20000 allowed (--max-pixels)' --spacing 0.5 --max-pixels 20000 m.tsv
    for o in '' '--spacing 2'; do # the peaks of a CT are looked for in all of it, not in the crop alone
        # shellcheck disable=SC2086
        run um-preprocess --window 800,1000 --crop-foreground $o m.tsv -o quiet.umt
        [ "$status" = 0 ]
        [ -z "$output" ]
    done
    for o in '--spacing 1,2' '--spacing 0' '--spacing 1,2,x' '--size 7' '--size 4x4x4,8,9' '--size 8,' \
        '--spacing 2 --mask-filter area' '--resize point --fast-decode'; do
        # shellcheck disable=SC2086
        run um-preprocess $o m.tsv -o none.umt
        [ "$status" = 2 ]
    done
}

@test "boxes move with their picture, and draw its mask" {
    printf 'key\timage\tboxes\na\tgray.png\t10.5,20,60.25,90;150,250,200,300\nb\tgray.png\t\n' >m.tsv
    um-preprocess --box-mask --mask-filter area m.tsv -o area.umt
    um-preprocess --box-mask --size 100 --fit stretch m.tsv -o near.umt
    "$PY" - <<'END'
from media import *
b = np.array([[10.5, 20, 60.25, 90], [150, 250, 200, 300]])
meta, t = read("area.umt")[1]["a"]
assert meta["pixels"] == [200, 300] and meta["extent"] == [43, 0, 213, 256]
s = np.array([170 / 200, 256 / 300] * 2)
assert t["boxes"].dtype == np.float32 and np.abs(t["boxes"] - (b * s + [43, 0, 43, 0])).max() < 1e-4
drawn = np.zeros((300, 200))
for x0, y0, x1, y1 in np.floor(b).astype(int):
    drawn[y0:y1, x0:x1] = 255
def share(n, m):
    lo, j = np.arange(m)[:, None] * n / m, np.arange(n)[None]
    return np.clip(np.minimum(lo + n / m, j + 1) - np.maximum(lo, j), 0, None) * m / n
want = np.zeros((256, 256))
want[:, 43:213] = share(300, 256) @ drawn @ share(200, 170).T
assert np.abs(t["mask"][0] - want).max() <= 0.5 + 1e-9
meta, t = read("near.umt")[1]["a"]
assert meta["extent"] == [0, 0, 100, 100]
assert np.abs(t["boxes"] - b * [0.5, 1 / 3, 0.5, 1 / 3]).max() < 1e-4
at = np.ix_((2 * np.arange(100) + 1) * 300 // 200, (2 * np.arange(100) + 1) * 200 // 200)
assert (t["mask"][0] == (drawn / 255)[at]).all()
t = read("near.umt")[1]["b"][1]
assert t["boxes"].shape == (0, 4) and t["mask"].max() == 0
END
    printf 'key\timage\tboxes\na\tgray.png\t0,0,300,10\n' >out.tsv
    refused 'record a: gray.png: box 1 (0,0,300,10) reaches out of the picture of 200 x 300' out.tsv
    printf 'key\timage\tboxes\na\tgray.png\t0,0,9,9;-1,0,0,10\n' >out.tsv
    refused 'record a: gray.png: box 2 (-1,0,0,10) lies outside the picture of 200 x 300' out.tsv
    printf 'key\timage\tboxes\na\tgray.png\t5,0,5,10\n' >out.tsv
    refused 'record a: gray.png: box 1 (5,0,5,10) has no area' out.tsv
    printf 'key\timage\tmask\na\tgray.png\tnone.png\n' >none.tsv
    refused 'record a: mask: none.png: no such file' none.tsv
    printf 'key\timage\tboxes\na\tgray.png\t0,0,3\n' >three.tsv
    refused 'record a: gray.png: column boxes: box 1 of "0,0,3": x0,y0,x1,y1 expected' three.tsv
    printf 'key\timage\tboxes\na\tct.nii\t0,0,3,3\n' >ct.tsv
    refused 'record a: ct.nii: a volume, and boxes lie on pictures' ct.tsv
    printf 'key\timage\tmask\tboxes\na\tgray.png\tlesion.png\t0,0,3,3\n' >two.tsv
    refused 'a mask file, and --box-mask would draw another' --box-mask two.tsv
}

@test "pictures sampled by points" {
    printf 'key\timage\na\tgray.png\n' >m.tsv
    um-preprocess --resize point --fit stretch --size 64 m.tsv -o out.umt
    "$PY" - <<'END'
from media import *
def taps(n, m):
    c = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)[:, None]
    return np.clip(1 - np.abs(np.arange(n) - c), 0, None)
want = taps(300, 64) @ gray() @ taps(200, 64).T
assert np.abs(read("out.umt")[1]["a"][1]["image"][0] - want).max() <= 0.5 + 1e-9
END
}
