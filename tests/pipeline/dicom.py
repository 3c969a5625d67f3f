# SPDX-License-Identifier: Apache-2.0
"""DICOM files for the tests of um-preprocess, byte by byte

usage: dicom.py FOLDER KIND      a CT series of body() (see media.py) in a new folder, shuffled names
       dicom.py xray             single pictures, good and bad, in the current folder
"""
import os
import struct
import sys

import numpy as np

from media import body, put

EXPLICIT = "1.2.840.10008.1.2.1"
CT, DX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1.1"


def element(tag, vr, value):
    if isinstance(value, str):
        value = value.encode()
    elif isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, (list, tuple)):
        value = "\\".join(f"{v:.12g}" for v in value).encode()
    value += (b"\0" if vr in ("UI", "OB", "OW") else b" ") * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xffff) + vr.encode()
    if vr in ("OB", "OW", "SQ", "UN"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def dicom(a, modality="CT", series="1.2.3", instance=1, **more):
    """stored values [rows,columns] to a file; more: elements by name"""
    known = {"file uid": (0x00020003, "UI"), "uid": (0x00080018, "UI"), "type": (0x00080008, "CS"), "description": (0x0008103e, "LO"), "thickness": (0x00180050, "DS"),
             "acquisition": (0x00200012, "IS"), "position": (0x00200032, "DS"), "orientation": (0x00200037, "DS"), "frames": (0x00280008, "IS"),
             "photometric": (0x00280004, "CS"), "spacing": (0x00280030, "DS"), "center": (0x00281050, "DS"),
             "class": (0x00080016, "UI"), "imager": (0x00181164, "DS"), "scanned": (0x00182010, "DS"), "aspect": (0x00280034, "IS"),
             "patient": (0x00100020, "LO"), "frame": (0x00200052, "UI"), "padding": (0x00280120, "US"), "lut": (0x00283000, "SQ"), "width": (0x00281051, "DS"), "inter": (0x00281052, "DS"), "slope": (0x00281053, "DS")}
    bits = 8 * a.itemsize
    e = {0x00080016: ("UI", CT if modality == "CT" else DX), 0x00080060: ("CS", modality),
         0x0020000d: ("UI", "1.2"), 0x0020000e: ("UI", series), 0x00200013: ("IS", str(instance)),
         0x00280002: ("US", 1), 0x00280004: ("CS", "MONOCHROME2"), 0x00280010: ("US", a.shape[0]),
         0x00280011: ("US", a.shape[1]), 0x00280100: ("US", bits), 0x00280101: ("US", bits),
         0x00280102: ("US", bits - 1), 0x00280103: ("US", int(a.dtype.kind == "i")),
         0x7fe00010: ("OB" if bits == 8 else "OW", a.tobytes())}
    for name, value in more.items():
        e[known[name][0]] = (known[name][1], value)
    uid = e.pop(0x00020003, None) # of the file's own header
    meta = (element(0x00020003, *uid) if uid else b"") + element(0x00020010, "UI", EXPLICIT)
    return bytes(128) + b"DICM" + meta + b"".join(element(t, *e[t]) for t in sorted(e))


def series(folder, kind):
    """slices of body(): z to the head, front at the top, as CTs are stored; or with a fault"""
    hu = body()[:, ::-1, ::-1] if kind != "flat" else body()
    n = len(hu)
    os.makedirs(folder)
    names = np.random.default_rng(3).permutation(n)
    for z in range(n):
        more = {"position": [24, 29, -1.5 + 3 * z], "orientation": [-1, 0, 0, 0, -1, 0], "spacing": [2, 2],
                "thickness": [5], "inter": [-1024], "slope": [1], "description": "thorax"}
        a = (hu[z] + 1024).astype(np.uint16)
        uid, name, instance = "1.2.3", f"{names[z]:02d}", 1 + (7 * z) % n
        if kind == "gap" and z == 9:
            continue
        if kind == "emptied": # of its identifiers, as anonymizers do
            more["uid"], more["file uid"] = "", f"1.2.3.{z}"
        if kind == "slopes":
            more["slope"], more["inter"] = [0.5 if z % 2 else 1], [-1024 if z % 2 else -1000 - z]
            a = (((hu[z] - more["inter"][0]) / more["slope"][0])).astype(np.uint16)
        if kind == "size" and z == 4:
            a = a[:-1].copy()
        if kind == "spacing" and z == 4:
            more["spacing"] = [2, 2.5]
        if kind == "tilt" and z == 4:
            more["orientation"] = [-1, 0, 0, 0, -0.9848, 0.1736]
        if kind == "line" and z == 4:
            more["position"] = [26, 29, -1.5 + 3 * z]
        if kind in ("pad-high", "pad-low"):  # rows outside of what was seen: 62511 or -1024 HU
            more["padding"] = 63535 if kind == "pad-high" else 0
            a[:6] = more["padding"]
        if kind == "lut":  # entries 0 to 3072, first one for value 0
            entries = np.arange(3073, dtype="<u2") * 2
            item = (element(0x00283002, "US", struct.pack("<HHH", len(entries), 0, 16)) +
                    element(0x00283006, "OW", entries.tobytes()))
            del more["slope"], more["inter"]
            more["lut"] = struct.pack("<HHI", 0xfffe, 0xe000, len(item)) + item
        if kind == "rescale" and z == 4:
            del more["slope"], more["inter"]
        if kind == "patient" and z != 9:
            more["patient"] = "A" if z < 15 else "B"
        if kind == "frame" and z != 9:
            more["frame"] = "1.2.7" if z < 15 else "1.2.8"
        if kind == "position" and z == 4:
            del more["position"]
        put(f"{folder}/{name}", dicom(a, series=uid, instance=instance, **more))
        if kind == "twice" and z in (3, 11):  # the same place, other pixels; the higher number loses
            put(f"{folder}/{name}-again", dicom(a * 0, series=uid, instance=instance + 100, **more))
        if kind in ("scans", "mixed-scans"):  # another scan at the same places, numbered the other way
            second = {**more, "acquisition": "2"} if kind == "scans" else more
            put(f"{folder}/{name}-second", dicom(a + 500, series=uid, instance=1 + (7 * (n - 1 - z)) % n, **second))
        if kind == "two" and z < 5:
            more["description"] = "bone kernel"
            put(f"{folder}/{name}b", dicom(a, series="1.2.4", instance=instance, **more))
    if kind == "mixed":
        put(f"{folder}/00scout", dicom(np.zeros((9, 9), np.uint16), series="1.2.9", type="ORIGINAL\\PRIMARY\\LOCALIZER"))
        put(f"{folder}/LICENSE", b"as is\n")
        put(f"{folder}/.DS_Store", b"x")
        put(f"{folder}/DICOMDIR", bytes(128) + b"DICM" + element(0x00020010, "UI", EXPLICIT) +
            element(0x00041130, "CS", "SET"))
        os.mkfifo(f"{folder}/fifo")
        os.symlink("loop", f"{folder}/loop")
        os.mkdir(f"{folder}/sub")


def xray():
    a = (np.arange(60 * 40).reshape(60, 40) * 3).astype(np.uint16)
    put("deep.dcm", dicom(a, "DX"))
    put("inverse.dcm", dicom(a, "DX", photometric="MONOCHROME1"))
    put("window.dcm", dicom(a, "DX", center=[3000, 1], width=[2001, 1]))
    padded = a.copy()
    padded[:9] = 65535
    put("padded.dcm", dicom(padded, "DX", padding=65535, center=[3000], width=[2001]))
    mm = {"scanned": [0.4, 0.4], "imager": [0.2, 0.2], "spacing": [0.1, 0.1]}
    for k in range(4):
        put(f"mm{k}.dcm", dicom(a, "DX", **dict(list(mm.items())[:k])))
    put("mm4.dcm", dicom(a, "DX", spacing=[0, 0], imager=[0.3, 0.2]))
    put("aspect.dcm", dicom(a, "DX", aspect="2\\1"))
    put("mute.dcm", dicom(a, "DX").replace(element(0x00280004, "CS", "MONOCHROME2"), b""))
    put("seg.dcm", dicom(a, "SEG", **{"class": CT[:-1] + "66.4"}))
    contours = dicom(a, "RTSTRUCT", **{"class": CT[:-1] + "481.3"})
    put("rtstruct.dcm", contours[:contours.index(struct.pack("<HH", 0x28, 2))])
    for name, tag in (("rows", 0x10), ("columns", 0x11), ("bits", 0x100)):
        at = dicom(a, "DX").index(struct.pack("<HH2s", 0x28, tag, b"US"))
        put(f"no-{name}.dcm", dicom(a, "DX")[:at] + dicom(a, "DX")[at + 10:])
    put("eight.dcm", dicom((a // 30).astype(np.uint8), "CR"))
    put("slice.dcm", dicom(a, "CT"))
    whole = dicom(a, "DX")
    put("cut.dcm", whole[:-1])
    put("frames.dcm", dicom(np.concatenate([a, a]), "DX", frames="2").replace(
        struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 120), struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 60)))
    put("wide.dcm", whole.replace(struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 60),
                                  struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 65535)))
    claim = whole[:whole.index(b"\xe0\x7f\x10\0")] + struct.pack("<HH2sHI", 0x7fe0, 0x10, b"OW", 0, 4000000000)
    put("claim.dcm", claim + bytes(100))
    put("future.dcm", whole.replace(EXPLICIT.encode(), b"1.2.840.10008.9.9.9"[:len(EXPLICIT)]))


if __name__ == "__main__":
    xray() if sys.argv[1] == "xray" else series(sys.argv[1], sys.argv[2])
