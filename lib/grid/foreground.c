/* foreground.c - bounds that grow row by row */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/foreground.h"

#include "grid/rows.h"

struct bounds {
    int64_t lo[3], hi[3]; /* hi is behind the last */
};

static void widen(struct bounds *b, int axis, int64_t from, int64_t to)
{
    b->lo[axis] = from < b->lo[axis] ? from : b->lo[axis];
    b->hi[axis] = to > b->hi[axis] ? to : b->hi[axis];
}

static void add_row(struct bounds *b, int64_t z, int64_t y, const float *x, int64_t n, float level)
{
    int64_t from = 0, to = n;

    while (from < n && !(x[from] > level))
        from++;
    if (from == n)
        return;
    while (!(x[to - 1] > level))
        to--;
    widen(b, 0, z, z + 1);
    widen(b, 1, y, y + 1);
    widen(b, 2, from, to);
}

static int box_of(const struct bounds *b, double level, struct um_box3 *box)
{
    if (b->hi[0] == 0)
        return um_fail(UM_EMISSING, "nothing lies above %g: no foreground to crop to", level);
    for (int i = 0; i < 3; i++) {
        box->first[i] = b->lo[i];
        box->n[i]     = b->hi[i] - b->lo[i];
    }
    return UM_OK;
}

int um_volume_foreground(struct um_arena *a, const struct um_volume *v, double level,
                         struct um_hu_count *count, struct um_box3 *box)
{
    struct bounds  b   = { .lo = { INT64_MAX, INT64_MAX, INT64_MAX } };
    float         *row = um_alloc_array(a, v->dim[2], sizeof *row);
    struct um_rows rows;

    if (!row)
        return UM_ENOMEM;
    UM_TRY(um_rows_new(a, v, &rows));
    for (int64_t z = 0; z < v->dim[0]; z++)
        for (int64_t y = 0; y < v->dim[1]; y++) {
            UM_TRY(um_rows_get(&rows, z, y, row));
            if (count)
                um_hu_count_add(count, row, v->dim[2]);
            add_row(&b, z, y, row, v->dim[2], (float)level);
        }
    return box_of(&b, level, box);
}

int um_array_foreground(const float *x, const int64_t dim[3], struct um_box3 *box)
{
    struct bounds b = { .lo = { INT64_MAX, INT64_MAX, INT64_MAX } };

    for (int64_t z = 0; z < dim[0]; z++)
        for (int64_t y = 0; y < dim[1]; y++, x += dim[2])
            add_row(&b, z, y, x, dim[2], 0);
    return box_of(&b, 0, box);
}
