/* number.c - strtod, where a decimal number begins */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/number.h"

#include <math.h>
#include <stdlib.h>

bool um_number_at(const char **p, double *x)
{
    const char *digit = *p + (**p == '-' || **p == '+');
    char       *end;

    digit += *digit == '.';
    if (*digit < '0' || *digit > '9' || (*digit == '0' && (digit[1] | 0x20) == 'x'))
        return false;
    *x = strtod(*p, &end);
    *p = end;
    return isfinite(*x);
}

bool um_mark_at(const char **p, char mark)
{
    if (**p != mark)
        return false;
    do
        ++*p;
    while (**p == ' ');
    return true;
}
