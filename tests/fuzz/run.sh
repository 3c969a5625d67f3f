#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - libFuzzer on every reader of foreign bytes, each from a few honest files (needs clang)
# usage: [BUILD=build] run.sh [-t seconds] [-k folder] [target ...]
#
# Targets: jpeg png dicom nifti analyze meta nrrd gunzip manifest report stream weights; all of them
# if none is named. -t: how long each one runs (5). -k: keep what was found there, a corpus for each target,
# and go on from it. A line for each says how many inputs were tried and how many edges and features
# of the code they reached. An input that does harm is kept as $BUILD/fuzz/TARGET-*.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$top/build}
mkdir -p "$build/fuzz"
build=$(cd "$build" && pwd)
seconds=5 keep=
while getopts t:k: opt; do
    case $opt in
    t) seconds=$OPTARG ;;
    k) keep=$OPTARG ;;
    *) sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
# target, its program (left out where there is no such file), the longest input
declare -A program longest
names=()
while read -r t p n; do
    [ -e "$top/tests/fuzz/fuzz_$p.c" ] || continue
    names+=("$t") program[$t]=$p longest[$t]=$n
done <<'END'
jpeg image 8192
png image 8192
dicom dicom 16384
nifti volume 4096
analyze volume 4096
meta volume 4096
nrrd volume 4096
gunzip volume 4096
manifest manifest 4096
report report 4096
stream stream 65536
weights weights 16384
END
[ $# -gt 0 ] || set -- "${names[@]}"
for t in "$@"; do
    if [ -z "${program[$t]:-}" ]; then
        echo "run.sh: no target $t, there are: ${names[*]}" >&2
        exit 2
    fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$top"
PATH=$build:$PATH
build=${build#"$top/"} # as make calls it

# the rooms that read foreign bytes, with the sanitizers and libFuzzer's counters in them
objects=()
for room in base grid media stream text dataset weights; do
    for f in lib/"$room"/*.c; do objects+=("$build/fuzz/${f%.c}.o"); done
done
programs=(seeds seeds_image seeds_dicom damage_weights)
for t in "$@"; do programs+=("fuzz_${program[$t]}"); done
mapfile -t programs < <(printf '%s\n' "${programs[@]}" | sort -u)
main=("${programs[@]/#/$build/fuzz/tests/fuzz/}")
make -s -j"$(nproc)" UM_NO_SETUP=1 CC=clang SAN=1 BUILD="$build/fuzz" V=1 \
    CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' "${objects[@]}" "${main[@]/%/.o}" >"$build/fuzz/log" 2>&1 ||
    { tail -n 40 "$build/fuzz/log" >&2; exit 1; }
msgpack=$(pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
read -ra libs <<<"$(pkg-config --libs "$msgpack" libzstd libjpeg libpng libdeflate zlib jansson libutf8proc libxxhash)"
for p in "${programs[@]}"; do
    fuzzer=address
    [[ $p == fuzz_* ]] && fuzzer=fuzzer,address
    clang -fsanitize=$fuzzer,undefined -o "$work/$p" "$build/fuzz/tests/fuzz/$p.o" "${objects[@]}" \
        "${libs[@]}" -lnifti2 -lznz -lpthread -lm -ldl
done

# ---- seeds: what um-phantom makes, and the forms that it does not ----------------------------------

seeds=$work/honest
for t in "${names[@]}"; do mkdir -p "$seeds/$t"; done
if [ -e "$build/libexec/um/gdcm" ]; then # beside the programs, which look for it there
    mkdir -p "$work/libexec/um"
    cp "$build/libexec/um/gdcm" "$work/libexec/um/"
fi
# phantom NAME OPTION...: three patients in $work/NAME, files so small that the fuzzers take them whole
phantom() { um-phantom -q -n 3 --volume 8x8x8 --xray-size 48 -o "$work/$1" "${@:2}"; }

# put TARGET FILE...: seeds, each under a name of its own
put() {
    local t=$1 f
    for f in "${@:2}"; do cp "$f" "$seeds/$t/$(tr / _ <<<"${f#"$work/"}")"; done
}

phantom nifti
phantom nii --ct-files nii --xray-files png
phantom dicom --ct-files dicom --xray-files dicom
for k in mha mhd nrrd nhdr; do phantom $k --pairs ct --ct-files $k; done
put jpeg "$work"/nifti/xray/*.jpg
put png "$work"/nii/{xray,masks}/*.png
put dicom "$work"/dicom/xray/*.dcm "$work"/dicom/ct/*/0001.dcm
put nifti "$work"/nii/ct/*.nii
put gunzip "$work"/nifti/{ct,masks}/*.nii.gz
put meta "$work"/mha/ct/*.mha
put nrrd "$work"/nrrd/ct/*.nrrd
for f in "$work"/nifti/masks/*.nii.gz; do gzip -dc "$f" >"$seeds/nifti/mask_$(basename "$f" .gz)"; done
# the voxels behind their header, as they are; two members in one gzip file
{ sed 's/^\(ElementDataFile = \).*/\1LOCAL/' "$work"/mhd/ct/p000001.mhd; cat "$work"/mhd/ct/p000001.raw; } >"$seeds/meta/local"
{ sed '/^data file/d' "$work"/nhdr/ct/p000001.nhdr; cat "$work"/nhdr/ct/p000001.raw; } >"$seeds/nrrd/raw"
cat "$work"/nifti/ct/p00000[01].nii.gz >"$seeds/gunzip/twice.gz"
"$work/seeds" "$seeds" "$work/nii/ct/p000001.nii"
"$work/seeds_image" "$seeds"
"$work/seeds_dicom" "$seeds"
"$work/damage_weights" "$seeds/weights"
cp "$work"/nifti/*.tsv "$seeds/manifest/"
printf 'key\timage\tboxes\np\tx.png\t1,2,30,40;0.5,0,99,50\nq\ty.png\t\n' >"$seeds/manifest/boxes"
cut -f 6 "$work/nifti/ct.tsv" | tail -n +2 | split -l 1 - "$seeds/report/ct"
printf '1INDICATION: Cough.\n\nFINDINGS AND IMPRESSION: Dr. X: 1.5 cm, e.g. U.S. 1. Clear. 2. ___.\n' >"$seeds/report/strict"
# small streams, and their messages without a frame (see fuzz_stream.c)
um-preprocess -q -z 0 --size 8,2x8x8 "$work/nifti/ct.tsv" | tee "$seeds/stream/raw" | zstd -dcq |
    (printf m; cat) >"$seeds/stream/messages"
um-preprocess -q --size 8,2x8x8 "$work/nifti/xray.tsv" -o "$seeds/stream/zstd"
cat "$seeds/stream/raw" "$seeds/stream/zstd" >"$seeds/stream/two"

# ---- each target in turn -------------------------------------------------------------------------

status=0
for t in "$@"; do
    corpus=${keep:+$keep/$t}
    corpus=${corpus:-$work/corpus/$t}
    mkdir -p "$corpus"
    if "$work/fuzz_${program[$t]}" -max_total_time="$seconds" -max_len="${longest[$t]}" -timeout=20 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/fuzz/$t-" "$corpus" "$seeds/$t" \
        >"$work/log" 2>&1; then
        awk -v t="$t" '/cov: [0-9]+ ft:/ { for (i = 1; i < NF; i++) { if ($i == "cov:") c = $(i + 1)
                if ($i == "ft:") f = $(i + 1) } }
            /number_of_executed_units/ { n = $2 } /peak_rss_mb/ { m = $2 }
            END { printf "%-9s %9d inputs, %5d edges, %6d features, %d MB, no harm\n", t, n, c, f, m }' "$work/log"
    else
        echo "$t: FAILED"
        tail -n 60 "$work/log"
        status=1
    fi
done
exit $status
