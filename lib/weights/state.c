/* state.c - nested dicts as one list of named tensors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Values are shared by reference, so that a few bytes of pickle can describe a tree without end:
 * depth, values visited, tensors and the bytes of their names are all limited.
 */
#include <stdio.h>
#include <string.h>

#include "weights/torch.h"

enum {
    DEPTH_MAX = 64,
    VISIT_MAX = 1 << 22,
    NAMES_MAX = 1 << 26, /* bytes of all names */
    NAME_ROOM = 1 << 13  /* um_name_check allows less */
};

struct walk {
    struct um_arena *a;
    char             name[NAME_ROOM];
    size_t           bytes; /* of names so far */
    int              visits, n, cap;
    struct um_found *found;
};

static int add(struct walk *w, size_t len, const struct um_pickle_tensor *t)
{
    char shown[UM_SHOWN];

    if (um_name_check(w->name, len) < 0)
        return um_context(UM_EFORMAT, "tensor %s", um_shown(w->name, len, shown));
    if (w->n >= WEIGHTS_COUNT_MAX || (w->bytes += len + 1) > NAMES_MAX)
        return um_fail(UM_ERANGE, "more than %d tensors, or than %d bytes of names",
                       WEIGHTS_COUNT_MAX, NAMES_MAX);
    if (w->n == w->cap) {
        const int        cap  = w->cap ? 2 * w->cap : 64;
        struct um_found *more = um_alloc_array(w->a, cap, sizeof *more);

        if (!more)
            return UM_ENOMEM;
        if (w->n)
            memcpy(more, w->found, (size_t)w->n * sizeof *more);
        w->found = more;
        w->cap   = cap;
    }
    w->found[w->n].t = t;
    if (!(w->found[w->n].name = um_strndup(w->a, w->name, len)))
        return UM_ENOMEM;
    w->n++;
    return UM_OK;
}

static int visit(struct walk *w, size_t len, const struct um_pickle_value *v, int depth);

/* a child under its key: its part of the name, then the child */
static int visit_named(struct walk *w, size_t len, const struct um_pickle_value *key,
                       const struct um_pickle_value *v, int depth)
{
    const size_t dot  = len > 0;
    const size_t room = NAME_ROOM - len;

    if (v->kind != UM_PICKLE_TENSOR && v->kind != UM_PICKLE_DICT && v->kind != UM_PICKLE_LIST &&
        v->kind != UM_PICKLE_TUPLE)
        return UM_OK;
    if (dot)
        w->name[len] = '.';
    if (key->kind == UM_PICKLE_INT) {
        char number[24];

        (void)snprintf(number, sizeof number, "%lld", (long long)key->i);
        if (strlen(number) + dot >= room)
            return um_fail(UM_ERANGE, "a name of more than %d bytes", NAME_ROOM);
        memcpy(w->name + len + dot, number, strlen(number));
        return visit(w, len + dot + strlen(number), v, depth);
    }
    if (key->kind != UM_PICKLE_TEXT)
        return um_fail(UM_EFORMAT, "a dict with a key that is neither text nor a number");
    if (key->n + dot + 1 >= room)
        return um_fail(UM_ERANGE, "a name of more than %d bytes", NAME_ROOM);
    memcpy(w->name + len + dot, key->s, key->n);
    return visit(w, len + dot + key->n, v, depth);
}

static int visit(struct walk *w, size_t len, const struct um_pickle_value *v, int depth)
{
    if (v->kind == UM_PICKLE_TENSOR)
        return add(w, len, v->tensor);
    if (depth >= DEPTH_MAX)
        return um_fail(UM_ERANGE, "dicts nested more than %d deep, or in themselves", DEPTH_MAX);
    if (v->list->n > (uint32_t)(VISIT_MAX - w->visits))
        return um_fail(UM_ERANGE, "more than %d values", VISIT_MAX);
    w->visits += (int)v->list->n;
    if (v->kind == UM_PICKLE_DICT) {
        for (uint32_t i = 0; i + 1 < v->list->n; i += 2)
            UM_TRY(visit_named(w, len, &v->list->item[i], &v->list->item[i + 1], depth + 1));
        return UM_OK;
    }
    for (uint32_t i = 0; i < v->list->n; i++) {
        const struct um_pickle_value number = { .kind = UM_PICKLE_INT, .i = i };

        UM_TRY(visit_named(w, len, &number, &v->list->item[i], depth + 1));
    }
    return UM_OK;
}

int um_state_walk(struct um_arena *a, const struct um_pickle_value *root, struct um_found **found,
                  int *n)
{
    struct walk *w = um_calloc_array(a, 1, sizeof *w);

    if (!w)
        return UM_ENOMEM;
    w->a = a;
    if (root->kind == UM_PICKLE_TENSOR)
        return um_fail(UM_EFORMAT, "a tensor without a name, expected a state dict");
    if (root->kind != UM_PICKLE_DICT && root->kind != UM_PICKLE_LIST &&
        root->kind != UM_PICKLE_TUPLE)
        return um_fail(UM_EFORMAT, "something that is no dict, expected a state dict");
    UM_TRY(visit(w, 0, root, 0));
    *found = w->found;
    *n     = w->n;
    return UM_OK;
}
