/* levels.c - two decimal numbers, exactly */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/levels.h"

enum { MOST = 1000000 };

/* the number at *p in ten-thousandths; false: none is there, or it is too long or too large */
static bool decimal(const char **p, int64_t *out)
{
    const bool  minus = **p == '-';
    const char *c     = *p + minus;
    int64_t     v     = 0;
    int         whole = 0, part = 0;

    for (; *c >= '0' && *c <= '9' && v <= MOST; c++, whole++)
        v = 10 * v + (*c - '0');
    if (*c == '.')
        for (c++; *c >= '0' && *c <= '9' && part < 4; c++, part++)
            v = 10 * v + (*c - '0');
    if (whole == 0 && part == 0)
        return false;
    for (; part < 4; part++)
        v *= 10;
    *out = minus ? -v : v;
    *p   = c;
    return v <= (int64_t)MOST * UM_LEVELS_UNIT;
}

int um_levels_parse(const char *text, struct um_levels *l)
{
    const char      *p = text;
    struct um_levels got;

    if (decimal(&p, &got.lo) && *p++ == ',' && decimal(&p, &got.hi) && *p == 0 &&
        um_levels_given(&got)) {
        *l = got;
        return UM_OK;
    }
    return um_fail(UM_EFORMAT,
                   "column levels: \"%.60s\": LO,HI expected, two values that differ, each within "
                   "1000000 and of up to four decimals",
                   text);
}
