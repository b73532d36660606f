/* The sum of gradients and statistics over the micro-batches of a step: a fixed balanced binary tree, the same on any number of
 * ranks. Parts that a rank's last backward pass has completed are sent to the other ranks while the rest is computed. */
#ifndef FD_TRAIN_GRADIENTS_H
#define FD_TRAIN_GRADIENTS_H

#include "comm/comm.h"
#include "device/link.h"

typedef struct fd_gradients fd_gradients;

typedef struct fd_gradients_shape {
  int leaves; /* of this rank: a power of two; a leaf is a micro-batch, or a subtree of micro-batches computed in one pass */
  size_t size, statistics; /* per leaf: floats; doubles */
  size_t bucket;           /* minimum floats to send at a time */
  int fast;                /* plain all-reduce over the ranks instead of the tree */
  float *leaf;             /* memory for the gradient of a single leaf, borrowed; NULL: allocated */
} fd_gradients_shape;

/* Gradient buffers that the tree of so many leaves needs: log2(leaves) + 1. */
int fd_gradients_needed(int leaves);

/* Allocates fd_gradients_needed buffers, or none if shape->leaf is given, and a receive buffer of half the gradient.
 * `link`: NULL with one rank. All arguments are borrowed. */
fd_status fd_gradients_create(fd_gradients **gradients, fd_device *dev, fd_comm *comm, fd_link *link,
                              const fd_gradients_shape *shape) FD_MUST_CHECK;
void fd_gradients_destroy(fd_gradients **gradients);

/* Buffers allocated, with the receive buffer: for the test of their bound. */
int fd_gradients_buffers(const fd_gradients *gradients);

/* The device buffers to which the next leaf is written; the statistics are zeroed. */
float *fd_gradients_leaf(fd_gradients *gradients, double **statistics);

/* Whether completed parts of the leaf are sent to the other ranks while the rest is computed. */
int fd_gradients_sends(const fd_gradients *gradients);

/* Reports that the leaf is complete from this offset on; called with decreasing offsets, or not at all. */
void fd_gradients_ready(fd_gradients *gradients, size_t from);

/* Adds the leaf to the tree. */
void fd_gradients_add(fd_gradients *gradients);

/* After all leaves: sums over the ranks, the gradient on the device, the statistics on the host. Borrowed until the next
 * step. */
fd_status fd_gradients_finish(fd_gradients *gradients, float **sum, double **statistics) FD_MUST_CHECK;

#endif
