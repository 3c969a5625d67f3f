/* exif.c - one tag out of a JPEG's or PNG's metadata */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/exif.h"

#include <stdbool.h>
#include <string.h>

enum { UPRIGHT = 1, LAST = 8, TAG = 0x0112, SHORT = 3, ENTRY = 12 };

/* a block in TIFF's form: byte order, where the first directory is, its entries */
struct tiff {
    const uint8_t *p;
    size_t         n;
    bool           big;
};

static uint32_t get(const struct tiff *t, size_t at, int bytes)
{
    uint32_t v = 0;

    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)t->p[at + (size_t)i] << 8 * (t->big ? bytes - 1 - i : i);
    return v;
}

static int in_tiff(const uint8_t *p, size_t n)
{
    struct tiff t = { p, n, n > 0 && p[0] == 'M' };
    size_t      at, count;

    if (n < 8 || (memcmp(p, "II*\0", 4) != 0 && memcmp(p, "MM\0*", 4) != 0))
        return UPRIGHT;
    at = get(&t, 4, 4);
    if (at > n - 2)
        return UPRIGHT;
    count = get(&t, at, 2);
    at += 2;
    for (size_t i = 0; i < count && n - at >= ENTRY; i++, at += ENTRY) {
        if (get(&t, at, 2) != TAG)
            continue;
        const uint32_t v = get(&t, at + 8, 2);

        return get(&t, at + 2, 2) == SHORT && get(&t, at + 4, 4) == 1 && v >= 1 && v <= LAST
                   ? (int)v
                   : UPRIGHT;
    }
    return UPRIGHT;
}

/* segments up to the first scan; fill bytes may stand before a marker */
static int in_jpeg(const uint8_t *p, size_t n)
{
    size_t at = 2;

    while (n - at >= 4 && p[at] == 0xff) {
        const uint8_t marker = p[at + 1];
        const size_t  size   = (size_t)p[at + 2] << 8 | p[at + 3];

        if (marker == 0xff) {
            at++;
            continue;
        }
        if (marker == 0xda || marker == 0xd9 || size < 2 || size > n - at - 2)
            return UPRIGHT;
        if (marker == 0xe1 && size >= 8 && memcmp(p + at + 4, "Exif\0", 5) == 0)
            return in_tiff(p + at + 10, size - 8);
        at += 2 + size;
    }
    return UPRIGHT;
}

static int in_png(const uint8_t *p, size_t n)
{
    size_t at = 8;

    while (n - at >= 12) {
        const size_t size =
            (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 | (size_t)p[at + 2] << 8 | p[at + 3];

        if (size > n - at - 12)
            return UPRIGHT;
        if (memcmp(p + at + 4, "eXIf", 4) == 0)
            return in_tiff(p + at + 8, size);
        at += 12 + size;
    }
    return UPRIGHT;
}

int um_exif_orientation(const uint8_t *bytes, size_t n)
{
    if (n >= 4 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        return in_jpeg(bytes, n);
    if (n >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return in_png(bytes, n);
    return UPRIGHT;
}
