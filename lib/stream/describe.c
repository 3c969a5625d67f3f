/* describe.c - text and JSON for um-show */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/describe.h"

#include <math.h>
#include <string.h>

#include "stream/stats.h"
#include "stream/umt.h"

/* name=JSON for each entry of a map but those named in skip (NULL-terminated) */
static int print_fields(struct um_outfile *out, struct um_arena *scratch,
                        const struct um_value *map, const char *const *skip)
{
    for (int64_t i = 0; map->kind == UM_MAP && i < map->n; i++) {
        bool  wanted = true;
        char *json;

        for (const char *const *s = skip; *s; s++)
            wanted = wanted && strcmp(map->key[i], *s) != 0;
        if (!wanted)
            continue;
        UM_TRY(um_value_json(scratch, &map->item[i], &json));
        UM_TRY(um_outfile_printf(out, " %s=%s", map->key[i], json));
    }
    return UM_OK;
}

static int print_step(struct um_outfile *out, struct um_arena *scratch, const struct um_value *step)
{
    static const char *const told[] = { "tool", "version", "options", NULL };
    static const char *const none[] = { NULL };
    const char            *tool = um_map_str(step, "tool"), *version = um_map_str(step, "version");
    const struct um_value *options = um_map_get(step, "options");

    UM_TRY(um_outfile_printf(out, "  %s %s", tool ? tool : "?", version ? version : "?"));
    if (options)
        UM_TRY(print_fields(out, scratch, options, none));
    UM_TRY(print_fields(out, scratch, step, told));
    return um_outfile_write(out, "\n", 1);
}

int um_describe_header(struct um_outfile *out, struct um_arena *scratch, int64_t part,
                       const struct um_value *header)
{
    static const char *const told[]  = { "umt", "history", NULL };
    const struct um_value   *history = um_map_get(header, "history");

    UM_TRY(um_outfile_printf(out, "part %lld", (long long)part));
    UM_TRY(print_fields(out, scratch, header, told));
    UM_TRY(um_outfile_write(out, "\n", 1));
    for (int64_t i = 0; history && history->kind == UM_LIST && i < history->n; i++)
        UM_TRY(print_step(out, scratch, &history->item[i]));
    return UM_OK;
}

static int print_tensor(struct um_outfile *out, const struct um_tensor *t)
{
    char            shape[UM_SHAPE_TEXT];
    struct um_stats s;

    um_stats_tensor(t, &s);
    UM_TRY(um_outfile_printf(out, "  %s %s %s", t->name, um_dtype_name(t->dtype),
                             um_shape_text(t, shape, sizeof shape)));
    if (s.count)
        UM_TRY(um_outfile_printf(out, " min %.6g mean %.6g max %.6g std %.6g", s.min, s.mean, s.max,
                                 um_stats_std(&s)));
    return um_outfile_printf(out, " nan %lld", (long long)s.nan);
}

int um_describe_record(struct um_outfile *out, struct um_arena *scratch,
                       const struct um_record *rec, bool meta)
{
    static const char *const none[] = { NULL };

    UM_TRY(um_outfile_printf(out, "%s", rec->key));
    for (int i = 0; i < rec->ntensor; i++)
        UM_TRY(print_tensor(out, &rec->tensor[i]));
    UM_TRY(um_outfile_write(out, "\n", 1));
    if (!meta || rec->meta.n == 0)
        return UM_OK;
    UM_TRY(um_outfile_write(out, "   ", 3));
    UM_TRY(print_fields(out, scratch, &rec->meta, none));
    return um_outfile_write(out, "\n", 1);
}

static int print_json(struct um_outfile *out, struct um_arena *scratch, const struct um_value *v)
{
    char *json;

    UM_TRY(um_value_json(scratch, v, &json));
    return um_outfile_printf(out, "%s\n", json);
}

int um_describe_header_json(struct um_outfile *out, struct um_arena *scratch, int64_t part,
                            const struct um_value *header)
{
    struct um_value line = { .kind = UM_MAP };

    UM_TRY(um_map_set_int(scratch, &line, "part", part));
    UM_TRY(um_map_set(scratch, &line, "header", header));
    return print_json(out, scratch, &line);
}

static int set_tensor(struct um_arena *a, struct um_value *map, const struct um_tensor *t)
{
    struct um_value shape = { .kind = UM_LIST, .n = t->ndim }, v = { .kind = UM_MAP };
    struct um_stats s;

    shape.item = um_calloc_array(a, t->ndim, sizeof *shape.item);
    if (!shape.item)
        return UM_ENOMEM;
    for (int i = 0; i < t->ndim; i++)
        shape.item[i] = (struct um_value){ .kind = UM_INT, .i = t->dim[i] };
    um_stats_tensor(t, &s);
    UM_TRY(um_map_set_str(a, &v, "dtype", um_dtype_name(t->dtype)));
    UM_TRY(um_map_set(a, &v, "shape", &shape));
    UM_TRY(um_map_set_num(a, &v, "min", s.min));
    UM_TRY(um_map_set_num(a, &v, "mean", s.mean));
    UM_TRY(um_map_set_num(a, &v, "max", s.max));
    UM_TRY(um_map_set_num(a, &v, "std", um_stats_std(&s)));
    UM_TRY(um_map_set_int(a, &v, "nan", s.nan));
    return um_map_set(a, map, t->name, &v);
}

int um_describe_record_json(struct um_outfile *out, struct um_arena *scratch,
                            const struct um_record *rec)
{
    struct um_value line = { .kind = UM_MAP }, tensors = { .kind = UM_MAP };

    for (int i = 0; i < rec->ntensor; i++)
        UM_TRY(set_tensor(scratch, &tensors, &rec->tensor[i]));
    UM_TRY(um_map_set_str(scratch, &line, "key", rec->key));
    UM_TRY(um_map_set(scratch, &line, "meta", &rec->meta));
    UM_TRY(um_map_set(scratch, &line, "tensors", &tensors));
    return print_json(out, scratch, &line);
}

static int print_value(struct um_outfile *out, const struct um_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case UM_I64: return um_outfile_printf(out, "%lld", (long long)((const int64_t *)t->data)[i]);
    case UM_F64: return um_outfile_printf(out, "%.17g", ((const double *)t->data)[i]);
    case UM_U8:
    case UM_I16:
    case UM_I32: return um_outfile_printf(out, "%.0f", um_elem_get(t->data, t->dtype, i));
    default: return um_outfile_printf(out, "%.9g", um_elem_get(t->data, t->dtype, i));
    }
}

static int print_values(struct um_outfile *out, const char *key, const struct um_tensor *t)
{
    const int64_t n     = um_tensor_count(t);
    const int64_t row   = t->ndim > 0 ? t->dim[t->ndim - 1] : 1;
    const int64_t plane = t->ndim > 1 ? row * t->dim[t->ndim - 2] : n;
    char          shape[UM_SHAPE_TEXT];

    UM_TRY(um_outfile_printf(out, "# %s %s %s %s\n", key, t->name, um_dtype_name(t->dtype),
                             um_shape_text(t, shape, sizeof shape)));
    for (int64_t i = 0; i < n; i++) {
        UM_TRY(print_value(out, t, i));
        UM_TRY(um_outfile_write(out, (i + 1) % row ? " " : "\n", 1));
        if ((i + 1) % plane == 0)
            UM_TRY(um_outfile_write(out, "\n", 1));
    }
    return UM_OK;
}

int um_describe_values(struct um_outfile *out, const struct um_record *rec, const char *name,
                       int64_t *n)
{
    for (int i = 0; i < rec->ntensor; i++)
        if (!name || strcmp(name, rec->tensor[i].name) == 0) {
            UM_TRY(print_values(out, rec->key, &rec->tensor[i]));
            ++*n;
        }
    return UM_OK;
}
