/* pixels.c - folding patch kernels of several channels into one, and spreading one over several */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pixels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int um_pixels_named(const char *name, struct um_pixels *p)
{
    static const struct {
        const char      *name;
        struct um_pixels pixels;
    } known[] = {
        { "imagenet", { 3, { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 } } },
        { "half", { 1, { 0.5, 0.5, 0.5 }, { 0.5, 0.5, 0.5 } } },
        { "unit", { 1, { 0, 0, 0 }, { 1, 1, 1 } } },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].name) == 0) {
            *p = known[i].pixels;
            return UM_OK;
        }
    return um_fail(UM_EUSAGE, "pixels %s: expected imagenet, half or unit", name);
}

/* how many numbers, 1 or 3; one fills all */
static int numbers(const char *what, const char *text, double x[3])
{
    const char *at = text;
    char       *end;
    int         n = 0;

    for (;;) {
        x[n] = strtod(at, &end);
        if (end == at || !isfinite(x[n++]) || (*end && *end != ','))
            return um_fail(UM_EUSAGE, "%s %s: expected numbers with commas", what, text);
        if (!*end || n == 3)
            break;
        at = end + 1;
    }
    if (*end || n == 2)
        return um_fail(UM_EUSAGE, "%s %s: expected one number or three", what, text);
    if (n == 1)
        x[1] = x[2] = x[0];
    return n;
}

int um_pixels_parse(const char *mean, const char *std, struct um_pixels *p)
{
    const int n = numbers("mean", mean, p->mean);
    int       k;

    UM_TRY(n);
    UM_TRY(k = numbers("std", std, p->std));
    if (n != k)
        return um_fail(UM_EUSAGE, "mean %s and std %s: as many numbers of each", mean, std);
    for (int i = 0; i < 3; i++)
        if (!(p->std[i] > 0))
            return um_fail(UM_EUSAGE, "std %s: expected numbers above 0", std);
    p->n = n;
    return UM_OK;
}

static int fits(const struct um_pixels *p, int n, double scale)
{
    if (p->n == 3 && n == 1)
        return um_fail(UM_EUSAGE, "pixels of one channel have one mean and one std, not three");
    if (scale == 0)
        return um_fail(UM_ERANGE, "um.config: norm_scale 0, which leaves nothing of the pixels");
    return UM_OK;
}

int um_pixels_in(const struct um_pixels *p, int n, double scale, double shift, struct um_fold *f)
{
    UM_TRY(fits(p, n, scale));
    for (int c = 0; c < n; c++) {
        f->times[c] = 1 / (p->std[c] * scale);
        f->plus[c]  = -(p->mean[c] + shift / scale) / p->std[c];
    }
    return UM_OK;
}

int um_pixels_out(const struct um_pixels *p, int n, double scale, double shift, struct um_fold *f)
{
    UM_TRY(fits(p, n, scale));
    for (int c = 0; c < n; c++) {
        f->times[c] = scale * p->std[c] / n;
        f->plus[c]  = (scale * p->mean[c] + shift) / n;
    }
    return UM_OK;
}

void um_fold_in(const struct um_fold *f, int n, const float *x, int64_t C, int64_t m, float *w,
                float *bias)
{
    if (n == 1 && f->times[0] == 1 && f->plus[0] == 0) { /* to the last bit, signs of zero too */
        memcpy(w, x, (size_t)(C * m) * sizeof *w);
        return;
    }
    for (int64_t i = 0; i < C; i++, x += n * m, w += m) {
        double b = (double)bias[i];

        for (int64_t j = 0; j < m; j++) {
            double sum = 0;

            for (int c = 0; c < n; c++) {
                sum += f->times[c] * (double)x[c * m + j];
                b += f->plus[c] * (double)x[c * m + j];
            }
            w[j] = (float)sum;
        }
        bias[i] = (float)b;
    }
}

void um_fold_out(const struct um_fold *f, int n, const float *w, int64_t C, int64_t m, float *x,
                 float *bias)
{
    if (n == 1 && f->times[0] == 1 && f->plus[0] == 0) {
        memcpy(x, w, (size_t)(C * m) * sizeof *x);
        return;
    }
    for (int64_t i = 0; i < C; i++, w += m) {
        double b = (double)bias[i];

        for (int c = 0; c < n; c++, x += m)
            for (int64_t j = 0; j < m; j++) {
                x[j] = (float)(f->times[c] * (double)w[j]);
                b += f->plus[c] * (double)w[j];
            }
        bias[i] = (float)b;
    }
}
