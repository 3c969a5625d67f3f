/* save_series.c - a CT as a folder of DICOM slices
 *
 * Stored: HU + 1024 in 16 signed bits, as many scanners do. The study's identifier is made from the
 * voxels of all slices, that of the series from the study's.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "media/dicom_write.h"
#include "media/lps.h"
#include "phantom/save_int.h"

enum { PATH_LEN = 4096, AIR = 1024 };

static int slice_path(char *path, const char *folder, int64_t z)
{
    const int n = snprintf(path, PATH_LEN, "%s/%04lld.dcm", folder, (long long)z + 1);

    return n < PATH_LEN ? UM_OK : um_fail(UM_ERANGE, "%s: the path is too long", folder);
}

/* slices of a longer series that lay here before would join this one */
static int remove_slices(const char *folder, int64_t from)
{
    char path[PATH_LEN];

    for (;; from++) {
        UM_TRY(slice_path(path, folder, from));
        if (unlink(path) != 0)
            return errno == ENOENT ? UM_OK : um_fail_errno("%s", path);
    }
}

static int write_slice(const char *folder, int64_t z, struct um_dicom_out *o)
{
    char               path[PATH_LEN];
    struct um_outfile *f;

    o->instance = (int)z + 1;
    UM_TRY(slice_path(path, folder, z));
    UM_TRY(um_outfile_open(&f, path));
    return um_outfile_close(f, um_dicom_write(f, o), 0);
}

int um_save_series(const char *folder, const char *patient, const struct um_meta_out *v,
                   int16_t *px)
{
    const int64_t plane = v->height * v->width, n = plane * v->depth;
    struct um_lps lps;
    char          hex[UM_HASH_HEX], study[UM_DICOM_UID];

    um_hash_bytes_hex(px, (size_t)n * sizeof *px, hex);
    um_dicom_uid(hex, study);
    UM_TRY(um_lps_of(v->affine, &lps));
    UM_TRY(um_mkdirs(folder));
    for (int64_t i = 0; i < n; i++)
        px[i] = (int16_t)(px[i] + AIR);
    struct um_dicom_out o = { .rows        = v->height,
                              .columns     = v->width,
                              .bits        = 16,
                              .is_signed   = true,
                              .modality    = "CT",
                              .study_uid   = study,
                              .patient     = patient,
                              .description = "um-phantom",
                              .spacing     = { lps.spacing[1], lps.spacing[0] },
                              .geometry    = true,
                              .thickness   = lps.spacing[2],
                              .slope       = 1,
                              .inter       = -AIR,
                              .center      = -600,
                              .width       = 1500 };
    memcpy(o.orientation, lps.direction[0], sizeof lps.direction[0]);
    memcpy(o.orientation + 3, lps.direction[1], sizeof lps.direction[1]);
    for (int64_t z = 0; z < v->depth; z++) {
        o.pixels = px + z * plane;
        for (int r = 0; r < 3; r++)
            o.position[r] = lps.origin[r] + (double)z * lps.spacing[2] * lps.direction[2][r];
        UM_TRY(write_slice(folder, z, &o));
    }
    return remove_slices(folder, v->depth);
}
