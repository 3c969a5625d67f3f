/* inflate.c - libdeflate with the size known beforehand */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/inflate.h"

#include <libdeflate.h>

#include "media/gunzip.h"

typedef enum libdeflate_result inflate_fn(struct libdeflate_decompressor *, const void *, size_t,
                                          void *, size_t, size_t *, size_t *);

static int members(struct libdeflate_decompressor *d, const uint8_t *in, size_t n, bool gzip,
                   uint8_t *out, size_t want)
{
    inflate_fn *const fn   = gzip ? libdeflate_gzip_decompress_ex : libdeflate_zlib_decompress_ex;
    const char       *name = gzip ? "gzip" : "zlib";
    size_t            at = 0, have = 0;

    do {
        size_t                       used = 0, got = 0;
        const enum libdeflate_result r =
            fn(d, in + at, n - at, out + have, want - have, &used, &got);

        if (r == LIBDEFLATE_INSUFFICIENT_SPACE)
            return um_fail(UM_EFORMAT,
                           "%s: more inside than the %zu bytes that the header promises", name,
                           want);
        if (r != LIBDEFLATE_SUCCESS)
            return um_fail(UM_EFORMAT, "%s: cut or damaged after %zu of %zu inflated bytes", name,
                           have, want);
        at += used;
        have += got;
    } while (gzip && um_gzip_is(in + at, n - at));
    if (have != want)
        return um_fail(UM_EFORMAT, "%s: %zu bytes inside, the header promises %zu", name, have,
                       want);
    while (at < n && in[at] == 0)
        at++;
    if (at < n)
        return um_fail(UM_EFORMAT, "%s: %zu other bytes after its end", name, n - at);
    return UM_OK;
}

int um_inflate(const uint8_t *in, size_t n, bool gzip, void *out, size_t want)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    int                             st;

    if (!d)
        return um_fail(UM_ENOMEM, "out of memory");
    st = members(d, in, n, gzip, out, want);
    libdeflate_free_decompressor(d);
    return st;
}
