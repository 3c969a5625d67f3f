/* dnn.h - what the parts of the emulator's cuDNN share */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_EMU_DNN_H
#define UM_EMU_DNN_H

#include <cuda_runtime.h>
#include <cudnn.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace um_emu
{
struct dnn_handle {
    cudaStream_t stream;
};

/* UM_EMU_CUDNN says so */
inline bool dnn_told(const char *what)
{
    const char *v = getenv("UM_EMU_CUDNN");

    return v && strcmp(v, what) == 0;
}

struct dnn_tensor {
    int64_t         id, align, dim[4], stride[4];
    cudnnDataType_t type;
    bool            by_value;
};

/* attention's tensors; forward has those before DOUT */
enum {
    DNN_Q,
    DNN_K,
    DNN_V,
    DNN_O,
    DNN_STATS,
    DNN_SCALE,
    DNN_DOUT,
    DNN_DQ,
    DNN_DK,
    DNN_DV,
    DNN_MOST
};

struct dnn_attention {
    bool       backward;
    int        n;
    dnn_tensor t[DNN_MOST];
    char      *p[DNN_MOST]; /* where they are */
    float      scale;
};

/* whether the tensors go together and the library would take them */
cudnnStatus_t dnn_attention_fits(const dnn_attention &a);
void          dnn_attend(const dnn_attention &a);
} // namespace um_emu

#endif
