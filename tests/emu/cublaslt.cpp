/* cublaslt.cpp - cuBLASLt's products by plain loops, as far as um uses them
 *
 * Column-major, as there. What the real library documents as unsupported is refused, so that a
 * wrong descriptor is found here: types that do not go together, a bias of another type than it
 * takes, an epilogue that is not known. SPDX-License-Identifier: Apache-2.0
 */
#include <cublasLt.h>

#include <cuda_bf16.h>
#include <new>
#include <stdint.h>
#include <string.h>
#include <vector>

#include "tests/emu/fiber.h"
#include "tests/emu/runtime.h"

namespace
{
struct layout {
    cudaDataType_t type;
    int64_t        rows, cols, ld, stride;
    int32_t        batch;
};

struct desc {
    cublasOperation_t   ta, tb;
    cublasLtEpilogue_t  epilogue;
    const void         *bias;
    cudaDataType_t      bias_type; /* -1: that of D */
    cublasComputeType_t compute;
    cudaDataType_t      scale;
};

struct preference {
    size_t   work;
    uint32_t align[4];
};

template <typename T> struct layout *layout_of(T p)
{
    return (struct layout *)p;
}

size_t size_of(cudaDataType_t t)
{
    return t == CUDA_R_16BF ? 2 : t == CUDA_R_32F ? 4 : 0;
}

float at(const void *p, cudaDataType_t t, int64_t i)
{
    if (t == CUDA_R_32F)
        return ((const float *)p)[i];
    return __bfloat162float(((const __nv_bfloat16 *)p)[i]);
}

void put(void *p, cudaDataType_t t, int64_t i, float v)
{
    if (t == CUDA_R_32F)
        ((float *)p)[i] = v;
    else
        ((__nv_bfloat16 *)p)[i] = __float2bfloat16_rn(v);
}

/* what the real library has for these types: A and B alike, D float or as A, C as D, the bias as D
 */
bool supported(const struct desc &d, const struct layout &a, const struct layout &b,
               const struct layout &c, const struct layout &y)
{
    const int64_t m  = d.ta == CUBLAS_OP_N ? a.rows : a.cols,
                  k  = d.ta == CUBLAS_OP_N ? a.cols : a.rows;
    const int64_t n  = d.tb == CUBLAS_OP_N ? b.cols : b.rows,
                  kb = d.tb == CUBLAS_OP_N ? b.rows : b.cols;
    const bool bias  = d.epilogue == CUBLASLT_EPILOGUE_BIAS;

    if (d.compute != CUBLAS_COMPUTE_32F || d.scale != CUDA_R_32F || !size_of(a.type) ||
        a.type != b.type || c.type != y.type || (y.type != a.type && y.type != CUDA_R_32F))
        return false;
    if (!bias && d.epilogue != CUBLASLT_EPILOGUE_DEFAULT)
        return false;
    if (bias && ((int)d.bias_type != -1 && d.bias_type != y.type))
        return false;
    return k == kb && m == y.rows && n == y.cols && m == c.rows && n == c.cols && a.ld >= a.rows &&
           b.ld >= b.rows && c.ld >= c.rows && y.ld >= y.rows && a.batch == b.batch &&
           a.batch == y.batch && c.batch == y.batch;
}

/* bytes that every row of l begins at a multiple of, its first at one of `on` */
uint32_t row_alignment(const struct layout &l, uint32_t on)
{
    const uint64_t ld     = (uint64_t)l.ld * size_of(l.type),
                   stride = (uint64_t)l.stride * size_of(l.type);
    const uint64_t all    = ld | (l.batch > 1 ? stride : 0) | on | 256;

    return (uint32_t)(all & (0 - all));
}

uint32_t alignment(const void *p)
{
    const uint64_t all = (uintptr_t)p | 256;

    return (uint32_t)(all & (0 - all));
}

/* what an algorithm was chosen for must be what it is used for: a number of all that, the bias only
 * by its alignment */
uint64_t number_of(const struct desc &d, const struct layout *const l[4])
{
    const int64_t words[] = { d.ta, d.tb, d.epilogue, (int64_t)d.bias_type,
                              d.epilogue == CUBLASLT_EPILOGUE_BIAS ? alignment(d.bias) : 0 };
    uint64_t      h       = 1;

    for (int64_t w : words)
        h = (h ^ (uint64_t)w) * 0x9e3779b97f4a7c15u + 1;
    for (int i = 0; i < 4; i++)
        for (int64_t w : { (int64_t)l[i]->type, l[i]->rows, l[i]->cols, l[i]->ld,
                           l[i]->batch > 1 ? l[i]->stride : 0, (int64_t)l[i]->batch })
            h = (h ^ (uint64_t)w) * 0x9e3779b97f4a7c15u + 1;
    return h;
}

/* all that l describes lies in one allocation */
bool there(const void *p, const struct layout &l)
{
    const int64_t last = (l.batch - 1) * l.stride + (l.cols - 1) * l.ld + l.rows;

    return p && um_emu::on_card(p, (size_t)last * size_of(l.type));
}

/* op(x) of one item as floats, [rows][cols] */
std::vector<float> dense(const void *x, const struct layout &l, cublasOperation_t t, int64_t item)
{
    const int64_t rows = t == CUBLAS_OP_N ? l.rows : l.cols,
                  cols = t == CUBLAS_OP_N ? l.cols : l.rows;
    std::vector<float> r((size_t)(rows * cols));

    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            r[(size_t)(i * cols + j)] =
                at(x, l.type, item * l.stride + (t == CUBLAS_OP_N ? j * l.ld + i : i * l.ld + j));
    return r;
}

struct product {
    struct desc   d;
    struct layout a, b, c, y;
    const void   *pa, *pb, *pc;
    void         *py;
    float         alpha, beta;
};

void multiply(const struct product &p)
{
    const int64_t m = p.y.rows, n = p.y.cols, k = p.d.ta == CUBLAS_OP_N ? p.a.cols : p.a.rows;

    for (int64_t item = 0; item < p.y.batch; item++) {
        const std::vector<float> a = dense(p.pa, p.a, p.d.ta, item),
                                 b = dense(p.pb, p.b, p.d.tb, item);
        std::vector<float> row((size_t)n);

        for (int64_t i = 0; i < m; i++) {
            std::fill(row.begin(), row.end(), 0.0f);
            for (int64_t l = 0; l < k; l++)
                for (int64_t j = 0; j < n; j++)
                    row[(size_t)j] += a[(size_t)(i * k + l)] * b[(size_t)(l * n + j)];
            for (int64_t j = 0; j < n; j++) {
                float v = p.alpha * row[(size_t)j];

                if (p.beta != 0)
                    v += p.beta * at(p.pc, p.c.type, item * p.c.stride + j * p.c.ld + i);
                if (p.d.epilogue == CUBLASLT_EPILOGUE_BIAS)
                    v += at(p.d.bias, p.y.type, i);
                put(p.py, p.y.type, item * p.y.stride + j * p.y.ld + i, v);
            }
        }
    }
}
} // namespace

extern "C" cublasStatus_t CUBLASWINAPI cublasLtCreate(cublasLtHandle_t *h)
{
    *h = (cublasLtHandle_t) new int(0);
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtDestroy(cublasLtHandle_t h)
{
    delete (int *)h;
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" const char *CUBLASWINAPI cublasLtGetStatusString(cublasStatus_t s)
{
    return s == CUBLAS_STATUS_SUCCESS ? "success" : "emulated failure";
}

extern "C" size_t CUBLASWINAPI cublasLtGetVersion(void)
{
    return CUBLAS_VERSION;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l,
                                                                  cudaDataType t, uint64_t rows,
                                                                  uint64_t cols, int64_t ld)
{
    *l = (cublasLtMatrixLayout_t) new layout{ t, (int64_t)rows, (int64_t)cols, ld, 0, 1 };
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
    delete layout_of(l);
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatrixLayoutSetAttribute(
    cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t a, const void *v, size_t n)
{
    if (a == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && n == sizeof(int32_t))
        layout_of(l)->batch = *(const int32_t *)v;
    else if (a == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET && n == sizeof(int64_t))
        layout_of(l)->stride = *(const int64_t *)v;
    else
        return CUBLAS_STATUS_INVALID_VALUE;
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d,
                                                                cublasComputeType_t   c,
                                                                cudaDataType_t        scale)
{
    *d = (cublasLtMatmulDesc_t) new desc{
        CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr, (cudaDataType_t)-1, c, scale
    };
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    delete (struct desc *)d;
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatmulDescSetAttribute(
    cublasLtMatmulDesc_t given, cublasLtMatmulDescAttributes_t a, const void *v, size_t n)
{
    struct desc *d = (struct desc *)given;

    if (a == CUBLASLT_MATMUL_DESC_TRANSA && n == sizeof d->ta)
        memcpy(&d->ta, v, n);
    else if (a == CUBLASLT_MATMUL_DESC_TRANSB && n == sizeof d->tb)
        memcpy(&d->tb, v, n);
    else if (a == CUBLASLT_MATMUL_DESC_EPILOGUE && n == sizeof d->epilogue)
        memcpy(&d->epilogue, v, n);
    else if (a == CUBLASLT_MATMUL_DESC_BIAS_POINTER && n == sizeof d->bias)
        memcpy(&d->bias, v, n);
    else if (a == CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE && n == sizeof d->bias_type)
        memcpy(&d->bias_type, v, n);
    else
        return CUBLAS_STATUS_INVALID_VALUE;
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    *p = (cublasLtMatmulPreference_t) new preference{ 0, { 256, 256, 256, 256 } };
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    delete (struct preference *)p;
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t given, cublasLtMatmulPreferenceAttributes_t a, const void *v,
    size_t n)
{
    struct preference *p = (struct preference *)given;

    switch (a) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        if (n != sizeof p->work)
            return CUBLAS_STATUS_INVALID_VALUE;
        memcpy(&p->work, v, n);
        return CUBLAS_STATUS_SUCCESS;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: memcpy(&p->align[0], v, 4); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: memcpy(&p->align[1], v, 4); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: memcpy(&p->align[2], v, 4); break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: memcpy(&p->align[3], v, 4); break;
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: break;
    default: return CUBLAS_STATUS_INVALID_VALUE;
    }
    return n == 4 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

/* an algorithm says the alignments it was chosen for, in the order A, B, C, D: cublasLtMatmul holds
 * it to them */
extern "C" cublasStatus_t CUBLASWINAPI cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t y, cublasLtMatmulPreference_t pref, int,
    cublasLtMatmulHeuristicResult_t *r, int *found)
{
    const struct preference *p   = (const struct preference *)pref;
    struct layout           *l[] = { layout_of(a), layout_of(b), layout_of(c), layout_of(y) };

    *found = 0;
    if (!supported(*(struct desc *)d, *l[0], *l[1], *l[2], *l[3]))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    memset(r, 0, sizeof *r);
    for (int i = 0; i < 4; i++) {
        const uint32_t need =
            l[i]->ld * (int64_t)size_of(l[i]->type) % 16 ? (uint32_t)size_of(l[i]->type) : 16;

        /* bfloat16's rows at odd addresses: no kernel has 2-byte accesses */
        if (row_alignment(*l[i], p->align[i]) < 4)
            return CUBLAS_STATUS_NOT_SUPPORTED;
        r->algo.data[i] = p->align[i] < need ? p->align[i] : need;
    }
    r->algo.data[4] = number_of(*(struct desc *)d, l);
    r->algo.data[5] = p->work;
    *found          = 1;
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t CUBLASWINAPI
cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t d, const void *alpha, const void *A,
               cublasLtMatrixLayout_t a, const void *B, cublasLtMatrixLayout_t b, const void *beta,
               const void *C, cublasLtMatrixLayout_t c, void *D, cublasLtMatrixLayout_t y,
               const cublasLtMatmulAlgo_t *algo, void *work, size_t size, cudaStream_t stream)
{
    const struct layout *const l[4] = { layout_of(a), layout_of(b), layout_of(c), layout_of(y) };
    const void                *at[] = { A, B, C, D };
    struct product             p    = { *(struct desc *)d,
                                        *layout_of(a),
                                        *layout_of(b),
                                        *layout_of(c),
                                        *layout_of(y),
                                        A,
                                        B,
                                        C,
                                        D,
                                        *(const float *)alpha,
                                        *(const float *)beta };

    if (!supported(p.d, p.a, p.b, p.c, p.y) ||
        (p.d.epilogue == CUBLASLT_EPILOGUE_BIAS && !p.d.bias))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (!algo || algo->data[4] != number_of(p.d, l) || size < algo->data[5] ||
        (size && ((uintptr_t)work % 256 != 0 || !um_emu::on_card(work, size))))
        return CUBLAS_STATUS_INVALID_VALUE;
    for (int i = 0; i < 4; i++)
        if ((uintptr_t)at[i] % algo->data[i] != 0 ||
            ((i != 2 || p.beta != 0) && !there(at[i], *l[i])))
            return CUBLAS_STATUS_INVALID_VALUE;
    if (p.d.epilogue == CUBLASLT_EPILOGUE_BIAS &&
        !um_emu::on_card(p.d.bias, (size_t)p.y.rows * size_of(p.y.type)))
        return CUBLAS_STATUS_INVALID_VALUE;
    return um_emu::enqueue(stream, [=] { multiply(p); }) == cudaSuccess
               ? CUBLAS_STATUS_SUCCESS
               : CUBLAS_STATUS_EXECUTION_FAILED;
}
