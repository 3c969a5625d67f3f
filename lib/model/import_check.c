/* import_check.c - what a file lacks, has in another shape, or has too much: all in one message */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "model/import_int.h"

struct found { /* in one file */
    struct um_listing missing, misshapen, unknown, left_out;
};

/* ---- shapes ---- */

/* what parameter p is called in a message: its shape, in the words of the file */
static const char *wanted(const struct import *im, int i, int parts)
{
    const struct um_param *p   = &im->m->ps->list[i];
    struct um_tensor       t   = { .ndim = p->ndim };
    char                  *buf = um_alloc(im->a, 2 * UM_SHAPE_TEXT), other[UM_SHAPE_TEXT];

    if (!buf)
        return "?";
    memcpy(t.dim, p->dim, (size_t)p->ndim * sizeof p->dim[0]);
    if (parts > 1)
        t.dim[0] /= parts;
    (void)um_shape_text(&t, buf, UM_SHAPE_TEXT);
    if (i == im->m->vit->patch.w && !im->supply[VISION].ours) {
        t.dim[1] = 3;
        return um_sprintf(im->a, "%s or %s", buf, um_shape_text(&t, other, sizeof other));
    }
    if (i == im->m->vit->pos_embed)
        return um_sprintf(im->a, "%s or of another square grid", buf);
    return buf;
}

static bool same_dims(const struct um_tensor *t, const struct um_param *p, int from)
{
    for (int d = from; d < p->ndim; d++)
        if (t->dim[d] != p->dim[d])
            return false;
    return t->ndim == p->ndim;
}

static bool fits(const struct import *im, int i, int parts, const struct um_tensor *t)
{
    const struct um_param *p = &im->m->ps->list[i];
    bool                   cls;

    if (t->ndim != p->ndim)
        return false;
    if (i == im->m->vit->pos_embed)
        return t->dim[0] == 1 && t->dim[2] == p->dim[2] && t->dim[1] < (1 << 24) &&
               grid_side(t->dim[1], &cls) > 0;
    if (i == im->m->vit->patch.w)
        return t->dim[0] == p->dim[0] && same_dims(t, p, 2) &&
               (t->dim[1] == 1 || (t->dim[1] == 3 && !im->supply[VISION].ours));
    if (parts > 1)
        return p->dim[0] % parts == 0 && t->dim[0] == p->dim[0] / parts && same_dims(t, p, 1);
    return same_dims(t, p, 0);
}

/* ---- one file ---- */

/* the number of a tensor: at() is sorted by name */
static int number(const struct um_weights *w, const char *name)
{
    int lo = 0, hi = um_weights_count(w);

    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2, c = strcmp(um_weights_at(w, mid)->name, name);

        if (c == 0)
            return mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

static int check_param(struct import *im, enum group g, int i, struct found *x)
{
    struct supply          *s = &im->supply[g];
    const char             *name[UM_JOINED];
    const struct um_tensor *t[UM_JOINED];
    int                     n;

    UM_TRY(n = import_source(im, i, name, t));
    for (int k = 0; k < n; k++) {
        const char *shape;
        char        got[UM_SHAPE_TEXT];
        int         at;

        if (!t[k]) {
            um_listing_add(&x->missing, "%s %s", name[k], wanted(im, i, n));
            continue;
        }
        if ((at = number(s->f.w, name[k])) >= 0)
            s->used[at] = true;
        s->taken++;
        if (import_floats(t[k]) && fits(im, i, n, t[k]))
            continue;
        shape = um_shape_text(t[k], got, sizeof got);
        um_listing_add(&x->misshapen, "%s (expected %s%s, got %s %s)", name[k],
                       import_floats(t[k]) ? "" : "floating-point ", wanted(im, i, n),
                       um_weights_dtype(s->f.w, t[k]), shape);
    }
    return UM_OK;
}

/* a layer past those that are wanted: the first N of a text encoder may be taken alone */
static bool later_layer(const struct import *im, enum group g, const char *name)
{
    static const char at[] = "encoder.layer.";

    return g == TEXT && strncmp(name, at, sizeof at - 1) == 0 &&
           strtoll(name + sizeof at - 1, NULL, 10) >= im->m->cfg.text_layers;
}

/* tensors of the encoder's prefix that nothing was made of */
static void check_rest(const struct import *im, enum group g, struct found *x)
{
    const struct supply *s = &im->supply[g];
    const size_t         n = strlen(s->f.prefix);

    for (int i = 0; i < um_weights_count(s->f.w); i++) {
        const char *name = um_weights_at(s->f.w, i)->name, *why;

        if (s->used[i] || strncmp(name, s->f.prefix, n) != 0)
            continue;
        if (later_layer(im, g, name + n) || um_foreign_spare(&s->f, name + n, &why))
            um_listing_add(&x->left_out, "%.100s", name);
        else if (*why)
            um_listing_add(&x->unknown, "%.100s (%s)", name, why);
        else
            um_listing_add(&x->unknown, "%.100s", name);
    }
}

/* one more sentence of the message */
static const char *say(struct um_arena *a, const char *so_far, struct um_listing *l,
                       const char *what)
{
    if (l->n == 0)
        return so_far;
    return um_sprintf(a, "%s%s%d %s: %s", so_far, *so_far ? "; " : "", l->n, what,
                      um_listing_text(l));
}

static int check_group(struct import *im, enum group g, const char **said, int *st)
{
    struct supply *s    = &im->supply[g];
    struct found   x    = { 0 };
    const char    *text = "", *rest;

    if (!s->path)
        return UM_OK;
    if (!(s->used = um_calloc_array(im->a, um_weights_count(s->f.w), sizeof *s->used)))
        return UM_ENOMEM;
    for (int i = 0; i < im->m->ps->n; i++)
        if (import_group(im->m->ps->list[i].name, &rest) == g)
            UM_TRY(check_param(im, g, i, &x));
    if (g != REST) /* the encoders, a checkpoint's moments, a teacher */
        check_rest(im, g, &x);
    text = say(im->a, text, &x.missing, "missing");
    text = text ? say(im->a, text, &x.misshapen, "of another shape or type") : NULL;
    text = text ? say(im->a, text, &x.unknown, "not known") : NULL;
    if (text && *text) {
        *st  = x.missing.n ? UM_EMISSING : x.misshapen.n ? UM_ESHAPE : UM_EMISMATCH;
        text = um_sprintf(im->a, "%s%s%s does not fit %s: %s", *said, **said ? "; " : "", s->path,
                          im->cfg.preset[0] ? im->cfg.preset : "the configuration", text);
    } else if (text) {
        text = *said;
    }
    if (x.left_out.n)
        s->left_out = um_strdup(im->a, um_listing_text(&x.left_out));
    *said = text;
    return text ? UM_OK : UM_ENOMEM;
}

/* a kernel of three channels cannot be folded without knowing what they were */
static int check_pixels(const struct import *im)
{
    const struct supply    *s = &im->supply[VISION];
    const char             *name[UM_JOINED];
    const struct um_tensor *t[UM_JOINED] = { NULL };

    if (!s->path || s->ours || im->o->pixels.n)
        return UM_OK;
    UM_TRY(import_source(im, im->m->vit->patch.w, name, t));
    if (!t[0] || t[0]->dim[1] == 1)
        return UM_OK;
    return um_fail(UM_EUSAGE,
                   "%s: %s sees three channels, and no file says how they were scaled: --pixels "
                   "half (timm's augreg), --pixels imagenet (DINO, DeiT, MAE), --pixels unit (0 to "
                   "1), or --mean and --std",
                   s->path, name[0]);
}

int import_check(struct import *im)
{
    const char *said = "";
    int         st   = UM_OK;

    for (int g = 0; g < GROUPS; g++)
        UM_TRY(check_group(im, (enum group)g, &said, &st));
    return st < 0 ? um_fail(st, "%s", said) : check_pixels(im);
}
