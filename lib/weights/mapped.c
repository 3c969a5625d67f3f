/* mapped.c - whole files as memory */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weights/weights_int.h"

static int map(struct um_mapped *m, int fd)
{
    struct stat sb;
    void       *p;

    if (fstat(fd, &sb) != 0)
        return um_fail_errno("stat");
    if (!S_ISREG(sb.st_mode))
        return um_fail(UM_EFORMAT, "%s, not a file",
                       S_ISDIR(sb.st_mode) ? "a directory" : "a device or FIFO");
    if (sb.st_size == 0)
        return UM_OK;
    p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return um_fail_errno("mmap");
    *m = (struct um_mapped){ p, (size_t)sb.st_size };
    return UM_OK;
}

int um_mapped_open(struct um_mapped *m, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    int       st;

    *m = (struct um_mapped){ 0 };
    if (fd < 0)
        return errno == ENOENT ? um_fail(UM_EMISSING, "no such file") : um_fail_errno("open");
    st = map(m, fd);
    (void)close(fd);
    return st;
}

void um_mapped_close(struct um_mapped *m)
{
    if (m->n)
        (void)munmap((void *)(uintptr_t)m->p, m->n);
    *m = (struct um_mapped){ 0 };
}
