/* tally.c - one row per tensor name */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/tally.h"

#include <stdlib.h>
#include <string.h>

#include "stream/stats.h"

struct row {
    char            *name;
    struct um_tensor like; /* dtype and shape; -1 where records differ; ndim -1: the number of dims
                              does */
    bool            mixed; /* several dtypes */
    int64_t         records;
    struct um_stats stats;
};

struct um_tally {
    struct row *row;
    int         n, cap;
    int64_t     bytes;
};

int um_tally_new(struct um_tally **t)
{
    *t = calloc(1, sizeof **t);
    return *t ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

void um_tally_free(struct um_tally *t)
{
    for (int i = 0; t && i < t->n; i++)
        free(t->row[i].name);
    if (t)
        free(t->row);
    free(t);
}

static struct row *row_of(struct um_tally *t, const struct um_tensor *x)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->row[i].name, x->name) == 0)
            return &t->row[i];
    if (t->n == t->cap) {
        const int   cap  = t->cap ? 2 * t->cap : 8;
        struct row *more = realloc(t->row, (size_t)cap * sizeof *more);

        if (!more)
            return NULL;
        t->row = more;
        t->cap = cap;
    }
    t->row[t->n] = (struct row){ .name = strdup(x->name), .like = *x };
    return t->row[t->n].name ? &t->row[t->n++] : NULL;
}

static void widen(struct row *r, const struct um_tensor *x)
{
    r->mixed = r->mixed || r->like.dtype != x->dtype;
    if (r->like.ndim != x->ndim)
        r->like.ndim = -1;
    for (int i = 0; i < r->like.ndim; i++)
        if (r->like.dim[i] != x->dim[i])
            r->like.dim[i] = -1;
}

int um_tally_add(struct um_tally *t, const struct um_record *rec)
{
    for (int i = 0; i < rec->ntensor; i++) {
        const struct um_tensor *x = &rec->tensor[i];
        struct row             *r = row_of(t, x);
        struct um_stats         s;

        if (!r)
            return um_fail(UM_ENOMEM, "out of memory");
        um_stats_tensor(x, &s);
        um_stats_add(&r->stats, &s);
        widen(r, x);
        r->records++;
        t->bytes += (int64_t)um_tensor_bytes(x);
    }
    return UM_OK;
}

int um_tally_table(const struct um_tally *t, struct um_outfile *out)
{
    char shape[UM_SHAPE_TEXT];

    UM_TRY(um_outfile_printf(
        out, "tensor\tdtype\tshape\trecords\telements\tmin\tmean\tmax\tstd\tnan\n"));
    for (int i = 0; i < t->n; i++) {
        const struct row *r = &t->row[i];

        UM_TRY(um_outfile_printf(
            out, "%s\t%s\t%s\t%lld\t%lld\t%.9g\t%.9g\t%.9g\t%.9g\t%lld\n", r->name,
            r->mixed ? "several" : um_dtype_name(r->like.dtype),
            r->like.ndim < 0 ? "several" : um_shape_text(&r->like, shape, sizeof shape),
            (long long)r->records, (long long)(r->stats.count + r->stats.nan), r->stats.min,
            r->stats.mean, r->stats.max, um_stats_std(&r->stats), (long long)r->stats.nan));
    }
    return UM_OK;
}

int64_t um_tally_bytes(const struct um_tally *t)
{
    return t->bytes;
}
