#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""model.py - the model against timm, transformers and PyTorch, in double precision

usage: BUILD=build model.py [DEVICE ...]      needs torch, timm, transformers, safetensors from PyPI

The weights are ours, disturbed so that no norm or running statistic is at its initial value, written
by um_model_save and read by the safetensors package. The ViT's blocks and its 2D path are timm's,
BERT is transformers'; the 3D tokenizer, Eq. 1, the projections and the loss are written out here.
Compared, as relative L2 errors: outputs, Eq. 1, embeddings, loss, every layer's gradient, running
statistics. In reference arithmetic and in the fast one each must be at most 1e-5; a gradient, where
PyTorch in float32 is further than that from PyTorch in double, at most twice as far as that.
"""
import ctypes as c
import math
import os
import sys
import tempfile

import numpy as np
import timm
import torch
import torch.nn.functional as F
import transformers
from safetensors import safe_open

TOL = 1e-5
I64, PTR, F32 = c.c_int64, c.c_void_p, c.POINTER(c.c_float)
U8, I32, FLOAT = 0, 2, 6


class Config(c.Structure):
    _fields_ = [("preset", c.c_char * 32), *((n, I64) for n in ("width", "heads", "mlp", "layers", "image", "patch")),
                ("volume", I64 * 3), ("patch3", I64 * 3),
                *((n, I64) for n in ("text_width", "text_heads", "text_mlp", "text_layers", "vocab",
                                     "text_positions", "embed", "proj_hidden")),
                *((n, c.c_double) for n in ("norm_scale", "norm_shift", "text_dropout")),
                ("window", c.c_double * 2),
                *((n, c.c_bool) for n in ("bn_shared", "proj_linear", "inflate", "cased")),
                ("vocab_digest", c.c_char * 33)]


class Param(c.Structure):
    _fields_ = [("name", c.c_char_p), ("ndim", c.c_int), ("dim", I64 * 5), ("offset", I64),
                ("count", I64), ("init", c.c_int), ("value", c.c_float), ("decay", c.c_bool),
                ("buffer", c.c_bool)]


class Params(c.Structure):
    _fields_ = [("dev", PTR), ("arena", PTR), ("n", c.c_int), ("cap", c.c_int),
                ("list", c.POINTER(Param)), ("total", I64), ("value", F32), ("grad", F32)]


class Model(c.Structure):
    _fields_ = [("cfg", Config), ("ps", c.POINTER(Params))]


class Var(c.Structure):
    _fields_ = [("dt", c.c_int), ("ndim", c.c_int), ("dim", I64 * 5), ("data", PTR)]


um = c.CDLL(os.path.join(os.environ.get("BUILD", "build"), "libum.so"))
um.um_errmsg.restype = c.c_char_p
VAR = c.POINTER(Var)
for name in ("um_nn_input", "um_nn_zeros", "um_model_vision", "um_model_text", "um_slice_tokens",
             "um_model_project_vision", "um_model_project_text", "um_model_contrastive"):
    getattr(um, name).restype = VAR


def ok(st):
    if st < 0:
        sys.exit(um.um_errmsg().decode())


# ---- ours ----

class Ours:
    def __init__(self, device, preset, **fields):
        cfg = Config()
        ok(um.um_model_preset(preset.encode(), c.byref(cfg)))
        for k, v in fields.items():
            setattr(cfg, k, v)
        self.dev, self.nn, self.m = PTR(), PTR(), c.POINTER(Model)()
        ok(um.um_dev_open(c.byref(self.dev), device.encode(), None))
        ok(um.um_nn_new(c.byref(self.nn), self.dev, c.byref(c.c_int(FLOAT))))
        ok(um.um_model_new(c.byref(self.m), self.dev, c.byref(cfg)))
        ok(um.um_model_init(self.m, c.c_uint64(1)))
        self.cfg, self.ps = cfg, self.m.contents.ps.contents

    def block(self, which):
        """name -> a view of the block: cpu's and ref's memory is the host's"""
        whole = np.ctypeslib.as_array(getattr(self.ps, which), (self.ps.total,))
        return {p.name.decode(): whole[p.offset:p.offset + p.count].reshape(p.dim[:p.ndim])
                for p in self.ps.list[:self.ps.n] if which == "value" or not p.buffer}

    def disturb(self, seed):
        rng = np.random.default_rng(seed)
        for name, x in self.block("value").items():
            if "running_var" in name:
                x[...] = rng.uniform(0.5, 2, x.shape)
            elif name != "logit_scale":
                x += rng.normal(0, 0.1, x.shape).astype(np.float32)

    def tensors(self):
        with tempfile.TemporaryDirectory() as d:
            ok(um.um_model_save(self.m, f"{d}/m.safetensors".encode()))
            with safe_open(f"{d}/m.safetensors", "pt") as f:
                return {k: f.get_tensor(k).double() for k in f.keys()}

    def begin(self, grad):
        ok(um.um_nn_begin(self.nn, c.c_bool(grad), c.c_bool(grad), c.c_uint64(0), c.c_uint64(0)))

    def put(self, x):
        dt = {"uint8": U8, "int32": I32, "float32": FLOAT}[x.dtype.name]
        return um.um_nn_input(self.nn, dt, x.ndim, (I64 * 5)(*x.shape), x.ctypes.data_as(PTR))

    def get(self, v):
        ok(um.um_nn_status(self.nn))
        x = np.empty(v.contents.dim[:v.contents.ndim], np.float32)
        ok(um.um_nn_read(self.nn, v, x.ctypes.data_as(PTR)))
        return x

    def vision(self, mod, x):
        T = 1 + um.um_model_tokens(c.byref(self.cfg), mod)
        a = um.um_nn_zeros(self.nn, FLOAT, 2, (I64 * 5)(len(x), T))
        return um.um_model_vision(self.nn, self.m, mod, self.put(x), PTR(a.contents.data)), a

    def text(self, ids, mask):
        return um.um_model_text(self.nn, self.m, self.put(ids), self.put(mask))

    def project(self, what, mod, y):
        cls = um.um_slice_tokens(self.nn, y, I64(0), I64(1))
        return getattr(um, "um_model_project_" + what)(self.nn, self.m, mod, cls)


# ---- theirs ----

class Theirs(torch.nn.Module):
    def __init__(self, cfg, tensors, dtype):
        super().__init__()
        tensors = {k: v.to(dtype) for k, v in tensors.items()}
        self.cfg, self.dtype = cfg, dtype
        self.w = {k: torch.nn.Parameter(v) for k, v in tensors.items()}
        self.vit = timm.models.vision_transformer.VisionTransformer(
            img_size=cfg.image, patch_size=cfg.patch, in_chans=1, num_classes=0, embed_dim=cfg.width,
            depth=cfg.layers, num_heads=cfg.heads, mlp_ratio=cfg.mlp / cfg.width).to(dtype)
        self.bert = transformers.BertModel(transformers.BertConfig(
            vocab_size=cfg.vocab, hidden_size=cfg.text_width, num_hidden_layers=cfg.text_layers,
            num_attention_heads=cfg.text_heads, intermediate_size=cfg.text_mlp,
            max_position_embeddings=cfg.text_positions, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0), add_pooling_layer=False).to(dtype)
        for blk in self.vit.blocks:  # so that Eq. 1 can be looked at
            blk.attn.qkv.register_forward_hook(lambda _m, _i, out: self.qkv.append(out))
        for module, prefix in ((self.vit, "vision."), (self.bert, "text.")):
            own = {n for n, _ in module.named_parameters()}
            theirs = {k[len(prefix):]: v for k, v in tensors.items() if k.startswith(prefix)}
            assert own <= set(theirs), own - set(theirs)
            module.load_state_dict({k: v for k, v in theirs.items() if k in own}, strict=False)
            for n, p in module.named_parameters():
                self.w[prefix + n] = p  # one parameter, in their module

    def vision(self, mod, x):
        w, self.qkv = self.w, []
        x = torch.from_numpy(x).to(self.dtype) * self.cfg.norm_scale + self.cfg.norm_shift
        if mod == 0:
            y = self.vit.forward_features(x)
        else:
            t = F.conv3d(x[:, None], w["vision.patch_embed_3d.proj.weight"],
                         w["vision.patch_embed_3d.proj.bias"], stride=tuple(self.cfg.patch3))
            t = t.flatten(2).transpose(1, 2) + w["vision.pos_embed_3d"]
            first = w["vision.cls_token"] + w["vision.pos_embed"][:, :1]
            y = self.vit.norm(self.vit.blocks(torch.cat([first.expand(len(t), -1, -1), t], 1)))
        return y, self.attention()

    def attention(self):
        """Eq. 1, from the products of the blocks"""
        total = 0
        for qkv in self.qkv:
            B, T, _ = qkv.shape
            q, k, _ = qkv.view(B, T, 3, self.cfg.heads, -1).permute(2, 0, 3, 1, 4)
            e = torch.exp(q[:, :, :1] @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]))
            total = total + (e / e.sum(-1, keepdim=True)).mean(1)[:, 0]
        return total / len(self.qkv)

    def text(self, ids, mask):
        return self.bert(torch.from_numpy(ids).long(),
                         attention_mask=torch.from_numpy(mask).long()).last_hidden_state

    def project(self, what, mod, y, train):
        p, w, tail = f"proj.{what}.", self.w, "_3d" if mod else ""

        def stat(i):
            return w[f"{p}{i}.running_mean{tail}"].data, w[f"{p}{i}.running_var{tail}"].data
        x = F.linear(y[:, 0], w[p + "0.weight"], w[p + "0.bias"])
        x = F.relu(F.batch_norm(x, *stat(1), w[p + "1.weight"], w[p + "1.bias"], train, 0.1, 1e-5))
        x = F.linear(x, w[p + "3.weight"], w[p + "3.bias"])
        return F.normalize(F.batch_norm(x, *stat(4), None, None, train, 0.1, 1e-5), eps=1e-12)

    def loss(self, v, r):
        S = torch.exp(self.w["logit_scale"]) * v @ r.T
        i = torch.arange(len(S))
        return (F.cross_entropy(S, i) + F.cross_entropy(S.T, i)) / 2


# ---- judging ----

worst = {}


def judge(what, ours, theirs):
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else theirs
    assert ours.shape == theirs.shape, (what, ours.shape, theirs.shape)
    e = np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-300)
    if not e <= worst.get(what, 0):
        worst[what] = e


def inputs(cfg, mod, n, seed):
    rng = np.random.default_rng(seed)
    shape = (1, cfg.image, cfg.image) if mod == 0 else tuple(cfg.volume)
    # patches of different grey: pictures of noise alone are all alike to the network, and a batch
    # norm over what is alike magnifies rounding in any implementation (PyTorch's float32 too)
    x = np.kron(rng.random((n, 1, shape[1] // 8, shape[2] // 8)), np.ones((1, shape[0], 8, 8)))
    x = (0.9 * x + 0.1 * rng.random((n, *shape))).astype(np.float32)
    T = min(24, cfg.text_positions)
    mask = (np.arange(T) < rng.integers(3, T + 1, (n, 1))).astype(np.uint8)
    ids = (rng.integers(1, cfg.vocab, (n, T)) * mask).astype(np.int32)
    return x, ids, mask


def initial(preset, device):
    """2.2: T_3D is T_2D repeated, P_3 is P_2 resized plus noise of 0.02"""
    o = Ours(device, preset)
    v, cfg = o.block("value"), o.cfg
    w2, w3 = v["vision.patch_embed.proj.weight"], v["vision.patch_embed_3d.proj.weight"]
    judge("T_3D", w3, np.repeat(w2[:, :, None] / np.float32(w3.shape[2]), w3.shape[2], 2))
    side, (D, H, W) = cfg.image // cfg.patch, (a // b for a, b in zip(cfg.volume, cfg.patch3))
    p2 = torch.from_numpy(v["vision.pos_embed"][0, 1:].T.reshape(1, -1, side, side).copy()).double()
    p3 = F.interpolate(p2, size=(H, W), mode="bicubic", align_corners=False)[0].flatten(1).T.numpy()
    left = v["vision.pos_embed_3d"].reshape(D, H * W, -1) - p3
    n = left.size
    assert abs(left.std() - 0.02) < 0.06 / math.sqrt(n), left.std()
    assert abs(left.mean()) < 0.08 / math.sqrt(n), left.mean()
    assert abs((left * p3).sum() / (np.linalg.norm(left) * np.linalg.norm(p3 + 0 * left))) < 4 / math.sqrt(n)


def forward(o, t, mod):
    x, ids, mask = inputs(o.cfg, mod, 5, mod)
    o.begin(False)
    y, a = o.vision(mod, x)
    z = o.text(ids, mask)
    with torch.no_grad():
        ty, ta = t.vision(mod, x)
        tz = t.text(ids, mask)
        judge("tokens", o.get(y), ty)
        judge("Eq. 1", o.get(a), ta)
        judge("text", o.get(z) * mask[..., None], tz.numpy() * mask[..., None])
        judge("embedding", o.get(o.project("vision", mod, y)), t.project("vision", mod, ty, False))
        judge("text embedding", o.get(o.project("text", mod, z)), t.project("text", mod, tz, False))


def step_ours(o, mod, x, ids, mask):
    ok(um.um_params_grad(c.byref(o.ps)))
    o.begin(True)
    v = o.project("vision", mod, o.vision(mod, x)[0])
    L = um.um_model_contrastive(o.nn, o.m, v, o.project("text", mod, o.text(ids, mask)))
    loss = o.get(L)[0]
    ok(um.um_nn_backward(o.nn, L))
    return loss, o.block("grad")


def step_theirs(t, mod, x, ids, mask):
    for p in t.w.values():
        p.grad = None
    loss = t.loss(t.project("vision", mod, t.vision(mod, x)[0], True),
                  t.project("text", mod, t.text(ids, mask), True))
    loss.backward()
    return loss.item(), {k: np.zeros(p.shape) if p.grad is None else p.grad.numpy()
                         for k, p in t.w.items() if "running" not in k}


def by_layer(grad):
    """weight and bias as one vector: a bias that shifts all [CLS] alike is taken out again by the
    batch norm, and its gradient is what is left of large numbers, in any float32"""
    layer = {}
    for name in sorted(grad):
        layer.setdefault(name.removesuffix(".weight").removesuffix(".bias"), []).append(grad[name].ravel())
    return {k: np.concatenate(v) for k, v in layer.items()}


def step(o, t, single, mod):
    """a training step: loss, all gradients, running statistics"""
    batch = inputs(o.cfg, mod, 12, 10 + mod)
    loss, grad = step_ours(o, mod, *batch)
    true_loss, true_grad = step_theirs(t, mod, *batch)
    judge("loss", loss, np.float64(true_loss))
    ours, theirs, float32 = (by_layer(g) for g in (grad, true_grad, step_theirs(single, mod, *batch)[1]))
    whole = np.sqrt(sum(np.linalg.norm(y) ** 2 for y in theirs.values()))
    for k, y in theirs.items():
        if np.linalg.norm(y) > 1e-6 * whole:
            judge("gradient", ours[k], y)
            judge("gradient by PyTorch's float32", float32[k], y)
    for name, s in o.block("value").items():
        if "running" in name:
            judge("statistics", s, t.w[name].data)


def run(device, preset, **fields):
    worst.clear()
    initial(preset, device)
    o = Ours(device, preset, text_dropout=0, **fields)
    o.disturb(3)
    t, single = (Theirs(o.cfg, o.tensors(), dtype) for dtype in (torch.float64, torch.float32))
    for mod in (0, 1):
        forward(o, t, mod)
        step(o, t, single, mod)
    float32 = worst.pop("gradient by PyTorch's float32")
    bad = [k for k, e in worst.items() if not e <= (max(TOL, 2 * float32) if k == "gradient" else TOL)]
    print(f"{preset} {device}: " + ", ".join(f"{k} {e:.2g}" for k, e in worst.items()),
          f"(PyTorch's float32: {float32:.2g})")
    return bad


if __name__ == "__main__":
    torch.manual_seed(0)
    bad = []
    for device in sys.argv[1:] or ["ref", "cpu"]:
        bad += run(device, "tiny", norm_scale=2.0, norm_shift=-1.0)
        bad += run(device, "phantom", vocab=500)
    sys.exit("over %g: %s" % (TOL, ", ".join(bad)) if bad else 0)
