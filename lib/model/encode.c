/* encode.c - gathering items into batches, running them, handing the rows back */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/encode.h"

#include <stdlib.h>
#include <string.h>

#include "model/sequence.h"
#include "model/slice.h"

struct um_encoder {
    struct um_model              *m;
    struct um_nn                 *nn;
    struct um_encoder_opts        o;
    int64_t                       n; /* items picked */
    const struct um_encode_item **pick;
};

int um_encoder_new(struct um_encoder **ep, struct um_model *m, const struct um_encoder_opts *opts)
{
    const int64_t      most = opts->spread ? um_model_slabs(&m->cfg) : m->cfg.volume[0];
    struct um_encoder *e;
    int                st;

    *ep = NULL;
    if (opts->slices > most)
        return um_fail(UM_ERANGE, "%lld slices: a volume of this model has %lld %s",
                       (long long)opts->slices, (long long)most, opts->spread ? "slabs" : "slices");
    e = calloc(1, sizeof *e);
    if (!e || !(e->pick = calloc((size_t)opts->batch, sizeof *e->pick))) {
        free(e);
        return um_fail(UM_ENOMEM, "out of memory");
    }
    e->m = m;
    e->o = *opts;
    if ((st = um_nn_new(&e->nn, m->ps->dev,
                        &(struct um_nn_opts){ .dtype = opts->dtype, .frozen = true })) < 0) {
        um_encoder_free(e);
        return st;
    }
    *ep = e;
    return UM_OK;
}

void um_encoder_free(struct um_encoder *e)
{
    if (!e)
        return;
    um_nn_free(e->nn);
    free(e->pick);
    free(e);
}

int um_encode_check_ids(const struct um_model_config *cfg, const int32_t *ids, const uint8_t *mask,
                        int64_t len)
{
    int64_t on = 0;

    if (len < 1 || len > cfg->text_positions)
        return um_fail(UM_ESHAPE, "`ids` [%lld]: the model has %lld positions", (long long)len,
                       (long long)cfg->text_positions);
    for (int64_t i = 0; i < len; i++) {
        if (ids[i] < 0 || ids[i] >= cfg->vocab)
            return um_fail(UM_ERANGE, "`ids`: %d at %lld, the model knows 0 to %lld", ids[i],
                           (long long)i, (long long)cfg->vocab - 1);
        if (mask[i] > 1)
            return um_fail(UM_ERANGE, "`ids_mask`: %d at %lld, expected 0 or 1", mask[i],
                           (long long)i);
        on += mask[i];
    }
    return on ? UM_OK : um_fail(UM_ERANGE, "`ids_mask` leaves no id");
}

/* ---- rows back to their items ---- */

/* y [n, row] to the host, in the step's memory */
static float *fetch(struct um_encoder *e, const struct um_var *y)
{
    int64_t count = 1;
    float  *host;

    for (int i = 0; y && i < y->ndim; i++)
        count *= y->dim[i];
    host = um_nn_host(e->nn, (size_t)count * sizeof *host);
    if (!host || um_nn_read(e->nn, y, host) < 0)
        return NULL;
    return host;
}

/* row i of host, from its element `skip` on, n elements, to `to` if that is wanted */
static void hand_back(float *to, const float *host, int64_t i, int64_t row, int64_t skip)
{
    if (to && host)
        memcpy(to, host + i * row + skip, (size_t)(row - skip) * sizeof *to);
}

/* ---- pictures ---- */

static struct um_var *pictures(struct um_encoder *e, enum um_modality mod)
{
    const struct um_model_config *c      = &e->m->cfg;
    const int64_t                 dim[4] = { e->n, mod == UM_2D ? 1 : c->volume[0],
                             mod == UM_2D ? c->image : c->volume[1],
                             mod == UM_2D ? c->image : c->volume[2] };
    const int64_t each = dim[1] * dim[2] * dim[3];
    float                        *x      = um_nn_host(e->nn, (size_t)(e->n * each) * sizeof *x);

    for (int64_t i = 0; x && i < e->n; i++)
        memcpy(x + i * each, e->pick[i]->picture, (size_t)each * sizeof *x);
    return x ? um_nn_input(e->nn, UM_F32, 4, dim, x) : NULL;
}

/* pictures with the slices that their attention [n,1+T] picks */
static int cut_slices(struct um_encoder *e, const float *attn, struct um_sequence *s)
{
    const struct um_model_config *c = &e->m->cfg;
    const int64_t    K = e->o.slices, side = um_model_slice_side(c), S = um_model_slabs(c);
    const int64_t    T = um_model_tokens(c, UM_3D), dim[4] = { e->n * K, 1, side, side };
    struct um_slice *best = um_nn_host(e->nn, (size_t)K * sizeof *best);
    int32_t         *z    = um_nn_host(e->nn, (size_t)(e->n * K) * sizeof *z);
    float           *x    = um_nn_host(e->nn, (size_t)(e->n * K * side * side) * sizeof *x);
    struct um_arena *a;
    int              st = UM_OK;

    if (!best || !z || !x)
        return um_nn_status(e->nn);
    UM_TRY(um_arena_new(&a));
    for (int64_t i = 0; i < e->n && st >= 0; i++) {
        const struct um_tensor w = { .dtype = UM_F32,
                                     .ndim  = 2,
                                     .dim   = { S, T / S },
                                     .data  = (float *)(uintptr_t)(attn + i * (1 + T) + 1) };
        const struct um_tensor v = { .dtype = UM_F32,
                                     .ndim  = 3,
                                     .dim   = { c->volume[0], c->volume[1], c->volume[2] },
                                     .data  = (float *)(uintptr_t)e->pick[i]->picture };
        struct um_tensor       score, im;

        um_arena_reset(a);
        if ((st = um_slice_score(a, &w, c->volume[0], &score)) >= 0)
            st = um_slice_select(&score, c->volume[0] / S, K, e->o.spread, best);
        for (int64_t k = 0; k < K && st >= 0; k++) {
            z[i * K + k] = (int32_t)best[k].z;
            if ((st = um_slice_image(a, &v, best[k].z, side, &im)) >= 0)
                memcpy(x + (i * K + k) * side * side, im.data, (size_t)(side * side) * sizeof *x);
        }
    }
    um_arena_free(a);
    s->z      = z;
    s->slices = st >= 0 ? um_nn_input(e->nn, UM_F32, 4, dim, x) : NULL;
    return st;
}

static int vision(struct um_encoder *e, enum um_modality mod)
{
    const int64_t      T = 1 + um_model_tokens(&e->m->cfg, mod), C = e->m->cfg.width;
    const bool         pairs = mod == UM_3D && e->o.slices > 0;
    const float       *cls, *emb, *tok = NULL, *att = NULL;
    bool               tokens = false, attention = pairs;
    struct um_var     *x, *y, *a, *v;
    struct um_sequence s = { .image = NULL };

    for (int64_t i = 0; i < e->n; i++) {
        tokens    = tokens || e->pick[i]->tokens;
        attention = attention || e->pick[i]->attention;
    }
    UM_TRY(um_nn_begin(e->nn, false, false, 0, 0));
    a = attention ? um_nn_zeros(e->nn, UM_F32, 2, (int64_t[]){ e->n, T }) : NULL;
    x = pictures(e, mod);
    y = um_model_vision(e->nn, e->m, mod, x, a ? a->data : NULL);
    UM_TRY(um_nn_status(e->nn));
    if (attention && !(att = fetch(e, a)))
        return um_nn_status(e->nn) < 0 ? um_nn_status(e->nn) : UM_EIO;
    if (pairs) {
        s.volume = x;
        UM_TRY(cut_slices(e, att, &s));
        y = um_slice_tokens(e->nn, um_model_sequence(e->nn, e->m, &s), 0, T);
    }
    v = um_slice_tokens(e->nn, y, 0, 1);
    UM_TRY(um_nn_status(e->nn));
    if (!(cls = fetch(e, v)) || !(emb = fetch(e, um_model_project_vision(e->nn, e->m, mod, v))) ||
        (tokens && !(tok = fetch(e, y))))
        return um_nn_status(e->nn) < 0 ? um_nn_status(e->nn) : UM_EIO;
    for (int64_t i = 0; i < e->n; i++) {
        hand_back(e->pick[i]->cls, cls, i, C, 0);
        hand_back(e->pick[i]->embedding, emb, i, e->m->cfg.embed, 0);
        hand_back(e->pick[i]->tokens, tok, i, T * C, C);
        hand_back(e->pick[i]->attention, att, i, T, 1);
    }
    return UM_OK;
}

/* ---- texts ---- */

static int text(struct um_encoder *e, enum um_modality mod)
{
    const int64_t  T = e->pick[0]->len;
    int32_t       *ids;
    uint8_t       *mask;
    const float   *cls, *emb;
    struct um_var *y;

    UM_TRY(um_nn_begin(e->nn, false, false, 0, 0));
    ids  = um_nn_host(e->nn, (size_t)(e->n * T) * sizeof *ids);
    mask = um_nn_host(e->nn, (size_t)(e->n * T));
    if (!ids || !mask)
        return um_nn_status(e->nn);
    for (int64_t i = 0; i < e->n; i++) {
        memcpy(ids + i * T, e->pick[i]->ids, (size_t)T * sizeof *ids);
        memcpy(mask + i * T, e->pick[i]->ids_mask, (size_t)T);
    }
    y = um_model_text(e->nn, e->m, e->n, T, ids, mask);
    UM_TRY(um_nn_status(e->nn));
    if (!(cls = fetch(e, y)) || !(emb = fetch(e, um_model_project_text(e->nn, e->m, mod, y))))
        return um_nn_status(e->nn) < 0 ? um_nn_status(e->nn) : UM_EIO;
    for (int64_t i = 0; i < e->n; i++) {
        hand_back(e->pick[i]->text_cls, cls, i, e->m->cfg.text_width, 0);
        hand_back(e->pick[i]->text_embedding, emb, i, e->m->cfg.embed, 0);
    }
    return UM_OK;
}

/* ---- all of them ---- */

/* may b share a batch with a, as pictures or as texts? */
static bool alike(const struct um_encode_item *a, const struct um_encode_item *b, bool texts)
{
    if (a->mod != b->mod)
        return false;
    return texts ? b->ids && a->len == b->len : b->picture != NULL;
}

/* batches of what is alike, each begun by the first item not done yet */
static int pass(struct um_encoder *e, const struct um_encode_item *it, int64_t n, bool texts,
                bool *done)
{
    for (int64_t i = 0; i < n; i++) {
        if (done[i] || !(texts ? it[i].ids != NULL : it[i].picture != NULL))
            continue;
        e->n = 0;
        for (int64_t j = i; j < n && e->n < e->o.batch; j++)
            if (!done[j] && alike(&it[i], &it[j], texts)) {
                e->pick[e->n++] = &it[j];
                done[j]         = true;
            }
        UM_TRY(texts ? text(e, it[i].mod) : vision(e, it[i].mod));
    }
    return UM_OK;
}

int um_encoder_run(struct um_encoder *e, const struct um_encode_item *items, int64_t n)
{
    bool *done = calloc((size_t)(n > 0 ? 2 * n : 1), sizeof *done);
    int   st;

    if (!done)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = pass(e, items, n, false, done)) >= 0)
        st = pass(e, items, n, true, done + n);
    free(done);
    return st;
}
