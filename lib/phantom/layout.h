/* layout.h - made-up patients in the folders that public data sets come in
 *
 * The same cases as in save.h, under the names, with the tables and with the oddities that a data
 * set has once it is unpacked: what pipelines/manifests reads. Beside it lies truth.tsv (save.h).
 * Tables are held in memory until the end, so these trees are small ones.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_PHANTOM_LAYOUT_H
#define UM_PHANTOM_LAYOUT_H

#include <stdio.h>

#include "phantom/phantom.h"

enum { UM_LAYOUT_TABLES = 12 };

struct um_layout {
    const char *name;                    /* "chexpert" */
    const char *table[UM_LAYOUT_TABLES]; /* paths in the folder; NULL after the last one. Those that
                                          * end in .gz are compressed. */
    const char *head[UM_LAYOUT_TABLES];  /* what each begins with; NULL: nothing */
    /* the files of one case, in the folder dir; from any thread */
    int (*files)(const char *dir, const struct um_phantom_case *c);
    /* its lines, each to the file of its table */
    void (*rows)(FILE *const *table, const struct um_phantom_case *c);
    /* in place of writing the tables as they are; NULL: they are. text: one of each table. */
    int (*finish)(const char *dir, char *const *text);
};

#define UM_LAYOUT_NAMES                                                                            \
    "none|amos|bcv|bimcv-covid19plus|cc-ccii|chexpert|covidx|folder|luna16|mimic-cxr-jpg|rsna"

/* um_layout_find - NULL: there is none of that name */
UM_API const struct um_layout *um_layout_find(const char *name);

/* the lines of all tables while cases are made */
struct um_layout_tables;
UM_API UM_RESULT_USED int um_layout_begin(struct um_layout_tables **t, const struct um_layout *l);
/* um_layout_rows - the lines of one case, from any thread: malloc'd, one text for each table; NULL
 * if memory ran out. um_layout_add - append and free them, in the order of the cases. */
UM_API char **um_layout_rows(const struct um_layout *l, const struct um_phantom_case *c);
UM_API UM_RESULT_USED int um_layout_add(struct um_layout_tables *t, char **rows);
/* um_layout_end - write the tables into dir if st is 0; frees t (may be NULL), returns st or its
 * own failure */
UM_API UM_RESULT_USED int um_layout_end(struct um_layout_tables *t, const char *dir, int st);

#endif
