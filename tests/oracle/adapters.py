#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""adapters.py - the lists of rsna.sh, covidx.sh and chexpert.sh at their published sizes

usage: adapters.py BUILD      needs numpy, pandas, scikit-learn

Tables of the real sizes with made-up ids and empty files; the lists are drawn by pandas and
scikit-learn in the way that method.md 9.1, 9.3 and 9.8 describe, and must be the adapters', row by row.
"""
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import uuid

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

BUILD = os.path.abspath(sys.argv[1])
SH = pathlib.Path(__file__).parents[2] / "pipelines/manifests"
rng = random.Random(5)
bad = 0


def run(name, *args):
    start = time.time()
    r = subprocess.run([SH / f"{name}.sh", *args], env={**os.environ, "BUILD": BUILD}, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    lines = [line.split("\t") for line in r.stdout.splitlines()]
    out = pd.DataFrame(lines[1:], columns=lines[0])
    print(f"{r.stderr.strip()} ({time.time() - start:.1f} s)")
    return out


def same(what, got, want):
    global bad
    ok = list(got) == list(want)
    bad += not ok
    print(f"  {what}: {len(list(want))} rows, {'the same' if ok else 'DIFFERENT'}")


def rsna(folder):
    (folder / "stage_2_train_images").mkdir(parents=True)
    ids = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(26684)]
    lines = []
    for i in ids:
        (folder / f"stage_2_train_images/{i}.dcm").touch()
        boxes = rng.choice([0, 0, 0, 1, 2])
        lines += [f"{i},{rng.randrange(500)}.0,{rng.randrange(500)}.0,100.0,200.0,1" for _ in range(boxes)] or \
            [f"{i},,,,,0"]
    (folder / "stage_2_train_labels.csv").write_text("patientId,x,y,width,height,Target\n" + "\n".join(lines) + "\n")
    patients = sorted(ids)
    for how, held in (("classify", 0.15 * 2), ("segment", 5337 * 2)):
        train, rest = train_test_split(patients, test_size=held, random_state=0)
        test, valid = train_test_split(rest, test_size=0.5, random_state=0)
        got = run("rsna", "-s", how, str(folder))
        for part, want in (("train", train), ("valid", valid), ("test", test)):
            same(f"{how} {part}", got[got["split"] == part]["key"], want)


def covidx(folder):
    lines = {"train": [], "test": []}
    for part, n in (("train", 29986), ("test", 400)):
        (folder / part).mkdir(parents=True)
        for i in range(n):
            (folder / part / f"{i}.png").touch()
            lines[part].append(f"{rng.randrange(n // 2)}{part} {i}.png {rng.choice(['normal', 'pneumonia', 'COVID-19'])} x")
        (folder / f"{part}_COVIDx9A.txt").write_text("\n".join(lines[part]) + "\n")
    train, valid = train_test_split(list(range(29986)), train_size=0.8, random_state=0)
    got = run("covidx", "-s", "mgca", str(folder))
    for part, want in (("train", train), ("valid", valid)):
        same(f"mgca {part}", got[got["split"] == part]["key"], [f"train/{i}.png" for i in want])
    got = run("covidx", str(folder))
    shares = got[got["split"] != "test"].groupby("patient")["split"].nunique()
    same("by patient, parts of each", sorted(set(shares)), [1])


def chexpert(folder):
    head = ("Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,"
            "Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,"
            "Fracture,Support Devices").split(",")
    tasks = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
    rows = []
    for i in range(223414):
        labels = dict.fromkeys(head[5:], "")
        if rng.random() < 0.5:
            labels[rng.choice(tasks)] = "1.0"
        else:
            labels = {c: rng.choice(["", "", "0.0", "-1.0", "1.0"]) for c in labels}
        side = "Frontal" if rng.random() < 0.855 else "Lateral"
        path = f"train/patient{i // 3:05d}/study{i % 3}/view1_{side.lower()}.jpg"
        os.makedirs(folder / os.path.dirname(path), exist_ok=True)
        (folder / path).touch()
        rows.append(["CheXpert-v1.0/" + path, "Male", "60", side, "", *labels.values()])
    pd.DataFrame(rows, columns=head).to_csv(folder / "train.csv", index=False)
    os.makedirs(folder / "valid/patient99999/study1")
    (folder / "valid/patient99999/study1/view1_frontal.jpg").touch()
    pd.DataFrame([["CheXpert-v1.0/valid/patient99999/study1/view1_frontal.jpg", "Male", "60", "Frontal", "AP"] + [""] * 14],
                 columns=head).to_csv(folder / "valid.csv", index=False)

    df = pd.read_csv(folder / "train.csv")
    blank = df.fillna(0)
    frontal = blank[blank["Frontal/Lateral"] == "Frontal"]
    others = [c for c in head[6:] if c not in tasks]
    five = pd.concat([
        frontal[(frontal[[c for c in tasks + others if c != t]] == 0).all(axis=1) & (frontal[t] == 1)].sample(
            n=200, random_state=0) for t in tasks])
    left = df[~df["Path"].isin(five["Path"])]
    np.random.seed(0)
    drawn = np.random.choice(len(left), size=5000, replace=False)
    valid, train = left.iloc[drawn], left.drop(drawn, errors="ignore")
    key = lambda t: [p.split("/", 1)[1][:-4] for p in t[t["Frontal/Lateral"] == "Frontal"]["Path"]]
    got = run("chexpert", "-s", "mgca", str(folder))
    same("mgca train", got[got["split"] == "train"]["key"], key(train))
    same("mgca valid, in the table's order", got[got["split"] == "valid"]["key"],
         [k + "#valid" for k in key(valid.sort_index())])
    leak = len(set(valid.index) & set(train.index)) / len(valid)
    print(f"  of the validation pictures {100 * leak:.1f} % train too")
    got = run("chexpert", "-s", "5x200", str(folder))
    same("5 x 200", sorted(got["key"]), sorted(key(five)))
    got = run("chexpert", str(folder))
    same("by patient, parts of each", sorted(set(got.groupby("patient")["split"].nunique())), [1])


with tempfile.TemporaryDirectory() as d:
    for one in (rsna, covidx, chexpert):
        one(pathlib.Path(d) / one.__name__)
sys.exit(bad != 0)
