/* A thread pool whose threads take items from a shared counter. */
#include "cpu/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"

enum { SPINS = 4000 }; /* a few microseconds: calls follow each other closely, but ranks may share a core */

struct fd_pool {
  int threads, started;
  pthread_t *worker;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  atomic_uint round; /* grows by one for each run */
  atomic_int next, busy, stop;
  int items;
  void (*rest)(void);
  fd_pool_item *run;
  void *context;
};

typedef struct worker_start {
  fd_pool *pool;
  int thread;
} worker_start;

static void take_items(fd_pool *pool, int thread) {
  for (int i; (i = atomic_fetch_add(&pool->next, 1)) < pool->items;) pool->run(pool->context, i, thread);
  if (pool->rest) pool->rest();
}

static void wait_for_round(fd_pool *pool, unsigned seen) {
  for (int i = 0; i < SPINS; i++)
    if (atomic_load(&pool->round) != seen) return;
  pthread_mutex_lock(&pool->lock);
  while (atomic_load(&pool->round) == seen) pthread_cond_wait(&pool->wake, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
}

static void *work(void *argument) {
  worker_start start = *(worker_start *)argument;
  free(argument);
  for (unsigned seen = 0;; seen++) {
    wait_for_round(start.pool, seen);
    if (atomic_load(&start.pool->stop)) return NULL;
    take_items(start.pool, start.thread);
    atomic_fetch_sub(&start.pool->busy, 1);
  }
}

fd_status fd_pool_create(fd_pool **pool, int threads, void (*rest)(void)) {
  FD_TRY(fd_alloc(pool, 1, sizeof **pool, "thread pool"));
  fd_pool *p = *pool;
  p->threads = threads;
  p->rest = rest;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->wake, NULL);
  FD_TRY(fd_alloc(&p->worker, (size_t)threads, sizeof *p->worker, "thread pool"));
  for (int i = 1; i < threads; i++) {
    worker_start *start;
    FD_TRY(fd_alloc(&start, 1, sizeof *start, "thread pool"));
    *start = (worker_start){p, i};
    if (pthread_create(&p->worker[i], NULL, work, start)) {
      free(start);
      return fd_fail(FD_MEMORY, "cannot start thread %d of %d (device.threads)", i + 1, threads);
    }
    p->started = i;
  }
  return FD_OK;
}

static void begin_round(fd_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->round, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

void fd_pool_destroy(fd_pool **pool) {
  fd_pool *p = *pool;
  if (!p) return;
  atomic_store(&p->stop, 1);
  begin_round(p);
  for (int i = 1; i <= p->started; i++) pthread_join(p->worker[i], NULL);
  pthread_mutex_destroy(&p->lock);
  pthread_cond_destroy(&p->wake);
  free(p->worker);
  free(p);
  *pool = NULL;
}

int fd_pool_threads(const fd_pool *pool) { return pool->threads; }

void fd_pool_run(fd_pool *pool, int items, fd_pool_item *run, void *context) {
  if (pool->threads == 1 || items == 1) {
    for (int i = 0; i < items; i++) run(context, i, 0);
    if (pool->rest) pool->rest();
    return;
  }
  pool->items = items;
  pool->run = run;
  pool->context = context;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->busy, pool->threads - 1);
  begin_round(pool);
  take_items(pool, 0);
  for (int spins = 0; atomic_load(&pool->busy) > 0;) /* one long item may be waited for longer than an int can count */
    if (spins < SPINS) spins++;
    else sched_yield();
}
