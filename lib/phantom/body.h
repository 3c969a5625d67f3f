/* body.h - the sizes of one made-up patient, in millimetres and HU, and the shapes they stand for
 *
 * The chest cavity is an ellipse at every height z whose semi-axes are those of a bullet: full up
 * to a third of the lung's height, closing at the apex. Positions are relative to the middle of the
 * field in x and y, to its lower end in z.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_PHANTOM_BODY_H
#define UM_PHANTOM_BODY_H

#include "phantom/phantom.h"

struct um_body {
    double wide, deep; /* half width and depth of the trunk */
    double fat;        /* thickness under the skin */
    double cw, cd, cy; /* cavity: half width, half depth, its centre in y */
    double low, apex;  /* z of the deepest recess and of the lungs' top */
    double dome[2];    /* height of the diaphragm above `low`: right, left */
    double middle;     /* half width of the mediastinum */
    double heart[3];   /* centre */
    double ha, hb, hc; /* semi-axes: long, short (both in the coronal plane), depth */
    double hsin, hcos; /* the long axis points down and to the left */
    double ratio;      /* cardiothoracic ratio aimed at */
    double spine;      /* y of the vertebrae */
    double rib, drop;  /* distance between ribs; how far they fall towards the front */
    double breast;     /* semi-axis of the breasts; 0: none */
    float  hu_lung, hu_fat, hu_muscle, hu_blood, hu_liver, hu_bone;
};

/* um_body_draw - a patient; enlarged: with a heart wider than half the chest */
struct um_body um_body_draw(uint64_t seed, int64_t index, bool enlarged);

/* 0 at the deepest recess of the lungs, 1 at their apex */
static inline double um_body_rise(const struct um_body *b, double z)
{
    return (z - b->low) / (b->apex - b->low);
}

/* um_body_bullet - the cavity's size at height z as a share of its largest, 0 above the apex */
double um_body_bullet(const struct um_body *b, double z);

/* um_body_dome - z of the diaphragm over (x,y) */
double um_body_dome(const struct um_body *b, double x, double y);

/* um_body_middle - half width of the mediastinum at (y,z) */
double um_body_middle(const struct um_body *b, double y, double z);

/* um_body_trunk - half width of the body at height z as a share of `wide`; the neck above */
double um_body_trunk(const struct um_body *b, double z);

#endif
