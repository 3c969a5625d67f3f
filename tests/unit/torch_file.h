/* torch_file.h - PyTorch's files written by hand, for tests and fuzzers: pickles as literals, zip
 * archives in several dialects, the legacy row of pickles
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_TORCH_FILE_H
#define UM_TESTS_TORCH_FILE_H

#include <libdeflate.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- pickles: literals to be joined ---- */

#define PK_DICT "ccollections\nOrderedDict\n)R"
#define PK_STORAGE(class, key, count)                                                              \
    "(X\7\0\0\0storagec" class "\nX\1\0\0\0" key "X\3\0\0\0cpu" count "tQ"
/* one-letter key; count an integer, size and stride tuples */
#define PK_TENSOR(class, key, count, first, size, stride)                                          \
    "ctorch._utils\n_rebuild_tensor_v2\n(" PK_STORAGE("torch\n" class, key, count)                 \
        first size stride "\x89" PK_DICT "tR"
#define PK_2X3 PK_TENSOR("FloatStorage", "0", "K\6", "K\0", "K\2K\3\x86", "K\3K\1\x86")
#define PK_NAME "X\1\0\0\0"
/* {"a": 2x3} */
#define PK_GOOD "\x80\2}(" PK_NAME "a" PK_2X3 "u."

#define PK_LEGACY_HEAD                                                                             \
    "\x80\2\x8a\nl\xfc\x9c"                                                                        \
    "F\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}(X\x10\0\0\0protocol_versionM\xe9\3X\r\0\0\0"           \
    "little_endian\x88u."

/* ---- bytes that grow ---- */

struct bytes {
    uint8_t *p;
    size_t   n, cap;
};

static inline void add(struct bytes *b, const void *data, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n) + 64;
        b->p   = realloc(b->p, b->cap);
        if (!b->p)
            abort();
    }
    if (n)
        memcpy(b->p + b->n, data, n);
    b->n += n;
}

static inline void add_number(struct bytes *b, uint64_t x, int size)
{
    for (int i = 0; i < size; i++) {
        const uint8_t byte = (uint8_t)(i < 8 ? x >> (8 * i) : 0);

        add(b, &byte, 1);
    }
}

static inline void add_text(struct bytes *b, const char *s)
{
    add(b, s, strlen(s));
}

/* ---- zip ---- */

enum zip_style {
    ZIP_PLAIN, /* sizes in the local headers */
    ZIP_TORCH, /* sizes after the data, padding in the local headers, zip64 end record */
    ZIP_WIDE   /* as that, and all sizes and offsets in zip64 fields */
};

struct zip {
    enum zip_style style;
    struct bytes   out, central;
    unsigned       n;
};

static inline void zip_header(struct bytes *b, const struct zip *z, bool central, const char *name,
                              uint32_t crc, size_t n, size_t at)
{
    const bool   wide = z->style == ZIP_WIDE, later = z->style != ZIP_PLAIN && !central;
    const size_t len = strlen(name), pad = later ? (64 - (at + 30 + len + 4) % 64) % 64 : 0;

    add(b, central ? "PK\1\2\0\0\0\0" : "PK\3\4\0\0", central ? 8 : 6);
    add_number(b, z->style == ZIP_PLAIN ? 0x800 : 0x808, 2);
    add_number(b, 0, 6); /* stored; no time */
    add_number(b, later ? 0 : crc, 4);
    add_number(b, later ? 0 : wide ? 0xffffffff : n, 4);
    add_number(b, later ? 0 : wide ? 0xffffffff : n, 4);
    add_number(b, len, 2);
    add_number(b, central ? (wide ? 28 : 0) : later ? 4 + pad : 0, 2);
    if (central) {
        add_number(b, 0, 10);
        add_number(b, wide ? 0xffffffff : at, 4);
    }
    add_text(b, name);
    if (central && wide) {
        add_number(b, 1 | 24 << 16, 4);
        add_number(b, n, 8);
        add_number(b, n, 8);
        add_number(b, at, 8);
    } else if (later) {
        add(b, "FB", 2);
        add_number(b, pad, 2);
        for (size_t i = 0; i < pad; i++)
            add(b, "Z", 1);
    }
}

static inline void zip_add(struct zip *z, const char *name, const void *data, size_t n)
{
    const uint32_t crc  = libdeflate_crc32(0, data, n);
    const size_t   at   = z->out.n;
    const int      size = z->style == ZIP_WIDE ? 8 : 4;

    zip_header(&z->out, z, false, name, crc, n, at);
    zip_header(&z->central, z, true, name, crc, n, at);
    add(&z->out, data, n);
    if (z->style != ZIP_PLAIN) {
        add(&z->out, "PK\7\10", 4);
        add_number(&z->out, crc, 4);
        add_number(&z->out, n, size);
        add_number(&z->out, n, size);
    }
    z->n++;
}

static inline void zip_end(struct zip *z)
{
    const size_t at = z->out.n, n = z->central.n;
    const bool   full = z->style == ZIP_WIDE;

    add(&z->out, z->central.p, n);
    if (z->style != ZIP_PLAIN) {
        add(&z->out, "PK\6\6", 4);
        add_number(&z->out, 44, 8);
        add_number(&z->out, 0, 12);
        add_number(&z->out, z->n, 8);
        add_number(&z->out, z->n, 8);
        add_number(&z->out, n, 8);
        add_number(&z->out, at, 8);
        add(&z->out, "PK\6\7\0\0\0\0", 8);
        add_number(&z->out, at + n, 8);
        add_number(&z->out, 1, 4);
    }
    add(&z->out, "PK\5\6\0\0\0\0", 8);
    add_number(&z->out, full ? 0xffff : z->n, 2);
    add_number(&z->out, full ? 0xffff : z->n, 2);
    add_number(&z->out, full ? 0xffffffff : n, 4);
    add_number(&z->out, full ? 0xffffffff : at, 4);
    add_number(&z->out, 0, 2);
    free(z->central.p);
}

/* what torch.save makes of a pickle and a storage "0" */
static inline struct bytes torch_zip(enum zip_style style, const void *pickle, size_t n,
                                     const void *data, size_t data_n)
{
    struct zip z = { .style = style };

    zip_add(&z, "ar/data.pkl", pickle, n);
    zip_add(&z, "ar/byteorder", "little", 6);
    zip_add(&z, "ar/data/0", data, data_n);
    zip_add(&z, "ar/version", "3\n", 2);
    zip_end(&z);
    return z.out;
}

/* ---- legacy ---- */

/* with a storage "0" of `count` elements */
static inline struct bytes torch_legacy(const void *pickle, size_t n, uint64_t count,
                                        const void *data, size_t data_n)
{
    struct bytes b = { 0 };

    add(&b, PK_LEGACY_HEAD, sizeof PK_LEGACY_HEAD - 1);
    add(&b, pickle, n);
    add(&b, "\x80\2](X\1\0\0\0000e.", 12);
    add_number(&b, count, 8);
    add(&b, data, data_n);
    return b;
}

#endif
