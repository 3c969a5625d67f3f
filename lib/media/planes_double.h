/* planes_double.h - slices at places where there are others: one of each is kept, of one scan
 *
 * The same instance (by its UID) that comes again is left out. Then, if slices of one acquisition
 * number lie at every place, just one at each, they are kept: of the lowest such number. Else, at
 * each place, the lowest instance number is kept, as long as it is one scan's: it is lower by the
 * same amount at all places, or those that are kept rise or fall along the places and all come
 * before all that are not. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MEDIA_PLANES_DOUBLE_H
#define UM_MEDIA_PLANES_DOUBLE_H

#include "media/planes.h"

/* um_planes_single - s[0..*n-1] are sorted along the normal; *n shrinks. UM_EDUPLICATE: two at one
 * place, and none is to be left out; or nothing tells which is of which scan. A note says what was
 * done. */
UM_RESULT_USED int um_planes_single(struct um_arena *a, struct um_plane_at *s, int64_t *n,
                                    bool allowed, struct um_scan *out);

/* um_plane_label - a slice's name for messages, in `text` */
enum { UM_PLANE_LABEL = 256 };
const char *um_plane_label(const struct um_plane_at *s, char text[UM_PLANE_LABEL]);

#endif
