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
    return um_ledger_reset(l);
}

int um_ledger_reset(struct um_ledger *l)
{
    l->count   = 0;
    l->bytes   = 0;
    l->index.n = 0;
    if (l->slot)
        memset(l->slot, 0, l->slots * 2 * sizeof *l->slot);
    return XXH3_64bits_reset(l->hash) == XXH_OK ? UM_OK : um_fail(UM_ENOMEM, "out of memory");
}

void um_ledger_free(struct um_ledger *l)
{
    (void)XXH3_freeState(l->hash);
    um_buf_free(&l->index);
    free(l->slot);
}

uint32_t um_ledger_check(const uint8_t *msg, size_t n)
{
    return (uint32_t)XXH3_64bits(msg, n);
}

/* where (lo, hi) is, or the free place where it belongs */
static uint64_t *place(uint64_t *slot, size_t slots, uint64_t lo, uint64_t hi)
{
    for (size_t i = (size_t)lo & (slots - 1);; i = (i + 1) & (slots - 1)) {
        uint64_t *s = slot + 2 * i;

        if ((s[0] == lo && s[1] == hi) || (s[0] == 0 && s[1] == 0))
            return s;
    }
}

/* at most three quarters full */
static int grow(struct um_ledger *l)
{
    const size_t slots = l->slots ? 2 * l->slots : 256;
    uint64_t    *slot  = calloc(slots, 2 * sizeof *slot);

    if (!slot)
        return um_fail(UM_ENOMEM, "out of memory");
    for (size_t i = 0; i < l->slots; i++) {
        const uint64_t *s = l->slot + 2 * i;

        if (s[0] != 0 || s[1] != 0)
            memcpy(place(slot, slots, s[0], s[1]), s, 2 * sizeof *s);
    }
    free(l->slot);
    l->slot  = slot;
    l->slots = slots;
    return UM_OK;
}

int um_ledger_add(struct um_ledger *l, uint64_t frame, uint32_t inside, uint32_t check,
                  const char *key)
{
    const size_t        n = strlen(key) + 1;
    const XXH128_hash_t h = XXH3_128bits(key, n - 1);
    uint8_t             entry[UM_ENTRY];

    if ((size_t)l->count >= l->slots / 4 * 3)
        UM_TRY(grow(l));
    uint64_t *s = place(l->slot, l->slots, h.low64, h.high64);
    if (s[0] != 0 || s[1] != 0)
        return um_fail(UM_EDUPLICATE, "key %s was in this part already", key);
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
    s[0] = h.low64;
    s[1] = h.high64;
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
