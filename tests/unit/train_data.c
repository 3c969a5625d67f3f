/* train_data.c - what the loader hands out: crops drawn by (seed, epoch, key), uniform over all
 * places */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "load/data.h"

enum { SIDE = 32, ROOM = 4, STORED = SIDE + ROOM, PLACES = (ROOM + 1) * (ROOM + 1), T = 12 };

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

static struct um_arena *arena;
static struct um_data  *data;
static char             dir[] = "um-data-XXXXXX";

/* pixel (r,c) tells its place modulo 5: so the first pixel of a crop tells the crop's offset */
static void write_record(struct um_writer *w, const char *key)
{
    struct um_record *rec;
    struct um_tensor  image, ids, mask;

    OK(um_record_new(arena, key, &rec));
    OK(um_tensor_new(arena, "image", UM_U8, 3, (int64_t[]){ 1, STORED, STORED }, &image));
    OK(um_tensor_new(arena, "ids", UM_I32, 1, (int64_t[]){ T }, &ids));
    OK(um_tensor_new(arena, "ids_mask", UM_U8, 1, (int64_t[]){ T }, &mask));
    for (int r = 0; r < STORED; r++)
        for (int c = 0; c < STORED; c++)
            ((uint8_t *)image.data)[r * STORED + c] =
                (uint8_t)(r % (ROOM + 1) * (ROOM + 1) + c % (ROOM + 1));
    for (int i = 0; i < T; i++) {
        ((int32_t *)ids.data)[i]  = i < 3 ? 5 : 0;
        ((uint8_t *)mask.data)[i] = i < 3;
    }
    OK(um_record_set(arena, rec, &image));
    OK(um_record_set(arena, rec, &ids));
    OK(um_record_set(arena, rec, &mask));
    OK(um_writer_record(w, rec));
}

static int setup(void **state)
{
    const struct um_writer_opts opts               = { .level = 1 };
    const bool                  use[UM_MODALITIES] = { true, true };
    char                       *path, *files[2] = { NULL, NULL };
    struct um_outfile          *out;
    struct um_writer           *w;
    struct um_value             header;
    struct um_model_config      cfg;

    (void)state;
    assert_non_null(mkdtemp(dir));
    OK(um_arena_new(&arena));
    path = um_sprintf(arena, "%s/a.umt", dir);
    OK(um_outfile_open(&out, path));
    OK(um_writer_open(&w, out, &opts));
    OK(um_header_new(arena, NULL, "um-test", NULL, &header));
    OK(um_writer_part(w, &header));
    write_record(w, "one");
    write_record(w, "two");
    OK(um_outfile_close(out, um_writer_close(w, UM_OK), 0));
    OK(um_model_preset("tiny", &cfg));
    assert_int_equal(cfg.image, SIDE);
    files[0] = path;
    OK(um_data_open(&data, files));
    OK(um_data_scan(data, &cfg, use, NULL, NULL, NULL));
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
static int place(int64_t record, bool centre, uint64_t seed, int64_t epoch)
{
    const struct um_mark mark = um_arena_mark(arena);
    static float         x[SIDE * SIDE];
    int32_t              ids[T];
    uint8_t              mask[T];
    struct um_sample     s = { .x = x, .ids = ids, .mask = mask };

    OK(um_data_read(data, &data->train[UM_2D].item[record], UM_2D, centre, seed, epoch, arena, &s));
    um_arena_rewind(arena, mark);
    assert_int_equal(s.length, 3);
    const int at = (int)(x[0] * 255 + 0.5f), r0 = at / (ROOM + 1), c0 = at % (ROOM + 1);

    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++) {
            const int want = (r0 + r) % (ROOM + 1) * (ROOM + 1) + (c0 + c) % (ROOM + 1);

            assert_int_equal((int)(x[r * SIDE + c] * 255 + 0.5f), want);
        }
    return at;
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
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
