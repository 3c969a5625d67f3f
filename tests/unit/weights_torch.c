/* weights_torch.c - PyTorch's files, zip and legacy: good ones written byte by byte, ones that lie
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights_test.h"

/* ---- good files ---- */

static void check_good(struct um_weights *w, const char *format)
{
    const struct um_tensor *t = um_weights_at(w, 0);

    assert_string_equal(um_weights_format(w), format);
    assert_int_equal(um_weights_count(w), 1);
    assert_string_equal(t->name, "a");
    assert_true(t->dtype == UM_F32 && t->ndim == 2 && t->dim[0] == 2 && t->dim[1] == 3);
    assert_int_equal((uintptr_t)t->data % sizeof(float), 0);
    assert_memory_equal(t->data, six, sizeof six);
    assert_null(um_weights_meta(w, "k"));
    um_weights_close(w);
}

static void plain_files(void **state)
{
    (void)state;
    for (int style = ZIP_PLAIN; style <= ZIP_WIDE; style++)
        check_good(
            opened(torch_zip((enum zip_style)style, PK_GOOD, sizeof PK_GOOD - 1, six, sizeof six)),
            "PyTorch zip");
    check_good(opened(LEGACY(PK_GOOD)), "PyTorch legacy");
}

/* the same tensor in other words; all in one dict to see that each is found under its name */
#define TWO_WORDS                                                                                  \
    "\x80\2}q\0(U\1aq\1ctorch._utils\n_rebuild_tensor\n("                                          \
    "(U\7storagectorch\nFloatStorage\nT\1\0\0\0000U\3cpu\x8a\1\6tQr\2\0\0\0\x8a\0K\2K\3\x86K\3K\1" \
    "\x86tRu."
#define PROTOCOL_4                                                                                 \
    "\x80\4\x95\1\0\0\0\0\0\0\0}\x94(\x8c\1a\x94\x8c\14torch._utils\x94\x8c\22_rebuild_tensor_v2"  \
    "\x94\x93\x94((\x8c\7storage\x94\x8c\5torch\x94\x8c\14"                                        \
    "FloatStorage\x94\x93\x94\x8c\1"                                                               \
    "0\x94\x8c\3cpu\x94K\6t\x94QK\0K\2K\3\x86\x94K\3K\1\x86\x94\x89\x8c\13"                        \
    "collections\x94"                                                                              \
    "\x8c\13OrderedDict\x94\x93\x94)R\x94t\x94R\x94u."
#define PYTHON_2                                                                                   \
    "\x80\2ccollections\nOrderedDict\n(](](U\1a" PK_2X3 "e](U\5epochJ\377\377\377\377eetR"         \
    "}U\11_metadata" PK_DICT "sb."
#define PARAMETER                                                                                  \
    "\x80\2}" PK_NAME "actorch._utils\n_rebuild_parameter\n" PK_2X3 "\x88" PK_DICT "\x87Rs."
#define PARAMETER_STATE                                                                            \
    "\x80\2}" PK_NAME "actorch._utils\n_rebuild_parameter_with_state\n(" PK_2X3 "\x88" PK_DICT     \
    "}X\3\0\0\0tagNstRs."

static void other_words_for_the_same(void **state)
{
    (void)state;
    check_good(opened(ZIP(TWO_WORDS)), "PyTorch zip");
    check_good(opened(ZIP(PROTOCOL_4)), "PyTorch zip");
    check_good(opened(ZIP(PYTHON_2)), "PyTorch zip");
    check_good(opened(ZIP(PARAMETER)), "PyTorch zip");
    check_good(opened(ZIP(PARAMETER_STATE)), "PyTorch zip");
    check_good(opened(LEGACY(TWO_WORDS)), "PyTorch legacy");
    check_good(opened(LEGACY(PYTHON_2)), "PyTorch legacy");
}

#define T(first, size, stride) PK_TENSOR("FloatStorage", "0", "K\6", first, size, stride)

static const struct um_tensor *floats(const struct um_weights *w, const char *name, int n,
                                      const float *want)
{
    const struct um_tensor *t = um_weights_find(w, name);

    assert_non_null(t);
    assert_int_equal(um_tensor_count(t), n);
    assert_non_null(t->data);
    if (n)
        assert_memory_equal(t->data, want, (size_t)n * sizeof *want);
    return t;
}

#define TRANSPOSED "X\1\0\0\0tq\1" T("K\0", "K\3K\2\x86", "K\1K\3\x86")
#define SECONDS "X\1\0\0\0s" T("K\1", "K\2\x85", "K\2\x85")
#define EXPANDED "X\1\0\0\0e" T("K\5", "K\3K\2\x86", "K\0K\0\x86")
#define ONE_ROW "X\1\0\0\0o" T("K\3", "K\1K\3\x86", "K\x63K\1\x86") /* of any stride */
#define EMPTY "X\1\0\0\0n" T("K\6", "K\0K\5\x86", "K\5K\1\x86")
#define SCALAR "X\1\0\0\0c" T("K\4", ")", ")")
#define WHOLE(name) "X\1\0\0\0" name T("K\0", "K\6\x85", "K\1\x85")
#define VIEWS "\x80\2}(" TRANSPOSED SECONDS EXPANDED ONE_ROW EMPTY SCALAR WHOLE("y") WHOLE("z") "u."

static void views_of_a_storage(void **state)
{
    (void)state;
    for (int legacy = 0; legacy < 2; legacy++) {
        struct um_weights *w = opened(legacy ? LEGACY(VIEWS) : ZIP(VIEWS));

        assert_int_equal(um_weights_count(w), 8);
        (void)floats(w, "t", 6, (const float[]){ 1, 4, 2, 5, 3, 6 });
        (void)floats(w, "s", 2, (const float[]){ 2, 4 });
        (void)floats(w, "e", 6, (const float[]){ 6, 6, 6, 6, 6, 6 });
        (void)floats(w, "o", 3, (const float[]){ 4, 5, 6 });
        (void)floats(w, "n", 0, NULL);
        assert_int_equal(floats(w, "c", 1, (const float[]){ 5 })->ndim, 0);
        assert_ptr_equal(floats(w, "y", 6, six)->data, floats(w, "z", 6, six)->data);
        um_weights_close(w);
    }
}

/* dicts in dicts and lists; what is no tensor is passed over */
static void nested_names(void **state)
{
    static const char pickle[] =
        "\x80\2}(X\5\0\0\0model}(X\1\0\0\0w" PK_2X3 "X\1\0\0\0nNu"
        "X\5\0\0\0epochK\3X\2\0\0\0lrG?PbM\xd2\xf1\xa9\xfcX\3\0\0\0big\x8a\x9\0\0\0\0\0\0\0\0\1"
        "X\4\0\0\0list](K\1" PK_2X3 "(\x88" PK_2X3 "teX\1\0\0\0d"
        "ctorch\nfloat32\n"
        "K\7}J\xfb\xff\xff\xff" PK_2X3 "su.";
    static const char *const names[] = { "7.-5", "list.1", "list.2.1", "model.w" };
    struct um_weights       *w       = opened(ZIP(pickle));

    (void)state;
    assert_int_equal(um_weights_count(w), 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(um_weights_at(w, i)->name, names[i]);
        assert_memory_equal(um_weights_at(w, i)->data, six, sizeof six);
    }
    um_weights_close(w);
}

/* of the storage's 24 bytes: one dimension, by v2 and v3 */
#define V2(class, count, first, size) PK_TENSOR(class, "0", count, first, size "\x85", "K\1\x85")
#define UNTYPED PK_STORAGE("torch.storage\nUntypedStorage", "0", "K\x18")
#define V3(type, first, size)                                                                      \
    "ctorch._utils\n_rebuild_tensor_v3\n(" UNTYPED first size "\x85K\1\x85\x89" PK_DICT            \
    "ctorch\n" type "\ntR"
#define LONG "X\4\0\0\0long" V2("LongStorage", "K\3", "K\1", "K\2")
#define BOOL "X\4\0\0\0bool" V2("BoolStorage", "K\x18", "K\0", "K\4")
#define CHAR "X\4\0\0\0char" V2("CharStorage", "K\x18", "K\0", "K\4")
#define BF16 "X\4\0\0\0bf16" V2("BFloat16Storage", "K\x0c", "K\1", "K\2")
#define F8 "X\2\0\0\0f8" V3("float8_e4m3fn", "K\0", "K\4")
#define U16 "X\3\0\0\0u16" V3("uint16", "K\4", "K\x08")
#define TYPED "\x80\2}(" LONG BOOL CHAR BF16 F8 U16 "u."

static const struct {
    const char   *name, *type;
    enum um_dtype dtype;
    size_t        at;
} types[] = { { "long", "int64", UM_I64, 8 },          { "bool", "bool", UM_U8, 0 },
              { "char", "int8", UM_NDTYPE, 0 },        { "bf16", "bfloat16", UM_BF16, 2 },
              { "f8", "float8_e4m3fn", UM_NDTYPE, 0 }, { "u16", "uint16", UM_NDTYPE, 0 } };

static void element_types(void **state)
{
    struct um_weights *w = opened(ZIP(TYPED));

    (void)state;
    assert_int_equal(um_weights_count(w), 6);
    for (int i = 0; i < 6; i++) {
        const struct um_tensor *t = um_weights_find(w, types[i].name), *same;

        assert_non_null(t);
        assert_int_equal(t->dtype, types[i].dtype);
        assert_string_equal(um_weights_dtype(w, t), types[i].type);
        if (t->dtype == UM_NDTYPE) {
            assert_null(t->data);
            assert_int_equal(um_weights_get(w, t->name, &same), UM_EDTYPE);
        } else {
            assert_memory_equal(t->data, (const uint8_t *)six + types[i].at, um_tensor_bytes(t));
        }
    }
    um_weights_close(w);
}

/* the oldest files: a tensor of a part of a storage */
static void parts_of_a_storage(void **state)
{
    static const char pickle[] =
        "\x80\2}" PK_NAME
        "actorch._utils\n_rebuild_tensor\n((X\7\0\0\0storagectorch\nFloatStorage\n"
        "X\1\0\0\0"
        "0X\3\0\0\0cpuK\6X\1\0\0\0"
        "9K\2K\4\x87tQK\1K\3\x85K\1\x85tRs.";
    static const char outside[] =
        "\x80\2}" PK_NAME
        "actorch._utils\n_rebuild_tensor\n((X\7\0\0\0storagectorch\nFloatStorage\n"
        "X\1\0\0\0"
        "0X\3\0\0\0cpuK\6X\1\0\0\0"
        "9K\2K\5\x87tQK\1K\3\x85K\1\x85tRs.";
    struct um_weights *w = opened(LEGACY(pickle));

    (void)state;
    (void)floats(w, "a", 3, six + 3);
    um_weights_close(w);
    refused(LEGACY(outside), UM_ERANGE, "a part of a storage that is not inside it");
}

/* ---- zip archives that lie ---- */

static uint8_t *find(const struct bytes *b, const char *signature, int nth)
{
    uint8_t *p = b->p;

    for (int i = 0; p && i <= nth; i++)
        p = memmem(p + (i > 0), b->n - (size_t)(p + (i > 0) - b->p), signature, 4);
    assert_non_null(p);
    return p;
}

#define LOCAL "PK\3\4"
#define CENTRAL "PK\1\2"
#define END "PK\5\6"
#define END64 "PK\6\6"
#define LOCATOR "PK\6\7"
#define AFTER "PK\7\10"

static const struct {
    enum zip_style style;
    const char    *header;
    int            nth, at, size;
    uint64_t       value;
    const char    *says;
} archives[] = {
    { ZIP_PLAIN, CENTRAL, 0, 10, 2, 8, "zip entry ar/data.pkl: other flags or another" },
    { ZIP_PLAIN, CENTRAL, 2, 8, 2, 0x801, "zip entry ar/data/0: encrypted" },
    { ZIP_PLAIN, CENTRAL, 2, 16, 4, 1, "zip entry ar/data/0: another size or CRC" },
    { ZIP_PLAIN, CENTRAL, 2, 24, 4, 25, "25 bytes stored as 24" },
    { ZIP_PLAIN, CENTRAL, 2, 20, 4, 0x7fffffff, "bytes stored as" },
    { ZIP_PLAIN, CENTRAL, 2, 28, 2, 8, "another name" },
    { ZIP_PLAIN, CENTRAL, 2, 28, 2, 0xffff, "the directory entry at" },
    { ZIP_PLAIN, CENTRAL, 2, 28, 2, 0, "a name of 0 bytes" },
    { ZIP_PLAIN, CENTRAL, 2, 42, 4, 0x7fffffff, "no local header at 2147483647" },
    { ZIP_PLAIN, CENTRAL, 2, 42, 4, 0, "zip entry ar/data/0: another name" },
    { ZIP_PLAIN, CENTRAL, 1, 0, 4, 0, "no directory entry at" },
    { ZIP_PLAIN, LOCAL, 2, 6, 2, 0, "other flags" },
    { ZIP_PLAIN, LOCAL, 2, 8, 2, 8, "another method in its local header" },
    { ZIP_PLAIN, LOCAL, 2, 14, 4, 0, "another size or CRC in its local header" },
    { ZIP_PLAIN, LOCAL, 2, 22, 4, 23, "another size or CRC in its local header" },
    { ZIP_PLAIN, LOCAL, 2, 28, 2, 0xffff, "beyond the end" },
    { ZIP_PLAIN, LOCAL, 2, 28, 2, 1, "ar/data/0: overlaps the entry after it" },
    { ZIP_TORCH, LOCAL, 2, 28, 2, 1, "bytes after it that belong to no entry" },
    { ZIP_TORCH, AFTER, 2, 4, 4, 1, "another size or CRC in its data descriptor" },
    { ZIP_TORCH, AFTER, 2, 0, 4, 1, "no data descriptor" },
    { ZIP_WIDE, AFTER, 2, 8, 8, 1, "another size or CRC in its data descriptor" },
    { ZIP_WIDE, CENTRAL, 2, 46 + 9 + 2, 2, 8, "its zip64 field is short" },
    { ZIP_WIDE, CENTRAL, 2, 46 + 9 + 4, 8, UINT64_MAX, "stored as" },
    { ZIP_WIDE, CENTRAL, 2, 46 + 9 + 20, 8, UINT64_MAX - 3, "no local header" },
    { ZIP_PLAIN, END, 0, 10, 2, 3, "spread over several disks" },
    { ZIP_PLAIN, END, 0, 8, 4, 0x30003, "bytes after the last directory entry" },
    { ZIP_PLAIN, END, 0, 8, 4, 0xfffffffe, "spread over several disks" },
    { ZIP_PLAIN, END, 0, 8, 4, 0xfffefffe, "65534 entries in a directory of" },
    { ZIP_PLAIN, END, 0, 8, 4, 0x50005, "5 entries in a directory of" },
    { ZIP_PLAIN, END, 0, 12, 4, 0xffffffff, "which should end at" },
    { ZIP_PLAIN, END, 0, 16, 4, 0x7fffffff, "which should end at" },
    { ZIP_PLAIN, END, 0, 20, 2, 1, "a zip archive without its end: cut" },
    { ZIP_PLAIN, END, 0, 4, 2, 1, "spread over several disks" },
    { ZIP_TORCH, END, 0, 12, 4, 1, "its two end records disagree" },
    { ZIP_TORCH, END64, 0, 4, 8, 45, "no zip64 end record" },
    { ZIP_WIDE, END64, 0, 24, 8, 5, "spread over several disks" },
    { ZIP_WIDE, END64, 0, 40, 8, UINT64_MAX, "which should end at" },
    { ZIP_WIDE, END64, 0, 48, 8, UINT64_MAX, "which should end at" },
    { ZIP_WIDE, LOCATOR, 0, 8, 8, UINT64_MAX, "no zip64 end record" },
    { ZIP_WIDE, LOCATOR, 0, 8, 8, 0, "no zip64 end record" },
    { ZIP_WIDE, LOCATOR, 0, 16, 4, 2, "spread over several disks" },
};

static void archives_that_lie_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof archives / sizeof archives[0]; i++) {
        const struct bytes b =
            torch_zip(archives[i].style, PK_GOOD, sizeof PK_GOOD - 1, six, sizeof six);
        uint8_t *p = find(&b, archives[i].header, archives[i].nth) + archives[i].at;

        for (int k = 0; k < archives[i].size; k++)
            p[k] = (uint8_t)(archives[i].value >> (8 * k));
        refused(b, 0, archives[i].says);
    }
}

static void compressed_entries_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i += 2) {
        const struct bytes b = torch_zip(ZIP_PLAIN, PK_GOOD, sizeof PK_GOOD - 1, six, sizeof six);

        find(&b, CENTRAL, i)[10] = 8;
        find(&b, LOCAL, i)[8]    = 8;
        refused(b, UM_EUNSUPPORTED,
                i ? "zip entry ar/data/0: compressed (method 8); only stored"
                  : "zip entry ar/data.pkl: compressed (method 8); only stored");
    }
}

static void wrong_checksums_are_refused(void **state)
{
    (void)state;
    for (int style = ZIP_PLAIN; style <= ZIP_WIDE; style++) {
        struct bytes b =
            torch_zip((enum zip_style)style, PK_GOOD, sizeof PK_GOOD - 1, six, sizeof six);
        uint8_t *p = memmem(b.p, b.n, six, sizeof six);

        assert_non_null(p);
        p[5] ^= 1;
        refused(b, UM_EFORMAT, "zip entry ar/data/0: wrong CRC-32: damaged");
    }
}

static struct bytes archive_of(const char *const *names)
{
    struct zip z = { .style = ZIP_PLAIN };

    for (int i = 0; names[i]; i++)
        zip_add(&z, names[i], strstr(names[i], ".pkl") ? PK_GOOD : (const char *)six,
                strstr(names[i], ".pkl") ? sizeof PK_GOOD - 1 : sizeof six);
    zip_end(&z);
    return z.out;
}
#define ARCHIVE(...) archive_of((const char *const[]){ __VA_ARGS__, NULL })

static void names_that_play_tricks_are_refused(void **state)
{
    (void)state;
    refused(ARCHIVE("ar/data.pkl", "ar/data/0", "../x"), UM_EFORMAT,
            "zip entry ../x: its path leads");
    refused(ARCHIVE("ar/data.pkl", "ar/data/0", "ar/.."), UM_EFORMAT, "ar/..: its path leads");
    refused(ARCHIVE("ar/data.pkl", "ar/data/0", "ar/../../x"), UM_EFORMAT, "its path leads");
    refused(ARCHIVE("ar/data.pkl", "ar/data/0", "/etc/x"), UM_EFORMAT, "/etc/x: its path leads");
    refused(ARCHIVE("ar/data.pkl", "ar/data/0", "ar\\x"), UM_EFORMAT, "its path leads");
    refused(ARCHIVE("ar/data.pkl", "ar/data/0", "C:x"), UM_EFORMAT, "its path leads");
    refused(ARCHIVE("ar/data.pkl", "ar/data/0", "ar/\n"), UM_EFORMAT, "ar/\\x0a: a control");
    refused(ARCHIVE("ar/data.pkl", "ar/data/0", "ar/data/0"), UM_EDUPLICATE, "ar/data/0: twice");
    refused(ARCHIVE("ar/data.pkl", "b/data.pkl", "ar/data/0"), UM_EFORMAT, "two data.pkl");
    refused(ARCHIVE("data.pkl", "data/0"), UM_EFORMAT, "without a data.pkl");
    refused(ARCHIVE("ar/data.pkl", "ar/constants.pkl"), UM_EUNSUPPORTED, "TorchScript");
    refused(ARCHIVE("ar/data.pkl", "ar/byteorder", "ar/data/0"), UM_EUNSUPPORTED, "byte order \"");
    um_weights_close(opened(ARCHIVE("ar/data.pkl", "ar/data/0", "ar/x..y")));
}

static void cuts_are_refused(void **state)
{
    struct bytes zip = ZIP(PK_GOOD), legacy = LEGACY(PK_GOOD);

    (void)state;
    for (size_t n = 1; n < zip.n; n++) {
        struct bytes cut = { 0 };

        add(&cut, zip.p, n);
        refused(cut, 0, "");
    }
    for (size_t n = 1; n < legacy.n; n++) {
        struct bytes cut = { 0 };

        add(&cut, legacy.p, n);
        refused(cut, 0, "");
    }
    free(zip.p);
    free(legacy.p);
}

/* ---- legacy files that lie ---- */

static struct bytes legacy_keys(const char *keys, size_t n)
{
    struct bytes b = { 0 };

    add(&b, PK_LEGACY_HEAD, sizeof PK_LEGACY_HEAD - 1);
    add(&b, PK_GOOD, sizeof PK_GOOD - 1);
    add(&b, keys, n);
    for (int i = 0; i < 2; i++) {
        add_number(&b, 6, 8);
        add(&b, six, sizeof six);
    }
    return b;
}
#define KEYS(keys) legacy_keys(keys, sizeof(keys) - 1)

static struct bytes changed(struct bytes b, const char *from, const char *to, size_t n)
{
    uint8_t *p = memmem(b.p, b.n, from, n);

    assert_non_null(p);
    memcpy(p, to, n);
    return b;
}

static void legacy_files_that_lie_are_refused(void **state)
{
    static const char two[] =
        "\x80\2}(X\1\0\0\0a" PK_2X3
        "X\1\0\0\0b" PK_TENSOR("IntStorage", "0", "K\6", "K\0", ")", ")") "u.";

    (void)state;
    refused(torch_legacy(PK_GOOD, sizeof PK_GOOD - 1, 7, six, sizeof six), UM_EFORMAT,
            "storage 0: 7 elements, expected 6");
    refused(torch_legacy(PK_GOOD, sizeof PK_GOOD - 1, 6, six, 23), UM_EFORMAT,
            "storage 0: 6 elements of 4 bytes, 23 bytes left: cut");
    refused(torch_legacy(IN_DICT(PK_TENSOR("FloatStorage", "0", "\x8a\x8\0\0\0\0\0\0\0\x40", "K\0",
                                           ")", ")")),
                         sizeof IN_DICT(PK_TENSOR("FloatStorage", "0", "\x8a\x8\0\0\0\0\0\0\0\x40",
                                                  "K\0", ")", ")")) -
                             1,
                         1ULL << 62, six, sizeof six),
            UM_EFORMAT, "4611686018427387904 elements of 4 bytes, 24 bytes left: cut");
    refused(LEGACY(two), UM_EFORMAT, "storage 0 has two types or sizes");
    refused(KEYS("\x80\2]."), UM_EMISSING, "storage 0 is not in the file");
    refused(KEYS("\x80\2](X\1\0\0\0000X\1\0\0\0001e."), UM_EFORMAT, "storage 1: no tensor has it");
    refused(KEYS("\x80\2](X\1\0\0\0000X\1\0\0\0000e."), UM_EDUPLICATE, "storage 0: twice");
    refused(KEYS("\x80\2](X\1\0\0\0000e."), UM_EFORMAT, "32 bytes after the last storage");
    refused(KEYS("\x80\2](K\1e."), UM_EFORMAT, "whose key is no text");
    refused(KEYS("\x80\2}."), UM_EFORMAT, "no list of storages");
    refused(changed(LEGACY(PK_GOOD), "endian\x88", "endian\x89", 7), UM_EUNSUPPORTED, "big-endian");
    refused(changed(LEGACY(PK_GOOD), "M\xe9\3", "M\xea\3", 3), UM_EUNSUPPORTED, "protocol 1001");
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(plain_files),
        cmocka_unit_test(other_words_for_the_same),
        cmocka_unit_test(views_of_a_storage),
        cmocka_unit_test(nested_names),
        cmocka_unit_test(element_types),
        cmocka_unit_test(parts_of_a_storage),
        cmocka_unit_test(archives_that_lie_are_refused),
        cmocka_unit_test(compressed_entries_are_refused),
        cmocka_unit_test(wrong_checksums_are_refused),
        cmocka_unit_test(names_that_play_tricks_are_refused),
        cmocka_unit_test(cuts_are_refused),
        cmocka_unit_test(legacy_files_that_lie_are_refused),
    };

    return cmocka_run_group_tests_name("weights_torch", all, open_file, close_file);
}
