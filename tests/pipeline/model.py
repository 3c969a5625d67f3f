# SPDX-License-Identifier: Apache-2.0
"""model.py - weights of the tiny preset and streams for it, made from the documents alone

usage: model.py weights FILE [NAME=JSON ...]   random weights; NAME of um.config set to JSON
       model.py edits IN DIR                   the same file spoilt in every way: DIR/ACTION
       model.py make KIND [NAME=JSON ...]      a stream to standard output; header fields
       model.py all DIR                        every kind of stream: DIR/KIND.umt
       model.py shapes < STREAM                key, then name:shape of its tensors, a record a line
       model.py close A B TOL                  the same keys and tensors, values within TOL (L2)?
       model.py equal STREAM KEY KEY NAME      is NAME the same, bit for bit, in both records?
       model.py attention < STREAM             key, slabs, is the sum in (0,1)? a line
       model.py slices IN OUT SIZE             are OUT's images slices of IN's volumes, resized?
       model.py history < STREAM               the last entry of the history, JSON
"""
import json
import struct
import sys

import numpy as np
from stream import messages, part

CONFIG = {
    "preset": "tiny", "width": 32, "heads": 2, "mlp": 64, "layers": 2, "image": 32, "patch": 16,
    "volume": [8, 32, 32], "patch3": [4, 16, 16], "text_width": 32, "text_heads": 2,
    "text_mlp": 64, "text_layers": 2, "vocab": 64, "text_positions": 32, "embed": 16,
    "proj_hidden": 64, "norm_scale": 1.0, "norm_shift": 0.0, "text_dropout": 0.1,
    "window": [-1000, 1000], "bn_shared": False, "proj_linear": False, "inflate": True,
    "cased": False, "vocab_digest": "0123456789abcdef0123456789abcdef",
}


# ---- weights ----

def linear(name, n, k):
    return {f"{name}.weight": (n, k), f"{name}.bias": (n,)}


def norm(name, c):
    return {f"{name}.weight": (c,), f"{name}.bias": (c,)}


def shapes():
    c, e, h = 32, 16, 64
    s = {"vision.cls_token": (1, 1, c), "vision.mask_token": (1, 1, c),
         "vision.pos_embed": (1, 5, c), "vision.pos_embed_3d": (1, 8, c),
         "vision.patch_embed.proj.weight": (c, 1, 16, 16), "vision.patch_embed.proj.bias": (c,),
         "vision.patch_embed_3d.proj.weight": (c, 1, 4, 16, 16),
         "vision.patch_embed_3d.proj.bias": (c,), "logit_scale": ()}
    for i in range(2):
        b = f"vision.blocks.{i}."
        s |= norm(b + "norm1", c) | linear(b + "attn.qkv", 3 * c, c) | linear(b + "attn.proj", c, c)
        s |= norm(b + "norm2", c) | linear(b + "mlp.fc1", 64, c) | linear(b + "mlp.fc2", c, 64)
    s |= norm("vision.norm", c)
    t = "text.embeddings."
    s |= {t + "word_embeddings.weight": (64, c), t + "position_embeddings.weight": (32, c),
          t + "token_type_embeddings.weight": (2, c)} | norm(t + "LayerNorm", c)
    for i in range(2):
        b = f"text.encoder.layer.{i}."
        for x in ("query", "key", "value"):
            s |= linear(b + "attention.self." + x, c, c)
        s |= linear(b + "attention.output.dense", c, c) | norm(b + "attention.output.LayerNorm", c)
        s |= linear(b + "intermediate.dense", 64, c) | linear(b + "output.dense", c, 64)
        s |= norm(b + "output.LayerNorm", c)
    for p in ("proj.vision.", "proj.text."):
        s |= linear(p + "0", h, c) | norm(p + "1", h) | linear(p + "3", e, h)
        for bn, n in (("1", h), ("4", e)):
            for tail in ("", "_3d"):
                s |= {f"{p}{bn}.running_mean{tail}": (n,), f"{p}{bn}.running_var{tail}": (n,)}
    return s


def save(path, config, tensors):
    head, at, data = {"__metadata__": {"um.config": json.dumps(config)}}, 0, b""
    for name, x in tensors.items():
        data += x.tobytes()
        head[name] = {"dtype": {"f": "F32", "i": "I32"}[x.dtype.kind], "shape": list(x.shape),
                      "data_offsets": [at, len(data)]}
        at = len(data)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def weights(path, *fields):
    rng, tensors = np.random.default_rng(5), {}
    for name, shape in shapes().items():
        x = rng.normal(0, 0.2, shape)
        if "running_var" in name:
            x = 1 + x * x
        elif ("orm" in name or ".1.weight" in name) and name.endswith("weight"):
            x = 1 + x
        tensors[name] = np.asarray(x, np.float32)
    save(path, CONFIG | dict(pairs(fields)), tensors)


def load(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head, data = json.loads(f.read(n)), f.read()
    config = json.loads(head.pop("__metadata__")["um.config"])
    return config, {k: np.frombuffer(data[v["data_offsets"][0]:v["data_offsets"][1]],
                                     np.float32).reshape(v["shape"]) for k, v in head.items()}


def spoil(action, config, t):
    if action == "shape":
        t["vision.norm.bias"] = t["vision.norm.bias"][:31]
    elif action == "missing":
        del t["text.embeddings.LayerNorm.bias"]
    elif action == "nan":
        t["vision.blocks.1.mlp.fc2.bias"] = np.full(32, np.nan, np.float32)
    elif action == "dtype":
        t["logit_scale"] = t["logit_scale"].astype(np.int32)
    elif action == "layers":
        config["layers"] = 3
    elif action == "heads":
        config["heads"] = 5
    elif action == "huge":  # finite, but what comes out is not
        t["vision.blocks.0.attn.proj.weight"] = np.full((32, 32), 3e38, np.float32)


def edits(path, folder):
    for action in ("shape", "missing", "nan", "dtype", "layers", "heads", "huge"):
        config, t = load(path)
        spoil(action, config, t)
        save(f"{folder}/{action}", config, t)


# ---- streams ----

def pairs(fields):
    return [(f.split("=", 1)[0], json.loads(f.split("=", 1)[1])) for f in fields]


def ids(i):
    n = 3 + i % 5
    x = np.zeros(12, np.int32)
    x[:n] = [2] + [(7 * i + 3 * j) % 59 + 5 for j in range(n - 2)] + [3]
    return {"ids": x, "ids_mask": (np.arange(12) < n).astype(np.uint8)}


def xray(i, h=41, w=36):
    image = np.random.default_rng(i).integers(0, 256, (1, h, w)).astype(np.uint8)
    return f"p{i}/s1", {"view": "PA", "patient": f"p{i}"}, {"image": image} | ids(i)


def ct(i):
    volume = np.random.default_rng(100 + i).random((8, 32, 32), np.float32)
    affine = [-2.0, 0, 0, 31, 0, -2.0, 0, 30, 0, 0, 5.0, -100]
    return f"ct{i}", {"affine": affine, "patient": f"c{i}", "split": "test", "report": "no",
                      "label": {"Nodule": i % 2}}, {"volume": volume} | ids(i)


def attended(i, attention):
    key, meta, t = ct(i)
    return key, meta, {"volume": t["volume"], "attention": np.asarray(attention, np.float32)}


def without(record, *names):
    return record[0], record[1], {k: v for k, v in record[2].items() if k not in names}


def put(record, **tensors):
    return record[0], record[1], record[2] | tensors


def mixed():
    return [r for i in range(7) for r in ((xray(i), ct(i)) if i % 3 else (xray(i),))]


def cropped():  # 41 x 36 to 32 x 32 by hand: offsets 4 and 2
    key, meta, t = xray(3)
    image = t["image"][:, 4:36, 2:34].astype(np.float32) / np.float32(255)
    return [xray(3), ("floats", meta, {"image": image} | ids(3))]


def bad(**tensors):
    return [xray(0), put(xray(1), **tensors), xray(2)]


def bad_ct(volume):
    return [xray(0), put(ct(1), volume=volume), xray(2)]


def hot(value):
    x = ct(1)[2]["volume"].copy()
    x[3, 2, 1] = value
    return x


FLAT, BEST1 = np.full((2, 4), 0.1), [[0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.1, 0.1]]
KINDS = {
    "mixed": mixed,
    "xray": lambda: [xray(i) for i in range(3)],
    "ct": lambda: [ct(i) for i in range(3)],
    "text": lambda: [without(xray(i), "image") for i in range(3)],
    "cropped": cropped,
    "extra": lambda: [put(xray(0), mask=np.ones((1, 41, 36), np.uint8), cls=np.ones(3, np.float32))],
    "bare": lambda: [without(xray(0), "image", "ids", "ids_mask")],
    "both": lambda: [put(xray(0), volume=ct(0)[2]["volume"])],
    "noids": lambda: [without(xray(0), "ids", "ids_mask")],
    "small": lambda: bad(image=np.zeros((1, 31, 40), np.uint8)),
    "colour": lambda: bad(image=np.zeros((3, 40, 40), np.uint8)),
    "float": lambda: bad(image=np.zeros((1, 40, 40), np.float32)),
    "grid": lambda: bad_ct(np.zeros((8, 32, 16), np.float32)),
    "bytes": lambda: bad_ct(np.zeros((8, 32, 32), np.uint8)),
    "nan": lambda: bad_ct(hot(np.nan)),
    "inf": lambda: bad_ct(hot(np.inf)),
    "id64": lambda: bad(ids=np.full(12, 64, np.int32)),
    "id-1": lambda: bad(ids=np.full(12, -1, np.int32)),
    "long": lambda: bad(ids=np.ones(33, np.int32), ids_mask=np.ones(33, np.uint8)),
    "mask": lambda: bad(ids_mask=np.zeros(12, np.uint8)),
    "mask2": lambda: bad(ids_mask=np.full(12, 2, np.uint8)),
    "mask11": lambda: bad(ids_mask=np.ones(11, np.uint8)),
    "attended": lambda: [attended(0, BEST1), attended(1, BEST1[::-1]), attended(2, BEST1)],
    "equal": lambda: [attended(0, FLAT)],
    "attnan": lambda: [attended(0, BEST1), attended(1, [[0.1, np.nan], [0.1, 0.1]])],
    "slabs": lambda: [attended(0, np.ones((3, 4)))],
    "unattended": lambda: [without(ct(0), "ids", "ids_mask")],
}


def stream(kind, fields=()):
    header = {"window": [-1000.0, 1000.0], "vocab": CONFIG["vocab_digest"], "cased": False}
    return part(KINDS[kind](), **(header | dict(pairs(fields))))


def make(kind, *fields):
    sys.stdout.buffer.write(stream(kind, fields))


def make_all(folder):
    for kind in KINDS:
        with open(f"{folder}/{kind}.umt", "wb") as f:
            f.write(stream(kind))


def records(f):
    out = []
    for m in messages(f.read()):
        if "key" in m:
            out.append((m["key"], m.get("meta", {}), {
                k: np.frombuffer(t["data"], t["dtype"]).reshape(t["shape"])
                for k, t in m["tensors"].items()}))
    return out


def read(path):
    with open(path, "rb") as f:
        return records(f)


# ---- questions ----

def show_shapes():
    for key, _, tensors in records(sys.stdin.buffer):
        print(key, *(f"{k}:{','.join(map(str, v.shape))}" for k, v in tensors.items()))


def close(a, b, tol):
    a, b, worst = read(a), read(b), 0.0
    if [(k, list(t)) for k, _, t in a] != [(k, list(t)) for k, _, t in b]:
        sys.exit("other keys or tensors")
    for (_, _, x), (_, _, y) in zip(a, b):
        for k in x:
            d = np.linalg.norm(np.subtract(x[k], y[k], dtype=np.float64))
            worst = max(worst, d / max(1e-30, np.linalg.norm(np.asarray(y[k], np.float64))))
    print(f"worst {worst:.3g}")
    sys.exit(not worst <= float(tol))


def equal(path, one, two, name):
    t = {key: tensors for key, _, tensors in read(path)}
    sys.exit(t[one][name].tobytes() != t[two][name].tobytes())


def attention():
    for key, _, t in records(sys.stdin.buffer):
        a = t["attention"].astype(np.float64)
        print(key, len(a), bool((a > 0).all() and 0 < a.sum() < 1))


def bilinear(x, size):
    def taps(n):
        c = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        lo = np.floor(c).astype(int)
        return lo, np.minimum(lo + 1, n - 1), c - lo
    (r0, r1, v), (q0, q1, h) = taps(x.shape[0]), taps(x.shape[1])
    up = x[r0][:, q0] * (1 - h) + x[r0][:, q1] * h
    down = x[r1][:, q0] * (1 - h) + x[r1][:, q1] * h
    return up * (1 - v[:, None]) + down * v[:, None]


def slices(source, path, size):
    volume = {key: (meta, t["volume"].astype(np.float64)) for key, meta, t in read(source)}
    for key, meta, t in read(path):
        base, z = key.rsplit("/s", 1)
        from_meta, x = volume[base]
        assert meta["z"] == int(z) and list(t) == ["image"], key
        assert t["image"].shape == (1, int(size), int(size)) and t["image"].dtype == np.float32
        assert abs(t["image"][0] - bilinear(x[int(z)], int(size))).max() <= 1e-6, key
        a = np.reshape(from_meta["affine"], (3, 4))
        assert np.allclose(meta["position"], a @ [15.5, 15.5, int(z), 1]), key
        assert meta["patient"] == from_meta["patient"] and meta["label"] == from_meta["label"]
        assert meta["split"] == "test" and "affine" not in meta and "report" not in meta
        print(key, meta["rank"], f"{meta['score']:.4g}")


def history():
    for m in messages(sys.stdin.buffer.read()):
        if "umt" in m:
            print(json.dumps(m["history"][-1], sort_keys=True))


if __name__ == "__main__":
    {"weights": weights, "edits": edits, "make": make, "all": make_all, "shapes": show_shapes,
     "close": close, "equal": equal, "attention": attention, "slices": slices,
     "history": history}[sys.argv[1]](*sys.argv[2:])
