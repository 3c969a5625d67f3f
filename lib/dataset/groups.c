/* groups.c - sort the rows' names, number them, and list the rows of each */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset/groups.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    const char *name;
    int64_t     row;
};

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    const int           d = x->name && y->name ? strcmp(x->name, y->name) : 0;

    return d ? d : (x->row > y->row) - (x->row < y->row);
}

int um_groups_new(struct um_arena *a, const char *const *name, int64_t nrow, struct um_groups *g)
{
    struct entry *e = um_alloc_array(a, nrow, sizeof *e);

    *g      = (struct um_groups){ 0 };
    g->rows = um_calloc_array(a, nrow, sizeof *g->rows);
    g->of   = um_alloc_array(a, nrow, sizeof *g->of);
    g->at   = um_alloc_array(a, nrow, sizeof *g->at);
    g->from = um_alloc_array(a, nrow + 1, sizeof *g->from);
    if (!e || !g->rows || !g->of || !g->at || !g->from)
        return UM_ENOMEM;
    for (int64_t i = 0; i < nrow; i++)
        e[i] = (struct entry){ name ? name[i] : NULL, i };
    if (name && nrow > 0)
        qsort(e, (size_t)nrow, sizeof *e, by_name);
    for (int64_t i = 0; i < nrow; i++) {
        if (i == 0 || !name || strcmp(e[i].name, e[i - 1].name) != 0)
            g->from[g->n++] = i;
        g->of[e[i].row] = g->n - 1;
        g->rows[g->n - 1]++;
        g->at[i] = e[i].row;
    }
    g->from[g->n] = nrow;
    return UM_OK;
}
