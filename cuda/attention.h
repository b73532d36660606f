/* A call of attention on the GPU, and what all of its kernels know of queries and keys. */
#ifndef FD_CUDA_ATTENTION_H
#define FD_CUDA_ATTENTION_H

#include "cuda/matrix.h"

struct fd_attention_call {
  fd_attention a;
  const int *query_start, *key_start;
  const uint64_t *draws;
  int count;
  fd_mat q, k, v, y, dy, dq, dk, dv;
  const float *lse;
  float *lse_out, *delta;
};

/* Heads that a GPU takes: columns. */
enum { FD_ATTENTION_DIM = 128 };

/* Where a row of a sequence is, whose first row is `first`. */
__device__ inline int fd_attention_place(const int *position, int row, int first) {
  return position ? position[row] : row - first;
}

/* Blocks of `tile` rows of the longest sequence for each head, and sequences. */
dim3 fd_attention_grid(const fd_seqs *seqs, int heads, int tile);

/* attention_tensor.cu: whether it takes this call, and what it does then. */
int fd_attention_on_tensors(const fd_cuda *cuda, const fd_attention_call &c);
void fd_attention_tensor_forward(fd_cuda *cuda, const fd_seqs *queries, const fd_attention_call &c);
void fd_attention_tensor_backward(fd_cuda *cuda, const fd_seqs *queries, const fd_seqs *keys, const fd_attention_call &c);

#endif
