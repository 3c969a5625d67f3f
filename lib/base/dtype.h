/* dtype.h - the element types of tensors, named as in NumPy */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_BASE_DTYPE_H
#define UM_BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

enum um_dtype {
    UM_U8 = 0, /* uint8    */
    UM_I16,    /* int16    */
    UM_I32,    /* int32    */
    UM_I64,    /* int64    */
    UM_F16,    /* float16  */
    UM_BF16,   /* bfloat16 */
    UM_F32,    /* float32  */
    UM_F64,    /* float64  */
    UM_NDTYPE
};

/* um_dtype_size - bytes per element (0 for a value outside the enum)
 * um_dtype_name - "uint8" ...; "?" outside the enum
 * um_dtype_parse - the enum value, or UM_EDTYPE with a message */
UM_API size_t             um_dtype_size(enum um_dtype t);
UM_API const char        *um_dtype_name(enum um_dtype t);
UM_API UM_RESULT_USED int um_dtype_parse(const char *name, enum um_dtype *t);

/* um_elem_get - element i of an array of dtype t, as double (int64 beyond 2^53 is rounded) */
UM_API double um_elem_get(const void *data, enum um_dtype t, int64_t i);

/* bfloat16 is the upper half of a float32; rounding is to nearest even, NaN stays NaN */
static inline float um_bf16_to_f32(uint16_t h)
{
    const uint32_t u = (uint32_t)h << 16;
    float          f;

    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint16_t um_f32_to_bf16(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 0x40);
    u += 0x7fffu + ((u >> 16) & 1);
    return (uint16_t)(u >> 16);
}

/* IEEE half precision, round to nearest even */
UM_API float    um_f16_to_f32(uint16_t h);
UM_API uint16_t um_f32_to_f16(float f);

#endif
