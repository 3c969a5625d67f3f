/* dicom.c - the header of a DICOM file */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dicom.h"
#include "media/dicom_raw.h"

#include <string.h>

#include <libdeflate.h>

enum { PREAMBLE = 128, RATIO = 1032, INFLATED_MORE = 1 << 24 };

#define STORED "1.2.840.10008.5.1.4.1.1."
#define CT_SLICE STORED "2"
#define UID "1.2.840.10008.1.2"

static const struct syntax {
    const char          *uid, *name;
    enum um_dicom_coding coding;
    bool                 implicit, big, deflated;
} syntaxes[] = {
    { UID, "implicit VR little endian", UM_DICOM_NATIVE, true, false, false },
    { UID ".1", "explicit VR little endian", UM_DICOM_NATIVE, false, false, false },
    { UID ".1.99", "deflated", UM_DICOM_NATIVE, false, false, true },
    { UID ".2", "explicit VR big endian", UM_DICOM_NATIVE, false, true, false },
    { UID ".5", "RLE", UM_DICOM_RLE, false, false, false },
    { UID ".4.50", "JPEG baseline", UM_DICOM_JPEG, false, false, false },
    { UID ".4.51", "JPEG extended", UM_DICOM_JPEG, false, false, false },
    { UID ".4.57", "JPEG lossless", UM_DICOM_LOSSLESS, false, false, false },
    { UID ".4.70", "JPEG lossless", UM_DICOM_LOSSLESS, false, false, false },
    { UID ".4.80", "JPEG-LS", UM_DICOM_JPEG_LS, false, false, false },
    { UID ".4.81", "JPEG-LS", UM_DICOM_JPEG_LS, false, false, false },
    { UID ".4.90", "JPEG 2000", UM_DICOM_JPEG_2000, false, false, false },
    { UID ".4.91", "JPEG 2000", UM_DICOM_JPEG_2000, false, false, false },
};

static const struct syntax *syntax_of(const char *uid)
{
    for (size_t i = 0; i < sizeof syntaxes / sizeof syntaxes[0]; i++)
        if (strcmp(uid, syntaxes[i].uid) == 0)
            return &syntaxes[i];
    return NULL;
}

/* ---- where the data set begins ---- */

static bool has_preamble(const uint8_t *bytes, size_t n)
{
    return n >= PREAMBLE + 4 && memcmp(bytes + PREAMBLE, "DICM", 4) == 0;
}

static bool is_vr(const uint8_t *p)
{
    return p[0] >= 'A' && p[0] <= 'Z' && p[1] >= 'A' && p[1] <= 'Z';
}

/* without the preamble: group 2 or 8 first, with a VR or a short length */
bool um_dicom_is(const uint8_t *bytes, size_t n)
{
    if (has_preamble(bytes, n))
        return true;
    return n >= 132 && (bytes[0] == 2 || bytes[0] == 8) && bytes[1] == 0 && bytes[3] == 0 &&
           (is_vr(bytes + 4) ||
            (bytes[0] == 8 && bytes[4] <= 64 && bytes[5] == 0 && bytes[6] == 0 && bytes[7] == 0));
}

/* group 2, always explicit and little endian; what follows it begins at *at */
static int read_meta(const uint8_t *bytes, size_t n, size_t total, char *uid, size_t size,
                     struct um_dicom *d, size_t *at)
{
    struct um_dicom_walk    w = { .bytes = bytes, .n = n, .total = total };
    struct um_dicom_element e;

    w.at = has_preamble(bytes, n) ? PREAMBLE + 4 : 0;
    *uid = '\0';
    for (;;) {
        *at = w.at;
        if (total - w.at < 8)
            return UM_OK;
        if (n < w.at + 8)
            return UM_DICOM_MORE;
        if (bytes[w.at] != 2 || bytes[w.at + 1] != 0)
            return UM_OK;
        const int st = um_dicom_next(&w, &e);
        if (st != 1)
            return st;
        if (e.tag == 0x00020010)
            um_dicom_text(&w, &e, uid, size);
        if (e.tag == 0x00020002)
            um_dicom_text(&w, &e, d->sop_class, sizeof d->sop_class);
        if (e.tag == 0x00020003)
            um_dicom_text(&w, &e, d->instance_uid, sizeof d->instance_uid);
    }
}

bool um_dicom_is_volume(const uint8_t *bytes, size_t n)
{
    static const char *const enhanced[] = { "1.1.2.1", "1.1.2.2", "1.1.4.1", "1.1.4.4" };
    struct um_dicom_walk     w          = { .bytes = bytes, .n = n, .total = n };
    struct um_dicom_element  e;
    char                     uid[UM_DICOM_UID_MAX];

    w.at = has_preamble(bytes, n) ? PREAMBLE + 4 : 0;
    if (um_dicom_find(w, 0x00020002, &e) != 1)
        return false;
    um_dicom_text(&w, &e, uid, sizeof uid);
    for (size_t i = 0; i < sizeof enhanced / sizeof enhanced[0]; i++)
        if (strncmp(uid, "1.2.840.10008.5.1.4.", 20) == 0 && strcmp(uid + 20, enhanced[i]) == 0)
            return true;
    return false;
}

/* the rest of the file is a raw deflate stream; no more is taken than it can hold */
static int inflate_rest(struct um_arena *a, const uint8_t *in, size_t n, int64_t max_pixels,
                        struct um_dicom_walk *w)
{
    struct libdeflate_decompressor *z   = libdeflate_alloc_decompressor();
    const size_t                    max = (size_t)max_pixels * 8 + INFLATED_MORE;
    size_t                          cap = n < max / 4 ? 4 * n + 4096 : max, got = 0;
    int                             st = z ? UM_OK : um_fail(UM_ENOMEM, "DICOM: out of memory");

    while (st == UM_OK) {
        const struct um_mark         mark = um_arena_mark(a);
        uint8_t                     *out  = um_alloc(a, cap);
        const enum libdeflate_result r =
            out ? libdeflate_deflate_decompress(z, in, n, out, cap, &got) : LIBDEFLATE_SUCCESS;

        if (!out) {
            st = UM_ENOMEM;
        } else if (r == LIBDEFLATE_SUCCESS) {
            *w = (struct um_dicom_walk){ .bytes = out, .n = got, .total = got };
            break;
        } else if (r != LIBDEFLATE_INSUFFICIENT_SPACE) {
            st = um_fail(UM_EFORMAT, "DICOM: deflated: cut or damaged");
        } else if (cap >= max || cap / RATIO > n) {
            st = um_fail(UM_ERANGE, "DICOM: deflated: more than %zu bytes inside", cap);
        }
        um_arena_rewind(a, mark);
        cap = cap < max / 4 ? 4 * cap : max;
    }
    libdeflate_free_decompressor(z);
    return st;
}

/* some files are written otherwise than they say: the first element shows how */
static void believe_bytes(struct um_dicom_walk *w)
{
    if (w->n - w->at >= 8 && !w->big)
        w->implicit = !is_vr(w->bytes + w->at + 4);
}

static int open_data(struct um_arena *a, const uint8_t *bytes, size_t n, size_t total,
                     int64_t max_pixels, struct um_dicom *d)
{
    const struct syntax *s = &syntaxes[0];
    char                 uid[UM_DICOM_UID_MAX];
    size_t               at = 0;
    const int            st = read_meta(bytes, n, total, uid, sizeof uid, d, &at);

    if (st != UM_OK)
        return st;
    if (*uid && !(s = syntax_of(uid)))
        return um_fail(UM_EUNSUPPORTED, "DICOM: transfer syntax %s is not read", uid);
    d->syntax = s->uid;
    d->name   = s->name;
    d->coding = s->coding;
    d->data   = (struct um_dicom_walk){
          .bytes = bytes, .n = n, .total = total, .at = at, .implicit = s->implicit, .big = s->big
    };
    if (s->deflated) {
        if (n < total)
            return UM_DICOM_MORE;
        d->inside = true;
        UM_TRY(inflate_rest(a, bytes + at, n - at, max_pixels, &d->data));
    }
    believe_bytes(&d->data);
    return UM_OK;
}

/* ---- elements ---- */

static void get_u16(const struct um_dicom_walk *w, const struct um_dicom_element *e, int *out)
{
    unsigned v = 0;

    *out = um_dicom_u16(w, e, 0, &v) ? (int)v : -1;
}

static void take_number(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                        struct um_dicom_raw *r)
{
    switch (e->tag) {
    case 0x00280002: get_u16(w, e, &r->samples); break;
    case 0x00280006: get_u16(w, e, &r->planar); break;
    case 0x00280010: get_u16(w, e, &r->rows); break;
    case 0x00280011: get_u16(w, e, &r->columns); break;
    case 0x00280100: get_u16(w, e, &r->allocated); break;
    case 0x00280101: get_u16(w, e, &r->stored); break;
    case 0x00280102: get_u16(w, e, &r->high); break;
    case 0x00280103: get_u16(w, e, &r->is_signed); break;
    case 0x00280120: get_u16(w, e, &r->padding); break;
    case 0x00280121: get_u16(w, e, &r->limit); break;
    case 0x00280008: (void)um_dicom_numbers(w, e, &r->frames, 1); break;
    case 0x00280004: um_dicom_text(w, e, r->photometric, sizeof r->photometric); break;
    case 0x00080008: um_dicom_text(w, e, r->type, sizeof r->type); break;
    case 0x00181164: (void)um_dicom_numbers(w, e, r->imager, 2); break;
    case 0x00182010: (void)um_dicom_numbers(w, e, r->scanned, 2); break;
    case 0x00280034: (void)um_dicom_numbers(w, e, r->aspect, 2); break;
    case 0x7fe00008:
    case 0x7fe00009: r->floats = true; break;
    default: break;
    }
}

static void take_plane(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                       struct um_dicom_plane *p)
{
    double v[6];

    switch (e->tag) {
    case 0x00200032:
        if ((p->has_position = um_dicom_numbers(w, e, v, 3) == 3))
            memcpy(p->position, v, 3 * sizeof *v);
        break;
    case 0x00200037:
        if ((p->has_orientation = um_dicom_numbers(w, e, v, 6) == 6))
            memcpy(p->orientation, v, 6 * sizeof *v);
        break;
    case 0x00280030:
        if ((p->has_spacing = um_dicom_numbers(w, e, v, 2) == 2))
            memcpy(p->spacing, v, 2 * sizeof *v);
        break;
    case 0x00283000: p->has_lut = e->n > 0; break;
    case 0x00281052: p->has_inter = um_dicom_numbers(w, e, &p->inter, 1) >= 1; break;
    case 0x00281053: p->has_slope = um_dicom_numbers(w, e, &p->slope, 1) >= 1; break;
    default: break;
    }
}

static void take_voi(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                     struct um_dicom *d)
{
    char text[UM_DICOM_TEXT_MAX];

    um_dicom_text(w, e, text, sizeof text);
    d->voi = strcmp(text, "LINEAR_EXACT") == 0 ? UM_DICOM_LINEAR_EXACT
             : strcmp(text, "SIGMOID") == 0    ? UM_DICOM_SIGMOID
                                               : UM_DICOM_LINEAR;
}

static void take_count(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                       int64_t *number)
{
    double v;

    if (um_dicom_numbers(w, e, &v, 1) >= 1 && v > -1e15 && v < 1e15)
        *number = (int64_t)v;
}

static void take_text(const struct um_dicom_walk *w, const struct um_dicom_element *e,
                      struct um_dicom *d)
{
    switch (e->tag) {
    case 0x00080016: um_dicom_text(w, e, d->sop_class, sizeof d->sop_class); break;
    case 0x00080018: /* where it was emptied, that of the file's own header stands */
        if (e->n > 0)
            um_dicom_text(w, e, d->instance_uid, sizeof d->instance_uid);
        break;
    case 0x00080060: um_dicom_text(w, e, d->modality, sizeof d->modality); break;
    case 0x0008103e: um_dicom_text(w, e, d->description, sizeof d->description); break;
    case 0x00100020: um_dicom_text(w, e, d->patient, sizeof d->patient); break;
    case 0x0020000d: um_dicom_text(w, e, d->study, sizeof d->study); break;
    case 0x0020000e: um_dicom_text(w, e, d->series, sizeof d->series); break;
    case 0x00200052:
        um_dicom_text(w, e, d->frame_of_reference, sizeof d->frame_of_reference);
        break;
    case 0x00200012: take_count(w, e, &d->acquisition); break;
    case 0x00200013: take_count(w, e, &d->instance); break;
    case 0x00180050: (void)um_dicom_numbers(w, e, &d->thickness, 1); break;
    case 0x00281050: d->has_window = um_dicom_numbers(w, e, &d->center, 1) >= 1; break;
    case 0x00281051: (void)um_dicom_numbers(w, e, &d->width, 1); break;
    case 0x00281056: take_voi(w, e, d); break;
    default: break;
    }
}

static int walk_header(struct um_dicom *d, struct um_dicom_raw *r)
{
    struct um_dicom_walk    w = d->data;
    struct um_dicom_element e;
    int                     st;

    while ((st = um_dicom_next(&w, &e)) == 1) {
        if (e.tag == UM_DICOM_PIXELS) {
            d->has_pixels = true;
            d->pixels_at  = e.at;
            d->pixels_n   = e.n;
            d->swapped    = w.big && strcmp(e.vr, "OW") == 0;
            if (e.undefined == (d->coding == UM_DICOM_NATIVE))
                return um_fail(UM_EFORMAT, "DICOM: pixels %s fragments, but %s",
                               e.undefined ? "in" : "not in", d->name);
            return UM_OK;
        }
        take_number(&w, &e, r);
        take_plane(&w, &e, &d->plane);
        take_text(&w, &e, d);
    }
    return st;
}

/* ---- all of it ---- */

static bool is_localizer(const char *type)
{
    return strstr(type, "\\LOCALIZER") != NULL;
}

/* what people will try */
static int refuse_mask(const char *what)
{
    return um_fail(UM_EUNSUPPORTED,
                   "DICOM %s is not read: a mask is, as NIfTI or NRRD on the grid of its image",
                   what);
}

int um_dicom_open(struct um_arena *a, const uint8_t *bytes, size_t n, size_t total,
                  int64_t max_pixels, struct um_dicom *d)
{
    struct um_dicom_raw r = { -1, -1, -1,    -1,    -1,    -1, -1, -1,   -1,
                              -1, 1,  { 0 }, { 0 }, { 0 }, "", "", false };
    int                 st;

    if (!um_dicom_is(bytes, n))
        return um_fail(UM_EFORMAT, "not a DICOM file");
    memset(d, 0, sizeof *d);
    d->plane.slope = 1;
    d->instance    = INT64_MAX;
    d->acquisition = INT64_MAX;
    st             = open_data(a, bytes, n, total, max_pixels, d);
    if (st == UM_OK)
        st = walk_header(d, &r);
    if (st != UM_OK)
        return st;
    d->localizer = is_localizer(r.type);
    if (!(d->width > 0))
        d->has_window = false;
    if (r.floats)
        return um_fail(UM_EUNSUPPORTED, "DICOM: pixels in floating point are not read");
    if (strcmp(d->sop_class, STORED "66.4") == 0)
        return refuse_mask("SEG (a segmentation)");
    if (!d->has_pixels) {
        d->cut = r.rows >= 0 || strcmp(d->sop_class, CT_SLICE) == 0;
        return UM_OK;
    }
    return um_dicom_settle(d, &r, max_pixels);
}

int um_dicom_need_pixels(const struct um_dicom *d)
{
    if (strcmp(d->sop_class, STORED "481.3") == 0)
        return refuse_mask("RTSTRUCT (contours)");
    return d->has_pixels ? UM_OK
                         : um_fail(UM_EMISSING, "DICOM: no pixels in it (SOP class %s)",
                                   *d->sop_class ? d->sop_class : "not named");
}

size_t um_dicom_value_size(const struct um_dicom *d)
{
    return d->allocated > 8 ? 2 : 1;
}

size_t um_dicom_frame_size(const struct um_dicom *d)
{
    return (size_t)(d->rows * d->columns * d->samples) * um_dicom_value_size(d);
}
