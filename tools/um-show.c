/* um-show - look inside a tensor stream
 *
 * reads   any stream
 * writes  text or JSON about headers and records, or one tensor of each record as a file; with
 * --tee the stream itself, and the text on standard error
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/exports.h"
#include "cli/names.h"
#include "grid/window.h"
#include "stream/describe.h"
#include "stream/tally.h"
#include "stream/umt.h"

enum { SHEET_MAX = 64 }; /* pictures on a contact sheet unless -n says otherwise */

static struct config {
    struct um_common common;
    bool             header, keys, json, dump, stats, npy, png, nii, montage, stack, tee;
    const char      *tensor, *key, *like, *overlay, *window, *slice, *plane;
    int64_t          number;
    struct um_view   view;
} cfg = { .common = UM_COMMON_INIT, .plane = "axial" };

static const struct um_tool tool;

struct show {
    bool               terminal;
    bool               lines; /* a line per record: none of the other ways was asked for */
    struct um_arena   *a;     /* one record */
    struct um_outfile *out, *pass;
    struct um_writer  *writer; /* --tee */
    struct um_exports *exports;
    struct um_tally   *tally;
    int64_t            parts, records, limit, dumped;
};

static int show_part(struct show *s, const struct um_value *header)
{
    s->parts++;
    if (s->writer)
        UM_TRY(um_writer_part(s->writer, header));
    if (cfg.json)
        return um_describe_header_json(s->out, s->a, s->parts, header);
    if (s->lines || cfg.header)
        return um_describe_header(s->out, s->a, s->parts, header);
    return UM_OK;
}

static int show_record(struct show *s, const struct um_record *rec)
{
    if ((cfg.key && strcmp(cfg.key, rec->key) != 0) || (s->limit && s->records >= s->limit))
        return UM_OK;
    s->records++;
    if (cfg.keys)
        return um_outfile_printf(s->out, "%s\n", rec->key);
    if (cfg.json)
        return um_describe_record_json(s->out, s->a, rec);
    if (cfg.dump)
        return um_describe_values(s->out, rec, cfg.tensor, &s->dumped);
    if (s->exports)
        return um_exports_record(s->exports, s->a, rec);
    if (cfg.stats || s->lines)
        UM_TRY(um_tally_add(s->tally, rec));
    return s->lines ? um_describe_record(s->out, s->a, rec, cfg.common.verbose) : UM_OK;
}

static int read_file(struct show *s, const char *path)
{
    struct um_reader *r;
    struct um_record *rec;
    int               st;

    UM_TRY(um_reader_open(&r, path));
    while ((st = um_reader_next(r, s->a, &rec)) > 0) {
        if (st == UM_NEXT_PART) {
            st = show_part(s, um_reader_header(r));
        } else {
            st = s->writer ? um_writer_record(s->writer, rec) : UM_OK;
            if (st >= 0 && (st = show_record(s, rec)) < 0 && st != UM_EUSAGE)
                st = um_context(st, "record %s", rec->key);
        }
        if (st >= 0 && s->terminal)
            st = um_outfile_flush(s->out);
        um_arena_reset(s->a);
        if (st < 0 || (s->limit && s->records >= s->limit && !s->writer))
            break;
    }
    um_reader_close(r);
    return st < 0 ? st : UM_OK;
}

static int finish(struct show *s)
{
    if (cfg.key && s->records == 0)
        return um_fail(UM_EMISSING, "no record has the key %s", cfg.key);
    if (cfg.dump && cfg.tensor && s->dumped == 0)
        return um_fail(UM_EMISSING, "no record has a tensor %s", cfg.tensor);
    if (cfg.stats)
        UM_TRY(um_tally_table(s->tally, s->out));
    if (s->lines)
        return um_outfile_printf(s->out, "%lld records in %lld parts, %lld bytes of tensors\n",
                                 (long long)s->records, (long long)s->parts,
                                 (long long)um_tally_bytes(s->tally));
    return UM_OK;
}

/* where bytes or text go: text moves to standard error when the stream itself passes by */
static int open_output(struct show *s)
{
    const enum um_export e = cfg.npy ? UM_EXPORT_NPY : cfg.nii ? UM_EXPORT_NII : UM_EXPORT_PNG;
    const struct um_exports_opts x     = { .tool   = &tool,
                                           .format = e,
                                           .tensor = cfg.tensor,
                                           .path   = cfg.common.output,
                                           .stack  = cfg.stack,
                                           .sheet  = cfg.montage,
                                           .like   = cfg.like,
                                           .view   = &cfg.view };
    const bool                   files = cfg.npy || cfg.png || cfg.nii || cfg.montage;

    if (cfg.tee && files && !cfg.common.output)
        return um_usage("--tee has standard output: name a file with -o");
    if (files)
        return um_exports_open(&s->exports, &x);
    if (cfg.tee && !cfg.common.output)
        return um_outfile_wrap(&s->out, STDERR_FILENO);
    UM_TRY(um_outfile_open(&s->out, cfg.common.output));
    s->terminal = isatty(um_outfile_fd(s->out));
    return UM_OK;
}

static int parse_view(void)
{
    struct um_view *v = &cfg.view;

    v->plane    = *cfg.plane == 'c' ? UM_CORONAL : *cfg.plane == 's' ? UM_SAGITTAL : UM_AXIAL;
    v->windowed = cfg.window != NULL;
    if (um_view_over(cfg.overlay, v) < 0 || um_view_slices(cfg.slice, v) < 0 ||
        (cfg.window && um_window_parse(cfg.window, v->window) < 0))
        return um_usage("%s", um_errmsg());
    if (!um_view_plain(v) && !cfg.png && !cfg.montage)
        return um_usage("--overlay, --window, --slice, --plane and --crop go with --png or "
                        "--montage");
    return UM_OK;
}

static int open_all(struct show *s)
{
    const int ways = cfg.header + cfg.keys + cfg.json + cfg.dump + cfg.stats + cfg.npy + cfg.png +
                     cfg.nii + cfg.montage;

    if (ways > 1)
        return um_usage("one of --header, --keys, --json, --dump, --stats, --npy, --png, --nii and "
                        "--montage at a time");
    if (cfg.stack && !cfg.npy)
        return um_usage("--stack goes with --npy");
    if (cfg.like && !cfg.nii)
        return um_usage("--like goes with --nii");
    UM_TRY(parse_view());
    s->lines = ways == 0;
    s->limit = cfg.number || !cfg.montage ? cfg.number : SHEET_MAX;
    UM_TRY(um_arena_new(&s->a));
    UM_TRY(um_tally_new(&s->tally));
    UM_TRY(open_output(s));
    if (cfg.tee) {
        UM_TRY(um_stream_open(&s->pass, NULL));
        UM_TRY(um_writer_open(&s->writer, s->pass, &(struct um_writer_opts){ .level = 1 }));
    }
    return UM_OK;
}

static int run(char **files)
{
    struct show s  = { 0 };
    int         st = UM_OK;

    for (char **f = um_inputs(files); st >= 0 && *f; f++)
        st = um_names_apart("-o", cfg.common.output, *f);
    if (st >= 0)
        st = open_all(&s);
    for (char **f = um_inputs(files); st >= 0 && *f; f++)
        st = read_file(&s, *f);
    if (st >= 0)
        st = finish(&s);
    if (s.writer)
        st = um_writer_close(s.writer, st);
    st = um_outfile_close(s.pass, st, 0);
    st = um_outfile_close(s.out, st, 0);
    st = um_exports_close(s.exports, st);
    um_tally_free(s.tally);
    um_arena_free(s.a);
    return st;
}

static const char examples[] =
    "  um-show a.umt                              header, history, a line per record\n"
    "  um-show --json a.umt | jq .key             for programs\n"
    "  um-show --png -o 'slices/%s.png' a.umt     a picture per record\n"
    "  um-show --montage -o sheet.png a.umt       a contact sheet\n"
    "  um-show --montage --overlay mask --window lung --slice even=4 -o s.png a.umt\n"
    "  um-show --nii --like ct.nii.gz -t mask -o onto.nii.gz a.umt\n"
    "  um-encode a.umt | um-show --tee | um-probe in the middle of a pipe\n";

static const struct um_opt opts[] = {
    UM_OPT_FLAG(0, "header", &cfg.header, false, "headers and history alone"),
    UM_OPT_FLAG(0, "keys", &cfg.keys, false, "keys alone, one a line"),
    UM_OPT_FLAG(0, "json", &cfg.json, false, "a JSON object per header and per record"),
    UM_OPT_FLAG(0, "stats", &cfg.stats, false, "statistics per tensor over all records"),
    UM_OPT_FLAG(0, "dump", &cfg.dump, false, "all values, as text"),
    UM_OPT_FLAG(0, "npy", &cfg.npy, false, "one tensor as a NumPy file"),
    UM_OPT_FLAG(0, "stack", &cfg.stack, false, "--npy: all records as one array [N,...]"),
    UM_OPT_FLAG(0, "png", &cfg.png, false, "one tensor as a picture"),
    UM_OPT_FLAG(0, "nii", &cfg.nii, false, "one tensor as a NIfTI file (-o X.gz: compressed)"),
    UM_OPT_STR(0, "like", "FILE", &cfg.like, false,
               "--nii: resampled to FILE's grid and frame; %s in it: the key"),
    UM_OPT_FLAG(0, "montage", &cfg.montage, false, "images and middle slices on a sheet, PNG"),
    UM_OPT_STR(0, "overlay", "LIST", &cfg.overlay, false,
               "pictures: lay over it mask, boxes, attention"),
    UM_OPT_STR(0, "window", "NAME|LO,HI", &cfg.window, false,
               "pictures: HU (or values) that are black and white"),
    UM_OPT_STR(0, "slice", "N|middle|all|even=K", &cfg.slice, false, "pictures: these slices"),
    UM_OPT_CHOICE(0, "plane", "axial|coronal|sagittal", &cfg.plane, false, "pictures: cut so"),
    UM_OPT_INT(0, "crop", "N", &cfg.view.crop, 0, 4096, false,
               "pictures: the N x N pixels in the middle"),
    UM_OPT_STR('t', "tensor", "NAME", &cfg.tensor, false, "the tensor for --dump, --npy, ..."),
    UM_OPT_STR('k', "key", "KEY", &cfg.key, false, "this record alone"),
    UM_OPT_INT('n', "number", "N", &cfg.number, 0, 9e15, false, "the first N records; 0: all"),
    UM_OPT_FLAG(0, "tee", &cfg.tee, false, "pass the stream on; the text to standard error"),
    UM_OPT_STR('o', "output", "FILE", &cfg.common.output, false,
               "write to FILE, not standard output; %s in it: the key"),
    UM_OPT_FLAG('v', "verbose", &cfg.common.verbose, false, "show the values of meta too"),
    UM_OPT_END
};

static const struct um_tool tool = { "um-show",    "look inside a tensor stream",
                                     "[file ...]", examples,
                                     opts,         &cfg.common };

int main(int argc, char **argv)
{
    return um_exit(&tool, run(um_args(&tool, argc, argv)));
}
