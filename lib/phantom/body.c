/* body.c - draw a patient's sizes; the curves that give the chest its form */
/* SPDX-License-Identifier: Apache-2.0 */
#include "phantom/body.h"

#include <math.h>

#include "base/philox.h"

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* normal, cut at two standard deviations */
static double about(struct um_rng *r, double mean, double sd)
{
    return mean + sd * clamp(um_rng_normal(r), -2, 2);
}

static void draw_heart(struct um_body *b, struct um_rng *r, bool enlarged)
{
    const double ratio = enlarged ? um_rng_range(r, 0.55, 0.66) : um_rng_range(r, 0.39, 0.47);
    const double half  = ratio * b->cw; /* of the transverse diameter */
    const double tilt  = about(r, 0.66, 0.06);

    b->ratio          = ratio;
    b->hsin           = sin(tilt);
    b->hcos           = cos(tilt);
    const double slim = about(r, 0.74, 0.03); /* short axis over long axis */
    b->ha             = half / sqrt(b->hcos * b->hcos + slim * slim * b->hsin * b->hsin);
    b->hb             = slim * b->ha;
    b->hc             = 0.78 * fmin(b->hb, 62);
    const double tall = sqrt(b->ha * b->ha * b->hsin * b->hsin + b->hb * b->hb * b->hcos * b->hcos);
    b->heart[0]       = half * about(r, 0.30, 0.025);
    b->heart[1]       = b->cy - 0.22 * b->cd;
    b->heart[2]       = b->low + b->dome[1] + 0.62 * tall;
}

struct um_body um_body_draw(uint64_t seed, int64_t index, bool enlarged)
{
    struct um_rng  r = um_rng_at(seed, UM_RNG_PHANTOM, (uint64_t)index, 0);
    struct um_body b;

    b.wide      = about(&r, 154, 6);
    b.fat       = about(&r, 11, 3);
    b.cw        = b.wide - b.fat - about(&r, 15, 1);
    b.cd        = b.cw * about(&r, 0.70, 0.03);
    b.deep      = b.cd + b.fat + about(&r, 22, 2);
    b.cy        = -8;
    b.low       = about(&r, 42, 5);
    b.apex      = b.low + about(&r, 232, 8);
    b.dome[0]   = about(&r, 62, 6);
    b.dome[1]   = b.dome[0] - about(&r, 12, 3);
    b.middle    = about(&r, 30, 2);
    b.spine     = b.cy + b.cd - about(&r, 18, 2);
    b.rib       = about(&r, 24, 1);
    b.drop      = about(&r, 100, 8);
    b.breast    = um_rng_uniform(&r) < 0.45 ? about(&r, 46, 8) : 0;
    b.hu_lung   = (float)about(&r, -845, 15);
    b.hu_fat    = (float)about(&r, -105, 4);
    b.hu_muscle = (float)about(&r, 45, 4);
    b.hu_blood  = (float)about(&r, 42, 4);
    b.hu_liver  = (float)about(&r, 58, 5);
    b.hu_bone   = (float)about(&r, 950, 80);
    draw_heart(&b, &r, enlarged);
    return b;
}

double um_body_bullet(const struct um_body *b, double z)
{
    const double s = um_body_rise(b, z);

    if (s >= 1)
        return 0;
    if (s <= 0.3)
        return 1 - 0.10 * (0.3 - s);
    return sqrt(1 - pow((s - 0.3) / 0.7, 2.3));
}

double um_body_dome(const struct um_body *b, double x, double y)
{
    const double top  = b->dome[x > 0];
    const double out  = fabs(x) / b->cw - 0.48; /* from the dome's crest towards the wall */
    const double back = (y - b->cy) / b->cd + 0.15;
    const double u    = out > 0 ? out / 0.52 : out / 0.95;
    const double v    = back > 0 ? back / 1.05 : back / 1.5;
    const double q    = sqrt(u * u + v * v);

    return b->low + top * fmax(0, 1 - pow(q, 2.4));
}

double um_body_middle(const struct um_body *b, double y, double z)
{
    const double s  = clamp(um_body_rise(b, z), 0, 1);
    const double dy = (y - b->cy - 5) / (0.55 * b->cd);
    const double m  = 0.42 + 0.58 * exp(-dy * dy);

    return b->middle * m * (1 - 0.12 * s);
}

double um_body_trunk(const struct um_body *b, double z)
{
    const double s    = um_body_rise(b, z);
    const double neck = 0.42;

    if (s < 0.62)
        return 1;
    if (s < 0.92) /* shoulders */
        return 1 + 0.10 * sin((s - 0.62) / 0.30 * 1.5707963);
    const double t = (s - 0.92) / 0.22; /* sloping to the neck */
    return neck + (1.10 - neck) * fmax(0, 1 - t * t) + 0;
}
