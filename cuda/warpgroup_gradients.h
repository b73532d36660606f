/* The gradients of a block's weights and biases with warpgroup instructions, on GPUs of compute capability 9.0: for hidden units
 * u, channels c and the tokens t of each chunk,
 *
 *   sum[u, c] = sum over t of a(t, u) b(t, c)
 *
 * where a and b are da and x for W1, g and dm for W2, whose gradient is therefore transposed; and, for a bias, the sums of da or
 * dm.
 *
 * A block of threads computes 128 units of all channels, so that each token's row of b is read once for two such tiles, those of
 * a cluster: each of its blocks copies its own units, and one half of the tokens of b to both. Copies of boxes bring 64 tokens a
 * step through a ring (ring.h); boxes that reach beyond a micro-batch are filled up with zeros. Clusters stay, and the first
 * tokens of the next tile arrive while the sums of this one are stored. Gradients of biases are products with ones: of 64 units
 * of a, or of 64 channels of b, of which each consumer warpgroup of all tiles has its own. */
#ifndef FD_CUDA_WARPGROUP_GRADIENTS_H
#define FD_CUDA_WARPGROUP_GRADIENTS_H

#include "cuda/product.h"
#include "cuda/ring.h"
#include "cuda/tensor_map.h"

enum {
  FD_SUMS_UNITS = 128,                                        /* of a block of threads; 64 of each consumer warpgroup */
  FD_SUMS_CHANNELS = 320,                                     /* at most */
  FD_SUMS_TOKENS = 64,                                        /* of a step */
  FD_SUMS_COLUMN_BYTES = FD_SUMS_TOKENS * FD_BOX_COLUMNS * 2, /* 64 columns of a step: two boxes */
  FD_SUMS_A_BYTES = FD_SUMS_UNITS / FD_BOX_COLUMNS * FD_SUMS_COLUMN_BYTES,
  FD_SUMS_SLOT_BYTES = FD_SUMS_A_BYTES + FD_SUMS_CHANNELS / FD_BOX_COLUMNS * FD_SUMS_COLUMN_BYTES,
  FD_SUMS_ONES_BYTES = 1024, /* 8 columns of ones, before the ring */
  FD_SUMS_SHARED = FD_SUMS_ONES_BYTES + fd_ring<FD_SUMS_SLOT_BYTES>::ALL
};
static_assert(FD_CHUNK_UNIT % FD_SUMS_TOKENS == 0, "a step has tokens of one chunk only");
static_assert(FD_SUMS_TOKENS == FD_RING_BLOCKS * FD_BOX_ROWS, "each block copies one box of 64 columns of b");
static_assert(4 * FD_RING_CONSUMERS == FD_SUMS_ONES_BYTES, "each consumer thread writes two of the ones");

/* One of the two products: its operands; the sums of each chunk, [units, stride]; and those for the bias, `biases` of
 * `bias_stride` numbers, or NULL. */
struct fd_sums_product {
  fd_tensor_map a, b;
  float *sums, *bias;
  int biases, bias_stride, bias_of_b; /* b is summed instead of a */
};

struct fd_sums {
  fd_sums_product of[2];
  fd_chunking chunks;
  int units, columns, pairs, tiles; /* columns of the sums; pairs of tiles of a product and chunk; pairs in all */
};

/* Pair of tiles n, and which of the two is this block's. */
struct fd_sums_tile {
  int product, unit, chunk, part, row, steps; /* its first unit; its micro-batch, and the first of its tokens there */
};

__device__ inline fd_sums_tile fd_sums_tile_of(const fd_sums &s, int n) {
  int pair = n % s.pairs, chunk = n / (2 * s.pairs), tokens = fd_chunk_end(s.chunks, chunk) - fd_chunk_begin(s.chunks, chunk);
  return {n / s.pairs % 2,
          (pair * FD_RING_BLOCKS + (int)blockIdx.x % FD_RING_BLOCKS) * FD_SUMS_UNITS,
          chunk,
          chunk / s.chunks.count,
          chunk % s.chunks.count * s.chunks.chunk,
          (tokens + FD_SUMS_TOKENS - 1) / FD_SUMS_TOKENS};
}

/* The producer thread: copies this block's units, and its half of the tokens of all channels to both blocks. */
__device__ inline void fd_sums_bring(const fd_sums &s, const fd_ring<FD_SUMS_SLOT_BYTES> &ring) {
  int rank = (int)blockIdx.x % FD_RING_BLOCKS, step = 0;
#pragma unroll 1
  for (int n = (int)blockIdx.x / FD_RING_BLOCKS; n < s.tiles; n += (int)gridDim.x / FD_RING_BLOCKS) {
    const fd_sums_tile tile = fd_sums_tile_of(s, n);
    const fd_sums_product &p = s.of[tile.product];
#pragma unroll 1
    for (int row = tile.row; row < tile.row + tile.steps * FD_SUMS_TOKENS; row += FD_SUMS_TOKENS, step++) {
      ring.reserve(step);
      fd_address slot = ring.slot(step), full = ring.full(step);
#pragma unroll
      for (int i = 0; i < FD_SUMS_A_BYTES / FD_BOX_BYTES; i++)
        fd_copy_box(slot + i * FD_BOX_BYTES, &p.a, tile.unit + i / 2 * FD_BOX_COLUMNS, row + i % 2 * FD_BOX_ROWS, tile.part, full,
                    1 << rank);
#pragma unroll
      for (int i = 0; i < FD_SUMS_CHANNELS / FD_BOX_COLUMNS; i++)
        fd_copy_box(slot + FD_SUMS_A_BYTES + i * FD_SUMS_COLUMN_BYTES + rank * FD_BOX_BYTES, &p.b, i * FD_BOX_COLUMNS,
                    row + rank * FD_BOX_ROWS, tile.part, full, (1 << FD_RING_BLOCKS) - 1);
    }
  }
}

/* Stores a warp's 16 rows of sums from `row` on, 16 bytes at a time: of two lanes with neighbouring pairs of two rows, the first
 * gets both pairs of the upper row, the second those of the lower. */
__device__ inline void fd_sums_store(const fd_sums &s, float *sums, int row, const float out[40][4]) {
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

struct fd_sums_bias {
  float *to;
  __device__ void row_sum(int row, float sum) const { to[row] = sum; }
};

/* A consumer thread's work on a tile: 64 units by all channels, and the sums of 64 units or channels. `step` is the tile's first.
 */
__device__ inline void fd_sums_multiply(const fd_sums &s, const fd_ring<FD_SUMS_SLOT_BYTES> &ring, const fd_sums_tile &tile,
                                        int step, fd_address ones) {
  const fd_sums_product &p = s.of[tile.product];
  int group = fd_uniform(fd_thread_here() / FD_RING_GROUP - 1), unit = tile.unit + group * FD_BOX_COLUMNS,
      sums_rows = p.bias && unit < p.biases,
      summed = sums_rows && p.bias_of_b ? FD_SUMS_A_BYTES + unit / FD_BOX_COLUMNS * FD_SUMS_COLUMN_BYTES
                                        : group * FD_SUMS_COLUMN_BYTES;
  uint64_t of_ones = fd_descriptor(fd_shared_offset(ones), 0, 0);
  float out[40][4] = {{0}}, bias[1][4] = {{0}};
#pragma unroll 1
  for (int end = step + tile.steps; step < end; step++) {
    ring.wait(step);
    uint64_t slot = fd_descriptor(fd_shared_offset(ring.slot(step)), 0, 1),
             a = fd_descriptor_on(slot, group * FD_SUMS_COLUMN_BYTES), b = fd_descriptor_on(slot, FD_SUMS_A_BYTES),
             from = fd_descriptor_on(slot, summed);
    fd_warpgroup_begin();
#pragma unroll
    for (int k = 0; k < FD_SUMS_TOKENS * 128; k += 16 * 128) { /* bytes of 16 tokens */
      uint64_t units = fd_descriptor_on(a, k);
      fd_warpgroup_multiply<true, true>(out, units, fd_descriptor_on(b, k));
      fd_warpgroup_multiply<true, true>(out + 16, units, fd_descriptor_on(b, k + 2 * FD_SUMS_COLUMN_BYTES));
      fd_warpgroup_multiply_64<true, true, true>(out + 32, units, fd_descriptor_on(b, k + 4 * FD_SUMS_COLUMN_BYTES));
      fd_warpgroup_multiply_8<true>(bias, fd_descriptor_on(from, k), of_ones);
    }
    fd_warpgroup_commit();
    fd_warpgroup_wait<0>(); /* meanwhile the other consumer warpgroup multiplies */
    ring.release(step);
  }
  int row = unit + fd_thread_here() % FD_RING_GROUP / FD_WARP * 16;
  fd_sums_store(s, p.sums + (int64_t)tile.chunk * s.units * s.columns, row, out);
  if (sums_rows) fd_put_row_sums(row, p.biases, bias[0], fd_sums_bias{p.bias + (int64_t)tile.chunk * p.bias_stride});
}

__global__ void __launch_bounds__(FD_RING_THREADS, 1) fd_product_group_sums(const __grid_constant__ fd_sums s) {
  fd_address ones = fd_shared_address();
  const fd_ring<FD_SUMS_SLOT_BYTES> ring = {ones + FD_SUMS_ONES_BYTES};
  if (threadIdx.x == 0) ring.open();
  if (threadIdx.x >= FD_RING_GROUP) fd_store_pair(ones + 4 * ((int)threadIdx.x - FD_RING_GROUP), FD_ONES);
  fd_warpgroup_publish();
  fd_cluster_arrive();
  fd_cluster_wait();
  if (threadIdx.x < FD_RING_GROUP) {
    fd_registers_give<FD_RING_FEW>();
    if (threadIdx.x == 0) fd_sums_bring(s, ring);
  } else {
    fd_registers_take<FD_RING_MANY>();
    int step = 0;
#pragma unroll 1
    for (int n = (int)blockIdx.x / FD_RING_BLOCKS; n < s.tiles; n += (int)gridDim.x / FD_RING_BLOCKS) {
      const fd_sums_tile tile = fd_sums_tile_of(s, n);
      fd_sums_multiply(s, ring, tile, step, ones);
      step += tile.steps;
    }
  }
  fd_cluster_arrive();
  fd_cluster_wait(); /* the other block may still arrive at this one's mbarriers */
}

/* Pairs of tiles for so many hidden units. */
static inline int fd_sums_pairs(int units) { return (int)fd_blocks((size_t)units, FD_RING_BLOCKS * FD_SUMS_UNITS); }

/* Whether the kernel computes the gradients of a block: narrower ones would multiply mostly padding, and each 64 channels need a
 * consumer warpgroup that sums them. */
static inline int fd_sums_fit(const fd_cuda *cuda, fd_mat x, int units, int channels) {
  return cuda->products == FD_PRODUCTS_WARPGROUP && cuda->shared_limit >= FD_SUMS_SHARED && x.type == FD_BF16 &&
         channels > FD_SUMS_CHANNELS / 2 && channels <= FD_SUMS_CHANNELS &&
         channels <= fd_sums_pairs(units) * FD_RING_BLOCKS * FD_SUMS_UNITS;
}

/* Computes both products of a block with so many units. `columns` of the sums are a multiple of four, with padding. */
static inline void fd_sums_of(fd_cuda *cuda, const fd_sums_product &w2, const fd_sums_product &w1, fd_chunking chunks, int units,
                              int columns) {
  int pairs = fd_sums_pairs(units), tiles = 2 * pairs * chunks.micro_batches * chunks.count,
      most = cuda->multiprocessors / FD_RING_BLOCKS,
      clusters = tiles < most ? tiles
                 : most > 1   ? most
                              : 1;
  fd_start(cuda, cuda->stream, "gradients of a block by warpgroups", fd_product_group_sums,
           dim3((unsigned)(clusters * FD_RING_BLOCKS)), FD_RING_BLOCKS, FD_RING_THREADS, FD_SUMS_SHARED,
           fd_sums{{w2, w1}, chunks, units, columns, pairs, tiles});
}

#endif
