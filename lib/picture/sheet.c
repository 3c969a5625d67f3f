/* sheet.c - thumbnails and what stands beneath them */
/* SPDX-License-Identifier: Apache-2.0 */
#include "picture/sheet.h"

#include <string.h>

#include "picture/font.h"

enum { LINE = UM_FONT_H + 1, LETTERS = (UM_SHEET_CELL - 1) / UM_FONT_W };

struct um_sheet_cell {
    struct um_picture picture;
    const char       *key, *about;
};

static int append(struct um_arena *a, const char **text, const char *more)
{
    if (!more || !*more)
        return UM_OK;
    *text = um_sprintf(a, "%s%s%s", *text, **text ? " " : "", more);
    return *text ? UM_OK : UM_ENOMEM;
}

/* "test 2 Edema Effusion" */
static int about(struct um_arena *a, const struct um_record *rec, const char **text)
{
    const struct um_value *label = um_map_get(&rec->meta, "label");
    double                 x;

    *text = "";
    UM_TRY(append(a, text, um_map_str(&rec->meta, "split")));
    UM_TRY(append(a, text, um_map_str(&rec->meta, "class")));
    for (int64_t i = 0; label && label->kind == UM_MAP && i < label->n; i++)
        if (um_map_num(label, label->key[i], &x) && x > 0 && strlen(*text) < 2 * LETTERS)
            UM_TRY(append(a, text, label->key[i]));
    return UM_OK;
}

static int new_cell(struct um_sheet *s, struct um_sheet_cell **cell)
{
    if (s->n == s->cap) {
        const int             cap = s->cap ? 2 * s->cap : 16;
        struct um_sheet_cell *c   = um_alloc_array(s->arena, cap, sizeof *c);

        if (!c)
            return UM_ENOMEM;
        if (s->n)
            memcpy(c, s->cell, (size_t)s->n * sizeof *c);
        s->cell = c;
        s->cap  = cap;
    }
    *cell = &s->cell[s->n];
    return UM_OK;
}

/* in the middle of its cell */
static void centre(struct um_picture *to, const struct um_picture *from)
{
    const int64_t c = to->channels, x = (to->width - from->width) / 2,
                  y = (to->height - from->height) / 2;

    for (int64_t r = 0; r < from->height; r++)
        memcpy(&to->pixel[((y + r) * to->width + x) * c], &from->pixel[r * from->width * c],
               (size_t)(from->width * c));
}

static int add_slice(struct um_sheet *s, struct um_arena *scratch, const struct um_scene *scene,
                     int64_t i)
{
    const int             channels = s->view->over ? 3 : 1;
    struct um_sheet_cell *cell;
    struct um_picture     slice;

    UM_TRY(new_cell(s, &cell));
    UM_TRY(um_scene_slice(scratch, scene, i, &slice));
    UM_TRY(um_picture_new(s->arena, UM_SHEET_CELL, UM_SHEET_CELL, channels, &cell->picture));
    centre(&cell->picture, &slice);
    cell->key = scene->n > 1 ? um_sprintf(s->arena, "%s %lld", scene->rec->key,
                                          (long long)um_scene_number(scene, i))
                             : um_strdup(s->arena, scene->rec->key);
    UM_TRY(about(s->arena, scene->rec, &cell->about));
    if (!cell->key)
        return UM_ENOMEM;
    s->two |= *cell->about != 0;
    s->n++;
    return UM_OK;
}

int um_sheet_add(struct um_sheet *s, const struct um_record *rec, const struct um_tensor *t,
                 unsigned *has)
{
    struct um_scene  scene;
    struct um_arena *scratch;
    int              st;

    UM_TRY(um_scene_open(s->view, rec, t, UM_SLICES_MIDDLE, UM_SHEET_CELL, &scene));
    *has = scene.has;
    UM_TRY(um_arena_new(&scratch));
    st = UM_OK;
    for (int64_t i = 0; st >= 0 && i < scene.n; i++) {
        st = add_slice(s, scratch, &scene, i);
        um_arena_reset(scratch);
    }
    um_arena_free(scratch);
    return st;
}

int um_sheet_draw(const struct um_sheet *s, struct um_picture *p)
{
    struct um_picture tile;

    if (s->n == 0)
        return um_fail(UM_EMISSING, "no image and no volume to draw: run um-preprocess");
    const int64_t side = UM_SHEET_CELL, height = side + LINE * (s->two ? 2 : 1);
    const int     channels = s->cell[0].picture.channels;

    UM_TRY(um_picture_tiles(s->arena, s->n, side, height, channels, p));
    UM_TRY(um_picture_new(s->arena, side, height, channels, &tile));
    for (int i = 0; i < s->n; i++) {
        const struct um_sheet_cell *c = &s->cell[i];

        memset(tile.pixel, 0, (size_t)(side * height * channels));
        memcpy(tile.pixel, c->picture.pixel, (size_t)(side * side * channels));
        um_picture_text(&tile, 1, side + 1, c->key, LETTERS, false);
        um_picture_text(&tile, 1, side + 1 + LINE, c->about, LETTERS, true);
        um_picture_tile(p, i, s->n, &tile);
    }
    return UM_OK;
}
