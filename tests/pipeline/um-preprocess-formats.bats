#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-preprocess-formats: one volume in every form, folders of pictures, pictures lying on their side

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    PY=${UM_PYTHON:-/usr/bin/python3}
    VOLUMES=$BATS_TEST_DIRNAME/volumes.py
    export PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1
}

# refused TEXT IMAGE ARGUMENT...: exit 1, one line that names the record and holds TEXT
refused() {
    printf 'key\timage\np\t%s\n' "$2" >one.tsv
    run um-preprocess -o refused.umt "${@:3}" one.tsv
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [ -e refused.umt ] ||
        [[ $output != "um-preprocess: record p: "*"$1"* ]]; then
        echo "$2: exit $status: $output"
        return 1
    fi
}

@test "one volume in 19 forms gives the same bytes and lies in the same place" {
    "$PY" "$VOLUMES" forms
    um-preprocess --size 32,20x30x25 forms.tsv -o out.umt 2>warnings
    "$PY" - <<'END'
from media import *
_, r = read("out.umt")
assert len(r) == 19
want = r["ct.nii"]
assert np.abs(want[1]["volume"] - (np.clip(body(), -1000, 1000) + 1000) / 2000).max() < 1e-6
for k, (meta, t) in r.items():
    assert t["volume"].tobytes() == want[1]["volume"].tobytes(), k
    if k != "sagittal.hdr":
        assert np.abs(np.subtract(meta["affine"], want[0]["affine"])).max() < 1e-4, (k, meta["affine"])
# without an origin the middle of the grid is 0
a = np.array(r["sagittal.hdr"][0]["affine"]).reshape(3, 4)
assert np.allclose(a[:, :3], np.diag([-2, -1.5, 3])) and np.allclose(a @ [12, 14.5, 9.5, 1], 0)
END
    [ "$(grep -c 'does not record left and right' warnings)" = 3 ]
    [ "$(wc -l <warnings)" = 3 ]
    : >sagittal.mat # SPM's
    printf 'key\timage\na\tsagittal.hdr\n' >spm.tsv
    um-preprocess --size 8,2x2x2 spm.tsv -o spm.umt 2>warnings
    grep -q "record a: SPM's .mat beside the header is not read" warnings
    rm sagittal.mat
}

@test "a file alone, or one that lacks its other half, is refused by name" {
    "$PY" "$VOLUMES" forms
    cp beside.mhd moved.mhd
    mv scan.raw other.raw
    refused 'beside.mhd: MetaImage: scan.raw: no such file' beside.mhd
    refused 'beside.nhdr: NRRD: scan.raw: no such file' beside.nhdr
    rm pair.img old.hdr
    refused 'pair.hdr: NIfTI pair: pair.img: no such file' pair.hdr
    refused 'old.img: not an image: expected JPEG, PNG, ' old.img
    cp ct.nii old.hdr
    refused 'old.hdr: not the header of old.img' old.img
    head -c 100 other.raw >scan.raw
    refused 'cut: the header promises 30000 bytes of voxels, 100 are there' beside.mhd
}

@test "a folder of pictures: numbers in order, levels over 255, what is not known is said" {
    "$PY" "$VOLUMES" slices
    printf 'key\timage\tmask\na\tgood\tgood\nb\tgap/\t\n' >m.tsv
    um-preprocess --size 8,12x30x20 --window lung m.tsv -o out.umt 2>warnings
    "$PY" - <<'END'
from media import *
_, r = read("out.umt")
p = np.load("planes.npy")
meta, t = r["a"]
assert np.abs(t["volume"] - p / 255).max() < 1e-6
assert meta["window"] == [0, 255] and meta["spacing"] == [1, 1, 1], meta
assert np.allclose(meta["affine"], [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0])
assert (t["mask"] == p).all()
END
    grep -q 'record a: a folder of pictures: spacing and direction are not known' warnings
    grep -q 'record b: slices: 1 of the numbers 0 to 11 missing, the first is 4' warnings
    [ "$(wc -l <warnings)" = 3 ]
    refused '2.png: 20 x 29 pixels, 1.png has 20 x 30' sizes
    refused 'mixed/2.txt: not an image' mixed
    refused 'a folder of pictures with another folder in it' nested
    refused 'fifo: a folder without slices: expected ' fifo
    refused 'there is no file' empty
    refused '20 x 30 x 12 voxels, at most 7000 allowed' good --max-pixels 7000

    # those that the column names, in its order, whatever else is there
    cp mixed/2.txt good/x.txt
    mkdir good/deeper
    printf 'key\timage\tslices\tmask\na\tgood\t10.png;3.png;4.png\tgood\n' >some.tsv
    um-preprocess -q --size 8,3x30x20 some.tsv -o some.umt
    "$PY" - <<'END'
from media import *
_, r = read("some.umt")
p = np.load("planes.npy")[[10, 3, 4]]
meta, t = r["a"]
assert np.abs(t["volume"] - p / 255).max() < 1e-6 and (t["mask"] == p).all()
assert "slices" not in meta
END
    for bad in '3.png;33.png|column slices: "33.png" is not in the folder' '3.png;3.png|column slices: "3.png" is named twice' \
        '3.png;|column slices: "" is not in the folder'; do
        printf 'key\timage\tslices\na\tgood\t%s\n' "${bad%|*}" >bad.tsv
        run um-preprocess -q bad.tsv
        [ "$status" = 1 ] && [[ $output == *"record a: good: ${bad#*|}" ]] || { echo "$output"; return 1; }
    done
    printf 'key\timage\tslices\na\tgood/3.png\t3.png\n' >bad.tsv
    run um-preprocess -q bad.tsv
    [ "$status" = 1 ]
    [[ $output == *'record a: good/3.png: a picture, and column slices goes with a folder of pictures' ]]
}

@test "one slice is a picture, whichever axis it lies across" {
    "$PY" - <<'END'
from media import *
v = body()
put("flat.nii", nifti(v[0], dim=[2, 25, 30, 1, 1, 1, 1, 1]))
put("thin.nii", nifti(v[..., :1].copy()))
put("flat.mha", b"NDims = 2\nDimSize = 25 30\nElementType = MET_SHORT\nElementDataFile = LOCAL\n" + v[0].tobytes())
os.mkdir("one")
put("one/1.png", png(gray(30, 20)))
put("thick.nii", nifti(v[:2].copy()))
END
    refused 'flat.nii: 25 x 30 x 1 voxels: one slice is a picture, not a volume' flat.nii
    refused 'thin.nii: 1 x 30 x 20 voxels: one slice' thin.nii
    refused 'flat.mha: MetaImage: 2 dimensions, 3 and 4 are read: a picture, not a volume' flat.mha
    refused 'one: 20 x 30 x 1 voxels: one slice' one
    printf 'key\timage\np\tthick.nii\n' >two.tsv
    um-preprocess -q two.tsv -o two.umt
}

@test "EXIF: eight ways to lie become one picture; masks and boxes go by what is seen" {
    "$PY" "$VOLUMES" upright
    um-preprocess --size 32 upright.tsv -o out.umt
    um-preprocess --size 16 --fast-decode upright.tsv -o fast.umt
    "$PY" - <<'END'
from media import *
for name in "out.umt", "fast.umt":
    _, r = read(name)
    assert len(r) == 8
    for k, (meta, t) in r.items():
        assert meta["pixels"] == [64, 48], (k, meta)
        for n in t:
            # by --fast-decode the upright one alone may differ, by the rounding of a level
            far = np.abs(t[n].astype(float) - r["3"][1][n]).max()
            assert far <= (name == "fast.umt"), (name, k, n, far)
_, r = read("out.umt")
seen = (np.arange(48).reshape(6, 8) * 5 + 3).repeat(4, 0).repeat(4, 1)
assert np.abs(r["6"][1]["image"][0, 4:28] - seen.astype(float)).max() <= 1
assert (r["6"][1]["mask"][0, 8:16, 8:20] == 1).all() and r["6"][1]["mask"].sum() == 8 * 12
assert np.allclose(r["6"][1]["boxes"], [[8, 8, 20, 16]])
END
}

@test "--fast-decode: pictures that are long and thin, stretched or not" {
    "$PY" -c 'from media import *; put("thin.jpg", jpeg(gray(2, 160)))'
    printf 'key\timage\np\tthin.jpg\n' >m.tsv
    for fit in pad stretch; do
        um-preprocess --size 64 --fit $fit m.tsv -o exact.umt
        um-preprocess --size 64 --fit $fit --fast-decode m.tsv -o fast.umt
        # blocks of 8 x 8 of one level lose nothing by a scaled DCT
        "$PY" - <<'END'
from media import *
a, b = (read(f)[1]["p"][1]["image"].astype(int) for f in ("exact.umt", "fast.umt"))
assert a.any() and np.abs(a - b).max() <= 1, np.abs(a - b).max()
END
    done
}
