/* um-train - learn images and reports together: contrastive pre-training
 *
 * reads   streams with an index: image [1,H,W] or volume [D,H,W], ids [T], ids_mask [T]; meta split
 * writes  RUN/model.safetensors, best.safetensors, ckpt-STEP.safetensors, log.tsv, timing.tsv
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/spec.h"
#include "text/vocab.h"
#include "train/agree.h"
#include "train/place.h"
#include "train/pretrain.h"

static struct config {
    struct um_common common;
    const char      *vocab, *modalities, *clip, *temperature, *precision, *norm;
    const char      *mix, *select, *layers, *from, *mask, *as, *patches, *input, *tau_t;
    const char      *negatives, *same_text, *proj, *bn, *volume, *patch3, *centres;
    int64_t          batch;
    double           warmup;
    bool             explain;

    struct um_start         start;
    struct um_pretrain_opts o;
    bool                    use[UM_MODALITIES];
    struct um_progress     *bar;
    double                  began, waited; /* when the first step did; share of the time */
} cfg = { .common      = UM_COMMON_INIT,
          .start       = { .preset = "vit-b", .dropout = -1 },
          .clip        = "3",
          .temperature = "learned",
          .precision   = "f32",
          .norm        = "zero-one",
          .mix         = "separate",
          .select      = "attention",
          .layers      = "all",
          .from        = "teacher",
          .mask        = "attention",
          .as          = "token",
          .patches     = "all",
          .input       = "masked",
          .tau_t       = "0.04",
          .negatives   = "global",
          .same_text   = "negative",
          .proj        = "mlp",
          .bn          = "separate",
          .centres     = "shared",
          .batch       = 144,
          .warmup      = -1,
          .o           = { .method      = UM_METHOD_INIT,
                           .epochs      = 50,
                           .lr          = 2e-5,
                           .lr_low      = 1e-8,
                           .parts       = 1,
                           .optim       = UM_ADAMW_INIT,
                           .valid_every = 1,
                           .keep        = 2 } };

#define METHOD cfg.o.method

static const struct um_opt opts[] = {
    UM_OPT_STR('o', "output", "RUN", &cfg.common.output, false, "the run's folder"),
    UM_OPT_CHOICE(0, "preset", "tiny|phantom|vit-ti|vit-s|vit-b", &cfg.start.preset, true,
                  "sizes of a new model"),
    UM_OPT_STR(0, "init", "MODEL|random", &cfg.start.init, false, "begin with these weights"),
    UM_OPT_STR(0, "volume", "DxHxW", &cfg.volume, true, "volumes of a new model"),
    UM_OPT_STR(0, "patch-3d", "DxHxW", &cfg.patch3, true, "its tokens of volumes"),
    UM_OPT_STR(0, "vocab", "FILE", &cfg.vocab, false, "vocabulary, if the streams name no size"),
    UM_OPT_INT(0, "vocab-size", "N", &cfg.start.vocab_size, 0, 1 << 24, true,
               "its number of pieces"),
    UM_OPT_INT(0, "text-layers", "N", &cfg.start.text_layers, 0, 256, true,
               "of BERT; 0: the preset's"),
    UM_OPT_CHOICE(0, "norm", "zero-one|mgca", &cfg.norm, true, "input range: 0..1, or -1..1"),
    UM_OPT_CHOICE(0, "proj", "mlp|linear", &cfg.proj, true, "projections: two layers with BN, one"),
    UM_OPT_CHOICE(0, "bn", "separate|shared", &cfg.bn, true,
                  "running statistics of X-rays and volumes"),

    UM_OPT_STR(0, "modalities", "2d,3d", &cfg.modalities, true, "what to train on"),
    UM_OPT_CHOICE(0, "mix", "separate|joint", &cfg.mix, true,
                  "a batch of one kind a step, or one of each"),
    UM_OPT_INT(0, "epochs", "N", &cfg.o.epochs, 0, 1e6, true, "0: write the initial weights"),
    UM_OPT_INT(0, "steps", "N", &cfg.o.steps, 0, 1e12, true,
               "steps instead of epochs; a pipe needs it"),
    UM_OPT_INT(0, "batch", "N", &cfg.batch, 2, 1e6, true, "pairs a batch"),
    UM_OPT_INT(0, "batch-2d", "N", &cfg.o.batch[UM_2D], 0, 1e6, true, "of X-rays; 0: --batch"),
    UM_OPT_INT(0, "batch-3d", "N", &cfg.o.batch[UM_3D], 0, 1e6, true, "of volumes; 0: --batch"),
    UM_OPT_INT(0, "accumulate", "N", &cfg.o.parts, 1, 1e6, true,
               "compute a batch in N parts: less memory, the same numbers"),
    UM_OPT_INT(0, "window", "N", &cfg.o.window, 0, 1e7, true,
               "of a pipe: records held to draw from; 0: 1024"),

    UM_OPT_STR(0, "select", "RULE", &cfg.select, true,
               "slices of a volume: attention, random, uniform, middle, none"),
    UM_OPT_INT(0, "slices", "K", &METHOD.slices, 1, UM_SLICE_MAX, true, "how many"),
    UM_OPT_FLAG(0, "spread", &METHOD.spread, true, "the middle slice of each of the K best slabs"),
    UM_OPT_INT(0, "slice-size", "N", &cfg.start.slice, 0, 4096, true, "their side; 0: the X-rays'"),
    UM_OPT_FLAG(0, "slice-embed", &cfg.start.slice_embed, true, "tell slices where they were"),
    UM_OPT_CHOICE(0, "attn-layers", "all|last", &cfg.layers, true, "whose attention counts"),
    UM_OPT_CHOICE(0, "attn-from", "teacher|student", &cfg.from, true, "which network's"),
    UM_OPT_NUM(0, "keep", "RHO", &METHOD.keep.share, 1e-6, 1, true, "tokens the student sees"),
    UM_OPT_CHOICE(0, "mask", "attention|random", &cfg.mask, true, "which ones"),
    UM_OPT_CHOICE(0, "mask-as", "token|drop", &cfg.as, true, "replace the others, or leave out"),
    UM_OPT_INT(0, "mask-block", "N", &METHOD.keep.block, 1, 256, true,
               "in squares of N x N tokens"),
    UM_OPT_INT(0, "views", "N", &METHOD.views, 1, 2, true, "crops of an X-ray"),

    UM_OPT_NUM(0, "lambda-icl", "X", &METHOD.lambda_icl, 0, 1e6, true, "weight of L_icl: [CLS]"),
    UM_OPT_NUM(0, "lambda-pcl", "X", &METHOD.lambda_pcl, 0, 1e6, true, "weight of L_pcl: patches"),
    UM_OPT_STR(0, "patch-loss", "all|masked|none", &cfg.patches, true, "patches in L_pcl"),
    UM_OPT_CHOICE(0, "vl-input", "masked|full", &cfg.input, true, "what L_vl sees"),
    UM_OPT_STR(0, "temperature", "learned|X", &cfg.temperature, true, "of L_vl"),
    UM_OPT_CHOICE(0, "negatives", "global|local", &cfg.negatives, true,
                  "of L_vl: the whole batch, or each rank's part"),
    UM_OPT_CHOICE(0, "same-text", "negative|positive", &cfg.same_text, true,
                  "what equal reports are to one another"),
    UM_OPT_INT(0, "prototypes", "M", &cfg.start.prototypes, 0, 1 << 20, true,
               "of the distillation head; 0: the preset's"),
    UM_OPT_NUM(0, "tau-s", "X", &METHOD.tau_s, 1e-4, 1e6, true, "temperature of the student"),
    UM_OPT_STR(0, "tau-t", "X[:TO:EPOCHS]", &cfg.tau_t, true, "of the teacher"),
    UM_OPT_CHOICE(0, "centres", "shared|separate", &cfg.centres, true,
                  "of the teacher's logits: one pair, or one for each modality"),
    UM_OPT_NUM(0, "ema", "M0", &METHOD.ema, 0, 1, true, "first momentum of the teacher"),

    UM_OPT_NUM(0, "lr", "X", &cfg.o.lr, 0, 1e3, true, "highest learning rate"),
    UM_OPT_NUM(0, "lr-low", "X", &cfg.o.lr_low, 0, 1e3, true, "first and last"),
    UM_OPT_NUM(0, "warmup", "EPOCHS", &cfg.warmup, -1, 1e6, true,
               "epochs of rising rate; -1: 0.4 of all"),
    UM_OPT_NUM(0, "weight-decay", "X", &cfg.o.optim.weight_decay, 0, 1e3, true, "of matrices"),
    UM_OPT_FLAG(0, "decay-all", &cfg.o.optim.decay_all, true, "of biases, norms, positions too"),
    UM_OPT_STR(0, "clip", "N|global:N", &cfg.clip, true,
               "longest gradient of a tensor, or of all together; 0: any"),
    UM_OPT_NUM(0, "text-dropout", "P", &cfg.start.dropout, -1, 0.999, true, "-1: the model's"),
    UM_OPT_FLAG(0, "freeze-text", &METHOD.freeze_text, true, "the text encoder does not learn"),

    UM_OPT_CHOICE(0, "precision", "f32|bf16", &cfg.precision, true, "of products"),
    UM_OPT_FLAG(0, "checkpoint-activations", &cfg.o.recompute, false,
                "run blocks again for the backward: less memory"),
    UM_OPT_FLAG(0, "skip-nonfinite", &cfg.o.skip, true,
                "pass over steps whose loss is not finite, counted, instead of stopping"),
    UM_OPT_FLAG(0, "log-batches", &cfg.o.batches, false,
                "write batches.tsv: every record of every step, and its slices"),
    UM_OPT_INT(0, "validate-every", "EPOCHS", &cfg.o.valid_every, 0, 1e6, true,
               "looks at the held-out records, and before the first step; 0: none"),
    UM_OPT_INT(0, "checkpoint-every", "STEPS", &cfg.o.every, 0, 1e12, false, "0: after each epoch"),
    UM_OPT_INT(0, "keep-checkpoints", "N", &cfg.o.keep, 1, 1e6, false, "the last N"),
    UM_OPT_FLAG(0, "resume", &cfg.o.resume, false, "go on from RUN's newest checkpoint, if any"),
    UM_OPT_INT(0, "stop-after", "STEP", &cfg.o.stop_after, 0, 1e12, false,
               "stop there with a checkpoint; 0: at the end"),
    UM_OPT_FLAG(0, "explain", &cfg.explain, false, "print the plan of the run, train nothing"),
    UM_OPT_SEED(&cfg.common),
    UM_OPT_JOBS(&cfg.common),
    UM_OPT_DEVICE(&cfg.common),
    UM_OPT_TALK(&cfg.common),
    UM_OPT_END
};

static const struct um_tool tool = {
    "um-train",
    "learn images and reports together",
    "train.umt ...",
    "  um-train --preset phantom --epochs 30 --batch 32 --lr 1e-3 -o run xray.umt ct.umt\n"
    "  um-train --preset phantom --epochs 30 --batch 32 --lr 1e-3 -o run --resume xray.umt ct.umt\n"
    "  um-train --preset phantom --epochs 0 -o random xray.umt ct.umt\n",
    opts,
    &cfg.common
};

static bool stop(void *user)
{
    (void)user;
    return um_stop_asked();
}

static void warn(void *user, const char *text)
{
    (void)user;
    um_warn(&tool, "%s", text);
}

/* ---- options ---- */

static bool is(const char *choice, const char *name)
{
    return strcmp(choice, name) == 0;
}

static int parse_method(void)
{
    METHOD.attn_last    = is(cfg.layers, "last");
    METHOD.attn_student = is(cfg.from, "student");
    METHOD.keep.random  = is(cfg.mask, "random");
    METHOD.drop         = is(cfg.as, "drop");
    METHOD.full         = is(cfg.input, "full");
    METHOD.local        = is(cfg.negatives, "local");
    METHOD.centres      = is(cfg.centres, "separate");
    METHOD.same_text    = is(cfg.same_text, "positive");
    UM_TRY(um_select_parse(cfg.select, &METHOD.select));
    UM_TRY(um_patches_parse(cfg.patches, &METHOD.patches));
    UM_TRY(um_tau_parse(cfg.tau_t, &METHOD));
    return um_temperature_parse(cfg.temperature, &METHOD);
}

static int parse_start(void)
{
    cfg.start.seed        = cfg.o.seed;
    cfg.start.mgca        = is(cfg.norm, "mgca");
    cfg.start.proj_linear = is(cfg.proj, "linear");
    cfg.start.bn_shared   = is(cfg.bn, "shared");
    cfg.start.head        = um_method_distils(&METHOD);
    if (cfg.volume && um_size_parse(cfg.volume, 4096, cfg.start.volume) < 0)
        return um_usage("--volume %s: expected DxHxW, as 48x192x192", cfg.volume);
    if (cfg.patch3 && um_size_parse(cfg.patch3, 256, cfg.start.patch3) < 0)
        return um_usage("--patch-3d %s: expected DxHxW, as 4x16x16", cfg.patch3);
    return UM_OK;
}

static int parse(void)
{
    if (!cfg.common.output && !cfg.explain)
        return um_usage("no folder for the run: -o RUN");
    for (int i = 0; i < UM_MODALITIES; i++) {
        cfg.o.own[i]   = cfg.o.batch[i] > 0;
        cfg.o.batch[i] = cfg.o.own[i] ? cfg.o.batch[i] : cfg.batch;
    }
    if (cfg.o.batch[UM_2D] < 2 || cfg.o.batch[UM_3D] < 2)
        return um_usage("a batch of one pair has nothing to contrast: at least 2");
    if (cfg.start.prototypes == 1)
        return um_usage("--prototypes 1: a single one has nothing to tell apart: at least 2");
    if (cfg.start.dropout < 0 && cfg.start.dropout != -1)
        return um_usage("--text-dropout %g: expected 0 to 0.999, or -1", cfg.start.dropout);
    if (cfg.warmup < 0 && cfg.warmup != -1)
        return um_usage("--warmup %g: expected 0 or more, or -1", cfg.warmup);
    if (cfg.warmup > (double)cfg.o.epochs && cfg.o.epochs > 0 && cfg.o.steps == 0)
        return um_usage("--warmup %g of %lld epochs", cfg.warmup, (long long)cfg.o.epochs);
    cfg.o.run       = cfg.common.output;
    cfg.o.seed      = (uint64_t)cfg.common.seed;
    cfg.o.workers   = um_jobs(&cfg.common);
    cfg.o.mix       = is(cfg.mix, "joint") ? UM_MIX_JOINT : UM_MIX_SEPARATE;
    cfg.o.precision = is(cfg.precision, "bf16") ? UM_BF16 : UM_F32;
    cfg.o.warmup    = cfg.warmup;
    UM_TRY(um_modalities_parse(cfg.modalities ? cfg.modalities : "2d,3d", cfg.use));
    UM_TRY(parse_method());
    UM_TRY(parse_start());
    return um_clip_parse(cfg.clip, &cfg.o.optim);
}

/* the size of a vocabulary that must be the streams' */
static int count_pieces(const struct um_data *d)
{
    struct um_vocab *v = NULL;

    if (!cfg.vocab)
        return UM_OK;
    UM_TRY(um_vocab_load(&v, cfg.vocab));
    const bool same      = !d->vocab[0] || strcmp(v->digest, d->vocab) == 0;
    cfg.start.vocab_size = v->size;
    um_vocab_free(v);
    return same ? UM_OK : um_fail(UM_EMISMATCH, "%s: not the vocabulary of the streams", cfg.vocab);
}

/* ---- the run ---- */

static void told_scan(void *user, int64_t done, int64_t total)
{
    (void)user;
    um_progress_set(cfg.bar, (double)done, (double)total, done, "checked");
}

static double clock_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* the loss, the newest held-out one, and the share of the time that data kept it waiting */
static void told_step(void *user, const struct um_pretrain_now *now)
{
    char extra[128];
    int  n;

    (void)user;
    cfg.waited = now->waited / fmax(clock_now() - cfg.began, 1e-9);
    n          = snprintf(extra, sizeof extra, "loss %.4f", now->loss);
    if (!isnan(now->held))
        n += snprintf(extra + n, sizeof extra - (size_t)n, "  held-out %.4f", now->held);
    if (cfg.waited >= 0.02)
        (void)snprintf(extra + n, sizeof extra - (size_t)n, "  waiting for data %.0f %%",
                       100 * cfg.waited);
    um_progress_set(cfg.bar, (double)now->step, (double)now->steps, now->step, extra);
}

/* a model, and data that go with it */
static int prepare(struct um_data *d, struct um_dev *dev, struct um_pool *pool, struct um_model **m)
{
    int st;

    UM_TRY(count_pieces(d));
    UM_TRY(um_start_model(&cfg.start, d, dev, m));
    UM_TRY(um_progress_new(&cfg.bar, &tool, "records"));
    st = um_data_scan(d, &(*m)->cfg, cfg.use, pool, told_scan, NULL);
    um_progress_free(cfg.bar);
    if (st >= 0 && cfg.modalities)
        st = um_data_demand(d, cfg.use);
    return st;
}

static int train(struct um_data *d, struct um_dev *dev, struct um_pool *pool, struct um_model **m)
{
    const struct um_pretrain_hooks hooks = { .told = told_step, .stop = stop, .warn = warn };
    struct um_memory               mem;
    struct um_repeats              r = { 0 };
    int                            st;

    UM_TRY(um_ranks_agree(cfg.o.ranks, prepare(d, dev, pool, m)));
    if (cfg.explain) /* by one rank, of one */
        return um_ranks_rank(cfg.o.ranks) > 0 ? UM_OK : um_pretrain_explain(*m, d, &cfg.o, NULL);
    um_note(&tool, "%s, %s, %lld X-rays, %lld volumes", um_ranks_name(cfg.o.ranks),
            um_dev_name(dev), (long long)d->train[UM_2D].n, (long long)d->train[UM_3D].n);
    cfg.o.pool = pool;
    if (!d->pipe && d->valid[UM_2D].n + d->valid[UM_3D].n == 0)
        um_note(&tool, "no record has split valid: no held-out loss, no best.safetensors");
    UM_TRY(um_progress_new(&cfg.bar, &tool, "steps"));
    cfg.began = clock_now();
    st        = um_pretrain_run(*m, d, &cfg.o, &hooks);
    um_progress_free(cfg.bar);
    um_note(&tool, "waited %.2f %% of the time for data", 100 * cfg.waited);
    if (st >= 0 && um_dev_kernels(dev)->memory(dev, &mem) >= 0 && mem.total > 0)
        um_note(&tool, "at most %.0f MiB of the device's %.0f were allocated",
                (double)mem.peak / 1048576, (double)mem.total / 1048576);
    if (st >= 0 && um_dev_kernels(dev)->repeats && um_dev_kernels(dev)->repeats(dev, &r) >= 0 &&
        r.asked > 0)
        um_note(&tool, "%.1f %% of %llu kernels and copies ran in %llu captured graphs",
                100 * (double)r.repeated / (double)r.asked, (unsigned long long)r.asked,
                (unsigned long long)r.captured);
    return st;
}

/* a device whose memory does not suffice: the options that ask for less of it, and which of them
 * the next --resume would take */
static int advise(struct um_dev *dev, int st)
{
    struct um_memory m = { 0 };
    char             text[UM_ERRMSG_MAX];

    (void)snprintf(text, sizeof text, "%s", um_errmsg());
    if (st != UM_ENOMEM || um_dev_kernels(dev)->memory(dev, &m) < 0 || m.wanted == 0) {
        um_seterrmsg(text);
        return st;
    }
    return um_fail(
        st, "%s: less is needed with --accumulate above %lld%s%s, a smaller --batch%s", text,
        (long long)cfg.o.parts, cfg.o.recompute ? "" : ", --checkpoint-activations",
        cfg.o.precision == UM_BF16 ? "" : ", --precision bf16",
        !cfg.o.resume     ? ""
        : cfg.o.recompute ? ", none of which a run that has begun takes"
                          : "; a run that has begun takes --checkpoint-activations alone");
}

static int run(char **files)
{
    struct um_pool  *pool = NULL;
    struct um_dev   *dev  = NULL;
    struct um_data  *d    = NULL;
    struct um_model *m    = NULL;
    int              st;

    UM_TRY(parse());
    um_stop_on_signal();
    UM_TRY(um_ranks_open(&cfg.o.ranks));
    if (um_ranks_rank(cfg.o.ranks) > 0)
        cfg.common.quiet = true; /* one of them talks */
    if ((st = um_ranks_agree(cfg.o.ranks, um_data_open(&d, files))) >= 0 &&
        (st = um_pool_new(&pool, um_jobs(&cfg.common))) >= 0 &&
        (st = um_place(&dev, cfg.o.ranks, cfg.common.device, pool)) >= 0)
        st = advise(dev, train(d, dev, pool, &m));
    um_model_free(m);
    um_dev_close(dev);
    um_pool_free(pool);
    um_data_close(d);
    return st;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN); /* losing the terminal must not lose the run */
    const int st   = run(um_args(&tool, argc, argv));
    const int code = um_exit(&tool, um_ranks_blame(cfg.o.ranks, st));

    return um_ranks_close(cfg.o.ranks, st, code);
}
