# SPDX-License-Identifier: Apache-2.0
"""foreign.py - weights as other people's programs write them, of the tiny preset's size, in NumPy

usage: foreign.py all FOLDER                   sound files and spoilt ones
       foreign.py same A B FROM TO [NAME ...]  tensors of A under FROM have the bits of B's under TO (but NAMEs)
       foreign.py folded MODEL FILE MEAN STD [SCALE SHIFT]
                                               is T_2D FILE's kernel, folded? T_3D it, inflated?
       foreign.py value FILE NAME              its elements, on one line
       foreign.py meta FILE NAME               a string of the metadata
"""
import json
import struct
import sys

import numpy as np

KINDS = {"f2": "F16", "f4": "F32", "f8": "F64", "i4": "I32", "i8": "I64"}
C, SIDE, PATCH, MLP, LAYERS, VOCAB, POSITIONS = 32, 2, 16, 64, 2, 64, 32


def save(path, tensors, meta=None):
    head, at, data = {"__metadata__": meta or {"format": "pt"}}, 0, b""
    for name, x in sorted(tensors.items(), key=lambda t: -t[1].itemsize):
        data += x.tobytes()
        head[name] = {"dtype": KINDS[x.dtype.str[1:]], "shape": list(x.shape), "data_offsets": [at, len(data)]}
        at = len(data)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def load(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head, data = json.loads(f.read(n)), f.read()
    names = {v: k for k, v in KINDS.items()}
    meta = head.pop("__metadata__", {})
    return meta, {k: np.frombuffer(data[v["data_offsets"][0]:v["data_offsets"][1]],
                                   np.dtype("<" + names[v["dtype"]])).reshape(v["shape"]) for k, v in head.items()}


# ---- sound ones ----

def pair(name, n, *k):
    return {f"{name}.weight": (n, *k), f"{name}.bias": (n,)}


def vit_shapes(side=SIDE, channels=3):
    s = {"cls_token": (1, 1, C), "pos_embed": (1, 1 + side * side, C)}
    s |= pair("patch_embed.proj", C, channels, PATCH, PATCH) | pair("norm", C)
    for i in range(LAYERS):
        b = f"blocks.{i}."
        s |= pair(b + "norm1", C) | pair(b + "attn.qkv", 3 * C, C) | pair(b + "attn.proj", C, C)
        s |= pair(b + "norm2", C) | pair(b + "mlp.fc1", MLP, C) | pair(b + "mlp.fc2", C, MLP)
    return s


def bert_shapes(layers=LAYERS):
    e = "embeddings."
    s = {e + "word_embeddings.weight": (VOCAB, C), e + "position_embeddings.weight": (POSITIONS, C),
         e + "token_type_embeddings.weight": (2, C)} | pair(e + "LayerNorm", C)
    for i in range(layers):
        b = f"encoder.layer.{i}."
        for x in ("query", "key", "value"):
            s |= pair(b + "attention.self." + x, C, C)
        s |= pair(b + "attention.output.dense", C, C) | pair(b + "attention.output.LayerNorm", C)
        s |= pair(b + "intermediate.dense", MLP, C) | pair(b + "output.dense", C, MLP) | pair(b + "output.LayerNorm", C)
    return s


def values(shapes, seed, dtype="<f4"):
    rng = np.random.default_rng(seed)
    return {k: (rng.normal(0, 0.2, s) + ("orm" in k and k.endswith("weight"))).astype(dtype) for k, s in shapes.items()}


def under(prefix, tensors):
    return {prefix + k: v for k, v in tensors.items()}


def zeros(**shapes):
    return {k.replace("__", "."): np.zeros(s, np.float32) for k, s in shapes.items()}


def without(tensors, *names):
    return {k: v for k, v in tensors.items() if k not in names}


def hot(x, at, value):
    x = x.copy()
    x.reshape(-1)[at] = value
    return x


VIT, GREY, BERT = values(vit_shapes(), 1), values(vit_shapes(channels=1), 2), values(bert_shapes(), 3)


def renamed(tensors):
    return {k.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): v for k, v in tensors.items()}


SOUND = {
    "vit": VIT | zeros(head__weight=(10, C), head__bias=(10,)),
    "grey": GREY,
    "dino": under("teacher.backbone.", VIT) | under("student.module.backbone.", values(vit_shapes(), 9))
    | zeros(teacher__head__mlp__0__weight=(3, C)),
    "mae": under("model.", VIT | zeros(mask_token=(1, 1, 8), decoder_pos_embed=(1, 5, 8), decoder_norm__bias=(8,))),
    "large": values(vit_shapes(side=3), 4),
    "nocls": VIT | {"pos_embed": VIT["pos_embed"][:, 1:]},
    "bert": BERT | zeros(pooler__dense__weight=(C, C)) | {"embeddings.position_ids": np.arange(POSITIONS)[None]},
    "pretraining": under("bert.", renamed(BERT)) | zeros(cls__predictions__bias=(VOCAB,)),
    "deep": values(bert_shapes(layers=3), 5),
    "half": values(bert_shapes(), 6, "<f2"),
    "double": values(bert_shapes(), 6, "<f8"),
}

# ---- spoilt ones ----

SPOILT = {
    "three": without(VIT, "norm.bias", "blocks.1.attn.qkv.weight")
    | zeros(cls_token=(1, C), dist_token=(1, 1, C), blocks__0__ls1__gamma=(C,), what=(3,)),
    "register": VIT | zeros(reg_token=(1, 4, C)),
    "oblong": VIT | zeros(pos_embed=(1, 7, C)),
    "four": VIT | zeros(patch_embed__proj__weight=(C, 4, PATCH, PATCH)),
    "blocks": VIT | under("blocks.2.", zeros(norm1__bias=(C,))),
    "whole": VIT | {"norm.weight": np.ones(C, np.int32)},
    "nan": VIT | {"blocks.1.mlp.fc2.bias": hot(VIT["blocks.1.mlp.fc2.bias"], 7, np.nan)},
    "inf": BERT | {"embeddings.word_embeddings.weight": hot(BERT["embeddings.word_embeddings.weight"], 65, -np.inf)},
    "big": values(bert_shapes(), 6, "<f8")
    | {"embeddings.LayerNorm.bias": hot(np.zeros(C), 3, 1e300)},
    "nothing": zeros(a=(2,), b=(3, 4)),
}


def make_all(folder):
    for name, t in (SOUND | SPOILT).items():
        save(f"{folder}/{name}.safetensors", t)
    save(f"{folder}/lines.safetensors", {"a": np.zeros(1, np.float32)}, {"um.config": '{\n "\x1b[2J": 1\n}'})
    where = {k: f"vit-{i % 3}.safetensors" for i, k in enumerate(SOUND["vit"])}
    for part in set(where.values()):
        save(f"{folder}/{part}", {k: v for k, v in SOUND["vit"].items() if where[k] == part})
    with open(f"{folder}/vit.safetensors.index.json", "w", encoding="utf-8") as f:
        json.dump({"metadata": {"total_size": 1}, "weight_map": where}, f)


# ---- questions ----

def same(a, b, start, to, *but):
    a, b = load(a)[1], load(b)[1]
    names = [k for k in a if k.startswith(start) and k[len(start):] not in but]
    if not names:
        sys.exit(f"nothing under {start}")
    for k in names:
        x, y = a[k], b[to + k[len(start):]]
        if x.dtype != y.dtype or x.shape != y.shape or x.tobytes() != y.tobytes():
            sys.exit(f"{k} differs")


def folded(model, path, mean, std, scale=1, shift=0):
    """method.md 1.1, and 2.1, in double; the network's input is scale x + shift"""
    m, f = load(model)[1], load(path)[1]
    w, b = (f[f"patch_embed.proj.{k}"].astype(np.float64) for k in ("weight", "bias"))
    mean, std = (np.array(json.loads(f"[{x}]"), np.float64)[:, None, None] + np.zeros((w.shape[1], 1, 1))
                 for x in (mean, std))
    scale, shift = float(scale), float(shift)
    want = (w / std / scale).sum(1, keepdims=True)
    bias = b - (w * (mean + shift / scale) / std).sum((1, 2, 3))
    for tail, kernel in (("", want), ("_3d", np.repeat(want[:, :, None], 4, 2) / 4)):
        for k, x in (("weight", kernel), ("bias", bias)):
            y = m[f"vision.patch_embed{tail}.proj.{k}"]
            e = np.linalg.norm(y - x) / np.linalg.norm(x)
            if y.shape != x.shape or not e <= 1e-7 * (1 + (k == "bias")):
                sys.exit(f"patch_embed{tail}.{k}: {y.shape}, off by {e}")


def value(path, name):
    print(*load(path)[1][name].ravel().tolist())


def meta_of(path, name):
    print(load(path)[0][name])


if __name__ == "__main__":
    {"all": make_all, "same": same, "folded": folded, "value": value, "meta": meta_of}[sys.argv[1]](*sys.argv[2:])
