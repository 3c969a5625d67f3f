#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libs.sh - copy the libraries that um needs, but oneDNN, and make from this machine into a folder
# usage: tests/gpu/libs.sh DIR
#
# For a machine with a GPU that has none of them and cannot fetch them: `tests/gpu/run.sh -l DIR` there
# builds with DIR/include and DIR/lib. The two must be of one architecture, and glibc there not older.
set -euo pipefail

dir=${1:?usage: tests/gpu/libs.sh DIR}
rm -rf "$dir"
mkdir -p "$dir/include/msgpack" "$dir/lib" "$dir/bin"

# the headers that the preprocessor finds for what the library includes
for h in msgpack.h zstd.h zstd_errors.h jpeglib.h jerror.h png.h libdeflate.h jansson.h utf8proc.h xxhash.h \
    nifti2_io.h; do
    printf '#include <stddef.h>\n#include <stdio.h>\n#include <%s>\n' "$h" |
        "${CC:-cc}" -M -isystem /usr/include/nifti -x c - | sed 's|\\$||' | tr ' ' '\n'
done | grep -E '/(msgpack|zstd|zdict|j[a-z]+\.h|jansson|png|zlib|zconf|libdeflate|utf8proc|xxh|nifti|znz)' | sort -u |
    while read -r path; do
        to=${path#*/include/}
        to=${to#*-linux-gnu/}
        to=${to#nifti/}
        to=${to#libpng16/}
        mkdir -p "$dir/include/$(dirname "$to")"
        cp -L "$path" "$dir/include/$to"
    done
cp -L /usr/include/msgpack/*.h "$dir/include/msgpack/" # those that only we include by themselves

for l in zstd jpeg png deflate jansson utf8proc xxhash nifti2 znz z; do
    so=$(readlink -f "$("${CC:-cc}" -print-file-name="lib$l.so")")
    name=$(readelf -d "$so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
    cp "$so" "$dir/lib/$name"
    printf 'INPUT(%s)\n' "$name" >"$dir/lib/lib$l.so"
done
cp -L "$(command -v make)" "$dir/bin/"
du -sh "$dir"
