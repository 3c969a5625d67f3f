/* save.h - cases to files: pictures, volumes, masks; lines of the manifests */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PHANTOM_SAVE_H
#define UM_PHANTOM_SAVE_H

#include <stdbool.h>

#include "base/dtype.h"
#include "base/file.h"
#include "media/meta_write.h"
#include "phantom/phantom.h"

/* A folder of cases:
 *   xray/NAME.jpg  masks/NAME.png     the X-ray and, on its pixels, what projects where
 *   ct/NAME.nii.gz masks/NAME.nii.gz  the volume in HU and, voxel by voxel, what is there; these
 *                                     two, not their masks, in other formats if asked for
 *   xray.tsv ct.tsv                   manifests for um-preprocess
 *   truth.tsv                         a row per finding of a case (one row "none" without any)
 *   README                            what these are
 * Mask values are sums of 1 nodule, 2 consolidation, 4 effusion, 8 cardiomegaly (the heart),
 * 16 pneumothorax. */
struct um_save {
    const char                 *dir;
    bool                        xray, ct; /* which kinds to write */
    const struct um_xray_files *xray_files;
    const struct um_ct_files   *ct_files;
};

/* the files that an X-ray, and a CT, may come in; NULL: none of that name */
#define UM_XRAY_FILES "jpeg|png|dicom"
#define UM_CT_FILES "nifti|nii|dicom|mha|mhd|zraw|nrrd|nhdr"
UM_API const struct um_xray_files *um_xray_files_find(const char *name);
UM_API const struct um_ct_files   *um_ct_files_find(const char *name);

struct um_xray_files {
    const char *name, *end; /* as in UM_XRAY_FILES; how the file's name ends */
    int (*write)(struct um_outfile *f, const struct um_phantom_case *c);
};

struct um_ct_files {
    const char *name;
    const char *end;    /* of the name that a manifest has; "": that of a folder */
    const char *voxels; /* of the file beside it that holds the voxels; NULL: none */
    const char *shown;  /* all of these, for people */
    bool        packed;
    /* as um_meta_write; NULL: a folder of slices */
    int (*write)(struct um_outfile *out, struct um_outfile *voxels, const struct um_meta_out *v);
};

/* um_save_folders - make the folder and those below it; UM_EIO */
UM_API UM_RESULT_USED int um_save_folders(const struct um_save *s);

/* um_save_files - the images and masks of one case; each appears whole or not at all. UM_EIO. */
UM_API UM_RESULT_USED int um_save_files(const struct um_save *s, const struct um_phantom_case *c);

/* um_save_xray - the X-ray as one file. UM_EIO, UM_ENOMEM. */
UM_API UM_RESULT_USED int um_save_xray(const char *path, const struct um_xray_files *as,
                                       const struct um_phantom_case *c);

/* um_save_xray_dicom - the same to a file that is open, of a patient of that id; inverted: stored
 * as MONOCHROME1 */
UM_API UM_RESULT_USED int um_save_xray_dicom(struct um_outfile *f, const struct um_phantom_case *c,
                                             const char *patient, bool inverted);

/* um_save_ct - the CT in the order of the case's `axes`. stem: the path without its ending.
 *
 * A folder of slices holds 0001.dcm, ... along the third of these axes, and no other such after the
 * last: those of a longer series are removed. UM_EIO, UM_ENOMEM. */
UM_API UM_RESULT_USED int um_save_ct(const char *stem, const struct um_ct_files *as,
                                     const struct um_phantom_case *c);

/* um_save_volume - data of the case's grid, [depth,height,width] int16 or uint8, as a compressed
 * NIfTI file in the order of its `axes`. UM_EIO, UM_ENOMEM. */
UM_API UM_RESULT_USED int um_save_volume(const char *path, const struct um_phantom_case *c,
                                         const void *data, enum um_dtype type);

/* um_save_row - lines of a case, without its files: NUL-terminated text with line ends, allocated
 * by malloc (the caller frees), NULL if memory ran out
 * um_save_head - the matching header line (static) */
enum um_table { UM_TABLE_XRAY, UM_TABLE_CT, UM_TABLE_TRUTH, UM_TABLES };
UM_API char *um_save_row(const struct um_save *s, const struct um_phantom_case *c, enum um_table t);
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
