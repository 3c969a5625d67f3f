/* axis.c - grids laid over grids, one axis at a time */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/axis.h"

#include <math.h>

struct um_axis um_axis_resize(int64_t n_in, int64_t n_out)
{
    return (struct um_axis){
        .n_in = n_in, .n_out = n_out, .step = (double)n_in / (double)n_out, .span = n_out
    };
}

void um_axes_resize(const int64_t from[3], const int64_t to[3], struct um_axis axis[3])
{
    for (int i = 0; i < 3; i++)
        axis[i] = um_axis_resize(from[i], to[i]);
}

int um_axis_spacing(int64_t n_in, double from, double to, int64_t most, struct um_axis *a)
{
    const double n = round((double)n_in * from / to);

    if (!(from > 0) || !(to > 0) || !isfinite(from) || !isfinite(to))
        return um_fail(UM_ERANGE, "spacing of %g mm from %g mm: positive numbers expected", to,
                       from);
    if (!(n <= (double)most))
        return um_fail(UM_ERANGE, "%lld voxels of %g mm become %.0f of %g mm: at most %lld allowed",
                       (long long)n_in, from, n, to, (long long)most);
    *a = (struct um_axis){ .n_in = n_in, .n_out = n < 1 ? 1 : (int64_t)n, .step = to / from };
    return UM_OK;
}

void um_axis_crop(struct um_axis *a, int64_t first, int64_t n)
{
    a->lead += first;
    a->n_out = n;
}

void um_axis_centre(struct um_axis *a, int64_t n)
{
    const int64_t d = n - a->n_out, before = d < 0 ? -(-d / 2) : d / 2;

    um_axis_crop(a, -before, n);
}

bool um_axis_inside(const struct um_axis *a, int64_t i)
{
    return um_axis_nearest(a, i) >= 0;
}

/* in whole numbers where the step is a ratio of them: a centre on an edge then falls to the same
 * side everywhere */
int64_t um_axis_nearest(const struct um_axis *a, int64_t i)
{
    const int64_t k = i + a->lead;
    double        at;

    if (k < 0)
        return -1;
    if (a->span > 0)
        return k < a->span ? (2 * k + 1) * a->n_in / (2 * a->span) : -1;
    at = floor(((double)k + 0.5) * a->step);
    return at < (double)a->n_in ? (int64_t)at : -1;
}

void um_affine_onto(const double affine[12], const struct um_axis axis[3], double out[12])
{
    for (int r = 0; r < 3; r++) {
        const double *a = affine + 4 * r;
        double       *o = out + 4 * r;

        o[3] = a[3];
        for (int c = 0; c < 3; c++) { /* column c is x, y, z; axis[] is z, y, x */
            o[c] = a[c] * axis[2 - c].step;
            o[3] += a[c] * um_axis_at(&axis[2 - c], 0);
        }
    }
}
