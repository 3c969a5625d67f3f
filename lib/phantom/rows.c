/* rows.c - lines of the manifests and of the truth */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phantom/save.h"

#define LABELS                                                                                     \
    "label.nodule\tlabel.consolidation\tlabel.effusion\tlabel.cardiomegaly\tlabel.pneumothorax\n"

const char *um_save_file(enum um_table t)
{
    return t == UM_TABLE_XRAY ? "xray.tsv" : t == UM_TABLE_CT ? "ct.tsv" : "truth.tsv";
}

const char *um_save_head(enum um_table t)
{
    if (t != UM_TABLE_TRUTH)
        return "key\timage\tmask\treport\tview\tpatient\tsplit\tclass\t" LABELS;
    return "ct\txray\tpatient\tsplit\tfinding\tvalue\tside\tzone\tseverity\tsize\tvoxels\tml\t"
           "depth\tz0\tz1\tf0\tf1\tfile0\tfile1\tx\ty\tz\tbox_x0\tbox_y0\tbox_x1\tbox_y1\t"
           "width\theight\tctr\taxes\n";
}

/* one class per case: the finding if it is alone, else "normal" or "multiple" */
static const char *class_of(const struct um_phantom_case *c)
{
    int n = 0, last = 0;

    for (int f = 0; f < UM_FINDINGS; f++)
        if (c->lesion[f].present) {
            n++;
            last = f;
        }
    return n == 0 ? "normal" : n == 1 ? um_finding_name(last) : "multiple";
}

static void manifest_row(FILE *f, const struct um_save *s, const struct um_phantom_case *c,
                         bool xray)
{
    (void)fprintf(f, "%s-%s\t%s/%s%s\tmasks/%s%s\t%s\t%s\t%s\t%s\t%s", c->name, xray ? "xr" : "ct",
                  xray ? "xray" : "ct", c->name, xray ? s->xray_files->end : s->ct_files->end,
                  c->name, xray ? ".png" : ".nii.gz", xray ? c->report_xray : c->report_ct,
                  xray ? "PA" : "", c->name, um_split_name(c->split), class_of(c));
    for (int i = 0; i < UM_FINDINGS; i++)
        (void)fprintf(f, "\t%d", c->lesion[i].present);
    (void)fputc('\n', f);
}

/* first and last slice along the file's own axis of slices, which may run downwards */
static void file_slices(FILE *f, const struct um_phantom_case *c, const struct um_lesion *l)
{
    int at = -1;

    for (int i = 0; i < 3; i++)
        if (c->axes[i] == 'S' || c->axes[i] == 'I')
            at = i;
    const bool      turned = at >= 0 && c->axes[at] == 'I';
    const long long a      = turned ? c->depth - 1 - l->z1 : l->z0,
                    b      = turned ? c->depth - 1 - l->z0 : l->z1;

    (void)fprintf(f, "\t%lld\t%lld", a, b);
}

static void truth_row(FILE *f, const struct um_phantom_case *c, int i)
{
    static const char *const zone[]     = { "lower", "middle", "upper" };
    static const char *const severity[] = { "small", "moderate", "large" };
    const struct um_lesion  *l          = &c->lesion[i];
    const double             ml         = c->spacing[0] * c->spacing[1] * c->spacing[2] / 1000;

    (void)fprintf(f, "\t%s\t%d\t%c\t%s\t%s\t%.1f\t%lld\t%.2f\t%d\t%lld\t%lld\t%.6f\t%.6f",
                  um_finding_name(i), 1 << i, l->side, zone[l->zone], severity[l->severity],
                  l->size, (long long)l->voxels, (double)l->voxels * ml, c->depth, (long long)l->z0,
                  (long long)l->z1, (double)l->z0 / c->depth, (double)(l->z1 + 1) / c->depth);
    file_slices(f, c, l);
    for (int a = 0; a < 3; a++)
        (void)fprintf(f, "\t%.2f", l->at[a]);
    for (int k = 0; k < 4; k++)
        (void)fprintf(f, "\t%.0f", l->box[k]);
}

static void truth_rows(FILE *f, const struct um_phantom_case *c)
{
    bool any = false;

    for (int i = 0; i < UM_FINDINGS; i++) {
        if (!c->lesion[i].present && !(i == UM_FINDINGS - 1 && !any))
            continue;
        (void)fprintf(f, "%s-ct\t%s-xr\t%s\t%s", c->name, c->name, c->name,
                      um_split_name(c->split));
        if (c->lesion[i].present) {
            truth_row(f, c, i);
            any = true;
        } else {
            (void)fprintf(f, "\tnone\t0\t\t\t\t\t0\t0\t%d\t\t\t\t\t\t\t\t\t\t\t\t\t", c->depth);
        }
        (void)fprintf(f, "\t%d\t%d\t%.3f\t%s\n", c->w, c->h, c->ctr, c->axes);
    }
}

char *um_save_row(const struct um_save *s, const struct um_phantom_case *c, enum um_table t)
{
    char  *text = NULL;
    size_t n;
    FILE  *f = open_memstream(&text, &n);

    if (!f)
        return NULL;
    if (t == UM_TABLE_TRUTH)
        truth_rows(f, c);
    else
        manifest_row(f, s, c, t == UM_TABLE_XRAY);
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
