/* talk.c - what a tool says on standard error, and how it ends */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_int.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool            line_shown; /* a progress line stands on the terminal */

static void clear_line(void)
{
    if (line_shown)
        (void)fputs("\r\033[K", stderr);
    line_shown = false;
}

void um_cli_line(const char *name, const char *text)
{
    char line[UM_ERRMSG_MAX + 128];

    (void)snprintf(line, sizeof line, "%s: %s", name, text);
    for (char *s = line; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?'; /* one line, whatever a file name holds */
    pthread_mutex_lock(&lock);
    clear_line();
    (void)fprintf(stderr, "%s\n", line);
    pthread_mutex_unlock(&lock);
}

void um_cli_status_line(const char *text)
{
    pthread_mutex_lock(&lock);
    clear_line();
    if (text) {
        (void)fputs(text, stderr);
        line_shown = true;
    }
    pthread_mutex_unlock(&lock);
}

void um_warn(const struct um_tool *tool, const char *fmt, ...)
{
    char    text[UM_ERRMSG_MAX];
    int     n = snprintf(text, sizeof text, "warning: ");
    va_list ap;

    if (tool->common && tool->common->quiet)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
    va_end(ap);
    um_cli_line(tool->name, text);
}

void um_note(const struct um_tool *tool, const char *fmt, ...)
{
    char    text[UM_ERRMSG_MAX];
    va_list ap;

    if (!tool->common || !tool->common->verbose)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    um_cli_line(tool->name, text);
}

int um_usage(const char *fmt, ...)
{
    char    text[UM_ERRMSG_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return um_fail(UM_EUSAGE, "%s", text);
}

char **um_inputs(char **operands)
{
    static char *standard_input[] = { "-", NULL };

    return operands && *operands ? operands : standard_input;
}

int um_jobs(const struct um_common *common)
{
    return common->jobs > 0 ? (int)common->jobs : um_cpu_count();
}

int um_stream_open(struct um_outfile **out, const char *path)
{
    UM_TRY(um_outfile_open(out, path));
    if (!isatty(um_outfile_fd(*out)))
        return UM_OK;
    const int st =
        um_usage("a stream is not written to a terminal: name a file with -o, or pipe it");
    const int closed = um_outfile_close(*out, st, 0);

    *out = NULL;
    return closed;
}

int um_exit(const struct um_tool *tool, int st)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno == EPIPE)
            st = st < 0 ? st : UM_EPIPE;
        else if (st >= 0)
            st = um_fail_errno("standard output");
    }
    um_cli_status_line(NULL);
    if (st >= 0 || st == UM_EPIPE)
        return 0;
    if (st == UM_EUSAGE && *um_errmsg())
        (void)um_fail(st, "%s; see %s --help", um_errmsg(), tool->name);
    if (*um_errmsg()) /* else another process of this job says it */
        um_cli_line(tool->name, um_errmsg());
    return st == UM_EUSAGE ? 2 : st == UM_ESTOPPED ? 75 : 1;
}
