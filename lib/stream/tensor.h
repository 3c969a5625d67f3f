/* tensor.h - tensors, values and records: what a stream carries, in memory
 *
 * Everything here lives in an arena that the caller names; nothing is freed one by one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_STREAM_TENSOR_H
#define UM_STREAM_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/dtype.h"
#include "base/status.h"

enum { UM_MAX_DIM = 8 };

/* a dense array in C order, little endian, data aligned to at least 8 bytes in memory */
struct um_tensor {
    const char   *name;
    enum um_dtype dtype;
    int           ndim; /* 0 (a scalar) .. UM_MAX_DIM */
    int64_t       dim[UM_MAX_DIM];
    void         *data;
};

UM_API int64_t um_tensor_count(const struct um_tensor *t); /* elements; 1 for a scalar */
UM_API size_t  um_tensor_bytes(const struct um_tensor *t);
/* "[1,256,256]" into buf (UM_SHAPE_TEXT bytes are enough); returns buf */
#define UM_SHAPE_TEXT 192
UM_API char *um_shape_text(const struct um_tensor *t, char *buf, size_t n);

/* um_tensor_new - uninitialised data in the arena. UM_ENOMEM; UM_ERANGE: negative dims, overflow,
 * or 4 GiB and more (msgpack's limit), naming the tensor. name is copied. */
UM_API UM_RESULT_USED int um_tensor_new(struct um_arena *a, const char *name, enum um_dtype dtype,
                                        int ndim, const int64_t *dim, struct um_tensor *t);

/* a MessagePack-like value: what headers and meta hold */
enum um_kind { UM_NIL = 0, UM_BOOL, UM_INT, UM_FLOAT, UM_STR, UM_BIN, UM_LIST, UM_MAP };

struct um_value {
    enum um_kind     kind;
    bool             b;
    int64_t          i;
    double           f;
    const char      *s; /* UM_STR: UTF-8, NUL-terminated, may hold no NUL inside; UM_BIN: bytes */
    int64_t          n; /* UM_STR/UM_BIN: bytes; UM_LIST/UM_MAP: items */
    struct um_value *item; /* UM_LIST: n values; UM_MAP: n values */
    const char     **key;  /* UM_MAP: n names, unique, in the order written */
};

/* lookups: NULL if map is NULL, not a map, or has no such name */
UM_API const struct um_value *um_map_get(const struct um_value *map, const char *name);
UM_API const char *um_map_str(const struct um_value *map, const char *name); /* NULL if no string */
UM_API bool        um_map_num(const struct um_value *map, const char *name,
                              double *x); /* int, float, bool */

/* setters: replace or append; strings and names are copied into the arena; UM_ENOMEM */
UM_API UM_RESULT_USED int um_map_set(struct um_arena *a, struct um_value *map, const char *name,
                                     const struct um_value *v);
UM_API UM_RESULT_USED int um_map_set_str(struct um_arena *a, struct um_value *map, const char *name,
                                         const char *s);
UM_API UM_RESULT_USED int um_map_set_int(struct um_arena *a, struct um_value *map, const char *name,
                                         int64_t i);
UM_API UM_RESULT_USED int um_map_set_num(struct um_arena *a, struct um_value *map, const char *name,
                                         double f);
UM_API UM_RESULT_USED int um_map_set_nums(struct um_arena *a, struct um_value *map,
                                          const char *name, const double *f,
                                          int64_t n); /* a list of floats */
/* um_map_add - the entries of `from` whose names map does not have, copied behind its own by one
 * allocation (um_map_set for each would take memory with the square of their number); says how many
 */
UM_API UM_RESULT_USED int um_map_add(struct um_arena *a, struct um_value *map,
                                     const struct um_value *from);
UM_API bool               um_map_remove(struct um_value *map, const char *name);
UM_API UM_RESULT_USED int um_value_copy(struct um_arena *a, const struct um_value *from,
                                        struct um_value *to); /* deep */
UM_API bool               um_value_equal(const struct um_value *a,
                                         const struct um_value *b); /* floats: same bits */

#define UM_MAX_KEY 1024 /* bytes of a key, without its NUL */

/* what a record was read from, where it had a frame of its own and the reader was asked to keep it
 * (um_reader_keep); in the reader's buffers, until it reads on */
struct um_as_read {
    const uint8_t *msg, *frame; /* its message; the compressed frame that holds nothing else */
    size_t         msg_n, frame_n;
};

/* one record: key unique within its part, 1..1024 bytes of UTF-8 without control characters */
struct um_record {
    const char              *key;
    struct um_value          meta; /* UM_MAP */
    int                      ntensor, cap;
    struct um_tensor        *tensor;  /* names unique, in the order written */
    const struct um_as_read *as_read; /* NULL: not kept */
};

UM_API UM_RESULT_USED int um_record_new(struct um_arena *a, const char *key,
                                        struct um_record **rec);
/* a copy of the lists of meta and tensors (not of tensor data), so that it can be changed */
UM_API UM_RESULT_USED int um_record_clone(struct um_arena *a, const struct um_record *from,
                                          struct um_record **to);
UM_API struct um_tensor  *um_record_find(const struct um_record *rec,
                                         const char             *name); /* or NULL */
/* replaces a tensor of that name, or appends; *t is copied, its data is not */
UM_API UM_RESULT_USED int um_record_set(struct um_arena *a, struct um_record *rec,
                                        const struct um_tensor *t);
UM_API bool               um_record_remove(struct um_record *rec, const char *name);
/* The tensor `name`, checked: dtype (or UM_NDTYPE for any) and ndim (or -1). UM_EMISSING names the
 * tool that makes it ("`ids` missing: run um-tokenize"); UM_EDTYPE, UM_ESHAPE say expected and got.
 */
UM_API UM_RESULT_USED int um_record_get(const struct um_record *rec, const char *name,
                                        enum um_dtype dtype, int ndim, const struct um_tensor **t);

#endif
