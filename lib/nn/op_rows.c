/* op_rows.c - the glue of sequences: patches, embeddings, positions, [CLS], joining, cutting,
 * turning over
 * SPDX-License-Identifier: Apache-2.0
 */
#include "nn/nn_int.h"

struct glue {
    struct um_var *a, *b; /* inputs */
    int64_t        from, n;
};

/* a block of rows copied or added: y[b sy + oy + t] (+)= x[b sx + ox + t] */
struct move {
    int64_t B, n, c, sy, oy, sx, ox;
    bool    acc;
};

static int move(struct um_nn *nn, void *y, enum um_dtype dty, const void *x, enum um_dtype dtx,
                struct move m)
{
    return nn->k->rows(nn->dev, y, dty, x, dtx, m.B, m.n, m.c, m.sy, m.oy, m.sx, m.ox, m.acc);
}

/* ---- patches ---- */

struct um_var *um_patches(struct um_nn *nn, struct um_var *x, const int64_t patch[3], float scale,
                          float shift)
{
    struct um_var *y;
    int64_t        T = 1, k = 1;
    char           s[UM_SHAPE_TEXT];

    if (nn_bad(nn, x) || !nn_has(nn, patches))
        return NULL;
    if (x->dt != UM_F32 || x->needs)
        return um_nn_fail(nn, UM_EDTYPE, "patches: x is %s, expected float32 without gradient",
                          um_dtype_name(x->dt));
    for (int i = 0; i < 3; i++) {
        if (x->ndim != 4 || patch[i] < 1 || x->dim[i + 1] % patch[i])
            return um_nn_fail(
                nn, UM_ESHAPE, "patches: x %s does not fit patches of [%lld,%lld,%lld]",
                nn_shape(x, s), (long long)patch[0], (long long)patch[1], (long long)patch[2]);
        T *= x->dim[i + 1] / patch[i];
        k *= patch[i];
    }
    if (!(y = nn_var(nn, nn->dtype, 3, (int64_t[]){ x->dim[0], T, k })) ||
        !nn_ok(nn,
               nn->k->patches(nn->dev, y->dt, y->data, x->data, x->dim[0], x->dim[1], x->dim[2],
                              x->dim[3], patch[0], patch[1], patch[2], scale, shift),
               "patches"))
        return NULL;
    return y;
}

/* ---- embedding ---- */

static int embed_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct glue *o = op;
    void              *dtable;

    UM_TRY(nn_grad_sum(nn, o->b, &dtable));
    return nn->k->embed_bwd(nn->dev, y->dt, dtable, y->grad, o->a->data, nn_count(o->a),
                            o->b->dim[0], o->b->dim[1]);
}

struct um_var *um_embed(struct um_nn *nn, struct um_var *ids, struct um_var *table)
{
    struct um_var *y;

    if (nn_bad(nn, ids) || nn_bad(nn, table) || !nn_has(nn, embed_fwd) || !nn_has(nn, embed_bwd))
        return NULL;
    if (ids->ndim != 2 || ids->dt != UM_I32 || table->ndim != 2 || table->dt != UM_F32)
        return nn_misfit(nn, "embed", "ids", ids, "table", table);
    if (!(y = nn_var(nn, UM_F32, 3, (int64_t[]){ ids->dim[0], ids->dim[1], table->dim[1] })) ||
        !nn_ok(nn,
               nn->k->embed_fwd(nn->dev, y->dt, y->data, table->data, ids->data, nn_count(ids),
                                table->dim[0], table->dim[1]),
               "embed"))
        return NULL;
    return nn_record(nn, y, embed_back, &(struct glue){ .a = ids, .b = table }, sizeof(struct glue),
                     table->needs);
}

/* ---- positions ---- */

static int add_rows_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct glue *o = op;
    const int64_t      B = y->dim[0], T = y->dim[1], C = y->dim[2];
    void              *g;

    if (o->b->needs) {
        UM_TRY(nn_grad_sum(nn, o->b, &g));
        UM_TRY(move(nn, g, o->b->dt, y->grad, y->dt,
                    (struct move){ .B = B, .n = T, .c = C, .oy = o->from, .sx = T, .acc = true }));
    }
    return o->a->needs ? nn_grad_give(nn, o->a, y) : UM_OK;
}

struct um_var *um_add_rows(struct um_nn *nn, struct um_var *x, struct um_var *pos, int64_t from)
{
    struct um_var *y;
    int64_t        B, T, C;

    if (nn_bad(nn, x) || nn_bad(nn, pos) || !nn_has(nn, rows) || !nn_has(nn, cast))
        return NULL;
    if (x->ndim != 3 || !nn_float(x->dt) || pos->dt != UM_F32 || nn_last(pos) != x->dim[2] ||
        from < 0 || from > nn_rows(pos) || x->dim[1] > nn_rows(pos) - from)
        return nn_misfit(nn, "add_rows", "x", x, "positions", pos);
    B = x->dim[0], T = x->dim[1], C = x->dim[2];
    if (!(y = nn_like(nn, x->dt, x)) ||
        !nn_ok(nn, nn->k->cast(nn->dev, y->data, y->dt, x->data, x->dt, nn_count(x)), "add_rows") ||
        !nn_ok(nn,
               move(nn, y->data, y->dt, pos->data, pos->dt,
                    (struct move){ .B = B, .n = T, .c = C, .sy = T, .ox = from, .acc = true }),
               "add_rows"))
        return NULL;
    return nn_record(nn, y, add_rows_back, &(struct glue){ .a = x, .b = pos, .from = from },
                     sizeof(struct glue), x->needs || pos->needs);
}

/* ---- [CLS] in front ---- */

static int prepend_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct glue *o = op;
    const int64_t      B = y->dim[0], T = y->dim[1], C = y->dim[2];
    void              *g;

    if (o->a->needs) {
        UM_TRY(nn_grad_sum(nn, o->a, &g));
        UM_TRY(move(nn, g, o->a->dt, y->grad, y->dt,
                    (struct move){ .B = B, .n = 1, .c = C, .sx = T, .acc = true }));
    }
    if (!o->b->needs)
        return UM_OK;
    UM_TRY(nn_grad_open(nn, o->b, &g));
    UM_TRY(move(nn, g, o->b->dt, y->grad, y->dt,
                (struct move){ .B = B, .n = T - 1, .c = C, .sy = T - 1, .sx = T, .ox = 1 }));
    return nn_grad_close(nn, o->b, g);
}

struct um_var *um_prepend(struct um_nn *nn, struct um_var *cls, struct um_var *x)
{
    struct um_var *y;
    int64_t        B, T, C;

    if (nn_bad(nn, cls) || nn_bad(nn, x) || !nn_has(nn, rows))
        return NULL;
    if (x->ndim != 3 || !nn_float(x->dt) || !nn_float(cls->dt) || nn_count(cls) != x->dim[2])
        return nn_misfit(nn, "prepend", "cls", cls, "x", x);
    B = x->dim[0], T = x->dim[1] + 1, C = x->dim[2];
    if (!(y = nn_var(nn, x->dt, 3, (int64_t[]){ B, T, C })) ||
        !nn_ok(nn,
               move(nn, y->data, y->dt, cls->data, cls->dt,
                    (struct move){ .B = B, .n = 1, .c = C, .sy = T }),
               "prepend") ||
        !nn_ok(nn,
               move(nn, y->data, y->dt, x->data, x->dt,
                    (struct move){ .B = B, .n = T - 1, .c = C, .sy = T, .oy = 1, .sx = T - 1 }),
               "prepend"))
        return NULL;
    return nn_record(nn, y, prepend_back, &(struct glue){ .a = cls, .b = x }, sizeof(struct glue),
                     cls->needs || x->needs);
}

/* ---- joining and cutting along the tokens ---- */

static int concat_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct glue *o    = op;
    struct um_var     *v[2] = { o->a, o->b };
    const int64_t      T    = y->dim[1];
    int64_t            from = 0;

    for (int i = 0; i < 2; from += v[i]->dim[1], i++) {
        void *g;

        if (!v[i]->needs)
            continue;
        UM_TRY(nn_grad_open(nn, v[i], &g));
        UM_TRY(move(nn, g, v[i]->dt, y->grad, y->dt,
                    (struct move){ .B  = y->dim[0],
                                   .n  = v[i]->dim[1],
                                   .c  = y->dim[2],
                                   .sy = v[i]->dim[1],
                                   .sx = T,
                                   .ox = from }));
        UM_TRY(nn_grad_close(nn, v[i], g));
    }
    return UM_OK;
}

struct um_var *um_concat(struct um_nn *nn, struct um_var *a, struct um_var *b)
{
    struct um_var *y, *v[2] = { a, b };
    int64_t        B, T, C, to = 0;

    if (nn_bad(nn, a) || nn_bad(nn, b) || !nn_has(nn, rows))
        return NULL;
    if (a->ndim != 3 || b->ndim != 3 || a->dim[0] != b->dim[0] || a->dim[2] != b->dim[2] ||
        a->dt != b->dt || !nn_float(a->dt))
        return nn_misfit(nn, "concat", "a", a, "b", b);
    B = a->dim[0], T = a->dim[1] + b->dim[1], C = a->dim[2];
    if (!(y = nn_var(nn, a->dt, 3, (int64_t[]){ B, T, C })))
        return NULL;
    for (int i = 0; i < 2; to += v[i]->dim[1], i++)
        if (!nn_ok(
                nn,
                move(
                    nn, y->data, y->dt, v[i]->data, v[i]->dt,
                    (struct move){
                        .B = B, .n = v[i]->dim[1], .c = C, .sy = T, .oy = to, .sx = v[i]->dim[1] }),
                "concat"))
            return NULL;
    return nn_record(nn, y, concat_back, &(struct glue){ .a = a, .b = b }, sizeof(struct glue),
                     a->needs || b->needs);
}

static int slice_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    const struct glue *o = op;
    const int64_t      T = o->a->dim[1];
    void              *g;

    UM_TRY(nn_grad_sum(nn, o->a, &g)); /* tokens outside the cut get nothing */
    return move(nn, g, o->a->dt, y->grad, y->dt,
                (struct move){ .B   = o->a->dim[0],
                               .n   = o->n,
                               .c   = o->a->dim[2],
                               .sy  = T,
                               .oy  = o->from,
                               .sx  = o->n,
                               .acc = true });
}

struct um_var *um_slice_tokens(struct um_nn *nn, struct um_var *x, int64_t from, int64_t n)
{
    struct um_var *y;
    int64_t        B, T, C;
    char           s[UM_SHAPE_TEXT];

    if (nn_bad(nn, x) || !nn_has(nn, rows))
        return NULL;
    if (x->ndim != 3 || !nn_float(x->dt) || from < 0 || n < 1 || from > x->dim[1] - n)
        return um_nn_fail(nn, UM_ESHAPE, "slice_tokens: %lld tokens from %lld of x %s",
                          (long long)n, (long long)from, nn_shape(x, s));
    B = x->dim[0], T = x->dim[1], C = x->dim[2];
    y = n == 1 ? nn_var(nn, x->dt, 2, (int64_t[]){ B, C })
               : nn_var(nn, x->dt, 3, (int64_t[]){ B, n, C });
    if (!y || !nn_ok(nn,
                     move(nn, y->data, y->dt, x->data, x->dt,
                          (struct move){ .B = B, .n = n, .c = C, .sy = n, .sx = T, .ox = from }),
                     "slice_tokens"))
        return NULL;
    return nn_record(nn, y, slice_back, &(struct glue){ .a = x, .from = from, .n = n },
                     sizeof(struct glue), x->needs);
}

/* ---- transposes ---- */

static int transpose_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    struct um_var *x = ((const struct glue *)op)->a;
    void          *dx;

    UM_TRY(nn_grad_open(nn, x, &dx));
    UM_TRY(nn->k->transpose(nn->dev, y->dt, dx, y->grad, y->dim[0], y->dim[1], y->dim[2]));
    return nn_grad_close(nn, x, dx);
}

struct um_var *um_transpose(struct um_nn *nn, struct um_var *x)
{
    struct um_var *y;
    char           s[UM_SHAPE_TEXT];

    if (nn_bad(nn, x) || !nn_has(nn, transpose))
        return NULL;
    if (x->ndim != 3 || !nn_float(x->dt))
        return um_nn_fail(nn, UM_ESHAPE, "transpose: x %s %s, expected float [b,r,c]",
                          um_dtype_name(x->dt), nn_shape(x, s));
    y = nn_var(nn, x->dt, 3, (int64_t[]){ x->dim[0], x->dim[2], x->dim[1] });
    if (!y ||
        !nn_ok(nn,
               nn->k->transpose(nn->dev, x->dt, y->data, x->data, x->dim[0], x->dim[1], x->dim[2]),
               "transpose"))
        return NULL;
    return nn_record(nn, y, transpose_back, &(struct glue){ .a = x }, sizeof(struct glue),
                     x->needs);
}
