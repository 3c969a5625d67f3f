/* filter.c - rows kept and rows dropped */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/filter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"

enum { AT_MOST = 1000000000 };

const char *um_drop_name(enum um_drop why)
{
    static const char *const name[UM_NDROP] = { "kept", "frontal", "sentences", "words" };

    return name[why];
}

static int unknown(const char *text)
{
    return um_fail(UM_ERANGE,
                   "filter \"%s\": expected frontal, sentences=N or words=N, with commas", text);
}

/* NAME=N at p: N and the place after it */
static bool number(const char **p, const char *name, int64_t *n)
{
    const size_t len = strlen(name);
    char        *end;

    if (strncmp(*p, name, len) != 0 || (*p)[len] < '0' || (*p)[len] > '9')
        return false;
    *n = strtoll(*p + len, &end, 10);
    *p = end;
    return *n >= 1 && *n <= AT_MOST;
}

int um_filters_parse(const char *text, struct um_filters *f)
{
    bool words = false;

    *f = (struct um_filters){ 0 };
    if (text && !*text)
        return unknown(text);
    for (const char *p = text; p && *p;) {
        if (strncmp(p, "frontal", 7) == 0 && (p[7] == ',' || !p[7])) {
            f->frontal = true;
            p += 7;
        } else if (number(&p, "words=", &f->words)) {
            words = true;
        } else if (!number(&p, "sentences=", &f->sentences)) {
            return unknown(text);
        }
        if (*p == ',' && p[1])
            p++;
        else if (*p)
            return unknown(text);
    }
    if (f->sentences > 0 && !words)
        f->words = 3;
    return UM_OK;
}

bool um_view_is_frontal(const char *view)
{
    const size_t space = strspn(view, " "), n = strcspn(view + space, " ");

    return n == 2 &&
           (strncasecmp(view + space, "PA", 2) == 0 || strncasecmp(view + space, "AP", 2) == 0);
}

/* ---- the list ---- */

struct entry {
    int64_t      line;
    char        *key;
    enum um_drop why;
};

struct um_dropped {
    pthread_mutex_t lock;
    bool            list;
    struct entry   *entry;
    size_t          n, cap;
    int64_t         count[UM_NDROP];
};

int um_dropped_new(struct um_dropped **out, bool list)
{
    struct um_dropped *d = calloc(1, sizeof *d);

    if (!d)
        return um_fail(UM_ENOMEM, "out of memory");
    pthread_mutex_init(&d->lock, NULL);
    d->list = list;
    *out    = d;
    return UM_OK;
}

static bool add(struct um_dropped *d, int64_t line, const char *key, enum um_drop why)
{
    if (d->n == d->cap) {
        const size_t  cap = 2 * d->cap + 64;
        struct entry *p   = realloc(d->entry, cap * sizeof *p);

        if (!p)
            return false;
        d->entry = p;
        d->cap   = cap;
    }
    d->entry[d->n] = (struct entry){ line, strdup(key), why };
    return d->entry[d->n++].key != NULL;
}

int um_dropped_add(struct um_dropped *d, int64_t line, const char *key, enum um_drop why)
{
    bool ok;

    pthread_mutex_lock(&d->lock);
    ok = !d->list || add(d, line, key, why);
    d->count[why]++;
    pthread_mutex_unlock(&d->lock);
    return ok ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

int64_t um_dropped_count(struct um_dropped *d, enum um_drop why)
{
    int64_t n;

    pthread_mutex_lock(&d->lock);
    n = d->count[why];
    pthread_mutex_unlock(&d->lock);
    return n;
}

static int by_line(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->line > y->line) - (x->line < y->line);
}

char *um_dropped_text(struct um_dropped *d, int64_t rows, char buf[UM_DROPPED_TEXT])
{
    int64_t all = 0;
    int     n;

    for (int why = 1; why < UM_NDROP; why++)
        all += um_dropped_count(d, (enum um_drop)why);
    n = snprintf(buf, UM_DROPPED_TEXT, "dropped %lld of %lld rows", (long long)all,
                 (long long)rows);
    for (int why = 1; why < UM_NDROP; why++)
        n += snprintf(buf + n, (size_t)(UM_DROPPED_TEXT - n), "%s %s %lld", why == 1 ? ":" : ",",
                      um_drop_name((enum um_drop)why),
                      (long long)um_dropped_count(d, (enum um_drop)why));
    return buf;
}

static int write_all(struct um_dropped *d, struct um_outfile *out)
{
    UM_TRY(um_outfile_printf(out, "key\tfilter\n"));
    if (d->n > 0)
        qsort(d->entry, d->n, sizeof *d->entry, by_line);
    for (size_t i = 0; i < d->n; i++)
        UM_TRY(um_outfile_printf(out, "%s\t%s\n", d->entry[i].key, um_drop_name(d->entry[i].why)));
    return UM_OK;
}

static void clear(struct um_dropped *d)
{
    while (d->n > 0)
        free(d->entry[--d->n].key);
}

int um_dropped_save(struct um_dropped *d, const char *path)
{
    struct um_outfile *out;

    UM_TRY(um_outfile_open(&out, path));
    UM_TRY(um_outfile_close(out, write_all(d, out), 0));
    clear(d);
    return UM_OK;
}

void um_dropped_free(struct um_dropped *d)
{
    if (!d)
        return;
    clear(d);
    pthread_mutex_destroy(&d->lock);
    free(d->entry);
    free(d);
}
