/* linear/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/linear/linear.h"
#include "kernels/load.h"

/* element (i, j) of batch item b of the result */
static void one(const struct um_matmul *p, int64_t b, int64_t i, int64_t j)
{
    const int64_t at  = b * p->sc + i * p->ldc + j;
    double        sum = um_load_or(p->bias, j, 0);

    for (int64_t l = 0; l < p->k; l++) {
        const int64_t ia = b * p->sa + (p->ta ? l * p->lda + i : i * p->lda + l);
        const int64_t ib = b * p->sb + (p->tb ? j * p->ldb + l : l * p->ldb + j);

        sum += um_load(p->a, p->dt, ia) * um_load(p->b, p->dt, ib);
    }
    if (p->beta > 0)
        sum += um_load(p->c, p->dtc, at);
    um_store(p->c, p->dtc, at, sum);
}

int um_ref_matmul(struct um_dev *dev, const struct um_matmul *p)
{
    (void)dev;
    UM_TRY(um_check_matmul(p));
    for (int64_t b = 0; b < p->batch; b++)
        for (int64_t i = 0; i < p->m; i++)
            for (int64_t j = 0; j < p->n; j++)
                one(p, b, i, j);
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
