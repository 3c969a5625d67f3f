/* join.h - one header from many: fields must agree but for `shard`, which is left
 * out; histories are all kept (umt(5)) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_JOIN_H
#define UM_STREAM_JOIN_H

#include "stream/tensor.h"

/* all zero but for the arena: nothing joined yet */
struct um_join {
    struct um_arena *arena;
    struct um_value  fields;  /* of all headers, without umt, history, shard */
    struct um_value  history; /* a list of the different histories */
};

/* um_join_add - another header, of the stream called `name`: 1 if it had anything that the ones
 * before did not (a field, a history), 0 if not. UM_EMISMATCH: a field has another value, naming
 * both ("window" of another preprocessing must not be mixed in). */
UM_API UM_RESULT_USED int um_join_add(struct um_join *j, const struct um_value *header,
                                      const char *name);
/* um_join_header - the header of all of them, with an entry of `tool` */
UM_API UM_RESULT_USED int um_join_header(struct um_join *j, const char *tool,
                                         const struct um_value *options, struct um_value *header);

#endif
