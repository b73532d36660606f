/* The gated delta rule on the GPU, chunk by chunk as matrix products (cpu/delta.c defines the formulas and names): one block per
 * head of a sequence, with its matrices in shared memory if they fit. If rows are in bf16, products run on tensor cores, with
 * every operand split into a sum of two bf16 numbers. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 256, WARPS = THREADS / FD_WARP, CHUNK = FD_DELTA_CHUNK, BLOCKS_MAX = 1024, EACH = 4 };
static_assert((int)CHUNK == (int)FD_WARP, "a lane has a row or column of a chunk");

namespace {

struct delta_call {
  fd_delta of;
  const int *start;
  int items;
  fd_mat x, gates, y, dy, dx, dgates;
  float *states, *arena; /* arena NULL: shared memory */
  double *sums;          /* per item: gradients of its rate and offset */
};

/* Element (i, j) is at[i * row + j * column]. */
struct view {
  const float *at;
  int row, column;
};

struct work {
  int head, first, length, at, n;
  float *kq, *v, *products, *a, *decay, *inverse, *s, *seen, *u, *du, *g, *dproducts, *dkq, *along;
  float *root, *alpha, *beta, *whole, *dlog, *dbeta; /* [CHUNK], root [2 CHUNK] */
};

__host__ __device__ inline float *take(float *base, size_t *used, int rows, int width) {
  float *at = base + *used;
  *used += (size_t)rows * (size_t)width;
  return at;
}

/* Lays out a block's arena; returns its size in floats. In the backward pass, du is where Q S is in the forward pass, and s holds
 * the gradients of the state. */
__host__ __device__ inline size_t divide(const fd_delta &d, work *w, float *base, int backward) {
  size_t used = 0;
  w->kq = take(base, &used, 2 * CHUNK, d.keys), w->v = take(base, &used, CHUNK, d.values);
  w->products = take(base, &used, 2 * CHUNK, CHUNK), w->a = take(base, &used, CHUNK, CHUNK);
  w->decay = take(base, &used, CHUNK, CHUNK), w->inverse = take(base, &used, CHUNK, CHUNK);
  w->s = take(base, &used, d.keys, d.values), w->seen = take(base, &used, CHUNK, d.values);
  w->du = take(base, &used, CHUNK, d.values), w->u = take(base, &used, CHUNK, d.values);
  w->root = take(base, &used, 2, CHUNK), w->alpha = take(base, &used, 1, CHUNK);
  w->beta = take(base, &used, 1, CHUNK), w->whole = take(base, &used, 1, CHUNK);
  if (!backward) return used;
  w->g = take(base, &used, 2 * CHUNK, d.values), w->dproducts = take(base, &used, 2 * CHUNK, CHUNK);
  w->dkq = take(base, &used, 2 * CHUNK, d.keys), w->along = take(base, &used, CHUNK, d.keys);
  w->dlog = take(base, &used, 1, CHUNK), w->dbeta = take(base, &used, 1, CHUNK);
  return used;
}

__device__ inline int lane_of() { return (int)threadIdx.x % FD_WARP; }
__device__ inline int warp_of() { return (int)threadIdx.x / FD_WARP; }

/* c[m, n] = a[m, k] b[k, n], or += with `add`: a thread computes EACH x EACH elements at a time. */
__device__ inline void product_plain(int m, int n, int k, view a, view b, float *c, int ld, int add) {
  int across = (n + EACH - 1) / EACH, tiles = (m + EACH - 1) / EACH * across;
  for (int t = (int)threadIdx.x; t < tiles; t += THREADS) {
    int i = t / across * EACH, j = t % across * EACH;
    float sum[EACH][EACH] = {};
    for (int p = 0; p < k; p++) {
      float x[EACH], y[EACH];
#pragma unroll
      for (int e = 0; e < EACH; e++) {
        x[e] = a.at[(i + e < m ? i + e : m - 1) * a.row + p * a.column];
        y[e] = b.at[p * b.row + (j + e < n ? j + e : n - 1) * b.column];
      }
#pragma unroll
      for (int e = 0; e < EACH; e++)
#pragma unroll
        for (int f = 0; f < EACH; f++) sum[e][f] = fmaf(x[e], y[f], sum[e][f]);
    }
#pragma unroll
    for (int e = 0; e < EACH; e++)
#pragma unroll
      for (int f = 0; f < EACH; f++)
        if (i + e < m && j + f < n) c[(i + e) * ld + j + f] = add ? c[(i + e) * ld + j + f] + sum[e][f] : sum[e][f];
  }
}

/* Splits two numbers into pairs of bf16: the rounded values and the remainders. */
__device__ inline void split(float low, float high, fd_bf16x2 *coarse, fd_bf16x2 *fine) {
  *coarse = fd_bf16_pair(low, high);
  *fine = fd_bf16_pair(low - fd_bf16_low(*coarse), high - fd_bf16_high(*coarse));
}

/* The same on tensor cores: a warp computes 16 x 8 elements at a time. */
__device__ inline void product_tensor(int m, int n, int k, view a, view b, float *c, int ld, int add) {
  int lane = lane_of(), across = (n + 7) / 8, tiles = (m + 15) / 16 * across;
  for (int t = warp_of(); t < tiles; t += WARPS) {
    int i = t / across * 16, j = t % across * 8;
    float sum[4] = {};
    for (int p = 0; p < k; p += 16) {
      fd_bf16x2 coarse[6], fine[6];
#pragma unroll
      for (int e = 0; e < 12; e += 2) {
        float v[2];
#pragma unroll
        for (int f = 0; f < 2; f++) {
          int row = i + fd_a_row(lane, e + f), at = p + fd_a_k(lane, e + f), column = j + fd_b_column(lane),
              down = p + fd_b_k(lane, e + f - 8);
          if (e < 8) v[f] = row < m && at < k ? a.at[row * a.row + at * a.column] : 0;
          else v[f] = column < n && down < k ? b.at[down * b.row + column * b.column] : 0;
        }
        split(v[0], v[1], &coarse[e / 2], &fine[e / 2]);
      }
      fd_multiply(sum, fine, coarse + 4);
      fd_multiply(sum, coarse, fine + 4);
      fd_multiply(sum, coarse, coarse + 4);
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int row = i + fd_c_row(lane, e), column = j + fd_c_column(lane, e);
      if (row < m && column < n) c[row * ld + column] = add ? c[row * ld + column] + sum[e] : sum[e];
    }
  }
}

/* Called by all threads of the block; barriers make visible what they wrote before, and the product on return. */
template <bool TENSOR>
__device__ inline void product(int m, int n, int k, view a, view b, float *c, int ld, int add) {
  __syncthreads();
  if (TENSOR) product_tensor(m, n, k, a, b, c, ld, add);
  else product_plain(m, n, k, a, b, c, ld, add);
  __syncthreads();
}

__device__ inline int64_t row_of(const delta_call &c, const work &w, int i) {
  return w.first + (c.of.reverse ? w.length - 1 - (w.at + i) : w.at + i);
}

/* First columns of the head's query, key and value. */
__device__ inline int query_of(const delta_call &c, const work &w) { return w.head * c.of.keys; }
__device__ inline int key_of(const delta_call &c, const work &w) { return (c.of.heads + w.head) * c.of.keys; }
__device__ inline int value_of(const delta_call &c, const work &w) { return 2 * c.of.heads * c.of.keys + w.head * c.of.values; }

/* The stored state before a chunk; NULL for the sequence's first chunk, or if no states are stored. */
__device__ inline float *state_of(const delta_call &c, const work &w) {
  if (!c.states || !w.at) return NULL;
  int64_t place = w.first / CHUNK + w.at / CHUNK - 1;
  return c.states + (place * c.of.heads + w.head) * c.of.keys * c.of.values;
}

__device__ inline float decay_of(const delta_call &c, const work &w, float gate, float *slope) {
  float rate = -expf(c.of.rate[w.head]), at = gate + c.of.offset[w.head];
  *slope = rate / (1 + expf(-at));
  return rate * (at > 20 ? at : log1pf(expf(at)));
}

/* Loads a row of K or Q, normalized to unit length and multiplied by `scale`; one warp per row. */
__device__ inline void load_unit(const delta_call &c, int64_t row, int first, float scale, float *to, float *root) {
  float squares = 0;
  for (int j = lane_of(); j < c.of.keys; j += FD_WARP) {
    float v = fd_get(c.x, row, first + j);
    squares = fmaf(v, v, squares);
  }
  float r = 1 / sqrtf(fd_warp_sum(squares) + c.of.eps);
  for (int j = lane_of(); j < c.of.keys; j += FD_WARP) to[j] = fd_get(c.x, row, first + j) * r * scale;
  if (lane_of() == 0) *root = r;
}

/* D, E and the rows' gates, by the first warp: lane j computes the gates of row j and column j of D. */
__device__ inline void load_gates(const delta_call &c, const work &w) {
  int j = lane_of();
  if (warp_of()) return;
  if (j < w.n) {
    float slope;
    w.alpha[j] = expf(decay_of(c, w, fd_get(c.gates, row_of(c, w, j), w.head), &slope));
    w.beta[j] = 1 / (1 + expf(-fd_get(c.gates, row_of(c, w, j), c.of.heads + w.head)));
  }
  __syncwarp();
  float d = 0, whole = 1;
  for (int i = 0; i < w.n; i++) {
    d = i == j ? 1 : d * w.alpha[i];
    whole *= w.alpha[i];
    w.decay[i * CHUNK + j] = d;
    if (j == 0) w.whole[i] = whole;
  }
}

__device__ inline void load(const delta_call &c, work &w, int at) {
  w.at = at;
  w.n = w.length - at < CHUNK ? w.length - at : CHUNK;
  __syncthreads(); /* the previous chunk is no longer read */
  for (int i = warp_of(); i < w.n; i += WARPS) {
    int64_t row = row_of(c, w, i);
    load_unit(c, row, key_of(c, w), 1, w.kq + i * c.of.keys, w.root + i);
    load_unit(c, row, query_of(c, w), 1 / sqrtf((float)c.of.keys), w.kq + (w.n + i) * c.of.keys, w.root + w.n + i);
    for (int j = lane_of(); j < c.of.values; j += FD_WARP) w.v[i * c.of.values + j] = fd_get(c.x, row, value_of(c, w) + j);
  }
  load_gates(c, w);
  __syncthreads();
}

/* T = (1 + A)^-1, by the first warp: lane j computes column j. */
__device__ inline void invert(const work &w) {
  int j = lane_of();
  if (warp_of()) return;
  for (int i = 0; i < w.n; i++) {
    float sum = i == j;
    for (int k = 0; k < i; k++) sum = fmaf(-w.a[i * CHUNK + k], w.inverse[k * CHUNK + j], sum);
    w.inverse[i * CHUNK + j] = sum;
  }
}

/* B, P, A, T, U, and the products of K and, if `queries`, of Q with the state (NULL: zeros). */
template <bool TENSOR>
__device__ inline void solve(const delta_call &c, const work &w, const float *state, int queries) {
  int n = w.n, keys = c.of.keys, values = c.of.values, rows = queries ? 2 * n : n;
  product<TENSOR>(2 * n, n, keys, {w.kq, keys, 1}, {w.kq, 1, keys}, w.products, CHUNK, 0);
  for (int i = (int)threadIdx.x; i < n * n; i += THREADS) {
    int at = i / n * CHUNK + i % n;
    w.products[at] *= w.decay[at];
    w.products[n * CHUNK + at] *= w.decay[at];
    w.a[at] = w.beta[i / n] * w.products[at];
  }
  __syncthreads();
  invert(w);
  if (state) product<TENSOR>(rows, values, keys, {w.kq, keys, 1}, {state, values, 1}, w.seen, values, 0);
  __syncthreads();
  for (int i = (int)threadIdx.x; i < rows * values; i += THREADS) {
    int row = i / values;
    float seen = state ? w.seen[i] : 0;
    w.seen[i] = row < n ? w.beta[row] * (w.v[i] - w.whole[row] * seen) : w.whole[row - n] * seen;
  }
  product<TENSOR>(n, values, n, {w.inverse, CHUNK, 1}, {w.seen, values, 1}, w.u, values, 0);
}

/* Multiplies each row by its factor. */
__device__ inline void scale_rows(int n, int width, const float *factor, float *rows) {
  for (int i = (int)threadIdx.x; i < n * width; i += THREADS) rows[i] *= factor[i / width];
}

template <bool TENSOR>
__device__ inline void forward_chunk(const delta_call &c, const work &w) {
  int n = w.n, keys = c.of.keys, values = c.of.values;
  float *y = w.seen + n * values;
  solve<TENSOR>(c, w, w.s, 1);
  product<TENSOR>(n, values, n, {w.products + n * CHUNK, CHUNK, 1}, {w.u, values, 1}, y, values, 1);
  for (int i = (int)threadIdx.x; i < n * values; i += THREADS)
    fd_put(c.y, row_of(c, w, i / values), w.head * values + i % values, y[i]);
  scale_rows(n, keys, w.decay + (n - 1) * CHUNK, w.kq);
  for (int i = (int)threadIdx.x; i < keys * values; i += THREADS) w.s[i] *= w.whole[n - 1];
  product<TENSOR>(keys, values, n, {w.kq, 1, keys}, {w.u, values, 1}, w.s, values, 1);
}

/* Begins the block's work on an item, a head of a sequence, with a state of zeros. */
__device__ inline work begin(const delta_call &c, int item, int backward) {
  work w = {};
  work none;
  float *base = c.arena ? c.arena + (size_t)blockIdx.x * divide(c.of, &none, NULL, backward) : (float *)fd_shared();
  divide(c.of, &w, base, backward);
  int sequence = item / c.of.heads;
  w.head = item % c.of.heads, w.first = c.start[sequence], w.length = c.start[sequence + 1] - w.first;
  __syncthreads();
  for (int i = (int)threadIdx.x; i < c.of.keys * c.of.values; i += THREADS) w.s[i] = 0;
  return w;
}

/* Zeroes the padding of a chunk's rows; only the block of the last head does so. */
__device__ inline void pad(const delta_call &c, const work &w, fd_mat m, int width) {
  int behind = m.stride - width;
  for (int i = (int)threadIdx.x; w.head == c.of.heads - 1 && i < w.n * behind; i += THREADS)
    fd_put(m, row_of(c, w, i / behind), width + i % behind, 0);
}

template <bool TENSOR>
__global__ void __launch_bounds__(THREADS, 2) delta_forward(delta_call c) {
  for (int item = (int)blockIdx.x; item < c.items; item += (int)gridDim.x) {
    work w = begin(c, item, 0);
    for (int at = 0; at < w.length; at += CHUNK) {
      load(c, w, at);
      float *state = state_of(c, w);
      for (int i = (int)threadIdx.x; state && i < c.of.keys * c.of.values; i += THREADS) state[i] = w.s[i];
      forward_chunk<TENSOR>(c, w);
      pad(c, w, c.y, c.of.heads * c.of.values);
    }
  }
}

template <bool TENSOR>
__device__ inline void backward_u(const delta_call &c, const work &w) {
  int n = w.n, keys = c.of.keys, values = c.of.values;
  float *dy = w.g + n * values;
  for (int i = (int)threadIdx.x; i < n * values; i += THREADS)
    dy[i] = fd_get(c.dy, row_of(c, w, i / values), w.head * values + i % values);
  product<TENSOR>(n, values, keys, {w.kq, keys, 1}, {w.s, values, 1}, w.du, values, 0);
  scale_rows(n, values, w.decay + (n - 1) * CHUNK, w.du);
  product<TENSOR>(n, values, n, {w.products + n * CHUNK, 1, CHUNK}, {dy, values, 1}, w.du, values, 1);
  product<TENSOR>(n, values, n, {w.inverse, 1, CHUNK}, {w.du, values, 1}, w.g, values, 0);
}

template <bool TENSOR>
__device__ inline void backward_products(const delta_call &c, const work &w, const float *state) {
  int n = w.n, keys = c.of.keys, values = c.of.values;
  product<TENSOR>(2 * n, n, values, {w.g, values, 1}, {w.u, 1, values}, w.dproducts, CHUNK, 0);
  if (state) product<TENSOR>(2 * n, keys, values, {w.g, values, 1}, {state, 1, values}, w.dkq, keys, 0);
  for (int i = (int)threadIdx.x; !state && i < 2 * n * keys; i += THREADS) w.dkq[i] = 0;
  product<TENSOR>(n, keys, values, {w.u, values, 1}, {w.s, 1, values}, w.along, keys, 0);
}

/* Gradients through D in A and P: lane i of the first warp sums row i, then column i. */
__device__ inline void backward_decays(const work &w) {
  int i = lane_of();
  const float *da = w.dproducts, *dp = w.dproducts + w.n * CHUNK, *p = w.products + w.n * CHUNK;
  if (warp_of() || i >= w.n) return;
  float log = 0, beta = 0;
  for (int j = 0; j < i; j++) {
    int at = i * CHUNK + j;
    log += dp[at] * p[at] - da[at] * w.a[at];
    beta -= da[at] * w.products[at];
  }
  for (int j = i + 1; j < w.n; j++) {
    int at = j * CHUNK + i;
    log -= dp[at] * p[at] - da[at] * w.a[at];
  }
  w.dlog[i] = log, w.dbeta[i] = beta;
}

__device__ inline float warp_dot(int n, const float *x, const float *y) {
  float sum = 0;
  for (int j = lane_of(); j < n; j += FD_WARP) sum = fmaf(x[j], y[j], sum);
  return fd_warp_sum(sum);
}

/* One warp per row: adds its gradients through E and D[last]. along[i][0] becomes the row's contribution to the last row's
 * gradient. */
__device__ inline void backward_rows(const delta_call &c, const work &w) {
  int n = w.n, keys = c.of.keys, values = c.of.values;
  const float *last = w.decay + (n - 1) * CHUNK;
  for (int i = warp_of(); i < n; i += WARPS) {
    float *key = w.dkq + i * keys, *query = w.dkq + (n + i) * keys, *along = w.along + i * keys, whole = w.whole[i];
    float through = whole * warp_dot(keys, w.kq + i * keys, key), asked = whole * warp_dot(keys, w.kq + (n + i) * keys, query),
          kept = last[i] * warp_dot(keys, w.kq + i * keys, along), value = warp_dot(values, w.v + i * values, w.g + i * values);
    for (int j = lane_of(); j < keys; j += FD_WARP) {
      query[j] *= whole;
      key[j] = fmaf(-w.beta[i] * whole, key[j], last[i] * along[j]);
    }
    __syncwarp();
    if (lane_of() > 0) continue;
    w.dbeta[i] += value - through;
    w.dlog[i] += asked - w.beta[i] * through - kept;
    along[0] = kept;
  }
}

/* Adds the last row's gradient through E[last] S and D[last], then takes suffix sums, by one thread: dlog becomes the gradients
 * of log alpha. */
__device__ inline void sum_decays(const delta_call &c, const work &w, const float *kept) {
  if (threadIdx.x > 0) return;
  float behind = 0;
  for (int i = 0; i < w.n; i++) behind += w.along[i * c.of.keys];
  for (int i = 0; kept && i < WARPS; i++) behind += w.whole[w.n - 1] * kept[i];
  w.dlog[w.n - 1] += behind;
  for (int i = w.n - 2; i >= 0; i--) w.dlog[i] += w.dlog[i + 1];
}

/* Writes a warp's part of the sum of S dS' to kept[warp], in the memory of inverse, which is no longer read. */
__device__ inline void state_products(const delta_call &c, const work &w, const float *state, float *kept) {
  float sum = 0;
  for (int i = (int)threadIdx.x; i < c.of.keys * c.of.values; i += THREADS) sum = fmaf(state[i], w.s[i], sum);
  sum = fd_warp_sum(sum);
  if (lane_of() == 0) kept[warp_of()] = sum;
}

template <bool TENSOR>
__device__ inline void backward_pairs(const delta_call &c, const work &w) {
  int n = w.n, keys = c.of.keys;
  float *da = w.dproducts, *dp = da + n * CHUNK;
  for (int i = (int)threadIdx.x; i < n * n; i += THREADS) {
    int at = i / n * CHUNK + i % n;
    da[at] = i % n < i / n ? -w.beta[i / n] * w.decay[at] * da[at] : 0;
    dp[at] *= w.decay[at];
  }
  product<TENSOR>(2 * n, keys, n, {da, CHUNK, 1}, {w.kq, keys, 1}, w.dkq, keys, 1);
  product<TENSOR>(n, keys, 2 * n, {da, 1, CHUNK}, {w.kq, keys, 1}, w.dkq, keys, 1);
}

/* Computes and stores the gradient of a row from that of its unit row; one warp per row. */
__device__ inline void store_unit(const delta_call &c, int64_t row, int first, float scale, float root, const float *unit,
                                  const float *d) {
  float along = warp_dot(c.of.keys, unit, d) / scale;
  for (int j = lane_of(); j < c.of.keys; j += FD_WARP) fd_put(c.dx, row, first + j, root * (scale * d[j] - along * unit[j]));
}

__device__ inline void store(const delta_call &c, const work &w, double sums[2]) {
  int n = w.n, keys = c.of.keys, values = c.of.values;
  for (int i = warp_of(); i < n; i += WARPS) {
    int64_t row = row_of(c, w, i);
    store_unit(c, row, key_of(c, w), 1, w.root[i], w.kq + i * keys, w.dkq + i * keys);
    store_unit(c, row, query_of(c, w), 1 / sqrtf((float)keys), w.root[n + i], w.kq + (n + i) * keys, w.dkq + (n + i) * keys);
    for (int j = lane_of(); j < values; j += FD_WARP) fd_put(c.dx, row, value_of(c, w) + j, w.beta[i] * w.g[i * values + j]);
    float slope;
    decay_of(c, w, fd_get(c.gates, row, w.head), &slope);
    if (lane_of() > 0) continue;
    fd_put(c.dgates, row, w.head, w.dlog[i] * slope);
    fd_put(c.dgates, row, c.of.heads + w.head, w.dbeta[i] * w.beta[i] * (1 - w.beta[i]));
  }
  for (int i = n - 1; i >= 0 && threadIdx.x == 0; i--) {
    float slope, log = decay_of(c, w, fd_get(c.gates, row_of(c, w, i), w.head), &slope);
    sums[0] += (double)w.dlog[i] * (double)log, sums[1] += (double)w.dlog[i] * (double)slope;
  }
}

template <bool TENSOR>
__device__ inline void backward_state(const delta_call &c, const work &w) {
  int n = w.n, keys = c.of.keys, values = c.of.values;
  __syncthreads();
  for (int i = (int)threadIdx.x; i < 2 * n * keys; i += THREADS) {
    int row = i / keys;
    w.kq[i] *= row < n ? -w.beta[row] * w.whole[row] : w.whole[row - n];
  }
  for (int i = (int)threadIdx.x; i < keys * values; i += THREADS) w.s[i] *= w.whole[n - 1];
  product<TENSOR>(keys, values, 2 * n, {w.kq, 1, keys}, {w.g, values, 1}, w.s, values, 1);
}

template <bool TENSOR>
__device__ inline void backward_chunk(const delta_call &c, const work &w, double sums[2]) {
  const float *state = state_of(c, w);
  solve<TENSOR>(c, w, state, 0);
  backward_u<TENSOR>(c, w);
  backward_products<TENSOR>(c, w, state);
  backward_decays(w);
  if (state) state_products(c, w, state, w.inverse);
  __syncthreads();
  backward_rows(c, w);
  __syncthreads();
  sum_decays(c, w, state ? w.inverse : NULL);
  backward_pairs<TENSOR>(c, w);
  store(c, w, sums);
  backward_state<TENSOR>(c, w);
  pad(c, w, c.dx, c.of.heads * (2 * c.of.keys + c.of.values));
  pad(c, w, c.dgates, 2 * c.of.heads);
}

template <bool TENSOR>
__global__ void __launch_bounds__(THREADS, 2) delta_backward(delta_call c) {
  for (int item = (int)blockIdx.x; item < c.items; item += (int)gridDim.x) {
    work w = begin(c, item, 1);
    double sums[2] = {};
    for (int at = w.length > 0 ? (w.length - 1) / CHUNK * CHUNK : -1; at >= 0; at -= CHUNK) {
      load(c, w, at);
      backward_chunk<TENSOR>(c, w, sums);
    }
    if (threadIdx.x == 0) c.sums[2 * item] = sums[0], c.sums[2 * item + 1] = sums[1];
  }
}

/* Thread h sums over the sequences for head h. */
__global__ void sum_gates(int count, int micro_batches, int heads, const double *sums, float *drate, float *doffset) {
  int h = (int)fd_first_item(), each = count / micro_batches;
  if (h >= heads) return;
  for (int i = 0; i < 2; i++)
    (i ? doffset : drate)[h] = fd_sum_micro_batches<float>(micro_batches, [=](int p) {
      double sum = 0;
      for (int s = p * each; s < (p + 1) * each; s++) sum += sums[2 * ((size_t)s * heads + h) + i];
      return (float)sum;
    });
}

/* Launches the blocks, with their arenas in shared memory if they fit, else in scratch memory. */
void run(fd_cuda *cuda, const char *name, void (*kernel)(delta_call), delta_call c, int backward) {
  work none;
  size_t bytes = divide(c.of, &none, NULL, backward) * sizeof(float);
  int blocks = c.items < BLOCKS_MAX ? c.items : BLOCKS_MAX, shared = bytes <= cuda->shared_limit;
  if (!shared && !(c.arena = (float *)fd_cuda_scratch(cuda, FD_SLOT_H, bytes * (size_t)blocks))) return;
  fd_launch(cuda, name, kernel, dim3((unsigned)blocks), THREADS, shared ? bytes : 0, c);
}

}  // namespace

void fd_cuda_delta_forward(fd_device *dev, const fd_seqs *seqs, const fd_delta *delta, fd_mat x, fd_mat gates, fd_mat y,
                           float *states) {
  delta_call c = {*delta, seqs->device_start, seqs->count * delta->heads, x, gates, y, {}, {}, {}, states, NULL, NULL};
  run(fd_cuda_of(dev), "delta_forward", x.type == FD_BF16 ? delta_forward<true> : delta_forward<false>, c, 0);
}

void fd_cuda_delta_backward(fd_device *dev, const fd_seqs *seqs, const fd_delta *delta, fd_mat x, fd_mat gates,
                            const float *states, fd_mat dy, fd_mat dx, fd_mat dgates, float *drate, float *doffset) {
  fd_cuda *cuda = fd_cuda_of(dev);
  delta_call c = {*delta, seqs->device_start, seqs->count * delta->heads, x, gates, {}, dy, dx, dgates, (float *)states, NULL,
                  NULL};
  c.sums = (double *)fd_cuda_scratch(cuda, FD_SLOT_SUMS, (2 * (size_t)c.items + 1) * sizeof(double));
  if (!c.sums) return;
  run(cuda, "delta_backward", x.type == FD_BF16 ? delta_backward<true> : delta_backward<false>, c, 1);
  FD_LAUNCH(cuda, sum_gates, dim3(fd_blocks((size_t)delta->heads, 32)), 32, 0, seqs->count, seqs->micro_batches, delta->heads,
            c.sums, drate, doffset);
}
