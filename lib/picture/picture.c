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

/* the values that become black and white */
struct range {
    double lo, hi;
};

static struct range finite_range(const struct um_tensor *t)
{
    struct range r = { INFINITY, -INFINITY };

    for (int64_t i = 0, n = um_tensor_count(t); i < n; i++) {
        const double x = um_elem_get(t->data, t->dtype, i);

        if (isfinite(x)) {
            r.lo = fmin(r.lo, x);
            r.hi = fmax(r.hi, x);
        }
    }
    return r;
}

static struct range gray_range(const struct um_tensor *t)
{
    const bool   whole = t->dtype <= UM_I64;
    struct range r     = { 0, 255 };

    if (t->dtype == UM_U8 && strcmp(t->name, "mask") != 0)
        return r;
    r = finite_range(t);
    if (strcmp(t->name, "mask") == 0)
        return (struct range){ 0, r.hi > 0 ? r.hi : 1 };
    if (!whole && r.lo >= 0 && r.hi <= 1)
        return (struct range){ 0, 1 };
    return r;
}

/* 0..1 between the ends; NaN and an empty range are 0 */
static double level(double x, struct range r)
{
    const double v = (x - r.lo) / (r.hi - r.lo);

    return v > 0 ? fmin(v, 1) : 0;
}

static void heat(double v, uint8_t rgb[3])
{
    for (int c = 0; c < 3; c++) /* black, red, yellow, white */
        rgb[c] = (uint8_t)(255 * fmin(fmax(3 * v - c, 0), 1) + 0.5);
}

/* the last three dims as slices, rows, columns */
static int as_volume(const struct um_tensor *t, int64_t d[3])
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

static int new_montage(struct um_arena *a, int64_t n, int64_t w, int64_t h, int channels,
                       struct um_picture *p)
{
    const int64_t c = columns(n), r = (n + c - 1) / c;

    if (w > INT32_MAX / (c + 1) || h > INT32_MAX / (r + 1))
        return um_fail(UM_ERANGE, "%lld tiles of %lld x %lld pixels cannot be drawn", (long long)n,
                       (long long)w, (long long)h);
    return um_picture_new(a, c * (w + GAP) - GAP, r * (h + GAP) - GAP, channels, p);
}

static void draw_gray(struct um_picture *p, int64_t x, int64_t y, const struct um_tensor *t,
                      const int64_t d[3], int64_t z, struct range r)
{
    for (int64_t i = 0; i < d[1]; i++)
        for (int64_t j = 0; j < d[2]; j++) {
            const double v = um_elem_get(t->data, t->dtype, (z * d[1] + i) * d[2] + j);

            p->pixel[(y + i) * p->width + x + j] = (uint8_t)(255 * level(v, r) + 0.5);
        }
}

static int draw_volume(struct um_arena *a, const struct um_tensor *t, const int64_t d[3],
                       struct um_picture *p)
{
    const struct range r = gray_range(t);

    UM_TRY(new_montage(a, d[0], d[2], d[1], 1, p));
    for (int64_t z = 0; z < d[0]; z++) {
        int64_t x, y;

        tile_at(z, d[0], d[2], d[1], &x, &y);
        draw_gray(p, x, y, t, d, z, r);
    }
    return UM_OK;
}

/* rows and columns of P cells: meta.grid's last two sides if they fit, a square, or one row */
static void cell_grid(const struct um_record *rec, int64_t cells, int64_t *rows, int64_t *cols)
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
    struct range  r    = finite_range(t);
    int64_t       rows = 1, cols = cells;

    r.lo = fmin(r.lo, 0);
    if (t->ndim == 2)
        cell_grid(rec, cells, &rows, &cols);
    if (rows > INT32_MAX / CELL || cols > INT32_MAX / CELL)
        return um_fail(UM_ERANGE, "%s: %lld cells cannot be drawn", t->name, (long long)cells);
    UM_TRY(new_montage(a, slabs, cols * CELL, rows * CELL, 3, p));
    for (int64_t s = 0; s < slabs; s++) {
        int64_t x0, y0;

        tile_at(s, slabs, cols * CELL, rows * CELL, &x0, &y0);
        for (int64_t y = 0; y < rows * CELL; y++)
            for (int64_t x = 0; x < cols * CELL; x++) {
                const int64_t i = s * cells + y / CELL * cols + x / CELL;

                heat(level(um_elem_get(t->data, t->dtype, i), r),
                     &p->pixel[3 * ((y0 + y) * p->width + x0 + x)]);
            }
    }
    return UM_OK;
}

int um_picture_tensor(struct um_arena *a, const struct um_record *rec, const struct um_tensor *t,
                      struct um_picture *p)
{
    int64_t d[3];

    UM_TRY(as_volume(t, d));
    if (t->ndim == 1 || (t->ndim == 2 && strcmp(t->name, "attention") == 0))
        return draw_heat(a, rec, t, p);
    return draw_volume(a, t, d, p);
}

int um_picture_slice(struct um_arena *a, const struct um_tensor *t, int64_t z, struct um_picture *p)
{
    int64_t d[3];

    UM_TRY(as_volume(t, d));
    if (z >= d[0])
        return um_fail(UM_ERANGE, "%s: slice %lld of %lld", t->name, (long long)z, (long long)d[0]);
    UM_TRY(um_picture_new(a, d[2], d[1], 1, p));
    draw_gray(p, 0, 0, t, d, z < 0 ? d[0] / 2 : z, gray_range(t));
    return UM_OK;
}

/* mean of the pixels of row box [y0,y1) and column box [x0,x1) */
static uint8_t box_mean(const struct um_picture *p, int64_t x0, int64_t x1, int64_t y0, int64_t y1)
{
    int64_t sum = 0, n = (x1 - x0) * (y1 - y0);

    for (int64_t y = y0; y < y1; y++)
        for (int64_t x = x0; x < x1; x++)
            sum += p->pixel[y * p->width + x];
    return (uint8_t)((2 * sum + n) / (2 * n));
}

void um_picture_fit(struct um_picture *to, int64_t x, int64_t y, int64_t w, int64_t h,
                    const struct um_picture *from)
{
    double scale = fmax((double)from->width / (double)w, (double)from->height / (double)h);

    if (scale < 1)
        scale = 1 / floor(1 / scale); /* whole pixels become squares */
    const int64_t tw = (int64_t)fmax(1, floor((double)from->width / scale + 1e-9));
    const int64_t th = (int64_t)fmax(1, floor((double)from->height / scale + 1e-9));

    x += (w - tw) / 2;
    y += (h - th) / 2;
    for (int64_t i = 0; i < th; i++)
        for (int64_t j = 0; j < tw; j++)
            to->pixel[(y + i) * to->width + x + j] =
                box_mean(from, j * from->width / tw, ((j + 1) * from->width + tw - 1) / tw,
                         i * from->height / th, ((i + 1) * from->height + th - 1) / th);
}

void um_picture_text(struct um_picture *to, int64_t x, int64_t y, const char *text, int letters)
{
    const size_t n = strlen(text);

    if (n > (size_t)letters)
        text += n - (size_t)letters;
    for (; *text; text++, x += UM_FONT_W)
        for (int i = 0; i < UM_FONT_W * UM_FONT_H; i++) {
            const int64_t px = x + i % UM_FONT_W, py = y + i / UM_FONT_W;

            if (px >= 0 && py >= 0 && px < to->width && py < to->height &&
                um_font_dot((unsigned char)*text, i % UM_FONT_W, i / UM_FONT_W))
                memset(&to->pixel[(py * to->width + px) * to->channels], 255, (size_t)to->channels);
        }
}

int um_sheet_add(struct um_sheet *s, const char *key, const struct um_tensor *t)
{
    struct um_picture slice, *cell;
    struct um_arena  *scratch;
    int               st;

    if (s->n == s->cap) {
        const int cap = s->cap ? 2 * s->cap : 16;

        cell = um_alloc_array(s->arena, cap, sizeof *cell);
        if (!cell)
            return UM_ENOMEM;
        if (s->n)
            memcpy(cell, s->cell, (size_t)s->n * sizeof *cell);
        s->cell = cell;
        s->cap  = cap;
    }
    UM_TRY(um_arena_new(&scratch));
    cell = &s->cell[s->n];
    st   = um_picture_slice(scratch, t, -1, &slice);
    if (st >= 0)
        st = um_picture_new(s->arena, UM_SHEET_CELL, UM_SHEET_CELL + UM_FONT_H + 2, 1, cell);
    if (st >= 0) {
        um_picture_fit(cell, 0, 0, UM_SHEET_CELL, UM_SHEET_CELL, &slice);
        um_picture_text(cell, 1, UM_SHEET_CELL + 2, key, (UM_SHEET_CELL - 1) / UM_FONT_W);
        s->n++;
    }
    um_arena_free(scratch);
    return st;
}

int um_sheet_draw(const struct um_sheet *s, struct um_picture *p)
{
    if (s->n == 0)
        return um_fail(UM_EMISSING, "no image and no volume to draw: run um-preprocess");
    const int64_t w = s->cell[0].width, h = s->cell[0].height;

    UM_TRY(new_montage(s->arena, s->n, w, h, 1, p));
    for (int i = 0; i < s->n; i++) {
        int64_t x, y;

        tile_at(i, s->n, w, h, &x, &y);
        for (int64_t r = 0; r < h; r++)
            memcpy(&p->pixel[(y + r) * p->width + x], &s->cell[i].pixel[r * w], (size_t)w);
    }
    return UM_OK;
}
