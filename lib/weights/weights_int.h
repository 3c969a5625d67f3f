/* weights_int.h - what the readers of this room share
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_WEIGHTS_WEIGHTS_INT_H
#define UM_WEIGHTS_WEIGHTS_INT_H

#include <jansson.h>
#include <stdbool.h>

#include "weights/safetensors.h"
#include "weights/weights.h"

enum { WEIGHTS_COUNT_MAX = 1 << 20 }; /* tensors in a file */

/* ---- files, mapped ---- */

struct um_mapped {
    const uint8_t *p;
    size_t         n;
};

/* the whole of a regular file, read-only; an empty one maps to n = 0. Messages leave the path to
 * the caller. close may be called again, and on zeroes. */
UM_RESULT_USED int um_mapped_open(struct um_mapped *m, const char *path);
void               um_mapped_close(struct um_mapped *m);

static inline uint64_t um_little(const uint8_t *p, int bytes)
{
    uint64_t x = 0;

    for (int i = bytes - 1; i >= 0; i--)
        x = x << 8 | p[i];
    return x;
}

/* ---- element types ---- */

struct um_elem {
    const char   *name;        /* as in NumPy */
    const char   *safetensors; /* NULL: not in that format */
    const char   *storage;     /* PyTorch's class, "FloatStorage", or NULL */
    int           bits;
    enum um_dtype dtype; /* UM_NDTYPE: listed, but not read */
};

/* NULL: unknown; PyTorch has none of 4 or 6 bits */
const struct um_elem *um_elem_safetensors(const char *name);
const struct um_elem *um_elem_storage(const char *name, size_t n);
const struct um_elem *um_elem_torch(const char *name, size_t n);
const char           *um_elem_safetensors_name(enum um_dtype t);

/* ---- names ---- */

/* UTF-8 without control characters, 1..4096 bytes: UM_OK, or UM_EFORMAT without the name in it */
UM_RESULT_USED int um_name_check(const char *s, size_t n);
/* bytes of a file for a message: what is not printable ASCII as \xNN, cut after some; into buf */
#define UM_SHOWN 128
const char *um_shown(const void *s, size_t n, char buf[UM_SHOWN]);

/* a list of names for a message, cut with "and N more" when it gets long */
struct um_names {
    char   text[1536];
    size_t n;
    int    count, left_out;
};
void        um_names_add(struct um_names *l, const char *name);
const char *um_names_end(struct um_names *l);

/* ---- an open file ---- */

struct um_entry {
    struct um_tensor      t;
    const struct um_elem *elem;
};

struct um_weights {
    struct um_arena       *arena;
    const char            *format;
    int                    n;
    struct um_entry       *entry; /* sorted by name when open is through */
    struct um_mapped       file;  /* of PyTorch's formats and of an index */
    struct um_safetensors *safetensors;
    json_t                *index; /* of shards */
    int                    nshard;
    struct um_weights    **shard;
};

/* one reader for each format: fills format, n and entry (in any order; names not yet compared) */
UM_RESULT_USED int um_weights_safetensors(struct um_weights *w, const char *path);
UM_RESULT_USED int um_weights_shards(struct um_weights *w, const char *path);
UM_RESULT_USED int um_weights_zip(struct um_weights *w);
UM_RESULT_USED int um_weights_legacy(struct um_weights *w);
/* the file at path, which must not be an index */
UM_RESULT_USED int um_weights_open_shard(struct um_weights **w, const char *path);

/* is it the legacy format? */
bool um_is_legacy(const uint8_t *p, size_t n);
/* um_fail for a file that is none of the formats: what it looks like */
int um_unknown_file(const uint8_t *p, size_t n);

/* um_safetensors_open without the path in its messages; what um_safetensors_at has, and its type */
UM_RESULT_USED int     um_safetensors_map(struct um_safetensors **s, const char *path);
const struct um_entry *um_safetensors_entry(const struct um_safetensors *s, int i);

#endif
