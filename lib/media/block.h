/* block.h - the block of numbers that a text header describes (MetaImage, NRRD)
 *
 * Behind the header or in files beside it, as they are, deflated, or as text. All files together
 * hold the voxels, each an equal share, in order.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_BLOCK_H
#define UM_MEDIA_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "grid/volume.h"
#include "media/lines.h"

enum um_coding { UM_CODING_RAW, UM_CODING_ZLIB, UM_CODING_GZIP, UM_CODING_TEXT, UM_CODING_HEX };

enum { UM_SKIP_TO_END = -1 }; /* skip_bytes: the voxels are the file's last bytes */

enum { UM_BLOCK_FILES = 8192 }; /* at most */

struct um_block {
    enum um_voxel      type;
    enum um_coding     coding;
    bool               swapped;    /* not in this machine's byte order */
    int64_t            n;          /* voxels in all */
    int64_t            skip_lines; /* of each file, before anything else */
    int64_t            skip_bytes; /* of each file; of a deflated one, of what is inside */
    const char        *skip_name;  /* the header's field for them, if it has none; or NULL */
    const char *const *file;       /* names as the header has them */
    int64_t            files;      /* 0: the voxels are `inside` */
    uint8_t           *inside;     /* changed in place */
    size_t             inside_n;
    size_t             over; /* set by um_block_read: raw bytes behind the voxels, of all files */
};

/* um_block_read - *voxels: n of them in native byte order, aligned, in b->inside or in the arena
 *
 * header_path is where the names start from. No more memory is taken than the voxels and one file
 * of theirs need, and none before the file is known to be large enough. UM_EMISSING, UM_EIO,
 * UM_EFORMAT (see beside.h and inflate.h; cut; not a number; other bytes behind), UM_ERANGE: a
 * number its type does not hold; UM_ENOMEM. A raw file longer than its voxels may have a header
 * before them: UM_EFORMAT where skip_name says that nothing was said of one. */
UM_RESULT_USED int um_block_read(struct um_arena *a, const char *header_path, struct um_block *b,
                                 void **voxels);

/* um_block_is_gzip - whether the file of that name begins as gzip does. UM_EMISSING, UM_EIO,
 * UM_EFORMAT (see beside.h), UM_ENOMEM. */
UM_RESULT_USED int um_block_is_gzip(struct um_arena *a, const char *header_path, const char *name,
                                    bool *is);

/* um_block_files - the names a header means by `text`, at most `most`: one name; "LIST" and the
 * lines that follow in `rest`; or a pattern with its range, "slice%03d.raw 1 30 1", whose step may
 * be left out. UM_EFORMAT: no pattern we know, an empty range, no line left; UM_ERANGE; UM_ENOMEM.
 */
UM_RESULT_USED int um_block_files(struct um_arena *a, const char *text, struct um_lines *rest,
                                  int64_t most, struct um_block *b);

#endif
