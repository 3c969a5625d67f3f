/* torch.h - from what a pickle says to tensors: names, storages, strides
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_WEIGHTS_TORCH_H
#define UM_WEIGHTS_TORCH_H

#include "weights/pickle.h"

/* the bytes of a storage */
struct um_store {
    const char    *key;
    size_t         key_n;
    const uint8_t *p;
    size_t         n;
};

struct um_stores {
    size_t           n;
    struct um_store *store; /* sorted by um_store_order */
};

/* by key, for qsort and bsearch */
int um_store_order(const void *x, const void *y);

/* a tensor found in nested dicts */
struct um_found {
    const char                    *name; /* checked, in the arena */
    const struct um_pickle_tensor *t;
};

/* um_state_walk - the tensors that root's dicts, lists and tuples hold, named by the keys on the
 * way to them with dots between; lists lie in arena a. UM_EFORMAT: root is no dict, names that are
 * no text; UM_ERANGE: nested too deep (a dict that holds itself, say), too many. */
UM_RESULT_USED int um_state_walk(struct um_arena *a, const struct um_pickle_value *root,
                                 struct um_found **found, int *n);

/* um_bind - fill w's entries with the tensors found, whose bytes are in the stores */
UM_RESULT_USED int um_bind(struct um_weights *w, const struct um_found *found, int n,
                           struct um_stores *stores);

#endif
