/* activation/check.c - what every backend on the host refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/activation/activation.h"

int um_check_activation(const char *op, enum um_act act, enum um_dtype dt, int64_t n)
{
    if (act > UM_ACT_SIGMOID)
        return um_fail(UM_ERANGE, "%s: no function has number %d", op, (int)act);
    return um_check_act(op, dt, n, 1);
}
