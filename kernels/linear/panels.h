/* panels.h - op(B) [k,n] rounded to bfloat16 and packed as oneDNN's products with AVX-512 read it
 *
 * Panels of UM_PANEL columns, one after the other. A panel holds pairs of rows of op(B), as many as
 * k rounded up to UM_PAIRS pairs asks for; of each pair the UM_PANEL columns in turn, each with its
 * two values side by side. What lies past k or n is 0. Four times as fast as oneDNN's own packing.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_LINEAR_PANELS_H
#define UM_KERNELS_LINEAR_PANELS_H

#include "kernels/linear/transpose.h"

enum { UM_PANEL = 64, UM_PAIRS = 16 };

struct um_panel {
    const void   *b; /* [k,n], or with tb [n,k], rows ldb apart */
    enum um_dtype dt;
    bool          tb;
    int64_t       k, n, ldb;
    int64_t       pairs; /* of a panel: see um_panel_pairs() */
    uint16_t     *to;
};

/* what is packed at a time: columns n0 .. n1-1, whole panels, of pairs p0 .. p1-1, multiples of
 * UM_PAIRS */
struct um_tile {
    int64_t n0, n1, p0, p1;
};

static inline int64_t um_panel_pairs(int64_t k)
{
    return um_ceil_div(k, 2 * UM_PAIRS) * UM_PAIRS;
}

/* where pair p of column n lies */
static inline uint16_t *um_panel_at(const struct um_panel *x, int64_t n, int64_t p)
{
    return x->to + ((n / UM_PANEL * x->pairs + p) * UM_PANEL + n % UM_PANEL) * 2;
}

/* B [k,n]: rows 2p and 2p+1, shuffled into each other */
static inline void um_panel_plain(const struct um_panel *x, struct um_tile t)
{
    um_vw low, high;

    for (int l = 0; l < UM_WL; l++) {
        low[l]  = (uint16_t)(l / 2 + l % 2 * UM_WL);
        high[l] = (uint16_t)(low[l] + UM_VL);
    }
    for (int64_t p = t.p0; p < t.p1; p++)
        for (int64_t n = t.n0; n < t.n1; n += UM_WL) {
            const int64_t at = 2 * p * x->ldb + n, left = x->n - n;
            const um_vw   a = um_load_halves(x->b, x->dt, at, 2 * p < x->k ? left : 0);
            const um_vw   b = um_load_halves(x->b, x->dt, at + x->ldb, 2 * p + 1 < x->k ? left : 0);
            uint16_t     *to = um_panel_at(x, n, p);

            um_store_halves(to, UM_WL, UM_SHUFFLE(a, b, low, UM_WL));
            um_store_halves(to + UM_WL, UM_WL, UM_SHUFFLE(a, b, high, UM_WL));
        }
}

/* B [n,k]: pairs lie side by side already; tiles of UM_VL columns by UM_VL pairs are transposed */
static inline void um_panel_transposed(const struct um_panel *x, struct um_tile t)
{
    um_vf v[UM_VL];

    for (int64_t n = t.n0; n < t.n1; n += UM_VL)
        for (int64_t p = t.p0; p < t.p1; p += UM_VL) {
            for (int64_t l = 0; l < UM_VL; l++)
                v[l] = (um_vf)um_load_halves(x->b, x->dt, (n + l) * x->ldb + 2 * p,
                                             n + l < x->n ? x->k - 2 * p : 0);
            um_transpose_tile(v);
            for (int64_t l = 0; l < UM_VL; l++)
                memcpy(um_panel_at(x, n, p + l), &v[l], sizeof v[l]);
        }
}

static inline void um_panel_pack(const struct um_panel *x, struct um_tile t)
{
    if (x->tb)
        um_panel_transposed(x, t);
    else
        um_panel_plain(x, t);
}

#endif
