/* nn.c - the tape: every operation's backward against central differences on the definitions
 * (device "ref"), gradients that add up, errors that stick and name both shapes
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/rig.h"

static struct um_var *b_softmax(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_softmax(r->nn, p[0]));
}

/* one token twice, one never; two of three masked */
static struct um_var *b_tokens(struct rig *r, struct um_var *const *p)
{
    const int32_t idx[6]  = { 2, 0, 2, 1, 1, 0 };
    const uint8_t mask[6] = { 0, 1, 0, 1, 1, 0 };

    return scalar(r, um_mask_tokens(r->nn, um_pick_tokens(r->nn, p[0], idx, 3), p[1], mask));
}

/* method.md 7.2, 7.3: unit vectors by unit prototypes, against a teacher that is data */
static struct um_var *b_distill(struct rig *r, struct um_var *const *p)
{
    static const float t[20] = { 0.3f, -0.2f, 0.9f,  0.1f,  0.4f, -0.8f, 0.2f, 0.1f, 0.6f, -0.3f,
                                 0.5f, 0.7f,  -0.1f, -0.6f, 0.2f, 0.0f,  0.4f, 0.8f, 0.3f, -0.9f };
    static const float c[5] = { 0.1f, 0, -0.2f, 0.05f, 0.3f }, w[4] = { 0.25f, 0, 0.5f, 0.125f };
    struct um_nn      *nn = r->nn;
    struct um_var *z = um_matmul_nt(nn, um_l2norm(nn, p[0], 1e-12f), um_l2norm(nn, p[1], 1e-12f));

    return um_distill(nn, z, um_nn_input(nn, UM_F32, 2, (int64_t[]){ 4, 5 }, t),
                      um_nn_input(nn, UM_F32, 1, (int64_t[]){ 5 }, c), w, 0.5f, 0.4f, NULL, NULL);
}

static struct um_var *b_linear_gelu(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_linear_gelu(r->nn, p[0], p[1], p[2]));
}

/* the residual is used twice, and so is what is added to it */
static struct um_var *b_linear_add(struct rig *r, struct um_var *const *p)
{
    struct um_var *y = um_linear_add(r->nn, p[0], p[1], p[2], p[3], 0.3f);

    y = um_linear_add(r->nn, p[0], p[1], p[2], um_add(r->nn, y, p[3]), 0);
    return scalar(r, y);
}

static struct um_var *b_linear_float(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_linear_float(r->nn, p[0], p[1], p[2]));
}

/* three samples of 2, 0 and 3 tokens */
static struct um_var *b_ragged(struct rig *r, struct um_var *const *p)
{
    const int32_t  start[4] = { 0, 2, 2, 5 };
    struct um_var *s        = um_nn_input(r->nn, UM_I32, 1, (int64_t[]){ 4 }, start);

    return scalar(r, um_attention_ragged(r->nn, p[0], p[1], p[2], 2, s, 3, 0.2f));
}

static struct um_var *b_linear(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_linear(r->nn, p[0], p[1], p[2]));
}

static struct um_var *b_kernel(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_linear(r->nn, p[0], p[1], NULL));
}

static struct um_var *b_twice(struct rig *r, struct um_var *const *p)
{
    struct um_nn  *nn = r->nn;
    struct um_var *y  = um_add(nn, p[0], um_gelu(nn, p[0])); /* x is used four times */

    y = um_add(nn, y, um_relu(nn, um_linear(nn, p[0], p[1], NULL)));
    return scalar(r, um_add(nn, y, y));
}

static struct um_var *b_dropout(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_dropout(r->nn, um_add(r->nn, p[0], um_dropout(r->nn, p[0], 0.5f)), 0.3f));
}

static struct um_var *b_scale(struct rig *r, struct um_var *const *p)
{
    struct um_nn  *nn = r->nn;
    struct um_var *S  = um_matmul_nt(nn, p[0], p[1]);

    return scalar(r, um_expscale(nn, um_add(nn, S, um_matmul_nt(nn, p[0], p[0])), p[2]));
}

static struct um_var *b_layernorm(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_layernorm(r->nn, p[0], p[1], p[2], 1e-5f));
}

static struct um_var *b_batchnorm(struct rig *r, struct um_var *const *p)
{
    struct um_var *x = p[0], *term[2];

    term[0] = um_batchnorm(r->nn, x, p[1], p[2], r->ps, r->n, r->n + 1, 0.1f, 1e-5f);
    term[1] = um_batchnorm(r->nn, x, NULL, NULL, r->ps, r->n, r->n + 1, 0.1f, 1e-5f);
    for (int i = 0; i < 2; i++)
        term[i] = scalar(r, term[i]);
    return um_weighted_sum(r->nn, term, (float[]){ 1, 0.5f }, 2);
}

static struct um_var *b_l2norm(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_l2norm(r->nn, p[0], 1e-12f));
}

static struct um_var *b_glue(struct rig *r, struct um_var *const *p)
{
    static const int32_t id[6] = { 3, 0, 3, 1, 1, 3 };
    struct um_nn        *nn    = r->nn;
    struct um_var       *ids   = um_nn_input(nn, UM_I32, 2, (int64_t[]){ 2, 3 }, id);
    struct um_var       *x     = um_embed(nn, ids, p[0]);
    struct um_var       *y;

    x = um_add_rows(nn, x, p[1], 2);
    y = um_prepend(nn, p[2], x);                        /* [2,4,c] */
    y = um_concat(nn, y, um_slice_tokens(nn, y, 1, 2)); /* [2,6,c] */
    y = um_concat(nn, um_slice_tokens(nn, y, 0, 3), x); /* [2,6,c] */
    x = um_slice_tokens(nn, y, 0, 1);                   /* [2,c] */
    return scalar(r, um_add(nn, x, um_slice_tokens(nn, y, 4, 1)));
}

static struct um_var *b_packed(struct rig *r, struct um_var *const *p)
{
    return scalar(r, um_attention_qkv(r->nn, p[0], 2, NULL, 0));
}

static struct um_var *b_attention(struct rig *r, struct um_var *const *p)
{
    static const uint8_t keys[8] = { 1, 1, 1, 0, 1, 0, 1, 1 };
    struct um_var       *mask    = um_nn_input(r->nn, UM_U8, 2, (int64_t[]){ 2, 4 }, keys);

    return scalar(r, um_attention(r->nn, p[0], p[1], p[2], 2, mask, 0.25f));
}

static struct um_var *b_losses(struct rig *r, struct um_var *const *p)
{
    static const float   label[12] = { 1, 0, NAN, 1, 1, 0, 0, NAN, 1, 0, 0, 1 };
    static const int32_t column[4] = { 2, -1, 0, 1 };
    struct um_var       *term[3];

    term[0] = um_bce(r->nn, p[0], label);
    term[1] = um_cross_entropy(r->nn, p[0], column, true); /* [3,4]: four rows of x^T */
    term[2] = term[0];
    return um_weighted_sum(r->nn, term, (float[]){ 0.7f, -1.5f, 2 }, 3);
}

static const struct test tests[] = {
    { "linear", { { 2, 3, 5 }, { 7, 5 }, { 7 } }, b_linear, false },
    { "linear, kernel of 5 dims", { { 4, 12 }, { 3, 1, 3, 2, 2 } }, b_kernel, false },
    { "a variable used four times", { { 4, 3 }, { 3, 3 } }, b_twice, false },
    { "dropout", { { 6, 5 } }, b_dropout, false },
    { "matmul_nt, expscale", { { 4, 3 }, { 4, 3 }, { 1 } }, b_scale, false },
    { "layernorm", { { 2, 3, 7 }, { 7 }, { 7 } }, b_layernorm, false },
    { "batchnorm", { { 6, 5 }, { 5 }, { 5 } }, b_batchnorm, true },
    { "l2norm", { { 5, 4 } }, b_l2norm, false },
    { "embed, rows, prepend, concat, slice", { { 4, 5 }, { 6, 5 }, { 1, 1, 5 } }, b_glue, false },
    { "attention_qkv", { { 2, 3, 12 } }, b_packed, false },
    { "attention", { { 2, 4, 6 }, { 2, 4, 6 }, { 2, 4, 6 } }, b_attention, false },
    { "linear_gelu", { { 4, 3 }, { 3, 3 }, { 3 } }, b_linear_gelu, false },
    { "linear_add", { { 4, 2 }, { 3, 2 }, { 3 }, { 4, 3 } }, b_linear_add, false },
    { "linear_float", { { 4, 3 }, { 3, 3 }, { 3 } }, b_linear_float, false },
    { "attention_ragged", { { 5, 6 }, { 5, 6 }, { 5, 6 } }, b_ragged, false },
    { "softmax", { { 4, 3 } }, b_softmax, false },
    { "pick, mask tokens", { { 2, 3, 4 }, { 4 } }, b_tokens, false },
    { "distill, weight norm", { { 4, 3 }, { 5, 3 } }, b_distill, false },
    { "bce, xent, weighted_sum", { { 3, 4 } }, b_losses, false },
};

/* ---- the judgement ---- */

static void gradients_match_differences(void **state)
{
    (void)state;
    check_gradients(tests, sizeof tests / sizeof tests[0]);
}

/* a second step adds to the parameters' gradients: exactly twice the first */
static void parameter_gradients_add_up(void **state)
{
    struct rig r;
    float     *once;

    (void)state;
    rig_open(&r, &tests[0]);
    OK(um_nn_backward(r.nn, build(&r, &tests[0], true)));
    once = malloc((size_t)r.ps->total * sizeof *once);
    memcpy(once, r.ps->grad, (size_t)r.ps->total * sizeof *once);
    OK(um_nn_backward(r.nn, build(&r, &tests[0], true)));
    for (int i = 0; i < r.n; i++)
        for (int64_t j = 0; j < r.ps->list[i].count; j++) {
            const int64_t at = r.ps->list[i].offset + j;

            assert_true(fabsf(r.ps->grad[at] - 2 * once[at]) <= 1e-6f * (1 + fabsf(once[at])));
        }
    OK(um_params_zero_grad(r.ps));
    assert_true(r.ps->grad[0] == 0);
    free(once);
    rig_close(&r);
}

/* ---- errors ---- */

static void shape_errors_name_both_shapes(void **state)
{
    struct rig     r;
    struct um_nn  *nn;
    const float    zero[64] = { 0 };
    struct um_var *a, *b;

#define IN(...)                                                                                    \
    um_nn_input(nn, UM_F32, (int)(sizeof(int64_t[]){ __VA_ARGS__ } / 8),                           \
                (int64_t[]){ __VA_ARGS__ }, zero)
    (void)state;
    rig_open(&r, NULL);
    nn = r.nn;
    OK(um_nn_begin(nn, true, true, 0, 0));
    a = IN(2, 3), b = IN(4, 5);
    expect_error(&r, um_linear(nn, a, b, NULL), UM_ESHAPE,
                 "linear: x float32 [2,3] does not fit w float32 [4,5]");
    a = IN(2, 3), b = IN(3, 2);
    expect_error(&r, um_add(nn, a, b), UM_ESHAPE,
                 "add: a float32 [2,3] does not fit b float32 [3,2]");
    a = IN(2, 3), b = IN(3, 2);
    expect_error(&r, um_matmul_nt(nn, a, b), UM_ESHAPE, "[2,3] does not fit b float32 [3,2]");
    a = IN(2, 3), b = IN(2);
    expect_error(&r, um_layernorm(nn, a, b, b, 1), UM_ESHAPE,
                 "[2,3] does not fit gamma float32 [2]");
    a = IN(1, 3, 4), b = IN(1, 2, 4);
    expect_error(&r, um_add_rows(nn, a, b, 0), UM_ESHAPE,
                 "x float32 [1,3,4] does not fit positions");
    a = IN(1, 3, 4), b = IN(3);
    expect_error(&r, um_prepend(nn, b, a), UM_ESHAPE,
                 "cls float32 [3] does not fit x float32 [1,3,4]");
    a = IN(1, 3, 4), b = IN(2, 3, 4);
    expect_error(&r, um_concat(nn, a, b), UM_ESHAPE, "[1,3,4] does not fit b float32 [2,3,4]");
    a = IN(1, 3, 4);
    expect_error(&r, um_slice_tokens(nn, a, 2, 2), UM_ESHAPE, "2 tokens from 2 of x [1,3,4]");
    a = IN(1, 3, 8);
    expect_error(&r, um_attention_qkv(nn, a, 2, NULL, 0), UM_ESHAPE, "[1,3,8] does not fit 3 x 2");
    a = IN(1, 2, 4), b = IN(1, 2, 3);
    expect_error(&r, um_attention(nn, a, a, b, 2, NULL, 0), UM_ESHAPE,
                 "does not fit v float32 [1,2,3]");
    a = IN(1, 2, 3, 4);
    expect_error(&r, um_patches(nn, a, (int64_t[]){ 1, 2, 4 }, 1, 0), UM_ESHAPE,
                 "x [1,2,3,4] does not fit patches of [1,2,4]");
    a = IN(2, 3);
    expect_error(&r, um_reshape(nn, a, 2, (int64_t[]){ 2, 4 }), UM_ESHAPE, "[2,3] does not fit");
    a = IN(2, 3);
    expect_error(&r, um_cross_entropy(nn, a, (int32_t[]){ 0, 3 }, false), UM_ERANGE,
                 "target 3 of row 1");
    rig_close(&r);
#undef IN
}

/* the first failure is kept; NULL passes through whatever comes after */
static void errors_stick(void **state)
{
    struct rig     r;
    const float    zero[8] = { 0 };
    struct um_var *a, *y;
    float          x;

    (void)state;
    rig_open(&r, NULL);
    OK(um_nn_begin(r.nn, true, true, 0, 0));
    a = um_nn_input(r.nn, UM_F32, 2, (int64_t[]){ 2, 3 }, zero);
    y = um_linear(r.nn, a, a, NULL);
    OK(um_nn_status(r.nn)); /* [2,3] [2,3]^T fits */
    y = um_add(r.nn, y, a);
    y = um_gelu(r.nn, um_relu(r.nn, um_reshape(r.nn, um_concat(r.nn, y, y), 0, NULL)));
    y = um_l2norm(r.nn, um_dropout(r.nn, y, 0.1f), 1);
    y = um_weighted_sum(r.nn, &y, zero, 1);
    assert_null(y);
    assert_null(um_nn_input(r.nn, UM_F32, 2, (int64_t[]){ 2, 3 }, zero));
    assert_int_equal(um_nn_backward(r.nn, y), UM_ESHAPE);
    assert_int_equal(um_nn_read(r.nn, y, &x), UM_ESHAPE);
    assert_non_null(strstr(um_errmsg(), "add: a float32 [2,2] does not fit b float32 [2,3]"));
    expect_error(&r, NULL, UM_ESHAPE, "add:");
    assert_int_equal(um_nn_backward(r.nn, NULL), UM_ESHAPE);
    rig_close(&r);
}

static void backward_refuses_what_it_cannot_do(void **state)
{
    struct rig     r;
    struct um_var *loss;

    (void)state;
    rig_open(&r, &tests[0]);
    loss = build(&r, &tests[0], false);
    assert_int_equal(um_nn_backward(r.nn, loss), UM_EUNSUPPORTED);
    loss = build(&r, &tests[0], true);
    OK(um_nn_backward(r.nn, loss));
    assert_int_equal(um_nn_backward(r.nn, loss), UM_EUNSUPPORTED);
    rig_close(&r);
}

/* ---- parameters ---- */

static void values_do_not_depend_on_order(void **state)
{
    static const char *const name[2] = { "a.weight", "b.weight" };
    struct um_dev           *dev;
    struct um_params        *ps[2];

    (void)state;
    OK(um_dev_open(&dev, "ref", NULL));
    for (int k = 0; k < 2; k++) {
        OK(um_params_new(&ps[k], dev));
        for (int i = 0; i < 2; i++)
            OK(um_params_add(ps[k], name[i ^ k], 2, (int64_t[]){ 33, 31 }, UM_INIT_TRUNC02, 0,
                             true));
        OK(um_params_buffer(ps[k], "c.running_var", 3, 1));
        OK(um_params_init(ps[k], 5));
        assert_int_equal(um_params_count(ps[k], ""), 2 * 33 * 31);
        assert_int_equal(um_params_count(ps[k], "b."), 33 * 31);
        assert_int_equal(um_params_find(ps[k], "none"), -1);
        assert_int_equal(ps[k]->list[1].offset % 16, 0);
        assert_true(ps[k]->value[ps[k]->list[2].offset + 2] == 1);
    }
    for (int i = 0; i < 2; i++) {
        const float *x = ps[0]->value + ps[0]->list[i].offset;
        double       m = 0, v = 0;

        assert_memory_equal(x, ps[1]->value + ps[1]->list[!i].offset, 33 * 31 * sizeof *x);
        for (int j = 0; j < 33 * 31; j++)
            m += (double)x[j] / (33 * 31), v += (double)x[j] * (double)x[j] / (33 * 31);
        assert_true(fabs(m) < 0.002 && fabs(sqrt(v) - 0.02) < 0.002);
    }
    assert_int_equal(um_params_add(ps[0], "d", 0, NULL, UM_INIT_ZERO, 0, false), UM_EUNSUPPORTED);
    um_params_free(ps[0]);
    um_params_free(ps[1]);
    OK(um_params_new(&ps[0], dev));
    OK(um_params_buffer(ps[0], "a", 3, 1));
    assert_int_equal(um_params_buffer(ps[0], "a", 3, 1), UM_EDUPLICATE);
    assert_int_equal(um_params_add(ps[0], "b", 3, (int64_t[]){ 1 << 30, 1 << 30, 1 << 30 },
                                   UM_INIT_ZERO, 0, false),
                     UM_ERANGE);
    um_params_free(ps[0]);
    um_dev_close(dev);
}

/* running statistics follow the batches, and are used outside training */
static void batchnorm_keeps_running_statistics(void **state)
{
    const float    x[4] = { 1, 10, 3, 30 }; /* means 2, 20; unbiased variances 2, 200 */
    struct rig     r;
    struct um_var *y;
    float          out[4];
    int            mean, var;

    (void)state;
    OK(um_dev_open(&r.dev, "ref", NULL));
    OK(um_nn_new(&r.nn, r.dev, &(struct um_nn_opts){ .dtype = UM_F32 }));
    OK(um_params_new(&r.ps, r.dev));
    OK(mean = um_params_buffer(r.ps, "m", 2, 0));
    OK(var = um_params_buffer(r.ps, "v", 2, 1));
    OK(um_params_init(r.ps, 0));
    for (int train = 1; train >= 0; train--) {
        OK(um_nn_begin(r.nn, false, train, 0, 0));
        y = um_nn_input(r.nn, UM_F32, 2, (int64_t[]){ 2, 2 }, x);
        y = um_batchnorm(r.nn, y, NULL, NULL, r.ps, mean, var, 0.1f, 0);
        OK(um_nn_read(r.nn, y, out));
        if (train) {
            assert_true(fabsf(out[0] + 1) < 1e-5f && fabsf(out[3] - 1) < 1e-5f);
            assert_true(fabsf(r.ps->value[r.ps->list[mean].offset + 1] - 2.0f) < 1e-5f);
            assert_true(fabsf(r.ps->value[r.ps->list[var].offset + 1] - 20.9f) < 1e-4f);
        }
    }
    assert_true(fabsf(out[3] - 28.0f / sqrtf(20.9f)) < 1e-5f);
    rig_close(&r);
}

/* bfloat16 activations: the gradient of a small composition within a few per cent of float's */
static void bfloat16_follows_float(void **state)
{
    float grad[2][64];

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct rig     r;
        struct um_var *x, *w, *y;

        rig_open(&r, &tests[2]);
        um_nn_free(r.nn);
        OK(um_nn_new(&r.nn, r.dev, &(struct um_nn_opts){ .dtype = k ? UM_BF16 : UM_F32 }));
        OK(um_nn_begin(r.nn, true, true, 0, 0));
        x = um_cast(r.nn, um_nn_param(r.nn, r.ps, 0), k ? UM_BF16 : UM_F32);
        w = um_nn_param(r.nn, r.ps, 1);
        y = um_gelu(r.nn, um_linear(r.nn, um_add(r.nn, x, x), w, NULL));
        OK(um_nn_backward(r.nn, scalar(&r, um_add(r.nn, y, x))));
        memcpy(grad[k], r.ps->grad, (size_t)r.ps->total * sizeof(float));
        rig_close(&r);
    }
    for (int p = 0; p < 2; p++) {
        const int at = p ? 16 : 0, n = p ? 9 : 12;
        double    num = 0, den = 0;

        for (int i = at; i < at + n; i++) {
            num += pow((double)(grad[0][i] - grad[1][i]), 2);
            den += pow((double)grad[0][i], 2);
        }
        if (!(sqrt(num / den) <= 0.05))
            fail_msg("gradient of p%d is off by %g", p, sqrt(num / den));
        assert_true(num > 0); /* it really was another precision */
    }
}

/* y = gelu(x w^T) w^T and the gradients of x and w, w being read twice forward and back */
static void step_of(struct rig *r, struct um_nn *nn, float *y, float *grad)
{
    struct rig     on = { .dev = r->dev, .nn = nn, .ps = r->ps, .n = r->n };
    struct um_var *w, *z;

    OK(um_nn_begin(nn, true, true, 0, 0));
    OK(um_params_zero_grad(r->ps));
    w = um_nn_param(nn, r->ps, 1);
    z = um_linear(nn, um_linear_gelu(nn, um_nn_param(nn, r->ps, 0), w, NULL), w, NULL);
    OK(um_nn_backward(nn, scalar(&on, z)));
    OK(um_nn_read(nn, z, y));
    memcpy(grad, r->ps->grad, (size_t)r->ps->total * sizeof *grad);
}

/* weights that a context keeps rounded are those of this step: after an update it computes what a
 * context does that never saw the old ones */
static void rounded_weights_are_this_steps(void **state)
{
    float         y[3][12], grad[3][64];
    struct rig    r;
    struct um_nn *old, *fresh;

    (void)state;
    rig_open(&r, &tests[2]);
    OK(um_nn_new(&old, r.dev, &(struct um_nn_opts){ .dtype = UM_BF16 }));
    OK(um_nn_new(&fresh, r.dev, &(struct um_nn_opts){ .dtype = UM_BF16 }));
    step_of(&r, old, y[0], grad[0]);
    for (int i = 0; i < 9; i++)
        r.ps->value[r.ps->list[1].offset + i] *= 1.3f;
    step_of(&r, old, y[1], grad[1]);
    step_of(&r, fresh, y[2], grad[2]);
    assert_memory_equal(y[1], y[2], sizeof y[1]);
    assert_memory_equal(grad[1], grad[2], (size_t)r.ps->total * sizeof(float));
    assert_memory_not_equal(y[0], y[1], sizeof y[0]);
    um_nn_free(fresh);
    um_nn_free(old);
    rig_close(&r);
}

/* method.md 12.8 and 12.9: z = 0 gives log M; student = teacher and equal temperatures without
 * centre the mean entropy of q, qmean is the mean of q, and the
 * teacher's entropy is that */
static void distillation_of_known_cases(void **state)
{
    enum { M = 8192, N = 3 };
    static float   zero[N * M], some[N * M], q[M];
    const float    w[N]    = { 1.0f / N, 1.0f / N, 1.0f / N };
    const int64_t  dim[2]  = { N, M };
    double         entropy = 0, sum = 0;
    struct rig     r;
    struct um_var *x, *c, *mean, *sure;
    float          y;

    (void)state;
    rig_open(&r, NULL);
    OK(um_nn_begin(r.nn, false, false, 0, 0));
    x = um_nn_input(r.nn, UM_F32, 2, dim, zero);
    c = um_nn_zeros(r.nn, UM_F32, 1, &dim[1]);
    OK(um_nn_read(r.nn, um_distill(r.nn, x, x, c, w, 0.1f, 0.04f, NULL, NULL), &y));
    assert_true(fabs((double)y - 9.010913) < 2e-6);
    for (int i = 0; i < N * M; i++)
        some[i] = (float)((i * 7919) % 1000) / 500 - 1;
    for (int n = 0; n < N; n++) {
        double s = 0, e = 0;

        for (int m = 0; m < M; m++)
            s += exp((double)some[n * M + m] / 0.1);
        for (int m = 0; m < M; m++) {
            const double p = exp((double)some[n * M + m] / 0.1) / s;

            e -= p * log(p);
        }
        entropy += e / N;
    }
    x    = um_nn_input(r.nn, UM_F32, 2, dim, some);
    mean = um_nn_zeros(r.nn, UM_F32, 1, &dim[1]);
    sure = um_nn_zeros(r.nn, UM_F32, 1, (int64_t[]){ 1 });
    OK(um_nn_read(r.nn, um_distill(r.nn, x, x, c, w, 0.1f, 0.1f, mean, sure), &y));
    assert_true(fabs((double)y - entropy) < 1e-5);
    OK(um_nn_read(r.nn, sure, &y));
    assert_true(fabs((double)y - entropy) < 1e-5);
    OK(um_nn_read(r.nn, mean, q));
    for (int m = 0; m < M; m++)
        sum += (double)q[m];
    assert_true(fabs(sum - 1) < 1e-5);
    rig_close(&r);
}

/* ---- who is told of complete gradients ---- */

enum { WATCHED = 5 };

struct told {
    const struct um_params *ps;
    int                     order[WATCHED], n;
    float                   grad[WATCHED][4]; /* as it was when it was told of */
};

static int note_told(void *user, int i)
{
    struct told *t = user;

    assert_true(t->n < WATCHED);
    t->order[t->n++] = i;
    memcpy(t->grad[i], t->ps->grad + t->ps->list[i].offset, sizeof t->grad[i]);
    return UM_OK;
}

struct twice {
    struct rig *r;
};

/* x w3^T, in a block that may run again */
static struct um_var *twice_used(struct um_nn *nn, const void *arg, struct um_var *x)
{
    const struct twice *t = arg;

    return um_linear(nn, x, um_nn_param(nn, t->r->ps, 3), NULL);
}

/* p0 first of all, p1 and p2 after it, p3 in two blocks, p4 nowhere: p4 is told of first, p3 at the
 * second block that is walked, p0 last, and each once with the gradient it keeps */
static void complete_gradients_are_told_of(void **state)
{
    static const int order[WATCHED] = { 4, 2, 3, 1, 0 };

    (void)state;
    for (int again = 0; again < 2; again++) {
        struct rig     r;
        struct told    told;
        struct um_var *p[3], *y;

        rig_open(&r, NULL);
        um_nn_free(r.nn);
        OK(um_nn_new(&r.nn, r.dev, &(struct um_nn_opts){ .dtype = UM_F32, .recompute = again }));
        um_params_free(r.ps);
        OK(um_params_new(&r.ps, r.dev));
        for (int i = 0; i < WATCHED; i++)
            OK(um_params_add(r.ps, (const char[]){ (char)('a' + i), 0 }, 2, (int64_t[]){ 2, 2 },
                             UM_INIT_UNIFORM, 1, true));
        OK(um_params_buffer(r.ps, "buffer", 4, 1));
        OK(um_params_init(r.ps, 3));
        OK(um_params_grad(r.ps));
        OK(um_nn_watch(r.nn, r.ps, note_told, &told));
        for (int step = 0; step < 2; step++) {
            const struct twice t = { &r };

            told = (struct told){ .ps = r.ps };
            OK(um_nn_begin(r.nn, true, true, 0, 0));
            for (int i = 0; i < 2; i++)
                p[i] = um_nn_param(r.nn, r.ps, i);
            y    = um_nn_block(r.nn, twice_used, &t, um_linear(r.nn, p[0], p[1], NULL));
            p[2] = um_nn_param(r.nn, r.ps, 2);
            y    = um_linear(r.nn, um_add(r.nn, y, p[0]), p[2], NULL);
            y    = um_nn_block(r.nn, twice_used, &t, y);
            OK(um_nn_backward(r.nn, scalar(&r, um_add(r.nn, y, p[1]))));
            assert_int_equal(told.n, WATCHED);
            assert_memory_equal(told.order, order, sizeof order);
            for (int i = 0; i < WATCHED; i++)
                assert_memory_equal(told.grad[i], r.ps->grad + r.ps->list[i].offset,
                                    sizeof told.grad[i]);
        }
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(parameter_gradients_add_up),
        cmocka_unit_test(shape_errors_name_both_shapes),
        cmocka_unit_test(errors_stick),
        cmocka_unit_test(backward_refuses_what_it_cannot_do),
        cmocka_unit_test(values_do_not_depend_on_order),
        cmocka_unit_test(batchnorm_keeps_running_statistics),
        cmocka_unit_test(bfloat16_follows_float),
        cmocka_unit_test(rounded_weights_are_this_steps),
        cmocka_unit_test(complete_gradients_are_told_of),
        cmocka_unit_test(distillation_of_known_cases),
    };

    return cmocka_run_group_tests_name("nn", all, NULL, NULL);
}
