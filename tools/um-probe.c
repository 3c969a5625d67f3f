/* um-probe - what a linear classifier reads from frozen features
 *
 * reads   cls [C] float32 (or --tensor) of labelled records; meta split, label.* or class, patient
 * writes  a table (TSV): a line per label and fraction of the training labels
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "train/probe.h"

enum { MAX_FRACTIONS = 64 };

static struct config {
    struct um_common     common;
    const char          *task, *labels, *fractions, *tensor, *where, *name;
    int64_t              reps;
    struct um_probe_opts o;
} cfg = { .common    = UM_COMMON_INIT,
          .task      = "multilabel",
          .fractions = "0.01,0.1,1",
          .tensor    = "cls",
          .name      = "-",
          .reps      = 1000,
          .o         = UM_PROBE_INIT };

static double fraction[MAX_FRACTIONS];
static int    fractions;

static const struct um_opt opts[] = {
    UM_OPT_CHOICE(0, "task", "multilabel|multiclass", &cfg.task, true, "meta label, or meta class"),
    UM_OPT_STR(0, "labels", "A,B,...", &cfg.labels, true, "which; the first record's if not given"),
    UM_OPT_STR(0, "fractions", "F,...", &cfg.fractions, true, "of the training records"),
    UM_OPT_STR('t', "tensor", "NAME", &cfg.tensor, true, "the features"),
    UM_OPT_STR('w', "where", "NAME=VALUE,...", &cfg.where, true, "records with that meta alone"),
    UM_OPT_STR(0, "name", "TEXT", &cfg.name, false, "first column of the table"),
    UM_OPT_NUM(0, "lr", "X", &cfg.o.lr, 0, 1e3, true, "learning rate"),
    UM_OPT_NUM(0, "weight-decay", "X", &cfg.o.weight_decay, 0, 1e3, true, "of the classifier"),
    UM_OPT_INT(0, "batch", "N", &cfg.o.batch, 1, 1e6, true, "records a batch"),
    UM_OPT_INT(0, "epochs", "N", &cfg.o.epochs, 0, 1e6, true, "at most"),
    UM_OPT_INT(0, "patience", "N", &cfg.o.patience, 0, 1e6, true,
               "epochs without a lower validation loss; 0: no early stop"),
    UM_OPT_FLAG(0, "standardize", &cfg.o.standardize, true, "features to mean 0, deviation 1"),
    UM_OPT_INT(0, "bootstrap", "N", &cfg.reps, 1, 1e6, true, "resamples of patients"),
    UM_OPT_SEED(&cfg.common),
    UM_OPT_OUTPUT(&cfg.common),
    UM_OPT_JOBS(&cfg.common),
    UM_OPT_DEVICE(&cfg.common),
    UM_OPT_TALK(&cfg.common),
    UM_OPT_END
};

static const struct um_tool tool = {
    "um-probe",
    "what a linear classifier reads from frozen features",
    "[file ...]",
    "  um-encode -m run/model.safetensors xray.umt | um-probe\n"
    "  um-probe --labels nodule,effusion --fractions 0.1,1 --name pre-trained features.umt\n"
    "  um-probe --task multiclass --lr 5e-3 -o table.tsv features.umt\n",
    opts,
    &cfg.common
};

static struct um_progress *bar;

static void told(int64_t bytes, int64_t of, int64_t records)
{
    um_progress_set(bar, (double)bytes, (double)of, records, NULL);
}

static int load(struct um_labelled *f, char **files)
{
    const struct um_select_opts so   = { .where = cfg.where };
    struct um_select           *pick = NULL;
    int                         st;

    UM_TRY(um_select_open(&pick, &so));
    st = um_progress_new(&bar, &tool, "records");
    for (files = um_inputs(files); st >= 0 && *files; files++)
        st = um_labelled_read(f, *files, pick, told);
    um_progress_free(bar);
    UM_TRY(um_select_close(pick, st));
    if (f->unlabelled > 0)
        um_note(&tool, "%lld records without a label passed over", (long long)f->unlabelled);
    return um_labelled_settle(f, cfg.o.patience > 0);
}

static int print_cell(struct um_outfile *out, const struct um_probe_cell *c)
{
    for (const struct um_score *s = c->score; s < c->score + c->nscore; s++) {
        if (isnan(s->value))
            um_warn(&tool,
                    "%s: only one of the two classes in the test part: no AUROC, and the "
                    "mean is without it",
                    s->label);
        UM_TRY(um_outfile_printf(out, "%s\t%s\t%g\t%lld\t%lld\t%lld\t%s\t", cfg.name, s->label,
                                 c->fraction, (long long)c->ntrain, (long long)c->nvalid,
                                 (long long)s->n, s->metric));
        UM_TRY(um_outfile_printf(out, "%.6f\t%.6f\t%.6f\t%lld\t%lld\tcached\n", s->value, s->lo,
                                 s->hi, (long long)c->fit.best, (long long)cfg.common.seed));
    }
    return UM_OK;
}

static int table(const struct um_labelled *f, struct um_dev *dev, struct um_outfile *out)
{
    struct um_probe_cell cell;
    struct um_arena     *a;
    int                  st;

    UM_TRY(um_arena_new(&a));
    st = um_outfile_printf(out, "name\tlabel\tfraction\tn_train\tn_valid\tn_test\tmetric\tvalue\t"
                                "lo\thi\tepoch\tseed\tprotocol\n");
    for (int i = 0; st >= 0 && i < fractions; i++) {
        um_arena_reset(a);
        if ((st = um_probe_cell(dev, f, fraction[i], &cfg.o, cfg.reps, a, &cell)) >= 0)
            st = print_cell(out, &cell);
    }
    um_arena_free(a);
    return st;
}

static int check(void)
{
    const char *at = cfg.fractions;

    for (char *end = NULL; fractions == 0 || *at; at = end + (*end == ',')) {
        const double x = strtod(at, &end);

        if (end == at || (*end && (*end != ',' || !end[1])) || !(x > 0 && x <= 1) ||
            fractions == MAX_FRACTIONS)
            return um_usage("--fractions %s: expected numbers above 0, at most 1, with commas",
                            cfg.fractions);
        fraction[fractions++] = x;
    }
    if (strpbrk(cfg.name, "\t\n\r"))
        return um_usage("--name: a column of the table holds no tab and no line feed");
    if (cfg.labels && strcmp(cfg.task, "multiclass") == 0)
        return um_usage("--labels goes with --task multilabel");
    cfg.o.seed = (uint64_t)cfg.common.seed;
    return UM_OK;
}

static int work(struct um_labelled *f, char **files)
{
    struct um_pool    *pool = NULL;
    struct um_dev     *dev  = NULL;
    struct um_outfile *out  = NULL;
    int                st;

    UM_TRY(load(f, files));
    if ((st = um_pool_new(&pool, um_jobs(&cfg.common))) >= 0 &&
        (st = um_dev_open(&dev, cfg.common.device, pool)) >= 0 &&
        (st = um_outfile_open(&out, cfg.common.output)) >= 0)
        st = um_outfile_close(out, table(f, dev, out), 0);
    um_dev_close(dev);
    um_pool_free(pool);
    return st;
}

static int run(char **files)
{
    struct um_labelled *f = NULL;
    int                 st;

    UM_TRY(check());
    UM_TRY(um_labelled_new(&f, cfg.tensor, strcmp(cfg.task, "multiclass") == 0, cfg.labels));
    st = work(f, files);
    um_labelled_free(f);
    return st;
}

int main(int argc, char **argv)
{
    return um_exit(&tool, run(um_args(&tool, argc, argv)));
}
