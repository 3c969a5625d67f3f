/* nrrd.c - checking a NRRD header against its voxels; its place in space is in nrrd_space.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/nrrd.h"

#include <string.h>

#include "media/block.h"
#include "media/nrrd_int.h"

static const struct um_field names[] = { { "dimension", UM_NRRD_DIMENSION },
                                         { "type", UM_NRRD_TYPE },
                                         { "sizes", UM_NRRD_SIZES },
                                         { "encoding", UM_NRRD_ENCODING },
                                         { "endian", UM_NRRD_ENDIAN },
                                         { "spacings", UM_NRRD_SPACINGS },
                                         { "space", UM_NRRD_SPACE },
                                         { "space dimension", UM_NRRD_SPACE_DIM },
                                         { "space directions", UM_NRRD_DIRECTIONS },
                                         { "space origin", UM_NRRD_ORIGIN },
                                         { "space units", UM_NRRD_UNITS },
                                         { "kinds", UM_NRRD_KINDS },
                                         { "line skip", UM_NRRD_LINE_SKIP },
                                         { "lineskip", UM_NRRD_LINE_SKIP },
                                         { "byte skip", UM_NRRD_BYTE_SKIP },
                                         { "byteskip", UM_NRRD_BYTE_SKIP },
                                         { "data file", UM_NRRD_DATA },
                                         { "datafile", UM_NRRD_DATA } };
enum { NNAMES = sizeof names / sizeof names[0] };

bool um_nrrd_is(const uint8_t *bytes, size_t n)
{
    return n >= 9 && memcmp(bytes, "NRRD000", 7) == 0 && bytes[7] >= '1' && bytes[7] <= '9';
}

/* "field: value", "key:=value" (free, skipped), "# a remark" */
static int keep(struct um_nrrd *h, char *line)
{
    char *mark = strchr(line, ':'), *value, *name;

    if (line[0] == '#' || (mark && mark[1] == '='))
        return UM_OK;
    name = mark ? um_split(line, ":", &value) : NULL;
    if (!name)
        return um_fail(UM_EFORMAT, "line %d of the header is not \"field: value\"", h->rest.taken);
    return um_field_keep(names, NNAMES, name, value, h->value);
}

/* up to an empty line, the end, or a list of files */
static int read_head(struct um_arena *a, const uint8_t *bytes, size_t n, struct um_nrrd *h)
{
    char *line;
    int   st;

    *h      = (struct um_nrrd){ 0 };
    h->rest = (struct um_lines){ .at = bytes, .end = bytes + n };
    UM_TRY(um_lines_next(&h->rest, a, &line)); /* the magic */
    while ((st = um_lines_next(&h->rest, a, &line)) > 0 && *line) {
        UM_TRY(keep(h, line));
        if (h->value[UM_NRRD_DATA] && strncmp(h->value[UM_NRRD_DATA], "LIST", 4) == 0)
            return UM_OK;
    }
    if (st == 0 && !h->value[UM_NRRD_DATA])
        return um_fail(UM_EFORMAT, "cut: no empty line ends the header");
    return st < 0 ? st : UM_OK;
}

static int voxel_type(const char *text, enum um_voxel *type)
{
    static const struct {
        enum um_voxel type;
        const char   *name[10];
    } known[] = {
        { UM_VOX_I8, { "signed char", "int8", "int8_t" } },
        { UM_VOX_U8, { "uchar", "unsigned char", "uint8", "uint8_t" } },
        { UM_VOX_I16,
          { "short", "short int", "signed short", "signed short int", "int16", "int16_t" } },
        { UM_VOX_U16, { "ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t" } },
        { UM_VOX_I32, { "int", "signed int", "int32", "int32_t" } },
        { UM_VOX_U32, { "uint", "unsigned int", "uint32", "uint32_t" } },
        { UM_VOX_I64,
          { "longlong", "long long", "long long int", "signed long long", "signed long long int",
            "int64", "int64_t" } },
        { UM_VOX_U64,
          { "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t" } },
        { UM_VOX_F32, { "float" } },
        { UM_VOX_F64, { "double" } },
    };

    for (size_t i = 0; text && i < sizeof known / sizeof known[0]; i++)
        for (int k = 0; k < 10 && known[i].name[k]; k++)
            if (strcmp(text, known[i].name[k]) == 0) {
                *type = known[i].type;
                return UM_OK;
            }
    return text ? um_fail(UM_EUNSUPPORTED, "type %s is not one real number a voxel", text)
                : um_fail(UM_EFORMAT, "no type");
}

static int coding(const char *text, enum um_coding *c)
{
    static const struct {
        const char    *name;
        enum um_coding coding;
    } known[] = { { "raw", UM_CODING_RAW },  { "gzip", UM_CODING_GZIP },
                  { "gz", UM_CODING_GZIP },  { "text", UM_CODING_TEXT },
                  { "txt", UM_CODING_TEXT }, { "ascii", UM_CODING_TEXT },
                  { "hex", UM_CODING_HEX } };

    for (size_t i = 0; text && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(text, known[i].name) == 0) {
            *c = known[i].coding;
            return UM_OK;
        }
    return text ? um_fail(UM_EUNSUPPORTED, "encoding %s, expected raw, gzip, text or hex",
                          strcmp(text, "bz2") == 0 ? "bzip2" : text)
                : um_fail(UM_EFORMAT, "no encoding");
}

static int whole(const struct um_nrrd *h, enum um_nrrd_key key, int64_t least, int64_t *x)
{
    *x = 0;
    if (h->value[key] && (!um_ints(h->value[key], x, 1) || *x < least || *x > (int64_t)1 << 40))
        return um_fail(UM_EFORMAT, "\"%.40s\" is not a number of lines or bytes to skip",
                       h->value[key]);
    return UM_OK;
}

static int read_form(struct um_arena *a, struct um_nrrd *h, struct um_block *b)
{
    const char   *data = h->value[UM_NRRD_DATA], *endian = h->value[UM_NRRD_ENDIAN];
    const int64_t last = h->size[h->dims - 1];
    bool          big  = false;

    UM_TRY(coding(h->value[UM_NRRD_ENCODING], &b->coding));
    UM_TRY(whole(h, UM_NRRD_LINE_SKIP, 0, &b->skip_lines));
    UM_TRY(whole(h, UM_NRRD_BYTE_SKIP, b->coding == UM_CODING_RAW ? UM_SKIP_TO_END : 0,
                 &b->skip_bytes));
    b->skip_name = h->value[UM_NRRD_BYTE_SKIP] ? NULL : "byte skip";
    if (b->skip_lines > UM_LINES_MAX)
        return um_fail(UM_EFORMAT, "%lld lines to skip", (long long)b->skip_lines);
    if (endian && strcmp(endian, "big") == 0)
        big = true;
    else if (endian ? strcmp(endian, "little") != 0
                    : um_voxel_size(b->type) > 1 && b->coding != UM_CODING_TEXT)
        return um_fail(UM_EFORMAT, "endian %s", endian ? endian : "is not given");
    b->swapped = big == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    if (!data) {
        b->inside   = (uint8_t *)(uintptr_t)h->rest.at;
        b->inside_n = (size_t)(h->rest.end - h->rest.at);
        return UM_OK;
    }
    if (strncmp(data, "LIST ", 5) == 0)
        return um_fail(UM_EUNSUPPORTED, "\"%s\": only files of one slice each are read", data);
    UM_TRY(um_block_files(a, data, &h->rest, last, b));
    if (b->files > 1 && b->files != last)
        return um_fail(UM_EFORMAT, "%lld files named, the last of sizes is %lld",
                       (long long)b->files, (long long)last);
    return UM_OK;
}

static int read_sizes(struct um_nrrd *h)
{
    int64_t dims;

    if (!h->value[UM_NRRD_DIMENSION] || !um_ints(h->value[UM_NRRD_DIMENSION], &dims, 1))
        return um_fail(UM_EFORMAT, "no dimension");
    if (dims < 3 || dims > UM_NRRD_AXES)
        return um_fail(UM_EUNSUPPORTED, "%lld dimensions, 3 and 4 are read%s", (long long)dims,
                       dims == 2 ? ": a picture, not a volume" : "");
    h->dims = (int)dims;
    if (!h->value[UM_NRRD_SIZES] || !um_ints(h->value[UM_NRRD_SIZES], h->size, h->dims))
        return um_fail(UM_EFORMAT, "sizes are not %d whole numbers", h->dims);
    for (int i = 0; i < h->dims; i++)
        if (h->size[i] < 1)
            return um_fail(UM_EFORMAT, "size %d is %lld, must be at least 1", i + 1,
                           (long long)h->size[i]);
    return UM_OK;
}

/* sizes and steps: the axis of time may stand anywhere */
static int arrange(const struct um_nrrd *h, const struct um_scan_opts *opts, struct um_scan *out,
                   int64_t *n, int64_t *first)
{
    int64_t dim[4] = { 1, 1, 1, 1 }, step = 1, between = 0;
    int     at = 0;

    for (int i = 0; i < h->dims; i++)
        dim[i == h->time ? 3 : at++] = h->size[i];
    UM_TRY(um_scan_sizes(dim, opts, out));
    UM_TRY(um_scan_all(opts, out, n));
    at = 2;
    for (int i = 0; i < h->dims; step *= h->size[i], i++) {
        if (i == h->time)
            between = step;
        else
            out->volume.step[at--] = step;
    }
    *first = between * (opts->frame > 0 ? opts->frame : 0);
    return UM_OK;
}

static int read_it(struct um_arena *a, const char *path, uint8_t *bytes, size_t n,
                   const struct um_scan_opts *opts, struct um_scan *out)
{
    struct um_block b = { 0 };
    struct um_nrrd  h;
    void           *voxels;
    int64_t         first;

    UM_TRY(read_head(a, bytes, n, &h));
    UM_TRY(read_sizes(&h));
    UM_TRY(voxel_type(h.value[UM_NRRD_TYPE], &b.type));
    out->volume.type  = b.type;
    out->volume.slope = 1;
    UM_TRY(um_nrrd_space(&h, out));
    UM_TRY(arrange(&h, opts, out, &b.n, &first));
    UM_TRY(read_form(a, &h, &b));
    UM_TRY(um_block_read(a, path, &b, &voxels));
    out->volume.voxels = (char *)voxels + first * (int64_t)um_voxel_size(b.type);
    return um_scan_over(a, out, b.over);
}

int um_nrrd_read(struct um_arena *a, const char *path, uint8_t *bytes, size_t n,
                 const struct um_scan_opts *opts, struct um_scan *out)
{
    int st;

    *out = (struct um_scan){ 0 };
    st   = read_it(a, path, bytes, n, opts, out);
    return st < 0 ? um_context(st, "NRRD") : UM_OK;
}
