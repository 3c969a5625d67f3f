/* fuzz_image.c - libFuzzer target: any bytes as a JPEG or PNG, also by levels, laid upright and
 * made a square */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "grid/area.h"
#include "grid/turn.h"
#include "media/exif.h"
#include "media/jpeg.h"
#include "media/png.h"

enum { PIXELS = 1 << 18, SIDE = 16 };

static void use(struct um_arena *a, const struct um_grey *g)
{
    uint8_t      *out = um_alloc(a, (size_t)SIDE * SIDE);
    struct um_fit fit;

    if (g->width < 1 || g->height < 1 || g->width * g->height > PIXELS)
        fuzz_wrong("more pixels than allowed");
    fit = um_fit_pad(g->file_width, g->file_height, SIDE);
    if (!out || um_grey_square(a, g, &fit, UM_FILTER_AREA, SIDE, out) < 0)
        fuzz_wrong("read but of no use");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct um_image_opts opts[] = { { .max_pixels = PIXELS },
                                          { .max_pixels = PIXELS, .fast_side = 2 * (int64_t)SIDE },
                                          { .max_pixels = PIXELS,
                                            .levels     = { 40950000, -12345 } } };
    const bool                 png    = n > 0 && data[0] == 0x89;
    const int                  up     = um_exif_orientation(data, n);

    if (up < 1 || up > 8)
        fuzz_wrong("no such orientation");
    for (int way = 0; way < 2; way++) {
        struct um_arena *a = fuzz_arena();
        struct um_grey   g = { 0 };
        int              st;

        st = png ? um_png_read(a, data, n, &opts[2 * way], &g)
                 : um_jpeg_read(a, data, n, &opts[way], &g);
        fuzz_refused(st);
        if (st < 0)
            continue;
        if ((png || !way) && um_grey_turn(a, up, &g) < 0)
            fuzz_wrong("read but cannot be turned");
        use(a, &g);
    }
    return 0;
}
