/* analyze.c - where the voxels of an Analyze 7.5 pair lie
 *
 * The format has a byte that says how slices were cut, which most programs leave at 0, and nothing
 * for left and right. Byte 0, and any other value than 0..5, is read as SPM, ITK and nibabel do:
 * x runs to the patient's left, y to the front, z to the head. SPM keeps the voxel at the origin
 * and a scale in fields that were free; without it the grid's centre is the origin.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/nifti_int.h"

/* where the three axes run, for each value of the byte: capital letters of the ends */
static const char axes[6][4] = { "LAS", "LSA", "ASL", "LPS", "LIA", "AIL" };

/* SPM counts from 1, and leaves 0 0 0 where it does not know */
static bool has_origin(const struct um_nifti_head *h)
{
    bool any = false;

    for (int i = 0; i < 3; i++) {
        if (h->origin[i] <= -h->dim[1 + i] || h->origin[i] >= 2 * h->dim[1 + i])
            return false;
        any = any || h->origin[i] != 0;
    }
    return any;
}

int um_analyze_space(const struct um_nifti_head *h, struct um_scan *out)
{
    const char *to      = axes[h->orient <= 5 ? h->orient : 0];
    const bool  known   = has_origin(h);
    double     *affine  = out->volume.affine;
    const bool  scale   = isfinite(h->slope) && h->slope != 0;
    const bool  shifted = scale && isfinite(h->inter);

    memset(affine, 0, sizeof out->volume.affine);
    for (int c = 0; c < 3; c++) {
        const int    r    = strchr("RL", to[c]) ? 0 : strchr("AP", to[c]) ? 1 : 2;
        const double sign = strchr("RAS", to[c]) ? 1 : -1, mm = fabs(h->pixdim[1 + c]);
        const double at = known ? h->origin[c] - 1 : 0.5 * (double)(h->dim[1 + c] - 1);

        if (!(mm > 0) || !isfinite(mm))
            return um_fail(UM_EFORMAT, "spacing along axis %d is %g mm, must be positive", c + 1,
                           mm);
        affine[4 * r + c] = sign * mm;
        affine[4 * r + 3] = -sign * mm * at;
    }
    out->form         = "orient byte";
    out->volume.slope = scale ? h->slope : 1;
    out->volume.inter = shifted ? h->inter : 0;
    um_scan_note(out, "Analyze 7.5 does not record left and right: x taken to run to the "
                      "patient's left");
    if (scale && (out->volume.slope != 1 || out->volume.inter != 0))
        um_scan_note(out, "voxels scaled as SPM's fields of the Analyze header say");
    return UM_OK;
}
