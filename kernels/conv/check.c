/* conv/check.c - what every backend refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/conv/conv.h"

enum { AXIS_MAX = 1 << 30 }; /* sums of a few of them cannot overflow */

static int check_axis(const char *op, const struct um_conv *c, int i)
{
    const int64_t in = c->in[i], k = c->k[i], s = c->stride[i], p = c->pad[i];

    if (s < 1 || s > AXIS_MAX)
        return um_fail(UM_ERANGE, "%s: stride %lld along axis %d, expected 1 or more", op,
                       (long long)s, i);
    if (in < 1 || k < 1 || p < 0 || in > AXIS_MAX || k > AXIS_MAX || p > AXIS_MAX)
        return um_fail(UM_ERANGE, "%s: kernel of %lld over %lld padded by %lld along axis %d", op,
                       (long long)k, (long long)in, (long long)p, i);
    if (k > in + 2 * p)
        return um_fail(UM_ERANGE,
                       "%s: kernel of %lld is larger than %lld padded by %lld at axis %d", op,
                       (long long)k, (long long)in, (long long)p, i);
    return UM_OK;
}

/* n maps of c channels in space d can be addressed */
static int check_space(const char *op, enum um_dtype dt, int64_t n, int64_t c, const int64_t d[3])
{
    int64_t total = c;

    UM_TRY(um_check_rows(op, n, c));
    for (int i = 0; i < 3; i++) {
        UM_TRY(um_check_rows(op, total, d[i]));
        total *= d[i];
    }
    return um_check_act(op, dt, n, total);
}

int um_check_conv(const char *op, const struct um_conv *c)
{
    int64_t out[3], padded[3];

    for (int i = 0; i < 3; i++) {
        UM_TRY(check_axis(op, c, i));
        out[i]    = um_conv_out(c, i);
        padded[i] = c->in[i] + 2 * c->pad[i];
    }
    UM_TRY(check_space(op, c->dt, c->n, c->cin, padded));
    UM_TRY(check_space(op, c->dt, c->n, c->cout, out));
    UM_TRY(um_check_rows(op, c->cout, c->cin));
    return check_space(op, c->dt, c->cout, c->cin, c->k);
}

int um_check_maps(const char *op, enum um_dtype dt, int64_t n, int64_t c, int64_t s)
{
    if (s < 1)
        return um_fail(UM_ERANGE, "%s: feature maps of %lld elements", op, (long long)s);
    UM_TRY(um_check_rows(op, c, s));
    return um_check_act(op, dt, n, c * s);
}
