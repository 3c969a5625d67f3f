/* opts.c - the effective values of options, for a stream's history */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int um_opts_value(struct um_arena *a, const struct um_opt *opts, struct um_value *map)
{
    *map = (struct um_value){ .kind = UM_MAP };
    for (const struct um_opt *o = opts; o->type != UM_T_END; o++) {
        struct um_value v = { .kind = UM_NIL };

        if (!o->record)
            continue;
        switch (o->type) {
        case UM_T_FLAG: v = (struct um_value){ .kind = UM_BOOL, .b = *(const bool *)o->to }; break;
        case UM_T_INT: v = (struct um_value){ .kind = UM_INT, .i = *(const int64_t *)o->to }; break;
        case UM_T_NUM:
            v = (struct um_value){ .kind = UM_FLOAT, .f = *(const double *)o->to };
            break;
        default: break;
        }
        if ((o->type == UM_T_STR || o->type == UM_T_CHOICE) && *(const char *const *)o->to)
            UM_TRY(um_map_set_str(a, map, o->name, *(const char *const *)o->to));
        else
            UM_TRY(um_map_set(a, map, o->name, &v));
    }
    return UM_OK;
}
