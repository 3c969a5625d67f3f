/* media_nifti.c - NIfTI files made here: what they hold, and every way they can lie */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libdeflate.h>
#include <nifti2_io.h>

#include "grid/orient.h"
#include "grid/triangle.h"
#include "media/gunzip.h"
#include "media/nifti.h"
#include "with_arena.h"

enum { NX = 5, NY = 4, NZ = 3, N = NX * NY * NZ, ROOM = 16384 };

static const struct um_scan_opts plain = { .max_voxels = 1000, .frame = -1 };

/* a file in memory, aligned as an arena would */
static _Alignas(64) uint8_t file[ROOM];
static size_t file_n;

static int onto(const struct um_volume *v, const double window[2], const int64_t size[3],
                float *out, struct um_hu_count *count)
{
    struct um_axis axis[3];

    um_axes_resize(v->dim, size, axis);
    return um_volume_resize(arena, v, window, axis, false, out, count);
}

static nifti_1_header head(int datatype, int bits)
{
    nifti_1_header h;

    memset(&h, 0, sizeof h);
    h.sizeof_hdr = 348;
    h.dim[0]     = 3;
    h.dim[1]     = NX;
    h.dim[2]     = NY;
    h.dim[3]     = NZ;
    for (int i = 4; i < 8; i++)
        h.dim[i] = 1;
    h.datatype   = (short)datatype;
    h.bitpix     = (short)bits;
    h.pixdim[0]  = 1;
    h.pixdim[1]  = 0.5f;
    h.pixdim[2]  = 0.75f;
    h.pixdim[3]  = 2;
    h.vox_offset = 352;
    h.sform_code = 1;
    h.srow_x[0]  = 0.5f;
    h.srow_y[1]  = 0.75f;
    h.srow_z[2]  = 2;
    h.srow_x[3]  = -10;
    h.srow_y[3]  = 20;
    h.srow_z[3]  = 30;
    memcpy(h.magic, "n+1", 4);
    return h;
}

static void put(const nifti_1_header *h, const void *data, size_t bytes)
{
    memset(file, 0, sizeof file);
    memcpy(file, h, sizeof *h);
    memcpy(file + (size_t)h->vox_offset, data, bytes);
    file_n = (size_t)h->vox_offset + bytes;
}

static int read_it(struct um_scan *out)
{
    return um_nifti_read(arena, file, file_n, &plain, out);
}

static void assert_refused(const nifti_1_header *h, int status, const char *text)
{
    static const uint8_t data[8 * N];
    struct um_scan       out;

    put(h, data, sizeof data);
    assert_int_equal(read_it(&out), status);
    if (!strstr(um_errmsg(), text))
        fail_msg("\"%s\" does not hold \"%s\"", um_errmsg(), text);
}

/* HU of voxel (x,y,z) of the test volume */
static int hu_at(int x, int y, int z)
{
    return -1000 + 2 * (x * 97 + y * 211 + z * 143);
}

static void assert_holds(const struct um_volume *v)
{
    float row[NX];

    for (int z = 0; z < NZ; z++)
        for (int y = 0; y < NY; y++) {
            assert_int_equal(um_volume_row(v, z, y, row), UM_OK);
            for (int x = 0; x < NX; x++)
                assert_true(fabs((double)row[x] - hu_at(x, y, z)) <= 1e-3);
        }
}

#define FILL(T, a, b)                                                                              \
    do {                                                                                           \
        T *p = (T *)data;                                                                          \
        for (int i = 0; i < N; i++)                                                                \
            p[i] = (T)((hu_at(i % NX, i / NX % NY, i / NX / NY) - (b)) / (a));                     \
    } while (0)

static void fill(uint8_t *data, int datatype, double a, double b)
{
    switch (datatype) {
    case NIFTI_TYPE_INT16: FILL(int16_t, a, b); break;
    case NIFTI_TYPE_UINT16: FILL(uint16_t, a, b); break;
    case NIFTI_TYPE_INT32: FILL(int32_t, a, b); break;
    case NIFTI_TYPE_UINT32: FILL(uint32_t, a, b); break;
    case NIFTI_TYPE_INT64: FILL(int64_t, a, b); break;
    case NIFTI_TYPE_UINT64: FILL(uint64_t, a, b); break;
    case NIFTI_TYPE_FLOAT32: FILL(float, a, b); break;
    case NIFTI_TYPE_FLOAT64: FILL(double, a, b); break;
    default: fail();
    }
}

/* all types, both byte orders, an odd offset behind an extension */
static void types_and_orders(void **state)
{
    static const int type[] = { 4, 512, 8, 768, 1024, 1280, 16, 64 };
    uint8_t          data[8 * N];
    struct um_scan   out;

    (void)state;
    for (size_t k = 0; k < 4 * sizeof type / sizeof type[0]; k++) {
        int nbyper, swapsize;
        nifti_datatype_sizes(type[k / 4], &nbyper, &swapsize);
        nifti_1_header h = head(type[k / 4], 8 * nbyper);

        h.vox_offset = k % 2 ? 381 : 352;
        h.scl_slope  = 2;
        h.scl_inter  = -1000;
        fill(data, type[k / 4], 2, -1000);
        if (k / 2 % 2)
            nifti_swap_Nbytes(N, nbyper, data);
        put(&h, data, (size_t)(N * nbyper));
        if (k / 2 % 2)
            (void)swap_nifti_header(file, 1);
        assert_int_equal(read_it(&out), UM_OK);
        assert_string_equal(out.form, "sform");
        assert_holds(&out.volume);
    }
}

static void version_2(void **state)
{
    nifti_2_header h;
    uint8_t        data[2 * N];
    struct um_scan out;

    (void)state;
    for (int swap = 0; swap < 2; swap++) {
        memset(&h, 0, sizeof h);
        h.sizeof_hdr = 540;
        memcpy(h.magic, "n+2\0\r\n\032\n", 8);
        h.datatype   = NIFTI_TYPE_INT16;
        h.bitpix     = 16;
        h.dim[0]     = 3;
        h.dim[1]     = NX;
        h.dim[2]     = NY;
        h.dim[3]     = NZ;
        h.vox_offset = 544;
        for (int i = 0; i < 4; i++)
            h.pixdim[i] = 1;
        fill(data, NIFTI_TYPE_INT16, 1, 0);
        if (swap)
            nifti_swap_Nbytes(N, 2, data);
        memset(file, 0, sizeof file);
        memcpy(file, &h, sizeof h);
        memcpy(file + 544, data, sizeof data);
        file_n = 544 + sizeof data;
        if (swap)
            (void)swap_nifti_header(file, 2);
        assert_int_equal(read_it(&out), UM_OK);
        assert_string_equal(out.form, "spacing");
        assert_holds(&out.volume);
        file_n--;
        assert_int_equal(read_it(&out), UM_EFORMAT);
    }
    h.vox_offset = 540;
    memcpy(file, &h, sizeof h);
    assert_int_equal(read_it(&out), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), "from 544 on"));
    h.vox_offset = 544;
    h.dim[1] = h.dim[2] = 1LL << 31;
    memcpy(file, &h, sizeof h);
    assert_int_equal(read_it(&out), UM_ERANGE);
    assert_non_null(strstr(um_errmsg(), "2147483648 x 2147483648"));
}

static void surplus(void **state)
{
    nifti_1_header h = head(NIFTI_TYPE_INT16, 16);
    uint8_t        data[2 * N];
    struct um_scan out;

    (void)state;
    fill(data, NIFTI_TYPE_INT16, 1, 0);
    h.dim[3]--;
    put(&h, data, sizeof data);
    assert_int_equal(read_it(&out), UM_OK);
    assert_int_equal(out.notes, 1);
    assert_string_equal(out.note[0], "40 bytes behind the voxels: are the sizes right?");
}

/* as libnifti and nibabel do, but they do not say it */
static void wrong_bitpix(void **state)
{
    nifti_1_header h = head(NIFTI_TYPE_INT16, 8);
    uint8_t        data[2 * N];
    struct um_scan out;

    (void)state;
    fill(data, NIFTI_TYPE_INT16, 1, 0);
    put(&h, data, sizeof data);
    assert_int_equal(read_it(&out), UM_OK);
    assert_holds(&out.volume);
    assert_int_equal(out.notes, 1);
    assert_string_equal(out.note[0], "bitpix contradicts datatype, which is gone by");
}

static void qform_and_units(void **state)
{
    nifti_1_header h       = head(NIFTI_TYPE_UINT8, 8);
    uint8_t        data[N] = { 0 };
    struct um_scan out;
    /* half a turn about z, third axis reversed */
    static const double want[12] = { -500, 0, 0, 1000, 0, -750, 0, 2000, 0, 0, -2000, 3000 };

    (void)state;
    h.sform_code = 0;
    h.qform_code = 1;
    h.quatern_d  = 1;
    h.qoffset_x  = 1;
    h.qoffset_y  = 2;
    h.qoffset_z  = 3;
    h.pixdim[0]  = -1;
    h.xyzt_units = NIFTI_UNITS_METER;
    put(&h, data, sizeof data);
    assert_int_equal(read_it(&out), UM_OK);
    assert_string_equal(out.form, "qform");
    for (int i = 0; i < 12; i++)
        assert_true(fabs(out.volume.affine[i] - want[i]) <= 1e-3);
}

static void lies(void **state)
{
    nifti_1_header h;

    (void)state;
    h = head(NIFTI_TYPE_INT16, 16), h.dim[2] = 0;
    assert_refused(&h, UM_EFORMAT, "dimension 2 is 0");
    h = head(NIFTI_TYPE_INT16, 16), h.dim[3] = -5;
    assert_refused(&h, UM_EFORMAT, "dimension 3 is -5");
    h = head(NIFTI_TYPE_INT16, 16), h.dim[0] = 0;
    assert_refused(&h, UM_EFORMAT, "0 dimensions");
    h = head(NIFTI_TYPE_INT16, 16), h.dim[3] = 16;
    assert_refused(&h, UM_EFORMAT, "cut: the header promises 5 x 4 x 16");
    h = head(NIFTI_TYPE_INT16, 16), h.dim[1] = h.dim[2] = h.dim[3] = 32767;
    assert_refused(&h, UM_ERANGE, "32767 x 32767 x 32767");
    h = head(NIFTI_TYPE_INT16, 16), h.dim[0] = 4, h.dim[4] = 3;
    assert_refused(&h, UM_ESHAPE, "--frame");
    h = head(NIFTI_TYPE_INT16, 16), h.dim[0] = 6, h.dim[6] = 10;
    assert_refused(&h, UM_EUNSUPPORTED, "6 dimensions");
    h = head(NIFTI_TYPE_INT16, 16), h.pixdim[2] = NAN;
    assert_refused(&h, UM_EFORMAT, "spacing along axis 2 is nan");
    h = head(NIFTI_TYPE_INT16, 16), h.pixdim[3] = 0, h.sform_code = 0;
    assert_refused(&h, UM_EFORMAT, "spacing along axis 3 is 0");
    h = head(NIFTI_TYPE_INT16, 16), h.srow_z[3] = INFINITY;
    assert_refused(&h, UM_ENONFINITE, "sform holds inf");
    h = head(NIFTI_TYPE_INT16, 16), h.scl_slope = INFINITY;
    assert_refused(&h, UM_ENONFINITE, "scl_slope");
    h = head(NIFTI_TYPE_RGB24, 24);
    assert_refused(&h, UM_EUNSUPPORTED, "datatype 128");
    h = head(12345, 16);
    assert_refused(&h, UM_EUNSUPPORTED, "datatype 12345");
    h = head(NIFTI_TYPE_INT16, 16), h.vox_offset = 352.5f;
    assert_refused(&h, UM_EFORMAT, "vox_offset is 352.5: a whole number from 352 on");
    h = head(NIFTI_TYPE_INT16, 16), h.vox_offset = 348;
    assert_refused(&h, UM_EFORMAT, "vox_offset is 348: a whole number from 352 on");
    h = head(NIFTI_TYPE_INT16, 16), memcpy(h.magic, "ni1", 4);
    assert_refused(&h, UM_EUNSUPPORTED, "another file");
    h = head(NIFTI_TYPE_INT16, 16), memset(h.magic, 0, 4);
    assert_refused(&h, UM_EUNSUPPORTED, "another file");
}

static void bad_axes(void **state)
{
    uint8_t        data[N] = { 0 };
    nifti_1_header h       = head(NIFTI_TYPE_UINT8, 8);
    struct um_scan out;

    (void)state;
    h.srow_x[0] = 0;
    put(&h, data, sizeof data);
    assert_int_equal(read_it(&out), UM_OK);
    assert_int_equal(um_volume_orient(&out.volume), UM_EFORMAT);
    h.srow_y[0] = 3;
    put(&h, data, sizeof data);
    assert_int_equal(read_it(&out), UM_OK);
    assert_int_equal(um_volume_orient(&out.volume), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), "one plane"));
}

/* what the first bytes say of the whole file */
static void promises(void **state)
{
    nifti_1_header h = head(NIFTI_TYPE_INT16, 16);
    size_t         bytes;

    (void)state;
    h.dim[0]     = 4;
    h.dim[4]     = 7;
    h.vox_offset = 400;
    put(&h, "", 1);
    assert_int_equal(um_nifti_promise(file, 348, 1000, &bytes), UM_OK);
    assert_int_equal(bytes, 400 + 2 * 7 * N);
    assert_int_equal(um_nifti_promise(file, 347, 1000, &bytes), UM_EFORMAT);
    h.dim[4] = 32767;
    put(&h, "", 1);
    assert_int_equal(um_nifti_promise(file, 348, 1000, &bytes), UM_ERANGE);
    memcpy(file + 344, "ni1", 4);
    assert_int_equal(um_nifti_promise(file, 348, 1000, &bytes), UM_OK);
    assert_int_equal(bytes, 0);
}

static void frames(void **state)
{
    int16_t             data[2 * N];
    nifti_1_header      h    = head(NIFTI_TYPE_INT16, 16);
    struct um_scan_opts opts = plain;
    struct um_scan      out;

    (void)state;
    h.dim[0] = 4;
    h.dim[4] = 2;
    memset(data, 0, sizeof data);
    fill((uint8_t *)(data + N), NIFTI_TYPE_INT16, 1, 0);
    put(&h, data, sizeof data);
    opts.frame = 1;
    assert_int_equal(um_nifti_read(arena, file, file_n, &opts, &out), UM_OK);
    assert_int_equal(out.frames, 2);
    assert_holds(&out.volume);
    opts.frame = 2;
    assert_int_equal(um_nifti_read(arena, file, file_n, &opts, &out), UM_ERANGE);
    put(&h, data, sizeof data - 2);
    opts.frame = 0; /* the file is cut even if this frame is there */
    assert_int_equal(um_nifti_read(arena, file, file_n, &opts, &out), UM_EFORMAT);
}

static void not_finite(void **state)
{
    float          data[N], row[NX];
    nifti_1_header h = head(NIFTI_TYPE_FLOAT32, 32);
    struct um_scan out;

    (void)state;
    fill((uint8_t *)data, NIFTI_TYPE_FLOAT32, 1, 0);
    data[NX * NY + 2 * NX + 3] = NAN;
    put(&h, data, sizeof data);
    assert_int_equal(read_it(&out), UM_OK);
    assert_int_equal(um_volume_row(&out.volume, 0, 0, row), UM_OK);
    assert_int_equal(um_volume_row(&out.volume, 1, 2, row), UM_ENONFINITE);
    assert_non_null(strstr(um_errmsg(), "x 3, y 2, z 1"));
    out.volume.replace = true;
    out.volume.instead = -1024;
    assert_int_equal(um_volume_row(&out.volume, 1, 2, row), UM_OK);
    assert_true(row[3] == -1024);
    assert_true(row[2] == (float)hu_at(2, 2, 1));
}

/* ---- section 12, check 13 ---- */

/* the same body, stored with world axis p[k] along stored axis k, reversed where flip says so */
static void store(const int p[3], int flip, int tilt)
{
    static const int n[3]       = { NX, NY, NZ };
    const double     spacing[3] = { 0.5, 0.75, 2 }, origin[3] = { 9, 8, 7 };
    nifti_1_header   h = head(NIFTI_TYPE_INT16, 16);
    int16_t          data[N];
    float           *srow[3] = { h.srow_x, h.srow_y, h.srow_z };
    int              at[3], i = 0;
    const double     c = tilt ? cos(0.3) : 1, s = tilt ? sin(0.3) : 0;

    for (int r = 0; r < 3; r++) {
        memset(srow[r], 0, 4 * sizeof(float));
        srow[r][3] = (float)origin[r];
    }
    for (int k = 0; k < 3; k++) { /* canonical axis p[k]: -1, -1, +1 times RAS, then the tilt */
        double dir[3] = { 0 }, start = flip >> k & 1 ? n[p[k]] - 1 : 0;

        dir[p[k]]              = (p[k] == 2 ? 1 : -1) * spacing[p[k]];
        const double turned[3] = { c * dir[0] - s * dir[1], s * dir[0] + c * dir[1], dir[2] };
        for (int r = 0; r < 3; r++) {
            srow[r][k] = (float)((flip >> k & 1 ? -1 : 1) * turned[r]);
            srow[r][3] += (float)(start * turned[r]);
        }
        h.dim[1 + k]    = (short)n[p[k]];
        h.pixdim[1 + k] = (float)spacing[p[k]];
    }
    for (at[2] = 0; at[2] < h.dim[3]; at[2]++)
        for (at[1] = 0; at[1] < h.dim[2]; at[1]++)
            for (at[0] = 0; at[0] < h.dim[1]; at[0]++) {
                int canon[3];

                for (int k = 0; k < 3; k++)
                    canon[p[k]] = flip >> k & 1 ? n[p[k]] - 1 - at[k] : at[k];
                data[i++] = (int16_t)hu_at(canon[0], canon[1], canon[2]);
            }
    put(&h, data, sizeof data);
}

static void all_48_arrangements(void **state)
{
    static const int p[6][3]   = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                   { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    const double     window[2] = { -1000, 1000 };
    const int64_t    size[3]   = { 2, 7, 3 };
    float            first[42], out[42];
    double           affine[12];

    (void)state;
    for (int tilt = 0; tilt < 2; tilt++)
        for (int k = 0; k < 48; k++) {
            struct um_scan f;

            store(p[k / 8], k % 8, tilt);
            assert_int_equal(read_it(&f), UM_OK);
            assert_int_equal(um_volume_orient(&f.volume), UM_OK);
            assert_int_equal(f.volume.dim[0], NZ);
            assert_int_equal(f.volume.dim[2], NX);
            assert_holds(&f.volume);
            assert_int_equal(onto(&f.volume, window, size, out, NULL), UM_OK);
            if (k == 0) {
                memcpy(first, out, sizeof out);
                memcpy(affine, f.volume.affine, sizeof affine);
            }
            assert_memory_equal(out, first, sizeof out);
            for (int i = 0; i < 12; i++)
                assert_true(fabs(f.volume.affine[i] - affine[i]) <= 1e-5);
        }
}

static void slope_and_plain_are_equal(void **state)
{
    const double   window[2] = { -1000, 1000 };
    const int64_t  size[3]   = { 2, 3, 4 };
    nifti_1_header h         = head(NIFTI_TYPE_INT16, 16);
    int16_t        data[N];
    float          plain_hu[24], scaled[24];
    struct um_scan f;

    (void)state;
    fill((uint8_t *)data, NIFTI_TYPE_INT16, 1, 0);
    put(&h, data, sizeof data);
    assert_int_equal(read_it(&f), UM_OK);
    assert_int_equal(onto(&f.volume, window, size, plain_hu, NULL), UM_OK);
    h.scl_slope = 2;
    h.scl_inter = -1000;
    fill((uint8_t *)data, NIFTI_TYPE_INT16, 2, -1000);
    put(&h, data, sizeof data);
    assert_int_equal(read_it(&f), UM_OK);
    assert_int_equal(onto(&f.volume, window, size, scaled, NULL), UM_OK);
    assert_memory_equal(plain_hu, scaled, sizeof scaled);
}

/* ---- gzip ---- */

static size_t deflate_to(uint8_t *to, size_t room, const void *data, size_t n)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    const size_t                  k = libdeflate_gzip_compress(c, data, n, to, room);

    libdeflate_free_compressor(c);
    assert_true(k > 0);
    return k;
}

static void gzip_members(void **state)
{
    static uint8_t data[100000], gz[200000], head[25000];
    uint8_t       *out;
    size_t         n = 0, outn;

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i >> 7);
    for (size_t at = 0; at < sizeof data; at += 10000)
        n += deflate_to(gz + n, sizeof gz - n, data + at, 10000);
    assert_int_equal(um_gunzip(arena, gz, n, sizeof data, &out, &outn), UM_OK);
    assert_int_equal(outn, sizeof data);
    assert_memory_equal(out, data, sizeof data);
    assert_int_equal(um_gunzip_head(gz, n, head, sizeof head, &outn), UM_OK); /* of three members */
    assert_int_equal(outn, sizeof head);
    assert_memory_equal(head, data, sizeof head);
    assert_int_equal(um_gunzip_head(gz, n / 10, head, sizeof head, &outn), UM_EFORMAT);
    assert_int_equal(um_gunzip_head(gz, n, out, 2 * sizeof data, &outn), UM_OK);
    assert_int_equal(outn, sizeof data);
    assert_int_equal(um_gunzip_head(data, sizeof data, head, sizeof head, &outn), UM_EFORMAT);
    assert_int_equal(um_gunzip(arena, gz, n + 100, sizeof data, &out, &outn), UM_OK); /* zeros */
    assert_int_equal(um_gunzip(arena, gz, n, sizeof data - 1, &out, &outn), UM_ERANGE);
    for (size_t cut = 0; cut < n; cut += 501)
        assert_true(um_gunzip(arena, gz, cut, sizeof data, &out, &outn) < 0 || outn % 10000 == 0);
    gz[n] = 7;
    assert_int_equal(um_gunzip(arena, gz, n + 1, sizeof data, &out, &outn), UM_EFORMAT);
    gz[n / 2] ^= 64;
    assert_int_equal(um_gunzip(arena, gz, n, sizeof data, &out, &outn), UM_EFORMAT);
}

static void gzip_claims(void **state)
{
    static uint8_t data[1000], gz[2000];
    uint8_t       *out;
    size_t         outn, n = deflate_to(gz, sizeof gz, data, sizeof data);
    const size_t   used = um_arena_used(arena);

    (void)state;
    memset(gz + n - 4, 0xff, 4); /* "4 GB" */
    assert_int_equal(um_gunzip(arena, gz, n, SIZE_MAX / 8, &out, &outn), UM_EFORMAT);
    assert_string_equal(um_errmsg(), "gzip: cut or damaged");
    assert_true(um_arena_used(arena) - used < 4096 + 4 * n); /* and nothing was taken for it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_orders),
        cmocka_unit_test(version_2),
        cmocka_unit_test(surplus),
        cmocka_unit_test(wrong_bitpix),
        cmocka_unit_test(qform_and_units),
        cmocka_unit_test(lies),
        cmocka_unit_test(bad_axes),
        cmocka_unit_test(promises),
        cmocka_unit_test(frames),
        cmocka_unit_test(not_finite),
        cmocka_unit_test(all_48_arrangements),
        cmocka_unit_test(slope_and_plain_are_equal),
        cmocka_unit_test(gzip_members),
        cmocka_unit_test(gzip_claims),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
