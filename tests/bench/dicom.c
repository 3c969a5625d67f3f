/* dicom.c - seconds to read a folder of DICOM slices into memory, as one volume
 *
 * usage: dicom FOLDER          prints seconds, slices, rows, columns
 *        dicom -w FOLDER N S   writes N slices of S x S int16, uncompressed (an ellipse, noise)
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "media/dicom_write.h"
#include "media/image.h"

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int read_once(const char *folder)
{
    const struct um_scan_opts opts = { .max_voxels = 1 << 30, .frame = -1 };
    struct um_arena          *a;
    struct um_image           im;
    struct um_scan            scan;
    const double              begin = now();

    UM_TRY(um_arena_new(&a));
    UM_TRY(um_image_open(a, folder, opts.max_voxels, &im));
    UM_TRY(um_image_volume(a, &im, &opts, &scan));
    printf("%.4f\t%lld\t%lld\t%lld\n", now() - begin, (long long)scan.volume.dim[0],
           (long long)scan.volume.dim[1], (long long)scan.volume.dim[2]);
    um_arena_free(a);
    return UM_OK;
}

/* air, a body with a rim, and noise of 6 bits as scanners have it */
static void slice(int16_t *px, int side, int z)
{
    uint32_t r = (uint32_t)z * 7919 + 1;

    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            const double u = 2.0 * x / side - 1, v = 2.0 * y / side - 1, d = u * u + 2 * v * v;

            r                = r * 1664525 + 1013904223;
            px[y * side + x] = (int16_t)((d < 0.3 ? -800 : d < 0.8 ? 40 : -1000) + (int)(r >> 26));
        }
}

static int write_all(const char *folder, int n, int side)
{
    int16_t *px = malloc((size_t)side * (size_t)side * sizeof *px);

    if (!px)
        return um_fail(UM_ENOMEM, "out of memory");
    UM_TRY(um_mkdirs(folder));
    for (int z = 0; z < n; z++) {
        const struct um_dicom_out o = { .pixels      = px,
                                        .rows        = side,
                                        .columns     = side,
                                        .bits        = 16,
                                        .is_signed   = true,
                                        .modality    = "CT",
                                        .study_uid   = "2.25.1",
                                        .series_uid  = "2.25.2",
                                        .instance    = z + 1,
                                        .spacing     = { 0.7, 0.7 },
                                        .geometry    = true,
                                        .position    = { -100, -100, 1.25 * z },
                                        .orientation = { 1, 0, 0, 0, 1, 0 },
                                        .thickness   = 1.25,
                                        .slope       = 1 };
        struct um_outfile        *f;
        char                      path[4096];

        slice(px, side, z);
        (void)snprintf(path, sizeof path, "%s/%04d.dcm", folder, z);
        UM_TRY(um_outfile_open(&f, path));
        UM_TRY(um_outfile_close(f, um_dicom_write(f, &o), 0));
    }
    free(px);
    return UM_OK;
}

int main(int argc, char **argv)
{
    int st = UM_EUSAGE;

    if (argc == 2)
        st = read_once(argv[1]);
    else if (argc == 5 && strcmp(argv[1], "-w") == 0)
        st = write_all(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (st < 0)
        (void)fprintf(stderr, "dicom: %s\n",
                      st == UM_EUSAGE ? "usage: dicom FOLDER | -w FOLDER N S" : um_errmsg());
    return st < 0;
}
