/* Sums of n terms on the GPU: every block adds terms of fixed places in a fixed order, then one block adds the blocks' sums. The
 * same bits on every GPU. */
#ifndef FD_CUDA_SUM_H
#define FD_CUDA_SUM_H

#include "cuda/backend.h"

enum { FD_SUM_THREADS = 256, FD_SUM_EACH = 16, FD_SUM_BLOCK = FD_SUM_THREADS * FD_SUM_EACH };

/* The block's sum, in thread 0: a binary tree over the threads. */
template <class T>
__device__ inline T fd_sum_block(T mine) {
  T *all = (T *)fd_shared();
  all[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned distance = FD_SUM_THREADS / 2; distance > 0; distance /= 2) {
    if (threadIdx.x < distance) all[threadIdx.x] += all[threadIdx.x + distance];
    __syncthreads();
  }
  return all[0];
}

template <class T, class F>
__global__ void fd_sum_terms(size_t n, F term, T *partial) {
  size_t first = (size_t)blockIdx.x * FD_SUM_BLOCK + threadIdx.x;
  T mine = 0;
  for (int i = 0; i < FD_SUM_EACH; i++) {
    size_t at = first + (size_t)i * FD_SUM_THREADS;
    if (at < n) mine += term(at);
  }
  T all = fd_sum_block(mine);
  if (threadIdx.x == 0) partial[blockIdx.x] = all;
}

template <class T>
__global__ void fd_sum_partial(int count, const T *partial, T *sum) {
  T mine = 0;
  for (int i = (int)threadIdx.x; i < count; i += FD_SUM_THREADS) mine += partial[i];
  T all = fd_sum_block(mine);
  if (threadIdx.x == 0) *sum = all;
}

/* *sum (on the device; NULL: a place that lasts until the next sum) = term(0) + ... + term(n - 1); returns it. */
template <class T, class F>
T *fd_sum(fd_cuda *cuda, size_t n, F term, T *sum) {
  unsigned blocks = fd_blocks(n, FD_SUM_BLOCK);
  T *partial = (T *)fd_cuda_scratch(cuda, FD_SLOT_SUMS, ((size_t)blocks + 1) * sizeof(T));
  if (!partial) return NULL;
  if (!sum) sum = partial + blocks;
  fd_launch(cuda, "the terms of a sum", fd_sum_terms<T, F>, dim3(blocks), FD_SUM_THREADS, FD_SUM_THREADS * sizeof(T), n, term,
            partial);
  fd_launch(cuda, "a sum", fd_sum_partial<T>, dim3(1), FD_SUM_THREADS, FD_SUM_THREADS * sizeof(T), (int)blocks, partial, sum);
  return sum;
}

#endif
