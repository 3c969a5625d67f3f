/* load_rig.h - streams of made-up pairs for the tests of lib/load */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_RIG_H
#define LOAD_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/philox.h"
#include "load/data.h"

enum { SIDE = 32, ROOM = 4, STORED = SIDE + ROOM, PLACES = (ROOM + 1) * (ROOM + 1), T = 12 };

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

/* a stream being written */
struct rig {
    struct um_arena   *arena;
    struct um_outfile *out;
    struct um_writer  *w;
};

static inline void rig_begin(struct rig *r, const char *path)
{
    const struct um_writer_opts opts = { .level = 1 };
    struct um_value             header;

    OK(um_arena_new(&r->arena));
    OK(um_outfile_open(&r->out, path));
    OK(um_writer_open(&r->w, r->out, &opts));
    OK(um_header_new(r->arena, NULL, "um-test", NULL, &header));
    OK(um_map_set_int(r->arena, &header, "vocab_size", 64));
    OK(um_writer_part(r->w, &header));
}

static inline void rig_end(struct rig *r)
{
    OK(um_outfile_close(r->out, um_writer_close(r->w, UM_OK), 0));
    um_arena_free(r->arena);
}

/* an id for each of `words`, and padding; patient and split may be NULL */
static inline struct um_record *rig_record(struct rig *r, const char *key, const char *patient,
                                           const char *split, int words, int32_t word)
{
    struct um_record *rec;
    struct um_tensor  ids, mask;

    OK(um_record_new(r->arena, key, &rec));
    OK(um_tensor_new(r->arena, "ids", UM_I32, 1, (int64_t[]){ T }, &ids));
    OK(um_tensor_new(r->arena, "ids_mask", UM_U8, 1, (int64_t[]){ T }, &mask));
    for (int i = 0; i < T; i++) {
        ((int32_t *)ids.data)[i]  = i < words ? word : 0;
        ((uint8_t *)mask.data)[i] = i < words;
    }
    OK(um_record_set(r->arena, rec, &ids));
    OK(um_record_set(r->arena, rec, &mask));
    if (patient)
        OK(um_map_set_str(r->arena, &rec->meta, "patient", patient));
    if (split)
        OK(um_map_set_str(r->arena, &rec->meta, "split", split));
    return rec;
}

/* pixel (row,c) tells its place modulo 5: so the first pixel of a crop tells the crop's offset.
 * 2D: [1,36,36] uint8; 3D: [8,32,32] float of noise that follows from `level` */
static inline void rig_pixels(struct rig *r, struct um_record *rec, enum um_modality mod, int level)
{
    struct um_tensor t;
    struct um_rng    rng = um_rng_at(1, UM_RNG_TEST, (uint64_t)level, 0);

    if (mod == UM_2D) {
        OK(um_tensor_new(r->arena, "image", UM_U8, 3, (int64_t[]){ 1, STORED, STORED }, &t));
        for (int row = 0; row < STORED; row++)
            for (int c = 0; c < STORED; c++)
                ((uint8_t *)t.data)[row * STORED + c] =
                    (uint8_t)(row % (ROOM + 1) * (ROOM + 1) + c % (ROOM + 1));
    } else {
        OK(um_tensor_new(r->arena, "volume", UM_F32, 3, (int64_t[]){ 8, 32, 32 }, &t));
        for (int i = 0; i < 8 * 32 * 32; i++)
            ((float *)t.data)[i] = (float)um_rng_uniform(&rng);
    }
    OK(um_record_set(r->arena, rec, &t));
}

static inline void rig_write(struct rig *r, const struct um_record *rec)
{
    OK(um_writer_record(r->w, rec));
}

/* n records of one modality, keys `KEY/0`..: reports of 1 to T words, a patient to each second one,
 * every ninth held out, every tenth for the test */
static inline void rig_many(struct rig *r, enum um_modality mod, const char *key, int n)
{
    for (int i = 0; i < n; i++) {
        const struct um_mark mark  = um_arena_mark(r->arena);
        const char          *split = i % 9 == 8 ? "valid" : i % 10 == 9 ? "test" : "train";
        struct um_record    *rec   = rig_record(r, um_sprintf(r->arena, "%s/%d", key, i),
                                           i % 2 ? um_sprintf(r->arena, "p%d", i / 2) : NULL, split,
                                                1 + i * 7 % T, 5 + i % 50);

        rig_pixels(r, rec, mod, i);
        rig_write(r, rec);
        um_arena_rewind(r->arena, mark);
    }
}

static inline void rig_config(struct um_model_config *cfg)
{
    OK(um_model_preset("tiny", cfg));
    cfg->vocab = 64;
    assert_int_equal(cfg->image, SIDE);
}

/* opened and scanned by two threads */
static inline struct um_data *rig_data(char **files, bool images, bool volumes)
{
    const bool             use[UM_MODALITIES] = { images, volumes };
    struct um_model_config cfg;
    struct um_data        *d;
    struct um_pool        *pool;

    rig_config(&cfg);
    OK(um_data_open(&d, files));
    OK(um_pool_new(&pool, 2));
    OK(um_data_scan(d, &cfg, use, pool, NULL, NULL));
    um_pool_free(pool);
    return d;
}

#endif
