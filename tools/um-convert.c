/* um-convert - weights in and out: timm, DINO, MAE, BERT
 *
 * reads   safetensors, sharded safetensors, PyTorch's .bin, .pt and .pth; models of um
 * writes  a model of um, or an encoder under timm's or transformers' names; with --list text
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "model/export.h"
#include "model/import.h"
#include "text/vocab.h"
#include "weights/list.h"

enum { CONFIG_MAX = 1 << 16 }; /* bytes of a file for --config */

static struct config {
    struct um_common common;
    const char      *to, *use, *pixels, *mean, *std, *norm, *config, *vocab, *preset, *dtype;
    int64_t          channels;
    bool             list;
    struct um_import in;
    struct um_model_export_opts out;
} cfg = { .common   = UM_COMMON_INIT,
          .to       = "um",
          .use      = "student",
          .dtype    = "f32",
          .channels = 1,
          .in       = { .mgca = -1 } };

static const struct um_opt opts[] = {
    UM_OPT_STR(0, "vision", "FILE", &cfg.in.vision, true, "take the vision encoder from FILE"),
    UM_OPT_STR(0, "text", "FILE", &cfg.in.text, true, "take the text encoder from FILE"),
    UM_OPT_STR('m', "model", "FILE", &cfg.in.base, true, "take the rest from this model of um"),
    UM_OPT_CHOICE(0, "preset", "tiny|phantom|vit-ti|vit-s|vit-b", &cfg.preset, true,
                  "without -m: sizes, and the rest at random (default vit-b)"),
    UM_OPT_STR(0, "config", "JSON|FILE", &cfg.config, true, "fields of um.config to change"),
    UM_OPT_INT(0, "text-layers", "N", &cfg.in.text_layers, 0, 256, true,
               "take the first N layers of BERT; 0: all"),
    UM_OPT_STR(0, "vocab", "FILE", &cfg.vocab, true, "the vocabulary of the text encoder"),
    UM_OPT_CHOICE(0, "norm", "zero-one|mgca", &cfg.norm, true,
                  "input range of the result: 0..1, or -1..1"),
    UM_OPT_CHOICE(0, "pixels", "imagenet|half|unit", &cfg.pixels, true,
                  "how the other network's pixels are scaled"),
    UM_OPT_STR(0, "mean", "R,G,B", &cfg.mean, true, "the same, as numbers"),
    UM_OPT_STR(0, "std", "R,G,B", &cfg.std, true, "the same, as numbers"),
    UM_OPT_STR(0, "prefix", "P", &cfg.in.prefix, true, "where names begin in FILE, if not found"),
    UM_OPT_CHOICE(0, "use", "student|teacher", &cfg.use, true, "which vision encoder of a model"),
    UM_OPT_CHOICE(0, "to", "um|timm|bert", &cfg.to, true, "what to write"),
    UM_OPT_INT(0, "channels", "N", &cfg.channels, 1, 3, true, "to timm: channels of the input"),
    UM_OPT_CHOICE(0, "dtype", "f32|f16|bf16", &cfg.dtype, true, "to timm and bert: of the values"),
    UM_OPT_FLAG(0, "list", &cfg.list, false, "print names, types and shapes of the files' tensors"),
    UM_OPT_SEED(&cfg.common),
    UM_OPT_OUTPUT(&cfg.common),
    UM_OPT_FLAG('q', "quiet", &cfg.common.quiet, false, "no warnings; tensors alone in a list"),
    UM_OPT_FLAG('v', "verbose", &cfg.common.verbose, false, "say what comes from where"),
    UM_OPT_END
};

static const struct um_tool tool = {
    "um-convert",
    "weights in and out: timm, DINO, MAE, BERT",
    "[file ...]",
    "  um-convert --list vit.safetensors\n"
    "  um-convert --vision vit.safetensors --pixels half --text bert.bin -o start.safetensors\n"
    "  um-convert --vision dino.pth --pixels imagenet --prefix teacher -o start.safetensors\n"
    "  um-convert -m run/model.safetensors --to timm -o vit.safetensors\n",
    opts,
    &cfg.common
};

/* ---- lists ---- */

static int list(char **files)
{
    struct um_outfile *out;
    int                st = UM_OK;

    if (!*files)
        return um_usage("--list: no file");
    UM_TRY(um_outfile_open(&out, cfg.common.output));
    for (; *files && st >= 0; files++) {
        struct um_weights *w;

        if ((st = um_weights_open(&w, *files)) >= 0) {
            st = um_weights_list(out, *files, w, !cfg.common.quiet, cfg.common.verbose);
            um_weights_close(w);
        }
    }
    return um_outfile_close(out, st, 0);
}

/* ---- options ---- */

static int parse_pixels(struct um_pixels *p)
{
    if (!cfg.mean != !cfg.std || (cfg.mean && cfg.pixels))
        return um_usage("either --pixels, or --mean and --std");
    if (cfg.pixels)
        return um_pixels_named(cfg.pixels, p);
    return cfg.mean ? um_pixels_parse(cfg.mean, cfg.std, p) : UM_OK;
}

static int parse(char **files)
{
    const bool  out = strcmp(cfg.to, "um") != 0;
    const char *to  = cfg.common.output ? cfg.common.output : "-";

    if (*files)
        return um_usage("%s: files are named by --vision, --text and -m", *files);
    if (!cfg.in.vision && !cfg.in.text && !cfg.in.base)
        return um_usage("nothing to convert: --vision, --text or -m FILE, or --list");
    if (cfg.preset && cfg.in.base)
        return um_usage("either -m or --preset: a model has its own sizes");
    if (out && (cfg.in.vision || cfg.in.text || !cfg.in.base))
        return um_usage("--to %s writes what is in a model: -m FILE alone", cfg.to);
    if (cfg.channels == 2 || (cfg.channels != 1 && strcmp(cfg.to, "timm") != 0))
        return um_usage("--channels: 1 or 3, with --to timm");
    if (!out && strcmp(cfg.dtype, "f32") != 0)
        return um_usage("--dtype goes with --to timm or bert");
    if (strcmp(cfg.to, "bert") == 0 && (cfg.pixels || cfg.mean))
        return um_usage("a text encoder sees no pixels");
    if (cfg.in.prefix && cfg.in.vision && cfg.in.text)
        return um_usage("--prefix: one of --vision and --text at a time, then the other with -m");
    if (strcmp(to, "-") == 0 && isatty(STDOUT_FILENO))
        return um_usage("weights are not written to a terminal: name a file with -o, or pipe them");
    cfg.in.preset    = cfg.preset ? cfg.preset : "vit-b";
    cfg.in.teacher   = strcmp(cfg.use, "teacher") == 0;
    cfg.in.mgca      = cfg.norm ? strcmp(cfg.norm, "mgca") == 0 : -1;
    cfg.in.seed      = (uint64_t)cfg.common.seed;
    cfg.out.form     = strcmp(cfg.to, "bert") == 0 ? UM_AS_BERT : UM_AS_TIMM;
    cfg.out.dtype    = strcmp(cfg.dtype, "f16") == 0    ? UM_F16
                       : strcmp(cfg.dtype, "bf16") == 0 ? UM_BF16
                                                        : UM_F32;
    cfg.out.channels = (int)cfg.channels;
    return parse_pixels(out ? &cfg.out.pixels : &cfg.in.pixels);
}

/* ---- the work ---- */

static void told(void *user, const char *line)
{
    (void)user;
    um_note(&tool, "%s", line);
}

/* what --config and --vocab name is read into a, v */
static int read_files(struct um_arena *a, struct um_vocab **v)
{
    uint8_t *text;
    size_t   n;

    cfg.in.config = cfg.config;
    if (cfg.config && cfg.config[strspn(cfg.config, " \t\n")] != '{') {
        UM_TRY(um_file_read(a, cfg.config, CONFIG_MAX, &text, &n));
        cfg.in.config = (const char *)text;
    }
    if (!cfg.vocab)
        return UM_OK;
    UM_TRY(um_vocab_load(v, cfg.vocab));
    cfg.in.vocab        = (*v)->size;
    cfg.in.vocab_digest = (*v)->digest;
    return UM_OK;
}

static int convert(void)
{
    struct um_arena *a;
    struct um_vocab *v   = NULL;
    struct um_dev   *dev = NULL;
    struct um_model *m   = NULL;
    int              st;

    cfg.in.told = cfg.common.verbose ? told : NULL;
    UM_TRY(um_arena_new(&a));
    if ((st = read_files(a, &v)) >= 0 && (st = um_dev_open(&dev, "cpu", NULL)) >= 0 &&
        (st = um_model_import(&m, dev, &cfg.in)) >= 0)
        st = strcmp(cfg.to, "um") != 0
                 ? um_model_export(m, cfg.common.output, &cfg.out)
                 : um_model_save(m, cfg.common.output ? cfg.common.output : "-");
    um_model_free(m);
    um_dev_close(dev);
    um_vocab_free(v);
    um_arena_free(a);
    return st;
}

static int run(char **files)
{
    if (cfg.list)
        return list(files);
    UM_TRY(parse(files));
    return convert();
}

int main(int argc, char **argv)
{
    return um_exit(&tool, run(um_args(&tool, argc, argv)));
}
