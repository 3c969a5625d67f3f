/* gather.h - records of a random feed in any order, read in the order of the files
 *
 * Small records share a frame, which has to be inflated as a whole for one of them: in a random
 * order for every single one. So the next records that are wanted are read together, in file order,
 * and held until their turn comes; each frame is then inflated once for all of them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_STREAM_GATHER_H
#define UM_STREAM_GATHER_H

#include "stream/feed.h"

enum { UM_GATHER_HELD = 64 << 20 }; /* bytes of records held, and one record */

struct um_gather;

/* um_gather_open - of the feed, records number[0..n-1]; the list is the caller's until the close */
UM_API UM_RESULT_USED int um_gather_open(struct um_gather **g, struct um_feed *feed,
                                         const int64_t *number, int64_t n);
UM_API void               um_gather_close(struct um_gather *g); /* takes NULL */

/* um_gather_next - 1: the next one, from files[input] of the feed, valid until the next call and
 * the reset of `arena`; 0: that was the last; <0 as um_feed_read */
UM_API UM_RESULT_USED int um_gather_next(struct um_gather *g, struct um_arena *arena,
                                         struct um_record **rec, int *input);

#endif
