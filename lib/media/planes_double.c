/* planes_double.c - which of the slices at one place is kept */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/planes_double.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAME_PLACE 1e-3 /* mm: nobody scans slices that close */

const char *um_plane_label(const struct um_plane_at *s, char text[UM_PLANE_LABEL])
{
    if (s->name)
        (void)snprintf(text, UM_PLANE_LABEL, "%s", s->name);
    else
        (void)snprintf(text, UM_PLANE_LABEL, "frame %lld", (long long)s->frame);
    return text;
}

/* places are numbered; returns how many there are */
static int64_t number_places(struct um_plane_at *s, int64_t n)
{
    double at = s[0].along; /* of the first slice there */

    s[0].place = 0;
    for (int64_t i = 1; i < n; i++) {
        const bool same = s[i].along - at <= SAME_PLACE;

        s[i].place = s[i - 1].place + !same;
        at         = same ? at : s[i].along;
    }
    return s[n - 1].place + 1;
}

static int by_place_and_number(const void *a, const void *b)
{
    const struct um_plane_at *s = a, *t = b;

    if (s->place != t->place)
        return s->place < t->place ? -1 : 1;
    if (s->instance != t->instance)
        return s->instance < t->instance ? -1 : 1;
    if (s->file != t->file)
        return s->file < t->file ? -1 : 1;
    return s->frame < t->frame ? -1 : s->frame > t->frame;
}

/* sent twice: the same instance at the same place */
static void drop_same(struct um_plane_at *s, int64_t *n)
{
    int64_t kept = 0, first = 0; /* of its place */

    for (int64_t i = 0; i < *n; i++) {
        bool same = false;

        if (kept > 0 && s[first].place != s[i].place)
            first = kept;
        for (int64_t k = first; k < kept && s[i].uid && *s[i].uid; k++)
            same = same || (s[k].uid && strcmp(s[k].uid, s[i].uid) == 0);
        if (!same)
            s[kept++] = s[i];
    }
    *n = kept;
}

/* whether its slices lie at every place, one at each */
static bool is_whole(const struct um_plane_at *s, int64_t n, int64_t places, int64_t acquisition)
{
    int64_t next = 0;

    for (int64_t i = 0; i < n; i++)
        if (s[i].acquisition == acquisition && s[i].place != next++)
            return false;
    return next == places;
}

/* the lowest number of a whole acquisition; every one has a slice at the first place */
static bool find_whole(const struct um_plane_at *s, int64_t n, int64_t places, int64_t *number)
{
    bool found = false;

    for (int64_t i = 0; i < n && s[i].place == 0; i++)
        if ((!found || s[i].acquisition < *number) && is_whole(s, n, places, s[i].acquisition)) {
            *number = s[i].acquisition;
            found   = true;
        }
    return found;
}

static void keep_acquisition(struct um_plane_at *s, int64_t *n, int64_t acquisition)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < *n; i++)
        if (s[i].acquisition == acquisition)
            s[kept++] = s[i];
    *n = kept;
}

/* what is known of instance numbers at places with several */
struct numbers {
    uint64_t step;     /* from the lowest to the second; 0: not known yet */
    bool     even;     /* it is the same everywhere */
    bool     up, down; /* those that are kept rise all the way, or fall */
    int64_t  low;      /* the one kept before */
    int64_t  last;     /* of those that are kept; the first of those that are not */
    int64_t  rest;
};

/* low is kept, s is not; second: it comes next after low */
static void count(struct numbers *all, const struct um_plane_at *low, const struct um_plane_at *s,
                  bool second)
{
    const uint64_t step = (uint64_t)s->instance - (uint64_t)low->instance;

    if (second) {
        all->even = all->even && (all->step == 0 || all->step == step);
        all->up   = all->up && (all->step == 0 || low->instance > all->low);
        all->down = all->down && (all->step == 0 || low->instance < all->low);
        all->low  = low->instance;
        all->step = step;
    }
    all->last = low->instance > all->last ? low->instance : all->last;
    all->rest = s->instance < all->rest ? s->instance : all->rest;
}

/* by instance numbers, if they tell scans apart */
static int keep_lowest(struct um_plane_at *s, int64_t *n)
{
    struct numbers all = {
        .even = true, .up = true, .down = true, .last = INT64_MIN, .rest = INT64_MAX
    };
    int64_t kept = 1;
    char    text[UM_PLANE_LABEL], other[UM_PLANE_LABEL];

    for (int64_t i = 1; i < *n; i++) {
        const struct um_plane_at *low = &s[kept - 1];

        if (s[i].place != low->place) {
            s[kept++] = s[i];
            continue;
        }
        if (s[i].instance == low->instance)
            return um_fail(UM_EDUPLICATE,
                           "DICOM: %s and %s lie at the same place and have the same instance "
                           "number: which is of which scan is not said",
                           um_plane_label(low, text), um_plane_label(&s[i], other));
        count(&all, low, &s[i], s[i - 1].place != s[i].place || s[i - 1].instance == low->instance);
    }
    if (!all.even && !((all.up || all.down) && all.last < all.rest))
        return um_fail(UM_EDUPLICATE,
                       "DICOM: two scans or more at the same places, as of %s, and neither "
                       "acquisition nor instance numbers tell which is of which",
                       um_plane_label(&s[0], text));
    *n = kept;
    return UM_OK;
}

static int note(struct um_arena *a, int64_t dropped, const int64_t *acquisition,
                struct um_scan *out)
{
    const char *which = "", *text;

    if (acquisition && *acquisition == INT64_MAX)
        which = ": those without an acquisition number are taken";
    else if (acquisition)
        which = um_sprintf(a, ": acquisition number %lld is taken", (long long)*acquisition);
    text = which ? um_sprintf(a, "%lld slices at a place where there is one already are left out%s",
                              (long long)dropped, which)
                 : NULL;
    if (!text)
        return UM_ENOMEM;
    um_scan_note(out, text);
    return UM_OK;
}

static int refuse(const struct um_plane_at *s)
{
    char text[UM_PLANE_LABEL], other[UM_PLANE_LABEL];

    while (s[0].place != s[1].place)
        s++;
    return um_fail(
        UM_EDUPLICATE,
        "DICOM: %s and %s lie at the same place, %g mm (--allow=duplicates leaves one of "
        "them out)",
        um_plane_label(&s[0], text), um_plane_label(&s[1], other), s[1].along);
}

int um_planes_single(struct um_arena *a, struct um_plane_at *s, int64_t *n, bool allowed,
                     struct um_scan *out)
{
    const int64_t before = *n, places = number_places(s, *n);
    int64_t       acquisition = 0;
    bool          whole       = false;

    if (places == before)
        return UM_OK;
    if (!allowed)
        return refuse(s);
    qsort(s, (size_t)*n, sizeof *s, by_place_and_number);
    drop_same(s, n);
    if (*n > places && (whole = find_whole(s, *n, places, &acquisition)))
        keep_acquisition(s, n, acquisition);
    if (*n > places)
        UM_TRY(keep_lowest(s, n));
    return note(a, before - *n, whole ? &acquisition : NULL, out);
}
