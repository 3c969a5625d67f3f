/* um-tokenize - reports to word pieces; images and volumes to patches
 *
 * reads   meta report; with --patches image [1,H,W] uint8 or float32, volume [D,H,W] float32
 * writes  ids [112] int32, ids_mask [112] uint8; patches [T,P] float32 and meta grid; header vocab,
 *         cased, norm; or with --train-vocab a vocab.txt learned from the reports
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "cli/flow.h"
#include "media/patches.h"
#include "text/tokenize.h"
#include "text/vocab_train.h"
#include "text/wordpiece.h"

static struct config {
    struct um_common common;
    const char      *vocab_file, *clean, *sentences, *missing, *patch_3d, *norm;
    int64_t          train, patch_2d, crop;
    bool             patches;

    struct um_vocab        *vocab;
    struct um_tokenize_opts text;
    struct um_patches_opts  cut;
} cfg = { .common      = UM_COMMON_INIT,
          .clean       = "method",
          .sentences   = "method",
          .missing     = "error",
          .patch_3d    = "4x16x16",
          .norm        = "zero-one",
          .patch_2d    = 16,
          .crop        = 224,
          .text.length = 112 };

static const struct um_opt opts[] = {
    UM_OPT_STR(0, "vocab", "FILE", &cfg.vocab_file, false, "vocab.txt: add ids and ids_mask"),
    UM_OPT_INT(0, "max-length", "N", &cfg.text.length, UM_IDS_MIN, UM_IDS_MAX, true,
               "ids a record, [CLS] and [SEP] included"),
    UM_OPT_FLAG(0, "cased", &cfg.text.cased, true, "keep capitals and accents"),
    UM_OPT_CHOICE(0, "clean", "method|none", &cfg.clean, true,
                  "sections, sentences and words of the method, or the report as it is"),
    UM_OPT_CHOICE(0, "sentences", "method|strict", &cfg.sentences, true,
                  "cut at every full stop, or not in 1.5, Dr. and ___"),
    UM_OPT_CHOICE(0, "missing", "error|pass", &cfg.missing, true,
                  "a record without report (image, volume): refuse it, or let it through"),
    UM_OPT_FLAG(0, "patches", &cfg.patches, true, "add the patches of the image or volume"),
    UM_OPT_INT(0, "patch-2d", "N", &cfg.patch_2d, 1, 4096, true, "side of an image's patch"),
    UM_OPT_STR(0, "patch-3d", "ZxYxX", &cfg.patch_3d, true, "size of a volume's patch"),
    UM_OPT_INT(0, "crop", "N", &cfg.crop, 0, 65536, true,
               "side of the centre crop of uint8 images; 0: none"),
    UM_OPT_CHOICE(0, "norm", "zero-one|mgca", &cfg.norm, true, "range of patches: 0..1, or -1..1"),
    UM_OPT_INT(0, "train-vocab", "N", &cfg.train, 0, UM_VOCAB_MAX, false,
               "learn N word pieces from the reports and write them as vocab.txt"),
    UM_OPT_OUTPUT(&cfg.common),
    UM_OPT_JOBS(&cfg.common),
    UM_OPT_LEVEL(&cfg.common),
    UM_OPT_ERRORS(&cfg.common),
    UM_OPT_TALK(&cfg.common),
    UM_OPT_END
};

static const struct um_tool tool = {
    "um-tokenize",
    "reports to word pieces, images to patches",
    "[file ...]",
    "  um-tokenize --train-vocab 8000 train.umt -o vocab.txt\n"
    "  um-preprocess manifest.tsv | um-tokenize --vocab vocab.txt -o train.umt\n",
    opts,
    &cfg.common
};

static int tokenize(void *user, int worker, struct um_arena *a, struct um_record *rec,
                    struct um_emit *e)
{
    (void)user, (void)worker;
    if (cfg.vocab)
        UM_TRY(um_tokenize_record(&cfg.text, a, rec));
    if (cfg.patches &&
        (!cfg.text.pass || um_record_find(rec, "image") || um_record_find(rec, "volume")))
        UM_TRY(um_patches_record(a, &cfg.cut, rec));
    return um_emit_record(e, rec);
}

/* what a model must agree with goes into the header; the digest into history too, as `model` does
 */
static int begin_part(void *user, struct um_arena *a, const struct um_value *in,
                      struct um_value *out)
{
    const struct um_value cased = { .kind = UM_BOOL, .b = cfg.text.cased };
    struct um_value       history;

    (void)user, (void)in;
    if (cfg.patches)
        UM_TRY(um_map_set_str(a, out, "norm", cfg.norm));
    if (!cfg.vocab)
        return UM_OK;
    UM_TRY(um_value_copy(a, um_map_get(out, "history"), &history));
    UM_TRY(um_map_set_str(a, &history.item[history.n - 1], "vocab", cfg.vocab->digest));
    UM_TRY(um_map_set(a, out, "history", &history));
    UM_TRY(um_map_set_str(a, out, "vocab", cfg.vocab->digest));
    UM_TRY(um_map_set_int(a, out, "vocab_size", cfg.vocab->size));
    return um_map_set(a, out, "cased", &cased);
}

static int learn(char **files, struct um_vocab_train *t, struct um_arena *a)
{
    struct um_outfile *out     = NULL;
    int64_t            skipped = 0;
    char              *text;
    size_t             n;
    int                st;

    if (!*files)
        UM_TRY(um_tokenize_learn(&cfg.text, t, NULL, &skipped));
    for (; *files; files++)
        UM_TRY(um_tokenize_learn(&cfg.text, t, *files, &skipped));
    if (skipped > 0)
        um_warn(&tool, "%lld records skipped: no text to learn from", (long long)skipped);
    UM_TRY(st = um_vocab_train_run(t, cfg.train, a, &text, &n));
    if (st < cfg.train)
        um_warn(&tool, "%d pieces, not %lld: no other pair is seen twice in these reports", st,
                (long long)cfg.train);
    UM_TRY(um_outfile_open(&out, cfg.common.output));
    return um_outfile_close(out, um_outfile_write(out, text, n), 0);
}

static int train(char **files)
{
    struct um_vocab_train *t = NULL;
    struct um_arena       *a = NULL;
    int                    st;

    if ((st = um_vocab_train_new(&t, cfg.text.cased)) >= 0 && (st = um_arena_new(&a)) >= 0)
        st = learn(files, t, a);
    um_arena_free(a);
    um_vocab_train_free(t);
    return st;
}

/* what the table of options cannot say */
static int check(void)
{
    long long zyx[3] = { 0, 0, 0 };
    int       end    = 0;

    if (cfg.train > 0 && (cfg.vocab_file || cfg.patches || cfg.common.rejects))
        return um_usage("--train-vocab writes a vocabulary, not a stream: no --vocab, --patches or "
                        "--rejects with it");
    if (cfg.train > 0 && cfg.train < UM_VOCAB_TRAIN_MIN)
        return um_usage("--train-vocab %d: at least %d", (int)cfg.train, UM_VOCAB_TRAIN_MIN);
    if (cfg.train == 0 && !cfg.vocab_file && !cfg.patches)
        return um_usage("nothing to do: --vocab FILE, --patches or --train-vocab N");
    if (sscanf(cfg.patch_3d, "%4lldx%4lldx%4lld%n", zyx, zyx + 1, zyx + 2, &end) != 3 ||
        cfg.patch_3d[end] || zyx[0] < 1 || zyx[1] < 1 || zyx[2] < 1)
        return um_usage("--patch-3d %s: expected ZxYxX, as 4x16x16", cfg.patch_3d);
    if (cfg.patches && cfg.crop % cfg.patch_2d != 0)
        return um_usage("--crop %lld: not a multiple of --patch-2d %lld", (long long)cfg.crop,
                        (long long)cfg.patch_2d);
    for (int i = 0; i < 3; i++)
        cfg.cut.patch_3d[i] = zyx[i];
    return UM_OK;
}

static void settle(void)
{
    const bool mgca = strcmp(cfg.norm, "mgca") == 0;

    cfg.cut.crop     = cfg.crop;
    cfg.cut.patch_2d = cfg.patch_2d;
    cfg.cut.scale    = mgca ? 2 : 1;
    cfg.cut.shift    = mgca ? -1 : 0;
    cfg.text.clean   = strcmp(cfg.clean, "method") == 0;
    cfg.text.strict  = strcmp(cfg.sentences, "strict") == 0;
    cfg.text.pass    = strcmp(cfg.missing, "pass") == 0;
    cfg.text.skip    = strcmp(cfg.common.on_error, "skip") == 0;
}

static int run(char **files)
{
    const struct um_flow flow = {
        .tool = &tool, .common = &cfg.common, .files = files, .part = begin_part, .map = tokenize
    };
    int st;

    UM_TRY(check());
    settle();
    if (cfg.train > 0)
        return train(files);
    if (cfg.vocab_file)
        UM_TRY(um_vocab_load(&cfg.vocab, cfg.vocab_file));
    cfg.text.vocab = cfg.vocab;
    st             = um_flow_run(&flow);
    um_vocab_free(cfg.vocab);
    return st;
}

int main(int argc, char **argv)
{
    return um_exit(&tool, run(um_args(&tool, argc, argv)));
}
