/* gunzip.c - libdeflate wants the size beforehand: trust the trailer first, then grow */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/gunzip.h"

#include <string.h>

#include <libdeflate.h>

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

/* room for more: a larger block with what is there copied over */
static int grow(struct job *j, size_t cap)
{
    uint8_t *p;

    if (j->cap >= j->max)
        return um_fail(UM_ERANGE, "gzip: more than %zu bytes inside (--max-pixels)", j->max);
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
            return um_fail(UM_EFORMAT, "gzip: cut or damaged after %zu inflated bytes", j->have);
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
        return um_fail(UM_EFORMAT,
                       "gzip: cut or damaged: it claims %llu bytes, which %zu cannot hold",
                       (unsigned long long)claim, n);
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
