/* tokens/check.c - what every backend on the host refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/tokens/tokens.h"

int um_check_pick(const char *op, enum um_dtype dt, const int32_t *idx, int64_t B, int64_t n,
                  int64_t T, int64_t c)
{
    UM_TRY(um_check_rows(op, B, c));
    UM_TRY(um_check_act(op, dt, B * n, c));
    UM_TRY(um_check_act(op, dt, B * T, c));
    if (n < 0 || T < 0)
        return um_fail(UM_ERANGE, "%s: %lld of %lld tokens", op, (long long)n, (long long)T);
    for (int64_t i = 0; i < B * n; i++)
        if (idx[i] < 0 || idx[i] >= T)
            return um_fail(UM_ERANGE, "%s: token %d of sample %lld is not in 0..%lld", op,
                           (int)idx[i], (long long)(i / n), (long long)T - 1);
    return UM_OK;
}
