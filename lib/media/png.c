/* png.c - reading PNG by libpng's row interface; errors come back through its longjmp */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/png.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "grid/levels.h"

enum { DEFLATE_RATIO = 1032 }; /* the most that deflate can shrink */

struct job {
    png_structp                 png;
    png_infop                   info;
    struct um_arena            *arena;
    const uint8_t              *bytes;
    size_t                      n, at;
    const struct um_image_opts *opts;
    struct um_grey             *out;
    int                         channels, depth; /* after expansion: 1..4; 8 or 16 */
    struct um_levels            levels;          /* of values as they are then */
    int                         st;              /* ours, when it was not libpng that failed */
    char                        text[128];
};

static _Noreturn void png_says(png_structp png, png_const_charp text)
{
    struct job *j = png_get_error_ptr(png);

    (void)snprintf(j->text, sizeof j->text, "%s", text);
    png_longjmp(png, 1);
}

static void png_warns(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static _Noreturn void give_up(struct job *j, int st)
{
    j->st = st;
    png_longjmp(j->png, 1);
}

static void feed(png_structp png, png_bytep to, size_t n)
{
    struct job *j = png_get_io_ptr(png);

    if (n > j->n - j->at)
        give_up(j, um_fail(UM_EFORMAT, "PNG: cut: the file ends after %zu bytes", j->n));
    memcpy(to, j->bytes + j->at, n);
    j->at += n;
}

static void check_size(struct job *j)
{
    const uint64_t w    = png_get_image_width(j->png, j->info),
                   h    = png_get_image_height(j->png, j->info),
                   bits = (uint64_t)png_get_channels(j->png, j->info) *
                          png_get_bit_depth(j->png, j->info);

    if (w * h > (uint64_t)j->opts->max_pixels)
        give_up(j,
                um_fail(UM_ERANGE, "PNG: %llu x %llu pixels, at most %lld allowed (--max-pixels)",
                        (unsigned long long)w, (unsigned long long)h,
                        (long long)j->opts->max_pixels));
    if (w * bits / 8 * h / DEFLATE_RATIO > j->n)
        give_up(j,
                um_fail(UM_EFORMAT, "PNG: %llu x %llu pixels promised, which %zu bytes cannot hold",
                        (unsigned long long)w, (unsigned long long)h, j->n));
    j->out->eighths = 8;
    j->out->wide    = false;
    j->out->most    = 0;
    j->out->width = j->out->file_width = (int64_t)w;
    j->out->height = j->out->file_height = (int64_t)h;
}

/* levels are of stored values, and those of 1 to 4 bits are spread over 8: by a whole factor */
static void take_levels(struct job *j)
{
    const int colour = png_get_color_type(j->png, j->info),
              depth  = png_get_bit_depth(j->png, j->info),
              factor = depth < 8 ? 255 / ((1 << depth) - 1) : 1;

    if (um_levels_given(&j->opts->levels) && colour != PNG_COLOR_TYPE_GRAY &&
        colour != PNG_COLOR_TYPE_GRAY_ALPHA)
        give_up(j, um_fail(UM_EUNSUPPORTED, "PNG: levels are for gray, this one has %s",
                           colour == PNG_COLOR_TYPE_PALETTE ? "a palette" : "colours"));
    j->levels.lo = j->opts->levels.lo * factor;
    j->levels.hi = j->opts->levels.hi * factor;
}

/* palettes, 1 to 4 bits and transparent colours become 8- or 16-bit channels */
static void expand(struct job *j)
{
    const int colour = png_get_color_type(j->png, j->info);

    take_levels(j);
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(j->png);
    if (colour == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(j->png, j->info) < 8)
        png_set_expand_gray_1_2_4_to_8(j->png);
    if (png_get_valid(j->png, j->info, PNG_INFO_tRNS))
        png_set_tRNS_to_alpha(j->png);
    (void)png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    j->channels = png_get_channels(j->png, j->info);
    j->depth    = png_get_bit_depth(j->png, j->info);

    j->out->wide = j->depth == 16 && j->channels <= 2 && !um_levels_given(&j->levels);
}

/* labels: one channel of stored values */
static void unpack(struct job *j)
{
    const int colour = png_get_color_type(j->png, j->info);

    if (colour != PNG_COLOR_TYPE_PALETTE && colour != PNG_COLOR_TYPE_GRAY)
        give_up(j,
                um_fail(UM_EUNSUPPORTED,
                        "PNG: labels in colour or with transparency: gray or a palette expected"));
    png_set_packing(j->png);
    (void)png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    j->channels = 1;
    j->depth    = png_get_bit_depth(j->png, j->info) == 16 ? 16 : 8;
}

static inline uint64_t sample(const uint8_t *p, int depth, int i)
{
    return depth == 16 ? (uint64_t)p[2 * i] << 8 | p[2 * i + 1] : p[i];
}

/* luma x alpha in units of 1/1000 and 1/full, divided and rounded once */
static void to_grey(const struct job *j, const uint8_t *in, uint8_t *out)
{
    const bool     colour = j->channels >= 3, alpha = j->channels % 2 == 0;
    const uint64_t full = j->depth == 16 ? 65535 : 255,
                   div = (j->depth == 16 ? 257U : 1U) * (colour ? 1000U : 1U) * (alpha ? full : 1U);
    const int step     = j->channels * j->depth / 8;

    for (int64_t x = 0; x < j->out->width; x++, in += step) {
        uint64_t v = sample(in, j->depth, 0);

        if (colour)
            v = um_luma1000(v, sample(in, j->depth, 1), sample(in, j->depth, 2));
        if (alpha)
            v *= sample(in, j->depth, j->channels - 1);
        out[x] = (uint8_t)um_div_round(v, div);
    }
}

static void by_levels(const struct job *j, const uint8_t *in, uint8_t *out)
{
    const uint64_t full = j->depth == 16 ? 65535 : 255;
    const int      step = j->channels * j->depth / 8;

    for (int64_t x = 0; x < j->out->width; x++, in += step)
        out[x] = um_level(&j->levels, sample(in, j->depth, 0),
                          j->channels == 2 ? sample(in, j->depth, 1) : full, full);
}

/* the largest value of 16 bits of gray */
static void look(const struct job *j, const uint8_t *in)
{
    uint64_t most = (uint64_t)j->out->most;

    for (int64_t x = 0; x < j->out->width; x++) {
        const uint64_t v = sample(in + 2 * j->channels * x, 16, 0);

        most = v > most ? v : most;
    }
    j->out->most = (int64_t)most;
}

static void to_labels(struct job *j, const uint8_t *in, uint8_t *out)
{
    for (int64_t x = 0; x < j->out->width; x++) {
        const uint64_t v = sample(in + x * (j->depth / 8), j->depth, 0);

        if (v > 255)
            give_up(j, um_fail(UM_ERANGE, "PNG: a label of %llu: 0 to 255 are taken",
                               (unsigned long long)v));
        out[x] = (uint8_t)v;
    }
}

static void convert(struct job *j, const uint8_t *in, uint8_t *out)
{
    if (j->opts->labels) {
        to_labels(j, in, out);
    } else if (um_levels_given(&j->levels)) {
        by_levels(j, in, out);
    } else {
        if (j->out->wide)
            look(j, in);
        to_grey(j, in, out);
    }
}

static uint8_t *take(struct job *j, int64_t n, size_t size)
{
    uint8_t *p = um_alloc_array(j->arena, n, size);

    if (!p)
        give_up(j, UM_ENOMEM);
    return p;
}

/* an interlaced file is decoded whole, any other one row at a time */
static void read_rows(struct job *j)
{
    const int64_t w = j->out->width, h = j->out->height;
    const size_t  rowbytes  = png_get_rowbytes(j->png, j->info);
    const bool    interlace = png_get_interlace_type(j->png, j->info) != PNG_INTERLACE_NONE;
    uint8_t      *raw       = take(j, interlace ? h : 1, rowbytes);

    j->out->px = take(j, h, (size_t)w);
    if (interlace)
        for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
            for (int64_t y = 0; y < h; y++)
                png_read_row(j->png, raw + (size_t)y * rowbytes, NULL);
    for (int64_t y = 0; y < h; y++) {
        uint8_t *row = interlace ? raw + (size_t)y * rowbytes : raw;

        if (!interlace)
            png_read_row(j->png, row, NULL);
        convert(j, row, j->out->px + y * w);
    }
}

/* everything after setjmp changes only *j */
static void decode(struct job *j)
{
    png_set_read_fn(j->png, j, feed);
    png_set_crc_action(j->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* metadata: skipped */
    png_set_user_limits(j->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(j->png, j->info);
    check_size(j);
    if (j->opts->labels)
        unpack(j);
    else
        expand(j);
    read_rows(j);
    png_read_end(j->png, NULL);
}

int um_png_read(struct um_arena *a, const uint8_t *bytes, size_t n,
                const struct um_image_opts *opts, struct um_grey *out)
{
    struct job *j = calloc(1, sizeof *j);
    int         st;

    if (!j)
        return um_fail(UM_ENOMEM, "PNG: out of memory");
    j->arena = a;
    j->bytes = bytes;
    j->n     = n;
    j->opts  = opts;
    j->out   = out;
    j->png   = png_create_read_struct(PNG_LIBPNG_VER_STRING, j, png_says, png_warns);
    j->info  = j->png ? png_create_info_struct(j->png) : NULL;
    if (!j->info)
        j->st = um_fail(UM_ENOMEM, "PNG: out of memory");
    else if (!setjmp(png_jmpbuf(j->png)))
        decode(j);
    else if (j->st == UM_OK)
        j->st = um_fail(UM_EFORMAT, "PNG: %s", j->text);
    png_destroy_read_struct(&j->png, &j->info, NULL);
    st = j->st;
    free(j);
    return st;
}
