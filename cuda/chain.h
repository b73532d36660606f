/* Two products in one kernel, the second of what an epilogue makes of the first: the middle values stay on the chip.
 *
 *   s[i, j] = sum over c of a(i, c) first(j, c);   m = middle(s);   out[i, c] = sum over j of m(i, j) second(c, j)
 *
 * for rows i of up to FD_CHAIN_WIDTH channels c and any number of hidden units j. Forward the matrices are [j, c] and [c, j];
 * backward (`T`) they are stored transposed. A block has 128 rows; hidden units come in chunks of 64, whose weights pass through
 * three slots of shared memory in four parts: the first product over either half of c, then the second over either half of the
 * chunk.
 */
#ifndef FD_CUDA_CHAIN_H
#define FD_CUDA_CHAIN_H

#include "cuda/product.h"

enum {
  FD_CHAIN_ROWS = FD_TILE_ROWS,
  FD_CHAIN_WIDTH = 320,
  FD_CHAIN_HIDDEN = 64,   /* hidden units of a chunk */
  FD_CHAIN_THREADS = 256, /* 8 warps: 4 down of 32 rows, 2 across of half the columns */
  FD_CHAIN_SLOTS = 3,
  FD_CHAIN_PART = FD_CHAIN_HIDDEN * FD_CHAIN_WIDTH / 2, /* weights of a part: elements of a slot */
  FD_CHAIN_A_BYTES = FD_CHAIN_ROWS * FD_CHAIN_WIDTH * 2,
  FD_CHAIN_M_BYTES = FD_CHAIN_ROWS * FD_CHAIN_HIDDEN * 2,
  FD_CHAIN_SHARED = FD_CHAIN_A_BYTES + FD_CHAIN_M_BYTES + FD_CHAIN_SLOTS * FD_CHAIN_PART * 2,
  FD_CHAIN_HALF = FD_CHAIN_WIDTH / 2,
  FD_CHAIN_LINE = FD_CHAIN_HALF + 4 /* floats of a row of sums on their way out */
};

typedef struct fd_chain_shape {
  int rows, width, hidden; /* as stored: with padding */
  int channels;            /* rows of the matrix stored by channels */
  int units;               /* rows of the matrix stored by hidden units */
} fd_chain_shape;

/* Starts the copies of a tile of `units` pieces a row: rows row0 .. of m, of which there are `count`, from a column on. */
template <int ROWS, int UNITS>
__device__ inline void fd_chain_copy(fd_mat m, int row0, int count, int column0, fd_address tile) {
  const uint16_t *from = (const uint16_t *)m.at + (int64_t)row0 * m.stride + column0;
  int rows = count - row0;
#pragma unroll 1
  for (int n = (int)threadIdx.x; n < ROWS * UNITS; n += FD_CHAIN_THREADS) {
    int r = n / UNITS, u = n % UNITS, inside = r < rows && column0 + u * 8 < m.stride;
    fd_copy16(tile + 16 * fd_swizzle(r, u, UNITS), from + r * m.stride + u * 8, inside); /* what is outside is not read */
  }
}

/* The weights of one part into its slot. */
template <bool T>
__device__ inline void fd_chain_part(fd_mat first, fd_mat second, fd_chain_shape s, int step, fd_address slots) {
  fd_address slot = slots + step % FD_CHAIN_SLOTS * FD_CHAIN_PART * 2;
  int unit = step / 4 * FD_CHAIN_HIDDEN, half = step % 2;
  if (step % 4 < 2) {
    if (T) fd_chain_copy<FD_CHAIN_HALF, FD_CHAIN_HIDDEN / 8>(first, half * FD_CHAIN_HALF, s.channels, unit, slot);
    else fd_chain_copy<FD_CHAIN_HIDDEN, FD_CHAIN_HALF / 8>(first, unit, s.units, half * FD_CHAIN_HALF, slot);
  } else {
    unit += half * FD_CHAIN_HIDDEN / 2;
    if (T) fd_chain_copy<FD_CHAIN_HIDDEN / 2, FD_CHAIN_WIDTH / 8>(second, unit, s.units, 0, slot);
    else fd_chain_copy<FD_CHAIN_WIDTH, FD_CHAIN_HIDDEN / 16>(second, 0, s.channels, unit, slot);
  }
}

/* Waits for the weights of a step, starts the copies of those two steps on, and says where the step's are. */
template <bool T>
__device__ inline fd_address fd_chain_next(fd_mat first, fd_mat second, fd_chain_shape s, int step, int steps, fd_address slots) {
  fd_copy_wait<FD_CHAIN_SLOTS - 2>();
  __syncthreads(); /* and the slot of two steps on, which was multiplied one step ago, is free */
  if (step + FD_CHAIN_SLOTS - 1 < steps) fd_chain_part<T>(first, second, s, step + FD_CHAIN_SLOTS - 1, slots);
  fd_copy_commit();
  return slots + step % FD_CHAIN_SLOTS * FD_CHAIN_PART * 2;
}

/* sum[2][2 PAIRS] += 32 rows of a tile (from its piece `a_unit` on) times the slot's columns, over k. */
template <bool T, int A_UNITS, int K, int B_UNITS, int PAIRS>
__device__ inline void fd_chain_multiply(fd_address a, int row, int a_unit, fd_address b, int column,
                                         float (*sum)[2 * PAIRS][4]) {
#pragma unroll 1
  for (int k = 0; k < K; k += 16) {
    uint32_t x[2][4];
#pragma unroll
    for (int i = 0; i < 2; i++) fd_fragment<false, A_UNITS>(a, row + 16 * i, a_unit * 8 + k, x[i]);
#pragma unroll
    for (int j = 0; j < PAIRS; j++) {
      uint32_t w[4];
      fd_fragment<T, B_UNITS>(b, column + 16 * j, k, w);
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int side = 0; side < 2; side++) {
          const uint32_t pair[2] = {w[side], w[side + 2]};
          fd_multiply(sum[i][2 * j + side], x[i], pair);
        }
    }
  }
}

/* The chunk's sums through `middle`, as bf16 into the tile of the second product. Outside the matrix they are sums of zeros, and
 * stay zero. */
template <class M>
__device__ inline void fd_chain_middle(const M &middle, int row0, int unit0, fd_chain_shape s, float sum[2][4][4],
                                       fd_address tile) {
  int warp = (int)threadIdx.x / FD_WARP, lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int e = 0; e < 4; e += 2) {
        int row = warp % 4 * 32 + 16 * i + fd_c_row(lane, e), column = warp / 4 * 32 + 8 * j + fd_c_column(lane, e);
        float *pair = sum[i][j] + e;
        if (row0 + row < s.rows && unit0 + column < s.hidden)
          middle(row0 + row, unit0 + column, middle.read(row0 + row, unit0 + column, 1), pair);
        fd_store_pair(tile + 16 * fd_swizzle(row, column / 8, FD_CHAIN_HIDDEN / 8) + column % 8 * 2,
                      fd_bf16_pair(pair[0], pair[1]));
      }
}

template <bool T, class M, class E>
__global__ void __launch_bounds__(FD_CHAIN_THREADS, 1)
    fd_product_chain(fd_mat a, fd_mat first, fd_mat second, fd_chain_shape s, M middle, E epilogue) {
  fd_address tile_a = fd_shared_address(), tile_m = tile_a + FD_CHAIN_A_BYTES, slots = tile_m + FD_CHAIN_M_BYTES;
  int row0 = (int)blockIdx.x * FD_CHAIN_ROWS, warp = (int)threadIdx.x / FD_WARP, lane = (int)threadIdx.x % FD_WARP;
  int row = warp % 4 * 32, across = warp / 4, steps = (s.hidden + FD_CHAIN_HIDDEN - 1) / FD_CHAIN_HIDDEN * 4;
  float out[2][20][4] = {{{0}}};
  fd_chain_copy<FD_CHAIN_ROWS, FD_CHAIN_WIDTH / 8>(a, row0, s.rows, 0, tile_a);
  for (int step = 0; step < FD_CHAIN_SLOTS - 1; step++) {
    fd_chain_part<T>(first, second, s, step, slots);
    fd_copy_commit();
  }
#pragma unroll 1
  for (int step = 0; step < steps; step += 4) { /* a chunk; its sums live in the first two parts alone */
    float sum[2][4][4] = {{{0}}};
#pragma unroll
    for (int part = 0; part < 4; part++) {
      fd_address slot = fd_chain_next<T>(first, second, s, step + part, steps, slots);
      if (part < 2)
        fd_chain_multiply<T, FD_CHAIN_WIDTH / 8, FD_CHAIN_HALF, (T ? FD_CHAIN_HIDDEN : FD_CHAIN_HALF) / 8, 2>(
            tile_a, row, part * FD_CHAIN_HALF / 8, slot, across * 32, sum);
      else
        fd_chain_multiply<T, FD_CHAIN_HIDDEN / 8, FD_CHAIN_HIDDEN / 2, (T ? FD_CHAIN_WIDTH : FD_CHAIN_HIDDEN / 2) / 8, 10>(
            tile_m, row, (part - 2) * FD_CHAIN_HIDDEN / 16, slot, across * FD_CHAIN_HALF, out);
      if (part == 1) fd_chain_middle(middle, row0, step / 4 * FD_CHAIN_HIDDEN, s, sum, tile_m);
    }
  }
  fd_copy_wait<0>();
  float *lines =
      (float *)fd_shared(); /* either half of the sums passes through shared memory: the epilogue works on whole rows */
  for (int half = 0; half < 2; half++) {
    __syncthreads();
    if (across == half) {
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 20; j++)
#pragma unroll
          for (int e = 0; e < 4; e++)
            lines[(row + 16 * i + fd_c_row(lane, e)) * FD_CHAIN_LINE + 8 * j + fd_c_column(lane, e)] = out[i][j][e];
    }
    __syncthreads();
#pragma unroll 1
    for (int n = (int)threadIdx.x; n < FD_CHAIN_ROWS * FD_CHAIN_HALF / 4; n += FD_CHAIN_THREADS) {
      int r = n / (FD_CHAIN_HALF / 4), c = n % (FD_CHAIN_HALF / 4) * 4, column = half * FD_CHAIN_HALF + c;
      if (row0 + r < s.rows && column < s.width) epilogue(row0 + r, column, lines + r * FD_CHAIN_LINE + c);
    }
  }
}

/* Whether such a block is worth the chain: it always computes FD_CHAIN_WIDTH channels. */
static inline int fd_chain_fits(const fd_cuda *cuda, fd_mat a) {
  return cuda->products == FD_PRODUCTS_CHAIN && cuda->shared_limit >= FD_CHAIN_SHARED && a.type == FD_BF16 &&
         a.stride <= FD_CHAIN_WIDTH && a.stride > FD_CHAIN_HALF;
}

template <bool T, class M, class E>
void fd_chain(fd_cuda *cuda, fd_mat a, fd_mat first, fd_mat second, fd_chain_shape s, M middle, E epilogue) {
  fd_launch(cuda, "a chain of products", fd_product_chain<T, M, E>, dim3(fd_blocks((size_t)s.rows, FD_CHAIN_ROWS)),
            FD_CHAIN_THREADS, FD_CHAIN_SHARED, a, first, second, s, middle, epilogue);
}

#endif
