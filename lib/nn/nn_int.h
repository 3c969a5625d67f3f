/* nn_int.h - what the files of lib/nn share: the context, step memory, the tape, gradients
 *
 * An operation is one file, op_NAME.c, in three parts next to each other: the shape rule and
 * forward (the public function), and the backward. The pattern:
 *
 *     struct um_var *um_thing(struct um_nn *nn, struct um_var *x)
 *     {
 *         if (nn_bad(nn, x)) return NULL;              sticky error, or a NULL argument
 *         if (x->ndim != 2) return um_nn_fail(...);       shape rule, naming both shapes
 *         y = nn_var(nn, dt, ndim, dim);               output in the step's memory
 *         if (!y || !nn_ok(nn, k->thing(...), "thing")) return NULL;
 *         return nn_record(nn, y, thing_back, &(struct thing){..}, sizeof(struct thing), x->needs);
 *     }
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_NN_NN_INT_H
#define UM_NN_NN_INT_H

#include "nn/nn.h"

/* backward of one operation: y's gradient is there; adds to the gradients of its inputs */
typedef int nn_back(struct um_nn *nn, const void *op, const struct um_var *y);

struct nn_node {
    nn_back        *back;
    const void     *op;
    struct um_var  *y;
    struct nn_node *prev;
};

/* weights prepared for products: once, while the context lives, or once a step */
struct nn_pack {
    struct nn_pack *next;
    const void     *w; /* the parameter's values */
    int64_t         n, k;
    uint64_t        step; /* the step whose values these are */
    void           *data;
};
enum { NN_PACKS = 256 };

struct nn_run;

/* memory of gradients, which come and go in any order: see memory.c */
struct nn_store {
    struct nn_run *run;
    int            n, cap;
    void         **piece;
    int            pieces;
    size_t         used, most; /* bytes: now, and the most at once */
    size_t         held;       /* of all pieces */
    bool           merged;     /* once at least */
};

/* who is told of complete gradients, of which parameters, and how many uses of each the walk has
 * still to come to */
struct nn_watch {
    const struct um_params *ps;
    um_final_fn            *final;
    void                   *user;
    int                    *uses; /* [ps->n] */
};

struct nn_chunk; /* a piece of the step's device memory */

struct um_nn {
    struct um_dev           *dev;
    const struct um_kernels *k;
    enum um_dtype            dtype;
    struct um_arena         *arena;          /* host: variables and the tape */
    struct nn_chunk         *chunk, *bumped; /* all, and the piece in hand */
    size_t          made, held; /* bytes: the most the forward had at once; of all chunks */
    uint64_t        serial;     /* large variables so far */
    struct nn_store store;
    struct nn_node *last; /* the tape's end */
    bool            grad, train, walked, frozen, recompute;
    bool            walking;         /* memory that is asked for is the backward's */
    bool            again;           /* a block is run a second time: side effects are done */
    bool            given;           /* the gradient of the node being walked was passed on */
    bool            taped;           /* this step has a tape, also while a block runs without */
    uint64_t        steps;           /* begun so far */
    struct nn_pack *packs[NN_PACKS]; /* by where their parameters lie */
    struct nn_watch watch;
    uint64_t        seed, step, place; /* place: number of the next dropout */
    uint64_t        samples, rows;     /* of the larger batch, before this one */
    int             status;
    char            message[UM_ERRMSG_MAX];
};

/* device memory of this step, 256-byte aligned; NULL with the sticky error set */
void *nn_alloc(struct um_nn *nn, size_t bytes);
void *nn_alloc_elems(struct um_nn *nn, int64_t n, enum um_dtype dt);
/* a place in the forward's memory, and back to it: all that was made since is given back but `keep`
 * (or NULL), whose data may move */
struct nn_mark {
    struct nn_chunk *chunk;
    size_t           used;
    uint64_t         serial;
};
struct nn_mark nn_mark(const struct um_nn *nn);
void           nn_release(struct um_nn *nn, struct nn_mark mark, struct um_var *keep);
/* memory of the backward at p: it belongs to a variable now; it is free; all that nobody owns is */
void nn_own(struct um_nn *nn, const void *p);
void nn_give_back(struct um_nn *nn, const void *p);
void nn_give_back_scratch(struct um_nn *nn);
/* for device memory of one step: give all back, merging chunks so that it grows only once */
int  nn_memory_reset(struct um_nn *nn);
void nn_memory_free(struct um_nn *nn);

/* true if the context failed before or x is NULL (then that is the failure) */
bool nn_bad(struct um_nn *nn, const struct um_var *x);
/* st >= 0; otherwise the error, with the operation's name in front, becomes sticky */
bool nn_ok(struct um_nn *nn, int st, const char *op);
/* a sticky "OP: A [..] does not fit B [..]"; returns NULL. b may be NULL */
struct um_var *nn_misfit(struct um_nn *nn, const char *op, const char *an, const struct um_var *a,
                         const char *bn, const struct um_var *b);
/* true if the backend has the operation; a NULL entry is the sticky error */
#define nn_has(nn, entry)                                                                          \
    ((nn)->k->entry                                                                                \
         ? true                                                                                    \
         : (um_nn_fail(nn, UM_EUNSUPPORTED, #entry ": not in backend %s", (nn)->k->name), false))

struct um_var *nn_var(struct um_nn *nn, enum um_dtype dt, int ndim, const int64_t *dim);
struct um_var *nn_like(struct um_nn *nn, enum um_dtype dt, const struct um_var *x);
int64_t        nn_count(const struct um_var *x);
int64_t        nn_rows(const struct um_var *x); /* elements over the last dim */
int64_t        nn_last(const struct um_var *x); /* the last dim; 1 for a scalar */
char          *nn_shape(const struct um_var *x, char buf[UM_SHAPE_TEXT]);
bool           nn_same(const struct um_var *a, const struct um_var *b);
bool           nn_float(enum um_dtype dt); /* a dtype of activations */

/* note y on the tape (a copy of op goes to the arena) if gradients are recorded and needed; y */
struct um_var *nn_record(struct um_nn *nn, struct um_var *y, nn_back *back, const void *op,
                         size_t size, bool needs);

/* walk the tape from its end, giving back gradients as they are passed on */
int nn_walk(struct um_nn *nn);

/* watch.c: a new tape; v, parameter i of ps as it is taken up; before (walked false: of those
 * without any use) and after the walk (of all that are left) */
void           nn_watch_begin(struct um_nn *nn);
struct um_var *nn_watch_use(struct um_nn *nn, const struct um_params *ps, int i, struct um_var *v);
int            nn_watch_tell(struct um_nn *nn, bool walked);

/* Where the gradient of x goes. nn_grad_open gives room for it: x->grad itself on the first
 * contribution, scratch otherwise; the backward fills it all and nn_grad_close adds scratch to
 * x->grad. nn_grad_sum gives x->grad itself, zeroed on the first use, for kernels that add. */
int nn_grad_open(struct um_nn *nn, struct um_var *x, void **g);
int nn_grad_close(struct um_nn *nn, struct um_var *x, void *g);
int nn_grad_sum(struct um_nn *nn, struct um_var *x, void **g);
/* x's gradient += g, n elements of x's dtype */
int nn_grad_add(struct um_nn *nn, struct um_var *x, const void *g);

/* the parameters of the next dropout place, `first` elements of the larger batch being before; p 0
 * unless training */
struct um_drop nn_drop(struct um_nn *nn, float p, uint64_t first);
/* data of x in dtype dt: x's own, or a copy converted in the step's memory; NULL: sticky error */
const void *nn_as(struct um_nn *nn, const struct um_var *x, enum um_dtype dt);

/* x's gradient grows by y's, which has the same dtype and size and which nobody reads any more:
 * taken over where x has none yet */
int nn_grad_give(struct um_nn *nn, struct um_var *x, const struct um_var *y);

/* What pack made of parameter w [n,k] for x w^T; NULL: w is read as it is. It is kept where the
 * context's weights do not change and there is no tape; and for a step with a tape, whose forward
 * and backward read w several times, where the backend rounds weights first. */
int  nn_packed(struct um_nn *nn, const struct um_var *w, int64_t n, int64_t k, const void **packed);
void nn_packs_free(struct um_nn *nn);

static inline void *nn_at(const void *p, int64_t i, enum um_dtype dt)
{
    return (char *)(uintptr_t)p + i * (int64_t)um_dtype_size(dt);
}

#endif
