/* mpi.c - the plug-in libum-mpi.so: bytes between processes by MPI
 *
 * Not a part of libum; built where mpicc is found. MPI is asked to move bytes only (see ranks.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ranks/plugin.h"

static MPI_Comm comm = MPI_COMM_NULL; /* our own: nobody else's messages get between */
static bool     ours;                 /* we started MPI, we end it */
static int      rank, size;
static int     *count, *other_count, *other_at; /* [size], for MPI_Alltoallv and its like */

static int begin(void)
{
    int there = 0, level = MPI_THREAD_SINGLE, code = MPI_Initialized(&there);

    if (code == MPI_SUCCESS && !there) {
        code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
        ours = code == MPI_SUCCESS;
    } else if (code == MPI_SUCCESS) {
        code = MPI_Query_thread(&level);
    }
    return code == MPI_SUCCESS && level < MPI_THREAD_FUNNELED ? MPI_ERR_UNSUPPORTED_OPERATION
                                                              : code;
}

static int end(void)
{
    int over = 0, code = MPI_Finalized(&over);

    free(count);
    count = NULL;
    if (code == MPI_SUCCESS && !over && comm != MPI_COMM_NULL)
        code = MPI_Comm_free(&comm);
    if (code == MPI_SUCCESS && !over && ours)
        code = MPI_Finalize();
    ours = false;
    return code;
}

static int prepare(void)
{
    int code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);

    if (code == MPI_SUCCESS)
        code = MPI_Comm_dup(MPI_COMM_WORLD, &comm); /* with its error handler */
    if (code == MPI_SUCCESS)
        code = MPI_Comm_rank(comm, &rank);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_size(comm, &size);
    if (code != MPI_SUCCESS)
        return code;
    count = calloc((size_t)size * 3, sizeof *count);
    if (!count)
        return MPI_ERR_NO_MEM;
    other_count = count + size;
    other_at    = count + 2 * (size_t)size;
    return MPI_SUCCESS;
}

static int start(int *my_rank, int *ranks)
{
    int over = 0, code = MPI_Finalized(&over);

    if (code == MPI_SUCCESS && over)
        return MPI_ERR_OTHER; /* MPI cannot begin a second time in a process */
    if (code == MPI_SUCCESS)
        code = begin();
    if (code == MPI_SUCCESS)
        code = prepare();
    if (code != MPI_SUCCESS) {
        (void)end();
        return code;
    }
    *my_rank = rank;
    *ranks   = size;
    return 0;
}

static int local(int *my_rank, int *ranks)
{
    MPI_Comm host;
    int      code = MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &host);

    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Comm_rank(host, my_rank);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_size(host, ranks);
    (void)MPI_Comm_free(&host);
    return code;
}

static int spread(const void *send, void *recv, const int *part)
{
    const int mine = part[rank + 1] - part[rank];

    for (int i = 0; i < size; i++) {
        count[i]       = part[i + 1] - part[i];
        other_count[i] = mine;
        other_at[i]    = mine * i;
    }
    return MPI_Alltoallv(send, count, part, MPI_BYTE, recv, other_count, other_at, MPI_BYTE, comm);
}

static int collect(void *x, const int *part)
{
    for (int i = 0; i < size; i++)
        count[i] = part[i + 1] - part[i];
    return MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_BYTE, x, count, part, MPI_BYTE, comm);
}

static int bcast(void *x, int bytes, int root)
{
    return MPI_Bcast(x, bytes, MPI_BYTE, root, comm);
}

static int barrier(void)
{
    return MPI_Barrier(comm);
}

static void end_all(int code)
{
    (void)MPI_Abort(MPI_COMM_WORLD, code);
    _Exit(code); /* the standard allows it to return */
}

static void why(int code, char *text, size_t n)
{
    char said[MPI_MAX_ERROR_STRING] = "";
    int  length, over = 0;

    if (MPI_Finalized(&over) != MPI_SUCCESS || over)
        (void)snprintf(text, n, "it has ended already in this process");
    else if (MPI_Error_string(code, said, &length) == MPI_SUCCESS)
        (void)snprintf(text, n, "%s", said);
    else
        (void)snprintf(text, n, "error %d", code);
}

/* the first words: some write a page */
static void name(char *text, size_t n)
{
    char said[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int  length;

    (void)MPI_Get_library_version(said, &length);
    said[strcspn(said, ",\n")] = 0;
    for (char *s = said; *s; s++)
        *s = *s == '\t' ? ' ' : *s;
    (void)snprintf(text, n, "%s", said);
}

__attribute__((visibility("default"))) um_ranks_plugin_fn um_mpi_plugin;

const struct um_ranks_plugin *um_mpi_plugin(unsigned abi)
{
    static const struct um_ranks_plugin plugin = { .start   = start,
                                                   .local   = local,
                                                   .spread  = spread,
                                                   .collect = collect,
                                                   .bcast   = bcast,
                                                   .barrier = barrier,
                                                   .end     = end,
                                                   .abort   = end_all,
                                                   .why     = why,
                                                   .name    = name };

    return abi == UM_PLUGIN_ABI ? &plugin : NULL;
}
