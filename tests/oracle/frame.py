# SPDX-License-Identifier: Apache-2.0
"""frame.py - um-show --nii --like: a tensor back onto its file's grid, against nibabel and scipy

usage: UM_REAL_DATA=dir frame.py     needs um-preprocess and um-show on PATH, numpy scipy nibabel
                                     msgpack zstandard
For each volume (the real ones, and made-up ones: 48 arrangements, oblique, NIfTI-2, other byte order)
its stream is given a label and a probability tensor, which go back onto the file. The header must say
what the file's says; the voxels must be those of scipy.ndimage.map_coordinates through the two affines.
Prints a table; exits 1 where a number is over its bound.
"""
import glob
import io
import itertools
import os
import subprocess
import sys
import tempfile

import msgpack
import nibabel as nib
import numpy as np
import zstandard
from scipy.ndimage import map_coordinates

DATA = os.environ["UM_REAL_DATA"]
failed = []


def judge(name, value, bound):
    ok = value <= bound
    if not ok:
        failed.append(name)
    return "" if ok else "   FAILED"


def stream(path):
    raw = open(path, "rb").read()
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True) as f:
        return list(msgpack.Unpacker(f, max_buffer_size=2**31))


def put(path, messages):
    z = zstandard.ZstdCompressor(level=1, write_checksum=True)
    with open(path, "wb") as f:
        for m in messages:
            f.write(z.compress(msgpack.packb(m)))


def tensor(a):
    return {"dtype": a.dtype.name, "shape": list(a.shape), "data": a.tobytes()}


def expected(a, affine, like, order):
    """a [z,y,x] at the voxels of like, [i,j,k]"""
    m = np.linalg.inv(affine) @ like.affine
    i, j, k = np.meshgrid(*(np.arange(n) for n in like.shape[:3]), indexing="ij")
    p = np.stack([m[r, 0] * i + m[r, 1] * j + m[r, 2] * k + m[r, 3] for r in range(3)])
    n = np.array(a.shape[::-1])[:, None, None, None]
    tie = 1e-6  # half way goes up, whatever rounding errors say
    inside = ((p + tie >= -0.5) & (p + tie < n - 0.5)).all(0)
    got = map_coordinates(a.astype(np.float64), p[::-1] + (tie if order == 0 else 0), order=order, mode="nearest")
    return np.where(inside, got, 0)


def check(name, path, *options):
    with tempfile.TemporaryDirectory() as d:
        open(f"{d}/m.tsv", "w").write(f"key\timage\na/b\t{os.path.abspath(path)}\n")
        subprocess.run(["um-preprocess", "-q", f"{d}/m.tsv", "-o", f"{d}/s.umt", *options], check=True)
        messages = stream(f"{d}/s.umt")
        rec = next(m for m in messages if "key" in m)
        volume = np.frombuffer(rec["tensors"]["volume"]["data"], "<f4")
        volume = volume.reshape(rec["tensors"]["volume"]["shape"])
        labels = (np.floor(volume * 37) + 1).astype(np.uint8)
        rec["tensors"] |= {"mask": tensor(labels)}
        put(f"{d}/t.umt", messages[:2] + [{"end": 1, "index": False}])
        affine = np.vstack([np.reshape(rec["meta"]["affine"], (3, 4)), [0, 0, 0, 1]])
        like = nib.load(path)
        row = [f"{name:26}", f"{'x'.join(map(str, like.shape)):>14}"]
        for t, a, order, bound in (("mask", labels, 0, 0), ("volume", volume, 1, 2e-7)):
            out = f"{d}/{t}.nii.gz"
            subprocess.run(["um-show", "--nii", "--like", path, "-t", t, "-o", out, f"{d}/t.umt"], check=True)
            back = nib.load(out)
            same = (back.shape == like.shape[:3] and (back.affine == like.affine).all()
                    and back.header["qform_code"] == like.header["qform_code"]
                    and back.header["sform_code"] == like.header["sform_code"]
                    and np.array_equal(back.header.get_zooms(), like.header.get_zooms()[:3])
                    and np.array_equal(back.header.get_qform(), like.header.get_qform())
                    and back.get_data_dtype() == a.dtype)
            want = expected(a, affine, like, order)
            got = np.asarray(back.dataobj, np.float64)
            diff = np.abs(got - want).max()
            row.append(f"{t}: header {'same' if same else 'DIFFERS'}, worst {diff:.2g}, "
                       f"covered {(got != 0).mean():.0%}"
                       + judge(f"{name} {t}", diff + (not same), bound))
        print("  ".join(row))


def made(folder):
    rng = np.random.default_rng(7)
    v = rng.integers(-1000, 1000, (9, 12, 7)).astype(np.int16)
    base = np.diag([1.5, 2, 2.5, 1])
    for perm in itertools.permutations(range(3)):
        for sign in itertools.product((1, -1), repeat=3):
            a = np.zeros((4, 4))
            for i in range(3):
                a[perm[i], i] = base[i, i] * sign[i]
            a[:, 3] = [10, -20, 30, 1]
            name = "".join(map(str, perm)) + "".join("+-"[s < 0] for s in sign)
            nib.save(nib.Nifti1Image(v, a), f"{folder}/{name}.nii")
            yield name, f"{folder}/{name}.nii"
    for k, angle in enumerate((0.2, 0.6, 1.1)):
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
        a = np.eye(4)
        a[:3, :3] = turn @ base[:3, :3]
        a[:3, 3] = [-7, 3, 11]
        nib.save(nib.Nifti2Image(v, a), f"{folder}/oblique{k}.nii")
        yield f"oblique{k} NIfTI-2", f"{folder}/oblique{k}.nii"
        a[:3, :3] = a[:3, :3] @ np.array([[1, 0.2, 0], [0, 1, 0.1], [0, 0, 1]])
        im = nib.Nifti1Image(v, a, nib.Nifti1Header(endianness=">"))
        nib.save(im, f"{folder}/sheared{k}.nii.gz")
        yield f"sheared{k} big endian", f"{folder}/sheared{k}.nii.gz"


for path in sorted(glob.glob(f"{DATA}/ct/*.nii.gz")):
    if "mask" not in path:
        check(os.path.basename(path)[:-7], path)
check("totalseg_abdomen --spacing", f"{DATA}/ct/totalseg_abdomen.nii.gz", "--spacing", "4,4,5", "--crop-foreground")
check("ricord_1a_cor cut to size", f"{DATA}/ct/ricord_1a_cor.nii.gz", "--spacing", "1.5,1.5,2", "--size", "96x160x160")
with tempfile.TemporaryDirectory() as folder:
    for item in made(folder):
        check(*item, "--size", "10x20x16")
print(f"{len(failed)} over their bounds")
sys.exit(bool(failed))
