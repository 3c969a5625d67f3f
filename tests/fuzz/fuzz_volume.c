/* fuzz_volume.c - libFuzzer target: any bytes as a volume, alone or with files of voxels beside it
 *
 * The bytes say which reader they are for. A header may name the files that stand beside it:
 * v.raw, v1.raw to v4.raw, v.z (zlib), v.gz, v.txt. A pair's header has its voxels behind it here,
 * and they are put into a file of their own. Every voxel of what is read is looked at.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <libdeflate.h>

#include "grid/orient.h"
#include "media/gunzip.h"
#include "media/meta.h"
#include "media/nifti.h"
#include "media/nrrd.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { VOXELS = 1 << 16, BESIDE = 4096, PATH_LEN = 64 };

static char dir[PATH_LEN] = "/tmp/um-fuzz-XXXXXX";

static void put(const char *name, const void *data, size_t n)
{
    char  path[4 * PATH_LEN];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0)
        abort();
}

static void remove_all(void)
{
    static const char *const name[] = { "v.raw",  "v1.raw", "v2.raw", "v3.raw",
                                        "v4.raw", "v.z",    "v.gz",   "v.txt" };
    char                     path[2 * PATH_LEN];

    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, name[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct libdeflate_compressor *z = libdeflate_alloc_compressor(6);
    uint8_t                       raw[BESIDE], packed[2 * BESIDE];
    char                          text[4 * BESIDE];
    size_t                        n = 0;

    (void)argc;
    (void)argv;
    if (!z || !mkdtemp(dir) || atexit(remove_all) != 0)
        abort();
    for (int i = 0; i < BESIDE; i++)
        raw[i] = (uint8_t)(i * 7);
    put("v.raw", raw, sizeof raw);
    for (int i = 1; i <= 4; i++) {
        char name[] = "v0.raw";

        name[1] = (char)('0' + i);
        put(name, raw, 64);
    }
    put("v.z", packed, libdeflate_zlib_compress(z, raw, 256, packed, sizeof packed));
    put("v.gz", packed, libdeflate_gzip_compress(z, raw, 256, packed, sizeof packed));
    libdeflate_free_compressor(z);
    for (int i = 0; i < 128; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%d ", i - 64);
    put("v.txt", text, n);
    return 0;
}

static void look(struct um_arena *a, struct um_scan *s)
{
    struct um_volume *v   = &s->volume;
    float            *row = NULL;

    if (um_volume_orient(v) < 0) {
        fuzz_refused(-1);
        return;
    }
    if (v->dim[0] * v->dim[1] * v->dim[2] > VOXELS || !(row = um_alloc_array(a, v->dim[2], 4)))
        fuzz_wrong("more voxels than allowed");
    v->replace = true;
    for (int64_t z = 0; z < v->dim[0]; z++)
        for (int64_t y = 0; y < v->dim[1]; y++)
            if (um_volume_row(v, z, y, row) < 0)
                fuzz_wrong("read but of no use");
}

/* the header, and a file that holds what stands behind it */
static int pair(struct um_arena *a, uint8_t *bytes, size_t n, const struct um_scan_opts *opts,
                struct um_scan *out)
{
    const size_t head = um_nifti_kind(bytes, n) == UM_NIFTI_PAIR_2 ? 540 : 348;
    const int    fd   = memfd_create("fuzz", MFD_CLOEXEC);
    char         name[PATH_LEN];
    int          st;

    if (fd < 0 || write(fd, bytes + head, n - head) != (ssize_t)(n - head))
        abort();
    (void)snprintf(name, sizeof name, "%d", fd);
    st = um_nifti_read_pair(a, "/proc/self/fd/x.hdr", bytes, head, name, opts, out);
    (void)close(fd);
    return st;
}

static int read_it(struct um_arena *a, const char *path, uint8_t *bytes, size_t n, int64_t frame,
                   struct um_scan *out)
{
    const struct um_scan_opts opts = { .max_voxels = VOXELS, .frame = frame };

    if (um_meta_is(bytes, n))
        return um_meta_read(a, path, bytes, n, &opts, out);
    if (um_nrrd_is(bytes, n))
        return um_nrrd_read(a, path, bytes, n, &opts, out);
    switch (um_nifti_kind(bytes, n)) {
    case UM_NIFTI_PAIR:
    case UM_NIFTI_PAIR_2:
    case UM_NIFTI_ANALYZE: return pair(a, bytes, n, &opts, out);
    default: return um_nifti_read(a, bytes, n, &opts, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct um_arena *a = fuzz_arena();
    struct um_scan   out;
    char             path[2 * PATH_LEN];

    (void)snprintf(path, sizeof path, "%s/header", dir);
    if (um_gzip_is(data, n)) {
        uint8_t *inside, head[1024];
        size_t   have = 0, first;
        int      seen = um_gunzip_head(data, n, head, sizeof head, &first);
        int      st   = um_gunzip(a, data, n, (size_t)VOXELS * 8, &inside, &have);

        fuzz_refused(st);
        if (st >= 0 && have > (size_t)VOXELS * 8)
            fuzz_wrong("more inside than allowed");
        if (st >= 0 && seen >= 0 &&
            (first != (have < sizeof head ? have : sizeof head) ||
             memcmp(head, inside, first) != 0))
            fuzz_wrong("the first bytes are others");
        if (st >= 0)
            fuzz_refused(read_it(a, path, inside, have, -1, &out));
        return 0;
    }
    for (int64_t frame = -1; frame < 2; frame++) {
        uint8_t  *copy = fuzz_copy(data, n);
        const int st   = read_it(a, path, copy, n, frame, &out);

        fuzz_refused(st);
        if (st >= 0)
            look(a, &out);
        free(copy);
    }
    return 0;
}
