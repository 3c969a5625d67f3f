/* dicom_write.c - data elements in the order of their tags, then the pixels */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dicom_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

enum { ROOM = 4096, TEXT_MAX = 64, SIDE_MAX = 65535, DS_MAX = 16 };

#define UID "1.2.840.10008."

/* a header under way; `st` keeps the first failure */
struct head {
    uint8_t bytes[ROOM];
    size_t  n;
    int     st;
};

static void put16(struct head *h, unsigned v)
{
    h->bytes[h->n++] = (uint8_t)v;
    h->bytes[h->n++] = (uint8_t)(v >> 8);
}

static void put32(struct head *h, uint32_t v)
{
    put16(h, v & 0xffff);
    put16(h, v >> 16);
}

/* one element; an odd length is filled up with `pad` */
static void element(struct head *h, uint32_t tag, const char vr[2], const void *data, size_t n,
                    char pad)
{
    const bool wide = memcmp(vr, "OB", 2) == 0;

    if (h->st < 0)
        return;
    if (h->n + n + 16 > ROOM) {
        h->st = um_fail(UM_ERANGE, "DICOM: the header grows over %d bytes", ROOM);
        return;
    }
    put16(h, tag >> 16);
    put16(h, tag & 0xffff);
    h->bytes[h->n++] = (uint8_t)vr[0];
    h->bytes[h->n++] = (uint8_t)vr[1];
    if (wide) {
        put16(h, 0);
        put32(h, (uint32_t)(n + n % 2));
    } else {
        put16(h, (unsigned)(n + n % 2));
    }
    memcpy(h->bytes + h->n, data, n);
    h->n += n;
    if (n % 2)
        h->bytes[h->n++] = (uint8_t)pad;
}

/* text may be NULL: an element without a value */
static void text(struct head *h, uint32_t tag, const char vr[2], const char *s)
{
    const size_t n = s ? strlen(s) : 0;

    if (h->st < 0)
        return;
    if (n > TEXT_MAX)
        h->st = um_fail(UM_ERANGE, "DICOM: a text of %zu bytes, at most %d", n, TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < ' ' || s[i] == 127)
            h->st = um_fail(UM_EFORMAT, "DICOM: a control character in a text");
    element(h, tag, vr, s ? s : "", n, memcmp(vr, "UI", 2) == 0 ? 0 : ' ');
}

/* free text, which a backslash would cut into several values */
static void words(struct head *h, uint32_t tag, const char vr[2], const char *s)
{
    if (h->st >= 0 && s && strchr(s, '\\'))
        h->st = um_fail(UM_EFORMAT, "DICOM: a backslash in a text");
    text(h, tag, vr, s);
}

static void number(struct head *h, uint32_t tag, unsigned v)
{
    const uint8_t two[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

    element(h, tag, "US", two, 2, 0);
}

/* decimal strings of at most 16 characters, as many digits as fit */
static void decimals(struct head *h, uint32_t tag, const double *v, int n)
{
    char   all[6 * (DS_MAX + 1) + 1];
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        char one[64];
        int  digits = 15;

        if (!isfinite(v[i])) {
            h->st = h->st < 0 ? h->st : um_fail(UM_ENONFINITE, "DICOM: %g in the header", v[i]);
            return;
        }
        while (snprintf(one, sizeof one, "%.*g", digits, v[i]) > DS_MAX)
            digits--;
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i ? "\\" : "", one);
    }
    element(h, tag, "DS", all, len, ' ');
}

static void integer(struct head *h, uint32_t tag, int v)
{
    char one[16];

    (void)snprintf(one, sizeof one, "%d", v);
    text(h, tag, "IS", one);
}

void um_dicom_uid(const char *from, char uid[UM_DICOM_UID])
{
    char     hex[UM_HASH_HEX], digits[40];
    uint32_t part[4];
    int      n = 0;

    um_hash_bytes_hex(from, strlen(from), hex);
    for (int i = 0; i < 4; i++) {
        unsigned v = 0;

        (void)sscanf(hex + 8 * (size_t)i, "%8x", &v);
        part[i] = v;
    }
    do { /* 128 bits divided by ten until nothing is left */
        uint64_t rest = 0;

        for (int i = 0; i < 4; i++) {
            rest    = rest << 32 | part[i];
            part[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        digits[n++] = (char)('0' + rest);
    } while (part[0] | part[1] | part[2] | part[3]);
    memcpy(uid, "2.25.", 5);
    for (int i = 0; i < n; i++)
        uid[5 + i] = digits[n - 1 - i];
    uid[5 + n] = '\0';
}

static bool is(const struct um_dicom_out *v, const char *modality)
{
    return v->modality && strcmp(v->modality, modality) == 0;
}

static const char *sop_class(const struct um_dicom_out *v)
{
    return is(v, "CT")   ? UID "5.1.4.1.1.2"
           : is(v, "DX") ? UID "5.1.4.1.1.1.1"
           : is(v, "CR") ? UID "5.1.4.1.1.1"
                         : UID "5.1.4.1.1.7";
}

struct uids {
    char study[UM_DICOM_UID], series[UM_DICOM_UID], sop[UM_DICOM_UID];
};

/* what is not given is made: of the pixels, and of the level above */
static void make_uids(const struct um_dicom_out *v, size_t bytes, struct uids *u)
{
    char hex[UM_HASH_HEX], line[3 * UM_DICOM_UID + UM_HASH_HEX];

    um_hash_bytes_hex(v->pixels, bytes, hex);
    um_dicom_uid(hex, u->study);
    if (v->study_uid)
        (void)snprintf(u->study, sizeof u->study, "%s", v->study_uid);
    (void)snprintf(line, sizeof line, "series %s", u->study);
    um_dicom_uid(line, u->series);
    if (v->series_uid)
        (void)snprintf(u->series, sizeof u->series, "%s", v->series_uid);
    (void)snprintf(line, sizeof line, "%s %d %s", u->series, v->instance, hex);
    um_dicom_uid(line, u->sop);
    if (v->sop_uid)
        (void)snprintf(u->sop, sizeof u->sop, "%s", v->sop_uid);
}

/* group 2, behind 128 zeros; its first element says how long the rest of it is */
static void put_meta(struct head *h, const struct um_dicom_out *v, const struct uids *u)
{
    static const uint8_t four[4] = { 0 }, version[2] = { 0, 1 };
    size_t               at;

    memset(h->bytes, 0, 128);
    memcpy(h->bytes + 128, "DICM", 4);
    h->n = 132;
    element(h, 0x00020000, "UL", four, 4, 0);
    at = h->n;
    element(h, 0x00020001, "OB", version, 2, 0);
    text(h, 0x00020002, "UI", sop_class(v));
    text(h, 0x00020003, "UI", u->sop);
    text(h, 0x00020010, "UI", UID "1.2.1");
    text(h, 0x00020012, "UI", "2.25.7237");
    h->bytes[at - 4] = (uint8_t)(h->n - at);
    h->bytes[at - 3] = (uint8_t)((h->n - at) >> 8);
}

static void put_study(struct head *h, const struct um_dicom_out *v, const struct uids *u)
{
    text(h, 0x00080005, "CS", "ISO_IR 192");
    text(h, 0x00080008, "CS", is(v, "CT") ? "ORIGINAL\\PRIMARY\\AXIAL" : "ORIGINAL\\PRIMARY");
    text(h, 0x00080016, "UI", sop_class(v));
    text(h, 0x00080018, "UI", u->sop);
    text(h, 0x00080020, "DA", NULL);
    text(h, 0x00080030, "TM", NULL);
    text(h, 0x00080050, "SH", NULL);
    words(h, 0x00080060, "CS", v->modality ? v->modality : "OT");
    text(h, 0x00080070, "LO", NULL);
    text(h, 0x00080090, "PN", NULL);
    if (v->description)
        words(h, 0x0008103e, "LO", v->description);
    words(h, 0x00100010, "PN", v->patient);
    words(h, 0x00100020, "LO", v->patient);
    text(h, 0x00100030, "DA", NULL);
    text(h, 0x00100040, "CS", NULL);
    if (v->thickness != 0)
        decimals(h, 0x00180050, &v->thickness, 1);
    if (is(v, "CT"))
        text(h, 0x00180060, "DS", NULL);
    if (v->view)
        words(h, 0x00185101, "CS", v->view);
}

static void put_series(struct head *h, const struct um_dicom_out *v, const struct uids *u)
{
    char frame[UM_DICOM_UID];

    um_dicom_uid(u->study, frame);
    text(h, 0x0020000d, "UI", u->study);
    text(h, 0x0020000e, "UI", u->series);
    text(h, 0x00200010, "SH", NULL);
    integer(h, 0x00200011, 1);
    integer(h, 0x00200013, v->instance);
    if (!v->geometry)
        return;
    decimals(h, 0x00200032, v->position, 3);
    decimals(h, 0x00200037, v->orientation, 6);
    text(h, 0x00200052, "UI", frame);
    text(h, 0x00201040, "LO", NULL);
}

static void put_pixels(struct head *h, const struct um_dicom_out *v)
{
    number(h, 0x00280002, 1);
    text(h, 0x00280004, "CS", v->monochrome1 ? "MONOCHROME1" : "MONOCHROME2");
    number(h, 0x00280010, (unsigned)v->rows);
    number(h, 0x00280011, (unsigned)v->columns);
    if (v->spacing[0] != 0)
        decimals(h, 0x00280030, v->spacing, 2);
    number(h, 0x00280100, v->bits > 8 ? 16 : 8);
    number(h, 0x00280101, (unsigned)v->bits);
    number(h, 0x00280102, (unsigned)v->bits - 1);
    number(h, 0x00280103, v->is_signed);
    if (v->width != 0) {
        decimals(h, 0x00281050, &v->center, 1);
        decimals(h, 0x00281051, &v->width, 1);
    }
    if (v->slope != 0) {
        decimals(h, 0x00281052, &v->inter, 1);
        decimals(h, 0x00281053, &v->slope, 1);
        text(h, 0x00281054, "LO", is(v, "CT") ? "HU" : "US");
    }
}

static int check(const struct um_dicom_out *v)
{
    if (v->rows < 1 || v->rows > SIDE_MAX || v->columns < 1 || v->columns > SIDE_MAX)
        return um_fail(UM_ERANGE, "DICOM: %lld x %lld pixels, sides of 1 to %d can be written",
                       (long long)v->columns, (long long)v->rows, SIDE_MAX);
    if (v->bits < 1 || v->bits > 16)
        return um_fail(UM_ERANGE, "DICOM: %d bits, 1 to 16 can be written", v->bits);
    if (v->geometry && !(v->spacing[0] > 0 && v->spacing[1] > 0))
        return um_fail(UM_EFORMAT, "DICOM: spacing %g x %g mm, must be positive", v->spacing[0],
                       v->spacing[1]);
    for (int i = 0; i < 3; i++) {
        const char *uid = (const char *const[]){ v->study_uid, v->series_uid, v->sop_uid }[i];

        if (uid && (strlen(uid) >= UM_DICOM_UID || strspn(uid, "0123456789.") != strlen(uid)))
            return um_fail(UM_EFORMAT, "DICOM: \"%s\" is not a unique identifier", uid);
    }
    return UM_OK;
}

int um_dicom_write(struct um_outfile *out, const struct um_dicom_out *v)
{
    struct head h = { .n = 0 };
    struct uids u;
    uint8_t     last[12];

    UM_TRY(check(v));
    const size_t n   = (size_t)(v->rows * v->columns) * (v->bits > 8 ? 2 : 1);
    const size_t all = n + n % 2;

    make_uids(v, n, &u);
    put_meta(&h, v, &u);
    put_study(&h, v, &u);
    put_series(&h, v, &u);
    put_pixels(&h, v);
    UM_TRY(h.st);
    memcpy(last, v->bits > 8 ? "\xe0\x7f\x10\0OW\0" : "\xe0\x7f\x10\0OB\0", 8);
    for (int i = 0; i < 4; i++)
        last[8 + i] = (uint8_t)(all >> 8 * i);
    UM_TRY(um_outfile_write(out, h.bytes, h.n));
    UM_TRY(um_outfile_write(out, last, sizeof last));
    UM_TRY(um_outfile_write(out, v->pixels, n)); /* this machine's order is the file's */
    return n % 2 ? um_outfile_write(out, "", 1) : UM_OK;
}
