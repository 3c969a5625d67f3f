/* fuzz_stream.c - libFuzzer target: any bytes as a stream, from the front and by the index
 *
 * What is read must be writable again; what cannot be read must be refused without harm. Checksums
 * would stop nearly every change at the door: an input that begins with 'm' is messages, which are
 * put into a frame with a right checksum first.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/frame.h"
#include "stream/umt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void from_the_front(const char *path, struct um_arena *a)
{
    const struct um_writer_opts opts = { .level = 0 };
    struct um_reader           *r;
    struct um_record           *rec;
    struct um_packed           *p;
    char                       *json;
    int                         st;

    if (um_reader_open(&r, path) < 0)
        abort();
    while ((st = um_reader_next(r, a, &rec)) > 0) {
        if (um_value_json(a, st == UM_NEXT_PART ? um_reader_header(r) : &rec->meta, &json) < 0)
            abort();
        if (st == UM_NEXT_RECORD) {
            if (um_pack(&opts, rec, &p) < 0) {
                (void)fprintf(stderr, "read but not writable: %s\n", um_errmsg());
                abort();
            }
            um_packed_free(p);
        }
        um_arena_reset(a);
    }
    um_reader_close(r);
    um_arena_reset(a);
}

static void by_index(const char *path, struct um_arena *a)
{
    struct um_index  *ix;
    struct um_record *rec;
    char              key[UM_MAX_KEY + 1];
    int64_t           found;

    if (um_index_open(&ix, path) < 0)
        return;
    for (int64_t i = 0; i < um_index_count(ix); i++) {
        if (um_index_key(ix, i, key) < 0 || um_index_find(ix, key, 0, &found) != 1)
            abort();
        if (um_index_read(ix, i, a, &rec) == UM_OK && strcmp(rec->key, key) != 0)
            abort();
        um_arena_reset(a);
    }
    um_index_close(ix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct um_arena *a;
    struct um_buf           frame = { 0 };
    void                   *cctx  = NULL;
    char                    path[64];
    const int               fd = memfd_create("fuzz", MFD_CLOEXEC);

    if ((!a && um_arena_new(&a) < 0) || fd < 0)
        abort();
    const bool messages = n > 1 && data[0] == 'm';
    if (messages ? um_frame_write(&frame, 0, &cctx, data + 1, n - 1) < 0
                 : um_buf_add(&frame, data, n) < 0)
        abort();
    if (write(fd, frame.p, frame.n) != (ssize_t)frame.n)
        abort();
    um_buf_free(&frame);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    from_the_front(path, a);
    by_index(path, a);
    (void)close(fd);
    return 0;
}
