/* dtype.c - names, sizes and conversions of element types */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dtype.h"

static const struct {
    const char *name;
    size_t      size;
} table[UM_NDTYPE] = {
    [UM_U8] = { "uint8", 1 },    [UM_I16] = { "int16", 2 },   [UM_I32] = { "int32", 4 },
    [UM_I64] = { "int64", 8 },   [UM_F16] = { "float16", 2 }, [UM_BF16] = { "bfloat16", 2 },
    [UM_F32] = { "float32", 4 }, [UM_F64] = { "float64", 8 },
};

size_t um_dtype_size(enum um_dtype t)
{
    return (unsigned)t < UM_NDTYPE ? table[t].size : 0;
}

const char *um_dtype_name(enum um_dtype t)
{
    return (unsigned)t < UM_NDTYPE ? table[t].name : "?";
}

int um_dtype_parse(const char *name, enum um_dtype *t)
{
    for (int i = 0; i < UM_NDTYPE; i++) {
        if (strcmp(name, table[i].name) == 0) {
            *t = (enum um_dtype)i;
            return UM_OK;
        }
    }
    return um_fail(UM_EDTYPE, "unknown dtype \"%.32s\"", name);
}

float um_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t e    = (h >> 10) & 31u;
    uint32_t       m    = h & 1023u;
    uint32_t       u;
    float          f;

    if (e == 31) {
        u = sign | 0x7f800000u | (m << 13);
    } else if (e == 0) {
        const float v = (float)m * 0x1p-24f; /* subnormal: exact in float32 */

        memcpy(&u, &v, sizeof u);
        u |= sign;
    } else {
        u = sign | ((e + 112u) << 23) | (m << 13);
    }
    memcpy(&f, &u, sizeof f);
    return f;
}

uint16_t um_f32_to_f16(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    const uint32_t sign = (u >> 16) & 0x8000u;
    const uint32_t a    = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x477ff000u) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) { /* below 2^-14: let the FPU round to a multiple of 2^-24 */
        float x;
        memcpy(&x, &a, sizeof x);
        x += 0.5f; /* ulp of [0.5,1) is 2^-24 */
        memcpy(&u, &x, sizeof u);
        return (uint16_t)(sign | (u - 0x3f000000u));
    }
    const uint32_t r = a + 0xfffu + ((a >> 13) & 1);
    return (uint16_t)(sign | ((r - 0x38000000u) >> 13));
}

double um_elem_get(const void *data, enum um_dtype t, int64_t i)
{
    switch (t) {
    case UM_U8: return ((const uint8_t *)data)[i];
    case UM_I16: return ((const int16_t *)data)[i];
    case UM_I32: return ((const int32_t *)data)[i];
    case UM_I64: return (double)((const int64_t *)data)[i];
    case UM_F16: return (double)um_f16_to_f32(((const uint16_t *)data)[i]);
    case UM_BF16: return (double)um_bf16_to_f32(((const uint16_t *)data)[i]);
    case UM_F32: return (double)((const float *)data)[i];
    case UM_F64: return ((const double *)data)[i];
    case UM_NDTYPE: break;
    }
    return 0;
}
