/* activation/cpu.c - spans of UM_SPAN elements, each a task; each function has a loop of its own */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/activation/activation.h"

#include "kernels/share.h"
#include "kernels/vec.h"

UM_DECLARE_CPU(UM_ACTIVATION_OPS)

struct job {
    enum um_act   act;
    enum um_dtype dt;
    float         slope;
    void         *y; /* or dx */
    const void   *x, *dy;
    int64_t       n;
};

static inline um_vf tanh_arg(um_vf x)
{
    return 0.797884561f * (x + 0.044715f * x * x * x);
}

static inline __attribute__((always_inline)) um_vf value(enum um_act act, um_vf x, float slope,
                                                         enum um_dtype dt)
{
    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return um_vgelu(x, dt);
    case UM_ACT_GELU_TANH: return x * um_vsigmoid(2 * tanh_arg(x));
    case UM_ACT_RELU: return (um_vf)((um_vi)x & ~(x < 0.0f)); /* NaN stays NaN */
    case UM_ACT_LEAKY_RELU: return um_vselect(x < 0.0f, x * slope, x);
    case UM_ACT_TANH: return um_vtanh(x);
    case UM_ACT_SIGMOID: return um_vsigmoid(x);
    }
    return x;
}

/* dy times the derivative at x */
static inline __attribute__((always_inline)) um_vf backward(enum um_act act, um_vf dy, um_vf x,
                                                            float slope, enum um_dtype dt)
{
    um_vf s;

    switch (act) {
    case UM_ACT_NONE: break;
    case UM_ACT_GELU: return dy * um_vgelu_slope(x, dt);
    case UM_ACT_GELU_TANH: /* (1 + tanh a)/2 = sigmoid(2 a) = s, (1 - tanh^2 a)/2 = 2 s (1 - s) */
        s = um_vsigmoid(2 * tanh_arg(x));
        return dy * (s + x * 2 * s * um_vsigmoid(-2 * tanh_arg(x)) *
                             (0.797884561f * (1 + 0.134145f * x * x)));
    case UM_ACT_RELU: return (um_vf)((um_vi)dy & (x > 0.0f));
    case UM_ACT_LEAKY_RELU: return um_vselect(x > 0.0f, dy, dy * slope);
    case UM_ACT_TANH: /* 1 - tanh^2 x = 4 s (1 - s) at 2 x */
        return dy * (4 * um_vsigmoid(2 * x) * um_vsigmoid(-2 * x));
    case UM_ACT_SIGMOID: return dy * (um_vsigmoid(x) * um_vsigmoid(-x));
    }
    return dy;
}

static inline __attribute__((always_inline)) void span(const struct job *j, int64_t task,
                                                       enum um_act act, enum um_dtype dt)
{
    const int64_t end = um_min(j->n, (task + 1) * UM_SPAN);

    for (int64_t i = task * UM_SPAN; i < end; i += UM_VL) {
        const um_vf x = um_vload(j->x, dt, i, end - i);

        if (j->dy)
            um_vstore(j->y, dt, i, end - i,
                      backward(act, um_vload(j->dy, dt, i, end - i), x, j->slope, dt));
        else
            um_vstore(j->y, dt, i, end - i, value(act, x, j->slope, dt));
    }
}

#define EITHER(act)                                                                                \
    if (j->dt == UM_F32)                                                                           \
        span(j, task, act, UM_F32);                                                                \
    else                                                                                           \
        span(j, task, act, UM_BF16);                                                               \
    break;

static int run(void *arg, int64_t task, int worker)
{
    const struct job *j = arg;

    (void)worker;
    switch (j->act) {
    case UM_ACT_NONE: EITHER(UM_ACT_NONE)
    case UM_ACT_GELU: EITHER(UM_ACT_GELU)
    case UM_ACT_GELU_TANH: EITHER(UM_ACT_GELU_TANH)
    case UM_ACT_RELU: EITHER(UM_ACT_RELU)
    case UM_ACT_LEAKY_RELU: EITHER(UM_ACT_LEAKY_RELU)
    case UM_ACT_TANH: EITHER(UM_ACT_TANH)
    case UM_ACT_SIGMOID: EITHER(UM_ACT_SIGMOID)
    }
    return UM_OK;
}

int UM_CPU(act_fwd)(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt, void *y,
                    const void *x, int64_t n)
{
    struct job j = { .act = act, .slope = slope, .dt = dt, .y = y, .x = x, .n = n };

    UM_TRY(um_check_activation("act_fwd", act, dt, n));
    return um_share(dev, um_ceil_div(n, UM_SPAN), run, &j);
}

int UM_CPU(act_bwd)(struct um_dev *dev, enum um_act act, float slope, enum um_dtype dt, void *dx,
                    const void *dy, const void *x, int64_t n)
{
    struct job j = { .act = act, .slope = slope, .dt = dt, .y = dx, .dy = dy, .x = x, .n = n };

    UM_TRY(um_check_activation("act_bwd", act, dt, n));
    return um_share(dev, um_ceil_div(n, UM_SPAN), run, &j);
}
