/* dicom.c - seconds to read a folder of DICOM slices into memory, as one volume
 *
 * usage: dicom FOLDER     prints seconds, slices, rows, columns
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <time.h>

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

int main(int argc, char **argv)
{
    const int st = argc == 2 ? read_once(argv[1]) : UM_EUSAGE;

    if (st < 0)
        (void)fprintf(stderr, "dicom: %s\n", st == UM_EUSAGE ? "usage: dicom FOLDER" : um_errmsg());
    return st < 0;
}
