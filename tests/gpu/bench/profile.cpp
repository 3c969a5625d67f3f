/* profile.cpp - a table whose entries time those of another; in C++, for the types of their
 * arguments
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/gpu/bench/profile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include "kernels/activation/activation.h"
#include "kernels/attention/attention.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/distill/distill.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/l2norm/l2norm.h"
#include "kernels/layernorm/layernorm.h"
#include "kernels/linear/linear.h"
#include "kernels/loss/loss.h"
#include "kernels/optim/optim.h"
#include "kernels/resample/resample.h"
#include "kernels/rows/rows.h"
#include "kernels/softmax/softmax.h"
#include "kernels/tokens/tokens.h"
#include "tests/gpu/bench/card.h"
}

struct count {
    const char *op;
    char        what[64];
    int64_t     calls;
    double      seconds, flops;
};

enum { COUNTS = 512 };
static struct count             counts[COUNTS];
static int                      used, depth;
static bool                     counting;
static double                   idle; /* seconds of sync() with nothing to wait for */
static const struct um_kernels *real;
static struct um_kernels        table;

/* ---- what an argument says of the operation ---- */

template <typename T> static void look(struct count *, T)
{
}

static void look(struct count *c, const struct um_matmul *p)
{
    (void)snprintf(c->what, sizeof c->what, "%" PRId64 " x %" PRId64 " x %" PRId64 "%s%s%s%s%s%s%s",
                   p->m, p->n, p->k, p->ta ? " a'" : "", p->tb ? " b'" : "",
                   p->fa || p->fb ? " rounded" : "", p->bias ? " bias" : "",
                   p->act == UM_ACT_GELU ? " gelu" : "", p->res ? " res" : "",
                   p->beta != 0 ? " +=" : "");
    c->flops = 2 * (double)p->batch * (double)p->m * (double)p->n * (double)p->k;
}

static void look(struct count *c, const struct um_attn *a)
{
    (void)snprintf(c->what, sizeof c->what, "%" PRId64 " x %" PRId64 " heads, %" PRId64 " tokens%s",
                   a->B, a->A, a->T, a->start ? " at most" : "");
    /* of two products; attention() below knows how many there are */
    c->flops = a->start ? 0 : 4 * (double)(a->B * a->A) * (double)(a->T * a->T) * (double)a->d;
}

static void add(const struct count *c)
{
    int i = 0;

    while (i < used && (strcmp(counts[i].op, c->op) != 0 || strcmp(counts[i].what, c->what) != 0))
        i++;
    if (i == COUNTS)
        return;
    if (i == used)
        counts[used++] = *c;
    else
        counts[i].seconds += c->seconds, counts[i].flops += c->flops, counts[i].calls++;
}

template <auto M> struct timed;
template <typename... A, int (*um_kernels::*M)(struct um_dev *, A...)> struct timed<M> {
    static const char *name;

    static int call(struct um_dev *dev, A... a)
    {
        struct count c = { name, "", 1, 0, 0 };
        int          st;

        if (!counting || depth > 0) /* or an operation made of others */
            return (real->*M)(dev, a...);
        depth++;
        st = real->sync(dev);
        if (st >= 0) {
            const double from = card_now();

            st = (real->*M)(dev, a...);
            if (st >= 0)
                st = real->sync(dev);
            c.seconds = card_now() - from - idle;
        }
        depth--;
        (look(&c, a), ...);
        if (strcmp(name, "attention_bwd") == 0)
            c.flops *= 2; /* four products: the scores again are not counted */
        if (strcmp(name, "attention_mean") == 0)
            c.flops = 0; /* of one row */
        add(&c);
        return st;
    }
};
template <typename... A, int (*um_kernels::*M)(struct um_dev *, A...)>
const char *timed<M>::name = "";

extern "C" void profile_start(struct um_dev *dev)
{
    enum { TIMES = 100 };

    real  = dev->kernels;
    table = *real;
#define WRAP(b, op)                                                                                \
    if (table.op) {                                                                                \
        timed<&um_kernels::op>::name = #op;                                                        \
        table.op                     = timed<&um_kernels::op>::call;                               \
    }
    WRAP(, alloc)
    WRAP(, upload)
    WRAP(, download)
    WRAP(, zero)
    UM_LINEAR_OPS(WRAP, )
    UM_RESAMPLE_OPS(WRAP, )
    UM_ACTIVATION_OPS(WRAP, )
    UM_ELEMENTWISE_OPS(WRAP, )
    UM_ROWS_OPS(WRAP, )
    UM_TOKENS_OPS(WRAP, )
    UM_LAYERNORM_OPS(WRAP, )
    UM_BATCHNORM_OPS(WRAP, )
    UM_L2NORM_OPS(WRAP, )
    UM_SOFTMAX_OPS(WRAP, )
    UM_ATTENTION_OPS(WRAP, )
    UM_LOSS_OPS(WRAP, )
    UM_DISTILL_OPS(WRAP, )
    UM_OPTIM_OPS(WRAP, )
    dev->kernels = &table;
    profile_count(false);
    const double from = card_now();
    for (int i = 0; i < TIMES; i++)
        if (real->sync(dev) < 0)
            break;
    idle = (card_now() - from) / TIMES;
}

extern "C" void profile_count(bool on)
{
    counting = on;
    used     = on ? 0 : used;
}

static int longest(const void *a, const void *b)
{
    const double x = ((const struct count *)a)->seconds, y = ((const struct count *)b)->seconds;

    return (x < y) - (x > y);
}

extern "C" void profile_print(double whole)
{
    double sum = 0;

    qsort(counts, (size_t)used, sizeof *counts, longest);
    (void)printf("    %5s %6s %10s %8s  operation\n", "share", "calls", "us a call", "TFLOP/s");
    for (int i = 0; i < used; i++)
        sum += counts[i].seconds;
    for (int i = 0; i < used && counts[i].seconds * 200 >= sum; i++) {
        const struct count *c        = &counts[i];
        char                rate[16] = "-";

        if (c->flops > 0)
            (void)snprintf(rate, sizeof rate, "%.1f", c->flops / c->seconds * 1e-12);
        (void)printf("    %5.3f %6" PRId64 " %10.1f %8s  %s%s%s\n", c->seconds / whole, c->calls,
                     c->seconds / (double)c->calls * 1e6, rate, c->op, *c->what ? " " : "",
                     c->what);
    }
    (void)printf("    %5.3f %6s %10s %8s  not in operations: launches, host, gaps\n",
                 1 - sum / whole, "-", "-", "-");
}
