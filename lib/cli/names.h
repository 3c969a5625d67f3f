/* names.h - output files named after records */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_CLI_NAMES_H
#define UM_CLI_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct um_names; /* the names given so far */

UM_API UM_RESULT_USED int um_names_new(struct um_names **n);
UM_API void               um_names_free(struct um_names *n); /* takes NULL */

/* um_names_many - does the pattern name a file per record: "dir/%s.png", or "dir/" for "dir/%s.EXT"
 */
UM_API bool um_names_many(const char *pattern);

/* um_names_path - the pattern with each %s replaced by the key; "/" in a key becomes "_", so does a
 * leading ".": a key never leads out of the folder. The folder is made if it is not there.
 * *path is in the arena. UM_EDUPLICATE: two keys give the same file. */
UM_API UM_RESULT_USED int um_names_path(struct um_names *n, struct um_arena *a, const char *pattern,
                                        const char *key, const char *ext, const char **path);

/* um_names_numbered - the pattern with its %d, or %05d, replaced by the number. *path is in the
 * arena. UM_EUSAGE: it has no such place (NULL too), or two, naming the option `what` */
UM_API UM_RESULT_USED int um_names_numbered(struct um_arena *a, const char *what,
                                            const char *pattern, int64_t number, const char **path);

/* um_names_has_number - is there a place for a number in it */
UM_API bool um_names_has_number(const char *pattern);

/* um_names_apart - UM_EUSAGE, naming option and file, if both names lead to one file that is there;
 * NULL and "-" lead to none */
UM_API UM_RESULT_USED int um_names_apart(const char *what, const char *output, const char *input);

/* um_names_folder - make the folder that path lies in, if it is not there */
UM_API UM_RESULT_USED int um_names_folder(struct um_arena *a, const char *path);

#endif
