#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""losses.py - losses, batched products, tokens put back and AdamW against PyTorch and MONAI in double precision

usage: BUILD=build losses.py [DEVICE ...]      needs torch and monai from PyPI; devices: ref cpu

Every case draws fresh inputs, runs the tape and compares its value and the gradient of each parameter with
autograd on the same numbers in float64: relative L2 errors, at most 1e-6 for values and 1e-5 for gradients.
AdamW: 20 steps over two decay groups with clipping by the global norm, against torch.optim.AdamW; the
weights' error at most 1e-6.
"""
import ctypes as c
import os
import sys

import monai.losses as ml
import numpy as np
import torch
import torch.nn.functional as F

I64, PTR, F32 = c.c_int64, c.c_void_p, c.POINTER(c.c_float)
I32P = c.POINTER(c.c_int32)
VALUE, GRADIENT, WEIGHTS = 1e-6, 1e-5, 1e-6


class Param(c.Structure):
    _fields_ = [("name", c.c_char_p), ("ndim", c.c_int), ("dim", I64 * 5), ("offset", I64), ("count", I64),
                ("init", c.c_int), ("value", c.c_float), ("decay", c.c_bool), ("buffer", c.c_bool)]


class Params(c.Structure):
    _fields_ = [("dev", PTR), ("arena", PTR), ("n", c.c_int), ("cap", c.c_int), ("list", c.POINTER(Param)),
                ("total", I64), ("value", F32), ("grad", F32)]


class Opts(c.Structure):
    _fields_ = [("dtype", c.c_int), ("recompute", c.c_bool), ("frozen", c.c_bool)]


class Dice(c.Structure):
    _fields_ = [*((n, I64) for n in ("B", "C", "S", "first")), ("x", PTR), ("y", F32), ("target", I32P),
                *((n, c.c_bool) for n in ("last", "softmax", "batch", "square", "log")),
                *((n, c.c_float) for n in ("top", "bottom", "scale"))]


class AdamwOpts(c.Structure):
    _fields_ = [*((n, c.c_double) for n in ("beta1", "beta2", "eps", "weight_decay")), ("decay_all", c.c_bool),
                ("clip", c.c_int), ("max_norm", c.c_double)]


class Update(c.Structure):
    _fields_ = [("norm", c.c_double), ("clipped", I64)]


um = c.CDLL(os.path.join(os.environ.get("BUILD", "build"), "libum.so"))
um.um_errmsg.restype = c.c_char_p
for name in ("um_nn_param", "um_cross_entropy", "um_cross_entropy_soft", "um_cross_entropy_map", "um_focal",
             "um_dice", "um_bce", "um_bmm", "um_reshape", "um_put_tokens", "um_weighted_sum"):
    getattr(um, name).restype = PTR


def ok(st):
    if st < 0:
        sys.exit(um.um_errmsg().decode())


def floats(a):
    return a.ctypes.data_as(F32)


def ints(a):
    return a.ctypes.data_as(I32P)


class Ours:
    """parameters p0, p1, .. with the values given, and a context"""

    def __init__(self, device, values, decay=None):
        self.dev, self.nn, self.ps = PTR(), PTR(), c.POINTER(Params)()
        ok(um.um_dev_open(c.byref(self.dev), device.encode(), None))
        ok(um.um_nn_new(c.byref(self.nn), self.dev, c.byref(Opts(6))))
        ok(um.um_params_new(c.byref(self.ps), self.dev))
        for i, v in enumerate(values):
            ok(um.um_params_add(self.ps, b"p%d" % i, v.ndim, (I64 * 5)(*v.shape), 0, c.c_float(0),
                                c.c_bool(decay[i] if decay else True)))
        ok(um.um_params_init(self.ps, c.c_uint64(1)))
        ok(um.um_params_grad(self.ps))
        for mine, v in zip(self.views("value"), values):
            mine[...] = v

    def views(self, which):
        """of a block: the memory of ref and cpu is the host's"""
        ps = self.ps.contents
        whole = np.ctypeslib.as_array(getattr(ps, which), (ps.total,))
        return [whole[p.offset:p.offset + p.count].reshape(p.dim[:p.ndim]) for p in ps.list[:ps.n]]

    def loss(self, build):
        ok(um.um_nn_begin(self.nn, c.c_bool(True), c.c_bool(True), c.c_uint64(0), c.c_uint64(0)))
        y = build(PTR(self.nn.value), *(PTR(um.um_nn_param(self.nn, self.ps, i)) for i in range(self.ps.contents.n)))
        x = c.c_float()
        ok(um.um_nn_read(self.nn, PTR(y), c.byref(x)))
        ok(um.um_nn_backward(self.nn, PTR(y)))
        return x.value

    def close(self):
        um.um_params_free(self.ps)
        um.um_nn_free(self.nn)
        um.um_dev_close(self.dev)


def error(got, want):
    got, want = (np.asarray(a, np.float64).ravel() for a in (got, want))
    return float(np.linalg.norm(got - want) / (np.linalg.norm(want) or 1))


def double(a):
    return torch.from_numpy(np.asarray(a)).double()


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


# ---- the cases: values of the parameters, our loss and theirs ----

def soft_targets(rng, transpose):
    n, m = (int(k) for k in rng.integers(3, 90, 2))
    q = rng.gamma(0.3, size=(n, m)).astype(np.float32) + np.float32(1e-3)
    return ([normal(rng, n, m)], lambda nn, x: um.um_cross_entropy_soft(nn, x, floats(q), c.c_bool(transpose)),
            lambda x: F.cross_entropy(x.T if transpose else x, double(q.T if transpose else q)))


def same_text(rng):
    """method.md 5.2: reports that are equal share the target, in both directions"""
    n = int(rng.integers(4, 60))
    text = rng.integers(0, n // 2, n)
    q = (text[:, None] == text).astype(np.float32)
    q /= q.sum(1, keepdims=True)

    def ours(nn, x):
        term = (PTR * 2)(*(um.um_cross_entropy_soft(nn, x, floats(q), c.c_bool(t)) for t in (False, True)))
        return um.um_weighted_sum(nn, term, floats(np.array([0.5, 0.5], np.float32)), 2)

    logs = lambda s, d: (double(q) * F.log_softmax(s, d)).sum()
    return [normal(rng, n, n) * 5], ours, lambda x: -(logs(x, 1) + logs(x, 0)) / (2 * n)


def focal(rng, alpha):
    shape = (int(rng.integers(1, 4)), 1, *(int(k) for k in rng.integers(3, 40, 2)))
    y = rng.random(shape).astype(np.float32)
    y[rng.random(shape) < 0.7] = 0
    gamma = float(rng.choice([0.5, 2, 3]))
    theirs = ml.FocalLoss(gamma=gamma, alpha=alpha)
    return ([normal(rng, *shape) * 3],
            lambda nn, x: um.um_focal(nn, x, floats(y), c.c_float(gamma), c.c_float(-1 if alpha is None else alpha)),
            lambda x: theirs(x, double(y)))


def focal_and_dice(rng):
    """method.md 9.3"""
    shape = (int(rng.integers(1, 4)), 1, *(int(k) for k in rng.integers(3, 40, 2)))
    y = (rng.random(shape) * (rng.random(shape) < 0.3)).astype(np.float32)
    how = Dice(y=floats(y), batch=True, log=True, top=1, bottom=1)

    def ours(nn, x):
        term = (PTR * 2)(um.um_focal(nn, x, floats(y), c.c_float(2), c.c_float(-1)), um.um_dice(nn, x, c.byref(how)))
        return um.um_weighted_sum(nn, term, floats(np.array([10, 1], np.float32)), 2)

    def theirs(x):
        t, p = double(y), torch.sigmoid(x)
        bce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
        return 10 * (torch.exp(2 * F.logsigmoid(-x * (2 * t - 1))) * bce).mean() - torch.log(
            (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))

    return [normal(rng, *shape) * 2], ours, theirs


def dice(rng, last, **options):
    """a map of classes; without options method.md 9.4, Dice + cross entropy"""
    B, C = int(rng.integers(1, 4)), int(rng.integers(2, 15))
    space = tuple(int(k) for k in rng.integers(2, 12, 3 if not last else 2))
    t = rng.integers(0, C, (B, *space)).astype(np.int32)
    ce = not options
    batch, first = options.get("batch", False), 0 if options.get("include_background", True) else 1
    square = ce or options.get("squared_pred", False)
    nr, dr = (0, 1e-6) if ce else (1e-5, 1e-5)
    how = Dice(target=ints(t), last=last, softmax=True, batch=batch, square=square, first=first, top=nr, bottom=dr)
    kind = ml.DiceCELoss if ce else ml.DiceLoss
    loss = kind(to_onehot_y=True, softmax=True, smooth_nr=nr, smooth_dr=dr, **(options or {"squared_pred": True}))

    def ours(nn, x):
        d = um.um_dice(nn, x, c.byref(how))
        if not ce:
            return d
        term = (PTR * 2)(d, um.um_cross_entropy_map(nn, x, ints(t), c.c_bool(last)))
        return um.um_weighted_sum(nn, term, floats(np.ones(2, np.float32)), 2)

    def theirs(x):
        return loss(x.movedim(-1, 1) if last else x, torch.from_numpy(t).long()[:, None])

    return [normal(rng, *((B, *space, C) if last else (B, C, *space))) * 2], ours, theirs


def masks(rng):
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 6)), *(int(k) for k in rng.integers(3, 30, 2)))
    y = rng.random(shape).astype(np.float32)
    how = Dice(y=floats(y), square=True, top=1e-5, bottom=1e-5)
    theirs = ml.DiceLoss(sigmoid=True, squared_pred=True, smooth_nr=1e-5, smooth_dr=1e-5)
    return [normal(rng, *shape)], lambda nn, x: um.um_dice(nn, x, c.byref(how)), lambda x: theirs(x, double(y))


def product(rng, ta, tb):
    b, m, n, k = (int(i) for i in rng.integers(2, 40, 4))
    t = rng.integers(0, n, b * m).astype(np.int32)
    x = [normal(rng, b, *((k, m) if ta else (m, k))), normal(rng, b, *((n, k) if tb else (k, n)))]

    def ours(nn, p, q):
        y = PTR(um.um_bmm(nn, p, q, c.c_bool(ta), c.c_bool(tb)))
        return um.um_cross_entropy(nn, PTR(um.um_reshape(nn, y, 2, (I64 * 2)(b * m, n))), ints(t), c.c_bool(False))

    def theirs(p, q):
        y = (p.mT if ta else p) @ (q.mT if tb else q)
        return F.cross_entropy(y.reshape(-1, n), torch.from_numpy(t).long())

    return x, ours, theirs


def put(rng):
    B, n, T, C = (int(k) for k in rng.integers(2, 20, 4))
    T += n
    idx = np.stack([rng.permutation(T)[:n] for _ in range(B)]).astype(np.int32)
    t = rng.integers(0, C, B * T).astype(np.int32)

    def ours(nn, x, v):
        y = PTR(um.um_put_tokens(nn, x, ints(idx), I64(T), v))
        return um.um_cross_entropy(nn, PTR(um.um_reshape(nn, y, 2, (I64 * 2)(B * T, C))), ints(t), c.c_bool(False))

    def theirs(x, v):
        y = v.expand(B, T, C).scatter(1, torch.from_numpy(idx).long()[..., None].expand(B, n, C), x)
        return F.cross_entropy(y.reshape(-1, C), torch.from_numpy(t).long())

    return [normal(rng, B, n, C), normal(rng, C)], ours, theirs


CASES = {
    "cross entropy, soft targets": lambda r: soft_targets(r, False),
    "cross entropy, soft targets, columns": lambda r: soft_targets(r, True),
    "contrastive loss, equal texts": same_text,
    "FocalLoss": lambda r: focal(r, None),
    "FocalLoss, alpha": lambda r: focal(r, 0.25),
    "10 focal - log dice": focal_and_dice,
    "DiceCELoss, squared": lambda r: dice(r, False),
    "DiceCELoss, squared, classes last": lambda r: dice(r, True),
    "DiceLoss, batch, no background": lambda r: dice(r, False, batch=True, include_background=False),
    "DiceLoss, sigmoid, soft masks": masks,
    "batched product": lambda r: product(r, False, False),
    "batched product, a^T": lambda r: product(r, True, False),
    "batched product, b^T": lambda r: product(r, False, True),
    "batched product, a^T b^T": lambda r: product(r, True, True),
    "tokens put back": put,
}


def case(device, make, seed):
    values, ours, theirs = make(np.random.default_rng(seed))
    o = Ours(device, values)
    leaves = [double(v).requires_grad_() for v in values]
    want = theirs(*leaves)
    want.backward()
    got = error(o.loss(ours), want.item())
    grads = max(error(g, leaf.grad) for g, leaf in zip(o.views("grad"), leaves))
    o.close()
    return got, grads


def adamw(device, seed):
    """two groups, clipped together; the error of all weights after 20 steps"""
    rng = np.random.default_rng(seed)
    values = [normal(rng, 37, 19), normal(rng, 19), normal(rng, 20000)]
    o, optim, done = Ours(device, values, [True, False, True]), PTR(), Update()
    ok(um.um_adamw_new(c.byref(optim), o.ps, c.byref(AdamwOpts(0.9, 0.99, 1e-8, 0.1, False, 2, 5.0))))
    leaves = [double(v).requires_grad_() for v in values]
    torch_optim = torch.optim.AdamW([{"params": [leaves[0], leaves[2]], "weight_decay": 0.1},
                                     {"params": [leaves[1]], "weight_decay": 0}], lr=1e-2, betas=(0.9, 0.99), eps=1e-8)
    norms = 0
    for _ in range(20):
        scale = float(rng.choice([0.001, 1]))
        grads = [normal(rng, *v.shape) * np.float32(scale) for v in values]
        length = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in grads))
        for mine, leaf, g in zip(o.views("grad"), leaves, grads):
            mine[...] = g
            leaf.grad = double(g) * min(1, 5 / length)
        ok(um.um_adamw_step(optim, c.c_double(1e-2), c.byref(done)))
        torch_optim.step()
        norms = max(norms, abs(done.norm - length) / length)
    worst = max(error(v, leaf.detach()) for v, leaf in zip(o.views("value"), leaves))
    um.um_adamw_free(optim)
    o.close()
    return norms, worst


def main():
    failed = 0
    print(f"PyTorch {torch.__version__}; relative L2 errors, worst of 5 draws")
    for device in sys.argv[1:] or ["ref", "cpu"]:
        for name, make in CASES.items():
            value, grad = (max(k) for k in zip(*(case(device, make, s) for s in range(5))))
            good = value <= VALUE and grad <= GRADIENT
            failed += not good
            print(f"{'ok' if good else 'NOT OK':6} {device:4} {name:38} value {value:.1e}  gradients {grad:.1e}")
        norm, weights = (max(k) for k in zip(*(adamw(device, s) for s in range(5))))
        good = norm <= 1e-12 and weights <= WEIGHTS
        failed += not good
        print(f"{'ok' if good else 'NOT OK':6} {device:4} {'AdamW, 20 steps, decay groups':38} norm  {norm:.1e}  "
              f"weights   {weights:.1e}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
