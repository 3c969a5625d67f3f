/* distill/check.c - what every backend on the host refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/distill/distill.h"

int um_check_distill(const char *op, const struct um_distill *d)
{
    UM_TRY(um_check_act(op, d->dt, d->n, d->c));
    if (!(d->tau_s > 0) || !(d->tau_t > 0))
        return um_fail(UM_ERANGE, "%s: temperatures %g and %g, expected above 0", op,
                       (double)d->tau_s, (double)d->tau_t);
    return UM_OK;
}
