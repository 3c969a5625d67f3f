/* load_pipe.c - batches from a pipe: drawn from a window, the same for the same stream; what goes
 * wrong */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "load/loader.h"
#include "load_rig.h"

enum { MOST = 64 };

static char dir[] = "um-pipe-XXXXXX";

/* the path of "a", "b" or "fifo" */
static char *at(const char *file)
{
    static char path[3][64];
    char       *p = path[*file == 'f' ? 2 : *file - 'a'];

    (void)snprintf(p, sizeof *path, "%s/%s", dir, file);
    return p;
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(at("a"));
    (void)unlink(at("b"));
    assert_int_equal(unlink(at("fifo")), 0);
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

/* a thread that sends files one after the other; hold: then waits for `done` before it closes */
struct sender {
    pthread_t   thread;
    const char *file[3];
    bool        hold;
    int         done[2];
};

static void *send_files(void *arg)
{
    struct sender *s = arg;
    char           buf[4096];
    size_t         n;
    FILE          *to = fopen(at("fifo"), "wb");

    for (int i = 0; to && i < 3 && s->file[i]; i++) {
        FILE *from = fopen(s->file[i], "rb");

        while (from && (n = fread(buf, 1, sizeof buf, from)) > 0)
            if (fwrite(buf, 1, n, to) != n)
                break;
        if (from)
            (void)fclose(from);
    }
    if (to)
        (void)fflush(to);
    if (s->hold)
        (void)!read(s->done[0], buf, 1);
    if (to)
        (void)fclose(to);
    return NULL;
}

static struct um_data *open_data(struct sender *s, bool images, bool volumes)
{
    char *files[] = { at("fifo"), NULL };

    (void)signal(SIGPIPE, SIG_IGN);
    if (s->hold)
        assert_int_equal(pipe(s->done), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, send_files, s), 0);
    struct um_data *d = rig_data(files, images, volumes);
    assert_true(d->pipe);
    assert_string_equal(d->digest, "pipe");
    assert_int_equal(d->vocab_size, 64);
    return d;
}

static void close_data(struct sender *s, struct um_data *d)
{
    if (s->hold)
        (void)close(s->done[1]);
    um_data_close(d);
    (void)pthread_join(s->thread, NULL);
    if (s->hold)
        (void)close(s->done[0]);
}

static struct um_loader *open_loader(struct um_data *d, struct um_sampler *s, int64_t B2,
                                     int64_t B3, enum um_mix mix, struct um_loader_opts o)
{
    struct um_loader *l;

    OK(um_sampler_open(s, (int64_t[]){ 0, 0 }, (int64_t[]){ B2, B3 }, mix, true, o.seed));
    o.data    = d;
    o.sampler = s;
    o.to      = o.to ? o.to : INT64_MAX / 4;
    OK(um_loader_open(&l, &o));
    return l;
}

/* n2 X-rays, then n3 volumes */
static void write_file(const char *file, int n2, int n3)
{
    struct rig r;

    rig_begin(&r, at(file));
    rig_many(&r, UM_2D, "x", n2);
    rig_many(&r, UM_3D, "v", n3);
    rig_end(&r);
}

/* one run over the stream: modalities as text, keys of all batches in order */
struct run {
    char                   mods[MOST + 1];
    char                   keys[MOST * 8][16];
    int                    n, nkey;
    struct um_taken        taken[MOST]; /* at each batch */
    struct um_loader_count count;
    int                    st;
    char                   msg[512];
};

static void note(struct run *r, const struct um_data *d, const struct um_batch *b)
{
    r->taken[r->n]  = b->taken;
    r->mods[r->n++] = b->mod == UM_2D ? '2' : '3';
    assert_int_equal(b->n, b->N);
    assert_int_equal(b->first + b->rows_before, 0);
    for (int64_t i = 0; i < b->n; i++) {
        const int k = atoi(b->key[i] + 2); /* as rig_many made it */

        assert_in_range(r->nkey, 0, MOST * 8 - 1);
        (void)snprintf(r->keys[r->nkey++], sizeof *r->keys, "%s", b->key[i]);
        assert_int_equal(*b->key[i], b->mod == UM_2D ? 'x' : 'v');
        assert_int_equal(b->rows[i], 1 + k * 7 % T);
        assert_true(b->length >= b->rows[i]);
        assert_int_equal(b->ids[i * b->length], 5 + k % 50);
        assert_int_equal(b->mask[i * b->length + b->rows[i] - 1], 1);
        assert_int_equal(b->patient[i] != 0, k % 2);
        if (b->mod == UM_3D) {
            struct um_rng rng = um_rng_at(1, UM_RNG_TEST, (uint64_t)k, 0);

            assert_true(b->x[i * um_data_values(d, UM_3D)] == (float)um_rng_uniform(&rng));
        }
    }
}

static void go(struct run *r, struct sender *s, int64_t B2, int64_t B3, enum um_mix mix,
               struct um_loader_opts o, bool images, bool volumes)
{
    struct um_data        *d = open_data(s, images, volumes);
    struct um_sampler      sampler;
    struct um_loader      *l = open_loader(d, &sampler, B2, B3, mix, o);
    const struct um_batch *b;

    *r = (struct run){ .n = 0 };
    while ((r->st = um_loader_next(l, &b)) > 0) {
        assert_in_range(r->n, 0, MOST - 1);
        assert_int_equal(b->step, o.from + r->n / um_loader_per_step(l));
        note(r, d, b);
    }
    if (r->st < 0)
        (void)snprintf(r->msg, sizeof r->msg, "%s", um_errmsg());
    um_loader_count(l, &r->count);
    um_loader_close(l);
    um_sampler_close(&sampler);
    close_data(s, d);
}

static void every_record_once(const struct run *r)
{
    for (int i = 0; i < r->nkey; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(r->keys[i], r->keys[j]) == 0)
                fail_msg("%s twice", r->keys[i]);
}

/* of 60: 6 are for validation (8, 17 ..) and 6 for the test, one of both kinds counted as valid */
static int to_train(int n)
{
    int k = 0;

    for (int i = 0; i < n; i++)
        k += i % 9 != 8 && i % 10 != 9;
    return k;
}

static void all_records_in_some_order(void **state)
{
    static struct run   r, again, other;
    const struct sender plain = { .file = { at("a") } };
    struct sender       s     = plain;

    (void)state;
    write_file("a", 60, 40);
    go(&r, &s, 6, 5, UM_MIX_SEPARATE, (struct um_loader_opts){ .seed = 1 }, true, true);
    assert_int_equal(r.st, 0);
    every_record_once(&r);
    assert_int_equal(r.count.used, r.nkey);
    assert_int_equal(r.count.left[UM_2D], to_train(60) % 6);
    assert_int_equal(r.count.left[UM_3D], to_train(40) % 5);
    assert_int_equal(r.nkey, to_train(60) / 6 * 6 + to_train(40) / 5 * 5);
    assert_int_equal(r.count.held, 100 - to_train(60) - to_train(40));
    assert_int_equal(r.count.unwanted, 0);
    /* all are in the window: the longer queue first, then in turn */
    assert_int_equal(to_train(60) / 6, 8);
    assert_int_equal(to_train(40) / 5, 6);
    assert_string_equal(r.mods, "22323232323232");
    s = plain;
    go(&again, &s, 6, 5, UM_MIX_SEPARATE, (struct um_loader_opts){ .seed = 1 }, true, true);
    assert_memory_equal(&r, &again, sizeof r);
    s = plain;
    go(&other, &s, 6, 5, UM_MIX_SEPARATE, (struct um_loader_opts){ .seed = 2 }, true, true);
    assert_int_equal(other.nkey, r.nkey);
    assert_true(memcmp(r.keys, other.keys, sizeof r.keys) != 0);
}

/* a record is at most a window away from where it was: those before the window cannot come later
 * than they did, and none comes before it was read */
static void a_small_window(void **state)
{
    static struct run r;
    struct sender     s     = { .file = { at("a") } };
    int               moved = 0;

    (void)state;
    write_file("a", 200, 0);
    go(&r, &s, 4, 4, UM_MIX_SEPARATE, (struct um_loader_opts){ .seed = 1, .window = 20 }, true,
       true);
    assert_int_equal(r.st, 0);
    every_record_once(&r);
    assert_int_equal(r.nkey, to_train(200) / 4 * 4);
    for (int i = 0; i < r.nkey; i++) {
        const int order = to_train(atoi(r.keys[i] + 2)); /* its number among those trained on */

        assert_true(order < i / 4 * 4 + 20); /* it was in the window by then */
        moved += order != i;
    }
    assert_true(moved > r.nkey / 2);
}

static void goes_on_from_a_step(void **state)
{
    static struct run all, rest;
    struct sender     s = { .file = { at("a") } };

    (void)state;
    write_file("a", 90, 60);
    go(&all, &s, 5, 4, UM_MIX_SEPARATE, (struct um_loader_opts){ .seed = 3, .window = 30 }, true,
       true);
    s = (struct sender){ .file = { at("a") } };
    go(&rest, &s, 5, 4, UM_MIX_SEPARATE,
       (struct um_loader_opts){ .seed = 3, .window = 30, .from = 7, .to = 12 }, true, true);
    assert_int_equal(rest.n, 5);
    assert_memory_equal(rest.mods, all.mods + 7, 5);
    int skip = 0;
    for (int i = 0; i < 7; i++)
        skip += all.mods[i] == '2' ? 5 : 4;
    for (int i = 0; i < rest.nkey; i++)
        assert_string_equal(rest.keys[i], all.keys[skip + i]);
}

/* a run that goes on is told when another stream comes, or less of it; not of what comes later */
static void another_stream_is_found_out(void **state)
{
    static struct run     all, rest;
    struct sender         s = { .file = { at("a") } };
    struct um_loader_opts o = { .seed = 3, .window = 30 };
    char                  want[256];

    (void)state;
    write_file("a", 90, 60);
    go(&all, &s, 5, 4, UM_MIX_SEPARATE, o, true, true);
    assert_true(all.taken[0].records >= 30);
    assert_true(all.taken[6].records > 30 && all.taken[6].records < 90);
    o.from = 7, o.to = 9, o.taken = all.taken[6];
    s = (struct sender){ .file = { at("a") } };
    go(&rest, &s, 5, 4, UM_MIX_SEPARATE, o, true, true);
    assert_int_equal(rest.st, 0);
    assert_memory_equal(rest.taken, all.taken + 7, 2 * sizeof *rest.taken);
    write_file("b", 90, 59); /* other volumes later on */
    s = (struct sender){ .file = { at("b") } };
    go(&rest, &s, 5, 4, UM_MIX_SEPARATE, o, true, true);
    assert_int_equal(rest.st, 0);
    o.taken.digest ^= 1;
    s = (struct sender){ .file = { at("a") } };
    go(&rest, &s, 5, 4, UM_MIX_SEPARATE, o, true, true);
    assert_int_equal(rest.st, UM_EMISMATCH);
    assert_int_equal(rest.n, 0);
    (void)snprintf(want, sizeof want,
                   "%s: its first %lld records are not those that were read before step 7: not the "
                   "stream that this run began with",
                   at("fifo"), (long long)all.taken[6].records);
    assert_string_equal(rest.msg, want);
    o.taken = all.taken[6];
    write_file("b", 32, 0);
    s = (struct sender){ .file = { at("b") } };
    go(&rest, &s, 5, 4, UM_MIX_SEPARATE, o, true, true);
    assert_int_equal(rest.st, UM_EMISMATCH);
    (void)snprintf(want, sizeof want, "%s: it ends after 32 records, and %lld were read before",
                   at("fifo"), (long long)all.taken[6].records);
    assert_memory_equal(rest.msg, want, strlen(want));
}

static void joint_steps(void **state)
{
    static struct run r;
    struct sender     s = { .file = { at("a") } };

    (void)state;
    write_file("a", 40, 30);
    go(&r, &s, 6, 5, UM_MIX_JOINT, (struct um_loader_opts){ .seed = 1 }, true, true);
    assert_int_equal(r.st, 0);
    assert_string_equal(r.mods, "23232323"); /* min(32 / 6, 24 / 5) of each */
    every_record_once(&r);
    s = (struct sender){ .file = { at("a") } };
    go(&r, &s, 6, 5, UM_MIX_JOINT, (struct um_loader_opts){ .seed = 1, .window = 20 }, true, true);
    assert_int_equal(r.st, UM_ERANGE);
    assert_non_null(strstr(r.msg, "20 X-rays and 0 volumes in the window and no step of both"));
}

static void one_modality_of_two_parts(void **state)
{
    static struct run r;
    struct sender     s = { .file = { at("a"), at("b") } };

    (void)state;
    write_file("a", 30, 9);
    write_file("b", 0, 20); /* keys of another part may be the same */
    go(&r, &s, 3, 3, UM_MIX_SEPARATE, (struct um_loader_opts){ .seed = 1 }, false, true);
    assert_int_equal(r.st, 0);
    assert_int_equal(r.nkey, (to_train(9) + to_train(20)) / 3 * 3);
    assert_int_equal(r.count.unwanted + r.count.held, 59 - to_train(9) - to_train(20));
    assert_in_range(r.count.unwanted, 20, 30);
    assert_null(strchr(r.mods, '2'));
}

/* ---- what goes wrong ---- */

static void refused(const char *want, int st, struct sender s, int64_t B, bool images)
{
    static struct run r;

    go(&r, &s, B, B, UM_MIX_SEPARATE, (struct um_loader_opts){ .seed = 1 }, images, true);
    assert_int_equal(r.n, 0);
    if (r.st != st || !strstr(r.msg, want))
        fail_msg("status %d, \"%s\", expected \"%s\"", r.st, r.msg, want);
}

static void nothing_fills_a_batch(void **state)
{
    (void)state;
    write_file("a", 5, 4);
    refused("its 5 X-rays and 4 volumes to train on do not fill a batch: give a smaller --batch",
            UM_ERANGE, (struct sender){ .file = { at("a") } }, 8, true);
    write_file("a", 5, 0);
    refused("nothing to train on", UM_EMISSING, (struct sender){ .file = { at("a") } }, 2, false);
}

static void bad_records_are_named(void **state)
{
    struct rig r;

    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        rig_begin(&r, at("a"));
        struct um_record *rec = rig_record(&r, "good", NULL, NULL, 3, 5);
        rig_pixels(&r, rec, UM_2D, 0);
        rig_write(&r, rec);
        rec = rig_record(&r, "bad", NULL, kind == 1 ? "dev" : NULL, 3, kind == 0 ? 64 : 5);
        if (kind != 2)
            rig_pixels(&r, rec, UM_2D, 1);
        rig_write(&r, rec);
        rig_end(&r);
        refused(kind == 0   ? "fifo: record bad: ids: 64 at 0 is outside the vocabulary of 64"
                : kind == 1 ? "fifo: record bad: split \"dev\""
                            : "fifo: record bad: neither `image` nor `volume`",
                kind == 2 ? UM_EMISSING : UM_ERANGE, (struct sender){ .file = { at("a") } }, 2,
                true);
    }
}

static void a_cut_stream_and_another_header(void **state)
{
    struct rig r;

    (void)state;
    write_file("a", 30, 0);
    assert_int_equal(truncate(at("a"), 1000), 0);
    refused("cut", UM_EFORMAT, (struct sender){ .file = { at("a") } }, 50, true);
    write_file("a", 3, 0);
    rig_begin(&r, at("b"));
    struct um_value header;
    OK(um_header_new(r.arena, NULL, "um-test", NULL, &header));
    OK(um_map_set_int(r.arena, &header, "vocab_size", 65));
    OK(um_writer_part(r.w, &header));
    rig_end(&r);
    refused("fifo: part 3: vocabulary of 65 pieces where the parts before have 64", UM_EMISMATCH,
            (struct sender){ .file = { at("a"), at("b") } }, 2, true);
}

static void options_that_do_not_fit(void **state)
{
    struct sender     s = { .file = { at("a") } };
    struct um_sampler sampler;
    struct um_loader *l;

    (void)state;
    write_file("a", 30, 0);
    struct um_data *d = open_data(&s, true, true);
    OK(um_sampler_open(&sampler, (int64_t[]){ 0, 0 }, (int64_t[]){ 6, 6 }, UM_MIX_SEPARATE, true,
                       1));
    struct um_loader_opts o = { .data = d, .sampler = &sampler, .to = 9, .window = 11 };
    assert_int_equal(um_loader_open(&l, &o), UM_ERANGE);
    assert_string_equal(um_errmsg(), "a window of 11 records does not hold the 12 of the batches");
    o.window = 0;
    o.ranks  = 2;
    assert_int_equal(um_loader_open(&l, &o), UM_EUNSUPPORTED);
    um_sampler_close(&sampler);
    close_data(&s, d);
    char *files[] = { at("fifo"), at("a"), NULL };
    assert_int_equal(um_data_open(&d, files), UM_EUSAGE);
}

/* ---- a stream that does not go on ---- */

static bool at_once(void *user)
{
    ++*(int *)user;
    return true;
}

/* the writer neither writes nor closes: the loader closes all the same, and whoever waits is asked
 * whether to go on */
static void waiting_can_be_ended(void **state)
{
    struct sender          s = { .file = { at("a") }, .hold = true };
    struct um_sampler      sampler;
    const struct um_batch *b;
    int                    asked = 0;

    (void)state;
    write_file("a", 3, 0); /* all of it but the pipe's end: another part may follow */
    struct um_data   *d = open_data(&s, true, true);
    struct um_loader *l = open_loader(d, &sampler, 6, 6, UM_MIX_SEPARATE,
                                      (struct um_loader_opts){ .stop = at_once, .user = &asked });
    assert_int_equal(um_loader_next(l, &b), UM_ESTOPPED);
    assert_int_equal(asked, 1);
    um_loader_close(l);
    um_sampler_close(&sampler);
    close_data(&s, d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_records_in_some_order),
        cmocka_unit_test(a_small_window),
        cmocka_unit_test(goes_on_from_a_step),
        cmocka_unit_test(another_stream_is_found_out),
        cmocka_unit_test(joint_steps),
        cmocka_unit_test(one_modality_of_two_parts),
        cmocka_unit_test(nothing_fills_a_batch),
        cmocka_unit_test(bad_records_are_named),
        cmocka_unit_test(a_cut_stream_and_another_header),
        cmocka_unit_test(options_that_do_not_fit),
        cmocka_unit_test(waiting_can_be_ended),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
