/* pickle.h - the pickles of torch.save, read without running anything
 *
 * A pickle is a program for a stack machine that can call any function of the Python that reads it.
 * This machine knows the opcodes that a state dict is written with (protocols 2 to 5) and these
 * globals, each of which it answers itself:
 *   collections.OrderedDict                                       a dict
 *   torch._utils._rebuild_tensor, _rebuild_tensor_v2, _v3         a tensor: where it lies in
 * storage torch._utils._rebuild_parameter, _rebuild_parameter_with_state   the tensor it is made of
 *   torch.FloatStorage and its sisters, torch.storage.UntypedStorage, torch.float32 and its sisters
 * Any other opcode or global is refused by name. Sizes are checked against the bytes that are
 * there; stack, memo and objects are limited. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_WEIGHTS_PICKLE_H
#define UM_WEIGHTS_PICKLE_H

#include "stream/tensor.h"
#include "weights/weights_int.h"

enum um_pickle_kind {
    UM_PICKLE_NONE = 0,
    UM_PICKLE_MARK, /* on the stack only */
    UM_PICKLE_BOOL,
    UM_PICKLE_INT,
    UM_PICKLE_BIG,   /* an integer of more than 8 bytes: s[0..n-1], little endian */
    UM_PICKLE_FLOAT, /* its value is not kept */
    UM_PICKLE_TEXT,  /* s[0..n-1], as it is in the file */
    UM_PICKLE_TUPLE,
    UM_PICKLE_LIST,
    UM_PICKLE_DICT, /* items: key, value, key, value, ... in the order they were set */
    UM_PICKLE_GLOBAL,
    UM_PICKLE_STORAGE,
    UM_PICKLE_TENSOR
};

struct um_pickle_value {
    uint32_t kind;
    uint32_t n; /* TEXT, BIG: bytes; GLOBAL: which */
    union {
        int64_t                   i; /* INT, BOOL */
        const char               *s;
        struct um_pickle_list    *list; /* TUPLE, LIST, DICT */
        const struct um_elem     *elem; /* GLOBAL: of a storage class or dtype */
        struct um_pickle_storage *storage;
        struct um_pickle_tensor  *tensor;
    };
};

struct um_pickle_list {
    uint32_t                n, cap;
    struct um_pickle_value *item;
};

/* a storage by reference; its bytes are elsewhere in the file */
struct um_pickle_storage {
    const struct um_elem     *elem; /* NULL: untyped, count is of bytes */
    const char               *key;
    uint32_t                  key_n;
    int64_t                   count;       /* elements */
    int64_t                   first, part; /* a part of it: elements first .. first + part - 1 */
    struct um_pickle_storage *next;        /* the one that was met before */
};

/* numbers as the file has them: not checked against the storage */
struct um_pickle_tensor {
    const struct um_pickle_storage *storage;
    const struct um_elem           *elem;
    int                             ndim;
    int64_t                         first; /* element of the storage's part */
    int64_t                         dim[UM_MAX_DIM], stride[UM_MAX_DIM];
};

/* um_pickle_read - one pickle from p[0..n-1] into the arena; text points into p. *used: its bytes
 * (others may follow). *storage: the last of the storages it refers to, or NULL. UM_EFORMAT,
 * UM_EUNSUPPORTED (opcodes and globals by name), UM_ERANGE. */
UM_RESULT_USED int um_pickle_read(struct um_arena *a, const uint8_t *p, size_t n, size_t *used,
                                  struct um_pickle_value *root, struct um_pickle_storage **storage);

/* the item of a dict under that text, or NULL; v may be of any kind */
const struct um_pickle_value *um_pickle_get(const struct um_pickle_value *v, const char *key);

#endif
