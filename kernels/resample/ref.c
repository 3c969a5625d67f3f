/* resample/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/resample/resample.h"

#include "kernels/load.h"

static int64_t volume(const int64_t d[3])
{
    return d[0] * d[1] * d[2];
}

/* the place p of space d, numbered in C order */
static void place(int64_t p, const int64_t d[3], int64_t at[3])
{
    at[0] = p / d[2] / d[1];
    at[1] = p / d[2] % d[1];
    at[2] = p % d[2];
}

int um_ref_resample_fwd(struct um_dev *dev, void *y, const void *x, const struct um_resample *r)
{
    (void)dev;
    UM_TRY(um_check_resample("resample_fwd", r));
    for (int64_t k = 0; k < r->n * volume(r->out) * r->c; k++) {
        const int64_t first = k / r->c / volume(r->out) * volume(r->in) * r->c + k % r->c;
        int64_t       o[3], i[3][UM_TAPS];
        double        w[3][UM_TAPS], sum = 0;
        int           n[3];

        place(k / r->c % volume(r->out), r->out, o);
        for (int a = 0; a < 3; a++)
            n[a] = um_resample_taps(r, a, o[a], i[a], w[a]);
        for (int a = 0; a < n[0]; a++)
            for (int b = 0; b < n[1]; b++)
                for (int c = 0; c < n[2]; c++)
                    sum += w[0][a] * w[1][b] * w[2][c] *
                           um_load(x, r->dt,
                                   first + ((i[0][a] * r->in[1] + i[1][b]) * r->in[2] + i[2][c]) *
                                               r->c);
        um_store(y, r->dt, k, sum);
    }
    return UM_OK;
}

/* a(o, i) along an axis */
static double factor(const struct um_resample *r, int axis, int64_t o, int64_t i)
{
    int64_t   index[UM_TAPS];
    double    w[UM_TAPS], sum = 0;
    const int n = um_resample_taps(r, axis, o, index, w);

    for (int t = 0; t < n; t++)
        sum += index[t] == i ? w[t] : 0;
    return sum;
}

/* sum_o a(o, i) dy[o] at place i, from element `first` of dy on */
static double gathered(const struct um_resample *r, const void *dy, int64_t first,
                       const int64_t i[3])
{
    double sum = 0;

    for (int64_t a = 0; a < r->out[0]; a++) {
        const double wa = factor(r, 0, a, i[0]);

        for (int64_t b = 0; (wa < 0 || wa > 0) && b < r->out[1]; b++) {
            const double wb = wa * factor(r, 1, b, i[1]);

            for (int64_t c = 0; (wb < 0 || wb > 0) && c < r->out[2]; c++)
                sum += wb * factor(r, 2, c, i[2]) *
                       um_load(dy, r->dt, first + ((a * r->out[1] + b) * r->out[2] + c) * r->c);
        }
    }
    return sum;
}

int um_ref_resample_bwd(struct um_dev *dev, void *dx, const void *dy, const struct um_resample *r)
{
    (void)dev;
    UM_TRY(um_check_resample("resample_bwd", r));
    for (int64_t k = 0; k < r->n * volume(r->in) * r->c; k++) {
        int64_t i[3];

        place(k / r->c % volume(r->in), r->in, i);
        um_store(dx, r->dt, k,
                 gathered(r, dy, k / r->c / volume(r->in) * volume(r->out) * r->c + k % r->c, i));
    }
    return UM_OK;
}
