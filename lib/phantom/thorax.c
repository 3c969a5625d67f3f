/* thorax.c - soft tissue, lungs and their vessels */
/* SPDX-License-Identifier: Apache-2.0 */
#include "phantom/thorax.h"

#include <math.h>
#include <stddef.h>

#include "base/philox.h"

/* how much of a voxel of this size lies inside a border that its centre is mm within */
static float share(float mm, float size)
{
    const float f = mm / size + 0.5f;

    return f < 0 ? 0 : f > 1 ? 1 : f;
}

static float least(float a, float b)
{
    return a < b ? a : b;
}

/* skin, fat and muscle of one row: an ellipse with flattened sides */
static void trunk_row(struct um_grid *g, const struct um_body *b, int y, int z)
{
    const double t    = um_body_trunk(b, um_grid_mm(g, 2, z));
    const double wide = b->wide * t, deep = b->deep * (t < 0.8 ? 0.45 + 0.6875 * t : 1);
    const double u     = fabs(um_grid_mm(g, 1, y)) / deep,
                 v     = fabs(um_grid_mm(g, 1, y)) / (deep - b->fat);
    const double  skin = u < 1 ? wide * pow(1 - pow(u, 2.4), 1 / 2.4) : -g->h[0];
    const double  meat = v < 1 ? (wide - b->fat) * pow(1 - pow(v, 2.4), 1 / 2.4) : -g->h[0];
    const int64_t at   = um_grid_index(g, 0, y, z);

    const float h = (float)g->h[0], first = (float)um_grid_mm(g, 0, 0);

    for (int x = 0; x < g->n[0]; x++) {
        const float a  = fabsf(first + (float)x * h);
        const float in = share((float)skin - a, h), red = share((float)meat - a, h);

        g->hu[at + x]     = -1000 + in * (1000 + b->hu_fat) + red * (b->hu_muscle - b->hu_fat);
        g->tissue[at + x] = in > 0.5f ? UM_SOFT : UM_OUTSIDE;
    }
}

/* one row of the cavity: lung, and what lies under the diaphragm */
static void cavity_row(struct um_grid *g, const struct um_body *b, const float *dome, int y, int z)
{
    const double  mz = um_grid_mm(g, 2, z), my = um_grid_mm(g, 1, y);
    const double  k = um_body_bullet(b, mz), u = k > 0 ? (my - b->cy) / (b->cd * k) : 2;
    const double  wall   = u * u < 1 ? b->cw * k * sqrt(1 - u * u) : 0;
    const double  middle = um_body_middle(b, my, mz);
    const int64_t at     = um_grid_index(g, 0, y, z);
    const float   h = (float)g->h[0], first = (float)um_grid_mm(g, 0, 0);

    for (int x = 0; x < g->n[0] && wall > 0; x++) {
        const float mx   = first + (float)x * h;
        const float a    = fabsf(mx);
        const float in   = share((float)wall - a, h);
        const float high = share((float)mz - dome[y * g->n[0] + x], (float)g->h[2]);
        const float air  = least(least(in, high), share(a - (float)middle, h));

        if (in <= 0)
            continue;
        if (air > 0) /* the back of the lung, where blood sinks to, is denser */
            g->hu[at + x] += air * (b->hu_lung + 25 * (float)u - g->hu[at + x]);
        else if (high < 1)
            g->hu[at + x] = mx < 0.2f * (float)b->cw ? b->hu_liver : b->hu_muscle - 15;
        else
            g->hu[at + x] = b->hu_muscle - 8;
        if (air > 0.5f)
            g->tissue[at + x] = mx > 0 ? UM_LUNG_L : UM_LUNG_R;
        else if (high < 0.5f)
            g->tissue[at + x] = UM_ABDOMEN;
    }
}

/* one row of a tilted ellipsoid; dy, dz: from its centre, dy in semi-axes */
static void heart_row(struct um_grid *g, const struct um_body *b, int64_t at, const int x[2],
                      double dy, double dz)
{
    for (int i = x[0]; i <= x[1]; i++) {
        const double dx = um_grid_mm(g, 0, i) - b->heart[0];
        const double p  = (dx * b->hcos - dz * b->hsin) / b->ha,
                     q  = (dx * b->hsin + dz * b->hcos) / b->hb;
        const double d  = sqrt(p * p + q * q + dy * dy);
        const float  c  = share((float)((1 - d) * b->hc), (float)g->h[0]);
        const float  hu = b->hu_lung + c * (b->hu_blood - b->hu_lung);

        if (c <= 0 || g->tissue[at + i] == UM_ABDOMEN)
            continue;
        g->hu[at + i] = hu > g->hu[at + i] ? hu : g->hu[at + i];
        if (c >= 0.5f)
            g->tissue[at + i] = UM_HEART;
    }
}

/* above the diaphragm and within the ribs */
static void heart(struct um_grid *g, const struct um_body *b)
{
    const struct um_range box =
        um_grid_range(g, b->heart, (double[3]){ b->ha + 5, b->hc + 5, b->ha + 5 });
    const int x[2] = { box.lo[0], box.hi[0] };

    for (int z = box.lo[2]; z <= box.hi[2]; z++) {
        const double mz = um_grid_mm(g, 2, z), deep = b->cd * um_body_bullet(b, mz);

        for (int y = box.lo[1]; y <= box.hi[1]; y++) {
            const double my = um_grid_mm(g, 1, y), dy = (my - b->heart[1]) / b->hc;

            if (fabs(my - b->cy + 3) < deep && dy * dy < 1.2)
                heart_row(g, b, um_grid_index(g, 0, y, z), x, dy, mz - b->heart[2]);
        }
    }
}

/* a chain of points in shares of the cavity (x, y) and of the lungs' height (z) */
static void tube(struct um_grid *g, const struct um_body *b, const double (*at)[3], int n,
                 const double r[2], const struct um_brush *brush)
{
    double p[8][3];

    for (int i = 0; i < n; i++) {
        p[i][0] = at[i][0] * b->cw;
        p[i][1] = b->cy + at[i][1] * b->cd;
        p[i][2] = b->low + at[i][2] * (b->apex - b->low);
    }
    um_grid_tube(g, (const double(*)[3])p, n, (double[3]){ r[0], r[0], r[0] },
                 (double[3]){ r[1], r[1], r[1] }, brush);
}

static void great_vessels(struct um_grid *g, const struct um_body *b)
{
    static const double   arch[][3]  = { { -0.10, -0.30, 0.48 }, { -0.15, -0.30, 0.62 },
                                         { -0.08, -0.20, 0.73 }, { 0.10, 0.10, 0.765 },
                                         { 0.21, 0.40, 0.72 },   { 0.215, 0.58, 0.60 },
                                         { 0.19, 0.62, 0.30 },   { 0.14, 0.62, -0.1 } };
    static const double   cava[][3]  = { { -0.21, -0.12, 0.45 },
                                         { -0.22, -0.15, 0.70 },
                                         { -0.17, -0.20, 0.92 } };
    static const double   trunk[][3] = { { 0.06, -0.30, 0.46 },
                                         { 0.20, -0.12, 0.60 },
                                         { 0.30, 0.08, 0.585 } };
    static const double   left[][3]  = { { 0.22, 0.05, 0.59 }, { 0.40, 0.16, 0.53 } };
    static const double   right[][3] = { { -0.05, -0.02, 0.54 },
                                         { -0.25, 0.05, 0.545 },
                                         { -0.39, 0.14, 0.47 } };
    const struct um_brush blood = { b->hu_blood, b->hu_lung, false, UM_ON_LUNG | UM_ON(UM_SOFT),
                                    UM_SOFT,     0 };

    tube(g, b, arch, 8, (double[2]){ 15, 11.5 }, &blood);
    tube(g, b, cava, 3, (double[2]){ 10, 8 }, &blood);
    tube(g, b, trunk, 3, (double[2]){ 14, 11 }, &blood);
    tube(g, b, left, 2, (double[2]){ 10, 6 }, &blood);
    tube(g, b, right, 3, (double[2]){ 10, 6.5 }, &blood);
}

static void airway(struct um_grid *g, const struct um_body *b)
{
    static const double   trachea[][3] = { { 0, 0.02, 1.25 },
                                           { 0, 0.12, 0.85 },
                                           { -0.02, 0.22, 0.635 } };
    static const double   right[][3]   = { { -0.02, 0.22, 0.64 },
                                           { -0.22, 0.24, 0.56 },
                                           { -0.36, 0.28, 0.47 } };
    static const double   left[][3]    = { { -0.02, 0.22, 0.64 },
                                           { 0.26, 0.26, 0.545 },
                                           { 0.40, 0.30, 0.46 } };
    const struct um_brush air          = { -1000,     b->hu_muscle,
                                           true,      UM_ON_BODY & ~UM_ON(UM_BONE),
                                           UM_AIRWAY, 0 };

    tube(g, b, trachea, 3, (double[2]){ 9, 8.5 }, &air);
    tube(g, b, right, 3, (double[2]){ 7, 4 }, &air);
    tube(g, b, left, 3, (double[2]){ 6.5, 4 }, &air);
}

/* the bubble of air under the left dome; breasts in front */
static void extras(struct um_grid *g, const struct um_body *b)
{
    const double          c[3]   = { 0.45 * b->cw, b->cy - 0.15 * b->cd, b->low + b->dome[1] - 26 };
    const double          r[3]   = { 30, 26, 13 };
    const struct um_brush bubble = { -970, b->hu_muscle, true, UM_ON(UM_ABDOMEN), -1, 0 };
    const struct um_brush gland  = { -60,     -1000, false, UM_ON(UM_OUTSIDE) | UM_ON(UM_SOFT),
                                     UM_SOFT, 0 };

    um_grid_blob(g, c, r, &bubble);
    for (int side = -1; side <= 1 && b->breast > 0; side += 2)
        um_grid_blob(g, (double[3]){ side * 0.5 * b->wide, -0.66 * b->deep, b->low + 58 },
                     (double[3]){ b->breast, 0.9 * b->breast, b->breast }, &gland);
}

void um_thorax_soft(struct um_grid *g, const struct um_body *b, float *dome)
{
    for (int y = 0; y < g->n[1]; y++)
        for (int x = 0; x < g->n[0]; x++)
            dome[y * g->n[0] + x] =
                (float)um_body_dome(b, um_grid_mm(g, 0, x), um_grid_mm(g, 1, y));
    for (int z = 0; z < g->n[2]; z++)
        for (int y = 0; y < g->n[1]; y++) {
            trunk_row(g, b, y, z);
            cavity_row(g, b, dome, y, z);
        }
    heart(g, b);
    great_vessels(g, b);
    airway(g, b);
    extras(g, b);
}

struct twig {
    double at[3], to[3], radius, length;
};

static void unit(double v[3])
{
    const double n = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);

    for (int a = 0; a < 3; a++)
        v[a] /= n > 1e-9 ? n : 1;
}

/* grow one twig; false if it left the lung */
static bool grow(struct um_grid *g, const struct um_body *b, struct twig *t, struct um_rng *r)
{
    const struct um_brush blood = { b->hu_blood, b->hu_lung, false, UM_ON_LUNG, -1, 0 };
    const double          step  = fmax(1.4, 0.6 * t->radius);
    int                   out   = 0;

    for (double gone = 0; gone < t->length && out < 8; gone += step) {
        const double e[3] = { t->radius, t->radius, t->radius };

        for (int a = 0; a < 3; a++) {
            t->at[a] += step * t->to[a];
            t->to[a] += 0.10 * um_rng_range(r, -1, 1);
        }
        unit(t->to);
        out = UM_ON_LUNG >> um_grid_tissue(g, t->at) & 1 ? 0 : out + 1;
        um_grid_blob(g, t->at, e, &blood);
    }
    return out < 8;
}

static void tree(struct um_grid *g, const struct um_body *b, double side, struct um_rng *r)
{
    struct twig stack[32];
    int         n = 0;

    for (int i = 0; i < 11; i++) { /* from low in front to high at the back, fanned outwards */
        const double angle = -1.35 + 2.6 * i / 10 + 0.12 * um_rng_range(r, -1, 1);
        struct twig *t     = &stack[n++];

        *t = (struct twig){ { side * 0.30 * b->cw, b->cy + 0.12 * b->cd,
                              b->low + (0.50 + 0.03 * i / 10) * (b->apex - b->low) },
                            { side * cos(angle), um_rng_range(r, -0.8, 0.8), sin(angle) },
                            um_rng_range(r, 3.4, 4.8),
                            um_rng_range(r, 24, 40) };
        unit(t->to);
    }
    while (n > 0) {
        struct twig t = stack[--n];

        if (!grow(g, b, &t, r) || t.radius < 0.8)
            continue;
        for (int k = 0; k < 2 && n < 32; k++) {
            struct twig *c = &stack[n++];

            *c = t;
            for (int a = 0; a < 3; a++)
                c->to[a] += 0.62 * um_rng_range(r, -1, 1);
            unit(c->to);
            c->radius *= um_rng_range(r, 0.7, 0.86);
            c->length *= um_rng_range(r, 0.66, 0.9);
        }
    }
}

void um_thorax_vessels(struct um_grid *g, const struct um_body *b, uint64_t seed, int64_t index)
{
    struct um_rng r = um_rng_at(seed, UM_RNG_PHANTOM, (uint64_t)index, 1);

    tree(g, b, -1, &r);
    tree(g, b, 1, &r);
}
