/* Attention on the GPU without tensor cores, for rows of any type: a block holds a tile of queries (or keys) of one head and
 * loops over the keys (or queries) in tiles of one warp's width; scores stay in registers. A row's result does not depend on its
 * position in the pack. */
#include "cuda/attention.h"
#include "cuda/sum.h"

enum { WARPS = 8, THREADS = WARPS * FD_WARP, EACH = 4 /* rows per warp */, TILE = WARPS * EACH };

namespace {

__device__ inline float warp_max(float x) {
  for (int distance = FD_WARP / 2; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
  return x;
}

/* Copies a head's columns of `rows` rows of m to shared memory; zeros from row `there` on, and past the head's columns up to
 * `width`. */
__device__ inline void load_tile(const fd_attention_call &c, fd_mat m, int head, int first, int rows, int there, int width,
                                 int stride, float *to) {
  for (int i = (int)threadIdx.x; i < rows * width; i += THREADS) {
    int row = i / width, column = i % width;
    to[row * stride + column] = row < there && column < c.a.dim ? fd_get(m, first + row, head * c.a.dim + column) : 0;
  }
}

/* The dot products of the warp's rows with the lane's row. */
__device__ inline void multiply(int dim, const float *mine, int stride, const float *other, float dot[EACH]) {
#pragma unroll
  for (int e = 0; e < EACH; e++) dot[e] = 0;
#pragma unroll 4
  for (int d = 0; d < dim; d++) {
    float x = other[d];
#pragma unroll
    for (int e = 0; e < EACH; e++) dot[e] = fmaf(mine[e * stride + d], x, dot[e]);
  }
}

/* sums[e][n] += weights[e][i] rows[i][lane + 32 n], summed over i. */
template <int N>
__device__ inline void weigh(const float *weights, const float *rows, int stride, float sums[EACH][N]) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll 4
  for (int i = 0; i < FD_WARP; i++) {
#pragma unroll
    for (int n = 0; n < N; n++) {
      float x = rows[i * stride + lane + n * FD_WARP];
#pragma unroll
      for (int e = 0; e < EACH; e++) sums[e][n] = fmaf(weights[e * FD_WARP + i], x, sums[e][n]);
    }
  }
}

/* A query and a key of sequence s: their positions, whether the query attends to the key, and the sequence's dropout draw. */
struct pair_of {
  int query, key, seen;
  uint64_t draw;
};

__device__ inline pair_of make_pair(const fd_attention_call &c, int s, int query, int key) {
  int seen = query < c.query_start[s + 1] && key < c.key_start[s + 1] && !(c.a.hidden && c.a.hidden[key]);
  if (!seen) return {0, 0, 0, 0};
  return {fd_attention_place(c.a.query_position, query, c.query_start[s]),
          fd_attention_place(c.a.key_position, key, c.key_start[s]), 1, c.draws ? c.draws[s] : 0};
}

__device__ inline float score_of(const fd_attention_call &c, int head, pair_of pair, float dot) {
  float t = dot * c.a.scale;
  return c.a.slopes ? fmaf(-c.a.slopes[head], fabsf((float)(pair.query - pair.key)), t) : t;
}

/* The factor by which dropout multiplies a pair's probability. */
__device__ inline float kept_of(const fd_attention_call &c, int head, pair_of pair) {
  if (c.a.dropout <= 0) return 1;
  uint32_t word[4];
  fd_philox(word, c.a.key, pair.draw, fd_attention_counter(c.a.layer, head, pair.query, pair.key));
  return fd_attention_bits(word, pair.key) < fd_dropout_limit(c.a.dropout) ? 0 : 1 / (1 - c.a.dropout);
}

template <int N>
__device__ inline void store_rows(const fd_attention_call &c, fd_mat to, int head, int first, int last,
                                  const float sums[EACH][N]) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int e = 0; e < EACH; e++)
#pragma unroll
    for (int n = 0; n < N; n++)
      if (first + e < last && lane + n * FD_WARP < c.a.dim)
        fd_put(to, first + e, head * c.a.dim + lane + n * FD_WARP, sums[e][n]);
}

/* Zeroes the padding of y, all of which must be written; only the blocks of the last head do so. */
__device__ inline void store_padding(const fd_attention_call &c, int head, int first, int last) {
  int lane = (int)threadIdx.x % FD_WARP, width = c.a.heads * c.a.dim;
  for (int e = 0; e < EACH && head == c.a.heads - 1; e++)
    for (int column = width + lane; column < c.y.stride && first + e < last; column += FD_WARP) fd_put(c.y, first + e, column, 0);
}

/* The running softmax of the warp's queries. */
template <int N>
struct softmax {
  float most[EACH], sum[EACH], acc[EACH][N];
};

/* Updates the running softmax with the lane's key; the weights of the values are written to weights[EACH][32]. */
template <int N>
__device__ inline void take_keys(const fd_attention_call &c, int head, int s, int first, int key, const float dot[EACH],
                                 softmax<N> &state, float *weights) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    pair_of pair = make_pair(c, s, first + e, key);
    float t = pair.seen ? score_of(c, head, pair, dot[e]) : -INFINITY, most = fmaxf(state.most[e], warp_max(t)),
          base = most == -INFINITY ? 0 : most, p = pair.seen ? expf(t - base) : 0, shrink = expf(state.most[e] - base);
    state.sum[e] = state.sum[e] * shrink + fd_warp_sum(p);
    state.most[e] = most;
#pragma unroll
    for (int n = 0; n < N; n++) state.acc[e][n] *= shrink;
    weights[e * FD_WARP + lane] = pair.seen ? p * kept_of(c, head, pair) : 0;
  }
}

template <int N>
__global__ void __launch_bounds__(THREADS, 1) attention_forward(fd_attention_call c) {
  enum { WIDTH = N * FD_WARP };
  int warp = (int)threadIdx.x / FD_WARP, lane = (int)threadIdx.x % FD_WARP, head = (int)blockIdx.x % c.a.heads,
      tile = (int)blockIdx.x / c.a.heads;
  float *q = (float *)fd_shared(), *k = q + TILE * WIDTH, *v = k + FD_WARP * (WIDTH + 1),
        *weights = v + FD_WARP * WIDTH + warp * EACH * FD_WARP;
  for (int s = (int)blockIdx.y; s < c.count; s += (int)gridDim.y) {
    int first = c.query_start[s] + tile * TILE, last = c.query_start[s + 1], mine = first + warp * EACH;
    if (first >= last) continue;
    __syncthreads();
    load_tile(c, c.q, head, first, TILE, last - first, WIDTH, WIDTH, q);
    softmax<N> state;
#pragma unroll
    for (int e = 0; e < EACH; e++) {
      state.most[e] = -INFINITY, state.sum[e] = 0;
#pragma unroll
      for (int n = 0; n < N; n++) state.acc[e][n] = 0;
    }
    for (int key = c.key_start[s]; key < c.key_start[s + 1]; key += FD_WARP) {
      float dot[EACH];
      __syncthreads();
      load_tile(c, c.k, head, key, FD_WARP, c.key_start[s + 1] - key, WIDTH, WIDTH + 1, k);
      load_tile(c, c.v, head, key, FD_WARP, c.key_start[s + 1] - key, WIDTH, WIDTH, v);
      __syncthreads();
      multiply(c.a.dim, q + warp * EACH * WIDTH, WIDTH, k + lane * (WIDTH + 1), dot);
      take_keys<N>(c, head, s, mine, key + lane, dot, state, weights);
      __syncwarp();
      weigh<N>(weights, v, WIDTH, state.acc);
    }
#pragma unroll
    for (int e = 0; e < EACH; e++) {
      float sum = state.sum[e];
#pragma unroll
      for (int n = 0; n < N; n++) state.acc[e][n] = sum == 0 ? 0 : state.acc[e][n] / sum;
      if (lane == 0 && c.lse_out && mine + e < last)
        c.lse_out[(size_t)(mine + e) * c.a.heads + head] = sum == 0 ? -INFINITY : state.most[e] + logf(sum);
    }
    store_rows<N>(c, c.y, head, mine, last, state.acc);
    store_padding(c, head, mine, last);
  }
}

/* delta = the dot product of dy and y for the warp's queries; stored as well, for the gradients of keys. */
__device__ inline void make_delta(const fd_attention_call &c, int head, int first, int last, float delta[EACH], float lse[EACH]) {
  int lane = (int)threadIdx.x % FD_WARP;
#pragma unroll
  for (int e = 0; e < EACH; e++) {
    float sum = 0;
    for (int d = lane; d < c.a.dim && first + e < last; d += FD_WARP)
      sum = fmaf(fd_get(c.y, first + e, head * c.a.dim + d), fd_get(c.dy, first + e, head * c.a.dim + d), sum);
    delta[e] = fd_warp_sum(sum);
    lse[e] = first + e < last ? c.lse[(size_t)(first + e) * c.a.heads + head] : 0;
    if (lane == 0 && first + e < last) c.delta[(size_t)(first + e) * c.a.heads + head] = delta[e];
  }
}

/* The gradient of a score times the scale; *kept_p is the weight of the value: the probability after dropout. */
__device__ inline float slope_of(const fd_attention_call &c, int head, pair_of pair, float dot, float along, float lse,
                                 float delta, float *kept_p) {
  *kept_p = 0;
  if (!pair.seen) return 0;
  float p = expf(score_of(c, head, pair, dot) - lse), kept = kept_of(c, head, pair);
  *kept_p = p * kept;
  return p * (along * kept - delta) * c.a.scale;
}

template <int N>
__global__ void __launch_bounds__(THREADS, 1) attention_queries(fd_attention_call c) {
  enum { WIDTH = N * FD_WARP };
  int warp = (int)threadIdx.x / FD_WARP, lane = (int)threadIdx.x % FD_WARP, head = (int)blockIdx.x % c.a.heads,
      tile = (int)blockIdx.x / c.a.heads;
  float *q = (float *)fd_shared(), *dy = q + TILE * WIDTH, *k = dy + TILE * WIDTH, *v = k + FD_WARP * (WIDTH + 1),
        *slopes = v + FD_WARP * (WIDTH + 1) + warp * EACH * FD_WARP;
  for (int s = (int)blockIdx.y; s < c.count; s += (int)gridDim.y) {
    int first = c.query_start[s] + tile * TILE, last = c.query_start[s + 1], mine = first + warp * EACH;
    if (first >= last) continue;
    float sums[EACH][N], dot[EACH], along[EACH], delta[EACH], lse[EACH], unused;
#pragma unroll
    for (int i = 0; i < EACH * N; i++) sums[i / N][i % N] = 0;
    make_delta(c, head, mine, last, delta, lse);
    __syncthreads();
    load_tile(c, c.q, head, first, TILE, last - first, WIDTH, WIDTH, q);
    load_tile(c, c.dy, head, first, TILE, last - first, WIDTH, WIDTH, dy);
    for (int key = c.key_start[s]; key < c.key_start[s + 1]; key += FD_WARP) {
      __syncthreads();
      load_tile(c, c.k, head, key, FD_WARP, c.key_start[s + 1] - key, WIDTH, WIDTH + 1, k);
      load_tile(c, c.v, head, key, FD_WARP, c.key_start[s + 1] - key, WIDTH, WIDTH + 1, v);
      __syncthreads();
      multiply(c.a.dim, q + warp * EACH * WIDTH, WIDTH, k + lane * (WIDTH + 1), dot);
      multiply(c.a.dim, dy + warp * EACH * WIDTH, WIDTH, v + lane * (WIDTH + 1), along);
#pragma unroll
      for (int e = 0; e < EACH; e++)
        slopes[e * FD_WARP + lane] =
            slope_of(c, head, make_pair(c, s, mine + e, key + lane), dot[e], along[e], lse[e], delta[e], &unused);
      __syncwarp();
      weigh<N>(slopes, k, WIDTH + 1, sums);
    }
    store_rows<N>(c, c.dq, head, mine, last, sums);
  }
}

template <int N>
__global__ void __launch_bounds__(THREADS, 1) attention_keys(fd_attention_call c) {
  enum { WIDTH = N * FD_WARP };
  int warp = (int)threadIdx.x / FD_WARP, lane = (int)threadIdx.x % FD_WARP, head = (int)blockIdx.x % c.a.heads,
      tile = (int)blockIdx.x / c.a.heads;
  float *k = (float *)fd_shared(), *v = k + TILE * WIDTH, *q = v + TILE * WIDTH, *dy = q + FD_WARP * (WIDTH + 1),
        *slopes = dy + FD_WARP * (WIDTH + 1) + warp * EACH * FD_WARP, *weights = slopes + WARPS * EACH * FD_WARP;
  for (int s = (int)blockIdx.y; s < c.count; s += (int)gridDim.y) {
    int first = c.key_start[s] + tile * TILE, last = c.key_start[s + 1], mine = first + warp * EACH, end = c.query_start[s + 1];
    if (first >= last) continue;
    float dk[EACH][N], dv[EACH][N], dot[EACH], along[EACH];
#pragma unroll
    for (int i = 0; i < EACH * N; i++) dk[i / N][i % N] = dv[i / N][i % N] = 0;
    __syncthreads();
    load_tile(c, c.k, head, first, TILE, last - first, WIDTH, WIDTH, k);
    load_tile(c, c.v, head, first, TILE, last - first, WIDTH, WIDTH, v);
    for (int query = c.query_start[s]; query < end; query += FD_WARP) {
      size_t at = (size_t)(query + lane) * c.a.heads + head;
      float lse = query + lane < end ? c.lse[at] : 0, delta = query + lane < end ? c.delta[at] : 0;
      __syncthreads();
      load_tile(c, c.q, head, query, FD_WARP, end - query, WIDTH, WIDTH + 1, q);
      load_tile(c, c.dy, head, query, FD_WARP, end - query, WIDTH, WIDTH + 1, dy);
      __syncthreads();
      multiply(c.a.dim, k + warp * EACH * WIDTH, WIDTH, q + lane * (WIDTH + 1), dot);
      multiply(c.a.dim, v + warp * EACH * WIDTH, WIDTH, dy + lane * (WIDTH + 1), along);
#pragma unroll
      for (int e = 0; e < EACH; e++) {
        float p;
        slopes[e * FD_WARP + lane] = slope_of(c, head, make_pair(c, s, query + lane, mine + e), dot[e], along[e], lse, delta, &p);
        weights[e * FD_WARP + lane] = p;
      }
      __syncwarp();
      weigh<N>(slopes, q, WIDTH + 1, dk);
      weigh<N>(weights, dy, WIDTH + 1, dv);
    }
    store_rows<N>(c, c.dk, head, mine, last, dk);
    store_rows<N>(c, c.dv, head, mine, last, dv);
  }
}

/* Bytes of shared memory: `tiles` tiles of TILE rows, `passing` tiles of FD_WARP rows, `handed` arrays of weights per warp. */
size_t shared_bytes(int width, int tiles, int passing, int handed) {
  return (size_t)(tiles * TILE * width + passing * FD_WARP * (width + 1) + handed * WARPS * EACH * FD_WARP) * sizeof(float);
}

int fits(fd_cuda *cuda, const fd_attention *a) {
  if (a->dim <= FD_ATTENTION_DIM) return 1;
  fd_status status =
      cuda->host->fail(FD_CONFIG, "attention heads of %d columns: a GPU supports at most %d", a->dim, FD_ATTENTION_DIM);
  if (cuda->failed == FD_OK) cuda->failed = status;
  return 0;
}

fd_attention_call call_of(const fd_seqs *queries, const fd_seqs *keys, const fd_attention *a) {
  fd_attention_call c = {};
  c.a = *a;
  c.query_start = queries->device_start, c.key_start = keys->device_start;
  c.draws = queries->device_draws, c.count = queries->count;
  return c;
}

template <int N>
void forward(fd_cuda *cuda, const fd_seqs *queries, const fd_attention_call &c) {
  fd_launch(cuda, "attention_forward", attention_forward<N>, fd_attention_grid(queries, c.a.heads, TILE), THREADS,
            shared_bytes(N * FD_WARP, 1, 2, 1), c);
}

template <int N>
void backward(fd_cuda *cuda, const fd_seqs *queries, const fd_seqs *keys, const fd_attention_call &c) {
  size_t shared = shared_bytes(N * FD_WARP, 2, 2, 2);
  fd_launch(cuda, "attention_queries", attention_queries<N>, fd_attention_grid(queries, c.a.heads, TILE), THREADS, shared, c);
  fd_launch(cuda, "attention_keys", attention_keys<N>, fd_attention_grid(keys, c.a.heads, TILE), THREADS, shared, c);
}

}  // namespace

dim3 fd_attention_grid(const fd_seqs *seqs, int heads, int tile) {
  int longest = 0;
  for (int i = 0; i < seqs->count; i++) {
    int rows = seqs->start[i + 1] - seqs->start[i];
    if (rows > longest) longest = rows;
  }
  return dim3(fd_blocks((size_t)longest, (size_t)tile) * (unsigned)heads, seqs->count < 65535 ? (unsigned)seqs->count : 65535);
}

void fd_cuda_attention_forward(fd_device *dev, const fd_seqs *queries, const fd_seqs *keys, const fd_attention *a, fd_mat q,
                               fd_mat k, fd_mat v, fd_mat y, float *lse) {
  fd_cuda *cuda = fd_cuda_of(dev);
  fd_attention_call c = call_of(queries, keys, a);
  c.q = q, c.k = k, c.v = v, c.y = y, c.lse_out = lse;
  if (!fits(cuda, a)) return;
  if (fd_attention_on_tensors(cuda, c)) fd_attention_tensor_forward(cuda, queries, c);
  else if (a->dim <= FD_WARP) forward<1>(cuda, queries, c);
  else if (a->dim <= 2 * FD_WARP) forward<2>(cuda, queries, c);
  else forward<4>(cuda, queries, c);
}

void fd_cuda_attention_backward(fd_device *dev, const fd_seqs *queries, const fd_seqs *keys, const fd_attention *a, fd_mat q,
                                fd_mat k, fd_mat v, fd_mat y, const float *lse, fd_mat dy, fd_mat dq, fd_mat dk, fd_mat dv) {
  fd_cuda *cuda = fd_cuda_of(dev);
  fd_attention_call c = call_of(queries, keys, a);
  c.q = q, c.k = k, c.v = v, c.y = y, c.dy = dy, c.dq = dq, c.dk = dk, c.dv = dv, c.lse = lse;
  size_t rows = (size_t)fd_seqs_rows(queries);
  c.delta = (float *)fd_cuda_scratch(cuda, FD_SLOT_PARTIAL, (rows + 1) * (size_t)a->heads * sizeof(float));
  if (!c.delta || !fits(cuda, a)) return;
  if (fd_attention_on_tensors(cuda, c)) fd_attention_tensor_backward(cuda, queries, keys, c);
  else if (a->dim <= FD_WARP) backward<1>(cuda, queries, keys, c);
  else if (a->dim <= 2 * FD_WARP) backward<2>(cuda, queries, keys, c);
  else backward<4>(cuda, queries, keys, c);
}
