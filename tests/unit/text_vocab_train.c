/* text_vocab_train.c - tests of learning a vocabulary: known answers, order, limits */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text/vocab.h"
#include "text/vocab_train.h"

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

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

/* the vocabulary learned from n texts, at most size pieces */
static char *learn(const char *const *text, int n, int64_t size)
{
    struct um_vocab_train *t = NULL;
    char                  *out;
    size_t                 bytes;

    assert_int_equal(um_vocab_train_new(&t, false), UM_OK);
    for (int i = 0; i < n; i++)
        assert_int_equal(um_vocab_train_add(t, text[i], strlen(text[i])), UM_OK);
    assert_true(um_vocab_train_run(t, size, arena, &out, &bytes) > 0);
    assert_int_equal(bytes, strlen(out));
    um_vocab_train_free(t);
    return out;
}

static void known_answer(void **state)
{
    /* ab 3, abc 2, cab 2: a ##b is seen 5 times and goes first. Then ab ##c, c ##a and ##a ##b
     * are seen twice each; c (8) is the oldest left piece, which leaves ab (13) ##c and ca (14) ##b
     */
    const char *text[] = { "AB ab. abc", "ab abc cab", "cab" };

    (void)state;
    assert_string_equal(learn(text, 3, 100),
                        SPECIALS ".\na\nb\nc\n##.\n##a\n##b\n##c\nab\nca\nabc\ncab\n");
    assert_string_equal(learn(text, 3, 16),
                        SPECIALS ".\na\nb\nc\n##.\n##a\n##b\n##c\nab\nca\nabc\n");
}

static void one_piece_spelled_twice(void **state)
{
    /* once ##aa is there, aaaa is a ##aa ##a or aa ##aa, as it comes: never two lines alike */
    const char      *text[] = { "aaaa aaaa aaa aaa aa aa aa baaa baaa caaaa caaaa" };
    const char      *got    = learn(text, 1, 400);
    struct um_vocab *v      = NULL;

    (void)state;
    assert_int_equal(um_vocab_parse(&v, "learned", got, strlen(got)), UM_OK);
    um_vocab_free(v);
}

static void order_does_not_matter(void **state)
{
    const char *one[] = { "no pleural effusion", "the heart is large", "no effusion; no nodule" };
    const char *two[] = { "no effusion; no nodule", "no pleural effusion", "the heart is large" };
    char       *first = learn(one, 3, 200);

    (void)state;
    assert_string_equal(learn(two, 3, 200), first);
}

static void alphabet_is_cut(void **state)
{
    /* room for (16 - 5) / 2 = 5 letters of six: z is rarest, and words with it are left out */
    const char *text[] = { "abcde abcde edcba zzab" };

    (void)state;
    assert_string_equal(learn(text, 1, 16),
                        SPECIALS "a\nb\nc\nd\ne\n##a\n##b\n##c\n##d\n##e\nab\n");
}

static void what_cannot_be_learned(void **state)
{
    struct um_vocab_train *t = NULL;
    char                  *out;
    size_t                 n;

    (void)state;
    assert_int_equal(um_vocab_train_new(&t, false), UM_OK);
    assert_int_equal(um_vocab_train_add(t, " [MASK] \t", 9), UM_OK);
    assert_int_equal(um_vocab_train_run(t, 100, arena, &out, &n), UM_EMISSING);
    assert_int_equal(um_vocab_train_add(t, "a\xff", 2), UM_EFORMAT);
    assert_int_equal(um_vocab_train_run(t, 15, arena, &out, &n), UM_ERANGE);
    um_vocab_train_free(t);
    um_vocab_train_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answer),           cmocka_unit_test(one_piece_spelled_twice),
        cmocka_unit_test(order_does_not_matter),  cmocka_unit_test(alphabet_is_cut),
        cmocka_unit_test(what_cannot_be_learned),
    };

    return cmocka_run_group_tests_name("vocab_train", tests, open_arena, close_arena);
}
