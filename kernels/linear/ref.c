/* linear/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/linear/linear.h"

#include <math.h>

#include "kernels/load.h"

/* element i of an operand: stored as dt, or as float and rounded to dt */
static double operand(const void *x, enum um_dtype dt, bool is_float, int64_t i)
{
    uint16_t h;

    if (!is_float || dt == UM_F32)
        return um_load(x, is_float ? UM_F32 : dt, i);
    um_store(&h, dt, 0, um_load(x, UM_F32, i));
    return um_load(&h, dt, 0);
}

/* element (i, j) of batch item b of the result */
static void one(const struct um_matmul *p, int64_t b, int64_t i, int64_t j)
{
    const int64_t at  = b * p->sc + i * p->ldc + j;
    double        sum = um_load_or(p->bias, j, 0);

    for (int64_t l = 0; l < p->k; l++) {
        const int64_t ia = b * p->sa + (p->ta ? l * p->lda + i : i * p->lda + l);
        const int64_t ib = b * p->sb + (p->tb ? j * p->ldb + l : l * p->ldb + j);

        sum += operand(p->a, p->dt, p->fa, ia) * operand(p->b, p->dt, p->fb, ib);
    }
    if (p->pre)
        um_store(p->pre, p->dtc, at, sum);
    if (p->act == UM_ACT_GELU)
        sum *= 0.5 * erfc(-sum * sqrt(0.5));
    sum *= (double)um_drop_factor(p->drop, (b * p->m + i) * p->n + j);
    if (p->res)
        sum += um_load(p->res, p->dtc, at);
    if (p->beta > 0)
        sum += um_load(p->c, p->dtc, at);
    um_store(p->c, p->dtc, at, sum);
}

int um_ref_matmul(struct um_dev *dev, const struct um_matmul *p)
{
    const struct um_matmul q = um_plain_packed(p);

    (void)dev;
    UM_TRY(um_check_matmul(p));
    for (int64_t b = 0; b < p->batch; b++)
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t j = 0; j < p->n; j++)
                one(&q, b, i, j);
    return UM_OK;
}

int um_ref_pack(struct um_dev *dev, void *dst, size_t *bytes, const struct um_weight *w)
{
    const int64_t rows = w->tb ? w->n : w->k, cols = w->tb ? w->k : w->n;

    (void)dev;
    UM_TRY(um_check_pack(w));
    *bytes = w->dt == UM_F32 ? 0 : (size_t)(rows * cols) * um_dtype_size(w->dt);
    for (int64_t i = 0; dst && i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            um_store(dst, w->dt, i * cols + j, (double)w->b[i * w->ldb + j]);
    return UM_OK;
}

int um_ref_bias_bwd(struct um_dev *dev, enum um_dtype dt, float *db, const void *dy, int64_t n,
                    int64_t c, int64_t ld)
{
    (void)dev;
    UM_TRY(um_check_act("bias_bwd", dt, n, ld));
    UM_TRY(um_check_rows("bias_bwd", n, c));
    for (int64_t j = 0; n > 0 && j < c; j++) {
        double sum = db[j];

        for (int64_t i = 0; i < n; i++)
            sum += um_load(dy, dt, i * ld + j);
        db[j] = (float)sum;
    }
    return UM_OK;
}
