/* dev.c - devices by name: the tables of the backends and the choice among them */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/activation/activation.h"
#include "kernels/attention/attention.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/conv/conv.h"
#include "kernels/dice/dice.h"
#include "kernels/distill/distill.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/l2norm/l2norm.h"
#include "kernels/layernorm/layernorm.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/onednn.h"
#include "kernels/loss/loss.h"
#include "kernels/mapnorm/mapnorm.h"
#include "kernels/memory/memory.h"
#include "kernels/optim/optim.h"
#include "kernels/plugin.h"
#include "kernels/resample/resample.h"
#include "kernels/rows/rows.h"
#include "kernels/softmax/softmax.h"
#include "kernels/tokens/tokens.h"

/* every operation but those of memory, which the host backends share */
#define OPS(X, b)                                                                                  \
    UM_LINEAR_OPS(X, b)                                                                            \
    UM_CONV_OPS(X, b)                                                                              \
    UM_RESAMPLE_OPS(X, b)                                                                          \
    UM_ACTIVATION_OPS(X, b)                                                                        \
    UM_ELEMENTWISE_OPS(X, b)                                                                       \
    UM_ROWS_OPS(X, b)                                                                              \
    UM_TOKENS_OPS(X, b)                                                                            \
    UM_LAYERNORM_OPS(X, b)                                                                         \
    UM_BATCHNORM_OPS(X, b)                                                                         \
    UM_MAPNORM_OPS(X, b)                                                                           \
    UM_L2NORM_OPS(X, b)                                                                            \
    UM_SOFTMAX_OPS(X, b)                                                                           \
    UM_ATTENTION_OPS(X, b)                                                                         \
    UM_LOSS_OPS(X, b)                                                                              \
    UM_DICE_OPS(X, b)                                                                              \
    UM_DISTILL_OPS(X, b)                                                                           \
    UM_OPTIM_OPS(X, b)

static const struct um_kernels ref = { .name         = "ref",
                                       .rounds_first = true,
                                       UM_MEMORY_OPS(UM_ENTRY, ref) OPS(UM_ENTRY, ref) };

/* UM_NO_CPU: a library without the cpu backend and oneDNN, as tests/gpu builds one where oneDNN is
 * not installed */
#ifndef UM_NO_CPU

/* cpu: every operation compiled once for each instruction set, least able first */
#define CPU_TABLE(isa)                                                                             \
    OPS(UM_DECLARE, cpu_##isa)                                                                     \
    static const struct um_kernels isa = { .name = "cpu",                                          \
                                           UM_MEMORY_OPS(UM_ENTRY, ref)                            \
                                               OPS(UM_ENTRY, cpu_##isa) };

#ifdef __x86_64__
CPU_TABLE(sse2)
CPU_TABLE(avx2)
CPU_TABLE(avx512)
CPU_TABLE(avx512bf16)

static bool has_sse2(void)
{
    return true;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_avx512bf16(void)
{
    return has_avx512() && __builtin_cpu_supports("avx512bf16");
}

static const struct isa {
    const char              *name;
    const struct um_kernels *kernels;
    bool (*here)(void);
} isas[] = { { "sse2", &sse2, has_sse2 },
             { "avx2", &avx2, has_avx2 },
             { "avx512", &avx512, has_avx512 },
             { "avx512bf16", &avx512bf16, has_avx512bf16 } };
#else
CPU_TABLE(generic)

static bool has_generic(void)
{
    return true;
}

static const struct isa {
    const char              *name;
    const struct um_kernels *kernels;
    bool (*here)(void);
} isas[] = { { "generic", &generic, has_generic } };
#endif

enum { NISA = sizeof isas / sizeof isas[0] };

/* the one that UM_ISA names, else the ablest that this processor has */
static int choose_isa(const struct isa **isa)
{
    const char *want = getenv("UM_ISA");

    for (int i = NISA - 1; i >= 0; i--) {
        const bool here = isas[i].here();

        if (want && strcmp(want, isas[i].name) == 0 && !here)
            return um_fail(UM_EUNSUPPORTED, "UM_ISA=%s: this processor does not have it", want);
        if (want ? strcmp(want, isas[i].name) == 0 : here) {
            *isa = &isas[i];
            if (want)
                um_dnn_limit(want);
            return UM_OK;
        }
    }
    return um_fail(UM_EUNSUPPORTED, "UM_ISA=%.32s: %s are known here", want ? want : "",
                   NISA > 1 ? "sse2, avx2, avx512 and avx512bf16" : "none but generic");
}

#endif

int um_check_rows(const char *op, int64_t n, int64_t c)
{
    if (n < 0 || c < 1 || (n > 0 && c > INT64_MAX / 16 / n))
        return um_fail(UM_ERANGE, "%s: %lld rows of %lld", op, (long long)n, (long long)c);
    return UM_OK;
}

int um_check_act(const char *op, enum um_dtype dt, int64_t n, int64_t c)
{
    if (dt != UM_F32 && dt != UM_BF16)
        return um_fail(UM_EDTYPE, "%s: takes float32 and bfloat16, got %s", op, um_dtype_name(dt));
    return um_check_rows(op, n, c);
}

int um_dev_scratch(struct um_dev *dev, int worker, size_t n, void **p)
{
    struct um_scratch *s = &dev->scratch[worker];

    if (n > s->size) {
        const size_t size = (n + n / 4 + 4095) & ~(size_t)4095;

        free(s->p);
        s->p    = n < SIZE_MAX / 4 ? aligned_alloc(64, size) : NULL;
        s->size = s->p ? size : 0;
        if (!s->p)
            return um_fail(UM_ENOMEM, "out of memory: %zu bytes of workspace wanted", n);
    }
    *p = s->p;
    return UM_OK;
}

/* UM_MEMORY: bytes of memory beyond which a host backend says that there is none, as a card does */
static int memory_limit(size_t *limit)
{
    const char *text = getenv("UM_MEMORY");
    char       *end  = NULL;

    *limit = text ? (size_t)strtoull(text, &end, 10) : 0;
    if (text && (text[strspn(text, "0123456789")] || end == text))
        return um_fail(UM_EUNSUPPORTED, "UM_MEMORY=%.32s: expected a number of bytes", text);
    return UM_OK;
}

static int open_host(struct um_dev **dev, const struct um_kernels *k, const char *isa,
                     struct um_pool *pool)
{
    struct um_dev *d;
    size_t         limit;

    UM_TRY(memory_limit(&limit));
    if (!(d = calloc(1, sizeof *d)))
        return um_fail(UM_ENOMEM, "out of memory");
    d->kernels      = k;
    d->pool         = pool;
    d->memory.total = limit;
    d->workers      = um_pool_size(pool);
    d->kind         = k->name;
    d->scratch      = calloc((size_t)d->workers + 1, sizeof *d->scratch);
    if (!d->scratch) {
        free(d);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    if (isa)
        (void)snprintf(d->name, sizeof d->name, "%s %s, %d thread%s", k->name, isa, d->workers,
                       d->workers == 1 ? "" : "s");
    else
        (void)snprintf(d->name, sizeof d->name, "%s", k->name);
    *dev = d;
    return UM_OK;
}

/* "cuda" or "cuda:N" */
static int open_cuda(struct um_dev **dev, const char *name)
{
    char *end = NULL;
    long  n   = name[4] ? strtol(name + 5, &end, 10) : 0;

    if (end && (end == name + 5 || *end || n < 0 || n > 1023))
        return um_fail(UM_EUNSUPPORTED, "device \"%.32s\": expected cuda:N with N from 0", name);
    return um_plugin_open(dev, (int)n);
}

static int open_cpu(struct um_dev **dev, struct um_pool *pool)
{
#ifdef UM_NO_CPU
    (void)dev, (void)pool;
    return um_fail(UM_EUNSUPPORTED, "no cpu: this library was built without it");
#else
    const struct isa *isa = NULL;

    UM_TRY(choose_isa(&isa));
    return open_host(dev, isa->kernels, isa->name, pool);
#endif
}

int um_dev_open(struct um_dev **dev, const char *name, struct um_pool *pool)
{
    *dev = NULL;
    if (strcmp(name, "ref") == 0)
        return open_host(dev, &ref, NULL, NULL);
    if (strcmp(name, "auto") == 0 && um_plugin_hopeful() && um_plugin_open(dev, 0) == UM_OK)
        return UM_OK;
    if (strcmp(name, "cpu") == 0 || strcmp(name, "auto") == 0)
        return open_cpu(dev, pool);
    if (strcmp(name, "cuda") == 0 || strncmp(name, "cuda:", 5) == 0)
        return open_cuda(dev, name);
    return um_fail(UM_EUNSUPPORTED, "no device is called \"%.32s\": cpu, ref, cuda, cuda:N or auto",
                   name);
}

int um_dev_gpus(const char *name, int *n)
{
    const bool any = strcmp(name, "auto") == 0;

    *n = 0;
    if (any && !um_plugin_hopeful())
        return UM_OK;
    const int st = um_plugin_count(n);
    return any ? UM_OK : st;
}

void um_dev_close(struct um_dev *dev)
{
    if (!dev)
        return;
    if (dev->close)
        dev->close(dev);
#ifndef UM_NO_CPU
    um_dnn_close(dev);
#endif
    for (int i = 0; dev->scratch && i <= dev->workers; i++)
        free(dev->scratch[i].p);
    free(dev->scratch);
    free(dev);
}

const struct um_kernels *um_dev_kernels(const struct um_dev *dev)
{
    return dev->kernels;
}

const char *um_dev_name(const struct um_dev *dev)
{
    return dev->name;
}

const char *um_dev_kind(const struct um_dev *dev)
{
    return dev->kind;
}
