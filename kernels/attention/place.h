/* attention/place.h - what the attention kernels on a GPU share: where a block of threads works,
 * which keys count, what dropout keeps
 *
 * A block works on one tile of rows (queries, or keys in the backward of keys) of one head of one
 * sample and goes over the tiles of the other side, so T x T is never stored and each row's sums
 * have one owner and a fixed order. Blocks are numbered tile first, then head, then sample:
 * neighbours read the same keys. With `start`, blocks past a sample's end leave at once.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_ATTENTION_PLACE_H
#define UM_KERNELS_ATTENTION_PLACE_H

#include "kernels/cuda.h"
#include "kernels/drop_cuda.h"

/* struct um_attn for kernels, with T_ its T and dropout's constants worked out */
template <typename T> struct um_attn_view {
    const T       *q, *k, *v;
    int64_t        ldq, ldk, ldv, ldo;
    const uint8_t *mask;
    const int32_t *start;
    struct um_drop drop;
    uint32_t       limit;       /* a word >> 8 of at least this is kept */
    float          keep, scale; /* what is kept is multiplied by; 1/sqrt(d) */
    int            T_, A, d, tiles;
};

/* where this block works */
struct um_attn_place {
    int64_t  b, first, lse; /* sample; its first row; where lse of the head's token 0 lies */
    uint64_t pair;          /* dropout's index of the head's (0, 0) */
    int      h, n, row0;    /* head; tokens of the sample; the tile's first row */
};

/* a block on each `per` rows of each head; UM_ERANGE for more than a grid holds */
static inline int um_attn_blocks(const struct um_attn *a, int64_t per, unsigned *blocks)
{
    const int64_t tiles = (a->T + per - 1) / per;

    if (a->T > 0x3fffffff || tiles > 0x7fffffff / (a->B * a->A))
        return um_fail(UM_ERANGE, "cuda: attention over %lld tokens of %lld heads",
                       (long long)(a->B * a->T), (long long)a->A);
    *blocks = (unsigned)(a->B * a->A * tiles);
    return UM_OK;
}

template <typename T>
static struct um_attn_view<T> um_attn_view_of(const struct um_attn *a, int per) {
    struct um_attn_view<T> v = {
    };
    const double limit = ceil((double)a->drop.p * 16777216.0);

    v.q     = (const T *)a->q;
    v.k     = (const T *)a->k;
    v.v     = (const T *)a->v;
    v.ldq   = a->ldq;
    v.ldk   = a->ldk;
    v.ldv   = a->ldv;
    v.ldo   = a->ldo;
    v.mask  = a->key_mask;
    v.start = a->start;
    v.drop  = a->drop;
    v.limit = (uint32_t)limit;
    v.keep  = !(a->drop.p > 0) ? 1 : a->drop.p < 1 ? 1 / (1 - a->drop.p) : 0;
    v.scale = (float)(1 / sqrt((double)a->d));
    v.T_    = (int)a->T;
    v.A     = (int)a->A;
    v.d     = (int)a->d;
    v.tiles = (int)((a->T + per - 1) / per);
    return v;
}

/* this block's tile of `per` rows; false: the sample has no such rows */
template <typename T>
static __device__ bool um_attn_find(const struct um_attn_view<T> &a, int per,
                                    struct um_attn_place *at)
{
    const int head = (int)(blockIdx.x / (unsigned)a.tiles);

    at->row0  = (int)(blockIdx.x % (unsigned)a.tiles) * per;
    at->b     = head / a.A;
    at->h     = head % a.A;
    at->first = a.start ? a.start[at->b] : at->b * a.T_;
    at->n     = a.start ? (int)(a.start[at->b + 1] - at->first) : a.T_;
    at->lse   = at->first * a.A + (int64_t)at->h * at->n;
    at->pair  = (uint64_t)head * (uint64_t)a.T_ * (uint64_t)a.T_;
    return at->row0 < at->n;
}

/* where channel 0 of the head's token t lies in an array with rows ld apart */
template <typename T>
static __device__ int64_t um_attn_at(const struct um_attn_view<T> &a,
                                     const struct um_attn_place &at, int t, int64_t ld)
{
    return (at.first + t) * ld + (int64_t)at.h * a.d;
}

/* bit i, i < 64: row `from` + i is one of the sample's */
static __device__ inline uint64_t um_attn_rows(int n, int from)
{
    return n - from >= 64 ? ~(uint64_t)0 : n <= from ? 0 : ((uint64_t)1 << (n - from)) - 1;
}

/* the same for keys, and it is not masked; whole warps call it */
template <typename T>
static __device__ uint64_t um_attn_keys(const struct um_attn_view<T> &a,
                                        const struct um_attn_place &at, int from)
{
    const int u = from + (int)(threadIdx.x % 32);

    if (!a.mask)
        return um_attn_rows(at.n, from);
    const uint8_t *mask = a.mask + at.b * a.T_;
    const uint32_t low  = __ballot_sync(0xffffffffu, u < at.n && mask[u] != 0);
    const uint32_t high = __ballot_sync(0xffffffffu, u + 32 < at.n && mask[u + 32] != 0);
    return (uint64_t)high << 32 | low;
}

/* bit i, i < count <= 32: dropout keeps element `at` + i */
template <typename T>
static __device__ uint32_t um_attn_kept(const struct um_attn_view<T> &a, uint64_t at, int count)
{
    const uint64_t from = at + a.drop.first;
    const int      skip = (int)(from % 4);
    uint64_t       word = 0;

#pragma unroll 1
    for (int i = 0; 4 * i < count + skip; i++) {
        const uint64_t block = from / 4 + (uint64_t)i;
        uint4          c     = make_uint4((uint32_t)block, (uint32_t)(block >> 32), 0, 0x64726f70u);

        um_philox_cuda(&c, (uint32_t)a.drop.seed, (uint32_t)(a.drop.seed >> 32));
        const uint32_t four =
            (uint32_t)(c.x >> 8 >= a.limit) | (uint32_t)(c.y >> 8 >= a.limit) << 1 |
            (uint32_t)(c.z >> 8 >= a.limit) << 2 | (uint32_t)(c.w >> 8 >= a.limit) << 3;
        word |= (uint64_t)four << (4 * i);
    }
    return (uint32_t)(word >> skip);
}

/* lets a kernel use so much dynamic shared memory on this device: more than 48 KiB is not given
 * unasked, and each device is asked for itself */
template <typename F> static int um_attn_allow(struct um_dev *dev, F *kernel, size_t bytes)
{
    if (bytes <= 48 * 1024)
        return UM_OK;
    UM_TRY(um_cuda_use(dev));
    return um_cuda_check(cudaFuncSetAttribute((const void *)kernel,
                                              cudaFuncAttributeMaxDynamicSharedMemorySize,
                                              (int)bytes),
                         "attention");
}

/* the kernels on matrix units, matrix.h: bf16, d a multiple of 8 up to 128, every row on 16 bytes.
 * um_attn_fits: whether x, one of `a`'s arrays with rows ld apart, lies so */
static inline bool um_attn_fits(const void *x, int64_t ld)
{
    return (uintptr_t)x % 16 == 0 && ld % 8 == 0;
}

struct um_attn_grad {
    void        *dq, *dk, *dv;
    const void  *dout, *o;
    const float *lse;
    float       *delta; /* scratch, as lse: dout . o of each row */
};

int um_attn_matrix_fwd(struct um_dev *dev, void *o, float *lse, const struct um_attn *a);
int um_attn_matrix_bwd(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a);
/* the same by cuDNN, cudnn.cu. *done false: not done, and nothing of worth written */
UM_RESULT_USED int um_attn_cudnn_fwd(struct um_dev *dev, void *o, float *lse,
                                     const struct um_attn *a, bool *done);
UM_RESULT_USED int um_attn_cudnn_bwd(struct um_dev *dev, const struct um_attn_grad *g,
                                     const struct um_attn *a, bool *done);
/* and those for everything else, float.cu */
int um_attn_float_fwd(struct um_dev *dev, void *o, float *lse, const struct um_attn *a);
int um_attn_float_bwd(struct um_dev *dev, const struct um_attn_grad *g, const struct um_attn *a);

#endif
