/* Attention on tensor cores, for rows in bf16: a block holds a tile of queries (or keys) of one head and streams the keys (or
 * queries) through two stages of shared memory; scores and the values derived from them stay in registers, in fp32 except for the
 * operands of the products. Sums have a fixed order: a row's result does not depend on its position in the pack. (Rows in fp32
 * are left to attention.cu, which rounds nothing.) */
#include "cuda/attention.h"
#include "cuda/product.h"
#include "cuda/sum.h"

enum { WARPS = 4, THREADS = WARPS * FD_WARP, PASSING = 32 /* rows per stage, backward */, PIECE = 16 };

#define LOG2_E 1.4426950408889634f
#define LN_2 0.69314718055994531f

namespace {

/* Keys per stage of the forward pass: few enough that two blocks fit on an SM. */
template <int D>
struct stage_of {
  enum { KEYS = D > 64 ? 32 : 64 };
};

/* A block's shared memory, for heads of up to D columns: its own rows of two matrices, and two stages of N rows of the two
 * streamed matrices. A warp computes M times 16 of the block's rows. */
template <int D, int N>
struct on_chip {
  enum {
    M = D > 64 ? 1 : 2,
    MINE = WARPS * 16 * M,
    STAGE = N * D * 2, /* bytes of a matrix */
    OWN = 4 * STAGE,   /* where the block's own rows begin */
    REST = OWN + MINE * D * 2,
    SECOND = (REST + (3 * MINE + 6 * N) * 4 + MINE * N / 8 + 127) / 128 * 128, /* its rows of the second matrix, backward only */
    FORWARD = SECOND,
    BACKWARD = SECOND + MINE * D * 2
  };
  fd_address stages, own, second;
  int *own_at, *at;                         /* positions [MINE], [2, N]; -1: absent or hidden */
  float *own_lse, *own_delta, *lse, *delta; /* of queries, same shapes; lse in base 2 */
  uint8_t *kept;                            /* a bit per query and key: dropout keeps the pair */

  __device__ on_chip() {
    fd_address base = fd_shared_address();
    stages = base, own = base + OWN, second = base + SECOND;
    own_at = (int *)(fd_shared() + REST), own_lse = (float *)(own_at + MINE), own_delta = own_lse + MINE;
    at = (int *)(own_delta + MINE), lse = (float *)(at + 2 * N), delta = lse + 2 * N;
    kept = (uint8_t *)(delta + 2 * N);
  }
  __device__ fd_address stage(int number, int matrix) const { return stages + (2 * number + matrix) * STAGE; }
};

/* The queries or keys of a sequence: rows begin .. end - 1 of two matrices, and their positions. */
struct side {
  fd_mat a, b;
  int begin, end;
  const int *position;
  const uint8_t *hidden;
};

__device__ inline side queries_of(const fd_attention_call &c, int s) {
  return {c.q, c.dy, c.query_start[s], c.query_start[s + 1], c.a.query_position, NULL};
}

__device__ inline side keys_of(const fd_attention_call &c, int s) {
  return {c.k, c.v, c.key_start[s], c.key_start[s + 1], c.a.key_position, c.a.hidden};
}

/* Starts the asynchronous copies of a head's columns of ROWS rows from `first` on; zeros from `end` on and past the columns. */
template <int D, int ROWS>
__device__ inline void copy_rows(const fd_attention_call &c, fd_mat m, int head, int first, int end, fd_address tile) {
#pragma unroll 2
  for (int n = (int)threadIdx.x; n < ROWS * D / 8; n += THREADS) {
    int r = n / (D / 8), u = n % (D / 8), inside = first + r < end && u * 8 < c.a.dim;
    const uint16_t *from = (const uint16_t *)m.at + (inside ? (int64_t)(first + r) * m.stride + head * c.a.dim + u * 8 : 0);
    fd_copy16(tile + 16 * fd_swizzle(r, u, D / 8), from, inside);
  }
}

template <int ROWS>
__device__ inline void set_places(const side &s, int first, int *to) {
  for (int r = (int)threadIdx.x; r < ROWS; r += THREADS) {
    int row = first + r, seen = row < s.end && !(s.hidden && s.hidden[row]);
    to[r] = seen ? fd_attention_place(s.position, row, s.begin) : -1;
  }
}

/* Loads lse and delta of the queries from `first` on, for the gradients of keys. */
template <int ROWS>
__device__ inline void set_sums(const fd_attention_call &c, int head, int first, int end, float *lse, float *delta) {
  for (int r = (int)threadIdx.x; r < ROWS; r += THREADS) {
    size_t at = (size_t)(first + r) * c.a.heads + head;
    lse[r] = first + r < end ? c.lse[at] * LOG2_E : 0, delta[r] = first + r < end ? c.delta[at] : 0;
  }
}

/* Starts the copies of the next N streamed rows. */
template <int D, int N>
__device__ inline void bring(const fd_attention_call &c, const on_chip<D, N> &chip, const side &s, int head, int first,
                             int stage) {
  copy_rows<D, N>(c, s.a, head, first, s.end, chip.stage(stage, 0));
  copy_rows<D, N>(c, s.b, head, first, s.end, chip.stage(stage, 1));
  fd_copy_commit();
  set_places<N>(s, first, chip.at + stage * N);
}

/* Draws the dropout mask: one draw serves eight consecutive keys. */
template <int QUERIES, int KEYS>
__device__ inline void draw(const fd_attention_call &c, int head, uint64_t draws, const int *query_at, const int *key_at,
                            uint8_t *kept) {
  uint32_t limit = fd_dropout_limit(c.a.dropout);
  for (int n = (int)threadIdx.x; n < QUERIES * KEYS / 8; n += THREADS) {
    int query = query_at[n / (KEYS / 8)], group = -1;
    const int *keys = key_at + n % (KEYS / 8) * 8;
    uint32_t word[4] = {0}, bits = 0;
#pragma unroll 1
    for (int k = 0; k < 8; k++) {
      int key = keys[k];
      if (key < 0 || query < 0) continue;
      if (key / 8 != group) fd_philox(word, c.a.key, draws, fd_attention_counter(c.a.layer, head, query, key)), group = key / 8;
      bits |= (uint32_t)(fd_attention_bits(word, key) >= limit) << k;
    }
    kept[n] = (uint8_t)bits;
  }
}

/* sum[M tiles of 16 rows, N] = the dot products of the warp's rows of tile a with N rows of tile b, from `first` on. */
template <int D, int M, int N>
__device__ inline void multiply_rows(fd_address a, int row, fd_address b, int first, float (*sum)[N / 8][4]) {
#pragma unroll
  for (int n = 0; n < M * N / 2; n++) sum[n / (N / 2)][n / 4 % (N / 8)][n % 4] = 0;
#pragma unroll 2
  for (int k = 0; k < D; k += 16) {
    uint32_t x[M][4];
#pragma unroll
    for (int i = 0; i < M; i++) fd_fragment<false, D / 8>(a, row + 16 * i, k, x[i]);
#pragma unroll
    for (int j = 0; j < N / 16; j++) {
      uint32_t w[4];
      fd_fragment<false, D / 8>(b, first + 16 * j, k, w);
#pragma unroll
      for (int i = 0; i < M; i++)
#pragma unroll
        for (int part = 0; part < 2; part++) {
          const uint32_t pair[2] = {w[part], w[part + 2]};
          fd_multiply(sum[i][2 * j + part], x[i], pair);
        }
    }
  }
}

/* sum[M tiles of 16 rows, D] += weights[M tiles of 16 rows, N], rounded to bf16, times the rows of tile b: a product's
 * accumulators already have the layout of A fragments. */
template <int D, int M, int N>
__device__ inline void weigh(const float (*weights)[N / 8][4], fd_address b, int first, float (*sum)[D / 8][4]) {
#pragma unroll
  for (int k = 0; k < N / 16; k++) {
    uint32_t x[M][4];
#pragma unroll
    for (int i = 0; i < M; i++)
#pragma unroll
      for (int r = 0; r < 4; r++)
        x[i][r] = fd_bf16_pair(weights[i][2 * k + r / 2][r % 2 * 2], weights[i][2 * k + r / 2][r % 2 * 2 + 1]);
#pragma unroll
    for (int j = 0; j < D / 16; j++) {
      uint32_t w[4];
      fd_fragment<true, D / 8>(b, 16 * j, first + 16 * k, w);
#pragma unroll
      for (int i = 0; i < M; i++)
#pragma unroll
        for (int part = 0; part < 2; part++) {
          const uint32_t pair[2] = {w[part], w[part + 2]};
          fd_multiply(sum[i][2 * j + part], x[i], pair);
        }
    }
  }
}

/* Factors that turn a dot product into a score in base 2, and a dropout bit into a factor. */
struct scoring {
  float scale, slope, factor;
};

__device__ inline scoring scoring_of(const fd_attention_call &c, int head) {
  return {c.a.scale * LOG2_E, c.a.slopes ? c.a.slopes[head] * LOG2_E : 0, 1 / (1 - c.a.dropout)};
}

/* -infinity if the query or the key is absent or hidden. */
__device__ inline float score_of(const scoring &by, int query, int key, float dot) {
  return (query | key) < 0 ? -INFINITY : fmaf(-by.slope, fabsf((float)(query - key)), dot * by.scale);
}

/* Multiplies x[M tiles of 16 rows, N] by the dropout factors; ACROSS: the warp's rows are keys, the streamed rows queries. */
template <int M, int N, bool ACROSS>
__device__ inline void multiply_kept(const scoring &by, const uint8_t *kept, int row, int first, float (*x)[N / 8][4]) {
  enum { KEYS_LINE = ACROSS ? WARPS * 2 * M : N / 8 };
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int i = 0; i < M; i++)
#pragma unroll
    for (int j = 0; j < N / 8; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        int mine = row + 16 * i + fd_c_row(lane, e), other = first + 8 * j + fd_c_column(lane, e), key = ACROSS ? mine : other;
        x[i][j][e] *= kept[(ACROSS ? other : mine) * KEYS_LINE + key / 8] >> key % 8 & 1 ? by.factor : 0;
      }
}

/* The running softmax of the warp's queries: in each tile of 16 rows, of row lane / 4 and of the row 8 below. */
template <int D, int M>
struct softmax {
  float most[M][2], sum[M][2], acc[M][D / 8][4]; /* sum: over the lane's keys only */
};

/* Reductions over the four lanes that share a row. */
__device__ inline float row_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ inline float row_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

/* Updates the running softmax with a stage of keys: dot products become the weights of the values. */
template <int D, int M, int KEYS>
__device__ inline void take_keys(const scoring &by, const on_chip<D, KEYS> &chip, int row, const int *key_at,
                                 float (*s)[KEYS / 8][4], softmax<D, M> &state) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int n = 0; n < 2 * M; n++) {
    int i = n / 2, half = n % 2, mine = row + 16 * i + fd_c_row(lane, 2 * half), query = chip.own_at[mine];
    float most = state.most[i][half], sum = 0;
#pragma unroll
    for (int j = 0; j < KEYS / 4; j++) {
      float &x = s[i][j / 2][2 * half + j % 2];
      most = fmaxf(most, x = score_of(by, query, key_at[j / 2 * 8 + fd_c_column(lane, j % 2)], x));
    }
    most = row_max(most);
    float base = most == -INFINITY ? 0 : most, shrink = exp2f(state.most[i][half] - base);
#pragma unroll
    for (int j = 0; j < KEYS / 4; j++) {
      float &x = s[i][j / 2][2 * half + j % 2];
      sum += x = exp2f(x - base);
    }
    state.most[i][half] = most, state.sum[i][half] = state.sum[i][half] * shrink + sum;
#pragma unroll
    for (int j = 0; j < D / 4; j++) state.acc[i][j / 2][2 * half + j % 2] *= shrink;
  }
}

/* Stores the warp's rows of a head, from row `first` on. */
template <int D, int M>
__device__ inline void store_rows(const fd_attention_call &c, fd_mat to, int head, int first, int end,
                                  const float (*sum)[D / 8][4]) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int i = 0; i < M; i++)
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
      for (int e = 0; e < 4; e += 2) {
        int row = first + 16 * i + fd_c_row(lane, e), column = 8 * j + fd_c_column(lane, e);
        if (row < end && column < c.a.dim) fd_put2(to, row, head * c.a.dim + column, sum[i][j] + e);
      }
}

/* Zeroes the padding of y, all of which must be written; only the blocks of the last head do so. */
__device__ inline void store_padding(const fd_attention_call &c, int head, int first, int rows, int end) {
  int width = c.a.heads * c.a.dim, padding = c.y.stride - width;
  if (head != c.a.heads - 1) return;
  for (int n = (int)threadIdx.x; n < rows * padding; n += THREADS)
    if (first + n / padding < end) fd_put(c.y, first + n / padding, width + n % padding, 0);
}

template <int D, int M>
__device__ inline void finish(const fd_attention_call &c, int head, int first, int end, softmax<D, M> &state) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int n = 0; n < 2 * M; n++) {
    int i = n / 2, half = n % 2, row = first + 16 * i + fd_c_row(lane, 2 * half);
    float sum = row_sum(state.sum[i][half]), part = sum == 0 ? 0 : 1 / sum;
#pragma unroll
    for (int j = 0; j < D / 4; j++) state.acc[i][j / 2][2 * half + j % 2] *= part;
    if (lane % 4 == 0 && c.lse_out && row < end)
      c.lse_out[(size_t)row * c.a.heads + head] = sum == 0 ? -INFINITY : fmaf(state.most[i][half], LN_2, logf(sum));
  }
  store_rows<D, M>(c, c.y, head, first, end, state.acc);
}

/* The rows of a block: one tile of one head, in one sequence after another. */
struct place_of_block {
  int head, tile, row; /* row: the warp's first */
};

template <int M>
__device__ inline place_of_block my_place(const fd_attention_call &c) {
  return {(int)blockIdx.x % c.a.heads, (int)blockIdx.x / c.a.heads, (int)threadIdx.x / FD_WARP * 16 * M};
}

template <int D>
__global__ void __launch_bounds__(THREADS, 2) attention_tensor_forward(fd_attention_call c) {
  enum { KEYS = stage_of<D>::KEYS, M = on_chip<D, KEYS>::M, MINE = on_chip<D, KEYS>::MINE };
  const on_chip<D, KEYS> chip;
  place_of_block my = my_place<M>(c);
  scoring by = scoring_of(c, my.head);
  int dropout = c.a.dropout > 0;
  for (int s = (int)blockIdx.y; s < c.count; s += (int)gridDim.y) {
    side mine = queries_of(c, s), keys = keys_of(c, s);
    int first = mine.begin + my.tile * MINE, stage = 0;
    if (first >= mine.end) continue;
    softmax<D, M> state = {{{0}}, {{0}}, {{{0}}}};
#pragma unroll
    for (int n = 0; n < 2 * M; n++) state.most[n / 2][n % 2] = -INFINITY;
    __syncthreads(); /* the previous sequence is done */
    copy_rows<D, MINE>(c, mine.a, my.head, first, mine.end, chip.own);
    set_places<MINE>(mine, first, chip.own_at);
    bring(c, chip, keys, my.head, keys.begin, 0);
    for (int key = keys.begin; key < keys.end; key += KEYS, stage ^= 1) {
      float x[M][KEYS / 8][4];
      fd_copy_wait<0>();
      __syncthreads(); /* and the other stage is no longer read */
      if (key + KEYS < keys.end) bring(c, chip, keys, my.head, key + KEYS, stage ^ 1);
      if (dropout) {
        draw<MINE, KEYS>(c, my.head, c.draws[s], chip.own_at, chip.at + stage * KEYS, chip.kept);
        __syncthreads();
      }
      if (first + my.row >= mine.end) continue;
      multiply_rows<D, M, KEYS>(chip.own, my.row, chip.stage(stage, 0), 0, x);
      take_keys<D, M, KEYS>(by, chip, my.row, chip.at + stage * KEYS, x, state);
      if (dropout) multiply_kept<M, KEYS, false>(by, chip.kept, my.row, 0, x);
      weigh<D, M, KEYS>(x, chip.stage(stage, 1), 0, state.acc);
    }
    fd_copy_wait<0>();
    finish<D, M>(c, my.head, first + my.row, mine.end, state);
    store_padding(c, my.head, first, MINE, mine.end);
  }
}

/* From a pair's two dot products: *dot becomes the probability, *along the gradient of the score times the scale. lse is in
 * base 2. */
__device__ inline void slope_of(const scoring &by, float scale, int query, int key, float lse, float delta, float *dot,
                                float *along) {
  float p = (query | key) < 0 ? 0 : exp2f(score_of(by, query, key, *dot) - lse);
  *dot = p, *along = p * (*along - delta) * scale;
}

/* delta = the dot product of dy and y for the block's queries, and their lse, to shared memory; delta also to device memory, for
 * the gradients of keys. */
template <int D>
__device__ inline void make_delta(const fd_attention_call &c, const on_chip<D, PASSING> &chip, int head, int first, int end) {
  int warp = (int)threadIdx.x / FD_WARP, lane = (int)threadIdx.x % FD_WARP;
  for (int r = warp; r < on_chip<D, PASSING>::MINE; r += WARPS) {
    float sum = 0;
    for (int d = lane; d < c.a.dim && first + r < end; d += FD_WARP)
      sum = fmaf(fd_get(c.y, first + r, head * c.a.dim + d), fd_get(c.dy, first + r, head * c.a.dim + d), sum);
    sum = fd_warp_sum(sum);
    if (lane) continue;
    size_t at = (size_t)(first + r) * c.a.heads + head;
    chip.own_delta[r] = sum, chip.own_lse[r] = first + r < end ? c.lse[at] * LOG2_E : 0;
    if (first + r < end) c.delta[at] = sum;
  }
}

/* Turns the dot products of the warp's queries with a stage of keys into probabilities and gradients (slope_of). */
template <int D, int M>
__device__ inline void slopes_of_queries(const fd_attention_call &c, const scoring &by, const on_chip<D, PASSING> &chip, int row,
                                         const int *key_at, float (*s)[PASSING / 8][4], float (*d)[PASSING / 8][4]) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int n = 0; n < 2 * M; n++) {
    int i = n / 2, half = n % 2, mine = row + 16 * i + fd_c_row(lane, 2 * half), query = chip.own_at[mine];
    float lse = chip.own_lse[mine], delta = chip.own_delta[mine];
#pragma unroll
    for (int j = 0; j < PASSING / 4; j++) {
      int e = 2 * half + j % 2, key = j / 2 * 8 + fd_c_column(lane, e);
      slope_of(by, c.a.scale, query, key_at[key], lse, delta, &s[i][j / 2][e], &d[i][j / 2][e]);
    }
  }
}

/* The same for the warp's keys with PIECE queries of a stage, from `first` on. */
template <int D, int M>
__device__ inline void slopes_of_keys(const fd_attention_call &c, const scoring &by, const on_chip<D, PASSING> &chip, int row,
                                      int first, float (*s)[PIECE / 8][4], float (*d)[PIECE / 8][4]) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int j = 0; j < PIECE / 4; j++) {
    int at = first + j / 2 * 8 + fd_c_column(lane, j % 2);
#pragma unroll
    for (int n = 0; n < 2 * M; n++) {
      int i = n / 2, e = n % 2 * 2 + j % 2, mine = row + 16 * i + fd_c_row(lane, e);
      slope_of(by, c.a.scale, chip.at[at], chip.own_at[mine], chip.lse[at], chip.delta[at], &s[i][j / 2][e], &d[i][j / 2][e]);
    }
  }
}

/* Adds the contributions of a stage of queries to the gradients of the warp's keys and values, in pieces to save registers. */
template <int D, int M>
__device__ inline void take_queries(const fd_attention_call &c, const scoring &by, const on_chip<D, PASSING> &chip, int row,
                                    int stage, float (*dk)[D / 8][4], float (*dv)[D / 8][4]) {
#pragma unroll 1
  for (int first = 0; first < PASSING; first += PIECE) {
    float x[M][PIECE / 8][4], d[M][PIECE / 8][4];
    multiply_rows<D, M, PIECE>(chip.own, row, chip.stage(stage, 0), first, x);
    multiply_rows<D, M, PIECE>(chip.second, row, chip.stage(stage, 1), first, d);
    if (c.a.dropout > 0) multiply_kept<M, PIECE, true>(by, chip.kept, row, first, d);
    slopes_of_keys<D, M>(c, by, chip, row, stage * PASSING + first, x, d);
    if (c.a.dropout > 0) multiply_kept<M, PIECE, true>(by, chip.kept, row, first, x);
    weigh<D, M, PIECE>(d, chip.stage(stage, 0), first, dk);
    weigh<D, M, PIECE>(x, chip.stage(stage, 1), first, dv);
  }
}

/* Backward pass: starts the copies of the block's own rows and of the first streamed rows. */
template <int D>
__device__ inline void begin(const fd_attention_call &c, const on_chip<D, PASSING> &chip, const side &mine, const side &passing,
                             int head, int first) {
  enum { MINE = on_chip<D, PASSING>::MINE };
  __syncthreads(); /* the previous sequence is done */
  copy_rows<D, MINE>(c, mine.a, head, first, mine.end, chip.own);
  copy_rows<D, MINE>(c, mine.b, head, first, mine.end, chip.second);
  set_places<MINE>(mine, first, chip.own_at);
  bring(c, chip, passing, head, passing.begin, 0);
}

template <int D>
__global__ void __launch_bounds__(THREADS, 2) attention_tensor_queries(fd_attention_call c) {
  enum { M = on_chip<D, PASSING>::M, MINE = on_chip<D, PASSING>::MINE };
  const on_chip<D, PASSING> chip;
  place_of_block my = my_place<M>(c);
  scoring by = scoring_of(c, my.head);
  for (int s = (int)blockIdx.y; s < c.count; s += (int)gridDim.y) {
    side mine = queries_of(c, s), keys = keys_of(c, s);
    int first = mine.begin + my.tile * MINE, stage = 0;
    if (first >= mine.end) continue;
    float dq[M][D / 8][4] = {{{0}}};
    begin(c, chip, mine, keys, my.head, first);
    make_delta<D>(c, chip, my.head, first, mine.end);
    for (int key = keys.begin; key < keys.end; key += PASSING, stage ^= 1) {
      float x[M][PASSING / 8][4], d[M][PASSING / 8][4];
      fd_copy_wait<0>();
      __syncthreads(); /* and the other stage is no longer read */
      if (key + PASSING < keys.end) bring(c, chip, keys, my.head, key + PASSING, stage ^ 1);
      if (c.a.dropout > 0) {
        draw<MINE, PASSING>(c, my.head, c.draws[s], chip.own_at, chip.at + stage * PASSING, chip.kept);
        __syncthreads();
      }
      if (first + my.row >= mine.end) continue;
      multiply_rows<D, M, PASSING>(chip.own, my.row, chip.stage(stage, 0), 0, x);
      multiply_rows<D, M, PASSING>(chip.second, my.row, chip.stage(stage, 1), 0, d);
      if (c.a.dropout > 0) multiply_kept<M, PASSING, false>(by, chip.kept, my.row, 0, d);
      slopes_of_queries<D, M>(c, by, chip, my.row, chip.at + stage * PASSING, x, d);
      weigh<D, M, PASSING>(d, chip.stage(stage, 0), 0, dq);
    }
    fd_copy_wait<0>();
    store_rows<D, M>(c, c.dq, my.head, first + my.row, mine.end, dq);
  }
}

template <int D>
__global__ void __launch_bounds__(THREADS, 2) attention_tensor_keys(fd_attention_call c) {
  enum { M = on_chip<D, PASSING>::M, MINE = on_chip<D, PASSING>::MINE };
  const on_chip<D, PASSING> chip;
  place_of_block my = my_place<M>(c);
  scoring by = scoring_of(c, my.head);
  for (int s = (int)blockIdx.y; s < c.count; s += (int)gridDim.y) {
    side mine = keys_of(c, s), queries = queries_of(c, s);
    int first = mine.begin + my.tile * MINE, stage = 0;
    if (first >= mine.end) continue;
    float dk[M][D / 8][4] = {{{0}}}, dv[M][D / 8][4] = {{{0}}};
    begin(c, chip, mine, queries, my.head, first);
    set_sums<PASSING>(c, my.head, queries.begin, queries.end, chip.lse, chip.delta);
    for (int query = queries.begin; query < queries.end; query += PASSING, stage ^= 1) {
      int next = query + PASSING, other = (stage ^ 1) * PASSING;
      fd_copy_wait<0>();
      __syncthreads(); /* and the other stage is no longer read */
      if (next < queries.end) {
        bring(c, chip, queries, my.head, next, stage ^ 1);
        set_sums<PASSING>(c, my.head, next, queries.end, chip.lse + other, chip.delta + other);
      }
      if (c.a.dropout > 0) {
        draw<PASSING, MINE>(c, my.head, c.draws[s], chip.at + stage * PASSING, chip.own_at, chip.kept);
        __syncthreads();
      }
      if (first + my.row < mine.end) take_queries<D, M>(c, by, chip, my.row, stage, dk, dv);
    }
    fd_copy_wait<0>();
    store_rows<D, M>(c, c.dk, my.head, first + my.row, mine.end, dk);
    store_rows<D, M>(c, c.dv, my.head, first + my.row, mine.end, dv);
  }
}

template <int D>
void forward(fd_cuda *cuda, const fd_seqs *queries, const fd_attention_call &c) {
  typedef on_chip<D, stage_of<D>::KEYS> chip;
  fd_launch(cuda, "attention", attention_tensor_forward<D>, fd_attention_grid(queries, c.a.heads, chip::MINE), THREADS,
            chip::FORWARD, c);
}

template <int D>
void backward(fd_cuda *cuda, const fd_seqs *queries, const fd_seqs *keys, const fd_attention_call &c) {
  typedef on_chip<D, PASSING> chip;
  fd_launch(cuda, "gradients of queries", attention_tensor_queries<D>, fd_attention_grid(queries, c.a.heads, chip::MINE), THREADS,
            chip::BACKWARD, c);
  fd_launch(cuda, "gradients of keys", attention_tensor_keys<D>, fd_attention_grid(keys, c.a.heads, chip::MINE), THREADS,
            chip::BACKWARD, c);
}

}  // namespace

int fd_attention_on_tensors(const fd_cuda *cuda, const fd_attention_call &c) {
  int fits = cuda->products != FD_PRODUCTS_PLAIN && c.a.dim % 8 == 0 && c.a.dim <= FD_ATTENTION_DIM;
  for (fd_mat m : {c.q, c.k, c.v, c.y, c.dy, c.dq, c.dk, c.dv}) fits = fits && (!m.at || fd_in_pieces(m));
  return fits;
}

void fd_attention_tensor_forward(fd_cuda *cuda, const fd_seqs *queries, const fd_attention_call &c) {
  if (c.a.dim <= 32) forward<32>(cuda, queries, c);
  else if (c.a.dim <= 64) forward<64>(cuda, queries, c);
  else forward<128>(cuda, queries, c);
}

void fd_attention_tensor_backward(fd_cuda *cuda, const fd_seqs *queries, const fd_seqs *keys, const fd_attention_call &c) {
  if (c.a.dim <= 32) backward<32>(cuda, queries, keys, c);
  else if (c.a.dim <= 64) backward<64>(cuda, queries, keys, c);
  else backward<128>(cuda, queries, keys, c);
}
