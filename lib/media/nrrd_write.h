/* nrrd_write.h - a volume to a NRRD file (.nrrd), or a header with its voxels (.nhdr, .raw) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_NRRD_WRITE_H
#define UM_MEDIA_NRRD_WRITE_H

#include "media/meta_write.h"

/* um_nrrd_write - as um_meta_write, whose errors it has; encoding raw or gzip */
UM_API UM_RESULT_USED int um_nrrd_write(struct um_outfile *out, struct um_outfile *voxels,
                                        const struct um_meta_out *v);

#endif
