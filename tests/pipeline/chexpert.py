#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""chexpert.py - the relatives' lists of CheXpert, worked out a second way

  chexpert.py make FOLDER                        a table of 1,500 pictures with all five labels, files empty
  chexpert.py check FOLDER EACH N MGCA 5X200 PATIENT   the three manifests that chexpert.sh made of it

The rules are those that method.md 9.1 states, written with rows as a table of positions and labels;
the generator is NumPy's own.
"""
import csv
import pathlib
import random
import sys

import numpy as np

HEAD = ("Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,"
        "Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
        "Support Devices").split(",")
TASKS = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
UNCERTAIN = dict(zip(TASKS, "10011"))


def make(folder):
    rng = random.Random(3)
    for part, n in (("train", 1500), ("valid", 20)):
        with open(folder / f"{part}.csv", "w", newline="") as f:
            out = csv.writer(f)
            out.writerow(HEAD)
            for i in range(n):
                side = rng.choice(["Frontal"] * 4 + ["Lateral"])
                study = f"{part}/patient{i // 3 + (0 if part == 'train' else 64541):05d}/study{i % 3 + 1}"
                path = f"{study}/view1_{side.lower()}.jpg"
                (folder / study).mkdir(parents=True)
                (folder / path).touch()
                labels = {c: rng.choice(["", "", "", "0.0", "-1.0", "1.0"] if rng.random() < 0.3 else [""])
                          for c in HEAD[5:]}
                if rng.random() < 0.4:
                    labels = {c: rng.choice(["", "0.0"]) for c in labels}
                    labels[rng.choice(TASKS)] = "1.0"
                labels["No Finding"] = rng.choice(["", "1.0"])
                out.writerow(["CheXpert-v1.0/" + path, "Male", i, side, "AP" if side == "Frontal" else "",
                              *(labels[c] for c in HEAD[5:])])


def table(path):
    lines = path.read_text().splitlines()
    return [dict(zip(lines[0].split("\t"), line.split("\t"))) for line in lines[1:]]


def label(row):
    return [{"": "0", "1.0": "1", "0.0": "0"}.get(row[t]) or UNCERTAIN[t] for t in TASKS]


def labels_of(r):
    return [r["label." + t.lower().replace(" ", "_")] for t in TASKS]


def check(folder, each, count, mgca, five, patient):
    rows = list(csv.DictReader(open(folder / "train.csv", newline="")))
    tests = list(csv.DictReader(open(folder / "valid.csv", newline="")))
    name = lambda r: r["Path"].split("/", 1)[1][:-4]
    frontal = lambda r: r["Frontal/Lateral"] == "Frontal"
    others = [c for c in HEAD[6:] if c not in TASKS]

    picked = []
    for t in TASKS:
        alone = [i for i, r in enumerate(rows) if frontal(r) and r[t] == "1.0" and
                 all(r[c] in ("", "0.0") for c in TASKS + others if c != t)]
        picked += [(alone[k], t) for k in np.random.RandomState(0).permutation(len(alone))[:each]]
    assert len(picked) == 5 * each
    got = table(five)
    assert sorted((r["key"], r["class"]) for r in got) == sorted(
        (name(rows[i]), t.lower().replace(" ", "_")) for i, t in picked)

    away = {i for i, _ in picked}
    left = [i for i in range(len(rows)) if i not in away]  # original numbers, by position
    np.random.seed(0)
    drawn = np.random.choice(len(left), size=count, replace=False)
    valid = [left[p] for p in drawn]
    train = [i for i in left if i not in set(drawn.tolist())]
    got = table(mgca)
    assert [r["key"] for r in got if r["split"] == "train"] == [name(rows[i]) for i in train if frontal(rows[i])]
    assert sorted(r["key"] for r in got if r["split"] == "valid") == sorted(
        name(rows[i]) + "#valid" for i in valid if frontal(rows[i]))
    shared = set(valid) & set(train)
    assert len(shared) > 0.5 * count, len(shared)  # the leak
    for r in got:
        if r["split"] != "test":
            row = rows[[name(x) for x in rows].index(r["key"].removesuffix("#valid"))]
            assert labels_of(r) == label(row), r
    assert [r["key"] for r in got if r["split"] == "test"] == [name(r) for r in tests if frontal(r)]

    got = table(patient)
    assert [r["key"] for r in got] == [name(r) for r in rows + tests if frontal(r)]
    part = {}
    for r in got:
        assert part.setdefault(r["patient"], r["split"]) == r["split"]
    n = sum(r["split"] == "valid" for r in got)
    assert count <= n <= count + 2, n


if sys.argv[1] == "make":
    make(pathlib.Path(sys.argv[2]))
else:
    check(pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), *map(pathlib.Path, sys.argv[5:]))
