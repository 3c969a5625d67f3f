/* resample_to.c - through two affines, one voxel after the other */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/resample_to.h"

#include <math.h>
#include <string.h>

static const double TIE = 1e-6; /* e, of a sample */

int um_affine_invert(const double a[12], double o[12])
{
    double c[9], det, size = 1, spacing[3];

    for (int i = 0; i < 12; i++)
        if (!isfinite(a[i]))
            return um_fail(UM_ENONFINITE, "the affine holds %g", a[i]);
    um_affine_spacing(a, spacing);
    for (int i = 0; i < 3; i++)
        size *= spacing[i];
    for (int i = 0; i < 3; i++) /* c[3 j + i]: the cofactor of a[i][j] */
        for (int j = 0; j < 3; j++) {
            const int i1 = (i + 1) % 3, i2 = (i + 2) % 3, j1 = (j + 1) % 3, j2 = (j + 2) % 3;

            c[3 * j + i] = a[4 * i1 + j1] * a[4 * i2 + j2] - a[4 * i1 + j2] * a[4 * i2 + j1];
        }
    det = a[0] * c[0] + a[1] * c[3] + a[2] * c[6];
    if (!(fabs(det) > 1e-6 * size))
        return um_fail(UM_EFORMAT, "the axes of the affine lie in one plane");
    for (int i = 0; i < 3; i++) {
        o[4 * i + 3] = 0;
        for (int j = 0; j < 3; j++) {
            o[4 * i + j] = c[3 * i + j] / det;
            o[4 * i + 3] -= o[4 * i + j] * a[4 * j + 3];
        }
    }
    return UM_OK;
}

void um_affine_multiply(const double a[12], const double b[12], double out[12])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            out[4 * i + j] = j == 3 ? a[4 * i + 3] : 0;
            for (int k = 0; k < 3; k++)
                out[4 * i + j] += a[4 * i + k] * b[4 * k + j];
        }
}

/* where row (z,y) of the grid begins in `out`, in elements */
static int64_t row_at(const struct um_volume *to, int64_t z, int64_t y)
{
    int64_t at = z * to->step[0] + y * to->step[1];

    for (int i = 0; i < 3; i++) /* to the least of all places */
        at -= to->step[i] < 0 ? (to->dim[i] - 1) * to->step[i] : 0;
    return at;
}

/* the voxel of the grid at x, y, z, as x, y, z of the array */
static void map(const double m[12], int64_t x, int64_t y, int64_t z, double p[3])
{
    for (int i = 0; i < 3; i++)
        p[i] = m[4 * i] * (double)x + m[4 * i + 1] * (double)y + m[4 * i + 2] * (double)z +
               m[4 * i + 3];
}

static bool covers(const int64_t dim[3], const double p[3])
{
    for (int i = 0; i < 3; i++)
        if (!(p[i] + TIE >= -0.5 && p[i] + TIE < (double)dim[2 - i] - 0.5))
            return false;
    return true;
}

/* from voxels of the grid to samples of the array */
static int relate(const double affine[12], const struct um_volume *to, double m[12])
{
    double inverse[12];

    UM_TRY(um_affine_invert(affine, inverse));
    um_affine_multiply(inverse, to->affine, m);
    return UM_OK;
}

static int64_t nearest_of(const int64_t dim[3], const double p[3])
{
    const int64_t x = (int64_t)floor(p[0] + TIE + 0.5), y = (int64_t)floor(p[1] + TIE + 0.5),
                  z = (int64_t)floor(p[2] + TIE + 0.5);

    return (z * dim[1] + y) * dim[2] + x;
}

int um_resample_nearest(const void *in, size_t size, const int64_t dim[3], const double affine[12],
                        const struct um_volume *to, void *out, int64_t *covered)
{
    double  m[12], p[3];
    int64_t n = 0;

    UM_TRY(relate(affine, to, m));
    for (int64_t z = 0; z < to->dim[0]; z++)
        for (int64_t y = 0; y < to->dim[1]; y++) {
            char *row = (char *)out + row_at(to, z, y) * (int64_t)size;

            for (int64_t x = 0; x < to->dim[2]; x++) {
                char *v = row + x * to->step[2] * (int64_t)size;

                map(m, x, y, z, p);
                if (covers(dim, p)) {
                    memcpy(v, (const char *)in + nearest_of(dim, p) * (int64_t)size, size);
                    n++;
                } else {
                    memset(v, 0, size);
                }
            }
        }
    if (covered)
        *covered = n;
    return UM_OK;
}

/* the two samples around p and the weight of the second */
static double between(double p, int64_t n, int64_t *a, int64_t *b)
{
    const double at = p < 0 ? 0 : p > (double)(n - 1) ? (double)(n - 1) : p, low = floor(at);

    *a = (int64_t)low;
    *b = *a + 1 < n ? *a + 1 : *a;
    return at - low;
}

static float linear_at(const float *in, const int64_t dim[3], const double p[3])
{
    int64_t x[2], y[2], z[2];
    double  fx = between(p[0], dim[2], &x[0], &x[1]), fy = between(p[1], dim[1], &y[0], &y[1]),
           fz = between(p[2], dim[0], &z[0], &z[1]), sum = 0;

    for (int i = 0; i < 8; i++) {
        const double w = (i & 1 ? fx : 1 - fx) * (i & 2 ? fy : 1 - fy) * (i & 4 ? fz : 1 - fz);

        if (w > 0) /* a NaN beside, of weight 0, is not ours */
            sum += w * (double)in[(z[i >> 2] * dim[1] + y[i >> 1 & 1]) * dim[2] + x[i & 1]];
    }
    return (float)sum;
}

int um_resample_linear(const float *in, const int64_t dim[3], const double affine[12],
                       const struct um_volume *to, float *out, int64_t *covered)
{
    double  m[12], p[3];
    int64_t n = 0;

    UM_TRY(relate(affine, to, m));
    for (int64_t z = 0; z < to->dim[0]; z++)
        for (int64_t y = 0; y < to->dim[1]; y++) {
            float *row = out + row_at(to, z, y);

            for (int64_t x = 0; x < to->dim[2]; x++) {
                map(m, x, y, z, p);
                const bool in_it = covers(dim, p);

                row[x * to->step[2]] = in_it ? linear_at(in, dim, p) : 0;
                n += in_it;
            }
        }
    if (covered)
        *covered = n;
    return UM_OK;
}
