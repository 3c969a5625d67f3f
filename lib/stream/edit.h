/* edit.h - change records on their way: tensors kept, dropped, renamed; a split by lot */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_EDIT_H
#define UM_STREAM_EDIT_H

#include "stream/tensor.h"

struct um_edit_opts {
    const char *keep, *drop; /* "a,b": these tensors alone; all but these */
    const char *rename;      /* "old=new,old2=new2" */
    const char *split;       /* "FIELD:name=0.8,name2=0.2": meta.split by a hash of meta FIELD */
    uint64_t    seed;
};

struct um_edit;

/* UM_EUSAGE says what is wrong with which option */
UM_API UM_RESULT_USED int um_edit_open(struct um_edit **e, const struct um_edit_opts *opts);
UM_API void               um_edit_close(struct um_edit *e); /* takes NULL */

/* um_edit_record - change rec, in its arena. UM_EDUPLICATE: a tensor of the new name is there;
 * UM_EMISSING: the split's field is not */
UM_API UM_RESULT_USED int um_edit_record(struct um_edit *e, struct um_arena *a,
                                         struct um_record *rec);
/* um_edit_unmet - the i-th tensor that an option named and that no record had, and the option: a
 * slip, as a rule. NULL: no more. */
UM_API const char *um_edit_unmet(const struct um_edit *e, int i, const char **option);
/* the names of the split; *n is 0 without one */
UM_API const char *const *um_edit_splits(const struct um_edit *e, int *n);

/* um_record_merge - put from's tensors and meta into rec (its lists in arena a; data is shared).
 * UM_EDUPLICATE: both have a tensor of one name; UM_EMISMATCH: a meta value differs */
UM_API UM_RESULT_USED int um_record_merge(struct um_arena *a, struct um_record *rec,
                                          const struct um_record *from);

#endif
