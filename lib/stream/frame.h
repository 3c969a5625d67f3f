/* frame.h - zstd frames (RFC 8878): compress a whole one; read one after another
 *
 * Inside the library only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_STREAM_FRAME_H
#define UM_STREAM_FRAME_H

#include "stream/message.h"

#define UM_MAGIC_ZSTD 0xFD2FB528u
#define UM_MAGIC_SKIP 0x184D2A50u  /* .. 0x184D2A5F: skippable frames */
#define UM_MAGIC_INDEX 0x184D2A55u /* ours */

/* um_frame_write - append msg[0..n) to b as one frame with a content checksum. level 0: raw blocks.
 * *cctx: a ZSTD_CCtx kept by the caller (NULL at first; um_frame_cctx_free) */
UM_RESULT_USED int um_frame_write(struct um_buf *b, int level, void **cctx, const uint8_t *msg,
                                  size_t n);
void               um_frame_cctx_free(void *cctx);

/* where frames come from: a descriptor, read from its current place (at < 0) or from `at` on by
 * pread, up to `end` (at >= 0) */
struct um_inflate {
    int           fd;
    int64_t       at, end;
    uint64_t      pos; /* bytes consumed, from the first one */
    bool          eof;
    const int    *wake; /* a descriptor: as soon as it has something to read, we give up; or NULL */
    struct um_buf in;
    size_t        used; /* of in */
    struct um_buf out;  /* content of the last frame */
    bool          keep; /* also its compressed bytes: */
    struct um_buf raw;
    void         *dctx;
};

void um_inflate_free(struct um_inflate *f);
/* start again at another place of the file */
void um_inflate_seek(struct um_inflate *f, int64_t at, int64_t end);

/* um_inflate_peek - at least n bytes (n <= 64) ready at f->in.p + f->used, unless the input ends
 * first; *have: how many there are */
UM_RESULT_USED int um_inflate_peek(struct um_inflate *f, size_t n, size_t *have);
/* um_inflate_frame - the frame here, whole and its checksum verified, into f->out. UM_EFORMAT: cut,
 * damaged, without checksum, window or content beyond the limits; UM_EIO; UM_ENOMEM. */
UM_RESULT_USED int um_inflate_frame(struct um_inflate *f);
/* um_inflate_raw - the next bytes as they are, at most `max`: *p, *n (0 at the end of the input) */
UM_RESULT_USED int um_inflate_raw(struct um_inflate *f, uint64_t max, const uint8_t **p, size_t *n);

uint32_t um_get32(const uint8_t *p);
uint64_t um_get64(const uint8_t *p);
void     um_put32(uint8_t *p, uint32_t x);
void     um_put64(uint8_t *p, uint64_t x);

#endif
