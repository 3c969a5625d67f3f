/* report.c - from a report's sections to its sentences */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/report.h"

#include <string.h>
#include <utf8proc.h>

#include "text/utf8.h"

struct span {
    const char *s, *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c)
{
    return is_capital(c) || (c >= 'a' && c <= 'z');
}

static bool is_blank(struct span t)
{
    while (t.s < t.end)
        if (!um_char_is_space(um_utf8_next(t.s, &t.s)))
            return false;
    return true;
}

int um_report_check(const char *raw, size_t n)
{
    const char *nul = memchr(raw, 0, n);

    if (nul)
        return um_fail(UM_EFORMAT, "not text: byte 0x00 at offset %zu", (size_t)(nul - raw));
    return um_utf8_check(raw, n);
}

/* ---- sections ---- */

enum kind { OTHER = 0, FINDINGS = 1, IMPRESSION = 2, BOTH = FINDINGS | IMPRESSION };

/* The names that matter; every other heading (comparison, indication, technique, ...) only ends the
 * section before it. Plurals in S match without being listed. */
static const struct {
    const char *name;
    enum kind   kind;
} names[] = {
    { "FINDING", FINDINGS },          { "RESULT", FINDINGS },
    { "REPORT", FINDINGS },           { "IMPRESSION", IMPRESSION },
    { "CONCLUSION", IMPRESSION },     { "OPINION", IMPRESSION },
    { "SUMMARY", IMPRESSION },        { "SUMMARIES", IMPRESSION },
    { "INTERPRETATION", IMPRESSION }, { "DIAGNOSIS", IMPRESSION },
    { "DIAGNOSES", IMPRESSION },      { "FINDING AND IMPRESSION", BOTH },
    { "FINDING/IMPRESSION", BOTH },
};

/* does the heading spell name? Runs of spaces are one, none counts beside a slash, and any word may
 * have an S more than name has. */
static bool spells(struct span heading, const char *name)
{
    const char *h = heading.s;

    while (h < heading.end && *name) {
        while (*h == ' ' && h + 1 < heading.end && (h[1] == ' ' || h[1] == '/'))
            h++;
        if (*h != *name)
            return false;
        h++, name++;
        if ((*name == ' ' || *name == '/' || *name == 0) && h < heading.end && *h == 'S')
            h++;
        while (name[-1] == '/' && h < heading.end && *h == ' ')
            h++;
    }
    while (h < heading.end && *h == ' ')
        h++;
    return h == heading.end && *name == 0;
}

static enum kind kind_of(struct span heading)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (spells(heading, names[i].name))
            return names[i].kind;
    return OTHER;
}

/* Is there a heading at the line that starts at s? *name is its name without the space around, and
 * *text the byte after its colon. */
static bool heading_at(const char *s, const char *end, struct span *name, const char **text)
{
    bool        letter = false;
    const char *next;

    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    name->s = s;
    for (; s < end && (is_capital(*s) || memchr(" ()/,-", *s, 6)); s++)
        letter = letter || is_capital(*s);
    if (!letter || s == end || *s != ':')
        return false;
    name->end = s++;
    *text     = s;
    return s == end || um_char_is_space(um_utf8_next(s, &next));
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

/* what is left of t after its last blank line; nothing if it has none. White space at the end of t
 * does not count, so that a report that ends in empty lines keeps its last paragraph. */
static struct span last_paragraph(struct span t)
{
    struct span found = { t.end, t.end };

    for (const char *line = next_line(t.s, t.end); line < t.end;) {
        const char *next = next_line(line, t.end);

        if (is_blank((struct span){ line, next }) && !is_blank((struct span){ next, t.end }))
            found.s = next;
        line = next;
    }
    return found;
}

struct sections {
    struct span findings, impression, last; /* s NULL: absent */
};

/* one section's text to where it belongs */
static void take(struct sections *out, enum kind kind, struct span text)
{
    out->last = text;
    if (is_blank(text))
        return;
    if (kind & FINDINGS)
        out->findings = text;
    if (kind & IMPRESSION)
        out->impression = text;
}

static void find_sections(const char *raw, const char *end, struct sections *out)
{
    enum kind   kind = OTHER;
    const char *text = NULL, *after;
    struct span name;

    *out = (struct sections){ { NULL, NULL }, { NULL, NULL }, { NULL, NULL } };
    for (const char *line = raw; line < end; line = next_line(line, end)) {
        if (!heading_at(line, end, &name, &after))
            continue;
        if (text)
            take(out, kind, (struct span){ text, line });
        kind = kind_of(name);
        text = after;
    }
    if (text)
        take(out, kind, (struct span){ text, end });
}

static char *append(char *to, struct span t)
{
    for (; t.s < t.end; t.s++)
        *to++ = *t.s == '\n' || *t.s == '\r' ? ' ' : *t.s;
    return to;
}

int um_report_body(struct um_arena *a, const char *raw, size_t n, char **body)
{
    struct sections sec;
    char           *to;

    UM_TRY(um_report_check(raw, n));
    if (!(to = *body = um_alloc(a, n + 2)))
        return UM_ENOMEM;
    find_sections(raw, raw + n, &sec);
    if (!sec.last.s) {
        to = append(to, (struct span){ raw, raw + n });
    } else if (!sec.findings.s && !sec.impression.s) {
        to = append(to, last_paragraph(sec.last));
    } else {
        if (sec.impression.s)
            to = append(to, sec.impression);
        if (sec.impression.s && sec.findings.s && sec.findings.s != sec.impression.s)
            *to++ = ' ';
        if (sec.findings.s && sec.findings.s != sec.impression.s)
            to = append(to, sec.findings);
    }
    *to = 0;
    return UM_OK;
}

/* ---- sentences ---- */

struct build {
    struct um_report *r;
    char             *text;
    int64_t           n;
};

/* Add the words of one piece. Two U+FFFD in a row stand for a space, says the method: they need no
 * replacing, because U+FFFD is no word character and ends a word as a space would. Lower-casing is
 * by character; the one small letter that becomes two is U+0130, whose dot (a mark, no word
 * character) ends the word. */
static void add_piece(struct build *b, struct span t)
{
    const int64_t n0   = b->n;
    int64_t       runs = 0, words = 0, at = n0 ? n0 + 1 : 0;
    bool          inside = false, fresh = false;

    while (t.s < t.end) {
        int32_t    c      = um_utf8_next(t.s, &t.s);
        const bool dotted = c == 0x130;

        c = c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c) : dotted ? 'i' : utf8proc_tolower(c);
        if (!um_char_is_word(c)) {
            inside = false;
            continue;
        }
        if (!inside)
            runs++, fresh = true;
        if (c < 0x80) {
            if (fresh && b->n)
                b->text[b->n++] = ' ';
            words += fresh;
            fresh           = false;
            b->text[b->n++] = (char)c;
        }
        inside = !dotted;
    }
    if (runs <= 1)
        b->n = n0;
    if (b->n == n0)
        return;
    b->r->sentence[b->r->sentences++] = (struct um_sentence){ at, b->n - at };
    b->r->words += words;
}

/* the first cut in t: `[0-9]+\.` or `.`; false if there is none */
static bool plain_cut(struct span t, struct span *cut)
{
    for (const char *s = t.s; s < t.end; s++) {
        cut->s = s;
        while (s < t.end && is_digit(*s))
            s++;
        if (s < t.end && *s == '.') {
            cut->end = s + 1;
            return true;
        }
    }
    return false;
}

static const char *const abbreviations[] = {
    "dr", "mr",  "mrs", "ms",  "prof", "st",   "vs",   "e.g",    "i.e",  "eg", "ie",
    "cf", "fig", "a.m", "p.m", "ca",   "incl", "resp", "approx", "dept", "al",
};

/* is the word that ends at dot (letters and inner full stops) one that keeps its full stop? */
static bool abbreviated(const char *start, const char *dot)
{
    const char *w = dot;

    while (w > start && (is_letter(w[-1]) || (w[-1] == '.' && w - 1 > start && is_letter(w[-2]))))
        w--;
    for (size_t i = 0; i < sizeof abbreviations / sizeof abbreviations[0]; i++) {
        const char *name = abbreviations[i];

        if (strlen(name) != (size_t)(dot - w))
            continue;
        for (const char *p = w; p < dot && (*p == *name || *p + 32 == *name); p++)
            name++;
        if (!*name)
            return true;
    }
    return false;
}

/* does the full stop at dot, inside start..end, end no sentence? */
static bool holds_together(const char *start, const char *dot, const char *end)
{
    const char prev = dot > start ? dot[-1] : ' ', next = dot + 1 < end ? dot[1] : ' ';

    if (is_digit(prev) && is_digit(next))
        return true;
    if (next == '_' || (prev == '_' && (is_letter(next) || is_digit(next))))
        return true;
    if (prev == '_') {
        const char *s = dot + 1;

        while (s < end && *s == ' ')
            s++;
        return s < end && *s >= 'a' && *s <= 'z';
    }
    if (is_letter(prev) && is_letter(next) && (dot - 1 == start || !is_letter(dot[-2])))
        return true; /* inside e.g, U.S, T.B.C */
    return abbreviated(start, dot);
}

static bool strict_cut(struct span whole, struct span t, struct span *cut)
{
    const char *s = t.s;

    while (s < t.end && (*s != '.' || holds_together(whole.s, s, whole.end)))
        s++;
    if (s == t.end)
        return false;
    cut->end = s + 1;
    while (s > t.s && is_digit(s[-1]))
        s--;
    cut->s = is_blank((struct span){ t.s, s }) ? s : cut->end - 1; /* a list's number goes */
    return true;
}

int um_report_clean(struct um_arena *a, const char *raw, size_t n,
                    const struct um_report_opts *opts, struct um_report *out)
{
    struct build b = { .r = out };
    struct span  t, whole, cut;
    char        *body;
    int64_t      most = 1;

    UM_TRY(um_report_body(a, raw, n, &body));
    whole = t = (struct span){ body, body + strlen(body) };
    for (const char *s = t.s; s < t.end; s++)
        most += *s == '.';
    *out = (struct um_report){ .sentence = um_alloc_array(a, most, sizeof *out->sentence) };
    /* a word is no longer than its bytes, and what parts two words is at least the space's one; the
     * dot of U+0130, which parts words, comes with the second of that character's two bytes */
    b.text = um_alloc(a, (size_t)(t.end - t.s) + 2);
    if (!out->sentence || !b.text)
        return UM_ENOMEM;
    while (opts && opts->strict ? strict_cut(whole, t, &cut) : plain_cut(t, &cut)) {
        add_piece(&b, (struct span){ t.s, cut.s });
        t.s = cut.end;
    }
    add_piece(&b, t);
    b.text[b.n] = 0;
    out->text   = b.text;
    return UM_OK;
}

bool um_report_enough(const struct um_report *r, int64_t min)
{
    return r->sentences >= min && r->words >= 3;
}
