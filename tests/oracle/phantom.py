# SPDX-License-Identifier: Apache-2.0
"""phantom.py - the files that um-phantom writes, as SimpleITK, nibabel and pydicom read them

usage: phantom.py [-n PATIENTS] [um-phantom]      needs numpy nibabel SimpleITK pydicom

CTs in every format hold the voxels of the NIfTI files as nibabel reads them, and the eight corners of
the grid lie in the same place, in millimetres; X-rays in PNG and DICOM hold the same pixels. Prints the
largest difference of each; exits 1 where one is over its bound.
"""
import argparse
import glob
import itertools
import os
import subprocess
import sys
import tempfile

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk

LPS = np.array([-1, -1, 1.0])
ENDS = {"nifti": ".nii.gz", "nii": ".nii", "dicom": "", "mha": ".mha", "mhd": ".mhd", "zraw": ".mhd",
        "nrrd": ".nrrd", "nhdr": ".nhdr"}
failed = []


def judge(what, n, worst, bound):
    print(f"{what:44} {n:5} files  {worst:10.3g}{'' if worst <= bound else '  FAILED'}")
    if not worst <= bound:
        failed.append(what)


def corners(affine, shape):
    ends = np.array(list(itertools.product(*((0, n - 1) for n in shape[::-1]))))
    return ends @ affine[:3, :3].T + affine[:3, 3]


def with_nibabel(path):
    img = nib.load(path)
    now, to = nib.orientations.io_orientation(img.affine), nib.orientations.axcodes2ornt("LPS")
    img = img.as_reoriented(nib.orientations.ornt_transform(now, to))
    return np.asarray(img.dataobj).transpose(2, 1, 0), img.affine[:3]


def with_itk(path):
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(path) if os.path.isdir(path) else path
    im = sitk.DICOMOrient(sitk.ReadImage(names), "LPS")
    affine = np.zeros((3, 4))
    affine[:, :3] = LPS[:, None] * np.array(im.GetDirection()).reshape(3, 3) * np.array(im.GetSpacing())
    affine[:, 3] = LPS * im.GetOrigin()
    return sitk.GetArrayFromImage(im), affine


def with_pydicom(folder):
    """in the order of the files' names, which is that of the stored slices, as the NIfTI has them"""
    slices = [pydicom.dcmread(f) for f in sorted(glob.glob(f"{folder}/*.dcm"))]
    v = np.stack([d.pixel_array * d.RescaleSlope + d.RescaleIntercept for d in slices])
    at = np.array([d.ImagePositionPatient for d in slices], float)
    o, gap = np.array(slices[0].ImageOrientationPatient, float), slices[0].PixelSpacing
    affine = LPS[:, None] * np.column_stack((o[:3] * gap[1], o[3:] * gap[0], (at[-1] - at[0]) / (len(at) - 1), at[0]))
    assert len({(d.StudyInstanceUID, d.SeriesInstanceUID, d.PatientID, d.Modality) for d in slices}) == 1
    assert len({d.SOPInstanceUID for d in slices}) == len(slices)
    assert [d.InstanceNumber for d in slices] == list(range(1, len(slices) + 1))
    return v, affine


def cts(n):
    for kind, end in ENDS.items():
        voxel = mm = 0
        for k in range(n):
            want, place = with_nibabel(f"nifti/ct/p{k:06}.nii.gz")
            got, affine = with_itk(f"{kind}/ct/p{k:06}{end}")
            voxel = max(voxel, np.abs(got.astype(int) - want).max() if got.shape == want.shape else np.inf)
            mm = max(mm, np.abs(corners(affine, got.shape) - corners(place, want.shape)).max())
        judge(f"{kind}, SimpleITK: HU", n, voxel, 0)
        judge(f"{kind}, SimpleITK: corners, mm", n, mm, 1e-4)
    voxel = mm = 0
    for k in range(n):
        img = nib.load(f"nifti/ct/p{k:06}.nii.gz")
        got, affine = with_pydicom(f"dicom/ct/p{k:06}")
        want = np.asarray(img.dataobj).transpose(2, 1, 0)
        voxel = max(voxel, np.abs(got - want).max() if got.shape == want.shape else np.inf)
        mm = max(mm, np.abs(corners(affine, got.shape) - corners(img.affine[:3], want.shape)).max())
    judge("dicom, pydicom, stored order: HU", n, voxel, 0)
    judge("dicom, pydicom, stored order: corners, mm", n, mm, 1e-4)


def xrays(n):
    worst = 0
    for k in range(n):
        want = sitk.GetArrayFromImage(sitk.ReadImage(f"png/xray/p{k:06}.png"))
        d = pydicom.dcmread(f"xdicom/xray/p{k:06}.dcm")
        got = d.pixel_array
        worst = max(worst, np.abs(got.astype(int) - want).max() if got.shape == want.shape else np.inf)
        assert (d.Modality, d.ViewPosition, d.PatientID, d.PhotometricInterpretation) == ("CR", "PA", f"p{k:06}", "MONOCHROME2")
    judge("X-rays, pydicom: DICOM and PNG, gray levels", n, worst, 0)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-n", type=int, default=20)
    p.add_argument("tool", nargs="?", default="um-phantom")
    a = p.parse_args()
    tool = os.path.abspath(a.tool) if os.path.exists(a.tool) else a.tool
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        common = [tool, "-q", "-n", str(a.n), "--volume", "24x40x36", "--xray-size", "96", "-o"]
        for kind in ENDS:
            subprocess.run([*common, kind, "--pairs", "ct", "--ct-files", kind], check=True)
        subprocess.run([*common, "png", "--pairs", "xray", "--xray-files", "png"], check=True)
        subprocess.run([*common, "xdicom", "--pairs", "xray", "--xray-files", "dicom"], check=True)
        with open("nifti/truth.tsv", encoding="utf-8") as f:
            axes = sorted({line.rstrip("\n").split("\t")[-1] for line in f} - {"axes"})
        print(f"{a.n} patients, stored as {' '.join(axes)}")
        cts(a.n)
        xrays(a.n)
        os.chdir("/")
    sys.exit(1 if failed else 0)


main()
