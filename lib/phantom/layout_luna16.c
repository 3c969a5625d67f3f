/* layout_luna16.c - LUNA16: subset0 to subset9 with .mhd and .raw, annotations.csv
 *
 * Case i lies in subset i mod 10. Every third is compressed (.zraw); the voxels of cases 14, 31,
 * 48, ... are not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "phantom/layout_int.h"

#define UID "1.3.6.1.4.1.14519.5.2.1.6279.6001.%lld"

static long long number(const struct um_phantom_case *c)
{
    return 100000000000 + (long long)(um_layout_hash(c, 0) % 900000) * 1000000 + c->index;
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    const char     *voxels = c->index % 3 == 2 ? "zraw" : "raw";
    const long long subset = c->index % 10, id = number(c);

    UM_TRY(um_layout_ct(c, *voxels == 'z' ? "zraw" : "mhd", dir, "subset%lld/" UID, subset, id));
    return c->index % 17 == 14 ? um_layout_remove(dir, "subset%lld/" UID ".%s", subset, id, voxels)
                               : UM_OK;
}

static void rows(FILE *const *table, const struct um_phantom_case *c)
{
    const struct um_lesion *l = &c->lesion[UM_NODULE];

    if (l->present)
        (void)fprintf(table[0], UID ",%.6f,%.6f,%.6f,%.6f\n", number(c),
                      c->origin[0] + l->at[0] * c->spacing[0],
                      c->origin[1] + l->at[1] * c->spacing[1],
                      c->origin[2] + l->at[2] * c->spacing[2], l->size);
}

const struct um_layout um_layout_luna16 = {
    .name  = "luna16",
    .table = { "annotations.csv" },
    .head  = { "seriesuid,coordX,coordY,coordZ,diameter_mm\n" },
    .files = files,
    .rows  = rows
};
