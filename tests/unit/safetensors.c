/* safetensors.c - files that are what they claim, and files that lie */
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

#include "weights/safetensors.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

static const char *temp(void)
{
    static char path[64];

    snprintf(path, sizeof path, "safetensors-test-%ld.safetensors", (long)getpid());
    return path;
}

/* header length n (or the header's own), header, `data` bytes of data */
static void write_raw(uint64_t n, const char *header, size_t data)
{
    FILE *f = fopen(temp(), "wb");

    assert_non_null(f);
    n = n == UINT64_MAX ? strlen(header) : n;
    for (int i = 0; i < 8; i++)
        fputc((int)(n >> (8 * i) & 255), f);
    fputs(header, f);
    for (size_t i = 0; i < data; i++)
        fputc((int)(i & 255), f);
    assert_int_equal(fclose(f), 0);
}

#define T(name, dtype, shape, a, b)                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #a "," #b "]}"

static void what_is_written_is_read(void **state)
{
    float            f[6] = { 1, 2, 3, 4, 5, 6 };
    int64_t          l[1] = { 1LL << 60 };
    uint8_t          b[3] = { 7, 8, 9 };
    struct um_tensor t[]  = {
         { .name = "b", .dtype = UM_U8, .ndim = 1, .dim = { 3 }, .data = b },
         { .name = "f \"q\" \xc3\xa9", .dtype = UM_F32, .ndim = 2, .dim = { 2, 3 }, .data = f },
         { .name = "scalar", .dtype = UM_I64, .ndim = 0, .data = l },
         { .name = "empty", .dtype = UM_F32, .ndim = 2, .dim = { 0, 5 }, .data = f },
    };
    const char *const       meta[] = { "format", "pt", "k\"", "v\n", NULL };
    struct um_safetensors  *s;
    const struct um_tensor *x;

    (void)state;
    OK(um_safetensors_write(temp(), t, 4, meta));
    OK(um_safetensors_open(&s, temp()));
    assert_int_equal(um_safetensors_count(s), 4);
    assert_string_equal(um_safetensors_meta(s, "k\""), "v\n");
    assert_null(um_safetensors_meta(s, "none"));
    assert_null(um_safetensors_find(s, "none"));
    x = um_safetensors_find(s, "f \"q\" \xc3\xa9");
    assert_true(x && x->dtype == UM_F32 && x->ndim == 2 && x->dim[1] == 3);
    assert_memory_equal(x->data, f, sizeof f);
    x = um_safetensors_find(s, "scalar");
    assert_true(x && x->ndim == 0 && *(const int64_t *)x->data == l[0]);
    assert_memory_equal(um_safetensors_find(s, "b")->data, b, 3);
    assert_string_equal(um_safetensors_at(s, 0)->name, "scalar"); /* wide elements come first */
    um_safetensors_close(s);
    t[3].name = "b";
    assert_int_equal(um_safetensors_write(temp(), t, 4, meta), UM_EDUPLICATE);
    (void)unlink(temp());
}

/* a header that is not padded: data off its alignment is moved */
static void odd_headers_are_read(void **state)
{
    static const char *const header[] = { "{" T("x", "F32", "[2]", 0, 8) "}",
                                          "{" T("x", "F32", "[2]", 0, 8) "} ",
                                          "{" T("x", "F32", "[2]", 0, 8) "}   " };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct um_safetensors *s;

        write_raw(UINT64_MAX, header[i], 8);
        OK(um_safetensors_open(&s, temp()));
        assert_int_equal((uintptr_t)um_safetensors_at(s, 0)->data % sizeof(float), 0);
        assert_memory_equal(um_safetensors_at(s, 0)->data, "\0\1\2\3\4\5\6\7", 8);
        um_safetensors_close(s);
    }
    (void)unlink(temp());
}

static void lies_are_refused(void **state)
{
    static const struct {
        uint64_t    n; /* header length; UINT64_MAX: the true one */
        const char *header;
        size_t      data;
        const char *says;
    } bad[] = {
        { 1ULL << 40, "{}", 0, "a header of 1099511627776 bytes" },
        { UINT64_MAX - 1, "{}", 0, "a header of" },
        { UINT64_MAX, "", 0, "the header" },
        { UINT64_MAX, "[]", 0, "not a JSON object" },
        { UINT64_MAX, "{\"x\":", 0, "the header" },
        { UINT64_MAX, "{\"x\":5}", 0, "tensor x: not a JSON object" },
        { UINT64_MAX, "{" T("x", "F32", "[2]", 0, 8) "}", 7, "the file has 7: cut" },
        { UINT64_MAX, "{" T("x", "F32", "[2]", 0, 8) "}", 9, "the file has 9" },
        { UINT64_MAX, "{" T("x", "F32", "[3]", 0, 8) "}", 8,
          "tensor x: 8 bytes of data, its shape makes 12" },
        { UINT64_MAX, "{" T("x", "F32", "[2]", 8, 0) "}", 8, "ascending" },
        { UINT64_MAX, "{" T("x", "F32", "[2]", -8, 0) "}", 8, "ascending" },
        { UINT64_MAX, "{" T("x", "F32", "[2]", 4, 12) "}", 12, "tensor x begins at 4" },
        { UINT64_MAX, "{" T("x", "F32", "[2]", 0, 8) "," T("y", "F32", "[2]", 4, 12) "}", 12,
          "tensor y begins at 4, the one before it ended at 8" },
        { UINT64_MAX, "{" T("x", "F32", "[2]", 0, 8) "," T("y", "F32", "[2]", 12, 20) "}", 20,
          "tensor y begins at 12" },
        { UINT64_MAX, "{" T("x", "F32", "[2]", 0, 8) "," T("x", "F32", "[2]", 8, 16) "}", 16,
          "the header" },
        { UINT64_MAX, "{" T("x", "F31", "[2]", 0, 8) "}", 8, "dtype F31" },
        { UINT64_MAX, "{" T("x", "F32", "[-2]", 0, 8) "}", 8, "an impossible shape" },
        { UINT64_MAX, "{" T("x", "F32", "[2.0]", 0, 8) "}", 8, "an impossible shape" },
        { UINT64_MAX, "{" T("x", "F32", "2", 0, 8) "}", 8, "shape is not a list" },
        { UINT64_MAX, "{" T("x", "F32", "[1,1,1,1,1,1,1,1,2]", 0, 8) "}", 8, "at most 8" },
        { UINT64_MAX, "{" T("x", "U8", "[4294967296,4294967296]", 0, 0) "}", 0, "impossible" },
        { UINT64_MAX, "{" T("x", "F64", "[2305843009213693952]", 0, 0) "}", 0, "impossible" },
        { UINT64_MAX, "{\"__metadata__\":{\"a\":1}}", 0, "a is not a string" },
        { UINT64_MAX, "{\"__metadata__\":[]}", 0, "__metadata__ is not" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct um_safetensors *s;

        write_raw(bad[i].n, bad[i].header, bad[i].data);
        if (um_safetensors_open(&s, temp()) >= 0)
            fail_msg("%s was accepted", bad[i].header);
        assert_null(s);
        if (!strstr(um_errmsg(), bad[i].says))
            fail_msg("\"%s\" is not in \"%s\"", bad[i].says, um_errmsg());
    }
    (void)unlink(temp());
}

/* every cut of a good file is refused */
static void cuts_are_refused(void **state)
{
    static const char header[] = "{" T("x", "F32", "[2]", 0, 8) "}";
    const long        all      = (long)(8 + sizeof header - 1 + 8);

    (void)state;
    write_raw(UINT64_MAX, header, 8);
    for (long n = all - 1; n >= 0; n--) {
        struct um_safetensors *s;

        assert_int_equal(truncate(temp(), n), 0);
        assert_true(um_safetensors_open(&s, temp()) < 0);
    }
    (void)unlink(temp());
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(odd_headers_are_read),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(cuts_are_refused),
    };

    return cmocka_run_group_tests_name("safetensors", all, NULL, NULL);
}
