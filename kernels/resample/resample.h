/* resample.h - grids at another size: linear and cubic, forward and adjoint; equations in kernels.h
 *
 * With corners, the first and last samples of both grids lie on each other; without, their outer
 * edges do ("half-pixel centres").
 * Source of the cubic: Keys, IEEE Trans. ASSP 29 (1981) 1153, with a = -3/4.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_RESAMPLE_H
#define UM_KERNELS_RESAMPLE_H

#include "kernels/backend.h"

#define UM_RESAMPLE_OPS(X, b) X(b, resample_fwd) X(b, resample_bwd)

UM_RESAMPLE_OPS(UM_DECLARE, ref)

/* um_check_resample - UM_EDTYPE; UM_ERANGE for axes below 1 or beyond 2^30, unknown modes, grids
 * that cannot be addressed */
UM_RESULT_USED int um_check_resample(const char *op, const struct um_resample *r);

/* um_resample_taps - a(o,.) along an axis: its count, 2 or 4, with indices in 0..in-1, rising, the
 * same one more than once at an edge; what it adds up to is 1 */
enum { UM_TAPS = 4 };
int um_resample_taps(const struct um_resample *r, int axis, int64_t o, int64_t index[UM_TAPS],
                     double weight[UM_TAPS]);

#endif
