/* dicom_walk.c - tags, value representations and lengths */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dicom_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEEP = 16 };

static const uint32_t undefined = 0xffffffff, item = 0xfffee000, item_end = 0xfffee00d,
                      sequence_end = 0xfffee0dd;

static unsigned u16(const struct um_dicom_walk *w, size_t at)
{
    const uint8_t *p = w->bytes + at;

    return w->big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static uint32_t u32(const struct um_dicom_walk *w, size_t at)
{
    const uint32_t a = u16(w, at), b = u16(w, at + 2);

    return w->big ? a << 16 | b : b << 16 | a;
}

/* 1: n more bytes can be looked at */
static int have(const struct um_dicom_walk *w, size_t n)
{
    if (n > w->total - w->at)
        return um_fail(UM_EFORMAT, "DICOM: cut: an element that begins at byte %zu", w->at);
    return w->at <= w->n && n <= w->n - w->at ? 1 : UM_DICOM_MORE;
}

#define HAVE(w, n)                                                                                 \
    do {                                                                                           \
        const int have_ = have(w, n);                                                              \
        if (have_ != 1)                                                                            \
            return have_;                                                                          \
    } while (0)

/* those have four bytes of length, behind two that are not used */
static bool is_wide(const char *vr)
{
    static const char wide[][3] = { "OB", "OD", "OF", "OL", "OV", "OW", "SQ",
                                    "SV", "UC", "UN", "UR", "UT", "UV" };

    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        if (memcmp(vr, wide[i], 2) == 0)
            return true;
    return false;
}

static int read_length(struct um_dicom_walk *w, struct um_dicom_element *e, uint32_t *length)
{
    const uint8_t *vr = w->bytes + w->at + 4;

    if (w->implicit || e->tag >> 16 == 0xfffe) {
        *length = u32(w, w->at + 4);
        w->at += 8;
        return 1;
    }
    if (vr[0] < 'A' || vr[0] > 'Z' || vr[1] < 'A' || vr[1] > 'Z')
        return um_fail(UM_EFORMAT, "DICOM: element (%04x,%04x) at byte %zu has no VR", e->tag >> 16,
                       e->tag & 0xffff, w->at);
    memcpy(e->vr, vr, 2);
    if (!is_wide(e->vr)) {
        *length = u16(w, w->at + 6);
        w->at += 8;
        return 1;
    }
    HAVE(w, 12);
    *length = u32(w, w->at + 8);
    w->at += 12;
    return 1;
}

/* tag, VR and length; w->at goes on to the value */
static int read_head(struct um_dicom_walk *w, struct um_dicom_element *e)
{
    uint32_t length = 0;

    HAVE(w, 8);
    memset(e, 0, sizeof *e);
    e->tag       = u16(w, w->at) << 16 | u16(w, w->at + 2);
    const int st = read_length(w, e, &length);
    if (st != 1)
        return st;
    e->at        = w->at;
    e->undefined = length == undefined;
    e->implicit  = w->implicit || (e->undefined && strcmp(e->vr, "UN") == 0);
    e->n         = e->undefined ? 0 : length;
    if (e->n > w->total - w->at)
        return um_fail(UM_EFORMAT,
                       "DICOM: cut: element (%04x,%04x) at byte %zu promises %zu bytes, there are "
                       "%zu",
                       e->tag >> 16, e->tag & 0xffff, w->at, e->n, w->total - w->at);
    return 1;
}

static int skip_items(struct um_dicom_walk *w, int deep);

/* over the elements of an item without a length, to behind its delimiter */
static int skip_elements(struct um_dicom_walk *w, int deep)
{
    struct um_dicom_element e;

    for (;;) {
        const int st = read_head(w, &e);

        if (st != 1)
            return st;
        if (e.tag == item_end)
            return 1;
        if (e.undefined) {
            struct um_dicom_walk in = *w;
            in.implicit             = e.implicit;
            const int skipped       = skip_items(&in, deep + 1);

            if (skipped != 1)
                return skipped;
            w->at = in.at;
        }
        w->at += e.n;
    }
}

/* over the items of a sequence without a length, to behind its delimiter */
static int skip_items(struct um_dicom_walk *w, int deep)
{
    struct um_dicom_element e;

    if (deep > DEEP)
        return um_fail(UM_EFORMAT, "DICOM: sequences more than %d deep", DEEP);
    for (;;) {
        const size_t at = w->at;
        int          st = read_head(w, &e);

        if (st == 1 && e.tag == sequence_end)
            return 1;
        if (st == 1 && e.tag != item)
            return um_fail(UM_EFORMAT, "DICOM: no item at byte %zu, inside a sequence", at);
        if (st == 1 && e.undefined)
            st = skip_elements(w, deep);
        if (st != 1)
            return st;
        w->at += e.n;
    }
}

int um_dicom_next(struct um_dicom_walk *w, struct um_dicom_element *e)
{
    int st;

    if (w->at >= w->total)
        return 0;
    st = read_head(w, e);
    if (st != 1)
        return st;
    if (e->tag == item_end || e->tag == sequence_end) {
        w->at = w->total;
        return 0;
    }
    if (e->tag == UM_DICOM_PIXELS) {
        if (e->undefined)
            e->n = w->total - w->at;
        w->at = w->total;
        return 1;
    }
    if (e->undefined) {
        struct um_dicom_walk in = *w;

        in.implicit = e->implicit;
        st          = skip_items(&in, 1);
        if (st != 1)
            return st;
        w->at = in.at;
        e->n  = in.at - 8 - e->at;
        return 1;
    }
    if (e->n > w->n - w->at)
        return UM_DICOM_MORE;
    w->at += e->n;
    return 1;
}

void um_dicom_items(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                    struct um_dicom_walk *items)
{
    *items          = *w;
    items->at       = e->at;
    items->total    = e->at + e->n;
    items->n        = w->n < items->total ? w->n : items->total;
    items->implicit = e->implicit;
}

int um_dicom_item(struct um_dicom_walk *items, struct um_dicom_walk *inside)
{
    struct um_dicom_element e;
    int                     st;

    if (items->total - items->at < 8)
        return 0;
    st = read_head(items, &e);
    if (st != 1 || e.tag == sequence_end)
        return st == 1 ? 0 : st;
    if (e.tag != item)
        return um_fail(UM_EFORMAT, "DICOM: no item at byte %zu, inside a sequence", e.at - 8);
    *inside = *items;
    if (e.undefined) {
        st = skip_elements(items, 1);
        if (st != 1)
            return st;
        inside->total = items->at - 8;
    } else {
        items->at += e.n;
        inside->total = items->at;
    }
    inside->n = inside->n < inside->total ? inside->n : inside->total;
    return 1;
}

int um_dicom_find(struct um_dicom_walk w, uint32_t tag, struct um_dicom_element *e)
{
    int st;

    while ((st = um_dicom_next(&w, e)) == 1)
        if (e->tag == tag)
            return 1;
    return st;
}

/* ---- values ---- */

/* how many of the value's bytes are in memory */
static size_t present(const struct um_dicom_walk *w, const struct um_dicom_element *e)
{
    const size_t here = e->at < w->n ? w->n - e->at : 0;

    return e->n < here ? e->n : here;
}

bool um_dicom_u16(const struct um_dicom_walk *w, const struct um_dicom_element *e, size_t i,
                  unsigned *v)
{
    if (i >= present(w, e) / 2)
        return false;
    *v = u16(w, e->at + 2 * i);
    return true;
}

void um_dicom_text(const struct um_dicom_walk *w, const struct um_dicom_element *e, char *text,
                   size_t size)
{
    const char *p = (const char *)w->bytes + e->at;
    size_t      n = present(w, e);

    while (n > 0 && (*p == ' ' || *p == '\0')) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\0'))
        n--;
    n = n < size ? n : size - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = (unsigned char)p[i] < ' ' || p[i] == 127 ? '?' : p[i];
    text[n] = '\0';
}

int um_dicom_numbers(const struct um_dicom_walk *w, const struct um_dicom_element *e, double *v,
                     int most)
{
    char text[512], *p = text;

    um_dicom_text(w, e, text, sizeof text);
    for (int i = 0;; i++) {
        char        *end;
        const double x = strtod(p, &end);

        if (end == p || !isfinite(x))
            return i;
        if (i < most)
            v[i] = x;
        for (p = end; *p == ' '; p++)
            ;
        if (*p != '\\')
            return *p ? i : i + 1; /* 12abc is no number */
        p++;
    }
}
