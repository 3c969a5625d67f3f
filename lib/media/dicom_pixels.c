/* dicom_pixels.c - frames: native or in fragments, every byte order and bit depth */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "media/dicom.h"
#include "media/dicom_codec.h"

/* ---- fragments ---- */

/* count, and with `list` where each begins: content alone, without the head of 8 bytes */
static int list_fragments(const struct um_dicom *d, struct um_dicom_walk *table, size_t *list,
                          int64_t *count)
{
    const struct um_dicom_element e = { .at = d->pixels_at, .n = d->pixels_n };
    struct um_dicom_walk          w, one;
    int                           st;

    um_dicom_items(&d->data, &e, &w);
    *count = 0;
    if ((st = um_dicom_item(&w, table)) != 1) /* the offset table, which may be empty */
        return st < 0 ? st : um_fail(UM_EFORMAT, "DICOM: no fragments where pixels should be");
    while ((st = um_dicom_item(&w, &one)) == 1) {
        if (list) {
            list[2 * *count]     = one.at;
            list[2 * *count + 1] = one.total;
        }
        ++*count;
    }
    return st;
}

/* the fragment whose head lies at `offset` behind the offset table; -1: none does */
static int64_t fragment_at(const struct um_dicom *d, size_t offset)
{
    const size_t want = d->fragment[0] + offset; /* of its content */
    int64_t      lo = 0, hi = d->fragments;

    while (lo < hi) {
        const int64_t mid = (lo + hi) / 2;

        if (d->fragment[2 * mid] < want)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < d->fragments && d->fragment[2 * lo] == want ? lo : -1;
}

/* which fragments are whose: all are the only frame's, or each is one frame, or the table says */
static int assign(const struct um_dicom *d, const struct um_dicom_walk *table, int64_t *first)
{
    first[d->frames] = d->fragments;
    for (int64_t f = 0; f < d->frames; f++) {
        const struct um_dicom_element e = { .at = table->at, .n = table->total - table->at };
        unsigned                      lo, hi;

        first[f] = f;
        if (d->frames == 1 || d->frames == d->fragments)
            continue;
        first[f] = um_dicom_u16(table, &e, (size_t)(2 * f), &lo) &&
                           um_dicom_u16(table, &e, (size_t)(2 * f + 1), &hi)
                       ? fragment_at(d, (size_t)hi << 16 | lo)
                       : -1;
        if (first[f] < 0 || (f > 0 && first[f] <= first[f - 1]))
            return um_fail(UM_EFORMAT,
                           "DICOM: %lld frames in %lld fragments: which is whose is not said",
                           (long long)d->frames, (long long)d->fragments);
    }
    return UM_OK;
}

int um_dicom_index(struct um_arena *a, struct um_dicom *d)
{
    struct um_dicom_walk table;
    size_t              *list;
    int64_t             *first;
    int                  st;

    if (d->coding == UM_DICOM_NATIVE)
        return UM_OK;
    st = list_fragments(d, &table, NULL, &d->fragments);
    if (st == UM_OK && d->fragments < d->frames)
        st = um_fail(UM_EFORMAT, "DICOM: %lld frames in %lld fragments", (long long)d->frames,
                     (long long)d->fragments);
    if (st != UM_OK)
        return st == UM_DICOM_MORE ? um_fail(UM_EFORMAT, "DICOM: cut inside the pixels") : st;
    list  = um_alloc_array(a, d->fragments, 2 * sizeof *list);
    first = um_alloc_array(a, d->frames + 1, sizeof *first);
    if (!list || !first)
        return UM_ENOMEM;
    UM_TRY(list_fragments(d, &table, list, &d->fragments));
    d->fragment = list;
    d->first    = first;
    return assign(d, &table, first);
}

/* the codestream of a frame: where it lies, or its fragments put together */
static int gather(struct um_arena *a, const struct um_dicom *d, int64_t frame, const uint8_t **in,
                  size_t *n)
{
    const int64_t from = d->first[frame], to = d->first[frame + 1];
    uint8_t      *all;

    *n = 0;
    for (int64_t i = from; i < to; i++)
        *n += d->fragment[2 * i + 1] - d->fragment[2 * i];
    *in = d->data.bytes + d->fragment[2 * from];
    if (to - from == 1)
        return UM_OK;
    if (!(all = um_alloc(a, *n)))
        return UM_ENOMEM;
    *in = all;
    for (int64_t i = from; i < to; i++) {
        const size_t part = d->fragment[2 * i + 1] - d->fragment[2 * i];

        memcpy(all, d->data.bytes + d->fragment[2 * i], part);
        all += part;
    }
    return UM_OK;
}

/* ---- native ---- */

static size_t native_size(const struct um_dicom *d)
{
    return d->colours == UM_DICOM_YBR_422 ? (size_t)(d->rows * d->columns) * 2
                                          : um_dicom_frame_size(d);
}

static void native(const struct um_dicom *d, const uint8_t *in, uint8_t *out, bool *luma)
{
    const size_t size = um_dicom_value_size(d), pixels = (size_t)(d->rows * d->columns);
    const size_t samples = (size_t)d->samples;

    if (d->colours == UM_DICOM_YBR_422) { /* Y Y Cb Cr */
        for (size_t i = 0; i < pixels; i++)
            out[i] = in[i / 2 * 4 + i % 2];
        *luma = true;
        return;
    }
    if (samples == 1 || !d->planar) {
        memcpy(out, in, native_size(d));
    } else {
        for (size_t s = 0; s < samples; s++)
            for (size_t i = 0; i < pixels; i++)
                memcpy(out + (i * samples + s) * size, in + (s * pixels + i) * size, size);
    }
    for (size_t i = 0; d->data.big && size == 2 && i < pixels * samples; i++) {
        const uint8_t first = out[2 * i];

        out[2 * i]     = out[2 * i + 1];
        out[2 * i + 1] = first;
    }
}

/* bytes of a frame in the order of its pixels */
static int native_bytes(struct um_arena *a, const struct um_dicom *d, int64_t frame,
                        const uint8_t **in)
{
    const size_t   n = native_size(d), from = (size_t)frame * n;
    const uint8_t *all = d->data.bytes + d->pixels_at;
    uint8_t       *turned;

    *in = all + from;
    if (!d->swapped)
        return UM_OK;
    if (!(turned = um_alloc(a, n)))
        return UM_ENOMEM;
    for (size_t i = 0; i < n; i++)
        turned[i] = all[(from + i) ^ 1];
    *in = turned;
    return UM_OK;
}

/* only the bits in use, with their sign */
static void settle(const struct um_dicom *d, uint8_t *out)
{
    const size_t   n    = (size_t)(d->rows * d->columns * d->samples);
    const int      down = d->high + 1 - d->stored, free_bits = d->allocated - d->stored;
    const unsigned mask = (1U << d->stored) - 1;

    if (free_bits == 0)
        return;
    for (size_t i = 0; d->allocated == 8 && i < n; i++) {
        out[i] = (uint8_t)((unsigned)out[i] >> down & mask);
        if (d->is_signed)
            out[i] = (uint8_t)((int8_t)(out[i] << free_bits) >> free_bits);
    }
    for (size_t i = 0; d->allocated == 16 && i < n; i++) {
        uint16_t u;

        memcpy(&u, out + 2 * i, 2);
        u = (uint16_t)((unsigned)u >> down & mask);
        if (d->is_signed)
            u = (uint16_t)((int16_t)(u << free_bits) >> free_bits);
        memcpy(out + 2 * i, &u, 2);
    }
}

bool um_dicom_plain(const struct um_dicom *d)
{
    return d->coding == UM_DICOM_NATIVE && !d->inside && d->samples == 1 && !d->data.big &&
           d->stored == d->allocated;
}

int um_dicom_frame(struct um_arena *a, const struct um_dicom *d, int64_t frame, void *out,
                   bool *luma)
{
    const uint8_t *in;
    size_t         n;

    *luma = false;
    if (frame < 0 || frame >= d->frames)
        return um_fail(UM_ERANGE, "DICOM: frame %lld of %lld", (long long)frame,
                       (long long)d->frames);
    if (d->data.n < d->data.total)
        return um_fail(UM_EFORMAT, "DICOM: the file was not read whole");
    if (d->coding == UM_DICOM_NATIVE) {
        UM_TRY(native_bytes(a, d, frame, &in));
        native(d, in, out, luma);
    } else {
        UM_TRY(gather(a, d, frame, &in, &n));
        UM_TRY(um_dicom_decode(a, d, in, n, out, luma));
    }
    if (!*luma)
        settle(d, out);
    return UM_OK;
}
