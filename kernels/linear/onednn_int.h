/* onednn_int.h - what the files that call oneDNN share: its versions 2 and 3, its engine
 *
 * Only linear/onednn.c and conv/onednn.c include it: nobody else knows oneDNN or its version.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_ONEDNN_INT_H
#define UM_KERNELS_ONEDNN_INT_H

#include <oneapi/dnnl/dnnl.h>
#include <string.h>

#include "kernels/backend.h"

#if DNNL_VERSION_MAJOR < 3
#define DESC(d) (&(d)) /* a description is a struct, passed by its address */
typedef const dnnl_memory_desc_t *desc_ref;
#else
#define DESC(d) (d) /* a description is a handle */
typedef const_dnnl_memory_desc_t desc_ref;
#endif

enum { UM_DNN_PLANS = 1024, UM_DNN_HINTS = 4096, UM_DNN_CONVS = 512 };

struct um_dnn {
    dnnl_engine_t       engine;
    dnnl_stream_t      *stream; /* one a worker */
    struct um_dnn_plan *plan[UM_DNN_PLANS];
    int16_t             hint[UM_DNN_HINTS]; /* where a shape with this hash was seen last */
    int                 n;
    struct um_dnn_conv *conv[UM_DNN_CONVS];
    int                 convs;
    uint64_t            clock;
};

/* um_dnn_open - the device's engine and streams, made once */
UM_RESULT_USED int um_dnn_open(struct um_dev *dev);
/* um_dnn_one_thread - oneDNN works in the calling thread alone */
void um_dnn_one_thread(void);
void um_dnn_conv_free(struct um_dnn_conv *plan);
/* um_dnn_view - *own, a worker's view of an array that desc describes, made when first wanted, now
 * looking at `data` */
dnnl_status_t um_dnn_view(dnnl_memory_t *own, desc_ref desc, dnnl_engine_t engine,
                          const void *data);
/* um_dnn_execute - on the worker's stream, to its end */
dnnl_status_t um_dnn_execute(struct um_dev *dev, int worker, dnnl_primitive_t primitive,
                             const dnnl_exec_arg_t *args, int n);

static inline dnnl_data_type_t um_dnn_type(int32_t dt)
{
    return dt == UM_F32 ? dnnl_f32 : dnnl_bf16;
}

static inline dnnl_status_t um_dnn_copy_desc(dnnl_memory_desc_t *to, desc_ref from)
{
#if DNNL_VERSION_MAJOR < 3
    *to = *from;
    return dnnl_success;
#else
    return dnnl_memory_desc_clone(to, from);
#endif
}

static inline void um_dnn_free_desc(dnnl_memory_desc_t *d)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*d)
        dnnl_memory_desc_destroy(*d);
    *d = NULL;
#else
    (void)d;
#endif
}

#endif
