/* loss/check.c - what every backend on the host refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/loss/loss.h"

int um_check_targets(const char *op, const int32_t *target, int64_t n, int64_t c)
{
    UM_TRY(um_check_rows(op, n, c));
    for (int64_t i = 0; i < n; i++)
        if (target[i] < -1 || target[i] >= c)
            return um_fail(UM_ERANGE, "%s: target %d of row %lld is not in -1..%lld", op,
                           (int)target[i], (long long)i, (long long)c - 1);
    return UM_OK;
}

int um_check_focal(const char *op, const struct um_focal *f)
{
    UM_TRY(um_check_rows(op, f->n, 1));
    if (!(f->gamma >= 0) || !(f->alpha <= 1))
        return um_fail(UM_ERANGE, "%s: gamma %g, alpha %g: expected gamma >= 0, alpha <= 1", op,
                       (double)f->gamma, (double)f->alpha);
    return UM_OK;
}
