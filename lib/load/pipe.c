/* pipe.c - batches from a pipe: a window of the records that came last, drawn from by step
 *
 * The window is one for both modalities, so that its memory is known whatever the mixture. It is
 * always as full as the stream allows when a batch is drawn: then the batches follow from the
 * stream and the seed alone.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "load/loader_int.h"
#include "load/record.h"

/* a record of the window, in one piece of memory */
struct kept {
    struct kept     *next; /* of the batch it was drawn for */
    struct um_item   item;
    struct um_record rec;
    struct um_tensor tensor[3]; /* pixels, ids, ids_mask */
    max_align_t      bytes[];
};

struct window {
    struct um_loader *l;
    struct um_arena  *arena; /* of the record that is being read */
    struct kept     **kept[UM_MODALITIES];
    int64_t           n[UM_MODALITIES], drawn[UM_MODALITIES]; /* records there; batches so far */
    int64_t           ids;                                    /* of every record; 0: none yet */
    struct um_taken   taken;
    int               part;
    bool              ended;
};

/* ---- into the window ---- */

static size_t padded(size_t n)
{
    return (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
}

static struct kept *keep(const struct um_record *rec, const struct um_seen *seen)
{
    const char *const name[3] = { seen->mod == UM_2D ? "image" : "volume", "ids", "ids_mask" };
    const size_t      key     = strlen(rec->key) + 1;
    size_t            size    = key;

    for (int i = 0; i < 3; i++)
        size += padded(um_tensor_bytes(um_record_find(rec, name[i])));
    struct kept *k = malloc(sizeof *k + size);
    if (!k)
        return NULL;
    char *to = (char *)k->bytes;
    *k       = (struct kept){ .item = seen->item, .rec = { .ntensor = 3, .tensor = k->tensor } };
    for (int i = 0; i < 3; i++) {
        k->tensor[i]      = *um_record_find(rec, name[i]);
        const size_t n    = um_tensor_bytes(&k->tensor[i]);
        k->tensor[i].data = memcpy(to, k->tensor[i].data, n);
        k->tensor[i].name = name[i]; /* the stream's is in the arena */
        to += padded(n);
    }
    k->rec.key = memcpy(to, rec->key, key);
    return k;
}

/* of one more record; what is not trained on and not held out counts by its key alone */
static void count(struct window *w, const struct um_record *rec, const struct um_seen *seen)
{
    const uint64_t h[2] = { (uint64_t)w->taken.digest,
                            seen->content ? seen->content : um_hash64(rec->key, strlen(rec->key)) };

    w->taken.records++;
    w->taken.digest = (int64_t)(um_hash64(h, sizeof h) >> 1);
}

static int take_record(struct window *w, const struct um_record *rec)
{
    const struct um_data *d    = w->l->o.data;
    struct um_seen        seen = { .part = UM_PART_TRAIN };

    UM_TRY(um_record_look(&d->cfg, d->use, rec, &seen));
    count(w, rec, &seen);
    if (seen.part != UM_PART_TRAIN) {
        int64_t *passed = seen.part == UM_PART_UNWANTED ? &w->l->count.unwanted : &w->l->count.held;

        pthread_mutex_lock(&w->l->lock);
        ++*passed;
        pthread_mutex_unlock(&w->l->lock);
    }
    if (seen.part != UM_PART_TRAIN && seen.part != UM_PART_VALID)
        return UM_OK;
    if (w->ids && seen.ids != w->ids)
        return um_fail(UM_ESHAPE, "%lld ids where the records before have %lld",
                       (long long)seen.ids, (long long)w->ids);
    w->ids = seen.ids;
    if (seen.part == UM_PART_VALID)
        return UM_OK;
    struct kept *k = keep(rec, &seen);
    if (!k)
        return um_fail(UM_ENOMEM, "out of memory: %lld records in the window",
                       (long long)(w->n[UM_2D] + w->n[UM_3D]));
    w->kept[seen.mod][w->n[seen.mod]++] = k;
    return UM_OK;
}

static int take_part(struct window *w)
{
    const struct um_data *d    = w->l->o.data;
    struct um_data        same = *d; /* later parts may only repeat what the model was made from */

    w->part++;
    UM_TRY(um_data_header(&same, um_reader_name(d->reader), w->part, um_reader_header(d->reader)));
    if (same.has_window != d->has_window || same.has_cased != d->has_cased ||
        strcmp(same.vocab, d->vocab) != 0 || same.vocab_size != d->vocab_size)
        return um_fail(UM_EMISMATCH,
                       "%s: part %d: its header names a window, vocabulary or case, and that of "
                       "part 1 did not",
                       um_reader_name(d->reader), w->part + 1);
    return UM_OK;
}

/* until it is full or the stream ends */
static int fill(struct window *w)
{
    struct um_reader *r = w->l->o.data->reader;
    struct um_record *rec;
    int               st = UM_OK;

    while (st >= 0 && !w->ended && w->n[UM_2D] + w->n[UM_3D] < w->l->o.window) {
        um_arena_reset(w->arena);
        st = um_reader_next(r, w->arena, &rec);
        if (st == UM_NEXT_PART) {
            st = take_part(w);
        } else if (st == UM_NEXT_RECORD) {
            st = take_record(w, rec);
            if (st < 0)
                (void)um_context(st, "%s: record %s", um_reader_name(r), rec->key);
        } else {
            w->ended = st == UM_NEXT_END;
        }
    }
    return st;
}

/* ---- out of the window ---- */

static int64_t waiting(const struct window *w, int mod)
{
    return w->l->o.data->use[mod] ? w->n[mod] / w->l->o.sampler->size[mod] : 0;
}

/* the modality of batch `which` of a step; -1: none can be filled */
static int choose(const struct window *w, int which)
{
    const int64_t n2 = waiting(w, UM_2D), n3 = waiting(w, UM_3D);

    if (w->l->per_step == 2)
        return which == 1 ? UM_3D : n2 > 0 && n3 > 0 ? UM_2D : -1;
    if (n2 == 0 && n3 == 0)
        return -1;
    if (n2 == n3)
        return w->drawn[UM_3D] < w->drawn[UM_2D] ? UM_3D : UM_2D;
    return n2 > n3 ? UM_2D : UM_3D;
}

/* the records of a batch, in order, out of the window; what is known of them into the slot */
static struct kept *draw(struct window *w, struct um_slot *s, enum um_modality mod, int64_t step)
{
    struct um_rng r     = um_rng_at(w->l->o.seed, UM_RNG_SHUFFLE, (uint64_t)mod, (uint32_t)step);
    struct kept  *first = NULL, **last = &first;

    s->batch.step  = step;
    s->batch.mod   = mod;
    s->batch.N     = w->l->o.sampler->size[mod];
    s->batch.taken = w->taken;
    for (int64_t i = 0; i < s->batch.N; i++) {
        const int64_t at = (int64_t)um_rng_below(&r, (uint64_t)w->n[mod]);
        struct kept  *k  = w->kept[mod][at];

        w->kept[mod][at] = w->kept[mod][--w->n[mod]];
        s->item[i]       = k->item;
        *last            = k;
        last             = &k->next;
    }
    *last = NULL;
    w->drawn[mod]++;
    um_loader_measure(w->l, s);
    return first;
}

/* their content into the slot, unless it is a batch that a run has had before; they are freed */
static void unpack(const struct um_loader *l, struct um_slot *s, struct kept *first)
{
    const struct um_draw crop = { l->o.centre, l->o.seed, 0 };
    int64_t              i    = 0;

    for (struct kept *k = first, *next; k; k = next, i++) {
        struct um_sample to = um_loader_sample(l, s, i);

        next = k->next;
        if (s->batch.step >= l->o.from) {
            um_record_sample(&l->o.data->cfg, &k->rec, &k->item, s->batch.mod, &crop, &to);
            um_loader_note(s, i, &k->item, k->rec.key);
            s->batch.text[i] = to.text;
        }
        free(k);
    }
}

/* ---- the thread ---- */

/* the slot of the next batch once it is free; NULL: the loader is being closed */
static struct um_slot *wait_free(struct um_loader *l)
{
    struct um_slot *s;

    pthread_mutex_lock(&l->lock);
    while (!l->stop && l->begun - l->given >= l->nslot)
        pthread_cond_wait(&l->given_cond, &l->lock);
    s = l->stop ? NULL : um_loader_slot(l, l->begun);
    pthread_mutex_unlock(&l->lock);
    return s;
}

static void hand_over(struct um_loader *l, struct um_slot *s, int st, int64_t records)
{
    pthread_mutex_lock(&l->lock);
    s->st   = UM_OK;
    s->left = 0;
    if (st < 0)
        um_loader_fail(l, s, st, 0);
    l->count.used += records;
    l->begun++;
    pthread_cond_signal(&l->filled_cond);
    pthread_mutex_unlock(&l->lock);
}

/* the stream is at its end, or the window full, and no batch can be filled */
static int stuck(const struct window *w, int64_t step)
{
    const struct um_loader *l    = w->l;
    const char             *name = um_reader_name(l->o.data->reader);
    const long long         n2 = w->n[UM_2D], n3 = w->n[UM_3D];

    if (!w->ended)
        return um_fail(UM_ERANGE,
                       "%s: %lld X-rays and %lld volumes in the window and no step of both: they "
                       "must come nearer to each other, or through a larger window",
                       name, n2, n3);
    if (step > 0)
        return UM_OK;
    return n2 + n3 > 0
               ? um_fail(UM_ERANGE,
                         "%s: its %lld X-rays and %lld volumes to train on do not fill a %s: "
                         "give a smaller --batch",
                         name, n2, n3, l->per_step == 2 ? "batch of each" : "batch")
               : um_fail(UM_EMISSING,
                         "%s: nothing to train on: no record with split train (or no split) and a "
                         "wanted modality",
                         name);
}

/* up to the step that a run goes on from: is this the stream that it began with? */
static int compare(const struct window *w)
{
    const struct um_taken *was = &w->l->o.taken, *is = &w->taken;
    const char            *name = um_reader_name(w->l->o.data->reader);

    if (was->records == 0 || (is->records == was->records && is->digest == was->digest))
        return UM_OK;
    if (w->ended && is->records < was->records)
        return um_fail(UM_EMISMATCH,
                       "%s: it ends after %lld records, and %lld were read before step %lld: not "
                       "the stream that this run began with",
                       name, (long long)is->records, (long long)was->records,
                       (long long)w->l->o.from);
    return um_fail(UM_EMISMATCH,
                   "%s: its first %lld records are not those that were read before step %lld: not "
                   "the stream that this run began with",
                   name, (long long)was->records, (long long)w->l->o.from);
}

static void end(struct window *w)
{
    struct um_loader *l = w->l;

    pthread_mutex_lock(&l->lock);
    for (int m = 0; m < UM_MODALITIES; m++)
        l->count.left[m] = w->n[m];
    l->total = l->begun;
    pthread_cond_signal(&l->filled_cond);
    pthread_mutex_unlock(&l->lock);
}

/* batch `which` of a step: 1 handed over, or passed over before `from`; 0 there are no more */
static int one(struct window *w, int64_t step, int which)
{
    const int64_t   from = w->l->o.from;
    struct um_slot *s    = wait_free(w->l);
    int             st, mod;

    if (!s)
        return 0;
    if (which == 0)
        UM_TRY(fill(w));
    if ((mod = choose(w, which)) < 0) {
        if ((st = stuck(w, step)) >= 0 && (step >= from || (st = compare(w)) >= 0))
            end(w);
        return st;
    }
    unpack(w->l, s, draw(w, s, (enum um_modality)mod, step));
    if (step >= from)
        hand_over(w->l, s, UM_OK, s->batch.n);
    else if (step == from - 1 && which == w->l->per_step - 1)
        UM_TRY(compare(w));
    return 1;
}

static int reserve(struct window *w)
{
    for (int m = 0; m < UM_MODALITIES; m++)
        w->kept[m] = calloc((size_t)w->l->o.window, sizeof **w->kept);
    if (!w->kept[UM_2D] || !w->kept[UM_3D])
        return um_fail(UM_ENOMEM, "out of memory: a window of %lld records",
                       (long long)w->l->o.window);
    return um_arena_new(&w->arena);
}

void *um_loader_pipe(void *arg)
{
    struct um_loader *l  = arg;
    struct window     w  = { .l = l };
    const int64_t     n  = l->o.to * l->per_step;
    int               st = reserve(&w);

    for (int64_t i = 0; st >= 0 && i < n; i++)
        if ((st = one(&w, i / l->per_step, (int)(i % l->per_step))) == 0)
            break;
    if (st < 0 && wait_free(l))
        hand_over(l, um_loader_slot(l, l->begun), st, 0);
    for (int m = 0; m < UM_MODALITIES; m++) {
        for (int64_t i = 0; i < w.n[m] && w.kept[m]; i++)
            free(w.kept[m][i]);
        free(w.kept[m]);
    }
    um_arena_free(w.arena);
    return NULL;
}
