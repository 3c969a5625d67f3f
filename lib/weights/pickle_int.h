/* pickle_int.h - the stack machine, between pickle.c (opcodes) and rebuild.c (globals)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_WEIGHTS_PICKLE_INT_H
#define UM_WEIGHTS_PICKLE_INT_H

#include "weights/pickle.h"

/* what to do about a file that has more than tensors */
#define UM_PICKLE_ALONE "save the state_dict alone (um-convert(1), CHECKPOINTS)"

enum um_pickle_global {
    UM_GLOBAL_DICT,
    UM_GLOBAL_TENSOR,
    UM_GLOBAL_TENSOR_V2,
    UM_GLOBAL_TENSOR_V3,
    UM_GLOBAL_PARAMETER,
    UM_GLOBAL_PARAMETER_STATE,
    UM_GLOBAL_STORAGE,
    UM_GLOBAL_DTYPE
};

struct um_pickle_vm {
    struct um_arena          *a;
    const uint8_t            *p;
    size_t                    n, at;
    struct um_pickle_value   *stack, *memo;
    uint32_t                  depth, stack_cap, memo_n, memo_cap;
    uint32_t                  objects; /* made so far */
    uint64_t                  copied;  /* values of lists into OrderedDicts, so far */
    struct um_pickle_storage *storage;
};

/* room for a new object in the arena, zeroed; NULL with a message: too many, or no memory */
void *um_pickle_object(struct um_pickle_vm *vm, size_t size);
/* v behind the items of l */
UM_RESULT_USED int um_pickle_append(struct um_pickle_vm *vm, struct um_pickle_list *l,
                                    const struct um_pickle_value *v);

/* the global of that name, or a refusal with its name */
UM_RESULT_USED int um_pickle_global(struct um_pickle_value *v, const char *module, size_t module_n,
                                    const char *name, size_t name_n);
/* what calling a global with these arguments gives */
UM_RESULT_USED int um_pickle_call(struct um_pickle_vm *vm, const struct um_pickle_value *f,
                                  const struct um_pickle_list *args, struct um_pickle_value *v);
/* what a persistent id stands for: a storage */
UM_RESULT_USED int um_pickle_persistent(struct um_pickle_vm *vm, const struct um_pickle_value *id,
                                        struct um_pickle_value *v);

#endif
