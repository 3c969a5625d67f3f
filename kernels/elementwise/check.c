/* elementwise/check.c - what every backend on the host refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/elementwise/elementwise.h"

#include "kernels/load.h"

int um_check_drop_path(enum um_dtype dt, int64_t B, int64_t n, struct um_drop drop)
{
    if (n > 0)
        UM_TRY(um_check_act("drop_path", dt, B, n));
    if (B < 0 || n < 0)
        return um_fail(UM_ERANGE, "drop_path: %lld samples of %lld", (long long)B, (long long)n);
    if (!um_drop_ok(drop))
        return um_fail(UM_ERANGE, "drop_path: probability %g is not in 0..1", (double)drop.p);
    return UM_OK;
}
