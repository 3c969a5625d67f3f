# SPDX-License-Identifier: Apache-2.0
"""preprocess.py - um-preprocess against Pillow, OpenCV and nibabel on real files

usage: UM_REAL_DATA=dir preprocess.py [um-preprocess]     needs numpy pillow opencv-python-headless
                                                          nibabel msgpack zstandard
Prints a table; exits 1 where a number is over its bound.
"""
import io
import os
import subprocess
import sys

import cv2
import msgpack
import nibabel as nib
import numpy as np
import zstandard
from PIL import Image

DATA = os.environ["UM_REAL_DATA"]
TOOL = sys.argv[1] if len(sys.argv) > 1 else "um-preprocess"
failed = []


def records(*args):
    raw = subprocess.run([TOOL, *args], stdout=subprocess.PIPE, check=True).stdout
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True) as f:
        for m in msgpack.Unpacker(f, max_buffer_size=2**31):
            if "key" in m:
                m["tensors"] = {k: np.frombuffer(t["data"], t["dtype"]).reshape(t["shape"])
                                for k, t in m["tensors"].items()}
                yield m


def manifest(path):
    with open(path, encoding="utf-8", newline="\n") as f:
        head = f.readline().rstrip("\n").split("\t")
        for line in f:
            yield dict(zip(head, line.rstrip("\n").split("\t")))


def judge(name, value, bound):
    ok = value <= bound
    print(f"{name:62} {value:12.4g}   allowed {bound:g}{'' if ok else '   FAILED'}")
    if not ok:
        failed.append(name)


def gray(path):
    """one 8-bit channel as the method says, from Pillow's decoder"""
    im = Image.open(path)
    if im.format == "JPEG":
        if im.mode != "L":
            im.draft("L", im.size)  # libjpeg's own gray output: the Y plane
            assert im.mode == "L" and "adobe_transform" not in im.info or im.info["adobe_transform"]
        return np.asarray(im)
    a = cv2.imread(path, cv2.IMREAD_UNCHANGED)  # all 16 bits, which Pillow cuts
    full = 65535 if a.dtype == np.uint16 else 255
    a = a.astype(object) if a.ndim == 2 else a.astype(np.int64)
    if a.ndim == 2:
        num, den = a.astype(np.int64), 1
    else:
        num, den = 114 * a[..., 0] + 587 * a[..., 1] + 299 * a[..., 2], 1000
        if a.shape[2] == 4:
            num, den = num * a[..., 3], den * full
    den *= full // 255
    return ((2 * num + den) // (2 * den)).astype(np.uint8)


def box(n_in, n_out):
    """area weights as a matrix, straight from the definition"""
    lo = np.arange(n_out)[:, None] * n_in / n_out
    j = np.arange(n_in)[None]
    if n_out <= n_in:
        return np.clip(np.minimum(lo + n_in / n_out, j + 1) - np.maximum(lo, j), 0, None) * n_out / n_in
    c = np.clip((np.arange(n_out)[:, None] + 0.5) * n_in / n_out - 0.5, 0, n_in - 1)
    return np.clip(1 - np.abs(j - c), 0, None)


def square(g, resize):
    h, w = g.shape
    s = 256 * min(h, w) // max(h, w)
    fh, fw = (256, max(1, s)) if h >= w else (max(1, s), 256)
    out = np.zeros((256, 256))
    top, left = (256 - fh) // 2, (256 - fw) // 2
    out[top:top + fh, left:left + fw] = resize(g, fh, fw)
    return out


def exact(g, fh, fw):
    return box(g.shape[0], fh) @ g.astype(float) @ box(g.shape[1], fw).T


def pictures():
    path = f"{DATA}/xray/manifest.tsv"
    rows = {r["key"]: r for r in manifest(path)}
    off, cv_max, cv_mean, n = 0, 0, 0.0, 0
    fast_max, fast_mean, fast_n = 0, 0.0, 0
    for rec, fast in zip(records(path), records("--fast-decode", path)):
        file = f"{DATA}/xray/{rows[rec['key']]['image']}"
        got = rec["tensors"]["image"][0].astype(int)
        g = gray(file)
        off = max(off, np.abs(square(g, exact) - got).max())
        if max(g.shape) >= 256:
            area = square(g, lambda a, fh, fw: cv2.resize(a, (fw, fh), interpolation=cv2.INTER_AREA))
            d = np.abs(area - got)
            cv_max, cv_mean = max(cv_max, d.max()), cv_mean + d.mean()
        if Image.open(file).format == "JPEG":
            d = np.abs(fast["tensors"]["image"][0].astype(int) - got)
            fast_max, fast_mean, fast_n = max(fast_max, d.max()), fast_mean + d.mean(), fast_n + 1
        n += 1
    judge(f"{n} X-rays: levels from the exact mean (half a level is rounding)", off, 0.5 + 1e-9)
    judge("  largest difference from OpenCV INTER_AREA, levels", cv_max, 1)
    judge("  mean difference from OpenCV INTER_AREA, levels", cv_mean / n, 0.01)
    print(f"  --fast-decode on {fast_n} JPEG: mean {fast_mean / fast_n:.3f} levels, at most {fast_max}")


def triangle(n_in, n_out):
    r = max(1.0, n_in / n_out)
    c = (np.arange(n_out)[:, None] + 0.5) * n_in / n_out - 0.5
    w = np.clip(1 - np.abs(np.arange(n_in)[None] - c) / r, 0, None)
    return w / w.sum(1, keepdims=True)


def pillow(v, size):
    """the same filter by Pillow, which normalises and sums in its own way"""
    plane = [np.asarray(Image.fromarray(p).resize(size[:0:-1], Image.Resampling.BILINEAR)) for p in v]
    a = np.stack(plane).transpose(1, 0, 2)
    plane = [np.asarray(Image.fromarray(np.ascontiguousarray(p)).resize((size[2], size[0]),
             Image.Resampling.BILINEAR)) for p in a]
    return np.stack(plane).transpose(1, 0, 2)


def lps(img):
    now = nib.orientations.io_orientation(img.affine)
    to = nib.orientations.axcodes2ornt("LPS")
    return img.as_reoriented(nib.orientations.ornt_transform(now, to))


def volumes():
    path = f"{DATA}/ct/manifest.tsv"
    rows = {r["key"]: r for r in manifest(path)}
    worst, worst_pil, worst_aff, wrong, n = 0, 0, 0, 0, 0
    for rec in records("--mask-threshold", "127.5", path):
        row = rows[rec["key"]]
        img = lps(nib.load(f"{DATA}/ct/{row['image']}"))
        x = np.clip((img.get_fdata().transpose(2, 1, 0) + 1000) / 2000, 0, 1)
        got = rec["tensors"]["volume"]
        want = np.einsum("az,by,cx,zyx->abc", *(triangle(i, o) for i, o in zip(x.shape, got.shape)), x,
                         optimize=True)
        worst = max(worst, np.abs(want - got).max())
        worst_pil = max(worst_pil, np.abs(pillow(x.astype(np.float32), got.shape) - got).max())
        f = np.array(x.shape[::-1]) / got.shape[::-1]
        aff = img.affine.copy()
        aff[:3, 3] += img.affine[:3, :3] @ (f / 2 - 0.5)
        aff[:3, :3] *= f
        worst_aff = max(worst_aff, np.abs(np.array(rec["meta"]["affine"]).reshape(3, 4) - aff[:3]).max())
        if row["mask"]:
            m = lps(nib.load(f"{DATA}/ct/{row['mask']}")).get_fdata().transpose(2, 1, 0)
            m = m if (m == m.astype(np.uint8)).all() else m >= 127.5
            at = np.ix_(*((2 * np.arange(o) + 1) * i // (2 * o) for i, o in zip(m.shape, got.shape)))
            wrong += int((m[at].astype(np.uint8) != rec["tensors"]["mask"]).sum())
        n += 1
    judge(f"{n} CT volumes: largest difference from float64 (range 0..1)", worst, 2e-6)
    judge("  largest difference from Pillow's antialiased BILINEAR", worst_pil, 2e-6)
    judge("  largest difference of the affine from nibabel, mm", worst_aff, 1e-4)
    judge("  mask voxels that differ from NumPy's indexing", wrong, 0)


pictures()
volumes()
sys.exit(1 if failed else 0)
