/* onednn.c - matrix products by oneDNN, and its engine
 *
 * oneDNN's own threads come from OpenMP: every thread that calls it is told to use one (the setting
 * is per thread), and the work is shared out by our pool instead.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "kernels/linear/onednn.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/hash.h"
#include "kernels/linear/onednn_int.h"

enum { PLANS = UM_DNN_PLANS, HINTS = UM_DNN_HINTS, A = 0, B, BIAS, C, SCRATCH, NDESC };

struct um_dnn_plan {
    struct um_dnn_shape shape;
    uint64_t            used; /* when it was last asked for */
    dnnl_primitive_t    primitive;
    dnnl_memory_desc_t  desc[NDESC];
    dnnl_memory_t      *memory; /* [workers][NDESC]: each worker's views of its operands */
    int                 views;
    size_t              scratch, packed;
    bool                panels;
    bool                made; /* false: oneDNN has no such product */
};

static int failed(const char *what, dnnl_status_t st)
{
    return um_fail(st == dnnl_out_of_memory ? UM_ENOMEM : UM_EUNSUPPORTED,
                   "matmul: oneDNN cannot %s (its status %d)", what, (int)st);
}

/* OpenMP's library is found at run time: oneDNN may be built with another, or with none. Where we
 * are a plug-in of some host, there may be two of them: the host's, visible to all, and the one
 * that oneDNN was linked with. Which of them oneDNN calls depends on which was loaded first, so
 * both are told. */
static void find_openmp(void (*set[2])(int))
{
    Dl_info info;
    void   *lib = NULL, *sym[2];

    if (dladdr((void *)(uintptr_t)dnnl_version, &info) && info.dli_fname)
        lib = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    sym[0] = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    sym[1] = lib ? dlsym(lib, "omp_set_num_threads") : NULL; /* among what oneDNN was linked with */
    if (sym[1] == sym[0])
        sym[1] = NULL;
    memcpy(set, sym, sizeof sym);
    if (lib)
        (void)dlclose(lib); /* our own link to it stays */
}

void um_dnn_one_thread(void)
{
    static _Thread_local void (*set[2])(int);
    static _Thread_local bool looked;

    if (!looked)
        find_openmp(set);
    looked = true;
    for (int i = 0; i < 2; i++)
        if (set[i])
            set[i](1);
}

void um_dnn_limit(const char *isa)
{
    if (strcmp(isa, "sse2") == 0)
        (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41); /* its lowest */
    else if (strcmp(isa, "avx2") == 0)
        (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
    else if (strcmp(isa, "avx512") == 0)
        (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core);
    else if (strcmp(isa, "avx512bf16") == 0)
        (void)dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16);
}

int um_dnn_gemm(const struct um_dnn_gemm *g)
{
    dnnl_status_t st;

    um_dnn_one_thread();
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

static dnnl_status_t describe_any(dnnl_memory_desc_t *d, dnnl_data_type_t t, int64_t rows,
                                  int64_t cols)
{
    const dnnl_dims_t dims = { rows, cols };

#if DNNL_VERSION_MAJOR < 3
    return dnnl_memory_desc_init_by_tag(d, 2, dims, t, dnnl_format_tag_any);
#else
    return dnnl_memory_desc_create_with_tag(d, 2, dims, t, dnnl_format_tag_any);
#endif
}

static dnnl_status_t choose(dnnl_primitive_desc_t *pd, const struct um_dnn_plan *p,
                            dnnl_engine_t engine, const_dnnl_primitive_attr_t attr)
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

static void free_descs(struct um_dnn_plan *p)
{
    for (int i = 0; i < NDESC; i++)
        um_dnn_free_desc(&p->desc[i]);
}

/* The layout of a packed [k,n] is oneDNN's choice for products of this many rows, so that one
 * packing serves any number of rows. */
static dnnl_status_t describe_packed(dnnl_memory_desc_t *d, dnnl_data_type_t t, int64_t k,
                                     int64_t n, dnnl_engine_t engine)
{
    enum { ROWS = 128 };
    struct um_dnn_plan    p  = { 0 };
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t         st = describe(&p.desc[A], t, ROWS, k, k, 1);

    if (st == dnnl_success)
        st = describe_any(&p.desc[B], t, k, n);
    if (st == dnnl_success)
        st = describe(&p.desc[C], dnnl_f32, ROWS, n, n, 1);
    if (st == dnnl_success)
        st = choose(&pd, &p, engine, NULL);
    if (st == dnnl_success)
        st = um_dnn_copy_desc(d, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    free_descs(&p);
    return st;
}

static dnnl_status_t describe_all(struct um_dnn_plan *p, dnnl_engine_t engine)
{
    const struct um_dnn_shape *s  = &p->shape;
    const dnnl_data_type_t     t  = um_dnn_type(s->dt);
    dnnl_status_t              st = dnnl_success;

    if (s->packed)
        st = describe_packed(&p->desc[B], t, s->k, s->n, engine);
    else
        st = describe(&p->desc[B], t, s->k, s->n, s->tb ? 1 : s->ldb, s->tb ? s->ldb : 1);
    if (s->pack)
        return st != dnnl_success
                   ? st
                   : describe_packed(&p->desc[C], um_dnn_type(s->dtc), s->k, s->n, engine);
    if (st == dnnl_success)
        st = describe(&p->desc[A], t, s->m, s->k, s->ta ? 1 : s->lda, s->ta ? s->lda : 1);
    if (st == dnnl_success)
        st = describe(&p->desc[BIAS], dnnl_f32, 1, s->n, s->n, 1);
    if (st == dnnl_success)
        st = describe(&p->desc[C], um_dnn_type(s->dtc), s->m, s->n, s->ldc, 1);
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

/* oneDNN's own reference loops, hundreds of times slower, are what it falls back to: to our callers
 * that is as if there were no such product. Its fast one wants rows of A and C without gaps. */
static dnnl_status_t refuse_reference(const_dnnl_primitive_desc_t pd)
{
    const char   *name = NULL;
    dnnl_status_t st   = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name);

    if (st == dnnl_success && name && strncmp(name, "ref", 3) == 0)
        return dnnl_unimplemented;
    return st;
}

static dnnl_status_t choose_pack(dnnl_primitive_desc_t *pd, const struct um_dnn_plan *p,
                                 dnnl_engine_t engine)
{
    return dnnl_reorder_primitive_desc_create(pd, DESC(p->desc[B]), engine, DESC(p->desc[C]),
                                              engine, NULL);
}

/* the blocks of a description: their number, sizes and dimensions, and the steps between them */
static int blocks_of(desc_ref d, dnnl_dims_t size, dnnl_dims_t dim, dnnl_dims_t step)
{
#if DNNL_VERSION_MAJOR < 3
    const dnnl_blocking_desc_t *b = &d->format_desc.blocking;

    if (d->format_kind != dnnl_blocked || d->offset0 != 0 || d->extra.flags != 0)
        return 0;
    memcpy(size, b->inner_blks, sizeof(dnnl_dims_t));
    memcpy(dim, b->inner_idxs, sizeof(dnnl_dims_t));
    memcpy(step, b->strides, sizeof(dnnl_dims_t));
    return b->inner_nblks;
#else
    dnnl_format_kind_t kind;
    int                n;
    dnnl_dims_t       *s, *i, *t;

    if (dnnl_memory_desc_query(d, dnnl_query_format_kind, &kind) != dnnl_success ||
        kind != dnnl_blocked ||
        dnnl_memory_desc_query(d, dnnl_query_inner_nblks_s32, &n) != dnnl_success ||
        dnnl_memory_desc_query(d, dnnl_query_inner_blks, &s) != dnnl_success ||
        dnnl_memory_desc_query(d, dnnl_query_inner_idxs, &i) != dnnl_success ||
        dnnl_memory_desc_query(d, dnnl_query_strides, &t) != dnnl_success)
        return 0;
    memcpy(size, *s, sizeof(dnnl_dims_t));
    memcpy(dim, *i, sizeof(dnnl_dims_t));
    memcpy(step, *t, sizeof(dnnl_dims_t));
    return n;
#endif
}

/* 16 pairs of rows by 64 columns, along the rows and then the columns; nothing else */
static bool in_panels(desc_ref d, int64_t k, int64_t n)
{
    const int64_t block = 2 * 16 * 64, down = (k + 31) / 32 * block;
    dnnl_dims_t   size, dim, step;

    return blocks_of(d, size, dim, step) == 3 && size[0] == 16 && size[1] == 64 && size[2] == 2 &&
           dim[0] == 0 && dim[1] == 1 && dim[2] == 0 && step[0] == block && step[1] == down &&
           dnnl_memory_desc_get_size(d) == (size_t)((n + 63) / 64 * down) * sizeof(uint16_t);
}

/* descriptions outlive the primitive's own */
static dnnl_status_t take_sizes(struct um_dnn_plan *p, const_dnnl_primitive_desc_t pd)
{
    const desc_ref md = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);

    p->packed = dnnl_memory_desc_get_size(DESC(p->desc[p->shape.pack ? C : B]));
    p->panels = (p->shape.pack ? p->shape.dtc : p->shape.dt) == UM_BF16 &&
                in_panels(DESC(p->desc[p->shape.pack ? C : B]), p->shape.k, p->shape.n);
    if (!md || p->shape.pack)
        return dnnl_success;
    p->scratch = dnnl_memory_desc_get_size(md);
    return um_dnn_copy_desc(&p->desc[SCRATCH], md);
}

static dnnl_status_t make(struct um_dnn_plan *p, dnnl_engine_t engine)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd   = NULL;
    dnnl_status_t         st   = describe_all(p, engine);

    if (st == dnnl_success && !p->shape.pack)
        st = attributes(&attr, p->shape.beta != 0);
    if (st == dnnl_success)
        st = p->shape.pack ? choose_pack(&pd, p, engine) : choose(&pd, p, engine, attr);
    if (st == dnnl_success)
        st = refuse_reference(pd);
    if (st == dnnl_success)
        st = take_sizes(p, pd);
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
    for (int i = 0; i < p->views; i++)
        if (p->memory[i])
            dnnl_memory_destroy(p->memory[i]);
    free(p->memory);
    if (p->primitive)
        dnnl_primitive_destroy(p->primitive);
    free_descs(p);
    free(p);
}

int um_dnn_open(struct um_dev *dev)
{
    dnnl_status_t st;

    if (dev->dnn)
        return UM_OK;
    dev->dnn = calloc(1, sizeof *dev->dnn);
    if (dev->dnn)
        dev->dnn->stream = calloc((size_t)dev->workers, sizeof(dnnl_stream_t));
    if (!dev->dnn || !dev->dnn->stream) {
        um_dnn_close(dev);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    st = dnnl_engine_create(&dev->dnn->engine, dnnl_cpu, 0);
    for (int i = 0; i < dev->workers && st == dnnl_success; i++)
        st = dnnl_stream_create(&dev->dnn->stream[i], dev->dnn->engine, dnnl_stream_in_order);
    if (st != dnnl_success) {
        um_dnn_close(dev);
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
    int16_t            *hint;

    UM_TRY(um_dnn_open(dev));
    d    = dev->dnn;
    hint = &d->hint[um_hash64(shape, sizeof *shape) % HINTS];
    for (int i = -1; i < d->n && !p; i++) {
        const int at = i < 0 ? *hint : i;

        if (at < d->n && memcmp(&d->plan[at]->shape, shape, sizeof *shape) == 0) {
            p     = d->plan[at];
            *hint = (int16_t)at;
        }
    }
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return um_fail(UM_ENOMEM, "out of memory");
        p->shape  = *shape;
        p->views  = dev->workers * NDESC;
        p->memory = calloc((size_t)p->views, sizeof *p->memory);
        if (!p->memory) {
            free(p);
            return um_fail(UM_ENOMEM, "out of memory");
        }
        d->plan[place(d)] = p;
        um_dnn_one_thread();
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

size_t um_dnn_plan_packed(const struct um_dnn_plan *plan)
{
    return plan->packed;
}

bool um_dnn_plan_panels(const struct um_dnn_plan *plan)
{
    return plan->panels;
}

dnnl_status_t um_dnn_view(dnnl_memory_t *own, desc_ref desc, dnnl_engine_t engine, const void *data)
{
    void *p = (void *)(uintptr_t)data;

    return *own ? dnnl_memory_set_data_handle(*own, p) : dnnl_memory_create(own, desc, engine, p);
}

dnnl_status_t um_dnn_execute(struct um_dev *dev, int worker, dnnl_primitive_t primitive,
                             const dnnl_exec_arg_t *args, int n)
{
    dnnl_stream_t stream = dev->dnn->stream[worker];
    dnnl_status_t st     = dnnl_primitive_execute(primitive, stream, n, args);

    return st == dnnl_success ? dnnl_stream_wait(stream) : st;
}

int um_dnn_run(struct um_dev *dev, int worker, const struct um_dnn_plan *plan, const void *a,
               const void *b, const float *bias, void *c, void *scratch)
{
    const bool  pack = plan->shape.pack != 0;
    const void *data[NDESC];
    const int   arg[NDESC] = {
          [A]       = DNNL_ARG_SRC,
          [B]       = pack ? DNNL_ARG_FROM : DNNL_ARG_WEIGHTS,
          [BIAS]    = DNNL_ARG_BIAS,
          [C]       = DNNL_ARG_DST, /* packing calls it DNNL_ARG_TO, the same number */
          [SCRATCH] = DNNL_ARG_SCRATCHPAD,
    };
    dnnl_exec_arg_t args[NDESC];
    dnnl_status_t   st = dnnl_success;
    int             n  = 0;

    data[A]       = a;
    data[B]       = b;
    data[BIAS]    = bias;
    data[C]       = c;
    data[SCRATCH] = plan->scratch ? scratch : NULL;
    um_dnn_one_thread();
    for (int i = 0; i < NDESC && st == dnnl_success; i++) {
        if (!data[i])
            continue;
        dnnl_memory_t *own = &plan->memory[worker * NDESC + i];

        st        = um_dnn_view(own, DESC(plan->desc[i]), dev->dnn->engine, data[i]);
        args[n++] = (dnnl_exec_arg_t){ arg[i], *own };
    }
    if (st == dnnl_success)
        st = um_dnn_execute(dev, worker, plan->primitive, args, n);
    return st == dnnl_success ? UM_OK : failed(pack ? "pack" : "multiply", st);
}

void um_dnn_close(struct um_dev *dev)
{
    struct um_dnn *d = dev->dnn;

    if (!d)
        return;
    for (int i = 0; i < d->n; i++)
        plan_free(d->plan[i]);
    for (int i = 0; i < d->convs; i++)
        um_dnn_conv_free(d->conv[i]);
    for (int i = 0; d->stream && i < dev->workers; i++)
        if (d->stream[i])
            dnnl_stream_destroy(d->stream[i]);
    free(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    free(d);
    dev->dnn = NULL;
}
