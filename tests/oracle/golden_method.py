#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""golden_method.py - makes tests/golden/method*: twenty steps of the whole method by unimedi.py

usage: golden_method.py [--any-version] [DIR]     needs what golden.py and pretrain.py need

A very small student trains on one batch of X-rays and one of volumes, all random numbers of a fixed seed,
in double precision from weights that float32 holds. Files as golden.py's:

  method-start.safetensors   the initial weights, a model of um
  method*.safetensors        a setting each; its options are unimedi.py's, in `args` of the metadata
    in.x2d, in.ids2d, in.mask2d, in.x3d, ...   the batches; pixels are x/255, reports 0 and 1 are the same
    curve/...        each step's losses, temperature and entropies of the teacher's targets
    gradient/norm    before clipping;   rates/lr, rates/pace (1 - momentum), rates/clipped (tensors)
    chosen/z         rows of the slices, of every batch of volumes;   chosen/kept2d, kept3d: tokens the
                     student keeps in the first batch of each
    centres/...      at the end;   statistics/...: running ones at the end
    way/..., teacher/...   how far weights of the student and of the teacher went, end - start

Attention decides in both precisions alike by more than CLOSE of itself, or the script refuses the seed.
Biases whose gradient is 0 in exact arithmetic, which Adam moves by the sign of a rounding error, are not
stored, nor are running means, which hold such biases.
"""
import json
import math
import os
import pathlib
import shlex
import sys

import numpy as np
import torch

import golden
import pretrain
import unimedi as um

CFG = {
    "preset": "golden-method", "width": 24, "heads": 3, "mlp": 40, "layers": 2, "image": 16, "patch": 4,
    "volume": [20, 8, 12], "patch3": [4, 4, 4], "text_width": 18, "text_heads": 2, "text_mlp": 30,
    "text_layers": 2, "vocab": 40, "text_positions": 12, "embed": 10, "proj_hidden": 16,
    "norm_scale": 1.0, "norm_shift": 0.0, "text_dropout": 0.0, "window": [-1000.0, 1000.0],
    "bn_shared": False, "proj_linear": False, "inflate": True, "cased": False, "vocab_digest": "",
    "prototypes": 32, "head_hidden": 20, "head_bottleneck": 10,
}
BATCH = {"2d": 8, "3d": 6}
# lr and ema: fast enough that updates and the teacher's way stand out of float32's rounding
SETTINGS = {
    "method": "--epochs 10 --lr 5e-4 --ema 0.9",
    "method-drop": "--epochs 10 --lr 5e-4 --ema 0.9 --mask-as drop --centres separate --vl-input full --slices 2 "
                   "--lambda-icl 0.5 --lambda-pcl 2 --tau-t 0.04:0.07:6 --same-text positive --clip 0.5",
    "method-joint": "--epochs 20 --lr 5e-4 --ema 0.9 --mix joint --slices 3 --spread --keep 0.3",
}
TOL = {"curve": 1e-4, "gradient": 1e-3, "rates": 1e-6, "chosen": 0, "centres": 1e-5, "statistics": 1e-5,
       "way": 2e-3, "teacher": 2e-3}
CLOSE = 1e-5
EVERYTHING = "method"  # the setting that keeps the way of all weights
SOME = ("vision.cls_token", "vision.mask_token", "vision.pos_embed", "vision.patch_embed.proj.weight",
        "vision.patch_embed_3d.proj.weight", "vision.blocks.1.attn.proj.weight", "proj.vision.0.weight",
        "proj.text.3.weight", "text.encoder.layer.1.output.dense.weight", "head.mlp.4.weight",
        "head.last.weight_v", "logit_scale")


class Watched(um.Pretraining):
    """keeps what was chosen"""

    def __init__(self, *args):
        super().__init__(*args)
        self.seen = {"2d": [], "3d": []}

    def forward(self, batch, tau):
        out = super().forward(batch, tau)
        self.seen["3d" if "volume" in batch else "2d"].append(out)
        return out


def batches():
    r, out = golden.rng("method"), {}
    for kind, n in BATCH.items():
        shape = (CFG["image"],) * 2 if kind == "2d" else CFG["volume"]
        coarse = r.random((n, *(s // 4 for s in shape)))
        for axis in range(1, 1 + len(shape)):
            coarse = coarse.repeat(4, axis)
        x = 0.7 * coarse + 0.3 * r.random(coarse.shape)
        T = CFG["text_positions"] - 3
        mask = (np.arange(T) < r.integers(3, T + 1, (n, 1))).astype(np.uint8)
        mask[2] = 1
        ids = (r.integers(1, CFG["vocab"], (n, T)) * mask).astype(np.int32)
        ids[1], mask[1] = ids[0], mask[0]
        out |= {f"x{kind}": np.round(255 * x).astype(np.uint8), f"ids{kind}": ids, f"mask{kind}": mask}
    return out


def data(a):
    return {kind: {name: torch.from_numpy(a["x" + kind]).float() / 255, "ids": torch.from_numpy(a["ids" + kind]).long(),
                   "ids_mask": torch.from_numpy(a["mask" + kind]).long()}
            for kind, name in (("2d", "image"), ("3d", "volume"))}


def train(start, a, args, dtype):
    """what came out of it: GROUP/NAME; and the closest choice"""
    o, unknown = um.options().parse_known_args(shlex.split(args))
    assert not unknown, unknown
    t = Watched(CFG, {k: torch.from_numpy(x) for k, x in start.items()}, o, data(a), dtype)
    log = [t.step(i) for i in range(t.steps)]

    def column(name):
        return np.array([row[name] for row in log])

    out = {f"curve/{k}": column(k) for k in ("loss", "vl", "icl", "pcl", "temperature", "entropy_cls", "entropy_patch",
                                             "entropy_mean_cls", "entropy_mean_patch")}
    out |= {"gradient/norm": column("grad_norm"), "rates/lr": column("lr"), "rates/pace": 1 - column("momentum"),
            "rates/clipped": column("clipped"),
            "chosen/z": np.stack([x["z"].numpy() for x in t.seen["3d"]])}
    out |= {f"chosen/kept{kind}": seen[0]["keep"].numpy() for kind, seen in t.seen.items()}
    out |= {f"centres/centre.{k}": x.numpy() for k, x in t.centre.items()}
    out |= {f"statistics/{k}": x.detach().numpy() for k, x in t.w.items() if "running_var" in k}
    led = pretrain.steered(t)
    kept = [k for k in t.trained if (args == SETTINGS[EVERYTHING] or k in SOME) and led[k].all()]
    out |= {f"way/{k}": (t.w[k].detach().double() - torch.from_numpy(start[k]).double()).numpy() for k in kept}
    out |= {f"teacher/{k}": (t.teacher[k].double() - torch.from_numpy(start[k]).double()).numpy()
            for k in SOME if k in t.teacher}
    still = [k for k in out if k.startswith(("way/", "teacher/")) and not out[k].any()]  # drop: the mask token
    return {k: np.asarray(x, np.float64) for k, x in out.items() if k not in still}, min(column("margin"))


def errors(got, want):
    """group -> its worst tensor, of curves the worst step"""
    out = {}
    for k, b in want.items():
        each = np.abs(got[k] - b) / np.abs(b) if k.startswith("curve/") else \
            np.linalg.norm(got[k] - b) / np.linalg.norm(b)
        out[k.split("/")[0]] = max(out.get(k.split("/")[0], 0), np.max(each))
    return out


def make(start, a, args, made):
    want, margin = train(start, a, args, torch.float64)
    assert all(np.isfinite(x).all() and np.linalg.norm(x) > 0 for x in want.values())
    assert margin > CLOSE, f"a choice by {margin:.1g}: another seed"
    single, _ = train(start, a, args, torch.float32)
    meta = {"made.by": made, "args": args, "zero": "", "closest": f"{margin:.2g}"}
    meta |= {f"f32.{g}": f"{TOL[g]:g}" for g in sorted({k.split('/')[0] for k in want})}
    meta |= {f"float32.{g}": f"{e:.2g}" for g, e in sorted(errors(single, want).items())}
    return {f"in.{k}": x for k, x in a.items()} | {k: x.astype(np.float32) for k, x in want.items()}, meta


def main(args):
    made = golden.versions("--any-version" in args)
    folder = pathlib.Path(next((a for a in args if not a.startswith("-")),
                               pathlib.Path(__file__).parent.parent / "golden"))
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    start, a = golden.values(pretrain.shapes(CFG), golden.rng("method-start")), batches()
    total = golden.write(folder / "method-start.safetensors", start, {"made.by": made, "um.config": json.dumps(CFG)})
    for name, options in SETTINGS.items():
        tensors, meta = make(start, a, options, made)
        size = golden.write(folder / f"{name}.safetensors", tensors, meta)
        total += size
        print(f"{name}: {size} bytes;", ", ".join(f"{k[8:]} {e}" for k, e in meta.items() if k.startswith("float32.")),
              "closest choice", meta["closest"])
    print(f"{total} bytes in all")


if __name__ == "__main__":
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    main(sys.argv[1:])
