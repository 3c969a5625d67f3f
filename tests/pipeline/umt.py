#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""umt.py - streams for the tests, by the reader of umt(5) and by a writer that knows only its text

  umt.py write FILE FIRST COUNT [KEY=VALUE ...]   records FIRST.. of every dtype; header fields
  umt.py same FILE FIRST COUNT                    are these the records, value by value?
  umt.py read FILE                                how many records, by the eight lines
  umt.py keys FILE                                a key a line
  umt.py names FILE                               key and names of tensors a line
  umt.py meta FILE NAME                           key and that meta value a line
"""
import pathlib, re, sys
import msgpack, zstandard

page = (pathlib.Path(__file__).parents[2] / "man/umt.5").read_text()
eight_lines = (re.search(r'^\.\\" reader\.py\n\.Bd -literal\n(.*?)^\.Ed', page, re.S | re.M).group(1))

DTYPES = ["uint8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
SHAPES = [(), (0,), (3,), (2, 0, 5), (2, 3, 4), (1, 1, 1, 1, 1, 1, 1, 7), (40, 40, 30)]


def tensors(i):
    out = {}
    for j, dtype in enumerate(DTYPES):
        shape = SHAPES[(i + j) % len(SHAPES)]
        raw = numpy.random.Generator(numpy.random.PCG64([i, j])).bytes(
            int(numpy.prod(shape, dtype=int)) * (2 if dtype == "bfloat16" else numpy.dtype(dtype).itemsize))
        out["t_" + dtype] = (dtype, list(shape), raw)
    return out


def meta(i):
    return {"patient": "p%d" % (i // 3), "n": i, "x": i / 7, "report": "No \"effusion\" \u00e9\n" * (i % 3),
            "view": ["PA", "AP"][i % 2], "label": {"Edema": i % 2, "Nodule": None}, "none": None,
            "affine": [[1.0, 0.0], [0.5, -1e-300]], "raw": b"\x00\xff", "flag": i % 2 == 0}


def write(file, first, count, fields):
    history = [{"tool": "umt.py", "version": "1", "options": {}}]
    with open(file, "wb") as f:
        def frame(*messages):
            f.write(zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(map(msgpack.packb, messages))))
        frame({"umt": 1, "history": history, **dict(x.split("=") for x in fields)})
        for i in range(first, first + count):
            frame({"key": "k/%d" % i, "meta": meta(i), "tensors": {
                n: {"dtype": d, "shape": s, "data": b} for n, (d, s, b) in tensors(i).items()}})
        frame({"end": count, "index": False})


def same(file, first, count):
    got = 0
    for i, (key, m, t) in enumerate(read(open(file, "rb")), first):
        want = tensors(i)
        assert key == "k/%d" % i and m == meta(i) and list(t) == list(want), (i, key, m)
        for name, (dtype, shape, raw) in want.items():
            assert t[name].dtype == dtype.replace("bfloat16", "uint16"), (key, name)
            assert list(t[name].shape) == shape and t[name].tobytes() == raw, (key, name)
        got += 1
    assert got == count, (got, count)


def light(file):
    """keys, meta and names alone: numpy takes longer to load than all the rest"""
    for m in msgpack.Unpacker(zstandard.ZstdDecompressor().stream_reader(open(file, "rb"), read_across_frames=True),
                              max_buffer_size=2**33):
        if "key" in m:
            yield m["key"], m["meta"], m["tensors"]


what, file, *rest = sys.argv[1:]
if what in ("write", "same", "read"):
    exec(eight_lines)
if what == "read":
    print(sum(1 for record in read(open(file, "rb"))))
elif what == "write":
    write(file, int(rest[0]), int(rest[1]), rest[2:])
elif what == "same":
    same(file, int(rest[0]), int(rest[1]))
elif what == "keys":
    for key, m, t in light(file):
        print(key)
elif what == "meta":
    for key, m, t in light(file):
        print(key, m.get(rest[0]))
elif what == "names":
    for key, m, t in light(file):
        print(key, *t)
