#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# um-preprocess-hostile: files that claim to be huge, bombs, and things that are no files: one line
# each, and no memory taken for what is only claimed

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    export PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1 PY=${UM_PYTHON:-/usr/bin/python3}
    "$PY" "$BATS_TEST_DIRNAME/volumes.py" hostile
    # RUN BOUND COMMAND...: its exit status; fails if it ever held more than BOUND megabytes
    cat >run.py <<'END'
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], check=False).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
if peak > float(sys.argv[1]):
    print(f"{peak:.0f} MB held, at most {sys.argv[1]} allowed")
sys.exit(code)
END
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return 1
}

# refused MEGABYTES TEXT IMAGE ARGUMENT...
refused() {
    local bound=$1
    [ -z "${SAN:-}" ] || bound=4000 # the sanitizers' own memory
    printf 'key\timage\np\t%s\n' "$3" >one.tsv
    run timeout 60 "$PY" run.py "$bound" um-preprocess -j 1 -o refused.umt "${@:4}" one.tsv
    if [ "$status" != 1 ] || [ "${#lines[@]}" != 1 ] || [ -e refused.umt ] ||
        [[ $output != "um-preprocess: record p: "*"$2"* ]]; then
        echo "$3: exit $status: $output"
        return 1
    fi
}

@test "more than --max-pixels is refused before memory is taken" {
    refused 32 '2000 x 2000 x 100000 voxels, at most 536870912 allowed (--max-pixels)' huge.mha
    refused 32 '20000 x 20000 pixels, at most 1000000 allowed' promise.png --max-pixels 1000000
    refused 32 '20000 x 20000 pixels, at most 1000000 allowed' promise.jpg --max-pixels 1000000
}

@test "what a file claims and cannot hold is refused before memory is taken" {
    refused 32 'cut: the header promises 1048576000 bytes of voxels, 100 are there' claim.mha
    refused 32 'cut: the header promises 1048576000 bytes of voxels' claimz.mha
    refused 32 'cut: the header promises 1048576000 bytes of voxels' claimtext.mha
    refused 32 'tiny.raw: cut: the header promises 1048576000 bytes of voxels, 100 are there' claim.mhd
    refused 32 'at most 8192' files.mhd
    refused 32 'cut: the header promises 1048576000 bytes of voxels' claim.nrrd
    refused 32 'cannot hold' skip.nrrd
    refused 32 '20000 x 20000 pixels promised, which' promise.png
    refused 32 '20000 x 20000 pixels promised, which' promise.jpg
    refused 32 'a line of the header has more than 65536 bytes' line.mha
    refused 32 'the header has more than 65536 lines' lines.mha
}

@test "bombs end at the limit" {
    # the limit is 8 bytes a voxel and 16 MB; inflating takes room twice on the way
    refused 128 'gzip: more than the 24777216 bytes that --max-pixels allows' bomb.dcm.gz --max-pixels 1000000
    refused 32 'inside the gzip: not an image' bomb.gz
    refused 32 'zlib: more inside than the 30000 bytes that the header promises' bomb.mha
    refused 32 'gzip: more inside than the 30000 bytes that the header promises' bomb.nrrd
}

@test "behind a NIfTI file's voxels no more is read, packed or not" {
    refused 32 "surplus.nii.gz: gzip: more than 99682 bytes, and the header's voxels end after 30352" surplus.nii.gz
    refused 32 "surplus.nii: more than 99682 bytes, and the header's voxels end after 30352" surplus.nii
    refused 32 'more than the 24777216 bytes that --max-pixels allows' long.dcm --max-pixels 1000000
}

@test "a header leads nowhere but into its own folder, to a file" {
    refused 32 'voxels in "../out.raw": only a file in the header'"'"'s folder or below' out.mhd
    refused 32 'voxels in "/dev/zero": only a file in the header'"'"'s folder or below' root.mhd
    refused 32 'pipe: not a file' pipe.mhd
    refused 32 'loop.raw: Too many levels of symbolic links' loop.mhd
    refused 32 '.: not a file' folder.mhd
    # its own text as voxels is odd, but does no harm
    printf 'key\timage\np\tself.mhd\n' >self.tsv
    um-preprocess -q --size 8,2x2x2 self.tsv -o self.umt
}

@test "links in a circle, pipes, devices, folders of twenty thousand files" {
    refused 32 'loop: Too many levels of symbolic links' loop
    refused 32 'pipe: a device or FIFO, not a file' pipe
    refused 32 '/dev/zero: a device or FIFO, not a file' /dev/zero
    refused 32 'many: more than 20000 files in the folder' many
    refused 32 'loops: a folder without slices' loops
    refused 32 'alone.img: not an image' alone.img
}
