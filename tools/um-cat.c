/* um-cat - join, pick, order, split and merge tensor streams
 *
 * reads   any streams; of regular files also the index (--shuffle, --sample N, --merge)
 * writes  their records as one part, or dealt out to several files; histories are joined (umt(5))
 */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/fan.h"
#include "stream/edit.h"
#include "stream/feed.h"
#include "stream/merge.h"
#include "stream/select.h"

struct config {
    struct um_common      common;
    struct um_select_opts pick;
    struct um_edit_opts   edit;
    const char           *sample, *prefix, *merge, *unmatched;
    bool                  shuffle, spool, rename;
    int64_t               shards, every;
    int64_t               lot; /* --sample N: how many; 0: all */
};

struct cat {
    const struct config  *cfg;
    const struct um_tool *tool;
    struct um_arena      *arena, *record; /* for all the run; for one record */
    struct um_feed       *feed;
    struct um_select     *pick;
    struct um_edit       *edit;
    struct um_merge      *other; /* --merge, or NULL */
    const char          **prefix;
    int                   prefixes;
    struct um_fan        *fan;
    struct um_progress   *bar;
    int64_t               done;
};

/* "0.1" a fraction, "100" a number */
static int parse_sample(struct config *cfg)
{
    char        *end;
    const double x = cfg->sample ? strtod(cfg->sample, &end) : 0;

    if (!cfg->sample)
        return UM_OK;
    if (*end || end == cfg->sample || !(x > 0 && x < 1e15) || (x >= 1 && x != floor(x)))
        return um_usage("--sample: \"%s\" is neither a fraction below 1 nor a number of records",
                        cfg->sample);
    if (x < 1)
        cfg->pick.sample = x;
    else
        cfg->lot = (int64_t)x;
    return UM_OK;
}

/* what goes into history: the options, but of a list of keys in a file its digest, not its name */
static int history(struct cat *c, struct um_value *options)
{
    char     text[UM_HASH_HEX + 1] = "@";
    uint8_t *data;
    size_t   n;

    UM_TRY(um_opts_value(c->arena, c->tool->opts, options));
    UM_TRY(um_map_set(c->arena, options, "merge",
                      &(struct um_value){ .kind = UM_BOOL, .b = c->cfg->merge != NULL }));
    if (!c->cfg->pick.key || c->cfg->pick.key[0] != '@')
        return UM_OK;
    UM_TRY(um_file_read(c->arena, c->cfg->pick.key + 1, (size_t)1 << 32, &data, &n));
    um_hash_bytes_hex(data, n, text + 1);
    return um_map_set_str(c->arena, options, "key", text);
}

static int open_all(struct cat *c, char **files)
{
    const struct config      *cfg = c->cfg;
    const struct um_feed_opts how = { .random = cfg->shuffle || cfg->lot, .spool = cfg->spool };
    struct um_fan_opts        to  = { .path   = cfg->common.output,
                                      .level  = (int)cfg->common.level,
                                      .shards = cfg->shards,
                                      .every  = cfg->every,
                                      .rename = cfg->rename };
    struct um_value           options, header;
    int                       n = 1;

    UM_TRY(um_arena_new(&c->arena));
    UM_TRY(um_arena_new(&c->record));
    UM_TRY(um_select_open(&c->pick, &cfg->pick));
    UM_TRY(um_edit_open(&c->edit, &cfg->edit));
    if (cfg->prefix)
        UM_TRY(um_list_split(c->arena, "--prefix", cfg->prefix, &c->prefix, &c->prefixes));
    for (n = 0; files[n];)
        n++;
    if (cfg->prefix && c->prefixes != 1 && c->prefixes != (n ? n : 1))
        return um_usage("--prefix: %d prefixes for %d files", c->prefixes, n ? n : 1);
    UM_TRY(um_feed_open(&c->feed, files, &how));
    if (cfg->merge)
        UM_TRY(um_merge_open(&c->other, cfg->merge,
                             *cfg->unmatched == 'e'   ? UM_UNMATCHED_ERROR
                             : *cfg->unmatched == 'k' ? UM_UNMATCHED_KEEP
                                                      : UM_UNMATCHED_DROP,
                             um_feed_join(c->feed)));
    UM_TRY(history(c, &options));
    UM_TRY(um_join_header(um_feed_join(c->feed), c->tool->name, &options, &header));
    to.name = um_edit_splits(c->edit, &to.names);
    UM_TRY(um_fan_open(&c->fan, &to, &header));
    return um_progress_new(&c->bar, c->tool, "records");
}

/* a record that number and key have chosen: 1 if it is wanted, merged with its partner */
static int complete(struct cat *c, struct um_record *rec)
{
    const int st = um_merge_record(c->other, c->record, rec);

    return st > 0 ? um_select_meta(c->pick, &rec->meta) : st;
}

static int emit(struct cat *c, struct um_record *rec, int input)
{
    if (c->prefix) {
        const char *prefix = c->prefix[c->prefixes > 1 ? input : 0];

        if (!(rec->key = um_sprintf(c->record, "%s%s", prefix, rec->key)))
            return UM_ENOMEM;
    }
    UM_TRY(um_edit_record(c->edit, c->record, rec));
    UM_TRY(um_fan_record(c->fan, c->record, rec, um_map_str(&rec->meta, "split")));
    c->done++;
    return UM_OK;
}

/* ---- in the order of the input ---- */

static int in_order(struct cat *c)
{
    struct um_record *rec;
    int               st, input;

    for (int64_t i = 0; (st = um_feed_next(c->feed, c->record, &rec, &input)) > 0; i++) {
        if (um_select_key(c->pick, i, rec->key)) {
            const int go = complete(c, rec);

            UM_TRY(go > 0 ? emit(c, rec, input) : go);
        } else {
            um_merge_seen(c->other, rec->key);
        }
        um_progress_set(c->bar, (double)um_feed_bytes(c->feed), (double)um_feed_size(c->feed),
                        c->done, NULL);
        um_arena_reset(c->record);
    }
    return st;
}

/* ---- by the index ---- */

/* the numbers of the records that are wanted; meta is only looked at if it matters */
static int choose(struct cat *c, int64_t *number, double *draw, int64_t *n)
{
    const bool needs_meta = c->cfg->pick.where || c->other;

    *n = 0;
    for (int64_t i = 0; i < um_feed_count(c->feed); i++) {
        const char       *key = um_feed_key(c->feed, i);
        struct um_record *rec;
        int               go = um_select_key(c->pick, i, key), input;

        if (!go)
            um_merge_seen(c->other, key);
        if (go && needs_meta) {
            UM_TRY(um_feed_read(c->feed, i, c->record, &rec, &input));
            UM_TRY(go = complete(c, rec));
            um_arena_reset(c->record);
        }
        if (go) {
            draw[*n]       = um_select_draw(c->cfg->pick.seed, key);
            number[(*n)++] = i;
        }
    }
    return UM_OK;
}

static int by_index(struct cat *c)
{
    const int64_t count  = um_feed_count(c->feed);
    int64_t      *number = um_alloc_array(c->arena, count, sizeof *number), n;
    double       *draw   = um_alloc_array(c->arena, count, sizeof *draw);

    if (!number || !draw)
        return UM_ENOMEM;
    UM_TRY(choose(c, number, draw, &n));
    UM_TRY(um_select_lot(c->cfg->pick.seed, c->cfg->lot, c->cfg->shuffle, number, draw, n, &n));
    for (int64_t i = 0; i < n; i++) {
        struct um_record *rec;
        int               input;

        UM_TRY(um_feed_read(c->feed, number[i], c->record, &rec, &input));
        UM_TRY(complete(c, rec));
        UM_TRY(emit(c, rec, input));
        um_progress_set(c->bar, (double)i + 1, (double)n, i + 1, NULL);
        um_arena_reset(c->record);
    }
    return UM_OK;
}

static int run(const struct um_tool *tool, struct config *cfg, char **files)
{
    struct cat c = { .cfg = cfg, .tool = tool };
    int        st;

    cfg->pick.seed = cfg->edit.seed = (uint64_t)cfg->common.seed;
    UM_TRY(parse_sample(cfg));
    if (cfg->shards && cfg->every)
        return um_usage("--shards and --split-records exclude each other");
    if ((st = open_all(&c, files)) >= 0)
        st = cfg->shuffle || cfg->lot ? by_index(&c) : in_order(&c);
    st = um_merge_close(c.other, st);
    st = um_select_close(c.pick, st);
    um_progress_free(c.bar);
    st = um_fan_close(c.fan, st);
    um_feed_close(c.feed);
    um_edit_close(c.edit);
    um_arena_free(c.record);
    um_arena_free(c.arena);
    return st;
}

static struct config       config = { .common = UM_COMMON_INIT, .unmatched = "error" };
static const struct um_opt opts[] = {
    UM_OPT_OUTPUT(&config.common),
    UM_OPT_LEVEL(&config.common),
    UM_OPT_STR('k', "key", "KEY,...|@FILE", &config.pick.key, true, "these records alone"),
    UM_OPT_STR(0, "range", "FROM:TO", &config.pick.range, true,
               "records FROM to TO-1 of the input"),
    UM_OPT_STR('g', "grep", "REGEX", &config.pick.grep, true, "records whose key matches"),
    UM_OPT_STR('w', "where", "NAME=VALUE,...", &config.pick.where, true,
               "records with this meta; also !="),
    UM_OPT_STR(0, "sample", "N|FRACTION", &config.sample, true, "draw so many records"),
    UM_OPT_FLAG(0, "shuffle", &config.shuffle, true, "put them into a random order"),
    UM_OPT_SEED(&config.common),
    UM_OPT_STR(0, "keep", "TENSOR,...", &config.edit.keep, true, "keep these tensors alone"),
    UM_OPT_STR(0, "drop", "TENSOR,...", &config.edit.drop, true, "drop these tensors"),
    UM_OPT_STR(0, "rename", "OLD=NEW,...", &config.edit.rename, true, "rename tensors"),
    UM_OPT_STR(0, "prefix", "TEXT,...", &config.prefix, true,
               "put before the keys, one for each file"),
    UM_OPT_FLAG(0, "rename-duplicates", &config.rename, true,
                "a key that came before becomes KEY~2"),
    UM_OPT_STR(0, "merge", "FILE", &config.merge, false,
               "add FILE's tensors to the record of the same key"),
    UM_OPT_CHOICE(0, "unmatched", "error|keep|drop", &config.unmatched, true,
                  "with --merge: records without partner"),
    UM_OPT_INT(0, "shards", "N", &config.shards, 0, 10000, true,
               "deal the records to N files, -o x-%05d.umt"),
    UM_OPT_INT(0, "split-records", "N", &config.every, 0, 9e15, true, "a new file after N records"),
    UM_OPT_STR(0, "hash-split", "FIELD:NAME=SHARE,...", &config.edit.split, true,
               "meta split by lot, one lot for each value of FIELD"),
    UM_OPT_FLAG(0, "spool", &config.spool, false, "copy pipes to a temporary file first"),
    UM_OPT_TALK(&config.common),
    UM_OPT_END
};
static const struct um_tool tool = {
    .name     = "um-cat",
    .summary  = "join, pick, order, split and merge tensor streams",
    .operands = "[file ...]",
    .examples =
        "  um-cat a.umt b.umt -o ab.umt                      join two streams\n"
        "  um-cat -w split=train --shuffle -o t.umt s.umt    the training set, in random order\n"
        "  um-cat --hash-split patient:train=0.8,test=0.2 -o %s.umt s.umt\n"
        "                                                    two files, no patient in both\n",
    .opts   = opts,
    .common = &config.common,
};

int main(int argc, char **argv)
{
    return um_exit(&tool, run(&tool, &config, um_args(&tool, argc, argv)));
}
