/* xray.h - an X-ray from a volume: Beer-Lambert's law, photon noise, a radiograph's gray
 *
 *     I(x,z) = I0 exp(-integral mu(x,y,z) dy),   mu = UM_MU_WATER max(0, 1 + HU/1000)
 *
 * Parallel rays from back to front (PA), one energy of 60 keV, which is near the mean of a chest
 * X-ray's 120 kV spectrum; no scatter. mu of water there: 0.2059/cm (NIST, X-Ray Mass Attenuation
 * Coefficients). Bone follows its HU, which is what the CT says about it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_PHANTOM_XRAY_H
#define UM_PHANTOM_XRAY_H

#include <stdint.h>

#include "base/philox.h"
#include "base/status.h"

#define UM_MU_WATER 0.02059 /* 1/mm at 60 keV */

/* um_xray_project - line integrals of mu along y
 *
 * hu   [nz,ny,nx] with n = {nx, ny, nz}; step: mm from row to row
 * out  [nz,nx], unitless: -ln(I/I0); z as in hu (the lowest first)
 */
UM_API void um_xray_project(const float *hu, const int n[3], double step, float *out);

/* the rectangle of the projection that the detector sees, in samples of the projection */
struct um_view {
    double x0, z0; /* of the picture's left edge and of its lower edge; sample i covers i..i+1 */
    double x1, z1; /* right and upper edge */
    int    w, h;   /* pixels */
};

/* um_xray_resample - the integrals [nz,nx] on the detector's pixels: cubic (Catmull-Rom), edges
 * clamped; the head at the top. out [h,w]; scratch [nz,w]. */
UM_API void um_xray_resample(const float *in, int nx, int nz, const struct um_view *view,
                             float *scratch, float *out);

/* um_xray_expose - counts of photons with Poisson noise (as a normal of that variance) and the
 * detector's own, then -ln(I/I0) again. photons: I0, per pixel. In place, [n]. */
UM_API void um_xray_expose(float *image, int64_t n, double photons, struct um_rng *r);

/* um_xray_develop - the gray a radiograph shows, as digital detectors process it: the image minus
 * `flat` times its mean over half the field (bright and dark regions come closer), then minus
 * `sharp` times the mean of that over a sixteenth (ribs and vessels stand out); then the 1st to
 * 99.6th percentile to black..white. Lung dark, bone white. Air is cut off first at an integral of
 * 1.1 (53 mm of water). image [h,w] is overwritten; scratch [2,h,w]. */
struct um_develop {
    double flat, sharp; /* 0..1 */
};
UM_API void um_xray_develop(float *image, int w, int h, const struct um_develop *how,
                            float *scratch, uint8_t *gray);

#endif
