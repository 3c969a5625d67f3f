/* overlay.c - heat, labels and outlines in the pixels of the slice as it is drawn */
/* SPDX-License-Identifier: Apache-2.0 */
#include "picture/overlay.h"

#include <math.h>
#include <string.h>

enum { SHARE_FROM = 128, DEEP = 50 }; /* the least of a deep shade: it shows on lung and on black */

static const double HEAT = 0.6, FILL = 0.35, HALO = 0.6; /* opacities */

/* ---- what there is ---- */

/* same samples; leading sides of 1 do not count */
static bool same_grid(const struct um_scene *s, const struct um_tensor *t)
{
    int64_t dim[3];

    return um_picture_dims(t, dim) >= 0 && memcmp(dim, s->dim, sizeof dim) == 0;
}

/* the labels there are, numbered from 1 in their order; of a share all are one */
static void rank_labels(struct um_scene *s, const uint8_t *label, int64_t n)
{
    bool there[256] = { 0 };
    int  rank       = 0;

    for (int64_t i = 0; i < n; i++)
        there[label[i]] = true;
    for (int v = SHARE_FROM; v < 256; v++)
        s->share |= there[v];
    for (int v = 1; v < 256; v++)
        s->rank[v] = (uint8_t)(s->share ? 1 : there[v] ? ++rank : 0);
}

static int find_mask(struct um_scene *s)
{
    const struct um_tensor *t = um_record_find(s->rec, "mask");
    char                    a[UM_SHAPE_TEXT], b[UM_SHAPE_TEXT];

    if (!t)
        return UM_OK;
    if (t->dtype != UM_U8)
        return um_fail(UM_EDTYPE, "mask: expected uint8, got %s", um_dtype_name(t->dtype));
    if (!same_grid(s, t))
        return um_fail(UM_EMISMATCH, "mask %s is not on the grid of %s %s",
                       um_shape_text(t, a, sizeof a), s->t->name, um_shape_text(s->t, b, sizeof b));
    rank_labels(s, t->data, um_tensor_count(t));
    s->mask = t;
    s->has |= UM_OVER_MASK;
    return UM_OK;
}

static int find_boxes(struct um_scene *s)
{
    const struct um_tensor *t = um_record_find(s->rec, "boxes");
    char                    text[UM_SHAPE_TEXT];

    if (!t)
        return UM_OK;
    if (t->dtype != UM_F32 || t->ndim != 2 || t->dim[1] != 4)
        return um_fail(UM_ESHAPE, "boxes: expected float32 [n,4], got %s %s",
                       um_dtype_name(t->dtype), um_shape_text(t, text, sizeof text));
    if (s->dim[0] != 1)
        return um_fail(UM_EMISMATCH, "boxes lie on pictures; %s is a volume", s->t->name);
    s->boxes = t;
    s->has |= UM_OVER_BOXES;
    return UM_OK;
}

/* What the encoder saw of a picture: a float32 one whole, of a uint8 one the crop in the middle.
 * Its side is --crop, or 7/8 of the picture (256 to 224), since the stream does not say. */
static void seen(struct um_scene *s)
{
    s->side[0] = s->dim[1];
    s->side[1] = s->dim[2];
    if (s->dim[0] > 1 || s->t->dtype != UM_U8)
        return;
    for (int i = 0; i < 2; i++) {
        const int64_t n = s->dim[1 + i], crop = s->view->crop ? s->view->crop : n * 7 / 8;

        s->side[i]     = crop > 0 ? crop : n;
        s->seen[1 + i] = (n - s->side[i]) / 2;
    }
}

/* From the mean on: a network that looks everywhere alike tints nothing, and the largest is tinted
 * in full if it is at least twice the mean. */
static void scale(struct um_scene *s, const struct um_tensor *t)
{
    double  sum = 0, most = 0;
    int64_t n = 0;

    for (int64_t i = 0, all = um_tensor_count(t); i < all; i++) {
        const double x = um_elem_get(t->data, t->dtype, i);

        if (!isfinite(x))
            continue;
        sum += x;
        most = fmax(most, x);
        n++;
    }
    s->mean = n ? sum / (double)n : 0;
    s->full = fmax(most - s->mean, s->mean);
}

static int find_attention(struct um_scene *s)
{
    const struct um_tensor *t = um_record_find(s->rec, "attention");
    char                    text[UM_SHAPE_TEXT];

    if (!t)
        return UM_OK;
    if (t->ndim != 2 || um_tensor_count(t) == 0)
        return um_fail(UM_ESHAPE, "attention: expected [S,P], got %s",
                       um_shape_text(t, text, sizeof text));
    s->cells[0] = t->dim[0];
    um_picture_cells(s->rec, t->dim[1], &s->cells[1], &s->cells[2]);
    if (s->cells[0] > s->dim[0] || s->cells[1] > s->dim[1] || s->cells[2] > s->dim[2])
        return um_fail(UM_EMISMATCH, "attention %s has more cells than %s has samples",
                       um_shape_text(t, text, sizeof text), s->t->name);
    scale(s, t);
    seen(s);
    s->attention = t;
    s->has |= UM_OVER_ATTENTION;
    return UM_OK;
}

int um_overlay_find(struct um_scene *s)
{
    const unsigned over = s->view->over;

    UM_TRY(over & UM_OVER_MASK ? find_mask(s) : UM_OK);
    UM_TRY(over & UM_OVER_BOXES ? find_boxes(s) : UM_OK);
    return over & UM_OVER_ATTENTION ? find_attention(s) : UM_OK;
}

/* ---- colours ---- */

void um_view_label(int rank, uint8_t rgb[3])
{
    static const uint8_t colour[7][3] = {
        { 213, 94, 0 },    /* vermilion */
        { 86, 180, 233 },  /* sky blue */
        { 240, 228, 66 },  /* yellow */
        { 0, 158, 115 },   /* bluish green */
        { 204, 121, 167 }, /* reddish purple */
        { 230, 159, 0 },   /* orange */
        { 0, 114, 178 },   /* blue */
    };
    const int i = rank > 0 ? rank - 1 : 0, shade = i / 7 % 3;

    for (int c = 0; c < 3; c++)
        rgb[c] = (uint8_t)(shade == 0   ? colour[i % 7][c]
                           : shade == 1 ? (colour[i % 7][c] + 255) / 2
                                        : colour[i % 7][c] / 2 + DEEP);
}

static void blend(uint8_t *px, const uint8_t rgb[3], double opacity)
{
    for (int c = 0; c < 3; c++)
        px[c] = (uint8_t)(px[c] * (1 - opacity) + rgb[c] * opacity + 0.5);
}

/* ---- attention ---- */

/* the cell of sample at[i]; -1: the encoder did not see it */
static int64_t cell(const struct um_scene *s, const int64_t at[3])
{
    const int64_t n[3]  = { s->dim[0], s->side[0], s->side[1] };
    int64_t       index = 0;

    for (int i = 0; i < 3; i++) {
        const int64_t in = at[i] - s->seen[i];

        if (in < 0 || in >= n[i])
            return -1;
        index = index * s->cells[i] + in * s->cells[i] / n[i];
    }
    return index;
}

static void draw_attention(const struct um_scene *s, int64_t number, struct um_picture *p)
{
    for (int64_t y = 0; y < s->height; y++)
        for (int64_t x = 0; x < s->width; x++) {
            int64_t at[3];
            uint8_t rgb[3];

            um_scene_sample(s, number, x, y, at);
            const int64_t i = cell(s, at);
            const double  a = i < 0 ? 0 : um_elem_get(s->attention->data, s->attention->dtype, i);
            const double  v = (a - s->mean) / s->full;

            if (i < 0 || !(v > 0))
                continue;
            um_picture_heat(v, rgb);
            blend(&p->pixel[3 * (y * s->width + x)], rgb, HEAT * fmin(v, 1));
        }
}

/* ---- mask ---- */

/* another label beside pixel (x,y) */
static bool on_edge(const uint8_t *label, int64_t w, int64_t h, int64_t x, int64_t y)
{
    const uint8_t *l = &label[y * w + x];

    return (x > 0 && l[-1] != *l) || (x < w - 1 && l[1] != *l) || (y > 0 && l[-w] != *l) ||
           (y < h - 1 && l[w] != *l);
}

static int draw_mask(struct um_arena *a, const struct um_scene *s, int64_t number,
                     struct um_picture *p)
{
    const int64_t w = s->width, h = s->height;
    uint8_t      *label = um_alloc_array(a, w * h, 1), rgb[3];

    if (!label)
        return UM_ENOMEM;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            int64_t at[3];

            um_scene_sample(s, number, x, y, at);
            const uint8_t v =
                ((const uint8_t *)s->mask->data)[(at[0] * s->dim[1] + at[1]) * s->dim[2] + at[2]];

            um_view_label(s->rank[v], rgb);
            if (v)
                blend(&p->pixel[3 * (y * w + x)], rgb, s->share ? FILL * v / 255 : FILL);
            label[y * w + x] = s->share ? v >= SHARE_FROM : v;
        }
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            const uint8_t v = label[y * w + x];

            um_view_label(s->rank[v], rgb);
            if (v && on_edge(label, w, h, x, y))
                memcpy(&p->pixel[3 * (y * w + x)], rgb, 3);
        }
    return UM_OK;
}

/* ---- boxes ---- */

static void dot(struct um_picture *p, int64_t x, int64_t y, const uint8_t rgb[3], double opacity)
{
    if (x >= 0 && y >= 0 && x < p->width && y < p->height)
        blend(&p->pixel[3 * (y * p->width + x)], rgb, opacity);
}

/* the frame of pixels x0..x1, y0..y1, each once; what lies outside is not drawn */
static void frame(struct um_picture *p, int64_t x0, int64_t y0, int64_t x1, int64_t y1,
                  const uint8_t rgb[3], double opacity)
{
    for (int64_t x = x0 < 0 ? 0 : x0; x <= x1 && x < p->width; x++) {
        dot(p, x, y0, rgb, opacity);
        if (y1 != y0)
            dot(p, x, y1, rgb, opacity);
    }
    for (int64_t y = y0 < -1 ? 0 : y0 + 1; y < y1 && y < p->height; y++) {
        dot(p, x0, y, rgb, opacity);
        if (x1 != x0)
            dot(p, x1, y, rgb, opacity);
    }
}

/* an edge in samples of the whole picture -> in pixels of the slice, near enough to be drawn */
static double place(double edge, int64_t from, int64_t samples, int64_t pixels)
{
    const double at = (edge - (double)from) * (double)pixels / (double)samples;

    return fmax(-2, fmin(at, (double)pixels + 2));
}

/* a dark line around the light one, so that it shows on black and on white */
static void draw_boxes(const struct um_scene *s, struct um_picture *p)
{
    static const uint8_t light[3] = { 240, 228, 66 }, dark[3] = { 0 };
    const float         *b = s->boxes->data;

    for (int64_t i = 0; i < s->boxes->dim[0]; i++, b += 4) {
        if (!(b[0] < b[2] && b[1] < b[3])) /* NaN too */
            continue;
        const int64_t x0 = (int64_t)floor(place(b[0], s->left, s->cols, s->width)),
                      y0 = (int64_t)floor(place(b[1], s->top, s->rows, s->height)),
                      x1 = (int64_t)ceil(place(b[2], s->left, s->cols, s->width)) - 1,
                      y1 = (int64_t)ceil(place(b[3], s->top, s->rows, s->height)) - 1;

        frame(p, x0 - 1, y0 - 1, x1 + 1, y1 + 1, dark, HALO);
        frame(p, x0, y0, x1, y1, light, 1);
    }
}

int um_overlay_draw(struct um_arena *a, const struct um_scene *s, int64_t number,
                    struct um_picture *p)
{
    if (s->attention && s->full > 0)
        draw_attention(s, number, p);
    if (s->mask)
        UM_TRY(draw_mask(a, s, number, p));
    if (s->boxes)
        draw_boxes(s, p);
    return UM_OK;
}
