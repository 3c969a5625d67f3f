/* mapnorm/check.c - what every backend on the host refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/mapnorm/mapnorm.h"

#include "kernels/conv/conv.h"

int um_check_mapnorm(const char *op, enum um_dtype dt, bool batch, int64_t n, int64_t c, int64_t s)
{
    UM_TRY(um_check_maps(op, dt, n, c, s));
    if (batch && n < 1)
        return um_fail(UM_ERANGE, "%s: statistics of no samples", op);
    return UM_OK;
}
