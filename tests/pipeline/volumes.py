# SPDX-License-Identifier: Apache-2.0
"""volumes.py - one small volume in every form, folders of pictures, and files that mean harm

usage: volumes.py forms | slices | upright | hostile
"""
import gzip
import os
import struct
import sys
import zlib

import numpy as np

from media import body, gray, jpeg, nifti, png, put

AFFINE = np.array([[-2.0, 0, 0, 50], [0, -1.5, 0, 39], [0, 0, 3, -30], [0, 0, 0, 1]])  # of body(), LPS
META = ("ObjectType = Image\nNDims = 3\nDimSize = 25 30 20\nElementSpacing = 2 1.5 3\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = -50 -39 -30\nElementType = MET_SHORT\n")
NRRD = ("NRRD0004\ntype: short\ndimension: 3\nsizes: 25 30 20\nspace: left-posterior-superior\n"
        "space directions: (2,0,0) (0,1.5,0) (0,0,3)\nspace origin: (-50,-39,-30)\nendian: little\n")


def text(name, head, tail=b""):
    put(name, head.encode() + tail)


def analyze(array, order, orient=0, origin=(0, 0, 0)):
    head = bytearray(nifti(array, order=order, magic=bytes(4))[:348])
    head[252:348] = bytes(96)
    head[252] = orient
    struct.pack_into(order + "3h", head, 253, *origin)
    struct.pack_into(order + "f", head, 108, 0)
    struct.pack_into(order + "3f", head, 80, 2, 1.5, 3)
    return bytes(head)


def forms():
    v, raw = body(), body().tobytes()
    put("ct.nii", nifti(v, affine=AFFINE))
    text("local.mha", META + "ElementDataFile = LOCAL\n", raw)
    text("packed.mha", META + "CompressedData = True\nElementDataFile = LOCAL\n", zlib.compress(raw))
    put("scan.raw", raw)
    text("beside.mhd", META + "ElementDataFile = scan.raw\n")
    put("scan.zraw", zlib.compress(raw))
    text("packed.mhd", META + f"CompressedData = True\nCompressedDataSize = {os.path.getsize('scan.zraw')}\n"
         "ElementDataFile = scan.zraw\n")
    put("big.raw", v.astype(">i2").tobytes())
    text("big.mhd", META + "ElementByteOrderMSB = True\nElementDataFile = big.raw\n")
    os.mkdir("parts")
    for z, plane in enumerate(v):
        put(f"parts/s{z:02}.raw", plane.tobytes())
    text("list.mhd", META + "ElementDataFile = LIST\n" + "".join(f"parts/s{z:02}.raw\n" for z in range(20)))
    text("pattern.mhd", META + "ElementDataFile = parts/s%02d.raw 0 19 1\n")
    text("raw.nrrd", NRRD + "encoding: raw\n\n", raw)
    text("gzip.nrrd", NRRD + "encoding: gzip\n\n", gzip.compress(raw))
    text("beside.nhdr", NRRD + "encoding: raw\ndata file: scan.raw\n")
    text("text.nrrd", NRRD + "encoding: ascii\n\n" + " ".join(map(str, v.ravel())))
    whole = nifti(v, affine=AFFINE, magic=b"ni1\0")
    head = bytearray(whole[:348])
    struct.pack_into("<f", head, 108, 0)
    put("pair.hdr", head)
    put("pair.img", raw)
    put("pairgz.hdr.gz", gzip.compress(head))
    put("pairgz.img.gz", gzip.compress(raw))
    las = v[:, ::-1]  # Analyze as most write it: left, front, head
    put("old.hdr", analyze(las, ">", origin=(26, 4, 11)))
    put("old.img", las.astype(">i2").tobytes())
    sagittal = v[:, ::-1].transpose(2, 0, 1)  # x to the front, y to the head, z to the left
    put("sagittal.hdr", analyze(np.ascontiguousarray(sagittal), "<", orient=2))
    head = bytearray(open("sagittal.hdr", "rb").read())
    struct.pack_into("<3f", head, 80, 1.5, 3, 2)
    put("sagittal.hdr", head)
    put("sagittal.img", sagittal.tobytes())
    names = ("ct.nii local.mha packed.mha beside.mhd packed.mhd big.mhd list.mhd pattern.mhd raw.nrrd gzip.nrrd "
             "beside.nhdr text.nrrd pair.hdr pair.img pairgz.hdr.gz pairgz.img.gz old.hdr old.img sagittal.hdr").split()
    text("forms.tsv", "key\timage\n" + "".join(f"{n}\t{n}\n" for n in names))


def slices():
    for d in ("good", "gap", "sizes", "mixed", "nested", "fifo", "empty"):
        os.mkdir(d)
    planes = [np.full((30, 20), 10 * k, np.uint8) + gray(30, 20) // 8 for k in range(12)]
    for k, p in enumerate(planes):
        put(f"good/{k}.png", png(p))
        if k != 4:
            put(f"gap/IM{k:04}.png", png(p))
    put("good/.hidden", b"not seen")
    put("good/thumbs.DB", b"not seen")
    np.save("planes.npy", np.stack(planes))
    put("sizes/1.png", png(planes[0]))
    put("sizes/2.png", png(planes[0][1:]))
    put("mixed/1.png", png(planes[0]))
    put("mixed/2.txt", b"words\n")
    put("nested/1.png", png(planes[0]))
    os.mkdir("nested/deeper")
    os.mkfifo("fifo/pipe")


def exif(orientation, order=">"):
    tag = struct.pack(order + "HHIHH", 0x112, 3, 1, orientation, 0)
    mark = b"MM\0*\0\0\0\x08" if order == ">" else b"II*\0\x08\0\0\0"
    block = b"Exif\0\0" + mark + struct.pack(order + "H", 1) + tag + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", 2 + len(block)) + block


def upright():
    """the same picture in all eight orientations: blocks of 8 x 8, so JPEG keeps them exactly"""
    seen = (np.arange(48).reshape(6, 8) * 5 + 3).astype(np.uint8)
    undo = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.T,
            6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).T, 8: lambda a: np.rot90(a, -1)}
    rows = "key\timage\tmask\tboxes\n"
    mask = np.zeros((48, 64), np.uint8)
    mask[8:24, 16:40] = 1
    put("mask.png", png(mask))
    for o, f in undo.items():
        whole = jpeg(np.ascontiguousarray(f(seen)))
        put(f"{o}.jpg", whole[:2] + exif(o, "><"[o % 2]) + whole[2:])
        rows += f"{o}\t{o}.jpg\tmask.png\t16,8,40,24\n"
    text("upright.tsv", rows)


def bomb(n, wbits, head=b""):
    z, zeros = zlib.compressobj(9, wbits=wbits), bytes(1 << 20)
    return z.compress(head) + b"".join(z.compress(zeros) for _ in range(n >> 20)) + z.flush()


def hostile():
    huge = META.replace("25 30 20", "2000 2000 100000")
    text("huge.mha", huge + "ElementDataFile = LOCAL\n", bytes(100))
    claim = META.replace("25 30 20", "512 512 2000")  # within --max-pixels, but nothing is there
    text("claim.mha", claim + "ElementDataFile = LOCAL\n", bytes(100))
    text("claimz.mha", claim + "CompressedData = True\nElementDataFile = LOCAL\n", zlib.compress(bytes(1000)))
    text("claimtext.mha", claim + "BinaryData = False\nElementDataFile = LOCAL\n", b"1 2 3")
    put("tiny.raw", bytes(100))
    text("claim.mhd", claim + "ElementDataFile = tiny.raw\n")
    text("files.mhd", META.replace("25 30 20", "1 1 400000000") + "ElementDataFile = s%d.raw 1 400000000 1\n")
    text("claim.nrrd", NRRD.replace("25 30 20", "512 512 2000") + "encoding: gzip\n\n", gzip.compress(bytes(1000)))
    text("skip.nrrd", NRRD + "byte skip: 900000000\nencoding: gzip\n\n", gzip.compress(bytes(1000000)))
    text("line.mha", "ObjectType = Image\nComment = " + "x" * 100000 + "\n")
    text("lines.mha", "ObjectType = Image\n" + "\n" * 100000)
    put("bomb.gz", bomb(1 << 26, 31))
    put("bomb.dcm.gz", bomb(1 << 26, 31, bytes(128) + b"DICM"))
    put("surplus.nii.gz", bomb(1 << 26, 31, nifti(body())))
    put("surplus.nii", nifti(body()))
    os.truncate("surplus.nii", 1 << 31)
    put("long.dcm", bytes(128) + b"DICM")
    os.truncate("long.dcm", 1 << 31)
    text("bomb.mha", META + "CompressedData = True\nElementDataFile = LOCAL\n", bomb(1 << 26, 15))
    text("bomb.nrrd", NRRD + "encoding: gzip\n\n", bomb(1 << 26, 31))
    whole = bytearray(png(gray(10, 10)))
    whole[16:24] = struct.pack(">II", 20000, 20000)
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    put("promise.png", whole)
    whole = bytearray(jpeg(gray(8, 10)))
    at = whole.index(b"\xff\xc0") + 5
    whole[at:at + 4] = struct.pack(">HH", 20000, 20000)
    put("promise.jpg", whole)
    text("out.mhd", META + "ElementDataFile = ../out.raw\n")
    text("root.mhd", META + "ElementDataFile = /dev/zero\n")
    os.mkfifo("pipe")
    text("pipe.mhd", META + "ElementDataFile = pipe\n")
    os.symlink("loop.raw", "loop.raw")
    text("loop.mhd", META + "ElementDataFile = loop.raw\n")
    text("self.mhd", META.replace("25 30 20", "2 2 2") + "HeaderSize = 0\nElementDataFile = self.mhd\n")
    text("folder.mhd", META + "ElementDataFile = .\n")
    put("alone.img", bytes(100))
    os.symlink("loop", "loop")
    os.mkdir("many")
    for k in range(20001):
        os.mknod(f"many/{k}")
    os.mkdir("loops")
    os.symlink("a", "loops/a")


if __name__ == "__main__":
    {"forms": forms, "slices": slices, "upright": upright, "hostile": hostile}[sys.argv[1]]()
