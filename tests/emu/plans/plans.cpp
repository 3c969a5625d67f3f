/* plans.cpp - are the graphs of attention/sdpa.h right? A real cuDNN is asked, without a card
 *
 * usage: plans [DIR]
 *
 * The library makes plans, compiles them and says what workspace they want for a card that is only
 * described to it; driver.c is the driver then, DIR/libcuda.so.1. Nothing runs. TAP; skipped where
 * there is no library (UM_CUDNN names one).
 * SPDX-License-Identifier: Apache-2.0
 */
#include <cudnn.h>
#include <stdio.h>

#if CUDNN_VERSION >= 91700

#include "kernels/attention/sdpa.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <string>

static const struct card {
    const char *name;
    int         version, sms, shared, registers, bus;
    int64_t     memory, cache;
} cards[] = { { "A100", 800, 108, 166912, 65536, 5120, 85899345920, 41943040 },
              { "H100", 900, 132, 232448, 65536, 5120, 85899345920, 52428800 },
              { "B200", 1000, 148, 232448, 65536, 8192, 193273528320, 132644864 } };

static const struct um_sdpa_key shapes[] = { { 0, 8, 197, 12, 64, 2304, 2304, 2304, 768 },
                                             { 0, 256, 197, 12, 64, 2304, 2304, 2304, 768 },
                                             { 0, 16, 1297, 12, 64, 2304, 2304, 2304, 768 },
                                             { 0, 8, 50, 6, 64, 1152, 1152, 1152, 384 },
                                             { 0, 1, 63, 2, 8, 64, 64, 64, 32 },
                                             { 0, 2, 64, 1, 24, 96, 96, 96, 48 },
                                             { 0, 1, 112, 1, 32, 128, 128, 128, 64 },
                                             { 0, 1, 130, 1, 80, 320, 320, 320, 160 },
                                             { 0, 2, 81, 1, 96, 384, 384, 384, 192 },
                                             { 0, 1, 65, 1, 128, 512, 512, 512, 256 },
                                             { 0, 3, 2, 4, 64, 256, 256, 256, 256 } };

static struct um_sdpa_api api;
static void (*last_error)(char *text, size_t size);

static size_t load(void)
{
    const char                *name = getenv("UM_CUDNN");
    void                      *lib  = NULL;
    decltype(&cudnnGetVersion) version;

    if (!name || strcmp(name, "0") != 0)
        lib = dlopen(name && *name ? name : "libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return 0;
#define FIND(f)                                                                                    \
    *(void **)&api.f##_ = dlsym(lib, #f);                                                          \
    if (!api.f##_)                                                                                 \
        return 0;
    UM_SDPA_CALLS(FIND)
#undef FIND
    *(void **)&version    = dlsym(lib, "cudnnGetVersion");
    *(void **)&last_error = dlsym(lib, "cudnnGetLastErrorString");
    return version ? version() : 0;
}

/* a card's description for the library, NULL: it does not take it */
static cudnnBackendDescriptor_t describe(const struct card *c)
{
    char                     text[2000];
    cudnnBackendDescriptor_t d = NULL;

    (void)snprintf(
        text, sizeof text,
        "{\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],"
        "\"regsPerBlock\":%d,\"multiProcessorCount\":%d,\"warpSize\":32,"
        "\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":%d,"
        "\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":%d,\"maxCtasPerSM\":32,"
        "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"pciDeviceId\":0,"
        "\"isTccDriver\":0,\"supportCoopLaunch\":1,\"totalGlobalMem\":%lld,"
        "\"smClockRateKHz\":1980000,\"memClockRateKHz\":2619000,\"memoryBusWidth\":%d,"
        "\"l2CacheSize\":%lld,\"cudaDeviceId\":0,\"deviceVer\":%d,\"driverVer\":13000,"
        "\"deviceName\":\"NVIDIA %s\"}",
        c->registers, c->sms, c->shared, c->registers, (long long)c->memory, c->bus,
        (long long)c->cache, c->version, c->name);
    if (api.cudnnBackendCreateDescriptor_(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &d) !=
            CUDNN_STATUS_SUCCESS ||
        api.cudnnBackendSetAttribute_(d, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                      (int64_t)strlen(text), text) != CUDNN_STATUS_SUCCESS ||
        api.cudnnBackendFinalize_(d) != CUDNN_STATUS_SUCCESS)
        return NULL;
    return d;
}

/* must there be a plan? Seen with 9.19 and 9.28 */
static bool expected(const struct um_sdpa_card *on, int64_t what)
{
    return what == UM_SDPA_FWD ? on->version >= 91900 : on->version >= 92800 && on->major == 9;
}

static bool ask(const struct um_sdpa_card *on, const char *card, const struct um_sdpa_key *shape,
                int64_t what, int nr)
{
    struct um_sdpa p         = {};
    char           why[1000] = "";
    bool           found, right;

    p.key      = *shape;
    p.key.what = what;
    p.api      = &api;
    found      = um_sdpa_plan(&p, on, (int64_t)1 << 30);
    right      = found || !expected(on, what);
    if (!found && last_error)
        last_error(why, sizeof why);
    why[strcspn(why, "\n")] = 0;
    (void)printf(
        "%s %d - %s, %s: %lld x %lld tokens, %lld heads of %lld: ", right ? "ok" : "not ok", nr,
        card, what == UM_SDPA_FWD ? "forward" : "backward", (long long)shape->B,
        (long long)shape->T, (long long)shape->A, (long long)shape->d);
    if (found)
        (void)printf("a plan, %lld bytes\n", (long long)p.work);
    else
        (void)printf("none%s%s\n", right ? "" : ": ", right ? "" : why);
    um_sdpa_free(&p);
    return right;
}

int main(int argc, char **argv)
{
    const std::string driver = std::string(argc > 1 ? argv[1] : ".") + "/libcuda.so.1";
    size_t            version;
    int               nr = 0, bad = 0;

    if (!dlopen(driver.c_str(), RTLD_NOW | RTLD_GLOBAL) || (version = load()) == 0) {
        (void)printf("ok 1 - plans # SKIP no cuDNN\n");
        return 0;
    }
    (void)printf("# cuDNN %d.%d.%d\n", (int)(version / 10000), (int)(version / 100 % 100),
                 (int)(version % 100));
    for (const struct card &c : cards) {
        const struct um_sdpa_card on = { NULL, describe(&c), c.version / 100, version };

        if (!on.device) {
            (void)printf("ok %d - %s # SKIP the library does not take its description\n", ++nr,
                         c.name);
            continue;
        }
        for (const struct um_sdpa_key &s : shapes) {
            if (on.major != 9 &&
                &s > shapes + 1) /* the card that um is made for is asked for all */
                break;
            for (int64_t what = UM_SDPA_FWD; what <= UM_SDPA_BWD; what++)
                bad += !ask(&on, c.name, &s, what, ++nr);
        }
        (void)api.cudnnBackendDestroyDescriptor_(on.device);
    }
    (void)printf("1..%d\n", nr);
    return bad > 0;
}

#else

int main()
{
    (void)printf("ok 1 - plans # SKIP cuDNN's header knows no attention\n");
    return 0;
}

#endif
