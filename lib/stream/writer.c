/* writer.c - parts, records and the index to an output */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "stream/ledger.h"
#include "stream/umt.h"

/* records smaller than this share a frame, until the next one would make it larger than this */
enum { SHARE = 1 << 18 };

struct um_writer {
    struct um_outfile    *out;
    struct um_writer_opts opts;
    bool                  in_part;
    uint64_t              part;    /* bytes of this part so far */
    struct um_buf         pending; /* messages for the next frame */
    struct um_buf         frame;
    struct um_packed     *packed; /* of um_writer_record, kept for its memory */
    struct um_ledger      ledger;
    void                 *cctx;
};

struct um_packed {
    struct um_buf msg, frame; /* frame: of a record that has one of its own */
    bool          own;
    uint32_t      check;
    char          key[UM_MAX_KEY + 1];
};

static int level_check(const struct um_writer_opts *opts)
{
    return opts->level < 0 || opts->level > 19
               ? um_fail(UM_ERANGE, "compression level %d: 0 to 19 are allowed", opts->level)
               : UM_OK;
}

int um_writer_open(struct um_writer **writer, struct um_outfile *out,
                   const struct um_writer_opts *opts)
{
    struct um_writer *w;

    UM_TRY(level_check(opts));
    if (!(w = calloc(1, sizeof *w)))
        return um_fail(UM_ENOMEM, "out of memory");
    const int st = um_ledger_open(&w->ledger, true);
    if (st < 0) {
        um_ledger_free(&w->ledger);
        free(w);
        return st;
    }
    w->out  = out;
    w->opts = *opts;
    *writer = w;
    return UM_OK;
}

static int emit(struct um_writer *w, const void *p, size_t n)
{
    w->part += n;
    return n ? um_outfile_write(w->out, p, n) : UM_OK;
}

/* the pending messages as one frame */
static int flush(struct um_writer *w)
{
    if (w->pending.n == 0)
        return UM_OK;
    w->frame.n = 0;
    UM_TRY(um_frame_write(&w->frame, w->opts.level, &w->cctx, w->pending.p, w->pending.n));
    w->pending.n = 0;
    return emit(w, w->frame.p, w->frame.n);
}

static int write_value(struct um_writer *w, const struct um_value *v)
{
    UM_TRY(flush(w));
    UM_TRY(um_message_value(&w->pending, v));
    return flush(w);
}

static int write_index(struct um_writer *w)
{
    const uint64_t size = w->ledger.bytes + UM_FOOTER;
    uint8_t        head[8], footer[UM_FOOTER];

    um_put32(head, UM_MAGIC_INDEX);
    um_put32(head + 4, (uint32_t)size); /* the ledger keeps it below 4 GiB */
    UM_TRY(um_ledger_footer(&w->ledger, w->part + sizeof head + size, footer));
    UM_TRY(emit(w, head, sizeof head));
    UM_TRY(emit(w, w->ledger.index.p, w->ledger.index.n));
    return emit(w, footer, sizeof footer);
}

/* Trailer and index. `more`: this writer goes on with another part, so that a stream cut between
 * the two is seen to be cut. */
static int end_part(struct um_writer *w, bool more)
{
    const char     *name[] = { "end", "index", "more" };
    struct um_value item[] = { { .kind = UM_INT, .i = w->ledger.count },
                               { .kind = UM_BOOL, .b = true },
                               { .kind = UM_BOOL, .b = true } };
    struct um_value end    = { .kind = UM_MAP, .n = more ? 3 : 2, .item = item, .key = name };

    UM_TRY(write_value(w, &end));
    return write_index(w);
}

int um_writer_part(struct um_writer *w, const struct um_value *header)
{
    const struct um_value *version = um_map_get(header, "umt");
    const struct um_value *history = um_map_get(header, "history");

    if (!version || version->kind != UM_INT || version->i != 1 || !history ||
        history->kind != UM_LIST)
        return um_fail(UM_ERANGE, "a header needs \"umt\": 1 and a list \"history\"");
    if (w->in_part)
        UM_TRY(end_part(w, true));
    w->in_part = true;
    w->part    = 0;
    UM_TRY(um_ledger_reset(&w->ledger));
    return write_value(w, header);
}

/* whether msg is what the record was read from, byte by byte: then so is its frame */
static bool unchanged(const struct um_as_read *from, const struct um_buf *msg)
{
    return from && from->msg_n == msg->n && memcmp(from->msg, msg->p, msg->n) == 0;
}

static int pack(const struct um_writer_opts *opts, const struct um_record *rec, void **cctx,
                struct um_packed *p)
{
    UM_TRY(level_check(opts));
    UM_TRY(um_key_check(rec->key));
    (void)strcpy(p->key, rec->key);
    p->msg.n = p->frame.n = 0;
    UM_TRY(um_message_record(&p->msg, rec));
    p->check = um_ledger_check(p->msg.p, p->msg.n);
    p->own   = p->msg.n >= SHARE;
    if (!p->own)
        return UM_OK;
    if (opts->keep && unchanged(rec->as_read, &p->msg))
        return um_buf_add(&p->frame, rec->as_read->frame, rec->as_read->frame_n);
    return um_frame_write(&p->frame, opts->level, cctx, p->msg.p, p->msg.n);
}

int um_pack(const struct um_writer_opts *opts, const struct um_record *rec, struct um_packed **out)
{
    struct um_packed *p    = calloc(1, sizeof *p);
    void             *cctx = NULL;
    int               st   = p ? pack(opts, rec, &cctx, p) : um_fail(UM_ENOMEM, "out of memory");

    um_frame_cctx_free(cctx);
    if (st < 0) {
        um_packed_free(p);
        return st;
    }
    if (p->own)
        um_buf_free(&p->msg); /* many of these wait for their turn */
    *out = p;
    return UM_OK;
}

void um_packed_free(struct um_packed *p)
{
    if (!p)
        return;
    um_buf_free(&p->msg);
    um_buf_free(&p->frame);
    free(p);
}

int um_writer_packed(struct um_writer *w, const struct um_packed *p)
{
    if (!w->in_part)
        return um_fail(UM_ERANGE, "record %s before any header", p->key);
    if (p->own || w->pending.n + p->msg.n > SHARE)
        UM_TRY(flush(w));
    UM_TRY(um_ledger_add(&w->ledger, w->part, (uint32_t)w->pending.n, p->check, p->key));
    return p->own ? emit(w, p->frame.p, p->frame.n) : um_buf_add(&w->pending, p->msg.p, p->msg.n);
}

int um_writer_record(struct um_writer *w, const struct um_record *rec)
{
    if (!w->packed && !(w->packed = calloc(1, sizeof *w->packed)))
        return um_fail(UM_ENOMEM, "out of memory");
    UM_TRY(pack(&w->opts, rec, &w->cctx, w->packed));
    return um_writer_packed(w, w->packed);
}

int um_writer_close(struct um_writer *w, int st)
{
    if (!w)
        return st;
    if (st >= 0) {
        const int ended =
            w->in_part ? end_part(w, false) : um_fail(UM_ERANGE, "a stream of no parts");
        st = ended < 0 ? ended : st;
    }
    um_ledger_free(&w->ledger);
    um_frame_cctx_free(w->cctx);
    um_buf_free(&w->pending);
    um_buf_free(&w->frame);
    um_packed_free(w->packed);
    free(w);
    return st;
}

int um_header_new(struct um_arena *a, const struct um_value *in, const char *tool,
                  const struct um_value *options, struct um_value *header)
{
    const struct um_value *old   = um_map_get(in, "history");
    const int64_t          n     = old && old->kind == UM_LIST ? old->n : 0;
    struct um_value        list  = { .kind = UM_LIST, .n = n + 1 };
    struct um_value        entry = { .kind = UM_MAP };
    struct um_value        none  = { .kind = UM_MAP };

    *header = (struct um_value){ .kind = UM_MAP };
    if (in)
        UM_TRY(um_value_copy(a, in, header));
    UM_TRY(um_map_set_int(a, header, "umt", 1));
    UM_TRY(um_map_set_str(a, &entry, "tool", tool));
    UM_TRY(um_map_set_str(a, &entry, "version", UM_VERSION));
    UM_TRY(um_map_set(a, &entry, "options", options ? options : &none));
    if (!(list.item = um_calloc_array(a, n + 1, sizeof *list.item)))
        return UM_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        list.item[i] = old->item[i];
    list.item[n] = entry;
    return um_map_set(a, header, "history", &list);
}
