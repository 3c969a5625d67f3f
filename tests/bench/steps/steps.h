/* steps.h - a measured work: an encoder's pass, an update of it, or a step of pre-training
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BENCH_STEPS_H
#define UM_BENCH_STEPS_H

#include "train/adamw.h"
#include "train/step.h"

enum { THREADS = 2, LENGTH = 112 };

enum what {
    FORWARD,  /* an encoder alone */
    BACKWARD, /* and its gradients, of a cross entropy at [CLS] */
    UPDATE,   /* and AdamW */
    CONTRAST, /* both encoders, L_vl alone, AdamW */
    METHOD    /* all of method.md 7.4: both encoders, teacher, masks, losses, AdamW, EMA */
};

struct work {
    const char   *name, *preset;
    enum um_dtype dt;
    enum what     what;
    int64_t       batch, slices; /* slices: of each volume, in a sequence with it; 0: X-rays */
    bool          text;          /* the encoder is that of reports */
};

/* lengths of reports, of LENGTH ids: the same in peer.py */
extern const int64_t report_length[8];

struct run {
    const struct work *w;
    struct um_dev     *dev;
    struct um_model   *m;
    struct um_nn      *nn; /* not of CONTRAST and METHOD */
    struct um_adamw   *opt;
    float             *x, *volume;
    int32_t           *ids, *target;
    uint8_t           *mask;

    /* CONTRAST and METHOD */
    struct um_model  *teacher;
    struct um_params *centres;
    struct um_method  method;
    struct um_step   *step;
    struct um_batch   batch;
    int32_t          *rows;
    uint64_t         *text;
    const char      **key;
    int64_t           t;
};

void   ok(int st); /* ends the program where st says that something failed */
void  *room(size_t n);
double seconds_now(void);

/* run_open - on a device by its name; *r is referred to until it is closed: it must not be moved.
 * run_on   - on a device that is open; run_close closes it
 * run_once - the work, and its seconds from an idle device to an idle device
 * run_median - of `runs` (up to 9) of them
 *
 * Their errors are the library's; after any of them, run_close. */
UM_RESULT_USED int run_open(struct run *r, const char *device, struct um_pool *pool,
                            const struct work *w);
UM_RESULT_USED int run_once(struct run *r, double *seconds);
UM_RESULT_USED int run_median(struct run *r, int runs, double *seconds);
UM_RESULT_USED int run_on(struct run *r, struct um_dev *dev, const struct work *w);
void               run_close(struct run *r);

/* run_peak - bytes of its device's memory that were allocated at most so far: weights, their
 * gradients and moments, activations, workspace */
size_t run_peak(const struct run *r);

/* A product of the work: op(A) [m,k] by op(B) [k,n], `times` times */
struct product {
    int64_t m, n, k, times;
    bool    ta; /* the gradient of weights, into float */
};
struct products {
    struct product p[128];
    int            n;
};

/* run_products - all of a work but those of the projections, which are too small to count.
 * Attention counts two products a head forward and four backward: what is computed again for the
 * backward is not counted. */
struct products run_products(const struct run *r);
/* run_flops - twice m n k, over all of them */
double run_flops(const struct run *r);

/* run_limit - seconds of its matrix products alone, at the same shapes and precision, by oneDNN
 * with operands packed beforehand, on the same threads, and nothing between them */
double run_limit(const struct run *r, struct um_pool *pool);

#endif
