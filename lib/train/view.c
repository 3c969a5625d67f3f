/* view.c - slices by attention, masks by attention, and the passes that are made of them */
/* SPDX-License-Identifier: Apache-2.0 */
#include "train/view.h"

#include <string.h>

#include "base/hash.h"
#include "base/philox.h"

/* ---- passes ---- */

struct um_var *um_view_pass(struct um_nn *nn, struct um_model *m, const struct um_view *v,
                            bool masked, float *attn, bool last)
{
    const struct um_model_config *c        = &m->cfg;
    const int64_t                 side     = um_model_slice_side(c);
    const int64_t                 image[4] = { v->n, 1, c->image, c->image },
                  cut[4]                   = { v->n * v->K, 1, side, side };
    const int64_t      volume[4]           = { v->n, c->volume[0], c->volume[1], c->volume[2] };
    const int64_t     *dim                 = v->mod == UM_2D ? image : volume;
    struct um_var     *x                   = v->there ? um_nn_there(nn, UM_F32, 4, dim, v->there)
                                                      : um_nn_input(nn, UM_F32, 4, dim, v->x);
    struct um_sequence s                   = { .image  = v->mod == UM_2D ? x : NULL,
                                               .volume = v->mod == UM_3D ? x : NULL,
                                               .z      = v->z,
                                               .attn   = attn,
                                               .last   = last };

    if (v->K > 0)
        s.slices = um_nn_input(nn, UM_F32, 4, cut, v->slices);
    if (masked && v->keep) {
        s.keep = v->keep;
        s.kept = v->kept;
    } else if (masked) {
        s.mask = v->masked;
    }
    return um_model_sequence(nn, m, &s);
}

struct um_var *um_view_pick(struct um_nn *nn, const struct um_view *v, struct um_var *y)
{
    const int64_t k = 1 + v->kept;
    int32_t      *at;

    if (!v->keep)
        return y;
    if (!(at = um_nn_host(nn, (size_t)(v->n * k) * sizeof *at)))
        return NULL;
    for (int64_t i = 0; i < v->n; i++) {
        at[i * k] = 0;
        for (int64_t j = 0; j < v->kept; j++)
            at[i * k + 1 + j] = 1 + v->keep[i * v->kept + j];
    }
    return um_pick_tokens(nn, y, at, k);
}

int um_looker_meanwhile(struct um_looker *l)
{
    int (*const fn)(void *user) = l->meanwhile;

    l->meanwhile = NULL;
    return fn ? fn(l->user) : UM_OK;
}

/* a pass with Eq. 1: attention [n,1+T] to the host, in the arena */
static int attend(struct um_looker *l, struct um_model *m, const struct um_view *v,
                  struct um_arena *a, struct um_var **y, float **attn)
{
    const int64_t  dim[2] = { v->n, 1 + v->T };
    struct um_var *w      = um_nn_zeros(l->nn, UM_F32, 2, dim);

    *y = um_view_pass(l->nn, m, v, false, w ? w->data : NULL, l->method->attn_last);
    UM_TRY(um_nn_status(l->nn));
    if (!(*attn = um_alloc_array(a, dim[0] * dim[1], sizeof **attn)))
        return UM_ENOMEM;
    UM_TRY(um_nn_fetch(l->nn, w, *attn));
    const int st = um_looker_meanwhile(l), come = um_nn_wait(l->nn);

    return st < 0 ? st : come; /* waited in any case: *attn will be another's */
}

/* ---- slices (4.2, 4.3) ---- */

static struct um_rng draw(const struct um_looker *l, const struct um_part *p, int64_t i,
                          enum um_purpose purpose, int64_t step, int which)
{
    const char *key = p->b->key[p->from + i];

    return um_rng_at(l->seed, purpose, um_hash64(key, strlen(key)) + (uint64_t)which,
                     (uint32_t)step);
}

/* rows and pictures of sample i's slices; attn [1+T_3D] of it, or NULL */
static int cut_slices(struct um_looker *l, const struct um_part *p, int64_t i, int64_t step,
                      const float *attn, struct um_arena *a, struct um_view *v)
{
    const struct um_model_config *c = &l->m->cfg;
    const struct um_method       *o = l->method;
    const int64_t                 S = um_model_slabs(c), side = um_model_slice_side(c);
    struct um_slice              *best = um_calloc_array(a, v->K, sizeof *best);
    struct um_tensor t      = { .name = "attention", .dtype = UM_F32, .ndim = 2 }, score, im;
    struct um_tensor volume = { .name = "volume", .dtype = UM_F32, .ndim = 3 };
    struct um_rng    rng    = draw(l, p, i, UM_RNG_SLICE, step, 0);

    if (!best)
        return UM_ENOMEM;
    memcpy(volume.dim, c->volume, sizeof c->volume);
    volume.data = (float *)(uintptr_t)(v->x + i * c->volume[0] * c->volume[1] * c->volume[2]);
    if (attn) {
        t.dim[0] = S, t.dim[1] = um_model_tokens(c, UM_3D) / S;
        t.data = (float *)(uintptr_t)(attn + 1);
        UM_TRY(um_slice_score(a, &t, c->volume[0], &score));
    }
    UM_TRY(um_slice_pick(o->select, c->volume[0], c->volume[0] / S, v->K, o->spread, &score, &rng,
                         best));
    for (int64_t k = 0; k < v->K; k++) {
        UM_TRY(um_slice_image(a, &volume, best[k].z, side, &im));
        memcpy(v->slices + (i * v->K + k) * side * side, im.data,
               (size_t)(side * side) * sizeof(float));
        v->z[i * v->K + k] = (int32_t)best[k].z;
    }
    return UM_OK;
}

static int add_slices(struct um_looker *l, const struct um_part *p, int64_t step,
                      struct um_arena *a, struct um_view *v)
{
    const struct um_model_config *c    = &l->m->cfg;
    const int64_t                 side = um_model_slice_side(c);
    struct um_var                *y;
    float                        *attn = NULL;

    if (l->method->select == UM_SELECT_ATTENTION) {
        UM_TRY(um_nn_begin(l->nn, false, false, 0, 0));
        UM_TRY(attend(l, l->method->attn_student ? l->m : l->teacher, v, a, &y, &attn));
    }
    v->K      = l->method->slices;
    v->z      = um_alloc_array(a, v->n * v->K, sizeof *v->z);
    v->slices = um_alloc_array(a, v->n * v->K * side * side, sizeof *v->slices);
    if (!v->z || !v->slices)
        return UM_ENOMEM;
    for (int64_t i = 0; i < v->n; i++)
        UM_TRY(cut_slices(l, p, i, step, attn ? attn + i * (1 + v->T) : NULL, a, v));
    v->T = um_sequence_tokens(c, UM_3D, v->K);
    return UM_OK;
}

/* ---- masks (6) ---- */

static int keep_tokens(struct um_looker *l, const struct um_part *p, int64_t step, int which,
                       const float *attn, struct um_arena *a, struct um_view *v)
{
    const struct um_keep_opts *o = &l->method->keep;
    struct um_keep_group      *g = um_calloc_array(a, 1 + v->K, sizeof *g);
    int                        n;

    v->masked = um_alloc_array(a, v->n * v->T, 1);
    if (!g || !v->masked)
        return UM_ENOMEM;
    UM_TRY(um_keep_groups(&l->m->cfg, v->mod, v->K, o, g, &n));
    v->kept = um_keep_count(g, n, o);
    if (l->method->drop && !(v->keep = um_alloc_array(a, v->n * v->kept, sizeof *v->keep)))
        return UM_ENOMEM;
    for (int64_t i = 0; i < v->n; i++) {
        struct um_rng rng = draw(l, p, i, UM_RNG_MASK, step, which);
        uint8_t      *m   = v->masked + i * v->T;
        int64_t       k   = 0;

        UM_TRY(um_keep_choose(g, n, o, attn ? attn + i * (1 + v->T) + 1 : NULL, &rng, m));
        for (int64_t t = 0; t < v->T; t++) {
            if (m[t] && v->keep)
                v->keep[i * v->kept + k++] = (int32_t)t;
            m[t] = !m[t];
        }
    }
    return UM_OK;
}

/* the complete view through the teacher, for its outputs and for the attention that masks; where
 * that is the student's, through the student as well */
static int complete(struct um_looker *l, const struct um_part *p, int64_t step, int which,
                    bool masks, struct um_arena *a, struct um_view *v, struct um_var **seen)
{
    const struct um_method *o    = l->method;
    const bool              want = masks && !o->keep.random;
    float                  *attn = NULL;

    if (want && o->attn_student)
        UM_TRY(attend(l, l->m, v, a, seen, &attn));
    if (want && !o->attn_student)
        UM_TRY(attend(l, l->teacher, v, a, seen, &attn));
    else
        *seen = um_view_pass(l->nn, l->teacher, v, false, NULL, false);
    UM_TRY(um_nn_status(l->nn));
    return masks ? keep_tokens(l, p, step, which, attn, a, v) : UM_OK;
}

int um_look(struct um_looker *l, const struct um_part *p, int64_t step, bool masks,
            struct um_arena *a, struct um_view view[UM_VIEWS], struct um_var *seen[UM_VIEWS])
{
    const struct um_batch        *b = p->b;
    const struct um_model_config *c = &l->m->cfg;
    const int                     n = b->mod == UM_2D && b->x2 && masks ? 2 : 1;
    const int64_t                 each =
        b->mod == UM_2D ? c->image * c->image : c->volume[0] * c->volume[1] * c->volume[2];

    for (int i = 0; i < n; i++)
        view[i] = (struct um_view){ .mod   = b->mod,
                                    .n     = p->n,
                                    .T     = um_model_tokens(c, b->mod),
                                    .x     = (i ? b->x2 : b->x) + p->from * each,
                                    .there = b->there[i] ? b->there[i] + p->from * each : NULL };
    if (um_method_pairs(l->method, b->mod))
        UM_TRY(add_slices(l, p, step, a, &view[0]));
    for (int i = 0; seen && i < UM_VIEWS; i++)
        seen[i] = NULL;
    if (!seen || !um_method_distils(l->method))
        return UM_OK;
    UM_TRY(um_nn_begin(l->nn, false, false, 0, 0));
    for (int i = 0; i < n; i++)
        UM_TRY(complete(l, p, step, i, masks && um_method_masks(l->method), a, &view[i], &seen[i]));
    return UM_OK;
}
