/* ops.h - the operation table: what a test of an operation says about itself
 *
 * A row names the arrays an operation reads and writes and calls it once; the judge (judge.c) makes
 * the arrays, runs the row on two devices and compares. Sizes are written as products of the row's
 * dimension letters: "3nc" is three n c. Of three shapes in turn the first has its arrays at
 * multiples of 64 bytes, the others have them one and two elements off: a backend's wide path is
 * met by the first, fourth, seventh.. of a row's list (cases at an offset count as shapes).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_OPS_H
#define UM_TESTS_OPS_H

#include "kernels/kernels.h"

enum { OT_ARRAYS = 12, OT_DIMS = 8, OT_SHAPES = 12 };

enum ot_role {
    OT_NONE = 0,
    OT_IN,  /* read; must not change */
    OT_OUT, /* overwritten; NaN before */
    OT_ACC, /* added to */
    OT_FWD  /* written by `forward` alone */
};

enum ot_kind {
    OT_ACT,      /* activation: normal numbers plus the case's offset, of the case's dtype */
    OT_FLOAT,    /* float: normal numbers */
    OT_POSITIVE, /* float in 0.5 .. 2 */
    OT_DOUBLE,
    OT_ID,     /* int32 in 0 .. dim 'v' - 1 */
    OT_TARGET, /* int32 in -1 .. dim 'c' - 1 */
    OT_MASK,   /* uint8 0 or 1; the first of each run of T is 1 */
    OT_LABEL,  /* float 0, 1 or NaN */
    OT_UNIT,   /* float in 0 .. 1, some just 0 */
    OT_SOFT    /* float in 0 .. 1, or NaN */
};

struct ot_array {
    enum ot_role role;
    enum ot_kind kind;
    const char  *size;
};

/* how rows write their arrays down */
#define IN(kind, size)                                                                             \
    {                                                                                              \
        OT_IN, kind, size                                                                          \
    }
#define OUT(kind, size)                                                                            \
    {                                                                                              \
        OT_OUT, kind, size                                                                         \
    }
#define ACC(kind, size)                                                                            \
    {                                                                                              \
        OT_ACC, kind, size                                                                         \
    }
#define FWD(kind, size)                                                                            \
    {                                                                                              \
        OT_FWD, kind, size                                                                         \
    }

struct ot_case {
    const struct ot_row     *row;
    const struct um_kernels *k;
    struct um_dev           *dev;
    enum um_dtype            dt;
    int64_t                  dim[OT_DIMS];
    float                    offset;
    int                      nr; /* number of the case: for rows that vary with it */
    void                    *a[OT_ARRAYS];
};

struct ot_row {
    const char     *name;
    const char     *letters; /* of the dimensions, in the order of the shapes */
    struct ot_array array[OT_ARRAYS];
    int64_t         shape[OT_SHAPES][OT_DIMS]; /* ended by a row of zeros */
    int64_t         limit[OT_DIMS];            /* random shapes: each dimension in 1..limit */
    double          tol, tol_bf16;             /* L2 norm of the difference by that of ref */
    bool            float_only, offsets;       /* offsets: also at an offset of 1000 */
    bool            aligned; /* arrays at 64 bytes in every case; else in every third, from 0 on */
    int (*run)(const struct ot_case *c);
    int (*prepare)(const struct ot_case *c); /* fills inputs from others, on ref; or NULL */

    /* a backward: forward(c) fills array y from the inputs; d<a[dy], y>/dx is array dx */
    int (*forward)(const struct ot_case *c);
    int y, dy;
    struct {
        int x, dx;
    } wrt[4];         /* ended by x = dx = 0 */
    double  step_tol; /* norm of (differences - gradient) by that of the gradient; 0: 1e-4 */
    int64_t step_dim; /* dimensions of these shapes are 1 .. step_dim; 0: 3 .. 6 */
};

extern const struct ot_row ot_basic[], ot_norm[], ot_attn[], ot_loss[],
    ot_conv[]; /* ended by a row without a name */

/* ot_run_isa - judge every row on the cpu device of one instruction set; prints TAP lines from
 * number *nr on; returns how many failed */
int ot_run_isa(const char *isa, int *nr);
/* ot_name - judgement i of a device with memory of its own: a row in a dtype; false past the last
 * ot_run_device - that judgement: `dev` twice against `ref`, shapes of at most `most` elements;
 * false: it failed; said: how */
bool ot_name(int i, char *name, size_t size);
bool ot_run_device(int i, struct um_dev *ref, struct um_dev *dev, int64_t most, char *said,
                   size_t size);
/* ot_run_ref - ref's backwards against differences of its forwards */
int ot_run_ref(int *nr);

#endif
