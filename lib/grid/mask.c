/* mask.c - label volumes: whole numbers, nearest or share of the area */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/mask.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "grid/rows.h"

struct job {
    const struct um_volume *v;
    struct um_rows          rows;
    double                  threshold;
    bool                    cut; /* values become 0 and 1 at the threshold */
    float                  *row;
    uint8_t                *label;
};

static bool all_whole(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!(x[i] >= 0 && x[i] <= 255 && x[i] == floorf(x[i])))
            return false;
    return true;
}

/* whether the values are labels; if not, whether a threshold makes them so */
static int look(struct job *j)
{
    const struct um_volume *v = j->v;

    for (int64_t z = 0; z < v->dim[0]; z++)
        for (int64_t y = 0; y < v->dim[1]; y++) {
            UM_TRY(um_rows_get(&j->rows, z, y, j->row));
            if (all_whole(j->row, v->dim[2]))
                continue;
            j->cut = true;
            if (!isfinite(j->threshold))
                return um_fail(UM_ERANGE, "values are not whole numbers in 0..255: "
                                          "--mask-threshold V makes them 0 and 1");
        }
    return UM_OK;
}

static int labels(struct job *j, int64_t z, int64_t y)
{
    const int64_t n = j->v->dim[2];

    UM_TRY(um_rows_get(&j->rows, z, y, j->row));
    for (int64_t x = 0; x < n; x++)
        j->label[x] = (uint8_t)(j->cut ? (double)j->row[x] >= j->threshold : j->row[x]);
    return UM_OK;
}

static int nearest(struct um_arena *a, struct job *j, const struct um_axis axis[3], uint8_t *out)
{
    const int64_t w  = axis[2].n_out;
    int64_t      *at = um_alloc_array(a, w, sizeof *at);

    if (!at)
        return UM_ENOMEM;
    for (int64_t x = 0; x < w; x++)
        at[x] = um_axis_nearest(&axis[2], x);
    for (int64_t z = 0; z < axis[0].n_out; z++)
        for (int64_t y = 0; y < axis[1].n_out; y++, out += w) {
            const int64_t from_z = um_axis_nearest(&axis[0], z),
                          from_y = um_axis_nearest(&axis[1], y);

            memset(out, 0, (size_t)w);
            if (from_z < 0 || from_y < 0)
                continue;
            UM_TRY(labels(j, from_z, from_y));
            for (int64_t x = 0; x < w; x++)
                out[x] = at[x] < 0 ? 0 : j->label[at[x]];
        }
    return UM_OK;
}

/* sum[x] += w * share of the input row that is not 0, for the outputs along x */
static void add_row(const struct job *j, const struct um_boxes *b, uint64_t w, uint64_t *sum)
{
    for (int64_t x = 0; x < b->n_out; x++) {
        uint64_t s = 0;

        for (int64_t k = 0; k < b->count[x]; k++)
            s += j->label[b->first[x] + k] ? b->weight[x * b->most + k] : 0;
        sum[x] += w * s;
    }
}

/* plane (z,y) of the output: 255 times the share of each voxel that is covered */
static int area_row(struct job *j, const struct um_boxes b[3], const struct um_axis axis[3],
                    int64_t z, int64_t y, uint64_t *sum, uint8_t *out)
{
    const uint64_t total = b[0].total * b[1].total * b[2].total;
    const int64_t  iz = z + axis[0].lead, iy = y + axis[1].lead;

    memset(out, 0, (size_t)axis[2].n_out);
    if (um_axis_nearest(&axis[0], z) < 0 || um_axis_nearest(&axis[1], y) < 0)
        return UM_OK;
    memset(sum, 0, (size_t)b[2].n_out * sizeof *sum);
    for (int64_t m = 0; m < b[0].count[iz]; m++)
        for (int64_t k = 0; k < b[1].count[iy]; k++) {
            UM_TRY(labels(j, b[0].first[iz] + m, b[1].first[iy] + k));
            add_row(j, &b[2],
                    (uint64_t)b[0].weight[iz * b[0].most + m] * b[1].weight[iy * b[1].most + k],
                    sum);
        }
    for (int64_t x = 0; x < axis[2].n_out; x++)
        if (um_axis_nearest(&axis[2], x) >= 0)
            out[x] = (uint8_t)um_div_round(255 * sum[x + axis[2].lead], total);
    return UM_OK;
}

static int area(struct um_arena *a, struct job *j, const struct um_axis axis[3], uint8_t *out)
{
    struct um_boxes b[3];
    uint64_t       *sum;

    for (int i = 0; i < 3; i++) {
        if (axis[i].span == 0)
            return um_fail(UM_ERANGE, "shares of an area go with a size, not with a spacing");
        UM_TRY(um_boxes_new(a, j->v->dim[i], 1, axis[i].span, &b[i]));
    }
    sum = um_alloc_array(a, axis[2].span, sizeof *sum);
    if (!sum)
        return UM_ENOMEM;
    for (int64_t z = 0; z < axis[0].n_out; z++)
        for (int64_t y = 0; y < axis[1].n_out; y++, out += axis[2].n_out)
            UM_TRY(area_row(j, b, axis, z, y, sum, out));
    return UM_OK;
}

int um_mask_resize(struct um_arena *a, const struct um_volume *v, enum um_filter filter,
                   double threshold, const struct um_axis axis[3], uint8_t *out)
{
    struct job j = { .v = v, .threshold = threshold };

    for (int i = 0; i < 3; i++)
        if (v->dim[i] > UM_VOXEL_SIDE_MAX || axis[i].n_out < 1 || axis[i].n_out > UM_VOXEL_SIDE_MAX)
            return um_fail(UM_ERANGE,
                           "mask of %lld x %lld x %lld voxels: sides of 1 to %d expected",
                           (long long)v->dim[0], (long long)v->dim[1], (long long)v->dim[2],
                           UM_VOXEL_SIDE_MAX);
    j.row   = um_alloc_array(a, v->dim[2], sizeof *j.row);
    j.label = um_alloc_array(a, v->dim[2], 1);
    if (!j.row || !j.label)
        return UM_ENOMEM;
    UM_TRY(um_rows_new(a, v, &j.rows));
    UM_TRY(look(&j));
    return filter == UM_FILTER_NEAREST ? nearest(a, &j, axis, out) : area(a, &j, axis, out);
}
