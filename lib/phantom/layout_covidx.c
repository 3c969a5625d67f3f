/* layout_covidx.c - COVIDx, version 6: train/, test/ and the lists train_COVIDx9A.txt, test_...
 *
 * A patient with findings has pneumonia or COVID-19, turn about. Every fifth has two pictures, some
 * names hold a space; the pictures of cases 10, 29, 48, ... are not there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "phantom/layout_int.h"

enum { TRAIN, TEST };

static int name_of(const struct um_phantom_case *c, int i, char name[64])
{
    return snprintf(name, 64, "COVIDx-%lld%s.%s", (long long)c->index,
                    i                   ? "-b"
                    : c->index % 8 == 5 ? " (1)"
                                        : "",
                    c->index % 3 ? "png" : "jpg");
}

static int images(const struct um_phantom_case *c)
{
    return c->index % 5 == 1 ? 2 : 1;
}

static int files(const char *dir, const struct um_phantom_case *c)
{
    const char *folder = c->split == 2 ? "test" : "train";
    char        name[64];

    for (int i = 0; i < images(c) && c->index % 19 != 10; i++) {
        (void)name_of(c, i, name);
        if (c->index % 3)
            UM_TRY(um_layout_png(c->xray, c->w, c->h, dir, "%s/%s", folder, name));
        else
            UM_TRY(um_layout_jpeg(c, dir, "%s/%s", folder, name));
    }
    return UM_OK;
}

static void rows(FILE *const *table, const struct um_phantom_case *c)
{
    static const char *const source[] = { "cohen", "rsna", "bimcv" };
    bool                     sick     = false;
    char                     name[64];

    for (int i = 0; i < UM_FINDINGS; i++)
        sick = sick || c->lesion[i].present;
    for (int i = 0; i < images(c); i++) {
        (void)name_of(c, i, name);
        (void)fprintf(table[c->split == 2 ? TEST : TRAIN], "%lld %s %s %s\n", (long long)c->index,
                      name,
                      !sick          ? "normal"
                      : c->index % 2 ? "COVID-19"
                                     : "pneumonia",
                      source[c->index % 3]);
    }
}

const struct um_layout um_layout_covidx = { .name  = "covidx",
                                            .table = { "train_COVIDx9A.txt", "test_COVIDx9A.txt" },
                                            .files = files,
                                            .rows  = rows };
