/* safetensors.h - weights files: named tensors behind a JSON header
 *
 * Layout: 8 bytes little-endian header length, the JSON {"name":{"dtype":"F32","shape":[..],
 * "data_offsets":[a,b]},..,"__metadata__":{"k":"v"}}, then the data. Nothing in the header is
 * believed before it is checked: offsets in order, without gaps or overlap, inside the file; sizes
 * equal to shape times dtype; at most 100 MB of header.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_WEIGHTS_SAFETENSORS_H
#define UM_WEIGHTS_SAFETENSORS_H

#include "base/arena.h"
#include "base/file.h"
#include "stream/tensor.h"

struct um_safetensors; /* an open file, memory mapped or read */

UM_API UM_RESULT_USED int um_safetensors_open(struct um_safetensors **s, const char *path);
UM_API void               um_safetensors_close(struct um_safetensors *s); /* takes NULL */
UM_API int                um_safetensors_count(const struct um_safetensors *s);
/* tensor i in the file's order; its data lies in the file (or, where the file puts it askew, in a
 * copy), read-only, aligned to its elements, valid until close. Types that um does not calculate
 * with: dtype UM_NDTYPE, data NULL; bool comes as uint8. */
UM_API const struct um_tensor *um_safetensors_at(const struct um_safetensors *s, int i);
UM_API const struct um_tensor *um_safetensors_find(const struct um_safetensors *s,
                                                   const char                  *name);
/* the element type in the file, named as in NumPy; t is of s */
UM_API const char *um_safetensors_dtype(const struct um_safetensors *s, const struct um_tensor *t);
/* a string of __metadata__, or NULL */
UM_API const char *um_safetensors_meta(const struct um_safetensors *s, const char *name);

/* um_safetensors_write - n tensors and pairs of metadata (key, value, key, value, ..., NULL) to
 * path, whole or not at all, synced to disk. Deterministic: same input, same bytes. */
UM_API UM_RESULT_USED int um_safetensors_write(const char *path, const struct um_tensor *t, int n,
                                               const char *const *meta);

#endif
