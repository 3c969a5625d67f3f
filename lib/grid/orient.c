/* orient.c - the nearest of 48 arrangements of three axes */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/orient.h"

#include <math.h>
#include <stdint.h>

/* cosine[r][c]: of stored axis c (x, y, z) with world axis r (right, front, head) */
static int cosines(const double affine[12], double cosine[3][3])
{
    double length[3], det;

    for (int i = 0; i < 12; i++)
        if (!isfinite(affine[i]))
            return um_fail(UM_ENONFINITE, "the affine holds %g", affine[i]);
    um_affine_spacing(affine, length);
    for (int c = 0; c < 3; c++) {
        if (!(length[c] > 0))
            return um_fail(UM_EFORMAT, "axis %c of the affine has length 0", "xyz"[c]);
        for (int r = 0; r < 3; r++)
            cosine[r][c] = affine[4 * r + c] / length[c];
    }
    det = 0;
    for (int c = 0; c < 3; c++)
        det += cosine[0][c] * (cosine[1][(c + 1) % 3] * cosine[2][(c + 2) % 3] -
                               cosine[1][(c + 2) % 3] * cosine[2][(c + 1) % 3]);
    if (!(fabs(det) > 1e-4))
        return um_fail(UM_EFORMAT, "the axes of the affine lie in one plane (determinant %g)", det);
    return UM_OK;
}

/* axis[r]: the stored axis that runs along world axis r */
static void nearest(const double cosine[3][3], int axis[3])
{
    static const int order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                     { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    double           best        = -1;

    for (int p = 0; p < 6; p++) {
        double sum = 0;

        for (int r = 0; r < 3; r++)
            sum += fabs(cosine[r][order[p][r]]);
        if (sum > best + 1e-9) {
            best = sum;
            for (int r = 0; r < 3; r++)
                axis[r] = order[p][r];
        }
    }
}

int um_volume_orient(struct um_volume *v)
{
    static const double    want[3] = { -1, -1, 1 }; /* left, back, head in RAS+ */
    const struct um_volume from    = *v;
    double                 cosine[3][3];
    int                    axis[3] = { 0, 1, 2 };
    int64_t                first   = 0; /* of the new voxel (0,0,0), in elements */

    UM_TRY(cosines(v->affine, cosine));
    nearest((const double(*)[3])cosine, axis);
    for (int r = 0; r < 3; r++)
        v->affine[4 * r + 3] = from.affine[4 * r + 3];
    for (int c = 0; c < 3; c++) { /* new axis c: x, y, z; dim and step are z, y, x */
        const int     old  = axis[c];
        const int64_t n    = from.dim[2 - old];
        const int     sign = cosine[c][old] * want[c] < 0 ? -1 : 1;

        v->dim[2 - c]  = n;
        v->step[2 - c] = sign * from.step[2 - old];
        if (sign < 0)
            first += (n - 1) * from.step[2 - old];
        for (int r = 0; r < 3; r++) {
            v->affine[4 * r + c] = sign * from.affine[4 * r + old];
            if (sign < 0)
                v->affine[4 * r + 3] += (double)(n - 1) * from.affine[4 * r + old];
        }
    }
    v->voxels = (const char *)from.voxels + first * (int64_t)um_voxel_size(from.type);
    return UM_OK;
}
