/* layout_chexpert.c - CheXpert: train.csv, valid.csv, train/patient00001/study1/view1_frontal.jpg
 *
 * The patients of the split test are valid.csv's. Every fourth has a lateral view, every sixth of
 * the others a second study. -1 stands where the usual policy leaves the truth as it is: for
 * consolidation and cardiomegaly that are not there, and an effusion that is. The pictures of cases
 * 12, 29, 46, ... are not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "phantom/layout_int.h"

enum { TRAIN, VALID };

struct image {
    int         study;
    const char *view;
};

static int images(const struct um_phantom_case *c, struct image im[3])
{
    int n = 0;

    im[n++] = (struct image){ 1, "view1_frontal" };
    if (c->index % 4 == 1)
        im[n++] = (struct image){ 1, "view2_lateral" };
    if (c->index % 6 == 2 && c->split != 2)
        im[n++] = (struct image){ 2, "view1_frontal" };
    return n;
}

static const char *folder(const struct um_phantom_case *c)
{
    return c->split == 2 ? "valid" : "train";
}

static long long number(const struct um_phantom_case *c)
{
    return c->index + (c->split == 2 ? 64541 : 1);
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    struct image im[3];
    const int    n = images(c, im);

    for (int i = 0; i < n && c->index % 17 != 12; i++)
        UM_TRY(um_layout_jpeg(c, dir, "%s/patient%05lld/study%d/%s.jpg", folder(c), number(c),
                              im[i].study, im[i].view));
    return UM_OK;
}

/* present, absent, and what stands for "uncertain" if the case is one of those */
static const char *label(const struct um_phantom_case *c, int finding, bool unsure_if)
{
    const bool is = c->lesion[finding].present;

    if (c->split != 2 && is == unsure_if && um_layout_hash(c, finding) % 3 == 0)
        return "-1.0";
    return is ? "1.0" : um_layout_hash(c, 10 + finding) % 2 ? "0.0" : "";
}

static void rows(FILE *const *table, const struct um_phantom_case *c)
{
    struct image im[3];
    const int    n   = images(c, im);
    bool         any = false;
    FILE *const  f   = table[c->split == 2 ? VALID : TRAIN];

    for (int i = 0; i < UM_FINDINGS; i++)
        any = any || c->lesion[i].present;
    for (int i = 0; i < n; i++)
        (void)fprintf(f,
                      "CheXpert-v1.0-small/%s/patient%05lld/study%d/%s.jpg,%s,%lld,%s,%s,%s,,%s,,"
                      "%s,,%s,,,%s,%s,,,\n",
                      folder(c), number(c), im[i].study, im[i].view,
                      c->index % 2 ? "Female" : "Male", 30 + (long long)c->index % 60,
                      im[i].view[4] == '1' ? "Frontal" : "Lateral",
                      im[i].view[4] != '1' ? ""
                      : c->index % 3       ? "AP"
                                           : "PA",
                      any ? "" : "1.0", label(c, UM_CARDIOMEGALY, false),
                      c->lesion[UM_NODULE].present ? "1.0" : "", label(c, UM_CONSOLIDATION, false),
                      c->lesion[UM_PNEUMOTHORAX].present ? "1.0" : "", label(c, UM_EFFUSION, true));
}

#define HEAD                                                                                       \
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung "  \
    "Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural "          \
    "Effusion,Pleural Other,Fracture,Support Devices\n"

const struct um_layout um_layout_chexpert = { .name  = "chexpert",
                                              .table = { "train.csv", "valid.csv" },
                                              .head  = { HEAD, HEAD },
                                              .files = files,
                                              .rows  = rows };
