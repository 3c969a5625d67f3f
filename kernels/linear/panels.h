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
};

/* B [k,n]: rows 2p and 2p+1, shuffled into each other */
static void um_panel_plain(uint16_t *to, const struct um_panel *x, int64_t n0, int64_t p0,
                           int64_t p1)
{
    um_vw low, high;

    for (int l = 0; l < UM_WL; l++) {
        low[l]  = (uint16_t)(l / 2 + l % 2 * UM_WL);
        high[l] = (uint16_t)(low[l] + UM_VL);
    }
    for (int64_t p = p0; p < p1; p++)
        for (int64_t j = 0; j < UM_PANEL; j += UM_WL) {
            const int64_t at = 2 * p * x->ldb + n0 + j, left = x->n - n0 - j;
            const um_vw   a = um_load_halves(x->b, x->dt, at, 2 * p < x->k ? left : 0);
            const um_vw   b = um_load_halves(x->b, x->dt, at + x->ldb, 2 * p + 1 < x->k ? left : 0);

            um_store_halves(to + (p * UM_PANEL + j) * 2, UM_WL, UM_SHUFFLE(a, b, low, UM_WL));
            um_store_halves(to + (p * UM_PANEL + j) * 2 + UM_WL, UM_WL,
                            UM_SHUFFLE(a, b, high, UM_WL));
        }
}

/* B [n,k]: pairs lie side by side already; tiles of UM_VL columns by UM_VL pairs are transposed */
static void um_panel_transposed(uint16_t *to, const struct um_panel *x, int64_t n0, int64_t p0,
                                int64_t p1)
{
    um_vf v[UM_VL];

    for (int64_t j = 0; j < UM_PANEL; j += UM_VL)
        for (int64_t p = p0; p < p1; p += UM_VL) {
            for (int64_t l = 0; l < UM_VL; l++) {
                const int64_t n = n0 + j + l;

                v[l] = (um_vf)um_load_halves(x->b, x->dt, n * x->ldb + 2 * p,
                                             n < x->n ? x->k - 2 * p : 0);
            }
            um_transpose_tile(v);
            for (int64_t l = 0; l < UM_VL; l++)
                memcpy(to + ((p + l) * UM_PANEL + j) * 2, &v[l], sizeof v[l]);
        }
}

/* pairs p0 .. p1-1, multiples of UM_PAIRS, of the panel whose first column is n0; `to` is where the
 * panel begins */
static inline void um_panel_pack(uint16_t *to, const struct um_panel *x, int64_t n0, int64_t p0,
                                 int64_t p1)
{
    if (x->tb)
        um_panel_transposed(to, x, n0, p0, p1);
    else
        um_panel_plain(to, x, n0, p0, p1);
}

#endif
