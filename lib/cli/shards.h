/* shards.h - a source cut into files of so many items, each whole or absent
 *
 * Items are numbered from 0; file k has items k N to k N + N - 1, whoever makes it, so that any
 * number of jobs can share the work and a file's bytes do not depend on how it was shared. A file
 * that is there whole is not made again.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_CLI_SHARDS_H
#define UM_CLI_SHARDS_H

#include "cli/flow.h"

struct um_shards {
    /* common->output and, if given, common->rejects hold a place for the number (cli/names.h);
     * next() gives the items of the file that turn() has named and then 0; total: of this job */
    struct um_source source;
    int64_t          part, parts; /* this job makes files part, part + parts, ... */
    /* The items of file `number` are next, *items of them; source.header becomes its header. 1; 0:
     * there is no such file, and the items are read to their end; <0. Called for rising numbers. */
    int (*turn)(void *user, int64_t number, int64_t *items);
    /* file `number` is complete but does not have its name yet; may be NULL */
    int (*end)(void *user, int64_t number);

    int64_t files; /* of all jobs: one with a higher number is not of this set */

    /* set by um_shards_run: files made, files that were there, items that those hold no record of
     */
    int64_t made, there, missing;
};

/* um_shards_run - all files of this job. A file that is there beyond the last is refused
 * (UM_EMISMATCH) before the first is made, as whoever takes all files of the folder would take it
 * too. Progress counts the items that are still to be worked on.
 * Errors: as um_source_run, um_names_numbered, um_shard_there; files that are whole stay. */
UM_API UM_RESULT_USED int um_shards_run(struct um_shards *s);

#endif
