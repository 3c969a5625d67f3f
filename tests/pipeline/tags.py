#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tags.py - a folder of BIMCV-COVID19+ whose json say in many ways what the pictures hold, and what must come of it

  tags.py many FOLDER    a patient with a picture for each way; FOLDER/expected.tsv: key, levels, view
  tags.py cut FOLDER     one json, cut after each of its bytes; FOLDER/list names the pictures
"""
import json
import os
import sys


def v(vr, *values):
    return {"vr": vr, "Value": list(values)}


def sequence(*items):
    return {"vr": "SQ", "Value": list(items)}


M1, M2, BITS = v("CS", "MONOCHROME1"), v("CS", "MONOCHROME2"), {"00280101": v("US", 12)}


def window(centre, width, form=None, slope=None, intercept=None):
    tags = {"00280004": M2, **BITS, "00281050": v("DS", *centre), "00281051": v("DS", *width)}
    tags |= {"00281056": v("CS", form)} if form else {}
    return tags | ({"00281052": v("DS", intercept), "00281053": v("DS", slope)} if slope is not None else {})


def table(first, data, kind=M2):
    return {"00280004": kind, **BITS, "00283010": sequence(
        {"00283002": v("US", len(data) % 65536, first, 12), "00283003": v("LO", "A"), "00283006": v("US", *data)},
        {"00283002": v("US", 9, 9, 9), "00283006": v("US", 1, 2)})}


FULL = window([2048], [4096])
# way: json (text as it is; None: no file), levels
LEVELS = {
    "bits": (BITS, "0,4095"),
    "bits-10-inverted": ({"00280101": v("US", 10), "00280004": M1}, "1023,0"),
    "bits-16": ({"00280101": v("US", 16)}, "0,65535"),
    "bits-1": ({"00280101": v("US", 1)}, "0,1"),
    "bits-0": ({"00280101": v("US", 0)}, ""),
    "bits-17": ({"00280101": v("US", 17)}, ""),
    "padded": ({**BITS, "00280004": v("CS", "MONOCHROME1 ")}, "4095,0"),
    "window": (FULL, "0,4095"),
    "window-half": (window([2000.5], [3601]), "200,3800"),
    "window-odd": (window([2000], [3601]), "199.5,3799.5"),
    "window-inverted": ({**window([2000.5], [3601]), "00280004": M1}, "3800,200"),
    "window-first": (window([2000.5, 1], [3601, 2]), "200,3800"),
    "window-texts": (window(["2000.5 "], [" 3601", "7"]), "200,3800"),
    "window-exponent": (window(["2.0005e3"], ["+3.601E+3"]), "200,3800"),
    "window-exact": (window([2000], [3600], "LINEAR_EXACT"), "200,3800"),
    "window-linear": (window([2000], [3600], "linear"), "200,3799"),
    "window-sigmoid": (window([2000], [3600], "SIGMOID"), "200,3800"),
    "window-negative": (window([-100.25], [301]), "-250.75,49.25"),
    "window-thirds": (window([1000], [2001], slope=3, intercept=0), "-0.1667,666.5"),
    "window-rescaled": (window([1000], [2001], slope=2, intercept=-500), "249.75,1249.75"),
    "window-reversed": (window([2048], [4096], slope=-1, intercept=4095), "4095,0"),
    "window-slope-0": (window([2048], [4096], slope=0, intercept=0), "0,4095"),
    "window-1": (window([100], [1]), "0,4095"),
    "window-1-exact": (window([100], [1], "LINEAR_EXACT"), "99.5,100.5"),
    "window-0": (window([100], [0], "LINEAR_EXACT"), "0,4095"),
    "window-far": (window([5e7], [10]), "0,4095"),
    "window-null": (window([None], [4096]), "0,4095"),
    "window-no-value": ({**BITS, "00281050": {"vr": "DS"}, "00281051": {"vr": "DS", "Value": []}}, "0,4095"),
    "window-no-number": (window(["WINDOW"], ["0x10"]), "0,4095"),
    "window-width-alone": ({**BITS, "00281051": v("DS", 100)}, "0,4095"),
    "table": (table(100, [0, 0, 7, 4000, 4095, 4095]), "101,104"),
    "table-down": (table(100, [9, 9, 5, 1]), "103,101"),
    "table-down-inverted": (table(100, [9, 9, 5, 1], M1), "101,103"),
    "table-flat": (table(100, [5, 5, 5]), "0,4095"),
    "table-long": (table(0, [min(max(i - 300, 0), 4000) for i in range(65536)]), "300,4300"),
    "table-elsewhere": ({**BITS, "00283010": sequence({"00283002": v("US", 3900, 100, 12), "00283006": {
        "vr": "OW", "InlineBinary": "AAAB"}})}, "100,3999"),
    "table-elsewhere-65536": ({**BITS, "00283010": sequence({"00283002": v("US", 0, 0, 16)})}, "0,65535"),
    "table-rescaled": ({**table(100, [0, 0, 7, 4095]), "00281052": v("DS", 1), "00281053": v("DS", 2)}, "50,51"),
    "table-and-window": ({**table(100, [1, 2, 3, 4]), **FULL}, "0,4095"),
    "in-a-sequence": ({**BITS, "00540220": sequence(window([1], [3]))}, "0,4095"),
    "colour": ({**FULL, "00280004": v("CS", "RGB")}, ""),
    "plain": ({"0028 0101": 12, "00280004": "MONOCHROME1", "00281050": 2048, "00281051": "4096"}, "4095,0"),
    "plain-lists": ({"(0028,0101)": 12, "00281050": ["2048", "1"], "00281051": [4096, 2]}, "0,4095"),
    "plain-many": ({"00280101": "12", "00281050": "2048\\1", "00281051": "4096\\2"}, "0,4095"),
    "in-a-list": ([{"00280101": v("US", 11)}, {"00280101": v("US", 3)}], "0,2047"),
    "other-tags": ({"00080060": v("CS", "CR")}, ""),
    "no-tags": ({}, ""),
    "cut": (json.dumps(FULL)[:-1], ""),
    "cut-in-a-text": (json.dumps(FULL)[:25], ""),
    "empty": ("", ""),
    "crossed": ('{"00280101": {"vr": "US", "Value": [12}]}', ""),
    "closed-twice": (json.dumps(FULL) + "}", ""),
    "no-json": ("0028", ""),
    "none": (None, ""),
}
# way: depth and colour of the PNG, json, levels
KINDS = {
    "gray-16": (16, 0, FULL, "0,4095"),
    "gray-and-alpha": (16, 4, FULL, "0,4095"),
    "rgb": (8, 2, FULL, ""),
    "rgba": (16, 6, FULL, ""),
    "palette": (8, 3, FULL, ""),
    "gray-8": (8, 0, FULL, ""),
    "gray-8-of-8": (8, 0, {"00280101": v("US", 8), "00280004": M1}, "255,0"),
}


def said(text=None, position=None, procedure=None):
    tags = {"00280101": v("US", 8)}
    tags |= {"0008103E": v("LO", text)} if text is not None else {}
    tags |= {"00185101": v("CS", position)} if position else {}
    return tags | ({"00081032": sequence({"00080100": v("SH", "1"), "00080104": v("LO", procedure)},
                                         {"00080104": v("LO", "TORAX LAT")})} if procedure else {})


# what the name says after vp-, json, view
VIEWS = [
    ("pa", None, "PA"), ("AP", said("x"), "AP"), ("Ll", said("TORAX PA"), "LL"), ("lateral", said("x"), "LATERAL"),
    ("rl", said("TÓRAX LAT"), "RL"), ("pa", said("TÓRAX LAT"), "LATERAL"), ("ap", said("W034 TÓRAX LAT. *"), "LATERAL"),
    ("pa", said("RX TORAX  PA Y LAT"), "PA"), ("pa", said("TORAX", "LL"), "LATERAL"), ("pa", said("TORAX PA", "RL"), "LATERAL"),
    ("pa", said("TORAX LAT", "PA"), "LATERAL"), ("PA", {"0018 5101": "LL"}, "LATERAL"), ("pa", {"0008103e": "torax lat"}, "LATERAL"),
    ("pa", said('TORAX "LAT" \\'), "LATERAL"), ("pa", said(procedure="LATERAL IZQ."), "LATERAL"),
    ("pa", said("TORAX PA", procedure="LATERAL"), "PA"), ("pa", said(procedure="TORAX"), "PA"),
    ("ap", said("DECUBITO LATERAL"), "AP"), ("pa", said("PLATAFORMA"), "PA"), ("pa", [said("x"), said("TORAX LAT")], "PA"),
    ("", said("TORAX PA"), "PA"), ("", said("SUP.AP PORTABLE"), "AP"), ("", said("PORTÁTIL"), "AP"),
    ("", said("PORTÁTIL LAT"), "LATERAL"), ("", said("torax", "ap"), "AP"), ("", said("TORAX PA", "AP"), "AP"),
    ("", said(procedure="RX TORAX PA"), "PA"), ("", said("TORAX"), ""), ("", said("RX TORAX, PA O AP"), ""),
    ("", said("TORAX FRENTE Y PERFIL"), ""), ("", None, ""),
]


def many(folder):
    cases = {way: ("", b"", j, levels, "") for way, (j, levels) in LEVELS.items()}
    for way, (depth, colour, j, levels) in KINDS.items():
        head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + bytes(8) + bytes([depth, colour])
        cases[way] = ("", head, j, levels, "")
    for i, (name, j, view) in enumerate(VIEWS):
        eight = isinstance(j, dict) and "00280101" in j or isinstance(j, list)
        cases[f"view-{i:02}"] = (name, b"", j, "0,255" if eight else "", view)
    os.makedirs(f"{folder}/derivatives/labels")
    place = f"{folder}/sub-S1/ses-E1/mod-rx"
    os.makedirs(place)
    with open(f"{folder}/derivatives/labels/labels_covid19_posi.tsv", "w", encoding="utf-8") as f:
        f.write("\tReportID\tReport\tLabels\n1\tses-E1\t['one']\t['normal']\n")
    with open(f"{folder}/expected.tsv", "w", encoding="utf-8") as f:
        for i, (way, (name, head, j, levels, view)) in enumerate(sorted(cases.items())):
            key = f"sub-S1_ses-E1_acq-{way}{'_vp-' if name else ''}{name}_cr"
            with open(f"{place}/{key}.png", "wb") as png:
                png.write(head)
            if j is not None:
                text = j if isinstance(j, str) else json.dumps(j, indent=i % 3 * 2 or None, ensure_ascii=i % 2 == 0)
                with open(f"{place}/{key}.json", "w", encoding="utf-8") as out:
                    out.write(text)
            f.write(f"{key}\t{levels}\t{view}\n")


def cut(folder):
    text = json.dumps({"0008103E": v("LO", "T\u00d3RAX \"PA\" \\"), **table(100, [1, 2, 3]), **FULL})
    os.makedirs(folder)
    with open(f"{folder}/list", "w", encoding="utf-8") as f:
        for n in range(len(text) + 1):
            with open(f"{folder}/{n}.json", "w", encoding="utf-8") as out:
                out.write(text[:n])
            f.write(f"{folder}/{n}.png\n")


{"many": many, "cut": cut}[sys.argv[1]](sys.argv[2])
