/* utf8.h - code points out of UTF-8, and the two classes of characters that reports are cut by
 *
 * Whoever walks over text first checks it whole with um_utf8_check(); um_utf8_next() then needs no
 * checks of its own. Classes come from the Unicode tables of utf8proc.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TEXT_UTF8_H
#define UM_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* um_utf8_check - UM_OK if s[0..n-1] is well-formed UTF-8 (no overlong forms, no surrogates,
 * nothing beyond U+10FFFF); else UM_EFORMAT with the offset and the value of the first byte that is
 * not. */
UM_API UM_RESULT_USED int um_utf8_check(const char *s, size_t n);

/* um_utf8_next - the code point at s, which lies in checked text; *next is the byte after it */
static inline int32_t um_utf8_next(const char *s, const char **next)
{
    const unsigned char *u = (const unsigned char *)s;

    if (u[0] < 0x80) {
        *next = s + 1;
        return u[0];
    }
    if (u[0] < 0xe0) {
        *next = s + 2;
        return (u[0] & 0x1f) << 6 | (u[1] & 0x3f);
    }
    if (u[0] < 0xf0) {
        *next = s + 3;
        return (u[0] & 0x0f) << 12 | (u[1] & 0x3f) << 6 | (u[2] & 0x3f);
    }
    *next = s + 4;
    return (u[0] & 0x07) << 18 | (u[1] & 0x3f) << 12 | (u[2] & 0x3f) << 6 | (u[3] & 0x3f);
}

/* um_utf8_put - c as UTF-8 into to: the number of bytes, 1..4 */
static inline size_t um_utf8_put(int32_t c, char to[4])
{
    const int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (int i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(n == 1 ? c : (0xf00 >> n & 0xff) | c);
    return (size_t)n;
}

/* um_char_is_word - `\w` of a regular expression in the Unicode sense: letters, numbers, underscore
 * um_char_is_space - `\s`: separators (Zs, Zl, Zp), tab to carriage return, U+001C..1F, U+0085 */
UM_API bool um_char_is_word(int32_t c);
UM_API bool um_char_is_space(int32_t c);

#endif
