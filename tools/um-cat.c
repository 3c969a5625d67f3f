/* um-cat - join, pick, order, split and merge tensor streams
 *
 * reads   any streams; of regular files also the index (--shuffle, --sample N, --merge)
 * writes  their records as one part, or dealt out to several files; histories are joined (umt(5))
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/fan.h"
#include "stream/edit.h"
#include "stream/pick.h"

struct config {
    struct um_common      common;
    struct um_select_opts pick;
    struct um_edit_opts   edit;
    const char           *sample, *prefix, *merge, *unmatched;
    bool                  shuffle, spool, rename;
    int64_t               shards, every;
    int64_t               level; /* -1: frames as they came */
    int64_t               lot;   /* --sample N: how many; 0: all */
};

struct cat {
    const struct config  *cfg;
    const struct um_tool *tool;
    struct um_arena      *arena, *record; /* for all the run; for one record */
    struct um_pick        pick;
    struct um_edit       *edit;
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
    cfg->pick.sample = x < 1 ? x : 0;
    cfg->lot         = x < 1 ? 0 : (int64_t)x;
    return UM_OK;
}

/* for history: the options, but of a list of keys in a file its digest, not its name */
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
    const struct um_feed_opts how = { .random = cfg->shuffle || cfg->lot,
                                      .keep   = cfg->level < 0,
                                      .spool  = cfg->spool };
    struct um_fan_opts        to  = { .path   = cfg->common.output,
                                      .level  = cfg->level < 0 ? 1 : (int)cfg->level,
                                      .keep   = cfg->level < 0,
                                      .shards = cfg->shards,
                                      .every  = cfg->every,
                                      .rename = cfg->rename };
    struct um_value           options, header;
    int                       n = 0;

    UM_TRY(um_arena_new(&c->arena));
    UM_TRY(um_arena_new(&c->record));
    UM_TRY(um_select_open(&c->pick.select, &cfg->pick));
    UM_TRY(um_edit_open(&c->edit, &cfg->edit));
    if (cfg->prefix)
        UM_TRY(um_list_split(c->arena, "--prefix", cfg->prefix, &c->prefix, &c->prefixes));
    while (files[n])
        n++;
    if (cfg->prefix && c->prefixes != 1 && c->prefixes != (n ? n : 1))
        return um_usage("--prefix: %d prefixes for %d files", c->prefixes, n ? n : 1);
    UM_TRY(um_feed_open(&c->pick.feed, files, &how));
    if (cfg->merge)
        UM_TRY(um_merge_open(&c->pick.merge, cfg->merge,
                             *cfg->unmatched == 'e'   ? UM_UNMATCHED_ERROR
                             : *cfg->unmatched == 'k' ? UM_UNMATCHED_KEEP
                                                      : UM_UNMATCHED_DROP,
                             um_feed_join(c->pick.feed)));
    UM_TRY(history(c, &options));
    UM_TRY(um_join_header(um_feed_join(c->pick.feed), c->tool->name, &options, &header));
    to.name = um_edit_splits(c->edit, &to.names);
    UM_TRY(um_fan_open(&c->fan, &to, &header));
    return um_progress_new(&c->bar, c->tool, "records");
}

static int emit(void *user, struct um_record *rec, int input)
{
    struct cat *c = user;

    if (c->prefix) {
        const char *prefix = c->prefix[c->prefixes > 1 ? input : 0];

        if (!(rec->key = um_sprintf(c->record, "%s%s", prefix, rec->key)))
            return UM_ENOMEM;
    }
    UM_TRY(um_edit_record(c->edit, c->record, rec));
    UM_TRY(um_fan_record(c->fan, c->record, rec, um_map_str(&rec->meta, "split")));
    um_progress_set(c->bar, c->pick.done, c->pick.total, ++c->done, NULL);
    return UM_OK;
}

/* a name that no record had is a slip, as a rule; a stream without records tells nothing */
static void warn_unmet(const struct cat *c)
{
    const char *option, *name;

    for (int i = 0; c->done > 0 && (name = um_edit_unmet(c->edit, i, &option)); i++)
        um_warn(c->tool, "%s: no record has a tensor %s", option, name);
}

static int run(const struct um_tool *tool, struct config *cfg, char **files)
{
    struct cat c = { .cfg = cfg, .tool = tool };
    int        st;

    cfg->pick.seed = cfg->edit.seed = (uint64_t)cfg->common.seed;
    UM_TRY(parse_sample(cfg));
    c.pick = (struct um_pick){ .meta    = cfg->pick.where != NULL,
                               .lot     = cfg->lot,
                               .shuffle = cfg->shuffle,
                               .seed    = cfg->pick.seed,
                               .each    = emit,
                               .user    = &c };
    if (cfg->shards && cfg->every)
        return um_usage("--shards and --split-records exclude each other");
    if ((st = open_all(&c, files)) >= 0)
        st = um_pick_run(&c.pick, c.record);
    st = um_merge_close(c.pick.merge, st);
    st = um_select_close(c.pick.select, st);
    um_progress_free(c.bar);
    st = um_fan_close(c.fan, st);
    if (st >= 0)
        warn_unmet(&c);
    um_feed_close(c.pick.feed);
    um_edit_close(c.edit);
    um_arena_free(c.record);
    um_arena_free(c.arena);
    return st;
}

static struct config       config = { .common = UM_COMMON_INIT, .level = -1, .unmatched = "error" };
static const struct um_opt opts[] = {
    UM_OPT_OUTPUT(&config.common),
    UM_OPT_INT('z', "level", "N", &config.level, -1, 19, false,
               "zstd level; 0: raw blocks; -1: as it came, 1 for what changes"),
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
        "  um-cat --hash-split patient:train=0.8,test=0.2 -o %s.umt s.umt\n",
    .opts   = opts,
    .common = &config.common,
};

int main(int argc, char **argv)
{
    return um_exit(&tool, run(&tool, &config, um_args(&tool, argc, argv)));
}
