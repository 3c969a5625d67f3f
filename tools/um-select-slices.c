/* um-select-slices - keep the K slices of each volume that draw the most attention
 *
 * reads   volume [D,H,W] float32 in 0..1, attention [S,P] float32 (Eq. 1: S slabs of P tokens)
 * writes  one record KEY/sZ per slice, ascending z: image [1,N,N] float32 in 0..1; meta score,
 * rank, z, position (mm); or with --scores one record per volume: score [D] float32
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"
#include "base/philox.h"
#include "cli/flow.h"
#include "model/slice.h"

static struct config {
    struct um_common common;
    int64_t          k, size;
    const char      *rule;
    enum um_select   select;
    bool             spread, scores;
    atomic_bool      warned; /* of a K that cuts a slab */
} cfg = { .common = UM_COMMON_INIT, .rule = "attention", .k = 4, .size = 224 };

static const struct um_opt opts[] = {
    UM_OPT_INT('k', "slices", "N", &cfg.k, 1, UM_SLICE_MAX, true, "slices to keep per volume"),
    UM_OPT_CHOICE(0, "select", "attention|random|uniform|middle", &cfg.rule, true,
                  "which ones; the others to compare with"),
    UM_OPT_FLAG(0, "spread", &cfg.spread, true, "the middle slice of each of the N best slabs"),
    UM_OPT_INT(0, "slice-size", "N", &cfg.size, 1, 4096, true, "side of a slice, in pixels"),
    UM_OPT_FLAG(0, "scores", &cfg.scores, true, "write the scores of all slices, and no slices"),
    UM_OPT_SEED(&cfg.common),
    UM_OPT_OUTPUT(&cfg.common),
    UM_OPT_JOBS(&cfg.common),
    UM_OPT_LEVEL(&cfg.common),
    UM_OPT_ERRORS(&cfg.common),
    UM_OPT_TALK(&cfg.common),
    UM_OPT_END
};

static const struct um_tool tool = {
    "um-select-slices",
    "keep the slices of a volume that draw the most attention",
    "[file ...]",
    "  um-encode -m run/model.safetensors --attention ct.umt | um-select-slices -o slices.umt\n"
    "  um-select-slices --scores attended.umt -o scores.umt\n",
    opts,
    &cfg.common
};

/* ---- meta ---- */

/* twelve finite numbers of the volume's meta, if it has them */
static bool affine_of(const struct um_record *rec, double affine[12])
{
    const struct um_value *v = um_map_get(&rec->meta, "affine");

    if (!v || v->kind != UM_LIST || v->n != 12)
        return false;
    for (int i = 0; i < 12; i++) {
        if (v->item[i].kind != UM_FLOAT && v->item[i].kind != UM_INT)
            return false;
        affine[i] = v->item[i].kind == UM_INT ? (double)v->item[i].i : v->item[i].f;
    }
    return true;
}

/* what is true of the volume is true of its slice, but for its grid and its report */
static int carry_meta(struct um_arena *a, const struct um_record *from, struct um_record *to)
{
    static const char *const own[] = { "affine", "spacing", "grid", "report" };

    UM_TRY(um_value_copy(a, &from->meta, &to->meta));
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        (void)um_map_remove(&to->meta, own[i]);
    return UM_OK;
}

static int slice_meta(struct um_arena *a, const struct um_record *vol, const int64_t dim[3],
                      const struct um_slice *s, struct um_record *rec)
{
    double affine[12], mm[3];

    UM_TRY(carry_meta(a, vol, rec));
    UM_TRY(um_map_set_num(a, &rec->meta, "score", (double)s->score));
    UM_TRY(um_map_set_int(a, &rec->meta, "rank", s->rank));
    UM_TRY(um_map_set_int(a, &rec->meta, "z", s->z));
    if (!affine_of(vol, affine))
        return UM_OK;
    um_slice_position(affine, dim, s->z, mm);
    return um_map_set_nums(a, &rec->meta, "position", mm, 3);
}

/* ---- a volume ---- */

static int emit_slice(struct um_arena *a, const struct um_record *vol,
                      const struct um_tensor *volume, const struct um_slice *s, struct um_emit *e)
{
    struct um_record *rec;
    struct um_tensor  image;
    const char       *key = um_sprintf(a, "%s/s%lld", vol->key, (long long)s->z);

    if (!key)
        return UM_ENOMEM;
    UM_TRY(um_record_new(a, key, &rec));
    UM_TRY(slice_meta(a, vol, volume->dim, s, rec));
    UM_TRY(um_slice_image(a, volume, s->z, cfg.size, &image));
    UM_TRY(um_record_set(a, rec, &image));
    return um_emit_record(e, rec);
}

static int emit_scores(struct um_arena *a, const struct um_record *vol,
                       const struct um_tensor *score, struct um_emit *e)
{
    struct um_record *rec;

    UM_TRY(um_record_new(a, vol->key, &rec));
    UM_TRY(um_value_copy(a, &vol->meta, &rec->meta));
    UM_TRY(um_record_set(a, rec, score));
    return um_emit_record(e, rec);
}

static void remark(const struct um_record *rec, const struct um_tensor *score, int64_t slab)
{
    const float *x     = score->data;
    bool         equal = true;

    if (cfg.select != UM_SELECT_ATTENTION)
        return;
    if (!cfg.spread && !cfg.scores && cfg.k % slab && !atomic_exchange(&cfg.warned, true))
        um_warn(&tool,
                "%lld slices cut a slab of %lld, whose scores are equal: the first of it are kept",
                (long long)cfg.k, (long long)slab);
    for (int64_t z = 1; z < score->dim[0]; z++)
        equal = equal && x[z] == x[0];
    if (equal)
        um_note(&tool, "record %s: all scores are equal, the first slices are kept", rec->key);
}

static int select_slices(void *user, int worker, struct um_arena *a, struct um_record *rec,
                         struct um_emit *e)
{
    const struct um_tensor *volume, *attention;
    struct um_tensor        score;
    struct um_slice        *best = um_alloc_array(a, cfg.k, sizeof *best);
    struct um_rng           rng;
    int64_t                 slab;

    (void)user, (void)worker;
    UM_TRY(um_record_get(rec, "volume", UM_F32, 3, &volume));
    UM_TRY(um_record_get(rec, "attention", UM_F32, 2, &attention));
    UM_TRY(um_slice_score(a, attention, volume->dim[0], &score));
    slab = volume->dim[0] / attention->dim[0];
    remark(rec, &score, slab);
    if (cfg.scores)
        return emit_scores(a, rec, &score, e);
    if (!best)
        return UM_ENOMEM;
    rng = um_rng_at((uint64_t)cfg.common.seed, UM_RNG_SLICE, um_hash64(rec->key, strlen(rec->key)),
                    0);
    UM_TRY(um_slice_pick(cfg.select, volume->dim[0], slab, cfg.k, cfg.spread, &score, &rng, best));
    for (int64_t i = 0; i < cfg.k; i++)
        UM_TRY(emit_slice(a, rec, volume, &best[i], e));
    return UM_OK;
}

int main(int argc, char **argv)
{
    char               **files = um_args(&tool, argc, argv);
    const struct um_flow flow  = {
         .tool = &tool, .common = &cfg.common, .files = files, .map = select_slices
    };

    const int st = um_select_parse(cfg.rule, &cfg.select);

    return um_exit(&tool, st < 0 ? st : um_flow_run(&flow));
}
