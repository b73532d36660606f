/* The gated delta rule on the CPU, chunk by chunk as products of matrices (Yang, Kautz, Hatamizadeh, "Gated Delta Networks",
 * 2024). An item is a head of a sequence, so the bits depend neither on the threads nor on the rest of the pack.
 *
 * Of a chunk: the rows of K are unit keys, those of Q unit queries divided by sqrt(keys); D (kernels.h) and E[i] = alpha[0] ...
 * alpha[i] are decays; S is the state before the chunk. B = K K^T times D elementwise, below the diagonal; P = Q K^T times D
 * elementwise, below and on the diagonal; A = beta B; T = (1 + A)^-1. Then
 *   U = T beta (V - E K S), y = E Q S + P U, S' = E[last] S + (D[last] K)^T U. */
#include <math.h>
#include <string.h>

#include "cpu/product.h"

enum { CHUNK = FD_DELTA_CHUNK };

typedef struct delta_call {
  fd_cpu *cpu;
  const fd_cpu_kernels *kernels;
  const fd_delta *of;
  const fd_seqs *seqs;
  fd_mat x, gates, y, dy, dx, dgates;
  float *states;
  double *sums;               /* per item: gradients of its rate and offset */
  int keys_wide, values_wide; /* padded to whole panels */
  float *scratch;             /* per thread */
  size_t floats;
} delta_call;

/* Scratch memory of a thread. Matrices of 2 CHUNK rows hold the rows that belong to K, then from row n on those that belong to
 * Q. */
typedef struct work {
  int head, first, length, at, n;    /* rows: of the sequence; of the chunk, in its order */
  float *kq, *root, *v;              /* [2 CHUNK, keys], [2 CHUNK] 1 / length, [CHUNK, values] */
  float *alpha, *beta, *whole;       /* [CHUNK]; whole: E */
  float *products, *decay, *inverse; /* [2 CHUNK, CHUNK] B and P; D; T */
  float *s, *seen, *u;               /* S [keys, values]; [2 CHUNK, values] K S and Q S; U */
  float *packed[2], *a;              /* packed right operands; A */
  float *ds, *du, *g, *dproducts;    /* gradients of S, U; of T^-1 U, y [2 CHUNK, values]; g U^T [2 CHUNK, CHUNK] */
  float *dkq, *along, *dlog, *dbeta; /* gradients of kq; U dS^T [CHUNK, keys]; of log alpha, beta [CHUNK] */
} work;

static size_t divide_scratch(const delta_call *c, work *w, float *base, int backward) {
  size_t used = 0;
  int keys = c->keys_wide, values = c->values_wide, widest = keys > values ? keys : values,
      deepest = 2 * CHUNK > widest ? 2 * CHUNK : widest;
  w->kq = fd_cpu_take(base, &used, 2 * CHUNK, keys), w->root = fd_cpu_take(base, &used, 2, CHUNK);
  w->v = fd_cpu_take(base, &used, CHUNK, values), w->alpha = fd_cpu_take(base, &used, 1, CHUNK);
  w->beta = fd_cpu_take(base, &used, 1, CHUNK), w->whole = fd_cpu_take(base, &used, 1, CHUNK);
  w->products = fd_cpu_take(base, &used, 2 * CHUNK, CHUNK), w->decay = fd_cpu_take(base, &used, CHUNK, CHUNK);
  w->inverse = fd_cpu_take(base, &used, CHUNK, CHUNK), w->a = fd_cpu_take(base, &used, CHUNK, CHUNK);
  w->s = fd_cpu_take(base, &used, keys, values), w->seen = fd_cpu_take(base, &used, 2 * CHUNK, values);
  w->u = fd_cpu_take(base, &used, CHUNK, values);
  for (int i = 0; i < 2; i++) w->packed[i] = fd_cpu_take(base, &used, deepest, widest);
  if (!backward) return used;
  w->ds = fd_cpu_take(base, &used, keys, values), w->du = fd_cpu_take(base, &used, CHUNK, values);
  w->g = fd_cpu_take(base, &used, 2 * CHUNK, values), w->dproducts = fd_cpu_take(base, &used, 2 * CHUNK, CHUNK);
  w->dkq = fd_cpu_take(base, &used, 2 * CHUNK, keys), w->along = fd_cpu_take(base, &used, CHUNK, keys);
  w->dlog = fd_cpu_take(base, &used, 1, CHUNK), w->dbeta = fd_cpu_take(base, &used, 1, CHUNK);
  return used;
}

/* Row i of the chunk, starting at a column. */
static float *row_of(const delta_call *c, const work *w, fd_mat m, int i, int column) {
  int t = w->at + i, row = w->first + (c->of->reverse ? w->length - 1 - t : t);
  return (float *)m.at + (size_t)row * (size_t)m.stride + column;
}

/* First columns of the head's query, key and value. */
static int query_of(const delta_call *c, const work *w) { return w->head * c->of->keys; }
static int key_of(const delta_call *c, const work *w) { return (c->of->heads + w->head) * c->of->keys; }
static int value_of(const delta_call *c, const work *w) { return 2 * c->of->heads * c->of->keys + w->head * c->of->values; }

/* The state before a chunk, which must not be the first of its sequence. */
static float *state_of(const delta_call *c, const work *w) {
  size_t each = (size_t)c->of->keys * (size_t)c->of->values, place = (size_t)(w->first / CHUNK + w->at / CHUNK - 1);
  return c->states + (place * (size_t)c->of->heads + (size_t)w->head) * each;
}

/* to[m, columns] = a[m, k] times a packed matrix [k, columns]; across: a is [k, m]. */
static void product(const delta_call *c, int m, int k, const float *a, int ld, int across, const float *packed, int columns,
                    float *to, int to_ld, int start) {
  int panel = c->kernels->narrow;
  size_t step = (size_t)ld;
  c->kernels->gemm(m, k, a, across ? 1 : step, across ? step : 1, packed, fd_parts(columns, panel), to, (size_t)to_ld, start);
}

static const float *pack(const delta_call *c, int n, int columns, const float *from, int ld, int transposed, float *to) {
  fd_cpu_pack(c->kernels, n, columns, from, ld, transposed, to);
  return to;
}

static double softplus(double x) { return x > 30 ? x : log1p(exp(x)); }

/* The logarithm of alpha, and its derivative with respect to the gate. */
static double decay_of(const delta_call *c, const work *w, float gate, double *slope) {
  double rate = -exp((double)c->of->rate[w->head]), at = (double)gate + (double)c->of->offset[w->head];
  if (slope) *slope = rate / (1 + exp(-at));
  return rate * softplus(at);
}

static float decay(double x) { return x < (double)FD_DECAY_LEAST ? 0 : (float)x; }

/* Loads the rows of the chunk that starts at row `at` of the sequence. */
static void load(const delta_call *c, work *w, int at) {
  int keys = c->of->keys;
  float scale = 1 / sqrtf((float)keys);
  w->at = at;
  w->n = w->length - at < CHUNK ? w->length - at : CHUNK;
  for (int i = 0; i < w->n; i++) {
    const float *x = row_of(c, w, c->x, i, 0), *gates = row_of(c, w, c->gates, i, 0);
    int q = w->n + i, wide = c->keys_wide;
    w->root[i] = c->kernels->to_unit(keys, c->of->eps, 1, x + key_of(c, w), w->kq + (size_t)i * (size_t)wide);
    w->root[q] = c->kernels->to_unit(keys, c->of->eps, scale, x + query_of(c, w), w->kq + (size_t)q * (size_t)wide);
    memcpy(w->v + (size_t)i * (size_t)c->values_wide, x + value_of(c, w), (size_t)c->of->values * sizeof *x);
    w->alpha[i] = decay(exp(decay_of(c, w, gates[w->head], NULL)));
    w->beta[i] = (float)(1 / (1 + exp(-(double)gates[c->of->heads + w->head])));
    w->whole[i] = i ? decay((double)(w->whole[i - 1] * w->alpha[i])) : w->alpha[i];
  }
  c->kernels->decays(w->n, w->alpha, w->decay);
}

/* Computes B, P, A, T, K S, with `queries` also Q S, and U; `state` is S [keys, values] with rows of `ld` floats. */
static void solve(const delta_call *c, work *w, const float *state, int ld, int queries) {
  const fd_cpu_kernels *k = c->kernels;
  int n = w->n, wide = c->values_wide;
  const float *keys = pack(c, n, c->of->keys, w->kq, c->keys_wide, 1, w->packed[0]);
  product(c, 2 * n, c->of->keys, w->kq, c->keys_wide, 0, keys, n, w->products, CHUNK, FD_GEMM_SET);
  for (int i = 0; i < n; i++) {
    k->times(CHUNK, w->decay + i * CHUNK, w->products + i * CHUNK);
    k->times(CHUNK, w->decay + i * CHUNK, w->products + (n + i) * CHUNK);
    k->scale(CHUNK, w->beta[i], w->products + i * CHUNK, w->a + i * CHUNK);
  }
  k->invert(n, w->a, w->inverse);
  const float *s = pack(c, c->of->keys, c->of->values, state, ld, 0, w->packed[0]);
  product(c, queries ? 2 * n : n, c->of->keys, w->kq, c->keys_wide, 0, s, c->of->values, w->seen, wide, FD_GEMM_SET);
  for (int i = 0; i < n; i++)
    k->blend(wide, w->beta[i], w->v + (size_t)i * (size_t)wide, -w->beta[i] * w->whole[i], w->seen + (size_t)i * (size_t)wide);
  const float *right = pack(c, n, c->of->values, w->seen, wide, 0, w->packed[0]);
  product(c, n, n, w->inverse, CHUNK, 0, right, c->of->values, w->u, wide, FD_GEMM_SET);
}

/* Multiplies each row by its own factor, or all rows by one factor. */
static void scale_rows(const delta_call *c, int n, const float *factor, int wide, float *rows) {
  for (int i = 0; i < n; i++, rows += wide) c->kernels->scale(wide, factor[i], rows, rows);
}

static void scale_all(const delta_call *c, int n, float factor, int wide, float *rows) {
  for (int i = 0; i < n; i++, rows += wide) c->kernels->scale(wide, factor, rows, rows);
}

/* Computes y, and the state after the chunk. */
static void forward_chunk(const delta_call *c, work *w) {
  int n = w->n, wide = c->values_wide;
  float *y = w->seen + (size_t)n * (size_t)wide;
  solve(c, w, w->s, wide, 1);
  const float *u = pack(c, n, c->of->values, w->u, wide, 0, w->packed[0]);
  scale_rows(c, n, w->whole, wide, y);
  product(c, n, n, w->products + n * CHUNK, CHUNK, 0, u, c->of->values, y, wide, FD_GEMM_ADD);
  for (int i = 0; i < n; i++)
    memcpy(row_of(c, w, c->y, i, w->head * c->of->values), y + (size_t)i * (size_t)wide, (size_t)c->of->values * sizeof *y);
  scale_rows(c, n, w->decay + (n - 1) * CHUNK, c->keys_wide, w->kq);
  scale_all(c, c->of->keys, w->whole[n - 1], wide, w->s);
  product(c, c->of->keys, n, w->kq, c->keys_wide, 1, u, c->of->values, w->s, wide, FD_GEMM_ADD);
}

static work begin(const delta_call *c, int item, int thread, int backward) {
  int sequence = item / c->of->heads;
  work w = {.head = item % c->of->heads, .first = c->seqs->start[sequence]};
  float *scratch = c->scratch + (size_t)thread * c->floats;
  w.length = c->seqs->start[sequence + 1] - w.first;
  memset(scratch, 0, c->floats * sizeof *scratch); /* padding */
  divide_scratch(c, &w, scratch, backward);
  return w;
}

static void forward_item(void *context, int item, int thread) {
  const delta_call *c = context;
  work w = begin(c, item, thread, 0);
  for (int at = 0; at < w.length; at += CHUNK) {
    load(c, &w, at);
    for (int i = 0; c->states && at && i < c->of->keys; i++)
      memcpy(state_of(c, &w) + (size_t)i * (size_t)c->of->values, w.s + (size_t)i * (size_t)c->values_wide,
             (size_t)c->of->values * sizeof *w.s);
    forward_chunk(c, &w);
  }
}

/* Computes g, the gradients of T^-1 U (the right-hand side of the triangular system whose solution is U) and of y; and the
 * gradient of U, through y and through S'. */
static void backward_u(const delta_call *c, work *w) {
  int n = w->n, wide = c->values_wide;
  float *dy = w->g + (size_t)n * (size_t)wide;
  for (int i = 0; i < n; i++)
    memcpy(dy + (size_t)i * (size_t)wide, row_of(c, w, c->dy, i, w->head * c->of->values), (size_t)c->of->values * sizeof *dy);
  const float *right = pack(c, n, c->of->values, dy, wide, 0, w->packed[0]);
  product(c, n, n, w->products + n * CHUNK, CHUNK, 1, right, c->of->values, w->du, wide, FD_GEMM_SET);
  right = pack(c, c->of->keys, c->of->values, w->ds, wide, 0, w->packed[0]);
  product(c, n, c->of->keys, w->kq, c->keys_wide, 0, right, c->of->values, w->seen, wide, FD_GEMM_SET);
  for (int i = 0; i < n; i++)
    c->kernels->blend(wide, w->decay[(n - 1) * CHUNK + i], w->seen + (size_t)i * (size_t)wide, 1,
                      w->du + (size_t)i * (size_t)wide);
  right = pack(c, n, c->of->values, w->du, wide, 0, w->packed[0]);
  product(c, n, n, w->inverse, CHUNK, 1, right, c->of->values, w->g, wide, FD_GEMM_SET);
}

/* Computes g U^T, g S^T and U dS'^T. */
static void backward_products(const delta_call *c, work *w, const float *state, int ld) {
  int n = w->n, wide = c->values_wide, values = c->of->values, keys = c->of->keys;
  const float *u = pack(c, n, values, w->u, wide, 1, w->packed[0]);
  product(c, 2 * n, values, w->g, wide, 0, u, n, w->dproducts, CHUNK, FD_GEMM_SET);
  const float *s = pack(c, keys, values, state, ld, 1, w->packed[0]);
  product(c, 2 * n, values, w->g, wide, 0, s, keys, w->dkq, c->keys_wide, FD_GEMM_SET);
  const float *ds = pack(c, keys, values, w->ds, wide, 1, w->packed[0]);
  product(c, n, values, w->u, wide, 0, ds, keys, w->along, c->keys_wide, FD_GEMM_SET);
}

/* Gradients of log alpha through D in A and P, and of beta through A. Then dproducts becomes the gradients of K K^T and Q K^T. */
static void backward_decays(const delta_call *c, work *w) {
  int n = w->n;
  double from[CHUNK] = {0};
  for (int i = 0; i < n; i++) {
    float *da = w->dproducts + i * CHUNK, *dp = w->dproducts + (n + i) * CHUNK;
    const float *a = w->a + i * CHUNK, *p = w->products + (n + i) * CHUNK, *b = w->products + i * CHUNK;
    double sum = 0, beta = 0;
    for (int j = 0; j < i; j++) {
      double share = (double)dp[j] * (double)p[j] - (double)da[j] * (double)a[j];
      sum += share, from[j] += share;
      beta -= (double)da[j] * (double)b[j];
    }
    w->dlog[i] = (float)sum, w->dbeta[i] = (float)beta;
    c->kernels->times(CHUNK, w->decay + i * CHUNK, da);
    c->kernels->scale(CHUNK, -w->beta[i], da, da);
    c->kernels->times(CHUNK, w->decay + i * CHUNK, dp);
    da[i] = 0;
  }
  for (int i = 0; i < n; i++) w->dlog[i] -= (float)from[i];
}

/* Gradients of the gates and of the rows of K and Q through E and D[last]; dkq holds g S^T at the start. */
static void backward_rows(const delta_call *c, work *w) {
  const fd_cpu_kernels *k = c->kernels;
  int n = w->n, wide = c->keys_wide, keys = c->of->keys;
  const float *last = w->decay + (n - 1) * CHUNK;
  double behind = 0;
  for (int i = 0; i < n; i++) {
    size_t key = (size_t)i * (size_t)wide, query = (size_t)(n + i) * (size_t)wide;
    double through = (double)w->whole[i] * k->dot(keys, w->kq + key, w->dkq + key),
           asked = (double)w->whole[i] * k->dot(keys, w->kq + query, w->dkq + query),
           kept = (double)last[i] * k->dot(keys, w->kq + key, w->along + key);
    size_t value = (size_t)i * (size_t)c->values_wide;
    w->dbeta[i] += (float)(k->dot(c->of->values, w->v + value, w->g + value) - through);
    w->dlog[i] += (float)(asked - (double)w->beta[i] * through - kept);
    behind += kept;
    k->scale(wide, w->whole[i], w->dkq + query, w->dkq + query);
    k->scale(wide, -w->beta[i] * w->whole[i], w->dkq + key, w->dkq + key);
    k->blend(wide, last[i], w->along + key, 1, w->dkq + key);
  }
  w->dlog[n - 1] += (float)behind;
}

/* Adds the gradients of K and Q through K K^T and Q K^T. */
static void backward_pairs(const delta_call *c, work *w) {
  int n = w->n, wide = c->keys_wide;
  const float *keys = pack(c, n, c->of->keys, w->kq, wide, 0, w->packed[0]),
              *both = pack(c, 2 * n, c->of->keys, w->kq, wide, 0, w->packed[1]);
  product(c, 2 * n, n, w->dproducts, CHUNK, 0, keys, c->of->keys, w->dkq, wide, FD_GEMM_ADD);
  product(c, n, 2 * n, w->dproducts, CHUNK, 1, both, c->of->keys, w->dkq, wide, FD_GEMM_ADD);
}

/* Gradient of log alpha through E[last] S. */
static void backward_last(const delta_call *c, work *w, const float *state, int ld) {
  double kept = 0;
  for (int i = 0; i < c->of->keys; i++)
    kept += c->kernels->dot(c->of->values, state + (size_t)i * (size_t)ld, w->ds + (size_t)i * (size_t)c->values_wide);
  w->dlog[w->n - 1] += (float)((double)w->whole[w->n - 1] * kept);
}

/* Computes the gradient of S from that of S'. */
static void backward_state(const delta_call *c, work *w) {
  int n = w->n, wide = c->values_wide;
  scale_all(c, c->of->keys, w->whole[n - 1], wide, w->ds);
  for (int i = 0; i < n; i++) w->beta[i] *= -w->whole[i];
  scale_rows(c, n, w->beta, c->keys_wide, w->kq);
  scale_rows(c, n, w->whole, c->keys_wide, w->kq + (size_t)n * (size_t)c->keys_wide);
  const float *right = pack(c, 2 * n, c->of->values, w->g, wide, 0, w->packed[0]);
  product(c, c->of->keys, 2 * n, w->kq, c->keys_wide, 1, right, c->of->values, w->ds, wide, FD_GEMM_ADD);
}

/* Stores the gradients of the rows of x and gates; adds those of rate and offset to sums[2]. */
static void store(const delta_call *c, work *w, double sums[2]) {
  const fd_cpu_kernels *k = c->kernels;
  int n = w->n, keys = c->of->keys;
  double dlog = 0;
  for (int i = n - 1; i >= 0; i--) {
    float *dx = row_of(c, w, c->dx, i, 0), *dgates = row_of(c, w, c->dgates, i, 0);
    size_t key = (size_t)i * (size_t)c->keys_wide, query = (size_t)(n + i) * (size_t)c->keys_wide;
    k->to_unit_backward(keys, w->root[i], 1, w->kq + key, w->dkq + key, dx + key_of(c, w));
    k->to_unit_backward(keys, w->root[n + i], 1 / sqrtf((float)keys), w->kq + query, w->dkq + query, dx + query_of(c, w));
    k->scale(c->of->values, w->beta[i], w->g + (size_t)i * (size_t)c->values_wide, dx + value_of(c, w));
    double slope, gate = decay_of(c, w, *row_of(c, w, c->gates, i, w->head), &slope), beta = (double)w->beta[i];
    dlog += (double)w->dlog[i]; /* log alpha of a row is in E and D of all later rows */
    dgates[w->head] = (float)(dlog * slope);
    dgates[c->of->heads + w->head] = (float)((double)w->dbeta[i] * beta * (1 - beta));
    sums[0] += dlog * gate, sums[1] += dlog * slope;
  }
}

static void backward_item(void *context, int item, int thread) {
  const delta_call *c = context;
  work w = begin(c, item, thread, 1);
  double *sums = c->sums + 2 * item;
  sums[0] = sums[1] = 0;
  for (int at = w.length > 0 ? (w.length - 1) / CHUNK * CHUNK : -1; at >= 0; at -= CHUNK) {
    load(c, &w, at);
    const float *state = at ? state_of(c, &w) : w.s; /* zeros */
    int ld = at ? c->of->values : c->values_wide;
    solve(c, &w, state, ld, 0);
    backward_u(c, &w);
    backward_products(c, &w, state, ld);
    backward_decays(c, &w);
    backward_rows(c, &w);
    backward_pairs(c, &w);
    backward_last(c, &w, state, ld);
    store(c, &w, sums);
    backward_state(c, &w);
  }
}

static void run(fd_device *dev, delta_call *c, fd_pool_item *item, int backward) {
  work none = {0};
  c->cpu = fd_cpu_of(dev);
  c->kernels = c->cpu->fp32; /* a state accumulates over thousands of rows */
  c->keys_wide = fd_round_up(c->of->keys, c->kernels->narrow);
  c->values_wide = fd_round_up(c->of->values, c->kernels->narrow);
  c->floats = divide_scratch(c, &none, NULL, backward);
  c->scratch = fd_cpu_scratch(c->cpu, FD_SLOT_TILE, c->floats * (size_t)fd_pool_threads(c->cpu->pool));
  if (c->scratch) fd_pool_run(c->cpu->pool, c->seqs->count * c->of->heads, item, c);
}

void fd_cpu_delta_forward(fd_device *dev, const fd_seqs *seqs, const fd_delta *delta, fd_mat x, fd_mat gates, fd_mat y,
                          float *states) {
  delta_call call = {.of = delta, .seqs = seqs, .x = x, .gates = gates, .y = y, .states = states};
  run(dev, &call, forward_item, 0);
}

void fd_cpu_delta_backward(fd_device *dev, const fd_seqs *seqs, const fd_delta *delta, fd_mat x, fd_mat gates,
                           const float *states, fd_mat dy, fd_mat dx, fd_mat dgates, float *drate, float *doffset) {
  int heads = delta->heads;
  double *sums = (double *)(void *)fd_cpu_scratch(fd_cpu_of(dev), FD_SLOT_SUMS, 4 * (size_t)(seqs->count * heads));
  delta_call call = {.of = delta,
                     .seqs = seqs,
                     .x = x,
                     .gates = gates,
                     .states = (float *)states,
                     .dy = dy,
                     .dx = dx,
                     .dgates = dgates,
                     .sums = sums};
  if (!sums) return;
  run(dev, &call, backward_item, 1);
  for (int h = 0; h < heads; h++) {
    double sum[2] = {0};
    for (int s = 0; s < seqs->count; s++)
      for (int i = 0; i < 2; i++) sum[i] += sums[2 * (s * heads + h) + i];
    drate[h] = (float)sum[0], doffset[h] = (float)sum[1];
  }
}
