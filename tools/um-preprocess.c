/* um-preprocess - a manifest of images and reports to a tensor stream
 *
 * reads   a TSV manifest; pictures (JPEG, PNG, DICOM), volumes (NIfTI, Analyze,
 *         MetaImage, NRRD, folders of slices); reports
 * writes  image uint8 [1,S,S] or volume float32 [D,H,W] in 0..1, mask uint8 on the same grid; meta
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/names.h"
#include "cli/notes.h"
#include "cli/shards.h"
#include "cli/spec.h"
#include "dataset/manifest.h"
#include "dataset/prepare.h"
#include "dataset/shard.h"
#include "grid/window.h"

static struct config {
    struct um_common  common;
    struct um_prepare prepare;
    const char *root, *size, *spacing, *resize, *fit, *window, *nan, *filter, *sentences, *dropped,
        *shard, *mask_filter, *threshold, *dicom, *allow;
    int64_t shard_size;
} cfg = { .common      = UM_COMMON_INIT,
          .prepare     = { .image_size     = 256,
                           .volume_size    = { 32, 128, 128 },
                           .frame          = -1,
                           .max_pixels     = 1 << 29,
                           .mask_threshold = NAN },
          .resize      = "area",
          .fit         = "pad",
          .window      = "-1000,1000",
          .sentences   = "method",
          .mask_filter = "nearest",
          .dicom       = "stored" };

struct run {
    struct um_manifest *manifest;
    struct um_dropped  *dropped;
    struct um_notes    *notes;
    struct um_arena   **scratch; /* one for each worker */
    int                 jobs;
    int64_t             part, parts; /* --shard, from 0 */
    struct um_arena    *a;           /* the header */
    struct um_arena    *names;       /* of lists of dropped rows */
    struct um_value     header;
    struct um_rows     *shard;          /* --shard-size: what each is made from */
    int64_t             nshard, before; /* how many; rows taken before this one */
};

static const struct um_tool tool;

static int next_row(void *user, void **item, const char **key)
{
    const struct run *r = user;
    struct um_row    *row;
    const int         st = um_manifest_next(r->manifest, &row);

    if (st > 0) {
        *item = row;
        *key  = um_row_get(r->manifest, row, UM_COL_KEY);
    }
    return st;
}

static int map_row(void *user, int worker, struct um_arena *a, void *item, struct um_emit *e)
{
    struct run          *r   = user;
    const struct um_row *row = item;
    const char          *key = um_row_get(r->manifest, row, UM_COL_KEY);
    struct um_prepared   out;
    const int st = um_prepare_row(&cfg.prepare, r->manifest, row, a, r->scratch[worker], &out);

    um_arena_reset(r->scratch[worker]);
    UM_TRY(st);
    if (out.drop != UM_DROP_NONE)
        return um_dropped_add(r->dropped, row->line, key, out.drop);
    for (int i = 0; i < out.notes; i++)
        um_notes_add(r->notes, key, out.note[i]);
    return um_emit_record(e, out.rec);
}

static int parse_options(struct run *r)
{
    struct um_prepare *p = &cfg.prepare;

    p->mask_filter = strcmp(cfg.mask_filter, "area") == 0 ? UM_FILTER_AREA : UM_FILTER_NEAREST;
    p->replace     = cfg.nan != NULL;
    p->point       = strcmp(cfg.resize, "point") == 0;
    p->stretch     = strcmp(cfg.fit, "stretch") == 0;

    p->dicom_window = strcmp(cfg.dicom, "window") == 0;
    if (cfg.size)
        UM_TRY(um_sizes_parse(cfg.size, 4096, &p->image_size, p->volume_size, &p->sized));
    if (cfg.spacing)
        UM_TRY(um_spacing_parse(cfg.spacing, p->spacing));
    if (p->point && p->fast_decode)
        return um_fail(UM_EUSAGE,
                       "--resize point takes pixels of the file, --fast-decode has none");
    if (cfg.spacing && p->mask_filter == UM_FILTER_AREA)
        return um_fail(UM_EUSAGE, "--spacing takes masks by --mask-filter nearest");
    if (p->series && !*p->series)
        return um_fail(UM_EUSAGE, "--series is empty: the UID of a series is expected");
    UM_TRY(um_allow_parse(cfg.allow, &p->allow_gaps, &p->allow_duplicates));
    UM_TRY(um_shard_parse(cfg.shard, &r->part, &r->parts));
    UM_TRY(um_window_parse(cfg.window, p->window));
    UM_TRY(um_filters_parse(cfg.filter, &p->filters));
    p->filters.strict = strcmp(cfg.sentences, "strict") == 0;
    if (cfg.nan)
        UM_TRY(um_number_parse(cfg.nan, &p->nan_hu));
    return cfg.threshold ? um_number_parse(cfg.threshold, &p->mask_threshold) : UM_OK;
}

static int make_header(struct run *r, struct um_value *header)
{
    struct um_value options;

    UM_TRY(um_opts_value(r->a, tool.opts, &options));
    if (cfg.shard_size) /* a file is the same whichever job makes it */
        UM_TRY(um_map_set(r->a, &options, "shard", &(struct um_value){ .kind = UM_NIL }));
    UM_TRY(um_header_new(r->a, NULL, tool.name, &options, header));
    return um_map_set_nums(r->a, header, "window", cfg.prepare.window, 2);
}

static int save_dropped(struct run *r, int64_t number)
{
    const char *path = cfg.dropped;

    um_arena_reset(r->names);
    if (cfg.dropped && cfg.shard_size)
        UM_TRY(um_names_numbered(r->names, "--dropped", cfg.dropped, number, &path));
    return cfg.dropped ? um_dropped_save(r->dropped, path) : UM_OK;
}

/* a shard has a list of its own, which is there before it */
static int end_shard(void *user, int64_t number)
{
    struct run *r = user;

    if (um_manifest_taken(r->manifest) - r->before != r->shard[number].n)
        return um_fail(UM_EFORMAT, "the manifest has changed while it was read");
    return save_dropped(r, number);
}

static int end_stream(void *user)
{
    return save_dropped(user, 0);
}

static void report(const struct run *r, const struct um_shards *s)
{
    char text[UM_DROPPED_TEXT], missing[64] = "";

    if (cfg.filter && !cfg.common.quiet)
        fprintf(stderr, "%s: %s\n", tool.name,
                um_dropped_text(r->dropped, um_manifest_taken(r->manifest), text));
    if (s->missing)
        (void)snprintf(missing, sizeof missing, "; %lld rows of those were skipped or dropped",
                       (long long)s->missing);
    if (s->there && !cfg.common.quiet)
        fprintf(stderr, "%s: %lld shards made, %lld were there%s\n", tool.name, (long long)s->made,
                (long long)s->there, missing);
}

/* nothing that is written may be what is read, or another thing that is written */
static int check_names(const char *manifest)
{
    UM_TRY(um_names_apart("-o", cfg.common.output, manifest));
    UM_TRY(um_names_apart("--rejects", cfg.common.rejects, manifest));
    UM_TRY(um_names_apart("--dropped", cfg.dropped, manifest));
    if (!cfg.shard_size && cfg.common.output && um_names_has_number(cfg.common.output))
        return um_usage("-o %s: a place for a number goes with --shard-size", cfg.common.output);
    if (cfg.dropped && ((cfg.common.rejects && strcmp(cfg.dropped, cfg.common.rejects) == 0) ||
                        (cfg.common.output && strcmp(cfg.dropped, cfg.common.output) == 0)))
        return um_usage("--dropped has the name of another output");
    return UM_OK;
}

static int open_all(struct run *r, char **operands)
{
    if (operands[0] && operands[1])
        return um_usage("one manifest at a time");
    UM_TRY(check_names(operands[0]));
    if (parse_options(r) < 0)
        return um_usage("%s", um_errmsg());
    UM_TRY(um_arena_new(&r->a));
    UM_TRY(um_arena_new(&r->names));
    UM_TRY(um_manifest_open(&r->manifest, operands[0]));
    if (cfg.shard_size)
        UM_TRY(um_rows_read(r->a, operands[0], cfg.shard_size, &r->shard, &r->nshard));
    else
        um_manifest_shard(r->manifest, r->part, r->parts);
    cfg.prepare.root = cfg.root ? cfg.root : um_manifest_folder(r->manifest);
    UM_TRY(um_dropped_new(&r->dropped, cfg.dropped));
    UM_TRY(um_notes_new(&r->notes, &tool));
    r->jobs    = um_jobs(&cfg.common);
    r->scratch = um_calloc_array(r->a, r->jobs, sizeof(struct um_arena *));
    for (int i = 0; r->scratch && i < r->jobs; i++)
        UM_TRY(um_arena_new(&r->scratch[i]));
    return r->scratch ? UM_OK : UM_ENOMEM;
}

static int turn(void *user, int64_t number, int64_t *items)
{
    struct run    *r = user;
    struct um_row *row;

    if (number < r->nshard) {
        *items    = r->shard[number].n;
        r->before = um_manifest_taken(r->manifest);
        um_manifest_block(r->manifest, number * cfg.shard_size, (number + 1) * cfg.shard_size);
        UM_TRY(um_rows_header(r->a, &r->shard[number], &r->header));
        return 1;
    }
    um_manifest_block(r->manifest, INT64_MAX, INT64_MAX); /* a key may come twice further on */
    return um_manifest_next(r->manifest, &row);
}

/* rows of this job */
static int64_t total(const struct run *r)
{
    int64_t n = 0;

    if (!cfg.shard_size)
        return um_manifest_total(r->manifest);
    for (int64_t i = r->part; i < r->nshard; i += r->parts)
        n += r->shard[i].n;
    return n;
}

static int convert(struct run *r)
{
    const struct um_source source = { .tool      = &tool,
                                      .common    = &cfg.common,
                                      .user      = r,
                                      .total     = total(r),
                                      .unit      = "rows",
                                      .header    = &r->header,
                                      .next      = next_row,
                                      .map       = map_row,
                                      .free_item = free,
                                      .end       = end_stream };
    struct um_shards       shards = { .source = source,
                                      .part   = r->part,
                                      .parts  = r->parts,
                                      .turn   = turn,
                                      .end    = end_shard,
                                      .files  = r->nshard };
    const char            *path;

    if (cfg.dropped && cfg.shard_size)
        UM_TRY(um_names_numbered(r->names, "--dropped", cfg.dropped, 0, &path));
    UM_TRY(make_header(r, &r->header));
    UM_TRY(cfg.shard_size ? um_shards_run(&shards) : um_source_run(&source));
    report(r, &shards);
    return UM_OK;
}

/* a stream may be empty, but no files at all are not what anybody wanted. One job says so: the
 * others make nothing of a short manifest either, and are right. */
static int check_made(const struct run *r, const char *manifest)
{
    if (!cfg.shard_size || r->nshard > 0 || r->part > 0)
        return UM_OK;
    return um_fail(UM_EMISSING, "%s: no row after the header: there is no file to make", manifest);
}

static int run(char **operands)
{
    struct run r  = { 0 };
    int        st = open_all(&r, operands);

    if (st >= 0)
        st = convert(&r);
    if (st >= 0)
        st = check_made(&r, operands[0]);
    for (int i = 0; r.scratch && i < r.jobs; i++)
        um_arena_free(r.scratch[i]);
    um_manifest_close(r.manifest);
    um_dropped_free(r.dropped);
    um_notes_free(r.notes);
    um_arena_free(r.names);
    um_arena_free(r.a);
    return st;
}

static const char examples[] =
    "  um-preprocess data/manifest.tsv -o all.umt            images, volumes, reports\n"
    "  um-preprocess --filter frontal,sentences=3 m.tsv | um-tokenize --vocab v.txt >train.umt\n"
    "  um-preprocess --window abdomen --spacing 1.5,1.5,2 --crop-foreground bcv.tsv -o bcv.umt\n"
    "  um-preprocess --shard 3/100 m.tsv -o 3.umt            one of a hundred jobs\n"
    "  um-preprocess --shard-size 1000 m.tsv -o 's/%05d.umt' many files; those there are kept\n";

static const struct um_opt opts[] = {
    UM_OPT_STR(0, "size", "N,DxHxW", &cfg.size, true,
               "side of pictures; slices, rows, columns of volumes; either alone (default "
               "256,32x128x128)"),
    UM_OPT_STR(0, "spacing", "X,Y,Z", &cfg.spacing, true,
               "volumes: millimetres instead of a size; with one, crop or pad to it"),
    UM_OPT_FLAG(0, "crop-foreground", &cfg.prepare.crop_foreground, true,
                "volumes: to the box of what is above 0"),
    UM_OPT_CHOICE(0, "resize", "area|point", &cfg.resize, true,
                  "anti-aliased, or linear between samples"),
    UM_OPT_CHOICE(0, "fit", "pad|stretch", &cfg.fit, true,
                  "pictures: zeros at the shorter side, or none"),
    UM_OPT_FLAG(0, "box-mask", &cfg.prepare.box_mask, true, "pictures: draw a mask from the boxes"),
    UM_OPT_STR(0, "window", "NAME|LO,HI", &cfg.window, true, "HU that become 0 and 1"),
    UM_OPT_STR(0, "filter", "LIST", &cfg.filter, true, "keep: frontal, sentences=N, words=N"),
    UM_OPT_CHOICE(0, "sentences", "method|strict", &cfg.sentences, true,
                  "the filter's: cut at every full stop, or not in 1.5, Dr. and ___"),
    UM_OPT_STR(0, "dropped", "FILE", &cfg.dropped, false, "list what the filters dropped"),
    UM_OPT_STR(0, "root", "DIR", &cfg.root, false, "folder of relative paths; the manifest's"),
    UM_OPT_STR(0, "shard", "I/N", &cfg.shard, true, "rows (or shards) I, I + N, I + 2N, ... alone"),
    UM_OPT_INT(0, "shard-size", "N", &cfg.shard_size, 0, 1e9, true,
               "a file for each N rows, -o x-%05d.umt; 0: one file"),
    UM_OPT_INT(0, "frame", "N", &cfg.prepare.frame, -1, 1e9, true,
               "time frame, from 0; -1: the only one"),
    UM_OPT_STR(0, "nan", "HU", &cfg.nan, true, "in place of voxels that are not finite"),
    UM_OPT_CHOICE(0, "mask-filter", "nearest|area", &cfg.mask_filter, true, "how masks shrink"),
    UM_OPT_STR(0, "mask-threshold", "V", &cfg.threshold, true,
               "masks that are no whole numbers: 1 from V on"),
    UM_OPT_CHOICE(0, "dicom", "stored|window", &cfg.dicom, true, "what DICOM pictures show"),
    UM_OPT_STR(0, "series", "UID", &cfg.prepare.series, true,
               "of folders that hold several DICOM series"),
    UM_OPT_STR(0, "allow", "LIST", &cfg.allow, true, "slices may have: gaps, duplicates"),
    UM_OPT_FLAG(0, "fast-decode", &cfg.prepare.fast_decode, true,
                "JPEG: scaled DCT; changes pixels"),
    UM_OPT_INT(0, "max-pixels", "N", &cfg.prepare.max_pixels, 1, 1e12, true,
               "refuse what is larger"),
    UM_OPT_OUTPUT(&cfg.common),
    UM_OPT_JOBS(&cfg.common),
    UM_OPT_LEVEL(&cfg.common),
    UM_OPT_ERRORS(&cfg.common),
    UM_OPT_TALK(&cfg.common),
    UM_OPT_END
};

static const struct um_tool tool = {
    "um-preprocess", "images, volumes and reports to a tensor stream", "[manifest]", examples, opts,
    &cfg.common
};

int main(int argc, char **argv)
{
    return um_exit(&tool, run(um_args(&tool, argc, argv)));
}
