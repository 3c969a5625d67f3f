/* data.c - headers, the scan of all records, and reading one */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"

enum { CHUNK = 1024, PARTS = 3 }; /* records between two reports; train, valid, not used */

/* ---- files and headers ---- */

void um_data_close(struct um_data *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->nfile && d->file; i++)
        um_index_close(d->file[i]);
    for (int i = 0; i < d->nfile && d->path; i++)
        free(d->path[i]);
    for (int m = 0; m < UM_MODALITIES; m++) {
        free(d->train[m].item);
        free(d->valid[m].item);
    }
    free(d->file);
    free(d->path);
    free(d);
}

static int clash(const struct um_data *d, int file, int part, const char *what)
{
    return um_fail(UM_EMISMATCH,
                   "%s: part %d: another %s than the parts before: streams of one "
                   "training must agree",
                   d->path[file], part + 1, what);
}

static int take_window(struct um_data *d, int file, int part, const struct um_value *w)
{
    double x[2];

    if (!w)
        return UM_OK;
    for (int i = 0; i < 2; i++) {
        const struct um_value *v = w->kind == UM_LIST && w->n == 2 ? &w->item[i] : NULL;

        if (!v || (v->kind != UM_INT && v->kind != UM_FLOAT))
            return um_fail(UM_EFORMAT, "%s: part %d: window in the header is not two numbers",
                           d->path[file], part + 1);
        x[i] = v->kind == UM_INT ? (double)v->i : v->f;
    }
    if (d->has_window && (x[0] != d->window[0] || x[1] != d->window[1]))
        return clash(d, file, part, "window of Hounsfield units");
    memcpy(d->window, x, sizeof x);
    d->has_window = true;
    return UM_OK;
}

static int take_vocab(struct um_data *d, int file, int part, const struct um_value *h)
{
    const char            *digest = um_map_str(h, "vocab");
    const struct um_value *cased  = um_map_get(h, "cased");
    double                 size;

    if (digest && d->vocab[0] && strcmp(digest, d->vocab) != 0)
        return clash(d, file, part, "vocabulary");
    if (digest && strlen(digest) < sizeof d->vocab)
        memcpy(d->vocab, digest, strlen(digest) + 1);
    if (cased && cased->kind == UM_BOOL) {
        if (d->has_cased && cased->b != d->cased)
            return clash(d, file, part, "case of the word pieces");
        d->cased     = cased->b;
        d->has_cased = true;
    }
    if (um_map_num(h, "vocab_size", &size)) {
        if (!(size >= 1 && size <= 1 << 24))
            return um_fail(UM_ERANGE, "%s: part %d: vocab_size %g in the header", d->path[file],
                           part + 1, size);
        d->vocab_size = (int64_t)size;
    }
    return UM_OK;
}

static int open_file(struct um_data *d, int i)
{
    UM_TRY(um_index_open(&d->file[i], d->path[i]));
    for (int p = 0; p < um_index_parts(d->file[i]); p++) {
        const struct um_value *h = um_index_part_header(d->file[i], p);

        UM_TRY(take_window(d, i, p, um_map_get(h, "window")));
        UM_TRY(take_vocab(d, i, p, h));
    }
    return UM_OK;
}

static int open_all(struct um_data *d, char **files)
{
    int n = 0;

    while (files[n])
        n++;
    d->file  = calloc((size_t)n + 1, sizeof *d->file);
    d->path  = calloc((size_t)n + 1, sizeof *d->path);
    d->nfile = n;
    if (!d->file || !d->path)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < n; i++) {
        if (!(d->path[i] = strdup(files[i])))
            return um_fail(UM_ENOMEM, "out of memory");
        UM_TRY(open_file(d, i));
    }
    return UM_OK;
}

int um_data_open(struct um_data **out, char **files)
{
    struct um_data *d = calloc(1, sizeof *d);
    int             st;

    if (!d)
        return um_fail(UM_ENOMEM, "out of memory");
    if ((st = open_all(d, files)) < 0) {
        um_data_close(d);
        return st;
    }
    *out = d;
    return UM_OK;
}

/* ---- checks of one record ---- */

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

static int check_text(const struct um_model_config *cfg, const struct um_record *rec,
                      int64_t *length)
{
    const struct um_tensor *ids, *mask;
    int64_t                 real = 0;

    UM_TRY(um_record_get(rec, "ids", UM_I32, 1, &ids));
    UM_TRY(um_record_get(rec, "ids_mask", UM_U8, 1, &mask));
    *length = ids->dim[0];
    if (mask->dim[0] != *length)
        return um_fail(UM_ESHAPE, "ids_mask: %lld values for %lld ids", (long long)mask->dim[0],
                       (long long)*length);
    if (*length < 1 || *length > cfg->text_positions)
        return um_fail(UM_ESHAPE, "ids: %lld of them, the text encoder of preset %s takes 1..%lld",
                       (long long)*length, cfg->preset, (long long)cfg->text_positions);
    for (int64_t i = 0; i < *length; i++) {
        const int32_t id = ((const int32_t *)ids->data)[i];

        if (id < 0 || id >= cfg->vocab)
            return um_fail(UM_ERANGE, "ids: %d at %lld is outside the vocabulary of %lld", id,
                           (long long)i, (long long)cfg->vocab);
        real += ((const uint8_t *)mask->data)[i] != 0;
    }
    return real ? UM_OK : um_fail(UM_ERANGE, "ids_mask: no id is real");
}

/* ---- the scan ---- */

struct seen {
    int            part, mod; /* part: 0 train, 1 valid, 2 not used */
    int64_t        length;
    struct um_item item;
};

struct scan {
    struct um_data   *d;
    struct um_arena **arena; /* one per worker */
    int               nworker;
    struct seen      *seen;  /* of all records */
    int64_t          *first; /* [nfile + 1] number of each file's first record */
    int64_t           at;    /* first record of the chunk */
};

static int part_of(const struct um_record *rec, int *part)
{
    static const char *const name[PARTS] = { "train", "valid", "test" };
    const struct um_value   *v           = um_map_get(&rec->meta, "split");
    const char              *split       = um_map_str(&rec->meta, "split");

    *part = 0;
    if (!v || v->kind == UM_NIL)
        return UM_OK;
    for (; split && *part < PARTS; ++*part)
        if (strcmp(split, name[*part]) == 0)
            return UM_OK;
    return um_fail(UM_ERANGE, "split \"%s\": expected train, valid or test",
                   split ? split : "(not text)");
}

static int modality_of(const struct um_record *rec, int *mod)
{
    const bool image = um_record_find(rec, "image"), volume = um_record_find(rec, "volume");

    *mod = volume ? UM_3D : UM_2D;
    if (image && volume)
        return um_fail(UM_EMISMATCH, "both `image` and `volume`: a record is one or the other");
    if (!image && !volume)
        return um_fail(UM_EMISSING, "neither `image` nor `volume`: run um-preprocess");
    return UM_OK;
}

static uint64_t content_of(const struct um_record *rec, const struct seen *s)
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

static int look(const struct um_data *d, const struct um_record *rec, struct seen *s)
{
    UM_TRY(part_of(rec, &s->part));
    if (s->part == PARTS - 1)
        return UM_OK;
    UM_TRY(modality_of(rec, &s->mod));
    if (!d->use[s->mod]) {
        s->part = PARTS - 1;
        return UM_OK;
    }
    UM_TRY(s->mod == UM_2D ? check_image(&d->cfg, um_record_find(rec, "image"))
                           : check_volume(&d->cfg, um_record_find(rec, "volume")));
    UM_TRY(check_text(&d->cfg, rec, &s->length));
    s->item.hash    = um_hash64(rec->key, strlen(rec->key));
    s->item.content = content_of(rec, s);
    return UM_OK;
}

static int scan_one(void *arg, int64_t task, int worker)
{
    const struct scan *sc = arg;
    const int64_t      i  = sc->at + task;
    struct um_record  *rec;
    int                file = 0, st;

    while (i >= sc->first[file + 1])
        file++;
    struct seen *s = &sc->seen[i];
    s->item        = (struct um_item){ .file = file, .record = i - sc->first[file] };
    um_arena_reset(sc->arena[worker]);
    UM_TRY(um_index_read(sc->d->file[file], s->item.record, sc->arena[worker], &rec));
    st = look(sc->d, rec, s);
    return st < 0 ? um_context(st, "%s: record %s", sc->d->path[file], rec->key) : UM_OK;
}

static int add(struct um_items *list, const struct um_item *item)
{
    /* grows when n is a power of two */
    if ((list->n & (list->n - 1)) == 0) {
        struct um_item *p = realloc(list->item, (size_t)(list->n ? 2 * list->n : 1) * sizeof *p);

        if (!p)
            return um_fail(UM_ENOMEM, "out of memory");
        list->item = p;
    }
    list->item[list->n++] = *item;
    return UM_OK;
}

/* in the order of the files: lists, the one length of ids, the digest */
static int gather(const struct scan *sc, int64_t total, struct um_hash *h)
{
    struct um_data *d = sc->d;

    for (int64_t i = 0; i < total; i++) {
        const struct seen *s = &sc->seen[i];

        if (s->part == PARTS - 1)
            continue;
        if (d->length && s->length != d->length)
            return um_fail(UM_ESHAPE, "%s: record %s: %lld ids where the records before have %lld",
                           d->path[s->item.file], um_data_key(d, &s->item), (long long)s->length,
                           (long long)d->length);
        d->length = s->length;
        UM_TRY(add(s->part == 0 ? &d->train[s->mod] : &d->valid[s->mod], &s->item));
        um_hash_add(h, &s->item.content, sizeof s->item.content);
    }
    if (d->train[UM_2D].n + d->train[UM_3D].n == 0)
        return um_fail(UM_EMISSING,
                       "nothing to train on: %lld records, none of them with split "
                       "train (or no split) and a wanted modality",
                       (long long)total);
    um_hash_hex(h, d->digest);
    return UM_OK;
}

static int scan_all(struct scan *sc, struct um_pool                             *pool,
                    void (*told)(void *user, int64_t done, int64_t total), void *user)
{
    const int64_t   total = sc->first[sc->d->nfile];
    struct um_hash *h;
    int             st;

    if (!(sc->seen = calloc((size_t)total + 1, sizeof *sc->seen)))
        return um_fail(UM_ENOMEM, "out of memory");
    for (sc->at = 0; sc->at < total; sc->at += CHUNK) {
        const int64_t left = total - sc->at;

        UM_TRY(um_pool_run(pool, left < CHUNK ? left : CHUNK, scan_one, sc));
        if (told)
            told(user, sc->at + (left < CHUNK ? left : CHUNK), total);
    }
    UM_TRY(um_hash_new(&h));
    st = gather(sc, total, h);
    um_hash_free(h);
    return st;
}

static int prepare(struct scan *sc)
{
    sc->first = calloc((size_t)sc->d->nfile + 1, sizeof *sc->first);
    sc->arena = calloc((size_t)sc->nworker, sizeof *sc->arena);
    if (!sc->first || !sc->arena)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < sc->d->nfile; i++)
        sc->first[i + 1] = sc->first[i] + um_index_count(sc->d->file[i]);
    for (int i = 0; i < sc->nworker; i++)
        UM_TRY(um_arena_new(&sc->arena[i]));
    return UM_OK;
}

int um_data_scan(struct um_data *d, const struct um_model_config *cfg,
                 const bool use[UM_MODALITIES], struct um_pool               *pool,
                 void (*told)(void *user, int64_t done, int64_t total), void *user)
{
    struct scan sc = { .d = d, .nworker = um_pool_size(pool) };
    int         st;

    d->cfg = *cfg;
    memcpy(d->use, use, sizeof d->use);
    if ((st = prepare(&sc)) >= 0)
        st = scan_all(&sc, pool, told, user);
    for (int i = 0; i < sc.nworker && sc.arena; i++)
        um_arena_free(sc.arena[i]);
    free(sc.arena);
    free(sc.first);
    free(sc.seen);
    return st;
}

/* ---- reading one ---- */

const char *um_data_key(const struct um_data *d, const struct um_item *item)
{
    return um_index_key(d->file[item->file], item->record);
}

int64_t um_data_values(const struct um_data *d, enum um_modality mod)
{
    const struct um_model_config *c = &d->cfg;

    return mod == UM_2D ? c->image * c->image : c->volume[0] * c->volume[1] * c->volume[2];
}

static void crop(const struct um_tensor *t, int64_t side, const int64_t at[2], float *x)
{
    const uint8_t *p = t->data;

    for (int64_t r = 0; r < side; r++)
        for (int64_t c = 0; c < side; c++)
            x[r * side + c] = (float)p[(at[0] + r) * t->dim[2] + at[1] + c] / 255;
}

static void read_image(const struct um_data *d, const struct um_item *item,
                       const struct um_tensor *t, bool centre, uint64_t seed, int64_t epoch,
                       float *x)
{
    struct um_rng r = um_rng_at(seed, UM_RNG_CROP, item->hash, (uint32_t)epoch);
    int64_t       at[2];

    if (t->dtype == UM_F32) {
        memcpy(x, t->data, um_tensor_bytes(t));
        return;
    }
    for (int i = 0; i < 2; i++) {
        const int64_t room = t->dim[i + 1] - d->cfg.image;

        at[i] = centre ? room / 2 : (int64_t)um_rng_below(&r, (uint64_t)room + 1);
    }
    crop(t, d->cfg.image, at, x);
}

int um_data_read(const struct um_data *d, const struct um_item *item, enum um_modality mod,
                 bool centre, uint64_t seed, int64_t epoch, struct um_arena *arena,
                 struct um_sample *s)
{
    struct um_record *rec;
    struct seen       now = { .item = *item };

    UM_TRY(um_index_read(d->file[item->file], item->record, arena, &rec));
    UM_TRY(look(d, rec, &now));
    if (now.mod != (int)mod || now.length != d->length || now.item.content != item->content)
        return um_fail(UM_EMISMATCH, "%s: record %s: changed while it was being trained on",
                       d->path[item->file], rec->key);
    if (mod == UM_2D)
        read_image(d, item, um_record_find(rec, "image"), centre, seed, epoch, s->x);
    else
        memcpy(s->x, um_record_find(rec, "volume")->data,
               (size_t)um_data_values(d, mod) * sizeof *s->x);
    memcpy(s->ids, um_record_find(rec, "ids")->data, (size_t)d->length * sizeof *s->ids);
    memcpy(s->mask, um_record_find(rec, "ids_mask")->data, (size_t)d->length);
    for (s->length = d->length; s->length > 1 && !s->mask[s->length - 1];)
        s->length--;
    return UM_OK;
}
