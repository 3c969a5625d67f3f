/* window.h - which Hounsfield units become 0 and 1
 *
 *     lung         -1350   150    width 1500, level -600
 *     mediastinum   -160   240    width  400, level   40
 *     bone          -450  1050    width 1500, level  300
 *     abdomen       -175   250    the range of the organ segmentation task
 * or two numbers LO,HI. Pre-training takes -1000,1000.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_GRID_WINDOW_H
#define UM_GRID_WINDOW_H

#include "base/status.h"

/* um_window_parse - a name or "LO,HI" with LO < HI, both within +-1e6 HU. UM_ERANGE otherwise. */
UM_API UM_RESULT_USED int um_window_parse(const char *text, double window[2]);

#endif
