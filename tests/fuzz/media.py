# SPDX-License-Identifier: Apache-2.0
"""media.py - damage pictures, volumes and manifests at random; nothing but one line each may come of it

usage: media.py [-n COUNT] [-s SEED] UM-PREPROCESS [FILE ...]

Files are made here; FILEs join them. Run it on a sanitizer build. Every damaged file must be read or
refused by name; every damaged manifest must end with exit 0 or with 1 and one line.
"""
import argparse
import collections
import gzip
import os
import random
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../pipeline"))
import media  # noqa: E402

WORDS = (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\x80\x7f", b"\0\0\xc0\x7f", b"\t\t", b"\n")


def damage(rng, whole):
    d = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if not d:
            break
        near = min(len(d), rng.choice((64, 400, 1 << 30)))  # headers are where the lies are
        k, how = rng.randrange(near), rng.random()
        if how < 0.5:
            d[k] ^= 1 << rng.randrange(8)
        elif how < 0.7:
            d = d[:k]
        elif how < 0.9:
            word = rng.choice(WORDS)
            d[k:k + len(word)] = word
        else:
            d[k:k] = d[k:k + rng.randrange(1, 50)]
    return bytes(d)


def files(rng, count, seeds, tool, work):
    keys = [f"f{i}" for i in range(count)]
    for k in keys:
        media.put(os.path.join(work, k), damage(rng, rng.choice(seeds)))
    table = os.path.join(work, "m.tsv")
    media.put(table, "".join(["key\timage\n"] + [f"{k}\t{k}\n" for k in keys]).encode())
    r = subprocess.run([tool, "-q", "--on-error", "skip", "--rejects", os.path.join(work, "r.tsv"),
                        "--size", "64,4x8x8", table, "-o",
                        os.path.join(work, "o.umt")], stderr=subprocess.PIPE, text=True, check=False)
    if r.returncode or r.stderr:
        sys.exit(f"exit {r.returncode}: {r.stderr}")
    with open(os.path.join(work, "r.tsv"), encoding="utf-8") as f:
        why = collections.Counter(line.split("\t")[1] for line in f)
    print(f"{count} damaged files: {count - sum(why.values())} read, refused: {dict(why)}")


def manifests(rng, count, tool, work):
    media_dir = os.path.join(work, "good")
    os.mkdir(media_dir)
    os.chdir(media_dir)
    media.good()
    with open("manifest.tsv", "rb") as f:
        whole = f.read()
    ends = collections.Counter()
    for _ in range(count):
        r = subprocess.run([tool, "-q", "--root", media_dir, "-", "-o", "o.umt"],
                           input=damage(rng, whole), stderr=subprocess.PIPE, check=False)
        lines = r.stderr.decode(errors="replace").splitlines()
        if r.returncode not in (0, 1) or len(lines) != r.returncode:
            sys.exit(f"exit {r.returncode}: {r.stderr}")
        ends[r.returncode] += 1
    print(f"{count} damaged manifests: {ends[0]} read, {ends[1]} refused")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-n", type=int, default=10000)
    p.add_argument("-s", type=int, default=1)
    p.add_argument("tool")
    p.add_argument("file", nargs="*")
    a = p.parse_args()
    rng, tool = random.Random(a.s), os.path.abspath(a.tool)
    body = media.body((6, 8, 7))
    seeds = [media.png(media.gray(60, 40)), media.png(media.gray(30, 20).astype(np.uint16) * 257),
             media.jpeg(media.gray(8, 10)), media.nifti(body), media.nifti(body, order=">"),
             gzip.compress(media.nifti(body.astype(np.float32)), mtime=0)]
    for name in a.file:
        with open(name, "rb") as f:
            seeds.append(f.read())
    with tempfile.TemporaryDirectory() as work:
        files(rng, a.n, seeds, tool, work)
        manifests(rng, a.n // 50, tool, work)


main()
