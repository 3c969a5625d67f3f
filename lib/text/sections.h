/* sections.h - where the findings and the impression of a radiology report stand */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TEXT_SECTIONS_H
#define UM_TEXT_SECTIONS_H

#include <stdbool.h>

struct um_span {
    const char *s, *end;
};

struct um_sections {
    struct um_span findings, impression, last; /* s NULL: absent; last: that of the last heading */
};

/* um_sections_find - headings as report.h has them, in raw..end, which is checked UTF-8. What
 * stands under a heading that is both is findings and impression. */
void um_sections_find(const char *raw, const char *end, struct um_sections *out);

/* um_sections_last_paragraph - what is left of t after its last blank line; nothing if it has none
 */
struct um_span um_sections_last_paragraph(struct um_span t);

bool um_span_is_blank(struct um_span t); /* white space alone, or nothing */

#endif
