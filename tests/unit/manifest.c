/* manifest.c - tables of files and reports: what is read, and one line for each thing wrong */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/keys.h"
#include "dataset/manifest.h"

static char path[] = "/tmp/um-manifest-XXXXXX";

static int setup(void **state)
{
    const int fd = mkstemp(path);

    (void)state;
    return fd < 0 || close(fd) != 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void put_bytes(const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put(const char *text)
{
    put_bytes(text, strlen(text));
}

static void columns_in_any_order(void **state)
{
    struct um_manifest *m;
    struct um_row      *row;

    (void)state;
    put("\xef\xbb\xbfreport\tlabel.Edema\tkey\tage\tview\r\n"
        "says \"no\tedema\t\r\n");
    assert_int_equal(um_manifest_open(&m, path), UM_OK);
    assert_int_equal(um_manifest_ncol(m), 5);
    assert_int_equal(um_manifest_column(m, 1), UM_COL_LABEL);
    assert_string_equal(um_manifest_name(m, 1), "Edema");
    assert_int_equal(um_manifest_column(m, 3), UM_COL_OTHER);
    assert_int_equal(um_manifest_next(m, &row), UM_EFORMAT); /* three fields */
    assert_non_null(strstr(um_errmsg(), "line 2: 3 fields, the header has 5"));
    assert_int_equal(um_manifest_next(m, &row), UM_EFORMAT); /* an error is final */
    um_manifest_close(m);

    put("report\tlabel.Edema\tkey\tage\tview\r\n"
        "says \"no\t1\ta/1\t\tPA\r\n\r\n\n"
        "x\t\tb\t42\t");
    assert_int_equal(um_manifest_open(&m, path), UM_OK);
    assert_int_equal(um_manifest_next(m, &row), 1);
    assert_string_equal(um_row_get(m, row, UM_COL_KEY), "a/1");
    assert_string_equal(um_row_get(m, row, UM_COL_REPORT), "says \"no");
    assert_string_equal(um_row_get(m, row, UM_COL_VIEW), "PA");
    assert_string_equal(um_row_get(m, row, UM_COL_IMAGE), "");
    assert_string_equal(row->field[3], "");
    um_row_free(row);
    assert_int_equal(um_manifest_next(m, &row), 1);
    assert_int_equal(row->line, 5);
    assert_string_equal(row->field[3], "42");
    um_row_free(row);
    assert_int_equal(um_manifest_next(m, &row), 0);
    um_manifest_close(m);
}

static void assert_bad(const char *text, int status, const char *says)
{
    struct um_manifest *m;
    struct um_row      *row;
    int                 st;

    put(text);
    st = um_manifest_open(&m, path);
    while (st >= 0 && (st = um_manifest_next(m, &row)) > 0)
        um_row_free(row);
    assert_int_equal(st, status);
    if (!strstr(um_errmsg(), says) || strchr(um_errmsg(), '\n'))
        fail_msg("\"%s\" does not hold \"%s\"", um_errmsg(), says);
    um_manifest_close(m);
}

static void wrong_tables(void **state)
{
    struct um_manifest *m;
    char                text[2000] = "key\timage\n";

    (void)state;
    assert_bad("", UM_EFORMAT, "empty");
    assert_bad("image\tview\nx\ty\n", UM_EMISSING, "line 1: no column key");
    assert_bad("key,image\nx,y\n", UM_EMISSING, "parted by tabs; 1 found: \"key,image\"");
    assert_bad("key\tview\nx\ty\n", UM_EMISSING, "no column image, report or report_file");
    assert_bad("key\timage\tkey\n", UM_EDUPLICATE, "two columns are called \"key\"");
    assert_bad("key\timage\tlabel.a\tlabel.a\n", UM_EDUPLICATE, "label.a");
    assert_bad("key\timage\t\n", UM_EFORMAT, "column 3 has no name");
    assert_bad("key\timage\tlabel\n", UM_EFORMAT, "label.NAME");
    assert_bad("key\timage\tspacing\n", UM_EFORMAT, "\"spacing\"");
    assert_bad("key\timage\na\tb\nc\td\na\te\n", UM_EDUPLICATE,
               "line 4: key \"a\" was on line 2 already");
    assert_bad("key\timage\n\tb\n", UM_EFORMAT, "line 2: the key is empty");
    assert_bad("key\timage\na\001\tb\n", UM_EFORMAT, "control character");
    assert_bad("key\timage\na\tb\tc\n", UM_EFORMAT, "line 2: 3 fields, the header has 2");
    assert_bad("key\timage\na\tb\xb0\n", UM_EFORMAT, "line 2");
    memset(text + 10, 'k', 1025);
    strcpy(text + 10 + 1025, "\tb\n");
    assert_bad(text, UM_EFORMAT, "1025 bytes");
    put_bytes("key\timage\na\0\tb\n", 15);
    assert_int_equal(um_manifest_open(&m, path), UM_OK);
    struct um_row *row;
    assert_int_equal(um_manifest_next(m, &row), UM_EFORMAT);
    assert_non_null(strstr(um_errmsg(), "NUL"));
    um_manifest_close(m);
    assert_int_equal(um_manifest_open(&m, "/tmp"), UM_EFORMAT);
    assert_int_equal(um_manifest_open(&m, "/tmp/um-no-such-manifest"), UM_EMISSING);
    assert_null(m);
}

/* enough keys for the table of keys to grow several times */
static void many_keys(void **state)
{
    struct um_manifest *m;
    struct um_row      *row;
    FILE               *f = fopen(path, "w");
    int                 n = 0, st;

    (void)state;
    assert_non_null(f);
    fputs("key\treport\n", f);
    for (int i = 0; i < 20000; i++)
        fprintf(f, "case-%d\tnothing\n", i);
    fputs("case-777\tagain\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(um_manifest_open(&m, path), UM_OK);
    while ((st = um_manifest_next(m, &row)) > 0) {
        um_row_free(row);
        n++;
    }
    assert_int_equal(n, 20000);
    assert_int_equal(st, UM_EDUPLICATE);
    assert_non_null(strstr(um_errmsg(), "line 20002: key \"case-777\" was on line 779"));
    um_manifest_close(m);
}

static void blocks_of_rows(void **state)
{
    static const int64_t block[][2] = { { 0, 0 }, { 1, 3 }, { 5, 7 }, { 9, 99 }, { 99, 100 } };
    static const char   *want[]     = { "", "bc", "fg", "jk", "" };
    struct um_manifest  *m;
    struct um_row       *row;

    (void)state;
    put("key\treport\na\tx\n\nb\tx\nc\tx\nd\tx\ne\tx\nf\tx\ng\tx\nh\tx\ni\tx\nj\tx\nk\tx\n");
    assert_int_equal(um_manifest_open(&m, path), UM_OK);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char got[8] = "";
        int  st;

        um_manifest_block(m, block[i][0], block[i][1]);
        while ((st = um_manifest_next(m, &row)) > 0) {
            strcat(got, um_row_get(m, row, UM_COL_KEY));
            um_row_free(row);
        }
        assert_int_equal(st, 0);
        assert_string_equal(got, want[i]);
    }
    assert_int_equal(um_manifest_taken(m), 6);
    um_manifest_close(m);

    put("key\treport\na\tx\nb\tx\na\tx\n"); /* a key that comes twice outside the block */
    assert_int_equal(um_manifest_open(&m, path), UM_OK);
    um_manifest_block(m, 5, 9);
    assert_int_equal(um_manifest_next(m, &row), UM_EDUPLICATE);
    um_manifest_close(m);
}

static void keys_and_numbers(void **state)
{
    struct um_keys *k;
    char            key[32];
    int64_t         earlier;

    (void)state;
    assert_int_equal(um_keys_new(&k), UM_OK);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 1; i <= 5000; i++) {
            (void)snprintf(key, sizeof key, "%d", i);
            assert_int_equal(um_keys_add(k, key, i, NULL), UM_OK);
        }
        assert_int_equal(um_keys_add(k, "", 5001, &earlier), UM_OK);
        assert_int_equal(um_keys_add(k, "", 5002, NULL), UM_EDUPLICATE);
        for (int i = 1; i <= 5000; i++) {
            (void)snprintf(key, sizeof key, "%d", i);
            assert_int_equal(um_keys_add(k, key, 6000, &earlier), UM_EDUPLICATE);
            assert_int_equal(earlier, i);
        }
        assert_int_equal(um_keys_add(k, "last", UINT32_MAX, &earlier), UM_OK);
        assert_int_equal(um_keys_add(k, "more", (int64_t)UINT32_MAX + 1, &earlier), UM_ERANGE);
        um_keys_clear(k);
    }
    um_keys_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_in_any_order),
        cmocka_unit_test(wrong_tables),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(blocks_of_rows),
        cmocka_unit_test(keys_and_numbers),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
