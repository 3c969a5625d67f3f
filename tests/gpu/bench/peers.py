#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peers.py - gpu/steps beside PyTorch on the same card: the same works in turn, in one run

usage: UM_BENCH_DEVICE=cuda peers.py GPU/STEPS SECONDS [PATTERN]     needs torch, timm, transformers

Each work is run by gpu/steps and by PyTorch eager in turn, then, once all works were, by gpu/steps and
torch.compile in turn, ROUNDS times each (fewer where a run is long). Both upload their batch in each
run, PyTorch from pinned memory, and wait for the card before and after. Reports are padded to one length
in PyTorch. Medians; memory: what each allocated at most, torch.cuda.max_memory_allocated there. What does
not fit or does not compile is said and left out; nothing is begun that SECONDS leaves no time for.
"""
import gc
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
try:
    import torch

    import peer
    import peer_method
except ImportError as e:
    sys.exit(f"peers: {e}")

DEVICE, CUDA = peer_method.DEVICE, peer_method.DEVICE.type == "cuda"
COMPILING = 45 if CUDA else 20  # seconds that a compiled work wants at least
started = time.monotonic()


def left():
    return float(sys.argv[2]) - (time.monotonic() - started)


def rate(once, work):
    for _ in range(3):
        once()
    times = []
    for _ in range(5):
        peer_method.sync()
        t = time.perf_counter()
        once()
        peer_method.sync()
        times.append(time.perf_counter() - t)
    return work / statistics.median(times)


def ceilings():
    n = 8192 if CUDA else 1024
    a, b = (torch.randn(n, n, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    x = torch.rand(2 ** (29 if CUDA else 22), device=DEVICE)
    y = torch.empty_like(x)
    product, copy = rate(lambda: a @ b, 2 * n ** 3), rate(lambda: y.copy_(x), 2 * x.nbytes)
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if CUDA else 'cpu'}: "
          f"bfloat16 products {product / 1e12:.1f} TFLOP/s, copies {copy / 1e9:.0f} GB/s", flush=True)


def encoder(preset, what, batch, slices, text):
    """model and inputs of a work of one encoder"""
    if text:
        return peer.Bert(preset), peer.texts(batch)
    return peer.Vit(peer_method.PRESETS[preset].vit), peer.images(batch)


def variants(preset, what, batch, slices, text):
    """names, and what makes a function that runs the work and returns seconds"""
    if what in ("contrast", "method"):
        for name, compiled in (("eager", False), ("compile", True)):
            yield name, lambda compiled=compiled: peer_method.Step(
                preset, batch, slices > 0, peer.texts(batch), compiled, what == "method").once
        return
    grad, update = what != "forward", what == "update"

    def make(wrap, run=None):
        model, x = encoder(preset, what, batch, slices, text)
        x = [peer_method.pinned(v) for v in x]
        model = model.to(DEVICE)
        return run(wrap(model), x) if run else peer.runner(wrap(model), x, True, grad, update)

    yield "eager", lambda: make(lambda m: m)
    yield "compile", lambda: make(torch.compile)
    if not grad:
        yield "compile, bf16 weights", lambda: make(lambda m: torch.compile(m.bfloat16().eval()), peer.halved)


def measure(ours, i, once):
    first = once()
    rounds = max(2, min(peer.ROUNDS, int(8 / max(first, 1e-3))))
    mine, theirs = [], []
    for _ in range(rounds):
        for times, run in ((mine, lambda: ours.ask(i, "ours")), (theirs, once)):
            run()
            times.append(run())
    return statistics.median(mine), statistics.median(theirs)


def clear():
    torch._dynamo.reset()
    gc.collect()
    if CUDA:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def compare(steps, i, name, work, kind):
    """a row: work i as PyTorch runs it in the way `kind`"""
    ours, row, once = peer.Ours(*steps, "-i"), f"{name:22s} {work[2]:5d} {kind:22s}", None
    clear()
    try:
        work[2] = int(ours.ask(i, "open"))
        row = f"{name:22s} {work[2]:5d} {kind:22s}"
        once = dict(variants(*work))[kind]()
        once()
        mine, theirs = measure(ours, i, once)
        held = ours.ask(i, "peak") / 2 ** 30
        peak = torch.cuda.max_memory_allocated() / 2 ** 30 if CUDA else float("nan")
        print(row, f"{mine * 1e3:9.2f} {theirs * 1e3:9.2f} {theirs / mine:6.2f} {held:8.2f} {peak:8.2f} {held / peak:6.2f}",
              flush=True)
    except Exception as e:  # out of memory, a compiler that fails: the others go on
        print(row, "failed:", f"{type(e).__name__}: {e}".splitlines()[0][:100], flush=True)
    ours.p.stdin.close()
    ours.p.wait()


def main():
    pattern = sys.argv[3] if len(sys.argv) > 3 else ""
    steps = [sys.argv[1], "-d", DEVICE.type]
    ceilings()
    print(f"{'work':22s} {'batch':>5s} {'peer':22s} {'ours ms':>9s} {'peer ms':>9s} {'ratio':>6s} "
          f"{'ours GiB':>8s} {'peer GiB':>8s} {'ratio':>6s}", flush=True)
    works = subprocess.run([*steps, "-l"], capture_output=True, text=True, check=True).stdout
    works = [line.split("\t") for line in works.splitlines()]
    works = [(i, name, [preset, what, int(batch), int(slices), text == "1"])
             for i, (name, preset, what, batch, slices, text) in enumerate(works) if pattern in name]
    for compiled in (False, True):
        for i, name, work in works:
            for kind in [kind for kind, _ in variants(*work) if ("compile" in kind) == compiled]:
                if left() < (COMPILING if compiled else 15):
                    print(f"{name:22s} {work[2]:5d} {kind:22s} out of time", flush=True)
                else:
                    compare(steps, i, name, list(work), kind)


main()
