/* import_int.h - what the files of an import share */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MODEL_IMPORT_INT_H
#define UM_MODEL_IMPORT_INT_H

#include "model/foreign.h"
#include "model/import.h"
#include "model/listing.h"
#include "model/model_int.h"

struct supply {                  /* where the parameters of a group come from */
    const char            *path; /* NULL: from nowhere, they are drawn */
    struct um_foreign      f;
    bool                   ours;
    struct um_model_config cfg;  /* of our own file */
    bool                  *used; /* tensors of the file, by number */
    int                    taken;
    const char            *left_out; /* names in a line; NULL: none */
};

enum group { VISION = UM_VISION, TEXT = UM_TEXT, REST, GROUPS };

struct import {
    const struct um_import *o;
    struct um_arena        *a;
    struct um_weights      *base, *file[2]; /* open files; NULL: none */
    struct supply           supply[GROUPS];
    struct um_model_config  cfg;
    struct um_model        *m;
};

/* the group of a parameter, and its name without the group's prefix */
enum group import_group(const char *name, const char **rest);
/* the tensors of the file for parameter i: how many, 0: it is drawn; what the file lacks is NULL */
UM_RESULT_USED int import_source(const struct import *im, int i, const char *name[UM_JOINED],
                                 const struct um_tensor *t[UM_JOINED]);

/* is all there, in the right shape, and nothing else? Says so in one message */
UM_RESULT_USED int import_check(struct import *im);
/* values for all parameters, which have memory */
UM_RESULT_USED int import_values(struct import *im);

/* is it one of the types that become float32? */
static inline bool import_floats(const struct um_tensor *t)
{
    return t->dtype == UM_F16 || t->dtype == UM_BF16 || t->dtype == UM_F32 || t->dtype == UM_F64;
}

#endif
