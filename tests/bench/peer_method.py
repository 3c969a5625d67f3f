# SPDX-License-Identifier: Apache-2.0
"""peer_method.py - a step of the whole method in PyTorch, as one would write it to be fast

The blocks and BERT are timm's and transformers'; attention is PyTorch's fused one, but for the row of
[CLS], which Eq. 1 needs; gradients are clipped, weights updated and averaged by multi-tensor kernels.
One part of a batch, tokens replaced by the mask token, all patches compared: um-train's defaults.
Contrastive alone: no teacher, no masks, no slices. UM_BENCH_DEVICE: cpu or cuda, of which a batch is
uploaded from pinned memory in each step, as a loader would leave it.
"""
import copy
import math
import os
import time
from collections import namedtuple

import timm
import torch
import torch.nn.functional as F
import transformers
from torch import nn

DEVICE = torch.device(os.environ.get("UM_BENCH_DEVICE", "cpu"))
PROTOTYPES, HEAD, BOTTLENECK, EMBED = 8192, 2048, 256, 128
SLAB, SLABS, SLICES = 4, 8, 4
Preset = namedtuple("Preset", "vit width heads mlp proj")
PRESETS = {
    "vit-ti": Preset("vit_tiny_patch16_224", 192, 3, 768, 512),
    "vit-b": Preset("vit_base_patch16_224", 768, 12, 3072, 2048),
}
if DEVICE.type == "cuda":
    torch.set_float32_matmul_precision("high")


def sync():
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def autocast(enabled=True):
    return torch.autocast(DEVICE.type, torch.bfloat16, enabled=enabled)


def uploaded(x):
    """a batch on the device; what is there stays"""
    if DEVICE.type == "cpu":
        return x
    return [v.to(DEVICE, non_blocking=True) for v in x]


def pinned(x):
    return x.pin_memory() if DEVICE.type == "cuda" else x


def bert(p):
    return transformers.BertModel(transformers.BertConfig(
        vocab_size=28996, hidden_size=p.width, num_hidden_layers=12, num_attention_heads=p.heads,
        intermediate_size=p.mlp, hidden_dropout_prob=0, attention_probs_dropout_prob=0), add_pooling_layer=False)


class Vision(nn.Module):
    def __init__(self, p):
        super().__init__()
        C = self.width = p.width
        self.vit = timm.create_model(p.vit, in_chans=1, num_classes=0)
        self.patch3 = nn.Conv3d(1, C, (SLAB, 16, 16), (SLAB, 16, 16))
        self.pos3 = nn.Parameter(torch.randn(1, 512, C) * 0.02)
        self.mask_token = nn.Parameter(torch.randn(C) * 0.02)

    def tokens(self, image=None, volume=None, slices=None):
        """embeddings and positions [B,T-1,C]"""
        e, p, pos = [], [], self.vit.pos_embed[:, 1:]
        if volume is not None:
            e.append(self.patch3(volume[:, None]).flatten(2).mT)
            p.append(self.pos3)
        if image is not None:
            e.append(self.vit.patch_embed(image))
            p.append(pos)
        if slices is not None:
            e.append(self.vit.patch_embed(slices.flatten(0, 1)[:, None]).reshape(len(slices), -1, self.width))
            p.append(pos.repeat(1, SLICES, 1))
        return torch.cat(e, 1), torch.cat(p, 1)

    def forward(self, e, p, keep=None):
        if keep is not None:
            e = torch.where(keep[..., None], e, self.mask_token.to(e.dtype))
        cls = (self.vit.cls_token + self.vit.pos_embed[:, :1]).expand(len(e), -1, -1)
        return self.vit.norm(self.vit.blocks(torch.cat([cls, e + p], 1)))

    def look(self, e, p):
        """outputs, and Eq. 1 [B,T-1]"""
        cls = (self.vit.cls_token + self.vit.pos_embed[:, :1]).expand(len(e), -1, -1)
        x, rows = torch.cat([cls, e + p], 1), 0
        for b in self.vit.blocks:
            B, T, _ = x.shape
            q, k, v = b.attn.qkv(b.norm1(x)).reshape(B, T, 3, b.attn.num_heads, -1).permute(2, 0, 3, 1, 4)
            row = (q[:, :, :1] @ k.mT).float() * b.attn.scale
            rows = rows + row.softmax(-1)[:, :, 0].mean(1)
            x = x + b.attn.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, -1))
            x = x + b.mlp(b.norm2(x))
        return self.vit.norm(x), rows[:, 1:] / len(self.vit.blocks)


class Head(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(p.width, HEAD), nn.GELU(), nn.Linear(HEAD, HEAD), nn.GELU(),
                                 nn.Linear(HEAD, BOTTLENECK))
        self.last = nn.Parameter(torch.randn(PROTOTYPES, BOTTLENECK))

    def forward(self, x):
        return F.linear(F.normalize(self.mlp(x), dim=-1), F.normalize(self.last, dim=-1))


def projection(p):
    return nn.Sequential(nn.Linear(p.width, p.proj), nn.BatchNorm1d(p.proj), nn.ReLU(), nn.Linear(p.proj, EMBED),
                         nn.BatchNorm1d(EMBED, affine=False))


class Student(nn.Module):
    def __init__(self, p, head):
        super().__init__()
        self.vision, self.text = Vision(p), bert(p)
        self.head = Head(p) if head else None
        self.proj_v, self.proj_r = projection(p), projection(p)
        self.theta = nn.Parameter(torch.tensor(math.log(1 / 0.07)))


def kept(a, groups):
    """the more attended half of each group"""
    keep, first = torch.zeros_like(a, dtype=torch.bool), 0
    for n in groups:
        top = a[:, first:first + n].topk(-(-n // 2), dim=1).indices
        keep[:, first:first + n].scatter_(1, top, True)
        first += n
    return keep


class Step:
    """once() is a step on the batch; compiled: the networks by torch.compile"""

    def __init__(self, preset, batch, volumes, texts, compiled, distil=True):
        self.s = Student(PRESETS[preset], distil).to(DEVICE).train()
        self.opt = torch.optim.AdamW(self.s.parameters(), lr=1e-6, weight_decay=0.05, fused=True)
        x = torch.rand(batch, 32, 128, 128) if volumes else torch.rand(batch, 1, 224, 224)
        self.what = "volume" if volumes else "image"
        self.batch = [pinned(x), *(pinned(x) for x in texts)]
        self.groups = [512] + [196] * SLICES if volumes else [196]
        wrap = torch.compile if compiled else lambda f: f
        self.encode, self.text, self.t = wrap(self.s.vision), wrap(self.s.text), None
        if distil:
            self.teacher(wrap)

    def teacher(self, wrap):
        self.t = copy.deepcopy(nn.ModuleDict({"vision": self.s.vision, "head": self.s.head})).requires_grad_(False)
        self.pairs = [(a, b) for a, b in zip(self.t.parameters(),
                                             [*self.s.vision.parameters(), *self.s.head.parameters()])]
        self.centre = [torch.zeros(PROTOTYPES, device=DEVICE), torch.zeros(PROTOTYPES, device=DEVICE)]
        self.look = wrap(self.t["vision"].look)
        self.heads, self.headt, self.distill = wrap(self.s.head), wrap(self.t["head"]), wrap(self.distillation)

    def pick(self, volume):
        _, a = self.look(*self.t["vision"].tokens(volume=volume))
        slab = a.unflatten(1, (SLABS, -1)).mean(2)
        z = slab.repeat_interleave(SLAB, 1).sort(dim=1, descending=True, stable=True).indices[:, :SLICES].sort(1).values
        flat = volume[torch.arange(len(z), device=z.device)[:, None], z]
        return F.interpolate(flat, size=(224, 224), mode="bilinear")

    @torch.no_grad()
    def teach(self, x):
        if "volume" in x:
            x["slices"] = self.pick(x["volume"])
        y, a = self.look(*self.t["vision"].tokens(**x))
        return self.headt(y), kept(a, self.groups)

    @staticmethod
    def distillation(zs, zt, c_cls, c_patch):
        c = torch.cat([c_cls[None], c_patch.expand(zt.shape[1] - 1, -1)])
        q = F.softmax((zt.float() - c) / 0.04, -1)
        H = -(q * F.log_softmax(zs.float() / 0.1, -1)).sum(-1)
        return H[:, 0].mean() + H[:, 1:].mean()

    def loss(self):
        x, ids, mask = uploaded(self.batch)
        x, keep, zt = {self.what: x}, None, None
        with autocast():
            if self.t is not None:
                zt, keep = self.teach(x)
            y = self.encode(*self.s.vision.tokens(**x), keep)
            zs = self.heads(y) if self.t is not None else None
            r = self.text(ids, attention_mask=mask).last_hidden_state[:, 0]
            v, r = self.s.proj_v(y[:, 0]), self.s.proj_r(r)
        S = self.s.theta.exp() * F.normalize(v.float(), dim=1) @ F.normalize(r.float(), dim=1).T
        i = torch.arange(len(S), device=S.device)
        vl = (F.cross_entropy(S, i) + F.cross_entropy(S.T, i)) / 2
        return vl if zt is None else vl + self.distill(zs, zt, *self.centre), zt

    @torch.no_grad()
    def update(self, zt):
        grads = [p.grad for p in self.s.parameters() if p.grad is not None]
        factors = torch._foreach_add(torch._foreach_norm(grads), 1e-6)
        torch._foreach_reciprocal_(factors)
        torch._foreach_mul_(factors, 3.0)
        torch._foreach_clamp_max_(factors, 1.0)
        torch._foreach_mul_(grads, factors)
        self.opt.step()
        if zt is None:
            return
        torch._foreach_lerp_([a for a, _ in self.pairs], [b for _, b in self.pairs], 0.004)
        for c, z in zip(self.centre, (zt[:, 0], zt[:, 1:].flatten(0, 1))):
            c.lerp_(z.float().mean(0), 0.1)

    def once(self):
        sync()
        t = time.perf_counter()
        self.opt.zero_grad(set_to_none=True)
        loss, zt = self.loss()
        loss.backward()
        self.update(zt)
        sync()
        return time.perf_counter() - t


def peers(preset, batch, volumes, texts):
    for compiled in (False, True):
        yield Step(preset, batch, volumes, texts, compiled).once
