/* triangle.c - one pass over the planes of a volume; the stored voxels are never copied whole */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grid/triangle.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/wide.h"
#include "grid/rows.h"

/* weights of one axis: output i = sum over k < count[i] of weight[i * most + k] in[first[i] + k] */
struct taps {
    int64_t  n_in, n_out, most;
    int64_t *first, *count;
    float   *weight;
};

static void set_taps(struct taps *t, const struct um_axis *axis, double r, int64_t i, double *w)
{
    const double  c    = um_axis_at(axis, i);
    const int64_t from = c - r < 0 ? 0 : (int64_t)floor(c - r);
    double        sum  = 0;
    int64_t       n    = 0;

    t->first[i] = c < 0 ? 0 : t->n_in;
    if (!um_axis_inside(axis, i))
        return; /* its count is 0: before all input, or after it */
    for (int64_t j = from; j < t->n_in && (double)j <= c + r; j++) {
        const double x = 1 - fabs((double)j - c) / r;

        if (x <= 0)
            continue;
        if (n == 0)
            t->first[i] = j;
        sum += w[n++] = x;
    }
    t->count[i] = n;
    for (int64_t k = 0; k < n; k++)
        t->weight[i * t->most + k] = (float)(w[k] / sum);
}

static int taps_new(struct um_arena *a, const struct um_axis *axis, bool point, struct taps *t)
{
    const double r = point || axis->step < 1 ? 1 : axis->step;
    double      *scratch;

    t->n_in   = axis->n_in;
    t->n_out  = axis->n_out;
    t->most   = 2 * (int64_t)ceil(r < (double)t->n_in ? r : (double)t->n_in) + 3;
    t->first  = um_alloc_array(a, t->n_out, sizeof *t->first);
    t->count  = um_calloc_array(a, t->n_out, sizeof *t->count);
    t->weight = um_alloc_array(a, t->n_out * t->most, sizeof *t->weight);
    scratch   = um_alloc_array(a, t->most, sizeof *scratch);
    if (!t->first || !t->count || !t->weight || !scratch)
        return UM_ENOMEM;
    for (int64_t i = 0; i < t->n_out; i++)
        set_taps(t, axis, r, i, scratch);
    return UM_OK;
}

static inline float weight_of(const struct taps *t, int64_t i, int64_t j)
{
    return t->weight[i * t->most + j - t->first[i]];
}

static inline bool ends_before(const struct taps *t, int64_t i, int64_t j)
{
    return t->first[i] + t->count[i] <= j;
}

/* acc = or += w * x; the first term sets, so that nothing needs clearing */
UM_WIDE static void add_scaled(float *restrict acc, const float *restrict x, float w, int64_t n,
                               bool first)
{
    if (first)
        for (int64_t i = 0; i < n; i++)
            acc[i] = w * x[i];
    else
        for (int64_t i = 0; i < n; i++)
            acc[i] += w * x[i];
}

struct job {
    struct um_arena        *arena;
    const struct um_volume *v;
    struct um_rows          rows;
    struct taps             x, y, z;
    float                   lo, inv; /* the window: (hu - lo) * inv */
    float                  *row;     /* [n_x] */
    float                  *plane;   /* [H, n_x]: a plane after the y filter */
    float                 **slice;   /* [D] of [H, n_x]: sums over z that have begun */
    float                 **spare;   /* slices that are done with */
    int64_t                 nspare;
    float                  *out;
    struct um_hu_count     *count;
};

UM_WIDE static void tally(const float *hu, int64_t n, int32_t sum[2])
{
    int32_t air = 0, tissue = 0;

    for (int64_t i = 0; i < n; i++) {
        air += (hu[i] >= -1100) & (hu[i] <= -700);
        tissue += (hu[i] >= -150) & (hu[i] <= 150);
    }
    sum[0] = air;
    sum[1] = tissue;
}

void um_hu_count_add(struct um_hu_count *c, const float *hu, int64_t n)
{
    int32_t sum[2];

    tally(hu, n, sum);
    c->air += sum[0];
    c->tissue += sum[1];
    c->total += n;
}

UM_WIDE static void window_row(float *hu, int64_t n, float lo, float inv)
{
    for (int64_t i = 0; i < n; i++) {
        float t = (hu[i] - lo) * inv;

        t     = t > 0 ? t : 0;
        hu[i] = t < 1 ? t : 1;
    }
}

/* rows of plane z, each windowed once and added to the output rows that it reaches */
static int filter_plane(struct job *j, int64_t z)
{
    const struct um_volume *v  = j->v;
    const int64_t           nx = v->dim[2];
    int64_t                 lo = 0;

    for (int64_t y = 0; y < v->dim[1]; y++) {
        UM_TRY(um_rows_get(&j->rows, z, y, j->row));
        if (j->count)
            um_hu_count_add(j->count, j->row, nx);
        window_row(j->row, nx, j->lo, j->inv);
        while (lo < j->y.n_out && ends_before(&j->y, lo, y))
            lo++;
        for (int64_t i = lo; i < j->y.n_out && j->y.first[i] <= y; i++)
            add_scaled(j->plane + i * nx, j->row, weight_of(&j->y, i, y), nx, j->y.first[i] == y);
    }
    return UM_OK;
}

/* output slice i is complete: filter its rows along x, and keep its memory for another */
static void finish_slice(struct job *j, int64_t i)
{
    const int64_t nx = j->v->dim[2], h = j->y.n_out, w = j->x.n_out;
    float        *to = j->out + i * h * w;

    if (!j->slice[i]) { /* it lies outside */
        memset(to, 0, (size_t)(h * w) * sizeof *to);
        return;
    }

    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            const float *p = j->slice[i] + y * nx + j->x.first[x], *k = j->x.weight + x * j->x.most;
            float        sum = 0;

            for (int64_t t = 0; t < j->x.count[x]; t++)
                sum += p[t] * k[t];
            *to++ = sum < 1 ? sum : 1; /* weights may sum to a little over 1 */
        }
    j->spare[j->nspare++] = j->slice[i];
}

static float *take_slice(struct job *j)
{
    if (j->nspare > 0)
        return j->spare[--j->nspare];
    return um_alloc_array(j->arena, j->v->dim[2] * j->y.n_out, sizeof(float));
}

static int add_plane(struct job *j, int64_t z, int64_t *lo)
{
    const int64_t n = j->v->dim[2] * j->y.n_out;

    while (*lo < j->z.n_out && ends_before(&j->z, *lo, z))
        finish_slice(j, (*lo)++);
    for (int64_t i = *lo; i < j->z.n_out && j->z.first[i] <= z; i++) {
        if (j->z.first[i] == z && !(j->slice[i] = take_slice(j)))
            return UM_ENOMEM;
        add_scaled(j->slice[i], j->plane, weight_of(&j->z, i, z), n, j->z.first[i] == z);
    }
    return UM_OK;
}

static int check_sides(const struct um_volume *v, const struct um_axis axis[3])
{
    for (int i = 0; i < 3; i++)
        if (v->dim[i] > UM_VOXEL_SIDE_MAX || axis[i].n_out < 1 || axis[i].n_out > UM_VOXEL_SIDE_MAX)
            return um_fail(UM_ERANGE,
                           "%lld x %lld x %lld voxels (z, y, x): sides of 1 to %d expected",
                           (long long)v->dim[0], (long long)v->dim[1], (long long)v->dim[2],
                           UM_VOXEL_SIDE_MAX);
    return UM_OK;
}

static int job_new(struct job *j, const struct um_axis axis[3], bool point)
{
    struct um_arena *a  = j->arena;
    const int64_t    nx = j->v->dim[2], h = axis[1].n_out;

    UM_TRY(um_rows_new(a, j->v, &j->rows));
    UM_TRY(taps_new(a, &axis[0], point, &j->z));
    UM_TRY(taps_new(a, &axis[1], point, &j->y));
    UM_TRY(taps_new(a, &axis[2], point, &j->x));
    j->row   = um_alloc_array(a, nx, sizeof *j->row);
    j->plane = um_calloc_array(a, nx * h, sizeof *j->plane); /* rows outside stay 0 */
    j->slice = um_calloc_array(a, axis[0].n_out, sizeof *j->slice);
    j->spare = um_alloc_array(a, axis[0].n_out, sizeof *j->spare);
    return j->row && j->plane && j->slice && j->spare ? UM_OK : UM_ENOMEM;
}

int um_volume_resize(struct um_arena *a, const struct um_volume *v, const double window[2],
                     const struct um_axis axis[3], bool point, float *out,
                     struct um_hu_count *count)
{
    struct job j  = { .arena = a, .v = v, .out = out, .count = count };
    int64_t    lo = 0;

    UM_TRY(check_sides(v, axis));
    UM_TRY(job_new(&j, axis, point));
    j.lo  = (float)window[0];
    j.inv = (float)(1 / (window[1] - window[0]));
    if (count)
        memset(count, 0, sizeof *count);
    for (int64_t z = 0; z < v->dim[0]; z++) {
        UM_TRY(filter_plane(&j, z));
        UM_TRY(add_plane(&j, z, &lo));
    }
    while (lo < axis[0].n_out)
        finish_slice(&j, lo++);
    return UM_OK;
}

/* ---- are these Hounsfield units? ---- */

static bool has_peaks(const struct um_hu_count *c)
{
    return c->air * 100 >= c->total && c->tissue * 100 >= c->total;
}

const char *um_hu_advice(struct um_arena *a, const struct um_volume *v,
                         const struct um_hu_count *count)
{
    struct um_hu_count low = { 0 }, high = { 0 };
    struct um_rows     rows;
    float             *row;

    if (has_peaks(count) || um_rows_new(a, v, &rows) < 0)
        return NULL;
    row = um_alloc_array(a, v->dim[2], sizeof *row);
    for (int64_t z = 0; row && z < v->dim[0]; z++)
        for (int64_t y = 0; y < v->dim[1]; y++) {
            if (um_rows_get(&rows, z, y, row) < 0)
                return NULL;
            for (int64_t x = 0; x < v->dim[2]; x++)
                row[x] += 1024;
            um_hu_count_add(&low, row, v->dim[2]);
            for (int64_t x = 0; x < v->dim[2]; x++)
                row[x] -= 2048;
            um_hu_count_add(&high, row, v->dim[2]);
        }
    if (low.total > 0 && has_peaks(&low))
        return "all values look about 1024 HU too low: rescaled twice?";
    if (high.total > 0 && has_peaks(&high))
        return "all values look about 1024 HU too high: never rescaled?";
    return count->air * 100 < count->total
               ? "under 1 % of the voxels lie in -1100..-700 HU (air, lung): HU, and a chest?"
               : "under 1 % of the voxels lie in -150..150 HU (soft tissue): HU at all?";
}
