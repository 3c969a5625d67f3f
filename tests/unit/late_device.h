/* late_device.h - the CPU as a device whose answers come late
 *
 * What is fetched is NaN on the host until it was waited for; what is asked for between a mark and
 * its wait is counted. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_LATE_DEVICE_H
#define UM_TESTS_LATE_DEVICE_H

#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"

enum { LATE_MOST = 64 };

/* an answer: where it goes, and what it is */
struct late_answer {
    void  *host, *data;
    size_t n;
};

static struct late_device {
    const struct um_kernels *own;
    struct um_kernels        table;
    struct late_answer       answer[LATE_MOST];
    int                      answers, marked;
    int                      waits, embeds; /* how many; embeddings between marks and waits */
} late;

static void late_deliver(int n)
{
    for (int i = 0; i < n; i++) {
        memcpy(late.answer[i].host, late.answer[i].data, late.answer[i].n);
        free(late.answer[i].data);
    }
    late.answers -= n;
    late.marked = 0;
    memmove(late.answer, late.answer + n, (size_t)late.answers * sizeof *late.answer);
}

static int late_fetch(struct um_dev *dev, void *host, const void *src, size_t n)
{
    void *data = late.answers < LATE_MOST ? malloc(n + 1) : NULL;

    if (!data)
        return um_fail(UM_ENOMEM, "late_fetch");
    late.answer[late.answers++] = (struct late_answer){ host, data, n };
    memset(host, 0xff, n);
    return late.own->fetch(dev, data, src, n);
}

static int late_mark(struct um_dev *dev)
{
    (void)dev;
    late.marked = late.answers;
    return UM_OK;
}

static int late_wait(struct um_dev *dev)
{
    (void)dev;
    late.waits += late.marked > 0;
    late_deliver(late.marked);
    return UM_OK;
}

static int late_sync(struct um_dev *dev)
{
    late_deliver(late.answers);
    return late.own->sync(dev);
}

static int late_download(struct um_dev *dev, void *host, const void *src, size_t n)
{
    late_deliver(late.answers);
    return late.own->download(dev, host, src, n);
}

static int late_embed(struct um_dev *dev, enum um_dtype dt, void *y, const float *table,
                      const int32_t *ids, int64_t n, int64_t v, int64_t c)
{
    late.embeds += late.marked > 0;
    return late.own->embed_fwd(dev, dt, y, table, ids, n, v, c);
}

/* dev, a host's, answers late until late_end */
static void late_begin(struct um_dev *dev)
{
    late                 = (struct late_device){ .own = um_dev_kernels(dev) };
    late.table           = *late.own;
    late.table.fetch     = late_fetch;
    late.table.mark      = late_mark;
    late.table.wait      = late_wait;
    late.table.sync      = late_sync;
    late.table.download  = late_download;
    late.table.embed_fwd = late_embed;
    dev->kernels         = &late.table;
}

static void late_end(struct um_dev *dev)
{
    late_deliver(late.answers);
    dev->kernels = late.own;
}

#endif
