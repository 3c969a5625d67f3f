/* patches.c - crop, scale, cut */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/patches.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void um_patches_cut(float *out, const float *x, const int64_t dim[3], const int64_t patch[3])
{
    for (int64_t s = 0; s < dim[0]; s += patch[0])
        for (int64_t r = 0; r < dim[1]; r += patch[1])
            for (int64_t c = 0; c < dim[2]; c += patch[2])
                for (int64_t z = s; z < s + patch[0]; z++)
                    for (int64_t y = r; y < r + patch[1]; y++) {
                        memcpy(out, x + (z * dim[1] + y) * dim[2] + c,
                               (size_t)patch[2] * sizeof *out);
                        out += patch[2];
                    }
}

/* x [dim] scaled in place, then cut into *out */
static int finish(struct um_arena *a, const char *name, float *x, const int64_t dim[3],
                  const int64_t patch[3], const struct um_patches_opts *opts, struct um_tensor *out)
{
    const int64_t n = dim[0] * dim[1] * dim[2];
    int64_t       size[2];

    for (int i = 0; i < 3; i++)
        if (dim[i] < 1 || patch[i] < 1 || dim[i] % patch[i] != 0)
            return um_fail(UM_ESHAPE,
                           "`%s`: [%" PRId64 ",%" PRId64 ",%" PRId64
                           "] is not a whole number of patches of %" PRId64 "x%" PRId64 "x%" PRId64,
                           name, dim[0], dim[1], dim[2], patch[0], patch[1], patch[2]);
    size[1] = patch[0] * patch[1] * patch[2];
    size[0] = n / size[1];
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return um_fail(UM_ENONFINITE, "`%s`: element %" PRId64 " is not finite", name, i);
        x[i] = opts->scale * x[i] + opts->shift;
    }
    UM_TRY(um_tensor_new(a, "patches", UM_F32, 2, size, out));
    um_patches_cut(out->data, x, dim, patch);
    return UM_OK;
}

static int shape_error(const struct um_tensor *t, const char *want)
{
    char shape[UM_SHAPE_TEXT];

    return um_fail(UM_ESHAPE, "`%s`: expected %s, got %s", t->name, want,
                   um_shape_text(t, shape, sizeof shape));
}

/* the centre of an 8-bit image, as values in 0..1; *dim becomes the crop's */
static int crop_image(struct um_arena *a, const struct um_tensor *image, int64_t crop,
                      int64_t dim[3], float **x)
{
    const uint8_t *in  = image->data;
    const int64_t  row = dim[2], side_y = crop ? crop : dim[1], side_x = crop ? crop : dim[2];
    const int64_t  y0 = (dim[1] - side_y) / 2, x0 = (dim[2] - side_x) / 2;

    if (side_y > dim[1] || side_x > dim[2])
        return um_fail(UM_ESHAPE,
                       "`%s`: %" PRId64 "x%" PRId64 ", smaller than the crop of %" PRId64,
                       image->name, dim[1], dim[2], crop);
    if (!(*x = um_alloc_array(a, side_y * side_x, sizeof **x)))
        return UM_ENOMEM;
    for (int64_t y = 0; y < side_y; y++)
        for (int64_t u = 0; u < side_x; u++)
            (*x)[y * side_x + u] = (float)in[(y0 + y) * row + x0 + u] / 255.0F;
    dim[1] = side_y;
    dim[2] = side_x;
    return UM_OK;
}

/* values that are in 0..1 already */
static int copy_values(struct um_arena *a, const struct um_tensor *t, float **x)
{
    if (t->dtype != UM_F32)
        return um_fail(UM_EDTYPE, "`%s`: expected float32, got %s", t->name,
                       um_dtype_name(t->dtype));
    if (!(*x = um_alloc_array(a, um_tensor_count(t), sizeof **x)))
        return UM_ENOMEM;
    memcpy(*x, t->data, um_tensor_bytes(t));
    return UM_OK;
}

int um_patches_image(struct um_arena *a, const struct um_tensor *image,
                     const struct um_patches_opts *opts, struct um_tensor *out, int64_t grid[3])
{
    const int64_t patch[3] = { 1, opts->patch_2d, opts->patch_2d };
    int64_t       dim[3];
    float        *x = NULL;

    if (image->ndim != 3 || image->dim[0] != 1)
        return shape_error(image, "[1,H,W]");
    memcpy(dim, image->dim, sizeof dim);
    if (image->dtype == UM_U8)
        UM_TRY(crop_image(a, image, opts->crop, dim, &x));
    else
        UM_TRY(copy_values(a, image, &x));
    UM_TRY(finish(a, image->name, x, dim, patch, opts, out));
    grid[0] = dim[1] / patch[1];
    grid[1] = dim[2] / patch[2];
    return 2;
}

int um_patches_volume(struct um_arena *a, const struct um_tensor *volume,
                      const struct um_patches_opts *opts, struct um_tensor *out, int64_t grid[3])
{
    float *x = NULL;

    if (volume->ndim != 3)
        return shape_error(volume, "[D,H,W]");
    UM_TRY(copy_values(a, volume, &x));
    UM_TRY(finish(a, volume->name, x, volume->dim, opts->patch_3d, opts, out));
    for (int i = 0; i < 3; i++)
        grid[i] = volume->dim[i] / opts->patch_3d[i];
    return 3;
}

int um_patches_record(struct um_arena *a, const struct um_patches_opts *opts, struct um_record *rec)
{
    const struct um_tensor *image  = um_record_find(rec, "image");
    const struct um_tensor *volume = um_record_find(rec, "volume");
    struct um_value         list   = { .kind = UM_LIST };
    struct um_tensor        out;
    int64_t                 grid[3] = { 0, 0, 0 };
    int                     n;

    if (image && volume)
        return um_fail(UM_EMISMATCH, "both `image` and `volume`: only one can become `patches`");
    if (!image && !volume)
        return um_fail(UM_EMISSING, "neither `image` nor `volume`: run um-preprocess");
    n = image ? um_patches_image(a, image, opts, &out, grid)
              : um_patches_volume(a, volume, opts, &out, grid);
    UM_TRY(n);
    list.n = n;
    if (!(list.item = um_calloc_array(a, n, sizeof *list.item)))
        return UM_ENOMEM;
    for (int i = 0; i < n; i++)
        list.item[i] = (struct um_value){ .kind = UM_INT, .i = grid[i] };
    UM_TRY(um_record_set(a, rec, &out));
    return um_map_set(a, &rec->meta, "grid", &list);
}
