/* fuzz_weights.c - libFuzzer target: any bytes as a file of weights
 *
 * What is read must hold together; what cannot be read must be refused in one line, without harm.
 * Lengths and checksums would stop most changes at the door, so the first byte may say what the
 * rest is: 'z' a pickle for a zip archive, 'l' one for a legacy file, 's' the header of
 * safetensors, which are put into such files first. SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "weights_seeds.h"
#include "weights_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct bytes file_of(const uint8_t *data, size_t n)
{
    struct bytes b = { 0 };

    if (n > 0 && data[0] == 'z')
        return torch_zip(ZIP_PLAIN, data + 1, n - 1, seed_data, sizeof seed_data);
    if (n > 0 && data[0] == 'l')
        return torch_legacy(data + 1, n - 1, 6, seed_data, sizeof seed_data);
    if (n > 0 && data[0] == 's')
        return safetensors_of(data + 1, n - 1);
    add(&b, data, n);
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct um_weights *w;
    struct bytes       b  = file_of(data, n);
    const int          fd = memfd_create("fuzz", MFD_CLOEXEC);
    char               path[64];

    if (fd < 0)
        abort();
    put(fd, b.p, b.n);
    free(b.p);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (um_weights_open(&w, path) < 0) {
        if (!um_errmsg()[0] || strchr(um_errmsg(), '\n'))
            wrong("not one line");
    } else {
        (void)walk(w);
        um_weights_close(w);
    }
    (void)close(fd);
    return 0;
}
