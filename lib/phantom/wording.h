/* wording.h - a report of three to six sentences about a case */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PHANTOM_WORDING_H
#define UM_PHANTOM_WORDING_H

#include "phantom/phantom.h"

/* um_wording_write - text for the X-ray (xray) or the CT of a case whose lesions are known
 *
 * Every finding that is there is stated; of those that are not, some are denied and the others
 * passed over, as people do. The draws are keyed by (seed, case, kind): the two texts of a case
 * differ in words, not in facts. text holds UM_PHANTOM_REPORT bytes. */
void um_wording_write(const struct um_phantom_case *c, uint64_t seed, bool xray, char *text);

#endif
