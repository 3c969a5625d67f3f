/* frame.c - zstd frames by libzstd; frames of raw blocks by hand */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/frame.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    IN_CHUNK   = 1 << 18,
    BLOCK      = 1 << 17, /* the largest block a frame may have */
    WINDOW_LOG = 27,      /* readers refuse windows beyond 128 MiB */
};

uint32_t um_get32(const uint8_t *p)
{
    uint32_t x;

    memcpy(&x, p, sizeof x);
    return x;
}

uint64_t um_get64(const uint8_t *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
    return x;
}

void um_put32(uint8_t *p, uint32_t x)
{
    memcpy(p, &x, sizeof x);
}

void um_put64(uint8_t *p, uint64_t x)
{
    memcpy(p, &x, sizeof x);
}

/* ---- write ---- */

/* RFC 8878 3.1.1: a window of 128 KiB, the content's size in 8 bytes, raw blocks, checksum */
static int write_raw(struct um_buf *b, const uint8_t *msg, size_t n)
{
    uint8_t head[14] = { 0x28, 0xb5, 0x2f, 0xfd, 0xc4, 0x38 };
    uint8_t sum[4];

    UM_TRY(um_buf_need(b, n + 3 * (n / BLOCK + 1) + sizeof head + sizeof sum));
    um_put64(head + 6, n);
    UM_TRY(um_buf_add(b, head, sizeof head));
    for (size_t at = 0, now; at < n || at == 0; at += now ? now : 1) {
        now                   = n - at < BLOCK ? n - at : BLOCK;
        const uint32_t last   = at + now == n;
        const uint32_t word   = (uint32_t)now << 3 | last;
        const uint8_t  bhd[3] = { (uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16) };

        UM_TRY(um_buf_add(b, bhd, sizeof bhd));
        UM_TRY(um_buf_add(b, msg + at, now));
    }
    um_put32(sum, (uint32_t)XXH64(msg, n, 0));
    return um_buf_add(b, sum, sizeof sum);
}

int um_frame_write(struct um_buf *b, int level, void **cctx, const uint8_t *msg, size_t n)
{
    ZSTD_CCtx *c = *cctx;
    size_t     got;

    if (level == 0)
        return write_raw(b, msg, n);
    if (!c && !(c = *cctx = ZSTD_createCCtx()))
        return um_fail(UM_ENOMEM, "out of memory");
    (void)ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
    got = ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(got))
        got = ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    UM_TRY(um_buf_need(b, ZSTD_compressBound(n)));
    if (!ZSTD_isError(got))
        got = ZSTD_compress2(c, b->p + b->n, b->cap - b->n, msg, n);
    if (ZSTD_isError(got))
        return um_fail(UM_ENOMEM, "zstd: %s", ZSTD_getErrorName(got));
    b->n += got;
    return UM_OK;
}

void um_frame_cctx_free(void *cctx)
{
    (void)ZSTD_freeCCtx(cctx);
}

/* ---- read ---- */

void um_inflate_free(struct um_inflate *f)
{
    (void)ZSTD_freeDCtx(f->dctx);
    um_buf_free(&f->in);
    um_buf_free(&f->out);
    um_buf_free(&f->raw);
}

void um_inflate_seek(struct um_inflate *f, int64_t at, int64_t end)
{
    f->at   = at;
    f->end  = end;
    f->eof  = false;
    f->used = f->in.n = 0;
}

/* until read() will not wait; UM_ESTOPPED: until we are not to read any more */
static int wait_input(const struct um_inflate *f)
{
    struct pollfd p[2] = { { .fd = f->fd, .events = POLLIN }, { .events = POLLIN } };

    if (!f->wake || f->at >= 0)
        return UM_OK;
    p[1].fd = *f->wake;
    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            return um_fail_errno("poll");
    return p[1].revents ? um_fail(UM_ESTOPPED, "stopped while waiting for input") : UM_OK;
}

/* more bytes behind those that are there; f->eof when there are none */
static int fill(struct um_inflate *f)
{
    size_t  want = IN_CHUNK;
    ssize_t got;

    if (f->used) {
        memmove(f->in.p, f->in.p + f->used, f->in.n - f->used);
        f->in.n -= f->used;
        f->used = 0;
    }
    UM_TRY(um_buf_need(&f->in, want));
    if (f->at >= 0 && f->end - f->at < (int64_t)want)
        want = (size_t)(f->end - f->at);
    UM_TRY(wait_input(f));
    do {
        got = f->at < 0 ? read(f->fd, f->in.p + f->in.n, want)
                        : pread(f->fd, f->in.p + f->in.n, want, f->at);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return um_fail_errno("read");
    if (f->at >= 0)
        f->at += got;
    f->eof = got == 0;
    f->in.n += (size_t)got;
    return UM_OK;
}

int um_inflate_peek(struct um_inflate *f, size_t n, size_t *have)
{
    while (f->in.n - f->used < n && !f->eof)
        UM_TRY(fill(f));
    *have = f->in.n - f->used;
    return UM_OK;
}

int um_inflate_raw(struct um_inflate *f, uint64_t max, const uint8_t **p, size_t *n)
{
    if (f->used == f->in.n && !f->eof)
        UM_TRY(fill(f));
    *p = f->in.p + f->used;
    *n = f->in.n - f->used;
    if (*n > max)
        *n = (size_t)max;
    f->used += *n;
    f->pos += *n;
    return UM_OK;
}

/* the frame must say that its content has a checksum: without one, damage would go unseen */
static int check_head(struct um_inflate *f)
{
    size_t have;

    UM_TRY(um_inflate_peek(f, 5, &have));
    if (have < 5)
        return um_fail(UM_EFORMAT, "cut");
    if (!(f->in.p[f->used + 4] & 4))
        return um_fail(UM_EFORMAT, "damaged: a frame without a checksum");
    return UM_OK;
}

/* feed what is in f->in; *done when the frame has ended */
static int step(struct um_inflate *f, bool *done)
{
    ZSTD_inBuffer  in = { f->in.p, f->in.n, f->used };
    ZSTD_outBuffer out;

    /* room grows with what has really come out, whatever size the frame claims */
    if (f->out.n == f->out.cap)
        UM_TRY(um_buf_need(&f->out, f->out.cap ? 1 : 1 << 18));
    out              = (ZSTD_outBuffer){ f->out.p, f->out.cap, f->out.n };
    const size_t got = ZSTD_decompressStream(f->dctx, &out, &in);
    if (ZSTD_isError(got))
        return um_fail(ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation ? UM_ENOMEM
                                                                              : UM_EFORMAT,
                       "damaged: zstd: %s", ZSTD_getErrorName(got));
    if (f->keep)
        UM_TRY(um_buf_add(&f->raw, f->in.p + f->used, in.pos - f->used));
    f->pos += in.pos - f->used;
    f->used  = in.pos;
    f->out.n = out.pos;
    *done    = got == 0;
    if (f->out.n > UM_FRAME_MAX)
        return um_fail(UM_EFORMAT, "a frame of more than %" PRIu64 " bytes", UM_FRAME_MAX);
    return UM_OK;
}

int um_inflate_frame(struct um_inflate *f)
{
    bool done = false;

    if (!f->dctx) {
        if (!(f->dctx = ZSTD_createDCtx()))
            return um_fail(UM_ENOMEM, "out of memory");
        (void)ZSTD_DCtx_setParameter(f->dctx, ZSTD_d_windowLogMax, WINDOW_LOG);
    }
    (void)ZSTD_DCtx_reset(f->dctx, ZSTD_reset_session_only);
    UM_TRY(check_head(f));
    f->out.n = f->raw.n = 0;
    while (!done) {
        const bool room =
            f->out.n < f->out.cap; /* else zstd may hold bytes back: no input needed */

        if (f->used == f->in.n && room && !f->eof)
            UM_TRY(fill(f));
        if (f->used == f->in.n && room && f->eof)
            return um_fail(UM_EFORMAT, "cut");
        UM_TRY(step(f, &done));
    }
    return UM_OK;
}
