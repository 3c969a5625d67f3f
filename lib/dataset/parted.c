/* parted.c - the rows of a manifest, drawn into parts */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/parted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mt19937.h"
#include "dataset/groups.h"

/* ---- rows in ---- */

static const char *column_name(const struct um_manifest *m, int64_t i, char *buf, size_t n)
{
    (void)snprintf(buf, n, "%s%s", um_manifest_column(m, i) == UM_COL_LABEL ? "label." : "",
                   um_manifest_name(m, i));
    return buf;
}

static int find_columns(struct um_parted *t)
{
    char name[256];

    t->by = t->split = -1;
    for (int64_t i = 0; i < um_manifest_ncol(t->m); i++) {
        (void)column_name(t->m, i, name, sizeof name);
        if (strcmp(name, t->opts.by) == 0)
            t->by = i;
        if (um_manifest_column(t->m, i) == UM_COL_SPLIT)
            t->split = i;
    }
    if (t->by < 0 && strcmp(t->opts.by, "row") != 0)
        return um_fail(UM_EMISSING, "no column %s to keep together (--by row: every row by itself)",
                       t->opts.by);
    return UM_OK;
}

static int add_row(struct um_parted *t, struct um_row *row)
{
    if (t->n == t->cap) {
        const int64_t   cap = 2 * t->cap + 1024;
        struct um_row **p   = realloc(t->row, (size_t)cap * sizeof *p);

        if (!p) {
            um_row_free(row);
            return um_fail(UM_ENOMEM, "out of memory");
        }
        t->row = p;
        t->cap = cap;
    }
    t->row[t->n++] = row;
    if (t->by >= 0 && !*row->field[t->by])
        return um_fail(UM_EMISSING, "line %lld has no %s (--by row: every row by itself)",
                       (long long)row->line, t->opts.by);
    return UM_OK;
}

int um_parted_read(struct um_parted *t, const char *path)
{
    struct um_row *row;
    int            st;

    UM_TRY(um_arena_new(&t->a));
    UM_TRY(um_manifest_open(&t->m, path));
    UM_TRY(find_columns(t));
    while ((st = um_manifest_next(t->m, &row)) > 0)
        UM_TRY(add_row(t, row));
    UM_TRY(st);
    t->part  = um_calloc_array(t->a, t->n, sizeof *t->part);
    t->order = um_alloc_array(t->a, t->n, sizeof *t->order);
    if (!t->part || !t->order)
        return UM_ENOMEM;
    t->nout = t->n;
    for (int64_t i = 0; i < t->n; i++) {
        t->order[i] = i;
        st          = um_part_parse(t->split < 0 ? "" : t->row[i]->field[t->split], &t->part[i]);
        if (st < 0)
            return um_context(st, "line %lld", (long long)t->row[i]->line);
    }
    return UM_OK;
}

/* ---- the draw ---- */

/* the rows that train, in the order they have now, and their groups */
static int training_rows(struct um_parted *t, int64_t **rows, int64_t *n, struct um_groups *g)
{
    const char **name = um_alloc_array(t->a, t->nout, sizeof *name);

    *rows = um_alloc_array(t->a, t->nout, sizeof **rows);
    *n    = 0;
    if (!name || !*rows)
        return UM_ENOMEM;
    for (int64_t i = 0; i < t->nout; i++) {
        const int64_t r = t->order[i];

        if (t->part[r] != UM_TRAIN)
            continue;
        name[*n]        = t->by < 0 ? NULL : t->row[r]->field[t->by];
        (*rows)[(*n)++] = r;
    }
    return um_groups_new(t->a, t->by < 0 ? NULL : name, *n, g);
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* t->order: the groups of `drawn`, n of them, then the rows that were not drawn from */
static void reorder(struct um_parted *t, const struct um_groups *g, const int64_t *rows,
                    const int64_t *drawn, int64_t n)
{
    int64_t *out = t->order, k = 0;

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = g->from[drawn[i]]; j < g->from[drawn[i] + 1]; j++)
            out[k++] = rows[g->at[j]];
    for (int64_t r = 0; r < t->n; r++)
        if (t->part[r] != UM_TRAIN)
            out[k++] = r;
    t->nout = k;
    if (!t->opts.drawn)
        qsort(out, (size_t)k, sizeof *out, by_number);
}

int um_parted_split(struct um_parted *t)
{
    const struct um_split s = { t->opts.seed, t->opts.valid, t->opts.test };
    struct um_groups      g;
    int64_t              *rows, *order, n, n_part[UM_NPART], i = 0;

    UM_TRY(training_rows(t, &rows, &n, &g));
    if (!(order = um_alloc_array(t->a, g.n, sizeof *order)))
        return UM_ENOMEM;
    UM_TRY(um_split_draw(&s, g.n, g.rows, order, n_part));
    reorder(t, &g, rows, order, g.n); /* before the parts are set: it asks who was drawn from */
    for (int part = UM_TRAIN; part < UM_NPART; part++)
        for (int64_t end = i + n_part[part]; i < end; i++)
            for (int64_t j = g.from[order[i]]; j < g.from[order[i] + 1]; j++)
                t->part[rows[g.at[j]]] = (enum um_part)part;
    return UM_OK;
}

int um_parted_subset(struct um_parted *t)
{
    struct um_groups g;
    int64_t         *rows, *order, n, k;

    UM_TRY(training_rows(t, &rows, &n, &g));
    k = um_subset_count(t->opts.subset, g.n, t->opts.rounding);
    if (k < 1)
        return um_fail(UM_ERANGE, "--subset %g of %lld groups leaves none", t->opts.subset,
                       (long long)g.n);
    if (!(order = um_alloc_array(t->a, g.n, sizeof *order)))
        return UM_ENOMEM;
    um_mt_permutation(t->opts.seed, order, g.n);
    reorder(t, &g, rows, order, k);
    return UM_OK;
}

/* ---- rows out ---- */

static int write_row(const struct um_parted *t, struct um_outfile *out, int64_t r)
{
    const char *part = um_part_name(t->part[r]);

    for (int64_t i = 0; i < t->row[r]->ncol; i++)
        UM_TRY(um_outfile_printf(out, "%s%s", i ? "\t" : "",
                                 i == t->split ? part : t->row[r]->field[i]));
    return um_outfile_printf(out, "%s%s\n", t->split < 0 ? "\t" : "", t->split < 0 ? part : "");
}

int um_parted_write(const struct um_parted *t, struct um_outfile *out, int64_t rows[UM_NPART])
{
    char name[4096];

    memset(rows, 0, UM_NPART * sizeof *rows);
    for (int64_t i = 0; i < um_manifest_ncol(t->m); i++)
        UM_TRY(
            um_outfile_printf(out, "%s%s", i ? "\t" : "", column_name(t->m, i, name, sizeof name)));
    UM_TRY(um_outfile_printf(out, "%s\n", t->split < 0 ? "\tsplit" : ""));
    for (int64_t i = 0; i < t->nout; i++) {
        rows[t->part[t->order[i]]]++;
        UM_TRY(write_row(t, out, t->order[i]));
    }
    return UM_OK;
}

int um_parted_shared(const struct um_parted *t, int64_t *n)
{
    const char     **name = um_alloc_array(t->a, t->n, sizeof *name);
    struct um_groups g;

    *n = 0;
    if (!name)
        return UM_ENOMEM;
    for (int64_t r = 0; r < t->n && t->by >= 0; r++)
        name[r] = t->row[r]->field[t->by];
    UM_TRY(um_groups_new(t->a, t->by < 0 ? NULL : name, t->n, &g));
    for (int64_t i = 0; i < g.n; i++) {
        int64_t j = g.from[i] + 1;

        while (j < g.from[i + 1] && t->part[g.at[j]] == t->part[g.at[g.from[i]]])
            j++;
        *n += j < g.from[i + 1];
    }
    return UM_OK;
}

void um_parted_free(struct um_parted *t)
{
    for (int64_t i = 0; i < t->n; i++)
        um_row_free(t->row[i]);
    free(t->row);
    um_manifest_close(t->m);
    um_arena_free(t->a);
    *t = (struct um_parted){ 0 };
}
