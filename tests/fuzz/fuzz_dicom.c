/* fuzz_dicom.c - libFuzzer target: any bytes as a DICOM file, a picture and a volume
 *
 * Read as the beginning of a longer file too. Codings that um does not know itself go to GDCM, in a
 * process of its own that may fall; then the file is refused.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "grid/orient.h"
#include "media/dicom.h"
#include "media/dicom_grey.h"
#include "media/series.h"

enum { PIXELS = 1 << 16 };

extern volatile uint8_t sink;
volatile uint8_t        sink; /* so that every pixel is looked at */

/* what a series asks of a file's first bytes */
static void header(struct um_arena *a, const uint8_t *data, size_t n)
{
    const size_t    head = n / 2;
    uint8_t        *copy = fuzz_copy(data, head);
    struct um_dicom d;
    const int       st = um_dicom_open(a, copy, head, n, PIXELS, &d);

    fuzz_refused(st);
    if (st == UM_OK && d.has_pixels && (d.pixels_at > n || d.pixels_n > n) && !d.inside)
        fuzz_wrong("pixels outside the file");
    free(copy);
}

static void picture(struct um_arena *a, const uint8_t *data, size_t n, bool window)
{
    const struct um_image_opts opts = { .max_pixels = PIXELS, .dicom_window = window };
    uint8_t                   *copy = fuzz_copy(data, n);
    struct um_grey             g;
    const int                  st = um_dicom_grey(a, copy, n, &opts, &g);

    fuzz_refused(st);
    if (st >= 0 && (g.width < 1 || g.height < 1 || g.width * g.height > PIXELS))
        fuzz_wrong("a picture of other sizes than allowed");
    for (int64_t i = 0; st >= 0 && i < g.width * g.height; i++)
        sink = g.px[i];
    free(copy);
}

static void volume(struct um_arena *a, const uint8_t *data, size_t n)
{
    const struct um_scan_opts opts = { .max_voxels = PIXELS, .frame = -1 };
    uint8_t                  *copy = fuzz_copy(data, n);
    struct um_scan            s;
    const int                 st = um_series_frames(a, copy, n, &opts, &s);
    float                    *row;

    fuzz_refused(st);
    if (st >= 0) {
        if (um_volume_orient(&s.volume) < 0 ||
            !(row = um_alloc_array(a, s.volume.dim[2], sizeof *row)))
            fuzz_wrong("read but not turned");
        s.volume.replace = true;
        for (int64_t z = 0; z < s.volume.dim[0]; z++)
            for (int64_t y = 0; y < s.volume.dim[1]; y++)
                if (um_volume_row(&s.volume, z, y, row) < 0)
                    fuzz_wrong("read but of no use");
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct um_arena *a = fuzz_arena();

    if (!um_dicom_is(data, n))
        return 0;
    header(a, data, n);
    picture(a, data, n, false);
    picture(a, data, n, true);
    volume(a, data, n);
    return 0;
}
