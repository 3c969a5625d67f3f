/* items.c - a tail in memory, what came before it in a file without a name */
/* SPDX-License-Identifier: Apache-2.0 */
#include "load/items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST = 64, TAIL = 4096 }; /* items: room at first; at most, then the file takes them */

static int open_file(struct um_items *list)
{
    const char *dir = getenv("TMPDIR");
    char        path[4096];

    if (snprintf(path, sizeof path, "%s/um-items-XXXXXX", dir && *dir ? dir : "/tmp") >=
        (int)sizeof path)
        return um_fail(UM_ERANGE, "TMPDIR: too long a name");
    if ((list->fd = mkstemp(path)) < 0)
        return um_fail_errno("%s: list of records", path);
    (void)unlink(path);
    return UM_OK;
}

/* the whole tail to the end of the file */
static int spill(struct um_items *list)
{
    const char *from = (const char *)list->tail;
    size_t      left = (size_t)(list->n - list->spilt) * sizeof *list->tail;
    off_t       at   = (off_t)list->spilt * (off_t)sizeof *list->tail;

    if (list->fd < 0)
        UM_TRY(open_file(list));
    while (left > 0) {
        const ssize_t put = pwrite(list->fd, from, left, at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return um_fail_errno("list of records in TMPDIR");
        from += put;
        at += put;
        left -= (size_t)put;
    }
    list->spilt = list->n;
    return UM_OK;
}

int um_items_add(struct um_items *list, const struct um_item *item)
{
    if (list->n - list->spilt == TAIL)
        UM_TRY(spill(list));
    if (list->n - list->spilt == list->room) {
        const int64_t   room = list->room ? 2 * list->room : FIRST;
        struct um_item *p    = realloc(list->tail, (size_t)room * sizeof *p);

        if (!p)
            return um_fail(UM_ENOMEM, "out of memory");
        list->tail = p;
        list->room = room;
    }
    list->tail[list->n++ - list->spilt] = *item;
    return UM_OK;
}

void um_items_free(struct um_items *list)
{
    if (list->fd >= 0)
        (void)close(list->fd);
    free(list->tail);
    *list = (struct um_items)UM_ITEMS_INIT;
}

int um_items_get(const struct um_items *list, int64_t i, struct um_item *item)
{
    ssize_t got;

    if (i >= list->spilt) {
        *item = list->tail[i - list->spilt];
        return UM_OK;
    }
    do {
        got = pread(list->fd, item, sizeof *item, (off_t)i * (off_t)sizeof *item);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return um_fail_errno("list of records in TMPDIR");
    return got == (ssize_t)sizeof *item
               ? UM_OK
               : um_fail(UM_EIO, "list of records in TMPDIR: shorter than it was");
}
