/* deflate.c - whole volumes by libdeflate */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/deflate.h"

#include <stdlib.h>

#include <libdeflate.h>

enum { LEVEL = 6 };

typedef size_t pack_fn(struct libdeflate_compressor *, const void *, size_t, void *, size_t);

static int pack(struct um_deflated *out, int level, enum um_deflate wrap)
{
    struct libdeflate_compressor *z = libdeflate_alloc_compressor(level ? level : LEVEL);
    pack_fn *const                fn =
        wrap == UM_DEFLATE_ZLIB ? libdeflate_zlib_compress : libdeflate_gzip_compress;
    size_t room = 0;

    if (z)
        room = wrap == UM_DEFLATE_ZLIB ? libdeflate_zlib_compress_bound(z, out->n)
                                       : libdeflate_gzip_compress_bound(z, out->n);
    out->own = room ? malloc(room) : NULL;
    if (out->own) {
        out->n     = fn(z, out->bytes, out->n, out->own, room);
        out->bytes = out->own;
    }
    libdeflate_free_compressor(z);
    return out->own ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

int um_deflate_volume(struct um_deflated *out, const struct um_meta_out *v, enum um_deflate wrap)
{
    if (v->depth < 1 || v->height < 1 || v->width < 1)
        return um_fail(UM_ERANGE, "%lld x %lld x %lld voxels cannot be written",
                       (long long)v->width, (long long)v->height, (long long)v->depth);
    out->bytes = v->data;
    out->n     = (size_t)(v->depth * v->height * v->width) * um_dtype_size(v->dtype);
    out->own   = NULL;
    return v->deflate ? pack(out, v->level, wrap) : UM_OK;
}

void um_deflated_free(struct um_deflated *d)
{
    free(d->own);
    d->own = NULL;
}
