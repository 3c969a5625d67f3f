/* jpeg.c - reading JPEG; damage that libjpeg only warns about is an error here */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/jpeg.h"

#include <stdbool.h>
#include <stdlib.h>

#include <jerror.h>

#include "media/jpeg_trap.h"

/* A block of 64 pixels takes at least one bit, so a byte holds at most 512 pixels. The longest
 * progressive scripts in use have about a dozen scans; a file of thousands only burns time. */
enum { PIXELS_PER_BYTE = 512, SCANS_MAX = 500, ROWS = 16 };

struct job {
    struct jpeg_decompress_struct d;
    struct um_jpeg_trap           trap;
    struct jpeg_progress_mgr      progress;
    struct um_arena              *arena;
    const uint8_t                *bytes;
    size_t                        n;
    const struct um_image_opts   *opts;
    struct um_grey               *out;
    int                           st; /* ours, when it was not libjpeg that failed */
};

static _Noreturn void give_up(struct job *j, int st)
{
    j->st = st;
    longjmp(j->trap.jump, 1);
}

static void watch_scans(j_common_ptr cinfo)
{
    struct job *j = cinfo->client_data;

    if (j->d.input_scan_number > SCANS_MAX)
        give_up(j, um_fail(UM_EFORMAT, "JPEG: more than %d scans", SCANS_MAX));
}

static void check_size(struct job *j)
{
    const uint64_t pixels = (uint64_t)j->d.image_width * j->d.image_height;

    if (pixels > (uint64_t)j->opts->max_pixels)
        give_up(j, um_fail(UM_ERANGE, "JPEG: %u x %u pixels, at most %lld allowed (--max-pixels)",
                           j->d.image_width, j->d.image_height, (long long)j->opts->max_pixels));
    if (!j->d.arith_code && pixels / PIXELS_PER_BYTE > j->n)
        give_up(j, um_fail(UM_EFORMAT, "JPEG: %u x %u pixels promised, which %zu bytes cannot hold",
                           j->d.image_width, j->d.image_height, j->n));
}

/* the smallest of 8/8, 4/8, 2/8, 1/8 that leaves the longer side at least fast_side long, and the
 * shorter one fast_short */
static void choose_scale(struct job *j)
{
    const int64_t w = j->d.image_width, h = j->d.image_height, longer = w > h ? w : h;
    const int64_t shorter = w > h ? h : w;
    const int64_t least   = j->opts->fast_short > 1 ? j->opts->fast_short : 1;

    j->d.scale_denom = 8;
    j->d.scale_num   = 8;
    if (j->opts->fast_side > 0)
        while (j->d.scale_num > 1 && longer * (j->d.scale_num / 2) >= 8 * j->opts->fast_side &&
               shorter * (j->d.scale_num / 2) >= 8 * least)
            j->d.scale_num /= 2;
}

static void choose_colour(struct job *j)
{
    switch (j->d.jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_YCbCr: j->d.out_color_space = JCS_GRAYSCALE; break;
    case JCS_RGB: j->d.out_color_space = JCS_RGB; break;
    case JCS_CMYK:
    case JCS_YCCK: j->d.out_color_space = JCS_CMYK; break;
    default:
        give_up(j, um_fail(UM_EUNSUPPORTED, "JPEG: %d components of an unknown colour space",
                           j->d.num_components));
    }
}

static void rgb_row(const JSAMPLE *in, uint8_t *out, int64_t w)
{
    for (int64_t x = 0; x < w; x++, in += 3)
        out[x] = (uint8_t)um_div_round(um_luma1000(in[0], in[1], in[2]), 1000);
}

/* Adobe writes 255 - ink */
static void cmyk_row(const JSAMPLE *in, uint8_t *out, int64_t w, bool inverted)
{
    const uint8_t flip = inverted ? 0 : 255;

    for (int64_t x = 0; x < w; x++, in += 4) {
        const uint64_t k = in[3] ^ flip;

        out[x] = (uint8_t)um_div_round(um_luma1000(in[0] ^ flip, in[1] ^ flip, in[2] ^ flip) * k,
                                       1000 * 255);
    }
}

static void read_grey(struct job *j)
{
    const int64_t w = j->out->width;

    while (j->d.output_scanline < j->d.output_height) {
        JSAMPROW   row[ROWS];
        JDIMENSION n = j->d.output_height - j->d.output_scanline;

        n = n < ROWS ? n : ROWS;
        for (JDIMENSION i = 0; i < n; i++)
            row[i] = j->out->px + (int64_t)(j->d.output_scanline + i) * w;
        (void)jpeg_read_scanlines(&j->d, row, n);
    }
}

/* Gray whose rows are whole blocks goes from the inverse transform to its place, without the copy
 * through libjpeg's own rows. */
static bool is_straight(const struct job *j)
{
#if JPEG_LIB_VERSION < 70
    const jpeg_component_info *c = j->d.comp_info;

    return j->d.num_components == 1 && j->d.out_color_space == JCS_GRAYSCALE &&
           c->h_samp_factor == 1 && c->v_samp_factor == 1 &&
           j->d.output_width % (JDIMENSION)j->d.min_DCT_scaled_size == 0;
#else
    (void)j;
    return false;
#endif
}

static void read_straight(struct job *j)
{
    while (j->d.output_scanline < j->d.output_height) {
        JSAMPROW   row[DCTSIZE];
        JSAMPARRAY plane = row;

        for (JDIMENSION i = 0; i < DCTSIZE; i++)
            row[i] = j->out->px + (int64_t)(j->d.output_scanline + i) * j->out->width;
        (void)jpeg_read_raw_data(&j->d, &plane, DCTSIZE);
    }
}

static void read_colour(struct job *j)
{
    const int64_t w    = j->out->width;
    JSAMPROW      line = um_alloc_array(j->arena, w, (size_t)j->d.output_components);

    if (!line)
        give_up(j, UM_ENOMEM);
    while (j->d.output_scanline < j->d.output_height) {
        uint8_t *out = j->out->px + (int64_t)j->d.output_scanline * w;

        (void)jpeg_read_scanlines(&j->d, &line, 1);
        if (j->d.out_color_space == JCS_RGB)
            rgb_row(line, out, w);
        else
            cmyk_row(line, out, w, j->d.saw_Adobe_marker);
    }
}

/* everything between setjmp and here changes only *j */
static void decode(struct job *j)
{
    jpeg_create_decompress(&j->d);
    j->d.client_data             = j;
    j->d.progress                = &j->progress;
    j->progress.progress_monitor = watch_scans;
    jpeg_mem_src(&j->d, j->bytes, j->n);
    (void)jpeg_read_header(&j->d, TRUE);
    check_size(j);
    choose_scale(j);
    choose_colour(j);
    j->d.dct_method         = JDCT_ISLOW;
    j->d.do_block_smoothing = FALSE;
    /* colours that become luma here must be whole first; of a Y plane nothing is upsampled */
    j->d.do_fancy_upsampling = j->d.out_color_space != JCS_GRAYSCALE;
    jpeg_calc_output_dimensions(&j->d);
    j->d.raw_data_out = is_straight(j);
    (void)jpeg_start_decompress(&j->d);
    j->out->width       = j->d.output_width;
    j->out->height      = j->d.output_height;
    j->out->eighths     = j->d.scale_num;
    j->out->file_width  = j->d.image_width;
    j->out->file_height = j->d.image_height;
    /* the last blocks may reach below the picture */
    j->out->px = um_alloc_array(j->arena, j->out->width * (j->out->height + DCTSIZE), 1);
    if (!j->out->px)
        give_up(j, UM_ENOMEM);
    if (j->d.raw_data_out)
        read_straight(j);
    else if (j->d.out_color_space == JCS_GRAYSCALE)
        read_grey(j);
    else
        read_colour(j);
    (void)jpeg_finish_decompress(&j->d); /* reads on to the end marker */
}

/* libjpeg's codes that do not mean a damaged file */
static int status_of(const struct job *j)
{
    switch (j->trap.pub.msg_code) {
    case JERR_OUT_OF_MEMORY: return UM_ENOMEM;
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL: return UM_EUNSUPPORTED;
    default: return UM_EFORMAT;
    }
}

int um_jpeg_read(struct um_arena *a, const uint8_t *bytes, size_t n,
                 const struct um_image_opts *opts, struct um_grey *out)
{
    struct job *j = calloc(1, sizeof *j);
    int         st;

    if (!j)
        return um_fail(UM_ENOMEM, "JPEG: out of memory");
    j->arena = a;
    j->bytes = bytes;
    j->n     = n;
    j->opts  = opts;
    j->out   = out;
    j->d.err = um_jpeg_trap_set(&j->trap, 1);
    if (!setjmp(j->trap.jump))
        decode(j);
    else if (j->st == UM_OK)
        j->st = um_fail(status_of(j), "JPEG: %s", j->trap.text);
    jpeg_destroy_decompress(&j->d);
    st = j->st;
    free(j);
    return st;
}
