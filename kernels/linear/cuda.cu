/* cuda.cu - products by cuBLASLt; bias gradients
 *
 * cuBLASLt sees column-major matrices, so C = A B in our row-major order is C^T = B^T A^T there:
 * the operands change places and nothing is copied. The algorithm is the heuristic's first, never
 * the fastest of a timing, so that two runs take the same one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"

static int lt_check(cublasStatus_t s, const char *what)
{
    return s == CUBLAS_STATUS_SUCCESS
               ? UM_OK
               : um_fail(UM_EUNSUPPORTED, "cuda: matmul: %s: %s", what, cublasLtGetStatusString(s));
}

static cudaDataType_t lt_type(enum um_dtype dt)
{
    return dt == UM_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* rows x cols, row-major, ld apart = column-major cols x rows */
static int layout(cublasLtMatrixLayout_t *l, enum um_dtype dt, int64_t rows, int64_t cols,
                  int64_t ld, int64_t batch, int64_t stride)
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

struct plan {
    cublasLtMatmulDesc_t       desc;
    cublasLtMatrixLayout_t     a, b, c;
    cublasLtMatmulPreference_t pref;
};

static int describe(struct plan *l, const struct um_matmul *p, size_t work)
{
    const cublasOperation_t ta = p->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t tb = p->tb ? CUBLAS_OP_T : CUBLAS_OP_N;

    UM_TRY(lt_check(cublasLtMatmulDescCreate(&l->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "desc"));
    /* the first operand of the column-major product is our B */
    UM_TRY(lt_check(
        cublasLtMatmulDescSetAttribute(l->desc, CUBLASLT_MATMUL_DESC_TRANSA, &tb, sizeof tb),
        "transpose"));
    UM_TRY(lt_check(
        cublasLtMatmulDescSetAttribute(l->desc, CUBLASLT_MATMUL_DESC_TRANSB, &ta, sizeof ta),
        "transpose"));
    UM_TRY(layout(&l->a, p->dt, p->ta ? p->k : p->m, p->ta ? p->m : p->k, p->lda, p->batch, p->sa));
    UM_TRY(layout(&l->b, p->dt, p->tb ? p->n : p->k, p->tb ? p->k : p->n, p->ldb, p->batch, p->sb));
    UM_TRY(layout(&l->c, p->dtc, p->m, p->n, p->ldc, p->batch, p->sc));
    UM_TRY(lt_check(cublasLtMatmulPreferenceCreate(&l->pref), "preference"));
    return lt_check(cublasLtMatmulPreferenceSetAttribute(
                        l->pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &work, sizeof work),
                    "workspace");
}

static void plan_free(struct plan *l)
{
    if (l->pref)
        (void)cublasLtMatmulPreferenceDestroy(l->pref);
    if (l->a)
        (void)cublasLtMatrixLayoutDestroy(l->a);
    if (l->b)
        (void)cublasLtMatrixLayoutDestroy(l->b);
    if (l->c)
        (void)cublasLtMatrixLayoutDestroy(l->c);
    if (l->desc)
        (void)cublasLtMatmulDescDestroy(l->desc);
}

static int multiply(struct um_dev *dev, const struct um_matmul *p, float beta)
{
    const float                     one  = 1;
    const size_t                    size = (size_t)32 << 20;
    struct um_cuda                 *c    = um_cuda_of(dev);
    struct plan                     l    = {};
    cublasLtMatmulHeuristicResult_t best;
    int                             found = 0, st;
    void                           *work  = um_cuda_work(dev, size);

    if (!work)
        return UM_ENOMEM;
    st = describe(&l, p, size);
    if (st == UM_OK)
        st = lt_check(cublasLtMatmulAlgoGetHeuristic(c->lt, l.desc, l.b, l.a, l.c, l.c, l.pref, 1,
                                                     &best, &found),
                      "no algorithm");
    if (st == UM_OK && found == 0)
        st = um_fail(UM_EUNSUPPORTED, "cuda: matmul: no algorithm for [%lld,%lld] x [%lld,%lld]",
                     (long long)p->m, (long long)p->k, (long long)p->k, (long long)p->n);
    if (st == UM_OK)
        st = lt_check(cublasLtMatmul(c->lt, l.desc, &one, p->b, l.b, p->a, l.a, &beta, p->c, l.c,
                                     p->c, l.c, &best.algo, work, size, c->stream),
                      "launch");
    plan_free(&l);
    return st;
}

/* C = bias + beta C: what the product is then added to */
template <typename T>
static __global__ void start(T *c, const float *bias, int64_t batch, int64_t m, int64_t n,
                             int64_t ldc, int64_t sc, float beta)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < batch * m * n;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t at = k / n / m * sc + k / n % m * ldc + k % n;
        um_st(c, at, (bias ? bias[k % n] : 0) + (beta != 0 ? um_ld(c, at) : 0));
    }
}

/* a separate pass for the bias: the epilogue's bias runs along columns and must have C's type, ours
 * is always float. In bf16 it comes after the product, so that only one rounding of the sum is
 * added. */
template <typename T>
static __global__ void add_bias(T *c, const float *bias, int64_t batch, int64_t m, int64_t n,
                                int64_t ldc, int64_t sc)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < batch * m * n;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t at = k / n / m * sc + k / n % m * ldc + k % n;
        um_st(c, at, um_ld(c, at) + bias[k % n]);
    }
}

extern "C" int um_cuda_matmul(struct um_dev *dev, const struct um_matmul *p)
{
    const int64_t count = p->batch * p->m * p->n;

    if (count == 0)
        return UM_OK;
    if (p->batch > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: matmul: batch of %lld", (long long)p->batch);
    if (p->k == 0) {
        UM_CUDA_TYPED(p->dtc,
                      (start<T><<<um_cuda_blocks(count, 256), 256, 0, um_cuda_stream(dev)>>>(
                          (T *)p->c, p->bias, p->batch, p->m, p->n, p->ldc, p->sc, p->beta)));
        return um_cuda_launched("matmul");
    }
    UM_TRY(multiply(dev, p, p->beta));
    if (!p->bias)
        return UM_OK;
    UM_CUDA_TYPED(p->dtc, (add_bias<T><<<um_cuda_blocks(count, 256), 256, 0, um_cuda_stream(dev)>>>(
                              (T *)p->c, p->bias, p->batch, p->m, p->n, p->ldc, p->sc)));
    return um_cuda_launched("matmul");
}

enum { ROWS = 256 };

template <typename T>
static __global__ void column_parts(float *part, const T *dy, int64_t n, int64_t c, int64_t ld)
{
    const int64_t j  = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t i0 = (int64_t)blockIdx.y * ROWS;
    float         s  = 0;

    if (j >= c)
        return;
    for (int64_t i = i0; i < n && i < i0 + ROWS; i++)
        s += um_ld(dy, i * ld + j);
    part[(int64_t)blockIdx.y * c + j] = s;
}

static __global__ void add_columns(float *db, const float *part, int64_t parts, int64_t c)
{
    const int64_t j = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    float         s = 0;

    if (j >= c)
        return;
    for (int64_t p = 0; p < parts; p++)
        s += part[p * c + j];
    db[j] += s;
}

extern "C" int um_cuda_bias_bwd(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy,
                                int64_t n, int64_t c, int64_t ld)
{
    const int64_t parts = (n + ROWS - 1) / ROWS;
    float        *part;

    if (n == 0 || c == 0)
        return UM_OK;
    if (parts > 65535)
        return um_fail(UM_ERANGE, "cuda: bias_bwd over %lld rows", (long long)n);
    part = (float *)um_cuda_work(dev, (size_t)(parts * c) * sizeof *part);
    if (!part)
        return UM_ENOMEM;
    UM_CUDA_TYPED(dt,
                  (column_parts<T>
                   <<<dim3(um_cuda_blocks(c, 128), (unsigned)parts), 128, 0, um_cuda_stream(dev)>>>(
                       part, (const T *)dy, n, c, ld)));
    add_columns<<<um_cuda_blocks(c, 128), 128, 0, um_cuda_stream(dev)>>>(db, part, parts, c);
    return um_cuda_launched("bias_bwd");
}
