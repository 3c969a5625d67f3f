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

/* *fn: what the plug-in exports by a name. It stays loaded: the CUDA runtime does not like to go.
 */
static int find(const char *name, void *fn)
{
    void *lib = dlopen("libum-cuda.so", RTLD_NOW | RTLD_LOCAL), *sym;

    if (!lib)
        return um_fail(UM_EUNSUPPORTED, "no CUDA plug-in: %s", dlerror());
    sym = dlsym(lib, name);
    if (!sym) {
        (void)dlclose(lib);
        return um_fail(UM_EUNSUPPORTED, "libum-cuda.so is not a plug-in of um");
    }
    memcpy(fn, &sym, sizeof sym); /* ISO C has no cast from an object to a function */
    return UM_OK;
}

int um_plugin_open(struct um_dev **dev, int ordinal)
{
    um_plugin_open_fn *start = NULL;

    *dev = NULL;
    UM_TRY(find("um_cuda_open", &start));
    return start(dev, ordinal, UM_PLUGIN_ABI);
}

int um_plugin_count(int *n)
{
    um_plugin_count_fn *count = NULL;

    *n = 0;
    UM_TRY(find("um_cuda_count", &count));
    return count(n, UM_PLUGIN_ABI);
}
