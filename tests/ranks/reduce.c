/* reduce.c - one of the processes that tests/pipeline/ranks.bats starts by mpirun: sums that
 * devices begin during the backward against those at its end
 *
 * usage: reduce         on the host, with a table that has such sums too
 *        reduce cuda    on GPUs, two ranks: with two terms any order of a sum gives the same bits
 *
 * The stand-in of comm_sum is um_ranks_sum at once. So a gradient that was not complete when its
 * bucket began would have other bits, or its sum would be added to.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "cli/cli.h"
#include "kernels/backend.h"
#include "model/distill.h"
#include "ranks/ranks.h"
#include "train/place.h"
#include "train/step.h"

enum { N = 8, LEN = 8, BUCKET = 4096, MOST = 4096 };

static struct um_ranks     *ranks;
static const struct um_tool tool = { .name = "reduce" };

#define HOLDS(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return um_fail(UM_EMISMATCH, "line %d: %s", __LINE__, #cond);                          \
    } while (0)

/* ---- a device that sums ---- */

/* where each sum began in the gradients (-1: elsewhere), its length, and the products before it */
static struct sum {
    int64_t at, n, products;
} sums[MOST];
static int          summed, joined, missing;
static int64_t      products;
static const float *grads;
static int64_t      total;

static const struct um_kernels *plain;

static int matmul(struct um_dev *dev, const struct um_matmul *p)
{
    products++;
    return plain->matmul(dev, p);
}

static int comm_id(struct um_dev *dev, char *id)
{
    (void)dev;
    if (missing)
        return um_fail(UM_EUNSUPPORTED, "comm: not there");
    if (id)
        memset(id, 7, UM_COMM_ID);
    return UM_OK;
}

static int comm_open(struct um_dev *dev, const char *id, int rank, int size, char *name, size_t n)
{
    (void)dev;
    HOLDS(id[0] == 7 && id[UM_COMM_ID - 1] == 7);
    HOLDS(rank == um_ranks_rank(ranks) && size == um_ranks_size(ranks));
    (void)snprintf(name, n, "stand-in");
    return UM_OK;
}

static int comm_sum(struct um_dev *dev, float *x, int64_t n, float scale)
{
    const bool inside = x >= grads && x < grads + total;

    (void)dev;
    HOLDS(summed < MOST);
    sums[summed++] = (struct sum){ inside ? x - grads : -1, n, products };
    UM_TRY(um_ranks_sum(ranks, x, n));
    for (int64_t i = 0; i < n && scale != 1; i++)
        x[i] *= scale;
    return UM_OK;
}

static int comm_join(struct um_dev *dev)
{
    (void)dev;
    joined++;
    return UM_OK;
}

static void comm_close(struct um_dev *dev)
{
    (void)dev;
}

/* ---- a step ---- */

/* what a step leaves: gradients, centres, losses */
struct left {
    float           *grad, *centre;
    int64_t          n, m;
    struct um_losses l;
    char             note[256];
};

struct way {
    bool    device, recompute;
    int64_t parts, batches; /* batches: what the step is told */
};

static void *block(int64_t n, size_t width)
{
    void *p = calloc((size_t)n, width);

    if (!p)
        abort();
    return p;
}

/* this rank's records of a made-up batch that all ranks draw alike */
static int add(struct um_step *s, const struct um_model_config *c, enum um_modality mod)
{
    const int64_t each =
        mod == UM_2D ? c->image * c->image : c->volume[0] * c->volume[1] * c->volume[2];
    struct um_rng r            = um_rng_at(17, UM_RNG_TEST, (uint64_t)mod, 0);
    int32_t       ids[N * LEN] = { 0 };
    uint8_t       mask[N * LEN];
    uint64_t      text[N];
    const char   *key[N];
    int64_t       from, n;

    UM_TRY(um_ranks_share(ranks, N, &from, &n));
    float *x = block(N * each, sizeof *x);
    for (int64_t i = 0; i < N * each; i++)
        x[i] = (float)(0.5 * um_rng_uniform(&r) + 0.5 * (double)(i / each) / N);
    memset(mask, 1, sizeof mask);
    for (int i = 0; i < N * LEN; i++)
        ids[i] = (int32_t)um_rng_below(&r, 64);
    for (int i = 0; i < N; i++)
        text[i] = (uint64_t)i, key[i] = "made up";
    const struct um_batch b  = { .mod         = mod,
                                 .N           = N,
                                 .n           = n,
                                 .first       = from,
                                 .rows_before = from * LEN,
                                 .length      = LEN,
                                 .x           = x + from * each,
                                 .ids         = ids + from * LEN,
                                 .mask        = mask + from * LEN,
                                 .text        = text + from,
                                 .key         = key };
    const int             st = um_step_add(s, &b);
    free(x);
    return st;
}

static int one_step(struct um_step *s, const struct um_model_config *c, struct um_losses *l)
{
    UM_TRY(um_step_begin(s, 3, 1));
    UM_TRY(add(s, c, UM_2D));
    UM_TRY(add(s, c, UM_3D));
    UM_TRY(um_step_end(s, l));
    return um_step_follow(s, 0.9);
}

/* two steps: nothing of the first may be left to the second */
static int train(struct um_dev *dev, const struct um_method *o, const struct way *w,
                 struct left *out)
{
    struct um_model_config c;
    struct um_model       *m, *teacher;
    struct um_params      *centres;
    struct um_step        *s;

    UM_TRY(um_model_preset("tiny", &c));
    um_model_preset_head(&c);
    c.text_dropout = 0.1;
    UM_TRY(um_model_new(&m, dev, &c));
    UM_TRY(um_model_init(m, 9));
    UM_TRY(um_model_teacher(&teacher, m));
    UM_TRY(um_model_centres(&centres, dev, &m->cfg, o->centres));
    UM_TRY(um_params_grad(m->ps));
    grads = m->ps->grad, total = m->ps->total;
    UM_TRY(um_step_new(&s, &(struct um_step_opts){ .m         = m,
                                                   .teacher   = teacher,
                                                   .centres   = centres,
                                                   .method    = o,
                                                   .precision = UM_F32,
                                                   .recompute = w->recompute,
                                                   .seed      = 5,
                                                   .parts     = w->parts,
                                                   .ranks     = ranks,
                                                   .batches   = w->batches,
                                                   .bucket    = BUCKET,
                                                   .most      = N }));
    (void)snprintf(out->note, sizeof out->note, "%s", um_step_note(s));
    UM_TRY(one_step(s, &c, &out->l));
    summed = joined = 0;
    products        = 0;
    UM_TRY(one_step(s, &c, &out->l));
    out->n      = m->ps->total;
    out->m      = centres->total;
    out->grad   = block(out->n, sizeof(float));
    out->centre = block(out->m, sizeof(float));
    UM_TRY(um_dev_kernels(dev)->download(dev, out->grad, grads, (size_t)out->n * sizeof(float)));
    UM_TRY(um_dev_kernels(dev)->download(dev, out->centre, centres->value,
                                         (size_t)out->m * sizeof(float)));
    um_step_free(s);
    um_params_free(centres);
    um_model_free(teacher);
    um_model_free(m);
    return UM_OK;
}

static void forget(struct left *x)
{
    free(x->grad);
    free(x->centre);
}

/* ---- the judgement ---- */

static int same(const struct left *a, const struct left *b)
{
    HOLDS(a->n == b->n && a->m == b->m);
    HOLDS(memcmp(a->grad, b->grad, (size_t)a->n * sizeof(float)) == 0);
    HOLDS(memcmp(a->centre, b->centre, (size_t)a->m * sizeof(float)) == 0);
    HOLDS(memcmp(&a->l, &b->l, sizeof a->l) == 0);
    return UM_OK;
}

/* every rank began the same sums, from the end of the gradients to their beginning; with overlap
 * most of them while products were still to come */
static int order(const struct way *w)
{
    struct sum *all   = block((int64_t)summed * um_ranks_size(ranks), sizeof *all);
    int64_t     above = total;
    int         early = 0, inside = 0;

    const int st =
        um_ranks_gather(ranks, sums, (size_t)summed * sizeof *sums, all); /* UM_EIO: not as many */
    for (int i = 0; st >= 0 && i < summed; i++)
        for (int k = 0; k < um_ranks_size(ranks); k++)
            HOLDS(memcmp(&sums[i], &all[k * summed + i], sizeof *sums) == 0);
    free(all);
    UM_TRY(st);
    for (int i = 0; i < summed; i++) {
        if (sums[i].at < 0)
            continue;
        HOLDS(sums[i].at + sums[i].n <= above);
        above = sums[i].at;
        inside++;
        early += sums[i].products < products;
    }
    HOLDS(joined == 1 && inside > 10);
    HOLDS(w->batches ? early > inside / 2 : early == 0);
    return UM_OK;
}

/* plain's table with sums over ranks, and with products that are counted; it outlives the device */
static const struct um_kernels *able(bool counted)
{
    static struct um_kernels k;

    k            = *plain;
    k.matmul     = counted ? matmul : plain->matmul;
    k.comm_id    = comm_id;
    k.comm_open  = comm_open;
    k.comm_sum   = comm_sum;
    k.comm_join  = comm_join;
    k.comm_close = comm_close;
    return &k;
}

/* what two ways of summing left, and the device */
struct two {
    struct um_dev *dev;
    struct left    host, device;
};

/* through the host and by the GPUs themselves */
static int gpus(struct two *t, const struct um_method *o, const struct way *w)
{
    UM_TRY(um_place(&t->dev, ranks, "cuda", NULL));
    HOLDS(setenv("UM_NCCL", "0", 1) == 0);
    UM_TRY(train(t->dev, o, w, &t->host));
    HOLDS(unsetenv("UM_NCCL") == 0);
    UM_TRY(train(t->dev, o, w, &t->device));
    HOLDS(!*t->device.note && !*t->host.note);
    return same(&t->device, &t->host);
}

/* through the host and by the sums of the table below */
static int hosts(struct two *t, const struct um_method *o, const struct way *w)
{
    UM_TRY(um_dev_open(&t->dev, "cpu", NULL));
    plain = um_dev_kernels(t->dev);
    UM_TRY(train(t->dev, o, w, &t->host));
    HOLDS(summed == 0 && !*t->host.note);
    t->dev->kernels = able(true);
    UM_TRY(train(t->dev, o, w, &t->device));
    UM_TRY(same(&t->device, &t->host));
    UM_TRY(order(w));
    HOLDS(!*t->device.note);
    return UM_OK;
}

static bool cuda;

static int both(const struct um_method *o, struct way w)
{
    struct two t  = { 0 };
    const int  st = cuda ? gpus(&t, o, &w) : hosts(&t, o, &w);

    forget(&t.device);
    forget(&t.host);
    um_dev_close(t.dev);
    return st;
}

/* one rank has no library: none uses it, and rank 0 says why */
static int without(void)
{
    const struct um_method o = UM_METHOD_INIT;
    const struct way       w = { .parts = 1, .batches = 2 };
    struct um_dev         *dev;
    struct left            x = { 0 };
    int                    st;

    UM_TRY(um_dev_open(&dev, "cpu", NULL));
    plain        = um_dev_kernels(dev);
    dev->kernels = able(false);
    missing      = um_ranks_rank(ranks) == 1;
    st           = train(dev, &o, &w, &x);
    missing      = 0;
    if (st >= 0 && (summed != 0 || strcmp(x.note, "rank 1 of 2: comm: not there") != 0))
        st = um_fail(UM_EMISMATCH, "%d sums, and \"%s\" said", summed, x.note);
    forget(&x);
    um_dev_close(dev);
    return st;
}

static int run(void)
{
    const struct um_method plain_one = UM_METHOD_INIT;
    struct um_method       o         = plain_one;

    UM_TRY(um_ranks_open(&ranks));
    if (cuda) {
        UM_TRY(both(&o, (struct way){ .recompute = true, .parts = 2, .batches = 2 }));
        return both(&o, (struct way){ .parts = 1, .batches = 2 });
    }
    for (int again = 0; again < 2; again++)
        for (int64_t parts = 1; parts <= 2; parts++)
            UM_TRY(both(&o, (struct way){ .recompute = again, .parts = parts, .batches = 2 }));
    UM_TRY(both(&o, (struct way){ .parts = 1 }));
    o = plain_one, o.views = 1, o.full = true, o.drop = true, o.centres = true;
    UM_TRY(both(&o, (struct way){ .parts = 1, .batches = 2 }));
    UM_TRY(both(&o, (struct way){ .parts = 2, .batches = 2, .recompute = true }));
    o = plain_one, o.freeze_text = true, o.patches = UM_PATCH_NONE;
    UM_TRY(both(&o, (struct way){ .parts = 2, .batches = 2 }));
    o = plain_one, o.lambda_icl = o.lambda_pcl = 0, o.select = UM_SELECT_MIDDLE;
    UM_TRY(both(&o, (struct way){ .parts = 1, .batches = 2 }));
    return um_ranks_size(ranks) == 2 ? without() : UM_OK;
}

int main(int argc, char **argv)
{
    cuda           = argc > 1 && strcmp(argv[1], "cuda") == 0;
    const int st   = run();
    const int code = um_exit(&tool, um_ranks_blame(ranks, st));

    return um_ranks_close(ranks, st, code);
}
