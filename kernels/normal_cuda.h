/* normal_cuda.h - the normal distribution on the device, which GELU is made of */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_KERNELS_NORMAL_CUDA_H
#define UM_KERNELS_NORMAL_CUDA_H

#include "kernels/cuda.h"

/* *e = e^(-x^2/2), and Phi(-|x|) by it: the quotient of the two is a polynomial, fitted to 7e-6 of
 * its value for |x| < 13, beyond which nothing is left of *e, of t = 1/(1 + 0.3 |x|) */
static __device__ inline float um_normal_tail(float x, float *e)
{
    const float t = __fdividef(1, 1 + 0.3f * fabsf(x));
    float       p = -0.07792993511f;

    p  = p * t + 0.2185453427f;
    p  = p * t - 0.01982240565f;
    p  = p * t + 0.1457513525f;
    p  = p * t + 0.1133475434f;
    p  = p * t + 0.1201115349f;
    *e = __expf(-0.5f * x * x);
    return *e * (p * t);
}

/* Phi(x), and its slope: for results rounded to bfloat16 good to 1e-5 of their value, in half the
 * instructions of erff; for float to a few units in the last place */
template <typename T> static __device__ inline float um_normal(float x, float *slope)
{
    float e, q;

    if constexpr (sizeof(T) == 2) {
        q = um_normal_tail(x, &e);
        q = x < 0 ? q : 1 - q;
    } else {
        e = expf(-0.5f * x * x);
        q = normcdff(x);
    }
    *slope = 0.39894228040143268f * e;
    return q;
}

#endif
