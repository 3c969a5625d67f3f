# SPDX-License-Identifier: Apache-2.0
"""volumes.py - um-preprocess against SimpleITK and nibabel on volumes that they, or hand, wrote

usage: [UM_REAL_DATA=dir] volumes.py [-n FILES] [-s SEED] [um-preprocess]
       needs numpy nibabel SimpleITK msgpack zstandard

Volumes of random direction (each of the 48 arrangements of axes, as it is and oblique), spacing, type,
byte order and coding are written in every format; the real CTs too, if their folder is named. The
volume comes back at its own size, so that every voxel can be compared, and the eight corners of the
grid in millimetres. Prints a table; exits 1 where a number is over its bound.
"""
import argparse
import io
import itertools
import os
import subprocess
import sys
import tempfile
import warnings
import zlib

import msgpack
import nibabel as nib
import numpy as np
import SimpleITK as sitk
import zstandard

SHAPE = (7, 11, 9)  # z, y, x in the canonical frame
LO, HI = -32768, 32768  # a window that keeps whole numbers exact
LPS = np.array([-1, -1, 1.0])
RANGE = {"i1": (-128, 128), "u1": (0, 256), "u2": (0, 32768), "u4": (0, 32768), "u8": (0, 32768)}
warnings.filterwarnings("ignore")
sitk.ProcessObject.SetGlobalWarningDisplay(False)
failed = []


def arrangement(rng, k, oblique):
    """direction (columns: the axes in LPS), spacing of the stored axes, and their sizes"""
    order = list(itertools.permutations(range(3)))[k // 8]
    d = np.zeros((3, 3))
    for c, r in enumerate(order):
        d[r, c] = -1 if k >> c & 1 else 1
    if oblique:
        axis = rng.normal(size=3)
        a = axis / np.linalg.norm(axis) * rng.uniform(0.05, 0.45)
        x = np.array([[0, -a[2], a[1]], [a[2], 0, -a[0]], [-a[1], a[0], 0]])
        t = np.linalg.norm(a)
        d = (np.eye(3) + np.sin(t) / t * x + (1 - np.cos(t)) / t**2 * x @ x) @ d
    size = [SHAPE[2 - r] for r in order]
    return d, rng.uniform(0.4, 3, 3).round(4), size


def voxels(rng, dtype, size):
    lo, hi = RANGE.get(dtype, (-2048, 4096))
    v = rng.integers(lo, hi, size=size[::-1])
    return v.astype(dtype)


# ---- what each writes: [z,y,x] stored, direction, spacing, origin in LPS -> names to read, formats


def image(v, d, spacing, origin):
    im = sitk.GetImageFromArray(v)
    im.SetDirection(d.ravel())
    im.SetSpacing(spacing.tolist())
    im.SetOrigin(origin.tolist())
    return im


def by_itk(name, end, packed):
    def write(v, d, spacing, origin):
        sitk.WriteImage(image(v, d, spacing, origin), f"{name}{end}", packed)
        return f"{name}{end}"
    return write


def ras(d, spacing, origin):
    a = np.eye(4)
    a[:3, :3] = LPS[:, None] * d * spacing
    a[:3, 3] = LPS * origin
    return a


def by_nibabel(name, kind, end, big):
    def write(v, d, spacing, origin):
        head = kind.header_class(endianness=">" if big else "<")
        head.set_data_dtype(v.dtype)
        kind(v.transpose(2, 1, 0), ras(d, spacing, origin), head).to_filename(f"{name}{end}")
        return f"{name}{end}"
    return write


def analyze(name, end, spm, big):
    """Analyze keeps no direction: nibabel's own reading is the answer"""
    def write(v, d, spacing, origin):
        del d, origin
        kind = nib.Spm99AnalyzeImage if spm else nib.AnalyzeImage
        head = kind.header_class(endianness=">" if big else "<")
        head.set_data_dtype(v.dtype)
        head.set_data_shape(v.shape[::-1])
        head.set_zooms(spacing)
        if spm:
            head["origin"][:3] = (3, 2, 5)
        im = kind(v.transpose(2, 1, 0), None, head)
        im.to_filename(f"{name}.img")
        if os.path.exists(f"{name}.mat"):
            os.remove(f"{name}.mat")
        return f"{name}{end}"
    return write


def text(a):
    return " ".join(f"{x:.17g}" for x in np.ravel(a))


def by_hand_meta(name, how, big):
    kinds = {"i1": "CHAR", "u1": "UCHAR", "i2": "SHORT", "u2": "USHORT", "i4": "INT", "u4": "UINT",
             "i8": "LONG_LONG", "u8": "ULONG_LONG", "f4": "FLOAT", "f8": "DOUBLE"}

    big = big and how != "text"  # ITK swaps the bytes of numbers that it read as text

    def write(v, d, spacing, origin):
        v = v.astype(v.dtype.newbyteorder(">" if big else "<"))
        raw = [v.tobytes()]
        head = (f"ObjectType = Image\nNDims = 3\nBinaryData = {how != 'text'}\n"
                f"BinaryDataByteOrderMSB = {big}\nCompressedData = {how == 'zlib'}\n"
                f"TransformMatrix = {text(d.T)}\nOffset = {text(origin)}\nElementSpacing = {text(spacing)}\n"
                f"DimSize = {text(v.shape[::-1])}\nElementType = MET_{kinds[v.dtype.str[1:]]}\n")
        if how == "zlib":
            raw = [zlib.compress(raw[0])]
            head += f"ElementDataFile = {name}.zraw\n"
            files = [f"{name}.zraw"]
        elif how == "list":
            raw, files = [p.tobytes() for p in v], [f"{name}_{k}.raw" for k in range(len(v))]
            head += "ElementDataFile = LIST\n" + "\n".join(files) + "\n"
        elif how == "pattern":
            raw, files = [p.tobytes() for p in v], [f"{name}_{k:03}.raw" for k in range(1, len(v) + 1)]
            head += f"ElementDataFile = {name}_%03d.raw 1 {len(v)} 1\n"
        elif how == "end":
            raw, files = [b"something else" + raw[0]], [f"{name}.raw"]
            head += f"HeaderSize = -1\nElementDataFile = {name}.raw\n"
        else:
            raw, files = [], []
            head += "ElementDataFile = LOCAL\n" + " ".join(map(str, v.ravel())) + "\n"
        for file, data in zip(files, raw):
            with open(file, "wb") as f:
                f.write(data)
        with open(f"{name}.mhd", "w", encoding="ascii") as f:
            f.write(head)
        return f"{name}.mhd"
    return write


def by_hand_nrrd(name, how, space, big):
    sign = {"LPS": (1, 1, 1), "RAS": (-1, -1, 1), "left-anterior-superior": (1, -1, 1)}[space]

    def write(v, d, spacing, origin):
        v = v.astype(v.dtype.newbyteorder(">" if big else "<"))
        kind = {"f4": "float", "f8": "double"}.get(v.dtype.str[1:], v.dtype.name)
        dirs = " ".join("(" + ",".join(f"{x:.17g}" for x in np.array(sign) * d[:, c] * spacing[c]) + ")"
                        for c in range(3))
        at = ",".join(f"{x:.17g}" for x in np.array(sign) * origin)
        head = (f"NRRD0004\n# by hand\ntype: {kind}\ndimension: 3\nspace: {space}\n"
                f"sizes: {text(v.shape[::-1])}\nspace directions: {dirs}\nspace origin: ({at})\n"
                f"kinds: domain domain domain\nendian: {'big' if big else 'little'}\nkey:=value\n")
        raw = v.tobytes()
        if how == "text":
            body = head + "encoding: ascii\n\n" + "\n".join(" ".join(map(str, r)) for r in v.reshape(-1, v.shape[2]))
            data = body.encode()
        elif how == "hex":
            data = (head + "encoding: hex\n\n" + raw.hex("\n", 40)).encode()
        elif how == "gzip":
            data = (head + "encoding: gz\n\n").encode() + zlib.compress(raw, wbits=31)
        elif how == "skip":
            with open(f"{name}.raw", "wb") as f:
                f.write(b"one line\nand another\nxyz" + raw)
            data = (head + f"encoding: raw\nline skip: 2\nbyte skip: 3\ndata file: {name}.raw\n").encode()
        else:
            with open(f"{name}.raw", "wb") as f:
                f.write(b"what comes before" + raw)
            data = (head + f"encoding: raw\nbyteskip: -1\ndatafile: {name}.raw\n").encode()
        with open(f"{name}.nhdr", "wb") as f:
            f.write(data)
        return f"{name}.nhdr"
    return write


def writers(name, big):
    itk = [(f"{end}{', deflated' if z else ''}", by_itk(name, end, z), None)
           for end in (".mha", ".mhd", ".nrrd", ".nhdr") for z in (False, True)]
    itk += [(".nii", by_itk(name, ".nii", False), None), (".nii.gz", by_itk(name, ".nii.gz", True), None),
            (".img and .hdr", by_itk(name, ".img", False), None)]
    nibs = [(".nii", nib.Nifti1Image, ".nii"), (".nii.gz", nib.Nifti1Image, ".nii.gz"),
            (".hdr, .img", nib.Nifti1Pair, ".hdr"), (".img.gz, .hdr.gz", nib.Nifti1Pair, ".img.gz"),
            ("NIfTI-2 .nii", nib.Nifti2Image, ".nii"), ("NIfTI-2 pair", nib.Nifti2Pair, ".hdr")]
    order = "big" if big else "little"
    out = [("SimpleITK", w, f, e) for w, f, e in itk]
    out += [("nibabel", f"{w}, {order}", by_nibabel(name, k, e, big), None) for w, k, e in nibs]
    out += [("nibabel", f"Analyze {e}, {order}", analyze(name, e, False, big), "analyze") for e in (".hdr", ".img")]
    out += [("nibabel", f"SPM99 .hdr, {order}", analyze(name, ".hdr", True, big), "analyze")]
    out += [("hand", f".mhd {h}, {order}", by_hand_meta(name, h, big), None)
            for h in ("zlib", "list", "pattern", "end", "text")]
    out += [("hand", f".nhdr {h} {s}, {order}", by_hand_nrrd(name, h, s, big), None)
            for h, s in zip(("text", "hex", "gzip", "skip", "end"), ("RAS", "LPS", "left-anterior-superior", "RAS", "LPS"))]
    return out


# ---- what came out


def read(tool, size, *args):
    raw = subprocess.run([tool, "-q", "--window", f"{LO},{HI}", "--size", "x".join(map(str, size)), *args],
                         stdout=subprocess.PIPE, check=True).stdout
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True) as f:
        for m in msgpack.Unpacker(f, max_buffer_size=2**31):
            if "key" in m:
                t = m["tensors"]["volume"]
                yield (m["key"], np.frombuffer(t["data"], t["dtype"]).reshape(t["shape"]).astype(float) * (HI - LO) + LO,
                       np.array(m["meta"]["affine"]).reshape(3, 4))


def corners(affine, shape):
    ends = np.array(list(itertools.product(*((0, n - 1) for n in shape[::-1]))))
    return ends @ affine[:3, :3].T + affine[:3, 3]


def by_simpleitk(path):
    im = sitk.DICOMOrient(sitk.ReadImage(path), "LPS")
    d = np.array(im.GetDirection()).reshape(3, 3)
    return (sitk.GetArrayFromImage(im).astype(float),
            ras(d, np.array(im.GetSpacing()), np.array(im.GetOrigin()))[:3])


def with_nibabel(path):
    img = nib.load(path)
    now, to = nib.orientations.io_orientation(img.affine), nib.orientations.axcodes2ornt("LPS")
    img = img.as_reoriented(nib.orientations.ornt_transform(now, to))
    return img.get_fdata().transpose(2, 1, 0), img.affine[:3]


class Table:
    def __init__(self):
        self.rows = {}

    def add(self, key, got, affine, want, want_affine):
        voxel = np.abs(got - want).max() if got.shape == want.shape else np.inf
        mm = np.abs(corners(affine, got.shape) - corners(want_affine, want.shape)).max()
        n, v, c = self.rows.get(key, (0, 0, 0))
        self.rows[key] = (n + 1, max(v, voxel), max(c, mm))

    def show(self, voxel_bound):
        for key, (n, v, c) in self.rows.items():
            ok = v <= voxel_bound and c <= 1e-4
            print(f"{key[0]:10} {key[1]:34} {key[2]:10} {n:5} {v:10.3g} {c:10.3g}{'' if ok else '  FAILED'}")
            if not ok:
                failed.append(key)


def made(tool, count, seed):
    """count files of each kind, through all 48 arrangements in turn"""
    rng, jobs = np.random.default_rng(seed), {}
    dtypes = ["i2", "u1", "f4", "i1", "u2", "i4", "u4", "f8"]
    for k in range(count):
        d, spacing, size = arrangement(rng, k % 48, k >= count // 2)
        origin = rng.uniform(-300, 300, 3).round(3)
        for i, (who, what, write, special) in enumerate(writers("x", k % 2 == 1)):
            dtype = dtypes[(k + i) % len(dtypes)]
            if special == "analyze" and dtype not in ("i2", "u1", "f4", "i4", "f8"):
                dtype = "i2"
            if special == "analyze":
                size_now = list(SHAPE[::-1])
            else:
                size_now = size
            name = f"k{k}_{i}"
            os.mkdir(name)
            os.chdir(name)
            path = write(voxels(rng, dtype, size_now), d, spacing, origin)
            os.chdir("..")
            jobs[name] = (who, what, f"{name}/{path}", special)
    with open("m.tsv", "w", encoding="utf-8") as f:
        f.write("key\timage\n" + "".join(f"{k}\t{j[2]}\n" for k, j in jobs.items()))
    table, seen = Table(), 0
    for key, got, affine in read(tool, SHAPE, "m.tsv"):
        seen += 1
        who, what, path, special = jobs[key]
        if path.endswith((".mha", ".mhd", ".nrrd", ".nhdr")):
            table.add((who, what, "SimpleITK"), got, affine, *by_simpleitk(path))
            continue
        hdr = path.replace(".img", ".hdr") if special else path
        table.add((who, what, "nibabel"), got, affine, *with_nibabel(hdr))
        if not special and "NIfTI-2" not in what and ".gz, .hdr" not in what:
            table.add((who, what, "SimpleITK"), got, affine, *by_simpleitk(path))
    assert seen == len(jobs)
    print(f"{'written by':10} {'as':34} {'read by':10} {'files':>5} {'voxel':>10} {'corner mm':>10}")
    table.show(0)


def real(tool, data):
    table = Table()
    with open(f"{data}/ct/manifest.tsv", encoding="utf-8") as f:
        names = [line.split("\t")[1] for line in f][1:]
    for name in names:
        source = f"{data}/ct/{name}"
        im = sitk.ReadImage(source)
        paths = [source]
        for end, z in ((".mha", True), (".mhd", True), (".mhd", False), (".nrrd", True), (".nhdr", False), (".img", False)):
            paths.append(f"r{len(paths)}{end}")
            sitk.WriteImage(im, paths[-1], z)
        with open("r.tsv", "w", encoding="utf-8") as f:
            f.write("key\timage\n" + "".join(f"{p}\t{p}\n" for p in paths))
        want = with_nibabel(source)
        for key, got, affine in read(tool, want[0].shape, "--root", os.getcwd(), "r.tsv"):
            what = "the file itself" if key == source else key[2:]
            table.add(("real CT", what, "nibabel"), got, affine, *want)
            table.add(("real CT", what, "SimpleITK"), got, affine, *by_simpleitk(key))
    table.show(0.002)  # float32 between 0 and 1, for values that are not whole


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-n", type=int, default=96)
    p.add_argument("-s", type=int, default=1)
    p.add_argument("tool", nargs="?", default="um-preprocess")
    a = p.parse_args()
    tool = os.path.abspath(a.tool) if os.path.exists(a.tool) else a.tool
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        made(tool, a.n, a.s)
        if os.environ.get("UM_REAL_DATA"):
            real(tool, os.environ["UM_REAL_DATA"])
        os.chdir("/")
    sys.exit(1 if failed else 0)


main()
