#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""golden.py - makes tests/golden: what timm, transformers, MONAI and PyTorch give for a small student

usage: golden.py [--any-version] [DIR]     needs what tests/oracle/requirements.txt pins, from PyPI

Weights and inputs are random numbers of a fixed seed, with no norm at its initial value; outputs and
gradients are those of the third-party modules in double precision, stored as float32. The script run
again gives the same files. A file is safetensors:

  student.safetensors   the weights, a model of um (um.config)
  CASE.safetensors      in.NAME: inputs; GROUP/NAME: what must come out; its metadata:
    f32.GROUP     the largest |a - b| / |b| (L2) allowed for each tensor (of a curve: for each step),
                  products in float32
    bf16.GROUP    that of PyTorch's own bf16 autocast, over the tensors of the group together: products
                  in bf16 may be bf16.factor times as far off. Groups of a few numbers have none: chance
                  would decide
    float32.GROUP the worst tensor of PyTorch in float32, to compare with
    zero          gradients that are 0 in exact arithmetic: biases of keys, and of a Linear before a
                  BatchNorm. What is left of them is rounding, and is not compared
    made.by       the versions
"""
import copy
import importlib.metadata
import json
import math
import os
import pathlib
import struct
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from monai.networks.blocks import PatchEmbeddingBlock
from monai.networks.nets import ViT
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from transformers import BertConfig, BertModel
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

CFG = {
    "preset": "golden", "width": 36, "heads": 3, "mlp": 84, "layers": 2, "image": 20, "patch": 4,
    "volume": [6, 12, 8], "patch3": [2, 4, 4], "text_width": 30, "text_heads": 2, "text_mlp": 70,
    "text_layers": 2, "vocab": 40, "text_positions": 16, "embed": 12, "proj_hidden": 28,
    "norm_scale": 2.0, "norm_shift": -1.0, "text_dropout": 0.0, "window": [-1000.0, 1000.0],
    "bn_shared": False, "proj_linear": False, "inflate": True, "cased": False, "vocab_digest": "",
    "prototypes": 48, "head_hidden": 40, "head_bottleneck": 14,
}
C, CT, E, M = CFG["width"], CFG["text_width"], CFG["embed"], CFG["prototypes"]
FORWARD, GRADIENT, CURVE = 1e-5, 1e-4, 1e-4  # tolerances in float32


def rng(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


# ---- the student, of others' modules ----

def projection(width):
    return nn.Sequential(nn.Linear(width, CFG["proj_hidden"]), nn.BatchNorm1d(CFG["proj_hidden"]), nn.ReLU(),
                         nn.Linear(CFG["proj_hidden"], E), nn.BatchNorm1d(E, affine=False))


class Head(nn.Module):
    """method.md 7.2"""

    def __init__(self):
        super().__init__()
        hidden, narrow = CFG["head_hidden"], CFG["head_bottleneck"]
        self.mlp = nn.Sequential(nn.Linear(C, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
                                 nn.Linear(hidden, narrow))
        self.last = weight_norm(nn.Linear(narrow, M, bias=False))
        gain = self.last.parametrizations.weight.original0
        gain.data.fill_(1)
        gain.requires_grad = False

    def ours(self):
        named = {f"mlp.{k}": p for k, p in self.mlp.named_parameters()}
        return named | {"last.weight_v": self.last.parametrizations.weight.original1}

    def forward(self, x):
        return self.last(F.normalize(self.mlp(x), dim=-1, eps=1e-12))


class Student(nn.Module):
    def __init__(self, weights=None, dtype=torch.float64):
        super().__init__()
        self.vit = VisionTransformer(img_size=CFG["image"], patch_size=CFG["patch"], in_chans=1, num_classes=0,
                                     embed_dim=C, depth=CFG["layers"], num_heads=CFG["heads"],
                                     mlp_ratio=CFG["mlp"] / C)
        self.volume = PatchEmbeddingBlock(1, CFG["volume"], CFG["patch3"], C, CFG["heads"], proj_type="conv",
                                          pos_embed_type="learnable")
        self.mask_token = nn.Parameter(torch.zeros(1, 1, C))
        self.bert = BertModel(BertConfig(
            vocab_size=CFG["vocab"], hidden_size=CT, num_hidden_layers=CFG["text_layers"],
            num_attention_heads=CFG["text_heads"], intermediate_size=CFG["text_mlp"],
            max_position_embeddings=CFG["text_positions"], hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, attn_implementation="eager"), add_pooling_layer=False)
        self.image_proj, self.text_proj = (nn.ModuleList([projection(w), projection(w)]) for w in (C, CT))
        for flat, deep in (self.image_proj, self.text_proj):  # one set of weights, statistics per modality
            for a, b in zip(flat, deep):
                for name, p in a.named_parameters(recurse=False):
                    setattr(b, name, p)
        self.head = Head()
        self.logit_scale = nn.Parameter(torch.zeros(()))
        self.to(dtype)
        self.dtype = dtype
        self.look()
        for name, p in self.ours().items():
            if weights is not None:
                p.data = torch.tensor(weights[name], dtype=dtype)

    def look(self):
        """[CLS]'s row of every attention matrix goes to self.seen"""
        self.seen = []
        for block in self.vit.blocks:
            block.attn.fused_attn = False
            block.attn.attn_drop.register_forward_hook(lambda _m, _i, p: self.seen.append(p[:, :, 0]))

    def ours(self):
        """our name -> parameter or running statistic"""
        named = {f"vision.{k}": p for k, p in self.vit.named_parameters()}
        named |= {"vision.mask_token": self.mask_token, "vision.pos_embed_3d": self.volume.position_embeddings,
                  "vision.patch_embed_3d.proj.weight": self.volume.patch_embeddings.weight,
                  "vision.patch_embed_3d.proj.bias": self.volume.patch_embeddings.bias}
        named |= {f"text.{k}": p for k, p in self.bert.named_parameters()}
        for what, (flat, deep) in (("vision", self.image_proj), ("text", self.text_proj)):
            named |= {f"proj.{what}.{k}": p for k, p in flat.named_parameters()}
            for tail, part in (("", flat), ("_3d", deep)):
                named |= {f"proj.{what}.{k}{tail}": b for k, b in part.named_buffers() if "running" in k}
        named |= {f"head.{k}": p for k, p in self.head.ours().items()}
        return named | {"logit_scale": self.logit_scale}

    def put(self, x):
        return torch.tensor(x, dtype=self.dtype)

    def pixels(self, x):
        return self.put(x) * CFG["norm_scale"] + CFG["norm_shift"]

    def eq1(self):
        """the mean over layers and heads, from the matrices seen"""
        return torch.stack(self.seen).mean((0, 2))

    def sequence(self, tokens):
        first = self.vit.cls_token + self.vit.pos_embed[:, :1]
        return self.vit.norm(self.vit.blocks(torch.cat([first.expand(len(tokens), -1, -1), tokens], 1)))

    def vision(self, mod, x):
        self.seen.clear()
        if mod == 0:
            return self.vit.forward_features(self.pixels(x))
        return self.sequence(self.volume(self.pixels(x)[:, None]))

    def pair(self, volume, slices):
        self.seen.clear()
        flat = self.vit.patch_embed(self.pixels(slices)) + self.vit.pos_embed[:, 1:]
        return self.sequence(torch.cat([self.volume(self.pixels(volume)[:, None]),
                                        flat.reshape(len(volume), -1, C)], 1))

    def text(self, ids, mask):
        return self.bert(torch.from_numpy(ids).long(),
                         attention_mask=torch.from_numpy(mask).long()).last_hidden_state[:, 0]

    def project(self, what, mod, x):
        return F.normalize(getattr(self, what)[mod](x), dim=-1, eps=1e-12)

    def contrast(self, v, r):
        return image_text_contrastive_loss(torch.exp(self.logit_scale) * v @ r.T)

    def gradients(self):
        return {f"gradient/{k}": p.grad for k, p in self.ours().items()
                if "running" not in k and p.grad is not None and p.grad.abs().max() > 0 and not vanishes(k)}


def vanishes(name):
    return name.endswith("attention.self.key.bias") or name in (
        f"proj.{what}.{i}.bias" for what in ("vision", "text") for i in (0, 3))


def monai_vit(weights, dtype):
    """the 3D encoder whole, as MONAI builds it; its [CLS] carries row 0 of P_2"""
    m = ViT(1, CFG["volume"], CFG["patch3"], C, CFG["mlp"], CFG["layers"], CFG["heads"], proj_type="conv",
            classification=True, spatial_dims=3, qkv_bias=True, save_attn=True)
    del m.classification_head
    for part in m.modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = 1e-6
    w = {k.removeprefix("vision."): torch.from_numpy(v) for k, v in weights.items() if k.startswith("vision.")}
    named = {monai_name(k): v for k, v in w.items() if k.startswith(("blocks.", "norm.", "patch_embed_3d"))}
    named |= {"cls_token": w["cls_token"] + w["pos_embed"][:, :1],
              "patch_embedding.position_embeddings": w["pos_embed_3d"]}
    missing = m.load_state_dict(named, strict=False).missing_keys
    assert all("norm_cross_attn" in k for k in missing), missing
    return m.to(dtype)


def monai_name(name):
    for a, b in (("patch_embed_3d.proj", "patch_embedding.patch_embeddings"), ("attn.proj", "attn.out_proj"),
                 ("mlp.fc1", "mlp.linear1"), ("mlp.fc2", "mlp.linear2")):
        name = name.replace(a, b)
    return name


# ---- values ----

def weights():
    return values({k: tuple(p.shape) for k, p in Student().ours().items()}, rng("weights"))


def values(shapes, r):
    """scaled so that layers keep their size and attention is not flat"""
    out = {}
    for name, shape in sorted(shapes.items()):
        x = r.normal(size=shape)
        if "running_var" in name:
            x = r.uniform(0.5, 2, shape)
        elif name == "logit_scale":
            x = np.array(2.0)
        elif "norm" in name.lower() or name.startswith("proj.") and ".1." in name:
            x = x * 0.2 + name.endswith("weight")
        elif name.endswith("bias") or "running_mean" in name:
            x = x * 0.2
        elif name.startswith(("vision.pos", "vision.cls", "vision.mask")):
            x = x * 0.5
        elif "embeddings" in name:
            x = x * 0.07  # small as in real weights: the first norm's eps of 1e-12 is then seen
        else:
            x = x * (1.4 if "qkv" in name or "query" in name or "key" in name else 1) / math.sqrt(x[0].size)
        out[name] = x.astype(np.float32)
    return out


def pictures(r, mod, n):
    shape = (1, CFG["image"], CFG["image"]) if mod == 0 else tuple(CFG["volume"])
    coarse = np.kron(r.random((n, 1, shape[1] // 4, shape[2] // 4)), np.ones((1, shape[0], 4, 4)))
    return (0.7 * coarse + 0.3 * r.random((n, *shape))).astype(np.float32)


def reports(r, n):
    T = CFG["text_positions"] - 3
    mask = (np.arange(T) < r.integers(3, T + 1, (n, 1))).astype(np.uint8)
    mask[0] = 1
    return (r.integers(1, CFG["vocab"], (n, T)) * mask).astype(np.int32), mask


def normal(r, *shape):
    return r.normal(size=shape).astype(np.float32)


# ---- cases: inputs(rng) -> arrays; run(weights, dtype, cast, arrays) -> "GROUP/NAME": tensor, of which
# the forward is under `cast` ----

class Vit2d:
    def inputs(self, r):
        return {"x": pictures(r, 0, 3), "seed": normal(r, 3, 26, C)}

    def run(self, w, dtype, cast, a):
        s = Student(w, dtype)
        with cast():
            y = s.vision(0, a["x"])
        (y.to(dtype) * s.put(a["seed"])).sum().backward()
        return {"tokens/y": y, "attention/eq1": s.eq1()} | s.gradients()


class Vit3d:
    def inputs(self, r):
        return {"x": pictures(r, 1, 3), "seed": normal(r, 3, 19, C)}

    def run(self, w, dtype, cast, a):
        m = monai_vit(w, dtype)
        x = torch.from_numpy(a["x"]).to(dtype) * CFG["norm_scale"] + CFG["norm_shift"]
        with cast():
            y, _ = m(x[:, None])
        (y.to(dtype) * torch.from_numpy(a["seed"]).to(dtype)).sum().backward()
        eq1 = torch.stack([b.attn.att_mat[:, :, 0] for b in m.blocks]).mean((0, 2))
        slabs, thick = CFG["volume"][0] // CFG["patch3"][0], CFG["patch3"][0]
        eq2 = eq1[:, 1:].reshape(len(x), slabs, -1).mean(-1).repeat_interleave(thick, 1)
        theirs = {k: p.grad for k, p in m.named_parameters() if p.grad is not None}
        out = {f"gradient/{k}": theirs.pop(monai_name(k.removeprefix("vision."))) for k in w
               if monai_name(k.removeprefix("vision.")) in theirs and k != "vision.cls_token"}
        out["gradient/vision.cls_token"] = theirs.pop("cls_token")
        out["gradient/vision.pos_embed"] = F.pad(out["gradient/vision.cls_token"], (0, 0, 0, 25))
        out["gradient/vision.pos_embed_3d"] = theirs.pop("patch_embedding.position_embeddings")
        assert not theirs, theirs.keys()
        return {"tokens/y": y, "attention/eq1": eq1, "scores/eq2": eq2} | out


class Pair:
    def inputs(self, r):
        return {"volume": pictures(r, 1, 2), "slices": pictures(r, 0, 4), "seed": normal(r, 2, 69, C)}

    def run(self, w, dtype, cast, a):
        s = Student(w, dtype)
        with cast():
            y = s.pair(a["volume"], a["slices"])
        (y.to(dtype) * s.put(a["seed"])).sum().backward()
        return {"tokens/y": y, "attention/eq1": s.eq1()} | s.gradients()


class Bert:
    def inputs(self, r):
        ids, mask = reports(r, 6)
        return {"ids": ids, "mask": mask, "seed": normal(r, 6, CT)}

    def run(self, w, dtype, cast, a):
        s = Student(w, dtype)
        with cast():
            y = s.text(a["ids"], a["mask"])
        (y.to(dtype) * s.put(a["seed"])).sum().backward()
        return {"states/y": y} | s.gradients()


class Clip:
    """from the encoders' vectors on: projections in training, the loss, statistics after it"""
    def inputs(self, r):
        return {"cls": normal(r, 12, C), "text": normal(r, 12, CT)}

    def run(self, w, dtype, cast, a):
        s = Student(w, dtype)
        with cast():
            v = s.project("image_proj", 1, s.put(a["cls"]))
            r = s.project("text_proj", 1, s.put(a["text"]))
        loss = s.contrast(v.to(dtype), r.to(dtype))
        loss.backward()
        stats = {f"statistics/{k}": p for k, p in s.ours().items() if k.endswith("_3d") and "running" in k}
        return {"vectors/v": v, "vectors/r": r, "loss/vl": loss} | stats | s.gradients()


def distilled(z, zt, centres, tau_t):
    """method.md 7.3 on [B,1+T,M]"""
    out = []
    for c, at in zip(centres, (slice(0, 1), slice(1, None))):
        q = F.softmax((zt[:, at] - c) / tau_t, -1)
        out.append(-(q * F.log_softmax(z[:, at] / 0.1, -1)).sum(-1).mean())
    return out


def follow(centres, zt):
    return [0.9 * c + 0.1 * zt[:, at].mean((0, 1)) for c, at in zip(centres, (slice(0, 1), slice(1, None)))]


@torch.no_grad()
def ema(teacher, student, m):
    for p, q in zip(teacher.parameters(), student.parameters()):
        p.mul_(m).add_(q, alpha=1 - m)


def momentum(m0, t, T):
    return 1 - (1 - m0) * (1 + math.cos(math.pi * t / T)) / 2


class Distill:
    """eight epochs of a step: the temperature rises over five, the teacher comes nearer, centres follow"""
    steps = 8

    def inputs(self, r):
        out = {"y": normal(r, self.steps, 3, 6, C), "yt": normal(r, self.steps, 3, 6, C)}
        return out | {f"teacher.{k}": normal(r, *p.shape) / np.float32(math.sqrt(p.shape[-1]))
                      for k, p in sorted(Head().ours().items())}

    def run(self, w, dtype, cast, a):
        s = Student(w, dtype)
        teacher = copy.deepcopy(s.head)
        for k, p in teacher.ours().items():
            p.data = s.put(a[f"teacher.{k}"])
        centres, out = [torch.zeros(M, dtype=dtype)] * 2, {"losses/icl": [], "losses/pcl": []}
        taus = np.linspace(0.04, 0.07, 5)
        for t in range(self.steps):
            with cast():
                z = s.head(s.put(a["y"][t]))
                with torch.no_grad():
                    zt = teacher(s.put(a["yt"][t]))
            icl, pcl = distilled(z.to(dtype), zt.to(dtype), centres, taus[min(t, 4)])
            s.zero_grad()
            (icl + pcl).backward()
            centres = follow(centres, zt.to(dtype))
            ema(teacher, s.head, momentum(0.9, t, self.steps))
            out["losses/icl"].append(icl)
            out["losses/pcl"].append(pcl)
        out = {k: torch.stack(v) for k, v in out.items()}
        return out | {"logits/z": z, "logits/zt": zt, "centres/centre.cls": centres[0],
                      "centres/centre.patch": centres[1], **{f"teacher/head.{k}": p for k, p in teacher.ours().items()}} | s.gradients()


def scheduled(optim, steps, peak):
    """method.md 8, of PyTorch's own parts: 1e-8 to the peak over 40 %, then half a cosine"""
    warm = round(0.4 * steps)
    return torch.optim.lr_scheduler.SequentialLR(optim, [
        torch.optim.lr_scheduler.LinearLR(optim, 1e-8 / peak, 1.0, warm),
        torch.optim.lr_scheduler.CosineAnnealingLR(optim, steps - warm, 1e-8)], [warm])


def adamw(params, peak):
    """decay groups of method.md 8: matrices, nothing else"""
    decayed = {k for k in params if not undecayed(k)}
    return torch.optim.AdamW([{"params": [p for k, p in params.items() if (k in decayed) == d],
                               "weight_decay": 0.05 * d} for d in (True, False)],
                             lr=peak, betas=(0.9, 0.999), eps=1e-8)


def undecayed(name):
    return (name.endswith("bias") or "norm" in name.lower() or "pos" in name or "token" in name.split(".")[-1]
            or name == "logit_scale" or name in ("proj.vision.1.weight", "proj.text.1.weight"))


class Adamw:
    """updates alone, from stored gradients"""
    steps, peak = 20, 0.03
    shapes = {"matrix.weight": (5, 7), "kernel.weight": (4, 1, 2, 3), "matrix.bias": (7,), "pos": (1, 3, 5)}

    def inputs(self, r):
        out = {f"w.{k}": normal(r, *s) for k, s in self.shapes.items()}
        scale = 10 ** r.uniform(-3, 1, self.steps)  # of very different sizes, as gradients are
        return out | {f"g.{k}": (r.normal(size=(self.steps, *s)) * scale.reshape(-1, *[1] * len(s))).astype(np.float32)
                      for k, s in self.shapes.items()}

    def run(self, w, dtype, cast, a):
        p = {k: nn.Parameter(torch.tensor(a[f"w.{k}"], dtype=dtype)) for k in self.shapes}
        optim = adamw(p, self.peak)
        plan = scheduled(optim, self.steps, self.peak)
        rates, out = [], {k: [] for k in p}
        for t in range(self.steps):
            for k in p:
                p[k].grad = torch.from_numpy(a[f"g.{k}"][t]).to(dtype)
            rates.append(optim.param_groups[0]["lr"])
            optim.step()
            plan.step()
            for k in p:
                out[k].append(p[k].detach().clone())
        return {f"parameters/{k}": torch.stack(v) for k, v in out.items()} | {
            "rates/lr": torch.tensor(rates, dtype=torch.float64)}


class Curve:
    """the whole student: both encoders, projections, L_vl + L_icl + L_pcl against a teacher that follows"""
    steps, peak, size = 20, 2e-3, 8

    def inputs(self, r):
        out = {}
        for k in range(4):  # images and volumes in turn
            ids, mask = reports(r, self.size)
            out |= {f"x{k}": pictures(r, k % 2, self.size), f"ids{k}": ids, f"mask{k}": mask}
        return out

    def run(self, w, dtype, cast, a):
        s = Student(w, dtype)
        teacher, centres = copy.deepcopy(s), [torch.zeros(M, dtype=dtype)] * 2
        trained = {k: p for k, p in s.ours().items() if "running" not in k}
        optim = adamw(trained, self.peak)
        plan = scheduled(optim, self.steps, self.peak)
        losses = []
        for t in range(self.steps):
            mod, k = t % 2, t % 4
            for p in trained.values():  # what a batch does not touch has a gradient of 0, and decays
                p.grad = torch.zeros_like(p)
            y = s.vision(mod, a[f"x{k}"])
            with torch.no_grad():
                zt = teacher.head(teacher.vision(mod, a[f"x{k}"]))
            vl = s.contrast(s.project("image_proj", mod, y[:, 0]),
                            s.project("text_proj", mod, s.text(a[f"ids{k}"], a[f"mask{k}"])))
            icl, pcl = distilled(s.head(y), zt, centres, 0.04)
            (vl + icl + pcl).backward()
            optim.step()
            plan.step()
            s.logit_scale.data.clamp_(max=math.log(100))
            ema(teacher, s, momentum(0.996, t, self.steps))
            centres = follow(centres, zt)
            losses.append(torch.stack([vl, icl, pcl]).detach())
        return {f"curve/{k}": torch.stack(losses)[:, i] for i, k in enumerate(("vl", "icl", "pcl"))}


# name, case, the groups that a bf16 autocast is measured for
CASES = [("vit2d", Vit2d(), ("tokens", "attention", "gradient")),
         ("vit3d", Vit3d(), ("tokens", "attention", "scores", "gradient")),
         ("pair", Pair(), ("tokens", "attention", "gradient")),
         ("bert", Bert(), ("states", "gradient")),
         ("clip", Clip(), ("vectors", "statistics", "gradient")),
         ("distill", Distill(), ("logits", "losses", "centres", "gradient")),
         ("adamw", Adamw(), ()),
         ("curve", Curve(), ())]


# ---- files ----

def write(path, tensors, meta):
    names = {np.dtype(np.float32): "F32", np.dtype(np.int32): "I32", np.dtype(np.uint8): "U8"}
    head, at = {"__metadata__": meta}, 0
    order = sorted(tensors, key=lambda k: (-tensors[k].itemsize, k))
    for k in order:
        x = tensors[k]
        head[k] = {"dtype": names[x.dtype], "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensors[k].tobytes() for k in order))
    return path.stat().st_size


def arrays(run):
    return {k: np.asarray(v.detach().double().numpy()) for k, v in run.items()}


def errors(got, want):
    """group -> (all its tensors as one, its worst tensor)"""
    out = {}
    for g in {k.split("/")[0] for k in want}:
        keys = [k for k in want if k.split("/")[0] == g]
        parts = [(np.linalg.norm(got[k] - want[k]), np.linalg.norm(want[k])) for k in keys]
        if g == "curve":  # step by step
            parts = [(abs(x - y), abs(y)) for k in keys for x, y in zip(got[k], want[k])]
        out[g] = (math.hypot(*(d for d, _ in parts)) / math.hypot(*(n for _, n in parts)),
                  max(d / n for d, n in parts))
    return out


def make(name, case, halves, w, made):
    a = case.inputs(rng(name))

    def run(dtype, cast):  # copies: nothing a run does to its arrays reaches the next, or the file
        return arrays(case.run(copy.deepcopy(w), dtype, cast, copy.deepcopy(a)))

    want = run(torch.float64, no_cast)
    assert all(np.isfinite(x).all() and np.linalg.norm(x) > 0 for x in want.values()), name
    single = errors(run(torch.float32, no_cast), want)
    half = errors(run(torch.float32, autocast), want) if halves else {}
    tol = {"gradient": GRADIENT, "curve": CURVE}
    meta = {"made.by": made, "bf16.factor": "1.2", "zero": " ".join(sorted(k for k in w if vanishes(k)))}
    meta |= {f"f32.{g}": f"{tol.get(g, FORWARD):g}" for g in sorted(single)}
    meta |= {f"float32.{g}": f"{e[1]:.2g}" for g, e in sorted(single.items())}
    meta |= {f"bf16.{g}": f"{half[g][0]:.4g}" for g in halves}
    stored = {f"in.{k}": x for k, x in a.items()} | {k: x.astype(np.float32) for k, x in want.items()}
    return stored, meta


def no_cast():
    return torch.autocast("cpu", enabled=False)


def autocast():
    return torch.autocast("cpu", torch.bfloat16)


def versions(any_version):
    lines = (pathlib.Path(__file__).parent / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    have = {k: importlib.metadata.version(k) for k in pins}
    if have != pins and not any_version:
        sys.exit("golden.py: expected " + ", ".join(f"{k} {v}" for k, v in pins.items()) + "; found " + ", ".join(
            f"{k} {v}" for k, v in have.items() if v != pins[k]) + " (--any-version goes on)")
    return ", ".join(f"{k} {v}" for k, v in have.items())


def main(args):
    made = versions("--any-version" in args)
    folder = pathlib.Path(next((a for a in args if not a.startswith("-")),
                               pathlib.Path(__file__).parent.parent / "golden"))
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    folder.mkdir(parents=True, exist_ok=True)
    w = weights()
    total = write(folder / "student.safetensors", w, {"made.by": made, "um.config": json.dumps(CFG)})
    for name, case, halves in CASES:
        size = write(folder / f"{name}.safetensors", *make(name, case, halves, w, made))
        total += size
        print(f"{name}: {size} bytes")
    print(f"{total} bytes in all")


if __name__ == "__main__":
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    main(sys.argv[1:])
