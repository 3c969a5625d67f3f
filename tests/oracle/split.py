#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""split.py - um-split against NumPy's legacy generator, pandas and scikit-learn

usage: split.py BUILD      needs numpy, pandas, scikit-learn

Each published way of drawing is done by the package that drew it, and by um-split, over tables of
1 to 30,000 patients and many seeds: permutation, choice, sample, train_test_split once and twice
(shares and counts), KFold's first fold. Rows and their order must be the same.
"""
import subprocess
import sys

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, train_test_split

TOOL = sys.argv[1] + "/um-split"
bad = compared = 0


def um(args, rows=None):
    r = subprocess.run([TOOL, "-q", *map(str, args)], input=rows, capture_output=True, text=True, check=True)
    return r.stdout.splitlines()


def manifest(n):
    return "key\timage\tpatient\n" + "".join(f"k{i}\tx\tp{i:06d}\n" for i in range(n))


def parts(lines):
    out = {"train": [], "valid": [], "test": []}
    for line in lines[1:]:
        key, _, _, split = line.split("\t")
        out[split].append(int(key[1:]))
    return out


def same(what, got, want):
    global bad, compared
    compared += 1
    if list(got) != list(want):
        bad += 1
        print(f"  differs: {what}: {list(got)[:8]} ... not {list(want)[:8]} ...")


def double(n, seed, valid, test):
    train, rest = train_test_split(np.arange(n), test_size=valid + test, random_state=seed)
    both = valid / (valid + test)
    t, v = train_test_split(rest, test_size=both, random_state=seed)
    got = parts(um(["--drawn", "--seed", seed, "--valid", valid, "--test", test], manifest(n)))
    for name, want in (("train", train), ("valid", v), ("test", t)):
        same(f"train_test_split twice, n {n}, seed {seed}, {valid} {test}: {name}", got[name], want)


def single(n, seed, f):
    train, held = train_test_split(np.arange(n), test_size=f, random_state=seed)
    got = parts(um(["--drawn", "--seed", seed, "--valid", f], manifest(n)))
    same(f"train_test_split, n {n}, seed {seed}, {f}: train", got["train"], train)
    same(f"train_test_split, n {n}, seed {seed}, {f}: held", got["valid"], held)


def sample(n, seed, f):
    want = pd.DataFrame({"i": np.arange(n)}).sample(frac=f, random_state=seed)["i"]
    if len(want):
        got = parts(um(["--drawn", "--by", "row", "--subset", f, "--seed", seed], manifest(n)))
        same(f"sample, n {n}, seed {seed}, {f}", got["train"], want)


def main():
    rng = np.random.default_rng(1)
    for n in [1, 2, 3, 10, 255, 256, 257, 26684, 30000]:
        for seed in [0, 1, 42, 12345, 2**32 - 1]:
            np.random.seed(seed)
            same(f"permutation {n}, seed {seed}", map(int, um(["--permutation", n, "--seed", seed])),
                 np.random.RandomState(seed).permutation(n))
            k = max(1, n // 3)
            same(f"choice {n}, seed {seed}", map(int, um(["--permutation", n, "--first", k, "--seed", seed])),
                 np.random.choice(n, size=k, replace=False))
    double(26684, 0, 0.15, 0.15)
    double(26684, 0, 5337, 5337)
    double(26684, 42, 1000, 3000)
    for _ in range(60):
        n, seed = int(rng.integers(20, 3000)), int(rng.integers(0, 2**32))
        single(n, seed, float(rng.choice([0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5])))
        sample(n, seed, float(rng.choice([0.01, 0.1, 0.25, 0.5])))
    for n in range(20, 200, 7):
        want = next(iter(KFold(n_splits=5, shuffle=True, random_state=12345).split(np.arange(n))))[1]
        got = parts(um(["--test", 0.2, "--seed", 12345], manifest(n)))["test"]
        same(f"KFold's first of five, n {n}", got, want)
    # MGCA's COVIDx: train_size 0.8 holds out n - floor(0.8 n), um-split ceil(0.2 n)
    odd = [n for n in range(5, 200000) if n - int(np.floor(0.8 * n)) != int(np.ceil(0.2 * n))]
    same("train_size 0.8 is test_size 0.2 for 5 to 200,000 rows", odd, [])
    print(f"{compared} draws compared, {bad} differ (numpy {np.__version__}, pandas {pd.__version__})")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
