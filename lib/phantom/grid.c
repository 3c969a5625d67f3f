/* grid.c - ellipsoids and tubes with soft rims */
/* SPDX-License-Identifier: Apache-2.0 */
#include "phantom/grid.h"

#include <math.h>

int um_grid_tissue(const struct um_grid *g, const double mm[3])
{
    int i[3];

    for (int a = 0; a < 3; a++) {
        const double at = floor(um_grid_at(g, a, mm[a]) + 0.5);

        if (!(at >= 0 && at < g->n[a]))
            return UM_OUTSIDE;
        i[a] = (int)at;
    }
    return g->tissue[um_grid_index(g, i[0], i[1], i[2])];
}

struct um_range um_grid_range(const struct um_grid *g, const double c[3], const double reach[3])
{
    struct um_range r;

    for (int a = 0; a < 3; a++) {
        const double lo = ceil(um_grid_at(g, a, c[a] - reach[a]));
        const double hi = floor(um_grid_at(g, a, c[a] + reach[a]));

        r.lo[a] = lo < 0 ? 0 : lo > g->n[a] ? g->n[a] : (int)lo;
        r.hi[a] = hi >= g->n[a] ? g->n[a] - 1 : hi < -1 ? -1 : (int)hi;
    }
    return r;
}

static void dab(struct um_grid *g, int64_t v, float cover, const struct um_brush *b)
{
    const float hu = b->back + cover * (b->hu - b->back);

    if (!(b->on >> g->tissue[v] & 1))
        return;
    g->hu[v] = b->dark == (hu < g->hu[v]) ? hu : g->hu[v];
    if (cover < 0.5f)
        return;
    g->mask[v] |= b->bit;
    if (b->tissue >= 0)
        g->tissue[v] = (uint8_t)b->tissue;
}

void um_grid_blob(struct um_grid *g, const double c[3], const double r[3], const struct um_brush *b)
{
    const double          rim   = g->h[0];
    const double          least = fmin(r[0], fmin(r[1], r[2]));
    const double          reach = 1 + 0.5 * rim / least; /* in semi-axes */
    const struct um_range box =
        um_grid_range(g, c, (double[3]){ r[0] * reach, r[1] * reach, r[2] * reach });
    const float scale = (float)(least / rim), reach2 = (float)(reach * reach);

    for (int z = box.lo[2]; z <= box.hi[2]; z++) {
        const float dz = (float)((um_grid_mm(g, 2, z) - c[2]) / r[2]);
        for (int y = box.lo[1]; y <= box.hi[1]; y++) {
            const float   dy = (float)((um_grid_mm(g, 1, y) - c[1]) / r[1]);
            const float   d2 = dz * dz + dy * dy;
            const int64_t v  = um_grid_index(g, 0, y, z);

            if (d2 >= reach2)
                continue;
            for (int x = box.lo[0]; x <= box.hi[0]; x++) {
                const float dx = (float)((um_grid_mm(g, 0, x) - c[0]) / r[0]);
                const float q  = dx * dx + d2;

                if (q < reach2)
                    dab(g, v + x, fminf(1, (1 - sqrtf(q)) * scale + 0.5f), b);
            }
        }
    }
}

static double apart(const double a[3], const double b[3])
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

void um_grid_tube(struct um_grid *g, const double (*point)[3], int n, const double r0[3],
                  const double r1[3], const struct um_brush *b)
{
    double whole = 0, gone = 0;

    for (int i = 1; i < n; i++)
        whole += apart(point[i - 1], point[i]);
    for (int i = 1; i < n; i++) {
        const double length = apart(point[i - 1], point[i]);
        const double thick = fmin(fmin(r0[0], r1[0]), fmin(fmin(r0[1], r1[1]), fmin(r0[2], r1[2])));
        const int    steps = 1 + (int)(length / (0.5 * fmax(thick, g->h[0])));

        for (int s = 0; s <= steps; s++) {
            const double t = (double)s / steps, along = whole > 0 ? (gone + t * length) / whole : 0;
            double       c[3], r[3];

            for (int a = 0; a < 3; a++) {
                c[a] = point[i - 1][a] + t * (point[i][a] - point[i - 1][a]);
                r[a] = r0[a] + along * (r1[a] - r0[a]);
            }
            um_grid_blob(g, c, r, b);
        }
        gone += length;
    }
}
