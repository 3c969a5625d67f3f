/* list.c - what is in a weights file, as text */
/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/list.h"

static int list_head(struct um_outfile *out, const char *path, const struct um_weights *w)
{
    const bool ours   = um_weights_meta(w, "um.config");
    int64_t    values = 0;

    for (int i = 0; i < um_weights_count(w); i++) /* no file can hold so many that they overflow */
        values += um_tensor_count(um_weights_at(w, i));
    return um_outfile_printf(out, "# %s: %s%s, %d tensors, %lld values\n", path,
                             um_weights_format(w), ours ? ", a model of um" : "",
                             um_weights_count(w), (long long)values);
}

/* on one line, whatever the file's writer put between its fields */
static int list_config(struct um_outfile *out, const char *json)
{
    UM_TRY(um_outfile_printf(out, "# um.config "));
    for (; *json; json++)
        UM_TRY(um_outfile_write(out, (unsigned char)*json < ' ' || *json == 127 ? " " : json, 1));
    return um_outfile_write(out, "\n", 1);
}

int um_weights_list(struct um_outfile *out, const char *path, const struct um_weights *w, bool head,
                    bool config)
{
    const char *json = um_weights_meta(w, "um.config");
    char        shape[UM_SHAPE_TEXT];

    if (head)
        UM_TRY(list_head(out, path, w));
    if (config && json)
        UM_TRY(list_config(out, json));
    for (int i = 0; i < um_weights_count(w); i++) {
        const struct um_tensor *t = um_weights_at(w, i);

        UM_TRY(um_outfile_printf(out, "%s\t%s\t%s\n", t->name, um_weights_dtype(w, t),
                                 um_shape_text(t, shape, sizeof shape)));
    }
    return UM_OK;
}
