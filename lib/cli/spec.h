/* spec.h - small texts of options: sizes, parts, numbers */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_CLI_SPEC_H
#define UM_CLI_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* um_size_parse - "DxHxW", each 1 to most. UM_ERANGE otherwise. */
UM_API UM_RESULT_USED int um_size_parse(const char *text, int64_t most, int64_t size[3]);

/* um_sizes_parse - parts between commas: "N", the side of pictures, and "DxHxW"; each at most once,
 * N 8 to most. *image or size[] stays as it was where the text has no such part; *given: whether it
 * has DxHxW. UM_ERANGE otherwise. */
UM_API UM_RESULT_USED int um_sizes_parse(const char *text, int64_t most, int64_t *image,
                                         int64_t size[3], bool *given);

/* um_spacing_parse - "X,Y,Z" in mm, or one number for all three; 0.01 to 1000. UM_ERANGE. */
UM_API UM_RESULT_USED int um_spacing_parse(const char *text, double mm[3]);

/* um_shard_parse - "I/N", 1 <= I <= N: *part = I - 1 of *parts = N. NULL is 1/1. UM_ERANGE. */
UM_API UM_RESULT_USED int um_shard_parse(const char *text, int64_t *part, int64_t *parts);

/* um_allow_parse - what slices may have: "gaps", "duplicates", or both with a comma between. NULL
 * is neither. UM_ERANGE otherwise. */
UM_API UM_RESULT_USED int um_allow_parse(const char *text, bool *gaps, bool *duplicates);

/* um_number_parse - the whole text is one finite number. UM_ERANGE otherwise. */
UM_API UM_RESULT_USED int um_number_parse(const char *text, double *x);

#endif
