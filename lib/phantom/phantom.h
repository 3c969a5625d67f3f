/* phantom.h - made-up patients: a chest CT, the X-ray projected from it, findings, reports, truth
 *
 * A case is a function of (seed, case index, configuration) and nothing else: case i is the same
 * whatever the number of cases, threads or the order they are made in. Coordinates are "LPS+": x
 * grows to the patient's left, y to the back, z to the head; arrays are [z,y,x] in C order.
 *
 *   anatomy    body, fat and muscle, lungs with vessels, heart, great vessels, airway, spine, ribs,
 *              sternum, clavicles, scapulae, diaphragm, liver, stomach: ellipsoids, tubes and
 *              height fields whose sizes vary from patient to patient (body.h, thorax.c)
 *   findings   0 to 3 of the five of enum um_finding, at random side, place and size (finding.c)
 *   X-ray      I = I0 exp(-integral mu dl) along y through that volume, noise, logarithm,
 *              bone white (xray.h)
 *   reports    one text for the X-ray and one for the CT: same facts, separate draws of wording
 *              (wording.c)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_PHANTOM_PHANTOM_H
#define UM_PHANTOM_PHANTOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum um_finding {
    UM_NODULE = 0,
    UM_CONSOLIDATION,
    UM_EFFUSION,
    UM_CARDIOMEGALY,
    UM_PNEUMOTHORAX,
    UM_FINDINGS
};

enum { UM_SPLITS = 3, UM_PHANTOM_REPORT = 2048, UM_PHANTOM_NAME = 24 };

/* "nodule", ...; "train", "valid", "test"; NULL outside the enum */
UM_API const char *um_finding_name(int finding);
UM_API const char *um_split_name(int split);

/* um_findings_parse - "nodule,effusion" to bits; UM_ERANGE names the word that is no finding */
UM_API UM_RESULT_USED int um_findings_parse(const char *list, uint32_t *bits);

struct um_phantom_config {
    uint64_t seed;
    uint32_t findings;             /* bit f: finding f may be drawn */
    double   prevalence;           /* probability of each; at most three a patient are kept */
    double   split[UM_SPLITS];     /* shares of train, valid, test; sum 1 */
    int      depth, height, width; /* voxels of the CT: 8..1024 each, at most 2^27 in all */
    int      xray;                 /* longer side of the X-ray, pixels: 32..4096 */
};

/* what is true about one finding of one case */
struct um_lesion {
    bool   present;
    char   side;     /* 'R', 'L'; 'M' for the heart */
    int    zone;     /* 0 lower, 1 middle, 2 upper third of the lung's height */
    int    severity; /* 0 small or mild, 1 moderate, 2 large or severe */
    double size;     /* mm: diameter (nodule), largest extent (consolidation), height of the fluid,
                      * transverse diameter (heart), widest rim of air (pneumothorax) */
    double  at[3];   /* x, y, z of its centre of mass in voxels of the CT */
    int64_t voxels;  /* of the CT, in the mask */
    int64_t z0, z1;  /* first and last slice that holds any of it */
    double  box[4];  /* x0 y0 x1 y1 on the X-ray, pixels, edges (x1, y1 just outside) */
};

struct um_phantom_case {
    int64_t index;
    char    name[UM_PHANTOM_NAME]; /* "p000042" */
    int     split;
    int     depth, height, width;
    double  spacing[3]; /* mm along x, y, z */
    double  origin[3];  /* x, y, z of the first voxel's centre, LPS+ millimetres */
    char    axes[4];    /* how the CT is to be stored: directions of the file's three axes, "RAS" */

    const int16_t *ct;     /* [depth,height,width] HU, with noise */
    const uint8_t *mask;   /* same grid: bit f set where finding f is */
    int            w, h;   /* X-ray, pixels */
    double         pixel;  /* mm */
    const uint8_t *xray;   /* [h,w]: bone white, patient's right at the left */
    const uint8_t *mask2d; /* [h,w]: bit f set where finding f projects to */

    struct um_lesion lesion[UM_FINDINGS];
    double           ctr; /* cardiothoracic ratio, measured in the volume */
    char             report_ct[UM_PHANTOM_REPORT], report_xray[UM_PHANTOM_REPORT];
};

/* one maker of cases: its buffers are used again for every case, so memory does not grow */
struct um_phantom;

/* um_phantom_check - UM_ERANGE with a message unless the configuration can be made */
UM_API UM_RESULT_USED int um_phantom_check(const struct um_phantom_config *cfg);

/* um_phantom_new - UM_ERANGE as um_phantom_check; UM_ENOMEM. The owner frees with
 * um_phantom_free (takes NULL). Not thread safe: one per worker. */
UM_API UM_RESULT_USED int um_phantom_new(struct um_phantom             **p,
                                         const struct um_phantom_config *cfg);
UM_API void               um_phantom_free(struct um_phantom *p);

/* um_phantom_make - case `index` >= 0; valid until the next call or um_phantom_free */
UM_API const struct um_phantom_case *um_phantom_make(struct um_phantom *p, int64_t index);

#endif
