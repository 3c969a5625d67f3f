/* report.h - a radiology report as written -> the plain sentences that the text encoder reads
 *
 * Steps 1, 2, 3 and 5 of um-method(7), "Reports":
 *   sections   a heading is a line of capitals, accents or not (spaces, slashes, commas, hyphens
 * and parentheses between them) up to a colon that white space or the end of the text follows; its
 * text runs to the next heading. A heading without text counts as absent; of two alike the last
 * counts. body       impression + " " + findings, line breaks as spaces; FINDINGS AND IMPRESSION is
 * both and comes once; neither there: the last section's text after its final blank line; no
 * heading at all: everything. sentences  body cut at `[0-9]+\.` and at `.`; each piece lower-cased;
 * its words are the maximal runs of word characters; a piece of one word or none is dropped; then
 * everything outside ASCII is dropped from the words, and words left empty. text       the words of
 * all sentences, one space between.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TEXT_REPORT_H
#define UM_TEXT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

struct um_report_opts {
    /* A full stop that ends no sentence does not cut: between digits (1.5), after an abbreviation
     * (e.g., Dr., Dra.), after a short word (cm., lat., inf., izq.) that a small letter follows,
     * inside an abbreviation (U.S), touching a de-identification mark (___.___, or ___. before a
     * small letter). Digits before a full stop are dropped only where they number a list. */
    bool strict;
};

struct um_sentence {
    int64_t at, n; /* text[at..at+n-1] */
};

struct um_report {
    const char *text; /* ASCII, lower case, single spaces, NUL-terminated; "" if none left */
    struct um_sentence *sentence;
    int64_t             sentences, words;
};

/* um_report_check - UM_EFORMAT with the byte offset unless raw[0..n-1] is UTF-8 without NUL */
UM_API UM_RESULT_USED int um_report_check(const char *raw, size_t n);

/* um_report_body - sections and body of raw[0..n-1]: *body is NUL-terminated, in the arena, and ""
 * if the report has headings but nothing to read. UM_EFORMAT as um_report_check; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_report_body(struct um_arena *a, const char *raw, size_t n,
                                         char **body);

/* um_report_clean - the whole of it. opts NULL: all false. An empty result is not an error here
 * (text "", no sentences): the caller knows whether to drop or to refuse. Everything in *out lives
 * in the arena. Errors as um_report_body. */
UM_API UM_RESULT_USED int um_report_clean(struct um_arena *a, const char *raw, size_t n,
                                          const struct um_report_opts *opts, struct um_report *out);

/* um_report_enough - step 4: at least min sentences, and at least 3 words in all */
UM_API bool um_report_enough(const struct um_report *r, int64_t min);

#endif
