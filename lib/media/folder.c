/* folder.c - listing a folder without being hung or filled up by what is in it */
/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* d_type */
#include "media/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* a list that grows */
struct list {
    struct um_arena  *a;
    struct um_folder *f;
    int64_t           room, seen;
};

static int keep(struct list *l, const char *name)
{
    struct um_folder *f = l->f;

    if (f->n == l->room) {
        const int64_t room = l->room ? 2 * l->room : 512;
        const char  **more = um_alloc_array(l->a, room, sizeof *more);

        if (!more)
            return UM_ENOMEM;
        if (f->n)
            memcpy(more, f->name, (size_t)f->n * sizeof *more);
        f->name = more;
        l->room = room;
    }
    if (!(f->name[f->n] = um_strdup(l->a, name)))
        return UM_ENOMEM;
    f->n++;
    return UM_OK;
}

/* what systems leave in folders that people look at */
static bool passed_over(const char *name)
{
    return name[0] == '.' || strcasecmp(name, "Thumbs.db") == 0 ||
           strcasecmp(name, "desktop.ini") == 0;
}

/* what it is, links followed; a link that leads round in a circle is nothing */
static int sort_out(struct list *l, int dir, const struct dirent *e)
{
    struct stat sb = { 0 };

    if (passed_over(e->d_name))
        return UM_OK;
    if (e->d_type == DT_REG)
        return keep(l, e->d_name);
    if (fstatat(dir, e->d_name, &sb, 0) == 0 && S_ISREG(sb.st_mode))
        return keep(l, e->d_name);
    if (e->d_type == DT_DIR || S_ISDIR(sb.st_mode))
        l->f->folders++;
    else
        l->f->others++;
    return UM_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int um_folder_list(struct um_arena *a, const char *path, struct um_folder *f)
{
    struct list          l   = { .a = a, .f = f };
    DIR                 *dir = opendir(path);
    const struct dirent *e;
    int                  st = UM_OK;

    *f = (struct um_folder){ .path = path };
    if (!dir)
        return errno == ENOENT ? um_fail(UM_EMISSING, "%s: no such folder", path)
                               : um_fail_errno("%s", path);
    while (st == UM_OK && (errno = 0, e = readdir(dir)) != NULL)
        st = ++l.seen > UM_FOLDER_MAX + 2 /* . and .. */
                 ? um_fail(UM_ERANGE, "%s: more than %d files in the folder", path, UM_FOLDER_MAX)
                 : sort_out(&l, dirfd(dir), e);
    if (st == UM_OK && errno != 0)
        st = um_fail_errno("%s", path);
    (void)closedir(dir);
    if (st == UM_OK && f->n > 0)
        qsort(f->name, (size_t)f->n, sizeof *f->name, by_name);
    return st;
}

const char *um_folder_path(struct um_arena *a, const struct um_folder *f, int64_t i)
{
    const size_t n = strlen(f->path);

    return um_sprintf(a, "%s%s%s", f->path, n > 0 && f->path[n - 1] == '/' ? "" : "/", f->name[i]);
}

int um_file_head(const char *path, uint8_t *head, size_t most, size_t *n, size_t *total)
{
    const int   fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    struct stat sb;
    ssize_t     got = 1;
    int         st  = UM_OK;

    *n = 0;
    if (fd < 0)
        return errno == ENOENT ? um_fail(UM_EMISSING, "%s: no such file", path)
                               : um_fail_errno("%s", path);
    if (fstat(fd, &sb) != 0)
        st = um_fail_errno("%s", path);
    else if (!S_ISREG(sb.st_mode))
        st = um_fail(UM_EFORMAT, "%s: %s, not a file", path,
                     S_ISDIR(sb.st_mode) ? "a directory" : "a device or FIFO");
    else if ((st = um_outfile_spares(path, &sb)) == UM_OK)
        *total = (size_t)sb.st_size;
    while (st == UM_OK && *n < most && got > 0) {
        got = read(fd, head + *n, most - *n);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            st = um_fail_errno("%s", path);
        else
            *n += (size_t)got;
    }
    if (st == UM_OK && *n > *total)
        *total = *n; /* it grows under our hands */
    (void)close(fd);
    return st;
}
