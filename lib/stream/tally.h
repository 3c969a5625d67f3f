/* tally.h - statistics per tensor name over the records of a stream */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_TALLY_H
#define UM_STREAM_TALLY_H

#include "base/file.h"
#include "stream/tensor.h"

struct um_tally;

UM_API UM_RESULT_USED int um_tally_new(struct um_tally **t);
UM_API void               um_tally_free(struct um_tally *t); /* takes NULL */

/* um_tally_add - count a record in. Memory grows with the number of different names alone. */
UM_API UM_RESULT_USED int um_tally_add(struct um_tally *t, const struct um_record *rec);

/* um_tally_table - a TSV: name, dtype, shape (sides that differ: -1), records, elements, min, mean,
 * max, std, nan; a line per name in the order first seen */
UM_API UM_RESULT_USED int um_tally_table(const struct um_tally *t, struct um_outfile *out);
UM_API int64_t            um_tally_bytes(const struct um_tally *t); /* of all tensors */

#endif
