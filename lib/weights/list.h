/* list.h - what is in a weights file, as text */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_WEIGHTS_LIST_H
#define UM_WEIGHTS_LIST_H

#include <stdbool.h>

#include "base/file.h"
#include "weights/weights.h"

/* um_weights_list - name, type and shape of each tensor, in order of the names, with tabs between.
 * With head first "# PATH: format, tensors, values", with config "# um.config JSON" if it is there
 */
UM_API UM_RESULT_USED int um_weights_list(struct um_outfile *out, const char *path,
                                          const struct um_weights *w, bool head, bool config);

#endif
