/* memory/ref.c - device memory is the host's */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "kernels/memory/memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE = 2 << 20 };

/* a limit plays a card that is too small */
static int refuse(struct um_memory *m, size_t n)
{
    m->wanted = n;
    if (m->total)
        return um_fail(UM_ENOMEM, "%zu bytes wanted, %zu free of %zu", n,
                       m->total > m->now ? m->total - m->now : 0, m->total);
    return um_fail(UM_ENOMEM, "out of memory: %zu bytes wanted", n);
}

int um_ref_alloc(struct um_dev *dev, size_t n, void **p)
{
    struct um_memory *m    = &dev->memory;
    const size_t      unit = n >= HUGE ? HUGE : 64;
    const size_t      size = n ? (n + unit - 1) / unit * unit : unit;

    *p = NULL;
    if (n > SIZE_MAX - HUGE || (m->total && (m->now > m->total || size > m->total - m->now)) ||
        !(*p = aligned_alloc(unit, size)))
        return refuse(m, n);
    m->now += malloc_usable_size(*p);
    m->peak = m->now > m->peak ? m->now : m->peak;
#ifdef MADV_HUGEPAGE
    if (unit == HUGE)
        (void)madvise(*p, size, MADV_HUGEPAGE); /* first touch is three times as fast */
#endif
#ifdef UM_POISON
    memset(*p, 0xff, size);
#endif
    return UM_OK;
}

void um_ref_free(struct um_dev *dev, void *p)
{
    dev->memory.now -= p ? malloc_usable_size(p) : 0;
    free(p);
}

int um_ref_memory(struct um_dev *dev, struct um_memory *m)
{
    *m      = dev->memory;
    m->free = m->total > m->now ? m->total - m->now : 0;
    return UM_OK;
}

int um_ref_upload(struct um_dev *dev, void *dst, const void *host, size_t n)
{
    (void)dev;
    if (n)
        memcpy(dst, host, n);
    return UM_OK;
}

int um_ref_download(struct um_dev *dev, void *host, const void *src, size_t n)
{
    (void)dev;
    if (n)
        memcpy(host, src, n);
    return UM_OK;
}

int um_ref_fetch(struct um_dev *dev, void *host, const void *src, size_t n)
{
    return um_ref_download(dev, host, src, n);
}

int um_ref_zero(struct um_dev *dev, void *p, size_t n)
{
    (void)dev;
    if (n)
        memset(p, 0, n);
    return UM_OK;
}

int um_ref_sync(struct um_dev *dev)
{
    (void)dev;
    return UM_OK;
}
