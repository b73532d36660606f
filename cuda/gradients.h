/* Gradients of the weights and biases of layers on the GPU. */
#ifndef FD_CUDA_GRADIENTS_H
#define FD_CUDA_GRADIENTS_H

#include "cuda/backend.h"

/* dw[out, in] = dy^T x, db[out] = column sums of dy; db NULL: none. */
typedef struct fd_layer_gradients {
  int in, out;
  fd_mat x, dy;
  float *dw, *db;
} fd_layer_gradients;

/* Those of one layer, or of two whose rows have one type (an `out` of 0: there is no second), over the rows of `micro_batches`
 * micro-batches: sums over chunks, then those of a micro-batch in order, then those of the micro-batches as the tree of gradients
 * adds them. */
void fd_cuda_layer_gradients(fd_cuda *cuda, int rows, int micro_batches, const fd_layer_gradients &first,
                             const fd_layer_gradients &second);

#endif
