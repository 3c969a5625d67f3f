#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""adapters.py - a manifest and the stream made from it, held against the truth of the phantom

  adapters.py NAME TREE MANIFEST [STREAM [PLAIN]]

TREE was made by um-phantom --layout NAME. What must be in the manifest is worked out here from
TREE/truth.tsv and from what man/um-phantom.1 says of the layout: rows, patients, parts, labels, classes,
boxes, masks, reports. STREAM must hold the same keys, with an image or a volume (and mask) each, and the
labels, class and split of the manifest. PLAIN is a stream of the same patients' X-rays in no layout, from PNG:
those of STREAM must be the same.
"""
import collections
import pathlib
import re
import sys

import numpy

name, tree, manifest = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]

cases = collections.OrderedDict()  # number: split, findings {name: row}, width, height


def table(path):
    lines = pathlib.Path(path).read_bytes().decode().split("\n")  # a CR is part of a field
    assert lines.pop() == ""
    head = lines[0].split("\t")
    assert all(line.count("\t") == len(head) - 1 for line in lines)
    return [dict(zip(head, line.split("\t"))) for line in lines[1:]]


for r in table(tree / "truth.tsv"):
    c = cases.setdefault(int(r["patient"][1:]), {"split": r["split"], "findings": {}})
    if r["finding"] != "none":
        c["findings"][r["finding"]] = r
rows = table(manifest)
keys = [r["key"] for r in rows]
assert len(set(keys)) == len(keys)


def same(what, got, want):
    assert got == want, f"{name}: {what}: {got} is not {want}"


def has(i, finding):
    return finding in cases[i]["findings"]


def files_there(*columns):
    for r in rows:
        for c in columns:
            assert not r[c] or (tree / r[c]).exists(), (r["key"], c)


def by_patient(number):
    """rows of each case; number: a row's patient to the case"""
    out = collections.defaultdict(list)
    for r in rows:
        out[number(r["patient"])].append(r)
    return out


def mimic():
    got = by_patient(lambda p: int(p[1:]) - 10000000)
    for i, c in cases.items():
        want = (i % 11 != 7) + (i % 4 == 1) + (i % 5 == 2)
        same(f"pictures of {i}", len(got[i]), want)
        for r in got[i]:
            same("split", r["split"], c["split"])
            same("report", r["report_file"] == "", i % 13 == 5)
            for label, finding in (("cardiomegaly", "cardiomegaly"), ("consolidation", "consolidation"),
                                   ("pleural_effusion", "effusion"), ("pneumothorax", "pneumothorax"),
                                   ("lung_lesion", "nodule")):
                same(label, r["label." + label], "" if i % 9 == 4 else str(int(has(i, finding))))
            same("edema", r["label.edema"], "-1" if i % 3 == 0 and i % 9 != 4 else "")
    same("lateral", sum(r["view"] == "LATERAL" for r in rows), sum(i % 4 == 1 for i in cases))
    files_there("image", "report_file")


def bimcv():
    got = by_patient(lambda p: int(p[5:]) - 3000)
    spanish = {"nodule": "nodule", "consolidation": "consolidation", "effusion": "pleural effusion",
               "cardiomegaly": "cardiomegaly", "pneumothorax": "pneumothorax"}
    english = "FINDINGS" in "".join(r["report"] for r in rows)
    for i, c in cases.items():
        lateral = ["LL" if i % 8 == 1 else "LATERAL"] if i % 4 == 1 else []
        untold = ["PA" if i % 10 == 2 else ""] if i % 5 == 2 else []
        views = ["AP" if i % 2 else "PA"] + lateral + untold
        same(f"images of {i}", sorted(r["modality"] + r["view"] for r in got[i]),
             sorted(["CR" + v for v in views] + ["CT"] * (i % 3 == 0)))
        for r in got[i]:
            acq = re.search(r"_acq-(\d)", r["key"])
            k = 0 if not acq else 1 if acq[1] == "2" else len(views) - 1
            ends = ["0,4095", "200,3800", "548,3548", "100,3900"][(i + k) % 4].split(",")
            none = r["modality"] == "CT" or k == 0 and i % 16 == 14
            same("levels of " + r["key"], r["levels"], "" if none else ",".join(ends[::-1] if (i // 2 + k) % 3 == 0 else ends))
        for r in got[i]:
            same("report", r["report"] == "", i % 9 == 4 if english else i % 11 == 6)
            if i % 11 != 6:
                want = [spanish[f] for f in spanish if has(i, f)]
                same("findings", r["findings"], ", ".join(want) or "normal")
            if not english and i % 11 != 6:
                assert r["report"].startswith("HALLAZGOS:\r") and "\rCONCLUSI\u00d3N:\rEl Dr. no ve 'm\u00e1s'." in r["report"]
    files_there("image")


def chexpert():
    got = by_patient(lambda p: int(p[7:]) - (64541 if int(p[7:]) >= 64541 else 1))
    for i, c in cases.items():
        frontal = 0 if i % 17 == 12 else 1 + (i % 6 == 2 and c["split"] != "test")
        same(f"pictures of {i}", len(got[i]), frontal)
        same("one part", len({r["split"] for r in got[i]}), frontal > 0)
        for r in got[i]:
            same("test", r["split"] == "test", c["split"] == "test")
            for label, finding in (("cardiomegaly", "cardiomegaly"), ("consolidation", "consolidation"),
                                   ("pleural_effusion", "effusion")):
                same(label, r["label." + label], str(int(has(i, finding))))
            same("blank", r["label.atelectasis"] + r["label.edema"], "00")
    # -n 5 of the table: a picture or two of those may not be there
    same("held out", 3 <= sum(r["split"] == "valid" for r in rows) <= 6, True)
    files_there("image")


def rsna():
    same("rows", len(rows), sum(i % 17 != 11 for i in cases))
    truth = collections.Counter()
    for i in cases:
        if i % 17 != 11:
            b = [";".join(",".join(str(int(float(cases[i]["findings"][f][k]))) for k in
                                   ("box_x0", "box_y0", "box_x1", "box_y1"))
                          for f in ("consolidation", "nodule") if has(i, f))]
            truth[b[0]] += 1
    same("boxes", collections.Counter(r["boxes"] for r in rows), truth)
    for r in rows:
        same("label", r["label.pneumonia"], str(int(r["boxes"] != "")))
        same("class", r["class"] == "Lung Opacity", r["boxes"] != "")
    n = len(cases)
    held = -(-n * 3 // 10)
    parts = collections.Counter(r["split"] for r in rows)
    assert parts["train"] <= n - held and parts["valid"] <= -(-held // 2) and parts["test"] <= held // 2
    assert sum(parts.values()) + sum(i % 17 == 11 for i in cases) == n
    files_there("image")


def covidx():
    got = by_patient(int)
    for i, c in cases.items():
        same(f"pictures of {i}", len(got[i]), 0 if i % 19 == 10 else 1 + (i % 5 == 1))
        for r in got[i]:
            same("class", r["class"], "normal" if not c["findings"] else "COVID-19" if i % 2 else "pneumonia")
            same("test", r["split"] == "test", c["split"] == "test")
        same("one part", len({r["split"] for r in got[i]}) <= 1, True)
    train = sum(c["split"] != "test" for c in cases.values())
    valid = {r["patient"] for r in rows if r["split"] == "valid"}
    assert 0 < len(valid) <= -(-train // 10)
    files_there("image")


def ccccii():
    got = by_patient(int)
    for i, c in cases.items():
        gone = i % 9 == 8 or i % 13 == 11
        same(f"scans of {i}", len(got[i]), 0 if gone else 1 + (i % 4 == 1))
        for r in got[i]:
            same("class", r["class"], "Normal" if not c["findings"] else ["CP", "NCP"][i % 2])
            same("split", r["split"], c["split"])
            same("folder", (tree / r["image"]).is_dir(), True)
            there = sorted((f.name for f in (tree / r["image"]).glob("*.png")), reverse=True)
            same("slices from the feet", r["slices"].split(";"), there)


def luna16():
    got = by_patient(lambda p: int(p.split(".")[-1]) % 1000000)
    for i in cases:
        same(f"scans of {i}", len(got[i]), i % 17 != 14)
        for r in got[i]:
            same("label", r["label.nodule"], str(int(has(i, "nodule"))))
            same("nodules", r["nodules"] != "", has(i, "nodule"))
            same("split", r["split"], {8: "valid", 9: "test"}.get(i % 10, "train"))
    files_there("image")


def organs(stem, image_gone, label_gone):
    got = by_patient(lambda p: int(re.sub(r"\D", "", p)) - 1)
    for i, c in cases.items():
        mr = name == "amos" and i % 5 == 4
        same(f"scans of {i}", len(got[i]), not (mr or image_gone(i) or label_gone(i)))
        for r in got[i]:
            assert r["mask"] and r["mask"] != r["image"]
            if name == "amos":
                same("split", r["split"], "train" if c["split"] == "train" else "test")
    files_there("image", "mask")


def folder():
    got = by_patient(lambda p: int(p[1:]))
    for i in cases:
        same(f"images of {i}", len(got[i]), (i % 11 != 7) + (i % 3 == 0))
        for r in got[i]:
            ct = r["image"].endswith("ct.nii.gz")
            same("mask", r["mask"] != "", ct)
            same("report", r["report_file"] != "", ct or i % 4 != 2)
            same("label", r["label.effusion"], "" if ct else str(int(has(i, "effusion"))))
            same("note", r["note"], "" if ct else f'ward 1, "{i}"')
    files_there("image", "mask", "report_file")


def read(path):
    page = (pathlib.Path(__file__).parents[2] / "man/umt.5").read_text()  # its eight lines of Python
    scope = {}
    exec(re.search(r'^\.\\" reader\.py\n\.Bd -literal\n(.*?)^\.Ed', page, re.S | re.M).group(1), scope)
    return scope["read"](open(path, "rb"))


def stream(path):
    done = 0
    for (key, meta, tensors), r in zip(read(path), rows):
        same("key", key, r["key"])
        done += 1
        image = tensors.get("image", tensors.get("volume"))
        assert image is not None and image.size and numpy.ptp(image) > 0, key
        for column in ("split", "class", "view", "patient"):
            same(column, meta.get(column, ""), r.get(column, ""))
        for column in r:
            if column.startswith("label.") and r[column] != "":
                same(column, meta["label"][column[6:]], float(r[column]))
        if r.get("mask"):
            same("mask of " + key, tensors["mask"].shape, image.shape)
        if r.get("boxes"):
            same("boxes of " + key, tensors["boxes"].shape, (r["boxes"].count(";") + 1, 4))
        if r.get("report") or r.get("report_file"):
            assert len(meta["report"]) > 60, key
    same("records", done, len(rows))


def same_pictures(path, plain):
    picture = {int(meta["patient"][1:]): tensors["image"] for _, meta, tensors in read(plain)}
    done = 0
    for (key, meta, tensors), r in zip(read(path), rows):
        if "image" not in tensors:
            continue
        if r["levels"]:
            same("levels in the meta of " + key, meta["levels"], [float(x) for x in r["levels"].split(",")])
            assert (tensors["image"] == picture[int(r["patient"][5:]) - 3000]).all(), (key, r["levels"])
            done += 1
        else:
            assert tensors["image"].max() <= 16, key
    same("pictures with levels", done, sum(r["levels"] != "" for r in rows))


check = {"mimic-cxr-jpg": mimic, "bimcv-covid19plus": bimcv, "chexpert": chexpert, "rsna": rsna, "covidx": covidx,
         "cc-ccii": ccccii, "luna16": luna16, "folder": folder,
         "bcv": lambda: organs("img", lambda i: False, lambda i: i % 10 == 9),
         "amos": lambda: organs("amos", lambda i: i % 13 == 8, lambda i: False)}
check[name]()
if len(sys.argv) > 4:
    stream(sys.argv[4])
if len(sys.argv) > 5:
    same_pictures(sys.argv[4], sys.argv[5])
