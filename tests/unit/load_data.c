/* load_data.c - what is read of a record: crops drawn by (seed, epoch, key), uniform over all
 * places */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load_rig.h"

static struct um_arena *arena;
static struct um_data  *data;
static char             dir[] = "um-data-XXXXXX";

static int setup(void **state)
{
    char      *files[2] = { NULL, NULL };
    struct rig r;

    (void)state;
    assert_non_null(mkdtemp(dir));
    OK(um_arena_new(&arena));
    files[0] = um_sprintf(arena, "%s/a.umt", dir);
    rig_begin(&r, files[0]);
    for (int i = 0; i < 2; i++) {
        struct um_record *rec = rig_record(&r, i ? "two" : "one", NULL, NULL, 3, 5);

        rig_pixels(&r, rec, UM_2D, i);
        rig_write(&r, rec);
    }
    rig_end(&r);
    data = rig_data(files, true, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    um_data_close(data);
    assert_int_equal(unlink(um_sprintf(arena, "%s/a.umt", dir)), 0);
    assert_int_equal(rmdir(dir), 0);
    um_arena_free(arena);
    return 0;
}

/* the place of the crop, 0..PLACES-1; all its pixels must come from there */
static int place_of(const float *x)
{
    const int at = (int)(x[0] * 255 + 0.5f), r0 = at / (ROOM + 1), c0 = at % (ROOM + 1);

    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++) {
            const int want = (r0 + r) % (ROOM + 1) * (ROOM + 1) + (c0 + c) % (ROOM + 1);

            assert_int_equal((int)(x[r * SIDE + c] * 255 + 0.5f), want);
        }
    return at;
}

static int place2(int64_t record, bool centre, uint64_t seed, int64_t epoch, int *second)
{
    const struct um_mark mark = um_arena_mark(arena);
    const struct um_draw draw = { centre, seed, epoch };
    static float         x[SIDE * SIDE], x2[SIDE * SIDE];
    int32_t              ids[T];
    uint8_t              mask[T];
    struct um_sample     s = { .x = x, .ids = ids, .mask = mask, .length = 3 };
    struct um_item       item;

    s.x2 = second ? x2 : NULL;
    OK(um_items_get(&data->train[UM_2D], record, &item));
    assert_int_equal(item.length, 3);
    assert_int_equal(item.rows, 3);
    OK(um_data_read(data, &item, UM_2D, &draw, arena, &s));
    um_arena_rewind(arena, mark);
    if (second)
        *second = place_of(x2);
    return place_of(x);
}

static int place(int64_t record, bool centre, uint64_t seed, int64_t epoch)
{
    return place2(record, centre, seed, epoch, NULL);
}

static void crops_are_uniform(void **state)
{
    enum { EPOCHS = 2000 };
    int count[PLACES] = { 0 };

    (void)state;
    for (int e = 0; e < EPOCHS; e++)
        count[place(0, false, 42, e)]++;
    for (int i = 0; i < PLACES; i++) /* 80 expected, standard deviation 8.8 */
        assert_in_range(count[i], 36, 124);
}

/* one draw in 25 agrees by chance; a draw that ignores what it should depend on agrees always */
static void crops_follow_seed_epoch_and_key(void **state)
{
    int same_epoch = 0, same_seed = 0, same_key = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        const int here = place(0, false, 42, i);

        assert_int_equal(place(0, false, 42, i), here);
        same_epoch += place(0, false, 42, i + 1000) == here;
        same_seed += place(0, false, 43, i) == here;
        same_key += place(1, false, 42, i) == here;
    }
    assert_in_range(same_epoch, 0, 20);
    assert_in_range(same_seed, 0, 20);
    assert_in_range(same_key, 0, 20);
}

static void second_crops_are_drawn_on_their_own(void **state)
{
    enum { EPOCHS = 2000 };
    int count[PLACES] = { 0 }, same = 0, second;

    (void)state;
    for (int e = 0; e < EPOCHS; e++) {
        const int first = place2(0, false, 42, e, &second);

        assert_int_equal(first, place(0, false, 42, e));
        same += first == second;
        count[second]++;
    }
    for (int i = 0; i < PLACES; i++)
        assert_in_range(count[i], 36, 124);
    assert_in_range(same, 36, 124); /* 80: one in 25 by chance */
    (void)place2(0, true, 42, 0, &second);
    assert_int_equal(second, place(0, true, 42, 0));
}

static void centre_crops_are_central(void **state)
{
    (void)state;
    for (int e = 0; e < 5; e++)
        assert_int_equal(place(e % 2, true, (uint64_t)e, e), ROOM / 2 * (ROOM + 1) + ROOM / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_are_uniform),
        cmocka_unit_test(crops_follow_seed_epoch_and_key),
        cmocka_unit_test(centre_crops_are_central),
        cmocka_unit_test(second_crops_are_drawn_on_their_own),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
