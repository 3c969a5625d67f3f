/* fuzz_manifest.c - libFuzzer target: any bytes as a manifest, its boxes and what options hold */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "dataset/boxes.h"
#include "dataset/filter.h"
#include "dataset/manifest.h"
#include "grid/levels.h"
#include "grid/window.h"

/* fields of every kind go to the little parsers too: a row is their best seed */
static void parse(struct um_arena *a, const char *text)
{
    struct um_rects   r;
    struct um_filters f;
    struct um_levels  l;
    double            window[2];

    fuzz_refused(um_rects_parse(a, text, 100, 50, &r));
    fuzz_refused(um_filters_parse(text, &f));
    fuzz_refused(um_window_parse(text, window));
    fuzz_refused(um_levels_parse(text, &l));
}

static int read_all(struct um_arena *a, struct um_manifest *m)
{
    struct um_row *row;
    int            st;

    while ((st = um_manifest_next(m, &row)) > 0) {
        for (int64_t i = 0; i < row->ncol; i++)
            parse(a, row->field[i]);
        for (int c = 0; c < UM_COL_LABEL; c++)
            if (!um_row_get(m, row, (enum um_column)c))
                fuzz_wrong("no text");
        um_row_free(row);
    }
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct um_arena    *a  = fuzz_arena();
    const int           fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct um_manifest *m  = NULL;
    char                path[64];
    int                 st;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        abort();
    st = um_manifest_open(&m, path);
    if (st >= 0) {
        st = read_all(a, m);
        um_manifest_close(m);
    }
    fuzz_refused(st);
    (void)close(fd);
    return 0;
}
