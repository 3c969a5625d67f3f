/* memory/ref.c - device memory is the host's
 *
 * Large blocks are mapped, not taken from the heap: one that is given back goes back to the system,
 * where malloc, after the first, would keep it and leave holes; and their sizes are known to the
 * byte, so that a limit says the same in every run.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "kernels/memory/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

/* EDGE: what is mapped before a large block, a whole page on any machine, for its head */
enum { HUGE = 2 << 20, ALIGN = 64, EDGE = 64 << 10 };

/* lies ALIGN bytes before the block */
struct head {
    size_t size;
    bool   mapped;
};

static struct head *head_of(void *p)
{
    return (struct head *)(void *)((char *)p - ALIGN);
}

static void *from_heap(size_t size)
{
    char *p = aligned_alloc(ALIGN, ALIGN + size);

    return p ? p + ALIGN : NULL;
}

/* aligned to huge pages, of which it takes whole ones */
static void *from_system(size_t size)
{
    const size_t all  = EDGE + HUGE + size;
    char        *from = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (from == MAP_FAILED)
        return NULL;
    const size_t at = EDGE + (HUGE - ((uintptr_t)from + EDGE) % HUGE) % HUGE;
    char        *p  = from + at;

    if (at > EDGE)
        (void)munmap(from, at - EDGE);
    if (at + size < all)
        (void)munmap(p + size, all - at - size);
#ifdef MADV_HUGEPAGE
    (void)madvise(p, size, MADV_HUGEPAGE); /* first touch is three times as fast */
#endif
    return p;
}

/* a limit plays a card that is too small */
static int refuse(struct um_memory *m, size_t n)
{
    m->wanted = n;
    if (m->total)
        return um_fail(UM_ENOMEM, "%zu bytes wanted, %zu free of %zu", n,
                       m->total > m->now ? m->total - m->now : 0, m->total);
    return um_fail(UM_ENOMEM, "out of memory: %zu bytes wanted", n);
}

/* blocks that sanitizers look after come from the heap */
static bool maps(size_t n)
{
#ifdef UM_POISON
    (void)n;
    return false;
#else
    return n >= HUGE;
#endif
}

int um_ref_alloc(struct um_dev *dev, size_t n, void **p)
{
    struct um_memory *m    = &dev->memory;
    const size_t      unit = n >= HUGE ? HUGE : ALIGN;
    const size_t      size = n ? (n / unit + (n % unit > 0)) * unit : unit;

    *p = NULL;
    if (n > SIZE_MAX / 2)
        return refuse(m, n);
    if ((m->total && (m->now > m->total || size > m->total - m->now)) ||
        !(*p = maps(n) ? from_system(size) : from_heap(size)))
        return refuse(m, size);
    *head_of(*p) = (struct head){ .size = size, .mapped = maps(n) };
    m->now += size;
    m->peak = m->now > m->peak ? m->now : m->peak;
#ifdef UM_POISON
    memset(*p, 0xff, size);
#endif
    return UM_OK;
}

void um_ref_free(struct um_dev *dev, void *p)
{
    if (!p)
        return;
    const struct head h = *head_of(p);

    dev->memory.now -= h.size;
    if (h.mapped)
        (void)munmap((char *)p - EDGE, EDGE + h.size);
    else
        free((char *)p - ALIGN);
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
