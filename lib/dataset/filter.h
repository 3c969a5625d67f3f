/* filter.h - which rows of a manifest are kept, and the list of those that are not */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_DATASET_FILTER_H
#define UM_DATASET_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* why a row was dropped */
enum um_drop { UM_DROP_NONE = 0, UM_DROP_FRONTAL, UM_DROP_SENTENCES, UM_DROP_WORDS, UM_NDROP };
UM_API const char *um_drop_name(enum um_drop why); /* "frontal", "sentences", "words" */

struct um_filters {
    bool    frontal;   /* pictures only: the first word of the view is PA or AP, in any case */
    int64_t sentences; /* least number of sentences of the cleaned report; 0: not asked for */
    bool    strict;    /* sentences as um_report_opts has them */
    int64_t words;     /* least number of words in all of them; 0: not asked for */
};

/* um_filters_parse - "frontal,sentences=3,words=3", in any order; NULL or "" keeps all. sentences
 * without words asks for 3 words, as the method does. UM_ERANGE names the part it does not know. */
UM_API UM_RESULT_USED int um_filters_parse(const char *text, struct um_filters *f);

/* um_view_is_frontal - view may be "" (unknown: not frontal) */
UM_API bool um_view_is_frontal(const char *view);

/* what was dropped, from any thread; reported in the order of the manifest's lines */
struct um_dropped;
/* um_dropped_new - list: keep what um_dropped_save writes; else only counts */
UM_API UM_RESULT_USED int um_dropped_new(struct um_dropped **d, bool list);
UM_API UM_RESULT_USED int um_dropped_add(struct um_dropped *d, int64_t line, const char *key,
                                         enum um_drop why);
UM_API int64_t            um_dropped_count(struct um_dropped *d, enum um_drop why);
/* um_dropped_text - "dropped 3 of 10 rows: frontal 1, sentences 2, words 0" into buf; returns buf
 */
#define UM_DROPPED_TEXT 160
UM_API char *um_dropped_text(struct um_dropped *d, int64_t rows, char buf[UM_DROPPED_TEXT]);
/* um_dropped_save - a table in the file `path`: key, filter; the list is then empty, the counts
 * stay */
UM_API UM_RESULT_USED int um_dropped_save(struct um_dropped *d, const char *path);
UM_API void               um_dropped_free(struct um_dropped *d); /* takes NULL */

#endif
