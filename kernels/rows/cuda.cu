/* cuda.cu - blocks of rows, embedding tables, patches, transposes: 16 bytes a thread and access
 *
 * The gradient of an embedding sorts the positions by their id first (a stable sort by digits,
 * without atomics), so that each row of the table is the sum of a run of positions. Blocks take
 * chunks of them: a run within a chunk is added to the table at once, what a chunk has of a longer
 * one goes to the workspace and is added up by the run in order.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels/sum_cuda.h"
#include "kernels/vec_cuda.h"

enum { THREADS = 256, WARPS = THREADS / 32 };

/* ---- blocks of rows ---- */

struct blocks {
    int64_t B, n, c, sy, oy, sx, ox;
};

/* a block of the grid's y takes blocks of rows, which are contiguous on both sides */
template <int V, typename Y, typename X>
static __global__ void copy_rows(Y *y, const X *x, struct blocks p, bool acc)
{
    const int64_t count = p.n * p.c;

    for (int64_t b = blockIdx.y; b < p.B; b += gridDim.y) {
        Y       *to   = y + (b * p.sy + p.oy) * p.c;
        const X *from = x + (b * p.sx + p.ox) * p.c;

        UM_EACH(V, k, count)
        {
            float v[V], was[V] = { 0 };

            um_ldv<V>(v, from + k);
            if (acc)
                um_ldv<V>(was, to + k);
#pragma unroll
            for (int l = 0; l < V; l++)
                v[l] += was[l];
            um_stv<V>(to + k, v);
        }
    }
}

/* sy = 0, acc: every b lands on the same rows, which are summed in the order of b */
template <int V, typename Y, typename X>
static __global__ void sum_rows(Y *y, const X *x, struct blocks p)
{
    UM_EACH(V, k, p.n * p.c)
    {
        const X *from = x + p.ox * p.c + k;
        float    s[V];

        um_ldv<V>(s, y + p.oy * p.c + k);
#pragma unroll 4
        for (int64_t b = 0; b < p.B; b++) {
            float v[V];

            um_ldv<V>(v, from + b * p.sx * p.c);
#pragma unroll
            for (int l = 0; l < V; l++)
                s[l] += v[l];
        }
        um_stv<V>(y + p.oy * p.c + k, s);
    }
}

/* part [parts, n c]: sums over `rows` of the b each */
template <int V, typename X>
static __global__ void sum_some(float *part, const X *x, struct blocks p, int64_t rows)
{
    const int64_t b0 = blockIdx.y * rows, b1 = b0 + rows < p.B ? b0 + rows : p.B;

    UM_EACH(V, k, p.n * p.c)
    {
        const X *from = x + p.ox * p.c + k;
        float    s[V] = { 0 };

#pragma unroll 4
        for (int64_t b = b0; b < b1; b++) {
            float v[V];

            um_ldv<V>(v, from + b * p.sx * p.c);
#pragma unroll
            for (int l = 0; l < V; l++)
                s[l] += v[l];
        }
        um_stv<V>(part + blockIdx.y * p.n * p.c + k, s);
    }
}

/* y += the parts, in order */
template <typename Y>
static __global__ void add_rows(Y *y, const float *part, int64_t parts, int64_t count)
{
    UM_EACH(1, k, count)
    {
        float s = um_ld(y, k);

#pragma unroll 8
        for (int64_t p = 0; p < parts; p++)
            s += part[p * count + k];
        um_st(y, k, s);
    }
}

template <int V, typename Y, typename X>
static int launch_sum(struct um_dev *dev, Y *y, const X *x, struct blocks p)
{
    const int64_t count = p.n * p.c, rows = um_cuda_part(p.B, (count + 1023) / 1024, 8);
    const int64_t parts = (p.B + rows - 1) / rows;
    float        *part;

    if (parts == 1 || count >= 1 << 18) {
        um_launch(dev, sum_rows<V, Y, X>, um_cuda_blocks(count, V * 64), 64, 0, y, x, p);
        return UM_OK;
    }
    if (!(part = (float *)um_cuda_work(dev, (size_t)(parts * count) * sizeof *part)))
        return UM_ENOMEM;
    um_launch(dev, sum_some<V, X>, dim3(um_cuda_blocks(count, V * 64), (unsigned)parts), 64, 0,
              part, x, p, rows);
    um_launch(dev, add_rows<Y>, um_cuda_blocks(count, 64), 64, 0, y + p.oy * p.c, part, parts,
              count);
    return UM_OK;
}

template <int V, typename Y, typename X>
static int launch_rows(struct um_dev *dev, Y *y, const X *x, struct blocks p, bool acc)
{
    if (p.sy == 0 && acc)
        return launch_sum<V>(dev, y, x, p);
    if (p.sy == 0) { /* the last one stays */
        p.ox += (p.B - 1) * p.sx;
        p.B = 1;
    }
    um_launch(dev, copy_rows<V, Y, X>,
              dim3(um_cuda_grid(dev, p.n * p.c, V * THREADS), p.B < 65535 ? (unsigned)p.B : 65535),
              THREADS, 0, y, x, p, acc);
    return UM_OK;
}

/* whether all blocks begin at vectors of V */
template <typename Y, typename X>
static bool vectors(int V, const Y *y, const X *x, struct blocks p)
{
    return um_aligned(y, x) &&
           (p.n * p.c | p.sy * p.c | p.oy * p.c | p.sx * p.c | p.ox * p.c) % V == 0;
}

template <typename Y, typename X>
static int run_rows(struct um_dev *dev, Y *y, const X *x, struct blocks p, bool acc)
{
    constexpr int N = um_vec<Y, X>::N;

    UM_CUDA_VEC(vectors(N, y, x, p), N, UM_TRY((launch_rows<V, Y, X>(dev, y, x, p, acc))));
    return um_cuda_launched(dev, "rows");
}

extern "C" int um_cuda_rows(struct um_dev *dev, void *y, enum um_dtype dty, const void *x,
                            enum um_dtype dtx, int64_t B, int64_t n, int64_t c, int64_t sy,
                            int64_t oy, int64_t sx, int64_t ox, bool acc)
{
    const struct blocks p = { B, n, c, sy, oy, sx, ox };

    if (B == 0 || n == 0 || c == 0)
        return UM_OK;
    if (dtx == UM_F32)
        UM_CUDA_TYPED(dty, return (run_rows<T>(dev, (T *)y, (const float *)x, p, acc)));
    if (dtx == UM_BF16)
        UM_CUDA_TYPED(dty, return (run_rows<T>(dev, (T *)y, (const __nv_bfloat16 *)x, p, acc)));
    return um_fail(UM_EDTYPE, "cuda: rows of %s", um_dtype_name(dtx));
}

/* ---- embedding tables ---- */

template <int V, typename T>
static __global__ void gather(T *y, const float *table, const int32_t *ids, int64_t n, int64_t v,
                              int64_t c, int *flag)
{
    UM_EACH(V, k, n * c)
    {
        const int64_t i = um_quot(k, c), id = ids[i];
        float         f[V];

        if (id < 0 || id >= v) {
            *flag = 1;
            continue;
        }
        um_ldv<V>(f, table + id * c + (k - i * c));
        um_stv<V>(y + k, f);
    }
}

extern "C" int um_cuda_embed_fwd(struct um_dev *dev, enum um_dtype dt, void *y, const float *table,
                                 const int32_t *ids, int64_t n, int64_t v, int64_t c)
{
    if (n == 0 || c == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt, UM_CUDA_VEC(um_vec_rows(4, c, y, table), 4,
                                  (um_launch(dev, gather<V, T>,
                                             um_cuda_grid(dev, n * c, V * THREADS), THREADS, 0,
                                             (T *)y, table, ids, n, v, c, um_cuda_of(dev)->flag))));
    return um_cuda_launched(dev, "embed_fwd");
}

/* The sort: by DIGIT bits in turn, lowest first. A block has LOT positions, each of its warps a
 * stretch of them, 32 at a time: a position's place is that of its digit in its warp, and how many
 * before it in the warp have the digit. */
enum { DIGIT = 8, DIGITS = 1 << DIGIT, STRETCH = 256, LOT = WARPS * STRETCH };

/* positions of a chunk, those read at once, chunks a block of `join` */
enum { CHUNK = 32, BATCH = 4, GROUP = 16 };

/* positions in the order so far: ids, or what the last digit left; `last` for ids out of range,
 * which so come last */
struct order {
    const int32_t *ids; /* NULL: key, pos */
    uint32_t      *key, *pos;
    uint32_t       last;
};

static __device__ inline uint32_t key_of(struct order o, int64_t i, int *flag)
{
    if (!o.ids)
        return o.key[i];
    const uint32_t id = (uint32_t)o.ids[i];
    if (id >= o.last)
        *flag = 1;
    return id < o.last ? id : o.last;
}

/* the lanes with this lane's digit; `in`: the lane has one */
static __device__ inline unsigned alike(unsigned digit, bool in)
{
    unsigned m = __ballot_sync(0xffffffffu, in);

#pragma unroll
    for (int b = 0; b < DIGIT; b++) {
        const unsigned one = __ballot_sync(0xffffffffu, digit >> b & 1);

        m &= digit >> b & 1 ? one : ~one;
    }
    return m;
}

/* count [WARPS][DIGITS]: of each warp's stretch */
static __device__ inline void count_digits(uint32_t (*count)[DIGITS], struct order o, int64_t n,
                                           int shift, int *flag)
{
    const int     lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int64_t from = (int64_t)blockIdx.x * LOT + warp * STRETCH;

    for (int d = lane; d < DIGITS; d += 32)
        count[warp][d] = 0;
    __syncwarp();
    for (int k = 0; k < STRETCH; k += 32) {
        const bool     in    = from + k + lane < n;
        const unsigned digit = in ? key_of(o, from + k + lane, flag) >> shift & (DIGITS - 1) : 0;
        const unsigned m     = alike(digit, in);

        if (in && (m & ((1u << lane) - 1)) == 0)
            count[warp][digit] += __popc(m);
        __syncwarp();
    }
    __syncthreads();
}

/* counts [DIGITS, lots] */
static __global__ void count_lots(uint32_t *counts, struct order o, int64_t n, int shift, int *flag)
{
    __shared__ uint32_t count[WARPS][DIGITS];

    count_digits(count, o, n, shift, flag);
    uint32_t sum = 0;
    for (int w = 0; w < WARPS; w++)
        sum += count[w][threadIdx.x];
    counts[(int64_t)threadIdx.x * gridDim.x + blockIdx.x] = sum;
}

/* a[i] = the sum of those before it, i < n, by one block: a thread has a run of them */
static __global__ void __launch_bounds__(1024) sums_before(uint32_t *a, int64_t n)
{
    __shared__ uint32_t of_warp[32];
    const int64_t       run = (n + blockDim.x - 1) / blockDim.x, from = threadIdx.x * run;
    const int64_t       to   = from + run < n ? from + run : n;
    const int           lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    uint32_t            own = 0, before;

    for (int64_t i = from; i < to; i++)
        own += a[i];
    before = own;
    for (int o = 1; o < 32; o <<= 1) {
        const uint32_t v = __shfl_up_sync(0xffffffffu, before, o);

        before += lane >= o ? v : 0;
    }
    if (lane == 31)
        of_warp[warp] = before;
    __syncthreads();
    before -= own;
    for (int w = 0; w < warp; w++)
        before += of_warp[w];
    for (int64_t i = from; i < to; i++) {
        const uint32_t v = a[i];

        a[i] = before;
        before += v;
    }
}

/* every position to its place: key, pos; counts: of the digits and lots before */
static __global__ void place(uint32_t *key, uint32_t *pos, const uint32_t *counts, struct order o,
                             int64_t n, int shift, int *flag)
{
    __shared__ uint32_t count[WARPS][DIGITS];
    const int           lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int64_t       from = (int64_t)blockIdx.x * LOT + warp * STRETCH;

    count_digits(count, o, n, shift, flag);
    uint32_t at = counts[(int64_t)threadIdx.x * gridDim.x + blockIdx.x];
    for (int w = 0; w < WARPS; w++) {
        const uint32_t c = count[w][threadIdx.x];

        count[w][threadIdx.x] = at;
        at += c;
    }
    __syncthreads();
    for (int k = 0; k < STRETCH; k += 32) {
        const int64_t  i     = from + k + lane;
        const bool     in    = i < n;
        const uint32_t full  = in ? key_of(o, i, flag) : 0;
        const unsigned digit = full >> shift & (DIGITS - 1), m = alike(digit, in);
        const unsigned rank = __popc(m & ((1u << lane) - 1));
        const uint32_t to   = in ? count[warp][digit] + rank : 0;

        __syncwarp();
        if (in) {
            key[to] = full;
            pos[to] = o.ids ? (uint32_t)i : o.pos[i];
            if (rank == 0)
                count[warp][digit] += __popc(m);
        }
        __syncwarp();
    }
}

/* n positions by their ids: key, pos in order; counts: room for DIGITS lots; key2, pos2: for n.
 * Where they end up: *key, *pos */
static void sort(struct um_dev *dev, uint32_t **key, uint32_t **pos, uint32_t *key2, uint32_t *pos2,
                 uint32_t *counts, const int32_t *ids, int64_t n, int64_t v)
{
    const unsigned lots = (unsigned)((n + LOT - 1) / LOT);
    int           *flag = um_cuda_of(dev)->flag;
    struct order   o    = { ids, NULL, NULL, (uint32_t)v };

    for (int shift = 0; shift == 0 || v >> shift > 0; shift += DIGIT) {
        uint32_t *k = *key, *p = *pos;

        um_launch(dev, count_lots, lots, THREADS, 0, counts, o, n, shift, flag);
        um_launch(dev, sums_before, 1, 1024, 0, counts, (int64_t)DIGITS * lots);
        um_launch(dev, place, lots, THREADS, 0, k, p, counts, o, n, shift, flag);
        o.ids = NULL;
        o.key = k, o.pos = p;
        *key = key2, *pos = pos2;
        key2 = k, pos2 = p;
    }
    *key = o.key;
    *pos = o.pos;
}

/* a run's sum: added to the table, or put where it is joined to the rest */
template <int V> static __device__ inline void put_run(float *out, float *s, bool add)
{
    float was[V] = { 0 };

    if (add)
        um_ldv<V>(was, out);
#pragma unroll
    for (int k = 0; k < V; k++)
        was[k] += s[k], s[k] = 0;
    um_stv<V>(out, was);
}

/* chunk g of the order: its runs. One that lies within it goes to the table; of one that began
 * before, the sum here goes to head[g]; of one that begins here and goes on, to tail[g]. */
template <int V, typename T>
static __global__ void scatter(float *dtable, float *head, float *tail, const T *dy,
                               const uint32_t *key, const uint32_t *pos, int64_t n, int64_t v,
                               int64_t c)
{
    const int64_t  g = blockIdx.x, from = g * CHUNK, to = from + CHUNK < n ? from + CHUNK : n;
    const int64_t  j    = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * V;
    const uint32_t none = (uint32_t)v, before = from > 0 ? key[from - 1] : none;
    const uint32_t after = to < n ? key[to] : none;
    float          s[V]  = { 0 };

    if (j >= c)
        return;
    for (int64_t i = from; i < to; i += BATCH) {
        uint32_t id[BATCH + 1];
        float    f[BATCH][V];

#pragma unroll
        for (int b = 0; b <= BATCH; b++)
            id[b] = i + b < to ? key[i + b] : none;
#pragma unroll
        for (int b = 0; b < BATCH; b++)
            if (id[b] != none)
                um_ldv<V>(f[b], dy + (int64_t)pos[i + b] * c + j);
#pragma unroll
        for (int b = 0; b < BATCH; b++) {
            if (id[b] == none)
                break;
#pragma unroll
            for (int k = 0; k < V; k++)
                s[k] += f[b][k];
            if (id[b] == id[b + 1])
                continue;
            if (id[b] == before)
                put_run<V>(head + g * c + j, s, false);
            else if (i + b + 1 == to && id[b] == after)
                put_run<V>(tail + g * c + j, s, false);
            else
                put_run<V>(dtable + id[b] * c + j, s, true);
        }
    }
}

/* whether a run begins in chunk g and goes on behind it */
static __device__ inline bool goes_on(const uint32_t *key, int64_t n, int64_t g, uint32_t none)
{
    const int64_t  from = g * CHUNK, end = from + CHUNK;
    const uint32_t id = end < n ? key[end] : none;

    return id != none && key[end - 1] == id && (from == 0 || key[from - 1] != id);
}

/* the last chunk of the run that goes on behind chunk g: a search, as the keys rise */
static __device__ inline int64_t last_chunk(const uint32_t *key, int64_t n, int64_t g)
{
    const uint32_t id  = key[(g + 1) * CHUNK];
    int64_t        low = g + 1, high = (n - 1) / CHUNK;

    while (low < high) {
        const int64_t mid = (low + high + 1) / 2;

        if (key[mid * CHUNK] == id)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

/* the runs that begin in the block's chunks and go on: tail and the heads behind it, by rows of
 * threads as um_add_parts does */
static __global__ void join(float *dtable, const float *head, const float *tail,
                            const uint32_t *key, int64_t n, int64_t v, int64_t c)
{
    __shared__ float   s[UM_PART_ROWS][UM_PART_COLS];
    __shared__ int64_t last[GROUP]; /* or 0: none goes on */
    const int64_t      g0 = (int64_t)blockIdx.y * GROUP;
    const int64_t      j  = (int64_t)blockIdx.x * UM_PART_COLS + threadIdx.x;

    if (threadIdx.y == 0 && threadIdx.x < GROUP)
        last[threadIdx.x] = goes_on(key, n, g0 + threadIdx.x, (uint32_t)v)
                                ? last_chunk(key, n, g0 + threadIdx.x)
                                : 0;
    __syncthreads();
    for (int k = 0; k < GROUP; k++) {
        const int64_t g = g0 + k;
        float         a = 0;

        if (last[k] == 0)
            continue; /* the whole block */
        if (j < c)
#pragma unroll 8
            for (int64_t h = g + 1 + threadIdx.y; h <= last[k]; h += UM_PART_ROWS)
                a += head[h * c + j];
        s[threadIdx.y][threadIdx.x] = a;
        __syncthreads();
        if (threadIdx.y == 0 && j < c) {
            for (int i = 1; i < UM_PART_ROWS; i++)
                a += s[i][threadIdx.x];
            dtable[key[(g + 1) * CHUNK] * c + j] += tail[g * c + j] + a;
        }
        __syncthreads();
    }
}

/* threads of a block that takes V columns a thread, and blocks for c columns */
static unsigned threads_for(int64_t c, int V)
{
    const int64_t t = (c + V - 1) / V;

    return t < THREADS ? (unsigned)((t + 31) / 32 * 32) : (unsigned)THREADS;
}

template <int V, typename T>
static void add_runs(struct um_dev *dev, float *dtable, float *head, const T *dy,
                     const uint32_t *key, const uint32_t *pos, int64_t n, int64_t v, int64_t c)
{
    const int64_t  chunks = (n + CHUNK - 1) / CHUNK;
    const unsigned t = threads_for(c, V), across = um_cuda_blocks(c, (int64_t)t * V);
    float         *tail = head + chunks * c;

    um_launch(dev, scatter<V, T>, dim3((unsigned)chunks, across), t, 0, dtable, head, tail, dy, key,
              pos, n, v, c);
    um_launch(dev, join, dim3(um_part_grid(c), (unsigned)((chunks + GROUP - 1) / GROUP)),
              um_part_block(), 0, dtable, head, tail, key, n, v, c);
}

extern "C" int um_cuda_embed_bwd(struct um_dev *dev, enum um_dtype dt, float *dtable,
                                 const void *dy, const int32_t *ids, int64_t n, int64_t v,
                                 int64_t c)
{
    const int64_t lots = (n + LOT - 1) / LOT, chunks = (n + CHUNK - 1) / CHUNK;
    const int64_t room = (4 * n + DIGITS * lots + 3) / 4 * 4;
    uint32_t     *key, *pos, *counts;
    float        *head;

    if (n == 0 || c == 0)
        return UM_OK;
    if (v < 1 || v >= 0x7fffffff || n >= (int64_t)CHUNK * GROUP * 65535 || c >= (int64_t)65535 * 32)
        return um_fail(UM_ERANGE, "cuda: an embedding table [%lld,%lld], %lld ids", (long long)v,
                       (long long)c, (long long)n);
    key = (uint32_t *)um_cuda_work(dev, (size_t)(room + 2 * chunks * c) * sizeof *head);
    if (!key)
        return UM_ENOMEM;
    pos    = key + n;
    counts = key + 4 * n;
    head   = (float *)key + room;
    sort(dev, &key, &pos, key + 2 * n, key + 3 * n, counts, ids, n, v);
    UM_CUDA_TYPED(
        dt, UM_CUDA_VEC(um_vec_rows(4, c, dtable, dy), 4,
                        (add_runs<V, T>(dev, dtable, head, (const T *)dy, key, pos, n, v, c))));
    return um_cuda_launched(dev, "embed_bwd");
}

/* ---- patches ---- */

struct cut {
    int64_t B, D, H, W, pz, py, px;
    float   scale, shift;
};

/* k is split into its digits from the last on; *k = what is left */
static __device__ inline int64_t digit(int64_t *k, int64_t base)
{
    const int64_t q = um_quot(*k, base), d = *k - q * base;

    *k = q;
    return d;
}

template <int V, typename T> static __global__ void cut_patches(T *y, const float *x, struct cut p)
{
    UM_EACH(V, at, p.B * p.D * p.H * p.W)
    {
        int64_t       k = at;
        const int64_t j = digit(&k, p.px), i = digit(&k, p.py), z = digit(&k, p.pz);
        const int64_t c = digit(&k, p.W / p.px), r = digit(&k, p.H / p.py);
        const int64_t plane = k * p.pz + z; /* k: sample and slab */
        float         f[V];

        um_ldv<V>(f, x + (plane * p.H + r * p.py + i) * p.W + c * p.px + j);
#pragma unroll
        for (int l = 0; l < V; l++)
            f[l] = p.scale * f[l] + p.shift;
        um_stv<V>(y + at, f);
    }
}

extern "C" int um_cuda_patches(struct um_dev *dev, enum um_dtype dt, void *y, const float *x,
                               int64_t B, int64_t D, int64_t H, int64_t W, int64_t pz, int64_t py,
                               int64_t px, float scale, float shift)
{
    const struct cut p = { B, D, H, W, pz, py, px, scale, shift };
    const int64_t    n = B * D * H * W;

    if (pz < 1 || py < 1 || px < 1 || D % pz || H % py || W % px)
        return um_fail(UM_ERANGE, "patches: [%lld,%lld,%lld] does not divide [%lld,%lld,%lld]",
                       (long long)pz, (long long)py, (long long)px, (long long)D, (long long)H,
                       (long long)W);
    if (n == 0)
        return UM_OK;
    UM_CUDA_TYPED(dt,
                  UM_CUDA_VEC(um_vec_rows(4, px, y, x), 4,
                              (um_launch(dev, cut_patches<V, T>, um_cuda_grid(dev, n, V * THREADS),
                                         THREADS, 0, (T *)y, x, p))));
    return um_cuda_launched(dev, "patches");
}

/* ---- transposes ---- */

enum { TILE = 64 };

/* a block turns one square over at a time, through shared memory, so that both sides run along
 * rows; a thread has two neighbours (PAIRS, where rows begin at pairs) or elements 32 apart */
template <bool PAIRS, typename T>
static __global__ void turn(T *y, const T *x, int64_t B, int64_t r, int64_t c)
{
    __shared__ float square[TILE][TILE + 1];
    const int64_t    down = (r + TILE - 1) / TILE, across = (c + TILE - 1) / TILE;
    const int        first = PAIRS ? 2 * threadIdx.x : threadIdx.x, apart = PAIRS ? 1 : 32;

    for (int64_t k = blockIdx.x; k < B * down * across; k += gridDim.x) {
        const int64_t row = um_quot(k, across), b = um_quot(row, down);
        const int64_t i0 = (row - b * down) * TILE, j0 = (k - row * across) * TILE;

        for (int l = threadIdx.y; l < TILE; l += blockDim.y) {
            const T *from = x + (b * r + i0 + l) * c + j0;
            float    v[2] = { 0, 0 };

            if (i0 + l < r && PAIRS && j0 + first < c)
                um_ldv<2>(v, from + first);
            for (int h = 0; !PAIRS && h < 2; h++)
                if (i0 + l < r && j0 + first + h * apart < c)
                    v[h] = um_ld(from, first + h * apart);
            square[l][first]         = v[0];
            square[l][first + apart] = v[1];
        }
        __syncthreads();
        for (int l = threadIdx.y; l < TILE; l += blockDim.y) {
            T          *to   = y + (b * c + j0 + l) * r + i0;
            const float v[2] = { square[first][l], square[first + apart][l] };

            if (j0 + l < c && PAIRS && i0 + first < r)
                um_stv<2>(to + first, v);
            for (int h = 0; !PAIRS && h < 2; h++)
                if (j0 + l < c && i0 + first + h * apart < r)
                    um_st(to, first + h * apart, v[h]);
        }
        __syncthreads();
    }
}

extern "C" int um_cuda_transpose(struct um_dev *dev, enum um_dtype dt, void *y, const void *x,
                                 int64_t B, int64_t r, int64_t c)
{
    const int64_t  squares = B * ((r + TILE - 1) / TILE) * ((c + TILE - 1) / TILE);
    const unsigned grid    = um_cuda_blocks(squares, 1);
    const bool     pairs   = r % 2 == 0 && c % 2 == 0 && um_aligned(x, y);

    if (squares == 0)
        return UM_OK;
    if (pairs)
        UM_CUDA_TYPED(dt, (um_launch(dev, turn<true, T>, grid, dim3(32, 8), 0, (T *)y, (const T *)x,
                                     B, r, c)));
    else
        UM_CUDA_TYPED(dt, (um_launch(dev, turn<false, T>, grid, dim3(32, 8), 0, (T *)y,
                                     (const T *)x, B, r, c)));
    return um_cuda_launched(dev, "transpose");
}
