/* load_batches.c - the loader: the same batches for any number of threads and however they are
 * shared by ranks; joint steps, second views, what goes wrong */
/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "load/loader.h"
#include "load_rig.h"

enum { N2 = 70, N3 = 44, B2 = 6, B3 = 6, MOST = 64 };

static struct um_data *data;
static char            dir[]  = "um-batches-XXXXXX";
static const char     *name[] = { "2d.umt", "3d.umt", "more.umt" };

static char *at(const char *file)
{
    static char path[3][64];
    static int  turn;

    turn = (turn + 1) % 3;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", dir, file);
    return path[turn];
}

static int setup(void **state)
{
    char      *files[] = { NULL, NULL, NULL, NULL };
    struct rig r;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 3; i++) {
        files[i] = at(name[i]);
        rig_begin(&r, files[i]);
        rig_many(&r, i == 1 ? UM_3D : UM_2D, name[i], i == 1 ? N3 : N2 / 2);
        rig_end(&r);
    }
    data = rig_data(files, true, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    um_data_close(data);
    for (int i = 0; i < 3; i++)
        assert_int_equal(unlink(at(name[i])), 0);
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

static void open_sampler(struct um_sampler *s, enum um_mix mix)
{
    OK(um_sampler_open(s, (int64_t[]){ data->train[UM_2D].n, data->train[UM_3D].n },
                       (int64_t[]){ B2, B3 }, mix, true, 42));
}

static struct um_loader *open_loader(struct um_sampler *s, struct um_loader_opts o)
{
    struct um_loader *l;

    o.data    = data;
    o.items   = data->train;
    o.sampler = s;
    o.seed    = 42;
    OK(um_loader_open(&l, &o));
    return l;
}

/* everything that a batch says, as one number */
static uint64_t digest(const struct um_batch *b)
{
    const int64_t  values = um_data_values(data, b->mod);
    const uint64_t part[] = {
        (uint64_t)b->step,
        (uint64_t)b->mod,
        (uint64_t)b->N,
        (uint64_t)b->n,
        (uint64_t)b->first,
        (uint64_t)b->rows_before,
        (uint64_t)b->length,
        b->digest,
        um_hash64(b->x, (size_t)(b->n * values) * sizeof *b->x),
        b->x2 ? um_hash64(b->x2, (size_t)(b->n * values) * sizeof *b->x2) : 0,
        um_hash64(b->ids, (size_t)(b->n * b->length) * sizeof *b->ids),
        um_hash64(b->mask, (size_t)(b->n * b->length)),
        um_hash64(b->rows, (size_t)b->n * sizeof *b->rows),
        um_hash64(b->text, (size_t)b->n * sizeof *b->text),
        um_hash64(b->patient, (size_t)b->n * sizeof *b->patient),
    };
    uint64_t h = um_hash64(part, sizeof part);

    for (int64_t i = 0; i < b->n; i++)
        h ^= um_hash64(b->key[i], strlen(b->key[i])) * (uint64_t)(2 * i + 1);
    return h;
}

/* the digests of all batches of two epochs; how many */
static int collect(enum um_mix mix, struct um_loader_opts o, uint64_t *all)
{
    const struct um_batch *b;
    struct um_sampler      s;
    int                    n = 0, st;

    open_sampler(&s, mix);
    o.to                = 2 * um_sampler_steps(&s);
    struct um_loader *l = open_loader(&s, o);
    while ((st = um_loader_next(l, &b)) > 0) {
        assert_in_range(n, 0, MOST - 1);
        all[n++] = digest(b);
    }
    OK(st);
    assert_int_equal(um_loader_next(l, &b), 0);
    um_loader_close(l);
    um_sampler_close(&s);
    return n;
}

static void same_for_any_number_of_workers(void **state)
{
    uint64_t one[MOST], many[MOST];

    (void)state;
    for (int mix = 0; mix < 2; mix++) {
        const int n = collect((enum um_mix)mix, (struct um_loader_opts){ .views = 2 }, one);

        assert_true(n >= 20);
        for (int w = 2; w < 12; w += 3) {
            const struct um_loader_opts o = { .views = 2, .workers = w };

            assert_int_equal(collect((enum um_mix)mix, o, many), n);
            assert_memory_equal(one, many, (size_t)n * sizeof *one);
        }
    }
}

static void from_any_step(void **state)
{
    uint64_t               all[MOST];
    const struct um_batch *b;
    struct um_sampler      s;

    (void)state;
    const int n = collect(UM_MIX_SEPARATE, (struct um_loader_opts){ .workers = 2 }, all);
    open_sampler(&s, UM_MIX_SEPARATE);
    for (int from = 0; from < n; from += 5) {
        struct um_loader *l =
            open_loader(&s, (struct um_loader_opts){ .from = from, .to = n, .workers = 3 });

        for (int i = from; i < from + 2 && i < n; i++) { /* closed while it reads ahead */
            assert_int_equal(um_loader_next(l, &b), 1);
            assert_int_equal(b->step, i);
            assert_true(digest(b) == all[i]);
        }
        um_loader_close(l);
    }
    um_sampler_close(&s);
}

/* rank's part `b` against the same records of the whole batch */
static void same_part(const struct um_batch *whole, const struct um_batch *b, int rank, int ranks)
{
    const int64_t values = um_data_values(data, b->mod), T0 = whole->length;
    int64_t       before = 0;

    assert_int_equal(b->step, whole->step);
    assert_int_equal(b->mod, whole->mod);
    assert_int_equal(b->N, whole->n);
    assert_int_equal(b->n, whole->n / ranks);
    assert_int_equal(b->first, rank * whole->n / ranks);
    assert_int_equal(b->length, T0);
    assert_true(b->digest == whole->digest);
    for (int64_t i = 0; i < b->first; i++)
        for (int64_t k = 0; k < T0; k++)
            before += whole->mask[i * T0 + k];
    assert_int_equal(b->rows_before, before);
    assert_memory_equal(b->x, whole->x + b->first * values, (size_t)(b->n * values) * sizeof *b->x);
    assert_memory_equal(b->ids, whole->ids + b->first * T0, (size_t)(b->n * T0) * sizeof *b->ids);
    assert_memory_equal(b->mask, whole->mask + b->first * T0, (size_t)(b->n * T0));
    assert_memory_equal(b->text, whole->text + b->first, (size_t)b->n * sizeof *b->text);
    assert_memory_equal(b->patient, whole->patient + b->first, (size_t)b->n * sizeof *b->patient);
    for (int64_t i = 0; i < b->n; i++)
        assert_string_equal(b->key[i], whole->key[b->first + i]);
}

static void ranks_share_a_batch(void **state)
{
    const struct um_batch *whole, *b;
    struct um_sampler      s, t;

    (void)state;
    open_sampler(&s, UM_MIX_SEPARATE);
    open_sampler(&t, UM_MIX_SEPARATE);
    for (int ranks = 2; ranks <= 6; ranks += 1 + (ranks > 2) * 2) /* 2, 3, 6 */
        for (int rank = 0; rank < ranks; rank++) {
            struct um_loader *l = open_loader(&s, (struct um_loader_opts){ .to = 12 });
            struct um_loader *p =
                open_loader(&t, (struct um_loader_opts){ .to = 12, .rank = rank, .ranks = ranks });

            for (int i = 0; i < 12; i++) {
                assert_int_equal(um_loader_next(l, &whole), 1);
                assert_int_equal(um_loader_next(p, &b), 1);
                same_part(whole, b, rank, ranks);
            }
            um_loader_close(l);
            um_loader_close(p);
        }
    um_sampler_close(&t);
    struct um_loader           *l;
    const struct um_loader_opts o = {
        .data = data, .items = data->train, .sampler = &s, .ranks = 4, .to = 1
    };
    assert_int_equal(um_loader_open(&l, &o), UM_ERANGE);
    assert_string_equal(um_errmsg(), "a batch of 6 records cannot be shared by 4 ranks");
    um_sampler_close(&s);
}

/* both batches of a joint step stay valid until the next step begins */
static void joint_steps_have_two_batches(void **state)
{
    const struct um_batch *b2, *b3;
    struct um_sampler      s;
    int64_t                steps = 0;

    (void)state;
    open_sampler(&s, UM_MIX_JOINT);
    struct um_loader *l = open_loader(&s, (struct um_loader_opts){ .to = 9, .workers = 4 });
    assert_int_equal(um_loader_per_step(l), 2);
    while (um_loader_next(l, &b2) > 0) {
        const uint64_t before = digest(b2);

        assert_int_equal(b2->mod, UM_2D);
        assert_int_equal(um_loader_next(l, &b3), 1);
        assert_int_equal(b3->mod, UM_3D);
        assert_int_equal(b2->step, steps);
        assert_int_equal(b3->step, steps);
        (void)nanosleep(&(struct timespec){ .tv_nsec = 2000000 },
                        NULL); /* time for what is read ahead to fall on the wrong slot */
        assert_true(digest(b2) == before);
        steps++;
    }
    assert_int_equal(steps, 9);
    um_loader_close(l);
    um_sampler_close(&s);
}

/* what is ready can be seen before it is asked for: the same batch, in memory that is told of */
static void a_look_ahead(void **state)
{
    const struct um_loader_opts o = { .to = 9, .views = 2, .workers = 3 };
    const struct um_batch      *b, *seen = NULL;
    struct um_sampler           s;
    struct um_loader           *l;
    size_t                      bytes;
    bool                        known = false;
    void                       *p;
    int                         n = 0;

    (void)state;
    open_sampler(&s, UM_MIX_SEPARATE);
    l = open_loader(&s, o);
    assert_int_equal(um_loader_next(l, &b), 1);
    for (int i = 0; i < 5000 && !(seen = um_loader_ahead(l, 0)); i++)
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    assert_non_null(seen);
    assert_int_equal(um_loader_next(l, &b), 1);
    assert_ptr_equal(b, seen);
    assert_true(b->pixels == (size_t)(b->n * um_data_values(data, b->mod)));
    for (int i = 0; um_loader_pixels(l, i, &p, &bytes); i++)
        known = known || (p == b->x && bytes >= b->pixels * sizeof(float));
    assert_true(known);
    while (um_loader_next(l, &b) > 0)
        n++;
    assert_true(n > 0 && !um_loader_ahead(l, 0));
    um_loader_close(l);
    um_sampler_close(&s);
}

static void views_of_xrays_alone(void **state)
{
    const struct um_batch *b, *plain;
    struct um_sampler      s, t;
    int                    differ = 0, seen = 0;

    (void)state;
    open_sampler(&s, UM_MIX_SEPARATE);
    open_sampler(&t, UM_MIX_SEPARATE);
    struct um_loader *l = open_loader(&s, (struct um_loader_opts){ .to = 8, .views = 2 });
    struct um_loader *p = open_loader(&t, (struct um_loader_opts){ .to = 8, .views = 1 });
    while (um_loader_next(l, &b) > 0) {
        const size_t bytes = (size_t)um_data_values(data, b->mod) * sizeof *b->x;

        assert_int_equal(um_loader_next(p, &plain), 1);
        assert_null(plain->x2);
        assert_memory_equal(plain->x, b->x, (size_t)b->n * bytes);
        assert_true((b->x2 != NULL) == (b->mod == UM_2D));
        for (int64_t i = 0; b->x2 && i < b->n; i++, seen++)
            differ += memcmp((char *)b->x + (size_t)i * bytes, (char *)b->x2 + (size_t)i * bytes,
                             bytes) != 0;
    }
    assert_true(seen >= 24 && differ > seen * 3 / 4); /* one in 25 is the same by chance */
    um_loader_close(l);
    um_loader_close(p);
    um_sampler_close(&s);
    um_sampler_close(&t);
}

/* rig_many: the words of record i are 1 + 7 i % T times 5 + i % 50; odd ones have patient i / 2 */
static void texts_and_patients_are_told_apart(void **state)
{
    const struct um_batch *b;
    struct um_sampler      s;

    (void)state;
    open_sampler(&s, UM_MIX_SEPARATE);
    struct um_loader *l = open_loader(&s, (struct um_loader_opts){ .to = 10 });
    while (um_loader_next(l, &b) > 0)
        for (int64_t i = 0; i < b->n; i++)
            for (int64_t k = 0; k < b->n; k++) {
                const int x = atoi(strchr(b->key[i], '/') + 1),
                          y = atoi(strchr(b->key[k], '/') + 1);

                assert_int_equal(b->text[i] == b->text[k],
                                 x % 50 == y % 50 && x * 7 % T == y * 7 % T);
                assert_int_equal(b->patient[i] == 0, x % 2 == 0);
                if (x % 2 && y % 2)
                    assert_int_equal(b->patient[i] == b->patient[k], x / 2 == y / 2);
            }
    um_loader_close(l);
    um_sampler_close(&s);
}

/* what the scan had seen of some records differs: the batches before are whole, then the first bad
 * record in their order is named, whoever reads it */
static void the_first_bad_record_is_named(void **state)
{
    struct um_items        items[UM_MODALITIES] = { UM_ITEMS_INIT, UM_ITEMS_INIT };
    uint64_t               good[MOST]           = { 0 };
    char                   first[256]           = "";
    const struct um_batch *b;
    struct um_item         item;
    struct um_sampler      s;

    (void)state;
    (void)collect(UM_MIX_SEPARATE, (struct um_loader_opts){ .workers = 1 }, good);
    open_sampler(&s, UM_MIX_SEPARATE);
    for (int m = 0; m < UM_MODALITIES; m++)
        for (int64_t i = 0; i < data->train[m].n; i++) {
            OK(um_items_get(&data->train[m], i, &item));
            item.content ^= m == UM_2D && i % 11 == 4;
            OK(um_items_add(&items[m], &item));
        }
    for (int workers = 1; workers < 9; workers++) {
        const struct um_loader_opts o = {
            .data = data, .items = items, .sampler = &s, .seed = 42, .to = 10, .workers = workers
        };
        struct um_loader *l;
        int               n = 0, st;

        OK(um_loader_open(&l, &o));
        while ((st = um_loader_next(l, &b)) > 0)
            assert_true(digest(b) == good[n++]);
        assert_int_equal(st, UM_EMISMATCH);
        assert_non_null(strstr(um_errmsg(), "changed while it was being trained on"));
        if (!*first)
            (void)snprintf(first, sizeof first, "%d %s", n, um_errmsg());
        assert_int_equal(atoi(first), n);
        assert_string_equal(strchr(first, ' ') + 1, um_errmsg());
        assert_int_equal(um_loader_next(l, &b), UM_EMISMATCH); /* and again */
        assert_string_equal(strchr(first, ' ') + 1, um_errmsg());
        um_loader_close(l);
    }
    um_items_free(&items[UM_2D]);
    um_items_free(&items[UM_3D]);
    um_sampler_close(&s);
}

/* more than stays in memory: all come back, in order */
static void long_lists_of_items(void **state)
{
    enum { N = 20000 };
    struct um_items list = UM_ITEMS_INIT;
    struct um_item  item = { .file = 3 };

    (void)state;
    for (int64_t i = 0; i < N; i++) {
        item.record = i;
        item.hash   = (uint64_t)(i * i);
        OK(um_items_add(&list, &item));
    }
    assert_int_equal(list.n, N);
    for (int64_t i = 0; i < N; i++) {
        const int64_t j = i * 7919 % N;

        OK(um_items_get(&list, j, &item));
        assert_int_equal(item.record, j);
        assert_true(item.hash == (uint64_t)(j * j));
        assert_int_equal(item.file, 3);
    }
    um_items_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_for_any_number_of_workers),
        cmocka_unit_test(from_any_step),
        cmocka_unit_test(ranks_share_a_batch),
        cmocka_unit_test(joint_steps_have_two_batches),
        cmocka_unit_test(a_look_ahead),
        cmocka_unit_test(views_of_xrays_alone),
        cmocka_unit_test(texts_and_patients_are_told_apart),
        cmocka_unit_test(the_first_bad_record_is_named),
        cmocka_unit_test(long_lists_of_items),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
