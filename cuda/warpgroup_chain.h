/* The chain of two products of chain.h with warpgroup instructions, on GPUs of compute capability 9.0: the middle values stay in
 * registers.
 *
 * Weights are in tile order (fragment.h) and pass through a ring (ring.h) in chunks of 64 hidden units: of the first matrix, of
 * the second, of the first with the next chunk, and so on. Each of the two consumer warpgroups multiplies 64 rows. Both blocks of
 * a cluster need the same weights, and each copies one half of every chunk to both.
 *
 * The kernel is persistent: there are as many clusters as run at a time (fd_clusters), and each computes many pairs of tiles.
 * Steps are counted through all of its tiles, so the weights of the next tile arrive during the epilogue of this one. */
#ifndef FD_CUDA_WARPGROUP_CHAIN_H
#define FD_CUDA_WARPGROUP_CHAIN_H

#include "cuda/chain.h"
#include "cuda/ring.h"

enum {
  FD_WARPGROUP_CHAIN_BLOCK_BYTES = FD_ORDER_BLOCK * 2,
  FD_WARPGROUP_CHAIN_CHUNK_BYTES = FD_ORDER_CHUNK * 2,
  FD_WARPGROUP_CHAIN_A_BLOCK_BYTES = FD_CHAIN_ROWS * 128, /* 64 channels of a's rows */
  FD_WARPGROUP_CHAIN_FINISH =
      16 * (FD_CHAIN_LINE + FD_TABLE), /* floats of half a warp's sums for the epilogue, and their table */
  FD_WARPGROUP_CHAIN_ROWS_BYTES = FD_CHAIN_ROWS / 16 * FD_WARPGROUP_CHAIN_FINISH * 4, /* rows of a and their table, then sums */
  FD_WARPGROUP_CHAIN_ROW0 = FD_WARPGROUP_CHAIN_ROWS_BYTES + fd_ring<FD_WARPGROUP_CHAIN_CHUNK_BYTES>::ALL,
  FD_WARPGROUP_CHAIN_SHARED = FD_WARPGROUP_CHAIN_ROW0 + 16 /* the number of the tile's first row */
};
static_assert(+FD_ORDER_UNITS == +FD_CHAIN_HIDDEN && +FD_ORDER_CHANNELS == +FD_CHAIN_WIDTH, "a slot is a chunk of the chain");
static_assert(FD_CHAIN_A_BYTES + FD_CHAIN_ROWS * FD_TABLE * 4 <= FD_WARPGROUP_CHAIN_ROWS_BYTES,
              "rows and their table lie where the sums will be");
static_assert(FD_WARPGROUP_CHAIN_ROWS_BYTES % 1024 == 0, "slots are tiles of fd_descriptor");

/* Shared-memory addresses of a block's rows and of the number of the tile's first row, and the ring of weights. */
typedef struct fd_warpgroup_chain_place {
  fd_address a;
  fd_ring<FD_WARPGROUP_CHAIN_CHUNK_BYTES> ring;
  fd_address row0;
} fd_warpgroup_chain_place;

__device__ inline fd_warpgroup_chain_place fd_warpgroup_chain_places() {
  fd_address at = fd_shared_address();
  return {at, {at + FD_WARPGROUP_CHAIN_ROWS_BYTES}, at + FD_WARPGROUP_CHAIN_ROW0};
}

/* Whether the tile from row0 on belongs to a pair with rows: both blocks of a cluster have the same number of tiles. */
__device__ inline int fd_warpgroup_chain_goes_on(int row0, int rows) {
  const int pair = FD_CHAIN_ROWS * FD_RING_BLOCKS;
  return row0 / pair * pair < rows;
}

/* The producer thread: copies this block's half of each chunk of weights to both blocks, `steps` of them for each tile. */
__device__ inline void fd_warpgroup_chain_bring(const fd_warpgroup_chain_place &at, const uint16_t *first, const uint16_t *second,
                                                int rows, int steps) {
  int half = (int)blockIdx.x % FD_RING_BLOCKS * FD_WARPGROUP_CHAIN_CHUNK_BYTES / FD_RING_BLOCKS, step = 0;
#pragma unroll 1
  for (int row0 = (int)blockIdx.x * FD_CHAIN_ROWS; fd_warpgroup_chain_goes_on(row0, rows); row0 += (int)gridDim.x * FD_CHAIN_ROWS)
#pragma unroll 1
    for (int n = 0; n < steps; n++, step++) {
      const char *from = (const char *)(n % 2 ? second : first) + (size_t)(n / 2) * FD_WARPGROUP_CHAIN_CHUNK_BYTES;
      at.ring.reserve(step);
      fd_copy_cluster(at.ring.slot(step) + half, from + half, FD_WARPGROUP_CHAIN_CHUNK_BYTES / FD_RING_BLOCKS, at.ring.full(step),
                      (1 << FD_RING_BLOCKS) - 1);
    }
}

/* Where the block's rows are: five blocks of 64 channels in the layout and swizzling of fd_descriptor. */
struct fd_warpgroup_chain_row_place {
  fd_address tile;
  __device__ fd_address operator()(int row, int piece) const {
    return tile + piece / 8 * FD_WARPGROUP_CHAIN_A_BLOCK_BYTES + 16 * fd_swizzle(row, piece % 8, 8);
  }
};

/* Brings the block's rows, from row0 on; called by all consumer threads. */
template <class R>
__device__ inline void fd_warpgroup_chain_rows(const R &rows, int row0, fd_address tile) {
  int thread = fd_thread_here() - FD_RING_GROUP, *table = (int *)(fd_shared() + FD_CHAIN_A_BYTES);
  const fd_warpgroup_chain_row_place place = {tile};
  rows.look_up(row0, thread, FD_RING_CONSUMERS, table);
  if (R::LOOKS_UP) fd_sync_some<1, FD_RING_CONSUMERS>();
  rows.bring(row0, thread, FD_RING_CONSUMERS, table, place);
  fd_copy_commit();
  fd_copy_wait<0>();
  rows.keep(row0, thread, FD_RING_CONSUMERS, place);
  fd_warpgroup_publish();
  fd_sync_some<1, FD_RING_CONSUMERS>();
}

/* Moves the descriptor of a tile's first element to that of element k of a block of 64. */
template <bool T>
__device__ inline uint64_t fd_warpgroup_chain_at(uint64_t tile, int block_bytes, int block, int k) {
  return fd_descriptor_on(tile, block * block_bytes + k * (T ? 128 : 2));
}

/* Waits for the weights of a step, and returns the descriptor of their first element. */
template <bool T>
__device__ inline uint64_t fd_warpgroup_chain_weights(const fd_warpgroup_chain_place &at, int step) {
  at.ring.wait(step);
  return fd_descriptor(fd_shared_offset(at.ring.slot(step)), 0, T);
}

/* Starts sum = 64 rows of a times the weights of a step, over all channels. */
template <bool T>
__device__ inline void fd_warpgroup_chain_first(const fd_warpgroup_chain_place &at, int step, float sum[8][4]) {
  int group = fd_uniform(fd_thread_here() / FD_RING_GROUP - 1);
  uint64_t a = fd_descriptor(fd_shared_offset(at.a) + (uint32_t)group * 64 * 128, 0, 0),
           b = fd_warpgroup_chain_weights<T>(at, step);
  fd_warpgroup_begin();
#pragma unroll
  for (int k = 0; k < FD_CHAIN_WIDTH; k += 16) {
    uint64_t rows = fd_warpgroup_chain_at<false>(a, FD_WARPGROUP_CHAIN_A_BLOCK_BYTES, k / 64, k % 64),
             weights = fd_warpgroup_chain_at<T>(b, FD_WARPGROUP_CHAIN_BLOCK_BYTES, k / 64, k % 64);
    if (k) fd_warpgroup_multiply_64<true, false, T>(sum, rows, weights);
    else fd_warpgroup_multiply_64<false, false, T>(sum, rows, weights);
  }
  fd_warpgroup_commit();
}

/* Starts out += the middle values times the weights of a step, for all channels. */
template <bool T>
__device__ inline void fd_warpgroup_chain_second(const fd_warpgroup_chain_place &at, int step, const uint32_t m[4][4],
                                                 float out[5][8][4]) {
  uint64_t b = fd_warpgroup_chain_weights<T>(at, step);
  fd_warpgroup_begin();
#pragma unroll
  for (int k = 0; k < FD_CHAIN_HIDDEN; k += 16)
#pragma unroll
    for (int block = 0; block < 5; block++)
      fd_warpgroup_multiply_64<T>(out[block], m[k / 16], fd_warpgroup_chain_at<T>(b, FD_WARPGROUP_CHAIN_BLOCK_BYTES, block, k));
  fd_warpgroup_commit();
}

/* Applies `middle` to the chunk's sums, and leaves the values in m as the second product reads them: a thread holds the same
 * elements of the sums as of a fragment of A, and m[i] is the fragment of the columns from 16 i on. Columns outside the matrix
 * are sums of zeros and stay zero; for rows outside it nothing is stored. The data that `middle` reads are prefetched for 32
 * columns of both rows at a time: there are not enough registers for more. */
template <class M>
__device__ inline void fd_warpgroup_chain_middle(const M &middle, int row0, int unit0, fd_chain_shape s, const float sum[8][4],
                                                 uint32_t m[4][4]) {
  int lane = fd_thread_here() % FD_WARP;
#pragma unroll
  for (int some = 0; some < 8; some += FD_MIDDLE) {
    int piece = unit0 + 8 * some + lane % 4 * 8, inside = piece < s.hidden;
    typename M::ahead before[2];
#pragma unroll
    for (int n = 0; n < 2; n++) {
      int row = row0 + fd_c_row(lane, 2 * n);
      before[n] = middle.read(row, piece, inside && row < s.rows);
    }
#pragma unroll
    for (int n = 0; n < 2; n++) {
      int row = row0 + fd_c_row(lane, 2 * n);
      const typename M::of_columns columns =
          middle.columns(unit0 + 8 * some + fd_thread_here() % 4 * 2); /* again for each row, to save registers */
      float sums[FD_MIDDLE][2];
#pragma unroll
      for (int j = 0; j < FD_MIDDLE; j++) sums[j][0] = sum[some + j][2 * n], sums[j][1] = sum[some + j][2 * n + 1];
      fd_piece<8> values = middle(row, piece, inside && row < s.rows, columns, before[n], sums);
#pragma unroll
      for (int j = 0; j < FD_MIDDLE; j++) m[(some + j) / 2][j % 2 * 2 + n] = values.pair[j];
    }
  }
}

/* Hands the sums of a warp's 16 rows to the epilogue, which works on whole rows, through the warp's own part of shared memory,
 * one half of the columns at a time. */
template <class E>
__device__ inline void fd_warpgroup_chain_finish(int row0, fd_chain_shape s, const float out[5][8][4], float *lines,
                                                 const E &epilogue) {
  int lane = fd_thread_here() % FD_WARP;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    __syncwarp(); /* the other half has been read */
#pragma unroll
    for (int j = 0; j < 20; j++) fd_put_sums<FD_CHAIN_LINE>(lines, lane, 0, 8 * j, out[(20 * half + j) / 8][(20 * half + j) % 8]);
    fd_part part = {row0, half * FD_CHAIN_HALF, 16, FD_CHAIN_HALF, s.rows, s.width};
    epilogue.begin(part, lane, FD_WARP, (int *)(lines + 16 * FD_CHAIN_LINE));
    __syncwarp();
    fd_finish<FD_WARP, 16, FD_CHAIN_HALF, FD_CHAIN_LINE>(lane, part, lines, epilogue);
  }
}

/* The warp's first row, and that of the block's next tile; computed where they are needed, as consumers have no registers to keep
 * them. */
__device__ inline int fd_warpgroup_chain_row(const fd_warpgroup_chain_place &at) {
  return fd_number_here(at.row0) + (fd_thread_here() - FD_RING_GROUP) / FD_WARP * 16;
}
__device__ inline int fd_warpgroup_chain_next(const fd_warpgroup_chain_place &at) {
  return fd_number_here(at.row0) + (int)gridDim.x * FD_CHAIN_ROWS;
}

/* A consumer thread's work on a tile: its warpgroup has 64 rows, its warp 16. The first product with the next chunk is started
 * while the second product with this chunk is still running. `step` is the tile's first; after the last tile nothing is written
 * to the other block. Returns the first row of the block's next tile. */
template <bool T, class R, class M, class E>
__device__ inline int fd_warpgroup_chain_tile(const fd_warpgroup_chain_place &at, const R &rows, fd_chain_shape s, int first_row,
                                              int step, const M &middle, const E &epilogue) {
  float out[5][8][4] = {{{0}}}, sum[8][4];
  uint32_t m[4][4];
  if (fd_thread_here() == FD_RING_GROUP) fd_store_number(at.row0, first_row);
  fd_warpgroup_chain_rows(rows, first_row, at.a);
  fd_warpgroup_chain_first<T>(at, step, sum);
  fd_warpgroup_wait<0>();
  at.ring.release(step++);
#pragma unroll 1
  for (int unit = 0; unit < s.hidden; unit += FD_CHAIN_HIDDEN, step += 2) {
    fd_warpgroup_chain_middle(middle, fd_warpgroup_chain_row(at), unit, s, sum, m);
    fd_warpgroup_chain_second<T>(at, step, m, out);
    if (unit + FD_CHAIN_HIDDEN < s.hidden) {
      fd_warpgroup_chain_first<T>(at, step + 1, sum);
      fd_warpgroup_wait<1>();
      at.ring.release(step);
      fd_warpgroup_wait<0>();
      at.ring.release(step + 1);
    }
  }
  fd_warpgroup_wait<0>();
  at.ring.release(step - 2);
  if (!fd_warpgroup_chain_goes_on(fd_warpgroup_chain_next(at), s.rows))
    fd_cluster_arrive();                /* before the epilogue, for whose stores it would have to wait */
  fd_sync_some<1, FD_RING_CONSUMERS>(); /* the rows are no longer read */
  fd_warpgroup_chain_finish(fd_warpgroup_chain_row(at), s, out,
                            (float *)fd_shared() + (fd_thread_here() - FD_RING_GROUP) / FD_WARP * FD_WARPGROUP_CHAIN_FINISH,
                            epilogue);
  int next = fd_warpgroup_chain_next(at);
  fd_sync_some<1, FD_RING_CONSUMERS>(); /* the sums, and the tile's first row, are no longer read */
  return next;
}

template <bool T, class R, class M, class E>
__global__ void __launch_bounds__(FD_RING_THREADS, 1)
    fd_product_group_chain(R rows, const uint16_t *first, const uint16_t *second, fd_chain_shape s, M middle, E epilogue) {
  fd_warpgroup_chain_place at = fd_warpgroup_chain_places();
  int steps = (s.hidden + FD_CHAIN_HIDDEN - 1) / FD_CHAIN_HIDDEN * 2;
  if (threadIdx.x == 0) at.ring.open();
  fd_cluster_arrive();
  fd_cluster_wait();
  if (threadIdx.x < FD_RING_GROUP) {
    fd_registers_give<FD_RING_FEW>();
    if (threadIdx.x == 0) fd_warpgroup_chain_bring(at, first, second, s.rows, steps);
    fd_cluster_arrive();
  } else {
    fd_registers_take<FD_RING_MANY>();
    int step = 0, row0 = (int)blockIdx.x * FD_CHAIN_ROWS;
#pragma unroll 1
    for (; fd_warpgroup_chain_goes_on(row0, s.rows); step += steps)
      row0 = fd_warpgroup_chain_tile<T>(at, rows, s, row0, step, middle, epilogue);
  }
  fd_cluster_wait(); /* the other block may still arrive at this one's mbarriers */
}

static inline int fd_warpgroup_chain_fits(const fd_cuda *cuda, fd_mat a) {
  return cuda->products == FD_PRODUCTS_WARPGROUP && cuda->shared_limit >= FD_WARPGROUP_CHAIN_SHARED && a.type == FD_BF16 &&
         a.stride <= FD_CHAIN_WIDTH && a.stride > FD_CHAIN_HALF;
}

/* The weights are in tile order. The second tile of the last pair may have no rows. */
template <bool T, class R, class M, class E>
void fd_warpgroup_chain(fd_cuda *cuda, R rows, const uint16_t *first, const uint16_t *second, fd_chain_shape s, M middle,
                        E epilogue) {
  unsigned clusters = fd_clusters(cuda, FD_RING_BLOCKS, (int)fd_blocks((size_t)s.rows, FD_CHAIN_ROWS * FD_RING_BLOCKS));
  fd_start(cuda, cuda->stream, "a chain of products by warpgroups", fd_product_group_chain<T, R, M, E>,
           dim3(clusters * FD_RING_BLOCKS), FD_RING_BLOCKS, FD_RING_THREADS, FD_WARPGROUP_CHAIN_SHARED, rows, first, second, s,
           middle, epilogue);
}

#endif
