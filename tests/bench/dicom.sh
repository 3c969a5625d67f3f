#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dicom.sh - reading a DICOM series of 300 slices, beside pydicom and numpy
# usage: BUILD=build PYTHON=python dicom.sh [turns]     the python has pydicom, numpy, and for JPEG 2000
#                                                       pylibjpeg with pylibjpeg-openjpeg
#
# A made-up CT of 512 x 512 int16, explicit VR uncompressed, and one of 60 slices in JPEG 2000; one thread
# each. Every turn (7) starts both anew, one after the other; medians of the seconds from the folder's name to
# the voxels in memory, imports and the first file's warming up left out for Python. A row: work, ours, peer's,
# peer's over ours, parted by tabs. The last row is the floor: reading the files' bytes alone, by read(2) into
# one buffer.
set -euo pipefail

build=${BUILD:-build}
python=${PYTHON:-python3}
turns=${1:-7}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/peer.py" <<'END'
import os, sys, time
import numpy as np
import pydicom
folder = sys.argv[1]
names = [os.path.join(folder, f) for f in sorted(os.listdir(folder))]
if sys.argv[2:] == ["bytes"]:
    t = time.perf_counter()
    buffer = memoryview(bytearray(1 << 21))
    for f in names:
        fd = os.open(f, os.O_RDONLY)
        os.readv(fd, [buffer])
        os.close(fd)
elif sys.argv[2:] == ["compress"]:
    for f in names:
        d = pydicom.dcmread(f)
        d.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
        d.save_as(f)
    t = time.perf_counter()
else:
    pydicom.dcmread(names[0]).pixel_array
    t = time.perf_counter()
    slices = sorted((pydicom.dcmread(f) for f in names), key=lambda d: d.ImagePositionPatient[2])
    volume = np.stack([d.pixel_array for d in slices])
print(f"{time.perf_counter() - t:.4f}")
END

median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# series NAME SLICES: patient 0, whose slices are axial
series() { "$build/um-phantom" -q -n 1 --volume "$2x512x512" --pairs ct --ct-files dicom -o "$work/$1"; }

# row NAME FOLDER
row() {
    for _ in $(seq "$turns"); do
        "$build/bench/dicom" "$2" | cut -f 1 >>"$work/$1.ours"
        "$python" "$work/peer.py" "$2" >>"$work/$1.peer"
        "$python" "$work/peer.py" "$2" bytes >>"$work/$1.bytes"
    done
    awk -v w="$1" -v o="$(median "$work/$1.ours")" -v p="$(median "$work/$1.peer")" \
        'BEGIN { printf "%s\t%.4f\t%.4f\t%.2f\n", w, o, p, p / o }'
    awk -v w="$1" -v o="$(median "$work/$1.ours")" -v p="$(median "$work/$1.bytes")" \
        'BEGIN { printf "%s-bytes-alone\t%.4f\t%.4f\t%.2f\n", w, o, p, p / o }'
}

export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
series plain 300
row dicom-300 "$work/plain/ct/p000000"
if "$python" -c 'import openjpeg' 2>/dev/null; then
    series j2k 60
    "$python" "$work/peer.py" "$work/j2k/ct/p000000" compress >/dev/null
    row dicom-60-jpeg2000 "$work/j2k/ct/p000000"
fi
