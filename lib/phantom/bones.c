/* bones.c - spine, ribs, sternum, clavicles, scapulae */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "phantom/thorax.h"

static struct um_brush bone(const struct um_body *b, double dense)
{
    return (
        struct um_brush){ (float)dense * b->hu_bone, b->hu_muscle, false, UM_ON_BODY, UM_BONE, 0 };
}

static void spine(struct um_grid *g, const struct um_body *b)
{
    const struct um_brush hard = bone(b, 0.34), hollow = bone(b, 0.22);
    const double          top = g->n[2] * g->h[2];

    for (double z = b->low - 60; z < top + 20; z += b->rib) {
        const double y = b->spine;

        for (int k = -1; k <= 1; k++) /* a body as high as three quarters of its segment */
            um_grid_blob(g, (double[3]){ 0, y, z + k * 0.2 * b->rib },
                         (double[3]){ 17, 14, 0.26 * b->rib }, k ? &hard : &hollow);
        um_grid_blob(g, (double[3]){ 0, y + 36, z - 8 }, (double[3]){ 3.5, 12, 8 }, &hard);
        for (int side = -1; side <= 1; side += 2) {
            const double p[2][3] = { { side * 10.0, y + 16, z }, { side * 28.0, y + 26, z + 2 } };

            um_grid_tube(g, p, 2, (double[3]){ 4.5, 4.5, 5.5 }, (double[3]){ 4, 4, 4 }, &hard);
        }
    }
}

/* The i-th rib from the top: an arc around the cavity from the spine to the front, the farther
 * round the lower; its front end is cartilage, which is not painted. */
static void rib(struct um_grid *g, const struct um_body *b, int i, int side)
{
    enum { POINTS = 22 };
    const double          head = b->apex + 2 - i * b->rib;
    const double          fall = b->drop * fmin(1, 0.42 + 0.14 * i);
    const double          end  = (i < 7 ? 0.80 : 0.80 - 0.09 * (i - 6)) * 3.14159265;
    double                p[POINTS][3];
    const struct um_brush hard = bone(b, 1);

    for (int k = 0; k < POINTS; k++) {
        const double turn = 0.16 + (end - 0.16) * k / (POINTS - 1); /* 0: at the spine */
        const double t    = turn / 3.14159265;
        const double z    = head - fall * (0.25 * t + 0.75 * t * t) + 5 * sin(3.14159265 * t);
        const double s    = fmax(0.30, um_body_bullet(b, fmin(z, b->apex - 8)));

        p[k][0] = side * (b->cw * s + 5.5) * sin(turn);
        p[k][1] = b->cy + (b->cd * s + 5.5) * cos(turn);
        p[k][2] = z;
    }
    um_grid_tube(g, (const double(*)[3])p, POINTS, (double[3]){ 4.2, 4.2, 5.6 },
                 (double[3]){ 4.0, 4.0, 6.4 }, &hard);
}

static void girdle(struct um_grid *g, const struct um_body *b, int side)
{
    const double          top = b->apex, front = b->cy - 0.62 * b->cd;
    const double          clavicle[4][3] = { { side * 14.0, front - 8, top - 22 },
                                             { side * 55.0, front - 4, top - 10 },
                                             { side * 100.0, b->cy - 6, top + 2 },
                                             { side * 140.0, b->cy + 14, top + 8 } };
    const struct um_brush hard = bone(b, 0.75), thin = bone(b, 0.42);

    um_grid_tube(g, clavicle, 4, (double[3]){ 7, 7, 6.5 }, (double[3]){ 5.5, 5.5, 5.5 }, &hard);
    /* a blade: strips fanned from the shoulder's corner, thin from front to back */
    for (int k = 0; k < 9; k++) {
        const double f  = k / 8.0;
        const double x0 = side * (b->cw + 14 - 3 * f), z0 = top - 12 - 112 * f;
        const double x1 = side * (b->cw - 22 + 20 * f), y0 = b->cy + 0.55 * b->cd + 6;
        const double strip[2][3] = { { x0, y0, z0 }, { x1, y0 + 22, z0 + 4 } };

        um_grid_tube(g, strip, 2, (double[3]){ 3, 2.6, 8 }, (double[3]){ 2.6, 2.2, 8 },
                     k == 0 ? &hard : &thin);
    }
}

static void sternum(struct um_grid *g, const struct um_body *b)
{
    const struct um_brush flat = bone(b, 0.22);
    const double          y    = b->cy - b->cd - 4;

    for (int k = 0; k < 12; k++) {
        const double t = k / 11.0;

        um_grid_blob(
            g, (double[3]){ 0, y + 34 * t * t, b->low + (0.42 + 0.46 * t) * (b->apex - b->low) },
            (double[3]){ 15 + 6 * t, 5, 8 }, &flat);
    }
}

void um_thorax_bones(struct um_grid *g, const struct um_body *b)
{
    spine(g, b);
    sternum(g, b);
    for (int side = -1; side <= 1; side += 2) {
        for (int i = 0; i < 10; i++)
            rib(g, b, i, side);
        girdle(g, b, side);
    }
}
