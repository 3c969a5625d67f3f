/* media_write.c - PNG and NIfTI files that we write, read back by libpng and libnifti */
/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <nifti2_io.h>
#include <png.h>

#include "media/nifti_write.h"
#include "media/png_write.h"

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void png_round_trip(void **state)
{
    uint8_t pixels[5 * 7 * 3];

    (void)state;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 37);
    for (int channels = 1; channels <= 3; channels += 2) {
        struct um_outfile *f;
        png_image          image = { .version = PNG_IMAGE_VERSION };
        uint8_t            back[sizeof pixels];
        const char        *path = in_dir("a.png");

        assert_int_equal(um_outfile_open(&f, path), UM_OK);
        assert_int_equal(um_outfile_close(f, um_png_write(f, pixels, 7, 5, channels), 0), UM_OK);
        assert_true(png_image_begin_read_from_file(&image, path));
        assert_int_equal(image.width, 7);
        assert_int_equal(image.height, 5);
        image.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
        assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
        assert_memory_equal(back, pixels, (size_t)(5 * 7 * channels));
    }
}

static void png_of_16_bits(void **state)
{
    static uint16_t    pixels[256 * 256], back[256 * 256];
    struct um_outfile *f;
    png_structp        png  = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop          info = png_create_info_struct(png);
    const char        *path = in_dir("a.png");
    FILE              *in;

    (void)state;
    for (int i = 0; i < 65536; i++)
        pixels[i] = (uint16_t)i;
    assert_int_equal(um_outfile_open(&f, path), UM_OK);
    assert_int_equal(um_outfile_close(f, um_png_write16(f, pixels, 256, 256), 0), UM_OK);
    assert_non_null(in = fopen(path, "rb"));
    png_init_io(png, in);
    png_read_info(png, info);
    assert_int_equal(png_get_image_width(png, info), 256);
    assert_int_equal(png_get_image_height(png, info), 256);
    assert_int_equal(png_get_bit_depth(png, info), 16);
    assert_int_equal(png_get_color_type(png, info), PNG_COLOR_TYPE_GRAY);
    if (htons(1) != 1)
        png_set_swap(png);
    for (int y = 0; y < 256; y++)
        png_read_row(png, (png_bytep)(back + 256 * y), NULL);
    assert_memory_equal(back, pixels, sizeof back);
    png_destroy_read_struct(&png, &info, NULL);
    assert_int_equal(fclose(in), 0);
}

static void png_refuses(void **state)
{
    uint8_t            pixel[4] = { 0 };
    struct um_outfile *f;

    (void)state;
    assert_int_equal(um_outfile_open(&f, in_dir("bad.png")), UM_OK);
    assert_int_equal(um_png_write(f, pixel, 0, 1, 1), UM_ERANGE);
    assert_int_equal(um_png_write(f, pixel, 1, 1, 2), UM_ERANGE);
    assert_int_equal(um_png_write16(f, (uint16_t[]){ 0 }, 1, -1), UM_ERANGE);
    assert_int_equal(um_png_write(f, pixel, 1000000, 1000000, 3), UM_ERANGE);
    assert_int_equal(um_outfile_close(f, UM_ERANGE, 0), UM_ERANGE);
    assert_int_not_equal(access(in_dir("bad.png"), F_OK), 0);
}

static nifti_image *write_read(const struct um_nifti_out *v, const char *name)
{
    struct um_outfile *f;
    const char        *path = in_dir(name);

    assert_int_equal(um_outfile_open(&f, path), UM_OK);
    assert_int_equal(um_outfile_close(f, um_nifti_write(f, v), 0), UM_OK);
    nifti_image *nim = nifti_image_read(path, 1);
    assert_non_null(nim);
    return nim;
}

/* x to the left, y to the back, z up (LPS+ voxels), tilted by 30 degrees about z */
static const double tilted[12] = { -0.7 * 0.866025403784438647,
                                   0.9 * 0.5,
                                   0,
                                   100,
                                   -0.7 * 0.5,
                                   -0.9 * 0.866025403784438647,
                                   0,
                                   -20,
                                   0,
                                   0,
                                   2.5,
                                   7 };

static void nifti_round_trip(void **state)
{
    static const struct {
        enum um_dtype t;
        int           code;
    } kind[] = { { UM_U8, 2 }, { UM_I16, 4 }, { UM_I32, 8 }, { UM_F32, 16 }, { UM_F64, 64 } };
    uint8_t data[3 * 4 * 5 * 8];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 11 % 61);
    for (size_t k = 0; k < 2 * sizeof kind / sizeof kind[0]; k++) {
        const struct um_nifti_out v   = { .data   = data,
                                          .dtype  = kind[k / 2].t,
                                          .depth  = 3,
                                          .height = 4,
                                          .width  = 5,
                                          .affine = tilted,
                                          .gzip   = k % 2 };
        nifti_image              *nim = write_read(&v, k % 2 ? "v.nii.gz" : "v.nii");

        assert_int_equal(nim->datatype, kind[k / 2].code);
        assert_int_equal(nim->nx, 5);
        assert_int_equal(nim->ny, 4);
        assert_int_equal(nim->nz, 3);
        assert_int_equal(nim->sform_code, 1);
        assert_int_equal(nim->qform_code, 1);
        for (int i = 0; i < 12; i++) {
            assert_true(fabs(nim->sto_xyz.m[i / 4][i % 4] - tilted[i]) <= 1e-5);
            assert_true(fabs(nim->qto_xyz.m[i / 4][i % 4] - tilted[i]) <= 1e-4);
        }
        assert_true(fabs(nim->dx - 0.7) <= 1e-6);
        assert_true(fabs(nim->dz - 2.5) <= 1e-6);
        assert_memory_equal(nim->data, data, 60 * um_dtype_size(v.dtype));
        nifti_image_free(nim);
    }
}

static void nifti_shear_has_no_qform(void **state)
{
    const double              shear[12] = { 1, 0.3, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0 };
    const uint8_t             data[1]   = { 9 };
    const struct um_nifti_out v         = {
                .data = data, .dtype = UM_U8, .depth = 1, .height = 1, .width = 1, .affine = shear
    };
    nifti_image *nim = write_read(&v, "s.nii");

    (void)state;
    assert_int_equal(nim->sform_code, 1);
    assert_int_equal(nim->qform_code, 0);
    nifti_image_free(nim);
}

static void nifti_refuses(void **state)
{
    double                    bad[12] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0 };
    const uint8_t             data[1] = { 9 };
    const struct um_nifti_out ok      = {
             .data = data, .dtype = UM_U8, .depth = 1, .height = 1, .width = 1, .spacing = { 1, 1, 1 }
    };
    struct um_nifti_out v = ok;
    struct um_outfile  *f;

    (void)state;
    assert_int_equal(um_outfile_open(&f, in_dir("bad.nii")), UM_OK);
    v.width = 32768;
    assert_int_equal(um_nifti_write(f, &v), UM_ERANGE);
    v       = ok;
    v.dtype = UM_BF16;
    assert_int_equal(um_nifti_write(f, &v), UM_EDTYPE);
    v            = ok;
    v.spacing[1] = NAN;
    assert_int_equal(um_nifti_write(f, &v), UM_EFORMAT);
    v        = ok;
    v.affine = bad;
    bad[5]   = NAN;
    assert_int_equal(um_nifti_write(f, &v), UM_ENONFINITE);
    bad[5] = 0;
    assert_int_equal(um_nifti_write(f, &v), UM_EFORMAT);
    assert_int_equal(um_outfile_close(f, UM_EFORMAT, 0), UM_EFORMAT);
}

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "um-media-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const name[] = { "a.png", "v.nii",    "v.nii.gz",
                                        "s.nii", "like.nii", "like2.nii" };

    (void)state;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        (void)unlink(in_dir(name[i]));
    return rmdir(dir);
}

/* the header of a 4D file of either version and byte order comes back under other voxels */
static void nifti1_like(void **state)
{
    const uint8_t             voxels[24] = { 1, 2, 3, [23] = 9 };
    const struct um_nifti_out v          = {
                 .data = voxels, .dtype = UM_U8, .depth = 4, .height = 3, .width = 2
    };
    nifti_1_header one = { .sizeof_hdr = 348, .dim = { 4, 2, 3, 4, 9 }, .pixdim = { -1, 2, 3, 4 } };
    struct um_outfile *f;
    nifti_image       *im;

    (void)state;
    memcpy(one.magic, "n+1", 4);
    one.datatype   = NIFTI_TYPE_INT16;
    one.scl_slope  = 3;
    one.cal_max    = 7;
    one.qform_code = NIFTI_XFORM_MNI_152;
    one.quatern_b  = 0.6f;
    one.xyzt_units = NIFTI_UNITS_MICRON;
    (void)strcpy(one.intent_name, "gone");
    (void)strcpy(one.descrip, "kept");
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(um_outfile_open(&f, in_dir("like.nii")), UM_OK);
        assert_int_equal(um_outfile_close(f, um_nifti_write_like(f, &one, sizeof one, &v), 0),
                         UM_OK);
        assert_non_null(im = nifti_image_read(in_dir("like.nii"), 1));
        assert_int_equal(im->ndim, 3);
        assert_true(im->nx == 2 && im->ny == 3 && im->nz == 4 && im->nt == 1);
        assert_true(im->qform_code == NIFTI_XFORM_MNI_152 && im->sform_code == 0);
        assert_true(im->quatern_b == (double)0.6f && im->qfac == -1 && im->dy == 3);
        assert_int_equal(im->xyz_units, NIFTI_UNITS_MICRON);
        assert_int_equal(im->datatype, NIFTI_TYPE_UINT8);
        assert_true(im->scl_slope == 0 && im->cal_max == 0 && !im->intent_name[0]);
        assert_string_equal(im->descrip, "kept");
        assert_memory_equal(im->data, voxels, sizeof voxels);
        nifti_image_free(im);
        (void)swap_nifti_header(&one, 1); /* from here in the other byte order */
    }
}

static void nifti2_like(void **state)
{
    const uint8_t             voxels[24] = { 1, 2, 3, [23] = 9 };
    const struct um_nifti_out v          = {
                 .data = voxels, .dtype = UM_U8, .depth = 4, .height = 3, .width = 2
    };
    nifti_2_header     two = { .sizeof_hdr = 540, .dim = { 3, 4, 3, 2 }, .pixdim = { 1, 5, 6, 7 } };
    struct um_outfile *f;
    nifti_image       *im;
    char               raw[540];
    FILE              *file;

    (void)state;
    memcpy(two.magic, "n+2\0\r\n\032\n", 8);
    two.datatype   = NIFTI_TYPE_INT16;
    two.sform_code = NIFTI_XFORM_MNI_152;
    for (int i = 0; i < 4; i++)
        two.srow_x[i] = two.srow_y[3 - i] = two.srow_z[i] = i * i + 0.1;
    assert_int_equal(um_outfile_open(&f, in_dir("like2.nii")), UM_OK);
    assert_int_equal(um_outfile_close(f, um_nifti_write_like(f, &two, sizeof two, &v), 0), UM_OK);
    assert_non_null(im = nifti_image_read(in_dir("like2.nii"), 1));
    assert_non_null(file = fopen(in_dir("like2.nii"), "r"));
    assert_int_equal(fread(raw, 1, sizeof raw, file), sizeof raw);
    (void)fclose(file);
    assert_int_equal(im->nx, 4);
    assert_int_equal(im->nz, 2);
    assert_int_equal(nifti_header_version(raw, sizeof raw), 2);
    assert_true(im->sto_xyz.m[0][2] == 4.1 && im->sto_xyz.m[1][0] == 9.1 && im->qform_code == 0);
    assert_memory_equal(im->data, voxels, sizeof voxels);
    nifti_image_free(im);

    two.dim[3] = 3;
    assert_int_equal(um_outfile_open(&f, in_dir("no.nii")), UM_OK);
    assert_int_equal(um_nifti_write_like(f, &two, sizeof two, &v), UM_ESHAPE);
    assert_int_equal(um_nifti_write_like(f, &two, 347, &v), UM_EFORMAT);
    two.dim[3] = -2;
    assert_int_equal(um_nifti_write_like(f, &two, sizeof two, &v), UM_ESHAPE);
    assert_int_equal(um_outfile_close(f, UM_EFORMAT, 0), UM_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_round_trip), cmocka_unit_test(png_of_16_bits),
        cmocka_unit_test(png_refuses),    cmocka_unit_test(nifti_round_trip),
        cmocka_unit_test(nifti_refuses),  cmocka_unit_test(nifti_shear_has_no_qform),
        cmocka_unit_test(nifti1_like),    cmocka_unit_test(nifti2_like),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
