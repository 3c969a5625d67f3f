#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tokenizer.py - WordPiece ids against Hugging Face's tokenizers (from PyPI)

usage: tokenizer.py [--speed] LIBUM.SO FOLDER     FOLDER: vocab.txt, vocab-uncased.txt, *reports.tsv

Every report of the tables, every code point between letters, and made-up texts (accents, combining
marks in odd orders, Hangul, ideographs, emoji, control characters, overlong words, special tokens
spelled out), each with both vocabularies and with one in which nearly every
character is a piece (so that [UNK] hides nothing), cased and not, cut at 112 ids and at 16.
"""
import ctypes
import glob
import os
import random
import sys
import tempfile
import time

from tokenizers import BertWordPieceTokenizer

CHARS = 0x110000


class Um:
    def __init__(self, lib, vocab, cased, length):
        self.lib, self.cased, self.length = lib, cased, length
        self.vocab = ctypes.c_void_p()
        if lib.um_vocab_load(ctypes.byref(self.vocab), vocab.encode()) < 0:
            raise SystemExit(lib.um_errmsg().decode())
        self.ids = (ctypes.c_int32 * length)()
        self.mask = (ctypes.c_uint8 * length)()

    def run(self, data):
        return self.lib.um_wordpiece_encode(self.vocab, data, ctypes.c_size_t(len(data)), self.cased,
                                            ctypes.c_int64(self.length), self.ids, self.mask, None)

    def __call__(self, text):
        n = self.run(text.encode())
        if n < 0:
            raise SystemExit(self.lib.um_errmsg().decode())
        assert sum(self.mask) == n and list(self.mask) == [1] * n + [0] * (self.length - n)
        return list(self.ids)


def hf(vocab, cased, length):
    tok = BertWordPieceTokenizer(vocab, lowercase=not cased)
    tok.enable_truncation(length)
    tok.enable_padding(length=length)
    return tok


def table(path):
    with open(path, encoding="utf-8", newline="\n") as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    at = rows[0].index("report")
    return [row[at] for row in rows[1:]]


def code_points():
    some = [chr(c) for c in range(CHARS) if not 0xd800 <= c < 0xe000]
    return ["a" + " b".join(some[i:i + 8]) + "c" for i in range(0, len(some), 8)]


def made_up(rng, n):
    blocks = [(0x20, 0x7e), (0x20, 0x7e), (0xa0, 0x24f), (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x4ff), (0x590, 0x5ff),
              (0x600, 0x6ff), (0x900, 0xdff), (0x1100, 0x11ff), (0x1e00, 0x1fff), (0x2000, 0x206f), (0x20d0, 0x20ff),
              (0x3000, 0x30ff), (0x3400, 0x3440), (0x4e00, 0x4e80), (0xac00, 0xd7a3), (0xf900, 0xfaff),
              (0xfe00, 0xffff), (0x1d160, 0x1d180), (0x1e000, 0x1e02a), (0x1e940, 0x1e94a), (0x11440, 0x11450),
              (0x1f300, 0x1f6ff), (0x2f800, 0x2fa1d), (0x2b820, 0x2b930), (0, 0x1f), (0x7f, 0x9f), (0, CHARS - 1)]
    atoms = ["[CLS]", "[MASK]", "[mask]", "[UNK", "[PAD]x", "\u0130", "\u0131", "I\u0307", "\u03a3\u03a3", "\u00df", "\u1e9e", "\u212a", "\ufffd",
             "\u302e", "\u302f", "\u034f", "\u0315", "\u0327", "\u1b44", "\u200d", "\u200b", "\u00ad", "\ufeff", "\u037e", "\u1fef", "\u2000",
             "x" * 99, "x" * 100, "x" * 101, "\u00e9" * 100, "a\u0301" * 60, "\u0301", "\u302e" * 101, "\u302f\u1b44" * 3, "\U0001d165\U0001d16d",
             "nodule", "opacity", "pneumothorax", " ", " ", "\n", "\t", "\r", "\u00a0", "\u3000", "\u0085", "##ing", "don't", "3.5cm"]
    for _ in range(n):
        out = []
        for _ in range(rng.randrange(1, 30)):
            if rng.random() < 0.3:
                out.append(rng.choice(atoms))
                continue
            lo, hi = rng.choice(blocks)
            for _ in range(rng.randrange(1, 5)):
                c = rng.randint(lo, hi)
                if not 0xd800 <= c < 0xe000:
                    out.append(chr(c))
        yield "".join(out)


def characters(path):
    """a vocabulary of single characters: all below U+20000 but ideographs and Hangul, twice"""
    left_out = [(0x3401, 0x9fff), (0xac02, 0xd7a3), (0xd800, 0xdfff), (0x17000, 0x18aff)]
    some = [chr(c) for c in range(0x21, 0x20000) if not any(a <= c <= b for a, b in left_out)]
    some = [c for c in some if not c.isspace() and c not in "\x85\u2028\u2029"]
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        f.write("".join(p + "\n" for p in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + some + ["##" + c for c in some]))
    return path


def compare(lib, folder, sets, temp):
    bad = 0
    for vocab in os.path.join(folder, "vocab.txt"), os.path.join(folder, "vocab-uncased.txt"), characters(temp):
        path, vocab = vocab, os.path.basename(vocab)
        for cased in (True, False):
            for length in 112, 16:
                um, tok = Um(lib, path, cased, length), hf(path, cased, length)
                for name, texts in sets:
                    want = [e.ids for e in tok.encode_batch(texts)]
                    differ = [(t, w) for t, w in zip(texts, want) if um(t) != w]
                    bad += len(differ)
                    print(f"{vocab} {'cased' if cased else 'lower-cased'} {length}: {name}: {len(texts)} texts, "
                          f"{len(differ)} differences", flush=True)
                    for t, w in differ[:3]:
                        print(f"  {t!r}\n  um {um(t)}\n  hf {w}")
    return bad


def speed(lib, folder, texts):
    """best of five over all reports, one thread each, nothing cut off, so that both do all the work"""
    path, data = os.path.join(folder, "vocab.txt"), [t.encode() for t in texts]
    um, tok = Um(lib, path, False, 4096), hf(path, False, 4096)
    tok.no_padding()
    best = {}
    for _ in range(5):
        for name, run, items in ("um", um.run, data), ("hf", tok.encode, texts), ("hf batch", None, texts):
            t0 = time.perf_counter()
            if run is None:
                tok.encode_batch(items)
            else:
                for item in items:
                    run(item)
            best[name] = min(best.get(name, 1e9), time.perf_counter() - t0)
    size = sum(map(len, data)) / 1e6
    print(", ".join(f"{k} {len(texts) / v:.0f} reports/s ({size / v:.1f} MB/s)" for k, v in best.items()))
    print(f"um / hf (one report a call) {best['hf'] / best['um']:.1f}, um / hf batch {best['hf batch'] / best['um']:.1f}")


def main():
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    args = [a for a in sys.argv[1:] if a != "--speed"]
    lib = ctypes.CDLL(args[0])
    lib.um_errmsg.restype = ctypes.c_char_p
    sets = [(os.path.basename(p), table(p)) for p in sorted(glob.glob(os.path.join(args[1], "*reports.tsv")))]
    if "--speed" in sys.argv:
        speed(lib, args[1], [t for _, texts in sets for t in texts])
        return
    sets += [("every code point", code_points()), ("made up", list(made_up(random.Random(7), 100000)))]
    with tempfile.TemporaryDirectory() as temp:
        sys.exit(compare(lib, args[1], sets, os.path.join(temp, "characters.txt")) != 0)


if __name__ == "__main__":
    main()
