/* boxes.c - four numbers a box */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/boxes.h"

#include <stdbool.h>

#include "base/number.h"

/* the next four numbers at *p; false: something else */
static bool four(const char **p, double box[4])
{
    for (int i = 0; i < 4; i++)
        if (!um_number_at(p, &box[i]) || (i < 3 && !um_mark_at(p, ',')))
            return false;
    return **p == 0 || (um_mark_at(p, ';') && **p != 0);
}

static double clamp(double x, double most)
{
    return x < 0 ? 0 : x > most ? most : x;
}

static int refuse(const double box[4], double w, double h, int64_t number, const char *why)
{
    return um_fail(UM_ERANGE, "box %lld (%g,%g,%g,%g) %s the picture of %g x %g", (long long)number,
                   box[0], box[1], box[2], box[3], why, w, h);
}

static int place(double box[4], double w, double h, int64_t number)
{
    if (!(box[0] < box[2] && box[1] < box[3]))
        return um_fail(UM_ERANGE,
                       "box %lld (%g,%g,%g,%g) has no area: x0,y0,x1,y1 with x0 < x1, y0 < y1 "
                       "expected",
                       (long long)number, box[0], box[1], box[2], box[3]);
    if (box[2] <= 0 || box[3] <= 0 || box[0] >= w || box[1] >= h)
        return refuse(box, w, h, number, "lies outside");
    if (!(box[0] >= -1 && box[1] >= -1 && box[2] <= w + 1 && box[3] <= h + 1))
        return refuse(box, w, h, number, "reaches out of");
    for (int i = 0; i < 4; i++)
        box[i] = clamp(box[i], i % 2 ? h : w);
    return UM_OK;
}

int um_rects_parse(struct um_arena *a, const char *text, double w, double h, struct um_rects *r)
{
    const char *p   = text;
    int64_t     cap = *text ? 1 : 0;

    for (const char *c = text; *c; c++)
        cap += *c == ';';
    r->n   = 0;
    r->box = um_alloc_array(a, cap, sizeof *r->box);
    if (!r->box)
        return UM_ENOMEM;
    while (*p) {
        if (!four(&p, r->box[r->n]))
            return um_fail(UM_EFORMAT, "column boxes: box %lld of \"%.60s\": x0,y0,x1,y1 expected",
                           (long long)r->n + 1, text);
        UM_TRY(place(r->box[r->n], w, h, r->n + 1));
        r->n++;
    }
    return UM_OK;
}
