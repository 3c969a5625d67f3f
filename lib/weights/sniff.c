/* sniff.c - what a file is that holds no weights, in words that say what to do
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "weights/weights_int.h"

static const struct {
    size_t      at;
    const char *magic;
    size_t      n;
    const char *what;
} known[] = {
#define AT(at, magic, what)                                                                        \
    {                                                                                              \
        at, magic, sizeof magic - 1, what                                                          \
    }
    AT(0, "version https://git-lfs.github.com/",
       "a Git LFS pointer, not the weights: fetch them with git lfs pull"),
    AT(0, "\x1f\x8b", "gzip: unpack it first"),
    AT(0, "\x28\xb5\x2f\xfd", "zstd: unpack it first"),
    AT(0,
       "\xfd"
       "7zXZ",
       "xz: unpack it first"),
    AT(0, "BZh", "bzip2: unpack it first"),
    AT(257, "ustar", "a tar archive: unpack it first"),
    AT(0, "\x89HDF\r\n\x1a\n", "HDF5 (Keras, say), which is not read"),
    AT(0, "\x93NUMPY", "a NumPy array, not named tensors"),
    AT(0, "GGUF", "GGUF, which is not read"),
    AT(0, "\x89PNG", "a PNG picture"),
    AT(0, "%PDF", "a PDF document"),
#undef AT
};

static bool html(const uint8_t *p, size_t n)
{
    static const char *const begins[] = { "<!doctype", "<html", "<head", "<?xml" };
    size_t                   i        = 0;

    while (i < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'))
        i++;
    for (size_t k = 0; k < sizeof begins / sizeof begins[0]; k++) {
        const size_t len = strlen(begins[k]);

        if (n - i >= len && strncasecmp((const char *)p + i, begins[k], len) == 0)
            return true;
    }
    return false;
}

static int describe_bytes(const uint8_t *p, size_t n)
{
    char   shown[UM_SHOWN], hex[8 * 3 + 1] = "";
    size_t some = n < 8 ? n : 8;

    for (size_t i = 0; i < some; i++)
        (void)snprintf(hex + 3 * i, sizeof hex - 3 * i, " %02x", p[i]);
    return um_fail(UM_EFORMAT,
                   "neither safetensors, nor an index of shards, nor a PyTorch file (.bin, .pt, "
                   ".pth): it begins with%s (\"%s\")",
                   hex, um_shown(p, some, shown));
}

int um_unknown_file(const uint8_t *p, size_t n)
{
    if (n == 0)
        return um_fail(UM_EFORMAT, "an empty file");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (n >= known[i].at + known[i].n &&
            memcmp(p + known[i].at, known[i].magic, known[i].n) == 0)
            return um_fail(UM_EFORMAT, "%s", known[i].what);
    if (html(p, n))
        return um_fail(UM_EFORMAT, "a web page, not the weights: the download went wrong");
    if (n > 2 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5)
        return um_fail(UM_EFORMAT, "a pickle, but not one that torch.save writes");
    return describe_bytes(p, n);
}
