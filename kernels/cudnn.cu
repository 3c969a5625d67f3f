/* cudnn.cu - the library, opened once for the process, and a device's handle */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cudnn.h"

#if UM_HAVE_CUDNN

#include <dlfcn.h>

static struct {
    void                     *lib;
    size_t                    version;
    decltype(&cudnnCreate)    create;
    decltype(&cudnnDestroy)   destroy;
    decltype(&cudnnSetStream) set_stream;
} api;

/* what is opened stays open, for the library's own threads and exit handlers do not take its end
 * well */
static void open_library(void)
{
    const char                *name = getenv("UM_CUDNN");
    decltype(&cudnnGetVersion) version;

    if (name && strcmp(name, "0") == 0)
        return;
    if (!(api.lib = dlopen(name && *name ? name : "libcudnn.so.9", RTLD_NOW | RTLD_LOCAL)))
        return;
    *(void **)&version        = dlsym(api.lib, "cudnnGetVersion");
    *(void **)&api.create     = dlsym(api.lib, "cudnnCreate");
    *(void **)&api.destroy    = dlsym(api.lib, "cudnnDestroy");
    *(void **)&api.set_stream = dlsym(api.lib, "cudnnSetStream");
    if (version && api.create && api.destroy && api.set_stream && version() / 10000 == CUDNN_MAJOR)
        api.version = version();
}

size_t um_cudnn_version(void)
{
    static bool tried;

    if (!tried)
        open_library();
    tried = true;
    return api.version;
}

bool um_cudnn_load(void **function, const char *const *name, size_t n)
{
    if (!um_cudnn_version())
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(function[i] = dlsym(api.lib, name[i])))
            return false;
    return true;
}

void um_cudnn_close(struct um_cuda *c)
{
    if (!c->cudnn)
        return;
    um_plans_free(c->cudnn->conv);
    um_plans_free(c->cudnn->attention);
    if (c->cudnn->handle)
        (void)api.destroy(c->cudnn->handle);
    free(c->cudnn);
    c->cudnn = NULL;
}

struct um_cudnn *um_cudnn_open(struct um_dev *dev)
{
    struct um_cuda  *c = um_cuda_of(dev);
    struct um_cudnn *d = c->cudnn;

    (void)um_cuda_use(dev); /* the library asks for the current one */
    if (d || !(d = (struct um_cudnn *)calloc(1, sizeof *d)))
        return d;
    c->cudnn = d;
    if (um_cudnn_version() == 0 || api.create(&d->handle) != CUDNN_STATUS_SUCCESS)
        d->handle = NULL;
    if (d->handle && api.set_stream(d->handle, um_cuda_stream(dev)) != CUDNN_STATUS_SUCCESS) {
        (void)api.destroy(d->handle);
        d->handle = NULL;
    }
    return d;
}

#else

void um_cudnn_close(struct um_cuda *c)
{
    (void)c;
}

#endif
