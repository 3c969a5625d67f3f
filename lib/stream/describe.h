/* describe.h - headers, records and tensors as text for people and as JSON for programs */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_DESCRIBE_H
#define UM_STREAM_DESCRIBE_H

#include "base/file.h"
#include "stream/tensor.h"

/* um_describe_header - "part N", each field of the header, and a line per tool of the history:
 *     part 1 window=[-1000,1000]
 *       um-preprocess 0.1.0 fast-decode=false filter="frontal"
 * scratch: an arena for what is needed on the way (all um_describe_... functions) */
UM_API UM_RESULT_USED int um_describe_header(struct um_outfile *out, struct um_arena *scratch,
                                             int64_t part, const struct um_value *header);

/* um_describe_record - one line: the key, then per tensor name, dtype, shape, min, mean, max, std
 * and the number of NaN; with meta a second line that holds the meta values */
UM_API UM_RESULT_USED int um_describe_record(struct um_outfile *out, struct um_arena *scratch,
                                             const struct um_record *rec, bool meta);

/* um_describe_json - one line of JSON: {"part":N,"header":{...}} and
 * {"key":...,"meta":{...},"tensors":{"image":{"dtype":...,"shape":[...],"min":...,"mean":...,
 * "max":...,"std":...,"nan":N}}}; numbers that are not finite are null */
UM_API UM_RESULT_USED int um_describe_header_json(struct um_outfile *out, struct um_arena *scratch,
                                                  int64_t part, const struct um_value *header);
UM_API UM_RESULT_USED int um_describe_record_json(struct um_outfile *out, struct um_arena *scratch,
                                                  const struct um_record *rec);

/* um_describe_values - every element of the tensor `name`, or of all tensors (NULL): a line
 * "# KEY NAME dtype shape", then one line per row of the last axis, values apart by one space, an
 * empty line after each plane. Enough digits to read the same bits back. *n grows by the number of
 * tensors written. */
UM_API UM_RESULT_USED int um_describe_values(struct um_outfile *out, const struct um_record *rec,
                                             const char *name, int64_t *n);

#endif
