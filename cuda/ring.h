/* A ring of slots in shared memory through which a producer thread passes tiles to the warpgroups that multiply them, on GPUs of
 * compute capability 9.0.
 *
 * A block has three warpgroups: a producer, whose first thread copies, and two consumers. Blocks run in clusters of two, whose
 * producers may copy to both, so that what both need is read once. Every step fills a slot of BYTES bytes in each block of the
 * cluster. A slot has two mbarriers: `full` counts the bytes of both producers; at `empty` the warps of both blocks arrive when
 * they have finished multiplying, since a copy into a slot may write to both blocks. */
#ifndef FD_CUDA_RING_H
#define FD_CUDA_RING_H

#include "cuda/fragment.h"
#include "cuda/gpu.h"

enum {
  FD_RING_BLOCKS = 2,  /* blocks of a cluster */
  FD_RING_GROUP = 128, /* threads of a warpgroup */
  FD_RING_CONSUMERS = 2 * FD_RING_GROUP,
  FD_RING_THREADS = FD_RING_GROUP + FD_RING_CONSUMERS,
  FD_RING_START = 65536 / FD_RING_THREADS / 8 * 8, /* registers per thread at launch (tests/test_spills.sh) */
  FD_RING_FEW = 24,                                /* registers of a producer thread */
  FD_RING_MANY = 240                               /* of a consumer */
};
static_assert(FD_RING_GROUP * FD_RING_FEW + FD_RING_CONSUMERS * FD_RING_MANY <= FD_RING_THREADS * FD_RING_START,
              "setmaxnreg waits forever for registers that the block was not launched with");

template <int BYTES>
struct fd_ring {
  enum { MBARRIERS = FD_RING_SLOTS * BYTES, ALL = MBARRIERS + 2 * FD_RING_SLOTS * 8 /* bytes of shared memory */ };
  fd_address at;
  __device__ fd_address slot(int step) const { return at + fd_ring_slot(step) * BYTES; }
  __device__ fd_address full(int step) const { return at + MBARRIERS + fd_ring_slot(step) * 8; }
  __device__ fd_address empty(int step) const { return at + MBARRIERS + FD_RING_SLOTS * 8 + fd_ring_slot(step) * 8; }

  /* One thread initializes the ring; then the cluster must meet. */
  __device__ void open() const {
    for (int i = 0; i < FD_RING_SLOTS; i++) {
      fd_mbarrier_init(full(i), 1);
      fd_mbarrier_init(empty(i), FD_RING_BLOCKS * FD_RING_CONSUMERS / FD_WARP);
    }
    fd_mbarrier_publish();
  }

  /* The producer thread, before it copies: waits until the slot's previous step, if any, was released in both blocks, and
   * announces the bytes that both producers copy into this block's slot. */
  __device__ void reserve(int step) const {
    fd_mbarrier_wait(empty(step), fd_ring_parity(step) ^ 1);
    fd_mbarrier_expect(full(step), BYTES);
  }

  /* A consumer thread: waits until the step's slot is full. */
  __device__ void wait(int step) const { fd_mbarrier_wait(full(step), fd_ring_parity(step)); }

  /* Signals to both blocks that this consumer warp no longer reads the step's slot. */
  __device__ void release(int step) const {
    int lane = fd_thread_here() % FD_WARP;
    if (lane < FD_RING_BLOCKS) fd_mbarrier_arrive(empty(step), lane);
  }
};

#endif
