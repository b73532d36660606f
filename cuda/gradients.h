/* Gradients of the weights and biases of layers on the GPU. */
#ifndef FD_CUDA_GRADIENTS_H
#define FD_CUDA_GRADIENTS_H

#include "cuda/backend.h"

/* dw[out, in] = dy^T x, db[out] = column sums of dy; db may be NULL: no bias gradient. */
typedef struct fd_layer_gradients {
  int in, out;
  fd_mat x, dy;
  float *dw, *db;
} fd_layer_gradients;

/* The gradients of one layer, or of two layers with rows of the same type (second.out = 0: only one), over the rows of
 * `micro_batches` micro-batches: sums over chunks of rows, added in order within a micro-batch, then pairwise over the
 * micro-batches as in the gradient tree. */
void fd_cuda_layer_gradients(fd_cuda *cuda, int rows, int micro_batches, const fd_layer_gradients &first,
                             const fd_layer_gradients &second);

#endif
