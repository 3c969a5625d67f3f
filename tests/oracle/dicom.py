# SPDX-License-Identifier: Apache-2.0
"""dicom.py - um-preprocess against pydicom and SimpleITK on DICOM files

usage: UM_REAL_DATA=dir dicom.py [um-preprocess]     needs numpy pydicom SimpleITK msgpack zstandard
                          pillow pylibjpeg pylibjpeg-openjpeg pylibjpeg-rle pylibjpeg-libjpeg pyjpegls python-gdcm
Real files, and files that pydicom and GDCM write in every transfer syntax they can encode. Prints a
table; exits 1 where a number is over its bound. Without resizing um-preprocess gives every pixel: the
square is as large as the picture, the volume as the series.
"""
import copy
import itertools
import io
import os
import subprocess
import sys
import tempfile
import warnings

import gdcm
import msgpack
import numpy as np
import pydicom
import pydicom.encaps
import SimpleITK as sitk
import zstandard
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_rescale, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import (CTImageStorage, DeflatedExplicitVRLittleEndian, DigitalXRayImageStorageForPresentation,
                         ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000,
                         JPEG2000Lossless, JPEGLSLossless, JPEGLSNearLossless, RLELossless, generate_uid)

warnings.filterwarnings("ignore")
DATA = os.environ["UM_REAL_DATA"]
TOOL = sys.argv[1] if len(sys.argv) > 1 else "um-preprocess"
WORK = tempfile.mkdtemp()
failed = []
rng = np.random.default_rng(6)


def judge(name, value, bound):
    ok = value <= bound
    print(f"{name:72} {value:10.4g}   allowed {bound:g}{'' if ok else '   FAILED'}")
    if not ok:
        failed.append(name)


def um(path, *options):
    """the only record: meta, tensors"""
    m = os.path.join(WORK, "m.tsv")
    with open(m, "w", encoding="utf-8") as f:
        f.write(f"key\timage\nx\t{os.path.abspath(path)}\n")
    raw = subprocess.run([TOOL, "-q", *options, m], stdout=subprocess.PIPE, check=True).stdout
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True) as f:
        for r in msgpack.Unpacker(f, max_buffer_size=2**31):
            if "key" in r:
                return r["meta"], {k: np.frombuffer(t["data"], t["dtype"]).reshape(t["shape"])
                                   for k, t in r["tensors"].items()}
    raise AssertionError("no record")


def picture(path, shape, *options):
    """the picture itself, out of a square as large as its longer side"""
    side = max(shape)
    a = um(path, "--size", str(side), *options)[1]["image"][0]
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    return a[top:top + shape[0], left:left + shape[1]].astype(int)


def luma(rgb, full):
    return np.floor((rgb.astype(np.int64) @ [299, 587, 114] * 255 * 2 + 1000 * full) / (2000 * full)).astype(int)


def as_stored(ds):
    """method.md 1.1.2, from pydicom's stored values"""
    a = ds.pixel_array.astype(np.int64)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        rgb = pydicom.pixels.apply_color_lut(ds.pixel_array, ds)
        return luma(rgb, 255 if rgb.dtype == np.uint8 else 65535)
    if a.ndim == 3:
        return luma(a, 2**ds.BitsStored - 1) if ds.PhotometricInterpretation == "RGB" else a[..., 0]
    pad = padding(ds, a)
    top = a[~pad].max()
    y = np.clip((a * 255 * 2 + top) // (2 * top), 0, 255) if top > 0 else np.zeros_like(a)
    return np.where(pad, 0, 255 - y if ds.PhotometricInterpretation == "MONOCHROME1" else y)


def padding(ds, a):
    """where the pixels are none"""
    if "PixelPaddingValue" not in ds:
        return np.zeros(a.shape, bool)
    ends = ds.PixelPaddingValue, ds.get("PixelPaddingRangeLimit", ds.PixelPaddingValue)
    return (a >= min(ends)) & (a <= max(ends))


def by_window(ds):
    """pydicom's modality and VOI transformations, its range of outputs brought to 0..255"""
    hu = apply_rescale(ds.pixel_array, ds)
    y = apply_voi_lut(hu, ds).astype(float)
    if "VOILUTSequence" in ds:
        lo, hi = 0, 2**ds.VOILUTSequence[0].LUTDescriptor[2] - 1
    elif "WindowWidth" in ds:
        bits = ds.BitsStored - ds.PixelRepresentation
        ends = np.array([-2**bits if ds.PixelRepresentation else 0, 2**bits - 1], float)
        lo, hi = ends * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
    else:
        lo, hi = y.min(), y.max()
    y = (y - lo) / (hi - lo) * 255 if hi > lo else np.zeros_like(y)
    y = np.floor(np.clip(y, 0, 255) + 0.5).astype(int)
    return np.where(padding(ds, ds.pixel_array), 0, 255 - y if ds.PhotometricInterpretation == "MONOCHROME1" else y)


def differ(a, b):
    return np.abs(a - b).max()


def base(rows, columns, bits, signed=False, photometric="MONOCHROME2", allocated=None):
    """a file without pixels"""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID = generate_uid()
    ds.SeriesInstanceUID = generate_uid()
    ds.Modality = "DX"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated = allocated or (8 if bits <= 8 else 16)
    ds.BitsStored, ds.HighBit = bits, bits - 1
    ds.PixelRepresentation = int(signed)
    ds.SamplesPerPixel = 1 if photometric[:4] in ("MONO", "PALE") else 3
    ds.PhotometricInterpretation = photometric
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    return ds


def values(rows, columns, bits, signed=False, samples=1):
    """smooth and noisy parts, both ends of the range"""
    lo, hi = (-2**(bits - 1), 2**(bits - 1) - 1) if signed else (0, 2**bits - 1)
    y, x = np.mgrid[:rows, :columns]
    a = (np.sin(y / 9) + np.cos(x / 7) + 2) / 4
    a = np.stack([np.roll(a, 5 * s, s % 2) for s in range(samples)], -1)
    a = np.clip(lo + a * (hi - lo) + rng.integers(-3, 4, a.shape), lo, hi)
    a[0, 0], a[-1, -1] = lo, hi
    kind = {(True, False): np.uint8, (True, True): np.int8, (False, False): np.uint16, (False, True): np.int16}
    a = a.astype(kind[bits <= 8, signed])
    return a[..., 0] if samples == 1 else a


def with_pixels(ds, a):
    raw = a.tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    return ds


def save(ds, name, syntax=ExplicitVRLittleEndian):
    path = os.path.join(WORK, name)
    ds = copy.deepcopy(ds)
    if syntax == ExplicitVRBigEndian and ds.BitsAllocated == 16:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path


def by_gdcm(path, name, syntax):
    """None where GDCM does not take it"""
    r, change, w = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    r.SetFileName(path)
    if not r.Read():
        return None
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(r.GetImage())
    if not change.Change():
        return None
    w.SetFileName(os.path.join(WORK, name))
    w.SetFile(r.GetFile())
    w.SetImage(change.GetOutput())
    return os.path.join(WORK, name) if w.Write() else None


def compressed(ds, path, tag):
    """every way to code these pixels: name, path, whether it keeps them"""
    out = []
    for syntax, name, lossless in ((RLELossless, "RLE", True), (JPEG2000Lossless, "JPEG 2000", True),
                                   (JPEG2000, "JPEG 2000 lossy", False), (JPEGLSLossless, "JPEG-LS", True),
                                   (JPEGLSNearLossless, "JPEG-LS near lossless", False)):
        c = pydicom.dcmread(path)
        try:
            extra = {JPEG2000: {"j2k_cr": [8]}, JPEGLSNearLossless: {"jls_error": 2},
                     RLELossless: {"encoding_plugin": "pylibjpeg"}}.get(syntax, {})  # GDCM's aborts on odd sizes
            c.compress(syntax, generate_instance_uid=False, **extra)
        except Exception as e:  # what its plug-ins do not take
            print(f"  ({tag}: {name}: not encoded: {str(e).splitlines()[0][:80]})")
            continue
        out.append((name, os.path.join(WORK, f"{tag}-{len(out)}.dcm"), lossless))
        c.save_as(out[-1][1], enforce_file_format=True)
    for syntax, name, lossless in ((gdcm.TransferSyntax.JPEGLosslessProcess14_1, "JPEG lossless (GDCM)", True),
                                   (gdcm.TransferSyntax.JPEGLosslessProcess14, "JPEG lossless, any predictor (GDCM)", True),
                                   (gdcm.TransferSyntax.JPEGBaselineProcess1, "JPEG baseline (GDCM)", False),
                                   (gdcm.TransferSyntax.JPEGExtendedProcess2_4, "JPEG extended (GDCM)", False),
                                   (gdcm.TransferSyntax.JPEGLSLossless, "JPEG-LS (GDCM)", True),
                                   (gdcm.TransferSyntax.JPEG2000Lossless, "JPEG 2000 (GDCM)", True)):
        p = by_gdcm(path, f"{tag}-g{len(out)}.dcm", syntax)
        if p:
            out.append((name, p, lossless))
    return out


def pictures():
    for bits, signed, photometric in ((8, False, "MONOCHROME2"), (8, False, "MONOCHROME1"), (8, True, "MONOCHROME2"),
                                      (10, False, "MONOCHROME2"), (12, False, "MONOCHROME1"), (12, True, "MONOCHROME2"),
                                      (16, False, "MONOCHROME2"), (16, True, "MONOCHROME1"), (8, False, "RGB"),
                                      (16, False, "RGB"), (8, False, "YBR_FULL")):
        samples = 3 if photometric in ("RGB", "YBR_FULL") else 1
        tag = f"{photometric} {bits} bit{' signed' if signed else ''}"
        ds = with_pixels(base(61, 47, bits, signed, photometric), values(61, 47, bits, signed, samples))
        want = as_stored(ds) if photometric != "YBR_FULL" else values_of(ds)[..., 0]
        for syntax, name in ((ImplicitVRLittleEndian, "implicit"), (ExplicitVRLittleEndian, "explicit"),
                             (ExplicitVRBigEndian, "big endian"), (DeflatedExplicitVRLittleEndian, "deflated")):
            path = save(ds, "native.dcm", syntax)
            judge(f"{tag}, {name}", differ(picture(path, want.shape), want), 0)
        path = save(ds, "native.dcm")
        for name, p, lossless in compressed(ds, path, tag.replace(" ", "-")):
            if lossless:
                judge(f"{tag}, {name}", differ(picture(p, want.shape), want), 0)
                continue
            if "extended" in name:  # pydicom's plug-ins do not read it
                judge(f"{tag}, {name}, against GDCM's decoder", differ(picture(p, want.shape), gdcm_stored(p, ds)), 0)
                continue
            ref = pydicom.pixels.pixel_array(p, raw=True)
            ref = luma(ref, 2**bits - 1) if photometric == "RGB" else ref[..., 0] if samples == 3 else as_stored(pydicom.dcmread(p))
            judge(f"{tag}, {name}, against pydicom's decoder", differ(picture(p, want.shape), ref), 0)
        if bits == 8 and not signed and photometric != "RGB":
            baseline(tag, ds, want)


def gdcm_stored(path, ds):
    r = gdcm.ImageReader()
    r.SetFileName(path)
    assert r.Read()
    raw = r.GetImage().GetBuffer().encode("utf-8", errors="surrogateescape")
    new = copy.deepcopy(ds)
    return as_stored(with_pixels(new, np.frombuffer(raw, np.int16 if ds.PixelRepresentation else np.uint16)))


def baseline(tag, ds, want):
    """JPEG as Pillow writes it"""
    for sampling, name in ((0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")):
        colour = ds.SamplesPerPixel == 3
        a = values_of(ds).astype(np.uint8)
        im = Image.fromarray(a, "YCbCr" if colour else "L")
        b = io.BytesIO()
        im.save(b, "JPEG", quality=95, subsampling=sampling)
        c = copy.deepcopy(ds)
        c.PixelData = pydicom.encaps.encapsulate([b.getvalue()])
        c["PixelData"].is_undefined_length = True
        if colour:
            c.PhotometricInterpretation = "YBR_FULL_422"
        p = save(c, "baseline.dcm", pydicom.uid.JPEGBaseline8Bit)
        c = copy.deepcopy(ds)
        ref = pydicom.pixels.pixel_array(p, raw=True)
        ref = ref[..., 0] if colour else as_stored(with_pixels(c, ref))
        judge(f"{tag}, JPEG baseline {name if colour else 'gray'}, against pydicom's decoder", differ(picture(p, want.shape), ref), 1)
        if not colour:
            break


def values_of(ds):
    return ds.pixel_array if ds.PhotometricInterpretation != "YBR_FULL" else np.frombuffer(
        ds.PixelData[:ds.Rows * ds.Columns * 3], np.uint8).reshape(ds.Rows, ds.Columns, 3).astype(int)


def paddings():
    for bits, signed, photometric, ends in ((16, False, "MONOCHROME2", (65535,)), (16, False, "MONOCHROME1", (65535, 4096)),
                                            (16, True, "MONOCHROME2", (-2000,)), (16, True, "MONOCHROME1", (-2000, -1500)),
                                            (12, False, "MONOCHROME1", (0,)), (8, False, "MONOCHROME2", (250, 255))):
        a = values(40, 33, min(bits, 12), signed)
        a[:7] = ends[0]
        ds = with_pixels(base(40, 33, bits, signed, photometric), a)
        ds.PixelPaddingValue = ends[0]
        if len(ends) > 1:
            ds.PixelPaddingRangeLimit = ends[1]
        tag = f"padding {ends}, {photometric} {bits} bit{' signed' if signed else ''}"
        judge(f"{tag}: as stored", differ(picture(save(ds, "p.dcm"), a.shape), as_stored(ds)), 0)
        ds.WindowCenter, ds.WindowWidth = 900, 1500
        judge(f"{tag}: by window", differ(picture(save(ds, "p.dcm"), a.shape, "--dicom", "window"), by_window(ds)), 0)


def words():
    """8 bits in big endian words, which SimpleITK and pydicom turn"""
    for rows, columns in ((40, 33), (31, 33)):
        a = values(rows, columns, 8)
        ds = base(rows, columns, 8)
        raw = a.tobytes() + b"\0" * (a.size % 2)
        ds.PixelData = np.frombuffer(raw, "<u2").byteswap().tobytes()
        ds["PixelData"].VR = "OW"
        path = save(ds, "words.dcm", ExplicitVRBigEndian)
        assert (pydicom.dcmread(path).pixel_array == a).all()
        judge(f"big endian, 8 bits in words, {rows} x {columns}",
              differ(picture(path, a.shape), as_stored(with_pixels(ds, a))), 0)


def palettes():
    ds = base(40, 33, 8, photometric="PALETTE COLOR")
    for name, c in (("Red", 1), ("Green", 2), ("Blue", 3)):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = ((np.arange(256) * c * 77) % 256 * 257).astype("<u2")
        setattr(ds, f"{name}PaletteColorLookupTableData", table.tobytes())
    with_pixels(ds, values(40, 33, 8))
    judge("PALETTE COLOR, 16-bit entries", differ(picture(save(ds, "p.dcm"), (40, 33)), as_stored(ds)), 0)


def windows():
    for bits, signed, photometric, slope, inter in ((12, False, "MONOCHROME2", 1, -1024), (16, True, "MONOCHROME2", 1, 0),
                                                    (12, False, "MONOCHROME1", 0.5, 3), (8, False, "MONOCHROME2", 2, -10)):
        for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID", None):
            for center, width in ((40, 400), ([50, 7], [350.5, 9]), (100, 1)):
                ds = with_pixels(base(50, 64, bits, signed, photometric), values(50, 64, bits, signed))
                ds.RescaleSlope, ds.RescaleIntercept = slope, inter
                ds.WindowCenter, ds.WindowWidth = center, width
                if function:
                    ds.VOILUTFunction = function
                got = picture(save(ds, "w.dcm"), (50, 64), "--dicom", "window")
                worst = differ(got, by_window(ds))
                judge(f"window {center}/{width} {function or 'no function'}, {photometric} {bits} bit x {slope} + {inter}", worst, 0)
    for bits, entries, first, depth in ((12, 4096, 0, 12), (12, 1000, 500, 16), (8, 256, 0, 8)):
        ds = with_pixels(base(50, 64, bits), values(50, 64, bits))
        lut = Dataset()
        lut.LUTDescriptor = [entries, first, depth]
        lut["LUTDescriptor"].VR = "US"
        lut.LUTData = (np.arange(entries) ** 1.5 % 2**depth).astype("<u2").tobytes()
        lut["LUTData"].VR = "OW"
        ds.VOILUTSequence = Sequence([lut])
        ds.WindowCenter, ds.WindowWidth = 5, 5  # the table comes first
        for syntax, name in ((ExplicitVRLittleEndian, "explicit"), (ImplicitVRLittleEndian, "implicit")):
            judge(f"VOI LUT of {entries} entries from {first}, {depth} bit, {name}",
                  differ(picture(save(ds, "w.dcm", syntax), (50, 64), "--dicom", "window"), by_window(ds)), 0)
    ds = with_pixels(base(50, 64, 12), values(50, 64, 12))
    lut = Dataset()
    lut.LUTDescriptor = [4096, 0, 16]
    lut["LUTDescriptor"].VR = "US"
    lut.LUTData = (65535 - np.arange(4096) * 16).astype("<u2").tobytes()
    lut["LUTData"].VR = "OW"
    lut.ModalityLUTType = "US"
    ds.ModalityLUTSequence = Sequence([lut])
    ds.WindowCenter, ds.WindowWidth = 30000, 50000
    y = np.clip(((65535.0 - ds.pixel_array * 16.0 - 29999.5) / 49999 + 0.5) * 255, 0, 255)
    judge("modality LUT, then a window", differ(picture(save(ds, "w.dcm"), (50, 64), "--dicom", "window"),
                                               np.floor(y + 0.5).astype(int)), 0)


LO, HI = -8192, 8192  # of a window that changes nothing: a power of two


def volume(path, shape, *options):
    meta, t = um(path, "--size", "x".join(map(str, shape)), f"--window={LO},{HI}", *options)
    return meta, t["volume"].astype(float) * (HI - LO) + LO


def corners(shape):
    return np.array(list(itertools.product(*((0, n - 1) for n in shape))), float)


def against_sitk(tag, folder, tol=1e-6):
    """values and corners of a series, in the frame um turns it to"""
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder)
    if not names:  # the UID is empty
        names = by_place(folder)
    im = sitk.ReadImage(list(names))
    turned = sitk.DICOMOrient(im, "LPS")
    want = sitk.GetArrayFromImage(turned).astype(float)
    meta, got = volume(folder, want.shape)
    judge(f"{tag}: HU, largest difference", np.abs(got - want).max(), 1e-3)
    a = np.array(meta["affine"]).reshape(3, 4)
    zyx = corners(want.shape)
    ours = np.c_[zyx[:, ::-1], np.ones(8)] @ a.T * [-1, -1, 1]
    theirs = np.array([turned.TransformContinuousIndexToPhysicalPoint(c[::-1].tolist()) for c in zyx])
    judge(f"{tag}: eight corners, mm", np.abs(ours - theirs).max(), tol)
    return got


def by_place(folder):
    """in SimpleITK's own order: along the normal"""
    def along(path):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        o = np.array(ds.ImageOrientationPatient, float)
        return np.cross(o[:3], o[3:]) @ np.array(ds.ImagePositionPatient, float)
    return sorted((os.path.join(folder, f) for f in os.listdir(folder)), key=along)


def make_series(name, orientation, step, spacing=(0.7, 0.9), n=9, rows=24, columns=31, tilt=(0, 0, 0), slopes=None, **kind):
    folder = os.path.join(WORK, name)
    os.mkdir(folder)
    o = np.array(orientation, float)
    normal = np.cross(o[:3], o[3:])
    uid, study = generate_uid(), generate_uid()
    order = rng.permutation(n)
    for i in range(n):
        ds = base(rows, columns, kind.get("bits", 16), kind.get("signed", True))
        ds.SOPClassUID, ds.Modality = CTImageStorage, "CT"
        ds.SeriesInstanceUID, ds.StudyInstanceUID = uid, study
        ds.InstanceNumber = int(order[(i * 5) % n])
        p = np.array([-50.25, 30.5, 700.125]) + i * (step * normal + np.array(tilt))
        ds.ImagePositionPatient = [f"{v:.8g}" for v in p]
        ds.ImageOrientationPatient = [f"{v:.10g}" for v in o]
        ds.PixelSpacing = list(spacing)
        ds.SliceThickness = 5
        ds.RescaleSlope, ds.RescaleIntercept = slopes[i] if slopes else (1, -24)
        a = rng.integers(-1000, 3000, (rows, columns)).astype(np.int16)
        if kind.get("lut"):
            del ds.RescaleSlope, ds.RescaleIntercept
            lut = Dataset()
            lut.add_new("LUTDescriptor", "SS", [3500, -900, 16])
            lut.add_new("LUTData", "OW", (7000 - 2 * np.arange(3500)).astype("<u2").tobytes())
            lut.ModalityLUTType = "US"
            ds.ModalityLUTSequence = Sequence([lut])
        with_pixels(ds, a)
        path = save(ds, f"{name}/{order[i]:03d}.dcm", kind.get("syntax", ExplicitVRLittleEndian))
        if "code" in kind:
            c = pydicom.dcmread(path)
            c.compress(kind["code"], generate_instance_uid=False)
            c.save_as(path, enforce_file_format=True)
    return folder


def series():
    against_sitk("real series, JPEG 2000", os.path.join(DATA, "dicom", "series"))
    axial = (1, 0, 0, 0, 1, 0)
    a, b = np.radians(25), np.radians(10)
    twice = (np.cos(a), np.sin(a), 0, -np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b))
    against_sitk("axial, upwards", make_series("up", axial, 2.5))
    against_sitk("axial, rows reversed", make_series("rows", (1, 0, 0, 0, -1, 0), 2.5))
    against_sitk("coronal", make_series("coronal", (1, 0, 0, 0, 0, -1), 3))
    against_sitk("sagittal", make_series("sagittal", (0, 1, 0, 0, 0, -1), 1.25))
    against_sitk("oblique, 20 degrees about x", make_series("oblique", (1, 0, 0, 0, np.cos(np.pi / 9), np.sin(np.pi / 9)), 2), tol=1e-4)
    against_sitk("oblique, two angles", make_series("two", twice, 2), tol=1e-4)
    against_sitk("RLE", make_series("rle", axial, 2, code=RLELossless))
    against_sitk("JPEG-LS", make_series("jls", axial, 2, code=JPEGLSLossless))
    folder = make_series("lut", axial, 2, lut=True)
    want = np.stack([apply_modality_lut((d := pydicom.dcmread(p)).pixel_array, d) for p in by_place(folder)])
    judge("modality LUT of a series: values against pydicom", np.abs(volume(folder, want.shape)[1] - want).max(), 1e-3)
    against_sitk("implicit VR", make_series("implicit", axial, 2, syntax=ImplicitVRLittleEndian))
    slopes = [(1 + i / 4, -24 + 3 * i) for i in range(9)]
    folder = make_series("slopes", axial, 2, slopes=slopes)
    want = np.stack([apply_rescale((d := pydicom.dcmread(p)).pixel_array, d) for p in by_place(folder)])
    got = volume(folder, want.shape)[1]
    judge("slope and intercept of each slice: HU against pydicom", np.abs(got - np.clip(want, LO, HI)).max(), 1e-3)


def enhanced():
    """one file of many frames, positions in functional groups, in a shuffled order"""
    n, rows, columns = 7, 20, 26
    frames = rng.integers(0, 4000, (n, rows, columns)).astype(np.uint16)
    ds = base(rows, columns, 12)
    ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.2.1", "CT"
    ds.NumberOfFrames = n

    def group(**kind):
        g = Dataset()
        for k, v in kind.items():
            item = Dataset()
            for name, value in v.items():
                setattr(item, name, value)
            setattr(g, k, Sequence([item]))
        return g
    ds.SharedFunctionalGroupsSequence = Sequence([group(
        PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        PixelMeasuresSequence={"PixelSpacing": [0.8, 0.6], "SliceThickness": 9},
        PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"})])
    z = rng.permutation(n)
    ds.PerFrameFunctionalGroupsSequence = Sequence([group(
        PlanePositionSequence={"ImagePositionPatient": [-10, -20, 5 + 1.5 * int(k)]}) for k in z])
    with_pixels(ds, frames)
    want = np.empty((n, rows, columns))
    want[z] = frames.astype(float) - 1024
    for tag, path in (("explicit", save(ds, "e.dcm")), ("implicit", save(ds, "f.dcm", ImplicitVRLittleEndian))):
        meta, got = volume(path, want.shape)
        judge(f"enhanced CT, {tag}: HU", np.abs(got - want).max(), 1e-3)
        judge(f"enhanced CT, {tag}: affine", np.abs(np.array(meta["affine"]) -
              [-0.6, 0, 0, 10, 0, -0.8, 0, 20, 0, 0, 1.5, 5]).max(), 1e-9)
    for name, p, lossless in compressed(ds, save(ds, "e.dcm"), "enhanced"):
        if lossless:  # GDCM writes other positions
            z = [f.PlanePositionSequence[0].ImagePositionPatient[2] for f in
                 pydicom.dcmread(p).PerFrameFunctionalGroupsSequence]
            want[np.argsort(np.argsort(z))] = frames.astype(float) - 1024
            judge(f"enhanced CT, {name}: HU", np.abs(volume(p, want.shape)[1] - want).max(), 1e-3)


def real():
    folder = os.path.join(DATA, "dicom", "series")
    first = sorted(os.listdir(folder))
    for f in first:
        ds = pydicom.dcmread(os.path.join(folder, f), force=True)
        path = os.path.join(folder, f)
        if f in (first[0], first[-1]):
            judge(f"real CT slice {ds.InstanceNumber}: by its window", differ(picture(path, (512, 512), "--dicom", "window"), by_window(ds)), 0)
    for f in ("implicit_vr.dcm", "decimal_rescale.dcm", "slicethickness_empty_string.dcm"):
        path = os.path.join(DATA, "odd", f)
        ds = pydicom.dcmread(path)
        want = as_stored(ds)
        judge(f"odd/{f} ({ds.Modality}, {ds.PhotometricInterpretation}): as stored", differ(picture(path, want.shape), want), 0)
        if ds.PhotometricInterpretation != "PALETTE COLOR":
            judge(f"odd/{f}: by window", differ(picture(path, want.shape, "--dicom", "window"), by_window(ds)), 0)


real()
series()
enhanced()
palettes()
paddings()
words()
windows()
pictures()
print(f"{len(failed)} over their bounds")
sys.exit(bool(failed))
