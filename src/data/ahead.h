/* The batches of the next step, made by a thread while this step is computed. */
#ifndef FD_DATA_AHEAD_H
#define FD_DATA_AHEAD_H

#include "data/batch.h"

typedef struct fd_ahead fd_ahead;

typedef struct fd_ahead_shape {
  int batches;          /* a step */
  int micro_batches;    /* in each (fd_seqs) */
  int size, rows, cls;  /* sequences of a batch, its tokens at most, and [CLS] rows of a sequence */
  uint64_t stride, end; /* first draws of two steps are `stride` apart, and below `end` */
} fd_ahead_shape;

/* Starts the thread. There are two sets of batches: one is in use, one being made. */
fd_status fd_ahead_create(fd_ahead **ahead, fd_source source, fd_device *dev, const fd_ahead_shape *shape) FD_MUST_CHECK;
void fd_ahead_destroy(fd_ahead **ahead);

/* The batches of the draws first, first + 1, ..., on the device; borrowed until the next call. Has those of `stride` draws
 * later made meanwhile; any other `first` than that is right too, but waits for its views. */
fd_status fd_ahead_take(fd_ahead *ahead, uint64_t first, fd_batch ***batches) FD_MUST_CHECK;

#endif
