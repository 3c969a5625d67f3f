/* fan.h - records into one stream or dealt out to several */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_CLI_FAN_H
#define UM_CLI_FAN_H

#include "stream/umt.h"

/* At most one of shards, every and names. The first two put a number into `path` ("x-%05d.umt",
 * from 0), the third a name ("%s.umt"). */
struct um_fan_opts {
    const char        *path; /* as -o */
    int                level;
    bool               keep;   /* frames of records that do not change (um_writer_opts) */
    int64_t            shards; /* record i goes to file i mod shards */
    int64_t            every;  /* a new file after this many records */
    const char *const *name;   /* files by name; used if path holds %s */
    int                names;
    bool               rename; /* give a key that was there already a number: "k~2" */
};

struct um_fan;

/* um_fan_open - UM_EUSAGE: the path has no place for the number, or standard output is a terminal
 */
UM_API UM_RESULT_USED int um_fan_open(struct um_fan **f, const struct um_fan_opts *opts,
                                      const struct um_value *header);
/* um_fan_record - write rec where it belongs: by count, or to the file called `name`.
 * UM_EDUPLICATE: its key was there before, in whichever file */
UM_API UM_RESULT_USED int um_fan_record(struct um_fan *f, struct um_arena *a, struct um_record *rec,
                                        const char *name);
/* um_fan_close - finish all files if st >= 0, none otherwise (files that `every` filled stay: they
 * are whole). Returns st or its own error. Takes NULL */
UM_API UM_RESULT_USED int um_fan_close(struct um_fan *f, int st);

#endif
