/* Two products in one kernel, the second of values computed from the first: these middle values stay on the SM.
 *
 *   s[i, j] = sum over c of a(i, c) first(j, c);   m = middle(s);   out[i, c] = sum over j of m(i, j) second(c, j)
 *
 * for rows i, brought by an object of their own (fd_chain_rows), of up to FD_CHAIN_WIDTH channels c and any number of hidden
 * units j. In the forward pass the matrices are stored as [j, c] and [c, j], in the backward pass (`T`) transposed. A block
 * computes 128 rows; hidden units are processed in chunks of 64, whose weights are prefetched into three slots of shared memory
 * in four parts: for the first product over each half of c, then for the second over each half of the chunk.
 */
#ifndef FD_CUDA_CHAIN_H
#define FD_CUDA_CHAIN_H

#include "cuda/product.h"

enum {
  FD_CHAIN_ROWS = FD_TILE_ROWS,
  FD_CHAIN_WIDTH = 320,
  FD_CHAIN_HIDDEN = 64,   /* hidden units of a chunk */
  FD_CHAIN_THREADS = 256, /* 8 warps: 4 down, of 32 rows, by 2 across, of half the columns */
  FD_CHAIN_SLOTS = 3,
  FD_CHAIN_PART = FD_CHAIN_HIDDEN * FD_CHAIN_WIDTH / 2, /* elements of a slot: the weights of a part */
  FD_CHAIN_A_BYTES = FD_CHAIN_ROWS * FD_CHAIN_WIDTH * 2,
  FD_CHAIN_M_BYTES = FD_CHAIN_ROWS * FD_CHAIN_HIDDEN * 2,
  FD_CHAIN_SHARED = FD_CHAIN_A_BYTES + FD_CHAIN_M_BYTES + FD_CHAIN_SLOTS * FD_CHAIN_PART * 2,
  FD_CHAIN_HALF = FD_CHAIN_WIDTH / 2,
  FD_CHAIN_LINE = FD_CHAIN_HALF + 8 /* stride of the rows of sums in shared memory, floats (fd_line_at) */
};

typedef struct fd_chain_shape {
  int rows, width, hidden; /* as stored: with padding */
  int channels;            /* rows of the matrix whose rows are channels */
  int units;               /* rows of the matrix whose rows are hidden units */
} fd_chain_shape;
static_assert(FD_CHAIN_ROWS * +FD_TABLE * 4 <= +FD_CHAIN_M_BYTES, "the table lies where the middle values will be");

/* How the rows of a come into shared memory: as they are stored. Other ways have the same members:
 *
 *   LOOKS_UP                               whether look_up has anything to do; then a barrier follows it
 *   look_up(row0, thread, threads, table)  may store FD_TABLE numbers for each of the block's rows
 *   bring(row0, thread, threads, table, place)   starts asynchronous copies; place(row, piece): the address of 16 bytes
 *   keep(row0, thread, threads, place)     called when the thread's copies have landed
 *
 * A block's rows begin at row0; rows and columns outside of a are zero. */
struct fd_chain_rows {
  fd_mat a;
  int rows;
  enum { LOOKS_UP = 0 };
  __device__ void look_up(int, int, int, int *) const {}
  template <class P>
  __device__ void bring(int row0, int thread, int threads, const int *, const P &place) const {
    const uint16_t *from = (const uint16_t *)a.at + (int64_t)row0 * a.stride;
#pragma unroll 1
    for (int n = thread; n < FD_CHAIN_ROWS * FD_CHAIN_WIDTH / 8; n += threads) {
      int r = n / (FD_CHAIN_WIDTH / 8), u = n % (FD_CHAIN_WIDTH / 8), inside = row0 + r < rows && u * 8 < a.stride;
      fd_copy16(place(r, u), from + (inside ? r * a.stride + u * 8 : 0), inside);
    }
  }
  template <class P>
  __device__ void keep(int, int, int, const P &) const {}
};

/* Where the rows are in the kernel below. */
struct fd_chain_row_place {
  fd_address tile;
  __device__ fd_address operator()(int row, int piece) const { return tile + 16 * fd_swizzle(row, piece, FD_CHAIN_WIDTH / 8); }
};

/* Starts the asynchronous copies of a tile of UNITS pieces per row: rows of m (`count` in all) from row0, column0 on. */
template <int ROWS, int UNITS>
__device__ inline void fd_chain_copy(fd_mat m, int row0, int count, int column0, fd_address tile) {
  const uint16_t *from = (const uint16_t *)m.at + (int64_t)row0 * m.stride + column0;
  int rows = count - row0;
#pragma unroll 1
  for (int n = (int)threadIdx.x; n < ROWS * UNITS; n += FD_CHAIN_THREADS) {
    int r = n / UNITS, u = n % UNITS, inside = r < rows && column0 + u * 8 < m.stride;
    fd_copy16(tile + 16 * fd_swizzle(r, u, UNITS), from + r * m.stride + u * 8, inside); /* outside m nothing is read */
  }
}

/* Starts the copies of a step's weights, one part of a chunk, into their slot. */
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

/* Waits for the weights of a step, starts the copies for two steps ahead, and returns the address of the step's weights. */
template <bool T>
__device__ inline fd_address fd_chain_next(fd_mat first, fd_mat second, fd_chain_shape s, int step, int steps, fd_address slots) {
  fd_copy_wait<FD_CHAIN_SLOTS - 2>();
  __syncthreads(); /* and the slot for two steps ahead, which was read one step ago, is free */
  if (step + FD_CHAIN_SLOTS - 1 < steps) fd_chain_part<T>(first, second, s, step + FD_CHAIN_SLOTS - 1, slots);
  fd_copy_commit();
  return slots + step % FD_CHAIN_SLOTS * FD_CHAIN_PART * 2;
}

/* sum[2][2 PAIRS] += 32 rows of tile a (from piece `a_unit` on) times the slot's columns, summed over k. */
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

/* A middle turns the sums of the first product into the operand of the second. In a row, a lane holds one pair of sums of each
 * fragment; `middle` receives the pairs of four fragments, 32 columns, at a time. Its members:
 *
 *   columns(pair)              values that depend on the columns only; the lane's first pair is columns pair, pair + 1
 *   read(row, piece, inside)   values loaded from the row itself, before the sums are ready
 *   operator()                 the middle values in bf16, from (row, piece, inside, columns, read, sums)
 *
 * It loads and stores one piece of 16 bytes of a row per lane, from column `piece` on: the lanes of a quad exchange their pairs
 * for this (fd_transpose). `inside` says whether the matrix contains that piece; all lanes make the calls. */
enum { FD_MIDDLE = 4, FD_MIDDLE_COLUMNS = 8 * FD_MIDDLE };

/* Transposes pairs within each quad of lanes: pair j of lane q becomes pair q of lane j. */
__device__ inline fd_piece<8> fd_transpose(fd_piece<8> p) {
#pragma unroll
  for (int distance = 1; distance < 4; distance *= 2) {
    int upper = (int)threadIdx.x & distance;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (i & distance) continue;
      fd_bf16x2 theirs = __shfl_xor_sync(0xffffffffu, upper ? p.pair[i] : p.pair[i + distance], distance);
      p.pair[i] = upper ? theirs : p.pair[i];
      p.pair[i + distance] = upper ? p.pair[i + distance] : theirs;
    }
  }
  return p;
}

/* A thread's share of a chunk: the first of its rows, which are 8 apart, and the first column of its warp, pairs and piece. */
typedef struct fd_chain_share {
  int row, across, pair, piece;
} fd_chain_share;
__device__ inline fd_chain_share fd_chain_share_here() {
  int thread = fd_thread_here(), across = thread / FD_WARP / 4 * FD_MIDDLE_COLUMNS;
  return {thread / FD_WARP % 4 * 32 + fd_c_row(thread % FD_WARP, 0), across, across + thread % 4 * 2, across + thread % 4 * 8};
}

/* Loads what `middle` reads of two rows of a chunk, from row number `first` of the thread on: the first two rows are prefetched
 * before their sums are ready (there are no registers for more). */
template <class M>
__device__ inline void fd_chain_read(const M &middle, int row0, int unit0, fd_chain_shape s, int first,
                                     typename M::ahead before[4]) {
  const fd_chain_share mine = fd_chain_share_here();
#pragma unroll
  for (int n = first; n < first + 2; n++) {
    int row = row0 + mine.row + 8 * n;
    before[n] = middle.read(row, unit0 + mine.piece, row < s.rows && unit0 + mine.piece < s.hidden);
  }
}

/* Passes the chunk's sums through `middle` into the tile of the second product. Columns outside the matrix are sums of zeros and
 * stay zero; `middle` stores nothing for rows outside it. */
template <class M>
__device__ inline void fd_chain_middle(const M &middle, int row0, int unit0, fd_chain_shape s, typename M::ahead before[4],
                                       const float sum[2][4][4], fd_address tile) {
  const fd_chain_share mine = fd_chain_share_here();
  fd_chain_read(middle, row0, unit0, s, 2, before);
#pragma unroll
  for (int n = 0; n < 4; n++) {
    const typename M::of_columns columns = middle.columns(unit0 + mine.pair); /* again for each row, to save registers */
    int row = mine.row + 8 * n, inside = row0 + row < s.rows && unit0 + mine.piece < s.hidden;
    float sums[FD_MIDDLE][2];
#pragma unroll
    for (int j = 0; j < FD_MIDDLE; j++) sums[j][0] = sum[n / 2][j][n % 2 * 2], sums[j][1] = sum[n / 2][j][n % 2 * 2 + 1];
    fd_piece<8> values = middle(row0 + row, unit0 + mine.piece, inside, columns, before[n], sums);
#pragma unroll
    for (int j = 0; j < FD_MIDDLE; j++)
      fd_store_pair(tile + 16 * fd_swizzle(row, mine.across / 8 + j, FD_CHAIN_HIDDEN / 8) + mine.pair % 8 * 2, values.pair[j]);
  }
}

template <bool T, class R, class M, class E>
__global__ void __launch_bounds__(FD_CHAIN_THREADS, 1)
    fd_product_chain(R rows, fd_mat first, fd_mat second, fd_chain_shape s, M middle, E epilogue) {
  fd_address tile_a = fd_shared_address(), tile_m = tile_a + FD_CHAIN_A_BYTES, slots = tile_m + FD_CHAIN_M_BYTES;
  int row0 = (int)blockIdx.x * FD_CHAIN_ROWS, warp = (int)threadIdx.x / FD_WARP;
  int row = warp % 4 * 32, across = warp / 4, steps = (s.hidden + FD_CHAIN_HIDDEN - 1) / FD_CHAIN_HIDDEN * 4;
  float out[2][20][4] = {{{0}}};
  const fd_chain_row_place place = {tile_a};
  int *table = (int *)(fd_shared() + FD_CHAIN_A_BYTES); /* where the middle values will be */
  rows.look_up(row0, (int)threadIdx.x, FD_CHAIN_THREADS, table);
  if (R::LOOKS_UP) __syncthreads();
  rows.bring(row0, (int)threadIdx.x, FD_CHAIN_THREADS, table, place);
  for (int step = 0; step < FD_CHAIN_SLOTS - 1; step++) {
    fd_chain_part<T>(first, second, s, step, slots);
    fd_copy_commit();
  }
  fd_copy_wait<FD_CHAIN_SLOTS - 2>();
  rows.keep(row0, (int)threadIdx.x, FD_CHAIN_THREADS, place);
#pragma unroll 1
  for (int step = 0; step < steps; step += 4) { /* one chunk; its sums are live in the first two parts only */
    float sum[2][4][4] = {{{0}}};
    typename M::ahead before[4];
#pragma unroll
    for (int part = 0; part < 4; part++) {
      fd_address slot = fd_chain_next<T>(first, second, s, step + part, steps, slots);
      if (part == 1) fd_chain_read(middle, row0, step / 4 * FD_CHAIN_HIDDEN, s, 0, before);
      if (part < 2)
        fd_chain_multiply<T, FD_CHAIN_WIDTH / 8, FD_CHAIN_HALF, (T ? FD_CHAIN_HIDDEN : FD_CHAIN_HALF) / 8, 2>(
            tile_a, row, part * FD_CHAIN_HALF / 8, slot, across * 32, sum);
      else
        fd_chain_multiply<T, FD_CHAIN_HIDDEN / 8, FD_CHAIN_HIDDEN / 2, (T ? FD_CHAIN_WIDTH : FD_CHAIN_HIDDEN / 2) / 8, 10>(
            tile_m, row, (part - 2) * FD_CHAIN_HIDDEN / 16, slot, across * FD_CHAIN_HALF, out);
      if (part == 1) fd_chain_middle(middle, row0, step / 4 * FD_CHAIN_HIDDEN, s, before, sum, tile_m);
    }
  }
  fd_copy_wait<0>();
  float *lines = (float *)fd_shared(); /* stages one half of the sums at a time: the epilogue works on whole rows */
  for (int half = 0; half < 2; half++) {
    __syncthreads();
    if (across == half) {
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 20; j++)
          fd_put_sums<FD_CHAIN_LINE>(lines, fd_thread_here() % FD_WARP, row + 16 * i, 8 * j, out[i][j]);
    }
    fd_part part = {row0, half * FD_CHAIN_HALF, FD_CHAIN_ROWS, FD_CHAIN_HALF, s.rows, s.width};
    epilogue.begin(part, (int)threadIdx.x, FD_CHAIN_THREADS, (int *)(lines + FD_CHAIN_ROWS * FD_CHAIN_LINE));
    __syncthreads();
    fd_finish<FD_CHAIN_THREADS, FD_CHAIN_ROWS, FD_CHAIN_HALF, FD_CHAIN_LINE>((int)threadIdx.x, part, lines, epilogue);
  }
}

/* Whether the chain is usable and worthwhile for this width: it always computes FD_CHAIN_WIDTH channels. */
static inline int fd_chain_fits(const fd_cuda *cuda, fd_mat a) {
  return cuda->products == FD_PRODUCTS_CHAIN && cuda->shared_limit >= FD_CHAIN_SHARED && a.type == FD_BF16 &&
         a.stride <= FD_CHAIN_WIDTH && a.stride > FD_CHAIN_HALF;
}

template <bool T, class R, class M, class E>
void fd_chain(fd_cuda *cuda, R rows, fd_mat first, fd_mat second, fd_chain_shape s, M middle, E epilogue) {
  fd_launch(cuda, "a chain of products", fd_product_chain<T, R, M, E>, dim3(fd_blocks((size_t)s.rows, FD_CHAIN_ROWS)),
            FD_CHAIN_THREADS, FD_CHAIN_SHARED, rows, first, second, s, middle, epilogue);
}

#endif
