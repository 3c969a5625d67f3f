/* deflate.h - the voxels that a writer of volumes puts down, compressed or not */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_DEFLATE_H
#define UM_MEDIA_DEFLATE_H

#include <stddef.h>

#include "media/meta_write.h"

struct um_deflated {
    const void *bytes;
    size_t      n;
    void       *own; /* NULL: the bytes are the volume's */
};

enum um_deflate { UM_DEFLATE_ZLIB, UM_DEFLATE_GZIP };

/* um_deflate_volume - v->data in v->deflate's form; free with um_deflated_free. UM_ERANGE: a side
 * below 1; UM_ENOMEM. */
UM_RESULT_USED int um_deflate_volume(struct um_deflated *out, const struct um_meta_out *v,
                                     enum um_deflate wrap);
void               um_deflated_free(struct um_deflated *d);

#endif
