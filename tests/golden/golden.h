/* golden.h - the small student against what timm, transformers, MONAI and PyTorch gave for it
 *
 * tests/oracle/golden.py makes the files beside this one and says what is in them, golden_method.py
 * those of the whole method. A case reads its inputs from CASE.safetensors, does what the script
 * did, and has every result judged under its name GROUP/NAME against the tensor of that name:
 * tolerances are in the file's metadata.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_TESTS_GOLDEN_H
#define UM_TESTS_GOLDEN_H

#include "model/model.h"
#include "weights/safetensors.h"

enum { GOLD_GROUPS = 8, GOLD_NAME = 128 };

struct gold_group {
    char   name[32];
    double worst;         /* error of the worst tensor */
    double num, den;      /* sums of squares over all its tensors */
    double error;         /* the one judged: the worst's in float32, that of all in bfloat16 */
    double allowed, peer; /* and PyTorch's own; NaN: not judged */
};

/* what spoils a result that is right, to see that it is found out */
enum gold_spoil { GOLD_SOUND, GOLD_WANT_VALUE, GOLD_WANT_NAN, GOLD_GOT_NAN, GOLD_GOT_ZERO };

struct gold {
    const struct gold_case *of;
    struct um_dev          *dev; /* the caller's */
    enum um_dtype           dt;
    /* while the case runs */
    struct um_safetensors *file;
    struct um_model       *m; /* the student, with gradients of 0 */
    struct um_nn          *nn;
    /* what came out */
    struct gold_group group[GOLD_GROUPS];
    int               groups, judged, bad;
    enum gold_spoil   spoil; /* of tensor `victim` */
    const char       *victim;
    bool              quiet; /* bad results are counted, not told */
};

struct gold_case {
    const char *name; /* its first word is the file's */
    bool        half; /* has figures of PyTorch in bfloat16 */
    int (*run)(struct gold *g);
};

/* end: no name */
extern const struct gold_case gold_encoders[], gold_losses[], gold_training[], gold_method[];

/* gold_run - one case; how many results were bad (an error of the library counts as one, and is
 * told). g is filled for gold_row. */
int gold_run(struct gold *g, const struct gold_case *of, struct um_dev *dev, enum um_dtype dt);
/* gold_table - lines of the table, one a group: float32 beside bfloat16 (or NULL) */
void gold_table(const struct gold *f32, const struct gold *bf16);

/* ---- for cases: <0 is an error of the library or of the file ---- */

/* tensor in.NAME; NULL, with the message set, if there is none */
const struct um_tensor *gold_in(const struct gold *g, const char *name);
/* the same on the tape; gold_part: item i of its first dim */
struct um_var *gold_input(struct gold *g, const char *name);
struct um_var *gold_part(struct gold *g, const char *name, int64_t i);
/* gradients of <y, in.seed> */
UM_RESULT_USED int gold_backward(struct gold *g, struct um_var *y);

/* x [n] against tensor `name`, "GROUP/NAME", by |a - b| / |b|; gold_judge_each: the worst element's
 */
UM_RESULT_USED int gold_judge(struct gold *g, const char *name, const float *x, int64_t n);
UM_RESULT_USED int gold_judge_each(struct gold *g, const char *name, const float *x, int64_t n);
UM_RESULT_USED int gold_judge_var(struct gold *g, const char *name, const struct um_var *x);
/* each parameter of ps of which the file has GROUP/NAME: its value */
UM_RESULT_USED int gold_judge_values(struct gold *g, const char *group, const struct um_params *ps);
/* all gradients of the student: gradient/NAME; what vanishes in exact arithmetic must be small, and
 * what the file does not have must be 0 */
UM_RESULT_USED int gold_judge_gradients(struct gold *g);

/* another student, without gradients */
UM_RESULT_USED int gold_student(struct um_dev *dev, struct um_model **m);

#endif
