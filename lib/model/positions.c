/* positions.c - position embeddings of another grid (method.md 2.2) */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "model/model_int.h"

/* the four weights of bicubic interpolation (Keys, a = -0.75) at fraction t past the second tap */
static void cubic(double t, double w[4])
{
    const double a = -0.75;

    for (int i = 0; i < 4; i++) {
        const double d = fabs(t + 1 - i);

        w[i] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
                      : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

/* taps of output i of n from m inputs: clamped indices and weights */
static void taps(int64_t i, int64_t n, int64_t m, int64_t at[4], double w[4])
{
    const double c    = ((double)i + 0.5) * (double)m / (double)n - 0.5;
    const double base = floor(c);

    cubic(c - base, w);
    for (int j = 0; j < 4; j++) {
        const int64_t k = (int64_t)base - 1 + j;

        at[j] = k < 0 ? 0 : k >= m ? m - 1 : k;
    }
}

void grid_resize(const float *x, int64_t h, int64_t w, float *y, int64_t H, int64_t W, int64_t c)
{
    for (int64_t r = 0; r < H; r++)
        for (int64_t q = 0; q < W; q++, y += c) {
            int64_t ar[4], aq[4];
            double  wr[4], wq[4];

            taps(r, H, h, ar, wr);
            taps(q, W, w, aq, wq);
            for (int64_t j = 0; j < c; j++) {
                double sum = 0;

                for (int k = 0; k < 16; k++)
                    sum += wr[k / 4] * wq[k % 4] * (double)x[(ar[k / 4] * w + aq[k % 4]) * c + j];
                y[j] = (float)sum;
            }
        }
}

int64_t grid_side(int64_t rows, bool *cls)
{
    for (int first = 1; first >= 0; first--) {
        const int64_t side = (int64_t)(sqrt((double)(rows - first)) + 0.5);

        *cls = first;
        if (side >= 1 && side * side == rows - first)
            return side;
    }
    return 0;
}

void grid_fit(const float *x, int64_t rows, float *y, int64_t side, int64_t c)
{
    bool          cls;
    const int64_t from = grid_side(rows, &cls);

    if (cls)
        memcpy(y, x, (size_t)c * sizeof *y);
    else
        memset(y, 0, (size_t)c * sizeof *y);
    x += cls ? c : 0;
    if (from == side)
        memcpy(y + c, x, (size_t)(side * side * c) * sizeof *y);
    else
        grid_resize(x, from, from, y + c, side, side, c);
}
