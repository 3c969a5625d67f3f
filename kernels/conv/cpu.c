/* conv/cpu.c - convolutions in blocks, each one call of oneDNN
 *
 * A task is a block of planes and rows of one sample. Its part of x and y is turned over to
 * channels last in the worker's workspace, with the zeros of the padding written out, which is the
 * form oneDNN is fastest with; its result is turned back. All blocks of a convolution have one
 * size, cut by the shape alone: what lies past the end is zero on the way in and left out on the
 * way back. So there is one plan, and the bits do not depend on the number of threads. Gradients of
 * weights are summed by a fixed number of parts, each over its blocks in order. Where oneDNN has no
 * bfloat16 convolution (before AVX-512), blocks and weights that were rounded to bfloat16 are
 * widened, and a float one works on them: the products are the same. SPDX-License-Identifier:
 * Apache-2.0
 */
#include "kernels/conv/conv.h"

#include "kernels/conv/onednn.h"
#include "kernels/share.h"
#include "kernels/transpose.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_CONV_OPS)

enum {
    BLOCK = 3 << 16, /* floats of x and y of a block: what stays in the second-level cache */
    TASKS = 16,      /* blocks wanted, for threads to share, .. */
    SMALL = 1 << 21, /* .. unless they have fewer multiply-adds than this */
    SUMS  = 1 << 24  /* floats of all parts of a gradient of weights, unless two need more */
};

/* one of the two arrays: block b along axis i has `size` places from first + b step; places
 * outside 0..whole-1 are zero */
struct side {
    int64_t c, size[3], first[3], step[3], whole[3];
};

struct conv {
    struct um_dev        *dev;
    const struct um_conv *c;
    struct um_dnn_conv   *plan;
    enum um_dtype         dt; /* of the blocks that are read */
    struct side           x, y;
    int64_t               blocks[3], tasks, run; /* run: tasks of a part */
    const void           *px, *py;
    void                 *out;
    const float          *bias;
    char                 *w;   /* weights in the plan's layout */
    float                *sum; /* [parts][floats]: their gradient */
    int64_t               parts, floats;
};

/* ---- blocks: channels last and back -------------------------------------------------------------
 */

/* the places of a row along the last axis that are there: from .. to-1 */
static int64_t row_part(const struct side *s, int64_t *from)
{
    *from = s->first[2] < 0 ? -s->first[2] : 0;
    return um_min(s->size[2], s->whole[2] - s->first[2]);
}

/* *at: where row r of the block at f starts in a channel; false: it is all outside */
static bool row_at(const struct side *s, const int64_t f[2], int64_t r, int64_t *at)
{
    const int64_t d = f[0] + r / s->size[1], h = f[1] + r % s->size[1];

    *at = (d * s->whole[1] + h) * s->whole[2] + s->first[2];
    return d >= 0 && d < s->whole[0] && h >= 0 && h < s->whole[1];
}

static void zero_places(const struct side *s, char *row, enum um_dtype dt, int64_t from, int64_t to)
{
    const size_t place = (size_t)s->c * um_dtype_size(dt);

    memset(row + (size_t)from * place, 0, (size_t)(to - from) * place);
}

/* block of dtype dtb = the places of x [c,whole..] of dtype dt */
static void gather(const struct side *s, const int64_t f[2], char *block, enum um_dtype dtb,
                   const char *x, enum um_dtype dt)
{
    const int64_t S   = um_volume(s->whole);
    const size_t  row = (size_t)(s->size[2] * s->c) * um_dtype_size(dtb);
    int64_t       from;
    const int64_t to = row_part(s, &from);

    for (int64_t r = 0; r < s->size[0] * s->size[1]; r++, block += row) {
        int64_t at;

        if (!row_at(s, f, r, &at) || to <= from) {
            zero_places(s, block, dtb, 0, s->size[2]);
            continue;
        }
        zero_places(s, block, dtb, 0, from);
        um_transpose_block(block + (size_t)(from * s->c) * um_dtype_size(dtb), dtb, s->c,
                           x + (at + from) * (int64_t)um_dtype_size(dt), dt, S, s->c, to - from);
        zero_places(s, block, dtb, to, s->size[2]);
    }
}

/* y [c,whole..] = the block's places + bias */
static void scatter(const struct side *s, const int64_t f[2], float *block, const float *bias,
                    char *y, enum um_dtype dt)
{
    const int64_t S = um_volume(s->whole), row = s->size[2] * s->c;
    int64_t       from, at;
    const int64_t to = row_part(s, &from);

    for (int64_t r = 0; r < s->size[0] * s->size[1]; r++, block += row) {
        if (!row_at(s, f, r, &at) || to <= from)
            continue;
        for (int64_t i = from; bias && i < to; i++)
            for (int64_t l = 0; l < s->c; l += UM_VL)
                um_vstoref(block, i * s->c + l, s->c - l,
                           um_vloadf(block, i * s->c + l, s->c - l) + um_vloadf(bias, l, s->c - l));
        um_transpose_block(y + (at + from) * (int64_t)um_dtype_size(dt), dt, S, block + from * s->c,
                           UM_F32, s->c, to - from, s->c);
    }
}

/* ---- how a convolution is cut -------------------------------------------------------------------
 */

/* blocks of b[i] outputs (data: runs of `stride` inputs) along each axis */
static void lay(struct conv *v, const int64_t b[3], bool data)
{
    const struct um_conv *c = v->c;

    for (int i = 0; i < 3; i++) {
        const int64_t s = c->stride[i], k = c->k[i], p = c->pad[i], before = (k - 1) / s;

        v->x.whole[i] = c->in[i];
        v->y.whole[i] = um_conv_out(c, i);
        v->x.step[i]  = b[i] * s;
        v->y.step[i]  = b[i];
        v->x.size[i]  = data ? b[i] * s : (b[i] - 1) * s + k;
        v->y.size[i]  = data ? b[i] + before : b[i];
        v->x.first[i] = data ? p / s * s - p : -p;
        v->y.first[i] = data ? p / s - before : 0;
    }
}

static int64_t block_floats(const struct conv *v)
{
    return um_volume(v->x.size) * v->x.c + um_volume(v->y.size) * v->y.c;
}

static bool wants_smaller(const struct conv *v, const int64_t all[3], const int64_t b[3])
{
    const int64_t blocks = v->c->n * um_ceil_div(all[0], b[0]) * um_ceil_div(all[1], b[1]);
    const double  work =
        (double)(v->c->cin * v->c->cout * um_volume(v->c->k)) * (double)um_volume(v->y.size);

    return block_floats(v) > BLOCK || (blocks < TASKS && work > SMALL);
}

/* planes and rows are halved until a block fits the cache and there are tasks enough; the last axis
 * stays whole */
static void cut(struct conv *v, bool data)
{
    int64_t all[3], b[3];

    for (int i = 0; i < 3; i++) {
        const int64_t s = v->c->stride[i];

        all[i] = data ? um_ceil_div(v->c->pad[i] % s + v->c->in[i], s) : um_conv_out(v->c, i);
        b[i]   = all[i];
    }
    lay(v, b, data);
    while ((b[0] > 1 || b[1] > 1) && wants_smaller(v, all, b)) {
        const int i = b[1] >= b[0] ? 1 : 0;

        b[i] = um_ceil_div(b[i], 2);
        lay(v, b, data);
    }
    v->tasks = v->c->n;
    for (int i = 0; i < 3; i++) {
        v->blocks[i] = um_ceil_div(all[i], b[i]);
        b[i]         = um_ceil_div(all[i], v->blocks[i]); /* the last one hardly smaller */
        v->tasks *= v->blocks[i];
    }
    lay(v, b, data);
}

static int ask(struct conv *v, enum um_dnn_way way, enum um_dtype dt)
{
    struct um_dnn_conv_shape s;

    memset(&s, 0, sizeof s); /* compared as bytes */
    s.cin  = v->c->cin;
    s.cout = v->c->cout;
    s.way  = (int32_t)way;
    s.dt   = (int32_t)dt;
    for (int i = 0; i < 3; i++) {
        const int64_t k = v->c->k[i], stride = v->c->stride[i];

        s.in[i]     = v->x.size[i];
        s.out[i]    = v->y.size[i];
        s.k[i]      = k;
        s.stride[i] = stride;
        s.lo[i]     = way == UM_DNN_DATA ? (k - 1) / stride * stride : 0;
        s.hi[i]     = way == UM_DNN_DATA && k > stride ? k - stride : 0;
    }
    v->dt = dt;
    return um_dnn_conv(v->dev, &s, &v->plan);
}

static int plan(struct conv *v, enum um_dnn_way way)
{
    v->x.c = v->c->cin;
    v->y.c = v->c->cout;
    cut(v, way == UM_DNN_DATA);
    UM_TRY(ask(v, way, v->c->dt));
    return v->plan ? UM_OK : ask(v, way, UM_F32);
}

/* ---- forward and data
 * ----------------------------------------------------------------------------
 */

static size_t aligned(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

/* weights in the plan's layout, in the shared workspace; rounded here where the plan is float but
 * the convolution is not */
static int pack(struct conv *v, const float *w)
{
    const int64_t n      = v->c->cout * v->c->cin * um_volume(v->c->k);
    const bool    round  = v->dt != v->c->dt;
    const size_t  packed = aligned(um_dnn_conv_weights(v->plan));
    void         *room;

    UM_TRY(um_share_scratch(v->dev, packed + (round ? (size_t)n * sizeof(float) : 0), &room));
    v->w = room;
    if (round) {
        float *copy = (void *)(v->w + packed);

        for (int64_t l = 0; l < n; l += UM_VL)
            um_vstoref(copy, l, n - l, um_vbf16(um_vbf16_of(um_vloadf(w, l, n - l))));
        w = copy;
    }
    return um_dnn_conv_pack(v->dev, 0, v->plan, v->w, w);
}

/* sample, and where its block starts in x and y */
static int64_t place_of(const struct conv *v, int64_t task, int64_t fx[2], int64_t fy[2])
{
    const int64_t b[2] = { task / v->blocks[1] % v->blocks[0], task % v->blocks[1] };

    for (int i = 0; i < 2; i++) {
        fx[i] = v->x.first[i] + b[i] * v->x.step[i];
        fy[i] = v->y.first[i] + b[i] * v->y.step[i];
    }
    return task / v->blocks[1] / v->blocks[0];
}

static char *sample(const struct conv *v, const struct side *s, const void *p, int64_t i)
{
    return (char *)(uintptr_t)p + i * s->c * um_volume(s->whole) * (int64_t)um_dtype_size(v->c->dt);
}

/* from one side through oneDNN to the other */
static int through(void *arg, int64_t task, int worker)
{
    const struct conv *v    = arg;
    const bool         up   = v->px == NULL; /* from y to x */
    const struct side *from = up ? &v->y : &v->x, *to = up ? &v->x : &v->y;
    const size_t       in  = aligned((size_t)(um_volume(from->size) * from->c) * sizeof(float));
    const size_t       out = aligned((size_t)(um_volume(to->size) * to->c) * sizeof(float));
    int64_t            fx[2], fy[2];
    const int64_t      i = place_of(v, task, fx, fy);
    void              *room;

    UM_TRY(um_dev_scratch(v->dev, worker, in + out + um_dnn_conv_scratch(v->plan), &room));
    char  *source = room;
    float *result = (void *)(source + in);
    gather(from, up ? fy : fx, source, v->dt, sample(v, from, up ? v->py : v->px, i), v->c->dt);
    UM_TRY(um_dnn_conv_run(v->dev, worker, v->plan, up ? (void *)result : source, v->w,
                           up ? source : (void *)result, source + in + out));
    scatter(to, up ? fx : fy, result, v->bias, sample(v, to, v->out, i), v->c->dt);
    return UM_OK;
}

int UM_CPU(conv_fwd)(struct um_dev *dev, void *y, const void *x, const float *w, const float *bias,
                     const struct um_conv *c)
{
    struct conv v = { .dev = dev, .c = c, .px = x, .out = y, .bias = bias };

    UM_TRY(um_check_conv("conv_fwd", c));
    if (c->n == 0)
        return UM_OK;
    UM_TRY(plan(&v, UM_DNN_FORWARD));
    UM_TRY(pack(&v, w));
    return um_share(dev, v.tasks, through, &v);
}

int UM_CPU(conv_data)(struct um_dev *dev, void *x, const void *y, const float *w, const float *bias,
                      const struct um_conv *c)
{
    struct conv v = { .dev = dev, .c = c, .py = y, .out = x, .bias = bias };

    UM_TRY(um_check_conv("conv_data", c));
    if (c->n == 0)
        return UM_OK;
    UM_TRY(plan(&v, UM_DNN_DATA));
    UM_TRY(pack(&v, w));
    return um_share(dev, v.tasks, through, &v);
}

/* ---- gradients of weights and biases
 * -------------------------------------------------------------
 */

/* the sum over a part's blocks, in order */
static int sum_part(void *arg, int64_t part, int worker)
{
    const struct conv *v     = arg;
    const size_t       nx    = aligned((size_t)(um_volume(v->x.size) * v->x.c) * sizeof(float));
    const size_t       ny    = aligned((size_t)(um_volume(v->y.size) * v->y.c) * sizeof(float));
    const size_t       nw    = aligned((size_t)v->floats * sizeof(float));
    const int64_t      first = part * v->run, last = um_min(v->tasks, first + v->run);
    float             *sum = v->sum + part * v->floats;
    int64_t            fx[2], fy[2];
    void              *room;

    UM_TRY(um_dev_scratch(v->dev, worker, nx + ny + nw + um_dnn_conv_scratch(v->plan), &room));
    char  *x = room, *y = x + nx;
    float *w = (void *)(y + ny);
    for (int64_t task = first; task < last; task++) {
        const int64_t i = place_of(v, task, fx, fy);

        gather(&v->x, fx, x, v->dt, sample(v, &v->x, v->px, i), v->c->dt);
        gather(&v->y, fy, y, v->dt, sample(v, &v->y, v->py, i), v->c->dt);
        UM_TRY(
            um_dnn_conv_run(v->dev, worker, v->plan, x, task == first ? sum : w, y, y + ny + nw));
        for (int64_t l = 0; task > first && l < v->floats; l += UM_VL)
            um_vstoref(sum, l, v->floats - l,
                       um_vloadf(sum, l, v->floats - l) + um_vloadf(w, l, v->floats - l));
    }
    return UM_OK;
}

/* some of the sum over all parts, in the first */
static int join_parts(void *arg, int64_t task, int worker)
{
    const struct conv *v = arg;

    (void)worker;
    for (int64_t i = task * UM_SPAN; i < um_min(v->floats, (task + 1) * UM_SPAN); i += UM_VL) {
        const int64_t k = um_min(v->floats, (task + 1) * UM_SPAN) - i;
        um_vf         s = um_vloadf(v->sum, i, k);

        for (int64_t p = 1; p < v->parts; p++)
            s += um_vloadf(v->sum + p * v->floats, i, k);
        um_vstoref(v->sum, i, k, s);
    }
    return UM_OK;
}

int UM_CPU(conv_weights)(struct um_dev *dev, float *dw, const void *y, const void *x,
                         const struct um_conv *c)
{
    struct conv   v = { .dev = dev, .c = c, .px = x, .py = y };
    const int64_t n = c->cout * c->cin * um_volume(c->k);
    void         *room;

    UM_TRY(um_check_conv("conv_weights", c));
    if (c->n == 0)
        return UM_OK;
    UM_TRY(plan(&v, UM_DNN_WEIGHTS));
    v.floats = (int64_t)(aligned(um_dnn_conv_weights(v.plan)) / sizeof(float));
    v.parts  = SUMS / v.floats < 2 ? 2 : um_min(UM_PARTS, SUMS / v.floats);
    v.run    = um_ceil_div(v.tasks, v.parts);
    v.parts  = um_ceil_div(v.tasks, v.run);
    UM_TRY(um_share_scratch(dev, (size_t)(v.parts * v.floats + n) * sizeof(float), &room));
    v.sum = room;
    UM_TRY(um_share(dev, v.parts, sum_part, &v));
    UM_TRY(um_share(dev, um_ceil_div(v.floats, UM_SPAN), join_parts, &v));
    float *plain = v.sum + v.parts * v.floats;
    UM_TRY(um_dnn_conv_unpack(dev, 0, v.plan, plain, v.sum));
    for (int64_t l = 0; l < n; l += UM_VL)
        um_vstoref(dw, l, n - l, um_vloadf(dw, l, n - l) + um_vloadf(plain, l, n - l));
    return UM_OK;
}

struct maps {
    enum um_dtype dt;
    const void   *x;
    float        *sum;
    int64_t       n, c, s;
};

static int sum_channel(void *arg, int64_t j, int worker)
{
    enum { RUN = 64 };
    const struct maps *m     = arg;
    double             total = (double)m->sum[j];

    (void)worker;
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t l = 0; l < m->s;) {
            const int64_t end = um_min(m->s, l + RUN * UM_VL);
            um_vf         run = { 0 };

            for (; l < end; l += UM_VL)
                run += um_vload(m->x, m->dt, (i * m->c + j) * m->s + l, m->s - l);
            total += (double)um_vsum(run);
        }
    m->sum[j] = (float)total;
    return UM_OK;
}

int UM_CPU(conv_bias)(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy, int64_t n,
                      int64_t c, int64_t s)
{
    struct maps m = { dt, dy, db, n, c, s };

    UM_TRY(um_check_maps("conv_bias", dt, n, c, s));
    return n > 0 ? um_share(dev, c, sum_channel, &m) : UM_OK;
}
