/* lines.h - the lines of a text header, and the numbers in them */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_LINES_H
#define UM_MEDIA_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

struct um_lines {
    const uint8_t *at, *end;
    int            taken;
};

enum { UM_LINE_MAX = 1 << 16, UM_LINES_MAX = 1 << 16 }; /* bytes of a line, lines of a header */

/* um_lines_next - the next line without its end (LF or CR LF), NUL-terminated in the arena. 1: a
 * line; 0: no more; UM_EFORMAT: longer than UM_LINE_MAX, with a NUL in it, or after
 * UM_LINES_MAX others; UM_ENOMEM. */
UM_RESULT_USED int um_lines_next(struct um_lines *l, struct um_arena *a, char **text);

/* um_trim - the text without spaces and tabs around it (cut in place) */
char *um_trim(char *text);

/* um_split - cut at the first `mark`; the part before, trimmed, and *rest behind it, trimmed; NULL
 * where there is none, text unchanged */
char *um_split(char *text, const char *mark, char **rest);

/* um_word - the next word of *text, which moves behind it (cut in place); NULL at the end */
char *um_word(char **text);

/* um_nums, um_ints - exactly n numbers, finite and nothing behind them; false otherwise */
bool um_nums(const char *text, double *x, int n);
bool um_ints(const char *text, int64_t *x, int n);

/* a field that matters, of the number `key` in its reader's list; some have several names */
struct um_field {
    const char *name;
    int         key;
};

/* um_field_keep - list[key] = value, if the name is among known[0..n-1]; others are passed over.
 * UM_EFORMAT: it was there already. */
UM_RESULT_USED int um_field_keep(const struct um_field *known, size_t n, const char *name,
                                 char *value, char **list);

#endif
