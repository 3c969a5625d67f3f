/* plugin.c - open the CUDA plug-in, at run time and only when it is wanted */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "kernels/plugin.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

bool um_plugin_hopeful(void)
{
    return access("/dev/nvidiactl", F_OK) == 0 || access("/dev/dxg", F_OK) == 0;
}

int um_plugin_open(struct um_dev **dev, int ordinal)
{
    um_plugin_open_fn *start;
    void              *lib, *sym;

    *dev = NULL;
    lib  = dlopen("libum-cuda.so", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return um_fail(UM_EUNSUPPORTED, "no CUDA plug-in: %s", dlerror());
    sym = dlsym(lib, "um_cuda_open");
    if (!sym) {
        (void)dlclose(lib);
        return um_fail(UM_EUNSUPPORTED, "libum-cuda.so is not a plug-in of um");
    }
    memcpy(&start, &sym, sizeof start); /* ISO C has no cast from an object to a function */
    /* the library stays: the CUDA runtime does not like to be unloaded */
    return start(dev, ordinal, UM_PLUGIN_ABI);
}
