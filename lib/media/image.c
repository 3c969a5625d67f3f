/* image.c - opening a file or a folder, no further than its header promises, and reading it */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/image.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "grid/levels.h"
#include "grid/orient.h"
#include "grid/turn.h"
#include "media/dicom.h"
#include "media/dicom_grey.h"
#include "media/exif.h"
#include "media/gunzip.h"
#include "media/jpeg.h"
#include "media/kinds.h"
#include "media/nifti.h"
#include "media/png.h"
#include "media/slices.h"

enum {
    HEAD_MAX = 1 << 24, /* bytes a file may hold besides its voxels */
    SIGN_MAX = 1 << 10, /* bytes that tell a kind */
    OVER_MAX = 1 << 16, /* bytes behind its voxels, on top of an eighth of what it promises */
    LOOKED   = 64       /* files of a folder that are looked at to tell what it holds */
};

#define NO_SLICES "a folder without slices: expected DICOM, JPEG or PNG files in it"

bool um_image_is_picture(const char *path)
{
    uint8_t                    head[SIGN_MAX];
    size_t                     n, total;
    const struct um_reader_of *r =
        um_file_head(path, head, sizeof head, &n, &total) < 0 ? NULL : um_kind_of(head, n);

    return r && r->grey && !(r->tell && um_dicom_is_volume(head, n));
}

#define IN_GZIP "inside the gzip: "

static size_t room_of(int64_t max_pixels)
{
    return (size_t)max_pixels * 8 + HEAD_MAX;
}

/* the most bytes that a file beginning so may have; *promised: what its header says, or 0 */
static int bound(const uint8_t *head, size_t n, int64_t max_pixels, size_t *promised, size_t *most)
{
    const struct um_reader_of *kind = um_kind_of(head, n);

    *promised = 0;
    if (kind && kind->promise)
        UM_TRY(kind->promise(head, n, max_pixels, promised));
    *most = *promised ? *promised + *promised / 8 + OVER_MAX : room_of(max_pixels);
    return UM_OK;
}

static int too_many(size_t promised, size_t most)
{
    return promised ? um_fail(UM_EFORMAT,
                              "more than %zu bytes, and the header's voxels end after %zu: are the "
                              "sizes right?",
                              most, promised)
                    : um_fail(UM_ERANGE, "more than the %zu bytes that --max-pixels allows", most);
}

/* read the file, unless it is larger than its own first bytes let it be */
static int read_file(struct um_arena *a, const char *path, int64_t max_pixels, struct um_image *im)
{
    uint8_t head[SIGN_MAX];
    size_t  n, total, promised, most;
    int     st;

    UM_TRY(um_file_head(path, head, sizeof head, &n, &total));
    st = bound(head, n, max_pixels, &promised, &most);
    if (st >= 0 && total > most)
        st = too_many(promised, most);
    return st < 0 ? um_context(st, "%s", path) : um_file_read(a, path, most, &im->bytes, &im->n);
}

static int unpack(struct um_arena *a, int64_t max_pixels, struct um_image *im)
{
    uint8_t head[SIGN_MAX];
    size_t  n, promised, most;
    int     st;

    UM_TRY(um_gunzip_head(im->bytes, im->n, head, sizeof head, &n));
    if (n == sizeof head && !um_kind_of(head, n))
        return um_kind_refuse(head, n, IN_GZIP);
    UM_TRY(bound(head, n, max_pixels, &promised, &most));
    st = um_gunzip(a, im->bytes, im->n, most, &im->bytes, &im->n);
    return st == UM_ERANGE ? um_context(too_many(promised, most), "gzip") : st;
}

static int tell(struct um_arena *a, int64_t max_pixels, struct um_image *im)
{
    const char *where = "";

    if (um_gzip_is(im->bytes, im->n)) {
        where = IN_GZIP;
        UM_TRY(unpack(a, max_pixels, im));
    }
    im->kind = um_kind_of(im->bytes, im->n);
    if (!im->kind)
        return um_kind_refuse(im->bytes, im->n, where);
    im->volume = im->kind->volume != NULL;
    return im->kind->tell ? im->kind->tell(a, max_pixels, im) : UM_OK;
}

/* a folder in which nothing is a slice: what its first file is */
static int no_slices(struct um_arena *a, const struct um_image *im)
{
    const char                *path, *name = NULL;
    const struct um_reader_of *kind;
    uint8_t                    head[SIGN_MAX];
    size_t                     n, total;

    if (im->folder.n == 0)
        return um_fail(UM_EFORMAT, "%s: " NO_SLICES ", there is no file", im->path);
    if (!(path = um_folder_path(a, &im->folder, 0)))
        return UM_ENOMEM;
    UM_TRY(um_file_head(path, head, sizeof head, &n, &total));
    kind = um_kind_of(head, n);
    name = um_gzip_is(head, n) ? "gzip, which is read file by file alone"
           : kind              ? kind->name
                               : um_kind_name(head, n);
    return um_fail(UM_EFORMAT, "%s: " NO_SLICES ", %s is %s", im->path, im->folder.name[0],
                   name ? name : "no image");
}

/* DICOM if there is any among its first files: pictures beside it are thumbnails; else what the
 * first readable kind among them is */
static int open_folder(struct um_arena *a, struct um_image *im)
{
    UM_TRY(um_folder_list(a, im->path, &im->folder));
    im->volume = true;
    for (int64_t i = 0; i < im->folder.n && i < LOOKED; i++) {
        const char                *path = um_folder_path(a, &im->folder, i);
        const struct um_reader_of *kind;
        uint8_t                    head[SIGN_MAX];
        size_t                     n, total;

        if (!path)
            return UM_ENOMEM;
        UM_TRY(um_file_head(path, head, sizeof head, &n, &total));
        kind = um_kind_of(head, n);
        if (kind && kind->folder && (!im->kind || kind->tell))
            im->kind = kind;
        if (im->kind && im->kind->tell)
            return UM_OK;
    }
    return im->kind ? UM_OK : no_slices(a, im);
}

/* the header of a pair, where its file of voxels was named */
static int open_pair(struct um_arena *a, int64_t max_pixels, struct um_image *im)
{
    const char *named = im->path, *slash = strrchr(named, '/'), *header;
    int         st;

    UM_TRY(st = um_nifti_header_of(a, named, &header));
    if (st == 0)
        return 0;
    UM_TRY(read_file(a, header, max_pixels, im));
    st = tell(a, max_pixels, im);
    if (st < 0)
        return um_context(st, "%s", header);
    im->path   = header;
    im->voxels = slash ? slash + 1 : named;
    switch (um_nifti_kind(im->bytes, im->n)) {
    case UM_NIFTI_PAIR:
    case UM_NIFTI_PAIR_2:
    case UM_NIFTI_ANALYZE: return 1;
    default: return um_fail(UM_EFORMAT, "%s: not the header of %s", header, im->voxels);
    }
}

int um_image_open(struct um_arena *a, const char *path, int64_t max_pixels, struct um_image *im)
{
    struct stat sb;
    int         st;

    *im = (struct um_image){ .path = path };
    if (stat(path, &sb) == 0 && S_ISDIR(sb.st_mode))
        return open_folder(a, im);
    UM_TRY(st = open_pair(a, max_pixels, im));
    if (st > 0)
        return UM_OK;
    UM_TRY(read_file(a, path, max_pixels, im));
    st = tell(a, max_pixels, im);
    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}

bool um_image_is_volume(const struct um_image *im)
{
    return im->volume;
}

/* labels survive in a PNG alone; a JPEG rings around them, a DICOM file scales them */
static int check_labels(const struct um_image *im, const struct um_image_opts *opts)
{
    if (im->kind->grey == um_dicom_grey)
        return um_fail(UM_EUNSUPPORTED, "DICOM: labels are read from PNG");
    if (im->kind->grey == um_jpeg_read && !isfinite(opts->threshold))
        return um_fail(UM_ERANGE,
                       "JPEG does not keep labels: PNG does, or --mask-threshold V makes "
                       "them 0 and 1");
    return UM_OK;
}

static int check_levels(const struct um_image *im, const struct um_image_opts *opts)
{
    if (opts->labels)
        return um_fail(UM_EUNSUPPORTED, "levels: labels are taken as stored");
    if (im->kind->grey != um_png_read)
        return um_fail(UM_EUNSUPPORTED, "%s: levels are for gray PNG", im->kind->name);
    return UM_OK;
}

static void cut_labels(const struct um_image *im, double threshold, struct um_grey *g)
{
    for (int64_t i = 0; im->kind->grey == um_jpeg_read && i < g->width * g->height; i++)
        g->px[i] = g->px[i] >= threshold;
}

int um_image_grey(struct um_arena *a, const struct um_image *im, const struct um_image_opts *opts,
                  struct um_grey *out)
{
    const int            up     = im->bytes ? um_exif_orientation(im->bytes, im->n) : 1;
    struct um_image_opts turned = *opts;

    if (im->volume)
        return um_fail(UM_ESHAPE, "a volume, expected a picture");
    if (up != 1)
        turned.fast_side = 0;
    if (opts->labels)
        UM_TRY(check_labels(im, opts));
    if (um_levels_given(&opts->levels))
        UM_TRY(check_levels(im, opts));
    *out = (struct um_grey){ 0 };
    UM_TRY(im->kind->grey(a, im->bytes, im->n, &turned, out));
    if (opts->labels)
        cut_labels(im, opts->threshold, out);
    return um_grey_turn(a, up, out);
}

/* A resize would draw one slice out to as many as are asked for, all alike. */
static int check_thickness(const struct um_volume *v)
{
    for (int i = 0; i < 3; i++)
        if (v->dim[i] == 1)
            return um_fail(UM_ESHAPE,
                           "%lld x %lld x %lld voxels: one slice is a picture, not a volume",
                           (long long)v->dim[2], (long long)v->dim[1], (long long)v->dim[0]);
    return UM_OK;
}

/* columns that folders of pictures alone take */
static int check_columns(const struct um_image *im, const struct um_scan_opts *opts)
{
    if (opts->slices && *opts->slices)
        return um_fail(UM_EUNSUPPORTED, "%s, and column slices goes with a folder of pictures",
                       im->kind->name);
    if (um_levels_given(&opts->levels))
        return um_fail(UM_ESHAPE, "a volume, and levels are for gray PNG (a volume has --window)");
    return UM_OK;
}

int um_image_volume(struct um_arena *a, const struct um_image *im, const struct um_scan_opts *opts,
                    struct um_scan *out)
{
    if (!im->volume)
        return um_fail(UM_ESHAPE, "a picture, expected a volume");
    if (!(im->folder.path && im->kind->folder == um_slices_read))
        UM_TRY(check_columns(im, opts));
    if (im->folder.path)
        UM_TRY(im->kind->folder(a, &im->folder, opts, out));
    else
        UM_TRY(im->kind->volume(a, im, opts, out));
    UM_TRY(check_thickness(&out->volume));
    return um_volume_orient(&out->volume);
}
