# SPDX-License-Identifier: Apache-2.0
"""metrics.py - AUC, accuracy, bootstrap percentiles, legacy splits, retrieval and the distances between
modalities against scikit-learn, SciPy and NumPy

usage: metrics.py [cases]        reads libum.so from $BUILD (build)

Needs numpy, scipy and scikit-learn. Prints the number of comparisons and the largest difference of each kind;
exit 1 if one is above its limit.
"""
import ctypes as C
import os
import sys

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.metrics.pairwise import cosine_distances
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

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


def unit(rng, n, e):
    """unit vectors in float32; often of few distinct directions, so that there are ties"""
    x = rng.integers(-1, 2, (n, e)) + np.eye(1, e) * 3 if rng.random() < 0.5 else rng.normal(size=(n, e))
    return normalize(x).astype(np.float32)


class Recall(C.Structure):
    _fields_ = [("n", C.c_int64)] + [(k, C.c_double) for k in ("r1", "r5", "r10", "median")]


def recall(score, text):
    """strict figures and those with records of identical text as matches, from the whole matrix"""
    n = len(score)
    strict = np.array([rankdata(-score[i])[i] for i in range(n)])
    same = np.empty(n)
    for i in range(n):
        match = text == text[i]
        best = score[i][match].max()
        tied = score[i] == best
        same[i] = 1 + (score[i] > best).sum() + (tied & ~match).sum() / ((tied & match).sum() + 1)
    return [f for k in (strict, same) for f in [*((k <= at).mean() for at in (1, 5, 10)), np.median(k)]]


def one_retrieval(rng):
    n, e = int(rng.integers(1, 120)), int(rng.integers(1, 40))
    v, r = unit(rng, n, e), unit(rng, n, e)
    text = rng.integers(0, 1 + n // 2, n).astype(np.uint64)
    out = (Recall * 4)()  # image to text, text to image; the same two with same texts as matches
    assert um.um_retrieval_run(None, p(v, C.c_float), p(r, C.c_float), p(text, C.c_uint64), C.c_int64(n), C.c_int64(e),
                               out) == 0
    got = [getattr(out[i], k) for i in (0, 2, 1, 3) for k in ("r1", "r5", "r10", "median")]
    # sums in the order of the components, so that what is tied is the same
    score = sum(v[:, c].astype(float)[:, None] * r[:, c].astype(float) for c in range(e))
    return float(np.abs(np.array(got) - np.array(recall(score, text) + recall(score.T, text))).max())


class Pairs(C.Structure):
    _fields_ = ([(k, C.c_double) for k in ("same", "other", "r1")] +
                [(k, C.c_int64) for k in ("nsame", "nother", "nqueries")])


def one_gap(rng):
    n, m, e = (int(rng.integers(2, 100)) for _ in range(3))
    x, y = (rng.normal(size=(k, e)).astype(np.float32) for k in (n, m))
    a, b = (rng.integers(0, 12, k).astype(np.uint64) for k in (n, m))
    a[0] = b[0] = 1
    a[1] = 2
    out = Pairs()
    assert um.um_gap_pairs(None, p(x, C.c_float), p(a, C.c_uint64), C.c_int64(n), p(y, C.c_float), p(b, C.c_uint64),
                           C.c_int64(m), C.c_int64(e), C.byref(out)) == 0
    d = cosine_distances(x.astype(float), y.astype(float))
    known = (a[:, None] != 0) & (b[None] != 0)
    own, other = known & (a[:, None] == b[None]), known & (a[:, None] != b[None])
    nearest = np.where(known, d, np.inf).argmin(1)
    query = own.any(1)
    want = [d[own].mean(), d[other].mean(), own[np.arange(n), nearest][query].mean(), own.sum(), other.sum(),
            query.sum()]
    return max(abs(getattr(out, k) - w) for (k, _), w in zip(Pairs._fields_, want))


class Centres(C.Structure):
    _fields_ = ([(k, C.c_double) for k in ("ratio", "between", "within")] +
                [(k, C.c_int64) for k in ("classes", "nx", "ny")])


def one_centres(rng):
    e, k = int(rng.integers(2, 40)), int(rng.integers(2, 6))
    n, m = (int(rng.integers(2 * k, 200)) for _ in range(2))
    x, y = ((rng.normal(size=(s, e)) + rng.normal(size=e)).astype(np.float32) for s in (n, m))
    a, b = (np.r_[np.repeat(np.arange(k), 2), rng.integers(0, k, s - 2 * k)].astype(np.int32) for s in (n, m))
    out = Centres()
    assert um.um_gap_centres(p(x, C.c_float), p(a, C.c_int32), C.c_int64(n), p(y, C.c_float), p(b, C.c_int32),
                             C.c_int64(m), C.c_int64(e), C.c_int64(k), C.byref(out)) == 0
    x, y = normalize(x.astype(float)), normalize(y.astype(float))
    ca, cb = NearestCentroid().fit(x, a).centroids_, NearestCentroid().fit(y, b).centroids_
    between = np.linalg.norm(ca - cb, axis=1).mean()
    within = np.mean([np.linalg.norm(z[l == c] - centre[c], axis=1).mean() for z, l, centre in ((x, a, ca), (y, b, cb))
                      for c in range(k)])
    want = [between / within, between, within, k, n, m]
    return max(abs(getattr(out, f) - w) for (f, _), w in zip(Centres._fields_, want))


def main():
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    bad = 0
    for name, one, limit in (("AUC", one_auc, 1e-12), ("accuracy", one_accuracy, 1e-12),
                             ("percentile", one_percentile, 1e-12), ("permutation", one_permutation, 0),
                             ("train_test_split", one_split, 0), ("retrieval", one_retrieval, 1e-12),
                             ("pairs apart", one_gap, 1e-12), ("centroids apart", one_centres, 1e-12)):
        rng = np.random.default_rng(20)
        worst = max(one(rng) for _ in range(cases))
        print(f"{name:18} {cases} cases, largest difference {worst:.3g} (allowed {limit:g})")
        bad += not worst <= limit
    return bad != 0


sys.exit(main())
