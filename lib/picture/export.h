/* export.h - one tensor of a record as a file that other programs read */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PICTURE_EXPORT_H
#define UM_PICTURE_EXPORT_H

#include "base/file.h"
#include "picture/view.h"

enum um_export { UM_EXPORT_NPY = 0, UM_EXPORT_PNG, UM_EXPORT_NII };

/* um_export_ext - "npy", "png", "nii.gz" */
UM_API const char *um_export_ext(enum um_export e);

/* um_export_pick - the tensor to write: the one named, or without a name (NULL) the first of those
 * that suit the format (png: image, volume, attention, mask; nii: volume, mask, image), or else the
 * record's only one. NULL: the record has none. */
UM_API const struct um_tensor *um_export_pick(const struct um_record *rec, enum um_export e,
                                              const char *name);

/* um_export_write - append the file to `out`
 *   npy  the array (stream/npy.h)
 *   png  the picture (picture/picture.h)
 *   nii  [D,H,W] or [H,W] (leading sides of 1 are dropped) with meta.affine, or else meta.spacing
 * (mm along the tensor's last axes, in their order); dtypes that NIfTI-1 lacks become float32;
 *        gzip: compressed
 * UM_ESHAPE: a shape the format cannot hold; else as the writers. */
UM_API UM_RESULT_USED int um_export_write(struct um_outfile *out, struct um_arena *scratch,
                                          enum um_export e, const struct um_record *rec,
                                          const struct um_tensor *t, bool gzip);

/* um_export_view - append the picture that the view asks for (picture/view.h). *has: UM_OVER_...
 * that was there. Errors as um_scene_open and the writer. */
UM_API UM_RESULT_USED int um_export_view(struct um_outfile *out, struct um_arena *scratch,
                                         const struct um_view *v, const struct um_record *rec,
                                         const struct um_tensor *t, unsigned *has);

#endif
