/* optim/check.c - what every backend refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/optim/optim.h"

int um_check_spans(const char *op, const struct um_span *span, int64_t spans)
{
    int64_t end = 0;

    if (spans < 0)
        return um_fail(UM_ERANGE, "%s: %lld spans", op, (long long)spans);
    for (int64_t i = 0; i < spans; i++) {
        if (span[i].from < end || span[i].n < 0 || span[i].n > INT64_MAX / 16 - span[i].from)
            return um_fail(
                UM_ERANGE, "%s: span %lld: %lld from %lld, but the one before ends at %lld", op,
                (long long)i, (long long)span[i].n, (long long)span[i].from, (long long)end);
        end = span[i].from + span[i].n;
    }
    return UM_OK;
}

int um_check_clip(int64_t spans, double most)
{
    if (spans < 0 || !(most > 0))
        return um_fail(UM_ERANGE, "clip: %lld spans of at most %g", (long long)spans, most);
    return UM_OK;
}

int um_check_adam(const struct um_adam *a)
{
    UM_TRY(um_check_spans("adamw", a->span, a->spans));
    if (a->t < 1)
        return um_fail(UM_ERANGE, "adamw: step %lld is before the first", (long long)a->t);
    return UM_OK;
}
