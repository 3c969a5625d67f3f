/* dicom_test.h - DICOM files made by hand, element by element */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TEST_DICOM_H
#define UM_TEST_DICOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DICOM_ROOM = 1 << 16 };

/* a file under way */
struct dcm {
    uint8_t bytes[DICOM_ROOM];
    size_t  n;
    bool    implicit, big;
};

static inline void dcm_u16(struct dcm *d, unsigned v)
{
    d->bytes[d->n++] = (uint8_t)(d->big ? v >> 8 : v);
    d->bytes[d->n++] = (uint8_t)(d->big ? v : v >> 8);
}

static inline void dcm_u32(struct dcm *d, uint32_t v)
{
    dcm_u16(d, d->big ? v >> 16 : v & 0xffff);
    dcm_u16(d, d->big ? v & 0xffff : v >> 16);
}

/* tag, VR and a length that need not be true */
static inline void dcm_head(struct dcm *d, uint32_t tag, const char *vr, uint32_t length)
{
    dcm_u16(d, tag >> 16);
    dcm_u16(d, tag & 0xffff);
    if (d->implicit || tag >> 16 == 0xfffe) {
        dcm_u32(d, length);
        return;
    }
    d->bytes[d->n++] = (uint8_t)vr[0];
    d->bytes[d->n++] = (uint8_t)vr[1];
    if (strstr("OB OW SQ UN UT", vr)) {
        dcm_u16(d, 0);
        dcm_u32(d, length);
    } else {
        dcm_u16(d, length);
    }
}

static inline void dcm_bytes(struct dcm *d, const void *data, size_t n)
{
    memcpy(d->bytes + d->n, data, n);
    d->n += n;
}

static inline void dcm_text(struct dcm *d, uint32_t tag, const char *vr, const char *text)
{
    const size_t n = strlen(text);

    dcm_head(d, tag, vr, (uint32_t)(n + n % 2));
    dcm_bytes(d, text, n);
    if (n % 2)
        d->bytes[d->n++] = ' ';
}

static inline void dcm_number(struct dcm *d, uint32_t tag, unsigned v)
{
    dcm_head(d, tag, "US", 2);
    dcm_u16(d, v);
}

/* preamble and group 2, which is explicit and little endian whatever follows */
static inline void dcm_begin(struct dcm *d, const char *syntax)
{
    memset(d, 0, sizeof *d);
    memcpy(d->bytes + 128, "DICM", 4);
    d->n = 132;
    dcm_text(d, 0x00020010, "UI", syntax);
    d->implicit = strcmp(syntax, "1.2.840.10008.1.2") == 0;
    d->big      = strcmp(syntax, "1.2.840.10008.1.2.2") == 0;
}

/* what the numbers before the pixels say */
struct dcm_kind {
    unsigned    rows, columns, allocated, stored, high, is_signed, samples;
    const char *photometric; /* NULL: MONOCHROME2 */
};

static inline void dcm_kind(struct dcm *d, const struct dcm_kind *k)
{
    dcm_number(d, 0x00280002, k->samples ? k->samples : 1);
    dcm_text(d, 0x00280004, "CS", k->photometric ? k->photometric : "MONOCHROME2");
    if (k->samples == 3)
        dcm_number(d, 0x00280006, 0);
    dcm_number(d, 0x00280010, k->rows);
    dcm_number(d, 0x00280011, k->columns);
    dcm_number(d, 0x00280100, k->allocated);
    dcm_number(d, 0x00280101, k->stored);
    dcm_number(d, 0x00280102, k->high);
    dcm_number(d, 0x00280103, k->is_signed);
}

/* native 16-bit values in the file's byte order */
static inline void dcm_values(struct dcm *d, const uint16_t *v, size_t n)
{
    dcm_head(d, 0x7fe00010, "OW", (uint32_t)(2 * n));
    for (size_t i = 0; i < n; i++)
        dcm_u16(d, v[i]);
}

/* one frame in `parts` fragments, behind an empty offset table */
static inline void dcm_fragments(struct dcm *d, const uint8_t *code, size_t n, size_t parts)
{
    dcm_head(d, 0x7fe00010, "OB", 0xffffffff);
    dcm_head(d, 0xfffee000, "", 0);
    for (size_t i = 0; i < parts; i++) {
        const size_t from = i * n / parts / 2 * 2,
                     to   = i + 1 < parts ? (i + 1) * n / parts / 2 * 2 : n;

        dcm_head(d, 0xfffee000, "", (uint32_t)(to - from + (to - from) % 2));
        dcm_bytes(d, code + from, to - from);
        if ((to - from) % 2)
            d->bytes[d->n++] = 0;
    }
    dcm_head(d, 0xfffee0dd, "", 0);
}

#endif
