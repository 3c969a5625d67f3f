#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-preprocess: files and manifests made by media.py; real ones where UM_REAL_DATA names them

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    MEDIA=$BATS_TEST_DIRNAME/media.py
    export PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1
}

# refused TEXT ARGUMENT...: exit 1, one line that holds TEXT, nothing under the output's name
refused() {
    local says=$1
    shift
    run um-preprocess -o refused.umt "$@"
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [ -e refused.umt ] ||
        [[ $output != "um-preprocess: "*"$says"* ]]; then
        echo "$*: exit $status: $output"
        return 1
    fi
}

# bad_image TEXT FILE ARGUMENT...: a manifest of that one image is refused and its record named
bad_image() {
    printf 'key\timage\np10/s50\t%s\n' "$2" >one.tsv
    refused "record p10/s50: $2: $1" "${@:3}" one.tsv
}

@test "every column, every kind of file" {
    "$PY" "$MEDIA" good
    um-preprocess manifest.tsv -o out.umt
    "$PY" - <<'END'
from media import *
header, r = read("out.umt")
assert header["window"] == [-1000, 1000] and header["history"][0]["tool"] == "um-preprocess"
assert list(r) == ["gray", "deep", "rgba", "blocks", "tail", "ct", "text"]
meta, t = r["gray"]
assert meta == {"report": 'says "no', "view": "PA", "patient": "p1", "split": "train", "class": "2", "pixels": [200, 300], "extent": [43, 0, 213, 256],
                "label": {"Edema": 1}, "age": "61"}, meta
assert r["deep"][0]["label"] == {"Edema": 0.5} and r["rgba"][0]["label"] == {"Edema": None}
assert r["tail"][0]["report"] == "FINDINGS:\nHeart normal. Lungs clear. No effusion.\n"

# the area average, written out; 300 x 200 becomes 256 x 170 with 43 columns of zeros on each side
def box(n, m):
    lo, j = np.arange(m)[:, None] * n / m, np.arange(n)[None]
    return np.clip(np.minimum(lo + n / m, j + 1) - np.maximum(lo, j), 0, None) * m / n
want = np.zeros((256, 256))
want[:, 43:213] = box(300, 256) @ gray() @ box(200, 170).T
got = t["image"]
assert got.dtype == np.uint8 and got.shape == (1, 256, 256)
assert np.abs(got[0] - want).max() <= 0.5 + 1e-9
assert (got == r["deep"][1]["image"]).all()
assert t["mask"].shape == got.shape and set(np.unique(t["mask"])) == {0, 1}
blocks = np.kron(gray(40, 50), np.ones((8, 8)))
want = np.zeros((256, 256))
want[26:230] = box(320, 204) @ blocks @ box(400, 256).T
assert np.abs(r["blocks"][1]["image"][0] - want).max() <= 0.5 + 1e-9

meta, t = r["ct"]
def tri(n, m):
    c = (np.arange(m)[:, None] + 0.5) * n / m - 0.5
    w = np.clip(1 - np.abs(np.arange(n) - c) / max(1, n / m), 0, None)
    return w / w.sum(1, keepdims=True)
x = (np.clip(body(), -1000, 1000) + 1000) / 2000
want = np.einsum("az,by,cx,zyx->abc", tri(20, 32), tri(30, 128), tri(25, 128), x, optimize=True)
assert t["volume"].dtype == np.float32 and np.abs(t["volume"] - want).max() < 2e-6
assert meta["window"] == [-1000, 1000] and np.allclose(meta["spacing"], [50 / 128, 60 / 128, 60 / 32])
assert np.allclose(meta["affine"], [-50 / 128, 0, 0, 1 - 25 / 128, 0, -60 / 128, 0, 1 - 30 / 128,
                                    0, 0, 60 / 32, -1.5 + 30 / 32])
at = np.ix_(*((2 * np.arange(m) + 1) * n // (2 * m) for n, m in ((20, 32), (30, 128), (25, 128))))
assert (t["mask"] == ((body() > 0) * 3)[at]).all()
assert r["text"][1] == {}
END
}

@test "the same bytes for any number of threads, from a file or standard input" {
    "$PY" "$MEDIA" good
    um-preprocess -j 1 manifest.tsv -o 1.umt
    um-preprocess -j 2 manifest.tsv -o 2.umt
    um-preprocess -j 7 - <manifest.tsv >7.umt
    cmp 1.umt 2.umt
    cmp 1.umt 7.umt
    mkdir sub
    cp manifest.tsv sub
    um-preprocess --root . sub/manifest.tsv | cmp - 1.umt
    um-preprocess <(cat manifest.tsv) | cmp - 1.umt # pipes with a name are read once, too, from here
    cat manifest.tsv | um-preprocess /dev/stdin | cmp - 1.umt
    awk 'BEGIN { print "key\treport"; for (i = 0; i < 5000; i++) print "k" i "\tFINDINGS: None " i "." }' >long.tsv
    um-preprocess long.tsv -o long.umt
    um-preprocess <(cat long.tsv) | cmp - long.umt
    mkfifo fifo
    cat long.tsv >fifo &
    timeout 60 um-preprocess fifo | cmp - long.umt
    head -n 3 long.tsv >short.tsv
    cat short.tsv >fifo &
    timeout 60 um-preprocess fifo | cmp - <(um-preprocess short.tsv)
}

@test "byte order, compression, scaling and type change nothing; all 48 arrangements are one" {
    "$PY" "$MEDIA" good
    printf 'key\timage\nct\tct.nii\ngz\tct.nii.gz\nbig\tbig.nii\nfloat\tfloat.nii\nscaled\tscaled.nii\nhu\thu.nii\n' >m.tsv
    um-preprocess m.tsv -o a.umt
    mkdir 48
    (cd 48 && "$PY" "$MEDIA" arrangements)
    um-preprocess --size 7x20x11 48/manifest.tsv -o b.umt
    "$PY" - <<'END'
from media import *
_, r = read("a.umt")
for k in ("gz", "big", "float"):
    assert r[k][1]["volume"].tobytes() == r["ct"][1]["volume"].tobytes(), k
assert r["scaled"][1]["volume"].tobytes() == r["hu"][1]["volume"].tobytes()
_, r = read("b.umt")
assert len(r) == 48 and len({t["volume"].tobytes() for _, t in r.values()}) == 1
assert max(np.abs(np.subtract(m["affine"], r["012+++"][0]["affine"])).max() for m, _ in r.values()) < 1e-5
END
}

@test "filters: what they drop, how they say it" {
    "$PY" "$MEDIA" good
    run um-preprocess --filter frontal,sentences=3 --dropped dropped.tsv manifest.tsv -o out.umt
    [ "$status" = 0 ]
    [ "$output" = 'um-preprocess: dropped 3 of 7 rows: frontal 2, sentences 1, words 0' ]
    [ "$(cat dropped.tsv)" = "$(printf 'key\tfilter\ngray\tsentences\nrgba\tfrontal\nblocks\tfrontal')" ]
    [ "$(um-show --keys out.umt | tr '\n' ' ')" = 'deep tail ct text ' ]
    run um-preprocess --filter words=7 manifest.tsv -o out.umt
    [[ $output == *'frontal 0, sentences 0, words 6' ]]
    [ -z "$(um-preprocess -q --filter frontal manifest.tsv 2>&1 >/dev/null)" ]
    # 1.5 and Dr. end a sentence or not, for the filter as for um-tokenize
    printf 'key\treport\na\tA nodule of 1.5 cm. Seen by Dr. Paz today.\nb\tAll is clear. No nodule. No effusion.\n' >cut.tsv
    um-preprocess -q --filter sentences=3 cut.tsv | um-show --keys - | tr '\n' ' ' | grep -qx 'a b '
    run um-preprocess --filter sentences=3 --sentences strict --dropped dropped.tsv cut.tsv -o out.umt
    [ "$output" = 'um-preprocess: dropped 1 of 2 rows: frontal 0, sentences 1, words 0' ]
    [ "$(tail -n 1 dropped.tsv)" = "$(printf 'a\tsentences')" ]
    run um-preprocess --filter lateral manifest.tsv -o none.umt
    [ "$status" = 2 ]
    [ ! -e none.umt ]
}

@test "shards part the rows; sizes and windows are taken" {
    "$PY" "$MEDIA" good
    [ "$(um-preprocess --shard 1/3 manifest.tsv | um-show --keys | tr '\n' ' ')" = 'gray blocks text ' ]
    [ "$(um-preprocess --shard 3/3 manifest.tsv | um-show --keys | tr '\n' ' ')" = 'rgba ct ' ]
    um-preprocess --size 64,4x8x16 --window mediastinum manifest.tsv -o out.umt
    um-show out.umt | grep -q '^gray  image uint8 \[1,64,64\]'
    um-show out.umt | grep -q '^ct  volume float32 \[4,8,16\] min 0 .*mask uint8 \[4,8,16\]'
    um-show --header out.umt | grep -q 'window=\[-160'
    for o in '--shard 0/3' '--shard 4/3' '--size 32x128' '--window 5,5' '--nan x' '--size 0' \
        '--mask-threshold 1e999' '--no-such-option'; do
        # shellcheck disable=SC2086
        run um-preprocess $o manifest.tsv -o none.umt
        [ "$status" = 2 ]
        [ ! -e none.umt ]
    done
}

@test "masks: area, threshold, another grid" {
    "$PY" "$MEDIA" good
    "$PY" "$MEDIA" bad
    printf 'key\timage\tmask\np\tgray.png\tlesion.png\nv\tct.nii\torgans.nii\n' >m.tsv
    um-preprocess --mask-filter area --size 4x6x5 m.tsv -o out.umt
    "$PY" - <<'END'
from media import *
_, r = read("out.umt")
m = r["v"][1]["mask"]
want = (body() > 0).reshape(4, 5, 6, 5, 5, 5).mean((1, 3, 5)) * 255
assert np.abs(m - want).max() <= 0.5 + 1e-9
m = r["p"][1]["mask"][0].astype(int)
assert m.max() == 255 and abs(m.sum() / 255 / (256 * 170) - (gray() > 200).mean()) < 1e-3
END
    local row='v\tct.nii\t%s\n'
    # shellcheck disable=SC2059
    for f in organs_cut.nii organs_moved.nii organs_half.nii small.png; do
        printf "key\timage\tmask\n$row" $f >${f%.*}.tsv
    done
    refused 'record v: mask organs_cut.nii: 19 x 30 x 25 voxels (z, y, x), the image has 20 x 30 x 25' organs_cut.tsv
    refused 'record v: mask organs_moved.nii: lies up to 9 mm away from the image' organs_moved.tsv
    refused 'record v: mask organs_half.nii: values are not whole numbers in 0..255' organs_half.tsv
    refused 'record v: mask small.png: a picture, expected a volume' small.tsv
    um-preprocess --mask-threshold 0 organs_half.tsv -o out.umt
    printf 'key\timage\tmask\np\tgray.png\tsmall.png\n' >m.tsv
    refused 'record p: mask small.png: 10 x 10 pixels, the image has 200 x 300' m.tsv
    printf 'key\timage\tmask\tview\np\t\tsmall.png\tPA\n' >m.tsv
    refused 'record p: line 2 has no image and no report' m.tsv
}

@test "bad pictures" {
    "$PY" "$MEDIA" bad
    bad_image 'no such file' missing.png
    bad_image 'empty, expected JPEG, PNG, DICOM, NIfTI, ' empty.jpg
    bad_image 'not an image: expected JPEG, PNG, DICOM, NIfTI, ' text.jpg
    bad_image 'JPEG: Premature end of JPEG file' cut.jpg
    bad_image 'PNG: IDAT: CRC error' crc.png
    bad_image 'PNG: cut' cut.png
    bad_image 'a folder without slices' folder
    bad_image 'a device or FIFO, not a file' fifo
    bad_image 'a device or FIFO, not a file' /dev/zero
    bad_image 'Too many levels of symbolic links' loop
    bad_image 'PNG: 10 x 10 pixels, at most 99 allowed' small.png --max-pixels 99
    bad_image 'DICOM: cut: an element that begins at byte 228' dicom.dcm
}

@test "bad volumes" {
    "$PY" "$MEDIA" bad
    bad_image 'NIfTI: cut: the header promises 25 x 30 x 20 x 1 voxels' promise.nii
    bad_image 'NIfTI: dimension 2 is 0' zero.nii
    bad_image 'NIfTI: 2147483648 x 2147483648 x 2147483648 voxels' huge.nii
    bad_image 'NIfTI: spacing along axis 1 is nan mm' spacing.nii
    bad_image 'NIfTI: datatype 999' datatype.nii
    bad_image 'NIfTI: 2 time frames: --frame N picks one' frames.nii
    bad_image 'NIfTI: frame 2 asked for, there are 2' frames.nii --frame 2
    bad_image 'voxel x 5, y 4, z 3 (of 25 x 30 x 20) is nan' hole.nii
    bad_image 'NIfTI pair: pair.nii.img: no such file' pair.nii
    bad_image 'gzip: cut' cut.nii.gz
    bad_image 'gzip: cut or damaged' claim.nii.gz
    bad_image 'gzip: cut or damaged' flipped.nii.gz
    bad_image 'inside the gzip: not an image' table.nii.gz
    bad_image 'NIfTI: 25 x 30 x 20 voxels, at most 14999 allowed' promise.nii --max-pixels 14999
    printf 'key\timage\nf\tframes.nii\nh\thole.nii\n' >m.tsv
    um-preprocess --frame 1 --on-error skip --nan -1000 m.tsv 2>err | um-show --keys >keys
    [ "$(cat keys)" = f ] # the other has one frame only
    grep -q 'frame 1 asked for, there are 1' err
    printf 'key\timage\nh\thole.nii\n' >m.tsv
    um-preprocess --nan -1000 m.tsv | um-show | grep -q ' nan 0$'
}

@test "bad manifests and reports" {
    "$PY" "$MEDIA" good
    "$PY" "$MEDIA" bad
    printf 'name\timage\na\tgray.png\n' >m.tsv
    refused 'm.tsv: line 1: no column key' m.tsv
    printf 'key\tview\na\tPA\n' >m.tsv
    refused 'm.tsv: line 1: no column image, report or report_file' m.tsv
    printf 'key\timage\na\tgray.png\nb\tgray.png\na\tgray.png\n' >m.tsv
    refused 'm.tsv: line 4: key "a" was on line 2 already' m.tsv
    printf 'key\timage\na\tgray.png\tmore\n' >m.tsv
    refused 'm.tsv: line 2: 3 fields, the header has 2' m.tsv
    printf 'key\treport\na\tFieber 39 \260C.\n' >m.tsv
    refused 'm.tsv: line 2: ' m.tsv
    refused 'folder: a directory, not a manifest' folder
    refused 'nowhere.tsv: no such file' nowhere.tsv
    : >m.tsv
    refused 'm.tsv: empty: a header line is expected' m.tsv
    printf '\n\nkey\treport\n\na\tx\n' >m.tsv # empty lines are none
    [ "$(um-preprocess -q m.tsv | um-show --keys)" = a ]
    printf '\n' >m.tsv
    refused 'm.tsv: empty: a header line is expected' m.tsv
    : >empty.txt
    printf 'key\treport_file\na\tempty.txt\n' >m.tsv
    refused 'record a: line 2 has no image and no report: its report_file is empty' m.tsv
    for o in --filter= --series=; do
        run um-preprocess "$o" manifest.tsv
        [ "$status" = 2 ]
    done
    printf 'key\treport_file\na\tlatin1.txt\n' >m.tsv
    refused 'record a: latin1.txt: ' m.tsv
    printf 'key\treport_file\treport\na\tnote.txt\ttoo\n' >m.tsv
    refused 'record a: both report and report_file are given' m.tsv
    printf 'key\treport\tlabel.Edema\na\tx\tyes\n' >m.tsv
    refused 'record a: column label.Edema: "yes" is not a number' m.tsv
    for l in 0x1 ' 1' '1 ' inf; do
        printf 'key\treport\tlabel.Edema\na\tx\t%s\n' "$l" >m.tsv
        refused "record a: column label.Edema: \"$l\" is not a number" m.tsv
    done
    printf 'key\treport\tsplit\na\tx\tval\n' >m.tsv
    refused 'record a: column split: "val", expected train, valid or test' m.tsv
}

@test "skipping goes on and lists; a full disk and a closed pipe" {
    "$PY" "$MEDIA" good
    "$PY" "$MEDIA" bad
    printf 'key\timage\na\tgray.png\nb\tcut.jpg\nc\tcrc.png\nd\tct.nii\n' >m.tsv
    for j in 1 2 7; do
        um-preprocess -q -j $j --on-error skip --rejects r$j.tsv m.tsv -o $j.umt
        [ "$(um-show --keys $j.umt | tr '\n' ' ')" = 'a d ' ]
        [ "$(cut -f 1,2 r$j.tsv | tr '\t\n' '  ')" = 'b format c format ' ]
        run um-preprocess -j $j m.tsv -o none.umt
        [ "$status" = 1 ]
        [ "$output" = 'um-preprocess: record b: cut.jpg: JPEG: Premature end of JPEG file' ]
    done
    cmp 1.umt 2.umt
    cmp 1.umt 7.umt
    run bash -c 'um-preprocess manifest.tsv >/dev/full'
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    run bash -c 'um-preprocess manifest.tsv | head -c 100 >/dev/null; echo "${PIPESTATUS[0]}"'
    [ "$output" = 0 ] || [ "$output" = 141 ]
}

@test "a volume that is not in HU is let through with a warning" {
    "$PY" - <<'END'
from media import *
put("mr.nii", nifti((body() + 1000) // 8))
put("twice.nii", nifti(body() - 1024))
put("never.nii", nifti(body() + 1024))
put("form.nii", nifti(body(), sform=0))
put("m.tsv", b"key\timage\nmr\tmr.nii\ntwice\ttwice.nii\nnever\tnever.nii\nform\tform.nii\n")
END
    run um-preprocess -j 1 m.tsv -o out.umt
    [ "$status" = 0 ]
    [[ ${lines[0]} == 'um-preprocess: warning: record mr: under 1 % of the voxels lie in -1100'* ]]
    [[ ${lines[1]} == *'record twice: all values look about 1024 HU too low: rescaled twice?' ]]
    [[ ${lines[2]} == *'record never: all values look about 1024 HU too high: never rescaled?' ]]
    [[ ${lines[3]} == *'record form: neither sform nor qform'* ]]
    [ "${#lines[@]}" = 4 ]
    for i in 1 2 3 4 5 6 7; do printf '%s\tform.nii\n' $i; done | sed '1i key\timage' >seven.tsv
    run um-preprocess -j 2 seven.tsv -o out.umt # a kind is said three times, then counted
    [ "$(grep -c 'record [1-7]: neither sform nor qform' <<<"$output")" = 3 ]
    [[ ${lines[3]} == 'um-preprocess: warning: 4 more records: neither sform nor qform'* ]]
    [ "${#lines[@]}" = 4 ]
    run um-preprocess -v seven.tsv -o out.umt
    [ "$(grep -c 'record [1-7]: neither sform nor qform' <<<"$output")" = 7 ]
    [[ $output != *more* ]]
}

@test "real files: 182 X-rays, 14 slices, 10 volumes; any number of threads" {
    [ -n "$UM_REAL_DATA" ] || skip "UM_REAL_DATA is not set"
    for j in 1 2 7; do
        um-preprocess -j $j "$UM_REAL_DATA/xray/manifest.tsv" -o x$j.umt
        um-preprocess -q -j $j --mask-threshold 127.5 "$UM_REAL_DATA/ct/manifest.tsv" -o c$j.umt
    done
    cmp x1.umt x2.umt
    cmp x1.umt x7.umt
    cmp c1.umt c2.umt
    cmp c1.umt c7.umt
    [ "$(um-show --keys x1.umt | wc -l)" = 182 ]
    [ "$(um-show --keys c1.umt | wc -l)" = 10 ]
    [ "$(um-preprocess "$UM_REAL_DATA/ct/slices/manifest.tsv" | um-show --keys | wc -l)" = 14 ]
    run um-preprocess --filter frontal "$UM_REAL_DATA/xray/manifest.tsv" -o f.umt
    [ "$output" = 'um-preprocess: dropped 51 of 182 rows: frontal 51, sentences 0, words 0' ]
}

@test "real odd files: a value or one clear reason for each" {
    [ -n "$UM_REAL_DATA" ] || skip "UM_REAL_DATA is not set"
    (cd "$UM_REAL_DATA/odd" && printf 'key\timage\n' && printf '%s\n' * | sed 's/.*/&\t&/') >odd.tsv
    um-preprocess -q --root "$UM_REAL_DATA/odd" --on-error skip --rejects r.tsv odd.tsv -o odd.umt
    [ "$(um-show --keys odd.umt | tr '\n' ' ')" = \
        'anatomical.nii decimal_rescale.dcm heart_mask_other_grid.nii.gz implicit_vr.dcm mr_not_ct.nii.gz reoriented_anat_moved.nii slicethickness_empty_string.dcm standard.nii.gz ' ]
    [ "$(cut -f 1,2 r.tsv | tr '\t\n' '= ')" = "analyze.hdr=missing covid_chestxray_metadata.csv=format \
csa_slice_norm.dcm=missing example4d.nii.gz=shape \
example_nifti2.nii.gz=shape figure1_metadata_cp1252.csv=format functional.nii=shape \
nifti1.hdr=missing nifti2.hdr=missing \
resampled_anat_moved.nii=nonfinite row_major.dconn.nii=unsupported \
test.mgz=unsupported tiny.mnc=unsupported tinypet.v=unsupported " ]
    um-preprocess -q --frame 0 --nan -1024 --root "$UM_REAL_DATA/odd" --on-error skip odd.tsv -o two.umt
    [ "$(um-show --keys two.umt | wc -l)" = 12 ]
    run um-preprocess "$UM_REAL_DATA/odd/covid_chestxray_metadata.csv" -o none.umt
    [ "$status" = 1 ]
    [[ $output == *'no column key'*'parted by tabs'* ]]
    run um-preprocess "$UM_REAL_DATA/odd/figure1_metadata_cp1252.csv" -o none.umt
    [ "$status" = 1 ]
    printf 'key\timage\tmask\nt\tct/totalseg_thorax.nii.gz\todd/heart_mask_other_grid.nii.gz\n' >m.tsv
    run um-preprocess --root "$UM_REAL_DATA" m.tsv -o none.umt
    [[ $output == *'233'* ]]
    [ ! -e none.umt ]
}

@test "masks of pictures are labels as stored: 16 bits, few bits, palettes; not colours, nor JPEG as it is" {
    "$PY" - <<'END'
import struct, zlib
from media import *
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
def raw(bits, kind, rows, extra=b""):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, bits, kind, 0, 0, 0)) + extra +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
a = np.arange(256, dtype=np.uint8).reshape(16, 16)
put("image.png", png(a))
put("m16.png", png(a.astype(np.uint16)))
put("big.png", png(a.astype(np.uint16) + 10))
pack = b"".join(b"\0" + bytes((4 * (r[k] % 4) + r[k + 1] % 4) * 16 + 4 * (r[k + 2] % 4) + r[k + 3] % 4
                             for k in range(0, 16, 4)) for r in a.tolist())
put("m2.png", raw(2, 0, pack))
put("p2.png", raw(2, 3, pack, chunk(b"PLTE", bytes(range(100, 112)))))
put("rgb.png", raw(8, 2, b"".join(b"\0" + np.repeat(r, 3).tobytes() for r in a)))
put("m.jpg", jpeg(np.array([[0, 200], [90, 255]])))
for i, f in enumerate(("m16", "m2", "p2")):
    put(f"s{i}.png", open(f + ".png", "rb").read())
os.mkdir("stack"); os.mkdir("labels")
for i in range(3):
    put(f"stack/{i}.png", png(a)); put(f"labels/{i}.png", open("p2.png", "rb").read())
put("m.tsv", b"key\timage\tmask\n16\timage.png\tm16.png\n2\timage.png\tm2.png\np\timage.png\tp2.png\nv\tstack\tlabels\n")
END
    um-preprocess -q --size 16,3x16x16 m.tsv -o out.umt
    "$PY" - <<'END'
from media import *
a = np.arange(256, dtype=np.uint8).reshape(16, 16)
r = read("out.umt")[1]
assert (r["16"][1]["mask"][0] == a).all()
assert (r["2"][1]["mask"][0] == a % 4).all() and (r["p"][1]["mask"][0] == a % 4).all()
assert (r["v"][1]["mask"] == a % 4).all()
END
    for f in 'big.png:a label of 256: 0 to 255 are taken' 'rgb.png:labels in colour or with transparency' \
        'm.jpg:JPEG does not keep labels: PNG does, or --mask-threshold V'; do
        printf 'key\timage\tmask\nx\timage.png\t%s\n' "${f%%:*}" >one.tsv
        refused "record x: mask ${f%%:*}" one.tsv
        [[ $output == *"${f#*:}"* ]]
    done
    um-preprocess --mask-threshold 100 --size 16 one.tsv -o cut.umt
    "$PY" - <<'END'
from media import *
assert (read("cut.umt")[1]["x"][1]["mask"][0] == np.kron([[0, 1], [0, 1]], np.ones((8, 8)))).all()
END
}

@test "a lateral picture that is not there is dropped, not missed" {
    "$PY" "$MEDIA" good
    printf 'key\timage\tview\na\tgone.png\tLATERAL\nb\tgray.png\tPA\n' >m.tsv
    um-preprocess --filter frontal m.tsv -o out.umt
    [ "$(um-show --keys out.umt)" = b ]
    sed -i 's/LATERAL/AP/' m.tsv
    refused 'record a: gone.png: no such file' --filter frontal m.tsv
}

@test "no output takes the place of what is read, or of another; /dev/stdout goes on where it stands" {
    "$PY" "$MEDIA" good
    cp manifest.tsv kept.tsv
    ln -s manifest.tsv link.tsv
    for o in '-o manifest.tsv' '-o link.tsv' '--rejects manifest.tsv -o x' '--dropped manifest.tsv -o x' \
        '--dropped x -o x' '--dropped x --rejects x -o y'; do
        # shellcheck disable=SC2086
        run um-preprocess $o manifest.tsv
        [ "$status" = 2 ]
        cmp manifest.tsv kept.tsv
    done
    # nor of an image, a mask, a report, a slice, the voxels beside a header; found when it comes to them
    "$PY" "$BATS_TEST_DIRNAME/volumes.py" slices
    printf 'ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = v.raw\n' >v.mhd
    head -c 8 /dev/zero >v.raw
    echo 'FINDINGS: None.' >note.txt
    for row in image/gray.png image/v.mhd:v.raw report_file/note.txt image/good:good/3.png; do
        at=${row#*:} of=${row%:*}
        [ "$at" != "$row" ] || at=${row#*/}
        printf 'key\t%s\na\t%s\n' "${of%%/*}" "${of#*/}" >m.tsv
        cp "$at" before
        for o in "-o ./$at" "-o x --on-error skip --rejects $at"; do
            # shellcheck disable=SC2086
            run um-preprocess -q $o m.tsv
            [ "$status" = 2 ]
            [[ $output == *"record a: "*" is read, and the output "*"$at would take its place"* ]] || { echo "$output"; return 1; }
            cmp before "$at"
        done
    done
    run um-preprocess -o 'x-%05d.umt' m.tsv
    [ "$status" = 2 ]
    [[ $output == *'-o x-%05d.umt: a place for a number goes with --shard-size'* ]]
    printf 'key\timage\na\tnone.png\nb\tgray.png\n' >m.tsv
    { echo first; um-preprocess -q --on-error skip --rejects /dev/stdout -o out.umt m.tsv; echo last; } >log.txt
    [ "$(sed -n '1p;$p' log.txt | tr '\n' ' ')" = 'first last ' ]
    [ "$(wc -l <log.txt)" = 3 ]
}
