/* pool.h - a fixed set of threads that share out numbered tasks
 *
 * The caller cuts work into tasks by its shape alone, never by the number of threads: then results
 * have the same bits for any number of threads. Which thread takes which task is not fixed; a task
 * must therefore write only what belongs to it, and sums over tasks are added afterwards in order.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_POOL_H
#define UM_BASE_POOL_H

#include <stdint.h>

#include "base/status.h"

struct um_pool;

/* um_pool_new - n threads in all, the calling one included (n = 1 starts none); n <= 0: one per
 * processor this process may run on. UM_ENOMEM, UM_ERANGE (n > 1024). */
UM_API UM_RESULT_USED int um_pool_new(struct um_pool **pool, int n);
UM_API void               um_pool_free(struct um_pool *pool);       /* joins; takes NULL */
UM_API int                um_pool_size(const struct um_pool *pool); /* NULL counts as 1 */

/* um_pool_run - call fn(arg, task, worker) for task = 0..n-1, worker in 0..size-1; the calling
 * thread works too (worker 0) and returns when all are done. One run at a time per pool; a NULL
 * pool or a call from inside a task runs serially in the calling thread (worker: that thread's
 * number). Returns UM_OK or the status (with its message) of the failed task with the lowest
 * number; tasks not yet begun when one fails are skipped. */
UM_API UM_RESULT_USED int um_pool_run(struct um_pool *pool, int64_t                         n,
                                      int (*fn)(void *arg, int64_t task, int worker), void *arg);

/* um_cpu_count - processors this process may run on, at least 1 */
UM_API int um_cpu_count(void);

#endif
