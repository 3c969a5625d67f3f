/* text_wordpiece.c - tests of vocabularies, words and ids, with vocabularies made here */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "text/wordpiece.h"

static const char small[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n" /* 0..4 */
                            "the\nno\nnod\n##ul\n##ule\n##s\n.\n," /* 5..12, CRLF below */
                            "\r\ncafe\nk\ni\n##a\n\xe4\xb8\xad\n-\nNo\n";
/* cafe 13, k 14, i 15, ##a 16, U+4E2D 17, - 18, No 19 */

static struct um_vocab *vocab;

static int load(void **state)
{
    (void)state;
    return um_vocab_parse(&vocab, "small", small, strlen(small));
}

static int unload(void **state)
{
    (void)state;
    um_vocab_free(vocab);
    return 0;
}

/* the ids of text between [CLS] and [SEP], as numbers in a string */
static void ids_are(const char *text, bool cased, const char *want)
{
    int32_t ids[16];
    uint8_t mask[16];
    char    got[128] = "";
    bool    cut;
    int     n = um_wordpiece_encode(vocab, text, strlen(text), cased, 16, ids, mask, &cut);

    assert_in_range(n, 2, 16);
    assert_false(cut);
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[n - 1], 3);
    for (int i = 0; i < 16; i++)
        assert_int_equal(mask[i], i < n);
    for (int i = n; i < 16; i++)
        assert_int_equal(ids[i], 0);
    for (int i = 1; i < n - 1; i++)
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), i > 1 ? " %d" : "%d", ids[i]);
    assert_string_equal(got, want);
}

static void longest_pieces(void **state)
{
    (void)state;
    ids_are("", false, "");
    ids_are("the nodules", false, "5 7 9 10");
    ids_are("nodul", false, "7 8");
    ids_are("nodulx the", false, "1 5"); /* all of the word is unknown, not its end alone */
    ids_are("##ule", false, "1 1 1");    /* # is punctuation: no word begins with ## */
    ids_are("No,the.", false, "6 12 5 11");
    ids_are("No,the.", true, "19 12 5 11");
    ids_are("THE", true, "1");
}

static void basic_cleaning(void **state)
{
    (void)state;
    ids_are("CAF\xc3\x89 cafe\xcc\x81", false, "13 13"); /* E acute, composed and not */
    ids_are("cafe\xcc\x81", true, "1");                  /* cased keeps accents */
    ids_are("t\x01h\xe2\x80\x8b"
            "e \xef\xbf\xbdno",
            false, "5 6"); /* U+0001, U+200B, U+FFFD go */
    ids_are("\xe4\xb8\xadno\xe4\xb8\xad", false, "17 6 17");
    ids_are("\xe2\x84\xaa \xc4\xb0"
            "A",
            false, "14 15 16"); /* Kelvin sign; I with a dot */
    ids_are("no\xc2\xa0no\xe3\x80\x80no\tno\r\nno", false, "6 6 6 6 6");
    ids_are("no\xe2\x80\x94no", false, "6 1 6"); /* em dash: punctuation without a piece */
}

static void special_tokens_in_text(void **state)
{
    (void)state;
    ids_are("no[MASK]s [SEP]", false, "6 4 1 3");
    ids_are("[mask] [CLS", false, "1 1 1 1 1");
}

static void long_words(void **state)
{
    char text[256];

    (void)state;
    memset(text, 0, sizeof text);
    text[0] = 'i';
    memset(text + 1, 'a', 100); /* 101 characters */
    ids_are(text, false, "1");
    text[100] = 0; /* 100 characters: i and 99 times ##a, more than there is room for */

    int32_t ids[112];
    uint8_t mask[112];
    bool    cut = true;
    assert_int_equal(um_wordpiece_encode(vocab, text, 100, false, 112, ids, mask, &cut), 102);
    assert_false(cut);
    assert_int_equal(ids[1], 15);
    assert_int_equal(ids[100], 16);
}

static void cut_at_length(void **state)
{
    int32_t ids[5];
    uint8_t mask[5];
    bool    cut = false;

    (void)state;
    assert_int_equal(um_wordpiece_encode(vocab, "the no no no", 12, false, 5, ids, mask, &cut), 5);
    assert_true(cut);
    assert_memory_equal(ids, ((int32_t[]){ 2, 5, 6, 6, 3 }), sizeof ids);
    /* a word that fails past the end is still one [UNK], at its first place */
    assert_int_equal(um_wordpiece_encode(vocab, "no no nodulx", 12, false, 5, ids, mask, &cut), 5);
    assert_false(cut);
    assert_memory_equal(ids, ((int32_t[]){ 2, 6, 6, 1, 3 }), sizeof ids);
}

static void bad_arguments(void **state)
{
    int32_t ids[4];
    uint8_t mask[4];

    (void)state;
    assert_int_equal(um_wordpiece_encode(vocab, "no", 2, false, 2, ids, mask, NULL), UM_ERANGE);
    assert_int_equal(um_wordpiece_encode(vocab, "n\xff", 2, false, 4, ids, mask, NULL), UM_EFORMAT);
    assert_string_equal(um_errmsg(), "not UTF-8: byte 0xFF at offset 1");
}

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

static void bad_vocabularies(void **state)
{
    static const struct {
        const char *text;
        int         st;
        const char *say;
    } bad[] = {
        { "", UM_EMISSING, "v: no [PAD] in it: not a BERT vocabulary" },
        { "[PAD]\n[UNK]\n[CLS]\n[MASK]\n", UM_EMISSING,
          "v: no [SEP] in it: not a BERT vocabulary" },
        { "x\n" SPECIALS, UM_ERANGE, "v: [PAD] is on line 2: it must be the first" },
        { SPECIALS "a\nb\na\n", UM_EDUPLICATE, "v: lines 6 and 8 are the same piece, \"a\"" },
        { SPECIALS "a\n\nb\n", UM_EFORMAT, "v: line 7 is empty" },
        { SPECIALS "\xc3\n", UM_EFORMAT, "v: not UTF-8: byte 0xC3 at offset 31" },
    };
    struct um_vocab *v = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(um_vocab_parse(&v, "v", bad[i].text, strlen(bad[i].text)), bad[i].st);
        assert_string_equal(um_errmsg(), bad[i].say);
        assert_null(v);
    }
    assert_int_equal(um_vocab_load(&v, "/nowhere/vocab.txt"), UM_EMISSING);
}

static void vocabulary_facts(void **state)
{
    static const char unix_ends[]  = SPECIALS "a\n##a\n";
    static const char other_ends[] = "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\na\r\n##a";
    struct um_vocab  *a, *b;
    char              hex[UM_HASH_HEX];

    (void)state;
    assert_int_equal(vocab->size, 20);
    assert_int_equal(um_vocab_parse(&a, "a", unix_ends, sizeof unix_ends - 1), UM_OK);
    assert_int_equal(um_vocab_parse(&b, "b", other_ends, sizeof other_ends - 1), UM_OK);
    um_hash_bytes_hex(unix_ends, sizeof unix_ends - 1, hex);
    assert_string_equal(a->digest, hex);
    assert_string_equal(b->digest, hex);
    um_vocab_free(a);
    um_vocab_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_pieces),         cmocka_unit_test(basic_cleaning),
        cmocka_unit_test(special_tokens_in_text), cmocka_unit_test(long_words),
        cmocka_unit_test(cut_at_length),          cmocka_unit_test(bad_arguments),
        cmocka_unit_test(bad_vocabularies),       cmocka_unit_test(vocabulary_facts),
    };

    return cmocka_run_group_tests_name("wordpiece", tests, load, unload);
}
