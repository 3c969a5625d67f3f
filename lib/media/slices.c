/* slices.c - pictures stacked in the order of their numbers */
/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* strsep */
#include "media/slices.h"

#include <stdlib.h>
#include <string.h>

#include "media/image.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* length of the run of digits at *p once zeros in front are left out */
static size_t digits(const char **p)
{
    size_t n = 0;

    while (**p == '0' && is_digit((*p)[1]))
        ++*p;
    while (is_digit((*p)[n]))
        n++;
    return n;
}

int um_natural_order(const char *a, const char *b)
{
    const char *p = a, *q = b;

    while (*p && *q) {
        if (is_digit(*p) && is_digit(*q)) {
            const size_t n = digits(&p), m = digits(&q);
            const int    d = n != m ? (n < m ? -1 : 1) : memcmp(p, q, n);

            if (d != 0)
                return d;
            p += n;
            q += m;
        } else if (*p != *q) {
            break;
        } else {
            p++;
            q++;
        }
    }
    if (*p != *q)
        return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
    return strcmp(a, b); /* "01" and "1": some order, always the same */
}

static int order(const void *a, const void *b)
{
    return um_natural_order(*(const char *const *)a, *(const char *const *)b);
}

/* the last number before the name's ending; -1: none, or more than fits */
static int64_t number_of(const char *name)
{
    const char *dot = strrchr(name, '.'), *end = dot && dot > name ? dot : name + strlen(name);
    int64_t     v = 0;

    while (end > name && !is_digit(end[-1]))
        end--;
    const char *p = end;
    while (p > name && is_digit(p[-1]))
        p--;
    if (p == end || end - p > 9)
        return -1;
    for (; p < end; p++)
        v = 10 * v + (*p - '0');
    return v;
}

/* numbers that are missing between the first and the last; NULL: none, or the names do not count */
static const char *gaps(struct um_arena *a, const char *const *name, int64_t n)
{
    int64_t missing = 0, where = 0, last = number_of(name[0]);

    for (int64_t i = 1; i < n; i++) {
        const int64_t now = number_of(name[i]);

        if (last < 0 || now <= last)
            return NULL;
        if (now > last + 1 && missing == 0)
            where = last + 1;
        missing += now - last - 1;
        last = now;
    }
    if (missing == 0)
        return NULL;
    return um_sprintf(a, "slices: %lld of the numbers %lld to %lld missing, the first is %lld",
                      (long long)missing, (long long)number_of(name[0]), (long long)last,
                      (long long)where);
}

/* one picture, which must not be larger than a volume may be */
static int decode(struct um_arena *a, const struct um_folder *f, const char *name,
                  const struct um_scan_opts *scan, struct um_grey *g)
{
    const struct um_image_opts opts  = { .max_pixels = scan->max_voxels,
                                         .levels     = scan->levels,
                                         .labels     = scan->labels,
                                         .threshold  = scan->threshold };
    const size_t               n     = strlen(f->path);
    const bool                 slash = n > 0 && f->path[n - 1] == '/';
    const char                *path  = um_sprintf(a, "%s%s%s", f->path, slash ? "" : "/", name);
    struct um_image            im;
    int                        st;

    if (!path)
        return UM_ENOMEM;
    UM_TRY(um_image_open(a, path, scan->max_voxels, &im));
    if (um_image_is_volume(&im))
        return um_fail(UM_EFORMAT, "%s: a volume in a folder of pictures", path);
    st = um_image_grey(a, &im, &opts, g);
    return st < 0 ? um_context(st, "%s", path) : UM_OK;
}

/* 16 bits to 8, and next to nothing left of them: values that were shifted, HU + 32768 for one */
static const char *flat(const uint8_t *px, int64_t n)
{
    uint8_t least = 255, most = 0;

    for (int64_t i = 0; i < n; i++) {
        least = px[i] < least ? px[i] : least;
        most  = px[i] > most ? px[i] : most;
    }
    return most - least >= 32 ? NULL
                              : "slices of 16 bits that use less than an eighth of the range: the "
                                "column levels says what black and white are";
}

static int stack(struct um_arena *a, const struct um_folder *f, const char *const *name, int64_t n,
                 const struct um_scan_opts *opts, struct um_scan *out)
{
    struct um_mark mark = um_arena_mark(a);
    struct um_grey g;
    int64_t        dim[4] = { 0, 0, n, 1 };
    uint8_t       *to;
    bool           wide = false;
    const char    *text;

    UM_TRY(decode(a, f, name[0], opts, &g)); /* its size, before room for all */
    dim[0] = g.width;
    dim[1] = g.height;
    UM_TRY(um_scan_sizes(dim, opts, out));
    um_arena_rewind(a, mark);
    to = um_alloc_array(a, dim[0] * dim[1] * dim[2], 1);
    if (!to)
        return UM_ENOMEM;
    out->volume.voxels = to;
    mark               = um_arena_mark(a);
    for (int64_t i = 0; i < n; i++, to += dim[0] * dim[1]) {
        UM_TRY(decode(a, f, name[i], opts, &g));
        if (g.width != dim[0] || g.height != dim[1])
            return um_fail(UM_EMISMATCH, "%s: %lld x %lld pixels, %s has %lld x %lld", name[i],
                           (long long)g.width, (long long)g.height, name[0], (long long)dim[0],
                           (long long)dim[1]);
        wide = wide || g.wide;
        memcpy(to, g.px, (size_t)(dim[0] * dim[1]));
        um_arena_rewind(a, mark);
    }
    if (wide && (text = flat(out->volume.voxels, dim[0] * dim[1] * dim[2])))
        um_scan_note(out, text);
    return UM_OK;
}

/* all of them, by number */
static int take_all(struct um_arena *a, const struct um_folder *f, const char **name,
                    struct um_scan *out)
{
    const char *missing;

    if (f->folders > 0)
        return um_fail(UM_EFORMAT, "a folder of pictures with another folder in it");
    memcpy(name, f->name, (size_t)f->n * sizeof *name);
    qsort(name, (size_t)f->n, sizeof *name, order);
    if ((missing = gaps(a, name, f->n)))
        um_scan_note(out, missing);
    return UM_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* those that the list names, in its order: *n of the folder's */
static int take_listed(struct um_arena *a, const struct um_folder *f, const char *list,
                       const char **name, int64_t *n)
{
    bool *taken = um_calloc_array(a, f->n, sizeof *taken);
    char *text  = um_strdup(a, list), *one;

    if (!taken || !text)
        return UM_ENOMEM;
    for (*n = 0; (one = strsep(&text, ";"));) {
        const char **at = bsearch(&one, f->name, (size_t)f->n, sizeof *f->name, by_bytes);

        if (!at)
            return um_fail(UM_EMISSING, "column slices: \"%s\" is not in the folder", one);
        if (taken[at - f->name])
            return um_fail(UM_EDUPLICATE, "column slices: \"%s\" is named twice", one);
        taken[at - f->name] = true;
        name[(*n)++]        = *at;
    }
    return UM_OK;
}

int um_slices_read(struct um_arena *a, const struct um_folder *f, const struct um_scan_opts *opts,
                   struct um_scan *out)
{
    static const double affine[12] = { -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0 };
    const char        **name       = um_alloc_array(a, f->n, sizeof *name);
    int64_t             n          = f->n;

    if (!name)
        return UM_ENOMEM;
    *out = (struct um_scan){ .grey = true, .form = "pictures" };
    memcpy(out->volume.affine, affine, sizeof affine);
    out->volume.type  = UM_VOX_U8;
    out->volume.slope = 1;
    um_scan_note(out, "a folder of pictures: spacing and direction are not known, taken as 1 mm, "
                      "left, back, head; levels 0 to 255 become 0 to 1");
    UM_TRY(opts->slices && *opts->slices ? take_listed(a, f, opts->slices, name, &n)
                                         : take_all(a, f, name, out));
    return stack(a, f, name, n, opts, out);
}
