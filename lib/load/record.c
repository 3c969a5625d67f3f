/* record.c - checks of one record, and what of it goes into a batch */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load/record.h"

#include <math.h>
#include <string.h>

#include "base/philox.h"

/* ---- checks ---- */

static int finite(const struct um_tensor *t)
{
    const float  *x = t->data;
    const int64_t n = um_tensor_count(t);

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return um_fail(UM_ENONFINITE, "%s: element %lld is not finite", t->name, (long long)i);
    return UM_OK;
}

/* the crop may leave out an eighth of the stored side (256 to 224), a fifth at most */
static int check_image(const struct um_model_config *cfg, const struct um_tensor *t)
{
    const int64_t s = cfg->image;
    char          got[UM_SHAPE_TEXT];

    if (t->dtype != UM_U8 && t->dtype != UM_F32)
        return um_fail(UM_EDTYPE, "image: expected uint8 or float32, got %s",
                       um_dtype_name(t->dtype));
    (void)um_shape_text(t, got, sizeof got);
    if (t->ndim != 3 || t->dim[0] != 1 || t->dim[1] < s || t->dim[2] < s)
        return um_fail(UM_ESHAPE, "image: %s is too small for the %lld x %lld of preset %s", got,
                       (long long)s, (long long)s, cfg->preset);
    if (t->dtype == UM_F32) {
        if (t->dim[1] != s || t->dim[2] != s)
            return um_fail(UM_ESHAPE,
                           "image: float32 is not cropped: expected [1,%lld,%lld], got %s",
                           (long long)s, (long long)s, got);
        return finite(t);
    }
    if (t->dim[1] > s + s / 4 || t->dim[2] > s + s / 4)
        return um_fail(UM_ESHAPE,
                       "image: %s is too large for the %lld x %lld crop of preset %s: a "
                       "side of %lld is meant",
                       got, (long long)s, (long long)s, cfg->preset, (long long)(s * 8 / 7));
    return UM_OK;
}

static int check_volume(const struct um_model_config *cfg, const struct um_tensor *t)
{
    char got[UM_SHAPE_TEXT];

    if (t->dtype != UM_F32)
        return um_fail(UM_EDTYPE, "volume: expected float32, got %s", um_dtype_name(t->dtype));
    if (t->ndim != 3 || memcmp(t->dim, cfg->volume, sizeof cfg->volume) != 0)
        return um_fail(UM_ESHAPE, "volume: preset %s takes [%lld,%lld,%lld], got %s", cfg->preset,
                       (long long)cfg->volume[0], (long long)cfg->volume[1],
                       (long long)cfg->volume[2], um_shape_text(t, got, sizeof got));
    return finite(t);
}

/* s->ids and the item's length and rows */
static int check_text(const struct um_model_config *cfg, const struct um_record *rec,
                      struct um_seen *s)
{
    const struct um_tensor *ids, *mask;

    UM_TRY(um_record_get(rec, "ids", UM_I32, 1, &ids));
    UM_TRY(um_record_get(rec, "ids_mask", UM_U8, 1, &mask));
    const uint8_t *real = mask->data;
    const int64_t  n    = ids->dim[0];

    if (mask->dim[0] != n)
        return um_fail(UM_ESHAPE, "ids_mask: %lld values for %lld ids", (long long)mask->dim[0],
                       (long long)n);
    if (n < 1 || n > cfg->text_positions)
        return um_fail(UM_ESHAPE, "ids: %lld of them, the text encoder of preset %s takes 1..%lld",
                       (long long)n, cfg->preset, (long long)cfg->text_positions);
    s->ids         = n;
    s->item.length = s->item.rows = 0;
    for (int64_t i = 0; i < n; i++) {
        const int32_t id = ((const int32_t *)ids->data)[i];

        if (id < 0 || id >= cfg->vocab)
            return um_fail(UM_ERANGE, "ids: %d at %lld is outside the vocabulary of %lld", id,
                           (long long)i, (long long)cfg->vocab);
        s->item.rows += real[i] != 0;
        s->item.length = real[i] ? (int32_t)i + 1 : s->item.length;
    }
    if (s->item.rows == 0)
        return um_fail(UM_ERANGE, "ids_mask: no id is real");
    return real[0] ? UM_OK : um_fail(UM_ERANGE, "ids_mask: the first id, [CLS], is left out");
}

/* ---- what it is for ---- */

static int part_of(const struct um_record *rec, enum um_part *part)
{
    static const char *const name[] = { "train", "valid", "test" };
    const struct um_value   *v      = um_map_get(&rec->meta, "split");
    const char              *split  = um_map_str(&rec->meta, "split");

    *part = UM_PART_TRAIN;
    if (!v || v->kind == UM_NIL)
        return UM_OK;
    for (int i = 0; split && i < 3; i++)
        if (strcmp(split, name[i]) == 0) {
            *part = (enum um_part)i;
            return UM_OK;
        }
    return um_fail(UM_ERANGE, "split \"%s\": expected train, valid or test",
                   split ? split : "(not text)");
}

static int modality_of(const struct um_record *rec, enum um_modality *mod)
{
    const bool image = um_record_find(rec, "image"), volume = um_record_find(rec, "volume");

    *mod = volume ? UM_3D : UM_2D;
    if (image && volume)
        return um_fail(UM_EMISMATCH, "both `image` and `volume`: a record is one or the other");
    if (!image && !volume)
        return um_fail(UM_EMISSING, "neither `image` nor `volume`: run um-preprocess");
    return UM_OK;
}

/* patients are told apart by text; another kind of value counts as none */
static uint64_t patient_of(const struct um_record *rec)
{
    const char    *name = um_map_str(&rec->meta, "patient");
    const uint64_t h    = name && *name ? um_hash64(name, strlen(name)) : 0;

    return name && *name && h == 0 ? 1 : h;
}

static uint64_t content_of(const struct um_record *rec, const struct um_seen *s)
{
    static const char *const name[] = { "image", "volume", "ids", "ids_mask" };
    uint64_t                 h[6]   = { (uint64_t)s->part };

    for (int i = 0; i < 4; i++) {
        const struct um_tensor *t = um_record_find(rec, name[i]);

        h[i + 1] = t ? um_hash64(t->data, um_tensor_bytes(t)) : 0;
    }
    h[5] = s->item.hash;
    return um_hash64(h, sizeof h);
}

int um_record_look(const struct um_model_config *cfg, const bool use[UM_MODALITIES],
                   const struct um_record *rec, struct um_seen *s)
{
    UM_TRY(part_of(rec, &s->part));
    if (s->part == UM_PART_TEST)
        return UM_OK;
    UM_TRY(modality_of(rec, &s->mod));
    if (!use[s->mod]) {
        s->part = UM_PART_UNWANTED;
        return UM_OK;
    }
    UM_TRY(s->mod == UM_2D ? check_image(cfg, um_record_find(rec, "image"))
                           : check_volume(cfg, um_record_find(rec, "volume")));
    UM_TRY(check_text(cfg, rec, s));
    s->item.hash    = um_hash64(rec->key, strlen(rec->key));
    s->item.patient = patient_of(rec);
    s->content      = content_of(rec, s);
    s->item.content = (uint32_t)s->content;
    return UM_OK;
}

/* ---- what goes into a batch ---- */

static void crop(const struct um_tensor *t, int64_t side, const int64_t at[2], float *x)
{
    const uint8_t *p = t->data;

    for (int64_t r = 0; r < side; r++)
        for (int64_t c = 0; c < side; c++)
            x[r * side + c] = (float)p[(at[0] + r) * t->dim[2] + at[1] + c] / 255;
}

/* purpose: which of the crops */
static void image_of(const struct um_tensor *t, int64_t side, const struct um_draw *draw,
                     enum um_purpose purpose, uint64_t hash, float *x)
{
    struct um_rng r = um_rng_at(draw->seed, purpose, hash, (uint32_t)draw->epoch);
    int64_t       at[2];

    if (t->dtype == UM_F32) {
        memcpy(x, t->data, um_tensor_bytes(t));
        return;
    }
    for (int i = 0; i < 2; i++) {
        const int64_t room = t->dim[i + 1] - side;

        at[i] = draw->centre ? room / 2 : (int64_t)um_rng_below(&r, (uint64_t)room + 1);
    }
    crop(t, side, at, x);
}

/* of the ids and the mask up to the last real id: padding tells no texts apart */
static uint64_t text_of(const int32_t *ids, const uint8_t *mask, int32_t length)
{
    const uint64_t h[2] = { um_hash64(ids, (size_t)length * sizeof *ids),
                            um_hash64(mask, (size_t)length) };

    return um_hash64(h, sizeof h);
}

void um_record_sample(const struct um_model_config *cfg, const struct um_record *rec,
                      const struct um_item *item, enum um_modality mod, const struct um_draw *draw,
                      struct um_sample *s)
{
    const struct um_tensor *t    = um_record_find(rec, mod == UM_2D ? "image" : "volume");
    const int32_t          *ids  = um_record_find(rec, "ids")->data;
    const uint8_t          *mask = um_record_find(rec, "ids_mask")->data;

    if (mod == UM_3D)
        memcpy(s->x, t->data, um_tensor_bytes(t));
    else
        image_of(t, cfg->image, draw, UM_RNG_CROP, item->hash, s->x);
    if (mod == UM_2D && s->x2)
        image_of(t, cfg->image, draw, UM_RNG_CROP2, item->hash, s->x2);
    memcpy(s->ids, ids, (size_t)s->length * sizeof *s->ids);
    memcpy(s->mask, mask, (size_t)s->length);
    s->text = text_of(ids, mask, item->length);
}
