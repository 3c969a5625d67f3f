/* rows/check.c - what every backend refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/rows/rows.h"

int um_check_copy(enum um_dtype dty, enum um_dtype dtx, int64_t B, int64_t n, int64_t c,
                  const int64_t stride[4])
{
    UM_TRY(um_check_act("rows", dty, n, c));
    UM_TRY(um_check_act("rows", dtx, n, c));
    for (int i = 0; i < 4; i++)
        if (stride[i] < 0 || stride[i] > INT64_MAX / 32 / c / (B > 0 ? B : 1))
            return um_fail(UM_ERANGE,
                           "rows: %lld blocks of %lld rows with strides %lld+%lld, "
                           "%lld+%lld",
                           (long long)B, (long long)n, (long long)stride[0], (long long)stride[1],
                           (long long)stride[2], (long long)stride[3]);
    return um_check_rows("rows", B, 1);
}

int um_check_ids(const char *op, enum um_dtype dt, const int32_t *ids, int64_t n, int64_t v,
                 int64_t c)
{
    UM_TRY(um_check_act(op, dt, n, c));
    UM_TRY(um_check_rows(op, v, c));
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= v)
            return um_fail(UM_ERANGE, "%s: id %d at %lld is not in 0..%lld", op, (int)ids[i],
                           (long long)i, (long long)v - 1);
    return UM_OK;
}

int um_check_patches(enum um_dtype dt, int64_t B, const int64_t dim[3], const int64_t patch[3])
{
    int64_t total = 1;

    for (int i = 0; i < 3; i++) {
        if (dim[i] < 0 || patch[i] < 1 || dim[i] % patch[i] != 0)
            return um_fail(UM_ERANGE,
                           "patches: [%lld,%lld,%lld] does not divide into patches of "
                           "[%lld,%lld,%lld]",
                           (long long)dim[0], (long long)dim[1], (long long)dim[2],
                           (long long)patch[0], (long long)patch[1], (long long)patch[2]);
        UM_TRY(um_check_rows("patches", total, dim[i] > 0 ? dim[i] : 1));
        total *= dim[i];
    }
    return um_check_act("patches", dt, B, total > 0 ? total : 1);
}

int um_check_transpose(enum um_dtype dt, int64_t B, int64_t r, int64_t c)
{
    if (r < 1)
        return um_fail(UM_ERANGE, "transpose: %lld matrices of [%lld,%lld]", (long long)B,
                       (long long)r, (long long)c);
    UM_TRY(um_check_rows("transpose", r, c));
    return um_check_act("transpose", dt, B, r * c);
}
