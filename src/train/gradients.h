/* The sum of gradients and statistics over the micro-batches of a step: a fixed balanced binary tree, on any number of ranks.
 * What a rank's last pass has finished is on its way to the other ranks while the rest is computed. */
#ifndef FD_TRAIN_GRADIENTS_H
#define FD_TRAIN_GRADIENTS_H

#include "comm/comm.h"
#include "device/link.h"

typedef struct fd_gradients fd_gradients;

typedef struct fd_gradients_shape {
  int leaves;              /* of this rank: a power of two; each a micro-batch or a subtree of them that one pass computes */
  size_t size, statistics; /* floats and doubles of each */
  size_t bucket;           /* floats that are sent at a time, at least */
  int fast;                /* plain all-reduce instead of the tree over the ranks */
  float *leaf;             /* memory for the gradient where there is but one leaf, borrowed; NULL: it is taken */
} fd_gradients_shape;

/* Holds log2(leaves) + 1 gradient buffers, or none where the leaf's is given, and half a bucket for what a peer sends. `link`:
 * NULL with one rank. All borrowed. */
fd_status fd_gradients_create(fd_gradients **gradients, fd_device *dev, fd_comm *comm, fd_link *link,
                              const fd_gradients_shape *shape) FD_MUST_CHECK;
void fd_gradients_destroy(fd_gradients **gradients);

/* Gradient buffers in use, for the memory plan and the test of the bound. */
int fd_gradients_buffers(const fd_gradients *gradients);

/* The buffers that the next leaf is written to, on the device: the statistics are zero. */
float *fd_gradients_leaf(fd_gradients *gradients, double **statistics);

/* Whether the leaf's parts are sent to the other ranks while the rest is computed. */
int fd_gradients_sends(const fd_gradients *gradients);

/* The leaf is complete from this offset on; called with falling offsets, or not at all. */
void fd_gradients_ready(fd_gradients *gradients, size_t from);

/* Takes the leaf into the tree. */
void fd_gradients_add(fd_gradients *gradients);

/* After all leaves: sums over the ranks, the gradient on the device, the statistics on the host. Borrowed until the next
 * step. */
fd_status fd_gradients_finish(fd_gradients *gradients, float **sum, double **statistics) FD_MUST_CHECK;

#endif
