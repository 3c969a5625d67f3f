#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-phantom.bats - the folder it writes: complete, the same for any -j, and whole or absent

setup() { cd "$BATS_TEST_TMPDIR" || exit 1; }

small=(--volume 16x48x48 --xray-size 96 --progress never)

@test "writes images, volumes, masks, manifests and the truth" {
    um-phantom -n 5 -o d "${small[@]}"
    [ "$(ls d/xray | wc -l)" = 5 ]
    [ "$(ls d/ct | wc -l)" = 5 ]
    [ "$(ls d/masks | wc -l)" = 10 ]
    [ -s d/README ]
    for t in xray ct; do
        [ "$(wc -l <d/$t.tsv)" = 6 ]
        head -n 1 d/$t.tsv | grep -qx "$(printf 'key\timage\tmask\treport\tview\tpatient\tsplit\tclass\tlabel.nodule\tlabel.consolidation\tlabel.effusion\tlabel.cardiomegaly\tlabel.pneumothorax')"
        awk -F'\t' 'NF != 13 { exit 1 }' d/$t.tsv
        tail -n +2 d/$t.tsv | cut -f2,3 | tr '\t' '\n' | while read -r f; do [ -s "d/$f" ] || exit 1; done
    done
    awk -F'\t' 'NF != 30 { exit 1 }' d/truth.tsv
}

@test "files are what their names say" {
    um-phantom -n 2 -o d "${small[@]}"
    for f in d/xray/*.jpg; do [ "$(head -c 3 "$f" | od -An -tx1)" = " ff d8 ff" ]; done
    for f in d/masks/*.png; do [ "$(head -c 4 "$f" | od -An -tx1)" = " 89 50 4e 47" ]; done
    for f in d/ct/*.nii.gz d/masks/*.nii.gz; do
        gzip -t "$f"
        [ "$(gzip -dc "$f" | head -c 347 | tail -c 3 | od -An -c | tr -d ' ')" = 'n+1' ]
    done
    # 16 x 48 x 48 voxels of two bytes behind 352 bytes of header
    [ "$(gzip -dc d/ct/p000000.nii.gz | wc -c)" = $((352 + 2 * 16 * 48 * 48)) ]
    [ "$(gzip -dc d/masks/p000000.nii.gz | wc -c)" = $((352 + 16 * 48 * 48)) ]
}

@test "labels of the manifests are the findings of the truth" {
    um-phantom -n 30 -o d "${small[@]}"
    for t in xray ct; do
        awk -F'\t' 'NR > 1 { print $6, $9 + 2 * $10 + 4 * $11 + 8 * $12 + 16 * $13 }' d/$t.tsv >labels.$t
        awk -F'\t' 'NR > 1 { s[$3] += $6 } END { for (p in s) print p, s[p] }' d/truth.tsv | sort >truth
        cmp labels.$t truth
    done
    # slice ranges lie in the volume, fractions agree with them
    awk -F'\t' 'NR > 1 && $5 != "none" && !($14 >= 0 && $15 >= $14 && $15 < $13 && ($16 - $14 / $13) ^ 2 < 1e-10 && ($17 - ($15 + 1) / $13) ^ 2 < 1e-10) { exit 1 }' d/truth.tsv
}

@test "same bytes for -j 1, 2, 7" {
    for j in 1 2 7; do um-phantom -n 9 -j $j -o d$j "${small[@]}"; done
    diff -r d1 d2
    diff -r d1 d7
}

@test "a case is the same whatever the number and the start" {
    um-phantom -n 6 -o a "${small[@]}"
    um-phantom -n 2 --start 4 -o b "${small[@]}"
    [ "$(ls b/ct | wc -l)" = 2 ]
    for f in ct/p000004.nii.gz ct/p000005.nii.gz xray/p000005.jpg masks/p000005.png masks/p000004.nii.gz; do
        cmp a/$f b/$f
    done
    tail -n 2 a/xray.tsv | cmp - <(tail -n 2 b/xray.tsv)
}

@test "another seed makes other cases" {
    um-phantom -n 1 -o a "${small[@]}"
    um-phantom -n 1 --seed 43 -o b "${small[@]}"
    ! cmp -s a/xray/p000000.jpg b/xray/p000000.jpg
}

@test "findings, prevalence and split are obeyed" {
    um-phantom -n 20 --findings nodule --prevalence 1 --split 0,0,1 -o a "${small[@]}"
    [ "$(tail -n +2 a/truth.tsv | cut -f4,5 | sort -u)" = "$(printf 'test\tnodule')" ]
    [ "$(wc -l <a/truth.tsv)" = 21 ]
    um-phantom -n 20 --prevalence 0 -o b "${small[@]}"
    [ "$(tail -n +2 b/xray.tsv | cut -f8 | sort -u)" = normal ]
    um-phantom -n 60 -o c --pairs xray --prevalence 0 "${small[@]}"
    [ "$(tail -n +2 c/xray.tsv | cut -f7 | sort -u | wc -l)" = 3 ]
}

@test "one kind alone" {
    um-phantom -n 2 --pairs xray -o x "${small[@]}"
    [ ! -e x/ct ]
    [ ! -e x/ct.tsv ]
    [ -s x/xray.tsv ]
    um-phantom -n 2 --pairs ct -o c "${small[@]}"
    [ ! -e c/xray ]
    [ ! -e c/xray.tsv ]
    [ -s c/ct.tsv ]
    um-phantom -n 2 -o b "${small[@]}"
    cmp b/xray/p000001.jpg x/xray/p000001.jpg
    cmp b/ct/p000001.nii.gz c/ct/p000001.nii.gz
}

# files FOLDER OPTION...: the first six patients, whose CTs lie in all five ways, and their streams
files() {
    um-phantom -n 6 -o "$1" "${@:2}" --volume 16x48x40 --xray-size 96 --progress never
    um-preprocess -q --size 64,16x48x40 "$1/ct.tsv" -o "$1.ct"
    um-preprocess -q --size 128 "$1/xray.tsv" -o "$1.xray"
}

@test "--ct-files: the same voxels, masks and places in every format" {
    files nifti
    while read -r kind end beside; do
        files "$kind" --ct-files "$kind"
        cmp nifti.xray "$kind.xray"
        diff -r nifti/masks "$kind/masks"
        sed "s|\(ct/p00000.\)$end|\1.nii.gz|" "$kind/ct.tsv" | cmp - nifti/ct.tsv
        [ "$(find "$kind/ct" -type f -printf '%f ' | wc -w)" = $(("${beside:+6}" + 6)) ]
        [ -z "$beside" ] || [ -s "$kind/ct/p000005$beside" ]
        grep -q "^ct/NAME$end" "$kind/README"
    done <<'END'
nii .nii
mha .mha
mhd .mhd .raw
zraw .mhd .zraw
nrrd .nrrd
nhdr .nhdr .raw
END
    files dicom --ct-files dicom
    [ "$(find dicom/ct -name '*.dcm' | wc -l)" = $((16 * 4 + 40 * 2)) ] # two are stored from the left
    grep -q '^ct/NAME/0001.dcm ' dicom/README
    PYTHONPATH=$BATS_TEST_DIRNAME "${UM_PYTHON:-/usr/bin/python3}" - <<'END'
from media import *
_, want = read("nifti.ct")
for kind in "nii dicom mha mhd zraw nrrd nhdr".split():
    _, r = read(kind + ".ct")
    assert list(r) == list(want)
    for k, (meta, t) in r.items():
        assert all(t[n].tobytes() == a.tobytes() for n, a in want[k][1].items()), (kind, k)
        far = np.abs(np.subtract(meta["affine"], want[k][0]["affine"])).max()
        assert far < 1e-4 and (far == 0) == (kind == "nii"), (kind, k, far)  # NIfTI's are float32
END
}

@test "--xray-files: the same pixels as PNG and as DICOM, near them as JPEG" {
    for kind in jpeg png dicom; do files $kind --xray-files $kind; done
    cmp jpeg.ct png.ct
    cmp jpeg.ct dicom.ct
    [ -e png/xray/p000003.png ]
    [ -e dicom/xray/p000003.dcm ]
    grep -q '^xray/NAME.dcm ' dicom/README
    cut -f 2 png/xray.tsv | grep -qx xray/p000003.png
    PYTHONPATH=$BATS_TEST_DIRNAME "${UM_PYTHON:-/usr/bin/python3}" - <<'END'
from media import *
jpg, png, dcm = (read(kind + ".xray")[1] for kind in ("jpeg", "png", "dicom"))
assert len(png) == 6
for k, (meta, t) in png.items():
    assert all(a.tobytes() == dcm[k][1][n].tobytes() for n, a in t.items()), k
    far = np.abs(t["image"].astype(int) - jpg[k][1]["image"])
    assert 0 < far.max() <= 16 and far.mean() < 1.5, (k, far.max(), far.mean())
END
}

@test "a series written where a longer one was: none of its slices is left" {
    um-phantom -n 1 -o d --ct-files dicom --volume 24x48x48 --progress never
    um-phantom -n 1 -o d --ct-files dicom "${small[@]}"
    um-phantom -n 1 -o e --ct-files dicom "${small[@]}"
    diff -r d e
}

@test "wrong options: exit 2, one line" {
    for o in "--volume 16x48" "--volume 2x48x48" "--volume 16x48x48x" "--split 0.5,0.5" "--split 0.5,0.5,0.5" \
        "--findings cough" "--prevalence 2" "--xray-size 8" "--pairs mr" "-n 0" "--ct-files minc" "--ct-files nifti,mha" \
        "--xray-files tiff" "--ct-files mha --layout rsna" "--xray-files png --layout chexpert" "--nonsense" "operand"; do
        # shellcheck disable=SC2086
        run um-phantom -o d $o
        [ "$status" = 2 ] || { echo "$o: $status"; false; }
        [ "${#lines[@]}" -le 2 ]
    done
    [ ! -e d ]
    run um-phantom -n 1
    [ "$status" = 2 ]
}

@test "a folder that cannot be made: exit 1, one line" {
    run um-phantom -n 1 -o /dev/null/d "${small[@]}"
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    mkdir own
    echo 'My own project.' >own/README
    run um-phantom -n 1 -o own "${small[@]}"
    [ "$status" = 1 ]
    [[ $output == "um-phantom: own/README is there, and not um-phantom's"* ]]
    [ "$(ls own)" = README ]
    [ "$(cat own/README)" = 'My own project.' ]
    um-phantom -n 1 -o twice "${small[@]}"
    um-phantom -n 1 -o twice "${small[@]}"
    : >file
    run um-phantom -n 1 -o file "${small[@]}"
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
}

@test "a full disk: exit 1, one line, no manifest" {
    mkdir -p d
    ln -s /dev/full d/truth.tsv
    run um-phantom -n 2 -o d "${small[@]}"
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == *"No space left"* ]]
    [ ! -e d/xray.tsv ]
    [ ! -e d/ct.tsv ]
}

@test "an interrupted run leaves whole files only and no manifest" {
    um-phantom -n 100000 -j 2 -o d "${small[@]}" &
    pid=$!
    while kill -0 "$pid" && [ "$(find d/ct -name '*.nii.gz' 2>/dev/null | wc -l)" -lt 9 ]; do sleep 0.02; done
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" = 143 ]
    [ ! -e d/xray.tsv ]
    [ ! -e d/ct.tsv ]
    [ ! -e d/truth.tsv ]
    left=$(find d -type f -name '*.??????' | grep -vE '\.(nii\.gz|jpg|png)$' || true)
    [ -z "$left" ]
    for f in d/ct/*.nii.gz; do gzip -t "$f"; done
}

@test "layouts: the same bytes for -j 1 and 7, truth beside them, none of the usual manifests" {
    for l in mimic-cxr-jpg cc-ccii amos luna16; do
        for j in 1 7; do um-phantom -n 15 -j $j --layout $l -o $l.$j "${small[@]}"; done
        diff -r $l.1 $l.7
        [ -s $l.1/truth.tsv ]
        [ ! -e $l.1/xray.tsv ]
        [ ! -e $l.1/ct ]
        um-phantom -n 15 -o plain "${small[@]}"
        cmp plain/truth.tsv $l.1/truth.tsv
    done
    gzip -t mimic-cxr-jpg.1/*.gz
    run um-phantom -n 1 --layout imagenet -o d "${small[@]}"
    [ "$status" = 2 ]
    [ "${#lines[@]}" = 1 ]
    [ ! -e d ]
}

@test "a layout on a full disk: exit 1, one line, no truth" {
    mkdir -p c
    ln -s /dev/full c/train.csv
    run um-phantom -n 2 --layout chexpert -o c "${small[@]}"
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 1 ]
    [[ $output == *"No space left"* ]]
    [ ! -e c/truth.tsv ]
}
