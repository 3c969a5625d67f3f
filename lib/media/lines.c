/* lines.c - cutting text headers up */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/lines.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int um_lines_next(struct um_lines *l, struct um_arena *a, char **text)
{
    const size_t   left = (size_t)(l->end - l->at);
    const uint8_t *stop;
    size_t         n;

    if (left == 0)
        return 0;
    if (++l->taken > UM_LINES_MAX)
        return um_fail(UM_EFORMAT, "the header has more than %d lines", UM_LINES_MAX);
    stop = memchr(l->at, '\n', left < UM_LINE_MAX ? left : UM_LINE_MAX);
    if (!stop && left >= UM_LINE_MAX)
        return um_fail(UM_EFORMAT, "a line of the header has more than %d bytes", UM_LINE_MAX);
    n = stop ? (size_t)(stop - l->at) : left;
    if (memchr(l->at, 0, n))
        return um_fail(UM_EFORMAT, "the header holds a zero byte");
    *text = um_strndup(a, (const char *)l->at, n > 0 && l->at[n - 1] == '\r' ? n - 1 : n);
    l->at += stop ? n + 1 : n;
    return *text ? 1 : UM_ENOMEM;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

char *um_trim(char *text)
{
    size_t n;

    while (blank(*text))
        text++;
    n = strlen(text);
    while (n > 0 && blank(text[n - 1]))
        n--;
    text[n] = 0;
    return text;
}

char *um_split(char *text, const char *mark, char **rest)
{
    char *at = strstr(text, mark);

    if (!at)
        return NULL;
    *at   = 0;
    *rest = um_trim(at + strlen(mark));
    return um_trim(text);
}

char *um_word(char **text)
{
    char *p = *text, *word;

    while (blank(*p))
        p++;
    if (!*p)
        return NULL;
    word = p;
    while (*p && !blank(*p))
        p++;
    if (*p)
        *p++ = 0;
    *text = p;
    return word;
}

bool um_nums(const char *text, double *x, int n)
{
    char *end;

    for (int i = 0; i < n; i++) {
        x[i] = strtod(text, &end);
        if (end == text || !isfinite(x[i]) || (*end && !blank(*end)))
            return false;
        text = end;
    }
    while (blank(*text))
        text++;
    return !*text;
}

bool um_ints(const char *text, int64_t *x, int n)
{
    char *end;

    for (int i = 0; i < n; i++) {
        errno = 0;
        x[i]  = strtoll(text, &end, 10);
        if (end == text || errno != 0 || (*end && !blank(*end)))
            return false;
        text = end;
    }
    while (blank(*text))
        text++;
    return !*text;
}

int um_field_keep(const struct um_field *known, size_t n, const char *name, char *value,
                  char **list)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        if (list[known[i].key])
            return um_fail(UM_EFORMAT, "%s is given twice", name);
        list[known[i].key] = value;
    }
    return UM_OK;
}
