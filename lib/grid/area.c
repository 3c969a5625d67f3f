/* area.c - means over boxes, in whole numbers */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/area.h"

#include <string.h>

#include "base/wide.h"

/* shrinking: in units of 1/(n_out per) of a sample, output i covers [i n_in, (i+1) n_in) */
static void shrink(struct um_boxes *b)
{
    const int64_t unit = b->n_out * b->per; /* one sample */

    b->total = (uint64_t)b->n_in;
    for (int64_t i = 0; i < b->n_out; i++) {
        const int64_t from = i * b->n_in, to = from + b->n_in, last = (to - 1) / unit;

        b->first[i] = from / unit;
        b->count[i] = last - b->first[i] + 1;
        for (int64_t j = b->first[i]; j <= last; j++) {
            const int64_t lo = j * unit, hi = lo + unit;

            b->weight[i * b->most + j - b->first[i]] =
                (uint32_t)((hi < to ? hi : to) - (lo > from ? lo : from));
        }
    }
}

/* between samples: the centre lies at ((2i + 1) n_in - n_out) / (2 n_out) samples */
static void between(struct um_boxes *b)
{
    const int64_t unit = 2 * b->n_out;

    b->total = (uint64_t)unit;
    for (int64_t i = 0; i < b->n_out; i++) {
        const int64_t at = (2 * i + 1) * b->n_in - b->n_out;
        const int64_t j = at < 0 ? 0 : at / unit, part = at < 0 ? 0 : at % unit;
        uint32_t     *w = b->weight + i * b->most;

        b->first[i] = j;
        b->count[i] = part > 0 && j + 1 < b->n_in ? 2 : 1;
        w[0]        = (uint32_t)(b->count[i] == 2 ? unit - part : unit);
        w[1]        = (uint32_t)part;
    }
}

static int boxes_alloc(struct um_arena *a, int64_t n_in, int64_t per, int64_t n_out,
                       struct um_boxes *b)
{
    if (n_in < 1 || n_out < 1 || n_in > UM_SIDE_MAX || n_out > UM_SIDE_MAX / per ||
        (per > 1 && n_in / per < n_out))
        return um_fail(UM_ERANGE, "cannot resize a side of %lld to %lld: 1 to %d expected",
                       (long long)n_in, (long long)n_out, UM_SIDE_MAX);
    b->n_in   = n_in;
    b->per    = per;
    b->n_out  = n_out;
    b->most   = n_in / (n_out * per) + 2;
    b->first  = um_alloc_array(a, n_out, sizeof *b->first);
    b->count  = um_alloc_array(a, n_out, sizeof *b->count);
    b->weight = um_alloc_array(a, n_out * b->most, sizeof *b->weight);
    return b->first && b->count && b->weight ? UM_OK : UM_ENOMEM;
}

int um_boxes_new(struct um_arena *a, int64_t n_in, int64_t per, int64_t n_out, struct um_boxes *b)
{
    UM_TRY(boxes_alloc(a, n_in, per, n_out, b));
    if (n_out * per <= n_in)
        shrink(b);
    else
        between(b);
    return UM_OK;
}

int um_points_new(struct um_arena *a, int64_t n_in, int64_t n_out, struct um_boxes *b)
{
    UM_TRY(boxes_alloc(a, n_in, 1, n_out, b));
    between(b);
    return UM_OK;
}

struct um_fit um_fit_pad(int64_t w, int64_t h, int64_t side)
{
    const int64_t longer = w > h ? w : h, other = side * (w > h ? h : w) / longer;
    struct um_fit f;

    f.w = w == longer ? side : other > 0 ? other : 1;
    f.h = h == longer ? side : other > 0 ? other : 1;
    f.x = (side - f.w) / 2;
    f.y = (side - f.h) / 2;
    return f;
}

struct um_fit um_fit_stretch(int64_t side)
{
    return (struct um_fit){ 0, 0, side, side };
}

/* acc[x] = sum over the rows of output row i. Rows that count whole are added first and weighed
 * together. Sums stay below 2^32: total is at most 2^24, a sample 255. */
UM_WIDE static void mix_rows(const struct um_boxes *b, int64_t i, const struct um_grey *in,
                             uint32_t *acc)
{
    const int64_t   n = b->count[i], w = in->width;
    const uint32_t *weight = b->weight + i * b->most;
    const uint8_t  *row    = in->px + b->first[i] * w;

    memset(acc, 0, (size_t)w * sizeof *acc);
    for (int64_t k = 1; k < n - 1; k++)
        for (int64_t x = 0; x < w; x++)
            acc[x] += row[k * w + x];
    if (n > 2)
        for (int64_t x = 0; x < w; x++)
            acc[x] *= weight[1];
    for (int64_t x = 0; x < w; x++)
        acc[x] += weight[0] * row[x];
    if (n > 1)
        for (int64_t x = 0; x < w; x++)
            acc[x] += weight[n - 1] * row[(n - 1) * w + x];
}

static void area(const struct um_boxes *bx, const struct um_boxes *by, const struct um_grey *in,
                 uint32_t *acc, uint8_t *out, int64_t stride)
{
    const uint64_t total = bx->total * by->total;

    for (int64_t i = 0; i < by->n_out; i++) {
        mix_rows(by, i, in, acc);
        for (int64_t x = 0; x < bx->n_out; x++) {
            const uint32_t *p = acc + bx->first[x], *w = bx->weight + x * bx->most;
            uint64_t        sum = 0;

            for (int64_t k = 0; k < bx->count[x]; k++)
                sum += (uint64_t)p[k] * w[k];
            out[i * stride + x] = (uint8_t)um_div_round(sum, total);
        }
    }
}

static void nearest(const struct um_grey *in, int64_t w, int64_t h, uint8_t *out, int64_t stride)
{
    for (int64_t y = 0; y < h; y++) {
        const uint8_t *row = in->px + (2 * y + 1) * in->height / (2 * h) * in->width;

        for (int64_t x = 0; x < w; x++)
            out[y * stride + x] = row[(2 * x + 1) * in->width / (2 * w)];
    }
}

/* the weights of both axes */
static int weigh(struct um_arena *a, const struct um_grey *in, const struct um_fit *fit,
                 enum um_filter filter, struct um_boxes *bx, struct um_boxes *by)
{
    const int64_t per = in->eighths == 8 ? 8 : 1;

    if (filter == UM_FILTER_POINT) {
        if (in->eighths != 8)
            return um_fail(UM_ERANGE,
                           "a picture shrunk by its decoder cannot be sampled by points");
        UM_TRY(um_points_new(a, in->width, fit->w, bx));
        return um_points_new(a, in->height, fit->h, by);
    }
    UM_TRY(um_boxes_new(a, in->file_width * in->eighths / per, 8 / per, fit->w, bx));
    return um_boxes_new(a, in->file_height * in->eighths / per, 8 / per, fit->h, by);
}

int um_grey_square(struct um_arena *a, const struct um_grey *in, const struct um_fit *fit,
                   enum um_filter filter, int64_t side, uint8_t *out)
{
    const struct um_mark mark = um_arena_mark(a);
    struct um_boxes      bx, by;
    uint32_t            *acc;

    memset(out, 0, (size_t)(side * side));
    out += fit->y * side + fit->x;
    if (filter == UM_FILTER_NEAREST) {
        nearest(in, fit->w, fit->h, out, side);
        return UM_OK;
    }
    UM_TRY(weigh(a, in, fit, filter, &bx, &by));
    acc = um_alloc_array(a, in->width, sizeof *acc);
    if (!acc)
        return UM_ENOMEM;
    area(&bx, &by, in, acc, out, side);
    um_arena_rewind(a, mark);
    return UM_OK;
}
