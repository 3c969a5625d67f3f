# SPDX-License-Identifier: Apache-2.0
"""pictures.py - every kind of JPEG and PNG through um-preprocess against Pillow and OpenCV

usage: pictures.py [-s SEED] [um-preprocess]     needs numpy pillow opencv-python-headless msgpack
                                                 zstandard, cc with libjpeg and libpng

PNGs are written by hand, so that the levels in them are known; JPEGs by Pillow and libjpeg. Each is
read back at its own size, pixel by pixel. Where Pillow or OpenCV keep all the bits, their reading is
compared too. Gray PNGs are also read by levels drawn at random, against NumPy's whole numbers. Prints a
table; exits 1 where a level differs.
"""
import argparse
import io
import os
import struct
import subprocess
import sys
import tempfile
import zlib

import cv2
import msgpack
import numpy as np
import zstandard
from PIL import Image, ImageOps

W, H = 37, 23
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
HERE = os.path.dirname(os.path.abspath(__file__))


def rounded(num, den):
    return ((2 * num + den) // (2 * den)).astype(np.int64)


def gray(rgb, alpha, full):
    """the method's level of colours (or gray, one channel) under alpha, both up to `full`"""
    rgb = rgb.astype(np.int64)
    num = rgb[..., 0] * 1000 if rgb.shape[-1] == 1 else rgb @ np.array([299, 587, 114])
    return rounded(num * alpha.astype(np.int64) * 255, 1000 * full * full)


# ---- PNG, by hand


def packed(row, depth):
    """a row of samples [n,channels] as bytes"""
    flat = row.ravel()
    if depth == 16:
        return flat.astype(">u2").tobytes()
    if depth == 8:
        return flat.astype(np.uint8).tobytes()
    bits = ((flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).ravel()
    return np.packbits(bits).tobytes()


def png(px, colour, depth, interlace, palette=None, trns=None):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    h, w = px.shape[:2]
    passes = ADAM7 if interlace else ((0, 0, 1, 1),)
    rows = b"".join(b"\0" + packed(row, depth) for x, y, dx, dy in passes
                    for row in px[y::dy, x::dx] if row.size)
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlace))
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if trns is not None:
        out += chunk(b"tRNS", trns)
    return out + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pngs(rng):
    """name, bytes, levels"""
    for colour, depths in DEPTHS.items():
        for depth in depths:
            for interlace in (0, 1):
                for trns in (False, True) if colour in (0, 2, 3) else (False,):
                    full = 2**depth - 1
                    px = rng.integers(0, full + 1, (H, W, CHANNELS[colour]))
                    palette = key = None
                    alpha = np.full((H, W), full)
                    if colour == 3:
                        palette = rng.integers(0, 256, (full + 1, 3))
                        table = np.full(full + 1, 255)
                        if trns:
                            table[:full] = rng.integers(0, 256, full)
                            key = bytes(table[:full].astype(np.uint8))
                        level = gray(palette[px[..., 0]], table[px[..., 0]], 255)
                    else:
                        if trns:
                            clear = px[5, 7]
                            px[3:9, 2:20] = clear
                            alpha[(px == clear).all(-1)] = 0
                            key = b"".join(struct.pack(">H", v) for v in clear)
                        if colour in (4, 6):
                            alpha = px[..., -1]
                        level = gray(px[..., :3] if colour in (2, 6) else px[..., :1], alpha, full)
                    name = (f"{ {0: 'gray', 2: 'RGB', 3: 'palette', 4: 'gray+alpha', 6: 'RGBA'}[colour] } {depth} bit"
                            f"{', tRNS' if trns else ''}{', interlaced' if interlace else ''}")
                    yield "PNG " + name, png(px, colour, depth, interlace, palette, key), level


def by_levels(rng):
    """name, bytes, levels of gray PNGs between two values that become black and white, and those two"""
    for colour in (0, 4):
        for depth in DEPTHS[colour]:
            for trns in (False, True) if colour == 0 else (False,):
                for turned in (False, True):
                    full = 2**depth - 1
                    px = rng.integers(0, full + 1, (H, W, CHANNELS[colour]))
                    alpha = px[..., -1] if colour == 4 else np.full((H, W), full)
                    if trns:
                        alpha = np.where(px[..., 0] == px[5, 7, 0], 0, full)
                    lo, hi = sorted(rng.choice(np.arange(-2000 * full, 14000 * full), 2, replace=False))   # / 10000
                    at = np.clip(px[..., 0] * 10000 - lo, 0, hi - lo)
                    at = hi - lo - at if turned else at
                    level = rounded(255 * at * alpha, (hi - lo) * full)
                    name = (f"PNG by levels, gray{'+alpha' if colour else ''} {depth} bit{', tRNS' if trns else ''}"
                            f"{', HI,LO' if turned else ''}")
                    text = ",".join(f"{v / 10000:.4f}" for v in ((hi, lo) if turned else (lo, hi)))
                    key = struct.pack(">H", px[5, 7, 0]) if trns else None
                    yield name, png(px, colour, depth, 0, None, key), level, text


def by_pillow(data):
    """levels as Pillow has them, None where it cuts bits"""
    im = Image.open(io.BytesIO(data))
    if data[24] == 16 or (b"tRNS" in data and data[25] == 0 and data[24] < 8):
        return None  # bits are cut; the clear level is held against levels already made 8 bits
    a = np.asarray(im.convert("RGBA")).astype(np.int64)
    return gray(a[..., :3], a[..., 3], 255)


def by_opencv(data):
    a = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if a is None or b"tRNS" in data or data[25] in (3, 4):  # not kept apart by all versions
        return None
    full = 65535 if a.dtype == np.uint16 else 255
    a = a[..., None] if a.ndim == 2 else a[..., [2, 1, 0, 3][:a.shape[2]]]
    alpha = a[..., 3] if a.shape[-1] == 4 else np.full(a.shape[:2], full)
    return gray(a[..., :3], alpha, full)


# ---- JPEG, by Pillow and libjpeg


def jpeg_levels(data):
    im = Image.open(io.BytesIO(data))
    if im.mode == "CMYK":
        a = 255 - np.asarray(im).astype(np.int64)
        level = rounded(a[..., :3] @ np.array([299, 587, 114]) * a[..., 3], 255000)
    elif im.mode == "RGB" and im.info.get("adobe_transform") == 0:
        level = gray(np.asarray(im), np.full((im.height, im.width), 255), 255)
    else:
        im.draft("L", im.size)  # libjpeg's own gray: the Y plane
        assert im.mode == "L"
        level = np.asarray(im).astype(np.int64)
    way = im.getexif().get(0x112, 1)
    turned = Image.fromarray(level.astype(np.uint8))
    turn = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270,
            7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}[way]
    turned = turned if turn is None else turned.transpose(turn)
    # Pillow's own turning of the whole file must give the same shape
    assert ImageOps.exif_transpose(im).size == turned.size
    return np.asarray(turned).astype(np.int64)


def jpegs(rng, work):
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (H, W, 4)).astype(np.uint8), (5, 5), 0)
    for mode in ("L", "RGB", "CMYK"):
        im = Image.fromarray(smooth[..., :len(mode)].squeeze(), mode)
        for progressive in (False, True):
            for sub in (0, 1, 2) if mode == "RGB" else (0,):
                b = io.BytesIO()
                im.save(b, "JPEG", quality=85, progressive=progressive, subsampling=sub)
                yield (f"JPEG {mode}{(' 4:4:4', ' 4:2:2', ' 4:2:0')[sub] if mode == 'RGB' else ''}"
                       f"{', progressive' if progressive else ''}", b.getvalue())
    for way in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = way
        b = io.BytesIO()
        Image.fromarray(smooth[..., 0]).save(b, "JPEG", quality=95, exif=exif)
        yield f"JPEG EXIF orientation {way}", b.getvalue()
    maker = f"{work}/seeds_image"
    subprocess.run(["cc", "-o", maker, f"{HERE}/../fuzz/seeds_image.c", "-ljpeg", "-lpng"], check=True)
    os.mkdir(f"{work}/seeds")
    subprocess.run([maker, f"{work}/seeds"], check=True)
    for name in sorted(os.listdir(f"{work}/seeds/jpeg")):
        with open(f"{work}/seeds/jpeg/{name}", "rb") as f:
            yield f"JPEG by libjpeg: {name}", f.read()


def read(tool, names, between):
    """levels of the pictures, each at its own size: all those of one size at a time"""
    out = {}
    for side in sorted({max(s) for s in names.values()}):
        with open("m.tsv", "w", encoding="utf-8") as f:
            f.write("key\timage\tlevels\n" +
                    "".join(f"{k}\t{k}\t{between[k]}\n" for k, s in names.items() if max(s) == side))
        raw = subprocess.run([tool, "-q", "--size", str(side), "m.tsv"], stdout=subprocess.PIPE, check=True).stdout
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True) as s:
            for m in msgpack.Unpacker(s, max_buffer_size=2**31):
                if "key" in m:
                    h, w = names[m["key"]]
                    a = np.frombuffer(m["tensors"]["image"]["data"], np.uint8).reshape(side, side)
                    top, left = (side - h) // 2, (side - w) // 2
                    out[m["key"]] = a[top:top + h, left:left + w].astype(np.int64)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-s", type=int, default=1)
    p.add_argument("tool", nargs="?", default="um-preprocess")
    a = p.parse_args()
    tool = os.path.abspath(a.tool) if os.path.exists(a.tool) else a.tool
    rng, bad = np.random.default_rng(a.s), 0
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        every = [(*p, "") for p in pngs(rng)] + list(by_levels(rng)) + [(n, d, None, "") for n, d in jpegs(rng, work)]
        peers, sizes, between = {}, {}, {}
        for i, (name, data, known, ends) in enumerate(every):
            with open(f"p{i}", "wb") as f:
                f.write(data)
            between[f"p{i}"] = ends
            peers[f"p{i}"] = {"known": known} if ends else {"Pillow": jpeg_levels(data)} if known is None else \
                {"known": known, "Pillow": by_pillow(data), "OpenCV": by_opencv(data)}
            sizes[f"p{i}"] = next(v for v in peers[f"p{i}"].values() if v is not None).shape
        got = read(tool, sizes, between)
        assert len(got) == len(every)
        print(f"{'largest difference in levels from':46} {'known':>7} {'Pillow':>7} {'OpenCV':>7}")
        for i, (name, _, _, _) in enumerate(every):
            line, ok = "", True
            for who in ("known", "Pillow", "OpenCV"):
                want = peers[f"p{i}"].get(who)
                far = "-" if want is None else np.abs(got[f"p{i}"] - want).max()
                ok = ok and far in ("-", 0)
                line += f" {far:>7}"
            print(f"{name:46}{line}{'' if ok else '   FAILED'}")
            bad += not ok
        os.chdir("/")
    sys.exit(1 if bad else 0)


main()
