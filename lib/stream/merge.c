/* merge.c - partners by the index of the other stream */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/merge.h"

#include <stdlib.h>

#include "stream/edit.h"
#include "stream/umt.h"

struct um_merge {
    const char       *path;
    struct um_index  *ix;
    enum um_unmatched unmatched;
    bool             *met; /* records that had a partner */
};

static int open_all(struct um_merge *m, struct um_join *j)
{
    UM_TRY(um_index_open(&m->ix, m->path));
    for (int p = 0; p < um_index_parts(m->ix); p++)
        UM_TRY(um_join_add(j, um_index_part_header(m->ix, p), m->path));
    m->met = calloc((size_t)um_index_count(m->ix) + 1, sizeof *m->met);
    return m->met ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

int um_merge_open(struct um_merge **merge, const char *path, enum um_unmatched unmatched,
                  struct um_join *j)
{
    struct um_merge *m = calloc(1, sizeof *m);

    if (!m)
        return um_fail(UM_ENOMEM, "out of memory");
    m->path      = path;
    m->unmatched = unmatched;
    const int st = open_all(m, j);
    if (st < 0)
        return um_merge_close(m, st);
    *merge = m;
    return UM_OK;
}

static int64_t partner(struct um_merge *m, const char *key)
{
    const int64_t i = um_index_find(m->ix, key, 0);

    if (i >= 0)
        m->met[i] = true;
    return i;
}

void um_merge_seen(struct um_merge *m, const char *key)
{
    if (m)
        (void)partner(m, key);
}

int um_merge_record(struct um_merge *m, struct um_arena *a, struct um_record *rec)
{
    const int64_t     i = m ? partner(m, rec->key) : -1;
    struct um_record *from;

    if (!m)
        return 1;
    if (i < 0 && m->unmatched == UM_UNMATCHED_ERROR)
        return um_fail(UM_EMISSING, "record %s: %s has no such key", rec->key, m->path);
    if (i < 0)
        return m->unmatched == UM_UNMATCHED_KEEP;
    UM_TRY(um_index_read(m->ix, i, a, &from));
    UM_TRY(um_record_merge(a, rec, from));
    return 1;
}

int um_merge_close(struct um_merge *m, int st)
{
    if (!m)
        return st;
    if (m->unmatched == UM_UNMATCHED_ERROR && m->met)
        for (int64_t i = 0; i < um_index_count(m->ix) && st >= 0; i++)
            if (!m->met[i])
                st = um_fail(UM_EMISSING, "%s: record %s has no partner", m->path,
                             um_index_key(m->ix, i));
    um_index_close(m->ix);
    free(m->met);
    free(m);
    return st;
}
