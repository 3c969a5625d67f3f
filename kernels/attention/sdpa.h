/* attention/sdpa.h - cuDNN's fused attention: the graph of operations asked for, and its engine
 *
 * The graph is one operation: forward from q, k, v to o and lse, backward from those and dout to
 * dq, dk, dv. Its lse is um's own: natural logarithm, [B,A,T]; heads lie where um's strides say.
 * The engine is the first that the library's heuristic (mode A, which times nothing) names and
 * whose plan can be made.
 *
 * Same bits twice: forward every row of o is one block's. The backward adds up dq in float over the
 * tiles of keys by atomics in the order in which blocks come, and no note of its engines says so.
 * On Hopper, from 9.25 on, STAGES = 4 makes the blocks wait for their turn; engines that have no
 * such order refuse it. Only that is taken: no other card, no older library, and not STAGES = 2,
 * which stores T x T. The heuristic names an engine for one operation of backward from 9.28 on. The
 * operation table judges each run twice, which shows on a card whether this holds.
 *
 * Host only. The test that shows these graphs to a real library without a card includes it too,
 * with a description of a card in the place of a handle.
 * Source: NVIDIA/cudnn-frontend, for the names of attributes and the meaning of STAGES.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_KERNELS_ATTENTION_SDPA_H
#define UM_KERNELS_ATTENTION_SDPA_H

#include <cudnn.h>
#include <stdint.h>

#define UM_SDPA_CALLS(X)                                                                           \
    X(cudnnBackendCreateDescriptor)                                                                \
    X(cudnnBackendDestroyDescriptor)                                                               \
    X(cudnnBackendSetAttribute)                                                                    \
    X(cudnnBackendGetAttribute)                                                                    \
    X(cudnnBackendFinalize)                                                                        \
    X(cudnnBackendExecute)

/* the library's functions */
struct um_sdpa_api {
#define MEMBER(f) decltype(&f) f##_;
    UM_SDPA_CALLS(MEMBER)
#undef MEMBER
};

/* where: a handle, or without a card what describes one; compute capability, cudnnGetVersion() */
struct um_sdpa_card {
    cudnnHandle_t            handle;
    cudnnBackendDescriptor_t device;
    int                      major;
    size_t                   version;
};

enum { UM_SDPA_FWD, UM_SDPA_BWD };

/* the arrays, by which their addresses are given: forward needs those before DOUT */
enum {
    UM_SDPA_Q,
    UM_SDPA_K,
    UM_SDPA_V,
    UM_SDPA_O,
    UM_SDPA_LSE,
    UM_SDPA_SCALE, /* a float of the host: 1/sqrt(d) */
    UM_SDPA_DOUT,
    UM_SDPA_DQ,
    UM_SDPA_DK,
    UM_SDPA_DV,
    UM_SDPA_ARRAYS
};

struct um_sdpa_key {
    int64_t what, B, T, A, d, ldq, ldk, ldv, ldo;
};

enum { UM_SDPA_MADE = 128, UM_SDPA_CONFIGS = 16, UM_SDPA_KNOBS = 32 };

/* a plan with all that was made for it */
struct um_sdpa {
    struct um_sdpa_key        key;
    const struct um_sdpa_api *api;
    cudnnBackendDescriptor_t  plan; /* NULL: the library has none that um takes */
    int64_t                   work; /* bytes of workspace */
    bool                      fails;
    int                       n;
    cudnnBackendDescriptor_t  made[UM_SDPA_MADE];
};

/* ---- descriptors: after a failure nothing more is done, so that one question at the end does ----
 */

static inline cudnnBackendDescriptor_t um_sdpa_make(struct um_sdpa              *p,
                                                    cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = NULL;

    if (p->fails || p->n == UM_SDPA_MADE ||
        p->api->cudnnBackendCreateDescriptor_(type, &d) != CUDNN_STATUS_SUCCESS) {
        p->fails = true;
        return NULL;
    }
    return p->made[p->n++] = d;
}

/* destroys what was made since there were n, the last first, and forgets failures */
static inline void um_sdpa_back(struct um_sdpa *p, int n)
{
    while (p->n > n)
        (void)p->api->cudnnBackendDestroyDescriptor_(p->made[--p->n]);
    p->fails = false;
}

static inline void um_sdpa_set(struct um_sdpa *p, cudnnBackendDescriptor_t d,
                               cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                               int64_t n, const void *values)
{
    p->fails = p->fails ||
               p->api->cudnnBackendSetAttribute_(d, name, type, n, values) != CUDNN_STATUS_SUCCESS;
}

static inline void um_sdpa_link(struct um_sdpa *p, cudnnBackendDescriptor_t d,
                                cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t to)
{
    um_sdpa_set(p, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &to);
}

/* how many there are, of which at most n are stored; 0 after a failure */
static inline int um_sdpa_get(struct um_sdpa *p, cudnnBackendDescriptor_t d,
                              cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                              int n, void *values)
{
    int64_t there = 0;

    p->fails = p->fails || p->api->cudnnBackendGetAttribute_(d, name, type, n, &there, values) !=
                               CUDNN_STATUS_SUCCESS;
    return p->fails || there < 0 ? 0 : there < n ? (int)there : n;
}

static inline void um_sdpa_end(struct um_sdpa *p, cudnnBackendDescriptor_t d)
{
    p->fails = p->fails || p->api->cudnnBackendFinalize_(d) != CUDNN_STATUS_SUCCESS;
}

/* ---- the graph ---- */

static inline cudnnBackendDescriptor_t um_sdpa_tensor(struct um_sdpa *p, int64_t id,
                                                      cudnnDataType_t type, const int64_t dim[4],
                                                      const int64_t stride[4], bool by_value)
{
    const int64_t                  align = type == CUDNN_DATA_FLOAT ? 4 : 16;
    const cudnnBackendDescriptor_t t     = um_sdpa_make(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR);

    um_sdpa_set(p, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    um_sdpa_set(p, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    um_sdpa_set(p, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
    um_sdpa_set(p, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dim);
    um_sdpa_set(p, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, stride);
    um_sdpa_set(p, t, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &by_value);
    um_sdpa_end(p, t);
    return t;
}

/* one of the arrays; ids are not 0 */
static inline cudnnBackendDescriptor_t um_sdpa_array(struct um_sdpa *p, int which)
{
    const struct um_sdpa_key *k = &p->key;
    const int64_t ld[]   = { k->ldq, k->ldk, k->ldv, k->ldo, 0, 0, k->ldo, k->ldq, k->ldk, k->ldv };
    const int64_t one[4] = { 1, 1, 1, 1 };
    const int64_t rows[] = { k->B, k->A, k->T, 1 };
    const int64_t row[]  = { k->A * k->T, k->T, 1, 1 };
    const int64_t dim[]  = { k->B, k->A, k->T, k->d };
    const int64_t at[]   = { k->T * ld[which], k->d, ld[which], 1 };

    if (which == UM_SDPA_SCALE)
        return um_sdpa_tensor(p, which + 1, CUDNN_DATA_FLOAT, one, one, true);
    if (which == UM_SDPA_LSE)
        return um_sdpa_tensor(p, which + 1, CUDNN_DATA_FLOAT, rows, row, false);
    return um_sdpa_tensor(p, which + 1, CUDNN_DATA_BFLOAT16, dim, at, false);
}

static inline cudnnBackendDescriptor_t um_sdpa_graph(struct um_sdpa            *p,
                                                     const struct um_sdpa_card *on)
{
    static const cudnnBackendAttributeName_t fwd[] = {
        CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC,     CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC,
        CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC,     CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC,
        CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC
    };
    static const cudnnBackendAttributeName_t bwd[] = {
        CUDNN_ATTR_OPERATION_SDPA_BWD_QDESC,     CUDNN_ATTR_OPERATION_SDPA_BWD_KDESC,
        CUDNN_ATTR_OPERATION_SDPA_BWD_VDESC,     CUDNN_ATTR_OPERATION_SDPA_BWD_ODESC,
        CUDNN_ATTR_OPERATION_SDPA_BWD_STATSDESC, CUDNN_ATTR_OPERATION_SDPA_BWD_SCALEDESC,
        CUDNN_ATTR_OPERATION_SDPA_BWD_DODDESC,   CUDNN_ATTR_OPERATION_SDPA_BWD_DQDESC,
        CUDNN_ATTR_OPERATION_SDPA_BWD_DKDESC,    CUDNN_ATTR_OPERATION_SDPA_BWD_DVDESC
    };
    const bool                     back = p->key.what == UM_SDPA_BWD;
    const cudnnBackendDescriptor_t op =
        um_sdpa_make(p, back ? CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR
                             : CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
    cudnnBackendDescriptor_t graph;

    for (int i = 0; i < (back ? UM_SDPA_ARRAYS : UM_SDPA_DOUT); i++)
        um_sdpa_link(p, op, back ? bwd[i] : fwd[i], um_sdpa_array(p, i));
    um_sdpa_end(p, op);
    graph = um_sdpa_make(p, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (on->handle)
        um_sdpa_set(p, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &on->handle);
    um_sdpa_link(p, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, op);
    um_sdpa_end(p, graph);
    return graph;
}

/* ---- the engine ---- */

/* the heuristic's choice, the best first: how many */
static inline int um_sdpa_configs(struct um_sdpa *p, const struct um_sdpa_card *on,
                                  cudnnBackendDescriptor_t graph,
                                  cudnnBackendDescriptor_t config[UM_SDPA_CONFIGS])
{
    const cudnnBackendHeurMode_t   mode = CUDNN_HEUR_MODE_A;
    const cudnnBackendDescriptor_t heur = um_sdpa_make(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);

    um_sdpa_link(p, heur, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    um_sdpa_set(p, heur, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (on->device)
        um_sdpa_link(p, heur, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, on->device);
    um_sdpa_end(p, heur);
    for (int i = 0; i < UM_SDPA_CONFIGS; i++)
        config[i] = um_sdpa_make(p, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    return um_sdpa_get(p, heur, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                       UM_SDPA_CONFIGS, config);
}

/* a config's engine; NULL: it may give other bits the next time */
static inline cudnnBackendDescriptor_t um_sdpa_engine(struct um_sdpa          *p,
                                                      cudnnBackendDescriptor_t config)
{
    cudnnBackendNumericalNote_t note[32];
    cudnnBackendDescriptor_t    engine = um_sdpa_make(p, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    int                         n;

    (void)um_sdpa_get(p, config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                      &engine);
    n = um_sdpa_get(p, engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, 32,
                    note);
    for (int i = 0; i < n; i++)
        p->fails = p->fails || note[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    return p->fails ? NULL : engine;
}

/* the same engine with the same choices, but for STAGES */
static inline cudnnBackendDescriptor_t
um_sdpa_ordered(struct um_sdpa *p, cudnnBackendDescriptor_t config, cudnnBackendDescriptor_t engine)
{
    const cudnnBackendKnobType_t stages  = CUDNN_KNOB_TYPE_STAGES;
    const int64_t                in_turn = 4;
    cudnnBackendDescriptor_t     choice[UM_SDPA_KNOBS + 1], other;
    int                          n, kept = 0;

    for (int i = 0; i <= UM_SDPA_KNOBS; i++)
        choice[i] = um_sdpa_make(p, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    n = um_sdpa_get(p, config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                    UM_SDPA_KNOBS, choice);
    for (int i = 0; i < n; i++) {
        cudnnBackendKnobType_t type = stages;

        (void)um_sdpa_get(p, choice[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1,
                          &type);
        if (type != stages)
            choice[kept++] = choice[i];
    }
    choice[kept] = choice[UM_SDPA_KNOBS];
    um_sdpa_set(p, choice[kept], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1,
                &stages);
    um_sdpa_set(p, choice[kept], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &in_turn);
    um_sdpa_end(p, choice[kept]);
    other = um_sdpa_make(p, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    um_sdpa_link(p, other, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
    um_sdpa_set(p, other, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                kept + 1, choice);
    um_sdpa_end(p, other);
    return other;
}

/* p->plan by this config, or NULL */
static inline void um_sdpa_try(struct um_sdpa *p, const struct um_sdpa_card *on,
                               cudnnBackendDescriptor_t config)
{
    const cudnnBackendDescriptor_t engine = um_sdpa_engine(p, config);
    cudnnBackendDescriptor_t       plan;

    if (p->key.what == UM_SDPA_BWD)
        config = um_sdpa_ordered(p, config, engine);
    plan = um_sdpa_make(p, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    if (on->handle)
        um_sdpa_set(p, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &on->handle);
    if (on->device)
        um_sdpa_link(p, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, on->device);
    um_sdpa_link(p, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    um_sdpa_end(p, plan);
    (void)um_sdpa_get(p, plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                      &p->work);
    p->plan = p->fails ? NULL : plan;
}

static inline void um_sdpa_free(struct um_sdpa *p)
{
    p->plan = NULL;
    um_sdpa_back(p, 0);
}

/* um_sdpa_plan - for p's key: p->plan and p->work. false: there is none, or none that needs at most
 * `most` bytes */
static inline bool um_sdpa_plan(struct um_sdpa *p, const struct um_sdpa_card *on, int64_t most)
{
    cudnnBackendDescriptor_t graph, config[UM_SDPA_CONFIGS];
    int                      n, mark;

    if (p->key.what == UM_SDPA_BWD && (on->major != 9 || on->version < 92500))
        return false;
    graph = um_sdpa_graph(p, on);
    n     = um_sdpa_configs(p, on, graph, config);
    mark  = p->n;
    for (int i = 0; i < n && !p->plan; i++) {
        um_sdpa_try(p, on, config[i]);
        if (p->plan && p->work >= 0 && p->work <= most)
            return true;
        p->plan = NULL;
        um_sdpa_back(p, mark);
    }
    um_sdpa_free(p);
    return false;
}

#endif
