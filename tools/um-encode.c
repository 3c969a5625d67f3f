/* um-encode - images, volumes and texts to vectors and attention
 *
 * reads   image uint8 [1,H,W] (cropped) or float32 [1,N,N], volume float32 [D,H,W]; ids, ids_mask
 * writes  cls [C], embedding [E], tokens [T,C], attention [S,P] (2D: [1,P]), text_cls,
 * text_embedding
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "cli/flow.h"
#include "eval/features.h"
#include "model/slice.h"

static struct config {
    struct um_common common;
    const char      *weights, *init, *precision, *use;
    int64_t          vocab, batch, slices;
    bool             spread;

    struct um_features     want;
    struct um_pool        *pool;
    struct um_dev         *dev;
    struct um_model       *model;
    struct um_encoder     *encoder;
    struct um_encode_item *items; /* of the group in hand */
    struct um_flow_item   *group;
    char                   digest[33];
} cfg = { .common = UM_COMMON_INIT, .precision = "f32", .use = "student", .batch = 16 };

enum { WINDOW = 4 }; /* batches that are looked over for records of one kind */

static const struct um_opt opts[] = {
    UM_OPT_STR('m', "model", "FILE", &cfg.weights, false, "the weights (safetensors)"),
    UM_OPT_STR(0, "init", "PRESET", &cfg.init, true,
               "random weights of this size instead, by --seed"),
    UM_OPT_INT(0, "vocab", "N", &cfg.vocab, 0, 1 << 24, true,
               "with --init: size of the vocabulary; 0: the preset's"),
    UM_OPT_CHOICE(0, "use", "student|teacher", &cfg.use, true, "which network of the weights"),
    UM_OPT_INT(0, "with-slices", "K", &cfg.slices, 0, UM_SLICE_MAX, true,
               "encode a volume with the K slices that its attention picks; 0: alone"),
    UM_OPT_FLAG(0, "spread", &cfg.spread, true, "the middle slice of each of the K best slabs"),
    UM_OPT_FLAG(0, "attention", &cfg.want.attention, true, "add attention: Eq. 1 of [CLS]"),
    UM_OPT_FLAG(0, "tokens", &cfg.want.tokens, true, "add tokens: the last layer's, without [CLS]"),
    UM_OPT_FLAG(0, "text", &cfg.want.text, true, "add text_cls and text_embedding of ids"),
    UM_OPT_FLAG(0, "drop-input", &cfg.want.drop, true, "leave image, volume, ids and ids_mask out"),
    UM_OPT_INT(0, "batch", "N", &cfg.batch, 1, 4096, true, "records at once"),
    UM_OPT_CHOICE(0, "precision", "f32|bf16", &cfg.precision, true, "of activations"),
    UM_OPT_SEED(&cfg.common),
    UM_OPT_DEVICE(&cfg.common),
    UM_OPT_OUTPUT(&cfg.common),
    UM_OPT_JOBS(&cfg.common),
    UM_OPT_LEVEL(&cfg.common),
    UM_OPT_ERRORS(&cfg.common),
    UM_OPT_TALK(&cfg.common),
    UM_OPT_END
};

static const struct um_tool tool = {
    "um-encode",
    "images, volumes and texts to vectors and attention",
    "[file ...]",
    "  um-encode -m run/model.safetensors test.umt -o test-vectors.umt\n"
    "  um-encode -m run/model.safetensors --attention ct.umt | um-select-slices -k 4\n"
    "  um-encode --init vit-b --seed 1 test.umt -o random-vectors.umt\n",
    opts,
    &cfg.common
};

static int take(void *user, int64_t i, int worker)
{
    struct um_flow_item   *g  = &cfg.group[i];
    struct um_encode_item *it = &cfg.items[i];
    const int              st = um_features_take(&cfg.want, g->arena, g->rec, it);

    (void)user, (void)worker;
    if (st < 0) {
        um_flow_fail(g, st);
        *it = (struct um_encode_item){ .mod = UM_2D }; /* nothing to do */
    }
    return UM_OK;
}

static int give(void *user, int64_t i, int worker)
{
    struct um_flow_item *g = &cfg.group[i];
    int                  st;

    (void)user, (void)worker;
    if (g->st >= 0 && ((st = um_features_done(&cfg.want, g->rec)) < 0 ||
                       (st = um_emit_record(g->emit, g->rec)) < 0))
        um_flow_fail(g, st);
    return UM_OK;
}

static int encode(void *user, struct um_flow_item *group, int n)
{
    (void)user;
    cfg.group = group;
    UM_TRY(um_pool_run(cfg.pool, n, take, NULL));
    UM_TRY(um_encoder_run(cfg.encoder, cfg.items, n));
    return um_pool_run(cfg.pool, n, give, NULL);
}

/* the model must fit the stream; its digest, and on what it ran, go into the history */
static int begin_part(void *user, struct um_arena *a, const struct um_value *in,
                      struct um_value *out)
{
    struct um_value history, *mine;

    (void)user;
    if (cfg.weights) /* random weights were trained with nothing */
        UM_TRY(um_features_header(&cfg.want, in));
    UM_TRY(um_value_copy(a, um_map_get(out, "history"), &history));
    mine = &history.item[history.n - 1];
    UM_TRY(um_map_set_str(a, mine, "model", cfg.digest));
    UM_TRY(um_map_set_str(a, mine, "device", um_dev_kind(cfg.dev)));
    return um_map_set(a, out, "history", &history);
}

static int open_model(void)
{
    struct um_model_config c;

    if (cfg.weights) {
        UM_TRY(um_model_load(&cfg.model, cfg.dev, cfg.weights, NULL));
        if (strcmp(cfg.use, "teacher") == 0)
            UM_TRY(um_model_use_teacher(cfg.model, cfg.weights));
        return um_model_digest(cfg.model, cfg.digest);
    }
    UM_TRY(um_model_preset(cfg.init, &c));
    c.vocab = cfg.vocab > 0 ? cfg.vocab : c.vocab;
    UM_TRY(um_model_new(&cfg.model, cfg.dev, &c));
    UM_TRY(um_model_init(cfg.model, (uint64_t)cfg.common.seed));
    return um_model_digest(cfg.model, cfg.digest);
}

static int open_all(void)
{
    const enum um_dtype dt = strcmp(cfg.precision, "bf16") == 0 ? UM_BF16 : UM_F32;

    UM_TRY(um_pool_new(&cfg.pool, um_jobs(&cfg.common)));
    UM_TRY(um_dev_open(&cfg.dev, cfg.common.device, cfg.pool));
    UM_TRY(open_model());
    cfg.want.cfg = &cfg.model->cfg;
    um_note(&tool, "%s; model %s, %s", um_dev_name(cfg.dev), cfg.model->cfg.preset, cfg.digest);
    if (!(cfg.items = calloc((size_t)(WINDOW * cfg.batch), sizeof *cfg.items)))
        return um_fail(UM_ENOMEM, "out of memory");
    const struct um_encoder_opts eo = {
        .dtype = dt, .batch = cfg.batch, .slices = cfg.slices, .spread = cfg.spread
    };

    return um_encoder_new(&cfg.encoder, cfg.model, &eo);
}

static int run(char **files)
{
    const struct um_flow flow = { .tool       = &tool,
                                  .common     = &cfg.common,
                                  .files      = files,
                                  .part       = begin_part,
                                  .group      = encode,
                                  .group_size = WINDOW * cfg.batch };
    int                  st;

    if (!cfg.weights == !cfg.init)
        return um_usage("either -m FILE or --init PRESET");
    if (cfg.init && strcmp(cfg.use, "student") != 0)
        return um_usage("--use teacher goes with -m: random weights have none");
    if (cfg.vocab > 0 && !cfg.init)
        return um_usage("--vocab goes with --init: a model file has its own");
    if ((st = open_all()) >= 0)
        st = um_flow_run(&flow);
    um_encoder_free(cfg.encoder);
    free(cfg.items);
    um_model_free(cfg.model);
    um_dev_close(cfg.dev);
    um_pool_free(cfg.pool);
    return st;
}

int main(int argc, char **argv)
{
    return um_exit(&tool, run(um_args(&tool, argc, argv)));
}
