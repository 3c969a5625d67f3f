/* report.c - from a report's sections to its sentences */
/* SPDX-License-Identifier: Apache-2.0 */
#include "text/report.h"

#include <string.h>
#include <utf8proc.h>

#include "text/sections.h"
#include "text/utf8.h"

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

int um_report_check(const char *raw, size_t n)
{
    const char *nul = memchr(raw, 0, n);

    if (nul)
        return um_fail(UM_EFORMAT, "not text: byte 0x00 at offset %zu", (size_t)(nul - raw));
    return um_utf8_check(raw, n);
}

static char *append(char *to, struct um_span t)
{
    for (; t.s < t.end; t.s++)
        *to++ = *t.s == '\n' || *t.s == '\r' ? ' ' : *t.s;
    return to;
}

int um_report_body(struct um_arena *a, const char *raw, size_t n, char **body)
{
    struct um_sections sec;
    char              *to;

    UM_TRY(um_report_check(raw, n));
    if (!(to = *body = um_alloc(a, n + 2)))
        return UM_ENOMEM;
    um_sections_find(raw, raw + n, &sec);
    if (!sec.last.s) {
        to = append(to, (struct um_span){ raw, raw + n });
    } else if (!sec.findings.s && !sec.impression.s) {
        to = append(to, um_sections_last_paragraph(sec.last));
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
static void add_piece(struct build *b, struct um_span t)
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
static bool plain_cut(struct um_span t, struct um_span *cut)
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

/* these keep their full stop wherever they stand */
static const char *const abbreviations[] = {
    "dr",   "mr",   "mrs",    "ms",   "prof", "st",  "vs",    "e.g",  "i.e",
    "eg",   "ie",   "dra",    "sr",   "cf",   "fig", "a.m",   "p.m",  "ca",
    "incl", "resp", "approx", "dept", "al",   "sra", "aprox", "p.ej", "ej",
};

/* and these only before a small letter: they may end a sentence too */
static const char *const short_words[] = {
    "mm",   "cm",   "ml",  "cc",  "yr",   "yrs",  "hr",   "hrs",  "min",
    "lat",  "inf",  "sup", "ant", "post", "der",  "dcho", "dcha", "izq",
    "izdo", "izda", "med", "int", "ext",  "temp", "seg",  "segm", "p",
};

static bool is_one_of(const char *const *list, size_t n, const char *w, const char *end)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = list[i], *p = w;

        if (strlen(name) != (size_t)(end - w))
            continue;
        for (; p < end && (*p == *name || *p + 32 == *name); p++)
            name++;
        if (p == end)
            return true;
    }
    return false;
}

/* does a small letter follow, behind spaces if any? */
static bool small_follows(const char *s, const char *end)
{
    while (s < end && *s == ' ')
        s++;
    if (s == end)
        return false;
    const int32_t c = um_utf8_next(s, &s);

    return c < 0x80 ? c >= 'a' && c <= 'z' : utf8proc_toupper(c) != c;
}

/* is the word that ends at dot (letters and inner full stops) one that keeps its full stop? */
static bool abbreviated(const char *start, const char *dot, const char *end)
{
    const char *w = dot;

    while (w > start && (is_letter(w[-1]) || (w[-1] == '.' && w - 1 > start && is_letter(w[-2]))))
        w--;
    if (w > start && (unsigned char)w[-1] >= 0x80)
        return false; /* the end of a longer word */
    if (is_one_of(abbreviations, sizeof abbreviations / sizeof abbreviations[0], w, dot))
        return true;
    return is_one_of(short_words, sizeof short_words / sizeof short_words[0], w, dot) &&
           small_follows(dot + 1, end);
}

/* does the full stop at dot, inside start..end, end no sentence? */
static bool holds_together(const char *start, const char *dot, const char *end)
{
    const char prev = dot > start ? dot[-1] : ' ', next = dot + 1 < end ? dot[1] : ' ';

    if (is_digit(prev) && is_digit(next))
        return true;
    if (next == '_' || (prev == '_' && (is_letter(next) || is_digit(next))))
        return true;
    if (prev == '_')
        return small_follows(dot + 1, end);
    if (is_letter(prev) && is_letter(next) && (dot - 1 == start || !is_letter(dot[-2])))
        return true; /* inside e.g, U.S, T.B.C */
    return abbreviated(start, dot, end);
}

static bool strict_cut(struct um_span whole, struct um_span t, struct um_span *cut)
{
    const char *s = t.s;

    while (s < t.end && (*s != '.' || holds_together(whole.s, s, whole.end)))
        s++;
    if (s == t.end)
        return false;
    cut->end = s + 1;
    while (s > t.s && is_digit(s[-1]))
        s--;
    cut->s =
        um_span_is_blank((struct um_span){ t.s, s }) ? s : cut->end - 1; /* a list's number goes */
    return true;
}

int um_report_clean(struct um_arena *a, const char *raw, size_t n,
                    const struct um_report_opts *opts, struct um_report *out)
{
    struct build   b = { .r = out };
    struct um_span t, whole, cut;
    char          *body;
    int64_t        most = 1;

    UM_TRY(um_report_body(a, raw, n, &body));
    whole = t = (struct um_span){ body, body + strlen(body) };
    for (const char *s = t.s; s < t.end; s++)
        most += *s == '.';
    *out = (struct um_report){ .sentence = um_alloc_array(a, most, sizeof *out->sentence) };
    /* a word is no longer than its bytes, and what parts two words is at least the space's one; the
     * dot of U+0130, which parts words, comes with the second of that character's two bytes */
    b.text = um_alloc(a, (size_t)(t.end - t.s) + 2);
    if (!out->sentence || !b.text)
        return UM_ENOMEM;
    while (opts && opts->strict ? strict_cut(whole, t, &cut) : plain_cut(t, &cut)) {
        add_piece(&b, (struct um_span){ t.s, cut.s });
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
