/* onednn.c - the one file that knows oneDNN, versions 2 and 3
 *
 * oneDNN's own threads come from OpenMP: every thread that calls it is told to use one (the setting
 * is per thread), and the work is shared out by our pool instead.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "kernels/linear/onednn.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

#if DNNL_VERSION_MAJOR < 3
#define DESC(d) (&(d)) /* a description is a struct, passed by its address */
typedef const dnnl_memory_desc_t *desc_ref;
#else
#define DESC(d) (d) /* a description is a handle */
typedef const_dnnl_memory_desc_t desc_ref;
#endif

enum { PLANS = 256, A = 0, B, BIAS, C, NDESC };

struct um_dnn_plan {
    struct um_dnn_shape shape;
    uint64_t            used; /* when it was last asked for */
    dnnl_primitive_t    primitive;
    dnnl_memory_desc_t  desc[NDESC];
    dnnl_memory_desc_t  scratch_desc;
    size_t              scratch;
    bool                made; /* false: oneDNN has no such product */
};

struct um_dnn {
    dnnl_engine_t       engine;
    struct um_dnn_plan *plan[PLANS];
    int                 n;
    uint64_t            clock;
};

static int failed(const char *what, dnnl_status_t st)
{
    return um_fail(st == dnnl_out_of_memory ? UM_ENOMEM : UM_EUNSUPPORTED,
                   "matmul: oneDNN cannot %s (its status %d)", what, (int)st);
}

/* OpenMP's library is found at run time: oneDNN may be built with another, or with none */
static void one_thread(void)
{
    static _Thread_local void (*set)(int);
    static _Thread_local bool looked;

    if (!looked) {
        void *sym = dlsym(RTLD_DEFAULT, "omp_set_num_threads");

        memcpy(&set, &sym, sizeof set);
        looked = true;
    }
    if (set)
        set(1);
}

void um_dnn_limit(const char *isa)
{
    if (strcmp(isa, "sse2") == 0)
        (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41); /* its lowest */
    else if (strcmp(isa, "avx2") == 0)
        (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
}

int um_dnn_gemm(const struct um_dnn_gemm *g)
{
    dnnl_status_t st;

    one_thread();
    st = dnnl_sgemm(g->ta ? 'T' : 'N', g->tb ? 'T' : 'N', g->m, g->n, g->k, g->alpha, g->a, g->lda,
                    g->b, g->ldb, g->beta, g->c, g->ldc);
    return st == dnnl_success ? UM_OK : failed("multiply", st);
}

/* ---- plans ------------------------------------------------------------------------------------
 */

static dnnl_status_t describe(dnnl_memory_desc_t *d, dnnl_data_type_t t, int64_t rows, int64_t cols,
                              int64_t row_step, int64_t col_step)
{
    const dnnl_dims_t dims = { rows, cols }, strides = { row_step, col_step };

#if DNNL_VERSION_MAJOR < 3
    return dnnl_memory_desc_init_by_strides(d, 2, dims, t, strides);
#else
    return dnnl_memory_desc_create_with_strides(d, 2, dims, t, strides);
#endif
}

static dnnl_status_t describe_all(struct um_dnn_plan *p)
{
    const struct um_dnn_shape *s  = &p->shape;
    const dnnl_data_type_t     tc = s->dtc == UM_F32 ? dnnl_f32 : dnnl_bf16;
    dnnl_status_t              st;

    st = describe(&p->desc[A], dnnl_bf16, s->m, s->k, s->ta ? 1 : s->lda, s->ta ? s->lda : 1);
    if (st == dnnl_success)
        st = describe(&p->desc[B], dnnl_bf16, s->k, s->n, s->tb ? 1 : s->ldb, s->tb ? s->ldb : 1);
    if (st == dnnl_success)
        st = describe(&p->desc[BIAS], dnnl_f32, 1, s->n, s->n, 1);
    if (st == dnnl_success)
        st = describe(&p->desc[C], tc, s->m, s->n, s->ldc, 1);
    return st;
}

/* the workspace is the caller's, and with beta 1 the result is added to */
static dnnl_status_t attributes(dnnl_primitive_attr_t *attr, bool sum)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t   st  = dnnl_primitive_attr_create(attr);

    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (st != dnnl_success || !sum)
        return st;
    st = dnnl_post_ops_create(&ops);
    if (st == dnnl_success)
#if DNNL_VERSION_MAJOR < 3
        st = dnnl_post_ops_append_sum(ops, 1);
#else
        st = dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
#endif
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    return st;
}

static dnnl_status_t choose(dnnl_primitive_desc_t *pd, struct um_dnn_plan *p, dnnl_engine_t engine,
                            const_dnnl_primitive_attr_t attr)
{
    const desc_ref bias = p->shape.bias ? DESC(p->desc[BIAS]) : NULL;

#if DNNL_VERSION_MAJOR < 3
    dnnl_matmul_desc_t op;
    dnnl_status_t      st =
        dnnl_matmul_desc_init(&op, DESC(p->desc[A]), DESC(p->desc[B]), bias, DESC(p->desc[C]));

    return st != dnnl_success ? st : dnnl_primitive_desc_create(pd, &op, attr, engine, NULL);
#else
    return dnnl_matmul_primitive_desc_create(pd, engine, DESC(p->desc[A]), DESC(p->desc[B]), bias,
                                             DESC(p->desc[C]), attr);
#endif
}

/* the workspace's description outlives the primitive's own */
static dnnl_status_t take_scratch(struct um_dnn_plan *p, const_dnnl_primitive_desc_t pd)
{
    const desc_ref md = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);

    p->scratch = md ? dnnl_memory_desc_get_size(md) : 0;
#if DNNL_VERSION_MAJOR < 3
    if (md)
        p->scratch_desc = *md;
    return dnnl_success;
#else
    return md ? dnnl_memory_desc_clone(&p->scratch_desc, md) : dnnl_success;
#endif
}

static dnnl_status_t make(struct um_dnn_plan *p, dnnl_engine_t engine)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd   = NULL;
    dnnl_status_t         st   = describe_all(p);

    if (st == dnnl_success)
        st = attributes(&attr, p->shape.beta != 0);
    if (st == dnnl_success)
        st = choose(&pd, p, engine, attr);
    if (st == dnnl_success)
        st = take_scratch(p, pd);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&p->primitive, pd);
    p->made = st == dnnl_success;
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return st;
}

static void plan_free(struct um_dnn_plan *p)
{
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
#if DNNL_VERSION_MAJOR >= 3
    for (int i = 0; i < NDESC; i++)
        if (p->desc[i])
            dnnl_memory_desc_destroy(p->desc[i]);
    if (p->scratch_desc)
        dnnl_memory_desc_destroy(p->scratch_desc);
#endif
    free(p);
}

static int dnn_open(struct um_dev *dev)
{
    dnnl_status_t st;

    if (dev->dnn)
        return UM_OK;
    dev->dnn = calloc(1, sizeof *dev->dnn);
    if (!dev->dnn)
        return um_fail(UM_ENOMEM, "out of memory");
    st = dnnl_engine_create(&dev->dnn->engine, dnnl_cpu, 0);
    if (st != dnnl_success) {
        free(dev->dnn);
        dev->dnn = NULL;
        return failed("start", st);
    }
    return UM_OK;
}

/* a place for one more plan: a new one, or the one unused for longest */
static int place(struct um_dnn *d)
{
    int oldest = 0;

    if (d->n < PLANS)
        return d->n++;
    for (int i = 1; i < PLANS; i++)
        if (d->plan[i]->used < d->plan[oldest]->used)
            oldest = i;
    plan_free(d->plan[oldest]);
    return oldest;
}

int um_dnn_plan(struct um_dev *dev, const struct um_dnn_shape *shape, struct um_dnn_plan **plan)
{
    struct um_dnn_plan *p = NULL;
    struct um_dnn      *d;

    UM_TRY(dnn_open(dev));
    d = dev->dnn;
    for (int i = 0; i < d->n && !p; i++)
        if (memcmp(&d->plan[i]->shape, shape, sizeof *shape) == 0)
            p = d->plan[i];
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return um_fail(UM_ENOMEM, "out of memory");
        p->shape          = *shape;
        d->plan[place(d)] = p;
        one_thread();
        (void)make(p, d->engine); /* a refusal is remembered: the caller has another way */
    }
    p->used = ++d->clock;
    *plan   = p->made ? p : NULL;
    return UM_OK;
}

size_t um_dnn_plan_scratch(const struct um_dnn_plan *plan)
{
    return plan->scratch;
}

int um_dnn_run(struct um_dev *dev, const struct um_dnn_plan *plan, const void *a, const void *b,
               const float *bias, void *c, void *scratch)
{
    const struct {
        int      arg;
        desc_ref desc;
        void    *data;
    } in[] = { { DNNL_ARG_SRC, DESC(plan->desc[A]), (void *)(uintptr_t)a },
               { DNNL_ARG_WEIGHTS, DESC(plan->desc[B]), (void *)(uintptr_t)b },
               { DNNL_ARG_DST, DESC(plan->desc[C]), c },
               { DNNL_ARG_SCRATCHPAD, DESC(plan->scratch_desc), scratch },
               { DNNL_ARG_BIAS, DESC(plan->desc[BIAS]), (void *)(uintptr_t)bias } };
    dnnl_exec_arg_t args[5];
    dnnl_stream_t   stream = NULL;
    int             n      = 0;
    dnnl_status_t   st     = dnnl_stream_create(&stream, dev->dnn->engine, dnnl_stream_in_order);

    one_thread();
    for (int i = 0; i < (bias ? 5 : 4) && st == dnnl_success; i++) {
        if (in[i].arg == DNNL_ARG_SCRATCHPAD && plan->scratch == 0)
            continue;
        st          = dnnl_memory_create(&args[n].memory, in[i].desc, dev->dnn->engine, in[i].data);
        args[n].arg = in[i].arg;
        n += st == dnnl_success;
    }
    if (st == dnnl_success)
        st = dnnl_primitive_execute(plan->primitive, stream, n, args);
    if (st == dnnl_success)
        st = dnnl_stream_wait(stream);
    for (int i = 0; i < n; i++)
        dnnl_memory_destroy(args[i].memory);
    if (stream)
        dnnl_stream_destroy(stream);
    return st == dnnl_success ? UM_OK : failed("multiply", st);
}

void um_dnn_close(struct um_dev *dev)
{
    if (!dev->dnn)
        return;
    for (int i = 0; i < dev->dnn->n; i++)
        plan_free(dev->dnn->plan[i]);
    dnnl_engine_destroy(dev->dnn->engine);
    free(dev->dnn);
    dev->dnn = NULL;
}
