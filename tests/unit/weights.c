/* weights.c - weights files of every format: good ones written byte by byte, and ones that lie
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "torch_file.h"
#include "weights/safetensors.h"
#include "weights/weights.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        if ((expr) < 0)                                                                            \
            fail_msg("%s: %s", #expr, um_errmsg());                                                \
    } while (0)

/* ---- files ---- */

static char folder[] = "weights-test-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(in_folder(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[64];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void refused(const char *name, int status, const char *says)
{
    struct um_weights *w;
    const int          st = um_weights_open(&w, in_folder(name));

    if (st >= 0)
        fail_msg("%s was accepted, expected \"%s\"", name, says);
    assert_null(w);
    if (!strstr(um_errmsg(), says) || !strstr(um_errmsg(), name))
        fail_msg("\"%s\" is not in \"%s\"", says, um_errmsg());
    if (strchr(um_errmsg(), '\n'))
        fail_msg("more than a line: %s", um_errmsg());
    if (status && st != status)
        fail_msg("status %d, expected %d: %s", st, status, um_errmsg());
}

/* ---- safetensors ---- */

static float ones[6] = { 1, 2, 3, 4, 5, 6 };

static struct um_tensor tensor(const char *name, int64_t rows, int64_t columns)
{
    return (struct um_tensor){
        .name = name, .dtype = UM_F32, .ndim = 2, .dim = { rows, columns }, .data = ones
    };
}

/* header, then n bytes 0, 1, 2, ... */
static void put_safetensors(const char *name, const char *header, size_t n)
{
    const size_t len = strlen(header);
    uint8_t      file[1024];

    assert_true(8 + len + n <= sizeof file);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)(len >> (8 * i));
    memcpy(file + 8, header, len);
    for (size_t i = 0; i < n; i++)
        file[8 + len + i] = (uint8_t)i;
    put(name, file, 8 + len + n);
}

static void safetensors_by_name(void **state)
{
    const struct um_tensor  t[] = { tensor("z", 1, 2), tensor("B", 3, 2), tensor("a", 2, 0) };
    struct um_weights      *w;
    const struct um_tensor *x;

    (void)state;
    OK(um_safetensors_write(in_folder("model.bin"), t, 3, /* the name says nothing */
                            (const char *const[]){ "k", "v", NULL }));
    OK(um_weights_open(&w, in_folder("model.bin")));
    assert_string_equal(um_weights_format(w), "safetensors");
    assert_int_equal(um_weights_count(w), 3);
    assert_string_equal(um_weights_at(w, 0)->name, "B");
    assert_string_equal(um_weights_at(w, 1)->name, "a");
    assert_string_equal(um_weights_at(w, 2)->name, "z");
    assert_null(um_weights_at(w, 3));
    assert_string_equal(um_weights_meta(w, "k"), "v");
    assert_null(um_weights_meta(w, "none"));
    assert_null(um_weights_find(w, "A"));
    OK(um_weights_get(w, "B", &x));
    assert_true(x->ndim == 2 && x->dim[0] == 3 && x->dim[1] == 2 && x->dtype == UM_F32);
    assert_memory_equal(x->data, ones, sizeof ones);
    assert_string_equal(um_weights_dtype(w, x), "float32");
    assert_int_equal(um_weights_get(w, "A", &x), UM_EMISSING);
    um_weights_close(w);
}

/* a file opens in spite of a buffer of a type that is not calculated with */
static void foreign_types_are_listed(void **state)
{
    struct um_weights      *w;
    const struct um_tensor *t;

    (void)state;
    put_safetensors("foreign",
                    "{\"i\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                    "\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[4,6]},"
                    "\"f4\":{\"dtype\":\"F4\",\"shape\":[2,3],\"data_offsets\":[6,9]},"
                    "\"h\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[9,11]}}",
                    11);
    OK(um_weights_open(&w, in_folder("foreign")));
    assert_int_equal(um_weights_count(w), 4);
    t = um_weights_find(w, "i");
    assert_true(t && t->dtype == UM_NDTYPE && !t->data && t->dim[0] == 4);
    assert_string_equal(um_weights_dtype(w, t), "int8");
    assert_int_equal(um_weights_get(w, "i", &t), UM_EDTYPE);
    assert_non_null(strstr(um_errmsg(), "tensor i: int8"));
    OK(um_weights_get(w, "b", &t));
    assert_int_equal(t->dtype, UM_U8);
    assert_string_equal(um_weights_dtype(w, t), "bool");
    assert_memory_equal(t->data, "\4\5", 2);
    OK(um_weights_get(w, "h", &t));
    assert_int_equal((uintptr_t)t->data % 2, 0);
    assert_memory_equal(t->data, "\11\12", 2);
    um_weights_close(w);
    put_safetensors("odd", "{\"x\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1);
    refused("odd", UM_ERANGE, "tensor x: a shape of no whole number of bytes");
    put_safetensors("newline",
                    "{\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1);
    refused("newline", UM_EFORMAT, "tensor a\\x0ab: a control character");
    put("long", "\377\0\0\0\0\0\0\0{\"x\":", 13);
    refused("long", UM_EFORMAT, "a header of 255 bytes in a file of 13: cut");
}

/* ---- shards ---- */

static void put_shards(void)
{
    struct um_tensor a[] = { tensor("a", 1, 2), tensor("c", 3, 2) }, b = tensor("b", 2, 2);

    OK(um_safetensors_write(in_folder("1.safetensors"), a, 2, NULL));
    OK(um_safetensors_write(in_folder("2.safetensors"), &b, 1,
                            (const char *const[]){ "format", "pt", NULL }));
}

static void put_index(const char *text)
{
    put("index", text, strlen(text));
}

static void shards_are_one_file(void **state)
{
    struct um_weights *w;

    (void)state;
    put_shards();
    put_index(" {\"metadata\": {\"total_size\": 48, \"by\": \"hand\"},\n \"weight_map\": {"
              "\"c\": \"1.safetensors\", \"b\": \"2.safetensors\", \"a\": \"1.safetensors\"}}");
    OK(um_weights_open(&w, in_folder("index")));
    assert_string_equal(um_weights_format(w), "sharded safetensors");
    assert_int_equal(um_weights_count(w), 3);
    for (int i = 0; i < 3; i++) {
        const struct um_tensor *t = um_weights_at(w, i);

        assert_int_equal(t->name[0], "abc"[i]);
        assert_int_equal(t->dim[0], i + 1);
        assert_memory_equal(t->data, ones, um_tensor_bytes(t));
    }
    assert_string_equal(um_weights_meta(w, "by"), "hand");
    assert_string_equal(um_weights_meta(w, "format"), "pt");
    um_weights_close(w);
}

static void pytorch_shards_are_one_file(void **state)
{
    struct bytes       zip = torch_zip(ZIP_TORCH, PK_GOOD, sizeof PK_GOOD - 1, ones, sizeof ones);
    struct bytes       legacy = torch_legacy(PK_GOOD, sizeof PK_GOOD - 1, 6, ones, sizeof ones);
    struct um_weights *w;

    (void)state;
    put("a.bin", zip.p, zip.n);
    put_index("{\"metadata\": {\"total_size\": 24}, \"weight_map\": {\"a\": \"a.bin\"}}");
    OK(um_weights_open(&w, in_folder("index")));
    assert_string_equal(um_weights_format(w), "sharded PyTorch");
    assert_int_equal(um_weights_count(w), 1);
    assert_memory_equal(um_weights_at(w, 0)->data, ones, sizeof ones);
    assert_null(um_weights_meta(w, "total_size")); /* a number */
    um_weights_close(w);
    put("b.bin", legacy.p, legacy.n);
    put_index("{\"weight_map\": {\"a\": \"a.bin\", \"b\": \"b.bin\"}}");
    refused("index", UM_EFORMAT, "shard b.bin is PyTorch legacy, but a.bin is PyTorch zip");
    zip.p[zip.n / 2] ^= 1;
    put("a.bin", zip.p, zip.n);
    refused("index", UM_EFORMAT, "shard a.bin: ");
    free(zip.p);
    free(legacy.p);
}

static void indexes_that_lie_are_refused(void **state)
{
    static const struct {
        const char *index;
        int         status;
        const char *says;
    } bad[] = {
        { "{}", UM_EFORMAT, "without a weight_map" },
        { "{\"weight_map\": {}}", UM_EFORMAT, "without a weight_map" },
        { "{\"weight_map\": [1]}", UM_EFORMAT, "without a weight_map" },
        { "{\"weight_map\": {\"a\": \"1.safetensors\"", UM_EFORMAT, "the index: " },
        { "{\"weight_map\": {\"a\": 1}}", UM_EFORMAT, "the file of a is not a string" },
        { "{\"weight_map\": {\"a\": \"1.safetensors\", \"a\": \"1.safetensors\"}}", UM_EFORMAT,
          "duplicate object key" },
        { "{\"weight_map\": {\"a\": \"../1.safetensors\"}}", UM_EFORMAT,
          "a in \"../1.safetensors\": not the plain name" },
        { "{\"weight_map\": {\"a\": \"/etc/passwd\"}}", UM_EFORMAT, "not the plain name" },
        { "{\"weight_map\": {\"a\": \"x\\\\1.safetensors\"}}", UM_EFORMAT, "not the plain name" },
        { "{\"weight_map\": {\"a\": \"..\"}}", UM_EFORMAT, "not the plain name" },
        { "{\"weight_map\": {\"a\": \".\"}}", UM_EFORMAT, "not the plain name" },
        { "{\"weight_map\": {\"a\": \"\"}}", UM_EFORMAT, "a in \"\": a name of 0 bytes" },
        { "{\"weight_map\": {\"a\": \"1\\u0000\"}}", UM_EFORMAT, "\\u0000" },
        { "{\"weight_map\": {\"a\\n\": \"1\"}}", UM_EFORMAT, "a control character" },
        { "{\"weight_map\": {\"a\": \"none\"}}", UM_EMISSING, "shard none: no such file" },
        { "{\"weight_map\": {\"a\": \"index\"}}", UM_EFORMAT, "shard index: JSON" },
        { "{\"weight_map\": {\"a\": \"1.safetensors\", \"c\": \"1.safetensors\", "
          "\"x\": \"1.safetensors\", \"y\": \"1.safetensors\"}}",
          UM_EMISSING, "shards do not have: x, y" },
        { "{\"weight_map\": {\"b\": \"2.safetensors\", \"x\": \"1.safetensors\"}}", UM_EMISSING,
          "shards do not have: x" },
        { "{\"weight_map\": {\"a\": \"2.safetensors\"}}", UM_EMISSING, "shards do not have: a" },
    };

    (void)state;
    put_shards();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_index(bad[i].index);
        refused("index", bad[i].status, bad[i].says);
    }
}

static void shards_with_more_than_the_index_are_refused(void **state)
{
    struct um_tensor t[200];
    char             name[200][64];

    (void)state;
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name[i], sizeof name[i], "blocks.%d.some.longer.name.of.a.weight", i);
        t[i] = tensor(name[i], 1, 1);
    }
    OK(um_safetensors_write(in_folder("1.safetensors"), t, 2, NULL));
    OK(um_safetensors_write(in_folder("2.safetensors"), t + 2, 198, NULL));
    put_index("{\"weight_map\": {\"blocks.0.some.longer.name.of.a.weight\": \"1.safetensors\"}}");
    refused("index", UM_EMISMATCH,
            "that the index does not have: blocks.1.some.longer.name.of.a.weight");
    put_index("{\"weight_map\": {\"blocks.0.some.longer.name.of.a.weight\": \"1.safetensors\", "
              "\"blocks.9.some.longer.name.of.a.weight\": \"2.safetensors\"}}");
    refused("index", UM_EMISMATCH, "does not have: blocks.1.some.longer.name.of.a.weight, blocks.");
    assert_non_null(strstr(um_errmsg(), " more")); /* many, but not all in one line */
}

/* ---- other files ---- */

static void other_files_are_named(void **state)
{
#define FILE_IS(bytes, says)                                                                       \
    {                                                                                              \
        bytes, sizeof bytes - 1, says                                                              \
    }
    static const struct {
        const char *bytes;
        size_t      n;
        const char *says;
    } other[] = {
        FILE_IS("", "an empty file"),
        FILE_IS("x", "it begins with 78 (\"x\")"),
        FILE_IS("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
                "a Git LFS pointer, not the weights: fetch them with git lfs pull"),
        FILE_IS("\n<!DOCTYPE html><html></html>", "a web page"),
        FILE_IS("<HTML>", "a web page"),
        FILE_IS("\x1f\x8b\x08\0\0\0\0\0\0", "gzip: unpack it first"),
        FILE_IS("\x80\3}q\0.", "a pickle, but not one that torch.save writes"),
        FILE_IS("\x93NUMPY\1\0", "a NumPy array"),
        FILE_IS("\1\2\3\4\5\6\7\10\11\12",
                "neither safetensors, nor an index of shards, nor a "
                "PyTorch file (.bin, .pt, .pth): it begins with 01 02 03"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        put("other", other[i].bytes, other[i].n);
        refused("other", UM_EFORMAT, other[i].says);
    }
    refused("none", UM_EMISSING, "none: no such file");
    refused("", UM_EFORMAT, "a directory, not a file");
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(safetensors_by_name),
        cmocka_unit_test(foreign_types_are_listed),
        cmocka_unit_test(shards_are_one_file),
        cmocka_unit_test(pytorch_shards_are_one_file),
        cmocka_unit_test(indexes_that_lie_are_refused),
        cmocka_unit_test(shards_with_more_than_the_index_are_refused),
        cmocka_unit_test(other_files_are_named),
    };

    return cmocka_run_group_tests_name("weights", all, make_folder, remove_folder);
}
