/* listing.c - names in one line of a message */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/listing.h"

#include <stdarg.h>
#include <stdio.h>

enum { TAIL = 24 }; /* " and 1048576 more" */

void um_listing_add(struct um_listing *l, const char *fmt, ...)
{
    const size_t room = sizeof l->text - TAIL - l->len;
    const int    gap  = l->n ? 2 : 0;
    va_list      ap;
    int          k;

    l->n++;
    if (l->shown == UM_LISTED || l->shown < l->n - 1)
        return;
    (void)snprintf(l->text + l->len, room, "%s", gap ? ", " : "");
    va_start(ap, fmt);
    k = (size_t)gap < room ? vsnprintf(l->text + l->len + gap, room - (size_t)gap, fmt, ap) : -1;
    va_end(ap);
    if (k >= 0 && (size_t)(k + gap) < room) {
        l->len += (size_t)(k + gap);
        l->shown++;
    }
    l->text[l->len] = 0; /* what did not fit is taken back */
}

const char *um_listing_text(struct um_listing *l)
{
    if (l->shown < l->n)
        (void)snprintf(l->text + l->len, sizeof l->text - l->len, "%s%d more",
                       l->shown ? " and " : "", l->n - l->shown);
    return l->text;
}
