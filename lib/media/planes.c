/* planes.c - order, steps and affine of slices */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/planes.h"
#include "media/planes_double.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEP_TOL 0.01     /* of the median step */
#define COSINE_TOL 1e-3   /* of each direction cosine: rounding in decimal strings */
#define SPACING_TOL 1e-3  /* of the spacing itself */
#define TILT_NOTE 0.00873 /* sine of half a degree */

enum { HU_MOST = 3071 /* of 12 bits from -1024 on */ };
enum { LABEL = UM_PLANE_LABEL };

static const char *label(const struct um_plane_at *s, char text[LABEL])
{
    return um_plane_label(s, text);
}

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void cross(const double *a, const double *b, double *out)
{
    for (int i = 0; i < 3; i++)
        out[i] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
}

/* ---- each slice for itself, and beside the first ---- */

static int check_plane(const struct um_plane_at *s)
{
    const struct um_dicom_plane *p = &s->plane;
    char                         text[LABEL];
    const double                *row = p->orientation, *column = p->orientation + 3;

    if (!p->has_position || !p->has_orientation || !p->has_spacing)
        return um_fail(UM_EMISSING, "%s: DICOM: no %s: not a slice of a volume", label(s, text),
                       !p->has_position      ? "image position"
                       : !p->has_orientation ? "image orientation"
                                             : "pixel spacing");
    if (!(p->spacing[0] > 0 && p->spacing[1] > 0))
        return um_fail(UM_EFORMAT, "%s: DICOM: pixel spacing %g x %g mm", label(s, text),
                       p->spacing[0], p->spacing[1]);
    if (!(fabs(dot(row, row) - 1) <= 0.01 && fabs(dot(column, column) - 1) <= 0.01 &&
          fabs(dot(row, column)) <= 0.01))
        return um_fail(UM_EFORMAT,
                       "%s: DICOM: orientation %g %g %g, %g %g %g: not two directions at a right "
                       "angle",
                       label(s, text), row[0], row[1], row[2], column[0], column[1], column[2]);
    if (!isfinite(p->slope) || !isfinite(p->inter) || p->slope == 0)
        return um_fail(UM_EFORMAT, "%s: DICOM: rescale slope %g, intercept %g", label(s, text),
                       p->slope, p->inter);
    for (int i = 0; i < 3; i++)
        if (!(fabs(p->position[i]) <= 1e6))
            return um_fail(UM_EFORMAT, "%s: DICOM: position %g mm", label(s, text), p->position[i]);
    return UM_OK;
}

/* one that does not say what its values mean is not taken to be in Hounsfield units */
static int check_rescale(const struct um_plane_at *first, const struct um_plane_at *s)
{
    const bool lut   = s->plane.has_lut != first->plane.has_lut;
    const bool slope = s->plane.has_slope != first->plane.has_slope;
    const bool lacks = lut     ? first->plane.has_lut
                       : slope ? first->plane.has_slope
                               : first->plane.has_inter;
    char       text[LABEL], other[LABEL];

    if (!lut && !slope && s->plane.has_inter == first->plane.has_inter)
        return UM_OK;
    return um_fail(UM_EMISMATCH, "%s: DICOM: no %s, %s has one", label(lacks ? s : first, text),
                   lut     ? "modality LUT"
                   : slope ? "rescale slope"
                           : "rescale intercept",
                   label(lacks ? first : s, other));
}

static int check_alike(const struct um_plane_at *first, const struct um_plane_at *s)
{
    char text[LABEL], other[LABEL];

    for (int i = 0; i < 6; i++)
        if (!(fabs(s->plane.orientation[i] - first->plane.orientation[i]) <= COSINE_TOL))
            return um_fail(UM_EMISMATCH, "%s: DICOM: another orientation than %s", label(s, text),
                           label(first, other));
    for (int i = 0; i < 2; i++)
        if (!(fabs(s->plane.spacing[i] - first->plane.spacing[i]) <=
              SPACING_TOL * first->plane.spacing[i]))
            return um_fail(UM_EMISMATCH, "%s: DICOM: pixel spacing %g x %g mm, %s has %g x %g",
                           label(s, text), s->plane.spacing[0], s->plane.spacing[1],
                           label(first, other), first->plane.spacing[0], first->plane.spacing[1]);
    return check_rescale(first, s);
}

/* ---- order ---- */

static int by_place(const void *a, const void *b)
{
    const struct um_plane_at *s = a, *t = b;

    if (s->along < t->along || s->along > t->along)
        return s->along < t->along ? -1 : 1;
    if (s->instance != t->instance)
        return s->instance < t->instance ? -1 : 1;
    if (s->file != t->file)
        return s->file < t->file ? -1 : 1;
    return s->frame < t->frame ? -1 : s->frame > t->frame;
}

static int place_all(struct um_plane_at *s, int64_t n, double normal[3])
{
    for (int64_t i = 0; i < n; i++)
        UM_TRY(check_plane(&s[i]));
    cross(s[0].plane.orientation, s[0].plane.orientation + 3, normal);
    for (int64_t i = 0; i < n; i++) {
        UM_TRY(check_alike(&s[0], &s[i]));
        s[i].along = dot(s[i].plane.position, normal);
    }
    qsort(s, (size_t)n, sizeof *s, by_place);
    return UM_OK;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static int median_step(struct um_arena *a, const struct um_plane_at *s, int64_t n, double *median)
{
    const struct um_mark mark = um_arena_mark(a);
    double              *step = um_alloc_array(a, n - 1, sizeof *step);

    if (!step)
        return UM_ENOMEM;
    for (int64_t i = 1; i < n; i++)
        step[i - 1] = s[i].along - s[i - 1].along;
    qsort(step, (size_t)(n - 1), sizeof *step, by_value);
    *median = step[(n - 1) / 2];
    um_arena_rewind(a, mark);
    return UM_OK;
}

static int check_steps(struct um_arena *a, const struct um_plane_at *s, int64_t n, bool allowed,
                       struct um_scan *out)
{
    char    text[LABEL], other[LABEL];
    double  median = 0;
    int64_t wrong  = 0;

    UM_TRY(median_step(a, s, n, &median));
    for (int64_t i = 1; i < n; i++) {
        const double step = s[i].along - s[i - 1].along;

        if (fabs(step - median) <= STEP_TOL * median)
            continue;
        if (!allowed)
            return um_fail(UM_EMISSING,
                           "DICOM: a gap: %s and %s are %g mm apart, the median step is %g "
                           "(--allow=gaps takes all as equally far apart)",
                           label(&s[i - 1], text), label(&s[i], other), step, median);
        wrong++;
    }
    if (wrong > 0) {
        const char *note = um_sprintf(
            a, "%lld of %lld steps between slices are not the median %g mm: all are taken as %g mm",
            (long long)wrong, (long long)n - 1, median,
            (s[n - 1].along - s[0].along) / (double)(n - 1));

        if (!note)
            return UM_ENOMEM;
        um_scan_note(out, note);
    }
    return UM_OK;
}

/* ---- geometry ---- */

/* the table may move sideways from slice to slice (a tilted gantry), but steadily */
static int check_line(const struct um_plane_at *s, int64_t n, const double step[3])
{
    const double length = s[n - 1].along - s[0].along;
    const double tol    = 0.5 * fmin(s[0].plane.spacing[0], s[0].plane.spacing[1]);

    for (int64_t i = 1; i < n; i++) {
        const double part = (s[i].along - s[0].along) / length * (double)(n - 1);
        char         text[LABEL];

        for (int c = 0; c < 3; c++) {
            const double off = s[i].plane.position[c] - s[0].plane.position[c] - part * step[c];

            if (!(fabs(off) <= tol))
                return um_fail(UM_EMISMATCH,
                               "%s: DICOM: lies %g mm beside the line from the first slice to the "
                               "last",
                               label(&s[i], text), fabs(off));
        }
    }
    return UM_OK;
}

static int note_tilt(struct um_arena *a, const double step[3], const double normal[3],
                     struct um_scan *out)
{
    double      aside[3];
    const char *note;

    cross(step, normal, aside);
    const double sine = sqrt(dot(aside, aside) / dot(step, step));
    if (!(sine > TILT_NOTE))
        return UM_OK;
    note = um_sprintf(a, "slices are tilted by %.1f degrees against the table: the affine shears",
                      asin(fmin(sine, 1)) * 180 / 3.14159265358979323846);
    if (!note)
        return UM_ENOMEM;
    um_scan_note(out, note);
    return UM_OK;
}

/* DICOM's left and back are minus RAS+'s first two axes */
static void set_affine(const struct um_plane_at *s, const double step[3], double affine[12])
{
    const struct um_dicom_plane *p = &s[0].plane;

    for (int r = 0; r < 3; r++) {
        const double sign = r < 2 ? -1 : 1;

        affine[4 * r]     = sign * p->orientation[r] * p->spacing[1];
        affine[4 * r + 1] = sign * p->orientation[3 + r] * p->spacing[0];
        affine[4 * r + 2] = sign * step[r];
        affine[4 * r + 3] = sign * p->position[r];
    }
}

bool um_planes_padding(const struct um_dicom_plane *p, int stored)
{
    return stored >= p->padding[0] && stored <= p->padding[1] && !p->has_lut &&
           p->slope * stored + p->inter > HU_MOST;
}

bool um_planes_rescale(const struct um_plane_at *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (s[i].plane.has_lut || um_planes_padding(&s[i].plane, s[i].plane.padding[0]) ||
            um_planes_padding(&s[i].plane, s[i].plane.padding[1]) ||
            s[i].plane.slope < s[0].plane.slope || s[i].plane.slope > s[0].plane.slope ||
            s[i].plane.inter < s[0].plane.inter || s[i].plane.inter > s[0].plane.inter)
            return true;
    return false;
}

int um_planes_arrange(struct um_arena *a, struct um_plane_at *s, int64_t *n,
                      const struct um_scan_opts *opts, struct um_scan *out)
{
    double normal[3], step[3];
    char   text[LABEL];

    UM_TRY(place_all(s, *n, normal));
    UM_TRY(um_planes_single(a, s, n, opts->allow_duplicates, out));
    if (*n < 2)
        return um_fail(UM_ESHAPE, "%s: DICOM: one slice alone, a volume has two or more",
                       label(&s[0], text));
    UM_TRY(check_steps(a, s, *n, opts->allow_gaps, out));
    for (int i = 0; i < 3; i++)
        step[i] = (s[*n - 1].plane.position[i] - s[0].plane.position[i]) / (double)(*n - 1);
    UM_TRY(check_line(s, *n, step));
    UM_TRY(note_tilt(a, step, normal, out));
    set_affine(s, step, out->volume.affine);
    out->form          = "image position and orientation";
    out->volume.dim[0] = *n;
    out->volume.slope  = s[0].plane.slope;
    out->volume.inter  = s[0].plane.inter;
    return UM_OK;
}
