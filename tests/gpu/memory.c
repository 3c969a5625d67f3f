/* memory.c - a device's memory: what goes up comes down, and what is asked too much of it
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/gpu/gpu.h"

/* false, with the reason in said */
__attribute__((format(printf, 3, 4))) static bool bad(char *said, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(said, size, fmt, ap);
    va_end(ap);
    return false;
}

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 2654435761u >> 13);
}

/* n bytes up, the host's own overwritten at once, a stretch zeroed, all down again */
static bool there_and_back(struct um_dev *dev, size_t n, char *said, size_t size)
{
    const struct um_kernels *k    = um_dev_kernels(dev);
    const size_t             from = n / 3, zeros = n / 2;
    unsigned char           *host = malloc(n + 1);
    void                    *p    = NULL;
    bool                     good = host && k->alloc(dev, n, &p) >= 0;

    for (size_t i = 0; good && i < n; i++)
        host[i] = pattern(i);
    if (!good)
        bad(said, size, "%zu bytes: %s", n, um_errmsg());
    else if ((size_t)p % 64 != 0)
        good = bad(said, size, "%zu bytes: not at a multiple of 64", n);
    else if (k->upload(dev, p, host, n) < 0)
        good = bad(said, size, "%zu bytes up: %s", n, um_errmsg());
    if (good)
        memset(host, 0x5a, n + 1);
    if (good && (k->zero(dev, (char *)p + from, zeros) < 0 || k->sync(dev) < 0 ||
                 k->download(dev, host, p, n) < 0))
        good = bad(said, size, "%zu bytes down: %s", n, um_errmsg());
    for (size_t i = 0; good && i < n; i++)
        if (host[i] != (i >= from && i < from + zeros ? 0 : pattern(i)))
            good = bad(said, size, "%zu bytes: byte %zu is another", n, i);
    if (good && host[n] != 0x5a)
        good = bad(said, size, "%zu bytes: one more came down", n);
    k->free(dev, p);
    free(host);
    return good;
}

static bool copies(struct um_dev *dev, char *said, size_t size)
{
    static const size_t sizes[] = { 0, 1, 3, 64, 4097, 70001, (64 << 20) + 5 };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (!there_and_back(dev, sizes[i], said, size))
            return false;
    um_dev_kernels(dev)->free(dev, NULL);
    return true;
}

/* more than there is: said so, and nothing is lost by it */
static bool too_much(struct um_dev *dev, char *said, size_t size)
{
    void     *p  = NULL;
    const int st = um_dev_kernels(dev)->alloc(dev, (size_t)1 << 50, &p);

    if (st != UM_ENOMEM)
        return bad(said, size, "a petabyte: status %d, not UM_ENOMEM", st);
    return there_and_back(dev, 4097, said, size);
}

/* what a call, or the wait after it, says */
static int status(struct um_dev *dev, int call)
{
    return call < 0 ? call : um_dev_kernels(dev)->sync(dev);
}

/* bytes of the device's memory with what is at `from`, to be freed; NULL: none */
static void *copy_of(struct um_dev *dev, const void *from, size_t n)
{
    void *p = NULL;

    if (um_dev_kernels(dev)->alloc(dev, n, &p) < 0 ||
        um_dev_kernels(dev)->upload(dev, p, from, n) < 0)
        return NULL;
    return p;
}

/* an id, a token, a class that is none, a sample without a key: UM_ERANGE, here or at the next
 * wait, once, and the device goes on */
static bool late_errors(struct um_dev *dev, char *said, size_t size)
{
    const struct um_kernels *k          = um_dev_kernels(dev);
    const int32_t            bad_id     = 9;
    const float              zeros[64]  = { 0 };
    const uint8_t            no_keys[8] = { 0 };
    void *id = copy_of(dev, &bad_id, sizeof bad_id), *x = copy_of(dev, zeros, sizeof zeros),
         *y = copy_of(dev, zeros, sizeof zeros), *lse = copy_of(dev, zeros, sizeof zeros),
         *mask             = copy_of(dev, no_keys, sizeof no_keys);
    const struct um_attn a = { .dt       = UM_F32,
                               .B        = 1,
                               .T        = 2,
                               .A        = 1,
                               .d        = 4,
                               .ldq      = 4,
                               .ldk      = 4,
                               .ldv      = 4,
                               .ldo      = 4,
                               .q        = x,
                               .k        = x,
                               .v        = x,
                               .key_mask = mask };
    const struct um_dice d = { .B = 1, .C = 2, .S = 1, .x = x, .target = id, .scale = 1 };
    double               sums[6];
    void                *s    = copy_of(dev, sums, sizeof sums);
    const int            st[] = {
                   status(dev, k->embed_fwd(dev, UM_F32, y, x, id, 1, 4, 8)),
                   status(dev, k->embed_bwd(dev, UM_F32, y, x, id, 1, 4, 8)),
                   status(dev, k->pick_fwd(dev, UM_F32, y, x, id, 1, 1, 4, 8)),
                   status(dev, k->xent_fwd(dev, lse, y, x, 4, 1, id, 1, 4, 1)),
                   status(dev, k->attention_fwd(dev, y, lse, &a)),
                   status(dev, k->dice_fwd(dev, lse, s, &d)),
    };
    const int after = k->sync(dev);
    bool      good  = true;

    for (size_t i = 0; good && i < sizeof st / sizeof st[0]; i++)
        if (st[i] != UM_ERANGE)
            good = bad(said, size, "call %zu: status %d, not UM_ERANGE", i, st[i]);
    if (good && after < 0)
        good = bad(said, size, "the error comes twice: %s", um_errmsg());
    k->free(dev, id);
    k->free(dev, x);
    k->free(dev, y);
    k->free(dev, lse);
    k->free(dev, mask);
    k->free(dev, s);
    return good && there_and_back(dev, 64, said, size);
}

/* x + x of ones, in the device's own memory */
static bool doubled(struct um_dev *dev, char *said, size_t size)
{
    const struct um_kernels *k       = um_dev_kernels(dev);
    const float              ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    float                    y[8]    = { 0 };
    void                    *x       = copy_of(dev, ones, sizeof ones);
    const bool good = x && k->add(dev, UM_F32, x, x, x, 8) >= 0 && k->download(dev, y, x, 32) >= 0;

    k->free(dev, x);
    return good && y[0] == 2 && y[7] == 2
               ? true
               : bad(said, size, "%s: %g, %s", um_dev_name(dev), (double)y[7], um_errmsg());
}

/* more than one piece of pinned memory goes up, after the thread has worked on another device */
static bool after_another(struct um_dev *dev, struct um_dev *another, char *said, size_t size)
{
    const struct um_kernels *k    = um_dev_kernels(dev);
    const size_t             n    = (20 << 20) + 3;
    unsigned char           *host = malloc(n);
    void                    *p    = NULL;
    bool                     good = host && k->alloc(dev, n, &p) >= 0;

    for (size_t i = 0; good && i < n; i++)
        host[i] = pattern(i);
    if (!good || !doubled(another, said, size))
        good = false;
    else if (k->upload(dev, p, host, n) < 0 || k->download(dev, host, p, n) < 0)
        good = bad(said, size, "%s, after another: %s", um_dev_name(dev), um_errmsg());
    for (size_t i = 0; good && i < n; i++)
        if (host[i] != pattern(i))
            good = bad(said, size, "%s, after another: byte %zu", um_dev_name(dev), i);
    k->free(dev, p);
    free(host);
    return good;
}

/* one thread works on two GPUs in turn, where there are two */
static bool two_gpus(struct um_dev *dev, char *said, size_t size)
{
    struct um_dev *other;
    int            n;

    if (um_dev_gpus("cuda", &n) < 0 || n < 2)
        return true;
    if (!doubled(dev, said, size))
        return false;
    if (um_dev_open(&other, "cuda:1", NULL) < 0)
        return bad(said, size, "a second GPU: %s", um_errmsg());
    /* first: what it makes for its first piece is to be its own */
    const bool good = after_another(other, dev, said, size) && doubled(other, said, size) &&
                      after_another(dev, other, said, size);
    um_dev_close(other);
    return good && doubled(dev, said, size);
}

/* what was fetched before a mark is there after the wait, once, and the rest after a sync */
static bool marked(struct um_dev *dev, char *said, size_t size)
{
    const struct um_kernels *k      = um_dev_kernels(dev);
    const float              one[2] = { 1, 2 };
    float                    first[2], then[2];
    void                    *x    = copy_of(dev, one, sizeof one);
    bool                     good = false;

    if (!x || k->fetch(dev, first, x, sizeof first) < 0 || (k->mark && k->mark(dev) < 0) ||
        k->add(dev, UM_F32, x, x, x, 2) < 0 || k->fetch(dev, then, x, sizeof then) < 0 ||
        (k->wait ? k->wait(dev) : k->sync(dev)) < 0) {
        bad(said, size, "%s", um_errmsg());
    } else if (first[0] != 1 || first[1] != 2) {
        bad(said, size, "after the wait: %g, %g", (double)first[0], (double)first[1]);
    } else {
        first[0] = 7;
        good     = k->sync(dev) >= 0 && first[0] == 7 && then[0] == 2 && then[1] == 4;
        if (!good)
            bad(said, size, "after the sync: %g; %g, %g", (double)first[0], (double)then[0],
                (double)then[1]);
    }
    k->free(dev, x);
    return good;
}

/* a type that is none of an activation */
static bool types(struct um_dev *dev, char *said, size_t size)
{
    const struct um_kernels *k        = um_dev_kernels(dev);
    const float              zeros[8] = { 0 };
    void                    *x        = copy_of(dev, zeros, sizeof zeros);
    const int                st       = k->add(dev, UM_I32, x, x, x, 8);

    k->free(dev, x);
    return st == UM_EDTYPE ? true : bad(said, size, "add of int32: status %d", st);
}

const struct gpu_case gpu_cases[] = {
    { "memory: up, zeroed, down", copies },        { "memory: more than there is", too_much },
    { "errors that a kernel meets", late_errors }, { "types that are refused", types },
    { "attention and NaN", gpu_attention },        { "NaN goes through", gpu_nan },
    { "two GPUs of one thread", two_gpus },        { "graphs", gpu_graph },
    { "fetched before a mark", marked },           { NULL, NULL }
};
