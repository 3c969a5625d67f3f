/* activation/ref.c - the definition */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/activation/activation.h"

#include <math.h>

#include "kernels/load.h"

static const double SQRT_2_PI = 0.79788456080286535588; /* sqrt(2/pi) */

/* Phi(x), accurate in its lower tail too */
static double normal_cdf(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

static double tanh_arg(double x)
{
    return SQRT_2_PI * (x + 0.044715 * x * x * x);
}

static double value(enum um_act act, double x, double slope)
{
    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return x * normal_cdf(x);
    case UM_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(tanh_arg(x)));
    case UM_ACT_RELU: return x < 0 ? 0 : x; /* NaN stays NaN */
    case UM_ACT_LEAKY_RELU: return x < 0 ? slope * x : x;
    case UM_ACT_TANH: return tanh(x);
    case UM_ACT_SIGMOID: return 1 / (1 + exp(-x));
    }
    return x;
}

static double derivative(enum um_act act, double x, double slope)
{
    const double t = tanh(act == UM_ACT_TANH ? x : tanh_arg(x));

    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return normal_cdf(x) + x * 0.39894228040143267794 * exp(-0.5 * x * x);
    case UM_ACT_GELU_TANH:
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_PI * (1 + 3 * 0.044715 * x * x);
    case UM_ACT_RELU: return x > 0 ? 1 : 0;
    case UM_ACT_LEAKY_RELU: return x > 0 ? 1 : slope;
    case UM_ACT_TANH: return 1 - t * t;
    case UM_ACT_SIGMOID: return 1 / (1 + exp(-x)) / (1 + exp(x));
    }
    return 1;
}

int um_ref_act_fwd(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt, void *y,
                   const void *x, int64_t n)
{
    (void)dev;
    UM_TRY(um_check_activation("act_fwd", act, dt, n));
    for (int64_t i = 0; i < n; i++)
        um_store(y, dt, i, value(act, um_load(x, dt, i), (double)slope));
    return UM_OK;
}

int um_ref_act_bwd(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt, void *dx,
                   const void *dy, const void *x, int64_t n)
{
    (void)dev;
    UM_TRY(um_check_activation("act_bwd", act, dt, n));
    for (int64_t i = 0; i < n; i++) {
        const double d = derivative(act, um_load(x, dt, i), (double)slope);

        um_store(dx, dt, i, d > 0 || d < 0 || isnan(d) ? um_load(dy, dt, i) * d : 0);
    }
    return UM_OK;
}
