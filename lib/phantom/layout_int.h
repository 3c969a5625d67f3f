/* layout_int.h - what the layouts share: files made with their folders, reports, labels */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PHANTOM_LAYOUT_INT_H
#define UM_PHANTOM_LAYOUT_INT_H

#include "base/dtype.h"
#include "base/file.h"
#include "phantom/layout.h"

extern const struct um_layout um_layout_amos, um_layout_bcv, um_layout_bimcv, um_layout_ccccii,
    um_layout_chexpert, um_layout_covidx, um_layout_folder, um_layout_luna16, um_layout_mimic,
    um_layout_rsna;

enum { UM_LAYOUT_PATH = 4096 };

/* Each makes the folders that are missing and the file dir/path, whole or not at all. fmt and what
 * follows it: the path in the folder. */
UM_RESULT_USED int um_layout_open(struct um_outfile **f, const char *dir, const char *fmt, ...)
    UM_PRINTF(3, 4);
UM_RESULT_USED int um_layout_text(const char *text, const char *dir, const char *fmt, ...)
    UM_PRINTF(3, 4);
UM_RESULT_USED int um_layout_jpeg(const struct um_phantom_case *c, const char *dir, const char *fmt,
                                  ...) UM_PRINTF(3, 4);
UM_RESULT_USED int um_layout_png(const uint8_t *pixels, int w, int h, const char *dir,
                                 const char *fmt, ...) UM_PRINTF(5, 6);
UM_RESULT_USED int um_layout_png16(const uint16_t *pixels, int w, int h, const char *dir,
                                   const char *fmt, ...) UM_PRINTF(5, 6);
/* a volume of the case on the CT's grid: its CT (int16), or labels (uint8) */
UM_RESULT_USED int um_layout_nifti(const struct um_phantom_case *c, const void *data,
                                   enum um_dtype type, const char *dir, const char *fmt, ...)
    UM_PRINTF(5, 6);

/* the CT in files of that kind (UM_CT_FILES), its path without the ending */
UM_RESULT_USED int um_layout_ct(const struct um_phantom_case *c, const char *as, const char *dir,
                                const char *fmt, ...) UM_PRINTF(4, 5);
/* a file goes again: one that the data set's tables name and that it lacks */
UM_RESULT_USED int um_layout_remove(const char *dir, const char *fmt, ...) UM_PRINTF(2, 3);

/* um_layout_labels - the case's mask as labels 1 to 5, the lowest finding of each voxel; malloc'd,
 * NULL if memory ran out */
uint8_t *um_layout_labels(const struct um_phantom_case *c);

/* um_layout_report - the report in sections, as it stands in a file: headings in their own lines,
 * `indent` before each line */
void um_layout_report(FILE *f, const char *report, const char *indent);

/* um_layout_hash - a number that belongs to (case, what): the same for ever */
uint64_t um_layout_hash(const struct um_phantom_case *c, int what);

#endif
