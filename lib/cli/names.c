/* names.c - keys become file names; a table of digests sees to it that none is used twice */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "cli/cli.h"

struct um_names {
    uint64_t *table; /* open addressing, 0: empty */
    size_t    size, used;
};

int um_names_new(struct um_names **n)
{
    *n = calloc(1, sizeof **n);
    return *n ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

void um_names_free(struct um_names *n)
{
    if (n)
        free(n->table);
    free(n);
}

bool um_names_many(const char *pattern)
{
    return pattern && (strstr(pattern, "%s") || (*pattern && pattern[strlen(pattern) - 1] == '/'));
}

static bool file_of(const char *name, struct stat *sb)
{
    return name && strcmp(name, "-") != 0 && stat(name, sb) == 0 && S_ISREG(sb->st_mode);
}

int um_names_apart(const char *what, const char *output, const char *input)
{
    struct stat a, b;

    if (file_of(output, &a) && file_of(input, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return um_usage("%s %s would take the place of %s, which is read", what, output, input);
    return UM_OK;
}

/* false if h was in the table already; there is room */
static bool insert(uint64_t *table, size_t size, uint64_t h)
{
    size_t i = h & (size - 1);

    for (; table[i]; i = (i + 1) & (size - 1))
        if (table[i] == h)
            return false;
    table[i] = h;
    return true;
}

static int remember(struct um_names *n, const char *path)
{
    const uint64_t h = um_hash64(path, strlen(path)) | 1;

    if (2 * n->used >= n->size) {
        const size_t size  = n->size ? 2 * n->size : 256;
        uint64_t    *table = calloc(size, sizeof *table);

        if (!table)
            return um_fail(UM_ENOMEM, "out of memory");
        for (size_t i = 0; i < n->size; i++)
            if (n->table[i])
                (void)insert(table, size, n->table[i]);
        free(n->table);
        n->table = table;
        n->size  = size;
    }
    if (!insert(n->table, n->size, h))
        return um_fail(UM_EDUPLICATE, "%s would be written twice", path);
    n->used++;
    return UM_OK;
}

static char *safe_key(struct um_arena *a, const char *key)
{
    char *s = um_strdup(a, key);

    for (char *c = s; c && *c; c++)
        if (*c == '/' || (*c == '.' && c == s))
            *c = '_';
    return s;
}

int um_names_folder(struct um_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    char       *dir;

    if (!slash || slash == path)
        return UM_OK;
    dir = um_strndup(a, path, (size_t)(slash - path));
    return dir ? um_mkdirs(dir) : UM_ENOMEM;
}

int um_names_path(struct um_names *n, struct um_arena *a, const char *pattern, const char *key,
                  const char *ext, const char **path)
{
    const char *name = safe_key(a, key), *s;
    char       *made;

    if (!strstr(pattern, "%s") && um_names_many(pattern))
        pattern = um_sprintf(a, "%s%%s.%s", pattern, ext);
    if (!name || !pattern || !(made = um_strdup(a, "")))
        return UM_ENOMEM;
    while ((s = strstr(pattern, "%s"))) {
        made = um_sprintf(a, "%s%.*s%s", made, (int)(s - pattern), pattern, name);
        if (!made)
            return UM_ENOMEM;
        pattern = s + 2;
    }
    *path = um_sprintf(a, "%s%s", made, pattern);
    if (!*path)
        return UM_ENOMEM;
    UM_TRY(remember(n, *path));
    return um_names_folder(a, *path);
}

/* the first "%d" or "%05d" of a path: where it begins and ends, and its width */
static bool number_place(const char *path, size_t *from, size_t *to, int *width)
{
    for (const char *s = path; (s = strchr(s, '%')); s++) {
        const size_t digits = strspn(s + 1, "0123456789");

        if (s[1 + digits] != 'd' || digits > 2)
            continue;
        *from  = (size_t)(s - path);
        *to    = *from + digits + 2;
        *width = digits ? atoi(s + 1) : 1;
        return true;
    }
    return false;
}

bool um_names_has_number(const char *pattern)
{
    size_t from, to;
    int    width;

    return number_place(pattern, &from, &to, &width);
}

int um_names_numbered(struct um_arena *a, const char *what, const char *pattern, int64_t number,
                      const char **path)
{
    size_t from, to, more[2];
    int    width, other;

    if (!pattern || !number_place(pattern, &from, &to, &width))
        return um_usage("several files need a %s with a place for their number, as in x-%%05d.umt",
                        what);
    if (number_place(pattern + to, &more[0], &more[1], &other))
        return um_usage("%s %s: two places for the number; one is needed", what, pattern);
    *path = um_sprintf(a, "%.*s%0*" PRId64 "%s", (int)from, pattern, width, number, pattern + to);
    return *path ? UM_OK : UM_ENOMEM;
}
