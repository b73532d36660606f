/* Makes the batches of the next step in a thread while the current step is computed. */
#ifndef FD_DATA_AHEAD_H
#define FD_DATA_AHEAD_H

#include "data/batch.h"

typedef struct fd_ahead fd_ahead;

typedef struct fd_ahead_shape {
  int batches;          /* per step */
  int micro_batches;    /* per batch (fd_seqs) */
  int size, rows, cls;  /* per batch: sequences and, at most, tokens; [CLS] rows per sequence */
  uint64_t stride, end; /* first draws of consecutive steps are `stride` apart, and below `end` */
} fd_ahead_shape;

/* Starts the thread. Of the two sets of batches one is in use while the other is filled. */
fd_status fd_ahead_create(fd_ahead **ahead, fd_source source, fd_device *dev, const fd_ahead_shape *shape) FD_MUST_CHECK;
void fd_ahead_destroy(fd_ahead **ahead);

/* Returns the batches of the draws first, first + 1, ..., on the device; borrowed until the next call. Also requests the batches
 * `stride` draws later, which the thread then makes. A call with any other `first` is correct, too, but waits for its batches. */
fd_status fd_ahead_take(fd_ahead *ahead, uint64_t first, fd_batch ***batches) FD_MUST_CHECK;

#endif
