/* keys.h - the keys of a manifest or a stream so far, by digest: 16 bytes each in tables that are
 * half to three quarters full
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_KEYS_H
#define UM_BASE_KEYS_H

#include <stdint.h>

#include "base/status.h"

struct um_keys;

UM_API UM_RESULT_USED int um_keys_new(struct um_keys **k);
UM_API void               um_keys_free(struct um_keys *k); /* takes NULL */

/* um_keys_clear - forget them all, keep the memory */
UM_API void um_keys_clear(struct um_keys *k);

/* um_keys_add - a key and its number, from 1. Keys are told apart by 96 bits of their XXH3-128:
 * among a thousand million keys two that differ are taken for one with a chance of 1 in 10^11.
 * UM_EDUPLICATE, without a message: it was there, *earlier (may be NULL) is the number it came
 * with; UM_ERANGE: a number above 4294967295; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_keys_add(struct um_keys *k, const char *key, int64_t number,
                                      int64_t *earlier);

#endif
