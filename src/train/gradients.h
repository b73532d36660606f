/* The sum of gradients and statistics over the micro-batches of a step: a fixed balanced binary tree, on any number of ranks. */
#ifndef FD_TRAIN_GRADIENTS_H
#define FD_TRAIN_GRADIENTS_H

#include "comm/comm.h"
#include "device/device.h"

typedef struct fd_gradients fd_gradients;

/* For `micro_batches` (a power of two) of this rank, gradients of `size` floats and `statistics` doubles each. Holds
 * log2(micro_batches) + 1 gradient buffers and half of one for the exchange. */
fd_status fd_gradients_create(fd_gradients **gradients, fd_device *dev, fd_comm *comm, int micro_batches, size_t size,
                              size_t statistics, int fast) FD_MUST_CHECK;
void fd_gradients_destroy(fd_gradients **gradients);

/* Gradient buffers in use, for the memory plan and the test of the bound. */
int fd_gradients_buffers(const fd_gradients *gradients);

/* The buffers that the next micro-batch writes, on the device: the statistics are zero. */
float *fd_gradients_leaf(fd_gradients *gradients, double **statistics);

/* Takes the leaf into the tree. */
void fd_gradients_add(fd_gradients *gradients);

/* After all micro-batches: sums over the ranks, the gradient on the device, the statistics on the host. Borrowed until the next
 * step. */
fd_status fd_gradients_finish(fd_gradients *gradients, float **sum, double **statistics) FD_MUST_CHECK;

#endif
