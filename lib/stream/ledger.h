/* ledger.h - the account of a part: which keys it has had, and what its index must say
 *
 * Inside the library only. The writer keeps the index's bytes; the reader only their checksum, and
 * compares at the end: so a frame that was lost, doubled or moved shows.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_STREAM_LEDGER_H
#define UM_STREAM_LEDGER_H

#include "base/keys.h"
#include "stream/frame.h"

#define UM_FOOTER 40 /* bytes: part length, records, index bytes, XXH3-64, magic */
#define UM_ENTRY                                                                                   \
    16 /* bytes: frame (8), place in it (4), low half of XXH3-64 (4); then key, NUL                \
        */

struct um_ledger {
    int64_t         count;
    uint64_t        bytes; /* of the index entries */
    bool            keep;
    struct um_buf   index; /* the entries, if keep */
    void           *hash;  /* XXH3-64 of the entries so far */
    struct um_keys *keys;
};

UM_RESULT_USED int um_ledger_open(struct um_ledger *l, bool keep);
UM_RESULT_USED int um_ledger_reset(struct um_ledger *l);
void               um_ledger_free(struct um_ledger *l);

/* um_ledger_add - the next record: its frame's place in the part, its own place in the frame's
 * content, the check word of its bytes. UM_EDUPLICATE; UM_ERANGE: no room in an index; UM_ENOMEM */
UM_RESULT_USED int um_ledger_add(struct um_ledger *l, uint64_t frame, uint32_t inside,
                                 uint32_t check, const char *key);
/* the footer of a part of that many bytes (header to footer, all in all) */
UM_RESULT_USED int um_ledger_footer(const struct um_ledger *l, uint64_t part,
                                    uint8_t footer[UM_FOOTER]);
/* the check word of a message */
uint32_t um_ledger_check(const uint8_t *msg, size_t n);

#endif
