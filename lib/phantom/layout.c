/* layout.c - the table of layouts, and the tables of each */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "phantom/layout.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "phantom/layout_int.h"

static const struct um_layout *const layouts[] = {
    &um_layout_amos,   &um_layout_bcv,    &um_layout_bimcv,  &um_layout_ccccii, &um_layout_chexpert,
    &um_layout_covidx, &um_layout_folder, &um_layout_luna16, &um_layout_mimic,  &um_layout_rsna,
};

const struct um_layout *um_layout_find(const char *name)
{
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (strcmp(layouts[i]->name, name) == 0)
            return layouts[i];
    return NULL;
}

/* ---- tables ---- */

struct um_layout_tables {
    const struct um_layout *l;
    FILE                   *f[UM_LAYOUT_TABLES];
    char                   *text[UM_LAYOUT_TABLES];
    size_t                  n[UM_LAYOUT_TABLES];
};

static int no_memory(void)
{
    return um_fail(UM_ENOMEM, "out of memory");
}

int um_layout_begin(struct um_layout_tables **out, const struct um_layout *l)
{
    struct um_layout_tables *t = calloc(1, sizeof *t);

    if (!(*out = t))
        return no_memory();
    t->l = l;
    for (int i = 0; i < UM_LAYOUT_TABLES && l->table[i]; i++) {
        if (!(t->f[i] = open_memstream(&t->text[i], &t->n[i])))
            return no_memory();
        if (l->head[i] && fputs(l->head[i], t->f[i]) < 0)
            return no_memory();
    }
    return UM_OK;
}

char **um_layout_rows(const struct um_layout *l, const struct um_phantom_case *c)
{
    char **text                = calloc(UM_LAYOUT_TABLES, sizeof *text);
    FILE  *f[UM_LAYOUT_TABLES] = { NULL };
    size_t n[UM_LAYOUT_TABLES];
    bool   ok = text != NULL;

    for (int i = 0; ok && i < UM_LAYOUT_TABLES && l->table[i]; i++)
        ok = (f[i] = open_memstream(&text[i], &n[i])) != NULL;
    if (ok)
        l->rows(f, c);
    for (int i = 0; i < UM_LAYOUT_TABLES; i++)
        ok = (!f[i] || fclose(f[i]) == 0) && ok;
    if (ok)
        return text;
    for (int i = 0; text && i < UM_LAYOUT_TABLES; i++)
        free(text[i]);
    free(text);
    return NULL;
}

int um_layout_add(struct um_layout_tables *t, char **rows)
{
    bool ok = true;

    for (int i = 0; rows && i < UM_LAYOUT_TABLES; i++) {
        if (rows[i] && t)
            ok = fputs(rows[i], t->f[i]) >= 0 && ok;
        free(rows[i]);
    }
    free(rows);
    return ok ? UM_OK : no_memory();
}

static int write_gzip(struct um_outfile *f, const char *text, size_t n)
{
    struct libdeflate_compressor *c    = libdeflate_alloc_compressor(6);
    const size_t                  most = c ? libdeflate_gzip_compress_bound(c, n) : 0;
    char                         *to   = c ? malloc(most) : NULL;
    int                           st   = to ? UM_OK : no_memory();

    if (to)
        st = um_outfile_write(f, to, libdeflate_gzip_compress(c, text, n, to, most));
    free(to);
    libdeflate_free_compressor(c);
    return st;
}

static int write_table(const char *dir, const char *path, const char *text)
{
    const size_t       n = strlen(path), size = strlen(text);
    struct um_outfile *f;

    UM_TRY(um_layout_open(&f, dir, "%s", path));
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0)
        return um_outfile_close(f, write_gzip(f, text, size), 0);
    return um_outfile_close(f, um_outfile_write(f, text, size), 0);
}

int um_layout_end(struct um_layout_tables *t, const char *dir, int st)
{
    if (!t)
        return st;
    for (int i = 0; i < UM_LAYOUT_TABLES; i++)
        if (t->f[i] && fclose(t->f[i]) != 0 && st >= 0)
            st = no_memory();
    if (st >= 0 && t->l->finish)
        st = t->l->finish(dir, t->text);
    for (int i = 0; i < UM_LAYOUT_TABLES && t->l->table[i]; i++) {
        if (st >= 0 && !t->l->finish)
            st = write_table(dir, t->l->table[i], t->text[i]);
        free(t->text[i]);
    }
    free(t);
    return st;
}
