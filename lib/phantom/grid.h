/* grid.h - the volume a phantom is painted into, and the brushes
 *
 * The grid has the CT's rows and columns; its slices are `thin` times thinner, so that projections
 * are sharp and a CT slice is the mean of `thin` of them (partial volume, as in a scanner).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_PHANTOM_GRID_H
#define UM_PHANTOM_GRID_H

#include <stdbool.h>
#include <stdint.h>

enum um_tissue {
    UM_OUTSIDE = 0,
    UM_SOFT,   /* fat, muscle, mediastinum */
    UM_LUNG_R, /* the patient's right */
    UM_LUNG_L,
    UM_HEART,
    UM_BONE,
    UM_ABDOMEN, /* below the diaphragm */
    UM_AIRWAY,
    UM_PLEURA /* air or fluid of a finding */
};
#define UM_ON(t) (1u << (t))
#define UM_ON_LUNG (UM_ON(UM_LUNG_R) | UM_ON(UM_LUNG_L))
#define UM_ON_BODY (~UM_ON(UM_OUTSIDE))

struct um_grid {
    int      n[3]; /* x, y, z */
    double   h[3]; /* mm */
    int      thin; /* grid slices per CT slice */
    float   *hu;
    uint8_t *tissue, *mask;
};

/* millimetres of a voxel's centre: x and y from the middle of the field, z from its lower end */
static inline double um_grid_mm(const struct um_grid *g, int axis, int i)
{
    return axis == 2 ? (i + 0.5) * g->h[2] : (i - 0.5 * (g->n[axis] - 1)) * g->h[axis];
}

/* the voxel coordinate (not rounded) of a position in millimetres */
static inline double um_grid_at(const struct um_grid *g, int axis, double mm)
{
    return axis == 2 ? mm / g->h[2] - 0.5 : mm / g->h[axis] + 0.5 * (g->n[axis] - 1);
}

static inline int64_t um_grid_index(const struct um_grid *g, int x, int y, int z)
{
    return ((int64_t)z * g->n[1] + y) * g->n[0] + x;
}

/* um_grid_tissue - tissue at a position in millimetres; UM_OUTSIDE off the grid */
int um_grid_tissue(const struct um_grid *g, const double mm[3]);

/* voxels first..last whose centres may lie within reach of c, clipped to the grid */
struct um_range {
    int lo[3], hi[3];
};
struct um_range um_grid_range(const struct um_grid *g, const double c[3], const double reach[3]);

struct um_brush {
    float    hu, back; /* inside; what it is blended with at the rim */
    bool     dark;     /* keep the lower of old and new, not the higher */
    uint32_t on;       /* paints over these tissues only */
    int      tissue;   /* what it becomes; negative: stays */
    uint8_t  bit;      /* set in the mask where at least half a voxel is covered */
};

/* um_grid_blob - an ellipsoid with semi-axes r (mm) along x, y, z, its rim blended over a voxel
 * um_grid_tube - blobs along straight lines through the n points, half a smallest radius apart;
 *                the semi-axes go linearly from r0 to r1 along the whole length */
void um_grid_blob(struct um_grid *g, const double c[3], const double r[3],
                  const struct um_brush *b);
void um_grid_tube(struct um_grid *g, const double (*point)[3], int n, const double r0[3],
                  const double r1[3], const struct um_brush *b);

#endif
