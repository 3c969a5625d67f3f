#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py - the cleaning of reports against a second implementation with Python's `re`

usage: report.py LIBUM.SO TABLE...     tables: tab separated, with a `report` column

Compares um_report_clean(), plain and strict, with clean() and clean_strict() below on every report of the tables, and on texts made up of
headings, blank lines, odd spaces and characters that lower-case or count as words in unusual ways.
"""
import ctypes
import random
import re
import sys
import unicodedata

# the names of method.md 1.3, and the Spanish ones of um-tokenize(1) without their accents; each word may have
# one S more
FINDINGS = """finding result report hallazgo resultado informe descripcion""".split()
IMPRESSION = ["impression", "conclusion", "opinion", "summary", "summaries", "interpretation", "diagnosis",
              "diagnoses", "impresion", "impresiones", "impresion diagnostica", "juicio diagnostico", "diagnostico",
              "conclusiones", "resumen", "interpretacion"]
BOTH = ["finding and impression", "finding/impression", "hallazgo y conclusion", "hallazgo y conclusiones",
        "hallazgo e impresion"]
CAPITAL = "A-Z\u00c0-\u00d6\u00d8-\u00de"
HEADING = re.compile(rf"^[ \t]*([{CAPITAL} ()/,\u0300-\u036f-]*[{CAPITAL}][{CAPITAL} ()/,\u0300-\u036f-]*):(?=\s|\Z)", re.M)


def known(names):
    return re.compile("|".join(re.sub(r"(?=[ /]|$)", "s?", n) for n in names))


FINDINGS, IMPRESSION, BOTH = map(known, (FINDINGS, IMPRESSION, BOTH))


def normal(name):
    name = "".join(c for c in unicodedata.normalize("NFD", name) if not 0x300 <= ord(c) <= 0x36f)
    name = re.sub(r" */ *", "/", re.sub(r" +", " ", name.strip(" "))).lower()
    return {kind for kind, names in (("findings", FINDINGS), ("impression", IMPRESSION)) if names.fullmatch(name)} or (
        {"findings", "impression"} if BOTH.fullmatch(name) else set())


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


def words_of(piece):
    words = re.findall(r"\w+", piece.replace("\ufffd\ufffd", " ").lower())
    if len(words) <= 1:
        return []
    return [w for w in (w.encode("ascii", "ignore").decode() for w in words) if w]


def result(pieces):
    sentences = [w for w in map(words_of, pieces) if w]
    return [" ".join(w) for w in sentences], sum(map(len, sentences))


def clean(raw):
    return result(piece for part in re.split(r"[0-9]+\.", body(raw)) for piece in part.split("."))


ALWAYS = set("dr mr mrs ms prof st vs e.g i.e eg ie dra sr cf fig a.m p.m ca incl resp approx dept al sra aprox p.ej "
             "ej".split())
BEFORE_SMALL = set("mm cm ml cc yr yrs hr hrs min lat inf sup ant post der dcho dcha izq izdo izda med int ext temp seg "
                   "segm p".split())


def small(text):
    text = text.lstrip(" ")
    return text != "" and (text[0] in "abcdefghijklmnopqrstuvwxyz" or (text[0] > "\x7f" and text[0].upper() != text[0]))


def holds(before, after):
    """does the full stop between the two texts end no sentence?"""
    last, first = before[-1:], after[:1]
    if re.match("[0-9]", last) and re.match("[0-9]", first) or first == "_":
        return True
    if last == "_":
        return bool(re.match("[A-Za-z0-9]", first)) or small(after)
    if re.search(r"(^|[^A-Za-z])[A-Za-z]$", before) and re.match("[A-Za-z]", first):
        return True
    word = re.search(r"(?:[A-Za-z]|(?<=[A-Za-z])\.)*$", before)
    if before[:word.start()][-1:] > "\x7f":
        return False
    word = word.group().lower()
    return word in ALWAYS or word in BEFORE_SMALL and small(after)


def clean_strict(raw):
    text, pieces, at = body(raw), [], 0
    for dot in re.finditer(r"\.", text):
        if not holds(text[:dot.start()], text[dot.end():]):
            piece = text[at:dot.start()]
            pieces.append("" if re.fullmatch(r"\s*[0-9]+", piece) else piece)
            at = dot.end()
    return result(pieces + [text[at:]])


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

    def clean(self, raw, strict):
        data, out = raw.encode(), Report()
        st = self.lib.um_report_clean(self.arena, data, ctypes.c_size_t(len(data)),
                                      ctypes.byref(ctypes.c_bool(strict)), ctypes.byref(out))
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
             "HALLAZGOS:", "CONCLUSI\u00d3N:", "IMPRESIO\u0301N :", "T\u00c9CNICA:", "HALLAZGOS Y CONCLUSI\u00d3N:",
             "JUICIO DIAGN\u00d3STICO:", "\u00d7:", "Dr.", "e.g. ", "p. ej. ", "3 cm. ", "inf. ", "izq. ", "U.S. ", "lat.",
             "normal", "\u00edndice", "\u00cdndice", "n\u00f3dulo.", "\u00f3inf. a", "___.", "_", "1. ", "B", "a",
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
        for strict, second in ((False, clean), (True, clean_strict)):
            differ = [t for t in texts if um.clean(t, strict) != second(t)]
            bad += len(differ)
            kept = sum(len(second(t)[0]) >= 3 and second(t)[1] >= 3 for t in texts)
            print(f"{name.split('/')[-1]}, {'strict' if strict else 'method'}: {len(texts)} texts compared, "
                  f"{len(differ)} differences; {kept} have three sentences")
            for t in differ[:3]:
                print(f"  {t!r}\n  um     {um.clean(t, strict)}\n  oracle {second(t)}")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
