/* Matrix products with an epilogue: c[i, j] = sum over k of a(i, k) b(j, k), handed to the epilogue. A transposed operand is
 * stored as [k, i] or [k, j]. The sum over k has a fixed order. A launch computes one product, or two of a kind: then the tiles
 * of the second follow those of the first, k is divided into chunks, one for each blockIdx.z, and the epilogue gets each chunk's
 * sum.
 *
 * Two versions have the same interface: one on tensor cores for bf16 (tiles of 128 x 128, four stages of asynchronous copies),
 * and a plain one in fp32 for any type. The plain version calls epilogue(row, column, sum) for four columns. On tensor cores a
 * thread has the same columns of several rows, and calls
 *
 * - begin(part, thread, threads, table): once, before a barrier; may store FD_TABLE numbers for each row in shared memory.
 * - go(place, part, column, table): before E::COLUMNS (4 or 8) columns from `column` on. Stores in `place` what the thread keeps
 *   for these columns, and returns whether read and finish process them; if not, epilogue(row, column, sum) is called.
 * - read(place, row): returns what the epilogue reads of a row. The reads of several rows are in flight together.
 * - finish(place, what was read, row, sum).
 *
 * If both operands are transposed (a gradient of weights), the tiles of the first columns also sum a over k, which is the
 * gradient of a bias, if epilogue.sums_rows(); epilogue.row_sum(row, sum) gets it.
 */
#ifndef FD_CUDA_PRODUCT_H
#define FD_CUDA_PRODUCT_H

#include "cuda/fragment.h"
#include "cuda/gelu.h"
#include "cuda/matrix.h"

typedef struct fd_product_shape {
  int rows, columns, depth; /* i, j, k; columns is a multiple of four, and padding columns are sums of zeros */
  int b_rows;               /* rows of b if it is not transposed; all rows after them count as zero */
} fd_product_shape;

/* What a launch computes. */
template <class E>
struct fd_product_one {
  fd_mat a, b;
  fd_product_shape s;
  E epilogue;
};

template <class E>
struct fd_product_two {
  fd_product_one<E> first, second;
  int tiles;          /* of the first product */
  fd_chunking chunks; /* of k, in both products */
};

/* The work of a block: one of the launch's products, the tile of it, and the range of k. */
template <class E>
__device__ inline fd_product_one<E> fd_product_mine(const fd_product_one<E> &only, int *tile, int *begin, int *end) {
  *tile = (int)blockIdx.x, *begin = 0, *end = only.s.depth;
  return only;
}

template <class E>
__device__ inline fd_product_one<E> fd_product_mine(const fd_product_two<E> &both, int *tile, int *begin, int *end) {
  fd_product_one<E> mine = both.first;
  *tile = (int)blockIdx.x, *begin = fd_chunk_begin(both.chunks, (int)blockIdx.z),
  *end = fd_chunk_end(both.chunks, (int)blockIdx.z);
  if (*tile >= both.tiles) mine = both.second, *tile -= both.tiles;
  return mine;
}

/* The plain version: 64 x 64 elements per block, 4 x 4 per thread. */
enum { FD_PLAIN_TILE = 64, FD_PLAIN_K = 16, FD_PLAIN_LINE = FD_PLAIN_TILE + 4, FD_PLAIN_THREADS = 256 };

template <bool T>
__device__ inline void fd_plain_load(fd_mat m, int first, int count, int k0, int k_end, float *tile) {
  for (int n = (int)threadIdx.x; n < FD_PLAIN_TILE * FD_PLAIN_K; n += FD_PLAIN_THREADS) {
    int i = T ? n % FD_PLAIN_TILE : n / FD_PLAIN_K, k = T ? n / FD_PLAIN_TILE : n % FD_PLAIN_K;
    int inside = first + i < count && k0 + k < k_end;
    tile[k * FD_PLAIN_LINE + i] = inside ? T ? fd_get(m, k0 + k, first + i) : fd_get(m, first + i, k0 + k) : 0;
  }
}

template <bool A_T, bool B_T, class P>
__global__ void __launch_bounds__(FD_PLAIN_THREADS) fd_product_plain(P products) {
  float *tile_a = (float *)fd_shared(), *tile_b = tile_a + FD_PLAIN_K * FD_PLAIN_LINE, sum[4][4] = {{0}}, row_sum[4] = {0};
  int tile, begin, end;
  const auto [a, b, s, epilogue] = fd_product_mine(products, &tile, &begin, &end);
  int across = (s.columns + FD_PLAIN_TILE - 1) / FD_PLAIN_TILE;
  int row0 = tile / across * FD_PLAIN_TILE, column0 = tile % across * FD_PLAIN_TILE;
  int row = (int)threadIdx.x / 16 * 4, column = (int)threadIdx.x % 16 * 4;
  for (int k0 = begin; k0 < end; k0 += FD_PLAIN_K) {
    fd_plain_load<A_T>(a, row0, s.rows, k0, end, tile_a);
    fd_plain_load<B_T>(b, column0, B_T ? b.stride : s.b_rows, k0, end, tile_b);
    __syncthreads();
    for (int k = 0; k < FD_PLAIN_K; k++)
      for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++)
          sum[i][j] = fmaf(tile_a[k * FD_PLAIN_LINE + row + i], tile_b[k * FD_PLAIN_LINE + column + j], sum[i][j]);
        row_sum[i] += tile_a[k * FD_PLAIN_LINE + row + i];
      }
    __syncthreads();
  }
  if constexpr (A_T && B_T)
    for (int i = 0; i < 4; i++)
      if (column0 + column == 0 && row0 + row + i < s.rows && epilogue.sums_rows()) epilogue.row_sum(row0 + row + i, row_sum[i]);
  for (int i = 0; i < 4; i++)
    if (row0 + row + i < s.rows && column0 + column < s.columns) epilogue(row0 + row + i, column0 + column, sum[i]);
}

/* The tensor-core version. */
enum {
  FD_TILE = 128,
  FD_TILE_K = 32,
  FD_TILE_STAGES = 4,
  FD_TILE_THREADS = 256, /* 8 warps of 64 x 32 elements: 2 down, 4 across */
  FD_TILE_BYTES = FD_TILE * FD_TILE_K * 2,
  FD_TILE_LINE = FD_TILE + 8, /* floats of a row of sums in shared memory (fd_line_at) */
  FD_TABLE = 12,              /* numbers per row that an epilogue may store after the sums */
  FD_EPILOGUE_AHEAD = 8,      /* most rows whose reads an epilogue has in flight */
  FD_TILE_FINISH = FD_TILE * (FD_TILE_LINE + FD_TABLE) * 4,
  FD_TILE_SHARED = FD_TILE_FINISH > 2 * FD_TILE_STAGES *FD_TILE_BYTES ? FD_TILE_FINISH : 2 * FD_TILE_STAGES *FD_TILE_BYTES
};

/* Starts the copies of one operand's tile: 128 rows of 32 k or, transposed, 32 rows (k) of 128. */
template <bool T>
__device__ inline void fd_tile_copy(fd_mat m, int first, int count, int k0, int k_end, fd_address tile) {
  const int units = T ? FD_TILE / 8 : FD_TILE_K / 8;
  for (int n = (int)threadIdx.x; n < FD_TILE * FD_TILE_K / 8; n += FD_TILE_THREADS) {
    int r = n / units, u = n % units, row = (T ? k0 : first) + r, column = (T ? first : k0) + u * 8;
    int inside = row < (T ? k_end : count) && column < m.stride;
    const uint16_t *from = (const uint16_t *)m.at + (inside ? (int64_t)row * m.stride + column : 0);
    fd_copy16(tile + 16 * fd_swizzle(r, u, units), from, inside);
  }
}

/* Loads the fragment of 16 rows (or columns) by 16 k from a tile with UNITS pieces per row, transposed or not. The registers are
 * in the order of A's fragments; as fragments of B, columns 0-7 are in r[0] and r[2], columns 8-15 in r[1] and r[3]. */
template <bool T, int UNITS>
__device__ inline void fd_fragment(fd_address tile, int first, int k, uint32_t r[4]) {
  int lane = (int)threadIdx.x % FD_WARP;
  if (T) {
    uint32_t t[4];
    fd_load_transposed(t, tile + 16 * fd_swizzle(k + fd_load_row(lane), first / 8 + fd_load_unit(lane), UNITS));
    r[0] = t[0], r[1] = t[2], r[2] = t[1], r[3] = t[3];
  } else {
    fd_load_matrices(r, tile + 16 * fd_swizzle(first + fd_load_row(lane), k / 8 + fd_load_unit(lane), UNITS));
  }
}

template <bool A_T, bool B_T>
__device__ inline void fd_tile_multiply(fd_address tile_a, fd_address tile_b, int row, int column, float sum[4][4][4]) {
#pragma unroll
  for (int k = 0; k < FD_TILE_K; k += 16) {
    uint32_t a[4][4], b[2][4];
#pragma unroll
    for (int i = 0; i < 4; i++) fd_fragment<A_T, (A_T ? FD_TILE : FD_TILE_K) / 8>(tile_a, row + 16 * i, k, a[i]);
#pragma unroll
    for (int j = 0; j < 2; j++) fd_fragment<B_T, (B_T ? FD_TILE : FD_TILE_K) / 8>(tile_b, column + 16 * j, k, b[j]);
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const uint32_t pair[2] = {b[j / 2][j % 2], b[j / 2][j % 2 + 2]};
        fd_multiply(sum[i][j], a[i], pair);
      }
  }
}

/* Sums over k as a product with ones, which reads a from shared memory once more, and nothing from global memory. */
enum { FD_ONES = 0x3f803f80 /* two bf16 */ };

/* sum += the sum over the tile's k of 16 rows of a, in all eight columns of the fragment. */
template <bool A_T>
__device__ inline void fd_tile_sum_rows(fd_address tile_a, int row, float sum[4]) {
  const uint32_t ones[2] = {FD_ONES, FD_ONES};
#pragma unroll
  for (int k = 0; k < FD_TILE_K; k += 16) {
    uint32_t a[4];
    fd_fragment<A_T, (A_T ? FD_TILE : FD_TILE_K) / 8>(tile_a, row, k, a);
    fd_multiply(sum, a, ones);
  }
}

/* Hands the row sums of a fragment, whose columns are equal, to the epilogue. */
template <class E>
__device__ inline void fd_put_row_sums(int row, int rows, const float sum[4], const E &epilogue) {
  int lane = (int)threadIdx.x % FD_WARP;
  for (int e = 0; e < 4; e += 2)
    if (lane % 4 == 0 && row + fd_c_row(lane, e) < rows) epilogue.row_sum(row + fd_c_row(lane, e), sum[e]);
}

/* Stores the sums of a fragment, eight columns from `column` on, in shared memory for the epilogue. */
template <int LINE>
__device__ inline void fd_put_sums(float *lines, int lane, int row, int column, const float sum[4]) {
#pragma unroll
  for (int e = 0; e < 4; e += 2)
    *(float2 *)(lines + (row + fd_c_row(lane, e)) * LINE + fd_line_at(column + fd_c_column(lane, e))) =
        make_float2(sum[e], sum[e + 1]);
}

/* Part of a result: `down` rows and `across` columns from row0 and column0 on, clipped to the result's `rows` and `columns`. */
typedef struct fd_part {
  int row0, column0, down, across, rows, columns;
} fd_part;

FD_BOTH constexpr int fd_common_divisor(int a, int b) { return b ? fd_common_divisor(b, a % b) : a; }

/* Hands the sums of a part of ROWS x COLUMNS to the epilogue, with THREADS threads. Each thread processes E::COLUMNS columns of
 * every `step`-th row, in as many passes (`ways`) as all columns need. */
template <int THREADS, int ROWS, int COLUMNS, int LINE, class E>
__device__ inline void fd_finish(int thread, const fd_part &part, const float *lines, const E &epilogue) {
  const int pieces = COLUMNS / E::COLUMNS, ways = pieces / fd_common_divisor(pieces, THREADS), step = THREADS * ways / pieces,
            some = ROWS / step < FD_EPILOGUE_AHEAD ? ROWS / step : FD_EPILOGUE_AHEAD;
  static_assert(ROWS % (step * some) == 0, "whole steps");
#pragma unroll 1
  for (int way = 0; way < ways; way++) {
    int n = way * THREADS + thread, first = n / pieces, c = n % pieces * E::COLUMNS, rows = part.rows - part.row0;
    if (part.column0 + c >= part.columns) continue;
    typename E::place place;
    if (!epilogue.go(place, part, part.column0 + c, (const int *)(lines + ROWS * LINE))) {
#pragma unroll 1
      for (int r = first; r < ROWS && r < rows; r += step)
        for (int j = 0; j < E::COLUMNS; j += 4)
          epilogue(part.row0 + r, part.column0 + c + j, lines + r * LINE + fd_line_at(c + j));
      continue;
    }
#pragma unroll 1
    for (int r = first; r < ROWS; r += step * some) {
      typename E::ahead before[some];
#pragma unroll
      for (int i = 0; i < some; i++)
        if (r + i * step < rows) before[i] = epilogue.read(place, part.row0 + r + i * step);
#pragma unroll
      for (int i = 0; i < some; i++) {
        if (r + i * step >= rows) continue;
        float sum[E::COLUMNS];
#pragma unroll
        for (int j = 0; j < E::COLUMNS; j += 4) {
          float4 x = *(const float4 *)(lines + (r + i * step) * LINE + fd_line_at(c + j));
          sum[j] = x.x, sum[j + 1] = x.y, sum[j + 2] = x.z, sum[j + 3] = x.w;
        }
        epilogue.finish(place, before[i], part.row0 + r + i * step, sum);
      }
    }
  }
}

/* Hands a tile's sums to the epilogue once they are in `lines`. */
template <class E>
__device__ inline void fd_tile_finish(int row0, int column0, fd_product_shape s, float *lines, const E &epilogue) {
  fd_part part = {row0, column0, FD_TILE, FD_TILE, s.rows, s.columns};
  epilogue.begin(part, (int)threadIdx.x, FD_TILE_THREADS, (int *)(lines + FD_TILE * FD_TILE_LINE));
  __syncthreads();
  fd_finish<FD_TILE_THREADS, FD_TILE, FD_TILE, FD_TILE_LINE>((int)threadIdx.x, part, lines, epilogue);
}

template <bool A_T, bool B_T, class P>
__global__ void __launch_bounds__(FD_TILE_THREADS, 2) fd_product_tensor(P products) {
  fd_address shared = fd_shared_address();
  int tile, begin, end;
  const auto [a, b, s, epilogue] = fd_product_mine(products, &tile, &begin, &end);
  int across = (s.columns + FD_TILE - 1) / FD_TILE, row0 = tile / across * FD_TILE, column0 = tile % across * FD_TILE;
  int warp = (int)threadIdx.x / FD_WARP, row = warp % 2 * 64, column = warp / 2 * 32;
  int summed_row = row + column / 2; /* the 16 rows that this warp sums */
  float sum[4][4][4] = {{{0}}}, row_sum[4] = {0};
  int steps = (end - begin + FD_TILE_K - 1) / FD_TILE_K, sums_rows = 0;
  if constexpr (A_T && B_T) sums_rows = column0 == 0 && epilogue.sums_rows();
  for (int n = 0; n < FD_TILE_STAGES - 1 + steps; n++) {
    int done = n - (FD_TILE_STAGES - 1); /* the step that is multiplied while step n is copied */
    if (done >= 0) {
      fd_copy_wait<FD_TILE_STAGES - 2>();
      __syncthreads(); /* after this the stage for step n, multiplied one step ago, is free */
    }
    if (n < steps) {
      fd_address stage = shared + n % FD_TILE_STAGES * 2 * FD_TILE_BYTES;
      fd_tile_copy<A_T>(a, row0, s.rows, begin + n * FD_TILE_K, end, stage);
      fd_tile_copy<B_T>(b, column0, s.b_rows, begin + n * FD_TILE_K, end, stage + FD_TILE_BYTES);
    }
    fd_copy_commit();
    if (done >= 0) {
      fd_address stage = shared + done % FD_TILE_STAGES * 2 * FD_TILE_BYTES;
      fd_tile_multiply<A_T, B_T>(stage, stage + FD_TILE_BYTES, row, column, sum);
      if (A_T && B_T && sums_rows) fd_tile_sum_rows<A_T>(stage, summed_row, row_sum);
    }
  }
  fd_copy_wait<0>();
  __syncthreads();
  if constexpr (A_T && B_T)
    if (sums_rows) fd_put_row_sums(row0 + summed_row, s.rows, row_sum, epilogue);
  float *lines = (float *)fd_shared(); /* the sums pass through shared memory, so that the epilogue works on whole rows */
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
      fd_put_sums<FD_TILE_LINE>(lines, (int)threadIdx.x % FD_WARP, row + 16 * i, column + 8 * j, sum[i][j]);
  fd_tile_finish(row0, column0, s, lines, epilogue);
}

/* The warpgroup version: two warpgroups of 64 rows each, whose instructions read both operands from shared memory, in steps of 64
 * k. */
enum {
  FD_WARPGROUP_K = 64,
  FD_WARPGROUP_STAGES = 3,
  FD_WARPGROUP_BYTES = FD_TILE * FD_WARPGROUP_K * 2, /* of an operand's tile: 1024-byte atoms of 8 rows of 128 bytes */
  FD_WARPGROUP_ONES = 2 * FD_WARPGROUP_STAGES * FD_WARPGROUP_BYTES, /* offset of 8 columns of ones: an atom */
  FD_WARPGROUP_SHARED = FD_WARPGROUP_ONES + 1024
};
static_assert(4 * +FD_TILE_THREADS == 1024, "each thread writes two of the ones");
static_assert(+FD_TILE_FINISH <= +FD_WARPGROUP_SHARED, "the sums reuse the memory of the tiles");

/* Starts the copies of one operand's tile: 128 rows of 64 k or, transposed, two blocks of 64 rows (k) by 64 columns. */
template <bool T>
__device__ inline void fd_warpgroup_copy(fd_mat m, int first, int count, int k0, int k_end, fd_address tile) {
  for (int n = (int)threadIdx.x; n < FD_TILE * FD_WARPGROUP_K / 8; n += FD_TILE_THREADS) {
    int r = n / 8, u = n % 8, row = T ? k0 + r % FD_WARPGROUP_K : first + r,
        column = (T ? first + r / FD_WARPGROUP_K * 64 : k0) + u * 8;
    int inside = row < (T ? k_end : count) && column < m.stride;
    fd_copy16(tile + 16 * fd_swizzle(r, u, 8), (const uint16_t *)m.at + (inside ? (int64_t)row * m.stride + column : 0), inside);
  }
}

/* sum += a[64, 16] b[16, 128] in one instruction or, if SHAPE is 64 (a not transposed), in two of 64 columns. */
template <bool A_T, bool B_T, int SHAPE>
__device__ inline void fd_warpgroup_multiply_tile(float sum[16][4], uint64_t a, uint64_t b) {
  if constexpr (SHAPE == 64) {
    static_assert(!A_T, "no product of this shape has a transposed a");
    fd_warpgroup_multiply_64<true, false, B_T>(sum, a, b);
    fd_warpgroup_multiply_64<true, false, B_T>(sum + 8, a, fd_descriptor_on(b, FD_WARPGROUP_BYTES / 2));
  } else {
    fd_warpgroup_multiply<A_T, B_T>(sum, a, b);
  }
}

/* SHAPE is the number of columns of an instruction, on which the bits of the result may depend: 128, or 64 as in the chain of
 * warpgroup_chain.h. */
template <bool A_T, bool B_T, int SHAPE, class P>
__global__ void __launch_bounds__(FD_TILE_THREADS, 2) fd_product_group(P products) {
  fd_address shared = fd_shared_address();
  int tile, begin, end;
  const auto [a, b, s, epilogue] = fd_product_mine(products, &tile, &begin, &end);
  int across = (s.columns + FD_TILE - 1) / FD_TILE, row0 = tile / across * FD_TILE, column0 = tile % across * FD_TILE;
  int group = (int)threadIdx.x / 128, row = (int)threadIdx.x / FD_WARP * 16;
  float sum[16][4] = {{0}}, row_sum[1][4] = {{0}};
  int steps = (end - begin + FD_WARPGROUP_K - 1) / FD_WARPGROUP_K, sums_rows = 0;
  if constexpr (A_T && B_T) sums_rows = column0 == 0 && epilogue.sums_rows();
  if (sums_rows) fd_store_pair(shared + FD_WARPGROUP_ONES + 4 * (int)threadIdx.x, FD_ONES);
  for (int n = 0; n < FD_WARPGROUP_STAGES - 1 + steps; n++) {
    int done = n - (FD_WARPGROUP_STAGES - 1); /* the step that is multiplied while step n is copied */
    if (done >= 0) {
      fd_copy_wait<FD_WARPGROUP_STAGES - 2>();
      fd_warpgroup_publish();
      fd_warpgroup_wait<0>();
      __syncthreads(); /* after this the stage for step n, multiplied one step ago, is free */
    }
    if (n < steps) {
      fd_address stage = shared + n % FD_WARPGROUP_STAGES * 2 * FD_WARPGROUP_BYTES;
      fd_warpgroup_copy<A_T>(a, row0, s.rows, begin + n * FD_WARPGROUP_K, end, stage);
      fd_warpgroup_copy<B_T>(b, column0, s.b_rows, begin + n * FD_WARPGROUP_K, end, stage + FD_WARPGROUP_BYTES);
    }
    fd_copy_commit();
    if (done >= 0) {
      uint32_t stage = fd_shared_offset(shared) + (uint32_t)(done % FD_WARPGROUP_STAGES) * 2 * FD_WARPGROUP_BYTES;
      fd_warpgroup_begin();
#pragma unroll
      for (int k = 0; k < FD_WARPGROUP_K; k += 16)
        fd_warpgroup_multiply_tile<A_T, B_T, SHAPE>(sum, fd_descriptor(stage + (uint32_t)group * FD_WARPGROUP_BYTES / 2, k, A_T),
                                                    fd_descriptor(stage + FD_WARPGROUP_BYTES, k, B_T));
      fd_warpgroup_commit();
      if (A_T && B_T && sums_rows) {
        fd_warpgroup_begin();
        uint64_t ones = fd_descriptor(fd_shared_offset(shared) + FD_WARPGROUP_ONES, 0, 0);
#pragma unroll
        for (int k = 0; k < FD_WARPGROUP_K; k += 16)
          fd_warpgroup_multiply_8<A_T>(row_sum, fd_descriptor(stage + (uint32_t)group * FD_WARPGROUP_BYTES / 2, k, A_T), ones);
        fd_warpgroup_commit();
      }
    }
  }
  fd_warpgroup_wait<0>();
  fd_copy_wait<0>();
  __syncthreads();
  if constexpr (A_T && B_T)
    if (sums_rows) fd_put_row_sums(row0 + row, s.rows, row_sum[0], epilogue);
  float *lines = (float *)fd_shared();
#pragma unroll
  for (int j = 0; j < 16; j++) fd_put_sums<FD_TILE_LINE>(lines, (int)threadIdx.x % FD_WARP, row, 8 * j, sum[j]);
  fd_tile_finish(row0, column0, s, lines, epilogue);
}

static inline int fd_product_plainly(const fd_cuda *cuda, fd_mat a, fd_mat b) {
  return cuda->products == FD_PRODUCTS_PLAIN || !fd_in_pieces(a) || !fd_in_pieces(b);
}

/* The number of tiles of a product. */
static inline int fd_product_tiles(fd_product_shape s, int plain) {
  int tile = plain ? (int)FD_PLAIN_TILE : (int)FD_TILE;
  return (s.rows + tile - 1) / tile * ((s.columns + tile - 1) / tile);
}

template <bool A_T, bool B_T, int SHAPE, class P>
void fd_product_launch(fd_cuda *cuda, int plain, dim3 grid, P products) {
  if (plain)
    fd_launch(cuda, "a plain product", fd_product_plain<A_T, B_T, P>, grid, FD_PLAIN_THREADS,
              2 * FD_PLAIN_K * FD_PLAIN_LINE * sizeof(float), products);
  else if (cuda->products == FD_PRODUCTS_WARPGROUP)
    fd_launch(cuda, "a product of warpgroups", fd_product_group<A_T, B_T, SHAPE, P>, grid, FD_TILE_THREADS, FD_WARPGROUP_SHARED,
              products);
  else fd_launch(cuda, "a product", fd_product_tensor<A_T, B_T, P>, grid, FD_TILE_THREADS, FD_TILE_SHARED, products);
}

/* SHAPE: columns of the warpgroup instruction. */
template <bool A_T, bool B_T, int SHAPE = 128, class E>
void fd_product(fd_cuda *cuda, fd_mat a, fd_mat b, fd_product_shape s, E epilogue) {
  int plain = fd_product_plainly(cuda, a, b);
  fd_product_launch<A_T, B_T, SHAPE>(cuda, plain, dim3((unsigned)fd_product_tiles(s, plain)),
                                     fd_product_one<E>{a, b, s, epilogue});
}

/* Two products in one launch; the operands of both have the same type. */
template <bool A_T, bool B_T, class E>
void fd_product_pair(fd_cuda *cuda, const fd_product_one<E> &first, const fd_product_one<E> &second, fd_chunking chunks) {
  int plain = fd_product_plainly(cuda, first.a, first.b), tiles = fd_product_tiles(first.s, plain);
  dim3 grid((unsigned)(tiles + fd_product_tiles(second.s, plain)), 1, (unsigned)(chunks.micro_batches * chunks.count));
  fd_product_launch<A_T, B_T, 128>(cuda, plain, grid, fd_product_two<E>{first, second, tiles, chunks});
}

#endif
