/* rows/cpu.c - copies in chunks of rows; sums over samples keep the order of the samples */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/rows/rows.h"

#include "kernels/share.h"
#include "kernels/transpose.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_ROWS_OPS)

struct job {
    enum um_dtype  dty, dtx;
    void          *y;
    const void    *x;
    const int32_t *ids;
    int64_t        B, n, c, sy, oy, sx, ox, chunk, chunks;
    bool           acc;
    const float   *table;
    float         *dtable;
};

/* y[iy ..] = x[ix ..] or += , n elements */
static void move(const struct job *j, int64_t iy, int64_t ix, int64_t n)
{
    for (int64_t i = 0; i < n; i += UM_VL) {
        const um_vf x = um_vload(j->x, j->dtx, ix + i, n - i);

        if (j->acc)
            um_vstore(j->y, j->dty, iy + i, n - i, um_vload(j->y, j->dty, iy + i, n - i) + x);
        else
            um_vstore(j->y, j->dty, iy + i, n - i, x);
    }
}

/* task: one chunk of the block, of one sample or, where all go to one place, of every sample */
static int copy(void *arg, int64_t task, int worker)
{
    const struct job *j     = arg;
    const int64_t     all   = j->n * j->c;
    const bool        apart = j->sy >= j->n; /* the samples' blocks do not meet */
    const int64_t     from  = task % j->chunks * j->chunk;
    const int64_t     first = apart ? task / j->chunks : 0, last = apart ? first + 1 : j->B;

    (void)worker;
    for (int64_t b = first; b < last; b++)
        move(j, (b * j->sy + j->oy) * j->c + from, (b * j->sx + j->ox) * j->c + from,
             um_min(j->chunk, all - from));
    return UM_OK;
}

int UM_CPU(rows)(struct um_dev *dev, void *y, enum um_dtype dty, const void *x, enum um_dtype dtx,
                 int64_t B, int64_t n, int64_t c, int64_t sy, int64_t oy, int64_t sx, int64_t ox,
                 bool acc)
{
    const int64_t stride[4] = { sy, oy, sx, ox };
    struct job    j         = { .dty   = dty,
                                .dtx   = dtx,
                                .y     = y,
                                .x     = x,
                                .B     = B,
                                .n     = n,
                                .c     = c,
                                .sy    = sy,
                                .oy    = oy,
                                .sx    = sx,
                                .ox    = ox,
                                .acc   = acc,
                                .chunk = UM_SPAN };

    UM_TRY(um_check_copy(dty, dtx, B, n, c, stride));
    if (sy > 0 && sy < n) /* blocks that overlap: one after the other */
        j.chunk = n * c;
    else if (sy == 0)
        j.chunk = 1024;
    if (B == 0 || n == 0)
        return UM_OK;
    j.chunks = um_ceil_div(n * c, j.chunk);
    return um_share(dev, sy >= n ? B * j.chunks : j.chunks, copy, &j);
}

static int embed(void *arg, int64_t task, int worker)
{
    const struct job *j    = arg;
    const int64_t     from = task * j->chunk, to = um_min(j->n, from + j->chunk);

    (void)worker;
    for (int64_t i = from; i < to; i++)
        for (int64_t l = 0; l < j->c; l += UM_VL)
            um_vstore(j->y, j->dty, i * j->c + l, j->c - l,
                      um_vloadf(j->table, j->ids[i] * j->c + l, j->c - l));
    return UM_OK;
}

int UM_CPU(embed_fwd)(struct um_dev *dev, enum um_dtype dt, void *y, const float *table,
                      const int32_t *ids, int64_t n, int64_t v, int64_t c)
{
    struct job j = { .dty = dt, .y = y, .table = table, .ids = ids, .n = n, .c = c };

    UM_TRY(um_check_ids("embed_fwd", dt, ids, n, v, c));
    j.chunk = um_rows_per_task(c);
    return um_share(dev, um_ceil_div(n, j.chunk), embed, &j);
}

/* a task owns `chunk` columns of the table, so that each row's sum keeps the order of i */
static int embed_sum(void *arg, int64_t task, int worker)
{
    const struct job *j    = arg;
    const int64_t     from = task * j->chunk, to = um_min(j->c, from + j->chunk);

    (void)worker;
    for (int64_t i = 0; i < j->n; i++)
        for (int64_t l = from; l < to; l += UM_VL) {
            const int64_t at = j->ids[i] * j->c + l, k = to - l;

            um_vstoref(j->dtable, at, k,
                       um_vloadf(j->dtable, at, k) + um_vload(j->x, j->dtx, i * j->c + l, k));
        }
    return UM_OK;
}

int UM_CPU(embed_bwd)(struct um_dev *dev, enum um_dtype dt, float *dtable, const void *dy,
                      const int32_t *ids, int64_t n, int64_t v, int64_t c)
{
    struct job j = { .dtx = dt, .x = dy, .dtable = dtable, .ids = ids, .n = n, .c = c };

    UM_TRY(um_check_ids("embed_bwd", dt, ids, n, v, c));
    j.chunk = 64;
    return um_share(dev, um_ceil_div(c, j.chunk), embed_sum, &j);
}

struct cut {
    enum um_dtype dt;
    void         *y;
    const float  *x;
    int64_t       D, H, W, pz, py, px;
    float         scale, shift;
};

/* task: one row of patches, (sample and slab) * (H / py) + r */
static int cut_row(void *arg, int64_t task, int worker)
{
    const struct cut *c = arg;
    const int64_t     R = c->H / c->py, Q = c->W / c->px, one = c->pz * c->py * c->px;
    const int64_t     slab = task / R, r = task % R;

    (void)worker;
    for (int64_t z = 0; z < c->pz; z++)
        for (int64_t i = 0; i < c->py; i++) {
            const float *x = c->x + ((slab * c->pz + z) * c->H + r * c->py + i) * c->W;

            for (int64_t q = 0; q < Q; q++)
                for (int64_t l = 0; l < c->px; l += UM_VL)
                    um_vstore(c->y, c->dt, (task * Q + q) * one + (z * c->py + i) * c->px + l,
                              c->px - l,
                              um_vloadf(x, q * c->px + l, c->px - l) * c->scale + c->shift);
        }
    return UM_OK;
}

int UM_CPU(patches)(struct um_dev *dev, enum um_dtype dt, void *y, const float *x, int64_t B,
                    int64_t D, int64_t H, int64_t W, int64_t pz, int64_t py, int64_t px,
                    float scale, float shift)
{
    const int64_t dim[3] = { D, H, W }, patch[3] = { pz, py, px };
    struct cut    c = { dt, y, x, D, H, W, pz, py, px, scale, shift };

    UM_TRY(um_check_patches(dt, B, dim, patch));
    return um_share(dev, B * (D / pz) * (H / py), cut_row, &c);
}

struct turn {
    enum um_dtype dt;
    void         *y;
    const void   *x;
    int64_t       r, c, cols, chunks; /* columns of x that a task takes */
};

static int turn_columns(void *arg, int64_t task, int worker)
{
    const struct turn *t    = arg;
    const size_t       es   = um_dtype_size(t->dt);
    const int64_t      item = task / t->chunks * t->r * t->c, j0 = task % t->chunks * t->cols;

    (void)worker;
    um_transpose_block((char *)t->y + (size_t)(item + j0 * t->r) * es, t->dt, t->r,
                       (const char *)t->x + (size_t)(item + j0) * es, t->dt, t->c, t->r,
                       um_min(t->cols, t->c - j0));
    return UM_OK;
}

int UM_CPU(transpose)(struct um_dev *dev, enum um_dtype dt, void *y, const void *x, int64_t B,
                      int64_t r, int64_t c)
{
    struct turn t = { .dt = dt, .y = y, .x = x, .r = r, .c = c };

    UM_TRY(um_check_transpose(dt, B, r, c));
    t.cols   = um_ceil_div(um_rows_per_task(r), 16) * 16;
    t.chunks = um_ceil_div(c, t.cols);
    return um_share(dev, B * t.chunks, turn_columns, &t);
}
