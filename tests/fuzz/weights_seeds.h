/* weights_seeds.h - weights files of every kind, made here: what the fuzzers begin with
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_WEIGHTS_SEEDS_H
#define UM_TESTS_WEIGHTS_SEEDS_H

#include "../unit/torch_file.h"

static const float seed_data[6] = { 1, 2, 3, 4, 5, 6 };

#define SEED_T(size, stride) PK_TENSOR("FloatStorage", "0", "K\6", "K\0", size, stride)

/* tied, transposed, expanded, empty, without dimensions */
#define SEED_VIEWS                                                                                 \
    "X\1\0\0\0wq\3" PK_2X3 "X\1\0\0\0t" SEED_T("K\3K\2\x86", "K\1K\3\x86") "X\1\0\0\0e" SEED_T(    \
        "K\4K\3\x86", "K\0K\1\x86") "X\1\0\0\0n" SEED_T("K\0K\3\x86",                              \
                                                        "K\3K\1\x86") "X\1\0\0\0s" SEED_T(")",     \
                                                                                          ")")
/* numbers, text, a list and a parameter between */
#define SEED_NESTED                                                                                \
    "\x80\2}q\0(X\5\0\0\0modelq\1" PK_DICT "q\2(" SEED_VIEWS                                       \
    "u}X\11\0\0\0_metadatah\2sbX\5\0\0\0epochM\xe8\3X\2\0\0\0lrG?PbM\xd2\xf1\xa9\xfc"              \
    "X\1\0\0\0lr\4\0\0\0](K\1J\xff\xff\xff\xff\x8a\2\xff\x7fN\x88h\1"                              \
    "ctorch._utils\n_rebuild_parameter\n" PK_2X3 "\x88" PK_DICT "\x87Reu."
#define SEED_PROTOCOL_4                                                                            \
    "\x80\4\x95\1\0\0\0\0\0\0\0}\x94(\x8c\1a\x94\x8c\14torch._utils\x94\x8c\22"                    \
    "_rebuild_tensor_v2\x94\x93\x94((\x8c\7storage\x94\x8c\5torch\x94\x8c\12IntStorage\x94\x93"    \
    "\x94\x8c\1"                                                                                   \
    "0\x94\x8c\3cpu\x94K\6t\x94QK\1K\2K\2\x86\x94K\3K\1\x86\x94\x89\x8c\13"                        \
    "collections\x94\x8c\13OrderedDict\x94\x93\x94)R\x94t\x94R\x94u."
#define SEED_FLOAT8                                                                                \
    "\x80\2}(X\2\0\0\0f8ctorch._utils\n_rebuild_tensor_v3\n(" PK_STORAGE(                          \
        "torch.storage\nUntypedStorage", "0", "K\x18") "K\4K\2K\3\x86K\3K\1\x86\x89" PK_DICT       \
                                                       "ctorch\nfloat8_e4m3fn\ntRX\1\0\0\0iK\7u."

static const struct {
    const char *p;
    size_t      n;
} seed_pickles[] = {
    { PK_GOOD, sizeof PK_GOOD - 1 },
    { SEED_NESTED, sizeof SEED_NESTED - 1 },
    { SEED_PROTOCOL_4, sizeof SEED_PROTOCOL_4 - 1 },
    { SEED_FLOAT8, sizeof SEED_FLOAT8 - 1 },
};
enum { SEED_PICKLES = sizeof seed_pickles / sizeof seed_pickles[0] };

static const char *const seed_headers[] = {
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}",
    "{\"__metadata__\":{\"format\":\"pt\",\"k\":\"v\"},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
    "\"i\":{\"dtype\":\"I8\",\"shape\":[3],\"data_offsets\":[8,11]},"
    "\"f\":{\"dtype\":\"F4\",\"shape\":[2,1],\"data_offsets\":[11,12]},"
    "\"e\":{\"dtype\":\"F64\",\"shape\":[0,7],\"data_offsets\":[12,12]},"
    "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]},"
    "\"l\":{\"dtype\":\"I64\",\"shape\":[1,1,1],\"data_offsets\":[16,24]}}   ",
};
enum { SEED_HEADERS = sizeof seed_headers / sizeof seed_headers[0] };

static inline struct bytes safetensors_of(const void *header, size_t n)
{
    struct bytes b = { 0 };

    add_number(&b, n, 8);
    add(&b, header, n);
    add(&b, seed_data, sizeof seed_data);
    return b;
}

/* all files: every pickle in three dialects of zip and in a legacy file, every header */
enum { SEED_FILES = 4 * SEED_PICKLES + SEED_HEADERS };

static inline struct bytes seed_file(int i)
{
    const int k = i / 4;

    if (i >= 4 * SEED_PICKLES)
        return safetensors_of(seed_headers[i - 4 * SEED_PICKLES],
                              strlen(seed_headers[i - 4 * SEED_PICKLES]));
    if (i % 4 == 3)
        return torch_legacy(seed_pickles[k].p, seed_pickles[k].n, k == 3 ? 24 : 6, seed_data,
                            sizeof seed_data);
    return torch_zip((enum zip_style)(i % 4), seed_pickles[k].p, seed_pickles[k].n, seed_data,
                     sizeof seed_data);
}

#endif
