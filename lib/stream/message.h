/* message.h - one MessagePack message to bytes and back, with our own limits
 *
 * Inside the library only. Both directions know the same limits, so that what is written can be
 * read: values nest at most UM_MAX_NEST deep, a message has at most UM_MAX_VALUES of them, text is
 * UTF-8 without NUL, names in a map are unique text, integers fit 64 signed bits, no extension
 * types.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_STREAM_MESSAGE_H
#define UM_STREAM_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "stream/tensor.h"

#define UM_MAX_NEST 32
#define UM_MAX_VALUES (1 << 20)
#define UM_MAX_NAME 255
#define UM_TENSOR_MAX ((uint64_t)UINT32_MAX)                     /* bytes of a tensor */
#define UM_FRAME_MAX (((uint64_t)1 << 32) + ((uint64_t)1 << 26)) /* bytes of a frame's content */

/* bytes that grow; all zero is empty. um_buf_need: room for `more` bytes; UM_ENOMEM */
struct um_buf {
    uint8_t *p;
    size_t   n, cap;
};
UM_RESULT_USED int um_buf_need(struct um_buf *b, size_t more);
UM_RESULT_USED int um_buf_add(struct um_buf *b, const void *p, size_t n);
void               um_buf_free(struct um_buf *b);

/* um_tensor_check - dtype, dims, and the bytes its data takes; UM_EDTYPE, UM_ERANGE */
UM_RESULT_USED int um_tensor_check(const struct um_tensor *t, size_t *bytes);
/* um_key_check, um_text_check - UM_ERANGE, UM_EFORMAT with a message */
UM_RESULT_USED int um_key_check(const char *key);
UM_RESULT_USED int um_text_check(const char *s, int64_t n);

/* append one message */
UM_RESULT_USED int um_message_value(struct um_buf *b, const struct um_value *v);
UM_RESULT_USED int um_message_record(struct um_buf *b, const struct um_record *rec);

/* um_message_parse - the message at data[*off..len), and *off behind it. Text is copied into the
 * arena, bytes (UM_BIN) point into data. UM_EFORMAT, UM_ENOMEM. */
UM_RESULT_USED int um_message_parse(struct um_arena *a, const uint8_t *data, size_t len,
                                    size_t *off, struct um_value *v);
/* um_header_check - v is a header of a version that this reads; UM_EFORMAT */
UM_RESULT_USED int um_header_check(const struct um_value *v);
/* um_message_to_record - v as a record, everything copied into the arena; UM_EFORMAT says what is
 * wrong and, if the key was readable, with which record */
UM_RESULT_USED int um_message_to_record(struct um_arena *a, const struct um_value *v,
                                        struct um_record **rec);

#endif
