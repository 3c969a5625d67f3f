/* kinds.h - the kinds of image files: how each begins, and how it is read */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_KINDS_H
#define UM_MEDIA_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/image.h"

/* a kind we read: how it begins, and how it is decoded: as a picture, as a volume, or as one of a
 * folder's slices */
struct um_reader_of {
    const char *name;
    bool (*is)(const uint8_t *bytes, size_t n);
    int (*grey)(struct um_arena *a, const uint8_t *bytes, size_t n,
                const struct um_image_opts *opts, struct um_grey *out);
    int (*volume)(struct um_arena *a, const struct um_image *im, const struct um_scan_opts *opts,
                  struct um_scan *out);
    int (*folder)(struct um_arena *a, const struct um_folder *f, const struct um_scan_opts *opts,
                  struct um_scan *out);
    /* of a kind that may be a picture or a volume: sets im->volume */
    int (*tell)(struct um_arena *a, int64_t max_pixels, struct um_image *im);
    /* of a kind whose first bytes tell the size of the whole file: *bytes of it, or 0 */
    int (*promise)(const uint8_t *head, size_t n, int64_t max_pixels, size_t *bytes);
};

/* um_kind_of - the kind of a file that begins so; NULL: none we read */
const struct um_reader_of *um_kind_of(const uint8_t *bytes, size_t n);

/* um_kind_name - the name of a kind that is known and not read; NULL: not known either */
const char *um_kind_name(const uint8_t *bytes, size_t n);

/* um_kind_refuse - UM_EUNSUPPORTED or UM_EFORMAT: what it is instead, and what is expected. `where`
 * stands before it. */
UM_RESULT_USED int um_kind_refuse(const uint8_t *bytes, size_t n, const char *where);

#endif
