/* spec.c - reading sizes, parts and numbers strictly: nothing before, between or after */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

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

/* N, or DxHxW, at *p */
static bool sides(const char **p, int64_t most, int64_t side[3], int *n)
{
    for (*n = 0; *n < 3; (*n)++) {
        if (*n > 0 && **p != 'x')
            break;
        if (!((*n == 0 || skip(p, 'x')) && count(p, most, &side[*n])))
            return false;
    }
    return *n != 2;
}

int um_sizes_parse(const char *text, int64_t most, int64_t *image, int64_t size[3], bool *given)
{
    const char *p    = text;
    bool        seen = false;

    *given = false;
    for (;;) {
        int64_t side[3];
        int     n = 0;

        if (!sides(&p, most, side, &n) || (n == 1 ? seen || side[0] < 8 : *given))
            break;
        if (n == 1)
            *image = side[0];
        else
            memcpy(size, side, sizeof side);
        seen   = seen || n == 1;
        *given = *given || n == 3;
        if (!*p)
            return UM_OK;
        if (!skip(&p, ','))
            break;
    }
    return um_fail(UM_ERANGE,
                   "size \"%s\": expected N, DxHxW or both with a comma, N from 8, at most %lld",
                   text, (long long)most);
}

int um_spacing_parse(const char *text, double mm[3])
{
    const char *p = text;
    int         n = 0;

    while (n < 3) {
        if (!um_number_at(&p, &mm[n]) || !(mm[n] >= 0.01 && mm[n] <= 1000))
            break;
        n++;
        if (n == 3 || !um_mark_at(&p, ','))
            break;
    }
    if (n == 1)
        mm[1] = mm[2] = mm[0];
    if ((n == 1 || n == 3) && !*p && p[-1] != ',' && p[-1] != ' ')
        return UM_OK;
    return um_fail(UM_ERANGE, "spacing \"%s\": expected X,Y,Z or one number, 0.01 to 1000 mm",
                   text);
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

int um_allow_parse(const char *text, bool *gaps, bool *duplicates)
{
    *gaps = *duplicates = false;
    for (const char *p = text; p;) {
        const size_t n = strcspn(p, ",");

        if (n == 4 && strncmp(p, "gaps", n) == 0)
            *gaps = true;
        else if (n == 10 && strncmp(p, "duplicates", n) == 0)
            *duplicates = true;
        else
            return um_fail(UM_ERANGE, "allow \"%s\": expected gaps, duplicates", text);
        p = p[n] ? p + n + 1 : NULL;
    }
    return UM_OK;
}

int um_number_parse(const char *text, double *x)
{
    const char *p = text;

    if (um_number_at(&p, x) && !*p)
        return UM_OK;
    return um_fail(UM_ERANGE, "\"%s\" is not a number", text);
}
