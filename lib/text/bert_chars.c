/* bert_chars.c - the tables behind bert_chars.h
 *
 * The ranges of classes[] are the Unicode 8.0 categories Cc, Cf, Co (drop), Z* (space), P*
 * (punctuation) and Mn (mark), plus U+FFFD. Found by asking Hugging Face's tokenizers about every
 * code point and checked against another copy of the Unicode database (property Present_In: 8.0):
 * the two agree but for six characters whose category Unicode changed later.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text/bert_chars.h"

#include <stdbool.h>
#include <stddef.h>
#include <utf8proc.h>

struct range {
    int32_t first, last;
};

struct char_class {
    int32_t      first, last;
    enum um_char is;
};

static const struct char_class classes[] = {
    { 0x80, 0x9f, UM_CHAR_DROP },         { 0xa0, 0xa0, UM_CHAR_SPACE },
    { 0xa1, 0xa1, UM_CHAR_PUNCT },        { 0xa7, 0xa7, UM_CHAR_PUNCT },
    { 0xab, 0xab, UM_CHAR_PUNCT },        { 0xad, 0xad, UM_CHAR_DROP },
    { 0xb6, 0xb7, UM_CHAR_PUNCT },        { 0xbb, 0xbb, UM_CHAR_PUNCT },
    { 0xbf, 0xbf, UM_CHAR_PUNCT },        { 0x300, 0x36f, UM_CHAR_MARK },
    { 0x37e, 0x37e, UM_CHAR_PUNCT },      { 0x387, 0x387, UM_CHAR_PUNCT },
    { 0x483, 0x487, UM_CHAR_MARK },       { 0x55a, 0x55f, UM_CHAR_PUNCT },
    { 0x589, 0x58a, UM_CHAR_PUNCT },      { 0x591, 0x5bd, UM_CHAR_MARK },
    { 0x5be, 0x5be, UM_CHAR_PUNCT },      { 0x5bf, 0x5bf, UM_CHAR_MARK },
    { 0x5c0, 0x5c0, UM_CHAR_PUNCT },      { 0x5c1, 0x5c2, UM_CHAR_MARK },
    { 0x5c3, 0x5c3, UM_CHAR_PUNCT },      { 0x5c4, 0x5c5, UM_CHAR_MARK },
    { 0x5c6, 0x5c6, UM_CHAR_PUNCT },      { 0x5c7, 0x5c7, UM_CHAR_MARK },
    { 0x5f3, 0x5f4, UM_CHAR_PUNCT },      { 0x600, 0x605, UM_CHAR_DROP },
    { 0x609, 0x60a, UM_CHAR_PUNCT },      { 0x60c, 0x60d, UM_CHAR_PUNCT },
    { 0x610, 0x61a, UM_CHAR_MARK },       { 0x61b, 0x61b, UM_CHAR_PUNCT },
    { 0x61c, 0x61c, UM_CHAR_DROP },       { 0x61e, 0x61f, UM_CHAR_PUNCT },
    { 0x64b, 0x65f, UM_CHAR_MARK },       { 0x66a, 0x66d, UM_CHAR_PUNCT },
    { 0x670, 0x670, UM_CHAR_MARK },       { 0x6d4, 0x6d4, UM_CHAR_PUNCT },
    { 0x6d6, 0x6dc, UM_CHAR_MARK },       { 0x6dd, 0x6dd, UM_CHAR_DROP },
    { 0x6df, 0x6e4, UM_CHAR_MARK },       { 0x6e7, 0x6e8, UM_CHAR_MARK },
    { 0x6ea, 0x6ed, UM_CHAR_MARK },       { 0x700, 0x70d, UM_CHAR_PUNCT },
    { 0x70f, 0x70f, UM_CHAR_DROP },       { 0x711, 0x711, UM_CHAR_MARK },
    { 0x730, 0x74a, UM_CHAR_MARK },       { 0x7a6, 0x7b0, UM_CHAR_MARK },
    { 0x7eb, 0x7f3, UM_CHAR_MARK },       { 0x7f7, 0x7f9, UM_CHAR_PUNCT },
    { 0x816, 0x819, UM_CHAR_MARK },       { 0x81b, 0x823, UM_CHAR_MARK },
    { 0x825, 0x827, UM_CHAR_MARK },       { 0x829, 0x82d, UM_CHAR_MARK },
    { 0x830, 0x83e, UM_CHAR_PUNCT },      { 0x859, 0x85b, UM_CHAR_MARK },
    { 0x85e, 0x85e, UM_CHAR_PUNCT },      { 0x8e3, 0x902, UM_CHAR_MARK },
    { 0x93a, 0x93a, UM_CHAR_MARK },       { 0x93c, 0x93c, UM_CHAR_MARK },
    { 0x941, 0x948, UM_CHAR_MARK },       { 0x94d, 0x94d, UM_CHAR_MARK },
    { 0x951, 0x957, UM_CHAR_MARK },       { 0x962, 0x963, UM_CHAR_MARK },
    { 0x964, 0x965, UM_CHAR_PUNCT },      { 0x970, 0x970, UM_CHAR_PUNCT },
    { 0x981, 0x981, UM_CHAR_MARK },       { 0x9bc, 0x9bc, UM_CHAR_MARK },
    { 0x9c1, 0x9c4, UM_CHAR_MARK },       { 0x9cd, 0x9cd, UM_CHAR_MARK },
    { 0x9e2, 0x9e3, UM_CHAR_MARK },       { 0xa01, 0xa02, UM_CHAR_MARK },
    { 0xa3c, 0xa3c, UM_CHAR_MARK },       { 0xa41, 0xa42, UM_CHAR_MARK },
    { 0xa47, 0xa48, UM_CHAR_MARK },       { 0xa4b, 0xa4d, UM_CHAR_MARK },
    { 0xa51, 0xa51, UM_CHAR_MARK },       { 0xa70, 0xa71, UM_CHAR_MARK },
    { 0xa75, 0xa75, UM_CHAR_MARK },       { 0xa81, 0xa82, UM_CHAR_MARK },
    { 0xabc, 0xabc, UM_CHAR_MARK },       { 0xac1, 0xac5, UM_CHAR_MARK },
    { 0xac7, 0xac8, UM_CHAR_MARK },       { 0xacd, 0xacd, UM_CHAR_MARK },
    { 0xae2, 0xae3, UM_CHAR_MARK },       { 0xaf0, 0xaf0, UM_CHAR_PUNCT },
    { 0xb01, 0xb01, UM_CHAR_MARK },       { 0xb3c, 0xb3c, UM_CHAR_MARK },
    { 0xb3f, 0xb3f, UM_CHAR_MARK },       { 0xb41, 0xb44, UM_CHAR_MARK },
    { 0xb4d, 0xb4d, UM_CHAR_MARK },       { 0xb56, 0xb56, UM_CHAR_MARK },
    { 0xb62, 0xb63, UM_CHAR_MARK },       { 0xb82, 0xb82, UM_CHAR_MARK },
    { 0xbc0, 0xbc0, UM_CHAR_MARK },       { 0xbcd, 0xbcd, UM_CHAR_MARK },
    { 0xc00, 0xc00, UM_CHAR_MARK },       { 0xc3e, 0xc40, UM_CHAR_MARK },
    { 0xc46, 0xc48, UM_CHAR_MARK },       { 0xc4a, 0xc4d, UM_CHAR_MARK },
    { 0xc55, 0xc56, UM_CHAR_MARK },       { 0xc62, 0xc63, UM_CHAR_MARK },
    { 0xc81, 0xc81, UM_CHAR_MARK },       { 0xcbc, 0xcbc, UM_CHAR_MARK },
    { 0xcbf, 0xcbf, UM_CHAR_MARK },       { 0xcc6, 0xcc6, UM_CHAR_MARK },
    { 0xccc, 0xccd, UM_CHAR_MARK },       { 0xce2, 0xce3, UM_CHAR_MARK },
    { 0xd01, 0xd01, UM_CHAR_MARK },       { 0xd41, 0xd44, UM_CHAR_MARK },
    { 0xd4d, 0xd4d, UM_CHAR_MARK },       { 0xd62, 0xd63, UM_CHAR_MARK },
    { 0xdca, 0xdca, UM_CHAR_MARK },       { 0xdd2, 0xdd4, UM_CHAR_MARK },
    { 0xdd6, 0xdd6, UM_CHAR_MARK },       { 0xdf4, 0xdf4, UM_CHAR_PUNCT },
    { 0xe31, 0xe31, UM_CHAR_MARK },       { 0xe34, 0xe3a, UM_CHAR_MARK },
    { 0xe47, 0xe4e, UM_CHAR_MARK },       { 0xe4f, 0xe4f, UM_CHAR_PUNCT },
    { 0xe5a, 0xe5b, UM_CHAR_PUNCT },      { 0xeb1, 0xeb1, UM_CHAR_MARK },
    { 0xeb4, 0xeb9, UM_CHAR_MARK },       { 0xebb, 0xebc, UM_CHAR_MARK },
    { 0xec8, 0xecd, UM_CHAR_MARK },       { 0xf04, 0xf12, UM_CHAR_PUNCT },
    { 0xf14, 0xf14, UM_CHAR_PUNCT },      { 0xf18, 0xf19, UM_CHAR_MARK },
    { 0xf35, 0xf35, UM_CHAR_MARK },       { 0xf37, 0xf37, UM_CHAR_MARK },
    { 0xf39, 0xf39, UM_CHAR_MARK },       { 0xf3a, 0xf3d, UM_CHAR_PUNCT },
    { 0xf71, 0xf7e, UM_CHAR_MARK },       { 0xf80, 0xf84, UM_CHAR_MARK },
    { 0xf85, 0xf85, UM_CHAR_PUNCT },      { 0xf86, 0xf87, UM_CHAR_MARK },
    { 0xf8d, 0xf97, UM_CHAR_MARK },       { 0xf99, 0xfbc, UM_CHAR_MARK },
    { 0xfc6, 0xfc6, UM_CHAR_MARK },       { 0xfd0, 0xfd4, UM_CHAR_PUNCT },
    { 0xfd9, 0xfda, UM_CHAR_PUNCT },      { 0x102d, 0x1030, UM_CHAR_MARK },
    { 0x1032, 0x1037, UM_CHAR_MARK },     { 0x1039, 0x103a, UM_CHAR_MARK },
    { 0x103d, 0x103e, UM_CHAR_MARK },     { 0x104a, 0x104f, UM_CHAR_PUNCT },
    { 0x1058, 0x1059, UM_CHAR_MARK },     { 0x105e, 0x1060, UM_CHAR_MARK },
    { 0x1071, 0x1074, UM_CHAR_MARK },     { 0x1082, 0x1082, UM_CHAR_MARK },
    { 0x1085, 0x1086, UM_CHAR_MARK },     { 0x108d, 0x108d, UM_CHAR_MARK },
    { 0x109d, 0x109d, UM_CHAR_MARK },     { 0x10fb, 0x10fb, UM_CHAR_PUNCT },
    { 0x135d, 0x135f, UM_CHAR_MARK },     { 0x1360, 0x1368, UM_CHAR_PUNCT },
    { 0x1400, 0x1400, UM_CHAR_PUNCT },    { 0x166d, 0x166e, UM_CHAR_PUNCT },
    { 0x1680, 0x1680, UM_CHAR_SPACE },    { 0x169b, 0x169c, UM_CHAR_PUNCT },
    { 0x16eb, 0x16ed, UM_CHAR_PUNCT },    { 0x1712, 0x1714, UM_CHAR_MARK },
    { 0x1732, 0x1734, UM_CHAR_MARK },     { 0x1735, 0x1736, UM_CHAR_PUNCT },
    { 0x1752, 0x1753, UM_CHAR_MARK },     { 0x1772, 0x1773, UM_CHAR_MARK },
    { 0x17b4, 0x17b5, UM_CHAR_MARK },     { 0x17b7, 0x17bd, UM_CHAR_MARK },
    { 0x17c6, 0x17c6, UM_CHAR_MARK },     { 0x17c9, 0x17d3, UM_CHAR_MARK },
    { 0x17d4, 0x17d6, UM_CHAR_PUNCT },    { 0x17d8, 0x17da, UM_CHAR_PUNCT },
    { 0x17dd, 0x17dd, UM_CHAR_MARK },     { 0x1800, 0x180a, UM_CHAR_PUNCT },
    { 0x180b, 0x180d, UM_CHAR_MARK },     { 0x180e, 0x180e, UM_CHAR_DROP },
    { 0x18a9, 0x18a9, UM_CHAR_MARK },     { 0x1920, 0x1922, UM_CHAR_MARK },
    { 0x1927, 0x1928, UM_CHAR_MARK },     { 0x1932, 0x1932, UM_CHAR_MARK },
    { 0x1939, 0x193b, UM_CHAR_MARK },     { 0x1944, 0x1945, UM_CHAR_PUNCT },
    { 0x1a17, 0x1a18, UM_CHAR_MARK },     { 0x1a1b, 0x1a1b, UM_CHAR_MARK },
    { 0x1a1e, 0x1a1f, UM_CHAR_PUNCT },    { 0x1a56, 0x1a56, UM_CHAR_MARK },
    { 0x1a58, 0x1a5e, UM_CHAR_MARK },     { 0x1a60, 0x1a60, UM_CHAR_MARK },
    { 0x1a62, 0x1a62, UM_CHAR_MARK },     { 0x1a65, 0x1a6c, UM_CHAR_MARK },
    { 0x1a73, 0x1a7c, UM_CHAR_MARK },     { 0x1a7f, 0x1a7f, UM_CHAR_MARK },
    { 0x1aa0, 0x1aa6, UM_CHAR_PUNCT },    { 0x1aa8, 0x1aad, UM_CHAR_PUNCT },
    { 0x1ab0, 0x1abd, UM_CHAR_MARK },     { 0x1b00, 0x1b03, UM_CHAR_MARK },
    { 0x1b34, 0x1b34, UM_CHAR_MARK },     { 0x1b36, 0x1b3a, UM_CHAR_MARK },
    { 0x1b3c, 0x1b3c, UM_CHAR_MARK },     { 0x1b42, 0x1b42, UM_CHAR_MARK },
    { 0x1b5a, 0x1b60, UM_CHAR_PUNCT },    { 0x1b6b, 0x1b73, UM_CHAR_MARK },
    { 0x1b80, 0x1b81, UM_CHAR_MARK },     { 0x1ba2, 0x1ba5, UM_CHAR_MARK },
    { 0x1ba8, 0x1ba9, UM_CHAR_MARK },     { 0x1bab, 0x1bad, UM_CHAR_MARK },
    { 0x1be6, 0x1be6, UM_CHAR_MARK },     { 0x1be8, 0x1be9, UM_CHAR_MARK },
    { 0x1bed, 0x1bed, UM_CHAR_MARK },     { 0x1bef, 0x1bf1, UM_CHAR_MARK },
    { 0x1bfc, 0x1bff, UM_CHAR_PUNCT },    { 0x1c2c, 0x1c33, UM_CHAR_MARK },
    { 0x1c36, 0x1c37, UM_CHAR_MARK },     { 0x1c3b, 0x1c3f, UM_CHAR_PUNCT },
    { 0x1c7e, 0x1c7f, UM_CHAR_PUNCT },    { 0x1cc0, 0x1cc7, UM_CHAR_PUNCT },
    { 0x1cd0, 0x1cd2, UM_CHAR_MARK },     { 0x1cd3, 0x1cd3, UM_CHAR_PUNCT },
    { 0x1cd4, 0x1ce0, UM_CHAR_MARK },     { 0x1ce2, 0x1ce8, UM_CHAR_MARK },
    { 0x1ced, 0x1ced, UM_CHAR_MARK },     { 0x1cf4, 0x1cf4, UM_CHAR_MARK },
    { 0x1cf8, 0x1cf9, UM_CHAR_MARK },     { 0x1dc0, 0x1df5, UM_CHAR_MARK },
    { 0x1dfc, 0x1dff, UM_CHAR_MARK },     { 0x2000, 0x200a, UM_CHAR_SPACE },
    { 0x200b, 0x200f, UM_CHAR_DROP },     { 0x2010, 0x2027, UM_CHAR_PUNCT },
    { 0x2028, 0x2029, UM_CHAR_SPACE },    { 0x202a, 0x202e, UM_CHAR_DROP },
    { 0x202f, 0x202f, UM_CHAR_SPACE },    { 0x2030, 0x2043, UM_CHAR_PUNCT },
    { 0x2045, 0x2051, UM_CHAR_PUNCT },    { 0x2053, 0x205e, UM_CHAR_PUNCT },
    { 0x205f, 0x205f, UM_CHAR_SPACE },    { 0x2060, 0x2064, UM_CHAR_DROP },
    { 0x2066, 0x206f, UM_CHAR_DROP },     { 0x207d, 0x207e, UM_CHAR_PUNCT },
    { 0x208d, 0x208e, UM_CHAR_PUNCT },    { 0x20d0, 0x20dc, UM_CHAR_MARK },
    { 0x20e1, 0x20e1, UM_CHAR_MARK },     { 0x20e5, 0x20f0, UM_CHAR_MARK },
    { 0x2308, 0x230b, UM_CHAR_PUNCT },    { 0x2329, 0x232a, UM_CHAR_PUNCT },
    { 0x2768, 0x2775, UM_CHAR_PUNCT },    { 0x27c5, 0x27c6, UM_CHAR_PUNCT },
    { 0x27e6, 0x27ef, UM_CHAR_PUNCT },    { 0x2983, 0x2998, UM_CHAR_PUNCT },
    { 0x29d8, 0x29db, UM_CHAR_PUNCT },    { 0x29fc, 0x29fd, UM_CHAR_PUNCT },
    { 0x2cef, 0x2cf1, UM_CHAR_MARK },     { 0x2cf9, 0x2cfc, UM_CHAR_PUNCT },
    { 0x2cfe, 0x2cff, UM_CHAR_PUNCT },    { 0x2d70, 0x2d70, UM_CHAR_PUNCT },
    { 0x2d7f, 0x2d7f, UM_CHAR_MARK },     { 0x2de0, 0x2dff, UM_CHAR_MARK },
    { 0x2e00, 0x2e2e, UM_CHAR_PUNCT },    { 0x2e30, 0x2e42, UM_CHAR_PUNCT },
    { 0x3000, 0x3000, UM_CHAR_SPACE },    { 0x3001, 0x3003, UM_CHAR_PUNCT },
    { 0x3008, 0x3011, UM_CHAR_PUNCT },    { 0x3014, 0x301f, UM_CHAR_PUNCT },
    { 0x302a, 0x302d, UM_CHAR_MARK },     { 0x3030, 0x3030, UM_CHAR_PUNCT },
    { 0x303d, 0x303d, UM_CHAR_PUNCT },    { 0x3099, 0x309a, UM_CHAR_MARK },
    { 0x30a0, 0x30a0, UM_CHAR_PUNCT },    { 0x30fb, 0x30fb, UM_CHAR_PUNCT },
    { 0xa4fe, 0xa4ff, UM_CHAR_PUNCT },    { 0xa60d, 0xa60f, UM_CHAR_PUNCT },
    { 0xa66f, 0xa66f, UM_CHAR_MARK },     { 0xa673, 0xa673, UM_CHAR_PUNCT },
    { 0xa674, 0xa67d, UM_CHAR_MARK },     { 0xa67e, 0xa67e, UM_CHAR_PUNCT },
    { 0xa69e, 0xa69f, UM_CHAR_MARK },     { 0xa6f0, 0xa6f1, UM_CHAR_MARK },
    { 0xa6f2, 0xa6f7, UM_CHAR_PUNCT },    { 0xa802, 0xa802, UM_CHAR_MARK },
    { 0xa806, 0xa806, UM_CHAR_MARK },     { 0xa80b, 0xa80b, UM_CHAR_MARK },
    { 0xa825, 0xa826, UM_CHAR_MARK },     { 0xa874, 0xa877, UM_CHAR_PUNCT },
    { 0xa8c4, 0xa8c4, UM_CHAR_MARK },     { 0xa8ce, 0xa8cf, UM_CHAR_PUNCT },
    { 0xa8e0, 0xa8f1, UM_CHAR_MARK },     { 0xa8f8, 0xa8fa, UM_CHAR_PUNCT },
    { 0xa8fc, 0xa8fc, UM_CHAR_PUNCT },    { 0xa926, 0xa92d, UM_CHAR_MARK },
    { 0xa92e, 0xa92f, UM_CHAR_PUNCT },    { 0xa947, 0xa951, UM_CHAR_MARK },
    { 0xa95f, 0xa95f, UM_CHAR_PUNCT },    { 0xa980, 0xa982, UM_CHAR_MARK },
    { 0xa9b3, 0xa9b3, UM_CHAR_MARK },     { 0xa9b6, 0xa9b9, UM_CHAR_MARK },
    { 0xa9bc, 0xa9bc, UM_CHAR_MARK },     { 0xa9c1, 0xa9cd, UM_CHAR_PUNCT },
    { 0xa9de, 0xa9df, UM_CHAR_PUNCT },    { 0xa9e5, 0xa9e5, UM_CHAR_MARK },
    { 0xaa29, 0xaa2e, UM_CHAR_MARK },     { 0xaa31, 0xaa32, UM_CHAR_MARK },
    { 0xaa35, 0xaa36, UM_CHAR_MARK },     { 0xaa43, 0xaa43, UM_CHAR_MARK },
    { 0xaa4c, 0xaa4c, UM_CHAR_MARK },     { 0xaa5c, 0xaa5f, UM_CHAR_PUNCT },
    { 0xaa7c, 0xaa7c, UM_CHAR_MARK },     { 0xaab0, 0xaab0, UM_CHAR_MARK },
    { 0xaab2, 0xaab4, UM_CHAR_MARK },     { 0xaab7, 0xaab8, UM_CHAR_MARK },
    { 0xaabe, 0xaabf, UM_CHAR_MARK },     { 0xaac1, 0xaac1, UM_CHAR_MARK },
    { 0xaade, 0xaadf, UM_CHAR_PUNCT },    { 0xaaec, 0xaaed, UM_CHAR_MARK },
    { 0xaaf0, 0xaaf1, UM_CHAR_PUNCT },    { 0xaaf6, 0xaaf6, UM_CHAR_MARK },
    { 0xabe5, 0xabe5, UM_CHAR_MARK },     { 0xabe8, 0xabe8, UM_CHAR_MARK },
    { 0xabeb, 0xabeb, UM_CHAR_PUNCT },    { 0xabed, 0xabed, UM_CHAR_MARK },
    { 0xe000, 0xf8ff, UM_CHAR_DROP },     { 0xfb1e, 0xfb1e, UM_CHAR_MARK },
    { 0xfd3e, 0xfd3f, UM_CHAR_PUNCT },    { 0xfe00, 0xfe0f, UM_CHAR_MARK },
    { 0xfe10, 0xfe19, UM_CHAR_PUNCT },    { 0xfe20, 0xfe2f, UM_CHAR_MARK },
    { 0xfe30, 0xfe52, UM_CHAR_PUNCT },    { 0xfe54, 0xfe61, UM_CHAR_PUNCT },
    { 0xfe63, 0xfe63, UM_CHAR_PUNCT },    { 0xfe68, 0xfe68, UM_CHAR_PUNCT },
    { 0xfe6a, 0xfe6b, UM_CHAR_PUNCT },    { 0xfeff, 0xfeff, UM_CHAR_DROP },
    { 0xff01, 0xff03, UM_CHAR_PUNCT },    { 0xff05, 0xff0a, UM_CHAR_PUNCT },
    { 0xff0c, 0xff0f, UM_CHAR_PUNCT },    { 0xff1a, 0xff1b, UM_CHAR_PUNCT },
    { 0xff1f, 0xff20, UM_CHAR_PUNCT },    { 0xff3b, 0xff3d, UM_CHAR_PUNCT },
    { 0xff3f, 0xff3f, UM_CHAR_PUNCT },    { 0xff5b, 0xff5b, UM_CHAR_PUNCT },
    { 0xff5d, 0xff5d, UM_CHAR_PUNCT },    { 0xff5f, 0xff65, UM_CHAR_PUNCT },
    { 0xfff9, 0xfffb, UM_CHAR_DROP },     { 0xfffd, 0xfffd, UM_CHAR_DROP },
    { 0x10100, 0x10102, UM_CHAR_PUNCT },  { 0x101fd, 0x101fd, UM_CHAR_MARK },
    { 0x102e0, 0x102e0, UM_CHAR_MARK },   { 0x10376, 0x1037a, UM_CHAR_MARK },
    { 0x1039f, 0x1039f, UM_CHAR_PUNCT },  { 0x103d0, 0x103d0, UM_CHAR_PUNCT },
    { 0x1056f, 0x1056f, UM_CHAR_PUNCT },  { 0x10857, 0x10857, UM_CHAR_PUNCT },
    { 0x1091f, 0x1091f, UM_CHAR_PUNCT },  { 0x1093f, 0x1093f, UM_CHAR_PUNCT },
    { 0x10a01, 0x10a03, UM_CHAR_MARK },   { 0x10a05, 0x10a06, UM_CHAR_MARK },
    { 0x10a0c, 0x10a0f, UM_CHAR_MARK },   { 0x10a38, 0x10a3a, UM_CHAR_MARK },
    { 0x10a3f, 0x10a3f, UM_CHAR_MARK },   { 0x10a50, 0x10a58, UM_CHAR_PUNCT },
    { 0x10a7f, 0x10a7f, UM_CHAR_PUNCT },  { 0x10ae5, 0x10ae6, UM_CHAR_MARK },
    { 0x10af0, 0x10af6, UM_CHAR_PUNCT },  { 0x10b39, 0x10b3f, UM_CHAR_PUNCT },
    { 0x10b99, 0x10b9c, UM_CHAR_PUNCT },  { 0x11001, 0x11001, UM_CHAR_MARK },
    { 0x11038, 0x11046, UM_CHAR_MARK },   { 0x11047, 0x1104d, UM_CHAR_PUNCT },
    { 0x1107f, 0x11081, UM_CHAR_MARK },   { 0x110b3, 0x110b6, UM_CHAR_MARK },
    { 0x110b9, 0x110ba, UM_CHAR_MARK },   { 0x110bb, 0x110bc, UM_CHAR_PUNCT },
    { 0x110bd, 0x110bd, UM_CHAR_DROP },   { 0x110be, 0x110c1, UM_CHAR_PUNCT },
    { 0x11100, 0x11102, UM_CHAR_MARK },   { 0x11127, 0x1112b, UM_CHAR_MARK },
    { 0x1112d, 0x11134, UM_CHAR_MARK },   { 0x11140, 0x11143, UM_CHAR_PUNCT },
    { 0x11173, 0x11173, UM_CHAR_MARK },   { 0x11174, 0x11175, UM_CHAR_PUNCT },
    { 0x11180, 0x11181, UM_CHAR_MARK },   { 0x111b6, 0x111be, UM_CHAR_MARK },
    { 0x111c5, 0x111c9, UM_CHAR_PUNCT },  { 0x111ca, 0x111cc, UM_CHAR_MARK },
    { 0x111cd, 0x111cd, UM_CHAR_PUNCT },  { 0x111db, 0x111db, UM_CHAR_PUNCT },
    { 0x111dd, 0x111df, UM_CHAR_PUNCT },  { 0x1122f, 0x11231, UM_CHAR_MARK },
    { 0x11234, 0x11234, UM_CHAR_MARK },   { 0x11236, 0x11237, UM_CHAR_MARK },
    { 0x11238, 0x1123d, UM_CHAR_PUNCT },  { 0x112a9, 0x112a9, UM_CHAR_PUNCT },
    { 0x112df, 0x112df, UM_CHAR_MARK },   { 0x112e3, 0x112ea, UM_CHAR_MARK },
    { 0x11300, 0x11301, UM_CHAR_MARK },   { 0x1133c, 0x1133c, UM_CHAR_MARK },
    { 0x11340, 0x11340, UM_CHAR_MARK },   { 0x11366, 0x1136c, UM_CHAR_MARK },
    { 0x11370, 0x11374, UM_CHAR_MARK },   { 0x114b3, 0x114b8, UM_CHAR_MARK },
    { 0x114ba, 0x114ba, UM_CHAR_MARK },   { 0x114bf, 0x114c0, UM_CHAR_MARK },
    { 0x114c2, 0x114c3, UM_CHAR_MARK },   { 0x114c6, 0x114c6, UM_CHAR_PUNCT },
    { 0x115b2, 0x115b5, UM_CHAR_MARK },   { 0x115bc, 0x115bd, UM_CHAR_MARK },
    { 0x115bf, 0x115c0, UM_CHAR_MARK },   { 0x115c1, 0x115d7, UM_CHAR_PUNCT },
    { 0x115dc, 0x115dd, UM_CHAR_MARK },   { 0x11633, 0x1163a, UM_CHAR_MARK },
    { 0x1163d, 0x1163d, UM_CHAR_MARK },   { 0x1163f, 0x11640, UM_CHAR_MARK },
    { 0x11641, 0x11643, UM_CHAR_PUNCT },  { 0x116ab, 0x116ab, UM_CHAR_MARK },
    { 0x116ad, 0x116ad, UM_CHAR_MARK },   { 0x116b0, 0x116b5, UM_CHAR_MARK },
    { 0x116b7, 0x116b7, UM_CHAR_MARK },   { 0x1171d, 0x1171f, UM_CHAR_MARK },
    { 0x11722, 0x11725, UM_CHAR_MARK },   { 0x11727, 0x1172b, UM_CHAR_MARK },
    { 0x1173c, 0x1173e, UM_CHAR_PUNCT },  { 0x12470, 0x12474, UM_CHAR_PUNCT },
    { 0x16a6e, 0x16a6f, UM_CHAR_PUNCT },  { 0x16af0, 0x16af4, UM_CHAR_MARK },
    { 0x16af5, 0x16af5, UM_CHAR_PUNCT },  { 0x16b30, 0x16b36, UM_CHAR_MARK },
    { 0x16b37, 0x16b3b, UM_CHAR_PUNCT },  { 0x16b44, 0x16b44, UM_CHAR_PUNCT },
    { 0x16f8f, 0x16f92, UM_CHAR_MARK },   { 0x1bc9d, 0x1bc9e, UM_CHAR_MARK },
    { 0x1bc9f, 0x1bc9f, UM_CHAR_PUNCT },  { 0x1bca0, 0x1bca3, UM_CHAR_DROP },
    { 0x1d167, 0x1d169, UM_CHAR_MARK },   { 0x1d173, 0x1d17a, UM_CHAR_DROP },
    { 0x1d17b, 0x1d182, UM_CHAR_MARK },   { 0x1d185, 0x1d18b, UM_CHAR_MARK },
    { 0x1d1aa, 0x1d1ad, UM_CHAR_MARK },   { 0x1d242, 0x1d244, UM_CHAR_MARK },
    { 0x1da00, 0x1da36, UM_CHAR_MARK },   { 0x1da3b, 0x1da6c, UM_CHAR_MARK },
    { 0x1da75, 0x1da75, UM_CHAR_MARK },   { 0x1da84, 0x1da84, UM_CHAR_MARK },
    { 0x1da87, 0x1da8b, UM_CHAR_PUNCT },  { 0x1da9b, 0x1da9f, UM_CHAR_MARK },
    { 0x1daa1, 0x1daaf, UM_CHAR_MARK },   { 0x1e8d0, 0x1e8d6, UM_CHAR_MARK },
    { 0xe0001, 0xe0001, UM_CHAR_DROP },   { 0xe0020, 0xe007f, UM_CHAR_DROP },
    { 0xe0100, 0xe01ef, UM_CHAR_MARK },   { 0xf0000, 0xffffd, UM_CHAR_DROP },
    { 0x100000, 0x10fffd, UM_CHAR_DROP },
};

/* U+2B920 is what the original says where U+2B820 was meant; everyone's ids have it so. */
static const struct range ideographs[] = {
    { 0x4e00, 0x9fff },   { 0x3400, 0x4dbf },   { 0x20000, 0x2a6df }, { 0x2a700, 0x2b73f },
    { 0x2b740, 0x2b81f }, { 0x2b920, 0x2ceaf }, { 0xf900, 0xfaff },   { 0x2f800, 0x2fa1f },
};

/* canonical combining classes of Unicode 9.0 for characters that are not dropped as marks */
static const struct {
    int32_t first, last;
    int     order;
} orders[] = {
    { 0x8d4, 0x8e1, 230 },     { 0x1b44, 0x1b44, 9 },     { 0x1baa, 0x1baa, 9 },
    { 0x1bf2, 0x1bf3, 9 },     { 0x1dfb, 0x1dfb, 230 },   { 0x302e, 0x302f, 224 },
    { 0xa953, 0xa953, 9 },     { 0xa9c0, 0xa9c0, 9 },     { 0x111c0, 0x111c0, 9 },
    { 0x11235, 0x11235, 9 },   { 0x1134d, 0x1134d, 9 },   { 0x11442, 0x11442, 9 },
    { 0x11446, 0x11446, 7 },   { 0x116b6, 0x116b6, 9 },   { 0x11c3f, 0x11c3f, 9 },
    { 0x1d165, 0x1d166, 216 }, { 0x1d16d, 0x1d16d, 226 }, { 0x1d16e, 0x1d172, 216 },
    { 0x1e000, 0x1e006, 230 }, { 0x1e008, 0x1e018, 230 }, { 0x1e01b, 0x1e021, 230 },
    { 0x1e023, 0x1e024, 230 }, { 0x1e026, 0x1e02a, 230 }, { 0x1e944, 0x1e949, 230 },
    { 0x1e94a, 0x1e94a, 7 },
};

/* composed characters that came after Unicode 9.0: left whole */
static const struct range young[] = {
    { 0x105c9, 0x105e4 }, { 0x11383, 0x11391 }, { 0x113c5, 0x113c8 },
    { 0x11938, 0x11938 }, { 0x16121, 0x16128 }, { 0x16d68, 0x16d6a },
};

/* capitals of Unicode 16.0 and 17.0, which libutf8proc may not know yet: distance to the small
 * letter; step 2 where capitals and small letters alternate */
static const struct {
    int32_t first, last, step, add;
} capitals[] = {
    { 0x1c89, 0x1c89, 1, 1 },      { 0xa7cb, 0xa7cb, 1, 0x264 - 0xa7cb },
    { 0xa7cc, 0xa7ce, 2, 1 },      { 0xa7d2, 0xa7d4, 2, 1 },
    { 0xa7da, 0xa7da, 1, 1 },      { 0xa7dc, 0xa7dc, 1, 0x19b - 0xa7dc },
    { 0x10d50, 0x10d65, 1, 0x20 }, { 0x16ea0, 0x16eb8, 1, 0x1b },
};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static bool within(const struct range *r, size_t n, int32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last)
            return true;
    return false;
}

enum um_char um_char_class(int32_t c)
{
    size_t lo = 0, hi = COUNT(classes);

    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            return UM_CHAR_LETTER;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            return UM_CHAR_SPACE;
        return c > ' ' && c < 0x7f ? UM_CHAR_PUNCT : UM_CHAR_DROP;
    }
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;

        if (c > classes[mid].last)
            lo = mid + 1;
        else if (c < classes[mid].first)
            hi = mid;
        else
            return classes[mid].is;
    }
    return within(ideographs, COUNT(ideographs), c) ? UM_CHAR_CJK : UM_CHAR_LETTER;
}

int um_char_decompose(int32_t c, int32_t out[4])
{
    int              last_boundclass = UTF8PROC_BOUNDCLASS_START;
    utf8proc_ssize_t n;

    out[0] = c;
    if (c < 0xc0 || (c >= 0x10000 && within(young, COUNT(young), c)))
        return 1;
    n = utf8proc_decompose_char(c, out, 4, UTF8PROC_DECOMPOSE, &last_boundclass);
    return n >= 1 && n <= 4 ? (int)n : 1;
}

int um_char_order(int32_t c)
{
    if (c < orders[0].first)
        return 0;
    for (size_t i = 0; i < COUNT(orders); i++)
        if (c >= orders[i].first && c <= orders[i].last)
            return orders[i].order;
    return 0;
}

int um_char_mark_order(int32_t c)
{
    return utf8proc_get_property(c)->combining_class;
}

int32_t um_char_lower(int32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    for (size_t i = 0; c >= capitals[0].first && i < COUNT(capitals); i++)
        if (c >= capitals[i].first && c <= capitals[i].last &&
            (c - capitals[i].first) % capitals[i].step == 0)
            return c + capitals[i].add;
    return utf8proc_tolower(c);
}
