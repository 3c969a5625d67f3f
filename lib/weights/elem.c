/* elem.c - the element types of weights files, those that um calculates with and the others */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "weights/weights_int.h"

/* bool has the bytes of uint8. PyTorch keeps types without a storage class of their own in an
 * UntypedStorage and names them; the quantised ones need more than their bytes and stay unknown. */
static const struct um_elem table[] = {
    { "float32", "F32", "FloatStorage", 32, UM_F32 },
    { "float64", "F64", "DoubleStorage", 64, UM_F64 },
    { "float16", "F16", "HalfStorage", 16, UM_F16 },
    { "bfloat16", "BF16", "BFloat16Storage", 16, UM_BF16 },
    { "uint8", "U8", "ByteStorage", 8, UM_U8 },
    { "int16", "I16", "ShortStorage", 16, UM_I16 },
    { "int32", "I32", "IntStorage", 32, UM_I32 },
    { "int64", "I64", "LongStorage", 64, UM_I64 },
    { "bool", "BOOL", "BoolStorage", 8, UM_U8 },
    { "int8", "I8", "CharStorage", 8, UM_NDTYPE },
    { "uint16", "U16", NULL, 16, UM_NDTYPE },
    { "uint32", "U32", NULL, 32, UM_NDTYPE },
    { "uint64", "U64", NULL, 64, UM_NDTYPE },
    { "complex64", "C64", "ComplexFloatStorage", 64, UM_NDTYPE },
    { "complex128", NULL, "ComplexDoubleStorage", 128, UM_NDTYPE },
    { "float8_e4m3fn", "F8_E4M3", NULL, 8, UM_NDTYPE },
    { "float8_e5m2", "F8_E5M2", NULL, 8, UM_NDTYPE },
    { "float8_e8m0fnu", "F8_E8M0", NULL, 8, UM_NDTYPE },
    { "float8_e4m3fnuz", "F8_E4M3FNUZ", NULL, 8, UM_NDTYPE },
    { "float8_e5m2fnuz", "F8_E5M2FNUZ", NULL, 8, UM_NDTYPE },
    { "float6_e2m3", "F6_E2M3", NULL, 6, UM_NDTYPE },
    { "float6_e3m2", "F6_E3M2", NULL, 6, UM_NDTYPE },
    { "float4_e2m1", "F4", NULL, 4, UM_NDTYPE },
};
enum { N = sizeof table / sizeof table[0] };

static bool is(const char *name, const char *s, size_t n)
{
    return name && strlen(name) == n && memcmp(name, s, n) == 0;
}

const struct um_elem *um_elem_safetensors(const char *name)
{
    for (int i = 0; i < N; i++)
        if (is(table[i].safetensors, name, strlen(name)))
            return &table[i];
    return NULL;
}

const struct um_elem *um_elem_storage(const char *name, size_t n)
{
    for (int i = 0; i < N; i++)
        if (is(table[i].storage, name, n))
            return &table[i];
    return NULL;
}

const struct um_elem *um_elem_torch(const char *name, size_t n)
{
    for (int i = 0; i < N; i++)
        if (table[i].bits % 8 == 0 && is(table[i].name, name, n))
            return &table[i];
    return NULL;
}

const char *um_elem_safetensors_name(enum um_dtype t)
{
    for (int i = 0; i < N; i++)
        if (table[i].dtype == t && t != UM_NDTYPE)
            return table[i].safetensors;
    return NULL;
}
