/* nrrd_space.c - the axes of a NRRD file in the patient */
/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/nrrd_int.h"

static bool one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* does axis i lie in space, so far as its kind says? */
static int judge_kind(const char *kind, bool *space)
{
    static const char *const in_space[] = { "domain", "space", "???", "none", NULL };
    static const char *const times[]    = { "time", "list", NULL };

    *space = one_of(kind, in_space);
    if (!*space && !one_of(kind, times))
        return um_fail(UM_EUNSUPPORTED, "an axis of kind %s: not one number a voxel", kind);
    return UM_OK;
}

/* numbers of the first vector: four where time is one of the axes of space, as SimpleITK writes it
 */
static int components(const char *text)
{
    int n = 1;

    for (text = strchr(text, '('); text && *text && *text != ')'; text++)
        n += *text == ',';
    return n;
}

/* the next "(x,y,z)", or "(x,y,z,t)", or "none" of *text: 1, 0; -1: none of them */
static int vector(char **text, double v[UM_NRRD_AXES], int n)
{
    char *p = um_trim(*text), *end;

    if (strncmp(p, "none", 4) == 0) {
        *text = p + 4;
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (*p != "(,,,"[i])
            return -1;
        v[i] = strtod(p + 1, &end);
        if (end == p + 1 || !isfinite(v[i]))
            return -1;
        p = um_trim(end);
    }
    *text = p + 1;
    return *p == ')' ? 1 : -1;
}

/* mm of the header's unit; um is also written with the Greek letter in two encodings */
static int unit(const struct um_nrrd *h, double *mm)
{
    const char *text = h->value[UM_NRRD_UNITS];
    char        name[16];
    size_t      n;

    *mm = 1;
    if (!text || *text != '"')
        return UM_OK;
    n = strcspn(++text, "\"");
    if (n >= sizeof name)
        n = sizeof name - 1;
    memcpy(name, text, n);
    name[n] = 0;
    if (strcmp(name, "cm") == 0)
        *mm = 10;
    else if (strcmp(name, "m") == 0)
        *mm = 1000;
    else if (strcmp(name, "um") == 0 || strcmp(name, "\xb5m") == 0 ||
             strcmp(name, "\xc2\xb5m") == 0 || strcmp(name, "\xce\xbcm") == 0)
        *mm = 0.001;
    else if (*name && strcmp(name, "mm") != 0 && strcmp(name, "???") != 0)
        return um_fail(UM_EUNSUPPORTED, "space units \"%s\", expected m, cm, mm or um", name);
    return UM_OK;
}

/* signs that bring the named space to RAS; a -time space has one axis more, of its own kind */
static int frame(const char *space, double sign[3])
{
    static const struct {
        const char *name[4];
        double      sign[3];
    } known[] = { { { "right-anterior-superior", "RAS", "right-anterior-superior-time", "RAST" },
                    { 1, 1, 1 } },
                  { { "left-anterior-superior", "LAS", "left-anterior-superior-time", "LAST" },
                    { -1, 1, 1 } },
                  { { "left-posterior-superior", "LPS", "left-posterior-superior-time", "LPST" },
                    { -1, -1, 1 } } };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        for (int k = 0; k < 4; k++)
            if (strcmp(space, known[i].name[k]) == 0) {
                memcpy(sign, known[i].sign, sizeof known[i].sign);
                return UM_OK;
            }
    return um_fail(UM_EUNSUPPORTED, "space %s is not the patient's, expected RAS, LAS or LPS",
                   space);
}

/* kinds, and directions that are "none", say which axis is time; else it is the fourth */
static int find_time(struct um_nrrd *h, const bool *space)
{
    int outside = 0;

    h->time = -1;
    for (int i = 0; i < h->dims; i++)
        if (!space[i]) {
            h->time = i;
            outside++;
        }
    if (outside == 0 && h->dims == 4) {
        h->time = 3;
        outside = 1;
    }
    if (outside > 1 || h->dims - outside != 3)
        return um_fail(UM_EUNSUPPORTED, "%d axes in space and %d others: not a volume",
                       h->dims - outside, outside);
    return UM_OK;
}

/* the columns of the affine, one for each axis in space; without directions, lengths alone */
static void set_columns(const struct um_nrrd *h, const double v[][UM_NRRD_AXES],
                        const double *length, const double sign[3], double mm, double affine[12])
{
    int c = 0;

    for (int i = 0; i < h->dims; i++) {
        if (i == h->time)
            continue;
        for (int r = 0; r < 3; r++)
            affine[4 * r + c] = sign[r] * (length ? (r == c) * length[i] : v[i][r]) * mm;
        c++;
    }
}

/* spacings alone: NaN where an axis has none */
static int by_spacings(struct um_nrrd *h, const bool *space, struct um_scan *out)
{
    static const double lps[3]               = { -1, -1, 1 };
    double              length[UM_NRRD_AXES] = { 1, 1, 1, 1 };
    char               *text                 = h->value[UM_NRRD_SPACINGS], *word, *end;

    UM_TRY(find_time(h, space));
    for (int i = 0; text && i < h->dims; i++) {
        word      = um_word(&text);
        length[i] = word ? strtod(word, &end) : 0;
        if (!word || *end)
            return um_fail(UM_EFORMAT, "spacings are not %d numbers", h->dims);
        if (i != h->time && !(length[i] > 0 && isfinite(length[i])))
            return um_fail(UM_EFORMAT, "spacing along axis %d is %g mm, must be positive", i + 1,
                           length[i]);
    }
    out->form = "spacing";
    um_scan_note(out, h->value[UM_NRRD_SPACINGS]
                          ? "no space directions: axes taken to run left, back, head as stored"
                          : "neither space directions nor spacings: 1 mm, left, back, head as "
                            "stored");
    set_columns(h, NULL, length, lps, 1, out->volume.affine);
    return UM_OK;
}

int um_nrrd_space(struct um_nrrd *h, struct um_scan *out)
{
    char  *kinds = h->value[UM_NRRD_KINDS], *dirs = h->value[UM_NRRD_DIRECTIONS], *word;
    char  *origin                        = h->value[UM_NRRD_ORIGIN];
    bool   space[UM_NRRD_AXES]           = { true, true, true, true };
    double v[UM_NRRD_AXES][UM_NRRD_AXES] = { { 0 } }, sign[3] = { -1, -1, 1 };
    double at[UM_NRRD_AXES] = { 0 }, mm;
    int    n;

    for (int i = 0; kinds && i < h->dims; i++) {
        word = um_word(&kinds);
        if (!word)
            return um_fail(UM_EFORMAT, "kinds are not %d words", h->dims);
        UM_TRY(judge_kind(word, &space[i]));
    }
    if (!dirs)
        return by_spacings(h, space, out);
    n = components(dirs) == 4 ? 4 : 3;
    for (int i = 0; i < h->dims; i++) {
        const int got = vector(&dirs, v[i], n);

        if (got < 0)
            return um_fail(UM_EFORMAT, "space directions are not %d vectors of %d numbers", h->dims,
                           n);
        if (v[i][3] != 0 && (v[i][0] != 0 || v[i][1] != 0 || v[i][2] != 0))
            return um_fail(UM_EUNSUPPORTED, "axis %d runs through space and time", i + 1);
        space[i] = space[i] && got && v[i][3] == 0;
    }
    UM_TRY(find_time(h, space));
    if (h->value[UM_NRRD_SPACE])
        UM_TRY(frame(h->value[UM_NRRD_SPACE], sign));
    else
        um_scan_note(out, "no space named: taken as left, back, head");
    UM_TRY(unit(h, &mm));
    if (origin && vector(&origin, at, n) != 1)
        return um_fail(UM_EFORMAT, "space origin is not a vector of %d numbers", n);
    for (int r = 0; r < 3; r++)
        out->volume.affine[4 * r + 3] = sign[r] * at[r] * mm;
    out->form = "space directions";
    set_columns(h, (const double(*)[UM_NRRD_AXES])v, NULL, sign, mm, out->volume.affine);
    return UM_OK;
}
