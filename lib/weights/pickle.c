/* pickle.c - the opcodes that state dicts are written with
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every opcode is a function that takes its operands from the file and its arguments from the
 * stack; the table at the end says which there are. Found by looking at what torch.save has written
 * since its beginnings: protocol 2 by default, 3 to 5 on request, SHORT_BINSTRING and BINSTRING by
 * Python 2.
 */
#include "weights/pickle.h"

#include <string.h>

#include "weights/pickle_int.h"

enum {
    STACK_MAX  = 1 << 20,
    MEMO_MAX   = 1 << 24,
    OBJECT_MAX = 1 << 23,
    ITEM_MAX   = 1 << 24,
    PICKLE_MAX = 1 << 28 /* bytes */
};

/* ---- the file ---- */

static size_t left(const struct um_pickle_vm *vm)
{
    return vm->n - vm->at;
}

static int take(struct um_pickle_vm *vm, size_t n, const uint8_t **p)
{
    if (n > left(vm))
        return um_fail(UM_EFORMAT, "%zu bytes wanted, %zu left: cut", n, left(vm));
    *p = vm->p + vm->at;
    vm->at += n;
    return UM_OK;
}

/* an unsigned number of that many bytes */
static int number(struct um_pickle_vm *vm, int bytes, uint64_t *x)
{
    const uint8_t *p = NULL;

    *x = 0;
    UM_TRY(take(vm, (size_t)bytes, &p));
    *x = um_little(p, bytes);
    return UM_OK;
}

/* ---- stack and memory ---- */

/* room for one more in an array that doubles */
static int grow(struct um_pickle_vm *vm, struct um_pickle_value **v, uint32_t n, uint32_t *cap,
                uint32_t max, const char *what)
{
    const uint32_t          want = *cap ? 2 * *cap : 8;
    struct um_pickle_value *more;

    if (n < *cap)
        return UM_OK;
    if (n >= max)
        return um_fail(UM_ERANGE, "%s of more than %u values", what, max);
    if (!(more = um_alloc_array(vm->a, want, sizeof *more)))
        return UM_ENOMEM;
    if (n)
        memcpy(more, *v, n * sizeof *more);
    *v   = more;
    *cap = want;
    return UM_OK;
}

static int push(struct um_pickle_vm *vm, struct um_pickle_value v)
{
    UM_TRY(grow(vm, &vm->stack, vm->depth, &vm->stack_cap, STACK_MAX, "a stack"));
    vm->stack[vm->depth++] = v;
    return UM_OK;
}

static int underflow(void)
{
    return um_fail(UM_EFORMAT, "the stack has too few values");
}

static int pop(struct um_pickle_vm *vm, struct um_pickle_value *v)
{
    *v = (struct um_pickle_value){ .kind = UM_PICKLE_NONE };
    if (vm->depth == 0 || vm->stack[vm->depth - 1].kind == UM_PICKLE_MARK)
        return underflow();
    *v = vm->stack[--vm->depth];
    return UM_OK;
}

/* the values above the last mark, which they and it leave; they stay valid until the next push */
static int pop_to_mark(struct um_pickle_vm *vm, const struct um_pickle_value **v, uint32_t *n)
{
    uint32_t i = vm->depth;

    while (i > 0 && vm->stack[i - 1].kind != UM_PICKLE_MARK)
        i--;
    if (i == 0)
        return um_fail(UM_EFORMAT, "no mark on the stack");
    *v        = vm->stack + i;
    *n        = vm->depth - i;
    vm->depth = i - 1;
    return UM_OK;
}

/* the value on top, which must be a list or a dict */
static int container(struct um_pickle_vm *vm, uint32_t kind, struct um_pickle_list **l)
{
    if (vm->depth == 0 || vm->stack[vm->depth - 1].kind != kind)
        return um_fail(UM_EFORMAT, "items for something that is no %s",
                       kind == UM_PICKLE_LIST ? "list" : "dict");
    *l = vm->stack[vm->depth - 1].list;
    return UM_OK;
}

void *um_pickle_object(struct um_pickle_vm *vm, size_t size)
{
    if (vm->objects++ >= OBJECT_MAX) {
        (void)um_fail(UM_ERANGE, "more than %d objects", OBJECT_MAX);
        return NULL;
    }
    return um_calloc_array(vm->a, 1, size);
}

int um_pickle_append(struct um_pickle_vm *vm, struct um_pickle_list *l,
                     const struct um_pickle_value *v)
{
    const struct um_pickle_value one = *v;

    UM_TRY(grow(vm, &l->item, l->n, &l->cap, ITEM_MAX, "a list"));
    l->item[l->n++] = one;
    return UM_OK;
}

static int push_list(struct um_pickle_vm *vm, uint32_t kind, const struct um_pickle_value *v,
                     uint32_t n)
{
    struct um_pickle_list *l = um_pickle_object(vm, sizeof *l);

    if (!l || (n && !(l->item = um_alloc_array(vm->a, n, sizeof *l->item))))
        return UM_ENOMEM;
    if (n)
        memcpy(l->item, v, n * sizeof *v);
    l->n = l->cap = n;
    return push(vm, (struct um_pickle_value){ .kind = kind, .list = l });
}

/* ---- constants ---- */

static int op_proto(struct um_pickle_vm *vm, int bytes)
{
    uint64_t x;

    UM_TRY(number(vm, bytes, &x));
    return x >= 2 && x <= 5
               ? UM_OK
               : um_fail(UM_EUNSUPPORTED, "pickle protocol %u, expected 2 to 5", (unsigned)x);
}

static int op_frame(struct um_pickle_vm *vm, int bytes)
{
    uint64_t x;

    UM_TRY(number(vm, bytes, &x));
    return x <= left(vm) ? UM_OK
                         : um_fail(UM_EFORMAT, "a frame of %llu bytes, %zu left: cut",
                                   (unsigned long long)x, left(vm));
}

static int op_none(struct um_pickle_vm *vm, int unused)
{
    (void)unused;
    return push(vm, (struct um_pickle_value){ .kind = UM_PICKLE_NONE });
}

static int op_bool(struct um_pickle_vm *vm, int value)
{
    return push(vm, (struct um_pickle_value){ .kind = UM_PICKLE_BOOL, .i = value });
}

static int push_int(struct um_pickle_vm *vm, int64_t i)
{
    return push(vm, (struct um_pickle_value){ .kind = UM_PICKLE_INT, .i = i });
}

static int op_int(struct um_pickle_vm *vm, int bytes) /* only that of 4 bytes has a sign */
{
    uint64_t x;

    UM_TRY(number(vm, bytes, &x));
    return push_int(vm, bytes == 4 ? (int32_t)(uint32_t)x : (int64_t)x);
}

/* two's complement of as many bytes as it takes */
static int op_long(struct um_pickle_vm *vm, int bytes)
{
    const uint8_t *p = NULL;
    uint64_t       n, x;

    UM_TRY(number(vm, bytes, &n));
    UM_TRY(take(vm, (size_t)n, &p));
    if (n > 8)
        return push(vm, (struct um_pickle_value){
                            .kind = UM_PICKLE_BIG, .n = (uint32_t)n, .s = (const char *)p });
    x = um_little(p, (int)n);
    if (n > 0 && n < 8 && p[n - 1] & 0x80)
        x |= UINT64_MAX << (8 * n);
    return push_int(vm, (int64_t)x);
}

static int op_float(struct um_pickle_vm *vm, int bytes)
{
    const uint8_t *p;

    UM_TRY(take(vm, (size_t)bytes, &p));
    return push(vm, (struct um_pickle_value){ .kind = UM_PICKLE_FLOAT });
}

static int op_text(struct um_pickle_vm *vm, int bytes)
{
    const uint8_t *p = NULL;
    uint64_t       n;

    UM_TRY(number(vm, bytes, &n));
    UM_TRY(take(vm, (size_t)n, &p));
    return push(vm, (struct um_pickle_value){
                        .kind = UM_PICKLE_TEXT, .n = (uint32_t)n, .s = (const char *)p });
}

/* ---- tuples, lists, dicts ---- */

static int op_mark(struct um_pickle_vm *vm, int unused)
{
    (void)unused;
    return push(vm, (struct um_pickle_value){ .kind = UM_PICKLE_MARK });
}

static int op_empty(struct um_pickle_vm *vm, int kind)
{
    return push_list(vm, (uint32_t)kind, NULL, 0);
}

static int op_tuple(struct um_pickle_vm *vm, int n)
{
    struct um_pickle_value v[3];

    for (int i = n; i-- > 0;)
        UM_TRY(pop(vm, &v[i]));
    return push_list(vm, UM_PICKLE_TUPLE, v, (uint32_t)n);
}

static int op_tuple_to_mark(struct um_pickle_vm *vm, int unused)
{
    const struct um_pickle_value *v = NULL;
    uint32_t                      n = 0;

    (void)unused;
    UM_TRY(pop_to_mark(vm, &v, &n));
    return push_list(vm, UM_PICKLE_TUPLE, v, n);
}

static int op_append(struct um_pickle_vm *vm, int unused)
{
    struct um_pickle_value v;
    struct um_pickle_list *l = NULL;

    (void)unused;
    UM_TRY(pop(vm, &v));
    UM_TRY(container(vm, UM_PICKLE_LIST, &l));
    return um_pickle_append(vm, l, &v);
}

static int op_setitem(struct um_pickle_vm *vm, int unused)
{
    struct um_pickle_value k, v;
    struct um_pickle_list *l = NULL;

    (void)unused;
    UM_TRY(pop(vm, &v));
    UM_TRY(pop(vm, &k));
    UM_TRY(container(vm, UM_PICKLE_DICT, &l));
    UM_TRY(um_pickle_append(vm, l, &k));
    return um_pickle_append(vm, l, &v);
}

/* APPENDS, SETITEMS: what lies above the mark */
static int op_add_all(struct um_pickle_vm *vm, int kind)
{
    const struct um_pickle_value *v = NULL;
    struct um_pickle_list        *l = NULL;
    uint32_t                      n = 0;

    UM_TRY(pop_to_mark(vm, &v, &n));
    UM_TRY(container(vm, (uint32_t)kind, &l));
    if (kind == UM_PICKLE_DICT && n % 2)
        return um_fail(UM_EFORMAT, "a key without a value");
    for (uint32_t i = 0; i < n; i++)
        UM_TRY(um_pickle_append(vm, l, &v[i]));
    return UM_OK;
}

/* ---- the memo ---- */

/* Writers number the memo upwards (Python 2's from 1): a number beyond the bytes read so far is a
 * lie that would cost memory. */
static int put(struct um_pickle_vm *vm, uint64_t i)
{
    if (vm->depth == 0 || vm->stack[vm->depth - 1].kind == UM_PICKLE_MARK)
        return underflow();
    if (i >= vm->at || i >= MEMO_MAX)
        return um_fail(UM_ERANGE, "memo %llu after %zu bytes", (unsigned long long)i, vm->at);
    while (vm->memo_n <= i) {
        UM_TRY(grow(vm, &vm->memo, vm->memo_n, &vm->memo_cap, MEMO_MAX, "a memo"));
        vm->memo[vm->memo_n++] = (struct um_pickle_value){ .kind = UM_PICKLE_MARK }; /* none yet */
    }
    vm->memo[i] = vm->stack[vm->depth - 1];
    return UM_OK;
}

static int op_put(struct um_pickle_vm *vm, int bytes)
{
    uint64_t i;

    UM_TRY(number(vm, bytes, &i));
    return put(vm, i);
}

static int op_memoize(struct um_pickle_vm *vm, int unused)
{
    (void)unused;
    return put(vm, vm->memo_n);
}

static int op_get(struct um_pickle_vm *vm, int bytes)
{
    uint64_t i;

    UM_TRY(number(vm, bytes, &i));
    if (i >= vm->memo_n || vm->memo[i].kind == UM_PICKLE_MARK)
        return um_fail(UM_EFORMAT, "memo %llu was never set", (unsigned long long)i);
    return push(vm, vm->memo[i]);
}

/* ---- globals and calls ---- */

/* text up to a newline */
static int line(struct um_pickle_vm *vm, const char **s, size_t *n)
{
    const uint8_t *p   = vm->p + vm->at;
    const uint8_t *end = left(vm) ? memchr(p, '\n', left(vm)) : NULL;

    if (!end)
        return um_fail(UM_EFORMAT, "a line without an end: cut");
    *s = (const char *)p;
    *n = (size_t)(end - p);
    vm->at += *n + 1;
    return UM_OK;
}

static int op_global(struct um_pickle_vm *vm, int unused)
{
    struct um_pickle_value v;
    const char            *module = NULL, *name = NULL;
    size_t                 module_n = 0, name_n = 0;

    (void)unused;
    UM_TRY(line(vm, &module, &module_n));
    UM_TRY(line(vm, &name, &name_n));
    UM_TRY(um_pickle_global(&v, module, module_n, name, name_n));
    return push(vm, v);
}

static int op_stack_global(struct um_pickle_vm *vm, int unused)
{
    struct um_pickle_value module, name, v;

    (void)unused;
    UM_TRY(pop(vm, &name));
    UM_TRY(pop(vm, &module));
    if (module.kind != UM_PICKLE_TEXT || name.kind != UM_PICKLE_TEXT)
        return um_fail(UM_EFORMAT, "a global whose name is not text");
    UM_TRY(um_pickle_global(&v, module.s, module.n, name.s, name.n));
    return push(vm, v);
}

static int op_reduce(struct um_pickle_vm *vm, int unused)
{
    struct um_pickle_value args, f, v;

    (void)unused;
    UM_TRY(pop(vm, &args));
    UM_TRY(pop(vm, &f));
    if (f.kind != UM_PICKLE_GLOBAL || args.kind != UM_PICKLE_TUPLE)
        return um_fail(UM_EFORMAT, "a call of something that is no global");
    UM_TRY(um_pickle_call(vm, &f, args.list, &v));
    return push(vm, v);
}

/* attributes of an object: a state dict's _metadata, which nothing here needs */
static int op_build(struct um_pickle_vm *vm, int unused)
{
    struct um_pickle_value state;
    struct um_pickle_list *l = NULL;

    (void)unused;
    UM_TRY(pop(vm, &state));
    if (state.kind != UM_PICKLE_DICT)
        return um_fail(UM_EFORMAT, "attributes that are no dict");
    return container(vm, UM_PICKLE_DICT, &l);
}

static int op_binpersid(struct um_pickle_vm *vm, int unused)
{
    struct um_pickle_value id, v;

    (void)unused;
    UM_TRY(pop(vm, &id));
    UM_TRY(um_pickle_persistent(vm, &id, &v));
    return push(vm, v);
}

/* ---- which there are ---- */

static const struct {
    const char *name;
    int (*run)(struct um_pickle_vm *vm, int arg); /* NULL: refused by name */
    int arg;
} op[256] = {
    [0x80] = { "PROTO", op_proto, 1 },
    [0x95] = { "FRAME", op_frame, 8 },
    ['N']  = { "NONE", op_none, 0 },
    [0x88] = { "NEWTRUE", op_bool, 1 },
    [0x89] = { "NEWFALSE", op_bool, 0 },
    ['J']  = { "BININT", op_int, 4 },
    ['K']  = { "BININT1", op_int, 1 },
    ['M']  = { "BININT2", op_int, 2 },
    [0x8a] = { "LONG1", op_long, 1 },
    ['G']  = { "BINFLOAT", op_float, 8 },
    ['X']  = { "BINUNICODE", op_text, 4 },
    [0x8c] = { "SHORT_BINUNICODE", op_text, 1 },
    ['T']  = { "BINSTRING", op_text, 4 },
    ['U']  = { "SHORT_BINSTRING", op_text, 1 },
    ['(']  = { "MARK", op_mark, 0 },
    [')']  = { "EMPTY_TUPLE", op_empty, UM_PICKLE_TUPLE },
    [']']  = { "EMPTY_LIST", op_empty, UM_PICKLE_LIST },
    ['}']  = { "EMPTY_DICT", op_empty, UM_PICKLE_DICT },
    [0x85] = { "TUPLE1", op_tuple, 1 },
    [0x86] = { "TUPLE2", op_tuple, 2 },
    [0x87] = { "TUPLE3", op_tuple, 3 },
    ['t']  = { "TUPLE", op_tuple_to_mark, 0 },
    ['a']  = { "APPEND", op_append, 0 },
    ['e']  = { "APPENDS", op_add_all, UM_PICKLE_LIST },
    ['s']  = { "SETITEM", op_setitem, 0 },
    ['u']  = { "SETITEMS", op_add_all, UM_PICKLE_DICT },
    ['q']  = { "BINPUT", op_put, 1 },
    ['r']  = { "LONG_BINPUT", op_put, 4 },
    [0x94] = { "MEMOIZE", op_memoize, 0 },
    ['h']  = { "BINGET", op_get, 1 },
    ['j']  = { "LONG_BINGET", op_get, 4 },
    ['c']  = { "GLOBAL", op_global, 0 },
    [0x93] = { "STACK_GLOBAL", op_stack_global, 0 },
    ['R']  = { "REDUCE", op_reduce, 0 },
    ['b']  = { "BUILD", op_build, 0 },
    ['Q']  = { "BINPERSID", op_binpersid, 0 },
#define NOT(code, name) [code] = { name, NULL, 0 }
    NOT('0', "POP"),
    NOT('1', "POP_MARK"),
    NOT('2', "DUP"),
    NOT('F', "FLOAT"),
    NOT('I', "INT"),
    NOT('L', "LONG"),
    NOT('P', "PERSID"),
    NOT('S', "STRING"),
    NOT('V', "UNICODE"),
    NOT('d', "DICT"),
    NOT('l', "LIST"),
    NOT('g', "GET"),
    NOT('p', "PUT"),
    NOT('i', "INST"),
    NOT('o', "OBJ"),
    NOT('B', "BINBYTES"),
    NOT('C', "SHORT_BINBYTES"),
    NOT(0x81, "NEWOBJ"),
    NOT(0x82, "EXT1"),
    NOT(0x83, "EXT2"),
    NOT(0x84, "EXT4"),
    NOT(0x8b, "LONG4"),
    NOT(0x8d, "BINUNICODE8"),
    NOT(0x8e, "BINBYTES8"),
    NOT(0x8f, "EMPTY_SET"),
    NOT(0x90, "ADDITEMS"),
    NOT(0x91, "FROZENSET"),
    NOT(0x92, "NEWOBJ_EX"),
    NOT(0x96, "BYTEARRAY8"),
    NOT(0x97, "NEXT_BUFFER"),
    NOT(0x98, "READONLY_BUFFER"),
#undef NOT
};

static int run(struct um_pickle_vm *vm, struct um_pickle_value *root)
{
    for (;;) {
        const size_t   at   = vm->at;
        const uint8_t *code = NULL;

        UM_TRY(take(vm, 1, &code));
        if (*code == '.')
            break;
        if (!op[*code].run)
            return um_fail(
                UM_EUNSUPPORTED,
                "pickle opcode 0x%02x (%s) at byte %zu is none of a state dict's: " UM_PICKLE_ALONE,
                *code, op[*code].name ? op[*code].name : "unknown", at);
        const int st = op[*code].run(vm, op[*code].arg);
        if (st < 0)
            return st == UM_EUNSUPPORTED ? st : um_context(st, "pickle, byte %zu", at);
    }
    UM_TRY(pop(vm, root));
    return vm->depth == 0 ? UM_OK : um_fail(UM_EFORMAT, "a pickle that leaves more than one value");
}

int um_pickle_read(struct um_arena *a, const uint8_t *p, size_t n, size_t *used,
                   struct um_pickle_value *root, struct um_pickle_storage **storage)
{
    struct um_pickle_vm vm = { .a = a, .p = p, .n = n < PICKLE_MAX ? n : PICKLE_MAX };

    UM_TRY(run(&vm, root));
    *used    = vm.at;
    *storage = vm.storage;
    return UM_OK;
}

const struct um_pickle_value *um_pickle_get(const struct um_pickle_value *v, const char *key)
{
    const size_t n = strlen(key);

    if (v->kind != UM_PICKLE_DICT)
        return NULL;
    for (uint32_t i = 0; i + 1 < v->list->n; i += 2) {
        const struct um_pickle_value *k = &v->list->item[i];

        if (k->kind == UM_PICKLE_TEXT && k->n == n && memcmp(k->s, key, n) == 0)
            return &v->list->item[i + 1];
    }
    return NULL;
}
