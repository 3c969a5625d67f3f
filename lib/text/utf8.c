/* utf8.c - checking UTF-8; classes of characters by utf8proc's categories */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/utf8.h"

#include <utf8proc.h>

int um_utf8_check(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t       c;
        utf8proc_ssize_t       used;
        const utf8proc_ssize_t left = n - i < 4 ? (utf8proc_ssize_t)(n - i) : 4;

        if ((unsigned char)s[i] < 0x80) {
            i++;
            continue;
        }
        used = utf8proc_iterate((const utf8proc_uint8_t *)s + i, left, &c);
        if (used <= 0)
            return um_fail(UM_EFORMAT, "not UTF-8: byte 0x%02X at offset %zu", (unsigned char)s[i],
                           i);
        i += (size_t)used;
    }
    return UM_OK;
}

bool um_char_is_word(int32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
    }
}

bool um_char_is_space(int32_t c)
{
    if (c < 0x80)
        return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20);
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return true;
    default: return c == 0x85;
    }
}
