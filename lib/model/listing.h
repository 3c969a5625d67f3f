/* listing.h - names in one line of a message: the first few, and how many more there are */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MODEL_LISTING_H
#define UM_MODEL_LISTING_H

#include <stddef.h>

#include "base/status.h"

enum { UM_LISTED = 8 }; /* shown, if they have room */

struct um_listing {
    int    n, shown;
    size_t len;
    char   text[560];
};

/* add one; past the eighth, or when the text is full, it is only counted */
UM_API void um_listing_add(struct um_listing *l, const char *fmt, ...) UM_PRINTF(2, 3);
/* "a, b, c and 5 more"; add no more after this */
UM_API const char *um_listing_text(struct um_listing *l);

#endif
