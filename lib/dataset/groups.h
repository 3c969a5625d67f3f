/* groups.h - rows that belong together, by the text of one column */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_DATASET_GROUPS_H
#define UM_DATASET_GROUPS_H

#include <stdint.h>

#include "base/arena.h"

struct um_groups {
    int64_t  n;    /* groups, in the order of their names, byte by byte */
    int64_t *rows; /* [n] how many rows each has */
    int64_t *of;   /* [nrow] the group of each row */
    int64_t *at;   /* [nrow] the rows of group 0, of group 1, ...: each group's in their order */
    int64_t *from; /* [n+1] where a group's begin in `at` */
};

/* um_groups_new - group nrow rows by name[i]; name NULL: each row by itself, in the order of the
 * rows. All of it lives in the arena. UM_ENOMEM. */
UM_API UM_RESULT_USED int um_groups_new(struct um_arena *a, const char *const *name, int64_t nrow,
                                        struct um_groups *g);

#endif
