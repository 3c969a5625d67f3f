/* gunzip.c - libdeflate wants the size beforehand: trust the trailer first, then grow
 *
 * It cannot stop on the way either, so that the first bytes are zlib's.
 * SPDX-License-Identifier: Apache-2.0
 */
#define ZLIB_CONST
#include "media/gunzip.h"

#include <string.h>

#include <libdeflate.h>
#include <zlib.h>

enum { DEFLATE_RATIO = 1032, MEMBER_MIN = 18 };

struct job {
    struct libdeflate_decompressor *d;
    struct um_arena                *arena;
    const uint8_t                  *in;
    size_t                          n, at; /* input, and how much of it is done */
    uint8_t                        *out;
    size_t                          cap, have, max;
};

bool um_gzip_is(const uint8_t *bytes, size_t n)
{
    return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

int um_gunzip_head(const uint8_t *in, size_t n, uint8_t *out, size_t room, size_t *outn)
{
    enum { GZIP_ALONE = 15 + 16 };
    z_stream z = { .next_in   = in,
                   .avail_in  = n < UINT32_MAX ? (uInt)n : UINT32_MAX,
                   .next_out  = out,
                   .avail_out = (uInt)room };
    int      r = inflateInit2(&z, GZIP_ALONE);

    *outn = 0;
    if (r != Z_OK)
        return um_fail(UM_ENOMEM, "gzip: out of memory");
    while (r == Z_OK && z.avail_out > 0) {
        r = inflate(&z, Z_SYNC_FLUSH);
        if (r == Z_STREAM_END && um_gzip_is(z.next_in, z.avail_in))
            r = inflateReset(&z);
    }
    (void)inflateEnd(&z);
    *outn = room - z.avail_out;
    return r == Z_OK || r == Z_STREAM_END ? UM_OK : um_fail(UM_EFORMAT, "gzip: cut or damaged");
}

/* room for more: a larger block with what is there copied over */
static int grow(struct job *j, size_t cap)
{
    uint8_t *p;

    if (j->cap >= j->max)
        return um_fail(UM_ERANGE, "gzip: more than %zu bytes inside", j->max);
    cap = cap < j->max ? cap : j->max;
    p   = um_alloc(j->arena, cap);
    if (!p)
        return UM_ENOMEM;
    if (j->have)
        memcpy(p, j->out, j->have);
    j->out = p;
    j->cap = cap;
    return UM_OK;
}

/* one member, with as many larger attempts as it takes */
static int member(struct job *j)
{
    for (;;) {
        size_t                       used = 0, got = 0;
        const enum libdeflate_result r = libdeflate_gzip_decompress_ex(
            j->d, j->in + j->at, j->n - j->at, j->out + j->have, j->cap - j->have, &used, &got);

        if (r == LIBDEFLATE_SUCCESS) {
            j->at += used;
            j->have += got;
            return UM_OK;
        }
        if (r != LIBDEFLATE_INSUFFICIENT_SPACE)
            return j->have ? um_fail(UM_EFORMAT, "gzip: cut or damaged after %zu inflated bytes",
                                     j->have)
                           : um_fail(UM_EFORMAT, "gzip: cut or damaged");
        UM_TRY(grow(j, j->cap < SIZE_MAX / 2 ? 2 * j->cap : SIZE_MAX));
    }
}

static bool only_zeros(const uint8_t *p, size_t n)
{
    while (n > 0 && p[n - 1] == 0)
        n--;
    return n == 0;
}

static int members(struct job *j)
{
    do
        UM_TRY(member(j));
    while (j->n - j->at >= MEMBER_MIN && um_gzip_is(j->in + j->at, j->n - j->at));
    if (!only_zeros(j->in + j->at, j->n - j->at))
        return um_fail(UM_EFORMAT, "gzip: cut, or %zu other bytes after its end", j->n - j->at);
    return UM_OK;
}

int um_gunzip(struct um_arena *a, const uint8_t *in, size_t n, size_t max, uint8_t **out,
              size_t *outn)
{
    struct job j = { .arena = a, .in = in, .n = n, .max = max };
    uint64_t   claim;
    int        st;

    if (n < MEMBER_MIN)
        return um_fail(UM_EFORMAT, "gzip: cut: %zu bytes", n);
    claim = (uint64_t)in[n - 4] | (uint64_t)in[n - 3] << 8 | (uint64_t)in[n - 2] << 16 |
            (uint64_t)in[n - 1] << 24;
    if (claim / DEFLATE_RATIO > n)
        claim = 4 * (uint64_t)n; /* no trailer, or a bad one: what it claims cannot be */
    j.d = libdeflate_alloc_decompressor();
    if (!j.d)
        return um_fail(UM_ENOMEM, "gzip: out of memory");
    st = grow(&j, (size_t)claim < 4096 ? 4096 : (size_t)claim);
    if (st == UM_OK)
        st = members(&j);
    libdeflate_free_decompressor(j.d);
    *out  = j.out;
    *outn = j.have;
    return st;
}
