/* file.c - reading whole files; making folders */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int um_file_read(struct um_arena *arena, const char *path, size_t max, uint8_t **data, size_t *n)
{
    struct stat sb;
    const int   fd   = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    size_t      have = 0;
    int         st;

    if (fd < 0)
        return errno == ENOENT ? um_fail(UM_EMISSING, "%s: no such file", path)
                               : um_fail_errno("%s", path);
    if (fstat(fd, &sb) != 0) {
        st = um_fail_errno("%s", path);
    } else if (!S_ISREG(sb.st_mode)) {
        st = um_fail(UM_EFORMAT, "%s: %s, not a file", path,
                     S_ISDIR(sb.st_mode) ? "a directory" : "a device or FIFO");
    } else if ((st = um_outfile_spares(path, &sb)) < 0) {
        ;
    } else if ((uint64_t)sb.st_size > max) {
        st = um_fail(UM_ERANGE, "%s: %lld bytes, at most %zu allowed", path, (long long)sb.st_size,
                     max);
    } else if (!(*data = um_alloc(arena, (size_t)sb.st_size + 1))) {
        st = um_context(UM_ENOMEM, "%s", path);
    } else {
        st = UM_OK;
        while (have < (size_t)sb.st_size) {
            const ssize_t got = read(fd, *data + have, (size_t)sb.st_size - have);

            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0)
                st = um_fail_errno("%s", path);
            if (got <= 0)
                break;
            have += (size_t)got;
        }
        (*data)[have] = 0;
        *n            = have;
    }
    (void)close(fd);
    return st;
}

int um_mkdirs(const char *path)
{
    char *p  = strdup(path);
    int   st = UM_OK;

    if (!p)
        return um_fail(UM_ENOMEM, "out of memory");
    for (char *s = p + 1; st == UM_OK; s++) {
        const char c = *s;

        if (c != '/' && c != 0)
            continue;
        *s = 0;
        if (mkdir(p, 0777) != 0 && errno != EEXIST)
            st = um_fail_errno("%s", path);
        *s = c;
        if (c == 0)
            break;
    }
    struct stat sb;
    if (st == UM_OK && (stat(path, &sb) != 0 || !S_ISDIR(sb.st_mode)))
        st = um_fail(UM_EIO, "%s: not a directory", path);
    free(p);
    return st;
}
