/* cudnn_attention.cpp - attention as the emulator's cuDNN does it: by loops, forward and backward
 *
 * Products are of bfloat16, as on the card: probabilities and their gradients are rounded before
 * they are multiplied.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/emu/dnn.h"

#include <cuda_bf16.h>
#include <math.h>

#include <set>
#include <vector>

#include "tests/emu/fiber.h"

using namespace um_emu;

cudnnStatus_t um_emu::dnn_attention_fits(const dnn_attention &o)
{
    const int64_t    *d = o.t[DNN_Q].dim;
    std::set<int64_t> ids;

    for (int i = 0; i < o.n; i++) {
        const dnn_tensor &t   = o.t[i];
        const bool        big = i != DNN_STATS && i != DNN_SCALE;

        ids.insert(t.id);
        if (t.by_value != (i == DNN_SCALE) ||
            t.type != (big ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT))
            return CUDNN_STATUS_BAD_PARAM;
        if (big && (memcmp(t.dim, d, sizeof t.dim) != 0 || t.align < 16))
            return CUDNN_STATUS_BAD_PARAM;
        for (int s = 0; big && s < 3; s++)
            if (t.stride[s] % 8)
                return CUDNN_STATUS_NOT_SUPPORTED;
    }
    const dnn_tensor &l = o.t[DNN_STATS];
    if (l.dim[0] != d[0] || l.dim[1] != d[1] || l.dim[2] != d[2] || l.dim[3] != 1 ||
        l.stride[2] != 1 || l.stride[1] != d[2] || l.stride[0] != d[1] * d[2])
        return CUDNN_STATUS_BAD_PARAM;
    if (d[3] > 128 || d[3] % 8 || d[2] < 2)
        return CUDNN_STATUS_NOT_SUPPORTED;
    return (int)ids.size() == o.n ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

namespace
{
/* channel 0 of token t of one head */
__nv_bfloat16 *row(const dnn_attention &j, int which, int64_t b, int64_t h, int64_t t)
{
    const int64_t *s = j.t[which].stride;

    return (__nv_bfloat16 *)j.p[which] + b * s[0] + h * s[1] + t * s[2];
}

float *stats(const dnn_attention &j, int64_t b, int64_t h)
{
    const int64_t *s = j.t[DNN_STATS].stride;

    return (float *)j.p[DNN_STATS] + b * s[0] + h * s[1];
}

float rounded(float x)
{
    return __bfloat162float(__float2bfloat16_rn(x));
}

float dot(const __nv_bfloat16 *x, const __nv_bfloat16 *y, int64_t d)
{
    float s = 0;

    for (int64_t c = 0; c < d; c++)
        s += __bfloat162float(x[c]) * __bfloat162float(y[c]);
    return s;
}

void add(float *to, float f, const __nv_bfloat16 *x, int64_t d)
{
    for (int64_t c = 0; c < d; c++)
        to[c] += f * __bfloat162float(x[c]);
}

void store(__nv_bfloat16 *to, const float *x, float f, int64_t d)
{
    for (int64_t c = 0; c < d; c++)
        to[c] = __float2bfloat16_rn(x[c] * f);
}

void forward(const dnn_attention &j, int64_t b, int64_t h)
{
    const int64_t      T = j.t[DNN_Q].dim[2], d = j.t[DNN_Q].dim[3];
    std::vector<float> p((size_t)T), sum((size_t)d);

    for (int64_t t = 0; t < T; t++) {
        float max = -INFINITY, all = 0;

        for (int64_t u = 0; u < T; u++) {
            p[(size_t)u] = j.scale * dot(row(j, DNN_Q, b, h, t), row(j, DNN_K, b, h, u), d);
            max          = fmaxf(max, p[(size_t)u]);
        }
        sum.assign((size_t)d, 0);
        for (int64_t u = 0; u < T; u++) {
            const float e = expf(p[(size_t)u] - max);

            all += e;
            add(sum.data(), rounded(e), row(j, DNN_V, b, h, u), d);
        }
        store(row(j, DNN_O, b, h, t), sum.data(), 1 / all, d);
        stats(j, b, h)[t] = max + logf(all);
    }
}

void backward(const dnn_attention &j, int64_t b, int64_t h)
{
    const int64_t      T = j.t[DNN_Q].dim[2], d = j.t[DNN_Q].dim[3];
    std::vector<float> dq((size_t)d), dk((size_t)(T * d)), dv((size_t)(T * d));

    for (int64_t t = 0; t < T; t++) {
        const float delta = dot(row(j, DNN_DOUT, b, h, t), row(j, DNN_O, b, h, t), d);

        dq.assign((size_t)d, 0);
        for (int64_t u = 0; u < T; u++) {
            const float s = j.scale * dot(row(j, DNN_Q, b, h, t), row(j, DNN_K, b, h, u), d);
            const float p = expf(s - stats(j, b, h)[t]);
            const float e = dot(row(j, DNN_DOUT, b, h, t), row(j, DNN_V, b, h, u), d);
            const float g = rounded(p * (e - delta));

            add(&dv[(size_t)(u * d)], rounded(p), row(j, DNN_DOUT, b, h, t), d);
            add(&dk[(size_t)(u * d)], g, row(j, DNN_Q, b, h, t), d);
            add(dq.data(), g, row(j, DNN_K, b, h, u), d);
        }
        store(row(j, DNN_DQ, b, h, t), dq.data(), j.scale, d);
    }
    for (int64_t u = 0; u < T; u++) {
        store(row(j, DNN_DK, b, h, u), &dk[(size_t)(u * d)], j.scale, d);
        store(row(j, DNN_DV, b, h, u), &dv[(size_t)(u * d)], 1, d);
    }
}

} // namespace

void um_emu::dnn_attend(const dnn_attention &j)
{
    for (int64_t b = 0; b < j.t[DNN_Q].dim[0]; b++)
        for (int64_t h = 0; h < j.t[DNN_Q].dim[1]; h++)
            j.backward ? backward(j, b, h) : forward(j, b, h);
}
