/* conv/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/conv/conv.h"

#include "kernels/load.h"

/* w as the products see it */
static double weight(const struct um_conv *c, const float *w, int64_t i)
{
    return c->dt == UM_F32 ? (double)w[i] : (double)um_bf16_to_f32(um_f32_to_bf16(w[i]));
}

/* places of space d in turn: false after the last */
static bool next(int64_t at[3], const int64_t d[3])
{
    for (int i = 2; i >= 0; i--) {
        if (++at[i] < d[i])
            return true;
        at[i] = 0;
    }
    return false;
}

static int64_t index_of(const int64_t at[3], const int64_t d[3])
{
    return (at[0] * d[1] + at[1]) * d[2] + at[2];
}

/* the place of x that tap t of output p reads; false: outside */
static bool source(const struct um_conv *c, const int64_t p[3], const int64_t t[3], int64_t x[3])
{
    for (int i = 0; i < 3; i++) {
        x[i] = p[i] * c->stride[i] + t[i] - c->pad[i];
        if (x[i] < 0 || x[i] >= c->in[i])
            return false;
    }
    return true;
}

static void outputs(const struct um_conv *c, int64_t out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = um_conv_out(c, i);
}

/* sum over channels and taps of sample i, output channel o at p */
static double forward_at(const struct um_conv *c, const void *x, const float *w, int64_t i,
                         int64_t o, const int64_t p[3])
{
    const int64_t S = um_volume(c->in), K = um_volume(c->k);
    int64_t       t[3] = { 0 }, at[3];
    double        sum  = 0;

    do {
        if (source(c, p, t, at))
            for (int64_t k = 0; k < c->cin; k++)
                sum += weight(c, w, (o * c->cin + k) * K + index_of(t, c->k)) *
                       um_load(x, c->dt, (i * c->cin + k) * S + index_of(at, c->in));
    } while (next(t, c->k));
    return sum;
}

int um_ref_conv_fwd(struct um_dev *dev, void *y, const void *x, const float *w, const float *bias,
                    const struct um_conv *c)
{
    int64_t out[3], p[3] = { 0 };

    (void)dev;
    UM_TRY(um_check_conv("conv_fwd", c));
    outputs(c, out);
    for (int64_t j = 0; j < c->n * c->cout; j++)
        do
            um_store(y, c->dt, j * um_volume(out) + index_of(p, out),
                     forward_at(c, x, w, j / c->cout, j % c->cout, p) +
                         um_load_or(bias, j % c->cout, 0));
        while (next(p, out));
    return UM_OK;
}

/* the output that reads place q of x by tap t; false: none */
static bool reader(const struct um_conv *c, const int64_t q[3], const int64_t t[3],
                   const int64_t out[3], int64_t p[3])
{
    for (int i = 0; i < 3; i++) {
        const int64_t a = q[i] + c->pad[i] - t[i];

        p[i] = a / c->stride[i];
        if (a < 0 || a % c->stride[i] != 0 || p[i] >= out[i])
            return false;
    }
    return true;
}

static double data_at(const struct um_conv *c, const void *y, const float *w, int64_t i, int64_t k,
                      const int64_t q[3], const int64_t out[3])
{
    const int64_t S = um_volume(out), K = um_volume(c->k);
    int64_t       t[3] = { 0 }, p[3];
    double        sum  = 0;

    do {
        if (reader(c, q, t, out, p))
            for (int64_t o = 0; o < c->cout; o++)
                sum += weight(c, w, (o * c->cin + k) * K + index_of(t, c->k)) *
                       um_load(y, c->dt, (i * c->cout + o) * S + index_of(p, out));
    } while (next(t, c->k));
    return sum;
}

int um_ref_conv_data(struct um_dev *dev, void *x, const void *y, const float *w, const float *bias,
                     const struct um_conv *c)
{
    int64_t out[3], q[3] = { 0 };

    (void)dev;
    UM_TRY(um_check_conv("conv_data", c));
    outputs(c, out);
    for (int64_t j = 0; j < c->n * c->cin; j++)
        do
            um_store(x, c->dt, j * um_volume(c->in) + index_of(q, c->in),
                     data_at(c, y, w, j / c->cin, j % c->cin, q, out) +
                         um_load_or(bias, j % c->cin, 0));
        while (next(q, c->in));
    return UM_OK;
}

static double weights_at(const struct um_conv *c, const void *y, const void *x, int64_t o,
                         int64_t k, const int64_t t[3], const int64_t out[3])
{
    int64_t p[3] = { 0 }, at[3];
    double  sum  = 0;

    for (int64_t i = 0; i < c->n; i++)
        do
            if (source(c, p, t, at))
                sum += um_load(y, c->dt, (i * c->cout + o) * um_volume(out) + index_of(p, out)) *
                       um_load(x, c->dt, (i * c->cin + k) * um_volume(c->in) + index_of(at, c->in));
        while (next(p, out));
    return sum;
}

int um_ref_conv_weights(struct um_dev *dev, float *dw, const void *y, const void *x,
                        const struct um_conv *c)
{
    int64_t out[3], t[3] = { 0 };

    (void)dev;
    UM_TRY(um_check_conv("conv_weights", c));
    outputs(c, out);
    for (int64_t j = 0; j < c->cout * c->cin; j++)
        do {
            float *d = &dw[j * um_volume(c->k) + index_of(t, c->k)];

            *d = (float)((double)*d + weights_at(c, y, x, j / c->cin, j % c->cin, t, out));
        } while (next(t, c->k));
    return UM_OK;
}

int um_ref_conv_bias(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy, int64_t n,
                     int64_t c, int64_t s)
{
    (void)dev;
    UM_TRY(um_check_maps("conv_bias", dt, n, c, s));
    for (int64_t j = 0; j < c; j++) {
        double sum = (double)db[j];

        for (int64_t i = 0; i < n; i++)
            for (int64_t p = 0; p < s; p++)
                sum += um_load(dy, dt, (i * c + j) * s + p);
        db[j] = (float)sum;
    }
    return UM_OK;
}
