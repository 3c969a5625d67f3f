/* layout_organs.c - BCV and AMOS: CT scans with a label for each voxel
 *
 * Findings stand for organs: labels 1 to 5. BCV: RawData/Training/img/img0001.nii.gz and
 * label/label0001.nii.gz; the labels of cases 9, 19, ... are not there. AMOS: imagesTr with
 * labelsTr, imagesVa (the patients who do not train) with labelsVa, dataset.json; every fifth is an
 * MR scan, numbered above 500; the picture of cases 8, 21, ... is listed and not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "phantom/layout_int.h"

static int pair(const char *dir, const struct um_phantom_case *c, const char *image,
                const char *label)
{
    uint8_t *l  = label ? um_layout_labels(c) : NULL;
    int      st = image ? um_layout_nifti(c, c->ct, UM_I16, dir, "%s", image) : UM_OK;

    if (label && !l)
        return um_fail(UM_ENOMEM, "out of memory");
    if (st >= 0 && label)
        st = um_layout_nifti(c, l, UM_U8, dir, "%s", label);
    free(l);
    return st;
}

static int bcv_files(const char *dir, const struct um_phantom_case *c)
{
    char image[128], label[128];

    (void)snprintf(image, sizeof image, "RawData/Training/img/img%04lld.nii.gz",
                   (long long)c->index + 1);
    (void)snprintf(label, sizeof label, "RawData/Training/label/label%04lld.nii.gz",
                   (long long)c->index + 1);
    return pair(dir, c, image, c->index % 10 == 9 ? NULL : label);
}

static void bcv_rows(FILE *const *table, const struct um_phantom_case *c)
{
    (void)table, (void)c; /* the data set has no table */
}

const struct um_layout um_layout_bcv = { .name = "bcv", .files = bcv_files, .rows = bcv_rows };

static void amos_names(const struct um_phantom_case *c, char image[64], char label[64])
{
    const long long id   = c->index + (c->index % 5 == 4 ? 501 : 1);
    const char     *part = c->split == 0 ? "Tr" : "Va";

    (void)snprintf(image, 64, "images%s/amos_%04lld.nii.gz", part, id);
    (void)snprintf(label, 64, "labels%s/amos_%04lld.nii.gz", part, id);
}

static int amos_files(const char *dir, const struct um_phantom_case *c)
{
    char image[64], label[64];

    amos_names(c, image, label);
    return pair(dir, c, c->index % 13 == 8 ? NULL : image, label);
}

static void amos_rows(FILE *const *table, const struct um_phantom_case *c)
{
    char image[64], label[64];

    amos_names(c, image, label);
    (void)fprintf(table[c->split == 0 ? 0 : 1],
                  ",\n        {\n            \"image\": \"./%s\",\n            \"label\": \"./%s\""
                  "\n        }",
                  image, label);
}

static int amos_finish(const char *dir, char *const *text)
{
    struct um_outfile *f;

    UM_TRY(um_layout_open(&f, dir, "dataset.json"));
    return um_outfile_close(
        f,
        um_outfile_printf(f,
                          "{\n    \"name\": \"AMOS\",\n    \"modality\": {\"0\": \"CT\"},\n"
                          "    \"training\": [%s\n    ],\n    \"validation\": [%s\n    ]\n}\n",
                          *text[0] ? text[0] + 1 : "", *text[1] ? text[1] + 1 : ""),
        0);
}

const struct um_layout um_layout_amos = { .name   = "amos",
                                          .table  = { "training", "validation" },
                                          .files  = amos_files,
                                          .rows   = amos_rows,
                                          .finish = amos_finish };
