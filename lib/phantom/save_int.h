/* save_int.h - between the files that write CTs */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PHANTOM_SAVE_INT_H
#define UM_PHANTOM_SAVE_INT_H

#include "phantom/save.h"

/* um_save_series - the folder and its slices; px: the Hounsfield units that v->data is, changed to
 * what is stored */
UM_RESULT_USED int um_save_series(const char *folder, const char *patient,
                                  const struct um_meta_out *v, int16_t *px);

#endif
