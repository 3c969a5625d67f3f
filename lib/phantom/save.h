/* save.h - cases to files: pictures, volumes, masks; lines of the manifests */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PHANTOM_SAVE_H
#define UM_PHANTOM_SAVE_H

#include <stdbool.h>

#include "base/dtype.h"
#include "base/file.h"
#include "phantom/phantom.h"

/* A folder of cases:
 *   xray/NAME.jpg  masks/NAME.png     the X-ray and, on its pixels, what projects where
 *   ct/NAME.nii.gz masks/NAME.nii.gz  the volume in HU and, voxel by voxel, what is there
 *   xray.tsv ct.tsv                   manifests for um-preprocess
 *   truth.tsv                         a row per finding of a case (one row "none" without any)
 *   README                            what these are
 * Mask values are sums of 1 nodule, 2 consolidation, 4 effusion, 8 cardiomegaly (the heart),
 * 16 pneumothorax. */
struct um_save {
    const char *dir;
    bool        xray, ct; /* which kinds to write */
};

/* um_save_folders - make the folder and those below it; UM_EIO */
UM_API UM_RESULT_USED int um_save_folders(const struct um_save *s);

/* um_save_files - the images and masks of one case; each appears whole or not at all. UM_EIO. */
UM_API UM_RESULT_USED int um_save_files(const struct um_save *s, const struct um_phantom_case *c);

/* um_save_volume - data of the case's grid, [depth,height,width] int16 or uint8, as a compressed
 * NIfTI file in the order of its `axes`. UM_EIO, UM_ENOMEM. */
UM_API UM_RESULT_USED int um_save_volume(const char *path, const struct um_phantom_case *c,
                                         const void *data, enum um_dtype type);

/* um_save_row - lines of a case, without its files: NUL-terminated text with line ends, allocated
 * by malloc (the caller frees), NULL if memory ran out
 * um_save_head - the matching header line (static) */
enum um_table { UM_TABLE_XRAY, UM_TABLE_CT, UM_TABLE_TRUTH, UM_TABLES };
UM_API char       *um_save_row(const struct um_phantom_case *c, enum um_table t);
UM_API const char *um_save_head(enum um_table t);
UM_API const char *um_save_file(enum um_table t); /* "xray.tsv", ... */

/* um_save_readme - the README of a folder */
UM_API UM_RESULT_USED int um_save_readme(const struct um_save *s);

/* um_save_stored - the case's CT (or mask: elements of `size` bytes, 1 or 2) in the order of its
 * `axes`
 *
 * in [depth,height,width] LPS+; out: as many elements, x of the file fastest. dim: the file's
 * x, y, z sizes; affine: first three rows, from the file's voxel to RAS+ millimetres. */
UM_API void um_save_stored(const struct um_phantom_case *c, const void *in, int size, void *out,
                           int64_t dim[3], double affine[12]);

#endif
