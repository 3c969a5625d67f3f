/* dicom_rig.h - a file under test, read whole */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_TEST_DICOM_RIG_H
#define UM_TEST_DICOM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "media/dicom.h"
#include "tests/unit/dicom_test.h"

#define UID "1.2.840.10008.1.2"

static struct um_arena *arena;
static struct dcm       f; /* the file under test */

static inline int setup(void **state)
{
    (void)state;
    return um_arena_new(&arena);
}

static inline int teardown(void **state)
{
    (void)state;
    um_arena_free(arena);
    return 0;
}

/* a copy of just the file's size, so that a byte read beyond it shows */
static inline int open_file(struct um_dicom *d, size_t n)
{
    uint8_t *copy = um_alloc(arena, n);

    memcpy(copy, f.bytes, n);
    return um_dicom_open(arena, copy, n, n, 100000, d);
}

/* frame 0, or the failure */
static inline int read_file(struct um_dicom *d, void *out, bool *luma)
{
    UM_TRY(open_file(d, f.n));
    UM_TRY(um_dicom_index(arena, d));
    return um_dicom_frame(arena, d, 0, out, luma);
}

static inline void refused(int status, const char *says)
{
    struct um_dicom d;
    uint8_t         out[8192];
    bool            luma;
    int             st = read_file(&d, out, &luma);

    if (st != status || !strstr(um_errmsg(), says))
        fail_msg("%d, %s: expected %d, %s", st, um_errmsg(), status, says);
}

/* 3 rows of 5 values, 16 bits, of which `k` says what is used */
static const struct dcm_kind deep = { 3, 5, 16, 16, 15, 0, 1, NULL };

static inline void make(const char *syntax, const struct dcm_kind *k)
{
    uint16_t v[15];

    for (unsigned i = 0; i < 15; i++)
        v[i] = (uint16_t)(0x9111 * (i + 1));
    dcm_begin(&f, syntax);
    dcm_kind(&f, k);
    dcm_values(&f, v, 15);
}

#endif
