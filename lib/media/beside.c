/* beside.c - paths beside a header, and parts of files */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static bool climbs(const char *name)
{
    for (const char *p = name; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
            return true;
    }
    return false;
}

int um_beside_path(struct um_arena *a, const char *header_path, const char *name, const char **path)
{
    const char *slash = strrchr(header_path, '/');

    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return um_fail(UM_EFORMAT, "the name of the file of voxels holds control characters");
    if (strlen(name) > UM_BESIDE_MAX)
        return um_fail(UM_EFORMAT, "the name of the file of voxels is longer than %d bytes",
                       UM_BESIDE_MAX);
    if (!*name)
        return um_fail(UM_EFORMAT, "the name of the file of voxels is empty");
    if (name[0] == '/' || climbs(name))
        return um_fail(UM_EFORMAT,
                       "voxels in \"%s\": only a file in the header's folder or below "
                       "is read",
                       name);
    *path = um_sprintf(a, "%.*s%s", slash ? (int)(slash - header_path + 1) : 0, header_path, name);
    return *path ? UM_OK : UM_ENOMEM;
}

const char *um_beside_swap(struct um_arena *a, const char *path, const char *from, const char *to)
{
    const size_t n = strlen(path), m = strlen(from);
    const char  *end     = n >= m ? path + n - m : path;
    const bool   replace = n >= m && strcasecmp(end, from) == 0;
    char        *out     = um_sprintf(a, "%.*s%s", (int)(replace ? n - m : n), path, to);

    if (out && replace && m > 1 && end[1] >= 'A' && end[1] <= 'Z')
        for (char *p = out + n - m; *p; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    return out;
}

int um_part_open(struct um_part *p, const char *path)
{
    struct stat sb;
    int         st = UM_OK;

    p->path = path;
    p->fd   = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    if (p->fd < 0)
        return errno == ENOENT ? um_fail(UM_EMISSING, "%s: no such file", path)
                               : um_fail_errno("%s", path);
    if (fstat(p->fd, &sb) != 0)
        st = um_fail_errno("%s", path);
    else if (!S_ISREG(sb.st_mode))
        st = um_fail(UM_EFORMAT, "%s: not a file", path);
    else
        st = um_outfile_spares(path, &sb);
    p->size = st < 0 ? 0 : (int64_t)sb.st_size;
    if (st < 0)
        um_part_close(p);
    return st;
}

int um_part_read(const struct um_part *p, int64_t at, void *to, size_t n)
{
    char *q = to;

    while (n > 0) {
        const ssize_t got = pread(p->fd, q, n, at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return um_fail_errno("%s", p->path);
        if (got == 0)
            return um_fail(UM_EFORMAT, "%s: cut: %lld bytes", p->path, (long long)p->size);
        q += got;
        at += got;
        n -= (size_t)got;
    }
    return UM_OK;
}

void um_part_close(struct um_part *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}
