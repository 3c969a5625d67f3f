/* linear/check.c - what every backend refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/linear/linear.h"

#include "kernels/load.h"

static bool act(enum um_dtype dt)
{
    return dt == UM_F32 || dt == UM_BF16;
}

/* rows of an array with `cols` columns, ld apart, that can be addressed */
static bool rows_fit(int64_t rows, int64_t cols, int64_t ld)
{
    return rows == 0 || (ld >= cols && ld <= INT64_MAX / 16 / rows);
}

int um_check_matmul(const struct um_matmul *p)
{
    if (!act(p->dt) || !act(p->dtc))
        return um_fail(UM_EDTYPE, "matmul: %s by %s to %s is not one of its types",
                       um_dtype_name(p->dt), um_dtype_name(p->dt), um_dtype_name(p->dtc));
    if (p->batch < 0 || p->m < 0 || p->n < 0 || p->k < 0)
        return um_fail(UM_ERANGE, "matmul: negative size: %lld of [%lld,%lld] by %lld",
                       (long long)p->batch, (long long)p->m, (long long)p->n, (long long)p->k);
    if (!rows_fit(p->ta ? p->k : p->m, p->ta ? p->m : p->k, p->lda) ||
        (!p->packed && !rows_fit(p->tb ? p->n : p->k, p->tb ? p->k : p->n, p->ldb)) ||
        !rows_fit(p->m, p->n, p->ldc))
        return um_fail(UM_ERANGE,
                       "matmul: rows %lld, %lld, %lld apart do not fit [%lld,%lld] by "
                       "%lld",
                       (long long)p->lda, (long long)p->ldb, (long long)p->ldc, (long long)p->m,
                       (long long)p->n, (long long)p->k);
    if (p->batch > 1 && p->sc == 0)
        return um_fail(UM_ERANGE, "matmul: %lld results in one place", (long long)p->batch);
    if (p->packed && p->batch > 1 && p->sb != 0)
        return um_fail(UM_ERANGE, "matmul: packed weights are shared by the batch");
    if (p->act != UM_ACT_NONE && p->act != UM_ACT_GELU)
        return um_fail(UM_ERANGE, "matmul: activation %d is not fused", (int)p->act);
    if (!um_drop_ok(p->drop))
        return um_fail(UM_ERANGE, "matmul: dropout probability %g is not in 0..1",
                       (double)p->drop.p);
    if (p->beta < 0 || p->beta > 0)
        if (p->beta < 1 || p->beta > 1)
            return um_fail(UM_ERANGE, "matmul: beta %g is neither 0 nor 1", (double)p->beta);
    return UM_OK;
}

int um_check_pack(const struct um_weight *w)
{
    if (!act(w->dt))
        return um_fail(UM_EDTYPE, "pack: products of %s", um_dtype_name(w->dt));
    if (w->n < 0 || w->k < 0 || !rows_fit(w->tb ? w->n : w->k, w->tb ? w->k : w->n, w->ldb))
        return um_fail(UM_ERANGE, "pack: [%lld,%lld], rows %lld apart", (long long)w->k,
                       (long long)w->n, (long long)w->ldb);
    return UM_OK;
}
