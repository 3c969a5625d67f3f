/* cudnn_graph.cpp - cuDNN's graphs of operations, as far as um uses them: attention
 *
 * A descriptor is a bag of attributes. What the library does not document is refused when it is
 * given or when the descriptor is finalized: an attribute of another descriptor, another type or
 * number of values, one that is missing, tensors that do not go together. Three engines are
 * offered: one noted as nondeterministic, one whose backward knows no order and whose plans are
 * refused, and the last, which must be asked for an order in the backward. As with convolutions
 * UM_EMU_CUDNN=plan refuses every plan, and =run every run. A line for each run is added to the
 * file UM_EMU_CUDNN_LOG.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/emu/dnn.h"

#if CUDNN_VERSION >= 91700 /* its header knows attention */

#include <stdio.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tests/emu/runtime.h"

#define API extern "C" __attribute__((visibility("default"))) cudnnStatus_t CUDNNWINAPI

namespace
{
using namespace um_emu;

struct bag;
using ref = std::shared_ptr<bag>;

struct attribute {
    int64_t           n;
    std::vector<char> bytes;
    std::vector<ref>  links; /* of CUDNN_TYPE_BACKEND_DESCRIPTOR, in the place of bytes */
};

struct bag {
    cudnnBackendDescriptorType_t type;
    bool                         final;
    std::map<int, attribute>     has;
    int                          engine; /* of an engine and its config */
};

/* what a descriptor may have: so many values, and must it have them */
const struct rule {
    cudnnBackendDescriptorType_t of;
    int                          name;
    cudnnBackendAttributeType_t  type;
    int64_t                      least, most;
    bool                         needed;
} rules[] = {
#define TENSOR(name, type, n, needed)                                                              \
    {                                                                                              \
        CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_##name, CUDNN_TYPE_##type, n, n, needed \
    }
    TENSOR(UNIQUE_ID, INT64, 1, true),
    TENSOR(DATA_TYPE, DATA_TYPE, 1, true),
    TENSOR(BYTE_ALIGNMENT, INT64, 1, true),
    TENSOR(DIMENSIONS, INT64, 4, true),
    TENSOR(STRIDES, INT64, 4, true),
    TENSOR(IS_BY_VALUE, BOOLEAN, 1, false),
#define SDPA(way, name)                                                                            \
    {                                                                                              \
        CUDNN_BACKEND_OPERATION_SDPA_##way##_DESCRIPTOR, CUDNN_ATTR_OPERATION_SDPA_##way##_##name, \
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, true                                              \
    }
    SDPA(FWD, QDESC),
    SDPA(FWD, KDESC),
    SDPA(FWD, VDESC),
    SDPA(FWD, ODESC),
    SDPA(FWD, STATSDESC),
    SDPA(FWD, SCALEDESC),
    SDPA(BWD, QDESC),
    SDPA(BWD, KDESC),
    SDPA(BWD, VDESC),
    SDPA(BWD, ODESC),
    SDPA(BWD, STATSDESC),
    SDPA(BWD, SCALEDESC),
    SDPA(BWD, DODDESC),
    SDPA(BWD, DQDESC),
    SDPA(BWD, DKDESC),
    SDPA(BWD, DVDESC),
#define OTHER(of, name, type, least, most)                                                         \
    {                                                                                              \
        CUDNN_BACKEND_##of##_DESCRIPTOR, CUDNN_ATTR_##name, CUDNN_TYPE_##type, least, most, true   \
    }
    OTHER(OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, HANDLE, 1, 1),
    OTHER(OPERATIONGRAPH, OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR, 1, 1),
    OTHER(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, BACKEND_DESCRIPTOR, 1, 1),
    OTHER(ENGINEHEUR, ENGINEHEUR_MODE, HEUR_MODE, 1, 1),
    OTHER(KNOB_CHOICE, KNOB_CHOICE_KNOB_TYPE, KNOB_TYPE, 1, 1),
    OTHER(KNOB_CHOICE, KNOB_CHOICE_KNOB_VALUE, INT64, 1, 1),
    OTHER(ENGINECFG, ENGINECFG_ENGINE, BACKEND_DESCRIPTOR, 1, 1),
    OTHER(ENGINECFG, ENGINECFG_KNOB_CHOICES, BACKEND_DESCRIPTOR, 1, 8),
    OTHER(EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, HANDLE, 1, 1),
    OTHER(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, BACKEND_DESCRIPTOR, 1, 1),
    OTHER(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, INT64, 1, 16),
    OTHER(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, VOID_PTR, 1, 16),
    OTHER(VARIANT_PACK, VARIANT_PACK_WORKSPACE, VOID_PTR, 1, 1),
};

const int64_t WORK = 1000;
enum { RANDOM, UNORDERED, GOOD, ENGINES };

ref &of(cudnnBackendDescriptor_t d)
{
    return *(ref *)d;
}

size_t size_of(cudnnBackendAttributeType_t t)
{
    switch (t) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR: return 8;
    case CUDNN_TYPE_BOOLEAN: return 1;
    default: return sizeof(int);
    }
}

ref make(cudnnBackendDescriptorType_t type)
{
    return ref(new bag{ type, false, {}, -1 });
}

template <typename T> T value(const ref &b, int name, int i = 0)
{
    T v;

    memcpy(&v, b->has.at(name).bytes.data() + (size_t)i * sizeof v, sizeof v);
    return v;
}

template <typename T> void keep(const ref &b, int name, T v)
{
    attribute &a = b->has[name];

    a.n = 1;
    a.bytes.resize(sizeof v);
    memcpy(a.bytes.data(), &v, sizeof v);
}

const ref &link(const ref &b, int name, int i = 0)
{
    return b->has.at(name).links[(size_t)i];
}

/* ---- the operation ---- */

dnn_tensor tensor_of(const ref &b)
{
    dnn_tensor t;

    t.id       = value<int64_t>(b, CUDNN_ATTR_TENSOR_UNIQUE_ID);
    t.align    = value<int64_t>(b, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    t.type     = value<cudnnDataType_t>(b, CUDNN_ATTR_TENSOR_DATA_TYPE);
    t.by_value = b->has.count(CUDNN_ATTR_TENSOR_IS_BY_VALUE) &&
                 value<bool>(b, CUDNN_ATTR_TENSOR_IS_BY_VALUE);
    for (int i = 0; i < 4; i++) {
        t.dim[i]    = value<int64_t>(b, CUDNN_ATTR_TENSOR_DIMENSIONS, i);
        t.stride[i] = value<int64_t>(b, CUDNN_ATTR_TENSOR_STRIDES, i);
    }
    return t;
}

const char letters[DNN_MOST + 1] = "qkvolsOQKV";

/* the rules have them in that order */
dnn_attention operation_of(const ref &b)
{
    dnn_attention o = {};

    o.backward = b->type == CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR;
    for (const rule &r : rules)
        if (r.of == b->type)
            o.t[o.n++] = tensor_of(link(b, r.name));
    return o;
}

bool tensor_fits(const dnn_tensor &t)
{
    for (int i = 0; i < 4; i++)
        if (t.dim[i] < 1 || t.stride[i] < 1)
            return false;
    return t.id != 0 && t.align > 0 && (t.align & (t.align - 1)) == 0 && t.stride[3] == 1 &&
           (t.type == CUDNN_DATA_BFLOAT16 || t.type == CUDNN_DATA_FLOAT) &&
           (!t.by_value || t.dim[0] * t.dim[1] * t.dim[2] * t.dim[3] == 1);
}

void note_run(const dnn_attention &o)
{
    const char *name = getenv("UM_EMU_CUDNN_LOG");
    FILE       *f    = name && *name ? fopen(name, "a") : NULL;

    if (!f)
        return;
    (void)fprintf(f, "%s %lld %lld %lld %lld\n", o.backward ? "attention_bwd" : "attention_fwd",
                  (long long)o.t[DNN_Q].dim[0], (long long)o.t[DNN_Q].dim[2],
                  (long long)o.t[DNN_Q].dim[1], (long long)o.t[DNN_Q].dim[3]);
    (void)fclose(f);
}

/* ---- engines ---- */

dnn_attention operation_of_engine(const ref &engine)
{
    return operation_of(
        link(link(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH), CUDNN_ATTR_OPERATIONGRAPH_OPS));
}

ref choice(cudnnBackendKnobType_t type, int64_t v)
{
    const ref c = make(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);

    keep(c, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, type);
    keep(c, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, v);
    c->final = true;
    return c;
}

/* what the heuristic says: engine e with its own choices, STAGES in one of them */
void configure(const ref &config, const ref &graph, int e)
{
    const ref engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR);

    engine->engine                                 = e;
    engine->has[CUDNN_ATTR_ENGINE_OPERATION_GRAPH] = { 1, {}, { graph } };
    engine->final                                  = true;
    config->has[CUDNN_ATTR_ENGINECFG_ENGINE]       = { 1, {}, { engine } };
    config->has[CUDNN_ATTR_ENGINECFG_KNOB_CHOICES] = {
        2, {}, { choice(CUDNN_KNOB_TYPE_STAGES, 1), choice(CUDNN_KNOB_TYPE_TILE_M, 7) }
    };
    config->final = true;
}

/* the value chosen for a knob, -1: none; -2: two */
int64_t chosen(const ref &config, cudnnBackendKnobType_t type)
{
    int64_t v = -1;

    for (const ref &c : config->has.at(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES).links)
        if (value<cudnnBackendKnobType_t>(c, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE) == type)
            v = v == -1 ? value<int64_t>(c, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE) : -2;
    return v;
}

cudnnStatus_t config_fits(const ref &config)
{
    const int64_t stages = chosen(config, CUDNN_KNOB_TYPE_STAGES);
    const int     engine = link(config, CUDNN_ATTR_ENGINECFG_ENGINE)->engine;

    if (stages == -2 || chosen(config, CUDNN_KNOB_TYPE_TILE_M) != 7)
        return CUDNN_STATUS_BAD_PARAM;
    return stages == 4 && engine != GOOD ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_SUCCESS;
}

/* um must not come here with an engine, or with choices, that give other bits the next time */
cudnnStatus_t plan_fits(const ref &plan)
{
    const ref &config = link(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    const ref &engine = link(config, CUDNN_ATTR_ENGINECFG_ENGINE);

    if (engine->engine == RANDOM ||
        (operation_of_engine(engine).backward && chosen(config, CUDNN_KNOB_TYPE_STAGES) != 4)) {
        (void)fprintf(stderr, "cudnn: a plan without an order\n");
        abort();
    }
    return engine->engine == UNORDERED || dnn_told("plan") ? CUDNN_STATUS_NOT_SUPPORTED
                                                           : CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t pack_fits(const ref &pack)
{
    const int64_t     n = pack->has.at(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).n;
    std::set<int64_t> ids;

    for (int i = 0; i < n; i++)
        ids.insert(value<int64_t>(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i));
    return pack->has.at(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).n == n && (int64_t)ids.size() == n
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_BAD_PARAM;
}

cudnnStatus_t fits(const ref &b)
{
    switch (b->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        return tensor_fits(tensor_of(b)) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
    case CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR: return dnn_attention_fits(operation_of(b));
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        return value<cudnnBackendHeurMode_t>(b, CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_A
                   ? CUDNN_STATUS_SUCCESS
                   : CUDNN_STATUS_NOT_SUPPORTED;
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR: return config_fits(b);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: return plan_fits(b);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR: return pack_fits(b);
    default: return CUDNN_STATUS_SUCCESS;
    }
}

/* the bytes from a tensor's first element to its last */
size_t extent(const dnn_tensor &t)
{
    int64_t last = 0;

    for (int i = 0; i < 4; i++)
        last += (t.dim[i] - 1) * t.stride[i];
    return (size_t)(last + 1) * (t.type == CUDNN_DATA_FLOAT ? 4 : 2);
}

/* where the tensors are; false: one is missing, not on the card or not aligned */
bool place(dnn_attention &j, const ref &pack)
{
    for (int i = 0; i < j.n; i++) {
        const dnn_tensor &t = j.t[i];

        for (int k = 0; k < pack->has.at(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).n; k++)
            if (value<int64_t>(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, k) == t.id)
                j.p[i] = value<char *>(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, k);
        if (!j.p[i] || (uintptr_t)j.p[i] % (uintptr_t)t.align ||
            on_card(j.p[i], extent(t)) == t.by_value) {
            (void)fprintf(stderr, "cudnn: tensor %c is not where it should be\n", letters[i]);
            return false;
        }
    }
    memcpy(&j.scale, j.p[DNN_SCALE], sizeof j.scale);
    return true;
}
} // namespace

API cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *d)
{
    const bool made = type == CUDNN_BACKEND_ENGINE_DESCRIPTOR;

    for (const rule &r : rules)
        if (r.of == type || made) {
            *d = new ref(make(type));
            return CUDNN_STATUS_SUCCESS;
        }
    return CUDNN_STATUS_NOT_SUPPORTED;
}

API cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d)
{
    delete (ref *)d;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                             cudnnBackendAttributeType_t type, int64_t n, const void *values)
{
    const ref &b = of(d);

    for (const rule &r : rules) {
        if (r.of != b->type || r.name != (int)name)
            continue;
        if (b->final || r.type != type || n < r.least || n > r.most || !values)
            return CUDNN_STATUS_BAD_PARAM;
        attribute a = { n, {}, {} };
        for (int64_t i = 0; i < n && type == CUDNN_TYPE_BACKEND_DESCRIPTOR; i++) {
            const cudnnBackendDescriptor_t to = ((const cudnnBackendDescriptor_t *)values)[i];

            if (!to || !of(to)->final)
                return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
            a.links.push_back(of(to));
        }
        if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR)
            a.bytes.assign((const char *)values, (const char *)values + (size_t)n * size_of(type));
        b->has[name] = a;
        return CUDNN_STATUS_SUCCESS;
    }
    return CUDNN_STATUS_BAD_PARAM;
}

API cudnnBackendFinalize(cudnnBackendDescriptor_t d)
{
    const ref    &b = of(d);
    cudnnStatus_t s;

    if (b->final)
        return CUDNN_STATUS_BAD_PARAM;
    for (const rule &r : rules)
        if (r.of == b->type && r.needed && !b->has.count(r.name))
            return CUDNN_STATUS_BAD_PARAM;
    s        = fits(b);
    b->final = s == CUDNN_STATUS_SUCCESS;
    return s;
}

/* what the heuristic, a config, an engine and a plan answer; links go into descriptors that the
 * caller made */
API cudnnBackendGetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                             cudnnBackendAttributeType_t type, int64_t most, int64_t *n,
                             void *values)
{
    const ref                &b    = of(d);
    cudnnBackendDescriptor_t *into = (cudnnBackendDescriptor_t *)values;

    if (!b->final || !values)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        *n = ENGINES;
        for (int e = 0; e < ENGINES && e < most; e++)
            configure(of(into[e]), link(b, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), e);
        return CUDNN_STATUS_SUCCESS;
    }
    if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE) {
        const cudnnBackendNumericalNote_t note[] = { CUDNN_NUMERICAL_NOTE_TENSOR_CORE,
                                                     CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC };

        *n = b->engine == RANDOM ? 2 : 1;
        memcpy(values, note, (size_t)(most < *n ? most : *n) * sizeof *note);
        return CUDNN_STATUS_SUCCESS;
    }
    if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64) {
        *n = 1;
        memcpy(values, &WORK, sizeof WORK);
        return CUDNN_STATUS_SUCCESS;
    }
    if (!b->has.count(name))
        return CUDNN_STATUS_BAD_PARAM;
    const attribute &a = b->has.at(name);
    *n                 = a.n;
    for (int64_t i = 0; i < a.n && i < most && !a.links.empty(); i++)
        of(into[i]) = a.links[(size_t)i];
    if (a.links.empty() && most >= a.n)
        memcpy(values, a.bytes.data(), a.bytes.size());
    return CUDNN_STATUS_SUCCESS;
}

API cudnnBackendExecute(cudnnHandle_t h, cudnnBackendDescriptor_t plan,
                        cudnnBackendDescriptor_t pack)
{
    const cudaStream_t stream = ((dnn_handle *)h)->stream;
    dnn_attention      j;
    char              *work;

    if (!of(plan)->final || !of(pack)->final || !stream ||
        value<cudnnHandle_t>(of(plan), CUDNN_ATTR_EXECUTION_PLAN_HANDLE) != h)
        return CUDNN_STATUS_BAD_PARAM;
    if (dnn_told("run"))
        return CUDNN_STATUS_NOT_SUPPORTED;
    j = operation_of_engine(
        link(link(of(plan), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG), CUDNN_ATTR_ENGINECFG_ENGINE));
    work = value<char *>(of(pack), CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
    if (!place(j, of(pack)) || (uintptr_t)work % 16 || !on_card(work, (size_t)WORK))
        return CUDNN_STATUS_BAD_PARAM;
    note_run(j);
    return enqueue(stream,
                   [=] {
                       memset(work, 0xff, (size_t)WORK);
                       dnn_attend(j);
                   }) == cudaSuccess
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_EXECUTION_FAILED;
}

#endif
