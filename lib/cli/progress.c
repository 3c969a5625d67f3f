/* progress.c - one line that says how far, how fast and how long */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_int.h"

static const double FIRST = 0.3; /* seconds before the first line: short runs show none */
static const double EVERY = 0.1; /* at most ten a second on a terminal ... */
static const double LOG   = 1.0; /* ... and one a second into a log */

struct um_progress {
    const struct um_tool *tool;
    const char           *unit;
    double                start, last;
    bool                  shown, terminal;
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int um_progress_new(struct um_progress **out, const struct um_tool *tool, const char *unit)
{
    const struct um_common *c    = tool->common;
    const char             *when = c && c->progress ? c->progress : "auto";
    struct um_progress     *p    = calloc(1, sizeof *p);

    if (!p)
        return um_fail(UM_ENOMEM, "out of memory");
    p->tool     = tool;
    p->unit     = unit;
    p->terminal = isatty(STDERR_FILENO);
    p->shown    = strcmp(when, "always") == 0 || (strcmp(when, "auto") == 0 && p->terminal);
    if (c && c->quiet)
        p->shown = false;
    p->start = now();
    p->last  = p->start + FIRST - (p->terminal ? EVERY : LOG);
    *out     = p;
    return UM_OK;
}

static void time_text(double s, char *buf, size_t n)
{
    const long t = s < 0 ? 0 : s > 3.6e8 ? 360000000 : (long)(s + 0.5);

    if (t >= 3600)
        (void)snprintf(buf, n, "%ld:%02ld:%02ld", t / 3600, t / 60 % 60, t % 60);
    else
        (void)snprintf(buf, n, "%ld:%02ld", t / 60, t % 60);
}

void um_progress_set(struct um_progress *p, double done, double total, int64_t count,
                     const char *extra)
{
    char         line[512], part[96] = "", clock[48];
    const double t = p && p->shown ? now() : 0;

    if (!p || !p->shown || t - p->last < (p->terminal ? EVERY : LOG))
        return;
    p->last              = t;
    const double elapsed = t - p->start;
    if (total > 0) {
        time_text(done > 0 ? (total - done) * elapsed / done : 0, clock, sizeof clock);
        (void)snprintf(part, sizeof part, "  %.0f %%  ETA %s", 100 * done / total,
                       done > 0 ? clock : "?");
    } else {
        time_text(elapsed, clock, sizeof clock);
        (void)snprintf(part, sizeof part, "  %s", clock);
    }
    if (total > 0 && done == (double)count) /* counted in its own unit */
        (void)snprintf(line, sizeof line, "%s: %lld/%.0f %s", p->tool->name, (long long)count,
                       total, p->unit);
    else
        (void)snprintf(line, sizeof line, "%s: %lld %s", p->tool->name, (long long)count, p->unit);
    const size_t n    = strlen(line);
    const double rate = elapsed > 0 ? (double)count / elapsed : 0;
    (void)snprintf(line + n, sizeof line - n, rate < 100 ? "%s  %.3g/s%s%s" : "%s  %.0f/s%s%s",
                   part, rate, extra ? "  " : "", extra ? extra : "");
    if (p->terminal)
        um_cli_status_line(line);
    else
        (void)fprintf(stderr, "%s\n", line);
}

void um_progress_free(struct um_progress *p)
{
    if (p && p->shown && p->terminal)
        um_cli_status_line(NULL);
    free(p);
}
