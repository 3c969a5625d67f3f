/* slice.c - scores, choice and cutting of slices */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/slice.h"

#include <math.h>
#include <string.h>

#include "base/philox.h"

static int float_new(struct um_arena *a, const char *name, int ndim, const int64_t *dim,
                     struct um_tensor *t)
{
    int64_t n = 1;

    *t = (struct um_tensor){ .name = name, .dtype = UM_F32, .ndim = ndim };
    for (int i = 0; i < ndim; i++) {
        t->dim[i] = dim[i];
        n *= dim[i];
    }
    t->data = um_alloc_array(a, n, sizeof(float));
    return t->data ? UM_OK : UM_ENOMEM;
}

/* ---- Eq. 2 ---- */

int um_slice_score(struct um_arena *a, const struct um_tensor *attention, int64_t depth,
                   struct um_tensor *score)
{
    const int64_t    S = attention->dim[0], P = attention->dim[1];
    const float     *x = attention->data;
    struct um_tensor out;

    if (attention->dtype != UM_F32)
        return um_fail(UM_EDTYPE, "`attention` is %s, expected float32",
                       um_dtype_name(attention->dtype));
    if (attention->ndim != 2 || S < 1 || P < 1 || depth < 1 || depth % S)
        return um_fail(UM_ESHAPE, "`attention` [%lld,%lld]: its slabs do not divide %lld slices",
                       (long long)S, (long long)P, (long long)depth);
    UM_TRY(float_new(a, "score", 1, &depth, &out));
    for (int64_t s = 0; s < S; s++) {
        double g = 0;

        for (int64_t p = 0; p < P; p++)
            g += (double)x[s * P + p];
        if (!isfinite(g))
            return um_fail(UM_ENONFINITE, "`attention` of slab %lld is not finite", (long long)s);
        for (int64_t z = s * (depth / S); z < (s + 1) * (depth / S); z++)
            ((float *)out.data)[z] = (float)(g / (double)P);
    }
    *score = out;
    return UM_OK;
}

/* ---- choice ---- */

/* a before b in the order of choice */
static bool before(float sa, int64_t za, float sb, int64_t zb)
{
    return sa > sb || (sa == sb && za < zb);
}

int um_slice_select(const struct um_tensor *score, int64_t slab, int64_t k, bool spread,
                    struct um_slice *best)
{
    const float  *x    = score->data;
    const int64_t step = spread ? slab : 1, first = spread ? slab / 2 : 0;
    const int64_t D = score->dim[0], have = slab > 0 ? D / step : 0;

    if (k < 1 || k > UM_SLICE_MAX || k > have)
        return um_fail(UM_ERANGE, "%lld of %lld %s", (long long)k, (long long)have,
                       spread ? "slabs" : "slices");
    for (int64_t i = 0; i < k; i++) { /* the next in order after the last chosen; NaN never wins */
        int64_t next = -1;

        for (int64_t z = first; z < D; z += step)
            if ((i == 0 || before(best[i - 1].score, best[i - 1].z, x[z], z)) &&
                (next < 0 || before(x[z], z, x[next], next)))
                next = z;
        if (next < 0)
            return um_fail(UM_ENONFINITE, "a score is not a number");
        best[i] = (struct um_slice){ .z = next, .rank = i, .score = x[next] };
    }
    for (int64_t i = 1; i < k; i++) /* ascending z */
        for (int64_t j = i; j > 0 && best[j - 1].z > best[j].z; j--) {
            const struct um_slice t = best[j];

            best[j]     = best[j - 1];
            best[j - 1] = t;
        }
    return UM_OK;
}

static const char *const select_name[] = { "none", "attention", "random", "uniform", "middle" };

const char *um_select_name(enum um_select select)
{
    return select_name[select];
}

int um_select_parse(const char *text, enum um_select *select)
{
    for (int i = 0; i < (int)(sizeof select_name / sizeof *select_name); i++)
        if (strcmp(text, select_name[i]) == 0) {
            *select = (enum um_select)i;
            return UM_OK;
        }
    return um_fail(UM_EUSAGE, "--select %s: expected attention, random, uniform, middle or none",
                   text);
}

/* k of depth by chance: each is taken with what is left to take over what is left (Knuth's S) */
static void sample(int64_t depth, int64_t k, struct um_rng *rng, struct um_slice *best)
{
    int64_t have = 0;

    for (int64_t z = 0; z < depth && have < k; z++)
        if ((int64_t)um_rng_below(rng, (uint64_t)(depth - z)) < k - have)
            best[have++] = (struct um_slice){ .z = z };
}

int um_slice_pick(enum um_select rule, int64_t depth, int64_t slab, int64_t k, bool spread,
                  const struct um_tensor *score, struct um_rng *rng, struct um_slice *best)
{
    if (rule == UM_SELECT_ATTENTION)
        return um_slice_select(score, slab, k, spread, best);
    if (k < 1 || k > UM_SLICE_MAX || k > depth)
        return um_fail(UM_ERANGE, "%lld of %lld slices", (long long)k, (long long)depth);
    if (rule == UM_SELECT_RANDOM)
        sample(depth, k, rng, best);
    for (int64_t i = 0; i < k && rule == UM_SELECT_UNIFORM; i++)
        best[i] = (struct um_slice){ .z = (2 * i + 1) * depth / (2 * k) };
    for (int64_t i = 0; i < k && rule == UM_SELECT_MIDDLE; i++)
        best[i] = (struct um_slice){ .z = (depth - k) / 2 + i };
    return UM_OK;
}

/* ---- cutting ---- */

struct tap {
    int64_t lo, hi;
    float   t; /* weight of hi */
};

static struct tap tap_at(int64_t i, int64_t n, int64_t m)
{
    const double  c  = ((double)i + 0.5) * (double)m / (double)n - 0.5;
    const double  at = c < 0 ? 0 : c > (double)(m - 1) ? (double)(m - 1) : c;
    const int64_t lo = (int64_t)at;

    return (struct tap){ lo, lo + 1 < m ? lo + 1 : lo, (float)(at - (double)lo) };
}

int um_slice_image(struct um_arena *a, const struct um_tensor *volume, int64_t z, int64_t size,
                   struct um_tensor *image)
{
    const int64_t H = volume->dim[1], W = volume->dim[2];
    const float  *x;
    float        *y;

    if (volume->dtype != UM_F32 || volume->ndim != 3 || z < 0 || z >= volume->dim[0] || H < 1 ||
        W < 1 || size < 1 || size > 16384)
        return um_fail(UM_ESHAPE, "slice %lld of `volume` %s of %lld slices", (long long)z,
                       um_dtype_name(volume->dtype), (long long)volume->dim[0]);
    UM_TRY(float_new(a, "image", 3, (int64_t[]){ 1, size, size }, image));
    x = (const float *)volume->data + z * H * W;
    y = image->data;
    for (int64_t r = 0; r < size; r++) {
        const struct tap v = tap_at(r, size, H);

        for (int64_t q = 0; q < size; q++) {
            const struct tap h   = tap_at(q, size, W);
            const float     *top = x + v.lo * W, *low = x + v.hi * W;
            const float      up   = top[h.lo] + h.t * (top[h.hi] - top[h.lo]);
            const float      down = low[h.lo] + h.t * (low[h.hi] - low[h.lo]);

            *y++ = up + v.t * (down - up);
        }
    }
    return UM_OK;
}

void um_slice_position(const double affine[12], const int64_t dim[3], int64_t z, double mm[3])
{
    const double x = (double)(dim[2] - 1) / 2, y = (double)(dim[1] - 1) / 2;

    for (int i = 0; i < 3; i++)
        mm[i] = affine[4 * i] * x + affine[4 * i + 1] * y + affine[4 * i + 2] * (double)z +
                affine[4 * i + 3];
}
