#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weights.py - weights files as PyTorch and safetensors write them, against what um reads

usage: BUILD=build weights.py [SEED]      needs torch and safetensors from PyPI

State dicts with random values are written as zip and legacy files with pickle protocols 2 to 5, as
safetensors and as sharded safetensors and .bin: every element type, tensors that are transposed,
sliced, expanded, tied, empty or without dimensions, nested dicts with an optimiser, parameters, names
that are not ASCII. Every tensor must come back with its name, element type, shape and bytes; nothing
that is not there may come. Then what must be refused: lazily negated tensors, whole modules, other
classes, TorchScript, compressed zips, damaged bytes.
"""
import argparse
import collections
import ctypes as c
import json
import os
import random
import sys
import tempfile
import zipfile

import numpy as np
import safetensors.torch
import torch


class Tensor(c.Structure):
    _fields_ = [("name", c.c_char_p), ("dtype", c.c_int), ("ndim", c.c_int), ("dim", c.c_int64 * 8),
                ("data", c.c_void_p)]


um = c.CDLL(os.path.join(os.environ.get("BUILD", "build"), "libum.so"))
for name, kind in (("um_errmsg", c.c_char_p), ("um_weights_at", c.POINTER(Tensor)), ("um_weights_dtype", c.c_char_p),
                   ("um_weights_meta", c.c_char_p), ("um_weights_format", c.c_char_p)):
    getattr(um, name).restype = kind

TYPES = [getattr(torch, t) for t in (
    "float32", "float64", "float16", "bfloat16", "uint8", "int16", "int32", "int64", "bool", "int8", "complex64",
    "complex128", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2") if hasattr(torch, t)]
READ = {torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int16, torch.int32,
        torch.int64, torch.bool}


def read(path):
    """the file as um has it: its format, {name: (element type, shape, bytes or None)}; or the message"""
    w = c.c_void_p()
    if um.um_weights_open(c.byref(w), path.encode()) < 0:
        return None, um.um_errmsg().decode()
    found, last = {}, b""
    for i in range(um.um_weights_count(w)):
        p = um.um_weights_at(w, i)
        t = p.contents
        shape = tuple(t.dim[:t.ndim])
        kind = um.um_weights_dtype(w, p).decode()
        size = np.dtype("u2" if kind == "bfloat16" else kind).itemsize if t.data else 0
        assert last < t.name
        assert not t.data or t.data % size == 0
        last = t.name
        n = size * int(np.prod(shape))
        found[t.name.decode()] = kind, shape, c.string_at(t.data, n) if t.data else None
    how = um.um_weights_format(w).decode()
    um.um_weights_close(w)
    return how, found


def raw(t):
    """the bytes of a tensor in C order"""
    t = t.detach().cpu().contiguous()
    if t.numel() == 0:
        return b""
    return t.reshape(-1).view(torch.uint8).numpy().tobytes()


def flat(o, name=()):
    """the tensors of nested dicts and lists by their names"""
    if torch.is_tensor(o):
        return {".".join(name): o}
    items = o.items() if isinstance(o, dict) else enumerate(o) if isinstance(o, (list, tuple)) else ()
    return {k: t for key, v in items for k, t in flat(v, (*name, str(key))).items()}


def compare(what, path, how, tensors):
    got, found = read(path)
    if got != how:
        return [f"{what}: {got}: {found}"]
    bad = []
    want = {k: (str(t.dtype).removeprefix("torch."), tuple(t.shape), raw(t) if t.dtype in READ else None)
            for k, t in tensors.items()}
    for k in sorted(set(want) | set(found)):
        if want.get(k) != found.get(k):
            bad.append(f"{what}: {k}: expected {str(want.get(k))[:120]}, got {str(found.get(k))[:120]}")
    return bad


# ---- state dicts ----

def some(g, dtype, *shape):
    n = int(np.prod(shape)) * torch.empty(0, dtype=dtype).element_size()
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=g).bool()
    bits = torch.randint(0, 256, (n,), generator=g, dtype=torch.uint8)
    return bits.view(dtype).reshape(shape)


def every_type(g):
    return {f"t.{t}".replace("torch.", ""): some(g, t, 3, 5) for t in TYPES}


def shapes(g):
    x = torch.randn(5, 7, 4, generator=g)
    tied = torch.randn(11, 3, generator=g)
    return {"whole": x, "transposed": x.transpose(0, 2), "sliced": x[1:4, ::2, 1:3], "row": x[2], "tail": x[:, :, 3:],
            "permuted": x.permute(1, 2, 0)[3], "expanded": torch.randn(1, 6, generator=g).expand(4, 6),
            "scalar": torch.tensor(2.5), "item": x[1, 2, 3], "empty": torch.zeros(0, 3), "none": x[:, 5:5],
            "empty.type": torch.zeros(2, 0, dtype=torch.int64), "tied.a": tied, "tied.b": tied, "tied.t": tied.t(),
            "channels": torch.randn(2, 3, 4, 5, generator=g).to(memory_format=torch.channels_last),
            "eight": torch.randn(2, 1, 2, 1, 2, 1, 2, 3, generator=g).transpose(0, 7), "half": x.half()[1:, 1],
            "double": x.double().t() if x.ndim == 2 else x.double().transpose(1, 2), "bytes": some(g, torch.uint8, 5)[1:]}


def nested(g):
    torch.manual_seed(int(torch.randint(0, 1 << 30, (1,), generator=g)))
    m = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Embedding(7, 2))
    opt = torch.optim.AdamW(m.parameters())
    m[1](m[0](torch.randn(6, 4))).sum().backward()
    opt.step()
    return {"model": m.state_dict(), "epoch": 3, "lr": 1e-3, "big": 2 ** 70, "negative": -5, "far": -2 ** 40, "none": None,
            "yes": True, "name": "x" * 300, "optimizer": opt.state_dict(), "list": [1, [m[0].weight], (2.0, m[0].bias)],
            "loss": [0.1] * 2500, "empty": {}, 7: {"seven": torch.ones(2)}}


def parameters(g):
    tagged = torch.nn.Parameter(torch.randn(3, generator=g))
    tagged.tag = "x"
    return collections.OrderedDict(
        a=torch.nn.Parameter(torch.randn(4, 2, generator=g)), b=tagged,
        c=torch.nn.Parameter(torch.randn(4, 2, generator=g).t(), requires_grad=False))


def many(g):
    return {f"blocks.{i}.\u00e9\u4e16": torch.randn(i % 3 + 1, generator=g) for i in range(1500)}


DICTS = {"types": every_type, "shapes": shapes, "nested": nested, "parameters": parameters, "many": many,
         "nothing": lambda g: {}}


# ---- files ----

def torch_files(d, name, sd):
    bad = []
    for protocol in (2, 3, 4, 5):
        for how, new in (("PyTorch zip", True), ("PyTorch legacy", False)):
            path = f"{d}/{name}-{protocol}-{new}.pt"
            torch.save(sd, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
            bad += compare(f"{name}, {how}, protocol {protocol}", path, how, flat(sd))
    return bad


def safe_files(d, name, sd):
    tensors = {k: t.detach().clone(memory_format=torch.contiguous_format) for k, t in flat(sd).items()
               if t.dtype not in (torch.complex128,)}
    path = f"{d}/{name}.bin"  # the name must not matter
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    bad = compare(f"{name}, safetensors", path, "safetensors", tensors)
    if not tensors:
        return bad
    names = sorted(tensors)
    for how, save, end in (("sharded safetensors", safetensors.torch.save_file, "safetensors"),
                           ("sharded PyTorch", torch.save, "bin")):
        files = {}
        for i in range(3):
            if names[i::3]:
                files[f"{name}-{i}.{end}"] = names[i::3]
        for f, part in files.items():
            save({k: tensors[k] for k in part}, f"{d}/{f}")
        index = f"{d}/{name}.{end}.index.json"
        with open(index, "w", encoding="utf-8") as f:
            json.dump({"metadata": {"total_size": 1}, "weight_map": {k: s for s, part in files.items() for k in part}},
                      f, indent=2)
        bad += compare(f"{name}, {how}", index, how, tensors)
    return bad


# ---- what must be refused ----

def refused(path, says):
    how, message = read(path)
    ok = how is None and says in message and "\n" not in message
    return [] if ok else [f"expected \"{says}\", got {how}: {str(message)[:200]}"]


def refusals(d):
    path = f"{d}/refused.pt"
    linear = torch.nn.Linear(2, 2)
    cases = (({"n": torch.zeros(2, dtype=torch.complex64).conj().imag}, "negated or conjugated"),
             (linear, "pickle global torch.nn.modules.linear.Linear"),
             ({"args": argparse.Namespace(lr=1)}, "pickle global argparse.Namespace"),
             ({"s": {1, 2}}, "pickle "), ({"r": os.system}, "system"), ({"b": b"x"}, "pickle "),
             ({"q": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, "pickle global torch"),
             ({"s": torch.eye(2).to_sparse()}, "pickle global torch"), (torch.ones(2), "a tensor without a name"),
             ({"e": torch.ones(1).expand(1 << 40)}, "a view that would make"),
             ({"d": torch.ones([1] * 9)}, "9 dimensions"), ({(1, 2): torch.ones(1)}, "neither text nor a number"),
             ({"a": {"b": torch.ones(1)}, "a.b": torch.ones(1)}, "more than one tensor named a.b"))
    bad = []
    for o, says in cases:
        for new in (True, False):
            torch.save(o, path, _use_new_zipfile_serialization=new)
            bad += refused(path, says)
    torch.jit.script(linear).save(path)
    bad += refused(path, "TorchScript")
    torch.save({"a": torch.ones(50)}, path)
    with zipfile.ZipFile(path) as z:
        entries = {n: z.read(n) for n in z.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        for n, b in entries.items():
            z.writestr(n, b)
    bad += compare("zipped again", path, "PyTorch zip", {"a": torch.ones(50)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for n, b in entries.items():
            z.writestr(n, b)
    bad += refused(path, "compressed (method 8)")
    with zipfile.ZipFile(path, "w") as z:
        for n, b in entries.items():
            z.writestr(n, b"big" if n.endswith("/byteorder") else b)
    bad += refused(path, 'byte order "big"')
    return bad


def damaged(d, g, count):
    """bytes changed at random: refused, or the same values; never others, for zip has checksums"""
    rng, bad, kept = random.Random(int(torch.randint(0, 1 << 30, (1,), generator=g))), [], 0
    sd = shapes(g)
    torch.save(sd, f"{d}/whole.pt")
    with open(f"{d}/whole.pt", "rb") as f:
        whole = f.read()
    good = read(f"{d}/whole.pt")
    for _ in range(count):
        b = bytearray(whole)
        at = rng.randrange(len(b))
        b[at] ^= 1 << rng.randrange(8)
        with open(f"{d}/damaged.pt", "wb") as f:
            f.write(b)
        got = read(f"{d}/damaged.pt")
        kept += got[0] is not None
        if got[0] is not None and got != good:
            bad.append(f"damaged at {at}: other values")
    print(f"{count} damaged zip files: {kept} read with the same values, {count - kept} refused")
    return bad


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(1 << 30)
    print(f"seed {seed}, torch {torch.__version__}, safetensors {safetensors.__version__}")
    g, bad, n = torch.Generator().manual_seed(seed), [], 0
    with tempfile.TemporaryDirectory() as d:
        for name, make in DICTS.items():
            sd = make(g)
            bad += torch_files(d, name, sd) + safe_files(d, name, sd)
            n += len(flat(sd))
            print(f"{name}: {len(flat(sd))} tensors in {len(os.listdir(d))} files so far")
        bad += refusals(d) + damaged(d, g, 2000)
    print("\n".join(bad[:50]))
    sys.exit(f"seed {seed}: {len(bad)} differences" if bad else 0)


if __name__ == "__main__":
    main()
