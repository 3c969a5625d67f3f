/* window.c - names of Hounsfield windows */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/window.h"

#include <stddef.h>
#include <string.h>

#include "base/number.h"

int um_window_parse(const char *text, double window[2])
{
    static const struct {
        const char *name;
        double      lo, hi;
    } known[] = {
        { "lung", -1350, 150 },
        { "mediastinum", -160, 240 },
        { "bone", -450, 1050 },
        { "abdomen", -175, 250 },
    };
    const char *p = text;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(text, known[i].name) == 0) {
            window[0] = known[i].lo;
            window[1] = known[i].hi;
            return UM_OK;
        }
    if (um_number_at(&p, &window[0]) && um_mark_at(&p, ',') && um_number_at(&p, &window[1]) &&
        !*p && window[0] < window[1] && window[0] >= -1e6 && window[1] <= 1e6)
        return UM_OK;
    return um_fail(UM_ERANGE,
                   "window \"%s\": expected lung, mediastinum, bone, abdomen or LO,HI in HU with "
                   "LO < HI",
                   text);
}
