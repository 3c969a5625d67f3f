/* meta.c - checking a MetaImage header against its voxels */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/meta.h"

#include <string.h>

#include "media/block.h"
#include "media/lines.h"
#include "media/lps.h"

enum key {
    OBJECT,
    NDIMS,
    SIZES,
    TYPE,
    CHANNELS,
    BINARY,
    MSB,
    COMPRESSED,
    PACKED,
    MATRIX,
    OFFSET,
    SPACING,
    ELEMENT,
    HEADER,
    SLOPE,
    INTER,
    DATA,
    NKEYS
};

static const struct um_field names[] = { { "ObjectType", OBJECT },
                                         { "NDims", NDIMS },
                                         { "DimSize", SIZES },
                                         { "ElementType", TYPE },
                                         { "ElementNumberOfChannels", CHANNELS },
                                         { "BinaryData", BINARY },
                                         { "BinaryDataByteOrderMSB", MSB },
                                         { "ElementByteOrderMSB", MSB },
                                         { "CompressedData", COMPRESSED },
                                         { "CompressedDataSize", PACKED },
                                         { "TransformMatrix", MATRIX },
                                         { "Rotation", MATRIX },
                                         { "Orientation", MATRIX },
                                         { "Offset", OFFSET },
                                         { "Position", OFFSET },
                                         { "Origin", OFFSET },
                                         { "ElementSpacing", SPACING },
                                         { "ElementSize", ELEMENT },
                                         { "HeaderSize", HEADER },
                                         { "ElementToIntensityFunctionSlope", SLOPE },
                                         { "ElementToIntensityFunctionOffset", INTER },
                                         { "ElementDataFile", DATA } };
enum { NNAMES = sizeof names / sizeof names[0] };

struct head {
    char           *value[NKEYS]; /* NULL: not given */
    struct um_lines rest;         /* behind ElementDataFile */
    int64_t         ndims, dim[4];
};

bool um_meta_is(const uint8_t *bytes, size_t n)
{
    static const char *const first[] = { "ObjectType", "NDims", "Comment", "ObjectSubType",
                                         "BinaryData" };

    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        size_t at = strlen(first[i]);

        if (n <= at || memcmp(bytes, first[i], at) != 0)
            continue;
        while (at < n && (bytes[at] == ' ' || bytes[at] == '\t'))
            at++;
        if (at < n && bytes[at] == '=')
            return true;
    }
    return false;
}

/* all lines up to ElementDataFile, the last one */
static int read_head(struct um_arena *a, const uint8_t *bytes, size_t n, struct head *h)
{
    char *line, *value;
    int   st;

    *h      = (struct head){ 0 };
    h->rest = (struct um_lines){ .at = bytes, .end = bytes + n };
    while (!h->value[DATA]) {
        const char *name;

        st = um_lines_next(&h->rest, a, &line);
        if (st < 0)
            return st;
        if (st == 0)
            return um_fail(UM_EFORMAT, "cut: no ElementDataFile");
        if (!*um_trim(line))
            continue;
        name = um_split(line, "=", &value);
        if (!name)
            return um_fail(UM_EFORMAT, "line %d of the header is not \"name = value\"",
                           h->rest.taken);
        UM_TRY(um_field_keep(names, NNAMES, name, value, h->value));
    }
    return UM_OK;
}

/* True, true, 1; without the field: otherwise */
static int flag(const struct head *h, enum key key, bool otherwise, bool *out)
{
    const char *v = h->value[key];

    *out = v ? *v == 'T' || *v == 't' || *v == '1' : otherwise;
    if (v && !strchr("TtFf01", *v))
        return um_fail(UM_EFORMAT, "\"%s\" is neither True nor False", v);
    return UM_OK;
}

static int number(const struct head *h, enum key key, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (h->value[key] && !um_ints(h->value[key], out, 1))
        return um_fail(UM_EFORMAT, "\"%s\" is not a whole number", h->value[key]);
    return UM_OK;
}

static int voxel_type(const char *text, enum um_voxel *type)
{
    static const struct {
        const char   *name;
        enum um_voxel type;
    } known[] = { { "MET_UCHAR", UM_VOX_U8 },       { "MET_CHAR", UM_VOX_I8 },
                  { "MET_USHORT", UM_VOX_U16 },     { "MET_SHORT", UM_VOX_I16 },
                  { "MET_UINT", UM_VOX_U32 },       { "MET_INT", UM_VOX_I32 },
                  { "MET_ULONG", UM_VOX_U32 },      { "MET_LONG", UM_VOX_I32 },
                  { "MET_ULONG_LONG", UM_VOX_U64 }, { "MET_LONG_LONG", UM_VOX_I64 },
                  { "MET_FLOAT", UM_VOX_F32 },      { "MET_DOUBLE", UM_VOX_F64 } };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (text && strcmp(text, known[i].name) == 0) {
            *type = known[i].type;
            return UM_OK;
        }
    return text ? um_fail(UM_EUNSUPPORTED, "ElementType %s is not one real number a voxel", text)
                : um_fail(UM_EFORMAT, "no ElementType");
}

static int read_sizes(struct head *h)
{
    int64_t channels;

    if (h->value[OBJECT] && strcmp(h->value[OBJECT], "Image") != 0)
        return um_fail(UM_EUNSUPPORTED, "ObjectType %s, not Image", h->value[OBJECT]);
    UM_TRY(number(h, CHANNELS, 1, &channels));
    if (channels != 1)
        return um_fail(UM_EUNSUPPORTED, "%lld channels, not one number a voxel",
                       (long long)channels);
    if (!h->value[NDIMS] || !um_ints(h->value[NDIMS], &h->ndims, 1))
        return um_fail(UM_EFORMAT, "no NDims");
    if (h->ndims < 3 || h->ndims > 4)
        return um_fail(UM_EUNSUPPORTED, "%lld dimensions, 3 and 4 are read%s", (long long)h->ndims,
                       h->ndims == 2 ? ": a picture, not a volume" : "");
    h->dim[3] = 1;
    if (!h->value[SIZES] || !um_ints(h->value[SIZES], h->dim, (int)h->ndims))
        return um_fail(UM_EFORMAT, "DimSize is not %lld whole numbers", (long long)h->ndims);
    return UM_OK;
}

/* x[0..n-1] of a field that may be missing */
static int numbers(const struct head *h, enum key key, double *x, int n)
{
    if (h->value[key] && !um_nums(h->value[key], x, n))
        return um_fail(UM_EFORMAT, "\"%.60s\" is not %d numbers", h->value[key], n);
    return UM_OK;
}

static int read_affine(const struct head *h, struct um_scan *out)
{
    const int     n = (int)h->ndims;
    double        matrix[16], spacing[4] = { 1, 1, 1, 1 }, offset[4] = { 0 };
    struct um_lps lps;

    for (int i = 0; i < n * n; i++)
        matrix[i] = i % (n + 1) == 0;
    UM_TRY(numbers(h, MATRIX, matrix, n * n));
    UM_TRY(numbers(h, h->value[SPACING] ? SPACING : ELEMENT, spacing, n));
    UM_TRY(numbers(h, OFFSET, offset, n));
    for (int c = 0; c < 3; c++) {
        if (!(spacing[c] > 0))
            return um_fail(UM_EFORMAT, "spacing along axis %d is %g mm, must be positive", c + 1,
                           spacing[c]);
        lps.spacing[c] = spacing[c];
        lps.origin[c]  = offset[c];
        for (int r = 0; r < 3; r++)
            lps.direction[c][r] = matrix[c * n + r];
    }
    um_lps_affine(&lps, out->volume.affine);
    out->form = h->value[MATRIX] ? "TransformMatrix" : "spacing";
    if (!h->value[MATRIX])
        um_scan_note(out, "no TransformMatrix: axes taken to run left, back, head as stored");
    if (!h->value[SPACING] && !h->value[ELEMENT])
        um_scan_note(out, "no ElementSpacing: taken as 1 mm");
    return UM_OK;
}

/* where the voxels are, and in which form */
static int read_form(struct um_arena *a, struct head *h, struct um_block *b)
{
    const char *data = h->value[DATA];
    int64_t     packed;
    bool        binary, msb, compressed;

    UM_TRY(flag(h, BINARY, true, &binary));
    UM_TRY(flag(h, MSB, false, &msb));
    UM_TRY(flag(h, COMPRESSED, false, &compressed));
    UM_TRY(number(h, HEADER, 0, &b->skip_bytes));
    UM_TRY(number(h, PACKED, -1, &packed));
    b->skip_name = h->value[HEADER] ? NULL : "HeaderSize";
    if (b->skip_bytes < UM_SKIP_TO_END || (b->skip_bytes != 0 && compressed))
        return um_fail(UM_EFORMAT, "HeaderSize %lld%s", (long long)b->skip_bytes,
                       compressed ? " of compressed data" : "");
    b->swapped = msb == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    b->coding  = compressed ? UM_CODING_ZLIB : binary ? UM_CODING_RAW : UM_CODING_TEXT;
    if (strcmp(data, "LOCAL") == 0 || strcmp(data, "Local") == 0 || strcmp(data, "local") == 0) {
        b->inside   = (uint8_t *)(uintptr_t)h->rest.at;
        b->inside_n = (size_t)(h->rest.end - h->rest.at);
        if (compressed && packed >= 0 && (uint64_t)packed < b->inside_n)
            b->inside_n = (size_t)packed;
        return UM_OK;
    }
    if (strncmp(data, "LIST ", 5) == 0) { /* the files' own number of dimensions: slices alone */
        int64_t dims;

        if (!um_ints(data + 5, &dims, 1) || dims != h->ndims - 1)
            return um_fail(UM_EUNSUPPORTED, "\"%s\": only LIST of files of %lld dimensions is read",
                           data, (long long)h->ndims - 1);
        data = "LIST";
    }
    UM_TRY(um_block_files(a, data, &h->rest, h->dim[h->ndims - 1], b));
    if (b->files > 1 && b->files != h->dim[h->ndims - 1])
        return um_fail(UM_EFORMAT, "%lld files named, the last of DimSize is %lld",
                       (long long)b->files, (long long)h->dim[h->ndims - 1]);
    return UM_OK;
}

/* what the field is for, though ITK reads over it: so it is said */
static int read_scale(const struct head *h, struct um_scan *out)
{
    struct um_volume *v = &out->volume;

    v->slope = 1;
    v->inter = 0;
    UM_TRY(numbers(h, SLOPE, &v->slope, 1));
    UM_TRY(numbers(h, INTER, &v->inter, 1));
    if (v->slope == 0)
        return um_fail(UM_EFORMAT, "ElementToIntensityFunctionSlope is 0");
    if (v->slope != 1 || v->inter != 0)
        um_scan_note(out, "voxels scaled by ElementToIntensityFunctionSlope and Offset, which ITK "
                          "does not do");
    return UM_OK;
}

static int read_it(struct um_arena *a, const char *path, uint8_t *bytes, size_t n,
                   const struct um_scan_opts *opts, struct um_scan *out)
{
    struct um_block b = { 0 };
    struct head     h;
    void           *voxels;

    UM_TRY(read_head(a, bytes, n, &h));
    UM_TRY(read_sizes(&h));
    UM_TRY(voxel_type(h.value[TYPE], &out->volume.type));
    UM_TRY(read_affine(&h, out));
    UM_TRY(read_scale(&h, out));
    UM_TRY(um_scan_sizes(h.dim, opts, out));
    b.type = out->volume.type;
    UM_TRY(um_scan_all(opts, out, &b.n));
    UM_TRY(read_form(a, &h, &b));
    UM_TRY(um_block_read(a, path, &b, &voxels));
    out->volume.voxels = um_scan_frame(opts, out, voxels);
    return um_scan_over(a, out, b.over);
}

int um_meta_read(struct um_arena *a, const char *path, uint8_t *bytes, size_t n,
                 const struct um_scan_opts *opts, struct um_scan *out)
{
    int st;

    *out = (struct um_scan){ 0 };
    st   = read_it(a, path, bytes, n, opts, out);
    return st < 0 ? um_context(st, "MetaImage") : UM_OK;
}
