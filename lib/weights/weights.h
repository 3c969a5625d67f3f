/* weights.h - files of named tensors, whatever their format
 *
 * Known formats, told apart by the bytes of the file and never by its name:
 *   "safetensors"          weights/safetensors.h
 *   "PyTorch zip"          torch.save of a state dict since 1.6: pickle and data in a zip archive
 *   "PyTorch legacy"       torch.save before that: pickles and data one after the other
 *   "sharded safetensors", "sharded PyTorch"   Hugging Face's *.index.json: {"weight_map": {tensor:
 *                          file}}; the files lie beside it, whatever of the above they are
 * What else the dicts of a PyTorch file hold is walked through: {"model": {"norm.weight": tensor},
 * "epoch": 3} has one tensor, `model.norm.weight`; numbers, text and None are passed over. Items of
 * lists are named by their number. Pickles run nothing: weights/pickle.h says what they may hold.
 *
 * Tensors are dense, in C order, little endian, aligned to their own elements (not to 8 bytes).
 * They lie in the mapped file where that is possible: tensors of other strides, or at odd places of
 * the file, are copied when the file is opened. Tensors that share storage (tied weights) are two
 * names of the same bytes. bool comes as uint8. Tensors of an element type that um does not
 * calculate with (int8, uint16, float8, complex, ...) are listed, so that a file is not refused for
 * a buffer nobody asks for: their dtype is UM_NDTYPE, their data NULL, and um_weights_get refuses
 * them by name.
 * Nothing in a file is believed before it is checked, and no allocation is sized by a number that
 * the file alone vouches for. The file must not be changed while it is open.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_WEIGHTS_WEIGHTS_H
#define UM_WEIGHTS_WEIGHTS_H

#include "base/status.h"
#include "stream/tensor.h"

struct um_weights; /* an open file, or an index and all its shards */

/* um_weights_open - the tensors of a file. The message names the path and, where there is one, the
 * shard and the tensor. UM_EMISSING: no such file, or tensors that the index promises; UM_EIO;
 * UM_EFORMAT: damaged, or none of the formats (it says what it looks like); UM_EDUPLICATE: two
 * tensors of a name; UM_EUNSUPPORTED: opcodes, globals, compressed zip entries, big-endian data and
 * the like, by name; UM_ERANGE: sizes that cannot be. close takes NULL. */
UM_API UM_RESULT_USED int um_weights_open(struct um_weights **w, const char *path);
UM_API void               um_weights_close(struct um_weights *w);

UM_API int um_weights_count(const struct um_weights *w);
/* tensor i, sorted by name (bytes), or NULL; valid until close, read-only */
UM_API const struct um_tensor *um_weights_at(const struct um_weights *w, int i);
/* the tensor of that name, or NULL */
UM_API const struct um_tensor *um_weights_find(const struct um_weights *w, const char *name);
/* the same for whoever needs its values. UM_EMISSING: no tensor of that name; UM_EDTYPE: one of an
 * element type that um does not calculate with. */
UM_API UM_RESULT_USED int um_weights_get(const struct um_weights *w, const char *name,
                                         const struct um_tensor **t);
/* the element type in the file, named as in NumPy ("float32", "bool", "float8_e4m3fn"); t is of w
 */
UM_API const char *um_weights_dtype(const struct um_weights *w, const struct um_tensor *t);
/* a string of the metadata (__metadata__ of safetensors, "metadata" of an index and then of its
 * first shard that has it), or NULL */
UM_API const char *um_weights_meta(const struct um_weights *w, const char *key);
/* one of the names above */
UM_API const char *um_weights_format(const struct um_weights *w);

#endif
