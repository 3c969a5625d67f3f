# SPDX-License-Identifier: Apache-2.0
"""unimedi.py - the pre-training method in PyTorch, section by section as method.md has it

A second reference, for tests/oracle/pretrain.py: written from method.md alone, to be read beside it.
Nothing is fast here. Shapes: B samples, P patch tokens, T = 1 + P, C channels, K slices, N pairs of the
batch, M prototypes. Weights are a dict of tensors under the names of a model file.

What method.md leaves open, and what is done here (the numbers are cited below as "choice n"):
   1  frozen last layer: untouched (no update, no moments, no decay) in epoch 0, and as it has no gradient
      then, neither the logged norm nor a global clip counts it; n of its bias correction counts its own
      updates, from epoch 1 on
   2  a weight that a batch does not reach has a gradient of 0: its moments fade, it moves and decays
   3  text position embeddings are "positions" (no decay), token types and the prototypes W decay;
      --decay-all is all, theta too
   4  logged for a step: lr and momentum it was made with, temperature exp(-theta) of its loss, norm over
      all trained gradients before clipping, count of tensors clipped (all or none for a global clip)
   5  c_patch is over the patch tokens that a sample has: all of the teacher's in token mode, the kept ones in
      drop. The teacher's entropies are over those that the loss counts: of --patch-loss masked the masked ones.
      A centre without its part of the loss stays 0
   6  several tokens or samples "mean q": mean over a sample's tokens, then over samples
   7  a value that does not exist is nan: icl and pcl with both lambdas 0, pcl and the entropies of patches with
      --patch-loss none, which --lambda-pcl 0 is too (L_icl is logged at any weight); momentum without a teacher
   8  --mask-block N: N x N blocks in the plane of an X-ray, a slice or each slab alike; where N does not
      divide the side the last blocks are smaller; ceil(rho x blocks) kept, attention of a block its mean
   9  --select middle: the K slices from floor((D - K)/2); uniform: floor((i + 1/2) D/K), i = 0..K-1
  10  --tau-t A:B:E: constant within an epoch, linspace(A, B, E)[epoch], then B
  11  --mix joint: min(n_2, n_3) steps an epoch; contrast and batch statistics per modality, every part of
      the loss the sum of the two; the centres and entropies over the samples of both together; with --centres
      separate the entropy of mean q is each modality's, and of both the mean by samples
  12  --norm applies to volumes and their slices as to X-rays
  13  --same-text: reports are the same if their ids are
  14  --slice-size resizes P_2 within the forward pass: its gradient goes through the resampling
  15  --attn-from student: Eq. 1 in both places (slices, masks) from a student's pass without gradient;
      the targets stay the teacher's
  16  ceil(rho n) in double precision
  17  --slice-embed: a learned vector for each of the D rows, added to the positions of its slice's tokens; 0 at
      the start, no decay
  18  draws: the generator, and what is drawn with it, as um-method(7) has them under "Random numbers"
  19  --views 2: masks, [CLS] and patch losses of each view, and their mean; teacher's [CLS] of the other view;
      L_vl of the first; centres and entropies over both
"""
import argparse
import ctypes
import math

import numpy as np
import torch
import torch.nn.functional as F

NAN = math.nan
THETA_MAX = math.log(100)


def options():
    """the switches, as um-train spells them"""
    p = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name, default in {"epochs": 50, "batch": 144, "batch-2d": 0, "batch-3d": 0, "slices": 4, "slice-size": 0,
                          "mask-block": 1, "warmup": -1, "accumulate": 1, "views": 1, "seed": 42}.items():
        p.add_argument("--" + name, type=int, default=default)
    for name, default in {"lr": 2e-5, "lr-low": 1e-8, "weight-decay": 0.05, "keep": 0.5, "lambda-icl": 1.0,
                          "lambda-pcl": 1.0, "tau-s": 0.1, "ema": 0.996}.items():
        p.add_argument("--" + name, type=float, default=default)
    for name, default in {"modalities": "2d,3d", "mix": "separate", "select": "attention", "attn-layers": "all",
                          "attn-from": "teacher", "mask": "attention", "mask-as": "token", "patch-loss": "all",
                          "vl-input": "masked", "tau-t": "0.04", "temperature": "learned",
                          "same-text": "negative", "centres": "shared", "clip": "3"}.items():
        p.add_argument("--" + name, default=default)
    for name in ("spread", "slice-embed", "decay-all", "freeze-text"):
        p.add_argument("--" + name, action="store_true")
    return p


# ---- Random numbers: um-method(7), SCHEDULE ----

PURPOSE = {"crop": 3, "mask": 11, "slice": 12, "crop2": 13}


def philox(counter, key):
    """Philox4x32-10: blocks of four words [n,4] from counters [n,4] and a key [2]"""
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k = [int(x) for x in key]
    for _ in range(10):
        p, q = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [q >> high ^ c[1] ^ np.uint64(k[0]), q & low, p >> high ^ c[3] ^ np.uint64(k[1]), p & low]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return np.stack(c, 1)


class Draws:
    """the numbers of (seed, purpose, record, step), from the first on"""

    def __init__(self, seed, purpose, record, step):
        mixed = philox(np.array([[PURPOSE[purpose], 0x756D, 0, 0]]), (seed % 2**32, seed >> 32))[0]
        counter = np.zeros((4096, 4), np.uint64)
        counter[:, 0] = np.arange(len(counter))
        counter[:, 1:] = step, record % 2**32, record >> 32
        self.word = philox(counter, mixed[:2]).ravel().tolist()
        self.at = 0

    def pair(self):
        self.at += 2
        return self.word[self.at - 2:self.at]

    def uniform(self):
        """[0,1) of 53 bits"""
        a, b = self.pair()
        return ((a >> 5) * 2**26 + (b >> 6)) / 2**53

    def below(self, n):
        """0..n-1"""
        while True:
            a, b = self.pair()
            x = a * 2**32 + b
            if x < 2**64 - 1 - (2**64 - 1) % n:
                return x % n


def record_of(key):
    """XXH3-64 of a record's key, by the system's libxxhash; as a tensor holds it: with a sign"""
    xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    xxh3.restype, xxh3.argtypes = ctypes.c_int64, (ctypes.c_char_p, ctypes.c_size_t)
    return xxh3(key.encode(), len(key.encode()))


# ---- 2. Vision encoder: w is the student or the teacher ----

def resize(x, size, mode):
    """half-pixel centres, clamped edges; bicubic with a = -0.75"""
    return F.interpolate(x, size=size, mode=mode, align_corners=False)


def tokenize_2d(w, cfg, x):
    """T_2D: [n,side,side] in 0..1 -> [n,P,C]"""
    x = x * cfg["norm_scale"] + cfg["norm_shift"]
    p = cfg["patch"]
    return F.conv2d(x[:, None], w["vision.patch_embed.proj.weight"], w["vision.patch_embed.proj.bias"],
                    stride=p).flatten(2).mT


def tokenize_3d(w, cfg, x):
    """T_3D: [n,D,H,W] -> [n,S P,C], slab by slab"""
    x = x * cfg["norm_scale"] + cfg["norm_shift"]
    return F.conv3d(x[:, None], w["vision.patch_embed_3d.proj.weight"], w["vision.patch_embed_3d.proj.bias"],
                    stride=cfg["patch3"]).flatten(2).mT


def positions_2d(w, cfg, grid):
    """rows of P_2 but [CLS]'s; for another grid than the model's resized in the plane"""
    own = cfg["image"] // cfg["patch"]
    p = w["vision.pos_embed"][:, 1:]
    if grid != own:
        p = resize(p.mT.unflatten(2, (own, own)), (grid, grid), "bicubic").flatten(2).mT
    return p


class Sequence:
    """2.4: patch embeddings and positions [B,T-1,C] behind [CLS], and the groups that section 6 masks:
    (first, slabs, rows, columns) of each"""

    def __init__(self):
        self.embedding, self.position, self.groups, self.n = [], [], [], 0

    def add(self, e, position, *grid):
        self.embedding.append(e)
        self.position.append(position.expand_as(e))
        self.groups.append((self.n, *grid))
        self.n += math.prod(grid)


def sequence(w, cfg, image=None, volume=None, slices=None, z=None):
    s = Sequence()
    if image is not None:
        side = image.shape[1] // cfg["patch"]
        s.add(tokenize_2d(w, cfg, image), positions_2d(w, cfg, side), 1, side, side)
    if volume is not None:
        s.add(tokenize_3d(w, cfg, volume), w["vision.pos_embed_3d"],
              *(n // p for n, p in zip(volume.shape[1:], cfg["patch3"])))
    for k in range(slices.shape[1] if slices is not None else 0):  # ascending z
        side = slices.shape[2] // cfg["patch"]
        position = positions_2d(w, cfg, side)
        if "vision.slice_embed" in w:  # else nothing tells where they came from
            position = position + w["vision.slice_embed"][z[:, k], None]
        s.add(tokenize_2d(w, cfg, slices[:, k]), position, 1, side, side)
    s.embedding, s.position = torch.cat(s.embedding, 1), torch.cat(s.position, 1)
    return s


def linear(w, name, x):
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def norm(w, name, x, eps):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)


def attend(q, k, v, heads, bias=None):
    """softmax(q k^T / sqrt(d)) v per head; the probabilities too [B,A,T,T]"""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    e = q @ k.mT / math.sqrt(q.shape[-1])
    p = F.softmax(e if bias is None else e + bias, -1)
    return (p @ v).transpose(1, 2).flatten(2), p


def encode(w, cfg, s, keep=None, mask_as="token"):
    """2.3: final-norm outputs [B,T,C], and p_{l,h}(u) of [CLS]'s row, u from [CLS] on: [L,B,A,T].
    keep [B,T-1], what section 6 leaves to see; None is everything"""
    e = s.embedding
    if keep is not None and mask_as == "token":
        e = torch.where(keep[..., None], e, w["vision.mask_token"])  # before the position is added
    x = e + s.position
    if keep is not None and mask_as == "drop":
        x = x[keep].unflatten(0, (len(x), -1))  # every sample keeps as many
    cls = (w["vision.cls_token"] + w["vision.pos_embed"][:, :1]).expand(len(x), -1, -1)
    x, rows = torch.cat([cls, x], 1), []
    for l in range(cfg["layers"]):
        b = f"vision.blocks.{l}."
        y, p = attend(*linear(w, b + "attn.qkv", norm(w, b + "norm1", x, 1e-6)).chunk(3, -1), cfg["heads"])
        x = x + linear(w, b + "attn.proj", y)
        x = x + linear(w, b + "mlp.fc2", F.gelu(linear(w, b + "mlp.fc1", norm(w, b + "norm2", x, 1e-6))))
        rows.append(p[:, :, 0])
    return norm(w, "vision.norm", x, 1e-6), torch.stack(rows)


# ---- 3. Text encoder ----

def encode_text(w, cfg, ids, ids_mask):
    """r [N,C]: the last hidden state at [CLS]"""
    t = "text.embeddings."
    x = w[t + "word_embeddings.weight"][ids] + w[t + "position_embeddings.weight"][:ids.shape[1]] \
        + w[t + "token_type_embeddings.weight"][0]
    x = norm(w, t + "LayerNorm", x, 1e-12)
    padded = torch.zeros_like(ids_mask, dtype=x.dtype).masked_fill(ids_mask == 0, -math.inf)[:, None, None]
    for l in range(cfg["text_layers"]):
        b = f"text.encoder.layer.{l}."
        y, _ = attend(*(linear(w, f"{b}attention.self.{n}", x) for n in ("query", "key", "value")),
                      cfg["text_heads"], padded)
        x = norm(w, b + "attention.output.LayerNorm", x + linear(w, b + "attention.output.dense", y), 1e-12)
        y = linear(w, b + "output.dense", F.gelu(linear(w, b + "intermediate.dense", x)))
        x = norm(w, b + "output.LayerNorm", x + y, 1e-12)
    return x[:, 0]


# ---- 4. Attention and slice scores ----

def eq1(rows, layers="all"):
    """Eq. 1: a_t [B,T-1] from p_{l,h}(u); not renormalised without [CLS]"""
    return (rows[-1:] if layers == "last" else rows).mean((0, 2))[:, 1:]


def eq2(a, cfg):
    """Eq. 2: g_s [B,S], the mean of a slab"""
    return a.unflatten(1, (cfg["volume"][0] // cfg["patch3"][0], -1)).mean(2)


def top(score, k):
    """the k highest of each row, lower index first among equals, as a mask"""
    first = torch.sort(score, dim=1, descending=True, stable=True).indices[:, :k]
    return torch.zeros_like(score, dtype=torch.bool).scatter_(1, first, True)


def margin(score, k):
    """how far the last one in is from the first one out, in parts of it: the smallest of all rows"""
    s = torch.sort(score, dim=1, descending=True).values
    return ((s[:, k - 1] - s[:, k]) / s[:, k - 1]).min().item() if 0 < k < s.shape[1] else math.inf


def lots(draws, D, K):
    """K of 0..D-1, each set of them as likely"""
    z = []
    for i in range(D):
        if len(z) < K and draws.below(D - i) < K - len(z):
            z.append(i)
    return z


def select(o, cfg, B, g, draws):
    """4.3: z [B,K] ascending"""
    D, thick, K = cfg["volume"][0], cfg["patch3"][0], o.slices
    if o.select == "random":
        return torch.tensor([lots(d, D, K) for d in draws])
    if o.select == "middle":
        z = [(D - K) // 2 + i for i in range(K)]
    elif o.select == "uniform":
        z = [(2 * i + 1) * D // (2 * K) for i in range(K)]
    elif o.spread:
        return top(g, K).nonzero()[:, 1].view(B, K) * thick + thick // 2
    else:  # slices of a slab share its score
        return top(g.repeat_interleave(thick, 1), K).nonzero()[:, 1].view(B, K)
    return torch.tensor(z).expand(B, K)


def cut(cfg, volume, z, side):
    """rows z of the volumes, enlarged: [B,K,side,side]"""
    return resize(volume[torch.arange(len(z))[:, None], z], (side, side), "bilinear")


# ---- 5. Projections and the vision-language loss ----

def batch_norm(w, name, x, modality, cfg):
    """statistics of the batch, biased to normalise; the running ones, unbiased, are moved in w"""
    suffix = "_3d" if modality == "3d" and not cfg["bn_shared"] else ""
    mean, var = x.mean(0), x.var(0, unbiased=False)
    with torch.no_grad():
        for stat, now in (("mean", mean), ("var", var * len(x) / (len(x) - 1))):
            w[f"{name}.running_{stat}{suffix}"].mul_(0.9).add_(0.1 * now)
    x = (x - mean) / torch.sqrt(var + 1e-5)
    return x * w[name + ".weight"] + w[name + ".bias"] if name + ".weight" in w else x


def unit(x):
    """x / max(|x|, 1e-12)"""
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def project(w, cfg, side, x, modality):
    """5.1; side is vision or text"""
    p = f"proj.{side}."
    x = linear(w, p + "0", x)
    if not cfg["proj_linear"]:
        x = F.relu(batch_norm(w, p + "1", x, modality, cfg))
        x = batch_norm(w, p + "4", linear(w, p + "3", x), modality, cfg)
    return unit(x)


def contrast(v, r, theta, same=None):
    """5.2: L_vl; same [N,N] marks pairs of records with the same report, who then share the target"""
    S = torch.exp(theta) * v @ r.T
    target = torch.eye(len(v), dtype=v.dtype) if same is None else same / same.sum(1, keepdim=True)
    return -(target * (F.log_softmax(S, 1) + F.log_softmax(S.T, 1))).sum() / (2 * len(v))


# ---- 6. Masking ----

def pool(a, grid, N):
    """mean attention of N x N blocks [B,blocks], and the block of each token"""
    S, R, Q = grid
    across = -(-Q // N)
    r, q = torch.arange(R)[:, None] // N, torch.arange(Q) // N
    block = (r * across + q).flatten()
    n = -(-R // N) * across
    block = (torch.arange(S)[:, None] * n + block).flatten()
    total = torch.zeros(len(a), S * n, dtype=a.dtype).index_add_(1, block, a)
    return total / torch.bincount(block, minlength=S * n), block


def masks(o, groups, a, draws=None):
    """keep [B,T-1], the ceil(rho n) most attended of each group, or those with the highest lots; and the smallest
    margin"""
    keep, closest, by_lot = [], math.inf, o.mask == "random"
    draws = list(draws) if by_lot else ()
    for first, *grid in groups:
        score, block = pool(a[:, first:first + math.prod(grid)], grid, o.mask_block)
        if by_lot:
            score = torch.tensor([[d.uniform() for _ in range(score.shape[1])] for d in draws], dtype=torch.float64)
        k = math.ceil(o.keep * score.shape[1])
        keep.append(top(score, k)[:, block])
        closest = min(closest, math.inf if by_lot else margin(score, k))
    return torch.cat(keep, 1), closest


# ---- 7. Self-distillation ----

def head(w, x):
    """7.2: z, cosines with the M prototypes"""
    x = F.gelu(linear(w, "head.mlp.0", x))
    x = linear(w, "head.mlp.4", F.gelu(linear(w, "head.mlp.2", x)))
    W = w["head.last.weight_v"]
    return unit(x) @ (W / W.norm(dim=1, keepdim=True)).T


def target(z, c, tau):
    return F.softmax((z - c) / tau, -1)


def cross_entropy(q, z, tau):
    """H = - sum_m q_m log softmax(z / tau)_m"""
    return -(q * F.log_softmax(z / tau, -1)).sum(-1)


def entropy(q):
    return torch.special.entr(q).sum(-1)


def tau_t(o, epoch):
    """0.04, or FROM:TO:EPOCHS"""
    first, *rest = (float(x) for x in o.tau_t.split(":"))
    if not rest:
        return first
    last, epochs = rest[0], int(rest[1])
    return last if epoch >= epochs or epochs == 1 else first + (last - first) * epoch / (epochs - 1)


# ---- 8. Schedule ----

def rate(t, T, peak, W, low=1e-8):
    f = t / W if t < W else (1 + math.cos(math.pi * (t - W) / (T - W))) / 2
    return low + (peak - low) * f


def momentum(t, T, m0):
    return 1 - (1 - m0) * (1 + math.cos(math.pi * t / T)) / 2


def order(n2, n3, mix="separate"):
    """the modalities of an epoch's steps"""
    if mix == "joint":
        return [("2d", "3d")] * min(n2, n3)
    n = n2 + n3
    return [("3d",) if (i + 1) * n3 // n > i * n3 // n else ("2d",) for i in range(n)]


def decays(name, all_of_them):
    """weight decay for this tensor?"""
    spared = ("bias", "norm.weight", "norm1.weight", "norm2.weight", "LayerNorm.weight", "pos_embed", "pos_embed_3d",
              "position_embeddings.weight", "cls_token", "mask_token", "slice_embed", "logit_scale",
              "proj.vision.1.weight", "proj.text.1.weight")
    return all_of_them or not name.endswith(spared)


class AdamW:
    def __init__(self, params, decay, decay_all=False):
        self.p, self.decay, self.all, self.n = params, decay, decay_all, dict.fromkeys(params, 0)
        self.m, self.u = ({k: torch.zeros_like(x) for k, x in params.items()} for _ in range(2))

    @torch.no_grad()
    def step(self, grad, lr):
        """grad: of the weights that move"""
        for k, g in grad.items():
            self.n[k] += 1
            w, m, u, n = self.p[k], self.m[k], self.u[k], self.n[k]
            m.mul_(0.9).add_(0.1 * g)
            u.mul_(0.999).add_(0.001 * g * g)
            w.mul_(1 - lr * (self.decay if decays(k, self.all) else 0))
            w.sub_(lr * (m / (1 - 0.9 ** n)) / (torch.sqrt(u / (1 - 0.999 ** n)) + 1e-8))


def clip(grad, how):
    """by tensor or all together; how many were too long"""
    if how.startswith("global:"):
        groups, limit = [list(grad.values())], float(how[7:])
    else:
        groups, limit = [[g] for g in grad.values()], float(how)
    count = 0
    for group in groups:
        length = math.sqrt(sum((g.double() ** 2).sum().item() for g in group))
        if limit > 0 and length > limit:
            count += len(group)
            for g in group:
                g.mul_(limit / length)
    return count


# ---- 7.4 The step ----

class Pretraining:
    """data: {"2d": {"image", "ids", "ids_mask", "record"}, "3d": {"volume", …}}, whole tensors of N_2 and N_3
    records that make one batch each, so that their order does not matter; images may be larger than the model's,
    and are cropped"""

    def __init__(self, cfg, weights, o, data, dtype=torch.float32):
        self.cfg, self.o, self.dtype = cfg, o, dtype
        self.data = {m: {k: x.to(dtype) if x.is_floating_point() else x for k, x in batch.items()}
                     for m, batch in data.items() if m in o.modalities.split(",")}
        self.patches = o.patch_loss != "none" and o.lambda_pcl != 0
        self.distil = o.lambda_icl != 0 or o.lambda_pcl != 0
        looks = o.select == "attention" and o.attn_from == "teacher" and "3d" in self.data
        self.w = {k: x.to(dtype).clone() for k, x in weights.items() if not k.startswith("teacher.")}
        for name in [k for k in self.w if k.startswith("head.") and not self.distil]:
            del self.w[name]
        self.trained = {k: x for k, x in self.w.items() if "running_" not in k
                        and not (k == "logit_scale" and o.temperature != "learned")
                        and not (k.startswith("text.") and o.freeze_text)}
        for x in self.trained.values():
            x.requires_grad_()
        self.teacher = {k: x.detach().clone() for k, x in self.w.items() if k.startswith(("vision.", "head."))} \
            if self.distil or looks else None
        parts = ("cls", "patch", "cls_3d", "patch_3d")[:4 if o.centres == "separate" else 2] if self.distil else ()
        self.centre = {part: torch.zeros(len(self.w["head.last.weight_v"]), dtype=dtype) for part in parts}
        self.adamw = AdamW(self.trained, o.weight_decay, o.decay_all)
        self.epoch_order = order(*(int(m in self.data) for m in ("2d", "3d")), o.mix)
        self.steps, self.t = o.epochs * len(self.epoch_order), 0
        self.warmup = round(0.4 * self.steps) if o.warmup < 0 else o.warmup * len(self.epoch_order)

    def own(self, part, batch):
        """which centre this batch is held against: X-rays and volumes share it, or --centres separate"""
        return part + "_3d" * (self.o.centres == "separate" and "volume" in batch)

    def draws(self, purpose, batch, step, view=0):
        """of each record, made when they are asked for"""
        for r in batch["record"].tolist():
            yield Draws(self.o.seed, purpose, (r + view) % 2**64, step)

    def crop(self, batch, epoch):
        """1.1: the batch with its X-rays cut to the model's side, and a second time for --views 2"""
        if "image" not in batch:
            return batch
        side, out = self.cfg["image"], dict(batch)
        if batch["image"].shape[1:] == (side, side) and self.o.views == 1:
            return batch
        for name, purpose in (("image", "crop"), ("image2", "crop2"))[:self.o.views]:
            at = [[d.below(n - side + 1) for n in batch["image"].shape[1:]]
                  for d in self.draws(purpose, batch, epoch)]
            out[name] = torch.stack([x[r:r + side, c:c + side] for x, (r, c) in zip(batch["image"], at)])
        return out

    @torch.no_grad()
    def attention(self, complete):
        """Eq. 1 of a sequence that `complete` makes of the weights it is given"""
        w = self.w if self.o.attn_from == "student" else self.teacher
        return eq1(encode(w, self.cfg, complete(w))[1], self.o.attn_layers)

    @torch.no_grad()
    def pick(self, batch):
        """slices [B,K,side,side] of the volumes, their z, and the margin of the choice"""
        o, cfg, g, closest, volume = self.o, self.cfg, None, math.inf, batch["volume"]
        if o.select == "attention":
            g = eq2(self.attention(lambda w: sequence(w, cfg, volume=volume)), cfg)
            slabs = o.slices / (1 if o.spread else cfg["patch3"][0])
            closest = min(margin(g, k) for k in (math.floor(slabs), math.ceil(slabs)))
        z = select(o, cfg, len(volume), g, self.draws("slice", batch, self.t))
        return cut(cfg, volume, z, o.slice_size or cfg["image"]), z, closest

    def contrast(self, modality, x, r):
        """L_vl of the encoders' [CLS] outputs x and r over the global batch: the only part of the loss, with the
        batch norms in it, that does not fall apart into samples"""
        same = None
        if self.o.same_text == "positive":
            ids = self.data[modality]["ids"] * self.data[modality]["ids_mask"]
            same = (ids[:, None] == ids).all(2).to(x.dtype)
        theta = self.w["logit_scale"] if self.o.temperature == "learned" else \
            torch.tensor(-math.log(float(self.o.temperature)), dtype=self.dtype)
        v, r = (project(self.w, self.cfg, side, y, modality) for side, y in (("vision", x), ("text", r)))
        return contrast(v, r, theta, same)

    def distill(self, batch, zs, zt, cls, keep, tau):
        """7.3: H at [CLS], against the teacher's z there of this view or the other, and its mean over patches, of
        each sample; from z [B,T,M] of student and teacher"""
        o = self.o
        icl = cross_entropy(target(cls, self.centre[self.own("cls", batch)], tau), zs[:, 0], o.tau_s)
        if not self.patches:
            return icl, None
        H = cross_entropy(target(zt[:, 1:], self.centre[self.own("patch", batch)], tau), zs[:, 1:], o.tau_s)
        if o.patch_loss == "masked":
            return icl, torch.where(keep, 0, H).sum(1) / (~keep).sum(1)
        return icl, H.mean(1)

    def view(self, batch, x, which):
        """what teacher and student say of a crop, or of a volume with its slices: the student's complete sequence, z
        of both, the student's [CLS], what it saw, which positions the loss over patches counts, and the closest call
        of the mask"""
        o, cfg = self.o, self.cfg
        complete = lambda w: sequence(w, cfg, **x)
        s = complete(self.w)
        with torch.no_grad():
            y, rows = encode(self.teacher, cfg, complete(self.teacher))
            a = eq1(rows, o.attn_layers) if o.attn_from == "teacher" else self.attention(complete)
            keep, close = masks(o, s.groups, a, self.draws("mask", batch, self.t, which))
            if o.mask_as == "drop":
                y = torch.cat([y[:, :1], y[:, 1:][keep].unflatten(0, (len(y), -1))], 1)
            zt = head(self.teacher, y)
        y, _ = encode(self.w, cfg, s, keep, o.mask_as)
        counted = torch.ones(zt.shape[:2], dtype=zt.dtype)
        if o.patch_loss == "masked":
            counted[:, 1:][keep] = 0
        return {"complete": s, "zs": head(self.w, y), "zt": zt, "cls": y[:, 0], "keep": keep, "counted": counted,
                "margin": close}

    def forward(self, batch, tau):
        """some samples of one modality through teacher and student: [CLS] outputs of both encoders, H of each
        sample, the teacher's z, and the closest call among slices and masks"""
        o, cfg = self.o, self.cfg
        x = {k: batch[k] for k in ("image", "volume") if k in batch}
        closest = math.inf
        if "volume" in x and o.select != "none":
            x["slices"], x["z"], closest = self.pick(batch)
        out = {"text": encode_text(self.w, cfg, batch["ids"], batch["ids_mask"])}
        if not self.distil:
            return out | {"image": encode(self.w, cfg, sequence(self.w, cfg, **x))[0][:, 0], "margin": closest}

        views = [self.view(batch, x, 0)]
        if "image2" in batch:
            views.append(self.view(batch, {"image": batch["image2"]}, 1))
        H = [self.distill(batch, v["zs"], v["zt"], other["zt"][:, 0], v["keep"], tau)
             for v, other in zip(views, views[::-1])]
        icl, pcl = (None if None in h else sum(h) / len(h) for h in zip(*H))
        cls = encode(self.w, cfg, views[0]["complete"])[0][:, 0] if o.vl_input == "full" else views[0]["cls"]
        return out | {"image": cls, "icl": icl, "pcl": pcl, "zt": torch.cat([v["zt"] for v in views]),
                      "counted": torch.cat([v["counted"] for v in views]),
                      "z": x.get("z"), "keep": views[0]["keep"],
                      "centre": {part: self.own(part, batch) for part in ("cls", "patch")},
                      "margin": min(closest, *(v["margin"] for v in views))}

    def losses(self, modality, out):
        """parts of the loss of a batch, and L"""
        L = {"vl": self.contrast(modality, out["image"], out["text"])}
        L |= {k: out[k].mean() for k in ("icl", "pcl") if out.get(k) is not None}
        weight = {"vl": 1, "icl": self.o.lambda_icl, "pcl": self.o.lambda_pcl}
        return L | {"loss": sum(weight[k] * x for k, x in L.items())}

    def watch(self, outs, tau):
        """entropies of the teacher's targets: of each, and of their mean over what is held against the same centre"""
        row = {}
        for part, there, of in (("cls", self.distil, lambda x: x[:, :1]),
                                ("patch", self.distil and self.patches, lambda x: x[:, 1:])):
            H, mean = [], {}
            for out in outs if there else []:
                q, count = target(of(out["zt"]), self.centre[out["centre"][part]], tau), of(out["counted"])
                share = (count / count.sum(1, keepdim=True))[..., None]
                H.append((entropy(q) * share[..., 0]).sum(1))
                mean.setdefault(out["centre"][part], []).append((q * share).sum(1))
            groups = [torch.cat(q) for q in mean.values()]
            n = sum(map(len, groups))
            row["entropy_" + part] = torch.cat(H).mean().item() if there else NAN
            row["entropy_mean_" + part] = sum(len(q) / n * entropy(q.mean(0)).item() for q in groups) if there else NAN
        return row

    def step(self, t):
        """step t of T: its line of the log"""
        o, T, n = self.o, self.steps, len(self.epoch_order)
        epoch, kinds = t // n, self.epoch_order[t % n]
        tau, lr, m = tau_t(o, epoch), rate(t, T, o.lr, self.warmup, o.lr_low), momentum(t, T, o.ema)
        self.t = t
        outs = [self.forward(self.crop(self.data[kind], epoch), tau) for kind in kinds]
        parts = [self.losses(kind, out) for kind, out in zip(kinds, outs)]
        sums = {k: sum(p[k] for p in parts) for k in parts[0]}
        theta = self.w["logit_scale"].item()
        row = {"step": t, "epoch": epoch, "modality": ",".join(kinds),
               **{k: sums[k].item() if k in sums else NAN for k in ("loss", "vl", "icl", "pcl")},
               "lr": lr, "momentum": m if self.teacher else NAN,
               "temperature": math.exp(-theta) if o.temperature == "learned" else float(o.temperature),
               **self.watch(outs, tau), "margin": min(out["margin"] for out in outs)}

        grad = self.gradient(sums["loss"], epoch)
        row["grad_norm"] = math.sqrt(sum((g.double() ** 2).sum().item() for g in grad.values()))
        row["clipped"] = clip(grad, o.clip)
        self.adamw.step(grad, lr)
        self.after(m, outs)
        return row

    def gradient(self, loss, epoch):
        names = [k for k in self.trained if not (k == "head.last.weight_v" and epoch == 0)]
        grads = torch.autograd.grad(loss, [self.trained[k] for k in names], allow_unused=True)
        return {k: torch.zeros_like(self.trained[k]) if g is None else g.clone() for k, g in zip(names, grads)}

    @torch.no_grad()
    def after(self, m, outs):
        """clamp of theta, teacher, centres: each by the mean over the samples that were held against it"""
        self.w["logit_scale"].clamp_(max=THETA_MAX)
        for k, x in (self.teacher or {}).items():
            x.mul_(m).add_((1 - m) * self.w[k])
        for part, c in self.centre.items():
            cls = part.startswith("cls")
            z = [out["zt"][:, 0] if cls else out["zt"][:, 1:].mean(1) for out in outs if part in out["centre"].values()]
            if z and (cls or self.patches):
                c.mul_(0.9).add_(0.1 * torch.cat(z).mean(0))

    def result(self):
        """weights under the names of a model file, centres as centre.*"""
        out = {k: x.detach() for k, x in self.w.items()}
        out |= {"teacher." + k: x for k, x in (self.teacher or {}).items()}
        return out | {"centre." + k: x for k, x in self.centre.items()}
