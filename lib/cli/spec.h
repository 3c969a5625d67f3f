/* spec.h - small texts of options: sizes, parts, numbers */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_CLI_SPEC_H
#define UM_CLI_SPEC_H

#include <stdint.h>

#include "base/status.h"

/* um_size_parse - "DxHxW", each 1 to most. UM_ERANGE otherwise. */
UM_API UM_RESULT_USED int um_size_parse(const char *text, int64_t most, int64_t size[3]);

/* um_shard_parse - "I/N", 1 <= I <= N: *part = I - 1 of *parts = N. NULL is 1/1. UM_ERANGE. */
UM_API UM_RESULT_USED int um_shard_parse(const char *text, int64_t *part, int64_t *parts);

/* um_number_parse - the whole text is one finite number. UM_ERANGE otherwise. */
UM_API UM_RESULT_USED int um_number_parse(const char *text, double *x);

#endif
