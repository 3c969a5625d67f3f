/* library.h - opening a plug-in that is built beside libum */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_BASE_LIBRARY_H
#define UM_BASE_LIBRARY_H

#include "base/status.h"

/* um_library_open - dlopen(`file`) in the folder that libum (or the program that holds it) lies in,
 * in the one above or its lib/, or else where the system looks. NULL: dlerror() says why. */
UM_API void *um_library_open(const char *file);

#endif
