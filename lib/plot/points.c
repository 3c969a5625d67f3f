/* points.c - a curve's points: running mean, thinning */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "plot/curves.h"

enum { MANY = 4096, PIECES = 1024 };

int um_points_smooth(struct um_arena *a, struct um_points *p, int64_t window)
{
    const int64_t room = window < p->n ? window : p->n;
    double       *last, sum = 0;
    int64_t       have = 0, at = 0;

    if (room <= 1)
        return UM_OK;
    if (!(last = um_alloc_array(a, room, sizeof *last)))
        return UM_ENOMEM;
    for (int64_t i = 0; i < p->n; i++) {
        if (isnan(p->y[i]))
            continue;
        if (have == room)
            sum -= last[at];
        else
            have++;
        last[at] = p->y[i];
        sum += p->y[i];
        at = (at + 1) % room;
        if (at == 0) { /* begin anew once a turn, so that roundings do not pile up */
            sum = 0;
            for (int64_t k = 0; k < room; k++)
                sum += last[k];
        }
        p->y[i] = sum / (double)have;
    }
    return UM_OK;
}

/* the points of p from `from` up to `to` that show: at most four, or a gap */
static void keep_piece(const struct um_points *p, int64_t from, int64_t to, struct um_points *out)
{
    int64_t first = -1, last = -1, low = -1, high = -1;

    for (int64_t i = from; i < to; i++) {
        if (isnan(p->y[i]))
            continue;
        first = first < 0 ? i : first;
        low   = low < 0 || p->y[i] < p->y[low] ? i : low;
        high  = high < 0 || p->y[i] > p->y[high] ? i : high;
        last  = i;
    }
    if (first < 0)
        first = from; /* all gap */
    for (int64_t i = first; i <= (last < 0 ? first : last); i++)
        if (i == first || i == low || i == high || i == last) {
            out->x[out->n]   = p->x[i];
            out->y[out->n++] = p->y[i];
        }
}

int um_points_thin(struct um_arena *a, struct um_points *p)
{
    struct um_points out = { 0 };

    if (p->n <= MANY)
        return UM_OK;
    out.x = um_alloc_array(a, (int64_t)4 * PIECES, sizeof *out.x);
    out.y = um_alloc_array(a, (int64_t)4 * PIECES, sizeof *out.y);
    if (!out.x || !out.y)
        return UM_ENOMEM;
    for (int64_t k = 0; k < PIECES; k++)
        keep_piece(p, p->n * k / PIECES, p->n * (k + 1) / PIECES, &out);
    *p = out;
    return UM_OK;
}
