/* scan.c - all records once, a chunk of them at a time */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "load/record.h"

enum { CHUNK = 1024 }; /* records between two reports, and the most that are remembered at a time */

struct scan {
    struct um_data   *d;
    struct um_arena **arena; /* one per worker */
    int               nworker;
    struct um_seen   *seen;  /* of the chunk */
    int64_t          *first; /* [nfile + 1] number of each file's first record */
    int64_t           at;    /* first record of the chunk */
    struct um_hash   *hash;
};

static int scan_one(void *arg, int64_t task, int worker)
{
    const struct scan *sc = arg;
    const int64_t      i  = sc->at + task;
    struct um_record  *rec;
    int                file = 0, st;

    while (i >= sc->first[file + 1])
        file++;
    struct um_seen *s = &sc->seen[task];
    *s                = (struct um_seen){ .item = { .file = file, .record = i - sc->first[file] } };
    um_arena_reset(sc->arena[worker]);
    UM_TRY(um_index_read(sc->d->file[file], s->item.record, sc->arena[worker], &rec));
    st = um_record_look(&sc->d->cfg, sc->d->use, rec, s);
    return st < 0 ? um_context(st, "%s: record %s", sc->d->path[file], rec->key) : UM_OK;
}

static int other_length(const struct um_data *d, const struct um_seen *s)
{
    char key[UM_MAX_KEY + 1];

    UM_TRY(um_index_key(d->file[s->item.file], s->item.record, key));
    return um_fail(UM_ESHAPE, "%s: record %s: %lld ids where the records before have %lld",
                   d->path[s->item.file], key, (long long)s->ids, (long long)d->length);
}

/* in the order of the files: lists, the one length of ids, the digest */
static int gather(const struct scan *sc, int64_t n)
{
    struct um_data *d = sc->d;

    for (int64_t i = 0; i < n; i++) {
        const struct um_seen *s = &sc->seen[i];

        if (s->part != UM_PART_TRAIN && s->part != UM_PART_VALID)
            continue;
        if (d->length && s->ids != d->length)
            return other_length(d, s);
        d->length = s->ids;
        UM_TRY(um_items_add(s->part == UM_PART_TRAIN ? &d->train[s->mod] : &d->valid[s->mod],
                            &s->item));
        um_hash_add(sc->hash, &s->content, sizeof s->content);
    }
    return UM_OK;
}

static int scan_all(struct scan *sc, struct um_pool                             *pool,
                    void (*told)(void *user, int64_t done, int64_t total), void *user)
{
    const struct um_data *d     = sc->d;
    const int64_t         total = sc->first[d->nfile];

    for (sc->at = 0; sc->at < total; sc->at += CHUNK) {
        const int64_t left = total - sc->at, n = left < CHUNK ? left : CHUNK;

        UM_TRY(um_pool_run(pool, n, scan_one, sc));
        UM_TRY(gather(sc, n));
        if (told)
            told(user, sc->at + n, total);
    }
    if (d->train[UM_2D].n + d->train[UM_3D].n == 0)
        return um_fail(UM_EMISSING,
                       "nothing to train on: %lld records, none of them with split "
                       "train (or no split) and a wanted modality",
                       (long long)total);
    um_hash_hex(sc->hash, sc->d->digest);
    return UM_OK;
}

static int prepare(struct scan *sc)
{
    sc->first = calloc((size_t)sc->d->nfile + 1, sizeof *sc->first);
    sc->arena = calloc((size_t)sc->nworker, sizeof *sc->arena);
    sc->seen  = calloc(CHUNK, sizeof *sc->seen);
    if (!sc->first || !sc->arena || !sc->seen)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < sc->d->nfile; i++)
        sc->first[i + 1] = sc->first[i] + um_index_count(sc->d->file[i]);
    for (int i = 0; i < sc->nworker; i++)
        UM_TRY(um_arena_new(&sc->arena[i]));
    return um_hash_new(&sc->hash);
}

int um_data_scan(struct um_data *d, const struct um_model_config *cfg,
                 const bool use[UM_MODALITIES], struct um_pool               *pool,
                 void (*told)(void *user, int64_t done, int64_t total), void *user)
{
    struct scan sc = { .d = d, .nworker = um_pool_size(pool) };
    int         st;

    d->cfg = *cfg;
    memcpy(d->use, use, sizeof d->use);
    if (d->pipe) {
        d->length = cfg->text_positions;
        (void)strcpy(d->digest, "pipe");
        return UM_OK;
    }
    if ((st = prepare(&sc)) >= 0)
        st = scan_all(&sc, pool, told, user);
    for (int i = 0; i < sc.nworker && sc.arena; i++)
        um_arena_free(sc.arena[i]);
    um_hash_free(sc.hash);
    free(sc.arena);
    free(sc.first);
    free(sc.seen);
    return st;
}

int um_data_demand(const struct um_data *d, const bool want[UM_MODALITIES])
{
    static const char *const what[] = { "X-ray", "volume" };

    for (int m = 0; m < UM_MODALITIES && !d->pipe; m++)
        if (want[m] && d->train[m].n == 0)
            return um_fail(UM_EMISSING,
                           "no %s to train on, and they were asked for: %lld X-rays and %lld "
                           "volumes have split train or none",
                           what[m], (long long)d->train[UM_2D].n, (long long)d->train[UM_3D].n);
    return UM_OK;
}
