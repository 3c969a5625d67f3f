/* watch.c - which gradients are complete while the walk back goes on
 *
 * Where a parameter is taken up it stands on the tape as a node of its own. Whatever uses it was
 * recorded later and is walked before, so when the walk comes to the node, this use has added what
 * it adds. The number of uses is known from the forward: also of those in a block that runs again,
 * whose nodes come to be only while its own short tape is walked.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "nn/nn_int.h"

enum { TOLD = -1 };

int um_nn_watch(struct um_nn *nn, const struct um_params *ps, um_final_fn *final, void *user)
{
    int *uses = calloc((size_t)ps->n + 1, sizeof *uses);

    if (!uses)
        return um_fail(UM_ENOMEM, "out of memory");
    free(nn->watch.uses);
    nn->watch = (struct nn_watch){ ps, final, user, uses };
    return UM_OK;
}

void nn_watch_begin(struct um_nn *nn)
{
    if (nn->watch.ps)
        memset(nn->watch.uses, 0, (size_t)nn->watch.ps->n * sizeof *nn->watch.uses);
}

static int tell(struct um_nn *nn, int i)
{
    nn->watch.uses[i] = TOLD;
    return nn->watch.final(nn->watch.user, i);
}

static int use_back(struct um_nn *nn, const void *op, const struct um_var *y)
{
    int i;

    (void)y;
    memcpy(&i, op, sizeof i);
    return --nn->watch.uses[i] == 0 ? tell(nn, i) : UM_OK;
}

struct um_var *nn_watch_use(struct um_nn *nn, const struct um_params *ps, int i, struct um_var *v)
{
    if (ps != nn->watch.ps || ps->list[i].buffer)
        return v;
    if (!nn->again)
        nn->watch.uses[i]++;
    return nn_record(nn, v, use_back, &i, sizeof i, v->needs);
}

int nn_watch_tell(struct um_nn *nn, bool walked)
{
    const struct um_params *ps = nn->watch.ps;

    for (int i = ps ? ps->n - 1 : -1; i >= 0; i--)
        if (!ps->list[i].buffer && (walked ? nn->watch.uses[i] != TOLD : nn->watch.uses[i] == 0))
            UM_TRY(tell(nn, i));
    return UM_OK;
}
