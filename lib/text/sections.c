/* sections.c - headings found by their capitals and known by their names, English and Spanish */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/sections.h"

#include <stddef.h>
#include <string.h>

#include "text/utf8.h"

enum { LONGEST = 64 };

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

bool um_span_is_blank(struct um_span t)
{
    while (t.s < t.end)
        if (!um_char_is_space(um_utf8_next(t.s, &t.s)))
            return false;
    return true;
}

/* ---- names ---- */

enum kind { OTHER = 0, FINDINGS = 1, IMPRESSION = 2, BOTH = FINDINGS | IMPRESSION };

/* The names that matter; every other heading (comparison, indication, technique, tecnica, ...) only
 * ends the section before it. Plurals in S match without being listed. */
static const struct {
    const char *name;
    enum kind   kind;
} names[] = {
    { "FINDING", FINDINGS },
    { "RESULT", FINDINGS },
    { "REPORT", FINDINGS },
    { "IMPRESSION", IMPRESSION },
    { "CONCLUSION", IMPRESSION },
    { "OPINION", IMPRESSION },
    { "SUMMARY", IMPRESSION },
    { "SUMMARIES", IMPRESSION },
    { "INTERPRETATION", IMPRESSION },
    { "DIAGNOSIS", IMPRESSION },
    { "DIAGNOSES", IMPRESSION },
    { "FINDING AND IMPRESSION", BOTH },
    { "FINDING/IMPRESSION", BOTH },
    /* Spanish, without its accents */
    { "HALLAZGO", FINDINGS },
    { "RESULTADO", FINDINGS },
    { "INFORME", FINDINGS },
    { "DESCRIPCION", FINDINGS },
    { "IMPRESION", IMPRESSION },
    { "IMPRESIONES", IMPRESSION },
    { "IMPRESION DIAGNOSTICA", IMPRESSION },
    { "JUICIO DIAGNOSTICO", IMPRESSION },
    { "DIAGNOSTICO", IMPRESSION },
    { "CONCLUSIONES", IMPRESSION },
    { "RESUMEN", IMPRESSION },
    { "INTERPRETACION", IMPRESSION },
    { "HALLAZGO Y CONCLUSION", BOTH },
    { "HALLAZGO Y CONCLUSIONES", BOTH },
    { "HALLAZGO E IMPRESION", BOTH },
};

/* does h..end spell name? Runs of spaces are one, none counts beside a slash, and any word may have
 * an S more than name has. */
static bool spells(const char *h, const char *end, const char *name)
{
    while (h < end && *name) {
        while (*h == ' ' && h + 1 < end && (h[1] == ' ' || h[1] == '/'))
            h++;
        if (*h != *name)
            return false;
        h++, name++;
        if ((*name == ' ' || *name == '/' || *name == 0) && h < end && *h == 'S')
            h++;
        while (name[-1] == '/' && h < end && *h == ' ')
            h++;
    }
    while (h < end && *h == ' ')
        h++;
    return h == end && *name == 0;
}

static enum kind kind_of(const char *name, const char *end)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (spells(name, end, names[i].name))
            return names[i].kind;
    return OTHER;
}

/* ---- headings ---- */

/* The plain letter of a capital, U+00C0 to U+00DE with its accent taken off (X, which no name has,
 * for the four that are more than that); a combining accent (by which some texts spell it) is
 * nothing; what may stand between capitals is itself; else -1. */
static int plain(int32_t c)
{
    static const char latin[] = "AAAAAAXCEEEEIIIIXNOOOOO?XUUUUYX"; /* from U+00C0 */

    if (c < 0x80)
        return c != 0 && (is_capital((char)c) || memchr(" ()/,-", c, 6)) ? c : -1;
    if (c >= 0xc0 && c <= 0xde)
        return c == 0xd7 ? -1 : latin[c - 0xc0];
    return c >= 0x300 && c <= 0x36f ? 0 : -1;
}

/* Is there a heading at the line that starts at s? Its kind, and *text the byte after its colon;
 * -1: none. */
static int heading_at(const char *s, const char *end, const char **text)
{
    char        name[LONGEST];
    size_t      n      = 0;
    bool        letter = false, whole = true;
    const char *next;
    int         c;

    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    for (; s < end && (c = plain(um_utf8_next(s, &next))) >= 0; s = next) {
        letter = letter || is_capital((char)c);
        if (c == 0)
            continue;
        whole = whole && n < sizeof name;
        if (whole)
            name[n++] = (char)c;
    }
    if (!letter || s == end || *s != ':')
        return -1;
    *text = ++s;
    if (s < end && !um_char_is_space(um_utf8_next(s, &next)))
        return -1;
    return whole ? (int)kind_of(name, name + n) : OTHER;
}

/* the start of the line after s, or end */
static const char *next_line(const char *s, const char *end)
{
    while (s < end && *s != '\n' && *s != '\r')
        s++;
    if (s + 1 < end && s[0] == '\r' && s[1] == '\n')
        s++;
    return s < end ? s + 1 : end;
}

/* White space at the end of t does not count, so that a report that ends in empty lines keeps its
 * last paragraph. */
struct um_span um_sections_last_paragraph(struct um_span t)
{
    struct um_span found = { t.end, t.end };

    for (const char *line = next_line(t.s, t.end); line < t.end;) {
        const char *next = next_line(line, t.end);

        if (um_span_is_blank((struct um_span){ line, next }) &&
            !um_span_is_blank((struct um_span){ next, t.end }))
            found.s = next;
        line = next;
    }
    return found;
}

/* one section's text to where it belongs */
static void take(struct um_sections *out, int kind, struct um_span text)
{
    out->last = text;
    if (um_span_is_blank(text))
        return;
    if (kind & FINDINGS)
        out->findings = text;
    if (kind & IMPRESSION)
        out->impression = text;
}

void um_sections_find(const char *raw, const char *end, struct um_sections *out)
{
    int         kind = OTHER, found;
    const char *text = NULL, *after;

    *out = (struct um_sections){ { NULL, NULL }, { NULL, NULL }, { NULL, NULL } };
    for (const char *line = raw; line < end; line = next_line(line, end)) {
        if ((found = heading_at(line, end, &after)) < 0)
            continue;
        if (text)
            take(out, kind, (struct um_span){ text, line });
        kind = found;
        text = after;
    }
    if (text)
        take(out, kind, (struct um_span){ text, end });
}
