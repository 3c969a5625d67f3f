/* text_report.c - tests of report cleaning: sections, sentences, counts, text that is not UTF-8 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "text/report.h"
#include "text/utf8.h"

static struct um_arena *arena;

static int open_arena(void **state)
{
    (void)state;
    return um_arena_new(&arena);
}

static int close_arena(void **state)
{
    (void)state;
    um_arena_free(arena);
    return 0;
}

static void body_is(const char *raw, const char *want)
{
    char *body = NULL;

    assert_int_equal(um_report_body(arena, raw, strlen(raw), &body), UM_OK);
    assert_string_equal(body, want);
}

static void sections_make_the_body(void **state)
{
    (void)state;
    body_is("FINDINGS: Clear.\nIMPRESSION: Normal.\n", " Normal.   Clear. ");
    body_is("FINDINGS: a\nFINDINGS: b\n", " b ");              /* the last counts */
    body_is("FINDINGS: a\nFINDINGS: \n\n", " a ");             /* an empty one is absent */
    body_is("Dictated.\nTECHNIQUE: x\n REPORT:\ty\n", "\ty "); /* text before a heading is none */
    body_is("FINDINGS AND IMPRESSION: a", " a");               /* both, once */
    body_is("FINDINGS / IMPRESSIONS: a\nOPINION: b", " b  a ");
    body_is("FINDINGS AND  IMPRESSION :a",
            "FINDINGS AND  IMPRESSION :a"); /* no space: no heading */
    body_is("Findings: a", "Findings: a");
    body_is("CONCLUSIONS:\r\na\r\nb", "  a  b");
    body_is("TECHNIQUE: a\n", ""); /* another name, no last paragraph */
}

/* the names of method.md 1.3, in singular and plural, spelled as they come */
static const char *const findings[]   = { "FINDINGS", "FINDING",   "RESULT",     "RESULTS",
                                          "REPORT",   "HALLAZGOS", "RESULTADOS", "INFORME" };
static const char *const impression[] = { "IMPRESSION",
                                          "IMPRESSIONS",
                                          "CONCLUSION",
                                          "CONCLUSIONS",
                                          "OPINION",
                                          "SUMMARY",
                                          "INTERPRETATION",
                                          "DIAGNOSIS",
                                          "CONCLUSI\xc3\x93N",
                                          "IMPRESI\xc3\x93N",
                                          "IMPRESIO\xcc\x81N",
                                          "CONCLUSIONES",
                                          "JUICIO DIAGN\xc3\x93STICO" };
static const char *const both[]       = { "FINDINGS AND IMPRESSION", "FINDINGS/IMPRESSION",
                                          "FINDING AND IMPRESSIONS", "HALLAZGOS Y CONCLUSI\xc3\x93N" };
static const char *const other[]      = {
         "COMPARISON",
         "COMPARISONS",
         "PRIOR STUDIES",
         "INDICATION",
         "HISTORY",
         "CLINICAL HISTORY",
         "CLINICAL INFORMATION",
         "REASON FOR EXAM",
         "REASON FOR EXAMINATION",
         "TECHNIQUE",
         "PROCEDURE",
         "EXAM",
         "EXAMINATION",
         "STUDY",
         "TYPE OF EXAM",
         "RECOMMENDATION(S)",
         "RECOMMENDATIONS",
         "NOTIFICATION",
         "ADDENDUM",
         "WET READ",
         "CHEST, PA (LATERAL) - TWO/THREE",
         ("T\xc3\x89"
          "CNICA"),
         "INDICACI\xc3\x93N",
         "FINDINGSS",
         "MY FINDINGS",
         "A HEADING LONGER THAN SIXTY-FOUR CHARACTERS, WHICH IS NO NAME AT ALL, WHATEVER IT SAYS"
};

static void every_spelling(void **state)
{
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++) {
        (void)snprintf(text, sizeof text, "IMPRESSION: a\n %s: b", findings[i]);
        body_is(text, " a   b");
    }
    for (size_t i = 0; i < sizeof impression / sizeof impression[0]; i++) {
        (void)snprintf(text, sizeof text, "FINDINGS: a\n\t%s:\nb", impression[i]);
        body_is(text, " b  a ");
    }
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        (void)snprintf(text, sizeof text, "%s: a\nTECHNIQUE: b", both[i]);
        body_is(text, " a ");
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        (void)snprintf(text, sizeof text, "FINDINGS: a\n%s: b", other[i]);
        body_is(text, " a ");
        (void)snprintf(text, sizeof text, "%s: b\n\nc", other[i]);
        body_is(text, "c");
    }
    body_is("FINDINGS: a\n\xc3\xa9TUDE: b", " a \xc3\xa9TUDE: b"); /* a small letter: no heading */
    body_is("FINDINGS: a\n\xc3\x97: b", " a \xc3\x97: b");         /* a sign: none */
}

static void last_paragraph_stands_in(void **state)
{
    (void)state;
    body_is("COMPARISON: none.\n\nOne.\n \nTwo.\nThree.\n\n \n", "Two. Three.    ");
    body_is("COMPARISON: none.\nOne.\n", "");
    body_is("no headings\n\nat all", "no headings  at all");
    body_is("", "");
}

static void clean_is(const char *raw, bool strict, const char *want, int64_t sentences,
                     int64_t words)
{
    const struct um_report_opts opts = { .strict = strict };
    struct um_report            r;

    assert_int_equal(um_report_clean(arena, raw, strlen(raw), &opts, &r), UM_OK);
    assert_string_equal(r.text, want);
    assert_int_equal(r.sentences, sentences);
    assert_int_equal(r.words, words);
    for (int64_t i = 0, at = 0; i < r.sentences; i++) {
        assert_int_equal(r.sentence[i].at, at);
        at += r.sentence[i].n + 1;
    }
}

static void sentences_are_words(void **state)
{
    (void)state;
    clean_is("The heart is LARGE. No effusion!", false, "the heart is large no effusion", 2, 6);
    clean_is("1. Clear lungs. 2. Normal.", false, "clear lungs", 1,
             2);                                             /* one word is no sentence */
    clean_is("A 1.5 cm nodule", false, "5 cm nodule", 1, 3); /* the number is cut at */
    clean_is("x_y ___ (z)", false, "x_y ___ z", 1, 3);
    clean_is("", false, "", 0, 0);
    clean_is("...", false, "", 0, 0);
    clean_is("no. 12. ok", false, "", 0, 0);
}

static void unicode_words(void **state)
{
    (void)state;
    clean_is("d\xc3\xa9"
             "bit \xc3\xa9\xc3\xa9 ok",
             false, "dbit ok", 1, 2);               /* an empty word goes */
    clean_is("\xc3\xa9 \xc3\xa8", false, "", 0, 0); /* so does its sentence */
    clean_is("\xe2\x84\xaa x", false, "k x", 1, 2); /* Kelvin sign lower-cases to k */
    clean_is("\xc4\xb0x", false, "i x", 1, 2);      /* i + U+0307, which is no letter */
    clean_is("a\xef\xbf\xbd\xef\xbf\xbd"
             "b",
             false, "a b", 1, 2); /* U+FFFD twice */
    clean_is("37\xc2\xb0"
             "C, 5\xc2\xbd",
             false, "37 c 5", 1, 3);
    clean_is("\xd9\xa1. x y", false, "x y", 1, 2); /* Arabic digits number no list */
}

static void strict_sentences(void **state)
{
    (void)state;
    clean_is("A 1.5 cm nodule. No change.", true, "a 1 5 cm nodule no change", 2, 7);
    clean_is("1. Clear lungs. 12. Large heart.", true, "clear lungs large heart", 2, 4);
    clean_is("Mass of 5. Next one.", true, "mass of 5 next one", 2, 5);
    clean_is("Seen by Dr. Who, e.g. here. Stable now.", true, "seen by dr who e g here stable now",
             2, 9);
    clean_is("Compared to ___. The heart is big.", true, "compared to ___ the heart is big", 2, 7);
    clean_is("On ___.___ by Dr.___ and ___. at noon.", true, "on ___ ___ by dr ___ and ___ at noon",
             1, 10);
    clean_is("Clear lungs.No effusion.", true, "clear lungs no effusion", 2, 4);
    clean_is("A nodule of 3 cm. in size. It is 2 cm. No more.", true,
             "a nodule of 3 cm in size it is 2 cm no more", 3, 13);
    clean_is("L\xc3\xb3"
             "bulo inf. derecho. Hilio izq. normal, p. ej. aqu\xc3\xad. La Dra. Paz.",
             true, "lbulo inf derecho hilio izq normal p ej aqu la dra paz", 3, 12);
    clean_is("Seg. inf. \xc3\xadntegro. PA and lat. No change.", true,
             "seg inf ntegro pa and lat no change", 3, 8);
    clean_is("The U.S. was done.", true, "the u s was done", 2, 5);
}

static void not_text(void **state)
{
    static const struct {
        const char *raw;
        size_t      n;
        const char *say;
    } bad[] = {
        { "caf\xe9 x", 6, "not UTF-8: byte 0xE9 at offset 3" },
        { "\xc0\xaf", 2, "not UTF-8: byte 0xC0 at offset 0" },         /* overlong */
        { "a\xed\xa0\x80", 4, "not UTF-8: byte 0xED at offset 1" },    /* surrogate */
        { "\xf4\x90\x80\x80", 4, "not UTF-8: byte 0xF4 at offset 0" }, /* beyond U+10FFFF */
        { "ab\xe2\x82", 4, "not UTF-8: byte 0xE2 at offset 2" },       /* cut */
        { "a\0b", 3, "not text: byte 0x00 at offset 1" },
    };
    struct um_report r;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(um_report_clean(arena, bad[i].raw, bad[i].n, NULL, &r), UM_EFORMAT);
        assert_string_equal(um_errmsg(), bad[i].say);
    }
    assert_int_equal(um_utf8_check("\xf4\x8f\xbf\xbf", 4), UM_OK);
}

static void enough(void **state)
{
    (void)state;
    assert_true(um_report_enough(&(struct um_report){ .sentences = 3, .words = 6 }, 3));
    assert_false(um_report_enough(&(struct um_report){ .sentences = 2, .words = 6 }, 3));
    assert_false(um_report_enough(&(struct um_report){ .sentences = 1, .words = 2 }, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_make_the_body),
        cmocka_unit_test(every_spelling),
        cmocka_unit_test(last_paragraph_stands_in),
        cmocka_unit_test(sentences_are_words),
        cmocka_unit_test(unicode_words),
        cmocka_unit_test(strict_sentences),
        cmocka_unit_test(not_text),
        cmocka_unit_test(enough),
    };

    return cmocka_run_group_tests_name("report", tests, open_arena, close_arena);
}
