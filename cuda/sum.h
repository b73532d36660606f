/* Sums of n terms on the GPU: each block adds a fixed set of terms in a fixed order, then one block adds the blocks' sums, so
 * that the bits are the same on every GPU. */
#ifndef FD_CUDA_SUM_H
#define FD_CUDA_SUM_H

#include "cuda/backend.h"
#include "cuda/fragment.h"

enum { FD_SUM_THREADS = 256, FD_SUM_MANY = 16, FD_TREE_LEVELS = 7 };
static_assert(1 << (FD_TREE_LEVELS - 1) == FD_MICRO_BATCHES_MAX, "a level for every bit of the number of a micro-batch");

/* leaf(0) + ... + leaf(micro_batches - 1), added pairwise as in the gradient tree; `micro_batches` is a power of two. */
template <class T, class F>
__device__ inline T fd_sum_micro_batches(int micro_batches, F leaf) {
  T level[FD_TREE_LEVELS] = {}, sum = {}; /* level[i]: the sum of a complete subtree of 2^i micro-batches */
#pragma unroll 1
  for (int p = 0; p < micro_batches; p++) {
    int open = 1;
    sum = leaf(p);
#pragma unroll
    for (int i = 0; i < FD_TREE_LEVELS; i++) {
      if (open && (p >> i & 1)) sum = level[i] + sum;
      else if (open) level[i] = sum, open = 0;
    }
  }
  return sum;
}

/* The sum of the partial sums of chunks of rows, stored `distance` apart: in order within a micro-batch, then over the
 * micro-batches. */
__device__ inline float fd_sum_chunks(fd_chunking c, const float *partial, int64_t distance) {
  return fd_sum_micro_batches<float>(c.micro_batches, [=](int p) {
    float sum = 0;
    for (int i = 0; i < c.count; i++) sum += partial[((int64_t)p * c.count + i) * distance];
    return sum;
  });
}

/* The sum over the block's threads as a binary tree, returned in thread 0 only. */
template <class T>
__device__ inline T fd_sum_block(T mine) {
  T *all = (T *)fd_shared();
  all[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned distance = FD_SUM_THREADS / 2; distance > 0; distance /= 2) {
    if (threadIdx.x < distance) all[threadIdx.x] += all[threadIdx.x + distance];
    __syncthreads();
  }
  return threadIdx.x == 0 ? all[0] : 0;
}

template <int EACH, class T, class F>
__global__ void fd_sum_terms(size_t n, F term, T *partial) {
  size_t first = (size_t)blockIdx.x * FD_SUM_THREADS * EACH + threadIdx.x, part = blockIdx.y;
  T mine = 0;
  for (int i = 0; i < EACH; i++) {
    size_t at = first + (size_t)i * FD_SUM_THREADS;
    if (at < n) mine += term(part * n + at);
  }
  T all = fd_sum_block(mine);
  if (threadIdx.x == 0) partial[part * gridDim.x + blockIdx.x] = all;
}

template <class T>
__global__ void fd_sum_partial(int count, int micro_batches, const T *partial, T *sum) {
  T all = fd_sum_micro_batches<T>(micro_batches, [=](int p) {
    T mine = 0;
    for (int i = (int)threadIdx.x; i < count; i += FD_SUM_THREADS) mine += partial[(int64_t)p * count + i];
    return fd_sum_block(mine);
  });
  if (threadIdx.x == 0) *sum = all;
}

/* *sum = term(0) + ... + term(n - 1), added within each of `micro_batches` equal parts first. Returns `sum`, which is in device
 * memory (NULL: scratch memory that is valid until the next sum), or NULL after a failure. A thread adds EACH terms: FD_SUM_MANY
 * if they are cheap, one if it is a loss. */
template <class T, int EACH, class F>
T *fd_sum(fd_cuda *cuda, size_t n, int micro_batches, F term, T *sum) {
  unsigned blocks = fd_blocks(n / (size_t)micro_batches, FD_SUM_THREADS * EACH);
  size_t all = (size_t)blocks * (size_t)micro_batches;
  T *partial = (T *)fd_cuda_scratch(cuda, FD_SLOT_SUMS, (all + 1) * sizeof(T));
  if (!partial) return NULL;
  if (!sum) sum = partial + all;
  fd_launch(cuda, "the terms of a sum", fd_sum_terms<EACH, T, F>, dim3(blocks, (unsigned)micro_batches), FD_SUM_THREADS,
            FD_SUM_THREADS * sizeof(T), n / (size_t)micro_batches, term, partial);
  fd_launch(cuda, "a sum", fd_sum_partial<T>, dim3(1), FD_SUM_THREADS, FD_SUM_THREADS * sizeof(T), (int)blocks, micro_batches,
            partial, sum);
  return sum;
}

/* The sum over a warp; every lane receives it. */
template <class T>
__device__ inline T fd_warp_sum(T x) {
  for (int distance = FD_WARP / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}

#endif
