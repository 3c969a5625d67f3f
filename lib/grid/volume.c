/* volume.c - rows of a volume in Hounsfield units */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/volume.h"

#include <float.h>
#include <math.h>

#include "base/wide.h"

size_t um_voxel_size(enum um_voxel type)
{
    static const size_t size[] = { 1, 1, 2, 2, 4, 4, 8, 8, 4, 8 };

    return size[type];
}

/* neighbours that lie side by side get a loop of their own, which the compiler makes wide */
#define ROW(NAME, T, A)                                                                            \
    UM_WIDE static void NAME(const void *p, int64_t at, int64_t step, int64_t n, double slope,     \
                             double inter, float *hu)                                              \
    {                                                                                              \
        const T *s = (const T *)p + at;                                                            \
        const A  m = (A)slope, b = (A)inter;                                                       \
                                                                                                   \
        if (step == 1)                                                                             \
            for (int64_t x = 0; x < n; x++)                                                        \
                hu[x] = (float)((A)s[x] * m + b);                                                  \
        else if (step == -1)                                                                       \
            for (int64_t x = 0; x < n; x++)                                                        \
                hu[x] = (float)((A)s[-x] * m + b);                                                 \
        else                                                                                       \
            for (int64_t x = 0; x < n; x++)                                                        \
                hu[x] = (float)((A)s[x * step] * m + b);                                           \
    }
ROW(row_u8, uint8_t, float)
ROW(row_i8, int8_t, float)
ROW(row_u16, uint16_t, float)
ROW(row_i16, int16_t, float)
ROW(row_u32, uint32_t, double)
ROW(row_i32, int32_t, double)
ROW(row_u64, uint64_t, double)
ROW(row_i64, int64_t, double)
ROW(row_f32, float, float)
ROW(row_f64, double, double)

typedef void row_fn(const void *, int64_t, int64_t, int64_t, double, double, float *);

/* whole numbers stay finite under any sane scale */
static bool may_overflow(const struct um_volume *v)
{
    return v->type == UM_VOX_F32 || v->type == UM_VOX_F64 ||
           !(fabs(v->slope) * 0x1p64 + fabs(v->inter) < (double)FLT_MAX);
}

UM_WIDE static bool all_finite(const float *x, int64_t n)
{
    int bad = 0;

    for (int64_t i = 0; i < n; i++)
        bad |= !(fabsf(x[i]) <= FLT_MAX);
    return !bad;
}

int um_volume_row(const struct um_volume *v, int64_t z, int64_t y, float *hu)
{
    static row_fn *const fn[] = { row_u8,  row_i8,  row_u16, row_i16, row_u32,
                                  row_i32, row_u64, row_i64, row_f32, row_f64 };
    const int64_t        n    = v->dim[2];

    fn[v->type](v->voxels, z * v->step[0] + y * v->step[1], v->step[2], n, v->slope, v->inter, hu);
    if (!may_overflow(v) || all_finite(hu, n))
        return UM_OK;
    for (int64_t x = 0; x < n; x++) {
        if (isfinite(hu[x]))
            continue;
        if (!v->replace)
            return um_fail(UM_ENONFINITE,
                           "voxel x %lld, y %lld, z %lld (of %lld x %lld x %lld) is %g "
                           "(--nan HU replaces such voxels)",
                           (long long)x, (long long)y, (long long)z, (long long)v->dim[2],
                           (long long)v->dim[1], (long long)v->dim[0], (double)hu[x]);
        hu[x] = v->instead;
    }
    return UM_OK;
}

void um_affine_spacing(const double affine[12], double spacing[3])
{
    for (int c = 0; c < 3; c++)
        spacing[c] = sqrt(affine[c] * affine[c] + affine[4 + c] * affine[4 + c] +
                          affine[8 + c] * affine[8 + c]);
}

void um_volume_crop(struct um_volume *v, const int64_t first[3], const int64_t n[3])
{
    int64_t at = 0;

    for (int i = 0; i < 3; i++) {
        at += first[i] * v->step[i];
        v->dim[i] = n[i];
        for (int r = 0; r < 3; r++) /* column 2 - i is axis i's */
            v->affine[4 * r + 3] += v->affine[4 * r + 2 - i] * (double)first[i];
    }
    v->voxels = (const char *)v->voxels + at * (int64_t)um_voxel_size(v->type);
}
