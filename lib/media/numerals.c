/* numerals.c - voxels written as text */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/numerals.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 };

static bool parts(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == ',';
}

/* the next word, NUL-terminated; its length, 0 at the end, WORD_MAX if it is longer than that */
static size_t word(const uint8_t *text, size_t n, size_t *at, char out[WORD_MAX])
{
    size_t len = 0;

    while (*at < n && parts(text[*at]))
        ++*at;
    while (*at < n && !parts(text[*at]) && len < WORD_MAX - 1)
        out[len++] = (char)text[(*at)++];
    out[len] = 0;
    return *at < n && !parts(text[*at]) ? WORD_MAX : len;
}

#define WHOLE(T, LO, HI)                                                                           \
    do {                                                                                           \
        const long long v = strtoll(w, &end, 10);                                                  \
        ok                = v >= (LO) && v <= (HI);                                                \
        ((T *)out)[i]     = (T)v;                                                                  \
    } while (0)

/* element i of out; false: not a number of that type, with *range set where it is too large */
static bool number(const char *w, enum um_voxel type, void *out, size_t i, bool *range)
{
    char *end;
    bool  ok = true;

    errno = 0;
    switch (type) {
    case UM_VOX_U8: WHOLE(uint8_t, 0, UINT8_MAX); break;
    case UM_VOX_I8: WHOLE(int8_t, INT8_MIN, INT8_MAX); break;
    case UM_VOX_U16: WHOLE(uint16_t, 0, UINT16_MAX); break;
    case UM_VOX_I16: WHOLE(int16_t, INT16_MIN, INT16_MAX); break;
    case UM_VOX_U32: WHOLE(uint32_t, 0, UINT32_MAX); break;
    case UM_VOX_I32: WHOLE(int32_t, INT32_MIN, INT32_MAX); break;
    case UM_VOX_I64: WHOLE(int64_t, INT64_MIN, INT64_MAX); break;
    case UM_VOX_U64:
        ((uint64_t *)out)[i] = strtoull(w, &end, 10);
        ok                   = w[0] != '-';
        break;
    case UM_VOX_F32: ((float *)out)[i] = strtof(w, &end); break;
    default: ((double *)out)[i] = strtod(w, &end); break;
    }
    *range = !ok || (errno == ERANGE && type != UM_VOX_F32 && type != UM_VOX_F64);
    return end != w && !*end && !*range;
}

int um_numerals_read(const uint8_t *text, size_t n, enum um_voxel type, void *out, size_t bytes)
{
    const size_t count = bytes / um_voxel_size(type);
    char         w[WORD_MAX];
    size_t       at = 0, len;
    bool         range;

    for (size_t i = 0; i < count; i++) {
        len = word(text, n, &at, w);
        if (len == 0)
            return um_fail(UM_EFORMAT, "cut: the header promises %zu numbers, %zu are there", count,
                           i);
        if (len == WORD_MAX || !number(w, type, out, i, &range))
            return um_fail(len < WORD_MAX && range ? UM_ERANGE : UM_EFORMAT,
                           "number %zu, \"%.20s\", is not one of the voxels' type", i + 1, w);
    }
    if (word(text, n, &at, w) != 0)
        return um_fail(UM_EFORMAT, "more than the %zu numbers that the header promises", count);
    return UM_OK;
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int um_numerals_hex(const uint8_t *text, size_t n, uint8_t *out, size_t bytes)
{
    size_t have = 0; /* digits */

    for (size_t i = 0; i < n; i++) {
        const int d = digit(text[i]);

        if (d < 0 && parts(text[i]) && text[i] != ',')
            continue;
        if (d < 0)
            return um_fail(UM_EFORMAT, "byte %zu of the voxels is not a hexadecimal digit", i);
        if (have == 2 * bytes)
            return um_fail(UM_EFORMAT, "more than the %zu bytes that the header promises", bytes);
        out[have / 2] = (uint8_t)(have % 2 ? out[have / 2] << 4 | d : d);
        have++;
    }
    if (have != 2 * bytes)
        return um_fail(UM_EFORMAT, "cut: the header promises %zu bytes, %zu are there", bytes,
                       have / 2);
    return UM_OK;
}
