/* layout_ccccii.c - Clean-CC-CCII: a folder of 8-bit slices for each scan, lists in JSON
 *
 * {CP,NCP,Normal}/patient/scan/0000.png from the head down, and ct_train.json, ct_val.json and
 * ct_test.json: class, patient, scan, slices. Every fourth patient has two scans. The scan of cases
 * 8, 17, 26, ... is an empty folder, that of 11, 24, ... is not there, and one slice of 6, 13, ...
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "phantom/layout_int.h"

enum { CLASSES = 3 };

static const char *const class_name[CLASSES] = { "CP", "NCP", "Normal" };
static const char *const list_name[]         = { "ct_train.json", "ct_val.json", "ct_test.json" };

static int class_of(const struct um_phantom_case *c)
{
    for (int i = 0; i < UM_FINDINGS; i++)
        if (c->lesion[i].present)
            return (int)(c->index % 2);
    return 2;
}

static int scans(const struct um_phantom_case *c)
{
    return c->index % 4 == 1 ? 2 : 1;
}

/* one axial slice in the lung window, 8 bits */
static void slice(const struct um_phantom_case *c, int z, uint8_t *px)
{
    const int64_t  n  = (int64_t)c->height * c->width;
    const int16_t *hu = c->ct + n * z;

    for (int64_t i = 0; i < n; i++) {
        const int v = (hu[i] + 1350) * 255 / 1500;

        px[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static int scan(const char *dir, const struct um_phantom_case *c, int s, uint8_t *px)
{
    if (c->index % 9 == 8)
        return um_layout_text("", dir, "%s/%lld/%lld/.empty", class_name[class_of(c)],
                              (long long)c->index, (long long)(2 * c->index + s));
    for (int z = 0; z < c->depth; z++) {
        if (c->index % 7 == 6 && z == 1)
            continue;
        slice(c, c->depth - 1 - z, px);
        UM_TRY(um_layout_png(px, c->width, c->height, dir, "%s/%lld/%lld/%04d.png",
                             class_name[class_of(c)], (long long)c->index,
                             (long long)(2 * c->index + s), z));
    }
    return UM_OK;
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    uint8_t *px = malloc((size_t)c->height * (size_t)c->width);
    int      st = px ? UM_OK : um_fail(UM_ENOMEM, "out of memory");

    for (int s = 0; s < scans(c) && st >= 0 && c->index % 13 != 11; s++)
        st = scan(dir, c, s, px);
    free(px);
    return st;
}

/* one of nine texts: list and class; `finish` puts them together */
static void rows(FILE *const *table, const struct um_phantom_case *c)
{
    FILE *const f = table[CLASSES * c->split + class_of(c)];

    (void)fprintf(f, ",\n        \"%lld\": {", (long long)c->index);
    for (int s = 0; s < scans(c); s++) {
        (void)fprintf(f, "%s\n            \"%lld\": [", s ? "," : "",
                      (long long)(2 * c->index + s));
        for (int z = 0; z < c->depth; z++)
            (void)fprintf(f, "%s\n                \"%04d.png\"", z ? "," : "", z);
        (void)fputs("\n            ]", f);
    }
    (void)fputs("\n        }", f);
}

static int finish(const char *dir, char *const *text)
{
    struct um_outfile *f;

    for (int list = 0; list < UM_SPLITS; list++) {
        int st = um_layout_open(&f, dir, "%s", list_name[list]);

        UM_TRY(st);
        for (int k = 0; k < CLASSES && st >= 0; k++) {
            const char *t = text[CLASSES * list + k];

            st = um_outfile_printf(f, "%s    \"%s\": {", k ? "" : "{\n", class_name[k]);
            if (st >= 0 && *t)
                st = um_outfile_write(f, t + 1, strlen(t + 1)); /* without the first comma */
            if (st >= 0)
                st = um_outfile_printf(f, "\n    }%s\n", k < CLASSES - 1 ? "," : "\n}");
        }
        UM_TRY(um_outfile_close(f, st, 0));
    }
    return UM_OK;
}

const struct um_layout um_layout_ccccii = { .name   = "cc-ccii",
                                            .table  = { "a", "b", "c", "d", "e", "f", "g", "h",
                                                        "i" },
                                            .files  = files,
                                            .rows   = rows,
                                            .finish = finish };
