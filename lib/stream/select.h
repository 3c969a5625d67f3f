/* select.h - which records of a stream are wanted */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_STREAM_SELECT_H
#define UM_STREAM_SELECT_H

#include "stream/tensor.h"

/* um_list_split - "a,b,c" into its words (empty ones are refused: UM_EUSAGE naming `what`) */
UM_API UM_RESULT_USED int um_list_split(struct um_arena *a, const char *what, const char *list,
                                        const char ***word, int *n);
/* um_meta_get - the value called `name` in meta; "label.Edema" is also looked for as "Edema" in the
 * map "label". NULL: none */
UM_API const struct um_value *um_meta_get(const struct um_value *meta, const char *name);

struct um_select_opts {
    const char *key; /* "k1,k2", or "@FILE": a key a line */
    const char
        *range; /* "a:b": records a .. b-1 of the input, counted from 0; either may be left out */
    const char *grep;   /* POSIX extended regular expression on the key */
    const char *where;  /* "split=train,label.Edema!=1": all must hold */
    double      sample; /* 0: all; otherwise the fraction that is drawn, by seed and key */
    uint64_t    seed;
};

struct um_select;

/* um_select_open - NULL members select all. UM_EUSAGE says what is wrong with which */
UM_API UM_RESULT_USED int um_select_open(struct um_select **s, const struct um_select_opts *opts);
/* is the record of that number and key wanted, as far as number and key tell? */
UM_API bool um_select_key(struct um_select *s, int64_t number, const char *key);
/* ... and as far as meta tells */
UM_API bool um_select_meta(const struct um_select *s, const struct um_value *meta);
/* um_select_draw - the number in [0,1) that belongs to a key: a sample is the keys with the lowest
 */
UM_API double um_select_draw(uint64_t seed, const char *key);
/* um_select_lot - which of n records to take, and in which order: all, or `lot` of them if that is
 * not 0 and less, those of the lowest draws; ascending, or permuted by the seed if `shuffle`.
 * number[n] (ascending) and draw[n] are the records'; *m are taken: number[0..*m-1]. UM_ENOMEM */
UM_API UM_RESULT_USED int um_select_lot(uint64_t seed, int64_t lot, bool shuffle, int64_t *number,
                                        const double *draw, int64_t n, int64_t *m);
/* um_select_close - UM_EMISSING if st >= 0 and a key that was asked for by name never came. Takes
 * NULL; returns st or its own error */
UM_API UM_RESULT_USED int um_select_close(struct um_select *s, int st);

#endif
