#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""convert.py - um-convert against timm, transformers and PyTorch, both ways

usage: BUILD=build convert.py [--base] [FORMAT ...]   needs torch, timm, transformers, safetensors from PyPI

State dicts with random values, as timm, DINO, MAE and transformers make them, are written in each
format (safetensors, sharded, torch, legacy; all unless named) and read by um-convert. Compared, as
relative L2 errors: all tokens of grey images that the source sees on three channels, normalised as it
wants them; resized positions; last hidden states of texts; and the same after exporting, in models that
load the file strictly. Theirs is computed in double precision. Each must be at most 1e-5; what is neither
folded nor resized must keep its bits. --base adds ViT-B/16 with BERT-base, which takes 7 GB of memory.
"""
import ctypes as c
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import timm
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file, save_file

import model as um

TOL = 1e-5
FORMATS = ("safetensors", "sharded", "torch", "legacy")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TOOL = os.path.join(os.environ.get("BUILD", "build"), "um-convert")
SIZES = {"vit-ti": (192, 3, 12), "vit-s": (384, 6, 12), "vit-b": (768, 12, 12)}


def convert(*args):
    subprocess.run([TOOL, *map(str, args)], check=True)


# ---- sources ----

def disturb(module, seed):
    """so that no norm and no bias is at its initial value"""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn(p.shape, generator=g) * 0.05)
    return module.eval()


def vit(preset, seed, **kw):
    width, heads, depth = SIZES[preset]
    return disturb(timm.models.vision_transformer.VisionTransformer(
        **{"patch_size": 16, "embed_dim": width, "num_heads": heads, "depth": depth, "num_classes": 0} | kw), seed)


def bert(preset, seed, vocab, head=False):
    width, heads, depth = SIZES[preset]
    cfg = transformers.BertConfig(
        vocab_size=vocab, hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads,
        intermediate_size=4 * width, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    kind = transformers.BertForPreTraining if head else transformers.BertModel
    return disturb(kind(cfg), seed)


def state(module, prefix=""):
    return {prefix + k: v.detach().clone().contiguous() for k, v in module.state_dict().items()}


def flat(d, prefix=""):
    out = {}
    for k, v in d.items():
        if isinstance(v, dict):
            out |= flat(v, f"{prefix}{k}.")
        elif isinstance(v, torch.Tensor):
            out[prefix + k] = v.clone().contiguous()
    return out


def write(fmt, folder, name, d):
    """a dict of tensors, possibly nested, in a format; the file's name"""
    path = f"{folder}/{name}"
    if fmt == "safetensors":
        save_file(flat(d), path := path + ".safetensors")
    elif fmt == "sharded":
        tensors, where = flat(d), {}
        for i in range(3):
            part = {k: tensors[k] for k in list(tensors)[i::3]}
            save_file(part, f"{path}-{i + 1}-of-3.safetensors")
            where |= {k: f"{name}-{i + 1}-of-3.safetensors" for k in part}
        path += ".safetensors.index.json"
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"metadata": {"total_size": 1}, "weight_map": where}, f)
    else:
        torch.save(d, path := path + ".pth", _use_new_zipfile_serialization=fmt == "torch")
    return path


# ---- ours ----

class Model(um.Ours):
    """a model file, on the CPU"""

    def __init__(self, path):
        self.dev, self.nn, self.m = um.PTR(), um.PTR(), c.POINTER(um.Model)()
        um.ok(um.um.um_dev_open(c.byref(self.dev), b"cpu", None))
        um.ok(um.um.um_nn_new(c.byref(self.nn), self.dev, c.byref(um.Opts(um.FLOAT))))
        um.ok(um.um.um_model_load(c.byref(self.m), self.dev, path.encode(), None))
        self.cfg, self.ps = self.m.contents.cfg, self.m.contents.ps.contents

    def free(self):
        um.um.um_nn_free(self.nn)
        um.um.um_model_free(self.m)
        um.um.um_dev_close(self.dev)


def ours(path, x, ids, mask):
    """tokens of images, vectors of texts, and the values"""
    m = Model(path)
    m.begin(False)
    out = {"tokens": m.get(m.vision(0, x)[0]), "text": m.get(m.text(ids, mask))}
    out |= {"values": {k: v.copy() for k, v in m.block("value").items()}, "image": m.cfg.image}
    m.free()
    return out


# ---- theirs ----

def channels(x, n, mean, std):
    """grey in 0..1 as a network of n channels sees it"""
    mean, std = (torch.tensor(v, dtype=torch.float64).expand(n)[:, None, None] for v in (mean, std))
    return (torch.from_numpy(x).double().expand(-1, n, -1, -1) - mean) / std


@torch.no_grad()
def vit_tokens(module, x, n, mean, std):
    return module.double().forward_features(channels(x, n, mean, std)).numpy()


@torch.no_grad()
def bert_vectors(module, ids, mask):
    module = module.double()
    module = getattr(module, "bert", module)
    y = module(torch.from_numpy(ids).long(), attention_mask=torch.from_numpy(mask).long())
    return y.last_hidden_state[:, 0].numpy()


# ---- judging ----

bad = []


def judge(what, ours_, theirs):
    theirs = np.asarray(theirs)
    e = np.linalg.norm(ours_ - theirs) / np.linalg.norm(theirs) if ours_.shape == theirs.shape else np.inf
    print(f"{what}: {e:.2g}")
    if not e <= TOL:
        bad.append(what)


def same(what, one, other):
    one, other = np.asarray(one), np.asarray(other)
    ok = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if not ok:
        print(f"{what}: not the same bits")
        bad.append(what)


def inputs(image, vocab, n=2, seed=0):
    rng = np.random.default_rng(seed)
    x = np.kron(rng.random((n, 1, image // 8, image // 8)), np.ones((1, 1, 8, 8)))
    x = (0.9 * x + 0.1 * rng.random((n, 1, image, image))).astype(np.float32)
    mask = (np.arange(20) < rng.integers(3, 21, (n, 1))).astype(np.uint8)
    return x, (rng.integers(1, vocab, (n, 20)) * mask).astype(np.int32), mask


def kept(what, values, d, but=()):
    """every tensor of d has its bits in the values under the same name"""
    for k, v in d.items():
        if k not in but:
            same(f"{what} {k}", values[k], v.numpy())


# ---- the ways in ----

def both(what, folder, preset, vision, text, pixels, mean, std, vfile, tfile, *extra):
    """convert two files to one model, which computes what theirs do"""
    out = f"{folder}/model.safetensors"
    vocab = getattr(text, "bert", text).config.vocab_size
    convert("--preset", preset, "--vision", vfile, "--pixels", pixels, "--text", tfile, "-o", out, *extra)
    x, ids, mask = inputs(224, vocab)
    o = ours(out, x, ids, mask)
    judge(f"{what}: image tokens", o["tokens"], vit_tokens(vision, x, 3, mean, std))
    judge(f"{what}: text", o["text"], bert_vectors(text, ids, mask))
    return out, o["values"]


def encoders(fmt, folder, preset="vit-ti", vocab=500):
    """timm with a classifier, BERT with a pre-training head; then out again"""
    v, t = vit(preset, 1, num_classes=10), bert(preset, 2, vocab, head=True)
    vs, ts = state(v), state(t)
    vfile, tfile = write(fmt, folder, "vit", vs), write(fmt, folder, "bert", ts)
    what = f"{preset} from timm and BERT, {fmt}"
    out, values = both(what, folder, preset, v, t, "half", 0.5, 0.5, vfile, tfile)
    kept(what, values, {"vision." + k: x for k, x in vs.items() if not k.startswith("head.")},
         ("vision.patch_embed.proj.weight", "vision.patch_embed.proj.bias"))
    kept(what, values, {"text." + k[5:]: x for k, x in ts.items()
                        if k.startswith("bert.") and "pooler" not in k})
    inflated(what, values)
    exports(what, folder, out, preset, values, ts)


def inflated(what, values):
    w2, w3 = (values[f"vision.patch_embed{k}.proj.weight"] for k in ("", "_3d"))
    same(f"{what}: T_3D", w3, np.repeat(w2[:, :, None] / np.float32(4), 4, 2))
    same(f"{what}: T_3D's bias", values["vision.patch_embed_3d.proj.bias"], values["vision.patch_embed.proj.bias"])
    p2 = torch.from_numpy(values["vision.pos_embed"][0, 1:].T.reshape(1, -1, 14, 14).copy()).double()
    grid = F.interpolate(p2, size=(8, 8), mode="bicubic", align_corners=False)[0].flatten(1).T.numpy()
    noise = values["vision.pos_embed_3d"].reshape(8, 64, -1) - grid
    if not (abs(noise.std() / 0.02 - 1) < 0.02 and abs(noise.mean()) < 0.001):
        bad.append(f"{what}: P_3 is not P_2 with noise of 0.02: {noise.mean()}, {noise.std()}")


def dino(fmt, folder):
    """a checkpoint: student and teacher, heads, numbers; the teacher is wanted"""
    v, other, t = vit("vit-s", 3), vit("vit-s", 4), bert("vit-s", 5, 300)
    head = {"head.mlp.0.weight": torch.randn(8, 384), "head.last_layer.weight_g": torch.ones(9, 1)}
    d = {"student": state(other, "module.backbone.") | {"module." + k: x for k, x in head.items()},
         "teacher": state(v, "backbone.") | head, "epoch": 100}
    vfile, tfile = write(fmt, folder, "dino", d), write(fmt, folder, "bert", state(t))
    try:
        both("", folder, "vit-s", v, t, "imagenet", MEAN, STD, vfile, tfile)
        bad.append("DINO: two encoders in a file were not told")
    except subprocess.CalledProcessError:
        pass
    half = f"{folder}/half.safetensors"
    convert("--preset", "vit-s", "--vision", vfile, "--pixels", "imagenet", "--prefix", "teacher", "-o", half)
    out = f"{folder}/model.safetensors"
    convert("-m", half, "--text", tfile, "-o", out)
    x, ids, mask = inputs(224, 300)
    o = ours(out, x, ids, mask)
    judge(f"DINO's teacher, {fmt}: image tokens", o["tokens"], vit_tokens(v, x, 3, MEAN, STD))
    judge(f"DINO's teacher, {fmt}: text by -m", o["text"], bert_vectors(t, ids, mask))
    bare = write(fmt, folder, "bare", state(v) | head)
    convert("--preset", "vit-s", "--vision", bare, "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225",
            "-o", f"{folder}/bare.safetensors")
    again = ours(f"{folder}/bare.safetensors", x, ids, mask)["values"]
    for k in o["values"]:
        if k.startswith("vision."):
            same(f"DINO bare, {fmt} {k}", again[k], o["values"][k])


def mae(fmt, folder):
    v, t = vit("vit-ti", 6), bert("vit-ti", 7, 300)
    d = state(v) | {"mask_token": torch.randn(1, 1, 16), "decoder_pos_embed": torch.randn(1, 197, 16),
                    "decoder_embed.weight": torch.randn(16, 192), "decoder_norm.bias": torch.randn(16)}
    d |= {"decoder_blocks.0.attn.qkv.weight": torch.randn(48, 16), "fc_norm.weight": torch.ones(192)}
    vfile = write(fmt, folder, "mae", {"model": d, "epoch": 1})
    # BERT as it was: gamma and beta, no prefix
    old = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): x
           for k, x in state(t).items()} | {"embeddings.position_ids": torch.arange(512)[None]}
    tfile = write(fmt, folder, "old", {"module": old})
    _, values = both(f"MAE and old BERT, {fmt}", folder, "vit-ti", v, t, "imagenet", MEAN, STD, vfile, tfile)
    same("MAE: the mask token is ours", values["vision.mask_token"], np.zeros((1, 1, 192), np.float32))


def vit_of_transformers(fmt, folder):
    """both ways to name one; its LayerNorm's eps is set to timm's, which ours has"""
    cfg = transformers.ViTConfig(hidden_size=192, num_attention_heads=3, intermediate_size=768, layer_norm_eps=1e-6,
                                 hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    v = disturb(transformers.ViTModel(cfg), 8)
    new = state(v, "vit.")
    old = {}
    for k, x in new.items():
        for a, b in ((".layers.", ".encoder.layer."), ("attention.o_proj", "attention.output.dense"),
                     ("attention.q_proj", "attention.attention.query"), ("attention.k_proj", "attention.attention.key"),
                     ("attention.v_proj", "attention.attention.value"), ("mlp.fc1", "intermediate.dense"),
                     ("mlp.fc2", "output.dense")):
            k = k.replace(a, b)
        old[k] = x
    v.save_pretrained(f"{folder}/saved")
    files = [write("safetensors", folder, "new", new | {"classifier.weight": torch.ones(3, 192)}),
             write(fmt, folder, "old", old), f"{folder}/saved/model.safetensors"]
    x, ids, mask = inputs(224, 300)
    with torch.no_grad():
        true = v.double()(channels(x, 3, 0.5, 0.5)).last_hidden_state.numpy()
    for f in files:
        convert("--preset", "vit-ti", "--vision", f, "--pixels", "half", "-o", f"{folder}/model.safetensors")
        judge(f"transformers' ViT, {os.path.basename(f)}: image tokens",
              ours(f"{folder}/model.safetensors", x, ids, mask)["tokens"], true)


def positions(folder):
    """grids of other sizes against F.interpolate and timm's resampling without anti-aliasing"""
    for size, kw in ((384, {}), (160, {}), (224, {}), (160, {"no_embed_class": True}), (224, {"no_embed_class": True})):
        v = vit("vit-ti", size, img_size=size, **kw)
        f, out = write("safetensors", folder, "vit", state(v)), f"{folder}/model.safetensors"
        convert("--preset", "vit-ti", "--vision", f, "--pixels", "unit", "-o", out)
        x, ids, mask = inputs(224, 300)
        o = ours(out, x, ids, mask)
        first = 0 if kw else 1
        p = v.pos_embed.detach().double()
        n = size // 16
        grid = p[:, first:].reshape(1, n, n, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(14, 14), mode="bicubic", align_corners=False).flatten(2).transpose(1, 2)
        theirs = F.pad(torch.cat([p[:, :first], grid], 1), (0, 0, 1 - first, 0)).numpy()
        by_timm = timm.layers.resample_abs_pos_embed(p, [14, 14], num_prefix_tokens=first, antialias=False)
        what = f"positions of {n} x {n}" + (", none of [CLS]" if kw else "")
        if size == 224:
            same(what, o["values"]["vision.pos_embed"], theirs.astype(np.float32))
        judge(what, o["values"]["vision.pos_embed"], theirs)
        judge(what + ", by timm in float32", o["values"]["vision.pos_embed"][:, 1 - first:], by_timm)
        target = vit("vit-ti", size, img_size=224)
        target.load_state_dict(v.state_dict() | {"pos_embed": torch.from_numpy(theirs).float()})
        judge(f"{what}: image tokens", o["tokens"], vit_tokens(target, x, 3, 0, 1))


def ranges(folder):
    """the result's own input -1..1, and a model of ours changed to it"""
    v = vit("vit-ti", 9)
    f, out = write("safetensors", folder, "vit", state(v)), f"{folder}/mgca.safetensors"
    convert("--preset", "vit-ti", "--vision", f, "--pixels", "imagenet", "--norm", "mgca", "-o", out)
    x, ids, mask = inputs(224, 300)
    true = vit_tokens(v, x, 3, MEAN, STD)
    judge("input -1..1: image tokens", ours(out, x, ids, mask)["tokens"], true)
    convert("-m", out, "--norm", "zero-one", "-o", f"{folder}/back.safetensors")
    judge("and back to 0..1: image tokens", ours(f"{folder}/back.safetensors", x, ids, mask)["tokens"], true)
    convert("-m", out, "--to", "timm", "--channels", 3, "--pixels", "imagenet", "-o", f"{folder}/out.safetensors")
    t = vit("vit-ti", 10)
    t.load_state_dict(load_file(f"{folder}/out.safetensors"))
    judge("input -1..1, out to timm: image tokens", vit_tokens(t, x, 3, MEAN, STD), true)


def types(formats, folder):
    """half precision and double: the values that float32 gives them"""
    t = bert("vit-ti", 11, 200)
    for dt in (torch.float16, torch.bfloat16, torch.float64):
        d = {k: v.to(dt) for k, v in state(t).items()}
        for fmt in formats:
            convert("--preset", "vit-ti", "--text", write(fmt, folder, "bert", d), "-o", f"{folder}/m.safetensors")
            got = load_file(f"{folder}/m.safetensors")
            for k, v in d.items():
                if "pooler" not in k:
                    same(f"{dt} {fmt} {k}", got["text." + k].numpy(), v.float().numpy())


def layers(folder):
    """the first six"""
    t = bert("vit-ti", 12, 200)
    f = write("safetensors", folder, "bert", state(t))
    convert("--preset", "vit-ti", "--text", f, "--text-layers", 6, "-o", f"{folder}/m.safetensors")
    x, ids, mask = inputs(224, 200)
    o = ours(f"{folder}/m.safetensors", x, ids, mask)
    t.encoder.layer = t.encoder.layer[:6]
    judge("six layers of BERT: text", o["text"], bert_vectors(t, ids, mask))


# ---- the ways out ----

def exports(what, folder, path, preset, values, texts):
    x, ids, mask = inputs(224, 200)
    o = ours(path, x, ids, mask)
    for n, pixels, mean, std in ((1, "unit", 0.0, 1.0), (3, "half", 0.5, 0.5), (3, "imagenet", MEAN, STD)):
        f = f"{folder}/out.safetensors"
        convert("-m", path, "--to", "timm", "--channels", n, "--pixels", pixels, "-o", f)
        t = vit(preset, 99, in_chans=n)
        t.load_state_dict(load_file(f), strict=True)
        judge(f"{what}, out to timm, {n} channels, {pixels}: image tokens", vit_tokens(t, x, n, mean, std), o["tokens"])
        if n == 1:
            kept(f"{what}, out to timm", {k.removeprefix("vision."): v for k, v in values.items()}, load_file(f))
            convert("--preset", preset, "--vision", f, "-o", f"{folder}/again.safetensors")
            again = load_file(f"{folder}/again.safetensors")
            for k, v in again.items():
                if k.startswith("vision."):
                    same(f"{what}, out to timm and in {k}", v.numpy(), values[k])
    f = f"{folder}/out-bert.safetensors"
    convert("-m", path, "--to", "bert", "-o", f)
    got = load_file(f)
    t = transformers.BertModel(bert(preset, 99, values["text.embeddings.word_embeddings.weight"].shape[0]).config,
                               add_pooling_layer=False).eval()
    t.load_state_dict(got, strict=True)
    judge(f"{what}, out to BERT: text", bert_vectors(t, ids, mask), o["text"])
    for k, v in got.items():
        same(f"{what}, in and out {k}", v.numpy(), texts["bert." + k].numpy())
    for dt, name in ((torch.float16, "f16"), (torch.bfloat16, "bf16")):
        convert("-m", path, "--to", "bert", "--dtype", name, "-o", f)
        for k, v in load_file(f).items():
            same(f"{what}, {name} {k}", v.view(torch.int16).numpy(), got[k].to(dt).view(torch.int16).numpy())


def teacher(folder):
    """student and teacher of one of our own runs"""
    convert("--preset", "vit-ti", "--vision", write("safetensors", folder, "a", state(vit("vit-ti", 20))), "--pixels",
            "unit", "-o", f"{folder}/a.safetensors")
    a = load_file(f"{folder}/a.safetensors")
    b = {"teacher." + k: v + 1 for k, v in a.items() if k.startswith("vision.")}
    with open(f"{folder}/a.safetensors", "rb") as f:
        n = int.from_bytes(f.read(8), "little")
        meta = json.loads(f.read(n))["__metadata__"]
    save_file(a | b, f"{folder}/ab.safetensors", meta)
    for use in ("student", "teacher"):
        convert("-m", f"{folder}/ab.safetensors", "--use", use, "-o", f"{folder}/one.safetensors")
        for k, v in load_file(f"{folder}/one.safetensors").items():
            same(f"{use} {k}", v.numpy(), (b["teacher." + k] if use == "teacher" and k.startswith("vision.") else a[k]).numpy())


def main():
    torch.manual_seed(0)
    formats = [a for a in sys.argv[1:] if a != "--base"] or FORMATS
    with tempfile.TemporaryDirectory() as d:
        for fmt in formats:
            encoders(fmt, d)
            dino(fmt, d)
            mae(fmt, d)
        vit_of_transformers(formats[-1], d)
        types(formats, d)
        for part in (positions, ranges, layers, teacher):
            part(d)
        if "--base" in sys.argv:
            encoders(formats[-1], d, "vit-b", 28996)
    sys.exit(f"{len(bad)} wrong: " + ", ".join(bad[:20]) if bad else 0)


if __name__ == "__main__":
    main()
