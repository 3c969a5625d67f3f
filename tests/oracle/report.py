#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py - the cleaning of reports against a second implementation with Python's `re`

usage: report.py LIBUM.SO TABLE...     tables: tab separated, with a `report` column

Compares um_report_clean() with clean() below on every report of the tables, and on texts made up of
headings, blank lines, odd spaces and characters that lower-case or count as words in unusual ways.
"""
import ctypes
import random
import re
import sys
import unicodedata

FINDINGS = {"findings", "finding", "result", "results", "report", "reports"}
IMPRESSION = {"impression", "impressions", "conclusion", "conclusions", "opinion", "opinions", "summary",
              "summarys", "summaries", "interpretation", "interpretations", "diagnosis", "diagnosiss",
              "diagnoses", "diagnosess", "summariess"}
HEADING = re.compile(r"^[ \t]*([A-Z ()/,-]*[A-Z][A-Z ()/,-]*):(?=\s|\Z)", re.M)


def normal(name):
    name = re.sub(r" */ *", "/", re.sub(r" +", " ", name.strip())).lower()
    if name in FINDINGS:
        return {"findings"}
    if name in IMPRESSION:
        return {"impression"}
    if re.fullmatch(r"findings?( ands? |/)impressions?", name):
        return {"findings", "impression"}
    return set()


def body(raw):
    raw = raw.replace("\r\n", "\n").replace("\r", "\n")
    heads = list(HEADING.finditer(raw))
    if not heads:
        return raw.replace("\n", " ")
    sections = {}
    ends = [h.start() for h in heads[1:]] + [len(raw)]
    for h, end in zip(heads, ends):
        text = raw[h.end():end]
        if text.strip():
            for name in normal(h.group(1)):
                sections[name] = (h.start(), text)
    found = [sections[k] for k in ("impression", "findings") if k in sections]
    if not found:
        parts = re.split(r"\n(?=[^\S\n]*\n)", raw[heads[-1].end():].rstrip())
        return parts[-1].replace("\n", " ") if len(parts) > 1 else ""
    texts = [found[0][1]] if len(found) == 2 and found[0] == found[1] else [t for _, t in found]
    return " ".join(texts).replace("\n", " ")


def clean(raw):
    sentences = []
    for part in re.split(r"[0-9]+\.", body(raw)):
        for piece in part.split("."):
            words = re.findall(r"\w+", piece.replace("\ufffd\ufffd", " ").lower())
            if len(words) <= 1:
                continue
            words = [w.encode("ascii", "ignore").decode() for w in words]
            words = [w for w in words if w]
            if words:
                sentences.append(words)
    return [" ".join(w) for w in sentences], sum(map(len, sentences))


class Sentence(ctypes.Structure):
    _fields_ = [("at", ctypes.c_int64), ("n", ctypes.c_int64)]


class Report(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char_p), ("sentence", ctypes.POINTER(Sentence)),
                ("sentences", ctypes.c_int64), ("words", ctypes.c_int64)]


class Um:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.um_errmsg.restype = ctypes.c_char_p
        self.arena = ctypes.c_void_p()
        assert self.lib.um_arena_new(ctypes.byref(self.arena)) == 0

    def clean(self, raw):
        data, out = raw.encode(), Report()
        st = self.lib.um_report_clean(self.arena, data, ctypes.c_size_t(len(data)), None, ctypes.byref(out))
        if st != 0:
            raise SystemExit(self.lib.um_errmsg().decode())
        sentences = [out.text[s.at:s.at + s.n].decode() for s in out.sentence[:out.sentences]]
        assert out.text.decode() == " ".join(sentences)
        self.lib.um_arena_reset(self.arena)
        return sentences, out.words


def table(path):
    with open(path, encoding="utf-8", newline="\n") as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    at = rows[0].index("report")
    return [row[at] for row in rows[1:]]


def odd_characters():
    # characters that this Python and the C library may know from different Unicode versions are left out
    known = [c for c in map(chr, range(1, 0x110000)) if not 0xd800 <= ord(c) < 0xe000 and
             unicodedata.category(c) != "Cn"]
    for i in range(0, len(known), 16):
        yield "ab cd" + "x".join(known[i:i + 16]) + "ef gh. "


def made_up(rng):
    atoms = ["FINDINGS:", "FINDING :", "IMPRESSION:", "IMPRESSIONS:\n", "FINDINGS AND IMPRESSION:", "RESULTS:",
             "FINDINGS / IMPRESSION:", "FINDINGS  AND IMPRESSIONS:", "WET READ:", "COMPARISON:", "TECHNIQUE: ",
             "CHEST, PA (LATERAL) - TWO/THREE:", "DIAGNOSIS:", "SUMMARIES:", "( ):", "Findings:", "FINDINGS:x",
             "\n", "\n", "\n \n", "\n\n", "\r\n", "\r", " ", "\t", ".", ". ", "1.", "12. ", "1.5 ", "..", "___",
             "no pneumothorax", "Lungs clear", "heart", "\ufffd\ufffd", "\ufffd", "\u0130stanbul", "\u212a", "\u00e9t\u00e9",
             "\u03a3\u03a3", "\u0660\u0661.", "\u00bd", "\u4e2d\u6587", "a\u0301", "\u00a0", "\u2028", "\x1c", "\x85", "_", "x_y"]
    return "".join(rng.choice(atoms) + rng.choice(["", "", " "]) for _ in range(rng.randrange(1, 40)))


def main():
    um = Um(sys.argv[1])
    rng = random.Random(1)
    sets = [(path, table(path)) for path in sys.argv[2:]]
    sets += [("every assigned character", list(odd_characters())), ("made up", [made_up(rng) for _ in range(100000)])]
    bad = 0
    for name, texts in sets:
        differ = [t for t in texts if um.clean(t) != clean(t)]
        bad += len(differ)
        print(f"{name.split('/')[-1]}: {len(texts)} texts compared, {len(differ)} differences")
        for t in differ[:3]:
            print(f"  {t!r}\n  um     {um.clean(t)}\n  oracle {clean(t)}")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
