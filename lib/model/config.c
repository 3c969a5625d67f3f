/* config.c - the configuration: presets, JSON both ways, every number checked
 *
 * One table names the fields with their ranges; writing, reading and checking walk it. Optional
 * fields, of parts that a model may lack, are written where they are not 0, and absent ones are 0:
 * so a model without such a part has the JSON, and the digest, that it had before there was one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "model/model.h"

enum kind { INT, NUM, BOOL, STR };

struct field {
    const char *name;
    enum kind   kind;
    size_t      at;
    int         n; /* values (INT, NUM); bytes with the NUL (STR) */
    double      lo, hi;
    bool        optional;
};

#define AT(f) offsetof(struct um_model_config, f)

static const struct field fields[] = {
    { "preset", STR, AT(preset), 32, 0, 0, false },
    { "width", INT, AT(width), 1, 1, 16384, false },
    { "heads", INT, AT(heads), 1, 1, 1024, false },
    { "mlp", INT, AT(mlp), 1, 1, 65536, false },
    { "layers", INT, AT(layers), 1, 1, 256, false },
    { "image", INT, AT(image), 1, 1, 4096, false },
    { "patch", INT, AT(patch), 1, 1, 256, false },
    { "volume", INT, AT(volume), 3, 1, 4096, false },
    { "patch3", INT, AT(patch3), 3, 1, 256, false },
    { "text_width", INT, AT(text_width), 1, 1, 16384, false },
    { "text_heads", INT, AT(text_heads), 1, 1, 1024, false },
    { "text_mlp", INT, AT(text_mlp), 1, 1, 65536, false },
    { "text_layers", INT, AT(text_layers), 1, 1, 256, false },
    { "vocab", INT, AT(vocab), 1, 1, 1 << 24, false },
    { "text_positions", INT, AT(text_positions), 1, 1, 65536, false },
    { "embed", INT, AT(embed), 1, 1, 65536, false },
    { "proj_hidden", INT, AT(proj_hidden), 1, 1, 65536, false },
    { "norm_scale", NUM, AT(norm_scale), 1, -1e6, 1e6, false },
    { "norm_shift", NUM, AT(norm_shift), 1, -1e6, 1e6, false },
    { "text_dropout", NUM, AT(text_dropout), 1, 0, 0.999, false },
    { "window", NUM, AT(window), 2, -1e6, 1e6, false },
    { "bn_shared", BOOL, AT(bn_shared), 1, 0, 1, false },
    { "proj_linear", BOOL, AT(proj_linear), 1, 0, 1, false },
    { "inflate", BOOL, AT(inflate), 1, 0, 1, false },
    { "cased", BOOL, AT(cased), 1, 0, 1, false },
    { "vocab_digest", STR, AT(vocab_digest), 33, 0, 0, false },
    { "prototypes", INT, AT(prototypes), 1, 0, 1 << 20, true },
    { "head_hidden", INT, AT(head_hidden), 1, 0, 65536, true },
    { "head_bottleneck", INT, AT(head_bottleneck), 1, 0, 65536, true },
    { "slice", INT, AT(slice), 1, 0, 4096, true },
    { "slice_embed", BOOL, AT(slice_embed), 1, 0, 1, true },
};
enum { NFIELD = sizeof fields / sizeof fields[0], MAX_TOKENS = 1 << 16 };

/* ---- presets: with their distillation heads, which a model gets when it is asked for ---- */

#define COMMON .norm_scale = 1, .text_dropout = 0.1, .window = { -1000, 1000 }, .inflate = true
#define HEAD(m, hidden, bottleneck)                                                                \
    .prototypes = (m), .head_hidden = (hidden), .head_bottleneck = (bottleneck)

static const struct um_model_config presets[] = {
    { .preset         = "tiny",
      .width          = 32,
      .heads          = 2,
      .mlp            = 64,
      .layers         = 2,
      .image          = 32,
      .patch          = 16,
      .volume         = { 8, 32, 32 },
      .patch3         = { 4, 16, 16 },
      .text_width     = 32,
      .text_heads     = 2,
      .text_mlp       = 64,
      .text_layers    = 2,
      .vocab          = 64,
      .text_positions = 32,
      .embed          = 16,
      .proj_hidden    = 64,
      HEAD(64, 64, 16),
      COMMON },
    { .preset         = "phantom",
      .width          = 96,
      .heads          = 3,
      .mlp            = 384,
      .layers         = 4,
      .image          = 112,
      .patch          = 16,
      .volume         = { 16, 64, 64 },
      .patch3         = { 4, 16, 16 },
      .text_width     = 96,
      .text_heads     = 3,
      .text_mlp       = 384,
      .text_layers    = 4,
      .vocab          = 28996,
      .text_positions = 128,
      .embed          = 64,
      .proj_hidden    = 256,
      HEAD(512, 256, 64),
      COMMON },
    { .preset         = "vit-ti",
      .width          = 192,
      .heads          = 3,
      .mlp            = 768,
      .layers         = 12,
      .image          = 224,
      .patch          = 16,
      .volume         = { 32, 128, 128 },
      .patch3         = { 4, 16, 16 },
      .text_width     = 192,
      .text_heads     = 3,
      .text_mlp       = 768,
      .text_layers    = 12,
      .vocab          = 28996,
      .text_positions = 512,
      .embed          = 128,
      .proj_hidden    = 512,
      HEAD(8192, 2048, 256),
      COMMON },
    { .preset         = "vit-s",
      .width          = 384,
      .heads          = 6,
      .mlp            = 1536,
      .layers         = 12,
      .image          = 224,
      .patch          = 16,
      .volume         = { 32, 128, 128 },
      .patch3         = { 4, 16, 16 },
      .text_width     = 384,
      .text_heads     = 6,
      .text_mlp       = 1536,
      .text_layers    = 12,
      .vocab          = 28996,
      .text_positions = 512,
      .embed          = 128,
      .proj_hidden    = 1024,
      HEAD(8192, 2048, 256),
      COMMON },
    { .preset         = "vit-b",
      .width          = 768,
      .heads          = 12,
      .mlp            = 3072,
      .layers         = 12,
      .image          = 224,
      .patch          = 16,
      .volume         = { 32, 128, 128 },
      .patch3         = { 4, 16, 16 },
      .text_width     = 768,
      .text_heads     = 12,
      .text_mlp       = 3072,
      .text_layers    = 12,
      .vocab          = 28996,
      .text_positions = 512,
      .embed          = 128,
      .proj_hidden    = 2048,
      HEAD(8192, 2048, 256),
      COMMON },
};

static const struct um_model_config *find_preset(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (strcmp(name, presets[i].preset) == 0)
            return &presets[i];
    return NULL;
}

int um_model_preset(const char *name, struct um_model_config *cfg)
{
    const struct um_model_config *p = find_preset(name);

    if (!p)
        return um_fail(UM_ERANGE, "preset %s: expected tiny, phantom, vit-ti, vit-s or vit-b",
                       name);
    *cfg            = *p;
    cfg->prototypes = cfg->head_hidden = cfg->head_bottleneck = 0;
    return UM_OK;
}

void um_model_preset_head(struct um_model_config *cfg)
{
    static const struct um_model_config own = { HEAD(8192, 2048, 256) };
    const struct um_model_config       *p   = find_preset(cfg->preset);

    p                    = p ? p : &own;
    cfg->prototypes      = p->prototypes;
    cfg->head_hidden     = p->head_hidden;
    cfg->head_bottleneck = p->head_bottleneck;
}

/* ---- checks ---- */

static int64_t int_at(const struct um_model_config *cfg, const struct field *f, int i)
{
    int64_t x;

    memcpy(&x, (const char *)cfg + f->at + (size_t)i * sizeof x, sizeof x);
    return x;
}

static double num_at(const struct um_model_config *cfg, const struct field *f, int i)
{
    double x;

    memcpy(&x, (const char *)cfg + f->at + (size_t)i * sizeof x, sizeof x);
    return x;
}

static int check_field(const struct um_model_config *cfg, const struct field *f)
{
    if (f->kind != INT && f->kind != NUM)
        return UM_OK;
    for (int i = 0; i < f->n; i++) {
        const double x = f->kind == INT ? (double)int_at(cfg, f, i) : num_at(cfg, f, i);

        if (!(x >= f->lo && x <= f->hi))
            return um_fail(UM_ERANGE, "um.config: %s %g, expected %g to %g", f->name, x, f->lo,
                           f->hi);
    }
    return UM_OK;
}

static int divides(const char *part, int64_t p, const char *whole, int64_t n)
{
    if (n % p)
        return um_fail(UM_ERANGE, "um.config: %s %lld does not divide %s %lld", part, (long long)p,
                       whole, (long long)n);
    return UM_OK;
}

/* a head has all its sizes, no head has none */
static int check_head(const struct um_model_config *c)
{
    const bool all  = c->prototypes > 0 && c->head_hidden > 0 && c->head_bottleneck > 0;
    const bool none = c->prototypes == 0 && c->head_hidden == 0 && c->head_bottleneck == 0;

    if (all || none)
        return UM_OK;
    return um_fail(UM_ERANGE,
                   "um.config: prototypes %lld, head_hidden %lld, head_bottleneck %lld: expected "
                   "all of them or none",
                   (long long)c->prototypes, (long long)c->head_hidden,
                   (long long)c->head_bottleneck);
}

static int check_digest(const char *s)
{
    const size_t n = strnlen(s, 33);

    if (n != 0 && (n != 32 || strspn(s, "0123456789abcdef") != 32))
        return um_fail(UM_ERANGE, "um.config: vocab_digest is not 32 hexadecimal digits");
    return UM_OK;
}

int64_t um_model_tokens(const struct um_model_config *cfg, enum um_modality mod)
{
    const int64_t side = cfg->image / cfg->patch;

    if (mod == UM_2D)
        return side * side;
    return um_model_slabs(cfg) * (cfg->volume[1] / cfg->patch3[1]) *
           (cfg->volume[2] / cfg->patch3[2]);
}

int64_t um_model_slabs(const struct um_model_config *cfg)
{
    return cfg->volume[0] / cfg->patch3[0];
}

int64_t um_model_slice_side(const struct um_model_config *cfg)
{
    return cfg->slice > 0 ? cfg->slice : cfg->image;
}

int64_t um_model_slice_tokens(const struct um_model_config *cfg)
{
    const int64_t side = um_model_slice_side(cfg) / cfg->patch;

    return side * side;
}

int um_model_config_check(const struct um_model_config *cfg)
{
    for (int i = 0; i < NFIELD; i++)
        UM_TRY(check_field(cfg, &fields[i]));
    UM_TRY(check_head(cfg));
    UM_TRY(divides("heads", cfg->heads, "width", cfg->width));
    UM_TRY(divides("text_heads", cfg->text_heads, "text_width", cfg->text_width));
    UM_TRY(divides("patch", cfg->patch, "image", cfg->image));
    UM_TRY(divides("patch", cfg->patch, "slice", um_model_slice_side(cfg)));
    for (int i = 0; i < 3; i++)
        UM_TRY(divides("patch3", cfg->patch3[i], "volume", cfg->volume[i]));
    for (int mod = UM_2D; mod <= UM_3D; mod++)
        if (um_model_tokens(cfg, (enum um_modality)mod) >= MAX_TOKENS)
            return um_fail(UM_ERANGE, "um.config: %lld tokens, fewer than %d allowed",
                           (long long)um_model_tokens(cfg, (enum um_modality)mod), MAX_TOKENS);
    if (!(cfg->window[0] < cfg->window[1]))
        return um_fail(UM_ERANGE, "um.config: window from %g to %g", cfg->window[0],
                       cfg->window[1]);
    if (!memchr(cfg->preset, 0, sizeof cfg->preset))
        return um_fail(UM_ERANGE, "um.config: preset is too long");
    return check_digest(cfg->vocab_digest);
}

/* ---- JSON ---- */

static json_t *field_value(const struct um_model_config *cfg, const struct field *f, int i)
{
    return f->kind == INT ? json_integer(int_at(cfg, f, i)) : json_real(num_at(cfg, f, i));
}

static json_t *field_json(const struct um_model_config *cfg, const struct field *f)
{
    const char *at = (const char *)cfg + f->at;
    json_t     *list;

    if (f->kind == STR)
        return json_string(at);
    if (f->kind == BOOL)
        return json_boolean(*(const bool *)at);
    if (f->n == 1)
        return field_value(cfg, f, 0);
    list = json_array();
    for (int i = 0; i < f->n; i++)
        if (json_array_append_new(list, field_value(cfg, f, i)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* not of a part that the model lacks */
static bool written(const struct um_model_config *cfg, const struct field *f)
{
    if (!f->optional)
        return true;
    return f->kind == BOOL ? *(const bool *)((const char *)cfg + f->at) : int_at(cfg, f, 0) != 0;
}

int um_model_config_json(struct um_arena *a, const struct um_model_config *cfg, char **json)
{
    json_t *o    = json_object();
    char   *text = NULL;

    UM_TRY(um_model_config_check(cfg));
    for (int i = 0; i < NFIELD && o; i++)
        if (written(cfg, &fields[i]) &&
            json_object_set_new(o, fields[i].name, field_json(cfg, &fields[i])) != 0) {
            json_decref(o);
            o = NULL;
        }
    if (o)
        text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    json_decref(o);
    if (!text)
        return um_fail(UM_ENOMEM, "um.config: out of memory, or a string that is not UTF-8");
    *json = um_strdup(a, text);
    free(text);
    return *json ? UM_OK : UM_ENOMEM;
}

static int parse_number(const json_t *v, const struct field *f, int i, char *at)
{
    if (f->kind == INT) {
        const int64_t x = json_integer_value(v);

        if (!json_is_integer(v))
            return um_fail(UM_EFORMAT, "um.config: %s is not a whole number", f->name);
        memcpy(at + (size_t)i * sizeof x, &x, sizeof x);
    } else {
        const double x = json_number_value(v);

        if (!json_is_number(v))
            return um_fail(UM_EFORMAT, "um.config: %s is not a number", f->name);
        memcpy(at + (size_t)i * sizeof x, &x, sizeof x);
    }
    return UM_OK;
}

static int parse_field(const json_t *v, const struct field *f, char *at)
{
    if (f->kind == STR) {
        const char *s = json_string_value(v);

        if (!s || json_string_length(v) >= (size_t)f->n || strlen(s) != json_string_length(v))
            return um_fail(UM_EFORMAT, "um.config: %s is not a string of at most %d bytes", f->name,
                           f->n - 1);
        strcpy(at, s);
        return UM_OK;
    }
    if (f->kind == BOOL) {
        if (!json_is_boolean(v))
            return um_fail(UM_EFORMAT, "um.config: %s is not true or false", f->name);
        *(bool *)at = json_is_true(v);
        return UM_OK;
    }
    if (f->n == 1)
        return parse_number(v, f, 0, at);
    if (!json_is_array(v) || json_array_size(v) != (size_t)f->n)
        return um_fail(UM_EFORMAT, "um.config: %s is not a list of %d numbers", f->name, f->n);
    for (int i = 0; i < f->n; i++)
        UM_TRY(parse_number(json_array_get(v, (size_t)i), f, i, at));
    return UM_OK;
}

static int parse_object(const json_t *o, struct um_model_config *cfg)
{
    memset(cfg, 0, sizeof *cfg);
    if (!json_is_object(o))
        return um_fail(UM_EFORMAT, "um.config: not a JSON object");
    for (int i = 0; i < NFIELD; i++) {
        const json_t *v = json_object_get(o, fields[i].name);

        if (!v && fields[i].optional)
            continue;
        if (!v)
            return um_fail(UM_EMISSING, "um.config: no %s", fields[i].name);
        UM_TRY(parse_field(v, &fields[i], (char *)cfg + fields[i].at));
    }
    return um_model_config_check(cfg);
}

int um_model_config_parse(const char *json, struct um_model_config *cfg)
{
    json_error_t e;
    json_t      *o = json_loads(json, JSON_REJECT_DUPLICATES, &e);
    int          st;

    if (!o)
        return um_fail(UM_EFORMAT, "um.config: %s", e.text);
    st = parse_object(o, cfg);
    json_decref(o);
    return st;
}

static int change(json_t *o, struct um_model_config *cfg)
{
    const char *key;
    json_t     *v;

    if (!json_is_object(o))
        return um_fail(UM_EFORMAT, "um.config: not a JSON object");
    json_object_foreach(o, key, v)
    {
        const struct field *f = NULL;

        for (int i = 0; i < NFIELD && !f; i++)
            f = strcmp(fields[i].name, key) == 0 ? &fields[i] : NULL;
        if (!f)
            return um_fail(UM_EMISSING, "um.config: no field is called %.64s", key);
        UM_TRY(parse_field(v, f, (char *)cfg + f->at));
    }
    return um_model_config_check(cfg);
}

int um_model_config_change(const char *json, struct um_model_config *cfg)
{
    struct um_model_config c = *cfg;
    json_error_t           e;
    json_t                *o = json_loads(json, JSON_REJECT_DUPLICATES, &e);
    int                    st;

    if (!o)
        return um_fail(UM_EFORMAT, "um.config: %s", e.text);
    if ((st = change(o, &c)) >= 0)
        *cfg = c;
    json_decref(o);
    return st;
}
