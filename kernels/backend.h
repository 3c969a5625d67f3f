/* backend.h - what the rooms of kernels/ share: the device, its workspace, checks, and how an
 * operation's functions are named
 *
 * Each room has FAMILY.h with UM_FAMILY_OPS(X, b), the list of its operations. From it come the
 * declarations of every backend's functions (UM_DECLARE: the type is that of the table's entry, so
 * a function and its entry cannot part ways) and the tables (UM_ENTRY). Functions are called
 * um_<backend>_<op>, backend being ref, or cpu_<isa> for each instruction set cpu.c is compiled
 * for.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_BACKEND_H
#define UM_KERNELS_BACKEND_H

#include "kernels/kernels.h"

#define UM_DECLARE(b, op) __typeof__(*((struct um_kernels *)0)->op) um_##b##_##op;
#define UM_ENTRY(b, op) .op = um_##b##_##op,

/* one growing block of memory for each worker of the pool, so that kernels allocate nothing once
 * they are warm; each worker touches only its own */
struct um_scratch {
    void  *p;
    size_t size;
    char   apart[48]; /* a cache line each */
};

struct um_dev {
    const struct um_kernels *kernels;
    struct um_pool          *pool;    /* the caller's, or NULL */
    struct um_scratch       *scratch; /* one each, and one more that an operation's tasks share */
    int                      workers;
    struct um_dnn           *dnn; /* oneDNN's part, made when first wanted: linear/onednn.h */
    const char              *kind;
    char                     name[96];
    void (*close)(struct um_dev *dev); /* a plug-in's own end, or NULL */
    struct um_memory memory; /* of a host backend: total is the limit of UM_MEMORY, or 0 */
};

/* um_dev_scratch - at least n bytes, 64-byte aligned, of worker's own; valid until the worker's
 * next call. UM_ENOMEM. */
UM_RESULT_USED int um_dev_scratch(struct um_dev *dev, int worker, size_t n, void **p);

/* um_check_rows - UM_ERANGE unless n >= 0, c >= 1 and n c elements can be addressed
 * um_check_act - the same, and UM_EDTYPE unless dt is one of an activation */
UM_RESULT_USED int um_check_rows(const char *op, int64_t n, int64_t c);
UM_RESULT_USED int um_check_act(const char *op, enum um_dtype dt, int64_t n, int64_t c);

#endif
