/* beside.h - the file of voxels that a header names
 *
 * A header comes from anywhere, so the name in it is not trusted: it must lead into the header's
 * own folder or below. Absolute names and ".." are refused.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_BESIDE_H
#define UM_MEDIA_BESIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* um_beside_path - the path of `name`, as the header at header_path means it. UM_EFORMAT: empty,
 * longer than
 * UM_BESIDE_MAX, absolute, with ".." or control characters; UM_ENOMEM. */
enum { UM_BESIDE_MAX = 1024 };
UM_RESULT_USED int um_beside_path(struct um_arena *a, const char *header_path, const char *name,
                                  const char **path);

/* um_beside_swap - path with its ending `from` (in any case) replaced by `to`, or `to` added where
 * it does not end so; in capitals if `from` stood in capitals. NULL without memory. */
const char *um_beside_swap(struct um_arena *a, const char *path, const char *from, const char *to);

/* An open file: a regular one. Messages name it. */
struct um_part {
    const char *path; /* the caller's */
    int         fd;
    int64_t     size;
};
UM_RESULT_USED int um_part_open(struct um_part *p, const char *path);
/* um_part_read - exactly n bytes from byte `at` on; UM_EFORMAT if it holds less */
UM_RESULT_USED int um_part_read(const struct um_part *p, int64_t at, void *to, size_t n);
void               um_part_close(struct um_part *p);

#endif
