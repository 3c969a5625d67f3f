/* notes.h - warnings about records: the first of a kind one by one, the rest by number at the end
 *
 * A data set of four thousand scans without a spacing is one thing to know, not four thousand
 * lines. SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_CLI_NOTES_H
#define UM_CLI_NOTES_H

#include "cli/cli.h"

enum { UM_NOTES_SHOWN = 3 }; /* of each text */

struct um_notes;

UM_API UM_RESULT_USED int um_notes_new(struct um_notes **n, const struct um_tool *tool);
/* um_notes_add - warn "record KEY: TEXT", or count it: from any thread. With -v all are said. */
UM_API void um_notes_add(struct um_notes *n, const char *key, const char *text);
/* um_notes_free - say how many were not said, a line for each text; takes NULL */
UM_API void um_notes_free(struct um_notes *n);

#endif
