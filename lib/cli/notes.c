/* notes.c - texts and how often each came */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/notes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 64 }; /* a text beyond them is said each time */

struct um_notes {
    const struct um_tool *tool;
    pthread_mutex_t       lock;
    int                   n;
    char                 *text[KINDS];
    int64_t               count[KINDS];
};

int um_notes_new(struct um_notes **out, const struct um_tool *tool)
{
    struct um_notes *n = calloc(1, sizeof *n);

    *out = n;
    if (!n)
        return um_fail(UM_ENOMEM, "out of memory");
    n->tool = tool;
    (void)pthread_mutex_init(&n->lock, NULL);
    return UM_OK;
}

/* how often the text came, this time included; 0: it is not counted */
static int64_t count(struct um_notes *n, const char *text)
{
    int i = 0;

    while (i < n->n && strcmp(n->text[i], text) != 0)
        i++;
    if (i == n->n) {
        if (i == KINDS || !(n->text[i] = strdup(text)))
            return 0;
        n->n++;
    }
    return ++n->count[i];
}

void um_notes_add(struct um_notes *n, const char *key, const char *text)
{
    int64_t times;

    (void)pthread_mutex_lock(&n->lock);
    times = count(n, text);
    (void)pthread_mutex_unlock(&n->lock);
    if (times <= UM_NOTES_SHOWN || n->tool->common->verbose)
        um_warn(n->tool, "record %s: %s", key, text);
}

void um_notes_free(struct um_notes *n)
{
    if (!n)
        return;
    for (int i = 0; i < n->n; i++) {
        const long long more = (long long)n->count[i] - UM_NOTES_SHOWN;

        if (more > 0 && !n->tool->common->verbose)
            um_warn(n->tool, "%lld more %s: %s", more, more == 1 ? "record" : "records",
                    n->text[i]);
        free(n->text[i]);
    }
    (void)pthread_mutex_destroy(&n->lock);
    free(n);
}
