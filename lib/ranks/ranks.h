/* ranks.h - the processes of one job: how many there are, and what they tell each other
 *
 * A job is one process, or R of them started by mpirun or srun ("ranks" 0..R-1) that run the same
 * program on different records. Only what the method needs is here: sums, gathers, broadcasts. What
 * moves the bytes is MPI, in a plug-in (libum-mpi.so) that is loaded when the environment says that
 * there is more than one process; one process alone loads nothing, and every function below is then
 * immediate. NULL for a struct um_ranks means one process too.
 *
 * Equal bits. MPI is asked to move bytes only, never to add: its reductions may add in another
 * order from call to call, or differ between ranks. The sum over ranks of x[i] is
 *
 *     (float)(((x0[i] + x1[i]) + x2[i]) + ... )       in double, in the order of ranks,
 *
 * it is computed by one rank, and every rank receives a copy of it. So all ranks have the same
 * bits, every run gives the same bits, and which rank adds i changes nothing. The bits depend on R,
 * as the order of any sum of rounded parts does.
 *
 * Collective: all ranks call the same functions in the same order with the same sizes, from the
 * thread that opened (MPI_THREAD_FUNNELED). A rank that cannot go on must not just return: the
 * others would wait for it for ever. There are two ways to fail. Together: where every rank
 * arrives, um_ranks_agree() makes one rank's failure everybody's. Alone: anywhere else the rank
 * takes its error up to main, which ends the whole job. um_ranks_close() tells them apart.
 *
 * How a program looks:
 *
 *     static struct um_ranks *ranks;
 *
 *     static int work(void)
 *     {
 *         UM_TRY(um_ranks_open(&ranks));                      // before threads and devices
 *         UM_TRY(um_ranks_share(ranks, batch, &from, &n));    // this rank's part of a batch
 *         ...
 *         UM_TRY(um_ranks_gather(ranks, v, n * E * sizeof *v, all));   // features of all ranks
 *         UM_TRY(um_ranks_sum(ranks, grad, count));
 *         ...
 *         stop = um_stop_asked();                             // a signal may reach one rank alone
 *         UM_TRY(um_ranks_max(ranks, &stop, 1));
 *         if (um_ranks_rank(ranks) == 0)
 *             st = write_checkpoint();                        // one rank writes
 *         UM_TRY(um_ranks_agree(ranks, st));                  // and all know whether it could
 *         return stop ? um_ranks_agree(ranks, um_fail(UM_ESTOPPED, "...")) : UM_OK;
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         const int st   = work();
 *         const int code = um_exit(&tool, um_ranks_blame(ranks, st)); // prints the message
 *
 *         return um_ranks_close(ranks, st, code); // no return after a failure alone
 *     }
 *
 * What a trainer sums: gradients and means that come from this rank's records alone, each record
 * weighed by its share of the whole batch. What every rank computes alike from gathered features
 * (the contrastive loss, the gradients of the heads above them) is the same everywhere already and
 * must not be summed. Decisions about the course of a run are made from what is alike on all ranks:
 * a loss that one rank alone finds not finite goes through um_ranks_agree() first.
 *
 * Logs, progress and files are rank 0's. Memory is the host's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_RANKS_RANKS_H
#define UM_RANKS_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct um_ranks;

/* um_ranks_open - join the job that the environment speaks of (Open MPI, MPICH and others that
 * speak PMI, PMIx, a step of Slurm with more than one task); without one, rank 0 of 1.
 *
 * UM_EUNSUPPORTED: more than one process was started and there is no plug-in: how many, and how to
 * get it. UM_EMISMATCH: the plug-in is of another build, or its MPI is not the one that started the
 * processes, so that each would take itself for the only one. UM_ERANGE: the environment holds no
 * number where there must be one. UM_EIO: MPI failed. UM_ENOMEM. Whatever it returned, end with
 * um_ranks_close(). */
UM_API UM_RESULT_USED int um_ranks_open(struct um_ranks **r);

/* um_ranks_blame - the message of a program that has come to status `st`, as this rank has to print
 * it: "rank 1 of 4: " is put in front if the others do not know of the failure; after one that
 * um_ranks_agree() gave to all it is rank 0's to print, and "" on others. Returns st. Not
 * collective.
 */
UM_API UM_RESULT_USED int um_ranks_blame(const struct um_ranks *r, int st);

/* um_ranks_close - the last of a program that has come to `st` and has said so; frees r
 *
 * st >= 0, or a failure that um_ranks_agree() gave to all: waits for the others, ends MPI, returns
 * the exit status `code` (1 if that was 0 and MPI failed to end). Any other failure: does not
 * return, as um_ranks_abort(). r may be NULL: returns `code`. */
UM_API int um_ranks_close(struct um_ranks *r, int st, int code);

/* um_ranks_abort - end all processes of the job with exit status `code` (0 counts as 1): the one
 * function of the library that does not return, since the others wait for this rank. Returns if r
 * is NULL or there is one rank alone. */
UM_API void um_ranks_abort(struct um_ranks *r, int code);

UM_API int um_ranks_rank(const struct um_ranks *r); /* 0..size-1 */
UM_API int um_ranks_size(const struct um_ranks *r); /* R >= 1 */

/* this rank's place among the `count` ranks on its host, 0..count-1: which GPU is its own */
UM_API int um_ranks_local(const struct um_ranks *r, int *count);

/* what moves the bytes, for a note to the user: "one process", "Open MPI v4.1.4, ..." */
UM_API const char *um_ranks_name(const struct um_ranks *r);

/* um_ranks_share - this rank's part of n things: *from .. *from + *count - 1. Equal parts, so that
 * gathered blocks are in the order of one rank. UM_ERANGE: R does not divide n. */
UM_API UM_RESULT_USED int um_ranks_share(const struct um_ranks *r, int64_t n, int64_t *from,
                                         int64_t *count);

/* um_ranks_sum - x[i] becomes the sum over ranks, i < n, as said above; n >= 0, alike on every
 * rank. What is not finite stays so. On failure, which comes from MPI alone (UM_EIO), x is
 * undefined. um_ranks_sum_double: the same without the rounding to float. um_ranks_sum_int64 wraps
 * around. */
UM_API UM_RESULT_USED int um_ranks_sum(struct um_ranks *r, float *x, int64_t n);
UM_API UM_RESULT_USED int um_ranks_sum_double(struct um_ranks *r, double *x, int64_t n);
UM_API UM_RESULT_USED int um_ranks_sum_int64(struct um_ranks *r, int64_t *x, int64_t n);

/* um_ranks_max - x[i] becomes the largest over ranks: wishes and flags */
UM_API UM_RESULT_USED int um_ranks_max(struct um_ranks *r, int64_t *x, int64_t n);

/* um_ranks_gather - all = the `bytes` bytes at `mine` of rank 0, then of rank 1, ...
 * all [R * bytes]   out, on every rank; `mine` may be this rank's place in it, else no overlap */
UM_API UM_RESULT_USED int um_ranks_gather(struct um_ranks *r, const void *mine, size_t bytes,
                                          void *all);

/* um_ranks_bcast - x on every rank becomes that of rank `root`, 0 <= root < R */
UM_API UM_RESULT_USED int um_ranks_bcast(struct um_ranks *r, void *x, size_t bytes, int root);

/* um_ranks_barrier - returns when every rank has called it */
UM_API UM_RESULT_USED int um_ranks_barrier(struct um_ranks *r);

/* um_ranks_agree - every rank gives what it has come to and gets what all have come to: UM_OK if no
 * status is negative, else that of the lowest rank that failed, with its message. "rank 1 of 4: "
 * is in front of it unless all failed alike. */
UM_API UM_RESULT_USED int um_ranks_agree(struct um_ranks *r, int st);

#endif
