/* picture.c - drawing tensors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "picture/picture.h"

#include <math.h>
#include <string.h>

#include "picture/font.h"

enum { CELL = 12, GAP = 1 }; /* pixels of a heat map's cell; between tiles */

int um_picture_new(struct um_arena *a, int64_t width, int64_t height, int channels,
                   struct um_picture *p)
{
    if (width < 1 || height < 1 || width > (1 << 28) / height)
        return um_fail(UM_ERANGE, "a picture of %lld x %lld pixels cannot be drawn",
                       (long long)width, (long long)height);
    *p       = (struct um_picture){ width, height, channels, NULL };
    p->pixel = um_calloc_array(a, width * height, (size_t)channels);
    return p->pixel ? UM_OK : UM_ENOMEM;
}

static void finite_range(const struct um_tensor *t, double *lo, double *hi)
{
    *lo = INFINITY;
    *hi = -INFINITY;
    for (int64_t i = 0, n = um_tensor_count(t); i < n; i++) {
        const double x = um_elem_get(t->data, t->dtype, i);

        if (isfinite(x)) {
            *lo = fmin(*lo, x);
            *hi = fmax(*hi, x);
        }
    }
}

void um_picture_range(const struct um_tensor *t, double *lo, double *hi)
{
    const bool mask = strcmp(t->name, "mask") == 0;

    *lo = 0;
    *hi = 255;
    if (t->dtype == UM_U8 && !mask)
        return;
    finite_range(t, lo, hi);
    if (mask) {
        *lo = 0;
        *hi = *hi > 0 ? *hi : 1;
    } else if (t->dtype > UM_I64 && *lo >= 0 && *hi <= 1) {
        *lo = 0;
        *hi = 1;
    }
}

/* 0..1 between the ends; NaN and an empty range are 0 */
static double level(double x, double lo, double hi)
{
    const double v = (x - lo) / (hi - lo);

    return v > 0 ? fmin(v, 1) : 0;
}

uint8_t um_picture_gray(double x, double lo, double hi)
{
    return (uint8_t)(255 * level(x, lo, hi) + 0.5);
}

void um_picture_heat(double v, uint8_t rgb[3])
{
    for (int c = 0; c < 3; c++) /* black, red, yellow, white */
        rgb[c] = (uint8_t)(255 * fmin(fmax(3 * v - c, 0), 1) + 0.5);
}

int um_picture_dims(const struct um_tensor *t, int64_t d[3])
{
    char text[UM_SHAPE_TEXT];

    d[0] = t->ndim == 3 ? t->dim[0] : 1;
    d[1] = t->ndim >= 2 && t->ndim <= 3 ? t->dim[t->ndim - 2] : 1;
    d[2] = t->ndim >= 1 ? t->dim[t->ndim - 1] : 1;
    if (t->ndim < 1 || t->ndim > 3 || d[0] < 1 || d[1] < 1 || d[2] < 1)
        return um_fail(UM_ESHAPE, "%s: a tensor %s cannot be drawn: [H,W] or [D,H,W] expected",
                       t->name, um_shape_text(t, text, sizeof text));
    return UM_OK;
}

static int64_t columns(int64_t n)
{
    int64_t c = (int64_t)ceil(sqrt((double)n));

    return c > 0 ? c : 1;
}

/* the corner of tile i among n of w x h, in rows */
static void tile_at(int64_t i, int64_t n, int64_t w, int64_t h, int64_t *x, int64_t *y)
{
    *x = i % columns(n) * (w + GAP);
    *y = i / columns(n) * (h + GAP);
}

int um_picture_tiles(struct um_arena *a, int64_t n, int64_t w, int64_t h, int channels,
                     struct um_picture *p)
{
    const int64_t c = columns(n), r = (n + c - 1) / c;

    if (w > INT32_MAX / (c + 1) || h > INT32_MAX / (r + 1))
        return um_fail(UM_ERANGE, "%lld tiles of %lld x %lld pixels cannot be drawn", (long long)n,
                       (long long)w, (long long)h);
    return um_picture_new(a, c * (w + GAP) - GAP, r * (h + GAP) - GAP, channels, p);
}

void um_picture_tile(struct um_picture *p, int64_t i, int64_t n, const struct um_picture *tile)
{
    const int64_t c = p->channels, w = tile->width;
    int64_t       x, y;

    tile_at(i, n, w, tile->height, &x, &y);
    for (int64_t r = 0; r < tile->height; r++)
        memcpy(&p->pixel[((y + r) * p->width + x) * c], &tile->pixel[r * w * c], (size_t)(w * c));
}

static int draw_volume(struct um_arena *a, const struct um_tensor *t, const int64_t d[3],
                       struct um_picture *p)
{
    double lo, hi;

    um_picture_range(t, &lo, &hi);
    UM_TRY(um_picture_tiles(a, d[0], d[2], d[1], 1, p));
    for (int64_t z = 0; z < d[0]; z++) {
        int64_t x, y;

        tile_at(z, d[0], d[2], d[1], &x, &y);
        for (int64_t i = 0; i < d[1]; i++)
            for (int64_t j = 0; j < d[2]; j++)
                p->pixel[(y + i) * p->width + x + j] = um_picture_gray(
                    um_elem_get(t->data, t->dtype, (z * d[1] + i) * d[2] + j), lo, hi);
    }
    return UM_OK;
}

void um_picture_cells(const struct um_record *rec, int64_t cells, int64_t *rows, int64_t *cols)
{
    const struct um_value *g    = um_map_get(&rec->meta, "grid");
    const int64_t          side = (int64_t)(sqrt((double)cells) + 0.5);

    *rows = side * side == cells ? side : 1;
    *cols = cells / *rows;
    if (g && g->kind == UM_LIST && g->n >= 2 && g->item[g->n - 1].kind == UM_INT &&
        g->item[g->n - 2].kind == UM_INT) {
        const int64_t h = g->item[g->n - 2].i, w = g->item[g->n - 1].i;

        if (h > 0 && w > 0 && h <= cells && w == cells / h && h * w == cells) {
            *rows = h;
            *cols = w;
        }
    }
}

static int draw_heat(struct um_arena *a, const struct um_record *rec, const struct um_tensor *t,
                     struct um_picture *p)
{
    const int64_t slabs = t->ndim == 2 ? t->dim[0] : 1, cells = t->dim[t->ndim - 1];
    int64_t       rows = 1, cols = cells;
    double        lo, hi;

    finite_range(t, &lo, &hi);
    lo = fmin(lo, 0);
    if (t->ndim == 2)
        um_picture_cells(rec, cells, &rows, &cols);
    if (rows > INT32_MAX / CELL || cols > INT32_MAX / CELL)
        return um_fail(UM_ERANGE, "%s: %lld cells cannot be drawn", t->name, (long long)cells);
    UM_TRY(um_picture_tiles(a, slabs, cols * CELL, rows * CELL, 3, p));
    for (int64_t s = 0; s < slabs; s++) {
        int64_t x0, y0;

        tile_at(s, slabs, cols * CELL, rows * CELL, &x0, &y0);
        for (int64_t y = 0; y < rows * CELL; y++)
            for (int64_t x = 0; x < cols * CELL; x++) {
                const int64_t i = s * cells + y / CELL * cols + x / CELL;

                um_picture_heat(level(um_elem_get(t->data, t->dtype, i), lo, hi),
                                &p->pixel[3 * ((y0 + y) * p->width + x0 + x)]);
            }
    }
    return UM_OK;
}

int um_picture_tensor(struct um_arena *a, const struct um_record *rec, const struct um_tensor *t,
                      struct um_picture *p)
{
    int64_t d[3];

    UM_TRY(um_picture_dims(t, d));
    if (t->ndim == 1 || (t->ndim == 2 && strcmp(t->name, "attention") == 0))
        return draw_heat(a, rec, t, p);
    return draw_volume(a, t, d, p);
}

static void draw_letter(struct um_picture *to, int64_t x, int64_t y, char letter)
{
    for (int i = 0; i < UM_FONT_W * UM_FONT_H; i++) {
        const int64_t px = x + i % UM_FONT_W, py = y + i / UM_FONT_W;

        if (px >= 0 && py >= 0 && px < to->width && py < to->height &&
            um_font_dot((unsigned char)letter, i % UM_FONT_W, i / UM_FONT_W))
            memset(&to->pixel[(py * to->width + px) * to->channels], 255, (size_t)to->channels);
    }
}

void um_picture_text(struct um_picture *to, int64_t x, int64_t y, const char *text, int letters,
                     bool begin)
{
    const int64_t n = (int64_t)strlen(text), shown = n < letters ? n : letters;

    for (int64_t i = 0; i < shown; i++) {
        const bool mark = n > letters && (begin ? i >= shown - 2 : i < 2);

        draw_letter(to, x + i * UM_FONT_W, y, mark ? '.' : text[begin ? i : n - shown + i]);
    }
}
