/* join.c - headers of several parts become one */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/join.h"

#include <string.h>

#include "stream/umt.h"

/* does a field agree with what the headers before it said, if they said anything? */
static int check_field(struct um_join *j, const char *field, const struct um_value *v,
                       const char *name)
{
    const struct um_value *old = um_map_get(&j->fields, field);
    char                  *was, *is;

    if (!old || um_value_equal(old, v))
        return UM_OK;
    UM_TRY(um_value_json(j->arena, old, &was));
    UM_TRY(um_value_json(j->arena, v, &is));
    return um_fail(UM_EMISMATCH, "%s: \"%s\" in the header is %s, and %s in the streams before it",
                   name, field, is, was);
}

static int add_history(struct um_join *j, const struct um_value *history)
{
    const int64_t    n = j->history.n;
    struct um_value *item;

    for (int64_t i = 0; i < n; i++)
        if (um_value_equal(&j->history.item[i], history))
            return 0;
    if (!(item = um_alloc_array(j->arena, n + 1, sizeof *item)))
        return UM_ENOMEM;
    if (n)
        memcpy(item, j->history.item, (size_t)n * sizeof *item);
    UM_TRY(um_value_copy(j->arena, history, &item[n]));
    j->history = (struct um_value){ .kind = UM_LIST, .n = n + 1, .item = item };
    return 1;
}

int um_join_add(struct um_join *j, const struct um_value *header, const char *name)
{
    struct um_value rest  = { .kind = UM_MAP }; /* of the header, without umt and history */
    int             fresh = 0;

    rest.item = um_alloc_array(j->arena, header->n, sizeof *rest.item);
    rest.key  = um_alloc_array(j->arena, header->n, sizeof *rest.key);
    if (!rest.item || !rest.key)
        return UM_ENOMEM;
    for (int64_t i = 0; i < header->n; i++) {
        if (strcmp(header->key[i], "umt") == 0 || strcmp(header->key[i], "shard") == 0)
            continue; /* what one file was made from; the joined one is made from several */
        if (strcmp(header->key[i], "history") == 0) {
            UM_TRY(fresh = add_history(j, &header->item[i]));
            continue;
        }
        UM_TRY(check_field(j, header->key[i], &header->item[i], name));
        rest.key[rest.n]    = header->key[i];
        rest.item[rest.n++] = header->item[i];
    }
    const int added = um_map_add(j->arena, &j->fields, &rest);
    return added < 0 ? added : fresh || added > 0;
}

int um_join_header(struct um_join *j, const char *tool, const struct um_value *options,
                   struct um_value *header)
{
    struct um_value in = { .kind = UM_MAP };

    UM_TRY(um_map_set_int(j->arena, &in, "umt", 1));
    if (j->history.n == 1)
        UM_TRY(um_map_set(j->arena, &in, "history", &j->history.item[0]));
    const int added = um_map_add(j->arena, &in, &j->fields);
    if (added < 0)
        return added;
    UM_TRY(um_header_new(j->arena, &in, tool, options, header));
    if (j->history.n == 1)
        return UM_OK;
    const struct um_value *history = um_map_get(header, "history");
    return um_map_set(j->arena, &history->item[history->n - 1], "inputs", &j->history);
}
