/* lps.c - between directions to left, back, head and affines to right, front, head */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/lps.h"

#include <math.h>

#include "grid/volume.h"

static const double turn[3] = { -1, -1, 1 }; /* LPS+ and RAS+ differ by these signs, both ways */

int um_lps_of(const double affine[12], struct um_lps *lps)
{
    for (int i = 0; i < 12; i++)
        if (!isfinite(affine[i]))
            return um_fail(UM_ENONFINITE, "the affine holds NaN or infinity");
    um_affine_spacing(affine, lps->spacing);
    for (int c = 0; c < 3; c++) {
        if (!(lps->spacing[c] > 0))
            return um_fail(UM_EFORMAT, "axis %c of the affine has length 0", "xyz"[c]);
        for (int r = 0; r < 3; r++)
            lps->direction[c][r] = turn[r] * affine[4 * r + c] / lps->spacing[c] + 0.0; /* no -0 */
        lps->origin[c] = turn[c] * affine[4 * c + 3] + 0.0;
    }
    return UM_OK;
}

void um_lps_affine(const struct um_lps *lps, double affine[12])
{
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c < 3; c++)
            affine[4 * r + c] = turn[r] * lps->direction[c][r] * lps->spacing[c];
        affine[4 * r + 3] = turn[r] * lps->origin[r];
    }
}
