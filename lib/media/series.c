/* series.c - the DICOM files in a folder: which are slices of which series, and their voxels */
/* SPDX-License-Identifier: Apache-2.0 */
#define _XOPEN_SOURCE 700 /* pread */
#include "media/series.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "media/series_int.h"

enum { HEAD = 1 << 14, SERIES_MAX = 64, LISTED = 10, HEADER_MAX = 1 << 26, PREAMBLE = 128 };

struct group {
    char    uid[UM_DICOM_UID_MAX], description[UM_DICOM_TEXT_MAX];
    int64_t n;
};

/* what is known of a file besides its place */
struct entry {
    struct um_plane_at at;
    struct um_dicom    d; /* of which data.bytes is gone */
    int                group;
};

struct job {
    struct um_arena           *a;
    const struct um_folder    *folder;
    const struct um_scan_opts *opts;
    struct entry              *entry;
    int64_t                    n;
    struct group               group[SERIES_MAX];
    int                        groups;
    int64_t                    foreign, empty, localizers; /* left out */
    const char                *first;                      /* of the foreign ones */
    struct um_scan            *out;
};

/* ---- headers ---- */

/* a file's whole content, or what its header needs of it */
static int open_more(struct job *j, int64_t file, const char *path, struct um_dicom *d)
{
    const size_t max = (size_t)j->opts->max_voxels * 8 + HEADER_MAX;
    uint8_t     *bytes;
    size_t       n;
    int          st;

    UM_TRY(um_file_read(j->a, path, max, &bytes, &n));
    st = um_dicom_open(j->a, bytes, n, n, j->opts->max_voxels, d);
    return st < 0 ? um_context(st, "%s", j->folder->name[file]) : UM_OK;
}

/* a name's ending, "" for none; a number is none: of a slice, or the last of a UID */
static const char *ending(const char *name)
{
    const char *dot = strrchr(name, '.');

    return !dot || dot[1 + strspn(dot + 1, "0123456789")] == 0 ? "" : dot;
}

/* does most of the folder end so? */
static bool ends_alike(const struct um_folder *f, const char *name)
{
    int64_t n = 0;

    for (int64_t i = 0; i < f->n; i++)
        n += strcasecmp(ending(f->name[i]), ending(name)) == 0;
    return 2 * n > f->n;
}

/* What lies beside slices and is not DICOM may be anything, but not what a slice leaves that was
 * not written or copied to its end: then the volume would be shorter without anyone knowing. */
static int check_foreign(const struct job *j, const char *name, const uint8_t *head, size_t n)
{
    const char *dot   = strrchr(name, '.');
    size_t      zeros = 0;

    if (n == 0 && ends_alike(j->folder, name))
        return um_fail(UM_EFORMAT, "%s: empty, in a folder of DICOM files", name);
    while (zeros < n && head[zeros] == 0)
        zeros++;
    if (n > 0 && (zeros == n || (zeros >= PREAMBLE && n < PREAMBLE + 4)) &&
        ends_alike(j->folder, name))
        return um_fail(UM_EFORMAT, "%s: DICOM: cut or damaged: begins with %zu zeros", name, zeros);
    if (dot && strcasecmp(dot, ".dcm") == 0)
        return um_fail(UM_EFORMAT, "%s: not a DICOM file, whatever its name says", name);
    return UM_OK;
}

/* 1: DICOM; 0: something else */
static int open_head(struct job *j, int64_t file, const char *path, struct um_dicom *d)
{
    uint8_t head[HEAD];
    size_t  n, total;
    int     st;

    UM_TRY(um_file_head(path, head, sizeof head, &n, &total));
    if (!um_dicom_is(head, n)) {
        UM_TRY(check_foreign(j, j->folder->name[file], head, n));
        return 0;
    }
    st = um_dicom_open(j->a, head, n, total, j->opts->max_voxels, d);
    if (st == UM_DICOM_MORE)
        st = open_more(j, file, path, d);
    else if (st < 0)
        return um_context(st, "%s", j->folder->name[file]);
    return st < 0 ? st : 1;
}

static int find_group(struct job *j, const struct um_dicom *d)
{
    struct group *g;

    for (int i = 0; i < j->groups; i++)
        if (strcmp(j->group[i].uid, d->series) == 0)
            return i;
    if (j->groups == SERIES_MAX)
        return um_fail(UM_ESHAPE, "more than %d DICOM series in one folder", SERIES_MAX);
    g  = &j->group[j->groups];
    *g = (struct group){ .n = 0 };
    memcpy(g->uid, d->series, sizeof g->uid);
    memcpy(g->description, d->description, sizeof g->description);
    return j->groups++;
}

static int add(struct job *j, int64_t file, const struct um_dicom *d)
{
    struct entry *e = &j->entry[j->n];
    const int     g = find_group(j, d);

    if (g < 0)
        return g;
    *e              = (struct entry){ .d = *d, .group = g };
    e->d.data.bytes = NULL;
    e->at           = (struct um_plane_at){ .name        = j->folder->name[file],
                                            .file        = file,
                                            .instance    = d->instance,
                                            .acquisition = d->acquisition,
                                            .plane       = d->plane,
                                            .pixels_at   = d->pixels_at };
    j->group[g].n++;
    j->n++;
    return UM_OK;
}

static int look_at(struct job *j, int64_t file)
{
    const struct um_mark mark = um_arena_mark(j->a);
    const char          *path = um_folder_path(j->a, j->folder, file);
    struct um_dicom      d;
    int                  st;

    if (!path)
        return UM_ENOMEM;
    if ((st = open_head(j, file, path, &d)) < 0)
        return st;
    um_arena_rewind(j->a, mark);
    if (st == 0 && j->foreign++ == 0)
        j->first = j->folder->name[file];
    if (st == 0)
        return UM_OK;
    if (d.cut)
        return um_fail(UM_EFORMAT, "%s: DICOM: cut: a picture's header without pixels behind it",
                       j->folder->name[file]);
    if (!d.has_pixels)
        j->empty++;
    else if (d.localizer)
        j->localizers++;
    else
        return add(j, file, &d);
    return UM_OK;
}

/* ---- one series ---- */

static int list_groups(const struct job *j)
{
    char   text[2048];
    size_t n = 0;

    for (int i = 0; i < j->groups && i < LISTED; i++)
        n +=
            (size_t)snprintf(text + n, sizeof text - n, "%s%s (%s%s%lld files)", i ? "; " : "",
                             *j->group[i].uid ? j->group[i].uid : "no UID", j->group[i].description,
                             *j->group[i].description ? ", " : "", (long long)j->group[i].n);
    if (j->opts->series)
        return um_fail(UM_EMISSING, "no DICOM series %s among %d: %s%s", j->opts->series, j->groups,
                       text, j->groups > LISTED ? "; ..." : "");
    return um_fail(UM_ESHAPE, "%d DICOM series (--series=UID picks one): %s%s", j->groups, text,
                   j->groups > LISTED ? "; ..." : "");
}

static int nothing(const struct job *j)
{
    return um_fail(UM_EMISSING,
                   "no DICOM pictures in the folder (%lld files of other kinds, %lld DICOM files "
                   "without pixels, %lld localizers, %lld folders)",
                   (long long)j->foreign, (long long)j->empty, (long long)j->localizers,
                   (long long)j->folder->folders);
}

/* the entries of the series that is wanted move to the front */
static int choose(struct job *j)
{
    int64_t kept   = 0;
    int     chosen = j->groups == 1 && !j->opts->series ? 0 : -1;

    if (j->groups == 0)
        return nothing(j);
    for (int g = 0; j->opts->series && g < j->groups; g++)
        if (strcmp(j->group[g].uid, j->opts->series) == 0)
            chosen = g;
    if (chosen < 0)
        return list_groups(j);
    for (int64_t i = 0; i < j->n; i++)
        if (j->entry[i].group == chosen)
            j->entry[kept++] = j->entry[i];
    j->n = kept;
    return UM_OK;
}

/* what one series has but one of, where it is said */
static int check_one(const struct job *j, const char *what, size_t offset)
{
    int64_t first = 0;

    for (int64_t i = 0; i < j->n; i++) {
        const char *text  = (const char *)&j->entry[i].d + offset,
                   *other = (const char *)&j->entry[first].d + offset;

        if (!*other)
            first = i;
        else if (*text && strcmp(text, other) != 0)
            return um_fail(UM_EMISMATCH, "%s: DICOM: another %s than %s, in one series",
                           j->entry[i].at.name, what, j->entry[first].at.name);
    }
    return UM_OK;
}

static int check_kinds(const struct job *j)
{
    const struct um_dicom *d = &j->entry[0].d;

    UM_TRY(check_one(j, "patient", offsetof(struct um_dicom, patient)));
    UM_TRY(check_one(j, "frame of reference", offsetof(struct um_dicom, frame_of_reference)));
    for (int64_t i = 0; i < j->n; i++) {
        const struct um_dicom *e    = &j->entry[i].d;
        const char            *name = j->entry[i].at.name;

        if (e->frames > 1)
            return um_fail(UM_EMISMATCH, "%s: DICOM: %lld frames, in a series of %lld files", name,
                           (long long)e->frames, (long long)j->n);
        if (e->samples != 1 || e->colours > UM_DICOM_MONOCHROME2)
            return um_fail(UM_EUNSUPPORTED, "%s: DICOM: in colour: not a CT", name);
        if (e->rows != d->rows || e->columns != d->columns)
            return um_fail(UM_EMISMATCH, "%s: DICOM: %lld x %lld pixels, %s has %lld x %lld", name,
                           (long long)e->columns, (long long)e->rows, j->entry[0].at.name,
                           (long long)d->columns, (long long)d->rows);
        if (e->allocated != d->allocated || e->is_signed != d->is_signed)
            return um_fail(UM_EMISMATCH,
                           "%s: DICOM: %ssigned values of %d bits, %s has %ssigned of %d", name,
                           e->is_signed ? "" : "un", e->allocated, j->entry[0].at.name,
                           d->is_signed ? "" : "un", d->allocated);
    }
    return UM_OK;
}

static int lone(const struct job *j)
{
    char others[512] = "";

    if (j->foreign > 0)
        (void)snprintf(others, sizeof others, ", beside %lld files that are not DICOM (%s first)",
                       (long long)j->foreign, j->first);
    return um_fail(UM_ESHAPE, "%s: DICOM: one slice alone, a volume has two or more%s",
                   j->entry[0].at.name, others);
}

static int note_left_out(struct job *j)
{
    const char *text;

    if (j->foreign + j->empty + j->localizers == 0)
        return UM_OK;
    text =
        um_sprintf(j->a,
                   "left out of the folder: %lld files that are not DICOM%s%s%s, %lld DICOM files "
                   "without pixels, %lld localizers",
                   (long long)j->foreign, j->first ? " (" : "", j->first ? j->first : "",
                   j->first ? " first)" : "", (long long)j->empty, (long long)j->localizers);
    if (!text)
        return UM_ENOMEM;
    um_scan_note(j->out, text);
    return UM_OK;
}

/* ---- voxels ---- */

/* stored values lie in the file as they will in memory: no copy in between */
static int read_plain(const char *path, const struct um_plane_at *s, int64_t i, struct um_volume *v)
{
    const size_t size = (size_t)v->step[0] * um_voxel_size(v->type);
    char        *to   = (char *)(uintptr_t)v->voxels + (size_t)i * size;
    const int    fd   = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t       have = 0;
    int          st   = UM_OK;

    if (fd < 0)
        return um_fail_errno("%s", path);
    while (have < size && st == UM_OK) {
        const ssize_t got = pread(fd, to + have, size - have, (off_t)(s->pixels_at + have));

        if (got < 0 && errno != EINTR)
            st = um_fail_errno("%s", path);
        else if (got == 0)
            st = um_fail(UM_EFORMAT, "%s: DICOM: cut while it was read", s->name);
        else if (got > 0)
            have += (size_t)got;
    }
    (void)close(fd);
    return st;
}

static int decode(struct job *j, const char *path, const struct entry *e,
                  const struct um_plane_at *s, int64_t i)
{
    struct um_dicom d;
    int             st;

    UM_TRY(open_more(j, s->file, path, &d));
    if (!d.has_pixels || d.rows != e->d.rows || d.columns != e->d.columns || d.samples != 1 ||
        d.allocated != e->d.allocated || d.is_signed != e->d.is_signed)
        return um_fail(UM_EMISMATCH, "%s: DICOM: changed while it was read", s->name);
    st = um_dicom_index(j->a, &d);
    if (st == UM_OK)
        st = um_series_put(j->a, &d, s, i, j->out);
    return st < 0 ? um_context(st, "%s", s->name) : UM_OK;
}

static int read_slice(struct job *j, const struct entry *e, const struct um_plane_at *s, int64_t i)
{
    const char *path = um_folder_path(j->a, j->folder, s->file);

    if (!path)
        return UM_ENOMEM;
    return um_dicom_plain(&e->d) && j->out->volume.type != UM_VOX_F32
               ? read_plain(path, s, i, &j->out->volume)
               : decode(j, path, e, s, i);
}

static int read_voxels(struct job *j)
{
    struct um_plane_at  *s    = um_alloc_array(j->a, j->n, sizeof *s);
    const struct entry **of   = um_calloc_array(j->a, j->folder->n, sizeof *of);
    int64_t              many = j->n;
    struct um_mark       mark;

    if (!s || !of)
        return UM_ENOMEM;
    for (int64_t i = 0; i < j->n; i++) {
        s[i]          = j->entry[i].at;
        s[i].uid      = j->entry[i].d.instance_uid;
        of[s[i].file] = &j->entry[i];
    }
    UM_TRY(um_planes_arrange(j->a, s, &many, j->opts, j->out));
    UM_TRY(um_series_take(j->a, &j->entry[0].d, many, um_planes_rescale(s, many), j->opts, j->out));
    mark = um_arena_mark(j->a);
    for (int64_t i = 0; i < many; i++) {
        UM_TRY(read_slice(j, of[s[i].file], &s[i], i));
        um_arena_rewind(j->a, mark);
    }
    return um_series_settle(j->a, j->out);
}

/* an enhanced CT: the only file of its series, and all the slices in it */
static int read_frames(struct job *j)
{
    const char *path = um_folder_path(j->a, j->folder, j->entry[0].at.file);
    uint8_t    *bytes;
    size_t      n;
    int         st;

    if (!path)
        return UM_ENOMEM;
    UM_TRY(um_file_read(j->a, path, (size_t)j->opts->max_voxels * 8 + HEADER_MAX, &bytes, &n));
    st = um_series_frames(j->a, bytes, n, j->opts, j->out);
    return st < 0 ? um_context(st, "%s", j->entry[0].at.name) : UM_OK;
}

int um_series_read(struct um_arena *a, const struct um_folder *folder,
                   const struct um_scan_opts *opts, struct um_scan *out)
{
    struct job j = { .a = a, .folder = folder, .opts = opts, .out = out };

    memset(out, 0, sizeof *out);
    if (opts->frame > 0)
        return um_fail(UM_ERANGE, "DICOM: frame %lld asked for, a series has one",
                       (long long)opts->frame);
    if (!(j.entry = um_alloc_array(a, folder->n, sizeof *j.entry)))
        return UM_ENOMEM;
    for (int64_t i = 0; i < folder->n; i++)
        UM_TRY(look_at(&j, i));
    UM_TRY(choose(&j));
    if (j.n == 1 && j.entry[0].d.frames > 1)
        UM_TRY(read_frames(&j));
    else if (j.n == 1)
        return lone(&j);
    else {
        UM_TRY(check_kinds(&j));
        UM_TRY(read_voxels(&j));
    }
    out->frames = 1;
    return note_left_out(&j);
}
