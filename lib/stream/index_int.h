/* index_int.h - an open index: parts, and where in the file the entries of each 32 records begin
 *
 * Inside the library only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_STREAM_INDEX_INT_H
#define UM_STREAM_INDEX_INT_H

#include <pthread.h>

#include "stream/ledger.h"
#include "stream/umt.h"

enum { UM_INDEX_BLOCK = 32 }; /* entries */

struct um_index_block {
    uint32_t at;    /* first byte, among the part's entries */
    uint32_t check; /* low half of XXH3-64 of its bytes, as they were when the file was opened */
};

struct um_index_part {
    int64_t                start, end; /* in the file; end: behind the footer */
    int64_t                first, n;   /* its records */
    int64_t                entries;    /* in the file: where its entries begin */
    uint64_t               bytes;      /* of the entries */
    struct um_value        header;
    struct um_index_block *block; /* [n / 32 rounded up] */
};

/* what a reading thread needs; kept for the next one */
struct um_index_scratch {
    struct um_inflate           in;
    int64_t                     frame; /* whose content is in `in.out`, by place in the file; -1 */
    const struct um_index_part *part;  /* whose block is in `entries`; NULL: none */
    int64_t                     block;
    struct um_buf               entries;
    struct um_index_scratch    *next;
};

struct um_index {
    char                    *name;
    int                      fd;
    int                      nparts;
    struct um_index_part    *part; /* in file order once open */
    int64_t                  n;
    struct um_arena         *arena; /* headers */
    pthread_mutex_t          lock;  /* of the two below */
    struct um_index_scratch *idle;
    int64_t *slot; /* record numbers by hash of key, -1: free; by the first search */
    uint64_t slots;
};

/* one entry, as it stands in the file */
struct um_index_entry {
    int64_t     frame;         /* in the file */
    uint32_t    inside, check; /* place in the frame's content; check word of the message */
    const char *key;
    size_t      size; /* bytes of the entry */
};

/* um_index_bytes - n bytes of the file at `at` */
UM_RESULT_USED int um_index_bytes(const struct um_index *ix, void *to, size_t n, int64_t at);

/* um_index_take - the entry at p[0..n) of the part; 0: it is not whole; UM_EFORMAT */
UM_RESULT_USED int um_index_take(const struct um_index_part *part, const uint8_t *p, size_t n,
                                 struct um_index_entry *e);

/* um_index_list - read and check all entries of the part, whose footer is foot; notes its blocks */
UM_RESULT_USED int um_index_list(const struct um_index *ix, struct um_index_part *part,
                                 const uint8_t foot[UM_FOOTER]);

/* um_index_entry - of record i, valid until the scratch has another */
UM_RESULT_USED int um_index_entry(const struct um_index *ix, int64_t i, struct um_index_scratch *s,
                                  struct um_index_entry *e);

/* a scratch of the caller's own (NULL: out of memory), and back */
struct um_index_scratch *um_index_scratch(struct um_index *ix);
void                     um_index_give(struct um_index *ix, struct um_index_scratch *s);

const struct um_index_part *um_index_part_of(const struct um_index *ix, int64_t i);

#endif
