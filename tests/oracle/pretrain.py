#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pretrain.py - um-train's whole method against tests/oracle/unimedi.py, step by step, switch by switch

usage: BUILD=build pretrain.py [-v] [--folder DIR] [CASE ...]     the cases named, or all
       pretrain.py --self                                         unimedi.py by method.md 12
       pretrain.py --list
needs torch, numpy, safetensors, msgpack, zstandard from PyPI

A case is a set of um-train's options. Made-up patients of one seed, 12 X-rays and 8 volumes, are one batch of
each kind, so that an epoch is two steps and the order of records does not matter; images are float32 and are
not cropped, or, in the cases of CROPPED, uint8 and larger than the model's. um-train writes initial weights (--epochs 0); these are disturbed, so that no norm, bias or mask
token is at its initial value and attention has a shape; from them both train 20 steps in float32.

Compared: every part of the loss, the temperature and the teacher's entropies at every step, to 1e-4; the
gradient's norm to 5e-3; learning rate and momentum to 1e-9, the count of clipped tensors exactly; at the end
the weights of student and teacher, running statistics and centres. Of weights: |a - b| / |b| (L2) to 1e-4, and
how far the two trainings ended apart by how far they went, of all values together, to 2e-3. Left out are
biases whose gradient is 0 in exact arithmetic, which Adam moves by the sign of a rounding error; running means
hold such biases, and have 1e-3.

Training has forks that a rounding error decides: tokens and slices of nearly equal attention, ReLUs at 0,
Adam's sign of a small gradient. Where um-train is too far off, and unimedi.py met two tokens or slabs whose
attention differed by less than 1e-6 of it, or is in float32 itself off by more than 5e-5 of a part of the loss
in float64, or um-train is as far from itself with another instruction set, this start is no test of anybody,
and the next seed is taken, four at most. Without that a case fails at once.
"""
import argparse
import csv
import json
import math
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import msgpack
import numpy as np
import torch
import zstandard
from safetensors import safe_open
from safetensors.torch import save_file

import unimedi as um

TOL, EXACT = 1e-4, 1e-9
OTHER = {"grad_norm": 5e-3, "lr": EXACT, "momentum": EXACT, "clipped": 0, "steps": 0,
         "running_mean": 1e-3, "way": 2e-3}
FORKED, CLOSE, SEEDS = 5e-5, 1e-6, 4
BATCH = {"2d": 12, "3d": 8}
BASE = "--epochs 10 --batch-2d 12 --batch-3d 8 --lr 5e-5"

CASES = {
    "default": "",
    "row1": "--lambda-icl 0 --lambda-pcl 0 --select none",
    "row2": "--select none",
    "vl-alone": "--lambda-icl 0 --lambda-pcl 0",
    "2d": "--modalities 2d --epochs 20",
    "3d": "--modalities 3d --epochs 20",
    "joint": "--mix joint --epochs 20",
    "drop": "--mask-as drop",
    "keep-quarter": "--keep 0.25",
    "keep-all": "--keep 1",
    "block": "--mask-block 2 --modalities 3d --slice-size 64 --epochs 20",
    "block-drop": "--mask-block 2 --mask-as drop --modalities 3d --slice-size 64 --epochs 20",
    "uniform": "--select uniform --slices 3",
    "middle": "--select middle --slices 3",
    "slice-embed": "--slice-embed",
    "slices-1": "--slices 1",
    "slices-8": "--slices 8",
    "spread": "--spread --slices 2",
    "last": "--attn-layers last",
    "student": "--attn-from student",
    "student-alone": "--attn-from student --lambda-icl 0 --lambda-pcl 0",
    "masked": "--patch-loss masked",
    "no-patch": "--patch-loss none",
    "full": "--vl-input full",
    "lambdas": "--lambda-icl 2 --lambda-pcl 0.5",
    "no-icl": "--lambda-icl 0",
    "no-pcl": "--lambda-pcl 0",
    "prototypes": "--prototypes 96",
    "tau": "--tau-s 0.2 --tau-t 0.04:0.07:6",
    "centres": "--centres separate",
    "centres-joint": "--centres separate --mix joint --epochs 20",
    "ema": "--ema 0.9",
    "temperature": "--temperature 0.1",
    "same-text": "--same-text positive",
    "linear": "--proj linear",
    "shared": "--bn shared",
    "freeze-text": "--freeze-text",
    "text-layers": "--text-layers 2",
    "mgca": "--norm mgca",
    "clip": "--clip 0.1",
    "clip-global": "--clip global:1",
    "clip-none": "--clip 0",
    "decay": "--weight-decay 5",
    "decay-all": "--weight-decay 5 --decay-all",
    "warmup": "--warmup 1 --lr 1e-4 --lr-low 1e-6",
    "slice-64": "--slice-size 64",
    "slice-80": "--slice-size 80",
    "parts-2": "--accumulate 2",
    "parts-4": "--accumulate 4",
    "parts-joint": "--accumulate 2 --mix joint --epochs 20",
    "random": "--select random",
    "random-8": "--select random --slices 8 --seed 5000000007",
    "mask-random": "--mask random",
    "mask-random-drop": "--mask random --mask-as drop --keep 0.25",
    "mask-random-block": "--mask random --mask-block 2 --modalities 3d --slice-size 64 --epochs 20",
    "random-both": "--select random --mask random --slices 3 --accumulate 2 --seed 7",
    "crops": "",
    "views": "--views 2",
    "views-drop": "--views 2 --mask-as drop",
    "views-random": "--views 2 --mask random --select random",
    "views-masked": "--views 2 --patch-loss masked --vl-input full",
    "views-joint": "--views 2 --mix joint --centres separate --epochs 20",
    "views-parts": "--views 2 --accumulate 2 --modalities 2d --epochs 20",
    "together": "--mask-as drop --attn-layers last --attn-from student --vl-input full --spread --slices 2 "
                "--same-text positive --clip global:5 --tau-t 0.04:0.07:6 --bn shared --norm mgca --accumulate 2",
    # what changes nothing here, in one process
    "local": "--negatives local",
}
PARTS = "loss", "vl", "icl", "pcl"
CROPPED = {name for name in CASES if name.startswith(("crops", "views"))}


def tool(name, *args, **env):
    """one of the project's tools"""
    path = os.path.join(os.environ.get("BUILD", "build"), name)
    done = subprocess.run([path, *map(str, args)], capture_output=True, text=True, env=os.environ | env)
    if done.returncode:
        raise RuntimeError(f"{path} {shlex.join(map(str, args))}\n{done.stderr.strip()}")


# ---- streams: umt(5) ----

def messages(file):
    with open(file, "rb") as f:
        plain = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True)
        yield from msgpack.Unpacker(plain, max_buffer_size=2**33)


def values(t):
    return np.frombuffer(t["data"], t["dtype"]).reshape(t["shape"])


def adapt(source, file, count, cropped):
    """the first records of a stream, images as float32 unless they are to be cropped, every report twice (L_vl then
    stays over log 2, and has figures to compare)"""
    frame = zstandard.ZstdCompressor(write_checksum=True).compress
    records = []
    with open(file, "wb") as f:
        for m in messages(source):
            if "umt" in m:
                f.write(frame(msgpack.packb(m)))
            if "key" not in m or len(records) == count:
                continue
            if "image" in m["tensors"] and not cropped:
                x = values(m["tensors"]["image"]).astype(np.float32) / np.float32(255)
                m["tensors"]["image"] = {"dtype": "float32", "shape": list(x.shape), "data": x.tobytes()}
            if len(records) >= count // 2:
                other = records[len(records) - count // 2]
                m["meta"]["report"] = other["meta"]["report"]
                m["tensors"] |= {k: other["tensors"][k] for k in ("ids", "ids_mask")}
            records.append(m)
            f.write(frame(msgpack.packb(m)))
        f.write(frame(msgpack.packb({"end": len(records), "index": False})))
    assert len(records) == count, (source, len(records))


def make_data(d, seed, cropped):
    """made-up X-rays, volumes and reports: 2d.umt, 3d.umt, vocab.txt in d"""
    tool("um-phantom", "-q", "-n", max(BATCH.values()), "--seed", seed, "--split", "1,0,0", "--volume", "32x64x64",
         "--xray-size", 160, "-o", d / "data")
    tool("um-preprocess", "-q", "--size", 128 if cropped else 112, "-o", d / "2d.raw", d / "data/xray.tsv")
    tool("um-preprocess", "-q", "--size", "16x64x64", "-o", d / "3d.raw", d / "data/ct.tsv")
    tool("um-tokenize", "-q", "--train-vocab", 400, "-o", d / "vocab.txt", d / "2d.raw", d / "3d.raw")
    for kind in BATCH:
        tool("um-tokenize", "-q", "--vocab", d / "vocab.txt", "-o", d / f"{kind}.ids", d / f"{kind}.raw")
        adapt(d / f"{kind}.ids", d / f"{kind}.bare", BATCH[kind], cropped)
        tool("um-cat", "-q", "-o", d / f"{kind}.umt", d / f"{kind}.bare")  # which adds the index


def read_data(d):
    """whole tensors of each kind"""
    data = {}
    for kind, name in (("2d", "image"), ("3d", "volume")):
        records = [m for m in messages(d / f"{kind}.umt") if "key" in m]
        x = {k: torch.from_numpy(np.stack([values(m["tensors"][k]) for m in records]))
             for k in (name, "ids", "ids_mask")}
        x["record"] = torch.tensor([um.record_of(m["key"]) for m in records])
        x[name] = x[name][:, 0] if kind == "2d" else x[name]
        x[name] = x[name].float() / 255 if x[name].dtype == torch.uint8 else x[name]
        data[kind] = x | {"ids": x["ids"].long(), "ids_mask": x["ids_mask"].long()}
    return data


# ---- weights: safetensors ----

def load(file):
    with safe_open(file, "pt") as f:
        return f.metadata(), {k: f.get_tensor(k) for k in f.keys()}


def disturb(source, file, seed):
    """initial weights moved away from what is special about them; the teacher is a copy again"""
    rng = np.random.default_rng(seed)
    meta, w = load(source)
    w = {k: x for k, x in w.items() if not k.startswith("teacher.")}
    for k, x in w.items():
        if "running_var" in k:
            w[k] = torch.from_numpy(rng.uniform(0.5, 2, x.shape).astype(np.float32))
        elif k != "logit_scale":
            scale = 0.1 if "attn.qkv" in k else 0.05
            w[k] = x + torch.from_numpy(rng.normal(0, scale, x.shape).astype(np.float32))
    copy = {"teacher." + k: x.clone() for k, x in w.items() if k.startswith(("vision.", "head."))}
    save_file(w | copy, file, meta)
    return json.loads(meta["um.config"]), w


# ---- a case ----

def um_train(d, args, seed):
    """disturbed initial weights, and a run from them"""
    tool("um-train", *common(args), "--preset", "phantom", "--epochs", 0, "-o", d / "init", *streams(d))
    start = disturb(d / "init/model.safetensors", d / "start.safetensors", seed)
    tool("um-train", *common(args), "--init", d / "start.safetensors", "-o", d / "run", *streams(d))
    return start


def streams(d):
    return [d / "2d.umt", d / "3d.umt"]


def common(args):
    return ["-q", "--device", "cpu", "--text-dropout", 0, *args]


def follow(cfg, weights, args, data, dtype):
    """the same by unimedi.py: the log, and the training"""
    o, _ = um.options().parse_known_args(args)
    training = um.Pretraining(cfg, weights, o, data, dtype)
    return [training.step(t) for t in range(training.steps)], training


def apart(a, b):
    """relative difference; two that are not there do not differ"""
    if a == b or math.isnan(a) and math.isnan(b):
        return 0.0
    return abs(a - b) / abs(b) if b else math.inf


def compare_logs(log, ours):
    """largest difference by column"""
    columns = ["loss", "vl", "icl", "pcl", "temperature", "grad_norm", "entropy_cls", "entropy_patch",
               "entropy_mean_cls", "entropy_mean_patch", "lr", "momentum", "clipped"]
    if [(r["step"], r["epoch"], r["modality"]) for r in log] != \
            [(str(r["step"]), str(r["epoch"]), r["modality"]) for r in ours]:
        return {"steps": math.inf}
    far = {k: [apart(float(a[k]), b[k]) for a, b in zip(log, ours)] for k in columns}
    return {k: math.nan if any(map(math.isnan, x)) else max(x) for k, x in far.items()}


def steered(training):
    """which values of each weight a gradient leads: not those whose gradient is 0 in exact arithmetic (biases of
    keys, and those that a batch norm takes out again) and in float32 a rounding error, which Adam magnifies"""
    cfg, C = training.cfg, training.cfg["width"]
    led = {k: torch.ones_like(x, dtype=torch.bool) for k, x in training.trained.items()}
    vain = [k for k in led if k.endswith("key.bias")]
    if not cfg["proj_linear"]:
        vain += [f"proj.{side}.{n}.bias" for side in ("vision", "text") for n in (0, 3)]
        vain += [f"text.encoder.layer.{cfg['text_layers'] - 1}.output.LayerNorm.bias"]
        vain += [] if training.distil else ["vision.norm.bias"]
    for k, x in led.items():
        if k in vain:
            x[:] = False
        if k.endswith("attn.qkv.bias"):
            x[C:2 * C] = False
    return led


def compare_weights(theirs, ours, start, training):
    """|a - b| / |b| by kind of weight, and of all: how far apart by how far they went"""
    square, far, way, led = {}, 0.0, 0.0, steered(training)
    for k, b in ours.items():
        a, b = theirs[k].double(), b.double()
        if k in led:
            a, b, s = (x[led[k]] for x in (a, b, start[k].double()))
            far, way = far + ((a - b) ** 2).sum().item(), way + ((b - s) ** 2).sum().item()
        kind = k.split(".")[-1].removesuffix("_3d") if "running" in k else \
            ".".join(k.split(".")[:2 if k.startswith("teacher.") else 1])
        e, n = square.get(kind, (0.0, 0.0))
        square[kind] = e + ((a - b) ** 2).sum().item(), n + (b ** 2).sum().item()
    return {k: math.sqrt(e / n) if n else math.sqrt(e) for k, (e, n) in square.items()} | \
        {"way": math.sqrt(far / way)}


def results(run):
    """the log, the final weights and the centres of the newest checkpoint"""
    with open(run / "log.tsv") as f:
        log = list(csv.DictReader(f, delimiter="\t"))
    weights = load(run / "model.safetensors")[1]
    for checkpoint in sorted(run.glob("ckpt-*.safetensors"))[-1:]:
        weights |= {k: x for k, x in load(checkpoint)[1].items() if k.startswith("centre.")}
    return log, weights


def other_sets(d, args, log):
    """how far um-train is from itself with other instruction sets that this processor has"""
    far = 0.0
    for isa in ("sse2", "avx2", "avx512"):
        try:
            tool("um-train", *common(args), "--init", d / "start.safetensors", "-o", d / isa, *streams(d), UM_ISA=isa)
        except RuntimeError:
            continue
        far = max([far] + [apart(float(a[k]), float(b[k])) for a, b in zip(results(d / isa)[0], log) for k in PARTS])
    return far


def forked(ours, cfg, start, args, data):
    """does a rounding error decide here? How, or nothing"""
    close = min(r["margin"] for r in ours)
    if close < CLOSE:
        return f"a choice by {close:.1g}"
    double, _ = follow(cfg, start, args, data, torch.float64)
    far = max(apart(a[k], b[k]) for a, b in zip(ours, double) for k in PARTS)
    return f"PyTorch's float32 is {far:.1g} from its float64" if far > FORKED else ""


def run_seed(name, d, args, seed, verbose):
    """what is too far apart, and the fork that excuses it"""
    d.mkdir(parents=True, exist_ok=True)
    make_data(d, seed, name in CROPPED)
    cfg, start = um_train(d, args, seed)
    data = read_data(d)
    ours, training = follow(cfg, start, args, data, torch.float32)
    if verbose:
        print_log(ours)
    log, weights = results(d / "run")
    far = compare_logs(log, ours) | compare_weights(weights, training.result(), start, training)
    bad = [f"{name}: {k}" for k, e in far.items() if not e <= OTHER.get(k, TOL)]
    print(f"{name}, seed {seed}: " + ", ".join(f"{k} {e:.2g}" for k, e in far.items()) +
          f" (closest choice {min(r['margin'] for r in ours):.1g})", flush=True)
    if not bad:
        return bad, ""
    far = other_sets(d, args, log)
    return bad, f"um-train is {far:.1g} from itself with another instruction set" if far > FORKED else \
        forked(ours, cfg, start, args, data)


def run_case(name, folder, args, seed, verbose):
    """what is too far apart, with the first seed whose outcome rounding does not decide"""
    for s in range(seed, seed + SEEDS):
        bad, fork = run_seed(name, folder / f"{name}-{s}", args, s, verbose)
        if not fork:
            break
        print(f"{name}, seed {s}: too far apart, but {fork}", flush=True)
    return bad


def print_log(rows):
    print(*rows[0], sep="\t")
    for r in rows:
        print(*(f"{x:.6g}" if isinstance(x, float) else x for x in r.values()), sep="\t")


# ---- unimedi.py itself: the checks of method.md 12 that need no other program ----

TOY = {"width": 24, "heads": 3, "mlp": 48, "layers": 2, "image": 32, "patch": 8, "volume": [8, 16, 16],
       "patch3": [4, 8, 8], "text_width": 18, "text_heads": 2, "text_mlp": 30, "text_layers": 2, "vocab": 50,
       "text_positions": 16, "embed": 8, "proj_hidden": 20, "norm_scale": 1.0, "norm_shift": 0.0,
       "bn_shared": False, "proj_linear": False, "prototypes": 40, "head_hidden": 28, "head_bottleneck": 12}
FULL = {"image": 224, "patch": 16, "volume": [32, 128, 128], "patch3": [4, 16, 16]}  # the grid of ViT-B


def shapes(cfg):
    """names of a model file, as design.md 5 has them"""
    C, side, grid = cfg["width"], cfg["image"] // cfg["patch"], [n // p for n, p in zip(cfg["volume"], cfg["patch3"])]
    out = {"vision.cls_token": (1, 1, C), "vision.mask_token": (1, 1, C), "vision.pos_embed": (1, 1 + side**2, C),
           "vision.pos_embed_3d": (1, math.prod(grid), C), "logit_scale": ()}

    def linear(name, n, m, bias=True):
        out[name + ".weight"] = (n, m)
        if bias:
            out[name + ".bias"] = (n,)

    def norm(name, n):
        out[name + ".weight"] = out[name + ".bias"] = (n,)

    for name, patch in (("patch_embed", [cfg["patch"]] * 2), ("patch_embed_3d", cfg["patch3"])):
        out[f"vision.{name}.proj.weight"], out[f"vision.{name}.proj.bias"] = (C, 1, *patch), (C,)
    for l in range(cfg["layers"]):
        b = f"vision.blocks.{l}."
        for name, n, m in (("attn.qkv", 3 * C, C), ("attn.proj", C, C), ("mlp.fc1", cfg["mlp"], C),
                           ("mlp.fc2", C, cfg["mlp"])):
            linear(b + name, n, m)
        norm(b + "norm1", C), norm(b + "norm2", C)
    norm("vision.norm", C)
    X, e = cfg["text_width"], "text.embeddings."
    for name, n in (("word", cfg["vocab"]), ("position", cfg["text_positions"]), ("token_type", 2)):
        linear(f"{e}{name}_embeddings", n, X, False)
    norm(e + "LayerNorm", X)
    for l in range(cfg["text_layers"]):
        b = f"text.encoder.layer.{l}."
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            linear(b + "attention." + name, X, X)
        linear(b + "intermediate.dense", cfg["text_mlp"], X), linear(b + "output.dense", X, cfg["text_mlp"])
        norm(b + "attention.output.LayerNorm", X), norm(b + "output.LayerNorm", X)
    for p, n in (("proj.vision.", C), ("proj.text.", X)):
        linear(p + "0", cfg["proj_hidden"], n), linear(p + "3", cfg["embed"], cfg["proj_hidden"])
        norm(p + "1", cfg["proj_hidden"])
        for bn, n in (("1", cfg["proj_hidden"]), ("4", cfg["embed"])):
            for stat in ("mean", "var", "mean_3d", "var_3d"):
                out[f"{p}{bn}.running_{stat}"] = (n,)
    for name, n, m in (("0", cfg["head_hidden"], C), ("2", cfg["head_hidden"], cfg["head_hidden"]),
                       ("4", cfg["head_bottleneck"], cfg["head_hidden"])):
        linear("head.mlp." + name, n, m)
    out["head.last.weight_v"] = (cfg["prototypes"], cfg["head_bottleneck"])
    return out


def invent(cfg, seed=0):
    """weights with nothing at 0 or 1"""
    g = torch.Generator().manual_seed(seed)
    w = {k: 0.2 * torch.randn(s, generator=g, dtype=torch.float64) + (1.0 if "orm" in k and "weight" in k else 0.0)
         for k, s in shapes(cfg).items()}
    return w | {k: torch.zeros_like(x) + ("var" in k) for k, x in w.items() if "running" in k} | \
        {"logit_scale": torch.tensor(-math.log(0.07), dtype=torch.float64)}


def invented(cfg, n, seed=0):
    """n X-rays and n volumes of noise with words of noise"""
    g = torch.Generator().manual_seed(seed)
    data = {}
    for kind, name, shape in (("2d", "image", [cfg["image"]] * 2), ("3d", "volume", cfg["volume"])):
        mask = (torch.arange(10) < torch.randint(3, 11, (n, 1), generator=g)).long()
        data[kind] = {name: torch.rand(n, *shape, generator=g, dtype=torch.float64), "ids_mask": mask,
                      "ids": torch.randint(1, cfg["vocab"], (n, 10), generator=g) * mask,
                      "record": torch.arange(n)}
    return data


def training(*args, cfg=TOY, n=8):
    o, unknown = um.options().parse_known_args(shlex.split(" ".join(args)))
    assert not unknown, unknown
    return um.Pretraining(cfg, invent(cfg), o, invented(cfg, n), torch.float64)


def near(what, a, b, tol):
    error = abs(a - b) / max(abs(b), 1e-300)
    print(f"  {what}: {a:.9g} ({error:.1g} from {b:.9g})")
    assert error <= tol, what


def relative(a, b):
    return math.sqrt(sum(((a[k] - b[k]) ** 2).sum().item() for k in b) / sum((b[k] ** 2).sum().item() for k in b))


def check_2():
    """197, 513, 1297; kept 98, 256, 4 x 98; 649 in drop"""
    cfg = TOY | FULL
    for mask_as in ("token", "drop"):
        p = training("--mask-as", mask_as, cfg=cfg, n=1)
        image, volume = p.data["2d"]["image"], p.data["3d"]["volume"]
        slices = p.pick(p.data["3d"])[0]
        for x, T, kept in (({"image": image}, 197, [98]), ({"volume": volume}, 513, [256]),
                           ({"volume": volume, "slices": slices}, 1297, [256] + [98] * 4)):
            s = um.sequence(p.w, cfg, **x)
            y, rows = um.encode(p.w, cfg, s)
            assert y.shape[1] == rows.shape[-1] == T
            keep, _ = um.masks(p.o, s.groups, um.eq1(rows))
            count = [keep[0, g[0]:g[0] + math.prod(g[1:])].sum().item() for g in s.groups]
            assert count == kept, (count, kept)
            seen = um.encode(p.w, cfg, s, keep, mask_as)[0].shape[1]
            assert seen == (T if mask_as == "token" else 1 + sum(kept)), seen
    assert seen == 649
    print("  197, 513, 1297 tokens; 98, 256, 256 + 4 x 98 kept; 649 in drop")


def check_3():
    """learning rate, momentum, order of batches"""
    for t, want in ((0, 1e-8), (1, 5.9975e-8), (200, 1.0005e-5), (400, 2e-5), (550, 1.707253e-5), (999, 1.013701e-8)):
        near(f"lr({t})", um.rate(t, 1000, 2e-5, 400), want, 5e-7)
    for t, want in ((0, 0.996), (250, 0.996585786), (500, 0.998), (750, 0.999414214)):
        near(f"m({t})", um.momentum(t, 1000, 0.996), want, 1e-9)
    assert "".join(kind[0][0] for kind in um.order(7, 3)) == "2223223223"


def check_4():
    """sum of a_t and the mean of p(CLS) make 1"""
    p = training()
    for x in ({"image": p.data["2d"]["image"]}, {"volume": p.data["3d"]["volume"]},
              {"volume": p.data["3d"]["volume"], "slices": p.pick(p.data["3d"])[0]}):
        rows = um.encode(p.w, TOY, um.sequence(p.w, TOY, **x))[1]
        a, cls = um.eq1(rows).sum(1), rows[..., 0].mean((0, 2))
        assert (a < 1).all()
        near("sum a_t + mean p(CLS)", (a + cls).sum().item(), len(a), 1e-12)


def check_5():
    """L_vl of orthonormal matching vectors, and of equal ones"""
    zero, eye = torch.zeros(()).double(), torch.eye(4).double()
    near("L_vl, orthonormal", um.contrast(eye, eye, zero).item(), 0.743668, 1e-6)
    near("L_vl, equal", um.contrast(eye[:1].expand(4, 4), eye[:1].expand(4, 4), zero).item(), math.log(4), 1e-12)
    near("L_vl, equal, one target for all", um.contrast(eye[:1].expand(4, 4), eye[:1].expand(4, 4), zero,
                                                        torch.ones(4, 4).double()).item(), math.log(4), 1e-12)


def two_passes(p, kind, parts):
    """5.1: encode part by part; loss and gradients on the encoders' [CLS] outputs of the whole batch; encode
    each part again and feed them its rows"""
    batch, names = p.data[kind], list(p.trained)
    cut = [{k: x.chunk(parts)[i] for k, x in batch.items()} for i in range(parts)]
    with torch.no_grad():
        outs = [p.forward(b, 0.04) for b in cut]
    leaf = {k: torch.cat([out[k] for out in outs]).requires_grad_() for k in ("image", "text")}
    vl = p.contrast(kind, leaf["image"], leaf["text"])
    loss = vl.item()
    N, grad = len(batch["ids"]), {}

    def collect(L, inputs, more=()):
        got = torch.autograd.grad(L, inputs + list(more), allow_unused=True)
        for k, g in zip(names, got):
            grad[k] = grad.get(k, 0) + (torch.zeros_like(p.trained[k]) if g is None else g)
        return got[len(inputs):]

    weights = [p.trained[k] for k in names]
    fed = collect(vl, weights, leaf.values())
    for i, b in enumerate(cut):
        out = p.forward(b, 0.04)
        own = (p.o.lambda_icl * out["icl"].sum() + p.o.lambda_pcl * out["pcl"].sum()) / N
        loss += own.item()
        collect(own + sum((out[k] * g.chunk(parts)[i]).sum() for k, g in zip(leaf, fed)), weights)
    return loss, grad, {k: x.clone() for k, x in p.w.items() if "running" in k}


def check_6():
    """the same for one part, two and four: loss, gradients, statistics"""
    for kind in ("2d", "3d"):
        for parts in (1, 2, 4):
            p, q = training(), training()
            L = p.losses(kind, p.forward(p.data[kind], 0.04))["loss"]
            whole = p.gradient(L, 1)
            loss, grad, running = two_passes(q, kind, parts)
            near(f"loss {kind} in {parts}", loss, L.item(), 1e-12)
            for what, a, b in (("gradient", grad, whole), ("statistics", running, {k: p.w[k] for k in running})):
                e = relative(a, b)
                print(f"  {what}: {e:.1g}")
                assert e <= 1e-6


def check_7():
    """scaling a row of W changes nothing; logits lie in [-1, 1]"""
    w, x = invent(TOY), torch.randn(5, 7, TOY["width"]).double()
    z = um.head(w, x)
    w["head.last.weight_v"][3] *= 17
    assert (um.head(w, x) - z).abs().max() < 1e-12 and z.abs().max() <= 1 + 1e-12
    print(f"  logits within {z.abs().max():.3f}")


def check_8():
    """no difference between prototypes: log M"""
    z = torch.zeros(2, 8192).double()
    near("L_icl", um.cross_entropy(um.target(z, 0, 0.04), z, 0.1).mean().item(), 9.010913, 1e-7)


def check_9():
    """rho = 1, student = teacher, equal temperatures, centres 0: L_pcl is the mean entropy of q"""
    p = training("--keep 1 --tau-s 0.04")
    for kind in ("2d", "3d"):
        out = p.forward(p.data[kind], 0.04)
        near("L_pcl", out["pcl"].mean().item(), p.watch([out], 0.04)["entropy_patch"], 1e-12)


def check_draws():
    """Random123's known answers of Philox4x32-10; lots and crops reach every place alike"""
    for counter, key, want in (([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
                               ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
                               ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
                                "d16cfe09 94fdcceb 5001e420 24126ea1")):
        got = " ".join(f"{x:08x}" for x in um.philox(np.array([counter]), key)[0].tolist())
        assert got == want, got
    draws = [um.Draws(42, "slice", i, 0) for i in range(1000)]
    count = np.bincount(np.array([um.lots(d, 16, 4) for d in draws]).ravel(), minlength=16)
    assert count.sum() == 4000 and abs(count - 250).max() < 70, count
    count = np.bincount([um.Draws(42, "crop", i, 3).below(17) for i in range(1700)], minlength=17)
    assert abs(count - 100).max() < 45, count
    assert um.record_of("") == 0x2D06800538D394C2  # XXH3-64 of nothing
    print(f"  a row of 17 for a crop: {count.min()} to {count.max()} times of 1700")


def check_updates():
    """AdamW is PyTorch's; epoch 0 leaves the prototypes alone; the teacher starts as a copy and follows"""
    p = training("--epochs 3 --lr 1e-2 --ema 0.9 --clip 0")
    theirs = {k: x.detach().clone() for k, x in p.trained.items()}
    optim = torch.optim.AdamW([{"params": [x for k, x in theirs.items() if um.decays(k, False) == d],
                                "weight_decay": 0.05 * d} for d in (True, False)], betas=(0.9, 0.999), eps=1e-8)
    rng = torch.Generator().manual_seed(1)
    for n in range(5):
        grad = {k: torch.randn(x.shape, generator=rng, dtype=torch.float64) for k, x in theirs.items()}
        for k, x in theirs.items():
            x.grad = grad[k].clone()
        for group in optim.param_groups:
            group["lr"] = 1e-3 * (n + 1)
        optim.step()
        p.adamw.step(grad, 1e-3 * (n + 1))
    e = relative({k: x.detach() for k, x in p.trained.items()}, theirs)
    print(f"  AdamW: {e:.1g} from PyTorch's")
    assert e <= 1e-12

    p = training("--epochs 3 --lr 1e-2 --ema 0.9")
    before = p.result()["head.last.weight_v"].clone()
    teacher = {k: x.clone() for k, x in p.teacher.items()}
    for t in range(2):
        row = p.step(t)
        teacher = {k: row["momentum"] * x + (1 - row["momentum"]) * p.w[k].detach() for k, x in teacher.items()}
    assert torch.equal(p.w["head.last.weight_v"], before)
    assert relative(p.teacher, teacher) <= 1e-12
    p.step(2)
    assert not torch.equal(p.w["head.last.weight_v"], before)


def check_itself():
    for name, check in list(globals().items()):
        if name.startswith("check_") and check is not check_itself:
            print(f"{name[6:]}: {check.__doc__}", flush=True)
            check()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("case", nargs="*")
    p.add_argument("--self", action="store_true", help="unimedi.py's own checks alone")
    p.add_argument("--list", action="store_true", help="print the cases")
    p.add_argument("--seed", type=int, default=7, help="of the made-up patients and of the start")
    p.add_argument("--folder", help="keep what is made there")
    p.add_argument("-v", action="store_true", help="print the logs")
    o = p.parse_args()
    unknown = set(o.case) - set(CASES)
    if unknown:
        p.error("no such case: " + ", ".join(sorted(unknown)))
    if o.self:
        return check_itself()
    if o.list:
        return print(*(f"{k:14} {v}" for k, v in CASES.items()), sep="\n")
    bad = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in o.case or CASES:
            args = [*shlex.split(BASE), *shlex.split(CASES[name])]
            try:
                bad += run_case(name, pathlib.Path(o.folder or temporary), args, o.seed, o.v)
            except RuntimeError as e:
                print(f"{name}: {e}", flush=True)
                bad.append(name)
    sys.exit("too far apart: " + "; ".join(bad) if bad else 0)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the matrices are small
    main()
