/* The micro-batches of the next step, made by a thread while this step is computed. */
#ifndef FD_DATA_AHEAD_H
#define FD_DATA_AHEAD_H

#include "data/batch.h"

typedef struct fd_ahead fd_ahead;

/* Starts the thread for steps of `micro_batches` micro-batches of `size` sequences and up to `rows` tokens, whose first draws are
 * `stride` apart from step to step and below `end`. There are two sets of batches: one is in use, one being made. */
fd_status fd_ahead_create(fd_ahead **ahead, fd_source source, fd_device *dev, int micro_batches, int size, int rows, int cls,
                          uint64_t stride, uint64_t end) FD_MUST_CHECK;
void fd_ahead_destroy(fd_ahead **ahead);

/* The micro-batches of the draws first, first + 1, ..., on the device; borrowed until the next call. Has those of `stride` draws
 * later made meanwhile; any other `first` than that is right too, but waits for its views. */
fd_status fd_ahead_take(fd_ahead *ahead, uint64_t first, fd_batch ***batches) FD_MUST_CHECK;

#endif
