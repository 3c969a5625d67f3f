/* items.h - a list of records, a few bytes each, that does not grow in memory
 *
 * A short list is in memory; of a long one all but the newest are in a file in TMPDIR that has no
 * name and vanishes with the process.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_LOAD_ITEMS_H
#define UM_LOAD_ITEMS_H

#include <stdint.h>

#include "base/status.h"

/* what is known of a record before it is read */
struct um_item {
    uint64_t hash;    /* of the key: keys the record's random crops */
    uint64_t patient; /* of meta patient; 0: none */
    int64_t  record;  /* in the file */
    int32_t  file;
    int32_t  length;  /* ids up to the last real one */
    int32_t  rows;    /* real ids (mask not 0): the report's rows in the ragged text */
    uint32_t content; /* of tensors and split */
};

struct um_items {
    int64_t n;

    /* private: items 0..spilt-1 are in the file, the others in tail */
    int             fd; /* -1: none yet */
    int64_t         spilt, room;
    struct um_item *tail;
};

#define UM_ITEMS_INIT                                                                              \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* um_items_add - appends. UM_ENOMEM; UM_EIO: TMPDIR takes no more. um_items_free leaves an empty
 * list. */
UM_API UM_RESULT_USED int um_items_add(struct um_items *list, const struct um_item *item);
UM_API void               um_items_free(struct um_items *list);

/* um_items_get - item i, 0 <= i < n. Any number of threads may ask at once while none adds.
 * UM_EIO. */
UM_API UM_RESULT_USED int um_items_get(const struct um_items *list, int64_t i,
                                       struct um_item *item);

#endif
