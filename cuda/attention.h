/* The arguments of an attention call on the GPU, and what its kernels share. */
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

/* The most columns per head that the kernels support. */
enum { FD_ATTENTION_DIM = 128 };

/* The position of a row in its sequence, whose first row is `first`. */
__device__ inline int fd_attention_place(const int *position, int row, int first) {
  return position ? position[row] : row - first;
}

/* A grid of blocks of `tile` rows: x covers the longest sequence for every head, y the sequences. */
dim3 fd_attention_grid(const fd_seqs *seqs, int heads, int tile);

/* attention_tensor.cu: whether its kernels support this call, and the call's two passes on them. */
int fd_attention_on_tensors(const fd_cuda *cuda, const fd_attention_call &c);
void fd_attention_tensor_forward(fd_cuda *cuda, const fd_seqs *queries, const fd_attention_call &c);
void fd_attention_tensor_backward(fd_cuda *cuda, const fd_seqs *queries, const fd_seqs *keys, const fd_attention_call &c);

#endif
