/* ledger.c - keys seen and index entries of one part */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int um_ledger_open(struct um_ledger *l, bool keep)
{
    *l = (struct um_ledger){ .keep = keep, .hash = XXH3_createState() };
    if (!l->hash)
        return um_fail(UM_ENOMEM, "out of memory");
    UM_TRY(um_keys_new(&l->keys));
    return um_ledger_reset(l);
}

int um_ledger_reset(struct um_ledger *l)
{
    l->count   = 0;
    l->bytes   = 0;
    l->index.n = 0;
    um_keys_clear(l->keys);
    return XXH3_64bits_reset(l->hash) == XXH_OK ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

void um_ledger_free(struct um_ledger *l)
{
    (void)XXH3_freeState(l->hash);
    um_buf_free(&l->index);
    um_keys_free(l->keys);
}

uint32_t um_ledger_check(const uint8_t *msg, size_t n)
{
    return (uint32_t)XXH3_64bits(msg, n);
}

int um_ledger_add(struct um_ledger *l, uint64_t frame, uint32_t inside, uint32_t check,
                  const char *key)
{
    const size_t n = strlen(key) + 1;
    uint8_t      entry[UM_ENTRY];

    int st;

    st = um_keys_add(l->keys, key, l->count + 1, NULL);
    if (st == UM_EDUPLICATE)
        return um_fail(st, "key %s was in this part already", key);
    if (st < 0)
        return st;
    if (l->bytes + sizeof entry + n > UINT32_MAX - UM_FOOTER)
        return um_fail(UM_ERANGE, "the index reaches 4 GiB: split the stream (um-cat --shards)");
    um_put64(entry, frame);
    um_put32(entry + 8, inside);
    um_put32(entry + 12, check);
    if (l->keep) {
        UM_TRY(um_buf_add(&l->index, entry, sizeof entry));
        UM_TRY(um_buf_add(&l->index, key, n));
    }
    (void)XXH3_64bits_update(l->hash, entry, sizeof entry);
    (void)XXH3_64bits_update(l->hash, key, n);
    l->bytes += sizeof entry + n;
    l->count++;
    return UM_OK;
}

int um_ledger_footer(const struct um_ledger *l, uint64_t part, uint8_t footer[UM_FOOTER])
{
    XXH3_state_t *h = XXH3_createState();

    if (!h)
        return um_fail(UM_ENOMEM, "out of memory");
    um_put64(footer, part);
    um_put64(footer + 8, (uint64_t)l->count);
    um_put64(footer + 16, l->bytes);
    XXH3_copyState(h, l->hash);
    (void)XXH3_64bits_update(h, footer, 24);
    um_put64(footer + 24, XXH3_64bits_digest(h));
    memcpy(footer + 32, "umtindex", 8);
    (void)XXH3_freeState(h);
    return UM_OK;
}
