/* layout_luna16.c - LUNA16: subset0 to subset9 with .mhd and .raw, annotations.csv
 *
 * Case i lies in subset i mod 10. Every third is compressed (.zraw); the voxels of cases 14, 31,
 * 48, ... are not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "media/meta_write.h"
#include "phantom/layout_int.h"
#include "phantom/save.h"

#define UID "1.3.6.1.4.1.14519.5.2.1.6279.6001.%lld"

static long long number(const struct um_phantom_case *c)
{
    return 100000000000 + (long long)(um_layout_hash(c, 0) % 900000) * 1000000 + c->index;
}

static int write_scan(const char *dir, const struct um_phantom_case *c, struct um_meta_out v)
{
    const long long    id = number(c), subset = c->index % 10;
    char               name[128];
    struct um_outfile *head = NULL, *voxels = NULL;
    int                st;

    v.deflate = c->index % 3 == 2;
    v.level   = 1;
    (void)snprintf(name, sizeof name, UID ".%s", id, v.deflate ? "zraw" : "raw");
    v.data_file = name;
    UM_TRY(um_layout_open(&head, dir, "subset%lld/" UID ".mhd", subset, id));
    st = c->index % 17 == 14 ? um_outfile_open(&voxels, "/dev/null")
                             : um_layout_open(&voxels, dir, "subset%lld/%s", subset, name);
    if (st >= 0)
        st = um_meta_write(head, voxels, &v);
    st = um_outfile_close(voxels, st, 0);
    return um_outfile_close(head, st, 0);
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    const int64_t      n      = (int64_t)c->depth * c->height * c->width;
    int16_t           *stored = malloc((size_t)n * sizeof *stored);
    struct um_meta_out v      = { .data = stored, .dtype = UM_I16 };
    int64_t            dim[3];
    double             affine[12];
    int                st;

    if (!stored)
        return um_fail(UM_ENOMEM, "out of memory");
    um_save_stored(c, c->ct, sizeof *stored, stored, dim, affine);
    v.depth  = dim[2];
    v.height = dim[1];
    v.width  = dim[0];
    v.affine = affine;
    st       = write_scan(dir, c, v);
    free(stored);
    return st;
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
