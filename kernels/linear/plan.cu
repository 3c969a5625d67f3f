/* plan.cu - products by cuBLASLt, each shape planned once and kept by the device
 *
 * cuBLASLt sees column-major matrices, so C = A B in our row-major order is C^T = B^T A^T there:
 * the operands change places and nothing is copied. The algorithm is the heuristic's first, never
 * the fastest of a timing, so that two runs take the same one; what it has none for is kept as
 * well, so that nobody asks twice. Float products are float: no TF32.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/linear/cuda_int.h"
#include "kernels/plans.h"

/* all that the heuristic depends on, without a hole */
struct key {
    int64_t  batch, m, n, k, lda, ldb, ldc, sa, sb, sc;
    int32_t  dt, dtc, ta, tb, bias, apart;          /* apart: C is not D */
    uint32_t on_a, on_b, on_c, on_d, on_bias, hole; /* alignments, bytes */
};

struct um_lt_plan {
    struct key             key;
    cublasLtMatmulDesc_t   desc;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t   algo;
    uint64_t               serial; /* never given twice, as its address may be */
    bool                   found;
};

static int lt_check(cublasStatus_t s, const char *what)
{
    return s == CUBLAS_STATUS_SUCCESS
               ? UM_OK
               : um_fail(UM_EUNSUPPORTED, "cuda: matmul: %s: %s", what, cublasLtGetStatusString(s));
}

static cudaDataType_t lt_type(int32_t dt)
{
    return dt == UM_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* the bytes that p is a multiple of, as far as anybody asks; the heuristic takes 256 for granted */
static uint32_t alignment(const void *p)
{
    const uintptr_t low = (uintptr_t)p & (0 - (uintptr_t)p);

    return low == 0 || low > 256 ? 256 : (uint32_t)low;
}

static const void *source(const struct um_matmul *p)
{
    return p->res ? p->res : p->c;
}

static struct key key_of(const struct um_matmul *p)
{
    struct key k;

    memset(&k, 0, sizeof k);
    k.batch   = p->batch;
    k.m       = p->m;
    k.n       = p->n;
    k.k       = p->k;
    k.lda     = p->lda;
    k.ldb     = p->ldb;
    k.ldc     = p->ldc;
    k.sa      = p->batch > 1 ? p->sa : 0;
    k.sb      = p->batch > 1 ? p->sb : 0;
    k.sc      = p->batch > 1 ? p->sc : 0;
    k.dt      = p->dt;
    k.dtc     = p->dtc;
    k.ta      = p->ta;
    k.tb      = p->tb;
    k.bias    = p->bias != NULL;
    k.apart   = source(p) != p->c;
    k.on_a    = alignment(p->a);
    k.on_b    = alignment(p->b);
    k.on_c    = alignment(source(p));
    k.on_d    = alignment(p->c);
    k.on_bias = alignment(p->bias);
    return k;
}

/* rows x cols, row-major, ld apart = column-major cols x rows */
static int layout(cublasLtMatrixLayout_t *l, int32_t dt, int64_t rows, int64_t cols, int64_t ld,
                  int64_t batch, int64_t stride)
{
    const int32_t count = (int32_t)batch;

    UM_TRY(lt_check(cublasLtMatrixLayoutCreate(l, lt_type(dt), (uint64_t)cols, (uint64_t)rows, ld),
                    "layout"));
    UM_TRY(lt_check(cublasLtMatrixLayoutSetAttribute(*l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                                     sizeof count),
                    "batch count"));
    return lt_check(cublasLtMatrixLayoutSetAttribute(
                        *l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
                    "batch stride");
}

static int set(const struct um_lt_plan *l, cublasLtMatmulDescAttributes_t what, const void *v,
               size_t n)
{
    return lt_check(cublasLtMatmulDescSetAttribute(l->desc, what, v, n), "description");
}

static int describe(struct um_lt_plan *l)
{
    const struct key        *k    = &l->key;
    const cublasOperation_t  ta   = k->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t  tb   = k->tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t ep   = CUBLASLT_EPILOGUE_BIAS;
    const int32_t            type = lt_type(k->dtc);

    UM_TRY(lt_check(cublasLtMatmulDescCreate(&l->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "desc"));
    /* the first operand of the column-major product is our B */
    UM_TRY(set(l, CUBLASLT_MATMUL_DESC_TRANSA, &tb, sizeof tb));
    UM_TRY(set(l, CUBLASLT_MATMUL_DESC_TRANSB, &ta, sizeof ta));
    if (k->bias) {
        UM_TRY(set(l, CUBLASLT_MATMUL_DESC_EPILOGUE, &ep, sizeof ep));
        UM_TRY(set(l, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type));
    }
    UM_TRY(layout(&l->a, k->dt, k->ta ? k->k : k->m, k->ta ? k->m : k->k, k->lda, k->batch, k->sa));
    UM_TRY(layout(&l->b, k->dt, k->tb ? k->n : k->k, k->tb ? k->k : k->n, k->ldb, k->batch, k->sb));
    return layout(&l->c, k->dtc, k->m, k->n, k->ldc, k->batch, k->sc);
}

static int prefer(cublasLtMatmulPreference_t pref, cublasLtMatmulPreferenceAttributes_t what,
                  const void *v, size_t n)
{
    return lt_check(cublasLtMatmulPreferenceSetAttribute(pref, what, v, n), "preference");
}

/* sums of parts in float or not at all: never in the type of the result */
static int prefer_all(cublasLtMatmulPreference_t pref, const struct key *k)
{
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const size_t   work    = UM_LT_WORK;

    UM_TRY(prefer(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &k->on_b, sizeof k->on_b));
    UM_TRY(prefer(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &k->on_a, sizeof k->on_a));
    UM_TRY(prefer(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &k->on_c, sizeof k->on_c));
    UM_TRY(prefer(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &k->on_d, sizeof k->on_d));
    UM_TRY(prefer(pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes));
    return prefer(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &work, sizeof work);
}

/* the heuristic reads the alignment of the bias from its address */
static int set_bias(const struct um_lt_plan *l, const void *bias)
{
    return bias ? set(l, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias) : UM_OK;
}

static int choose(struct um_cuda *c, struct um_lt_plan *l, const struct um_matmul *p)
{
    cublasLtMatmulPreference_t      pref = NULL;
    cublasLtMatmulHeuristicResult_t best;
    int                             found = 0, st;

    UM_TRY(describe(l));
    UM_TRY(set_bias(l, p->bias));
    UM_TRY(lt_check(cublasLtMatmulPreferenceCreate(&pref), "preference"));
    st = prefer_all(pref, &l->key);
    if (st == UM_OK &&
        cublasLtMatmulAlgoGetHeuristic(c->lt, l->desc, l->b, l->a, l->c, l->c, pref, 1, &best,
                                       &found) == CUBLAS_STATUS_SUCCESS &&
        found > 0 && best.state == CUBLAS_STATUS_SUCCESS) {
        l->found = true;
        l->algo  = best.algo;
    }
    (void)cublasLtMatmulPreferenceDestroy(pref);
    return st;
}

static void drop(void *plan)
{
    struct um_lt_plan *l = (struct um_lt_plan *)plan;

    if (l->a)
        (void)cublasLtMatrixLayoutDestroy(l->a);
    if (l->b)
        (void)cublasLtMatrixLayoutDestroy(l->b);
    if (l->c)
        (void)cublasLtMatrixLayoutDestroy(l->c);
    if (l->desc)
        (void)cublasLtMatmulDescDestroy(l->desc);
}

static int plan_new(struct um_cuda *c, const struct um_matmul *p, const struct key *k,
                    struct um_lt_plan **out)
{
    struct um_lt_plan *l = (struct um_lt_plan *)calloc(1, sizeof *l);
    int                st;

    if (!l)
        return um_fail(UM_ENOMEM, "out of memory");
    l->key    = *k;
    l->serial = ++c->planned;
    /* The heuristic asks the current device; a table that is full is emptied, and what waits in the
     * queue has its plans from there. */
    (void)um_cuda_stream(&c->dev);
    st = choose(c, l, p);
    if (st < 0) {
        drop(l);
        free(l);
        return st;
    }
    um_plans_keep(c->products, l);
    *out = l;
    return UM_OK;
}

int um_lt_plan(struct um_dev *dev, const struct um_matmul *p, const struct um_lt_plan **plan)
{
    struct um_cuda    *c = um_cuda_of(dev);
    const struct key   k = key_of(p);
    struct um_lt_plan *l;

    *plan = NULL;
    if (!c->products && !(c->products = um_plans_new(sizeof k, drop)))
        return um_fail(UM_ENOMEM, "out of memory");
    if (!(l = (struct um_lt_plan *)um_plans_find(c->products, &k)))
        UM_TRY(plan_new(c, p, &k, &l));
    if (l->found)
        *plan = l;
    return UM_OK;
}

/* a product as it is asked of the queue; serial: the plan's, for graphs to tell it by */
struct call {
    const struct um_lt_plan *plan;
    uint64_t                 serial;
    const void              *a, *b, *source, *bias;
    void                    *c, *work;
    float                    beta, hole;
};

static int run(struct um_cuda *c, const void *args)
{
    const struct call       *p   = (const struct call *)args;
    const struct um_lt_plan *l   = p->plan;
    const float              one = 1;

    UM_TRY(set_bias(l, p->bias));
    return lt_check(cublasLtMatmul(c->lt, l->desc, &one, p->b, l->b, p->a, l->a, &p->beta,
                                   p->source, l->c, p->c, l->c, &l->algo, p->work, UM_LT_WORK,
                                   c->stream),
                    "launch");
}

int um_lt_run(struct um_dev *dev, const struct um_lt_plan *l, const struct um_matmul *p, void *work)
{
    struct call call;

    call.plan   = l;
    call.serial = l->serial;
    call.a      = p->a;
    call.b      = p->b;
    call.source = source(p);
    call.bias   = p->bias;
    call.c      = p->c;
    call.work   = work;
    call.beta   = p->res ? 1 : p->beta;
    call.hole   = 0;
    um_ask_call(dev, run, &call, sizeof call);
    return um_cuda_launched(dev, "matmul");
}
