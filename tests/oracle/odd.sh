#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# odd.sh - what becomes of every odd file: a table of file, what it is, and what came out or why not
# usage: UM_REAL_DATA=dir [BUILD=build] odd.sh [file ...]
#
# Files are those of $UM_REAL_DATA/odd, what they are is the text of $UM_REAL_DATA/README.md; other
# files may be named instead. One that is refused for its frames or for voxels that are no numbers
# is tried again with --frame 0 --nan -1024.
set -euo pipefail

[ -n "${UM_REAL_DATA:-}" ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=${BUILD:-$top/build}:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# about FILE: its line in the README
about() {
    awk -F ' *\\| *' -v f="$1" '
        { n = split($2, names, /, */)
          for (i = 1; i <= n; i++) if (names[i] == f && $3 != "") { print $3; exit } }' "$UM_REAL_DATA/README.md"
}

# try FILE OPTION...: its tensor, what was said; status 1 if it was refused
try() {
    local file=$1
    shift
    printf 'key\timage\nk\t%s\n' "$file" >"$work/m.tsv"
    if um-preprocess "$@" -o "$work/o.umt" "$work/m.tsv" 2>"$work/said"; then
        um-show "$work/o.umt" | sed -n 's/^k  //p'
        sed 's/.*record k: /  said: /' "$work/said"
        return 0
    fi
    sed "s/^um-preprocess: record k: //; s|${file%/*}/||g" "$work/said"
    return 1
}

[ $# -gt 0 ] || set -- "$UM_REAL_DATA"/odd/*
printf 'file\twhat a reader meets\tresult\n'
for f in "$@"; do
    if ! result=$(try "$f") && [[ $result == *--frame* || $result == *--nan* ]]; then
        result+=" ;; --frame 0 --nan -1024: $(try "$f" --frame 0 --nan -1024 || true)"
    fi
    printf '%s\t%s\t%s\n' "${f##*/}" "$(about "${f##*/}")" "$(tr '\n' ' ' <<<"$result")"
done
