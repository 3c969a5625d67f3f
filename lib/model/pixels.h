/* pixels.h - patch kernels between networks that see differently scaled pixels (method.md 1.1)
 *
 * A network sees u_c = (g - mean_c)/std_c of grey g in 0..1, on each of its channels; ours sees one
 * channel, scale g + shift. A kernel is changed so that its patch embedding of g stays the same:
 *
 *     in    w  = sum_c w_c/(std_c scale)      b' = b - sum_c (mean_c + shift/scale)/std_c sum_uv
 * w_c out   w_c = w scale std_c/n             b' = b + sum_c (scale mean_c + shift)/n sum_uv w
 *
 * Sums are double, each result is rounded once.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_MODEL_PIXELS_H
#define UM_MODEL_PIXELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct um_pixels {
    int    n; /* numbers given: 0 none, 1 for every channel, 3 */
    double mean[3], std[3];
};

/* um_pixels_named - "imagenet" (0.485,0.456,0.406 and 0.229,0.224,0.225), "half" (0.5 and 0.5),
 * "unit" (0 and 1); UM_EUSAGE */
UM_API UM_RESULT_USED int um_pixels_named(const char *name, struct um_pixels *p);
/* um_pixels_parse - "0.5" or "0.485,0.456,0.406", both with as many numbers; UM_EUSAGE: not so, not
 * finite, or a std that is not above 0 */
UM_API UM_RESULT_USED int um_pixels_parse(const char *mean, const char *std, struct um_pixels *p);

/* what the pixels of n channels are to a network of one that sees scale g + shift: kernel c counts
 * `times[c]` and its sum goes into the bias `plus[c]` times. UM_EUSAGE: three numbers, one channel
 */
struct um_fold {
    double times[3], plus[3];
};
UM_API UM_RESULT_USED int um_pixels_in(const struct um_pixels *p, int n, double scale, double shift,
                                       struct um_fold *f);
UM_API UM_RESULT_USED int um_pixels_out(const struct um_pixels *p, int n, double scale,
                                        double shift, struct um_fold *f);

/* um_fold_in - x [C,n,m] -> w [C,m]; bias [C] in place. um_fold_out - w [C,m] -> x [C,n,m] */
UM_API void um_fold_in(const struct um_fold *f, int n, const float *x, int64_t C, int64_t m,
                       float *w, float *bias);
UM_API void um_fold_out(const struct um_fold *f, int n, const float *w, int64_t C, int64_t m,
                        float *x, float *bias);

#endif
