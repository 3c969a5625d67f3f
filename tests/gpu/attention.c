/* attention.c - what attention on a device does with NaN: keys that are left out may hold it, and
 * where it counts it stays
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/gpu/gpu.h"

/* one head: its inputs and outputs in one array of rows [q, k, v] and one of [o, dq, dk, dv] */
enum { T = 130, D = 16, HIDDEN = 70, Q = 0, K, V, O = 0, DQ, DK, DV };

struct head {
    enum um_dtype dt;
    float         in[3][T][D], out[4][T][D];
    uint8_t       mask[T];
};

static void fill(struct head *h, enum um_dtype dt)
{
    h->dt = dt;
    for (int i = 0; i < 3 * T * D; i++)
        h->in[i / T / D][i / D % T][i % D] = (float)(i * 37 % 101 - 50) / 32;
    for (int t = 0; t < T; t++)
        h->mask[t] = t >= HIDDEN; /* a whole tile and more */
}

/* n numbers from or to an array of the head's type */
static void pack(const struct head *h, void *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (h->dt == UM_F32)
            ((float *)to)[i] = from[i];
        else
            ((uint16_t *)to)[i] = um_f32_to_bf16(from[i]);
}

static void unpack(const struct head *h, float *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = h->dt == UM_F32 ? ((const float *)from)[i]
                                : um_bf16_to_f32(((const uint16_t *)from)[i]);
}

/* forward and backward, with q as the gradient of o; `p`: room on the device for in, out, lse and
 * the mask */
static int issue(struct um_dev *dev, const struct head *h, char *p)
{
    const struct um_kernels *k    = um_dev_kernels(dev);
    const size_t             one  = (size_t)T * D * um_dtype_size(h->dt);
    char                    *out  = p + 3 * one;
    float                   *lse  = (float *)(void *)(out + 4 * one);
    const uint8_t           *mask = (const uint8_t *)(lse + T);
    const struct um_attn     a    = { .dt       = h->dt,
                                      .B        = 1,
                                      .T        = T,
                                      .A        = 1,
                                      .d        = D,
                                      .ldq      = D,
                                      .ldk      = D,
                                      .ldv      = D,
                                      .ldo      = D,
                                      .q        = p,
                                      .k        = p + one,
                                      .v        = p + 2 * one,
                                      .key_mask = mask };

    UM_TRY(k->attention_fwd(dev, out, lse, &a));
    UM_TRY(k->attention_bwd(dev, out + DQ * one, out + DK * one, out + DV * one, p, out, lse, &a));
    return k->sync(dev);
}

static int run(struct um_dev *dev, struct head *h)
{
    const struct um_kernels *k    = um_dev_kernels(dev);
    const size_t             one  = (size_t)T * D * um_dtype_size(h->dt);
    const size_t             size = 7 * one + T * sizeof(float) + T;
    char                    *host = calloc(1, size);
    void                    *p    = NULL;
    int                      st   = host ? k->alloc(dev, size, &p) : UM_ENOMEM;

    if (st >= 0) {
        pack(h, host, &h->in[0][0][0], (size_t)3 * T * D);
        memcpy(host + 7 * one + T * sizeof(float), h->mask, T);
        st = k->upload(dev, p, host, size);
    }
    if (st >= 0)
        st = issue(dev, h, p);
    if (st >= 0)
        st = k->download(dev, host, p, size);
    if (st >= 0)
        unpack(h, &h->out[0][0][0], host + 3 * one, (size_t)4 * T * D);
    k->free(dev, p);
    free(host);
    return st;
}

/* numbers of rows from..to of output `which` that are NaN */
static int nans(const struct head *h, int which, int from, int to)
{
    int n = 0;

    for (int i = from * D; i < to * D; i++)
        n += isnan(h->out[which][i / D][i % D]) != 0;
    return n;
}

static const char *left_out(struct um_dev *dev, struct head *clean, struct head *h)
{
    if (run(dev, clean) < 0)
        return um_errmsg();
    memcpy(h, clean, sizeof *h);
    for (int i = 0; i < HIDDEN * D; i++) {
        h->in[K][i / D][i % D] = i % 3 ? NAN : INFINITY;
        h->in[V][i / D][i % D] = i % 2 ? NAN : -INFINITY;
    }
    if (run(dev, h) < 0)
        return um_errmsg();
    if (memcmp(h->out, clean->out, sizeof h->out) != 0)
        return "NaN where keys are left out is felt";
    for (int i = 0; i < HIDDEN * D; i++)
        if (h->out[DK][i / D][i % D] != 0 || h->out[DV][i / D][i % D] != 0)
            return "a key that is left out has a gradient";
    return NULL;
}

/* NaN in one channel of one row of an input that counts */
static const char *kept(struct um_dev *dev, struct head *h, int which)
{
    const int row = which == Q ? 3 : T - 2;

    fill(h, h->dt);
    h->in[which][row][5] = NAN;
    if (run(dev, h) < 0)
        return um_errmsg();
    if (which == Q && (nans(h, O, 0, T) != D || nans(h, O, row, row + 1) != D))
        return "NaN in a query is not NaN in its output alone";
    if (which == K && nans(h, O, 0, T) != T * D)
        return "NaN in a key is not NaN in every output";
    if (which == V && nans(h, O, 0, T) != T)
        return "NaN in a value is not NaN in its channel alone";
    if (nans(h, DQ, row, row + 1) != D || nans(h, DK, T - 1, T) == 0)
        return "NaN is not NaN in the gradients";
    return NULL;
}

static const char *no_key(struct um_dev *dev, struct head *h)
{
    fill(h, h->dt);
    memset(h->mask, 0, sizeof h->mask);
    return run(dev, h) == UM_ERANGE ? NULL : "no key at all, and no error";
}

bool gpu_attention(struct um_dev *dev, char *said, size_t size)
{
    struct head *h   = calloc(2, sizeof *h);
    const char  *why = h ? NULL : "out of memory";

    for (int i = 0; i < 2 && !why; i++) {
        fill(h, i ? UM_BF16 : UM_F32);
        h[1].dt = h->dt;
        why     = left_out(dev, h, h + 1);
        for (int which = Q; which <= V && !why; which++)
            why = kept(dev, h, which);
        if (!why)
            why = no_key(dev, h);
        if (why)
            (void)snprintf(said, size, "%s: %s", um_dtype_name(h->dt), why);
    }
    free(h);
    return !why;
}
