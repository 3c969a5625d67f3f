/* judge.c - the judgement, written once for all operations */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops/ops.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/philox.h"

enum { GUARD = 64, POOLS = 3, RANDOM_SHAPES = 3 };

static const int pool_size[POOLS] = { 1, 2, 7 };

/* an array between two guards; data may lie off 64-byte alignment */
struct buffer {
    unsigned char *block, *data;
    size_t         size, whole; /* of data, of block */
};

_Noreturn static void die(const char *what)
{
    (void)printf("Bail out! %s: %s\n", what, um_errmsg());
    exit(1);
}

static int64_t letter(const struct ot_case *c, char l)
{
    for (int i = 0; c->row->letters[i]; i++)
        if (c->row->letters[i] == l)
            return c->dim[i];
    die("a row uses a letter it does not have");
}

static int64_t count(const struct ot_case *c, int a)
{
    int64_t n = 1;

    for (const char *s = c->row->array[a].size; *s; s++)
        n *= *s >= '0' && *s <= '9' ? *s - '0' : letter(c, *s);
    return n;
}

static enum um_dtype dtype(const struct ot_case *c, int a)
{
    switch (c->row->array[a].kind) {
    case OT_ACT: return c->dt;
    case OT_DOUBLE: return UM_F64;
    case OT_ID:
    case OT_TARGET: return UM_I32;
    case OT_MASK: return UM_U8;
    case OT_FLOAT:
    case OT_POSITIVE:
    case OT_LABEL:
    case OT_UNIT:
    case OT_SOFT: break;
    }
    return UM_F32;
}

/* element i of array a as a number, and back */
static double get(const struct ot_case *c, int a, int64_t i)
{
    return um_elem_get(c->a[a], dtype(c, a), i);
}

static void set(const struct ot_case *c, int a, int64_t i, double v)
{
    switch (dtype(c, a)) {
    case UM_F32: ((float *)c->a[a])[i] = (float)v; break;
    case UM_BF16: ((uint16_t *)c->a[a])[i] = um_f32_to_bf16((float)v); break;
    case UM_F64: ((double *)c->a[a])[i] = v; break;
    case UM_I32: ((int32_t *)c->a[a])[i] = (int32_t)v; break;
    case UM_U8: ((uint8_t *)c->a[a])[i] = (uint8_t)v; break;
    default: die("no such kind of array");
    }
}

static double draw(const struct ot_case *c, int a, int64_t i, struct um_rng *r)
{
    switch (c->row->array[a].kind) {
    case OT_ACT: return um_rng_normal(r) + (double)c->offset;
    case OT_POSITIVE: return um_rng_range(r, 0.5, 2);
    case OT_ID: return (double)um_rng_below(r, (uint64_t)letter(c, 'v'));
    case OT_TARGET: return (double)um_rng_below(r, (uint64_t)letter(c, 'c') + 1) - 1;
    case OT_MASK: return i % letter(c, 'T') == 0 || um_rng_below(r, 3) > 0;
    case OT_LABEL: {
        const uint64_t v = um_rng_below(r, 3);
        return v == 2 ? (double)NAN : (double)v;
    }
    case OT_UNIT: return um_rng_below(r, 4) ? um_rng_range(r, 0, 1) : 0;
    case OT_SOFT: return um_rng_below(r, 6) ? um_rng_range(r, 0, 1) : (double)NAN;
    case OT_FLOAT:
    case OT_DOUBLE: break;
    }
    return um_rng_normal(r);
}

static struct buffer buffer_new(size_t size, size_t shift)
{
    struct buffer b = { .size = size, .whole = (GUARD + shift + size + GUARD + 127) & ~(size_t)63 };

    b.block = aligned_alloc(64, b.whole);
    if (!b.block)
        die("out of memory");
    b.data = b.block + GUARD + shift;
    memset(b.block, 0xa5, b.whole);
    memset(b.data, 0xff, size);
    return b;
}

static bool guards_stand(const struct buffer *b)
{
    for (int i = 0; b->data && i < GUARD; i++)
        if (b->data[i - GUARD] != 0xa5 || b->data[b->size + (size_t)i] != 0xa5)
            return false;
    return b->data != NULL;
}

static void arrays_new(struct ot_case *c, struct buffer *b)
{
    for (int a = 0; a < OT_ARRAYS && c->row->array[a].role; a++) {
        const size_t one = um_dtype_size(dtype(c, a));
        const size_t off = c->row->aligned ? 0 : (size_t)c->nr % 3;

        b[a]    = buffer_new((size_t)count(c, a) * one, off * one);
        c->a[a] = b[a].data;
    }
}

static void arrays_free(const struct ot_case *c, struct buffer *b)
{
    for (int a = 0; a < OT_ARRAYS && c->row->array[a].role; a++)
        free(b[a].block);
}

/* outputs stay NaN until they are written */
static bool has_numbers(const struct ot_case *c, int a)
{
    return c->row->array[a].role == OT_IN || c->row->array[a].role == OT_ACC;
}

/* the same numbers on every device: outputs are left NaN */
static void fill(struct ot_case *c)
{
    for (int a = 0; a < OT_ARRAYS && c->row->array[a].role; a++) {
        struct um_rng r = um_rng_at((uint64_t)c->nr, UM_RNG_TEST, (uint64_t)a, 0);

        for (int64_t i = 0; has_numbers(c, a) && i < count(c, a); i++)
            set(c, a, i, draw(c, a, i, &r));
    }
}

static void copy_inputs(const struct ot_case *to, const struct ot_case *from)
{
    for (int a = 0; a < OT_ARRAYS && to->row->array[a].role; a++)
        if (count(to, a) > 0 && has_numbers(to, a))
            memcpy(to->a[a], from->a[a], (size_t)count(to, a) * um_dtype_size(dtype(to, a)));
}

/* ---- comparing --------------------------------------------------------------------------------
 */

struct verdict {
    double worst; /* norm of the difference by that of ref */
    char   why[200];
};

__attribute__((format(printf, 2, 3))) static void fault(struct verdict *v, const char *fmt, ...)
{
    va_list ap;

    if (v->why[0])
        return;
    va_start(ap, fmt);
    (void)vsnprintf(v->why, sizeof v->why, fmt, ap);
    va_end(ap);
}

/* a norm that is nothing but the rounding of a double, as a variance of equal numbers, counts as 0
 */
static double distance(const struct ot_case *want, const struct ot_case *got, int a)
{
    double d = 0, n = 0;

    for (int64_t i = 0; i < count(want, a); i++) {
        const double w = get(want, a, i), g = get(got, a, i);

        d += (w - g) * (w - g);
        n += w * w;
    }
    return n > 1e-24 * (double)count(want, a) ? sqrt(d / n) : sqrt(d);
}

static void compare(const struct ot_case *want, const struct ot_case *got, const struct buffer *b,
                    struct verdict *v)
{
    const struct ot_row *row = want->row;
    const double         tol = want->dt == UM_F32 ? row->tol : row->tol_bf16;

    for (int a = 0; a < OT_ARRAYS && row->array[a].role; a++) {
        if (!guards_stand(&b[a]))
            fault(v, "case %d: written outside array %d", want->nr, a);
        if (row->array[a].role == OT_FWD)
            continue;
        if (row->array[a].role == OT_IN) {
            if (b[a].size && memcmp(want->a[a], got->a[a], b[a].size) != 0)
                fault(v, "case %d: input %d was changed", want->nr, a);
            continue;
        }
        const double e = distance(want, got, a);
        if (!(e <= v->worst))
            v->worst = e;
        if (!(e <= tol))
            fault(v, "case %d, array %d: difference %.3g, allowed %.3g", want->nr, a, e, tol);
    }
}

static void same_bits(const struct ot_case *one, const struct ot_case *other, const char *how,
                      struct verdict *v)
{
    for (int a = 0; a < OT_ARRAYS && one->row->array[a].role; a++)
        if (count(one, a) > 0 && memcmp(one->a[a], other->a[a],
                                        (size_t)count(one, a) * um_dtype_size(dtype(one, a))) != 0)
            fault(v, "case %d, array %d: other bits %s", one->nr, a, how);
}

/* one shape on ref and on the devices at hand */
typedef void judge_fn(struct ot_case *ref, void *devices, struct verdict *v);

/* ref once, the cpu device with each pool */
static void judge_cpu(struct ot_case *ref, void *devices, struct verdict *v)
{
    struct um_dev *const *cpu = devices;

    struct ot_case got[POOLS];
    struct buffer  br[OT_ARRAYS] = { 0 }, bg[POOLS][OT_ARRAYS] = { 0 };

    arrays_new(ref, br);
    fill(ref);
    if (ref->row->prepare && ref->row->prepare(ref) < 0)
        fault(v, "case %d: preparing: %s", ref->nr, um_errmsg());
    for (int i = 0; i < POOLS; i++) {
        got[i]     = *ref;
        got[i].dev = cpu[i];
        got[i].k   = um_dev_kernels(cpu[i]);
        arrays_new(&got[i], bg[i]);
        copy_inputs(&got[i], ref);
    }
    if (ref->row->run(ref) < 0)
        fault(v, "case %d: ref: %s", ref->nr, um_errmsg());
    for (int i = 0; i < POOLS; i++)
        if (got[i].row->run(&got[i]) < 0)
            fault(v, "case %d: %s", ref->nr, um_errmsg());
    compare(ref, &got[0], bg[0], v);
    for (int i = 1; i < POOLS; i++)
        same_bits(&got[0], &got[i], i == 1 ? "with 2 threads" : "with 7 threads", v);
    arrays_free(ref, br);
    for (int i = 0; i < POOLS; i++)
        arrays_free(&got[i], bg[i]);
}

/* 1 .. limit, but 3 or more where there is room: of two numbers nothing is left once mean and
 * spread are taken out, and a relative error says nothing */
static int64_t any_size(int64_t limit, struct um_rng *r)
{
    const int64_t least = limit > 4 ? 3 : 1;

    return limit > 0 ? least + (int64_t)um_rng_below(r, (uint64_t)(limit - least + 1)) : 0;
}

static bool shape_of(const struct ot_row *row, int s, int64_t *dim)
{
    struct um_rng r     = um_rng_at(11, UM_RNG_TEST, (uint64_t)s, 0);
    int           n     = 0;
    int64_t       total = 0;

    while (n < OT_SHAPES) {
        total = 0;
        for (int i = 0; i < OT_DIMS; i++)
            total += row->shape[n][i];
        if (total == 0)
            break;
        n++;
    }
    if (s < n)
        memcpy(dim, row->shape[s], sizeof row->shape[s]);
    for (int i = 0; s >= n && i < OT_DIMS; i++)
        dim[i] = any_size(row->limit[i], &r);
    return s < n + (row->limit[0] > 0 ? RANDOM_SHAPES : 0);
}

/* elements of all arrays */
static int64_t elements(const struct ot_case *c)
{
    int64_t n = 0;

    for (int a = 0; a < OT_ARRAYS && c->row->array[a].role; a++)
        n += count(c, a);
    return n;
}

/* every shape of at most `most` elements; how many those were */
static int judge_shapes(const struct ot_row *row, enum um_dtype dt, struct um_dev *ref,
                        judge_fn *judge, void *devices, int64_t most, struct verdict *v)
{
    struct ot_case c  = { .row = row, .k = um_dev_kernels(ref), .dev = ref, .dt = dt };
    int            nr = 0, cases = 0;

    for (int s = 0; shape_of(row, s, c.dim); s++)
        for (int o = 0; o <= (row->offsets ? 1 : 0); o++) {
            c.offset = o ? 1000 : 0;
            c.nr     = nr++;
            if (elements(&c) > most)
                continue;
            judge(&c, devices, v);
            cases++;
        }
    return cases;
}

static int judge_row(const struct ot_row *row, enum um_dtype dt, struct um_dev *ref,
                     struct um_dev **cpu, const char *isa, int *nr)
{
    struct verdict v     = { 0 };
    const int      cases = judge_shapes(row, dt, ref, judge_cpu, cpu, INT64_MAX, &v);

    (void)printf("%s %d - %s cpu %s %s: %d cases, worst %.2g of %.2g%s%s\n",
                 v.why[0] ? "not ok" : "ok", ++*nr, row->name, isa, um_dtype_name(dt), cases,
                 v.worst, dt == UM_F32 ? row->tol : row->tol_bf16, v.why[0] ? ": " : "", v.why);
    return v.why[0] != 0;
}

static const struct ot_row *const tables[] = { ot_basic, ot_norm, ot_attn, ot_loss, ot_conv };

int ot_run_isa(const char *isa, int *nr)
{
    struct um_pool *pool[POOLS];
    struct um_dev  *cpu[POOLS], *ref;
    int             failed = 0;

    if (setenv("UM_ISA", isa, 1) != 0 || um_dev_open(&ref, "ref", NULL) < 0)
        die("opening ref");
    for (int i = 0; i < POOLS; i++)
        if (um_pool_new(&pool[i], pool_size[i]) < 0 || um_dev_open(&cpu[i], "cpu", pool[i]) < 0)
            die("opening cpu");
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct ot_row *row = tables[t]; row->name; row++) {
            failed += judge_row(row, UM_F32, ref, cpu, isa, nr);
            if (!row->float_only)
                failed += judge_row(row, UM_BF16, ref, cpu, isa, nr);
        }
    for (int i = 0; i < POOLS; i++) {
        um_dev_close(cpu[i]);
        um_pool_free(pool[i]);
    }
    um_dev_close(ref);
    return failed;
}

/* ---- a device with memory of its own ----------------------------------------------------------
 */

/* the row on `dev` over copies of c's arrays, guards and all, which come back afterwards */
static int run_there(const struct ot_case *c, struct buffer *b, struct um_dev *dev)
{
    const struct um_kernels *k                = um_dev_kernels(dev);
    struct ot_case           there            = *c;
    void                    *block[OT_ARRAYS] = { 0 };
    int                      st               = UM_OK, late;

    there.dev = dev;
    there.k   = k;
    for (int a = 0; st >= 0 && a < OT_ARRAYS && b[a].block; a++) {
        st = k->alloc(dev, b[a].whole, &block[a]);
        if (st >= 0)
            st = k->upload(dev, block[a], b[a].block, b[a].whole);
        there.a[a] = st < 0 ? NULL : (unsigned char *)block[a] + (b[a].data - b[a].block);
    }
    if (st >= 0)
        st = c->row->run(&there);
    late = k->sync(dev);
    st   = st < 0 ? st : late;
    for (int a = 0; a < OT_ARRAYS && b[a].block; a++) {
        if (st >= 0)
            st = k->download(dev, b[a].block, block[a], b[a].whole);
        k->free(dev, block[a]);
    }
    return st;
}

/* ref once, the device twice */
static void judge_device(struct ot_case *ref, void *device, struct verdict *v)
{
    struct ot_case got[2];
    struct buffer  br[OT_ARRAYS] = { 0 }, bg[2][OT_ARRAYS] = { 0 };

    arrays_new(ref, br);
    fill(ref);
    if (ref->row->prepare && ref->row->prepare(ref) < 0)
        fault(v, "case %d: preparing: %s", ref->nr, um_errmsg());
    for (int i = 0; i < 2; i++) {
        got[i] = *ref;
        arrays_new(&got[i], bg[i]);
        copy_inputs(&got[i], ref);
        if (run_there(&got[i], bg[i], device) < 0)
            fault(v, "case %d: %s", ref->nr, um_errmsg());
    }
    if (ref->row->run(ref) < 0)
        fault(v, "case %d: ref: %s", ref->nr, um_errmsg());
    compare(ref, &got[0], bg[0], v);
    same_bits(&got[0], &got[1], "in a second run", v);
    arrays_free(ref, br);
    for (int i = 0; i < 2; i++)
        arrays_free(&got[i], bg[i]);
}

/* judgement i of all: a row in float32, or after it in bfloat16; false past the last */
static bool judgement(int i, const struct ot_row **row, enum um_dtype *dt)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (*row = tables[t]; (*row)->name; ++*row) {
            const int kinds = (*row)->float_only ? 1 : 2;

            *dt = i == 0 ? UM_F32 : UM_BF16;
            if (i < kinds)
                return true;
            i -= kinds;
        }
    return false;
}

bool ot_name(int i, char *name, size_t size)
{
    const struct ot_row *row;
    enum um_dtype        dt;

    if (!judgement(i, &row, &dt))
        return false;
    (void)snprintf(name, size, "%s %s", row->name, um_dtype_name(dt));
    return true;
}

bool ot_run_device(int i, struct um_dev *ref, struct um_dev *dev, int64_t most, char *said,
                   size_t size)
{
    struct verdict       v = { 0 };
    const struct ot_row *row;
    enum um_dtype        dt;
    int                  cases;

    if (!judgement(i, &row, &dt))
        die("no such judgement");
    cases = judge_shapes(row, dt, ref, judge_device, dev, most, &v);
    (void)snprintf(said, size, "%d cases, worst %.2g of %.2g%s%s", cases, v.worst,
                   dt == UM_F32 ? row->tol : row->tol_bf16, v.why[0] ? ": " : "", v.why);
    return v.why[0] == 0;
}

/* ---- gradients --------------------------------------------------------------------------------
 */

/* <a[dy], y> after running the forward */
static double value(const struct ot_case *c, struct verdict *v)
{
    double sum = 0;

    if (c->row->forward(c) < 0)
        fault(v, "forward: %s", um_errmsg());
    for (int64_t i = 0; i < count(c, c->row->dy); i++)
        sum += get(c, c->row->dy, i) * get(c, c->row->y, i);
    return sum;
}

/* value with x_i moved by h, and by how much it moved once rounded */
static double moved(const struct ot_case *c, int x, int64_t i, double h, double *by,
                    struct verdict *v)
{
    const double was = get(c, x, i);
    double       f;

    set(c, x, i, was + h);
    *by = get(c, x, i) - was;
    f   = value(c, v);
    set(c, x, i, was);
    return f;
}

/* d value / d x_i for each i, by differences over h and 2h, whose errors of order h^2 cancel,
 * against array dx */
static double gradient_error(const struct ot_case *c, int x, int dx, struct verdict *v)
{
    const double h    = 1.0 / 64;
    double       diff = 0, norm = 0, up, down;

    for (int64_t i = 0; i < count(c, x); i++) {
        const double near = moved(c, x, i, h, &up, v) - moved(c, x, i, -h, &down, v);
        const double s1   = near / (up - down);
        const double far  = moved(c, x, i, 2 * h, &up, v) - moved(c, x, i, -2 * h, &down, v);
        const double s2   = far / (up - down);
        const double d    = (4 * s1 - s2) / 3 - get(c, dx, i);

        diff += d * d;
        norm += get(c, dx, i) * get(c, dx, i);
    }
    return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}

/* of a shape for differences, which cost a forward for each element */
static int64_t small_size(const struct ot_row *row, int i, struct um_rng *r)
{
    if (row->limit[i] == 0)
        return 0;
    return row->step_dim > 0 ? 1 + (int64_t)um_rng_below(r, (uint64_t)row->step_dim)
                             : 3 + (int64_t)um_rng_below(r, 4);
}

static void judge_gradient(struct ot_case *c, struct verdict *v)
{
    const double  tol          = c->row->step_tol > 0 ? c->row->step_tol : 1e-4;
    struct buffer b[OT_ARRAYS] = { 0 };

    arrays_new(c, b);
    fill(c);
    for (int i = 0; i < 4 && c->row->wrt[i].dx; i++)
        memset(c->a[c->row->wrt[i].dx], 0, b[c->row->wrt[i].dx].size); /* += starts at 0 */
    (void)value(c, v);
    if (c->row->prepare && c->row->prepare(c) < 0)
        fault(v, "preparing: %s", um_errmsg());
    if (c->row->run(c) < 0)
        fault(v, "backward: %s", um_errmsg());
    for (int i = 0; i < 4 && c->row->wrt[i].dx; i++) {
        const double e = gradient_error(c, c->row->wrt[i].x, c->row->wrt[i].dx, v);

        if (!(e <= v->worst))
            v->worst = e;
        if (!(e <= tol))
            fault(v, "case %d, by array %d: %.3g from the differences, allowed %.3g", c->nr,
                  c->row->wrt[i].x, e, tol);
    }
    arrays_free(c, b);
}

int ot_run_ref(int *nr)
{
    struct um_dev *ref;
    int            failed = 0;

    if (um_dev_open(&ref, "ref", NULL) < 0)
        die("opening ref");
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct ot_row *row = tables[t]; row->name; row++) {
            struct verdict v = { 0 };
            struct ot_case c = { .row = row, .k = um_dev_kernels(ref), .dev = ref, .dt = UM_F32 };

            if (!row->forward)
                continue;
            for (c.nr = 0; c.nr < 3; c.nr++) {
                struct um_rng r = um_rng_at(5, UM_RNG_TEST, (uint64_t)c.nr, 1);

                for (int i = 0; i < OT_DIMS; i++)
                    c.dim[i] = small_size(row, i, &r);
                judge_gradient(&c, &v);
            }
            (void)printf("%s %d - %s ref: gradient within %.2g of the differences%s%s\n",
                         v.why[0] ? "not ok" : "ok", ++*nr, row->name, v.worst,
                         v.why[0] ? ": " : "", v.why);
            failed += v.why[0] != 0;
        }
    um_dev_close(ref);
    return failed;
}
