/* view.c - slices, planes, aspect and window of what is drawn */
/* SPDX-License-Identifier: Apache-2.0 */
#include "picture/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grid/area.h"
#include "grid/volume.h"
#include "picture/onto.h"
#include "picture/overlay.h"

enum { SHOWN = 256, STRETCH_MAX = 64 }; /* pixels a small slice is enlarged to; worst aspect */

/* ---- what is asked for ---- */

const char *um_over_name(int bit)
{
    return bit == UM_OVER_MASK ? "mask" : bit == UM_OVER_BOXES ? "boxes" : "attention";
}

int um_view_over(const char *text, struct um_view *v)
{
    v->over = 0;
    while (text && *text) {
        const size_t n   = strcspn(text, ",");
        unsigned     bit = 0;

        for (int i = 0; i < UM_NOVER; i++)
            if (strlen(um_over_name(1 << i)) == n && strncmp(um_over_name(1 << i), text, n) == 0)
                bit = 1U << i;
        if (!bit)
            return um_fail(UM_ERANGE, "overlay \"%.*s\": expected mask, boxes or attention", (int)n,
                           text);
        v->over |= bit;
        text += n + (text[n] == ',' && text[n + 1]);
        if (*text == ',')
            return um_fail(UM_ERANGE, "overlay \"\": expected mask, boxes or attention");
    }
    return UM_OK;
}

int um_view_slices(const char *text, struct um_view *v)
{
    const char *digits = text && strncmp(text, "even=", 5) == 0 ? text + 5 : text;
    char       *end;

    v->number = 0;
    v->slices = UM_SLICES_DEFAULT;
    if (!text)
        return UM_OK;
    v->slices = strcmp(text, "all") == 0      ? UM_SLICES_ALL
                : strcmp(text, "middle") == 0 ? UM_SLICES_MIDDLE
                : digits != text              ? UM_SLICES_EVEN
                                              : UM_SLICES_ONE;
    if (v->slices < UM_SLICES_EVEN)
        return UM_OK;
    v->number = strtoll(digits, &end, 10);
    if (*digits >= '0' && *digits <= '9' && !*end && v->number <= INT32_MAX &&
        v->number >= (v->slices == UM_SLICES_EVEN))
        return UM_OK;
    return um_fail(UM_ERANGE, "slice \"%s\": expected a number from 0, middle, all or even=N",
                   text);
}

bool um_view_plain(const struct um_view *v)
{
    return !v->over && !v->windowed && !v->plane && !v->slices && !v->crop;
}

/* ---- what of the tensor ---- */

static int choose_slices(struct um_scene *s, enum um_slices slices)
{
    const struct um_view *v     = s->view;
    const int64_t         depth = s->dim[s->plane];

    if (v->slices)
        slices = v->slices;
    s->first = slices == UM_SLICES_ONE ? v->number : slices == UM_SLICES_ALL ? 0 : depth / 2;
    s->n     = slices == UM_SLICES_ALL    ? depth
               : slices == UM_SLICES_EVEN ? (v->number < depth ? v->number : depth)
                                          : 1;
    if (s->first >= depth)
        return um_fail(UM_ERANGE, "%s: slice %lld asked for, there are %lld (0 to %lld)",
                       s->t->name, (long long)s->first, (long long)depth, (long long)depth - 1);
    return UM_OK;
}

int64_t um_scene_number(const struct um_scene *s, int64_t i)
{
    return s->n > 1 ? (2 * i + 1) * s->dim[s->plane] / (2 * s->n) : s->first;
}

static int choose_samples(struct um_scene *s)
{
    const struct um_view *v = s->view;

    s->rows = s->dim[s->plane == UM_AXIAL ? 1 : 0];
    s->cols = s->dim[s->plane == UM_SAGITTAL ? 1 : 2];
    if (!v->crop || s->dim[0] > 1)
        return UM_OK;
    if (v->crop > s->rows || v->crop > s->cols)
        return um_fail(UM_ERANGE, "%s: %lld x %lld pixels, smaller than the crop of %lld",
                       s->t->name, (long long)s->cols, (long long)s->rows, (long long)v->crop);
    s->top  = (s->rows - v->crop) / 2;
    s->left = (s->cols - v->crop) / 2;
    s->rows = s->cols = v->crop;
    return UM_OK;
}

/* how much wider and higher a sample is than the narrower of the two */
static void aspect(const struct um_scene *s, double *wide, double *high)
{
    double mm[3], affine[12];

    *wide = *high = 1;
    if (s->dim[0] == 1)
        return;
    if (!um_meta_numbers(s->rec, "spacing", 3, mm)) {
        if (!um_meta_numbers(s->rec, "affine", 12, affine))
            return;
        um_affine_spacing(affine, mm);
    }
    const double w = mm[s->plane == UM_SAGITTAL ? 1 : 0], h = mm[s->plane == UM_AXIAL ? 1 : 2],
                 least = fmin(w, h);

    if (!(least > 0 && fmax(w, h) <= STRETCH_MAX * least))
        return; /* no spacing to be believed */
    *wide = w / least;
    *high = h / least;
}

static void choose_size(struct um_scene *s, int64_t box)
{
    double wide, high, scale;

    aspect(s, &wide, &high);
    wide *= (double)s->cols;
    high *= (double)s->rows;
    scale = (double)(box ? box : SHOWN) / fmax(wide, high);
    if (scale > 1) /* whole pixels become squares */
        scale = floor(scale + 1e-9);
    else if (!box)
        scale = 1;
    s->width  = (int64_t)fmax(1, floor(wide * scale + (box ? 1e-9 : 0.5)));
    s->height = (int64_t)fmax(1, floor(high * scale + (box ? 1e-9 : 0.5)));
}

/* window in the tensor's own values */
static void choose_range(struct um_scene *s)
{
    double hu[2] = { 0, 1 };

    um_picture_range(s->t, &s->lo, &s->hi);
    if (!s->view->windowed ||
        (s->t->dtype == UM_U8 && (s->view->window[0] < 0 || s->view->window[1] > UINT8_MAX)))
        return;
    s->lo = s->view->window[0];
    s->hi = s->view->window[1];
    if (s->t->dtype < UM_F16 || !um_meta_numbers(s->rec, "window", 2, hu) || !(hu[1] > hu[0]))
        return;
    s->lo = (s->lo - hu[0]) / (hu[1] - hu[0]);
    s->hi = (s->hi - hu[0]) / (hu[1] - hu[0]);
}

int um_scene_open(const struct um_view *v, const struct um_record *rec, const struct um_tensor *t,
                  enum um_slices slices, int64_t box, struct um_scene *s)
{
    *s = (struct um_scene){ .view = v, .rec = rec, .t = t };
    UM_TRY(um_picture_dims(t, s->dim));
    if (s->dim[0] > 1) {
        s->plane = v->plane;
        s->has   = UM_HAS_PLANES;
    }
    UM_TRY(choose_slices(s, slices));
    UM_TRY(choose_samples(s));
    choose_size(s, box);
    choose_range(s);
    return um_overlay_find(s);
}

/* ---- drawing ---- */

/* sample (row,col) of slice `number` */
static int64_t element(const struct um_scene *s, int64_t number, int64_t row, int64_t col)
{
    const int64_t *d = s->dim;

    switch (s->plane) {
    case UM_CORONAL: return ((d[0] - 1 - row) * d[1] + number) * d[2] + col;
    case UM_SAGITTAL: return ((d[0] - 1 - row) * d[1] + col) * d[2] + number;
    default: return (number * d[1] + row + s->top) * d[2] + col + s->left;
    }
}

void um_scene_sample(const struct um_scene *s, int64_t number, int64_t x, int64_t y, int64_t at[3])
{
    const int64_t row = (2 * y + 1) * s->rows / (2 * s->height),
                  col = (2 * x + 1) * s->cols / (2 * s->width), e = element(s, number, row, col);

    at[0] = e / (s->dim[1] * s->dim[2]);
    at[1] = e / s->dim[2] % s->dim[1];
    at[2] = e % s->dim[2];
}

/* weights of one axis; squares: from samples, each `squares` times */
static int weigh(struct um_arena *a, int64_t from, int64_t to, int64_t squares, struct um_boxes *b)
{
    UM_TRY(um_boxes_new(a, from, 1, squares ? from : to, b));
    if (!squares)
        return UM_OK;
    b->n_out  = to;
    b->most   = 1;
    b->total  = 1;
    b->first  = um_alloc_array(a, to, sizeof *b->first);
    b->count  = um_alloc_array(a, to, sizeof *b->count);
    b->weight = um_alloc_array(a, to, sizeof *b->weight);
    if (!b->first || !b->count || !b->weight)
        return UM_ENOMEM;
    for (int64_t i = 0; i < to; i++) {
        b->first[i]  = i / squares;
        b->count[i]  = 1;
        b->weight[i] = 1;
    }
    return UM_OK;
}

static uint8_t weighed(const struct um_boxes *y, const struct um_boxes *x, int64_t i, int64_t j,
                       const uint8_t *gray)
{
    const uint64_t total = y->total * x->total;
    uint64_t       sum   = 0;

    for (int64_t r = 0; r < y->count[i]; r++) {
        const uint8_t *row = gray + (y->first[i] + r) * x->n_in + x->first[j];
        uint64_t       in  = 0;

        for (int64_t c = 0; c < x->count[j]; c++)
            in += (uint64_t)row[c] * x->weight[j * x->most + c];
        sum += in * y->weight[i * y->most + r];
    }
    return (uint8_t)um_div_round(sum, total);
}

int um_scene_slice(struct um_arena *a, const struct um_scene *s, int64_t i, struct um_picture *p)
{
    const int64_t   number   = um_scene_number(s, i);
    const int       channels = s->view->over ? 3 : 1;
    struct um_boxes x, y;
    const int64_t   factor = s->width / s->cols; /* the same for both sides: no pixel is mixed */
    const int64_t   squares =
        factor * s->cols == s->width && factor * s->rows == s->height ? factor : 0;
    uint8_t *gray = um_alloc_array(a, s->rows * s->cols, 1);

    UM_TRY(um_picture_new(a, s->width, s->height, channels, p));
    if (!gray)
        return UM_ENOMEM;
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t c = 0; c < s->cols; c++)
            gray[r * s->cols + c] = um_picture_gray(
                um_elem_get(s->t->data, s->t->dtype, element(s, number, r, c)), s->lo, s->hi);
    UM_TRY(weigh(a, s->cols, s->width, squares, &x));
    UM_TRY(weigh(a, s->rows, s->height, squares, &y));
    for (int64_t r = 0; r < s->height; r++)
        for (int64_t c = 0; c < s->width; c++)
            memset(&p->pixel[(r * s->width + c) * channels], weighed(&y, &x, r, c, gray),
                   (size_t)channels);
    return channels == 3 ? um_overlay_draw(a, s, number, p) : UM_OK;
}

int um_view_picture(struct um_arena *a, const struct um_view *v, const struct um_record *rec,
                    const struct um_tensor *t, struct um_picture *p, unsigned *has)
{
    struct um_scene   s;
    struct um_picture one;

    UM_TRY(um_scene_open(v, rec, t, UM_SLICES_ALL, 0, &s));
    *has = s.has;
    UM_TRY(um_picture_tiles(a, s.n, s.width, s.height, v->over ? 3 : 1, p));
    for (int64_t i = 0; i < s.n; i++) {
        const struct um_mark mark = um_arena_mark(a);

        UM_TRY(um_scene_slice(a, &s, i, &one));
        um_picture_tile(p, i, s.n, &one);
        um_arena_rewind(a, mark);
    }
    return UM_OK;
}
