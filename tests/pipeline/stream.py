# SPDX-License-Identifier: Apache-2.0
"""stream.py - make and take apart small tensor streams, from umt(5) alone

usage: stream.py make KIND > FILE     KIND: see below
       stream.py keys < FILE          the keys, one a line
"""
import struct
import sys

import msgpack
import numpy as np
import zstandard


def message(value):
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(msgpack.packb(value))


def tensor(array):
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": array.tobytes()}


def part(records, **header):
    step = {"tool": "um-made", "version": "1", "options": {"seed": 7, "filter": "frontal"}}
    out = [message({"umt": 1, "history": [step], **header})]
    for key, meta, tensors in records:
        out.append(message({"key": key, "meta": meta,
                            "tensors": {k: tensor(v) for k, v in tensors.items()}}))
    out.append(message({"end": len(records), "index": False}))
    return b"".join(out)


def xrays(n, first=0):
    for i in range(first, first + n):
        image = np.add.outer(np.arange(20), np.arange(30)).astype(np.uint8)[None] + np.uint8(i)
        yield f"p{i}/s1", {"view": "PA", "patient": f"p{i}", "n": i}, {"image": image}


def volumes(n):
    for i in range(n):
        z, y, x = np.mgrid[0:4, 0:6, 0:5]
        volume = ((z * 100 + y * 10 + x + i) / 512).astype(np.float32)
        affine = [-0.5, 0, 0, 1, 0, -0.5, 0, 2, 0, 0, 2, 3]
        attention = np.arange(8, dtype=np.float32).reshape(2, 4)
        yield f"ct{i}", {"affine": [float(v) for v in affine]}, {"volume": volume,
                                                                "attention": attention}


def marked():
    """a picture with all that can be laid over it, and a volume with a mask and attention"""
    image = np.full((1, 16, 16), 100, np.uint8)
    mask = np.zeros_like(image)
    mask[0, 2:5, 3:9] = 1
    yield "p/x", {"split": "test", "class": "2", "label": {"Edema": 1, "Effusion": 0}}, {
        "image": image, "mask": mask, "boxes": np.array([[4, 8, 12, 14]], np.float32),
        "attention": np.array([[0, 1, 0, 0]], np.float32)}
    volume = np.linspace(0, 1, 4 * 6 * 5, dtype=np.float32).reshape(4, 6, 5)
    yield "p/ct", {"window": [-1000.0, 1000.0], "spacing": [1.0, 1.0, 3.0]}, {
        "volume": volume, "mask": (volume > 0.5).astype(np.uint8),
        "attention": np.array([[0, 0, 0, 0], [0, 0, 0, 1]], np.float32)}


def odd():
    f = np.array([[1.5, np.nan, -np.inf], [np.pi, 1e-300, 3]])
    i = np.array([-(2**63), 2**63 - 1])
    yield "odd", {"report": "Zeile\n\"zwei\""}, {"f": f, "i": i, "none": np.zeros((0, 3), np.int16),
                                                 "one": np.array(0.1, np.float32)}


KINDS = {
    "xray": lambda: part(list(xrays(3)), window=[-1000, 1000]),
    "mixed": lambda: part(list(xrays(2)) + list(volumes(2))),
    "parts": lambda: part(list(xrays(2))) + part(list(xrays(1, 5)), window="b"),
    "marked": lambda: part(list(marked())),
    "odd": lambda: part(list(odd())),
    "dots": lambda: part([(k, {}, {"x": np.ones(1)}) for k in ("../up", ".hidden", "a/b", "a_b")]),
    "many": lambda: part([(f"r{i}", {}, {"x": np.arange(1000.0)}) for i in range(2000)]),
    "empty": lambda: part([]),
}


def messages(data):
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=0)
    while data:
        if struct.unpack("<I", data[:4])[0] & 0xFFFFFFF0 == 0x184D2A50:
            data = data[8 + struct.unpack("<I", data[4:8])[0]:]
            continue
        d = zstandard.ZstdDecompressor().decompressobj()
        unpacker.feed(d.decompress(data))
        data = d.unused_data
    return list(unpacker)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        sys.stdout.buffer.write(KINDS[sys.argv[2]]())
    else:
        print(*(m["key"] for m in messages(sys.stdin.buffer.read()) if "key" in m), sep="\n")
