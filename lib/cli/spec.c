/* spec.c - reading sizes, parts and numbers strictly: nothing before, between or after */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* a whole number from 1 to most at *p, moved behind it */
static bool count(const char **p, int64_t most, int64_t *n)
{
    char *end;

    if (**p < '0' || **p > '9')
        return false;
    errno = 0;
    *n    = strtoll(*p, &end, 10);
    *p    = end;
    return errno == 0 && *n >= 1 && *n <= most;
}

static bool skip(const char **p, char c)
{
    return *(*p)++ == c;
}

int um_size_parse(const char *text, int64_t most, int64_t size[3])
{
    const char *p = text;

    if (count(&p, most, &size[0]) && skip(&p, 'x') && count(&p, most, &size[1]) && skip(&p, 'x') &&
        count(&p, most, &size[2]) && !*p)
        return UM_OK;
    return um_fail(UM_ERANGE, "size \"%s\": expected DxHxW, each 1 to %lld", text, (long long)most);
}

int um_shard_parse(const char *text, int64_t *part, int64_t *parts)
{
    const char *p = text;
    int64_t     i = 1, n = 1;

    if (text &&
        !(count(&p, INT32_MAX, &i) && skip(&p, '/') && count(&p, INT32_MAX, &n) && !*p && i <= n))
        return um_fail(UM_ERANGE, "shard \"%s\": expected I/N with I from 1 to N", text);
    *part  = i - 1;
    *parts = n;
    return UM_OK;
}

int um_number_parse(const char *text, double *x)
{
    char *end;

    *x = strtod(text, &end);
    if (end != text && !*end && isfinite(*x))
        return UM_OK;
    return um_fail(UM_ERANGE, "\"%s\" is not a number", text);
}
