/* data.c - headers of files and pipes; reading one record */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load/data.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "load/record.h"

/* ---- headers ---- */

static int clash(const char *name, int part, const char *what, const char *now, const char *before)
{
    return um_fail(UM_EMISMATCH,
                   "%s: part %d: %s %s where the parts before have %s: streams of one training "
                   "must agree",
                   name, part + 1, what, now, before);
}

static int take_window(struct um_data *d, const char *name, int part, const struct um_value *w)
{
    char   now[64], before[64];
    double x[2];

    if (!w)
        return UM_OK;
    for (int i = 0; i < 2; i++) {
        const struct um_value *v = w->kind == UM_LIST && w->n == 2 ? &w->item[i] : NULL;

        if (!v || (v->kind != UM_INT && v->kind != UM_FLOAT))
            return um_fail(UM_EFORMAT, "%s: part %d: window in the header is not two numbers", name,
                           part + 1);
        x[i] = v->kind == UM_INT ? (double)v->i : v->f;
    }
    if (d->has_window && (x[0] != d->window[0] || x[1] != d->window[1])) {
        (void)snprintf(now, sizeof now, "%g,%g HU", x[0], x[1]);
        (void)snprintf(before, sizeof before, "%g,%g HU", d->window[0], d->window[1]);
        return clash(name, part, "window", now, before);
    }
    memcpy(d->window, x, sizeof x);
    d->has_window = true;
    return UM_OK;
}

static int take_size(struct um_data *d, const char *name, int part, const struct um_value *h)
{
    char   now[32], before[32];
    double size;

    if (!um_map_num(h, "vocab_size", &size))
        return UM_OK;
    if (!(size >= 1 && size <= 1 << 24))
        return um_fail(UM_ERANGE, "%s: part %d: vocab_size %g in the header", name, part + 1, size);
    if (d->vocab_size && d->vocab_size != (int64_t)size) {
        (void)snprintf(now, sizeof now, "%lld pieces", (long long)size);
        (void)snprintf(before, sizeof before, "%lld", (long long)d->vocab_size);
        return clash(name, part, "vocabulary of", now, before);
    }
    d->vocab_size = (int64_t)size;
    return UM_OK;
}

static int take_vocab(struct um_data *d, const char *name, int part, const struct um_value *h)
{
    const char            *digest = um_map_str(h, "vocab");
    const struct um_value *cased  = um_map_get(h, "cased");

    if (digest && d->vocab[0] && strcmp(digest, d->vocab) != 0)
        return clash(name, part, "vocabulary", digest, d->vocab);
    if (digest && strlen(digest) < sizeof d->vocab)
        memcpy(d->vocab, digest, strlen(digest) + 1);
    if (cased && cased->kind == UM_BOOL) {
        if (d->has_cased && cased->b != d->cased)
            return clash(name, part, "word pieces that are", cased->b ? "cased" : "lower-case",
                         d->cased ? "cased" : "lower-case");
        d->cased     = cased->b;
        d->has_cased = true;
    }
    return take_size(d, name, part, h);
}

int um_data_header(struct um_data *d, const char *name, int part, const struct um_value *header)
{
    UM_TRY(take_window(d, name, part, um_map_get(header, "window")));
    return take_vocab(d, name, part, header);
}

/* ---- files and pipes ---- */

void um_data_close(struct um_data *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->nfile && d->file; i++)
        um_index_close(d->file[i]);
    for (int i = 0; i < d->nfile && d->path; i++)
        free(d->path[i]);
    for (int m = 0; m < UM_MODALITIES; m++) {
        um_items_free(&d->train[m]);
        um_items_free(&d->valid[m]);
    }
    um_reader_close(d->reader);
    free(d->file);
    free(d->path);
    free(d);
}

static int open_file(struct um_data *d, int i)
{
    UM_TRY(um_index_open(&d->file[i], d->path[i]));
    for (int p = 0; p < um_index_parts(d->file[i]); p++)
        UM_TRY(um_data_header(d, d->path[i], p, um_index_part_header(d->file[i], p)));
    return UM_OK;
}

static int open_pipe(struct um_data *d, const char *path)
{
    struct um_arena  *a;
    struct um_record *rec;
    int               st;

    d->pipe = true;
    UM_TRY(um_reader_open(&d->reader, path));
    UM_TRY(um_arena_new(&a));
    st = um_reader_next(d->reader, a, &rec); /* the header comes first, or an error */
    um_arena_free(a);
    UM_TRY(st);
    return um_data_header(d, um_reader_name(d->reader), 0, um_reader_header(d->reader));
}

static bool is_pipe(const char *path)
{
    struct stat sb;

    return !path || strcmp(path, "-") == 0 || (stat(path, &sb) == 0 && S_ISFIFO(sb.st_mode));
}

static int open_all(struct um_data *d, char **files)
{
    int n = 0;

    while (files[n])
        n++;
    if (n < 2 && is_pipe(files[0]))
        return open_pipe(d, files[0]);
    d->file  = calloc((size_t)n + 1, sizeof *d->file);
    d->path  = calloc((size_t)n + 1, sizeof *d->path);
    d->nfile = n;
    if (!d->file || !d->path)
        return um_fail(UM_ENOMEM, "out of memory");
    for (int i = 0; i < n; i++) {
        if (is_pipe(files[i]))
            return um_fail(UM_EUSAGE, "%s: a pipe is read alone, not together with files",
                           strcmp(files[i], "-") == 0 ? "standard input" : files[i]);
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
    for (int m = 0; m < UM_MODALITIES; m++)
        d->train[m] = d->valid[m] = (struct um_items)UM_ITEMS_INIT;
    if ((st = open_all(d, files)) < 0) {
        um_data_close(d);
        return st;
    }
    *out = d;
    return UM_OK;
}

/* ---- reading one ---- */

int64_t um_data_values(const struct um_data *d, enum um_modality mod)
{
    const struct um_model_config *c = &d->cfg;

    return mod == UM_2D ? c->image * c->image : c->volume[0] * c->volume[1] * c->volume[2];
}

int um_data_read(const struct um_data *d, const struct um_item *item, enum um_modality mod,
                 const struct um_draw *draw, struct um_arena *arena, struct um_sample *s)
{
    struct um_record *rec;
    struct um_seen    now = { .item = *item };

    UM_TRY(um_index_read(d->file[item->file], item->record, arena, &rec));
    const int st = um_record_look(&d->cfg, d->use, rec, &now);
    if (st < 0)
        return um_context(st, "%s: record %s", d->path[item->file], rec->key);
    if (now.mod != mod || now.ids != d->length || now.item.content != item->content)
        return um_fail(UM_EMISMATCH, "%s: record %s: changed while it was being trained on",
                       d->path[item->file], rec->key);
    um_record_sample(&d->cfg, rec, item, mod, draw, s);
    s->key = rec->key;
    return UM_OK;
}
