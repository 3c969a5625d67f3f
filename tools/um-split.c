/* um-split - part a manifest into train, valid and test, by patient
 *
 * reads   a TSV manifest
 * writes  the same rows with the column `split` set; or with --permutation numbers, one a line
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mt19937.h"
#include "cli/cli.h"
#include "dataset/parted.h"

static struct config {
    struct um_common      common;
    struct um_parted_opts parted;
    int64_t               permutation, first;
} cfg = { .common = UM_COMMON_INIT,
          .parted = { .by = "patient", .rounding = "even", .subset = 1 } };

static const struct um_tool tool;

static int print_permutation(struct um_outfile *out)
{
    const int64_t n = cfg.permutation, k = cfg.first > 0 && cfg.first < n ? cfg.first : n;
    int64_t      *p  = calloc((size_t)n, sizeof *p);
    int           st = UM_OK;

    if (!p)
        return um_fail(UM_ENOMEM, "out of memory");
    um_mt_permutation((uint32_t)cfg.common.seed, p, n);
    for (int64_t i = 0; i < k && st >= 0; i++)
        st = um_outfile_printf(out, "%lld\n", (long long)p[i]);
    free(p);
    return st;
}

static int check(char **operands)
{
    const struct um_parted_opts *p = &cfg.parted;

    if (operands[0] && (operands[1] || cfg.permutation > 0))
        return um_usage(cfg.permutation > 0 ? "--permutation reads no manifest"
                                            : "one manifest at a time");
    if (cfg.first > cfg.permutation)
        return um_usage(cfg.permutation > 0 ? "--first %lld: --permutation gives %lld numbers"
                                            : "--first goes with --permutation",
                        (long long)cfg.first, (long long)cfg.permutation);
    if (um_split_check(&(struct um_split){ .valid = p->valid, .test = p->test }) < 0)
        return um_usage("%s", um_errmsg());
    if (cfg.permutation == 0 && p->valid == 0 && p->test == 0 && p->subset == 1)
        return um_usage("nothing to do: --valid, --test, --subset or --permutation");
    return UM_OK;
}

static int part(const char *path, struct um_outfile *out)
{
    struct um_parted t = { .opts = cfg.parted };
    int64_t          rows[UM_NPART], shared = 0;
    int              st;

    t.opts.seed = (uint32_t)cfg.common.seed;
    st          = um_parted_read(&t, path);
    if (st >= 0 && (cfg.parted.valid > 0 || cfg.parted.test > 0))
        st = um_parted_split(&t);
    if (st >= 0 && cfg.parted.subset < 1)
        st = um_parted_subset(&t);
    if (st >= 0)
        st = um_parted_write(&t, out, rows);
    if (st >= 0)
        st = um_parted_shared(&t, &shared);
    um_parted_free(&t);
    if (st >= 0 && !cfg.common.quiet)
        fprintf(stderr, "%s: %lld rows to train, %lld valid, %lld test\n", tool.name,
                (long long)rows[UM_TRAIN], (long long)rows[UM_VALID], (long long)rows[UM_TEST]);
    if (st >= 0 && shared > 0)
        um_warn(&tool, "%lld of column %s are in more than one part, as the manifest had them",
                (long long)shared, cfg.parted.by);
    return st;
}

static int run(char **operands)
{
    struct um_outfile *out = NULL;
    int                st;

    UM_TRY(check(operands));
    UM_TRY(um_outfile_open(&out, cfg.common.output));
    st = cfg.permutation > 0 ? print_permutation(out) : part(operands[0], out);
    return um_outfile_close(out, st, 0);
}

static const struct um_opt opts[] = {
    UM_OPT_NUM(0, "valid", "V", &cfg.parted.valid, 0, 1e12, true,
               "share of the patients (below 1), or number of rows, that choose the model"),
    UM_OPT_NUM(0, "test", "S", &cfg.parted.test, 0, 1e12, true, "the same that judge it"),
    UM_OPT_STR(0, "by", "COLUMN", &cfg.parted.by, true,
               "rows alike in it stay together; row: none do"),
    UM_OPT_NUM(0, "subset", "F", &cfg.parted.subset, 1e-9, 1, true,
               "keep this share of what trains"),
    UM_OPT_CHOICE(0, "round", "even|floor|ceil", &cfg.parted.rounding, true,
                  "the subset to whole numbers"),
    UM_OPT_FLAG(0, "drawn", &cfg.parted.drawn, true, "rows in the order drawn, not as they came"),
    UM_OPT_INT(0, "permutation", "N", &cfg.permutation, 0, 4294967295.0, true,
               "print 0 to N - 1 in a random order"),
    UM_OPT_INT(0, "first", "K", &cfg.first, 0, 4294967295.0, true, "the first K of them"),
    UM_OPT_INT(0, "seed", "N", &cfg.common.seed, 0, 4294967295.0, true, "seed of the draw"),
    UM_OPT_OUTPUT(&cfg.common),
    UM_OPT_FLAG('q', "quiet", &cfg.common.quiet, false, "do not count the parts"),
    UM_OPT_END
};

static const struct um_tool tool = { "um-split",
                                     "part a manifest into train, valid and test, by patient",
                                     "[manifest]",
                                     "  um-split --valid 0.1 --test 0.2 all.tsv >parted.tsv\n"
                                     "  um-split --by row --subset 0.01 parted.tsv >small.tsv\n",
                                     opts,
                                     &cfg.common };

int main(int argc, char **argv)
{
    return um_exit(&tool, run(um_args(&tool, argc, argv)));
}
