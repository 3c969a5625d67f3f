/* plugin.h - what a library that moves bytes between processes gives to um
 *
 * The plug-in calls nothing of libum, so that it serves programs that hold their own copy of it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_RANKS_PLUGIN_H
#define UM_RANKS_PLUGIN_H

#include <stddef.h>

/* Functions return 0 or a code that `why` explains. A buffer of part[R] bytes is cut into parts,
 * one a rank: part i is bytes part[i] .. part[i + 1] - 1, part[0] = 0; the same cut on every rank.
 */
struct um_ranks_plugin {
    /* join; may be called once in a process. On failure nothing is left to end. */
    int (*start)(int *rank, int *size);
    /* its place among the processes that share this host's memory, and how many they are */
    int (*local)(int *rank, int *size);

    /* part i of `send` goes to rank i; recv = this rank's part from rank 0, from rank 1, ... */
    int (*spread)(const void *send, void *recv, const int *part);
    /* part i of x on every rank becomes that of rank i */
    int (*collect)(void *x, const int *part);
    int (*bcast)(void *x, int bytes, int root);
    int (*barrier)(void);

    int (*end)(void);
    void (*abort)(int code); /* does not return */
    void (*why)(int code, char *text, size_t size);
    void (*name)(char *text, size_t size); /* of the library and its version; before start too */
};

/* UM_PLUGIN_ABI, from the Makefile, is a checksum of this file among others (kernels/plugin.h) */

/* what libum-mpi.so exports as "um_mpi_plugin"; NULL: `abi` is not the one it was built with */
typedef const struct um_ranks_plugin *um_ranks_plugin_fn(unsigned abi);

#endif
