/* library.c - where plug-ins lie */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* By its path: a sanitizer that calls dlopen() in our place hides that libum.so has an rpath. The
 * folder above serves static programs and tests, which the build keeps one level down. */
void *um_library_open(const char *file)
{
    static const char        here    = 0;
    static const char *const place[] = { "", "../", "../lib/" };
    char                     path[4096];
    Dl_info                  us;

    if (dladdr(&here, &us) != 0 && us.dli_fname) {
        const char *slash = strrchr(us.dli_fname, '/');
        const int   n     = slash ? (int)(slash - us.dli_fname) + 1 : 0;

        for (size_t i = 0; n > 0 && i < sizeof place / sizeof place[0]; i++) {
            const int len =
                snprintf(path, sizeof path, "%.*s%s%s", n, us.dli_fname, place[i], file);

            if (len < (int)sizeof path && access(path, F_OK) == 0)
                return dlopen(path, RTLD_NOW | RTLD_LOCAL);
        }
    }
    return dlopen(file, RTLD_NOW | RTLD_LOCAL);
}
