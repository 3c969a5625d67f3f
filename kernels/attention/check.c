/* attention/check.c - what every backend on the host refuses alike */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/attention/attention.h"
#include "kernels/load.h"

static int check_mask(const char *op, const struct um_attn *a)
{
    for (int64_t b = 0; b < a->B; b++) {
        const uint8_t *mask = a->key_mask + b * a->T;
        int64_t        keys = 0;

        for (int64_t u = 0; u < um_attn_len(a, b); u++)
            keys += mask[u] != 0;
        if (keys == 0 && um_attn_len(a, b) > 0)
            return um_fail(UM_ERANGE, "%s: sample %lld has no key to attend to", op, (long long)b);
    }
    return UM_OK;
}

static int check_start(const char *op, const struct um_attn *a)
{
    if (a->start[0] != 0)
        return um_fail(UM_ERANGE, "%s: the first sample starts at row %d", op, (int)a->start[0]);
    for (int64_t b = 0; b < a->B; b++)
        if (a->start[b + 1] < a->start[b] || um_attn_len(a, b) > a->T)
            return um_fail(UM_ERANGE, "%s: sample %lld has rows %d..%d, at most %lld allowed", op,
                           (long long)b, (int)a->start[b], (int)a->start[b + 1] - 1,
                           (long long)a->T);
    return UM_OK;
}

int um_check_attn(const char *op, const struct um_attn *a)
{
    const int64_t ld[4] = { a->ldq, a->ldk, a->ldv, a->ldo };

    UM_TRY(um_check_rows(op, a->A, a->d > 0 ? a->d : 1));
    UM_TRY(um_check_rows(op, a->B, a->T > 0 ? a->T : 1));
    if (a->A < 1 || a->d < 1 || a->T < 0)
        return um_fail(UM_ERANGE, "%s: %lld tokens, %lld heads of %lld channels", op,
                       (long long)a->T, (long long)a->A, (long long)a->d);
    for (int i = 0; i < 4; i++) {
        if (ld[i] < a->A * a->d)
            return um_fail(UM_ERANGE, "%s: rows of %lld heads of %lld channels lie %lld apart", op,
                           (long long)a->A, (long long)a->d, (long long)ld[i]);
        UM_TRY(um_check_act(op, a->dt, a->B * a->T, ld[i]));
    }
    if (!um_drop_ok(a->drop))
        return um_fail(UM_ERANGE, "%s: dropout probability %g is not in 0..1", op,
                       (double)a->drop.p);
    if (a->start)
        UM_TRY(check_start(op, a));
    return a->key_mask ? check_mask(op, a) : UM_OK;
}

int um_check_mean(const struct um_attn *a, int64_t rows)
{
    if (rows < 0 || rows > a->T)
        return um_fail(UM_ERANGE, "attention_mean: %lld rows of %lld", (long long)rows,
                       (long long)a->T);
    return UM_OK;
}
