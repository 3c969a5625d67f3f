#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peer.py - bench/steps beside PyTorch: the same works, threads and precision, in one run

usage: BUILD=build peer.py [PATTERN]        needs torch, timm, transformers from PyPI

Each work is run in turn by bench/steps, by PyTorch eager and by torch.compile, ROUNDS times; medians
are compared, PyTorch's being the better of its two. Prints the table that run.sh keeps and draws.
"""
import os
import statistics
import subprocess
import sys
import time
import warnings

import timm
import torch
import torch.nn.functional as F

import peer_method
from peer_method import DEVICE, PRESETS, autocast, pinned, sync, uploaded

warnings.filterwarnings("ignore")
ROUNDS = int(os.environ.get("ROUNDS", "5"))
BUILD = os.environ.get("BUILD", "build")
LENGTHS = [112, 74, 58, 97, 41, 83, 66, 52]
if DEVICE.type == "cpu":
    torch.set_num_threads(2)
torch.manual_seed(1)


class Pair(torch.nn.Module):
    """volume tokens and the tokens of four slices, one sequence, through timm's blocks"""

    def __init__(self):
        super().__init__()
        self.vit = timm.create_model("vit_base_patch16_224", in_chans=1, num_classes=0)
        self.patch3 = torch.nn.Conv3d(1, 768, (4, 16, 16), (4, 16, 16))
        self.pos3 = torch.nn.Parameter(torch.randn(1, 512, 768) * 0.02)

    def forward(self, volume, slices):
        v, b = self.vit, volume.shape[0]
        t3 = self.patch3(volume).flatten(2).transpose(1, 2) + self.pos3
        t2 = v.patch_embed(slices) + v.pos_embed[:, 1:]
        cls = (v.cls_token + v.pos_embed[:, :1]).expand(b, -1, -1)
        x = torch.cat([cls, t3, t2.reshape(b, -1, 768)], 1)
        return v.norm(v.blocks(x))[:, 0]


class Vit(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.vit = timm.create_model(name, in_chans=1, num_classes=0)

    def forward(self, x):
        return self.vit.forward_features(x)[:, 0]


class Bert(torch.nn.Module):
    def __init__(self, preset="vit-b"):
        super().__init__()
        self.bert = peer_method.bert(PRESETS[preset])

    def forward(self, ids, mask):
        return self.bert(ids, attention_mask=mask).last_hidden_state[:, 0]


def images(n):
    return (torch.rand(n, 1, 224, 224),)


def texts(n=8):
    lengths = torch.tensor((LENGTHS * (n // 8 + 1))[:n])
    mask = (torch.arange(112)[None] < lengths[:, None]).long()
    return torch.randint(1, 28996, (n, 112)) * mask, mask


WORKS = [  # name, model, inputs, bf16, gradient, update: in the order of steps.c
    ("vit-b forward 8 f32", lambda: Vit("vit_base_patch16_224"), lambda: images(8), False, False, False),
    ("vit-b forward 8 bf16", lambda: Vit("vit_base_patch16_224"), lambda: images(8), True, False, False),
    ("vit-b step 8 f32", lambda: Vit("vit_base_patch16_224"), lambda: images(8), False, True, True),
    ("vit-b step 8 bf16", lambda: Vit("vit_base_patch16_224"), lambda: images(8), True, True, True),
    ("pair backward 2 bf16", Pair, lambda: (torch.rand(2, 1, 32, 128, 128), *images(8)), True, True, False),
    ("vit-ti step 32 bf16", lambda: Vit("vit_tiny_patch16_224"), lambda: images(32), True, True, True),
    ("vit-ti forward 1 bf16", lambda: Vit("vit_tiny_patch16_224"), lambda: images(1), True, False, False),
    ("vit-ti forward 32 bf16", lambda: Vit("vit_tiny_patch16_224"), lambda: images(32), True, False, False),
    ("bert backward 8x112 bf16", Bert, texts, True, True, False),
]
METHOD = [  # name, samples, volumes?: after those
    ("vit-ti method 8 X-rays bf16", 8, False),
    ("vit-ti method 4 volumes bf16", 4, True),
]


def runner(model, x, bf16, grad, update):
    opt = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True) if update else None
    model.train(grad)

    def once():
        sync()
        t = time.perf_counter()
        with torch.set_grad_enabled(grad), autocast(bf16):
            y = model(*uploaded(x))
        if grad:
            model.zero_grad(set_to_none=True)
            F.cross_entropy(y.float(), torch.zeros(len(y), dtype=torch.long, device=y.device)).backward()
        if opt:
            opt.step()
        sync()
        return time.perf_counter() - t

    return once


def halved(model, x):
    """weights and inputs in bf16: PyTorch's other way to encode"""
    model, x = model.bfloat16().eval(), [pinned(v.bfloat16()) if v.is_floating_point() else v for v in x]

    def once():
        sync()
        t = time.perf_counter()
        with torch.inference_mode():
            model(*uploaded(x))
        sync()
        return time.perf_counter() - t

    return once


def peers(make, inputs, bf16, grad, update):
    x = inputs()
    yield runner(make().to(DEVICE), x, bf16, grad, update)
    yield runner(torch.compile(make().to(DEVICE)), x, bf16, grad, update)
    if bf16 and not grad:
        yield halved(make().to(DEVICE), x)


class Ours:
    def __init__(self, *argv):
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, i, what):
        self.p.stdin.write(f"{i} {what}\n")
        self.p.stdin.flush()
        return float(self.p.stdout.readline())


def steady(once):
    """seconds of the second of two runs: the first finds another's data in the caches"""
    time.sleep(0.3)  # threads of the one before may still be spinning
    once()
    return once()


def measure(ours, i, name, others):
    for once in others:
        once()
    mine, limit, theirs = [], [], [[] for _ in others]
    for _ in range(ROUNDS):
        mine.append(steady(lambda: ours.ask(i, "ours")))
        for t, once in zip(theirs, others):
            t.append(steady(once))
        limit.append(ours.ask(i, "limit"))
    ours.ask(i, "close")
    mid = statistics.median
    return name, mid(mine), min(mid(t) for t in theirs), mid(limit)


def peak(*argv):
    """the most memory a process held, MiB"""
    pid = os.posix_spawnp(argv[0], argv, os.environ)
    return os.wait4(pid, 0)[2].ru_maxrss / 1024


def memory_work():
    """what peak() watches: three float steps of ViT-B/16, batch 8"""
    _, make, inputs, *how = WORKS[2]
    once = runner(make(), inputs(), *how)
    for _ in range(3):
        once()


def start():
    """seconds until um-encode's first record is out, and until Python has imported torch"""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "start.sh")
    mine, theirs = [], []
    for _ in range(ROUNDS):
        mine.append(float(subprocess.run([script], capture_output=True, text=True, check=True).stdout))
        t = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        theirs.append(time.perf_counter() - t)
    return statistics.median(mine), statistics.median(theirs)


def rows(ours, pattern):
    works = [(name, lambda work=work: peers(*work)) for name, *work in WORKS]
    works += [(name, lambda work=work: peer_method.peers("vit-ti", *work, texts(work[0]))) for name, *work in METHOD]
    for i, (name, others) in enumerate(works):
        if pattern in name:
            yield measure(ours, i, name, list(others()))
            torch._dynamo.reset()
    if pattern in "memory of a step, MiB":
        yield ("memory of a step, MiB", peak(os.path.join(BUILD, "bench/steps"), "-m", "2"),
               peak(sys.executable, __file__, "-m"), None)
    if pattern in "um-encode to its first record, import torch":
        yield ("um-encode to its first record, import torch", *start(), None)


def main():
    if sys.argv[1:] == ["-m"]:
        return memory_work()
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    print("work", "ours", "peer", "ratio", "limit", "share", sep="\t", flush=True)
    for name, mine, peer, limit in rows(Ours(os.path.join(BUILD, "bench/steps"), "-i"), pattern):
        print(name, f"{mine:.4g}", f"{peer:.4g}", f"{peer / mine:.2f}",
              *((f"{limit:.4g}", f"{limit / mine:.2f}") if limit else ("-", "-")), sep="\t", flush=True)


if __name__ == "__main__":
    main()
