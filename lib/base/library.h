/* library.h - opening a plug-in that is built beside libum */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_BASE_LIBRARY_H
#define UM_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* um_library_beside - the path of `file` in the folder that libum (or the program that holds it)
 * lies in, or in the one above; false if it is in neither. The folder above serves static programs
 * and tests, which the build keeps one level down, and what is installed beside lib/. */
UM_API bool um_library_beside(const char *file, char *path, size_t size);

/* um_library_open - dlopen(`file`) beside libum, or else where the system looks. NULL: dlerror()
 * says why. */
UM_API void *um_library_open(const char *file);

#endif
