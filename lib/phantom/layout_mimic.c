/* layout_mimic.c - MIMIC-CXR-JPG 2.0.0 with the reports of MIMIC-CXR
 *
 * files/p10/p10000000/s50000000/<dicom id>.jpg and files/p10/p10000000/s50000000.txt. Every fourth
 * patient has a lateral view in the study, every fifth a second study (AP). The reports of cases
 * 5, 18, 31, ... are not there, nor the first pictures of 7, 18, 29, ...; studies of 4, 13, 22, ...
 * have no labels.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>

#include "phantom/layout_int.h"

enum { METADATA, SPLIT, CHEXPERT, NEGBIO, DICOM_ID = 45 };

struct image {
    int64_t     study;
    const char *view;
    char        id[DICOM_ID]; /* five groups of eight hexadecimal digits */
};

static int64_t subject(const struct um_phantom_case *c)
{
    return 10000000 + c->index;
}

/* the pictures of a case; returns how many */
static int images(const struct um_phantom_case *c, struct image im[3])
{
    const int64_t study = 50000000 + 2 * c->index;
    int           n     = 0;

    im[n++] = (struct image){ .study = study, .view = c->index % 6 == 3 ? "AP" : "PA" };
    if (c->index % 4 == 1)
        im[n++] = (struct image){ .study = study, .view = "LATERAL" };
    if (c->index % 5 == 2)
        im[n++] = (struct image){ .study = study + 1, .view = "AP" };
    for (int i = 0; i < n; i++) {
        const uint64_t a = um_layout_hash(c, 3 * i), b = um_layout_hash(c, 3 * i + 1),
                       d = um_layout_hash(c, 3 * i + 2);

        (void)snprintf(im[i].id, DICOM_ID,
                       "%08" PRIx64 "-%08" PRIx64 "-%08" PRIx64 "-%08" PRIx64 "-%08" PRIx64,
                       a >> 32, a & 0xffffffffu, b >> 32, b & 0xffffffffu, d >> 32);
    }
    return n;
}

static int report(const char *dir, const struct um_phantom_case *c, int64_t study)
{
    char  *text = NULL;
    size_t n;
    FILE  *f = open_memstream(&text, &n);
    int    st;

    if (!f)
        return um_fail(UM_ENOMEM, "out of memory");
    (void)fputs("                                 FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n"
                " \n INDICATION:  ___ year old with ___  // eval\n \n TECHNIQUE:  Chest.\n \n",
                f);
    um_layout_report(f, c->report_xray, " ");
    st = fclose(f) == 0 ? um_layout_text(text, dir, "files/p%.2s/p%lld/s%lld.txt", "10",
                                         (long long)subject(c), (long long)study)
                        : um_fail(UM_ENOMEM, "out of memory");
    free(text);
    return st;
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    struct image im[3];
    const int    n = images(c, im);

    for (int i = 0; i < n; i++) {
        if (i > 0 || c->index % 11 != 7)
            UM_TRY(um_layout_jpeg(c, dir, "files/p10/p%lld/s%lld/%s.jpg", (long long)subject(c),
                                  (long long)im[i].study, im[i].id));
        if (c->index % 13 != 5)
            UM_TRY(report(dir, c, im[i].study));
    }
    return UM_OK;
}

/* 14 labels in the published order; those that the case knows nothing about are blank */
static void labels(FILE *f, const struct um_phantom_case *c, int64_t study)
{
    const struct um_lesion *l     = c->lesion;
    const char *const       yes[] = { "0.0", "1.0" };
    bool                    any   = false;

    for (int i = 0; i < UM_FINDINGS; i++)
        any = any || l[i].present;
    (void)fprintf(f, "%lld,%lld,,%s,%s,%s,,,%s,,%s,%s,,,%s,\n", (long long)subject(c),
                  (long long)study, yes[l[UM_CARDIOMEGALY].present],
                  yes[l[UM_CONSOLIDATION].present], c->index % 3 ? "" : "-1.0",
                  yes[l[UM_NODULE].present], any ? "" : "1.0", yes[l[UM_EFFUSION].present],
                  yes[l[UM_PNEUMOTHORAX].present]);
}

static void rows(FILE *const *table, const struct um_phantom_case *c)
{
    static const char *const split[] = { "train", "validate", "test" };
    struct image             im[3];
    const int                n = images(c, im);

    for (int i = 0; i < n; i++) {
        const long long study = im[i].study, who = subject(c);

        (void)fprintf(table[METADATA], "%s,%lld,%lld,%s,%s,%d,%d,21800506,213014.531,%s,%s,Erect\n",
                      im[i].id, who, study,
                      c->index % 2 ? "\"CHEST, \"\"PORTABLE\"\"\"" : "CHEST (PA AND LAT)",
                      im[i].view, c->h, c->w, "CHEST (PA AND LAT)", "postero-anterior");
        (void)fprintf(table[SPLIT], "%s,%lld,%lld,%s\n", im[i].id, study, who, split[c->split]);
        if ((i == 0 || im[i].study != im[i - 1].study) && c->index % 9 != 4)
            for (int t = CHEXPERT; t <= NEGBIO; t++)
                labels(table[t], c, im[i].study);
    }
}

#define LABELS                                                                                     \
    "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum," \
    "Fracture,Lung Lesion,Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,"       \
    "Pneumothorax,Support Devices\n"

const struct um_layout um_layout_mimic = {
    .name  = "mimic-cxr-jpg",
    .table = { "mimic-cxr-2.0.0-metadata.csv.gz", "mimic-cxr-2.0.0-split.csv.gz",
               "mimic-cxr-2.0.0-chexpert.csv.gz", "mimic-cxr-2.0.0-negbio.csv.gz" },
    .head  = { "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,"
                "Columns,StudyDate,StudyTime,ProcedureCodeSequence_CodeMeaning,"
                "ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning\n",
               "dicom_id,study_id,subject_id,split\n", LABELS, LABELS },
    .files = files,
    .rows  = rows
};
