# SPDX-License-Identifier: Apache-2.0
"""pairs.py - made-up training pairs for the preset tiny, and features for the probe

usage: pairs.py KIND [N [SEED]] > FILE     a stream without an index: um-cat makes one
"""
import sys

import numpy as np

from stream import part

WINDOW = [-1000.0, 1000.0]


def pair(i, rng, kind, split, length=12):
    """The report names the brightness of the image: something to learn."""
    level = int(rng.integers(0, 8))
    ids = np.zeros(length, np.int32)
    words = [2, 10 + level, 20 + (i % 3)] + [30] * int(rng.integers(0, 4)) + [3]
    ids[:len(words)] = words
    if kind == "2d":
        image = (level * 28 + rng.integers(0, 20, (1, 36, 36))).astype(np.uint8)
        pixels = {"image": image}
    else:
        pixels = {"volume": (level / 8 + rng.random((8, 32, 32)) / 16).astype(np.float32)}
    return f"{kind}/{i}", {"split": split, "patient": f"p{i}"}, {
        **pixels, "ids": ids, "ids_mask": (np.arange(length) < len(words)).astype(np.uint8)}


def pairs(n, seed, kinds=("2d", "3d")):
    rng = np.random.default_rng(seed)
    splits = ["train"] * 5 + ["valid"] + ["test"]
    return [pair(i, rng, kinds[i % len(kinds)], splits[i // 2 % 7]) for i in range(n)]


def change(records, name, make):
    key, meta, tensors = records[3]
    tensors[name] = make(tensors.get(name))
    if tensors[name] is None:
        del tensors[name]
    return records


def nan_at(a):
    a[0, 0, 0] = np.nan
    return a


def features(n, seed, label):
    """cls [8] float32 whose first entry tells the label, with noise; three images a patient"""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        y = int(rng.integers(0, 2))
        z = int(rng.integers(0, 3))
        cls = rng.normal(size=8).astype(np.float32)
        cls[0] += 2 * y
        cls[1 + z] += 3
        split = "test" if i >= n * 0.6 else "valid" if i >= n * 0.45 else "train"
        out.append((f"f{i}", {"split": split, "patient": f"p{i // 3}", **label(i, y, z)}, {"cls": cls}))
    return out


def binary(i, y, z):
    return {"label": {"a": y, "b": z == 1 and 1.0 or 0.0, "c": None if i % 4 else 1 - y}}


def main():
    kind = sys.argv[1]
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 84
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    head = {"window": WINDOW, "vocab": "0" * 32, "vocab_size": 64, "cased": False}
    p = pairs(n, seed, ("2d",) if kind == "xray" else ("3d",) if kind == "ct" else ("2d", "3d"))
    made = {
        "pairs": lambda: p,
        "xray": lambda: p,
        "ct": lambda: p,
        "no-ids": lambda: change(p, "ids", lambda a: None),
        "big-id": lambda: change(p, "ids", lambda a: a + 60),
        "no-mask": lambda: change(p, "ids_mask", lambda a: a * 0),
        "no-cls": lambda: change(p, "ids_mask", lambda a: a * (np.arange(len(a)) > 0).astype(np.uint8)),
        "nan": lambda: change(p, "volume", nan_at),
        "both": lambda: change(p, "image", lambda a: np.zeros((1, 36, 36), np.uint8)),
        "neither": lambda: change(p, "volume", lambda a: None),
        "shape": lambda: change(p, "volume", lambda a: a[:4]),
        "small": lambda: [(k, m, {**t, "image": t["image"][:, :20]} if "image" in t else t) for k, m, t in p],
        "same": lambda: [(k, m, {**t, "image": np.full_like(t["image"], 90)} if "image" in t else t) for k, m, t in p],
        "split": lambda: [(k, {**m, "split": "dev"}, t) for k, m, t in p],
        "test": lambda: [(k, {**m, "split": "test"}, t) for k, m, t in p],
        "empty": lambda: [],
        "labels": lambda: features(n, seed, binary),
        "classes": lambda: features(n, seed, lambda i, y, z: {"class": ("x", "y", "z")[z]}),
    }
    if kind in ("window", "vocab"):
        head[kind] = [-1000.0, 400.0] if kind == "window" else "1" * 32
    sys.stdout.buffer.write(part(made.get(kind, made["pairs"])(), **head))


if __name__ == "__main__":
    main()
