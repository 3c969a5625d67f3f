/* driver.c - as much of libcuda.so.1 as cuDNN needs to make plans for a card that is not there
 *
 * There is no device; code that was compiled is taken and forgotten. */
/* SPDX-License-Identifier: Apache-2.0 */

#define API __attribute__((visibility("default")))

enum { DONE, NO_DEVICE = 100, NOT_FOUND = 500 };

/* what nobody gets to without a device */
#define NAMES(X)                                                                                   \
    X(cuInit)                                                                                      \
    X(cuCtxGetCurrent)                                                                             \
    X(cuCtxGetLimit)                                                                               \
    X(cuCtxPopCurrent)                                                                             \
    X(cuCtxPushCurrent)                                                                            \
    X(cuDeviceGet)                                                                                 \
    X(cuDeviceGetCount)                                                                            \
    X(cuGetErrorName)                                                                              \
    X(cuGetErrorString)                                                                            \
    X(cuLaunchCooperativeKernel)                                                                   \
    X(cuLaunchKernel)                                                                              \
    X(cuLaunchKernelEx)                                                                            \
    X(cuLibraryLoadFromFile)                                                                       \
    X(cuLinkAddData)                                                                               \
    X(cuLinkComplete)                                                                              \
    X(cuLinkCreate)                                                                                \
    X(cuLinkDestroy)                                                                               \
    X(cuModuleGetFunction)                                                                         \
    X(cuModuleLoadData)                                                                            \
    X(cuModuleUnload)                                                                              \
    X(cuOccupancyMaxPotentialClusterSize)                                                          \
    X(cuStreamGetCtx)                                                                              \
    X(cuTensorMapEncodeIm2col)                                                                     \
    X(cuTensorMapEncodeTiled)

#define LACKS(name)                                                                                \
    API int name(void);                                                                            \
    int     name(void)                                                                             \
    {                                                                                              \
        return NO_DEVICE;                                                                          \
    }
NAMES(LACKS)

API int cuDriverGetVersion(int *v);
API int cuGetProcAddress(const char *name, void **f);
API int cuGetProcAddress_v2(const char *name, void **f);
API int cuLibraryLoadData(void **library);
API int cuLibraryGetKernel(void **kernel);
API int cuLibraryUnload(void *library);
API int cuKernelGetFunction(void **f);
API int cuKernelGetAttribute(int *v);
API int cuKernelSetAttribute(void);

static char something[64]; /* what a handle points to */

int cuDriverGetVersion(int *v)
{
    *v = 13000;
    return DONE;
}

int cuGetProcAddress(const char *name, void **f)
{
    (void)name;
    *f = 0;
    return NOT_FOUND;
}

int cuGetProcAddress_v2(const char *name, void **f)
{
    return cuGetProcAddress(name, f);
}

int cuLibraryLoadData(void **library)
{
    *library = something;
    return DONE;
}

int cuLibraryGetKernel(void **kernel)
{
    *kernel = something;
    return DONE;
}

int cuLibraryUnload(void *library)
{
    (void)library;
    return DONE;
}

int cuKernelGetFunction(void **f)
{
    *f = something;
    return DONE;
}

int cuKernelGetAttribute(int *v)
{
    *v = 1024;
    return DONE;
}

int cuKernelSetAttribute(void)
{
    return DONE;
}
