/* Threads of the CPU back end. Results do not depend on which thread runs an item: items write disjoint memory, and each sums in
 * a fixed order. */
#ifndef FD_CPU_POOL_H
#define FD_CPU_POOL_H

#include "base/error.h"

typedef struct fd_pool fd_pool;

/* One unit of work; `thread` (0 .. threads-1) picks scratch memory. */
typedef void fd_pool_item(void *context, int item, int thread);

/* `threads` >= 1 includes the caller. Each thread calls `rest`, unless it is NULL, after its last item of a run. */
fd_status fd_pool_create(fd_pool **pool, int threads, void (*rest)(void)) FD_MUST_CHECK;
void fd_pool_destroy(fd_pool **pool);
int fd_pool_threads(const fd_pool *pool);

/* Runs items 0 .. items-1 and returns when all are done. Called by one thread at a time. */
void fd_pool_run(fd_pool *pool, int items, fd_pool_item *run, void *context);

#endif
