/* thorax.h - paint a patient into the grid */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_PHANTOM_THORAX_H
#define UM_PHANTOM_THORAX_H

#include "phantom/body.h"
#include "phantom/grid.h"

/* um_thorax_soft - trunk, lungs without vessels, what lies under the diaphragm, heart, great
 *                  vessels, airway: what findings are placed in. `dome` is scratch, one per (x,y)
 * um_thorax_vessels - the lungs' vessels: where findings left lung tissue
 * um_thorax_bones - spine, ribs, sternum, clavicles, scapulae */
void um_thorax_soft(struct um_grid *g, const struct um_body *b, float *dome);
void um_thorax_vessels(struct um_grid *g, const struct um_body *b, uint64_t seed, int64_t index);
void um_thorax_bones(struct um_grid *g, const struct um_body *b);

#endif
