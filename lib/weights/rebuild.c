/* rebuild.c - the globals of a state dict, and what calling them means
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "weights/pickle_int.h"

static const struct {
    const char           *module, *name;
    enum um_pickle_global which;
} known[] = {
    { "collections", "OrderedDict", UM_GLOBAL_DICT },
    { "torch._utils", "_rebuild_tensor", UM_GLOBAL_TENSOR },
    { "torch._utils", "_rebuild_tensor_v2", UM_GLOBAL_TENSOR_V2 },
    { "torch._utils", "_rebuild_tensor_v3", UM_GLOBAL_TENSOR_V3 },
    { "torch._utils", "_rebuild_parameter", UM_GLOBAL_PARAMETER },
    { "torch._utils", "_rebuild_parameter_with_state", UM_GLOBAL_PARAMETER_STATE },
    { "torch.storage", "UntypedStorage", UM_GLOBAL_STORAGE },
    { "torch", "UntypedStorage", UM_GLOBAL_STORAGE },
};

static bool is(const char *want, const char *s, size_t n)
{
    return strlen(want) == n && memcmp(want, s, n) == 0;
}

int um_pickle_global(struct um_pickle_value *v, const char *module, size_t module_n,
                     const char *name, size_t name_n)
{
    const struct um_elem *elem;
    char                  a[UM_SHOWN], b[UM_SHOWN];

    *v = (struct um_pickle_value){ .kind = UM_PICKLE_GLOBAL };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (is(known[i].module, module, module_n) && is(known[i].name, name, name_n)) {
            v->n = (uint32_t)known[i].which;
            return UM_OK;
        }
    if (is("torch", module, module_n)) {
        if ((elem = um_elem_storage(name, name_n)) || (elem = um_elem_torch(name, name_n))) {
            v->n    = um_elem_storage(name, name_n) ? UM_GLOBAL_STORAGE : UM_GLOBAL_DTYPE;
            v->elem = elem;
            return UM_OK;
        }
    }
    return um_fail(
        UM_EUNSUPPORTED,
        "pickle global %s.%s is none of a state dict's (nothing was run): " UM_PICKLE_ALONE,
        um_shown(module, module_n, a), um_shown(name, name_n, b));
}

/* ---- dicts ---- */

/* Python 2 wrote an OrderedDict as a list of [key, value]. Five bytes may call for a copy of any
 * list that is in the memo: whoever writes each list once gets by with a value for each byte. */
static int rebuild_dict(struct um_pickle_vm *vm, const struct um_pickle_list *args,
                        struct um_pickle_value *v)
{
    *v = (struct um_pickle_value){ .kind = UM_PICKLE_DICT };
    if (!(v->list = um_pickle_object(vm, sizeof *v->list)))
        return UM_ENOMEM;
    if (args->n == 0)
        return UM_OK;
    if (args->n > 1 || args->item[0].kind != UM_PICKLE_LIST)
        return um_fail(UM_EFORMAT, "an OrderedDict of something that is no list");
    vm->copied += 2 * (uint64_t)args->item[0].list->n;
    if (vm->copied > vm->at)
        return um_fail(UM_ERANGE, "OrderedDicts of %llu values after %zu bytes",
                       (unsigned long long)vm->copied, vm->at);
    for (uint32_t i = 0; i < args->item[0].list->n; i++) {
        const struct um_pickle_value *pair = &args->item[0].list->item[i];

        if ((pair->kind != UM_PICKLE_LIST && pair->kind != UM_PICKLE_TUPLE) || pair->list->n != 2)
            return um_fail(UM_EFORMAT, "an OrderedDict of something that is no pair");
        UM_TRY(um_pickle_append(vm, v->list, &pair->list->item[0]));
        UM_TRY(um_pickle_append(vm, v->list, &pair->list->item[1]));
    }
    return UM_OK;
}

/* ---- tensors ---- */

static int read_sizes(const struct um_pickle_value *v, int64_t *to, int *n)
{
    if (v->kind != UM_PICKLE_TUPLE)
        return um_fail(UM_EFORMAT, "a tensor whose size or stride is no tuple");
    if (v->list->n > UM_MAX_DIM)
        return um_fail(UM_ERANGE, "a tensor of %u dimensions, at most %d", v->list->n, UM_MAX_DIM);
    *n = (int)v->list->n;
    for (int i = 0; i < *n; i++) {
        if (v->list->item[i].kind != UM_PICKLE_INT)
            return um_fail(UM_EFORMAT, "a tensor whose size or stride is no whole number");
        to[i] = v->list->item[i].i;
    }
    return UM_OK;
}

/* metadata says what must be done to the numbers before they are the tensor's */
static int check_metadata(const struct um_pickle_list *args, uint32_t at)
{
    const struct um_pickle_value *m = at < args->n ? &args->item[at] : NULL;

    if (!m || m->kind == UM_PICKLE_NONE || (m->kind == UM_PICKLE_DICT && m->list->n == 0))
        return UM_OK;
    return um_fail(UM_EUNSUPPORTED, "a tensor that is a negated or conjugated view of its storage: "
                                    "save its .clone()");
}

/* _rebuild_tensor(storage, first, size, stride)
 * _rebuild_tensor_v2(storage, first, size, stride, requires_grad, hooks[, metadata])
 * _rebuild_tensor_v3(storage, first, size, stride, requires_grad, hooks, dtype[, metadata]) */
static int rebuild_tensor(struct um_pickle_vm *vm, uint32_t which,
                          const struct um_pickle_list *args, struct um_pickle_value *v)
{
    const uint32_t need = which == UM_GLOBAL_TENSOR ? 4 : which == UM_GLOBAL_TENSOR_V2 ? 6 : 7;
    const uint32_t most = which == UM_GLOBAL_TENSOR ? 4 : need + 1;
    const struct um_pickle_value *x = args->item;
    struct um_pickle_tensor      *t;
    int                           strides = 0;

    if (args->n < need || args->n > most || x[0].kind != UM_PICKLE_STORAGE ||
        x[1].kind != UM_PICKLE_INT)
        return um_fail(UM_EFORMAT, "a tensor that is not made of a storage and sizes");
    UM_TRY(check_metadata(args, need));
    if (!(t = um_pickle_object(vm, sizeof *t)))
        return UM_ENOMEM;
    t->storage = x[0].storage;
    t->elem    = x[0].storage->elem;
    t->first   = x[1].i;
    UM_TRY(read_sizes(&x[2], t->dim, &t->ndim));
    UM_TRY(read_sizes(&x[3], t->stride, &strides));
    if (strides != t->ndim)
        return um_fail(UM_EFORMAT, "a tensor of %d dimensions and %d strides", t->ndim, strides);
    if (which == UM_GLOBAL_TENSOR_V3) {
        if (x[6].kind != UM_PICKLE_GLOBAL || x[6].n != UM_GLOBAL_DTYPE || t->elem)
            return um_fail(UM_EFORMAT, "a tensor without a dtype, or with two");
        t->elem = x[6].elem;
    }
    if (!t->elem)
        return um_fail(UM_EFORMAT, "a tensor of untyped storage");
    *v = (struct um_pickle_value){ .kind = UM_PICKLE_TENSOR, .tensor = t };
    return UM_OK;
}

int um_pickle_call(struct um_pickle_vm *vm, const struct um_pickle_value *f,
                   const struct um_pickle_list *args, struct um_pickle_value *v)
{
    switch (f->n) {
    case UM_GLOBAL_DICT: return rebuild_dict(vm, args, v);
    case UM_GLOBAL_TENSOR:
    case UM_GLOBAL_TENSOR_V2:
    case UM_GLOBAL_TENSOR_V3: return rebuild_tensor(vm, f->n, args, v);
    case UM_GLOBAL_PARAMETER:
    case UM_GLOBAL_PARAMETER_STATE:
        if (args->n != (f->n == UM_GLOBAL_PARAMETER ? 3 : 4) ||
            args->item[0].kind != UM_PICKLE_TENSOR)
            return um_fail(UM_EFORMAT, "a parameter that is not made of a tensor");
        *v = args->item[0];
        return UM_OK;
    default: return um_fail(UM_EFORMAT, "a call of a storage class or dtype");
    }
}

/* ---- storages ---- */

static bool text_is(const struct um_pickle_value *v, const char *s)
{
    return v->kind == UM_PICKLE_TEXT && is(s, v->s, v->n);
}

/* the oldest files name parts of a storage: (key of the part, first element, elements) */
static int read_part(const struct um_pickle_value *v, struct um_pickle_storage *s)
{
    s->first = 0;
    s->part  = s->count;
    if (v->kind == UM_PICKLE_NONE)
        return UM_OK;
    if (v->kind != UM_PICKLE_TUPLE || v->list->n != 3 || v->list->item[1].kind != UM_PICKLE_INT ||
        v->list->item[2].kind != UM_PICKLE_INT)
        return um_fail(UM_EFORMAT, "a part of a storage that is not a key and two numbers");
    s->first = v->list->item[1].i;
    s->part  = v->list->item[2].i;
    if (s->first < 0 || s->part < 0 || s->first > s->count || s->part > s->count - s->first)
        return um_fail(UM_ERANGE, "a part of a storage that is not inside it");
    return UM_OK;
}

/* ("storage", class, key, location, elements[, part]) */
int um_pickle_persistent(struct um_pickle_vm *vm, const struct um_pickle_value *id,
                         struct um_pickle_value *v)
{
    const struct um_pickle_value *x;
    struct um_pickle_storage     *s;
    char                          shown[UM_SHOWN];

    if (id->kind != UM_PICKLE_TUPLE || id->list->n < 1 || id->list->item[0].kind != UM_PICKLE_TEXT)
        return um_fail(UM_EFORMAT, "a persistent id that is not a tuple with a name");
    x = id->list->item;
    if (!text_is(&x[0], "storage"))
        return um_fail(UM_EUNSUPPORTED,
                       "pickle: persistent id \"%s\", only \"storage\" is read: " UM_PICKLE_ALONE,
                       um_shown(x[0].s, x[0].n, shown));
    if (id->list->n < 5 || id->list->n > 6 || x[1].kind != UM_PICKLE_GLOBAL ||
        x[1].n != UM_GLOBAL_STORAGE || x[2].kind != UM_PICKLE_TEXT || x[4].kind != UM_PICKLE_INT)
        return um_fail(UM_EFORMAT, "a storage that is not a class, a key and a size");
    if (x[4].i < 0)
        return um_fail(UM_ERANGE, "a storage of %lld elements", (long long)x[4].i);
    if (!(s = um_pickle_object(vm, sizeof *s)))
        return UM_ENOMEM;
    *s = (struct um_pickle_storage){ .elem  = x[1].elem,
                                     .key   = x[2].s,
                                     .key_n = x[2].n,
                                     .count = x[4].i,
                                     .part  = x[4].i,
                                     .next  = vm->storage };
    if (id->list->n == 6)
        UM_TRY(read_part(&x[5], s));
    vm->storage = s;
    *v          = (struct um_pickle_value){ .kind = UM_PICKLE_STORAGE, .storage = s };
    return UM_OK;
}
