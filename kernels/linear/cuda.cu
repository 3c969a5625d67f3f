/* cuda.cu - products on the GPU: what cuBLASLt takes is one call, the rest a pass over its result
 *
 * route.h says how a product is done, plan.cu does it, finish.cu what is left. What cuBLASLt has
 * no algorithm for (rows that begin at odd addresses) a plain kernel multiplies.
 *
 * Where a bfloat16 result goes straight from the product to memory, cuBLASLt reads its bias in
 * bfloat16 alone, so the bias is rounded first; and GELU reads the rounded `pre`. Both round once
 * more than a product in float would, as PyTorch's autocast does, for 2 bytes an element instead of
 * 10; and GELU's backward, which reads `pre`, is then that of the very function computed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/linear/cuda_int.h"
#include "kernels/linear/route.h"

extern "C" {
#include "kernels/linear/linear.h"

UM_LINEAR_OPS(UM_DECLARE, cuda)
}

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

template <typename T> static int multiply_plainly(struct um_dev *dev, const struct um_matmul *p)
{
    const int64_t  squares = p->batch * ((p->m + TILE - 1) / TILE) * ((p->n + TILE - 1) / TILE);
    const unsigned grid    = um_cuda_blocks(squares, 1);
    const dim3     block(TILE, TILE);

    if (p->dtc == UM_F32)
        um_launch(dev, plain_product<T, float>, grid, block, 0, (float *)p->c, (const T *)p->a,
                  (const T *)p->b, *p, p->beta);
    else
        um_launch(dev, plain_product<T, __nv_bfloat16>, grid, block, 0, (__nv_bfloat16 *)p->c,
                  (const T *)p->a, (const T *)p->b, *p, p->beta);
    return um_cuda_launched(dev, "matmul");
}

int um_plain_product(struct um_dev *dev, const struct um_matmul *p)
{
    UM_CUDA_TYPED(p->dt, return multiply_plainly<T>(dev, p));
}

/* scratch of one product, 256-byte aligned: cuBLASLt's, the operands and the bias rounded, the
 * product in float */
struct parts {
    size_t a, b, bias, acc, total;
};

static size_t part(size_t *at, int64_t n, size_t size)
{
    const size_t from = *at;

    *at += ((size_t)n * size + 255) & ~(size_t)255;
    return from;
}

/* is the bias to be rounded before the product adds it? */
static bool rounds_bias(const struct um_matmul *p, const struct um_route *r)
{
    return r->bias && p->dtc == UM_BF16;
}

static struct parts parts_of(const struct um_matmul *p, const struct um_route *r)
{
    const int64_t na = p->sa ? p->batch : 1, nb = p->sb ? p->batch : 1;
    const bool    acc = r->how == UM_ROUTE_FINISH && !r->in_place;
    size_t        at  = UM_LT_WORK;
    struct parts  s;

    s.a     = part(&at, p->fa ? na * p->m * p->k : 0, 2);
    s.b     = part(&at, p->fb ? nb * p->n * p->k : 0, 2);
    s.bias  = part(&at, rounds_bias(p, r) ? p->n : 0, 2);
    s.acc   = part(&at, acc ? p->batch * p->m * p->n : 0, sizeof(float));
    s.total = at;
    return s;
}

/* a product p on its way: `bare` is what is multiplied, its operands where they will be */
struct job {
    struct um_matmul         p, bare;
    struct um_route          r;
    struct parts             s;
    char                    *work;
    const struct um_lt_plan *plan; /* NULL: the plain kernel */
};

/* operands that will be rounded lie dense in the scratch */
static void bare_operands(struct job *j)
{
    struct um_matmul *q = &j->bare;

    if (q->fa) {
        q->a   = j->work + j->s.a;
        q->lda = q->ta ? q->m : q->k;
        q->sa  = q->sa ? q->m * q->k : 0;
    }
    if (q->fb) {
        q->b   = j->work + j->s.b;
        q->ldb = q->tb ? q->k : q->n;
        q->sb  = q->sb ? q->n * q->k : 0;
    }
}

static void bare_result(struct job *j)
{
    struct um_matmul *q = &j->bare;

    q->bias = !j->r.bias                  ? NULL
              : rounds_bias(&j->p, &j->r) ? (const float *)(j->work + j->s.bias)
                                          : j->p.bias;
    if (j->r.how == UM_ROUTE_PRODUCT)
        return;
    q->res  = NULL;
    q->beta = 0;
    if (j->r.how == UM_ROUTE_GELU) {
        q->c = j->p.pre ? j->p.pre : j->p.c;
    } else if (!j->r.in_place) {
        q->c   = j->work + j->s.acc;
        q->dtc = UM_F32;
        q->ldc = q->n;
        q->sc  = q->m * q->n;
    }
}

/* the way with all that cuBLASLt may do, or the one without */
static int try_route(struct um_dev *dev, struct job *j, bool fused)
{
    j->r    = um_route_of(&j->p, fused);
    j->plan = NULL;
    if (j->r.how <= UM_ROUTE_REST)
        return UM_OK;
    j->s    = parts_of(&j->p, &j->r);
    j->work = (char *)um_cuda_work(dev, j->s.total);
    if (!j->work)
        return UM_ENOMEM;
    j->bare = j->p;
    bare_operands(j);
    bare_result(j);
    return um_lt_plan(dev, &j->bare, &j->plan);
}

static int multiply(struct um_dev *dev, const struct job *j)
{
    const struct um_matmul *p = &j->p;

    if (p->fa)
        UM_TRY(um_round(dev, j->work + j->s.a, (const float *)p->a, p->sa ? p->batch : 1,
                        p->ta ? p->k : p->m, p->ta ? p->m : p->k, p->lda, p->sa));
    if (p->fb)
        UM_TRY(um_round(dev, j->work + j->s.b, (const float *)p->b, p->sb ? p->batch : 1,
                        p->tb ? p->n : p->k, p->tb ? p->k : p->n, p->ldb, p->sb));
    if (rounds_bias(p, &j->r))
        UM_TRY(um_round(dev, j->work + j->s.bias, p->bias, 1, 1, p->n, p->n, 0));
    return j->plan ? um_lt_run(dev, j->plan, &j->bare, j->work) : um_plain_product(dev, &j->bare);
}

extern "C" int um_cuda_matmul(struct um_dev *dev, const struct um_matmul *given)
{
    struct job j = {};

    j.p    = um_plain_packed(given);
    j.p.fa = j.p.fa && j.p.dt != UM_F32;
    j.p.fb = j.p.fb && j.p.dt != UM_F32;
    if (j.p.batch > 0x7fffffff)
        return um_fail(UM_ERANGE, "cuda: matmul: batch of %lld", (long long)j.p.batch);
    UM_TRY(try_route(dev, &j, true));
    if (j.r.how == UM_ROUTE_NOTHING)
        return UM_OK;
    if (j.r.how == UM_ROUTE_REST)
        return um_finish(dev, &j.p, NULL, false);
    if (!j.plan)
        UM_TRY(try_route(dev, &j, false));
    UM_TRY(multiply(dev, &j));
    if (j.r.how == UM_ROUTE_GELU)
        return um_gelu(dev, &j.p, j.bare.c);
    return j.r.how == UM_ROUTE_FINISH ? um_finish(dev, &j.p, (const float *)j.bare.c, j.r.in_place)
                                      : UM_OK;
}

/* cuBLASLt reads weights best as they are: bf16 ones are only rounded */
extern "C" int um_cuda_pack(struct um_dev *dev, void *dst, size_t *bytes, const struct um_weight *w)
{
    const int64_t rows = w->tb ? w->n : w->k, cols = w->tb ? w->k : w->n;

    *bytes = w->dt == UM_F32 ? 0 : (size_t)(rows * cols) * sizeof(__nv_bfloat16);
    if (!dst || *bytes == 0)
        return UM_OK;
    return um_round(dev, dst, w->b, 1, rows, cols, w->ldb, 0);
}
