/* ranks.c - joining and leaving a job, and what is told to all; sums are in sum.c */
/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "ranks/ranks.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "ranks/launch.h"
#include "ranks/ranks_int.h"

/* ---- joining ---- */

static int missing(const struct um_launch *l, const char *why)
{
    char many[32] = "more than one process";

    if (l->size)
        (void)snprintf(many, sizeof many, "%d processes", l->size);
    return um_fail(
        UM_EUNSUPPORTED,
        "%s started %s, but the MPI plug-in is not there (%s): install Open MPI or MPICH "
        "with its headers and run make mpi, or start one process",
        l->by, many, why);
}

static int load(const struct um_launch *l, const struct um_ranks_plugin **plugin)
{
    um_ranks_plugin_fn *get;
    void               *lib, *sym;

    lib = um_library_open("libum-mpi.so");
    if (!lib)
        return missing(l, dlerror());
    sym = dlsym(lib, "um_mpi_plugin");
    if (!sym) {
        (void)dlclose(lib);
        return um_fail(UM_EMISMATCH, "libum-mpi.so is not a plug-in of um");
    }
    memcpy(&get, &sym, sizeof get); /* ISO C has no cast from an object to a function */
    if (!(*plugin = get(UM_PLUGIN_ABI))) {
        (void)dlclose(lib);
        return um_fail(UM_EMISMATCH, "libum-mpi.so is of another version of um");
    }
    return UM_OK; /* the library stays: MPI does not like to be unloaded */
}

/* as many processes as were started? Else each is alone and thinks it is the whole job. */
static int count(const struct um_ranks *r, const struct um_launch *l)
{
    if (l->size && l->size != r->size)
        return um_fail(UM_EMISMATCH,
                       "%s started %d processes, but MPI (%s) sees %d: start them with this MPI's "
                       "own mpirun, or with srun --mpi=pmix",
                       l->by, l->size, r->name, r->size);
    return UM_OK;
}

static int join(struct um_ranks *r, const struct um_launch *l)
{
    const struct um_ranks_plugin *plugin;

    UM_TRY(load(l, &plugin));
    plugin->name(r->name, sizeof r->name);
    r->plugin = plugin;
    r->thread = pthread_self();
    int st    = um_ranks_did(r, plugin->start(&r->rank, &r->size), "start");
    if (st < 0) {
        r->plugin = NULL;
        return st;
    }
    r->scratch = malloc(UM_RANKS_CHUNK + (size_t)r->size * sizeof(int64_t));
    r->part    = malloc(((size_t)r->size + 1) * sizeof *r->part);
    if (!r->scratch || !r->part)
        return um_fail(UM_ENOMEM, "out of memory");
    UM_TRY(count(r, l));
    return um_ranks_did(r, plugin->local(&r->local, &r->locals), "ranks of this host");
}

static void forget(struct um_ranks *r)
{
    free(r->scratch);
    free(r->part);
    free(r);
}

int um_ranks_open(struct um_ranks **r)
{
    struct um_launch l;

    *r = NULL;
    UM_TRY(um_launch_find(&l));
    struct um_ranks *me = calloc(1, sizeof *me);
    if (!me)
        return um_fail(UM_ENOMEM, "out of memory");
    me->size = 1;
    memcpy(me->name, "one process", sizeof "one process");
    const int st = l.size == 1 ? UM_OK : join(me, &l);
    if (st >= 0 || me->size > 1) { /* a failure alone: the others wait for this rank */
        *r = me;
        return st;
    }
    if (me->plugin)
        (void)me->plugin->end();
    forget(me);
    return st;
}

/* ---- leaving ---- */

int um_ranks_did(struct um_ranks *r, int code, const char *what)
{
    char text[512] = "";

    assert(pthread_equal(r->thread, pthread_self()));
    r->agreed = UM_OK; /* what comes now is another matter */
    if (code == 0)
        return UM_OK;
    r->plugin->why(code, text, sizeof text);
    return um_fail(UM_EIO, "MPI: %s: %s", what, text);
}

/* does every rank know that this one is ending with st? */
static bool together(const struct um_ranks *r, int st)
{
    return !um_ranks_many(r) || st >= 0 || st == r->agreed;
}

int um_ranks_blame(const struct um_ranks *r, int st)
{
    if (!together(r, st))
        return um_context(st, "rank %d of %d", r->rank, r->size);
    if (st < 0 && um_ranks_rank(r) != 0)
        um_seterrmsg("");
    return st;
}

void um_ranks_abort(struct um_ranks *r, int code)
{
    if (um_ranks_many(r))
        r->plugin->abort(code ? code : 1);
}

int um_ranks_close(struct um_ranks *r, int st, int code)
{
    if (!r)
        return code;
    if (!together(r, st))
        um_ranks_abort(r, code);
    /* nobody leaves, which may end the others, before rank 0 has said why */
    if (um_ranks_many(r) && (um_ranks_barrier(r) < 0 || r->plugin->end() != 0))
        code = code ? code : 1;
    forget(r);
    return code;
}

/* ---- who ---- */

int um_ranks_rank(const struct um_ranks *r)
{
    return r ? r->rank : 0;
}

int um_ranks_size(const struct um_ranks *r)
{
    return r ? r->size : 1;
}

int um_ranks_local(const struct um_ranks *r, int *count)
{
    *count = um_ranks_many(r) ? r->locals : 1;
    return um_ranks_many(r) ? r->local : 0;
}

const char *um_ranks_name(const struct um_ranks *r)
{
    return r ? r->name : "one process";
}

int um_ranks_share(const struct um_ranks *r, int64_t n, int64_t *from, int64_t *count)
{
    const int64_t size = um_ranks_size(r);

    if (n % size)
        return um_fail(UM_ERANGE, "%lld cannot be shared out among %lld ranks alike", (long long)n,
                       (long long)size);
    *count = n / size;
    *from  = *count * um_ranks_rank(r);
    return UM_OK;
}

/* ---- bytes ---- */

static void cut_alike(struct um_ranks *r, size_t bytes)
{
    for (int i = 0; i <= r->size; i++)
        r->part[i] = (int)bytes * i;
}

/* pieces of every rank's block through the scratch; they lie apart in `all` */
static int gather_pieces(struct um_ranks *r, const char *mine, size_t bytes, char *all)
{
    const size_t ranks = (size_t)r->size, most = UM_RANKS_CHUNK / ranks;
    size_t       k;

    for (size_t done = 0; done < bytes; done += k) {
        k = bytes - done < most ? bytes - done : most;
        cut_alike(r, k);
        memcpy(r->scratch + (size_t)r->rank * k, mine + done, k);
        UM_TRY(um_ranks_did(r, r->plugin->collect(r->scratch, r->part), "gather"));
        for (size_t i = 0; i < ranks; i++)
            memcpy(all + i * bytes + done, r->scratch + i * k, k);
    }
    return UM_OK;
}

int um_ranks_gather(struct um_ranks *r, const void *mine, size_t bytes, void *all)
{
    char *place = (char *)all + (size_t)um_ranks_rank(r) * bytes;

    if (bytes == 0)
        return UM_OK;
    if (um_ranks_many(r) && bytes > UM_RANKS_CHUNK / (size_t)r->size)
        return gather_pieces(r, mine, bytes, all);
    if (place != mine)
        memcpy(place, mine, bytes);
    if (!um_ranks_many(r))
        return UM_OK;
    cut_alike(r, bytes);
    return um_ranks_did(r, r->plugin->collect(all, r->part), "gather");
}

int um_ranks_bcast(struct um_ranks *r, void *x, size_t bytes, int root)
{
    size_t k;

    assert(root >= 0 && root < um_ranks_size(r));
    if (!um_ranks_many(r))
        return UM_OK;
    for (size_t done = 0; done < bytes; done += k) {
        k = bytes - done < UM_RANKS_CHUNK ? bytes - done : UM_RANKS_CHUNK;
        UM_TRY(um_ranks_did(r, r->plugin->bcast((char *)x + done, (int)k, root), "broadcast"));
    }
    return UM_OK;
}

int um_ranks_barrier(struct um_ranks *r)
{
    return um_ranks_many(r) ? um_ranks_did(r, r->plugin->barrier(), "barrier") : UM_OK;
}

/* ---- one status of all ---- */

/* the lowest rank that failed, or -1; *alike: all ranks have its status */
static int first_failed(const int32_t *all, int size, bool *alike)
{
    int first = -1;

    *alike = true;
    for (int i = size - 1; i >= 0; i--)
        first = all[i] < 0 ? i : first;
    for (int i = 0; first >= 0 && i < size; i++)
        *alike = *alike && all[i] == all[first];
    return first;
}

int um_ranks_agree(struct um_ranks *r, int st)
{
    char    text[UM_ERRMSG_MAX] = "";
    int32_t mine                = st, all;
    bool    alike;

    if (!um_ranks_many(r))
        return st < 0 ? st : UM_OK;
    int32_t *each = calloc((size_t)r->size, sizeof *each);
    if (!each)
        return um_fail(UM_ENOMEM, "out of memory");
    int       told  = um_ranks_gather(r, &mine, sizeof mine, each);
    const int first = told < 0 ? -1 : first_failed(each, r->size, &alike);
    all             = first < 0 ? UM_OK : each[first];
    free(each);
    if (told < 0 || first < 0)
        return told;
    (void)snprintf(text, sizeof text, "%s", um_errmsg());
    UM_TRY(um_ranks_bcast(r, text, sizeof text, first));
    text[sizeof text - 1] = 0;
    um_seterrmsg(text);
    r->agreed = all;
    return alike ? all : um_context(all, "rank %d of %d", first, r->size);
}
