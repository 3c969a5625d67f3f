/* names.c - names from files, and how they get into messages */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "weights/weights_int.h"

enum { NAME_BYTES_MAX = 4096 };

int um_name_check(const char *s, size_t n)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)s;

    if (n == 0 || n > NAME_BYTES_MAX)
        return um_fail(UM_EFORMAT, "a name of %zu bytes, expected 1 to %d", n, NAME_BYTES_MAX);
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t       c;
        const utf8proc_ssize_t w =
            utf8proc_iterate(p + i, n - i < 4 ? (utf8proc_ssize_t)(n - i) : 4, &c);

        if (w <= 0)
            return um_fail(UM_EFORMAT, "the name is not UTF-8");
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            return um_fail(UM_EFORMAT, "a control character in the name");
        i += (size_t)w;
    }
    return UM_OK;
}

/* the bytes of the character at p that may be shown as they are, or 0 */
static size_t printable(const uint8_t *p, size_t n)
{
    utf8proc_int32_t       c;
    const utf8proc_ssize_t w = utf8proc_iterate(p, n < 4 ? (utf8proc_ssize_t)n : 4, &c);

    return w <= 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) ? 0 : (size_t)w;
}

const char *um_shown(const void *s, size_t n, char buf[UM_SHOWN])
{
    const uint8_t *p  = s;
    size_t         at = 0;

    for (size_t i = 0; i < n;) {
        const size_t w = printable(p + i, n - i);

        if (at + 4 + 4 > UM_SHOWN) { /* the longest form, and the dots */
            at += (size_t)snprintf(buf + at, UM_SHOWN - at, "...");
            break;
        }
        if (w)
            memcpy(buf + at, p + i, w);
        else
            (void)snprintf(buf + at, UM_SHOWN - at, "\\x%02x", p[i]);
        at += w ? w : 4;
        i += w ? w : 1;
    }
    buf[at] = 0;
    return buf;
}

void um_names_add(struct um_names *l, const char *name)
{
    const size_t len = strlen(name);

    l->count++;
    if (l->left_out || l->n + len + 2 + 32 > sizeof l->text) {
        l->left_out++;
        return;
    }
    l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%s%s", l->n ? ", " : "", name);
}

const char *um_names_end(struct um_names *l)
{
    if (l->left_out)
        (void)snprintf(l->text + l->n, sizeof l->text - l->n, "%s%d more", l->n ? " and " : "",
                       l->left_out);
    return l->text;
}
