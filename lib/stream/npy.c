/* npy.c - the .npy header is a line of Python padded to a multiple of 64 bytes */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/npy.h"

#include <stdio.h>
#include <string.h>

enum { HEAD = 512, MAGIC = 10 }; /* HEAD holds nine dims of 19 digits; MAGIC: before the text */

static const char *descr(enum um_dtype t)
{
    switch (t) {
    case UM_U8: return "|u1";
    case UM_I16: return "<i2";
    case UM_I32: return "<i4";
    case UM_I64: return "<i8";
    case UM_F16: return "<f2";
    case UM_F32: return "<f4";
    case UM_F64: return "<f8";
    default: return NULL;
    }
}

int um_npy_header(struct um_outfile *out, enum um_dtype dtype, int ndim, const int64_t *dim)
{
    char        head[HEAD + 64] = "\x93NUMPY\x01";
    const char *kind            = descr(dtype);
    size_t      n;

    if (!kind)
        return um_fail(UM_EDTYPE, ".npy cannot hold %s", um_dtype_name(dtype));
    n = MAGIC;
    n += (size_t)snprintf(head + n, HEAD - n, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                          kind);
    for (int i = 0; i < ndim; i++)
        n += (size_t)snprintf(head + n, HEAD - n, "%s%lld%s", i ? ", " : "", (long long)dim[i],
                              ndim == 1 ? "," : "");
    n += (size_t)snprintf(head + n, HEAD - n, "), }");
    while ((n + 1) % 64)
        head[n++] = ' ';
    head[n++] = '\n';
    head[8]   = (char)((n - MAGIC) & 0xff);
    head[9]   = (char)((n - MAGIC) >> 8);
    return um_outfile_write(out, head, n);
}

enum um_dtype um_npy_dtype(enum um_dtype t)
{
    return t == UM_BF16 ? UM_F32 : t;
}

int um_npy_elements(struct um_outfile *out, const struct um_tensor *t)
{
    const uint16_t *half = t->data;

    if (t->dtype != UM_BF16)
        return um_outfile_write(out, t->data, um_tensor_bytes(t));
    for (int64_t i = 0, n = um_tensor_count(t); i < n; i++) {
        const float x = um_bf16_to_f32(half[i]);

        UM_TRY(um_outfile_write(out, &x, sizeof x));
    }
    return UM_OK;
}

int um_npy_write(struct um_outfile *out, const struct um_tensor *t)
{
    UM_TRY(um_npy_header(out, um_npy_dtype(t->dtype), t->ndim, t->dim));
    return um_npy_elements(out, t);
}
