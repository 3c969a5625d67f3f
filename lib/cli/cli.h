/* cli.h - what every tool does alike: options, help, messages, progress, exit codes */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_CLI_CLI_H
#define UM_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/pool.h"
#include "base/status.h"
#include "stream/tensor.h"

/* ---- options: one table feeds the parser, --help, history and the man-page check ---- */

enum um_opt_type {
    UM_T_END = 0,
    UM_T_FLAG,  /* bool *                       --x / --no-x */
    UM_T_INT,   /* int64_t *, min..max          also 10k, 4M, 2G */
    UM_T_NUM,   /* double *, lo..hi             finite */
    UM_T_STR,   /* const char ** (never copied) */
    UM_T_CHOICE /* const char **, one of "a|b|c" */
};

struct um_opt {
    char             letter; /* 0: none */
    const char      *name;   /* long name, no dashes */
    const char      *arg; /* placeholder in help; choices "a|b|c" for UM_T_CHOICE; NULL for flags */
    enum um_opt_type type;
    void            *to;
    double           lo, hi;
    const char      *help;   /* one line; the default is added from *to */
    bool             record; /* can change records: goes into history by its effective value */
};

#define UM_OPT_FLAG(l, n, to, rec, h)                                                              \
    {                                                                                              \
        l, n, NULL, UM_T_FLAG, to, 0, 1, h, rec                                                    \
    }
#define UM_OPT_INT(l, n, a, to, lo, hi, rec, h)                                                    \
    {                                                                                              \
        l, n, a, UM_T_INT, to, lo, hi, h, rec                                                      \
    }
#define UM_OPT_NUM(l, n, a, to, lo, hi, rec, h)                                                    \
    {                                                                                              \
        l, n, a, UM_T_NUM, to, lo, hi, h, rec                                                      \
    }
#define UM_OPT_STR(l, n, a, to, rec, h)                                                            \
    {                                                                                              \
        l, n, a, UM_T_STR, to, 0, 0, h, rec                                                        \
    }
#define UM_OPT_CHOICE(l, n, a, to, rec, h)                                                         \
    {                                                                                              \
        l, n, a, UM_T_CHOICE, to, 0, 0, h, rec                                                     \
    }
#define UM_OPT_END                                                                                 \
    {                                                                                              \
        0, NULL, NULL, UM_T_END, NULL, 0, 0, NULL, false                                           \
    }

/* options shared by tools; a tool lists the ones that mean something to it */
struct um_common {
    const char *output;   /* -o FILE */
    int64_t     jobs;     /* -j N; 0: the processors there are */
    int64_t     level;    /* -z N */
    int64_t     seed;     /* --seed N */
    const char *on_error; /* --on-error stop|skip */
    const char *rejects;  /* --rejects FILE */
    const char *device;   /* --device auto|cpu|cuda[:N] */
    const char *progress; /* --progress auto|always|never */
    bool        quiet, verbose;
};
#define UM_COMMON_INIT                                                                             \
    {                                                                                              \
        .level = 1, .seed = 42, .on_error = "stop", .device = "auto", .progress = "auto"           \
    }
#define UM_OPT_OUTPUT(c)                                                                           \
    UM_OPT_STR('o', "output", "FILE", &(c)->output, false, "write to FILE, not standard output")
#define UM_OPT_JOBS(c)                                                                             \
    UM_OPT_INT('j', "jobs", "N", &(c)->jobs, 0, 1024, false, "threads; 0: one per processor")
#define UM_OPT_LEVEL(c)                                                                            \
    UM_OPT_INT('z', "level", "N", &(c)->level, 0, 19, false, "zstd level; 0: raw blocks")
#define UM_OPT_SEED(c)                                                                             \
    UM_OPT_INT(0, "seed", "N", &(c)->seed, 0, 9e15, true, "seed of all random draws")
#define UM_OPT_DEVICE(c)                                                                           \
    UM_OPT_STR(0, "device", "auto|cpu|cuda[:N]", &(c)->device, false, "where to compute")
#define UM_OPT_ERRORS(c)                                                                           \
    UM_OPT_CHOICE(0, "on-error", "stop|skip", &(c)->on_error, true,                                \
                  "at a bad record: stop, or skip it and go on"),                                  \
        UM_OPT_STR(0, "rejects", "FILE", &(c)->rejects, false,                                     \
                   "list skipped records here: key, reason")
#define UM_OPT_TALK(c)                                                                             \
    UM_OPT_CHOICE(0, "progress", "auto|always|never", &(c)->progress, false,                       \
                  "progress on standard error"),                                                   \
        UM_OPT_FLAG('q', "quiet", &(c)->quiet, false, "no progress, no warnings"),                 \
        UM_OPT_FLAG('v', "verbose", &(c)->verbose, false, "say more")

struct um_tool {
    const char *name;     /* "um-show" */
    const char *summary;  /* one line, lower case, no full stop */
    const char *operands; /* "[file ...]"; NULL: takes none */
    const char *examples; /* shown by --help after the options: lines, each "  cmd   what" */
    const struct um_opt    *opts;   /* ends with UM_OPT_END */
    const struct um_common *common; /* for -q, -v, progress; may be NULL */
};

/* um_args - parse argv by getopt_long; returns the operands (NULL-terminated, in argv's memory).
 * --help (standard output, exit 0), --version (and build flags, exit 0); errors: one line, exit 2.
 * --dump-options prints the table, one option a line: letter or "-", name, argument or "-", with
 * tabs between (what the man pages are held against).
 * Also: closed standard descriptors are filled, signals that end the process remove the temporary
 * files of unfinished outputs first; SIGPIPE is left at its default. The one place that exits. */
UM_API char **um_args(const struct um_tool *tool, int argc, char **argv);

/* um_exit - the process's exit code for a status: 0 ok (or a closed pipe), 1 failed (prints the one
 * line "um-x: message"), 2 UM_EUSAGE (with a hint to --help), 75 UM_ESTOPPED. Flushes standard
 * output; what cannot be flushed is a failure. */
UM_API int um_exit(const struct um_tool *tool, int st);

/* um_usage - for what um_args cannot see (options that exclude each other, a missing operand):
 * um_fail with UM_EUSAGE; um_exit adds the hint to --help */
UM_API int um_usage(const char *fmt, ...) UM_PRINTF(1, 2);

/* um_inputs - the operands as input files; without any, "-" alone (standard input) */
UM_API char **um_inputs(char **operands);

/* um_jobs - threads to use: -j, or the processors there are */
UM_API int um_jobs(const struct um_common *common);

/* um_stream_open - the output of a stream, as -o says. A terminal is refused: UM_EUSAGE. */
UM_API UM_RESULT_USED int um_stream_open(struct um_outfile **out, const char *path);

/* effective values of all options with .record, as a map for history */
UM_API UM_RESULT_USED int um_opts_value(struct um_arena *a, const struct um_opt *opts,
                                        struct um_value *map);

/* one line on standard error: "um-x: warning: ..."; um_note only with -v */
UM_API void um_warn(const struct um_tool *tool, const char *fmt, ...) UM_PRINTF(2, 3);
UM_API void um_note(const struct um_tool *tool, const char *fmt, ...) UM_PRINTF(2, 3);

/* um_stop_on_signal - from here on SIGTERM, SIGINT and SIGUSR1 (those that are not ignored) do not
 * end the process but make um_stop_asked() true: for a tool that saves its state before it ends */
UM_API void um_stop_on_signal(void);
UM_API bool um_stop_asked(void);

/* ---- progress: rate, done/total, ETA; a line rewritten at most ten times a second ---- */
struct um_progress;
UM_API UM_RESULT_USED int um_progress_new(struct um_progress **p, const struct um_tool *tool,
                                          const char *unit);
/* done of total (total <= 0: unknown); extra may be NULL: shown at the end of the line
 * ("loss 3.21") */
UM_API void um_progress_set(struct um_progress *p, double done, double total, int64_t count,
                            const char *extra);
UM_API void um_progress_free(struct um_progress *p); /* clears the line; takes NULL */

#endif
