# SPDX-License-Identifier: Apache-2.0
"""media.py - small pictures, volumes and a manifest, good and bad, for the pipeline tests

usage: media.py good | bad | arrangements | read FILE
"""
import gzip
import io
import os
import struct
import sys
import zlib

import numpy as np


def png(array, crc_error=False, depth=None):
    """gray, gray and alpha, RGB or RGBA of 8 or 16 bits; gray of fewer (depth)"""
    kind = 0 if array.ndim == 2 else {2: 4, 3: 2, 4: 6}[array.shape[2]]
    h, w = array.shape[:2]
    depth = depth or 8 * array.itemsize

    def row(a):
        if depth >= 8:
            return a.astype(a.dtype.newbyteorder(">")).tobytes()
        return np.packbits((a[:, None] >> np.arange(depth - 1, -1, -1)) & 1).tobytes()

    rows = b"".join(b"\0" + row(array[y]) for y in range(h))

    def chunk(name, data):
        crc = zlib.crc32(name + data) ^ (crc_error and name == b"IDAT")
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def jpeg(blocks):
    """a baseline JPEG whose 8 x 8 blocks are constant: DC codes alone, each of them 4 bits + size"""
    h, w = blocks.shape
    out = b"\xff\xd8\xff\xdb" + struct.pack(">HB", 67, 0) + b"\x01" * 64
    out += b"\xff\xc0" + struct.pack(">HBHHBBBB", 11, 8, 8 * h, 8 * w, 1, 1, 0x11, 0)
    dc = bytes([0, 0, 0, 12] + [0] * 12 + list(range(12)))
    out += b"\xff\xc4" + struct.pack(">HB", 3 + len(dc), 0) + dc
    ac = bytes([1] + [0] * 15 + [0])
    out += b"\xff\xc4" + struct.pack(">HB", 3 + len(ac), 0x10) + ac
    out += b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)
    bits, last = "", 0
    for v in (blocks.astype(int).ravel() - 128) * 8:
        d, last = int(v) - last, int(v)
        size = abs(d).bit_length()
        bits += f"{size:04b}"
        if size:
            bits += f"{d if d > 0 else d + 2**size - 1:0{size}b}"
        bits += "0"
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
    return out + data.replace(b"\xff", b"\xff\0") + b"\xff\xd9"


def nifti(array, affine=None, magic=b"n+1\0", order="<", **fields):
    """[z,y,x]; fields overwrite those of the header: dim=..., pixdim=..., datatype=..., slope=..."""
    code = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64}[array.dtype.str[1:]]
    affine = np.diag([-2.0, -2, 3, 1]) if affine is None else affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    f = dict(dim=[3, *array.shape[::-1], 1, 1, 1, 1], pixdim=[1, *spacing, 0, 0, 0, 0], datatype=code,
             slope=0, inter=0, sform=1, srow=affine[:3].ravel())
    f.update(fields)
    head = struct.pack(order + "i36x8h14xh2x2x8fffff4xI12x", 348, *f["dim"], f["datatype"],
                       *f["pixdim"], 352, f["slope"], f["inter"], 0, 0)
    head = head[:252].ljust(252, b"\0") + struct.pack(order + "hh", 0, f["sform"])
    head += bytes(24) + struct.pack(order + "12f", *f["srow"]) + bytes(16) + magic
    assert len(head) == 348
    return head + bytes(4) + array.astype(array.dtype.newbyteorder(order)).tobytes()


def body(shape=(20, 30, 25)):
    """air around soft tissue, with a bright corner that tells directions apart"""
    z, y, x = np.mgrid[:shape[0], :shape[1], :shape[2]]
    v = np.where((y > 6) & (y < 24) & (x > 4) & (x < 20), 40, -900) + 2 * z
    v[:5, :5, :5] = 900
    return v.astype(np.int16)


def put(name, data):
    with open(name, "wb") as f:
        f.write(data)


def gray(h=300, w=200):
    y, x = np.mgrid[:h, :w]
    return ((x * 7 + y * y // 9) % 251).astype(np.uint8)


def good():
    rgba = np.dstack([gray(), gray()[::-1], gray()[:, ::-1], np.full((300, 200), 200, np.uint8)])
    put("gray.png", png(gray()))
    put("deep.png", png(gray().astype(np.uint16) * 257))
    put("rgba.png", png(rgba))
    put("blocks.jpg", jpeg(gray(40, 50)))
    put("tail.jpg", jpeg(gray(40, 50)) + b"\n")
    put("ct.nii", nifti(body()))
    put("ct.nii.gz", gzip.compress(nifti(body()), mtime=0))
    put("big.nii", nifti(body(), order=">"))
    put("float.nii", nifti(body().astype(np.float32)))
    put("scaled.nii", nifti(((body() + 1000) // 2).astype(np.int16), slope=2, inter=-1000))
    put("hu.nii", nifti((((body() + 1000) // 2) * 2 - 1000).astype(np.int16)))
    put("organs.nii", nifti((body() > 0).astype(np.uint8) * 3))
    put("lesion.png", png((gray() > 200).astype(np.uint8)))
    put("note.txt", "FINDINGS:\nHeart normal. Lungs clear. No effusion.\n".encode())
    put("manifest.tsv", (
        "view\tkey\timage\tmask\treport\treport_file\tpatient\tsplit\tclass\tlabel.Edema\tage\n"
        "PA\tgray\tgray.png\tlesion.png\tsays \"no\t\tp1\ttrain\t2\t1\t61\n"
        "AP Supine\tdeep\tdeep.png\t\tLungs clear. Heart normal. No effusion.\t\tp2\t\t\t0.5\t\n"
        "L\trgba\trgba.png\t\tOne sentence only.\t\tp3\ttest\t\t\t\n"
        "\tblocks\tblocks.jpg\t\t\t\t\t\t\t\t\n"
        "pa\ttail\ttail.jpg\t\t\tnote.txt\t\t\t\t0\t7\n"
        "\tct\tct.nii.gz\torgans.nii\t\tnote.txt\tp1\tvalid\t\t-1\t\n"
        "\ttext\t\t\tReport alone here. And another. And more.\t\t\t\t\t\t\n").encode())


def bad():
    whole = jpeg(gray(40, 50))
    put("empty.jpg", b"")
    put("text.jpg", b"this is no image\n")
    put("cut.jpg", whole[:len(whole) // 2])
    put("crc.png", png(gray(), crc_error=True))
    put("cut.png", png(gray())[:-500])
    put("promise.nii", nifti(body())[:-1])
    put("zero.nii", nifti(body(), dim=[3, 25, 0, 20, 1, 1, 1, 1]))
    two = bytearray(544) + bytes(100)
    struct.pack_into("<i", two, 0, 540)
    two[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into("<h", two, 12, 4)
    struct.pack_into("<8q", two, 16, 3, 2**31, 2**31, 2**31, 1, 1, 1, 1)
    struct.pack_into("<8d", two, 104, *[1] * 8)
    struct.pack_into("<q", two, 168, 544)
    put("huge.nii", bytes(two))
    put("spacing.nii", nifti(body(), pixdim=[1, float("nan"), 2, 3, 0, 0, 0, 0]))
    put("datatype.nii", nifti(body(), datatype=999))
    put("frames.nii", nifti(body(), dim=[4, 25, 30, 10, 2, 1, 1, 1]))
    hole = body().astype(np.float32)
    hole[3, 4, 5] = np.nan
    put("hole.nii", nifti(hole))
    put("pair.nii", nifti(body(), magic=b"ni1\0")[:352])
    put("cut.nii.gz", gzip.compress(nifti(body()))[:-300])
    packed = bytearray(gzip.compress(nifti(body())))
    packed[-4:] = b"\xff\xff\xff\xff"
    put("claim.nii.gz", bytes(packed))
    packed = bytearray(gzip.compress(nifti(body())))
    packed[len(packed) // 2] ^= 16
    put("flipped.nii.gz", bytes(packed))
    put("table.nii.gz", gzip.compress(b"key\timage\n"))
    put("dicom.dcm", bytes(128) + b"DICM" + bytes(100))
    put("latin1.txt", b"Fieber 39 \xb0C.\n")
    put("organs_cut.nii", nifti(body()[1:] * 0))
    put("organs_moved.nii", nifti(body() * 0, affine=np.array(
        [[-2.0, 0, 0, 9], [0, -2, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]])))
    put("organs_half.nii", nifti(body() / np.float32(3)))
    put("small.png", png(gray(10, 10)))
    os.mkdir("folder")
    os.mkfifo("fifo")
    os.symlink("loop", "loop")


def arrangements():
    """one body in all 48 axis orders and directions; x left, y back, z up is the first"""
    import itertools

    v, keys = body(), []
    affine = np.array([[-2.0, 0, 0, 50], [0, -1.5, 0, 40], [0, 0, 3, -30], [0, 0, 0, 1]])
    for order in itertools.permutations(range(3)):
        for flip in itertools.product((1, -1), repeat=3):
            a = v.transpose(2, 1, 0).transpose(order)[tuple(slice(None, None, f) for f in flip)]
            m = np.zeros((4, 4))
            m[3, 3] = 1
            m[:, 3] = affine[:, 3]
            for k, (o, f) in enumerate(zip(order, flip)):
                m[:3, k] = f * affine[:3, o]
                if f < 0:
                    m[:3, 3] += affine[:3, o] * (a.shape[k] - 1)
            name = "".join(map(str, order)) + "".join("+-"[f < 0] for f in flip)
            put(f"{name}.nii", nifti(np.ascontiguousarray(a.transpose(2, 1, 0)), affine=m))
            keys.append(name)
    put("manifest.tsv", ("key\timage\n" + "".join(f"{k}\t{k}.nii\n" for k in keys)).encode())


def read(path):
    """key -> (meta, tensors), and the header"""
    import msgpack
    import zstandard

    header, records = None, {}
    with open(path, "rb") as f:
        raw = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True).read()
    for m in msgpack.Unpacker(io.BytesIO(raw), max_buffer_size=2**31):
        if "umt" in m:
            header = m
        elif "key" in m:
            records[m["key"]] = (m["meta"], {k: np.frombuffer(t["data"], t["dtype"]).reshape(t["shape"])
                                             for k, t in m["tensors"].items()})
    return header, records


if __name__ == "__main__":
    {"good": good, "bad": bad, "arrangements": arrangements}[sys.argv[1]]()
