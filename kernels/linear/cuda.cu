/* cuda.cu - products by cuBLASLt; bias gradients
 *
 * cuBLASLt sees column-major matrices, so C = A B in our row-major order is C^T = B^T A^T there:
 * the operands change places and nothing is copied. The algorithm is the heuristic's first, never
 * the fastest of a timing, so that two runs take the same one. What it has none for (rows that
 * begin at odd addresses, float operands with a bfloat16 result) a plain kernel multiplies.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/cuda.h"
#include "kernels/drop_cuda.h"

extern "C" {
#include "kernels/linear/linear.h"
}

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

/* the bytes that p is a multiple of, as far as anybody asks; the heuristic takes 256 for granted */
static int prefer_alignment(cublasLtMatmulPreference_t pref, int what, const void *p)
{
    const uintptr_t low   = (uintptr_t)p & (0 - (uintptr_t)p);
    const uint32_t  bytes = low == 0 || low > 256 ? 256 : (uint32_t)low;

    return lt_check(cublasLtMatmulPreferenceSetAttribute(
                        pref, (cublasLtMatmulPreferenceAttributes_t)what, &bytes, sizeof bytes),
                    "alignment");
}

/* sums of parts in float or not at all: never in the type of the result */
static int prefer(cublasLtMatmulPreference_t pref, const struct um_matmul *p, size_t work)
{
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;

    UM_TRY(prefer_alignment(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p->b));
    UM_TRY(prefer_alignment(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p->a));
    UM_TRY(prefer_alignment(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p->c));
    UM_TRY(prefer_alignment(pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p->c));
    UM_TRY(lt_check(cublasLtMatmulPreferenceSetAttribute(
                        pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes),
                    "reduction"));
    return lt_check(cublasLtMatmulPreferenceSetAttribute(
                        pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &work, sizeof work),
                    "workspace");
}

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
    return prefer(l->pref, p, work);
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

static const size_t LT_WORK = (size_t)32 << 20;

enum { TILE = 16 };

/* c = op(a) op(b) + beta c, a square of c a block at a time, through squares of a and b */
template <typename T, typename C>
static __global__ void plain_product(C *c, const T *a, const T *b, struct um_matmul p, float beta)
{
    __shared__ float as[TILE][TILE + 1], bs[TILE][TILE + 1];
    const int64_t    down = (p.m + TILE - 1) / TILE, across = (p.n + TILE - 1) / TILE;

    for (int64_t q = blockIdx.x; q < p.batch * down * across; q += gridDim.x) {
        const int64_t item = q / across / down;
        const int64_t i    = q / across % down * TILE + threadIdx.y,
                      j    = q % across * TILE + threadIdx.x;
        const int64_t at   = item * p.sc + i * p.ldc + j;
        float         s    = 0;

        for (int64_t l0 = 0; l0 < p.k; l0 += TILE) {
            const int64_t la = l0 + threadIdx.x, lb = l0 + threadIdx.y;

            as[threadIdx.y][threadIdx.x] =
                i < p.m && la < p.k
                    ? um_ld(a, item * p.sa + (p.ta ? la * p.lda + i : i * p.lda + la))
                    : 0;
            bs[threadIdx.y][threadIdx.x] =
                j < p.n && lb < p.k
                    ? um_ld(b, item * p.sb + (p.tb ? j * p.ldb + lb : lb * p.ldb + j))
                    : 0;
            __syncthreads();
            for (int l = 0; l < TILE; l++)
                s += as[threadIdx.y][l] * bs[l][threadIdx.x];
            __syncthreads();
        }
        if (i < p.m && j < p.n)
            um_st(c, at, beta != 0 ? s + um_ld(c, at) : s);
    }
}

template <typename T>
static int multiply_plainly(struct um_dev *dev, const struct um_matmul *p, float beta)
{
    const int64_t  squares = p->batch * ((p->m + TILE - 1) / TILE) * ((p->n + TILE - 1) / TILE);
    const unsigned grid    = um_cuda_blocks(squares, 1);
    const dim3     block(TILE, TILE);

    if (p->dtc == UM_F32)
        plain_product<<<grid, block, 0, um_cuda_stream(dev)>>>((float *)p->c, (const T *)p->a,
                                                               (const T *)p->b, *p, beta);
    else
        plain_product<<<grid, block, 0, um_cuda_stream(dev)>>>(
            (__nv_bfloat16 *)p->c, (const T *)p->a, (const T *)p->b, *p, beta);
    return um_cuda_launched("matmul");
}

/* into p->c; work: LT_WORK bytes */
static int multiply(struct um_dev *dev, const struct um_matmul *p, float beta, void *work)
{
    const float                     one = 1;
    struct um_cuda                 *c   = um_cuda_of(dev);
    struct plan                     l   = {};
    cublasLtMatmulHeuristicResult_t best;
    int                             found = 0, st;

    st = describe(&l, p, LT_WORK);
    if (st == UM_OK && cublasLtMatmulAlgoGetHeuristic(c->lt, l.desc, l.b, l.a, l.c, l.c, l.pref, 1,
                                                      &best, &found) != CUBLAS_STATUS_SUCCESS)
        found = 0; /* none for these types or addresses */
    if (st == UM_OK && found == 0)
        UM_CUDA_TYPED(p->dt, st = multiply_plainly<T>(dev, p, beta));
    else if (st == UM_OK)
        st = lt_check(cublasLtMatmul(c->lt, l.desc, &one, p->b, l.b, p->a, l.a, &beta, p->c, l.c,
                                     p->c, l.c, &best.algo, work, LT_WORK, c->stream),
                      "launch");
    plan_free(&l);
    return st;
}

/* What stands around a product, one pass over it: acc is the product in float, [batch,m,n] dense,
 * or NULL for 0. Only a product with nothing around it but beta is written to C by cuBLASLt itself.
 */
template <typename T>
static __global__ void finish(T *c, T *pre, const T *res, const float *acc, struct um_matmul p)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < p.batch * p.m * p.n;
         k += (int64_t)gridDim.x * blockDim.x) {
        const int64_t at = k / p.n / p.m * p.sc + k / p.n % p.m * p.ldc + k % p.n;
        float         v  = (acc ? acc[k] : 0) + (p.bias ? p.bias[k % p.n] : 0);

        if (pre)
            um_st(pre, at, v);
        if (p.act == UM_ACT_GELU)
            v = v * normcdff(v);
        v *= um_drop_factor(p.drop, (uint64_t)k);
        v += (res ? um_ld(res, at) : 0) + (p.beta != 0 ? um_ld(c, at) : 0);
        um_st(c, at, v);
    }
}

static int finish_all(struct um_dev *dev, const struct um_matmul *p, const float *acc)
{
    UM_CUDA_TYPED(
        p->dtc,
        (finish<T><<<um_cuda_blocks(p->batch * p->m * p->n, 256), 256, 0, um_cuda_stream(dev)>>>(
            (T *)p->c, (T *)p->pre, (const T *)p->res, acc, *p)));
    return um_cuda_launched("matmul");
}

/* rows x cols of x, ld apart, rounded, dense; batch items `stride` apart */
static __global__ void round_rows(__nv_bfloat16 *y, const float *x, int64_t batch, int64_t rows,
                                  int64_t cols, int64_t ld, int64_t stride)
{
    for (int64_t k = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; k < batch * rows * cols;
         k += (int64_t)gridDim.x * blockDim.x)
        um_st(y, k, x[k / cols / rows * stride + k / cols % rows * ld + k % cols]);
}

/* scratch of one product: cuBLASLt's, then the operands rounded, then the product in float */
struct parts {
    size_t a, b, acc, total;
};

static size_t part(size_t *at, size_t n)
{
    const size_t from = *at;

    *at += (n + 255) & ~(size_t)255;
    return from;
}

static struct parts parts_of(const struct um_matmul *p, bool plain)
{
    const int64_t na = p->sa ? p->batch : 1, nb = p->sb ? p->batch : 1;
    size_t        at = LT_WORK;
    struct parts  s;

    s.a     = part(&at, p->fa ? (size_t)(na * p->m * p->k) * 2 : 0);
    s.b     = part(&at, p->fb ? (size_t)(nb * p->n * p->k) * 2 : 0);
    s.acc   = part(&at, plain ? 0 : (size_t)(p->batch * p->m * p->n) * sizeof(float));
    s.total = at;
    return s;
}

static int round_operand(struct um_dev *dev, void *to, const void **x, int64_t *ld, int64_t *stride,
                         int64_t batch, int64_t rows, int64_t cols)
{
    const int64_t items = *stride ? batch : 1;

    round_rows<<<um_cuda_blocks(items * rows * cols, 256), 256, 0, um_cuda_stream(dev)>>>(
        (__nv_bfloat16 *)to, (const float *)*x, items, rows, cols, *ld, *stride);
    *x      = to;
    *ld     = cols;
    *stride = *stride ? rows * cols : 0;
    return um_cuda_launched("matmul: rounding");
}

extern "C" int um_cuda_matmul(struct um_dev *dev, const struct um_matmul *given)
{
    struct um_matmul p     = um_plain_packed(given);
    const bool       plain = !p.bias && !p.pre && !p.res && p.act == UM_ACT_NONE && !(p.drop.p > 0);
    struct um_matmul q;
    struct parts     s;
    char            *work;

    p.fa = p.fa && p.dt != UM_F32;
    p.fb = p.fb && p.dt != UM_F32;
    if (p.batch * p.m * p.n == 0)
        return UM_OK;
    if (p.batch > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: matmul: batch of %lld", (long long)p.batch);
    if (p.k == 0)
        return finish_all(dev, &p, NULL);
    s = parts_of(&p, plain);
    if (!(work = (char *)um_cuda_work(dev, s.total)))
        return UM_ENOMEM;
    if (p.fa)
        UM_TRY(round_operand(dev, work + s.a, &p.a, &p.lda, &p.sa, p.batch, p.ta ? p.k : p.m,
                             p.ta ? p.m : p.k));
    if (p.fb)
        UM_TRY(round_operand(dev, work + s.b, &p.b, &p.ldb, &p.sb, p.batch, p.tb ? p.n : p.k,
                             p.tb ? p.k : p.n));
    if (plain)
        return multiply(dev, &p, p.beta, work);
    q     = p;
    q.c   = work + s.acc;
    q.dtc = UM_F32;
    q.ldc = p.n;
    q.sc  = p.m * p.n;
    UM_TRY(multiply(dev, &q, 0, work));
    return finish_all(dev, &p, (const float *)q.c);
}

/* cuBLASLt reads weights best as they are: bf16 ones are only rounded */
extern "C" int um_cuda_pack(struct um_dev *dev, void *dst, size_t *bytes, const struct um_weight *w)
{
    const int64_t rows = w->tb ? w->n : w->k, cols = w->tb ? w->k : w->n;

    *bytes = w->dt == UM_F32 ? 0 : (size_t)(rows * cols) * sizeof(__nv_bfloat16);
    if (!dst || *bytes == 0)
        return UM_OK;
    round_rows<<<um_cuda_blocks(rows * cols, 256), 256, 0, um_cuda_stream(dev)>>>(
        (__nv_bfloat16 *)dst, w->b, 1, rows, cols, w->ldb, 0);
    return um_cuda_launched("pack");
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
