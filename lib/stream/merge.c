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

/* 1 and the number of the record with that key, or 0 */
static int partner(struct um_merge *m, const char *key, int64_t *i)
{
    const int found = um_index_find(m->ix, key, 0, i);

    if (found > 0)
        m->met[*i] = true;
    return found;
}

int um_merge_seen(struct um_merge *m, const char *key)
{
    int64_t i;

    return m ? partner(m, key, &i) : 0;
}

int um_merge_record(struct um_merge *m, struct um_arena *a, struct um_record *rec)
{
    struct um_record *from;
    int64_t           i;

    if (!m)
        return 1;
    const int found = partner(m, rec->key, &i);
    UM_TRY(found);
    if (!found && m->unmatched == UM_UNMATCHED_ERROR)
        return um_fail(UM_EMISSING, "record %s: %s has no such key", rec->key, m->path);
    if (!found)
        return m->unmatched == UM_UNMATCHED_KEEP;
    UM_TRY(um_index_read(m->ix, i, a, &from));
    UM_TRY(um_record_merge(a, rec, from));
    return 1;
}

/* the first record that nobody asked for */
static int unmet(struct um_merge *m)
{
    char key[UM_MAX_KEY + 1];

    for (int64_t i = 0; i < um_index_count(m->ix); i++) {
        if (m->met[i])
            continue;
        UM_TRY(um_index_key(m->ix, i, key));
        return um_fail(UM_EMISSING, "%s: record %s has no partner", m->path, key);
    }
    return UM_OK;
}

int um_merge_close(struct um_merge *m, int st)
{
    if (!m)
        return st;
    if (m->unmatched == UM_UNMATCHED_ERROR && m->met && st >= 0)
        st = unmet(m);
    um_index_close(m->ix);
    free(m->met);
    free(m);
    return st;
}
