/* zip.h - zip archives whose entries are stored as they are, in memory
 *
 * What PyTorch writes, and no more: one disk, no compression, no encryption; zip64 where sizes need
 * it. Central directory, local headers and data descriptors must tell the same, entries must lie
 * one after the other without overlap or anything between them, and every CRC-32 must be right.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_WEIGHTS_ZIP_H
#define UM_WEIGHTS_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

struct um_zip_entry {
    const char    *name; /* relative, of UTF-8, without "..", backslash or control characters */
    const uint8_t *data; /* in the archive, not aligned; NULL: compressed */
    size_t         size;
    unsigned       method; /* 0: stored */
};

struct um_zip {
    int                  n;
    struct um_zip_entry *entry; /* sorted by name, each name once */
};

/* um_zip_open - the entries of the archive p[0..n-1], which must outlive them; lists lie in the
 * arena. UM_EFORMAT: cut, damaged, or headers that disagree; UM_EUNSUPPORTED: encrypted, or spread
 * over disks; UM_EDUPLICATE. Messages name the entry. Compressed entries are listed without data.
 */
UM_RESULT_USED int um_zip_open(struct um_zip *z, struct um_arena *a, const uint8_t *p, size_t n);
/* UM_EUNSUPPORTED, naming the first, if entries are compressed */
UM_RESULT_USED int um_zip_stored(const struct um_zip *z);
/* the entry of that name, or NULL */
const struct um_zip_entry *um_zip_find(const struct um_zip *z, const char *name);

#endif
