/* The gradients of a ChordMixer block's weights and biases with warpgroup instructions, on GPUs of compute capability 9.0: for
 * hidden units u, channels c and the tokens t of each chunk,
 *
 *   W1:  sum[u, c] = sum over t of da(t, u) x(t, c)       bias: sum over t of da(t, u)
 *   W2:  sum[u, c] = sum over t of g(t, u) dm(t, c)       bias: sum over t of dm(t, c)
 *
 * in the names of mixer.cu; the sums of W2 are those of its transpose. Below, a is da or g, and b is x or dm.
 *
 * A thread block computes a tile of 128 units by all channels. The two blocks of a cluster have neighbouring tiles, which need
 * the same b: each block copies its own columns of a for itself, and one half of the tokens of b for both. The copies bring 64
 * tokens a step, in boxes (gpu.h), through a ring (ring.h); boxes that reach beyond a micro-batch are filled up with zeros. The
 * kernel is persistent: each cluster computes many pairs of tiles, and the first tokens of the next pair arrive while the sums of
 * this one are stored.
 *
 * A bias is a product with ones. Each consumer warpgroup sums 64 columns: its own of da or, of dm, the n-th 64 channels for the
 * n-th 64 units; where there are more units than channels, some sum nothing. */
#ifndef FD_CUDA_WARPGROUP_GRADIENTS_H
#define FD_CUDA_WARPGROUP_GRADIENTS_H

#include "cuda/product.h"
#include "cuda/ring.h"
#include "cuda/tensor_map.h"

enum {
  FD_WEIGHT_SUMS_UNITS = 128,    /* of a block of threads; 64 of each consumer warpgroup */
  FD_WEIGHT_SUMS_CHANNELS = 320, /* at most */
  FD_WEIGHT_SUMS_TOKENS = 64,    /* of a step */
  FD_WEIGHT_SUMS_BLOCK_BYTES = FD_WEIGHT_SUMS_TOKENS * FD_BOX_COLUMNS * 2, /* 64 columns of a step: two boxes */
  FD_WEIGHT_SUMS_A_BYTES = FD_WEIGHT_SUMS_UNITS / FD_BOX_COLUMNS * FD_WEIGHT_SUMS_BLOCK_BYTES,
  FD_WEIGHT_SUMS_SLOT_BYTES = FD_WEIGHT_SUMS_A_BYTES + FD_WEIGHT_SUMS_CHANNELS / FD_BOX_COLUMNS * FD_WEIGHT_SUMS_BLOCK_BYTES,
  FD_WEIGHT_SUMS_ONES_BYTES = 1024, /* 8 columns of ones, before the ring */
  FD_WEIGHT_SUMS_SHARED = FD_WEIGHT_SUMS_ONES_BYTES + fd_ring<FD_WEIGHT_SUMS_SLOT_BYTES>::ALL
};
static_assert(FD_CHUNK_UNIT % FD_WEIGHT_SUMS_TOKENS == 0, "a step has tokens of one chunk only");
static_assert(FD_WEIGHT_SUMS_TOKENS == FD_RING_BLOCKS * FD_BOX_ROWS, "each block copies one box of 64 columns of b");
static_assert(+FD_WEIGHT_SUMS_BLOCK_BYTES == +FD_BLOCK_STRIDE, "what fd_descriptor expects of transposed operands");
static_assert(4 * FD_RING_CONSUMERS == FD_WEIGHT_SUMS_ONES_BYTES, "each consumer thread writes two of the ones");

/* One of the two products: its operands; the sums of each chunk, [chunks, units, columns]; and those for its bias, [chunks,
 * bias_stride], of which the first `biases` are computed, or NULL. */
struct fd_weight_sums_product {
  fd_tensor_map a, b;
  float *sums, *bias;
  int biases, bias_stride, bias_of_b; /* the bias sums b, not a */
};

struct fd_weight_sums {
  fd_weight_sums_product product[2];
  fd_chunking chunks;
  int units, columns; /* of the sums */
  int pairs;          /* of tiles, of one product and chunk */
  int all_pairs;      /* of both products and all chunks */
};

/* This block's tile of a pair. */
struct fd_weight_sums_tile {
  int product, chunk;
  int unit;             /* its first */
  int micro_batch, row; /* where its tokens begin */
  int steps;
};

/* This block's tile of pair n: the pairs of a chunk follow each other, because they read the same tokens. */
__device__ inline fd_weight_sums_tile fd_weight_sums_tile_of(const fd_weight_sums &s, int n) {
  int pair = n % s.pairs, chunk = n / (2 * s.pairs), tokens = fd_chunk_end(s.chunks, chunk) - fd_chunk_begin(s.chunks, chunk);
  return {n / s.pairs % 2,
          chunk,
          (pair * FD_RING_BLOCKS + (int)blockIdx.x % FD_RING_BLOCKS) * FD_WEIGHT_SUMS_UNITS,
          chunk / s.chunks.count,
          chunk % s.chunks.count * s.chunks.chunk,
          (tokens + FD_WEIGHT_SUMS_TOKENS - 1) / FD_WEIGHT_SUMS_TOKENS};
}

/* The producer thread: copies this block's units, and its half of the tokens of all channels to both blocks. */
__device__ inline void fd_weight_sums_bring(const fd_weight_sums &s, const fd_ring<FD_WEIGHT_SUMS_SLOT_BYTES> &ring) {
  int rank = (int)blockIdx.x % FD_RING_BLOCKS, step = 0;
#pragma unroll 1
  for (int n = (int)blockIdx.x / FD_RING_BLOCKS; n < s.all_pairs; n += (int)gridDim.x / FD_RING_BLOCKS) {
    const fd_weight_sums_tile tile = fd_weight_sums_tile_of(s, n);
    const fd_weight_sums_product &p = s.product[tile.product];
#pragma unroll 1
    for (int row = tile.row; row < tile.row + tile.steps * FD_WEIGHT_SUMS_TOKENS; row += FD_WEIGHT_SUMS_TOKENS, step++) {
      ring.reserve(step);
      fd_address slot = ring.slot(step), full = ring.full(step);
#pragma unroll
      for (int i = 0; i < FD_WEIGHT_SUMS_A_BYTES / FD_BOX_BYTES; i++)
        fd_copy_box(slot + i * FD_BOX_BYTES, &p.a, tile.unit + i / 2 * FD_BOX_COLUMNS, row + i % 2 * FD_BOX_ROWS,
                    tile.micro_batch, full, 1 << rank);
#pragma unroll
      for (int i = 0; i < FD_WEIGHT_SUMS_CHANNELS / FD_BOX_COLUMNS; i++)
        fd_copy_box(slot + FD_WEIGHT_SUMS_A_BYTES + i * FD_WEIGHT_SUMS_BLOCK_BYTES + rank * FD_BOX_BYTES, &p.b,
                    i * FD_BOX_COLUMNS, row + rank * FD_BOX_ROWS, tile.micro_batch, full, (1 << FD_RING_BLOCKS) - 1);
    }
  }
}

/* Stores a warp's 16 rows of sums from `row` on, 16 bytes at a time: of two lanes with neighbouring pairs of two rows, the first
 * gets both pairs of the upper row, the second those of the lower. */
__device__ inline void fd_weight_sums_store(const fd_weight_sums &s, float *sums, int row, const float out[40][4]) {
  int lane = fd_thread_here() % FD_WARP, lower = lane % 2, column = fd_c_column(lane, 0) / 4 * 4;
  row += fd_c_row(lane, 2 * lower);
  float *to = sums + (int64_t)row * s.columns;
#pragma unroll
  for (int j = 0; j < 40; j++, column += 8) {
    float mine[2], other[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      mine[i] = lower ? out[j][2 + i] : out[j][i];
      other[i] = __shfl_xor_sync(0xffffffffu, lower ? out[j][i] : out[j][2 + i], 1);
    }
    if (row < s.units && column < s.columns)
      *(float4 *)(to + column) =
          lower ? make_float4(other[0], other[1], mine[0], mine[1]) : make_float4(mine[0], mine[1], other[0], other[1]);
  }
}

struct fd_weight_sums_bias {
  float *to;
  __device__ void row_sum(int row, float sum) const { to[row] = sum; }
};

/* A consumer warpgroup's products: 64 units of a, a block of shared memory at byte `units` of each slot, by all channels; and, if
 * BIAS, the sums of the 64 columns at byte `summed`. */
template <bool BIAS>
__device__ inline void fd_weight_sums_multiply(const fd_ring<FD_WEIGHT_SUMS_SLOT_BYTES> &ring, int step, int steps, int units,
                                               int summed, uint64_t ones, float out[40][4], float bias[1][4]) {
#pragma unroll 1
  for (int end = step + steps; step < end; step++) {
    ring.wait(step);
    uint64_t slot = fd_descriptor(fd_shared_offset(ring.slot(step)), 0, 1), a = fd_descriptor_on(slot, units),
             b = fd_descriptor_on(slot, FD_WEIGHT_SUMS_A_BYTES), from = fd_descriptor_on(slot, summed);
    fd_warpgroup_begin();
#pragma unroll
    for (int k = 0; k < FD_WEIGHT_SUMS_BLOCK_BYTES; k += FD_WEIGHT_SUMS_BLOCK_BYTES / 4) { /* 16 tokens */
      fd_warpgroup_multiply_256<true, true>(out, fd_descriptor_on(a, k), fd_descriptor_on(b, k));
      fd_warpgroup_multiply_64<true, true, true>(out + 32, fd_descriptor_on(a, k),
                                                 fd_descriptor_on(b, k + 4 * FD_WEIGHT_SUMS_BLOCK_BYTES));
      if constexpr (BIAS) fd_warpgroup_multiply_8<true>(bias, fd_descriptor_on(from, k), ones);
    }
    fd_warpgroup_commit();
    fd_warpgroup_wait<0>(); /* meanwhile the other consumer warpgroup multiplies */
    ring.release(step);
  }
}

/* A consumer thread's work on a tile, whose first step is `step`. */
__device__ inline void fd_weight_sums_consume(const fd_weight_sums &s, const fd_ring<FD_WEIGHT_SUMS_SLOT_BYTES> &ring,
                                              const fd_weight_sums_tile &tile, int step, fd_address ones) {
  const fd_weight_sums_product &p = s.product[tile.product];
  int group = fd_uniform(fd_thread_here() / FD_RING_GROUP - 1), unit = tile.unit + group * FD_BOX_COLUMNS,
      units = group * FD_WEIGHT_SUMS_BLOCK_BYTES, row = unit + fd_thread_here() % FD_RING_GROUP / FD_WARP * 16;
  int summed = p.bias_of_b ? FD_WEIGHT_SUMS_A_BYTES + unit / FD_BOX_COLUMNS * FD_WEIGHT_SUMS_BLOCK_BYTES : units;
  uint64_t of_ones = fd_descriptor(fd_shared_offset(ones), 0, 0);
  float out[40][4] = {{0}}, bias[1][4] = {{0}};
  if (p.bias && unit < p.biases) {
    fd_weight_sums_multiply<true>(ring, step, tile.steps, units, summed, of_ones, out, bias);
    fd_put_row_sums(row, p.biases, bias[0], fd_weight_sums_bias{p.bias + (int64_t)tile.chunk * p.bias_stride});
  } else {
    fd_weight_sums_multiply<false>(ring, step, tile.steps, units, 0, of_ones, out, bias);
  }
  fd_weight_sums_store(s, p.sums + (int64_t)tile.chunk * s.units * s.columns, row, out);
}

__global__ void __launch_bounds__(FD_RING_THREADS, 1) fd_product_group_weights(const __grid_constant__ fd_weight_sums s) {
  fd_address ones = fd_shared_address();
  const fd_ring<FD_WEIGHT_SUMS_SLOT_BYTES> ring = {ones + FD_WEIGHT_SUMS_ONES_BYTES};
  if (threadIdx.x == 0) ring.open();
  if (threadIdx.x >= FD_RING_GROUP) fd_store_pair(ones + 4 * ((int)threadIdx.x - FD_RING_GROUP), FD_ONES);
  fd_warpgroup_publish();
  fd_cluster_arrive();
  fd_cluster_wait();
  if (threadIdx.x < FD_RING_GROUP) {
    fd_registers_give<FD_RING_FEW>();
    if (threadIdx.x == 0) fd_weight_sums_bring(s, ring);
  } else {
    fd_registers_take<FD_RING_MANY>();
    int step = 0;
#pragma unroll 1
    for (int n = (int)blockIdx.x / FD_RING_BLOCKS; n < s.all_pairs; n += (int)gridDim.x / FD_RING_BLOCKS) {
      const fd_weight_sums_tile tile = fd_weight_sums_tile_of(s, n);
      fd_weight_sums_consume(s, ring, tile, step, ones);
      step += tile.steps;
    }
  }
  fd_cluster_arrive();
  fd_cluster_wait(); /* the other block may still arrive at this one's mbarriers */
}

/* Pairs of tiles for so many hidden units. */
static inline int fd_weight_sums_pairs(int units) { return (int)fd_blocks((size_t)units, FD_RING_BLOCKS * FD_WEIGHT_SUMS_UNITS); }

/* Whether the kernel computes the gradients of a block: narrower ones would multiply mostly padding, and each 64 channels need a
 * consumer warpgroup that sums them. */
static inline int fd_weight_sums_fit(const fd_cuda *cuda, int units, int channels) {
  return cuda->products == FD_PRODUCTS_WARPGROUP && cuda->shared_limit >= FD_WEIGHT_SUMS_SHARED &&
         channels > FD_WEIGHT_SUMS_CHANNELS / 2 && channels <= FD_WEIGHT_SUMS_CHANNELS &&
         channels <= fd_weight_sums_pairs(units) * FD_RING_BLOCKS * FD_WEIGHT_SUMS_UNITS;
}

/* Computes both products of a block with so many units. `columns` of the sums are a multiple of four, with padding. */
static inline void fd_weight_sums_launch(fd_cuda *cuda, const fd_weight_sums_product &w2, const fd_weight_sums_product &w1,
                                         fd_chunking chunks, int units, int columns) {
  int pairs = fd_weight_sums_pairs(units), all_pairs = 2 * pairs * chunks.micro_batches * chunks.count;
  fd_start(cuda, cuda->stream, "gradients of a block by warpgroups", fd_product_group_weights,
           dim3(fd_clusters(cuda, FD_RING_BLOCKS, all_pairs) * FD_RING_BLOCKS), FD_RING_BLOCKS, FD_RING_THREADS,
           FD_WEIGHT_SUMS_SHARED, fd_weight_sums{{w2, w1}, chunks, units, columns, pairs, all_pairs});
}

#endif
