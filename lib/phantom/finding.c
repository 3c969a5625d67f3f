/* finding.c - pneumothorax, effusion, consolidation, nodule; the enlarged heart gets its mask bit
 * SPDX-License-Identifier: Apache-2.0
 */
#include "phantom/finding.h"

#include <math.h>

#include "base/philox.h"

enum { MOST = 3, TRIES = 400 };

struct um_plan um_finding_draw(const struct um_phantom_config *cfg, int64_t index)
{
    struct um_rng  r = um_rng_at(cfg->seed, UM_RNG_PHANTOM, (uint64_t)index, 2);
    struct um_plan p = { .present = { false } };
    int64_t        order[UM_FINDINGS];
    int            n = 0;

    um_rng_permute(&r, order, UM_FINDINGS); /* so that the limit of three favours none */
    for (int f = 0; f < UM_FINDINGS; f++) {
        const double u = um_rng_uniform(&r);

        p.side[f]    = um_rng_uniform(&r) < 0.5 ? -1 : 1;
        p.amount[f]  = um_rng_uniform(&r);
        p.size[f]    = 0;
        p.present[f] = u < cfg->prevalence && (cfg->findings >> f & 1);
    }
    for (int i = 0; i < UM_FINDINGS; i++)
        if (p.present[order[i]] && ++n > MOST)
            p.present[order[i]] = false;
    return p;
}

static int lung_of(int side)
{
    return side < 0 ? UM_LUNG_R : UM_LUNG_L;
}

/* every voxel of the grid in order, as a loop header would be repeated everywhere */
#define EACH_VOXEL(g, x, y, z)                                                                     \
    for (int z = 0; z < (g)->n[2]; z++)                                                            \
        for (int y = 0; y < (g)->n[1]; y++)                                                        \
            for (int x = 0; x < (g)->n[0]; x++)

/* Air between the chest wall and a lung that fell together: where the distance from the cavity's
 * axis, as a share of the wall's, is over 1 - rim; the rim is widest at the apex. */
static void pneumothorax(struct um_grid *g, const struct um_body *b, struct um_plan *p,
                         struct um_rng *r)
{
    const int    f = UM_PNEUMOTHORAX, lung = lung_of(p->side[f]);
    const double rim = 0.13 + 0.25 * p->amount[f], from = um_rng_range(r, 0.30, 0.62);

    p->size[f] = rim * b->cw;
    for (int z = 0; z < g->n[2]; z++) {
        const double s  = um_body_rise(b, um_grid_mm(g, 2, z));
        const double k  = um_body_bullet(b, um_grid_mm(g, 2, z));
        const double up = (s - from) / (1 - from), edge = 1 - rim * fmin(1, 0.25 + 1.3 * up);

        if (up < 0 || k <= 0)
            continue;
        for (int y = 0; y < g->n[1]; y++)
            for (int x = 0; x < g->n[0]; x++) {
                const int64_t v = um_grid_index(g, x, y, z);
                const double  u = um_grid_mm(g, 0, x) / (b->cw * k),
                             w  = (um_grid_mm(g, 1, y) - b->cy) / (b->cd * k);
                const double q  = sqrt(u * u + w * w);

                if (g->tissue[v] != lung)
                    continue;
                if (q > edge) {
                    g->hu[v]     = -1000;
                    g->tissue[v] = UM_PLEURA;
                    g->mask[v] |= 1u << f;
                } else { /* the pleura as a thin line, the lung behind it denser */
                    g->hu[v] += q > edge - 0.03 ? 330 : 70;
                }
            }
    }
}

/* Fluid at the lung's base, higher along the wall and at the back: the meniscus of an X-ray */
static void effusion(struct um_grid *g, const struct um_body *b, struct um_plan *p,
                     struct um_rng *r)
{
    const int    f = UM_EFFUSION, lung = lung_of(p->side[f]);
    const double tall = 34 + 66 * p->amount[f];
    const float  hu   = (float)um_rng_range(r, 2, 18);

    p->size[f] = tall;
    EACH_VOXEL(g, x, y, z)
    {
        const int64_t v = um_grid_index(g, x, y, z);

        if (g->tissue[v] != lung && g->tissue[v] != UM_PLEURA)
            continue;
        const double mx = um_grid_mm(g, 0, x);
        const double u = mx / b->cw, w = fmax(0, (um_grid_mm(g, 1, y) - b->cy) / b->cd);
        const double q = fmin(1, u * u + w * w);

        const double level = b->low + tall * (0.45 + 0.55 * q * q);
        const double cover = fmin(1, (level - um_grid_mm(g, 2, z)) / g->h[2] + 0.5);

        if (mx * p->side[f] < 0 || cover <= 0)
            continue;
        g->hu[v] += (float)cover * (hu - g->hu[v]);
        if (cover < 0.5)
            continue;
        g->tissue[v] = UM_PLEURA;
        g->mask[v]   = 1u << f;
    }
}

/* an aerated place of the wanted lung, preferably with lung all around it within `room` mm */
static bool find_place(const struct um_grid *g, const struct um_body *b, int lung, double room,
                       struct um_rng *r, double at[3])
{
    const double side = lung == UM_LUNG_R ? -1 : 1;

    for (int i = 0; i < TRIES; i++) {
        const double reach = i < TRIES / 2 ? room : 0;
        bool         good;

        at[0] = side * um_rng_range(r, 0.15, 1) * b->cw;
        at[1] = b->cy + um_rng_range(r, -0.9, 0.9) * b->cd;
        at[2] = b->low + um_rng_range(r, 0.12, 0.92) * (b->apex - b->low);
        for (int a = 0; a < 3; a++) /* a voxel's centre: even the smallest fills one */
            at[a] = um_grid_mm(g, a, (int)floor(um_grid_at(g, a, at[a]) + 0.5));
        good = um_grid_tissue(g, at) == lung;
        for (int k = 0; k < 6 && good; k++) {
            double next[3] = { at[0], at[1], at[2] };

            next[k / 2] += k % 2 ? reach : -reach;
            good = um_grid_tissue(g, next) == lung;
        }
        if (good)
            return true;
    }
    return false;
}

/* smooth noise in -1..1 from three crossed waves with drawn phases: textured, cheap, seamless */
struct wave {
    double k[4][3], phase[4];
};

static struct wave wave_draw(struct um_rng *r)
{
    struct wave w;

    for (int i = 0; i < 4; i++) {
        w.phase[i] = um_rng_range(r, 0, 6.2831853);
        for (int a = 0; a < 3; a++)
            w.k[i][a] = um_rng_range(r, 0.10, 0.32) * (um_rng_uniform(r) < 0.5 ? -1 : 1);
    }
    return w;
}

static double wave_at(const struct wave *w, const double d[3])
{
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += sin(w->phase[i] + w->k[i][0] * d[0] + w->k[i][1] * d[1] + w->k[i][2] * d[2]);
    return 0.25 * sum;
}

/* Lung filled with fluid: an ellipsoid with a rough, soft edge, cut by the lung's surface */
static bool consolidation(struct um_grid *g, const struct um_body *b, struct um_plan *p,
                          struct um_rng *r)
{
    const int         f = UM_CONSOLIDATION, lung = lung_of(p->side[f]);
    const double      size = 24 + 26 * p->amount[f];
    const double      e[3] = { size * um_rng_range(r, 0.8, 1.1), size * um_rng_range(r, 0.9, 1.3),
                               size * um_rng_range(r, 0.7, 1.0) };
    const float       full = (float)um_rng_range(r, -20, 40);
    double            c[3];
    const struct wave w = wave_draw(r);

    if (!find_place(g, b, lung, 0.5 * size, r, c))
        return false;
    p->size[f] = 2 * fmax(e[0], fmax(e[1], e[2]));
    const struct um_range box =
        um_grid_range(g, c, (double[3]){ 1.5 * e[0], 1.5 * e[1], 1.5 * e[2] });
    for (int z = box.lo[2]; z <= box.hi[2]; z++)
        for (int y = box.lo[1]; y <= box.hi[1]; y++)
            for (int x = box.lo[0]; x <= box.hi[0]; x++) {
                const int64_t v    = um_grid_index(g, x, y, z);
                const double  d[3] = { um_grid_mm(g, 0, x) - c[0], um_grid_mm(g, 1, y) - c[1],
                                       um_grid_mm(g, 2, z) - c[2] };
                const double  q = sqrt(d[0] * d[0] / (e[0] * e[0]) + d[1] * d[1] / (e[1] * e[1]) +
                                       d[2] * d[2] / (e[2] * e[2]));

                if (g->tissue[v] != lung || q > 1.45)
                    continue;
                const double n     = wave_at(&w, d);
                const double cover = fmin(1, fmax(0, (1 - q + 0.3 * n) / 0.35));

                g->hu[v] += (float)cover * (full + 60 * (float)fmin(0, n) - g->hu[v]);
                if (cover >= 0.5)
                    g->mask[v] |= 1u << f;
                if (cover >= 0.5)
                    g->tissue[v] = UM_PLEURA; /* no vessel and no nodule is painted over it */
            }
    return true;
}

/* a ball with a few smaller ones on its surface */
static bool nodule(struct um_grid *g, const struct um_body *b, struct um_plan *p, struct um_rng *r)
{
    const int             f = UM_NODULE, lung = lung_of(p->side[f]);
    const double          radius = 3 + 12 * sqrt(p->amount[f]);
    const struct um_brush brush  = {
         (float)um_rng_range(r, 20, 60), b->hu_lung, false, UM_ON(lung), -1, 1u << f
    };
    double c[3];

    if (!find_place(g, b, lung, radius, r, c))
        return false;
    p->size[f] = 2 * radius;
    um_grid_blob(g, c, (double[3]){ radius, radius, radius }, &brush);
    for (int i = 0; i < 5; i++) {
        double       at[3], to[3] = { um_rng_normal(r), um_rng_normal(r), um_rng_normal(r) };
        const double n     = sqrt(to[0] * to[0] + to[1] * to[1] + to[2] * to[2]) + 1e-9;
        const double small = 0.38 * radius;

        for (int a = 0; a < 3; a++)
            at[a] = c[a] + 0.68 * radius * to[a] / n;
        um_grid_blob(g, at, (double[3]){ small, small, small }, &brush);
    }
    return true;
}

/* a lung without any air left cannot take more: try the other one, else there is no finding */
static void try_both(struct um_grid *g, const struct um_body *b, struct um_plan *p, int f,
                     bool (*paint)(struct um_grid *, const struct um_body *, struct um_plan *,
                                   struct um_rng *),
                     struct um_rng *r)
{
    if (!p->present[f] || paint(g, b, p, r))
        return;
    p->side[f]    = -p->side[f];
    p->present[f] = paint(g, b, p, r);
}

void um_finding_paint(struct um_grid *g, const struct um_body *b, struct um_plan *plan,
                      uint64_t seed, int64_t index)
{
    struct um_rng r = um_rng_at(seed, UM_RNG_PHANTOM, (uint64_t)index, 3);
    const int64_t n = (int64_t)g->n[0] * g->n[1] * g->n[2];

    if (plan->present[UM_PNEUMOTHORAX])
        pneumothorax(g, b, plan, &r);
    if (plan->present[UM_EFFUSION])
        effusion(g, b, plan, &r);
    try_both(g, b, plan, UM_CONSOLIDATION, consolidation, &r);
    try_both(g, b, plan, UM_NODULE, nodule, &r);
    for (int64_t i = 0; i < n && plan->present[UM_CARDIOMEGALY]; i++)
        if (g->tissue[i] == UM_HEART)
            g->mask[i] |= 1u << UM_CARDIOMEGALY;
}
