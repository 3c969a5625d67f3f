#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""reports.py - streams with reports, images and volumes for um-tokenize.bats, and what is in a stream

usage: reports.py make <TSV >UMT        lines: key TAB report; a line without a TAB has no report
       reports.py table FILE >UMT       the `report` column of a table, keys by line
       reports.py images KIND... >UMT   2d, 3d, both, nan, or NAME:DTYPE:SHAPE
       reports.py ids <UMT              key, length, the real ids
       reports.py patches CROP N ZxYxX [mgca] <UMT    compare every patch with slicing
       reports.py strip <UMT >UMT       the same records without meta
       reports.py show <UMT             header fields, last history entry, as lines of JSON
"""
import io
import json
import sys

import msgpack
import numpy as np
import zstandard


def write(records):
    head = {"umt": 1, "history": [{"tool": "um-made", "version": "0", "options": {}}]}
    end = {"end": len(records), "index": False}
    data = b"".join(msgpack.packb(m) for m in [head, *records, end])
    sys.stdout.buffer.write(zstandard.ZstdCompressor(write_checksum=True).compress(data))


def read():
    data = io.BytesIO(sys.stdin.buffer.read())
    data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
    return list(msgpack.Unpacker(data, strict_map_key=False))


def tensor(x):
    return {"dtype": str(x.dtype), "shape": list(x.shape), "data": x.tobytes()}


def array(t):
    return np.frombuffer(t["data"], t["dtype"]).reshape(t["shape"])


def picture(shape, dtype):
    x = (np.arange(int(np.prod(shape))) * 7919 % 256).reshape(shape)
    return x.astype(np.uint8) if dtype == "uint8" else (x / 255).astype(np.float32)


def images(kinds):
    for i, kind in enumerate(kinds):
        t = {}
        if kind in ("2d", "both"):
            t["image"] = picture((1, 40, 51), "uint8")
        if kind in ("3d", "both", "nan"):
            t["volume"] = picture((8, 12, 20), "float32")
        if kind == "nan":
            t["volume"][3, 4, 5] = np.nan
        if ":" in kind:
            name, dtype, shape = kind.split(":")
            t[name] = picture(tuple(map(int, shape.split(","))), dtype)
        yield {"key": f"r{i}", "meta": {}, "tensors": {k: tensor(v) for k, v in t.items()}}


def check_patches(crop, p2, p3, mgca):
    for m in read():
        if "key" not in m:
            continue
        out, grid = array(m["tensors"]["patches"]), m["meta"]["grid"]
        if "image" in m["tensors"]:
            x, p, full = array(m["tensors"]["image"]), (1, p2, p2), [1] + grid
            if x.dtype == np.uint8:
                side = [crop or s for s in x.shape[1:]]
                y0, x0 = ((s - c) // 2 for s, c in zip(x.shape[1:], side))
                x = x[:, y0:y0 + side[0], x0:x0 + side[1]].astype(np.float32) / np.float32(255)
        else:
            x, p, full = array(m["tensors"]["volume"]), p3, grid
        assert [a * b for a, b in zip(full, p)] == list(x.shape), (full, p, x.shape)
        x = 2 * x - 1 if mgca else x
        for t, at in enumerate(np.ndindex(*full)):
            want = x[tuple(slice(i * n, (i + 1) * n) for i, n in zip(at, p))]
            assert (out[t] == want.ravel()).all(), (m["key"], t)
        print(m["key"], list(out.shape), grid, out.dtype)


def print_ids():
    for m in read():
        if "key" not in m:
            continue
        if "ids" not in m["tensors"]:
            print(m["key"], "none")
            continue
        ids, mask = (array(m["tensors"][k]) for k in ("ids", "ids_mask"))
        n = int(mask.sum())
        assert ids.dtype == np.int32 and mask.dtype == np.uint8 and ids.shape == mask.shape
        assert (mask[:n] == 1).all() and (ids[n:] == 0).all()
        print(m["key"], len(ids), *ids[:n])


def report(key, text):
    return {"key": key, "meta": {} if text is None else {"report": text}, "tensors": {}}


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "make":
        rows = [(line.rstrip("\n") + "\t").split("\t") for line in sys.stdin]
        write([report(r[0], r[1].replace("\\n", "\n") if len(r) > 2 else None) for r in rows])
    elif what == "table":
        with open(args[0], encoding="utf-8", newline="\n") as f:
            rows = [line.rstrip("\n").split("\t") for line in f]
        at = rows[0].index("report")
        write([report(f"t{i}", r[at]) for i, r in enumerate(rows[1:])])
    elif what == "images":
        write(list(images(args)))
    elif what == "patches":
        check_patches(int(args[0]), int(args[1]), tuple(map(int, args[2].split("x"))), "mgca" in args)
    elif what == "ids":
        print_ids()
    elif what == "strip":
        write([{**m, "meta": {}} for m in read() if "key" in m])
    else:
        head = read()[0]
        print(json.dumps({k: v for k, v in head.items() if k != "history"}, sort_keys=True))
        print(json.dumps(head["history"][-1], sort_keys=True))


if __name__ == "__main__":
    main()
