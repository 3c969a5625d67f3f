/* library.c - where plug-ins lie */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* the file that holds this function; a program found by PATH is known by its bare name alone */
static bool own_path(char *path, size_t size)
{
    static const char here = 0;
    Dl_info           us;

    if (dladdr(&here, &us) != 0 && us.dli_fname && strchr(us.dli_fname, '/'))
        return snprintf(path, size, "%s", us.dli_fname) < (int)size;
    const ssize_t n = readlink("/proc/self/exe", path, size - 1);

    if (n > 0)
        path[n] = '\0';
    return n > 0;
}

bool um_library_beside(const char *file, char *path, size_t size)
{
    char own[4096], *slash;

    if (!own_path(own, sizeof own) || !(slash = strrchr(own, '/')))
        return false;
    slash[1] = '\0';
    for (int up = 0; up < 2; up++)
        if (snprintf(path, size, "%s%s%s", own, up ? "../" : "", file) < (int)size &&
            access(path, F_OK) == 0)
            return true;
    return false;
}

/* By its path: a sanitizer that calls dlopen() in our place hides that libum.so has an rpath. */
void *um_library_open(const char *file)
{
    char path[4096];

    return dlopen(um_library_beside(file, path, sizeof path) ? path : file, RTLD_NOW | RTLD_LOCAL);
}
