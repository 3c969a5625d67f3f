/* status.c - one message per thread */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef um_fail /* macros to the analyzer alone */
#undef um_fail_errno
#undef um_context

static _Thread_local char message[UM_ERRMSG_MAX];

/* bytes of the UTF-8 character at p; 0: it is none */
static int character(const unsigned char *p)
{
    const int n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (p[0] > 0xf4 || (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* messages quote what stands in files: whatever that is, a message is a line of text */
static void keep(const char *text)
{
    char *to = message;

    while (*text) {
        int n = character((const unsigned char *)text);

        if (n < 2)
            *to++ = (char)(n == 0 || *text == 0x7f || (unsigned char)*text < ' ' ? '?' : *text);
        for (int i = 0; n > 1 && i < n; i++)
            *to++ = text[i];
        text += n ? n : 1;
    }
    *to = 0;
}

int um_fail(int status, const char *fmt, ...)
{
    char    text[UM_ERRMSG_MAX]; /* the arguments may point into the old message */
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    keep(text);
    return status;
}

int um_fail_errno(const char *fmt, ...)
{
    const int err    = errno;
    const int status = err == EPIPE ? UM_EPIPE : err == ENOMEM ? UM_ENOMEM : UM_EIO;
    char      text[2 * UM_ERRMSG_MAX];
    va_list   ap;
    int       n;

    va_start(ap, fmt);
    n = vsnprintf(text, UM_ERRMSG_MAX, fmt, ap);
    va_end(ap);
    n = n < 0 ? 0 : n < UM_ERRMSG_MAX ? n : UM_ERRMSG_MAX - 1;
    (void)snprintf(text + n, sizeof text - (size_t)n, ": %s", strerror(err));
    text[UM_ERRMSG_MAX - 1] = 0;
    keep(text);
    errno = err;
    return status;
}

int um_context(int status, const char *fmt, ...)
{
    char    text[2 * UM_ERRMSG_MAX];
    va_list ap;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(text, UM_ERRMSG_MAX, fmt, ap);
    va_end(ap);
    n = n < 0 ? 0 : n < UM_ERRMSG_MAX ? n : UM_ERRMSG_MAX - 1;
    (void)snprintf(text + n, sizeof text - (size_t)n, ": %s", message);
    text[UM_ERRMSG_MAX - 1] = 0;
    keep(text);
    return status;
}

const char *um_errmsg(void)
{
    return message;
}

void um_seterrmsg(const char *msg)
{
    char text[UM_ERRMSG_MAX];

    (void)snprintf(text, sizeof text, "%s", msg);
    keep(text);
}

const char *um_status_name(int status)
{
    static const char *const name[] = { "ok",    "memory",    "io",          "format",
                                        "shape", "dtype",     "missing",     "duplicate",
                                        "range", "nonfinite", "unsupported", "mismatch",
                                        "usage", "stopped",   "pipe" };

    if (status > 0 || -status >= (int)(sizeof name / sizeof name[0]))
        return "unknown";
    return name[-status];
}
