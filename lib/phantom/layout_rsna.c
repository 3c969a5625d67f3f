/* layout_rsna.c - the RSNA pneumonia challenge, stage 2: DICOM files, a row for each box
 *
 * Consolidations and nodules stand for opacities. Every sixth picture is MONOCHROME1; the files of
 * cases 11, 28, 45, ... are not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "phantom/layout_int.h"
#include "phantom/save.h"

enum { LABELS, CLASSES, ID = 37 };

static void id_of(const struct um_phantom_case *c, char id[ID])
{
    const uint64_t a = um_layout_hash(c, 0), b = um_layout_hash(c, 1);

    (void)snprintf(id, ID, "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-a%03" PRIx64 "-%012" PRIx64,
                   a >> 32, a & 0xffff, a >> 16 & 0xfff, b & 0xfff, b >> 16);
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    char               id[ID];
    struct um_outfile *f;

    if (c->index % 17 == 11)
        return UM_OK;
    id_of(c, id);
    UM_TRY(um_layout_open(&f, dir, "stage_2_train_images/%s.dcm", id));
    return um_outfile_close(f, um_save_xray_dicom(f, c, id, c->index % 6 == 5), 0);
}

static void rows(FILE *const *table, const struct um_phantom_case *c)
{
    const int opacity[] = { UM_CONSOLIDATION, UM_NODULE };
    bool      any = false, sick = false;
    char      id[ID];

    id_of(c, id);
    for (int i = 0; i < UM_FINDINGS; i++)
        sick = sick || c->lesion[i].present;
    for (int i = 0; i < 2; i++) {
        const struct um_lesion *l = &c->lesion[opacity[i]];

        if (!l->present)
            continue;
        any = true;
        (void)fprintf(table[LABELS], "%s,%.1f,%.1f,%.1f,%.1f,1\n", id, l->box[0], l->box[1],
                      l->box[2] - l->box[0], l->box[3] - l->box[1]);
        (void)fprintf(table[CLASSES], "%s,Lung Opacity\n", id);
    }
    if (any)
        return;
    (void)fprintf(table[LABELS], "%s,,,,,0\n", id);
    (void)fprintf(table[CLASSES], "%s,%s\n", id, sick ? "No Lung Opacity / Not Normal" : "Normal");
}

const struct um_layout um_layout_rsna = {
    .name  = "rsna",
    .table = { "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv" },
    .head  = { "patientId,x,y,width,height,Target\n", "patientId,class\n" },
    .files = files,
    .rows  = rows
};
