/* params.c - the list of parameters and their two blocks: values and gradients */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/philox.h"
#include "nn/nn.h"

enum { PAD = 16 };                                 /* floats: offsets are multiples of it */
static const int64_t MAX_COUNT = (int64_t)1 << 38; /* floats in a block: a terabyte */

int um_params_new(struct um_params **ps, struct um_dev *dev)
{
    int st;

    if (!(*ps = calloc(1, sizeof **ps)))
        return um_fail(UM_ENOMEM, "out of memory");
    (*ps)->dev = dev;
    if ((st = um_arena_new(&(*ps)->arena)) < 0) {
        free(*ps);
        *ps = NULL;
    }
    return st;
}

void um_params_free(struct um_params *ps)
{
    if (!ps)
        return;
    if (ps->value)
        um_dev_kernels(ps->dev)->free(ps->dev, ps->value);
    if (ps->grad)
        um_dev_kernels(ps->dev)->free(ps->dev, ps->grad);
    um_arena_free(ps->arena);
    free(ps->list);
    free(ps);
}

static int room(struct um_params *ps)
{
    struct um_param *list;
    const int        cap = ps->cap ? 2 * ps->cap : 64;

    if (ps->n < ps->cap)
        return UM_OK;
    if (!(list = realloc(ps->list, (size_t)cap * sizeof *list)))
        return um_fail(UM_ENOMEM, "out of memory");
    ps->list = list;
    ps->cap  = cap;
    return UM_OK;
}

int um_params_add(struct um_params *ps, const char *name, int ndim, const int64_t *dim,
                  enum um_init init, float value, bool decay)
{
    struct um_param p = { .ndim = ndim, .init = init, .value = value, .decay = decay };

    if (ps->value)
        return um_fail(UM_EUNSUPPORTED, "parameter %s: the values are allocated already", name);
    if (um_params_find(ps, name) >= 0)
        return um_fail(UM_EDUPLICATE, "parameter %s is there already", name);
    if (ndim < 0 || ndim > UM_VAR_DIM)
        return um_fail(UM_ESHAPE, "parameter %s: %d dims, at most %d", name, ndim, UM_VAR_DIM);
    p.count = 1;
    for (int i = 0; i < ndim; i++) {
        if (dim[i] < 1 || __builtin_mul_overflow(p.count, dim[i], &p.count) || p.count > MAX_COUNT)
            return um_fail(UM_ERANGE, "parameter %s: dim %lld", name, (long long)dim[i]);
        p.dim[i] = dim[i];
    }
    p.offset = ps->total;
    if (ps->total + p.count > MAX_COUNT)
        return um_fail(UM_ERANGE, "parameter %s: the model is too large", name);
    UM_TRY(room(ps));
    if (!(p.name = um_strdup(ps->arena, name)))
        return UM_ENOMEM;
    ps->list[ps->n] = p;
    ps->total += (p.count + PAD - 1) / PAD * PAD;
    return ps->n++;
}

int um_params_buffer(struct um_params *ps, const char *name, int64_t n, float value)
{
    const int i = um_params_add(ps, name, 1, &n, UM_INIT_CONST, value, false);

    if (i >= 0)
        ps->list[i].buffer = true;
    return i;
}

int um_params_find(const struct um_params *ps, const char *name)
{
    for (int i = 0; i < ps->n; i++)
        if (strcmp(ps->list[i].name, name) == 0)
            return i;
    return -1;
}

int64_t um_params_count(const struct um_params *ps, const char *prefix)
{
    int64_t n = 0;

    for (int i = 0; i < ps->n; i++)
        if (!ps->list[i].buffer && strncmp(ps->list[i].name, prefix, strlen(prefix)) == 0)
            n += ps->list[i].count;
    return n;
}

/* ---- values ---- */

static int block(struct um_params *ps, float **p)
{
    const struct um_kernels *k = um_dev_kernels(ps->dev);
    const size_t             n = (size_t)(ps->total ? ps->total : PAD) * sizeof **p;
    void                    *mem;

    if (k->alloc(ps->dev, n, &mem) < 0)
        return um_context(UM_ENOMEM, "parameters");
    *p = mem;
    return k->zero(ps->dev, mem, n);
}

int um_params_alloc(struct um_params *ps)
{
    return ps->value ? UM_OK : block(ps, &ps->value);
}

int um_params_grad(struct um_params *ps)
{
    return ps->grad ? um_params_zero_grad(ps) : block(ps, &ps->grad);
}

int um_params_zero_grad(struct um_params *ps)
{
    if (!ps->grad)
        return um_fail(UM_EMISSING, "the parameters have no gradients yet");
    return um_dev_kernels(ps->dev)->zero(ps->dev, ps->grad, (size_t)ps->total * sizeof *ps->grad);
}

static float draw(struct um_rng *r, const struct um_param *p)
{
    double x;

    if (p->init == UM_INIT_UNIFORM)
        return (float)um_rng_range(r, -(double)p->value, (double)p->value);
    do
        x = 0.02 * um_rng_normal(r);
    while (fabs(x) > 2); /* the cut is absolute, as in the sources: it never bites at std 0.02 */
    return (float)x;
}

static void fill(const struct um_param *p, uint64_t seed, float *x)
{
    struct um_rng r = um_rng_at(seed, UM_RNG_INIT, um_hash64(p->name, strlen(p->name)), 0);
    const float   c = p->init == UM_INIT_ONE ? 1 : p->init == UM_INIT_CONST ? p->value : 0;

    if (p->init == UM_INIT_TRUNC02 || p->init == UM_INIT_UNIFORM)
        for (int64_t i = 0; i < p->count; i++)
            x[i] = draw(&r, p);
    else
        for (int64_t i = 0; i < p->count; i++)
            x[i] = c;
}

int um_params_draw(struct um_params *ps, int index, uint64_t seed)
{
    const struct um_kernels *k = um_dev_kernels(ps->dev);
    const struct um_param   *p = &ps->list[index];
    const size_t             n = (size_t)p->count * sizeof(float);
    float                   *x = malloc(n);
    int                      st;

    if (!x)
        return um_fail(UM_ENOMEM, "out of memory");
    fill(p, seed, x);
    st = k->upload(ps->dev, ps->value + p->offset, x, n);
    if (st >= 0)
        st = k->sync(ps->dev); /* x goes */
    free(x);
    return st;
}

int um_params_init(struct um_params *ps, uint64_t seed)
{
    UM_TRY(um_params_alloc(ps));
    for (int i = 0; i < ps->n; i++)
        UM_TRY(um_params_draw(ps, i, seed));
    return UM_OK;
}
