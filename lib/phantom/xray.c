/* xray.c - projection, noise and gray values */
/* SPDX-License-Identifier: Apache-2.0 */
#include "phantom/xray.h"

#include <math.h>
#include <string.h>

void um_xray_project(const float *hu, const int n[3], double step, float *out)
{
    const float mu = (float)(UM_MU_WATER * step);

    for (int z = 0; z < n[2]; z++) {
        float *row = out + (int64_t)z * n[0];

        memset(row, 0, (size_t)n[0] * sizeof *row);
        for (int y = 0; y < n[1]; y++) {
            const float *h = hu + ((int64_t)z * n[1] + y) * n[0];

            for (int x = 0; x < n[0]; x++) {
                const float m = 1 + h[x] * 0.001f;

                row[x] += m > 0 ? m : 0;
            }
        }
        for (int x = 0; x < n[0]; x++)
            row[x] *= mu;
    }
}

/* the four weights of Catmull-Rom's cubic at t in 0..1 between the second and third sample */
static void cubic(float t, float w[4])
{
    w[0] = 0.5f * t * (-1 + t * (2 - t));
    w[1] = 1 + 0.5f * t * t * (3 * t - 5);
    w[2] = 0.5f * t * (1 + t * (4 - 3 * t));
    w[3] = 0.5f * t * t * (t - 1);
}

static int clip(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* where output pixel i of `size` between edges a and b falls: first of the four samples, weights */
static int taps(double a, double b, int size, int i, float w[4])
{
    const double at   = a + (b - a) * (i + 0.5) / size - 0.5;
    const double base = floor(at);

    cubic((float)(at - base), w);
    return (int)base - 1;
}

void um_xray_resample(const float *in, int nx, int nz, const struct um_view *view, float *scratch,
                      float *out)
{
    float w[4];

    for (int c = 0; c < view->w; c++) {
        const int k = taps(view->x0, view->x1, view->w, c, w);

        for (int z = 0; z < nz; z++) {
            const float *row = in + (int64_t)z * nx;

            scratch[(int64_t)z * view->w + c] =
                w[0] * row[clip(k, nx)] + w[1] * row[clip(k + 1, nx)] +
                w[2] * row[clip(k + 2, nx)] + w[3] * row[clip(k + 3, nx)];
        }
    }
    for (int y = 0; y < view->h; y++) {
        const int    k = taps(view->z1, view->z0, view->h, y, w);
        const float *r[4];

        for (int i = 0; i < 4; i++)
            r[i] = scratch + (int64_t)clip(k + i, nz) * view->w;
        for (int c = 0; c < view->w; c++)
            out[(int64_t)y * view->w + c] =
                w[0] * r[0][c] + w[1] * r[1][c] + w[2] * r[2][c] + w[3] * r[3][c];
    }
}

void um_xray_expose(float *image, int64_t n, double photons, struct um_rng *r)
{
    enum { READOUT = 6 }; /* standard deviation of the detector's noise, in photons */

    for (int64_t i = 0; i < n; i += 2) {
        /* Box-Muller gives two normals for one logarithm */
        const double far  = sqrt(-2 * log(1 - um_rng_uniform(r)));
        const double turn = 6.283185307179586 * um_rng_uniform(r);
        const double g[2] = { far * cos(turn), far * sin(turn) };

        for (int k = 0; k < 2 && i + k < n; k++) {
            const double mean  = photons * exp(-(double)image[i + k]);
            const double count = mean + g[k] * sqrt(mean + READOUT * READOUT);

            image[i + k] = (float)-log(fmax(count, 1) / photons);
        }
    }
}

/* mean over up to 2r+1 elements around each of n, stride apart, the borders with what there is */
static void box_mean(const float *in, float *out, int n, int64_t stride, int r)
{
    double sum = 0;
    int    lo = 0, hi = 0; /* the window holds lo..hi-1 */

    for (int i = 0; i < n; i++) {
        for (; hi < n && hi <= i + r; hi++)
            sum += in[hi * stride];
        for (; lo < i - r; lo++)
            sum -= in[lo * stride];
        out[i * stride] = (float)(sum / (hi - lo));
    }
}

/* the value below which a share of the pixels lies, by a histogram of 4096 bins */
static float percentile(const float *v, int64_t n, double share)
{
    enum { BINS = 4096 };
    int64_t bin[BINS] = { 0 }, seen = 0;
    float   lo = v[0], hi = v[0];
    int     b;

    for (int64_t i = 0; i < n; i++) {
        lo = fminf(lo, v[i]);
        hi = fmaxf(hi, v[i]);
    }
    if (!(hi > lo))
        return lo;
    for (int64_t i = 0; i < n; i++)
        bin[(int)((v[i] - lo) / (hi - lo) * (BINS - 1))]++;
    for (b = 0; b < BINS - 1 && (double)(seen + bin[b]) < share * (double)n; b++)
        seen += bin[b];
    return lo + (hi - lo) * ((float)b + 0.5f) / BINS;
}

/* image - amount * (its mean over a square of side 2 r + 1); scratch [2,h,w] */
static void flatten(float *image, int w, int h, double amount, int r, float *scratch)
{
    const int64_t n    = (int64_t)w * h;
    float        *wide = scratch, *mean = scratch + n;

    for (int y = 0; y < h; y++)
        box_mean(image + (int64_t)y * w, wide + (int64_t)y * w, w, 1, r);
    for (int x = 0; x < w; x++)
        box_mean(wide + x, mean + x, h, w, r);
    for (int64_t i = 0; i < n; i++)
        image[i] -= (float)amount * mean[i];
}

void um_xray_develop(float *image, int w, int h, const struct um_develop *how, float *scratch,
                     uint8_t *gray)
{
    const int64_t n    = (int64_t)w * h;
    const int     side = w > h ? w : h;

    for (int64_t i = 0; i < n; i++) /* air beside the body must not pull the means down */
        image[i] = fmaxf(image[i], 1.1f);
    flatten(image, w, h, how->flat, side / 4, scratch);
    flatten(image, w, h, how->sharp, side / 32, scratch);
    const float lo = percentile(image, n, 0.01), hi = percentile(image, n, 0.996);
    for (int64_t i = 0; i < n; i++) {
        const float v = 255 * (image[i] - lo) / (hi > lo ? hi - lo : 1);

        gray[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5f);
    }
}
