/* layout_folder.c - a folder of one's own: pictures and volumes, reports and masks beside them
 *
 * NAME/chest x-ray.jpg, NAME/ct.nii.gz with NAME/ct_mask.nii.gz; the report of each in a .txt of
 * the same name; table.csv with more about the pictures, some of which are not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "phantom/layout_int.h"

static int report(const char *dir, const char *name, const char *of, const char *said)
{
    char  *text = NULL;
    size_t n;
    FILE  *f = open_memstream(&text, &n);
    int    st;

    if (!f)
        return um_fail(UM_ENOMEM, "out of memory");
    um_layout_report(f, said, "");
    st = fclose(f) == 0 ? um_layout_text(text, dir, "%s/%s.txt", name, of)
                        : um_fail(UM_ENOMEM, "out of memory");
    free(text);
    return st;
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    if (c->index % 11 != 7)
        UM_TRY(um_layout_jpeg(c, dir, "%s/chest x-ray.jpg", c->name));
    if (c->index % 4 != 2)
        UM_TRY(report(dir, c->name, "chest x-ray", c->report_xray));
    if (c->index % 3 != 0)
        return UM_OK;
    UM_TRY(um_layout_nifti(c, c->ct, UM_I16, dir, "%s/ct.nii.gz", c->name));
    UM_TRY(um_layout_nifti(c, c->mask, UM_U8, dir, "%s/ct_mask.nii.gz", c->name));
    return report(dir, c->name, "ct", c->report_ct);
}

static void rows(FILE *const *table, const struct um_phantom_case *c)
{
    (void)fprintf(table[0], "%s/chest x-ray.jpg,PA,%d,\"%s, \"\"%lld\"\"\"\r\n", c->name,
                  c->lesion[UM_EFFUSION].present, "ward 1", (long long)c->index);
}

const struct um_layout um_layout_folder = { .name  = "folder",
                                            .table = { "table.csv" },
                                            .head  = { "\xef\xbb\xbf"
                                                        "file,view,label.effusion,note\r\n" },
                                            .files = files,
                                            .rows  = rows };
