/* layout_files.c - files in the folders of a layout */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "media/png_write.h"
#include "phantom/layout_int.h"
#include "phantom/save.h"

UM_PRINTF(3, 0) static int path_of(char *path, const char *dir, const char *fmt, va_list args)
{
    const int n = snprintf(path, UM_LAYOUT_PATH, "%s/", dir);
    const int m =
        n < UM_LAYOUT_PATH ? vsnprintf(path + n, (size_t)(UM_LAYOUT_PATH - n), fmt, args) : 0;
    char *slash;

    if (n + m >= UM_LAYOUT_PATH)
        return um_fail(UM_ERANGE, "%s: the path is too long", dir);
    slash  = strrchr(path, '/');
    *slash = 0;
    UM_TRY(um_mkdirs(path));
    *slash = '/';
    return UM_OK;
}

/* path[]: dir, a slash, and what fmt says, its folders made */
#define PATH(path)                                                                                 \
    do {                                                                                           \
        va_list args_;                                                                             \
        int     st_;                                                                               \
        va_start(args_, fmt);                                                                      \
        st_ = path_of(path, dir, fmt, args_);                                                      \
        va_end(args_);                                                                             \
        UM_TRY(st_);                                                                               \
    } while (0)

int um_layout_open(struct um_outfile **f, const char *dir, const char *fmt, ...)
{
    char path[UM_LAYOUT_PATH];

    PATH(path);
    return um_outfile_open(f, path);
}

int um_layout_text(const char *text, const char *dir, const char *fmt, ...)
{
    char               path[UM_LAYOUT_PATH];
    struct um_outfile *f;

    PATH(path);
    UM_TRY(um_outfile_open(&f, path));
    return um_outfile_close(f, um_outfile_write(f, text, strlen(text)), 0);
}

int um_layout_jpeg(const struct um_phantom_case *c, const char *dir, const char *fmt, ...)
{
    char path[UM_LAYOUT_PATH];

    PATH(path);
    return um_save_xray(path, um_xray_files_find("jpeg"), c);
}

int um_layout_png(const uint8_t *pixels, int w, int h, const char *dir, const char *fmt, ...)
{
    char               path[UM_LAYOUT_PATH];
    struct um_outfile *f;

    PATH(path);
    UM_TRY(um_outfile_open(&f, path));
    return um_outfile_close(f, um_png_write(f, pixels, w, h, 1), 0);
}

int um_layout_png16(const uint16_t *pixels, int w, int h, const char *dir, const char *fmt, ...)
{
    char               path[UM_LAYOUT_PATH];
    struct um_outfile *f;

    PATH(path);
    UM_TRY(um_outfile_open(&f, path));
    return um_outfile_close(f, um_png_write16(f, pixels, w, h), 0);
}

int um_layout_nifti(const struct um_phantom_case *c, const void *data, enum um_dtype type,
                    const char *dir, const char *fmt, ...)
{
    char path[UM_LAYOUT_PATH];

    PATH(path);
    return um_save_volume(path, c, data, type);
}

int um_layout_ct(const struct um_phantom_case *c, const char *as, const char *dir, const char *fmt,
                 ...)
{
    char path[UM_LAYOUT_PATH];

    PATH(path);
    return um_save_ct(path, um_ct_files_find(as), c);
}

int um_layout_remove(const char *dir, const char *fmt, ...)
{
    char path[UM_LAYOUT_PATH];

    PATH(path);
    return remove(path) == 0 ? UM_OK : um_fail_errno("%s", path);
}

uint8_t *um_layout_labels(const struct um_phantom_case *c)
{
    const int64_t n = (int64_t)c->depth * c->height * c->width;
    uint8_t      *l = malloc((size_t)n);

    for (int64_t i = 0; l && i < n; i++) {
        int f = 0;

        while (c->mask[i] && !(c->mask[i] >> f & 1))
            f++;
        l[i] = (uint8_t)(c->mask[i] ? f + 1 : 0);
    }
    return l;
}

void um_layout_report(FILE *f, const char *report, const char *indent)
{
    const char *last = strstr(report, " IMPRESSION: ");

    if (strncmp(report, "FINDINGS: ", 10) == 0)
        report += 10;
    (void)fprintf(f, "%sFINDINGS: \n%s\n%s%.*s\n", indent, indent, indent,
                  last ? (int)(last - report) : (int)strlen(report), report);
    if (last)
        (void)fprintf(f, "%s\n%sIMPRESSION: \n%s\n%s%s\n", indent, indent, indent, indent,
                      last + 13);
}

uint64_t um_layout_hash(const struct um_phantom_case *c, int what)
{
    const int64_t key[] = { c->index, what };

    return um_hash64(key, sizeof key);
}
