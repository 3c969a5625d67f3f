#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vocab.py - um-tokenize --train-vocab's pairs against plain byte pair encoding, counted anew at each merge

usage: vocab.py LIBUM.SO TABLE... [-- SIZE...]

The oracle knows no heap and no lists: it counts all pairs of all words at every merge, so it is slow;
the sizes are small. Words come from the library's own cleaning of lower-case ASCII sentences, which
report.py checks; here they are split by Python.
"""
import collections
import ctypes
import random
import re
import sys


def oracle(texts, size):
    words = collections.Counter()
    for t in texts:
        words.update(re.findall(r"[a-z0-9]+|[^a-z0-9 ]", t))
    letters = collections.Counter()
    for w, n in words.items():
        for c in w:
            letters[c] += n
    keep = sorted(sorted(letters, key=lambda c: (-letters[c], c))[:min(1000, (size - 5) // 2)])
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + keep + ["##" + c for c in keep]
    ids = {p: i for i, p in enumerate(vocab)}
    rows = [([w[0]] + ["##" + c for c in w[1:]], n) for w, n in words.items() if set(w) <= set(keep)]
    while len(vocab) < size:
        pairs = collections.Counter()
        for row, n in rows:
            for pair in zip(row, row[1:]):
                pairs[pair] += n
        pairs = {p: n for p, n in pairs.items() if n >= 2}
        if not pairs:
            break
        left, right = min(pairs, key=lambda p: (-pairs[p], ids[p[0]], ids[p[1]]))
        made = left + right[2:]
        if made not in ids:
            ids[made] = len(vocab)
            vocab.append(made)
        for row, _ in rows:
            i = 0
            while i + 1 < len(row):
                if row[i] == left and row[i + 1] == right:
                    row[i:i + 2] = [made]
                i += 1
    return vocab


def trained(lib, texts, size):
    arena, train = ctypes.c_void_p(), ctypes.c_void_p()
    out, n = ctypes.c_char_p(), ctypes.c_size_t()
    assert lib.um_arena_new(ctypes.byref(arena)) == 0 and lib.um_vocab_train_new(ctypes.byref(train), False) == 0
    for t in texts:
        data = t.encode()
        assert lib.um_vocab_train_add(train, data, ctypes.c_size_t(len(data))) == 0
    got = lib.um_vocab_train_run(train, ctypes.c_int64(size), arena, ctypes.byref(out), ctypes.byref(n))
    assert got > 0, lib.um_errmsg()
    vocab = out.value.decode().split("\n")[:-1]
    assert len(vocab) == got
    lib.um_vocab_train_free(train)
    lib.um_arena_free(arena)
    return vocab


def table(path):
    with open(path, encoding="utf-8", newline="\n") as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    at = rows[0].index("report")
    return [" ".join(re.findall(r"[a-z0-9.,]+", row[at].lower())) for row in rows[1:]]


def main():
    args = sys.argv[2:]
    at = args.index("--") if "--" in args else len(args)
    sizes = [int(x) for x in args[at + 1:]] or [200, 600]
    lib = ctypes.CDLL(sys.argv[1])
    lib.um_errmsg.restype = ctypes.c_char_p
    rng, bad = random.Random(3), 0
    sets = [(p, table(p), sizes) for p in args[:at]]
    for i in range(300):  # few letters, many ties, pairs that spell one piece in two ways, runs of one letter
        texts = [" ".join("".join(rng.choice("aab"[:1 + i % 3] + "c" * (i % 2)) for _ in range(rng.randrange(1, 12)))
                          for _ in range(rng.randrange(1, 30))) for _ in range(3)]
        sets.append((f"made up {i}", texts, [16, 40, 400]))
    for name, texts, some in sets:
        for size in some:
            same = oracle(texts, size) == trained(lib, texts, size)
            bad += not same
            if not same or not name.startswith("made up"):
                print(f"{name.split('/')[-1]}, {size}: {'same' if same else 'DIFFERENT'}")
    print(f"{sum(len(s) for _, _, s in sets)} vocabularies compared, {bad} differences")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
