/* edit.c - tensors kept, dropped, renamed, merged; splits that keep equal field values together */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/edit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/philox.h"
#include "stream/select.h"

struct um_edit {
    struct um_arena *arena;
    const char     **keep, **drop, **old, **new, **split;
    int              keeps, drops, renames, splits;
    bool            *kept, *dropped, *renamed; /* names that were met */
    double          *upto;                     /* of the split: the shares so far */
    const char      *field;
    uint64_t         seed;
};

/* "a=b,c=d" into a, c and b, d */
static int split_pairs(struct um_arena *a, const char *what, const char *list, const char ***left,
                       const char ***right, int *n)
{
    UM_TRY(um_list_split(a, what, list, left, n));
    if (!(*right = um_alloc_array(a, *n, sizeof **right)))
        return UM_ENOMEM;
    for (int i = 0; i < *n; i++) {
        const char *text = (*left)[i];
        const char *sign = strchr(text, '=');

        if (!sign || sign == text || sign[1] == 0)
            return um_fail(UM_EUSAGE, "%s: \"%s\" is not A=B", what, text);
        (*right)[i] = sign + 1;
        if (!((*left)[i] = um_strndup(a, text, (size_t)(sign - text))))
            return UM_ENOMEM;
    }
    return UM_OK;
}

/* FIELD:name=share,...; the shares make 1 */
static int open_split(struct um_edit *e, const char *text)
{
    const char  *colon = strchr(text, ':');
    const char **share;
    double       sum = 0;

    if (!colon || colon == text)
        return um_fail(UM_EUSAGE, "--hash-split: \"%s\" is not FIELD:NAME=SHARE,...", text);
    UM_TRY(split_pairs(e->arena, "--hash-split", colon + 1, &e->split, &share, &e->splits));
    e->field = um_strndup(e->arena, text, (size_t)(colon - text));
    e->upto  = um_alloc_array(e->arena, e->splits, sizeof *e->upto);
    if (!e->field || !e->upto)
        return UM_ENOMEM;
    for (int i = 0; i < e->splits; i++) {
        char        *end;
        const double x = strtod(share[i], &end);

        if (*end || !(x >= 0 && x <= 1))
            return um_fail(UM_EUSAGE, "--hash-split: \"%s\" is not a share in 0..1", share[i]);
        for (int j = 0; j < i; j++)
            if (strcmp(e->split[i], e->split[j]) == 0)
                return um_fail(UM_EUSAGE, "--hash-split: \"%s\" twice", e->split[i]);
        e->upto[i] = sum += x;
    }
    if (!(fabs(sum - 1) < 1e-6))
        return um_fail(UM_EUSAGE, "--hash-split: the shares add up to %g, not 1", sum);
    return UM_OK;
}

static int open_all(struct um_edit *e, const struct um_edit_opts *opts)
{
    UM_TRY(um_arena_new(&e->arena));
    if (opts->keep)
        UM_TRY(um_list_split(e->arena, "--keep", opts->keep, &e->keep, &e->keeps));
    if (opts->drop)
        UM_TRY(um_list_split(e->arena, "--drop", opts->drop, &e->drop, &e->drops));
    if (opts->rename)
        UM_TRY(split_pairs(e->arena, "--rename", opts->rename, &e->old, &e->new, &e->renames));
    e->kept    = um_calloc_array(e->arena, e->keeps, sizeof *e->kept);
    e->dropped = um_calloc_array(e->arena, e->drops, sizeof *e->dropped);
    e->renamed = um_calloc_array(e->arena, e->renames, sizeof *e->renamed);
    if (!e->kept || !e->dropped || !e->renamed)
        return UM_ENOMEM;
    return opts->split ? open_split(e, opts->split) : UM_OK;
}

int um_edit_open(struct um_edit **edit, const struct um_edit_opts *opts)
{
    struct um_edit *e = calloc(1, sizeof *e);

    if (!e)
        return um_fail(UM_ENOMEM, "out of memory");
    e->seed      = opts->seed;
    const int st = open_all(e, opts);
    if (st < 0) {
        um_edit_close(e);
        return st;
    }
    *edit = e;
    return UM_OK;
}

void um_edit_close(struct um_edit *e)
{
    if (e)
        um_arena_free(e->arena);
    free(e);
}

const char *const *um_edit_splits(const struct um_edit *e, int *n)
{
    *n = e->splits;
    return e->split;
}

static bool among(const char *const *list, int n, const char *name, bool *met)
{
    for (int i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return met[i] = true;
    return false;
}

const char *um_edit_unmet(const struct um_edit *e, int i, const char **option)
{
    const struct {
        const char *option, **name;
        int         n;
        const bool *met;
    } list[] = { { "--keep", e->keep, e->keeps, e->kept },
                 { "--drop", e->drop, e->drops, e->dropped },
                 { "--rename", e->old, e->renames, e->renamed } };

    for (size_t k = 0; k < sizeof list / sizeof list[0]; k++)
        for (int j = 0; j < list[k].n; j++)
            if (!list[k].met[j] && i-- == 0) {
                *option = list[k].option;
                return list[k].name[j];
            }
    return NULL;
}

/* all renames at once, so that two tensors can change names */
static int rename_tensors(struct um_edit *e, struct um_record *rec)
{
    for (int i = 0; i < rec->ntensor; i++)
        for (int r = 0; r < e->renames; r++)
            if (strcmp(rec->tensor[i].name, e->old[r]) == 0) {
                rec->tensor[i].name = e->new[r];
                e->renamed[r]       = true;
                break;
            }
    for (int i = 0; i < rec->ntensor; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(rec->tensor[i].name, rec->tensor[j].name) == 0)
                return um_fail(UM_EDUPLICATE, "record %s: two tensors would be called `%s`",
                               rec->key, rec->tensor[i].name);
    return UM_OK;
}

/* the value decides, and the seed: records of equal value stay together, in any stream */
static int draw_split(const struct um_edit *e, struct um_arena *a, struct um_record *rec)
{
    const struct um_value *v = um_meta_get(&rec->meta, e->field);
    char                   number[24];
    const char            *text = v && v->kind == UM_STR && v->n ? v->s : NULL;
    int                    i    = 0;

    if (v && v->kind == UM_INT) {
        (void)snprintf(number, sizeof number, "%" PRId64, v->i);
        text = number;
    }
    if (!text)
        return um_fail(UM_EMISSING,
                       "record %s: meta `%s` %s; --hash-split needs a text or a whole number",
                       rec->key, e->field, v ? "is neither" : "missing");
    struct um_rng r = um_rng_at(e->seed, UM_RNG_SAMPLE, um_hash64(text, strlen(text)), 1);
    const double  u = um_rng_uniform(&r);
    while (i < e->splits - 1 && !(u < e->upto[i]))
        i++;
    return um_map_set_str(a, &rec->meta, "split", e->split[i]);
}

int um_edit_record(struct um_edit *e, struct um_arena *a, struct um_record *rec)
{
    for (int i = rec->ntensor - 1; i >= 0; i--) {
        const char *name = rec->tensor[i].name;

        const bool drop = among(e->drop, e->drops, name, e->dropped),
                   keep = !e->keeps || among(e->keep, e->keeps, name, e->kept);

        if (drop || !keep)
            (void)um_record_remove(rec, name);
    }
    if (e->renames)
        UM_TRY(rename_tensors(e, rec));
    return e->splits ? draw_split(e, a, rec) : UM_OK;
}

int um_record_merge(struct um_arena *a, struct um_record *rec, const struct um_record *from)
{
    for (int i = 0; i < from->ntensor; i++) {
        if (um_record_find(rec, from->tensor[i].name))
            return um_fail(UM_EDUPLICATE, "record %s: both streams have a tensor `%s`", rec->key,
                           from->tensor[i].name);
        UM_TRY(um_record_set(a, rec, &from->tensor[i]));
    }
    for (int64_t i = 0; i < from->meta.n; i++) {
        const struct um_value *old = um_map_get(&rec->meta, from->meta.key[i]);

        if (old && !um_value_equal(old, &from->meta.item[i]))
            return um_fail(UM_EMISMATCH, "record %s: meta `%s` differs between the two streams",
                           rec->key, from->meta.key[i]);
    }
    const int added = um_map_add(a, &rec->meta, &from->meta);
    return added < 0 ? added : UM_OK;
}
