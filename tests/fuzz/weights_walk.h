/* weights_walk.h - everything there is to ask of a weights file
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_WEIGHTS_WALK_H
#define UM_TESTS_WEIGHTS_WALK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "weights/weights.h"

static inline void wrong(const char *what)
{
    (void)fprintf(stderr, "%s\n", what);
    abort();
}

/* a digest of all names, types, shapes and bytes: reads them all */
static inline uint64_t walk(const struct um_weights *w)
{
    uint64_t h = 1;

    for (int i = 0; i < um_weights_count(w); i++) {
        const struct um_tensor *t    = um_weights_at(w, i), *same;
        const char             *type = um_weights_dtype(w, t);

        if (um_weights_find(w, t->name) != t)
            wrong("a tensor that is not found under its name");
        if ((um_weights_get(w, t->name, &same) < 0) != (t->dtype == UM_NDTYPE))
            wrong("a tensor that cannot be had");
        if (t->dtype != UM_NDTYPE && (uintptr_t)t->data % um_dtype_size(t->dtype))
            wrong("a tensor that is not aligned");
        h = h * 31 + um_hash64(t->name, strlen(t->name));
        h = h * 31 + um_hash64(type, strlen(type));
        h = h * 31 + um_hash64(t->dim, (size_t)t->ndim * sizeof t->dim[0]);
        if (t->data)
            h = h * 31 + um_hash64(t->data, um_tensor_bytes(t));
    }
    return h;
}

/* bytes into the file fd, which then is all they are */
static inline void put(int fd, const void *data, size_t n)
{
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
        wrong("cannot write the file");
}

#endif
