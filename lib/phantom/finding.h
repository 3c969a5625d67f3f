/* finding.h - draw and paint findings */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PHANTOM_FINDING_H
#define UM_PHANTOM_FINDING_H

#include "phantom/body.h"
#include "phantom/grid.h"

/* what was drawn for one case */
struct um_plan {
    bool   present[UM_FINDINGS];
    int    side[UM_FINDINGS]; /* -1 the patient's right, 1 the left */
    double size[UM_FINDINGS]; /* mm, as in struct um_lesion; set by painting where it is measured */
    double amount[UM_FINDINGS]; /* 0..1: how much of the range was drawn */
};

/* um_finding_draw - which findings (at most three), where and how much */
struct um_plan um_finding_draw(const struct um_phantom_config *cfg, int64_t index);

/* um_finding_paint - all but the heart, whose size is anatomy: air and fluid in the pleura first,
 * then lung that is filled, then the nodule, which looks for air around it. Sets mask bits. Call
 * between um_thorax_soft and um_thorax_vessels. */
void um_finding_paint(struct um_grid *g, const struct um_body *b, struct um_plan *plan,
                      uint64_t seed, int64_t index);

#endif
