#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-preprocess: DICOM pictures and series made by dicom.py; real ones where UM_REAL_DATA names them

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    DICOM=$BATS_TEST_DIRNAME/dicom.py
    export PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1
}

# refused TEXT IMAGE ARGUMENT...: exit 1, one line that holds TEXT, nothing under the output's name
refused() {
    printf 'key\timage\nx\t%s\n' "$2" >one.tsv
    run um-preprocess -o refused.umt "${@:3}" one.tsv
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [ -e refused.umt ] ||
        [[ $output != "um-preprocess: record x: "*"$1"* ]]; then
        echo "$*: exit $status: $output"
        return 1
    fi
}

# series KIND: a folder of that name
series() { "$PY" "$DICOM" "$1" "$1"; }

@test "pictures as stored, inverted, by window" {
    "$PY" "$DICOM" xray
    printf 'key\timage\n%s' "$(printf '%s\n' deep inverse window eight | sed 's/.*/&\t&.dcm/')" >m.tsv
    um-preprocess --size 60 m.tsv -o s.umt
    um-preprocess --size 60 --dicom window m.tsv -o w.umt
    "$PY" - <<'END'
from media import *
a = np.arange(2400).reshape(60, 40) * 3
s, w = read("s.umt")[1], read("w.umt")[1]
px = lambda r, k: r[k][1]["image"][0][:, 10:50].astype(int)
up = lambda x: np.floor(x + 0.5)
full = up(a * 255 / a.max())
assert (px(s, "deep") == full).all() and (px(s, "window") == full).all()
assert (px(s, "inverse") == 255 - full).all()
assert (px(s, "eight") == up(a // 30 * 255 / (a.max() // 30))).all()
assert (px(w, "window") == up(np.clip((a - 2999.5) / 2000 + 0.5, 0, 1) * 255)).all()
assert (px(w, "deep") == full).all() and (px(w, "inverse") == 255 - full).all()
END
}

@test "bad pictures" {
    "$PY" "$DICOM" xray
    refused 'cut.dcm: DICOM: cut: element (7fe0,0010)' cut.dcm
    refused 'claim.dcm: DICOM: cut: element (7fe0,0010) at byte' claim.dcm
    refused 'wide.dcm: DICOM: cut: 40 x 65535 x 1 pixels of 16 bits promised' wide.dcm
    refused 'wide.dcm: DICOM: 40 x 65535 x 1 pixels, at most 1000 allowed (--max-pixels)' wide.dcm --max-pixels 1000
    refused 'frames.dcm: DICOM: 2 frames, and where they lie in the patient is not said' frames.dcm
    refused 'future.dcm: DICOM: transfer syntax 1.2.840.10008.9.9.9 is not read' future.dcm
    refused 'slice.dcm: DICOM: one slice of a CT: name the folder of its series, or take it' slice.dcm
    for kind in rows columns; do refused "no-$kind.dcm: DICOM: pixels, but no number of $kind" no-$kind.dcm; done
    refused 'no-bits.dcm: DICOM: pixels, but no number of bits allocated' no-bits.dcm
    refused 'seg.dcm: DICOM SEG (a segmentation) is not read: a mask is, as NIfTI' seg.dcm
    refused 'rtstruct.dcm: DICOM RTSTRUCT (contours) is not read: a mask is, as NIfTI' rtstruct.dcm
    refused 'slice.dcm: DICOM: one slice of a CT' slice.dcm
    um-preprocess --dicom window one.tsv -o one.umt
    um-show one.umt | grep -q 'image uint8 \[1,256,256\] min 0 .* max 255'
}

@test "a series is its NIfTI file, whatever its names, numbers and way of scaling" {
    series plain
    series slopes
    series mixed
    "$PY" "$BATS_TEST_DIRNAME/media.py" good
    printf 'key\timage\nplain\tplain\nslopes\tslopes/\nmixed\tmixed\nnifti\thu.nii\n' >m.tsv
    run um-preprocess --size 20x30x25 m.tsv -o v.umt
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == 'um-preprocess: warning: record mixed: left out of the folder: 1 files that are not DICOM (LICENSE first), 1 DICOM files without pixels, 1 localizers' ]]
    "$PY" - <<'END'
from media import *
r = read("v.umt")[1]
want = np.clip((body() + 1000) / 2000, 0, 1)
for k in ("plain", "slopes", "mixed"):
    assert np.abs(r[k][1]["volume"] - want).max() < 1e-6, k
    a = np.array(r[k][0]["affine"]).reshape(3, 4)
    assert np.abs(a - [[-2, 0, 0, 24], [0, -2, 0, 29], [0, 0, 3, -1.5]]).max() < 1e-9, a
    assert np.allclose(r[k][0]["spacing"], [2, 2, 3])
assert r["plain"][1]["volume"].tobytes() == r["mixed"][1]["volume"].tobytes()
END
    um-preprocess -q -j 2 --size 20x30x25 m.tsv | cmp - v.umt
}

@test "a modality lookup table takes the place of slope and intercept" {
    series lut
    printf 'key\timage\nx\tlut\n' >m.tsv
    um-preprocess -q --window 0,8000 --size 20x30x25 m.tsv -o v.umt
    "$PY" - <<'END'
from media import *
v = read("v.umt")[1]["x"][1]["volume"] * 8000
assert np.abs(v - 2 * (body() + 1024)).max() < 1e-2
END
}

@test "the spacing of pictures, pixels that are not square, no photometric interpretation" {
    "$PY" "$DICOM" xray
    printf 'key\timage\n%s' "$(printf '%s\n' mm0 mm1 mm2 mm3 mm4 aspect mute deep | sed 's/.*/&\t&.dcm/')" >m.tsv
    run um-preprocess -j 1 --size 60 m.tsv -o s.umt
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 3 ]
    [[ ${lines[0]} == *'record mm4: DICOM: a pixel is 1.5 times as high as wide, and is taken as square' ]]
    [[ ${lines[1]} == *'record aspect: DICOM: a pixel is 2 times as high as wide, and is taken as square' ]]
    [[ ${lines[2]} == *'record mute: DICOM: no photometric interpretation: taken as MONOCHROME2' ]]
    "$PY" - <<'END'
from media import *
r = read("s.umt")[1]
want = {"mm0": None, "mm1": [.4, .4], "mm2": [.2, .2], "mm3": [.1, .1], "mm4": [.2, .3], "aspect": None}
for k, v in want.items():
    assert r[k][0].get("spacing") == v, (k, r[k][0])
assert r["mute"][1]["image"].tobytes() == r["deep"][1]["image"].tobytes()
END
}

@test "padding is black, and air" {
    "$PY" "$DICOM" xray
    printf 'key\timage\nx\tpadded.dcm\n' >m.tsv
    um-preprocess --size 60 m.tsv -o s.umt
    um-preprocess --size 60 --dicom window m.tsv -o w.umt
    for kind in pad-high pad-low; do series $kind; done
    printf 'key\timage\nlow\tpad-low\nhigh\tpad-high\n' >m.tsv
    run um-preprocess -j 1 --size 20x30x25 --window=-2000,2000 m.tsv -o v.umt
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == *'record high: 3000 voxels of padding, over 3071 HU, are taken as air, -1024 HU' ]]
    "$PY" - <<'END'
from media import *
a = np.arange(2400).reshape(60, 40) * 3
up = lambda x: np.where(np.arange(60)[:, None] < 9, 0, np.floor(x + 0.5))
px = lambda f: read(f)[1]["x"][1]["image"][0][:, 10:50]
assert (px("s.umt") == up(a * 255 / a.max())).all()
assert (px("w.umt") == up(np.clip((a - 2999.5) / 2000 + 0.5, 0, 1) * 255)).all()
r = read("v.umt")[1]
want = body().astype(float)
want[:, -6:] = -1024
for k in r:
    assert np.abs(r[k][1]["volume"] * 4000 - 2000 - want).max() < 1e-2, k
END
}

@test "gaps and duplicates are errors, unless they are allowed" {
    series gap
    series twice
    refused 'a gap: ' gap
    [[ $output == *' are 6 mm apart, the median step is 3 (--allow=gaps '* ]]
    refused ' lie at the same place, ' twice
    refused ' lie at the same place, ' twice --allow gaps
    refused 'a gap: ' gap --allow duplicates
    printf 'key\timage\ntwice\ttwice\ngap\tgap\n' >m.tsv
    run um-preprocess --allow gaps,duplicates --size 20x30x25 m.tsv -o out.umt
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 2 ] # in either order
    [[ $output == *'um-preprocess: warning: record twice: 2 slices at a place where there is one already are left out'* ]]
    [[ $output == *'record gap: 1 of 18 steps between slices are not the median 3 mm: all are taken as 3.16667 mm'* ]]
    "$PY" - <<'END'
from media import *
r = read("out.umt")[1]
assert np.abs(r["twice"][1]["volume"] - np.clip((body() + 1000) / 2000, 0, 1)).max() < 1e-6
assert abs(r["gap"][0]["spacing"][2] * 20 - 57 / 18 * 19) < 1e-9
END
    series emptied
    cp emptied/03 'emptied/03 (1)' # known by the identifier in the file's own header
    printf 'key\timage\nx\temptied\n' >m.tsv
    run um-preprocess --allow duplicates --size 20x30x25 m.tsv -o x.umt
    [ "$status" = 0 ]
    [[ $output == *'record x: 1 slices at a place where there is one already are left out'* ]]
    series scans
    series mixed-scans
    refused ': DICOM: two scans or more at the same places, as of ' mixed-scans --allow duplicates
    printf 'key\timage\nx\tscans\n' >m.tsv
    run um-preprocess --allow duplicates --window=-1024,3000 --size 20x30x25 m.tsv -o out.umt
    [ "$status" = 0 ]
    [[ $output == *'20 slices at a place where there is one already are left out: acquisition number 2 is taken'* ]]
    "$PY" - <<'END'
from media import *
v = read("out.umt")[1]["x"][1]["volume"] * 4024 - 1024
assert np.abs(v - body() - 500).max() < 1e-2
END
    run um-preprocess --allow everything m.tsv -o none.umt
    [ "$status" = 2 ]
}

@test "slices that do not belong together are named" {
    for kind in size spacing tilt line position rescale patient frame two; do series $kind; done
    refused ' DICOM: 25 x 29 pixels, ' size
    refused ' DICOM: pixel spacing 2 x 2.5 mm, ' spacing
    refused ' DICOM: another orientation than ' tilt
    refused ' DICOM: lies 2 mm beside the line from the first slice to the last' line
    refused ' DICOM: no image position: not a slice of a volume' position
    refused ' DICOM: no rescale slope, ' rescale
    refused ': DICOM: another patient than ' patient
    refused ': DICOM: another frame of reference than ' frame
    refused '2 DICOM series (--series=UID picks one): 1.2.3 (thorax, 20 files); 1.2.4 (bone kernel, 5 files)' two
    refused 'no DICOM series 1.2.5 among 2: ' two --series 1.2.5
    um-preprocess --series 1.2.3 --size 20x30x25 one.tsv -o a.umt
    printf 'key\timage\nx\tplain\n' >m.tsv
    series plain
    um-preprocess --series 1.2.3 --size 20x30x25 m.tsv | cmp - a.umt
    um-preprocess --series 1.2.4 one.tsv -o b.umt
    mkdir lone empty
    cp plain/00 lone
    refused ': DICOM: one slice alone, a volume has two or more' lone
    refused 'empty: a folder without slices: expected DICOM, JPEG or PNG files in it, there is no file' empty
    echo text >lone/a.txt
    refused '00: DICOM: one slice alone, a volume has two or more, beside 1 files that are not DICOM (a.txt first)' lone
    rm lone/00
    refused 'lone: a folder without slices: expected DICOM, JPEG or PNG files in it, a.txt is no image' lone
    gzip -k plain/00
    mv plain/00.gz lone/00.dcm.gz
    refused 'files in it, 00.dcm.gz is gzip, which is read file by file alone' lone
}

@test "what is left of a slice is not left out" {
    series plain
    one=$(find plain -type f | sort | head -1)
    cp "$one" whole
    pixels=$(($(stat -c %s whole) - 30 * 25 * 2))
    : >"$one"
    refused "${one#*/}: empty, in a folder of DICOM files" plain
    for n in 7 128 130; do
        head -c $n whole >"$one"
        refused "${one#*/}: " plain
    done
    head -c 5000 /dev/zero >"$one"
    refused "${one#*/}: DICOM: cut or damaged: begins with 5000 zeros" plain
    cp whole "$one"
    : >plain/notes.csv # what ends otherwise than the slices is none
    head -c 5000 /dev/zero >plain/mask.raw
    printf 'key\timage\nx\tplain\n' >marks.tsv
    um-preprocess marks.tsv -o marks.umt 2>err
    grep -q 'left out of the folder: 2 files that are not DICOM (mask.raw first)' err
    rm plain/notes.csv plain/mask.raw
    head -c 160 whole >"$one" # behind the transfer syntax, whole elements alone
    printf '\x08\0\x16\0UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0' >>"$one"
    refused "${one#*/}: DICOM: cut: a picture's header without pixels behind it" plain
    head -c $((pixels - 12)) whole >"$one"
    refused "${one#*/}: DICOM: cut: a picture's header without pixels behind it" plain
    head -c $((pixels - 10)) whole >"$one"
    refused "${one#*/}: DICOM: cut: an element that begins at byte" plain
    head -c $((pixels + 100)) whole >"$one"
    refused "${one#*/}: DICOM: cut: element (7fe0,0010)" plain
    cp whole "$one"
    echo text >plain/x.DCM
    refused 'x.DCM: not a DICOM file, whatever its name says' plain
}

@test "folders that are too much" {
    mkdir many
    (cd many && seq 20001 | xargs touch)
    refused 'many: more than 20000 files in the folder' many
    mkdir fifos
    mkfifo fifos/a fifos/b
    ln -s . fifos/self
    refused 'fifos: a folder without slices: expected DICOM, JPEG or PNG files in it, there is no file' fifos
    ln -s loop loop
    refused 'Too many levels of symbolic links' loop
}

@test "the real series, and its mask" {
    [ -n "$UM_REAL_DATA" ] || skip "UM_REAL_DATA is not set"
    printf 'key\timage\tmask\nct\tdicom/series\tdicom/series_mask.nii.gz\n' >m.tsv
    um-preprocess -q --root "$UM_REAL_DATA" --size 20x512x512 --window=-1024,1436 m.tsv -o ct.umt
    um-show --png png -k ct ct.umt >/dev/null 2>&1 || true
    "$PY" - "$UM_REAL_DATA" <<'END'
from media import *
import sys
meta, t = read("ct.umt")[1]["ct"]
assert t["mask"].max() > 1 and t["mask"].shape == (20, 512, 512)
a = np.array(meta["affine"]).reshape(3, 4)
assert np.allclose(meta["spacing"], [0.9765625, 0.9765625, 2]) and a[2, 3] == -804.5, a
# the body is where the mask is: organs lie in tissue
hu = t["volume"].astype(float) * 2460 - 1024
assert (np.abs(hu[t["mask"] == 5]) < 300).mean() > 0.95  # liver
np.save("slice.npy", hu[19])
END
    printf 'key\timage\nx\tdicom/slice_267_stored_values_u16.png\n' >p.tsv
    um-preprocess -q --root "$UM_REAL_DATA" --size 512 p.tsv -o p.umt
    "$PY" - <<'END'
from media import *
stored = np.load("slice.npy") + 1024
want = read("p.umt")[1]["x"][1]["image"][0].astype(int)
assert np.abs(stored - np.round(stored)).max() < 1e-3
assert (np.floor(np.round(stored) / 257 + 0.5) == want).all()
END
}
