# SPDX-License-Identifier: Apache-2.0
"""metrics.py - AUC, accuracy, bootstrap percentiles and legacy splits against scikit-learn and NumPy

usage: metrics.py [cases]        reads libum.so from $BUILD (build)

Needs numpy and scikit-learn. Prints the number of comparisons and the largest difference of each kind;
exit 1 if one is above its limit.
"""
import ctypes as C
import os
import sys

import numpy as np
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

um = C.CDLL(os.path.join(os.environ.get("BUILD", "build"), "libum.so"))
um.um_auc.restype = um.um_accuracy.restype = um.um_percentile.restype = C.c_double
um.um_mt_sample_count.restype = C.c_int64


def p(a, kind):
    return a.ctypes.data_as(C.POINTER(kind))


def auc(score, label, weight):
    n = C.c_int64(len(score))
    order = np.zeros(len(score), np.int64)
    assert um.um_auc_order(p(score, C.c_float), n, p(order, C.c_int64)) == 0
    return um.um_auc(p(score, C.c_float), p(label, C.c_int8), p(weight, C.c_int32), p(order, C.c_int64), n)


def one_auc(rng):
    n = int(rng.integers(2, 3000))
    score = rng.normal(size=n)
    score = (np.round(score * rng.choice([1, 3, 50])) if rng.random() < 0.7 else score).astype(np.float32)
    label = (rng.random(n) < rng.random()).astype(np.int8)
    label[:2] = 0, 1
    weight = rng.integers(0, 4, n).astype(np.int32) if rng.random() < 0.5 else np.ones(n, np.int32)
    weight[:2] = 1
    return abs(auc(score, label, weight) - roc_auc_score(label, score, sample_weight=weight))


def one_accuracy(rng):
    n = int(rng.integers(1, 500))
    a, b = (rng.integers(0, 4, n).astype(np.int32) for _ in range(2))
    w = rng.integers(1, 5, n).astype(np.int32)
    got = um.um_accuracy(p(a, C.c_int32), p(b, C.c_int32), p(w, C.c_int32), C.c_int64(n))
    return abs(got - accuracy_score(b, a, sample_weight=w))


def one_percentile(rng):
    x = np.sort(rng.normal(size=int(rng.integers(1, 1200))))
    q = float(rng.random())
    return abs(um.um_percentile(p(x, C.c_double), C.c_int64(len(x)), C.c_double(q)) - np.percentile(x, 100 * q))


def one_permutation(rng):
    seed, n = int(rng.integers(0, 2**32)), int(rng.integers(0, 3000))
    a = np.zeros(n + 1, np.int64)
    um.um_mt_permutation(C.c_uint32(seed), p(a, C.c_int64), C.c_int64(n))
    return int((a[:n] != np.random.RandomState(seed).permutation(n)).sum())


def one_split(rng):
    seed, n, f = int(rng.integers(0, 2**31)), int(rng.integers(4, 3000)), float(rng.uniform(0.05, 0.7))
    train, test, k = np.zeros(n, np.int64), np.zeros(n, np.int64), C.c_int64()
    assert um.um_mt_split(C.c_uint32(seed), C.c_int64(n), C.c_double(f), p(train, C.c_int64), p(test, C.c_int64),
                          C.byref(k)) == 0
    want_train, want_test = train_test_split(np.arange(n), test_size=f, random_state=seed)
    if k.value != len(want_test):
        return 1
    return int((test[:k.value] != want_test).sum() + (train[:n - k.value] != want_train).sum())


def main():
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    bad = 0
    for name, one, limit in (("AUC", one_auc, 1e-12), ("accuracy", one_accuracy, 1e-12),
                             ("percentile", one_percentile, 1e-12), ("permutation", one_permutation, 0),
                             ("train_test_split", one_split, 0)):
        rng = np.random.default_rng(20)
        worst = max(one(rng) for _ in range(cases))
        print(f"{name:18} {cases} cases, largest difference {worst:.3g} (allowed {limit:g})")
        bad += not worst <= limit
    return bad != 0


sys.exit(main())
