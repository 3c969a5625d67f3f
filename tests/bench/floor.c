/* floor.c - what no reader of these files can be faster than: the CPU seconds of one library call
 * each
 *
 *     floor entropy FILE...   libjpeg's entropy decoding: coefficients, no picture
 *     floor inflate FILE...   libdeflate's inflate of a whole .gz, memory to memory, all pages
 * touched SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>
#include <libdeflate.h>

#include "base/file.h"

static double cpu(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int entropy(const uint8_t *bytes, size_t n)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr         e;

    d.err = jpeg_std_error(&e); /* ends the program at a bad file: this is a benchmark */
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, bytes, n);
    (void)jpeg_read_header(&d, TRUE);
    (void)jpeg_read_coefficients(&d);
    (void)jpeg_finish_decompress(&d);
    jpeg_destroy_decompress(&d);
    return UM_OK;
}

static int inflate(struct um_arena *a, const uint8_t *bytes, size_t n, double *start)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    uint32_t                        size;
    size_t                          got;
    void                           *out;

    memcpy(&size, bytes + n - 4, sizeof size);
    out = um_alloc(a, size);
    if (!d || !out)
        return UM_ENOMEM;
    memset(out, 1, size);
    *start = cpu();
    if (libdeflate_gzip_decompress(d, bytes, n, out, size, &got) != LIBDEFLATE_SUCCESS)
        return um_fail(UM_EFORMAT, "not one gzip member");
    libdeflate_free_decompressor(d);
    return UM_OK;
}

int main(int argc, char **argv)
{
    struct um_arena *a;
    double           sum = 0;
    int              st  = um_arena_new(&a);

    for (int i = 2; st >= 0 && i < argc; i++) {
        uint8_t *bytes;
        size_t   n;
        double   start;

        if ((st = um_file_read(a, argv[i], (size_t)1 << 32, &bytes, &n)) < 0)
            break;
        start = cpu();
        st    = strcmp(argv[1], "entropy") == 0 ? entropy(bytes, n) : inflate(a, bytes, n, &start);
        sum += cpu() - start;
        um_arena_reset(a);
    }
    um_arena_free(a);
    if (st < 0) {
        (void)fprintf(stderr, "floor: %s\n", um_errmsg());
        return 1;
    }
    printf("%.4f\n", sum);
    return 0;
}
