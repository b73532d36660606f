/* A thread that makes the batches of the next step, with two sets of batches (double buffering). */
#include "data/ahead.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/memory.h"

typedef enum progress { IDLE, REQUESTED, READY } progress;

struct fd_ahead {
  fd_source source;
  fd_ahead_shape shape;
  fd_batch **set[2];
  int making; /* the set that the thread fills */
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  /* Under the lock: */
  progress progress;
  uint64_t first; /* first draw of the set that is requested or ready */
  int started, stop;
};

static void *work(void *argument) {
  fd_ahead *a = argument;
  pthread_mutex_lock(&a->lock);
  while (!a->stop) {
    if (a->progress != REQUESTED) {
      pthread_cond_wait(&a->changed, &a->lock);
      continue;
    }
    pthread_mutex_unlock(&a->lock);
    for (int i = 0; i < a->shape.batches; i++)
      a->source.make(a->source.context, a->first + (uint64_t)i * (uint64_t)a->shape.size, a->shape.size, a->set[a->making][i]);
    pthread_mutex_lock(&a->lock);
    a->progress = READY;
    pthread_cond_broadcast(&a->changed);
  }
  pthread_mutex_unlock(&a->lock);
  return NULL;
}

/* Requests the batches from draw `first` on. The caller holds the lock. */
static void request(fd_ahead *a, uint64_t first) {
  a->first = first;
  a->progress = REQUESTED;
  pthread_cond_broadcast(&a->changed);
}

static void wait_until_ready(fd_ahead *a) {
  while (a->progress == REQUESTED) pthread_cond_wait(&a->changed, &a->lock);
}

fd_status fd_ahead_create(fd_ahead **ahead, fd_source source, fd_device *dev, const fd_ahead_shape *shape) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(ahead, 1, sizeof **ahead, "views made ahead"));
  fd_ahead *a = *ahead;
  *a = (fd_ahead){.source = source, .shape = *shape};
  pthread_mutex_init(&a->lock, NULL);
  pthread_cond_init(&a->changed, NULL);
  for (int s = 0; s < 2; s++) {
    FD_GO(fd_alloc(&a->set[s], (size_t)shape->batches, sizeof *a->set[s], "micro-batches"));
    for (int i = 0; i < shape->batches; i++) {
      FD_GO(fd_batch_create(&a->set[s][i], dev, shape->size, shape->rows, shape->cls));
      FD_GO(fd_batch_add(a->set[s][i], &source.beside, shape->size));
      a->set[s][i]->seqs.micro_batches = shape->micro_batches;
      if (a->set[s][i]->taught) a->set[s][i]->taught->seqs.micro_batches = shape->micro_batches;
    }
  }
  a->started = !pthread_create(&a->thread, NULL, work, a);
  if (!a->started) status = fd_fail(FD_MEMORY, "cannot start the thread that makes views");
done:
  if (status != FD_OK) fd_ahead_destroy(ahead);
  return status;
}

void fd_ahead_destroy(fd_ahead **ahead) {
  fd_ahead *a = *ahead;
  if (!a) return;
  pthread_mutex_lock(&a->lock);
  a->stop = 1;
  pthread_cond_broadcast(&a->changed);
  pthread_mutex_unlock(&a->lock);
  if (a->started) pthread_join(a->thread, NULL);
  pthread_mutex_destroy(&a->lock);
  pthread_cond_destroy(&a->changed);
  for (int s = 0; s < 2; s++) {
    for (int i = 0; a->set[s] && i < a->shape.batches; i++) fd_batch_destroy(&a->set[s][i]);
    free(a->set[s]);
  }
  free(a);
  *ahead = NULL;
}

fd_status fd_ahead_take(fd_ahead *a, uint64_t first, fd_batch ***batches) {
  pthread_mutex_lock(&a->lock);
  wait_until_ready(a);
  if (a->progress != READY || a->first != first) { /* the first step, or the training state was replaced */
    request(a, first);
    wait_until_ready(a);
  }
  *batches = a->set[a->making];
  a->making = !a->making;
  a->progress = IDLE;
  if (first + a->shape.stride < a->shape.end) request(a, first + a->shape.stride);
  pthread_mutex_unlock(&a->lock);
  for (int i = 0; i < a->shape.batches; i++) FD_TRY(a->source.upload(a->source.context, (*batches)[i]));
  return FD_OK;
}
