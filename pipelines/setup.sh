#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# setup.sh - install what the build or the tests need, and nothing when all is there
# usage: setup.sh build|demo|check|all
set -eu

build='libc6-dev pkg-config libzstd-dev libjpeg-dev libpng-dev zlib1g-dev libnifti-dev
       libdeflate-dev libjansson-dev libutf8proc-dev libxxhash-dev libdnnl-dev libgdcm-dev'
demo='gnuplot-nox'
check='libcmocka-dev bats zstd mandoc python3 python3-zstandard python3-msgpack python3-numpy
       libopenmpi-dev openmpi-bin procps'
all='gcc g++ clang libclang-rt-dev clang-format clang-tidy shellcheck valgrind'

case ${1:-build} in
build) want=$build ;;
demo) want="$build $demo" ;;
check) want="$build $demo $check" ;;
all) want="$build $demo $check $all" ;;
*) sed -n 's/^# usage/usage/p' "$0" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    if [ -z "${UM_SETUP_SEEN:-}" ]; then
        # shellcheck disable=SC2086
        echo "setup: not a Debian system; the build needs these packages, under your system's names:" $want >&2
    fi
    exit 0
fi

# is package $1 installed?
installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=
for p in $want; do
    installed "$p" || missing="$missing $p"
done
# any compiler will do; that of C++ is for GDCM alone
command -v "${CC:-cc}" >/dev/null 2>&1 || missing="$missing gcc"
command -v "${CXX:-g++}" >/dev/null 2>&1 || missing="$missing g++"
# msgpack-c has had two package names; which one this release has is known after the update alone
installed libmsgpack-c-dev || installed libmsgpack-dev || missing="$missing libmsgpack-c-dev"
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    sudo=sudo
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: missing packages; as root: apt-get install$missing" >&2
        exit 1
    fi
fi
echo "setup: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq >&2
if ! apt-cache show libmsgpack-c-dev >/dev/null 2>&1; then
    missing=$(echo "$missing" | sed 's/libmsgpack-c-dev/libmsgpack-dev/')
fi
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >&2
