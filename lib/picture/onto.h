/* onto.h - a tensor that was made on a resized grid, back on the grid of the file it came from */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PICTURE_ONTO_H
#define UM_PICTURE_ONTO_H

#include "base/file.h"
#include "stream/tensor.h"

enum { UM_ONTO_MAX = 1 << 29 }; /* voxels of a file that is written onto */

/* um_export_onto - append `t` of rec, resampled to the grid of the volume in the file `like`
 *
 * The tensor is [D,H,W] (leading sides of 1 are dropped) at meta.affine, or "attention" [S,P]
 * as S slabs of P cells (um_picture_cells) over the record's volume. Whole numbers are labels and
 * take the nearest sample, floats are linear between samples and become float32; 0 where the tensor
 * does not reach (grid/resample_to.h). Onto a NIfTI file: its own axes, qform, sform and version
 * (um_nifti_write_like). Onto another kind: NIfTI-1 in the canonical frame.
 *
 * *share: how much of the grid the tensor covers, or of the tensor the grid does, whichever is
 * more; 0: they lie apart, which is a mistake as a rule, and so is little.
 *
 * UM_EMISSING: no meta.affine, no such file; UM_ESHAPE; UM_EDTYPE; the errors of reading `like`,
 * which they name. */
UM_API UM_RESULT_USED int um_export_onto(struct um_outfile *out, struct um_arena *scratch,
                                         const struct um_record *rec, const struct um_tensor *t,
                                         const char *like, bool gzip, double *share);

/* um_meta_numbers - n numbers of a list in meta; false if it is not such a list */
UM_API bool um_meta_numbers(const struct um_record *rec, const char *name, int n, double *x);

#endif
