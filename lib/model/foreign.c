/* foreign.c - names of encoders in files: where they begin, how they read, what else is there */
/* SPDX-License-Identifier: Apache-2.0 */
#include "model/foreign.h"

#include <stdio.h>
#include <string.h>

#include "model/listing.h"

/* `#` is the number of a block; what follows the pattern (".weight") stays */
struct rule {
    const char *ours, *theirs[UM_JOINED];
};

struct um_scheme {
    const char        *kind;
    enum um_part       part;
    const char        *anchor; /* a tensor that every file of the kind has once */
    const struct rule *rule;   /* NULL: the names are ours */
};

static const struct rule vit_rules[] = {
    { "cls_token", { "embeddings.cls_token" } },
    { "pos_embed", { "embeddings.position_embeddings" } },
    { "patch_embed.proj", { "embeddings.patch_embeddings.projection" } },
    { "blocks.#.norm1", { "encoder.layer.#.layernorm_before" } },
    { "blocks.#.attn.qkv",
      { "encoder.layer.#.attention.attention.query", "encoder.layer.#.attention.attention.key",
        "encoder.layer.#.attention.attention.value" } },
    { "blocks.#.attn.proj", { "encoder.layer.#.attention.output.dense" } },
    { "blocks.#.norm2", { "encoder.layer.#.layernorm_after" } },
    { "blocks.#.mlp.fc1", { "encoder.layer.#.intermediate.dense" } },
    { "blocks.#.mlp.fc2", { "encoder.layer.#.output.dense" } },
    { "norm", { "layernorm" } },
    { NULL, { NULL } },
};

static const struct rule vit5_rules[] = {
    { "cls_token", { "embeddings.cls_token" } },
    { "pos_embed", { "embeddings.position_embeddings" } },
    { "patch_embed.proj", { "embeddings.patch_embeddings.projection" } },
    { "blocks.#.norm1", { "layers.#.layernorm_before" } },
    { "blocks.#.attn.qkv",
      { "layers.#.attention.q_proj", "layers.#.attention.k_proj", "layers.#.attention.v_proj" } },
    { "blocks.#.attn.proj", { "layers.#.attention.o_proj" } },
    { "blocks.#.norm2", { "layers.#.layernorm_after" } },
    { "blocks.#.mlp.fc1", { "layers.#.mlp.fc1" } },
    { "blocks.#.mlp.fc2", { "layers.#.mlp.fc2" } },
    { "norm", { "layernorm" } },
    { NULL, { NULL } },
};

static const struct um_scheme schemes[] = {
    { "timm", UM_VISION, "blocks.0.attn.qkv.weight", NULL },
    { "transformers ViT", UM_VISION, "encoder.layer.0.attention.attention.query.weight",
      vit_rules },
    { "transformers ViT", UM_VISION, "layers.0.attention.q_proj.weight", vit5_rules },
    { "BERT", UM_TEXT, "encoder.layer.0.attention.self.query.weight", NULL },
};
enum { NSCHEME = sizeof schemes / sizeof schemes[0] };

static const struct um_scheme ours[] = { { "um", UM_VISION, NULL, NULL },
                                         { "um", UM_TEXT, NULL, NULL } };

/* ours alone: no file of another kind has them */
static const char *const own[] = { "mask_token", "pos_embed_3d", "patch_embed_3d." };

/* left out knowingly; one that ends in a dot or `_` is the beginning of names */
static const char *const spare[2][12] = {
    { "head.", "pre_logits.", "fc_norm.", "classifier.", "pooler.", "mask_token", "masked_embed",
      "decoder_", "embeddings.mask_token" },
    { "pooler.", "cls.", "classifier.", "embeddings.position_ids", "embeddings.token_type_ids" },
};

/* signs of encoders that compute something else */
static const struct {
    const char *has, *is;
} other[] = {
    { "dist_token", "distillation token" },
    { "distillation_token", "distillation token" },
    { "head_dist.", "distillation token" },
    { "reg_token", "register tokens" },
    { "register_tokens", "register tokens" },
    { "storage_tokens", "register tokens" },
    { ".ls1.", "LayerScale" },
    { ".ls2.", "LayerScale" },
    { ".gamma_1", "LayerScale" },
    { ".gamma_2", "LayerScale" },
    { ".q_norm.", "normalised queries" },
    { ".k_norm.", "normalised keys" },
    { "norm_pre.", "norm before the blocks" },
    { "rel_pos", "relative positions" },
    { "relative_position", "relative positions" },
};

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* ---- where it is ---- */

/* the length of the prefix if name is one, a dot (or nothing) and the anchor; else -1 */
static int anchored(const char *name, const char *anchor)
{
    const size_t n = strlen(name), k = strlen(anchor);

    if (n < k || strcmp(name + n - k, anchor) != 0 || (n > k && name[n - k - 1] != '.'))
        return -1;
    return (int)(n - k);
}

struct places {
    const char             *wanted; /* a prefix, or how it begins; NULL: any */
    struct um_listing       all, fit;
    const struct um_scheme *scheme; /* of the first that fits, or of the one that is just it */
    const char             *prefix;
    bool                    exact;
};

static bool is_prefix(const char *prefix, const char *wanted)
{
    const size_t n = strlen(wanted);

    return begins(prefix, wanted) && (!prefix[n] || strcmp(prefix + n, ".") == 0);
}

static int place(struct places *p, struct um_arena *a, const char *name,
                 const struct um_scheme *scheme)
{
    const int   n = anchored(name, scheme->anchor);
    const char *prefix;

    if (n < 0)
        return UM_OK;
    if (!(prefix = um_strndup(a, name, (size_t)n)))
        return UM_ENOMEM;
    um_listing_add(&p->all, "%.100s", n ? prefix : "(none)");
    if (p->exact || (p->wanted && !begins(prefix, p->wanted)))
        return UM_OK;
    um_listing_add(&p->fit, "%.100s", n ? prefix : "(none)");
    p->exact = p->wanted && is_prefix(prefix, p->wanted);
    if (p->fit.n == 1 || p->exact) {
        p->scheme = scheme;
        p->prefix = prefix;
    }
    return UM_OK;
}

static int nowhere(struct places *p, enum um_part part)
{
    if (p->all.n > 0)
        return um_fail(UM_EMISSING, "nothing under the prefix %s: the encoder's is %s", p->wanted,
                       um_listing_text(&p->all));
    if (part == UM_TEXT)
        return um_fail(UM_EMISSING, "not a BERT: no %s, under any prefix", schemes[3].anchor);
    return um_fail(UM_EMISSING,
                   "not a ViT: no %s (timm, DINO, MAE), %s or %s (transformers), "
                   "under any prefix",
                   schemes[0].anchor, schemes[1].anchor, schemes[2].anchor);
}

int um_foreign_find(struct um_foreign *f, struct um_arena *a, const struct um_weights *w,
                    enum um_part part, const char *prefix)
{
    struct places p = { .wanted = prefix };

    for (int i = 0; i < um_weights_count(w); i++)
        for (int s = 0; s < NSCHEME; s++)
            if (schemes[s].part == part)
                UM_TRY(place(&p, a, um_weights_at(w, i)->name, &schemes[s]));
    if (!p.scheme)
        return nowhere(&p, part);
    if (p.fit.n > 1 && !p.exact)
        return um_fail(UM_EMISMATCH, "encoders under several prefixes, %s: say which by --prefix",
                       um_listing_text(&p.fit));
    *f = (struct um_foreign){ w, part, p.scheme, p.prefix };
    return UM_OK;
}

void um_foreign_ours(struct um_foreign *f, const struct um_weights *w, enum um_part part,
                     const char *prefix)
{
    *f = (struct um_foreign){ w, part, &ours[part], prefix };
}

const char *um_foreign_kind(const struct um_foreign *f)
{
    return f->scheme->kind;
}

/* ---- how it reads ---- */

/* what follows the pattern in name, "" or ".weight"; NULL if it does not fit. block gets the digits
 * that stand for `#`. */
static const char *match(const char *name, const char *pattern, char block[16])
{
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (*name++ != *pattern)
                return NULL;
            continue;
        }
        const size_t n = strspn(name, "0123456789");

        if (n == 0 || n > 9)
            return NULL;
        (void)snprintf(block, 16, "%.*s", (int)n, name);
        name += n;
    }
    return *name && *name != '.' ? NULL : name;
}

static const char *expand(struct um_arena *a, const char *prefix, const char *pattern,
                          const char *block, const char *tail)
{
    const char  *hash = strchr(pattern, '#');
    const size_t n    = hash ? (size_t)(hash - pattern) : strlen(pattern);

    return um_sprintf(a, "%s%.*s%s%s%s", prefix, (int)n, pattern, hash ? block : "",
                      hash ? hash + 1 : "", tail);
}

static int by_rule(const struct um_foreign *f, struct um_arena *a, const char *name,
                   const char *out[UM_JOINED])
{
    char block[16] = "";

    for (const struct rule *r = f->scheme->rule; r->ours; r++) {
        const char *tail = match(name, r->ours, block);
        int         n    = 0;

        if (!tail)
            continue;
        for (; n < UM_JOINED && r->theirs[n]; n++)
            if (!(out[n] = expand(a, f->prefix, r->theirs[n], block, tail)))
                return UM_ENOMEM;
        return n;
    }
    return 0;
}

/* old files have LayerNorm.gamma and .beta */
static int by_name(const struct um_foreign *f, struct um_arena *a, const char *name,
                   const char *out[UM_JOINED])
{
    static const char norm[] = "LayerNorm.";
    const char       *at     = strstr(name, norm);
    const char       *old;

    if (!(out[0] = um_sprintf(a, "%s%s", f->prefix, name)))
        return UM_ENOMEM;
    if (f->part == UM_TEXT && at && !um_weights_find(f->w, out[0])) {
        old = strcmp(at + strlen(norm), "weight") == 0 ? "gamma" : "beta";
        old = um_sprintf(a, "%s%.*s%s", f->prefix, (int)(at - name + (int)strlen(norm)), name, old);
        if (!old)
            return UM_ENOMEM;
        if (um_weights_find(f->w, old))
            out[0] = old;
    }
    return 1;
}

int um_foreign_source(const struct um_foreign *f, struct um_arena *a, const char *name,
                      const char *out[UM_JOINED])
{
    const bool mine = f->scheme == &ours[f->part];

    for (size_t i = 0; !mine && f->part == UM_VISION && i < sizeof own / sizeof own[0]; i++)
        if (begins(name, own[i]))
            return 0;
    return f->scheme->rule ? by_rule(f, a, name, out) : by_name(f, a, name, out);
}

/* ---- what else is there ---- */

bool um_foreign_spare(const struct um_foreign *f, const char *name, const char **why)
{
    *why = "";
    for (const char *const *s = spare[f->part]; *s; s++) {
        const char last = (*s)[strlen(*s) - 1];

        if (last == '.' || last == '_' ? begins(name, *s) : strcmp(name, *s) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        if (strstr(name, other[i].has))
            *why = other[i].is;
    return false;
}
