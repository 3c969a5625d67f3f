/* resample/check.c - what every backend refuses alike, and where they all read */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/resample/resample.h"

static int check_grid(const char *op, const struct um_resample *r, const int64_t d[3])
{
    int64_t total = r->c;

    for (int i = 0; i < 3; i++) {
        if (d[i] < 1 || d[i] > 1 << 30)
            return um_fail(UM_ERANGE, "%s: from [%lld,%lld,%lld] to [%lld,%lld,%lld]", op,
                           (long long)r->in[0], (long long)r->in[1], (long long)r->in[2],
                           (long long)r->out[0], (long long)r->out[1], (long long)r->out[2]);
        UM_TRY(um_check_rows(op, total, d[i]));
        total *= d[i];
    }
    return um_check_act(op, r->dt, r->n, total);
}

int um_check_resample(const char *op, const struct um_resample *r)
{
    UM_TRY(um_check_rows(op, r->n, r->c));
    for (int i = 0; i < 3; i++)
        if (r->mode[i] != UM_LINEAR && r->mode[i] != UM_CUBIC)
            return um_fail(UM_ERANGE, "%s: mode %d along axis %d", op, (int)r->mode[i], i);
    UM_TRY(check_grid(op, r, r->in));
    return check_grid(op, r, r->out);
}

/* Keys' kernel at distance t */
static double keys(double t)
{
    const double a = -0.75;

    t = fabs(t);
    if (t < 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((t - 5) * t + 8) * t * a - 4 * a : 0;
}

int um_resample_taps(const struct um_resample *r, int axis, int64_t o, int64_t index[UM_TAPS],
                     double weight[UM_TAPS])
{
    const int64_t in = r->in[axis], out = r->out[axis];
    const bool    cubic = r->mode[axis] == UM_CUBIC;
    const int     taps = cubic ? 4 : 2, before = cubic ? 1 : 0;
    double        u;

    if (r->corners)
        u = out > 1 ? (double)(o * (in - 1)) / (double)(out - 1) : 0;
    else
        u = ((double)o + 0.5) * (double)in / (double)out - 0.5;
    const double at = floor(u), f = u - at;
    for (int t = 0; t < taps; t++) {
        const int64_t i = (int64_t)at - before + t;

        index[t]  = i < 0 ? 0 : i > in - 1 ? in - 1 : i;
        weight[t] = cubic ? keys(f + before - t) : t ? f : 1 - f;
    }
    return taps;
}
