/* slices.h - a folder of pictures, one for each slice -> a volume of gray levels */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_SLICES_H
#define UM_MEDIA_SLICES_H

#include "base/arena.h"
#include "media/folder.h"
#include "media/scan.h"

/* um_slices_read - every file of the folder, in the order of the numbers in their names ("2" before
 * "10"), or those that opts->slices names, in its order, `;` between; first to last from the feet
 * to the head
 *
 * Nothing in such a folder says where the slices lie: rows are taken to run left, columns back, and
 * all spacings to be 1 mm, which a note says. Another note names numbers that are missing between
 * the first and the last of all. grey is set: levels 0 to 255 are what a picture's are.
 *
 * Returns UM_OK; UM_EFORMAT: a file that is no picture, or damaged, a folder in the folder whose
 * files are all to be taken; UM_EMISSING: a slice that is named and not there; UM_EDUPLICATE;
 * UM_EMISMATCH: a picture of another size; each names the file; UM_ERANGE: more than max_voxels;
 * others as um_image_open. */
UM_API UM_RESULT_USED int um_slices_read(struct um_arena *a, const struct um_folder *f,
                                         const struct um_scan_opts *opts, struct um_scan *out);

/* um_natural_order - compare as strcmp does, but runs of digits by their value */
UM_API int um_natural_order(const char *a, const char *b);

#endif
