/* Attention on the CPU: loops over blocks of keys and tiles of queries, with one tile of scores in memory at a time. The bits of
 * a row depend neither on its place in the pack nor on the other sequences of the pack. */
#include <math.h>
#include <string.h>

#include "cpu/product.h"

/* ROW_BLOCKS: register tiles per tile of the backward pass, whose sums over queries depend on this number. FORWARD_BLOCKS: the
 * same for the forward pass, where no sum depends on it: so few that the scores fit in L1 with the keys or values. FORWARD_TILES:
 * tiles of an item; several, as keys are packed for each item. */
enum { ROW_BLOCKS = 6, FORWARD_BLOCKS = 2, FORWARD_TILES = 18, KEYS = 224, PER_DRAW = 8 };

#define LOG2_E 1.4426950408889634
#define LN_2 0.6931471805599453

typedef struct attention_call {
  fd_cpu *cpu;
  const fd_attention *a;
  const fd_seqs *queries, *keys;
  fd_mat q, k, v, y, dy, dq, dk, dv;
  const float *lse;
  float *lse_out;
  int tile, dim_padded, longest, chunks; /* rows of a tile; most queries of a sequence; forward items per head */
  float *scratch;                        /* per thread */
  size_t floats;
} attention_call;

/* Scratch memory of a thread: a block of keys, a tile of scores, and what is kept per query from block to block. */
typedef struct work {
  int sequence, head, first_query, first_key, queries, keys, keys_padded; /* first_*: rows of the packs */
  float *k_down, *v_down, *k_along, *v_along; /* packed: k^T and v^T [dim, KEYS], k and v [KEYS, dim] */
  float *bias, *key_at;                       /* [KEYS] */
  int draws, *slot;                           /* dropout: distinct draws for these keys; index of each key's bits */
  uint32_t *groups;                           /* [KEYS] counters of the draws */
  uint16_t *bits;                             /* [KEYS, PER_DRAW] */
  float *s, *d, *kept;                        /* [tile, KEYS]: scores, gradients, factors of dropout */
  float *query_at, *most, *sum;               /* [longest]; backward: most is lse in base 2, sum is dy y */
  float *acc;                                 /* [longest, dim_padded]: y or dq */
  float *q_along, *dy_along;                  /* [longest, dim_padded]: packed, tile by tile */
  float *dk, *dv;                             /* [KEYS, dim_padded] */
} work;

static int heads_of(const attention_call *c) { return c->a->heads; }

static float *row_of(const attention_call *c, fd_mat m, int row, int head) {
  return (float *)m.at + (size_t)row * (size_t)m.stride + (size_t)head * (size_t)c->a->dim;
}

static size_t divide_scratch(const attention_call *c, work *w, float *base, int longest, int backward) {
  size_t used = 0;
  int unit = c->cpu->kernels->unit, down = fd_round_up(c->a->dim, unit), packed = fd_round_up(longest, unit);
  w->k_down = fd_cpu_take(base, &used, down, KEYS), w->v_along = fd_cpu_take(base, &used, KEYS, c->dim_padded);
  w->bias = fd_cpu_take(base, &used, KEYS, 1), w->key_at = fd_cpu_take(base, &used, KEYS, 1);
  w->s = fd_cpu_take(base, &used, c->tile, KEYS), w->kept = fd_cpu_take(base, &used, c->tile, c->a->dropout > 0 ? KEYS : 0);
  w->slot = (void *)fd_cpu_take(base, &used, KEYS, 1), w->groups = (void *)fd_cpu_take(base, &used, KEYS, 1);
  w->bits = (void *)fd_cpu_take(base, &used, KEYS, PER_DRAW / 2);
  w->query_at = fd_cpu_take(base, &used, longest, 1), w->most = fd_cpu_take(base, &used, longest, 1),
  w->sum = fd_cpu_take(base, &used, longest, 1);
  w->acc = fd_cpu_take(base, &used, longest, c->dim_padded);
  if (!backward) return used;
  w->d = fd_cpu_take(base, &used, c->tile, KEYS);
  w->v_down = fd_cpu_take(base, &used, down, KEYS), w->k_along = fd_cpu_take(base, &used, KEYS, c->dim_padded);
  w->q_along = fd_cpu_take(base, &used, packed, c->dim_padded), w->dy_along = fd_cpu_take(base, &used, packed, c->dim_padded);
  w->dk = fd_cpu_take(base, &used, KEYS, c->dim_padded), w->dv = fd_cpu_take(base, &used, KEYS, c->dim_padded);
  return used;
}

static float place_of(const int *position, int row, int first) { return (float)(position ? position[row] : row - first); }

/* Finds the draws that the keys of a block need; neighbouring keys share one. */
static void find_draws(work *w) {
  w->draws = 0;
  for (int j = 0; j < w->keys; j++) {
    uint32_t key = (uint32_t)w->key_at[j];
    if (w->draws == 0 || w->groups[w->draws - 1] != key / PER_DRAW) w->groups[w->draws++] = key / PER_DRAW;
    w->slot[j] = (w->draws - 1) * PER_DRAW + (int)(key % PER_DRAW);
  }
}

/* Loads a block of keys, from key `at` of the sequence on. */
static void load_keys(const attention_call *c, work *w, int at, int all) {
  int first = c->keys->start[w->sequence];
  w->first_key = first + at;
  w->keys = all - at < KEYS ? all - at : KEYS;
  w->keys_padded = fd_round_up(w->keys, c->cpu->kernels->narrow);
  for (int j = 0; j < w->keys_padded; j++) {
    int row = w->first_key + j, hidden = j >= w->keys || (c->a->hidden && c->a->hidden[row]);
    w->bias[j] = hidden ? FD_SCORE_HIDDEN : 0;
    w->key_at[j] = j < w->keys ? place_of(c->a->key_position, row, first) : 0;
  }
  fd_cpu_pack(c->cpu->kernels, w->keys, c->a->dim, row_of(c, c->k, w->first_key, w->head), c->k.stride, 1, w->k_down);
  if (c->a->dropout > 0) find_draws(w);
}

static fd_cpu_scores scores_of(const attention_call *c, const work *w, int first, int rows) {
  float slope = c->a->slopes ? c->a->slopes[w->head] : 0;
  return (fd_cpu_scores){.rows = rows,
                         .n = w->keys_padded,
                         .ld = (size_t)w->keys_padded,
                         .scale = (float)((double)c->a->scale * LOG2_E),
                         .slope = (float)((double)slope * LOG2_E),
                         .bias = w->bias,
                         .key_at = w->key_at,
                         .query_at = w->query_at + first};
}

/* kept[rows, keys]: 0, or 1 / (1 - rate). */
static void draw_kept(const attention_call *c, const work *w, int first, int rows) {
  uint32_t limit = fd_dropout_limit(c->a->dropout);
  float factor = 1 / (1 - c->a->dropout), *kept = w->kept;
  for (int i = 0; i < rows; i++, kept += w->keys_padded) {
    c->cpu->kernels->draw(w->draws, w->groups, c->a->key, c->queries->draws[w->sequence],
                          fd_attention_counter(c->a->layer, w->head, (int)w->query_at[first + i], 0), w->bits);
    for (int j = 0; j < w->keys_padded; j++) kept[j] = j >= w->keys || w->bits[w->slot[j]] < limit ? 0 : factor;
  }
}

static void multiply_kept(const work *w, int rows, float *x) {
  for (size_t i = 0; i < (size_t)rows * (size_t)w->keys_padded; i++) x[i] *= w->kept[i];
}

/* to[rows, keys] = `rows` rows of x of a head, from `row` on, times a packed block of keys. */
static void score(const attention_call *c, const work *w, fd_mat x, int row, int rows, const float *packed, float *to) {
  const fd_cpu_kernels *k = c->cpu->kernels;
  k->gemm(rows, c->a->dim, row_of(c, x, row, w->head), (size_t)x.stride, 1, packed, w->keys_padded / k->narrow, to,
          (size_t)w->keys_padded, FD_GEMM_SET);
}

/* acc[m, dim] += x times packed [n, dim]; x is [m, n], or [n, m] with `across`. */
static void weigh(const attention_call *c, const work *w, int m, int n, const float *x, int across, const float *packed,
                  float *acc) {
  const fd_cpu_kernels *k = c->cpu->kernels;
  size_t ld = (size_t)w->keys_padded;
  k->gemm(m, n, x, across ? 1 : ld, across ? ld : 1, packed, c->dim_padded / k->narrow, acc, (size_t)c->dim_padded, FD_GEMM_ADD);
}

/* Starts the work on a sequence and head, for at most `most` queries from query `at` on. */
static work begin(const attention_call *c, int sequence, int head, int at, int most, int thread, int backward) {
  work w = {.sequence = sequence, .head = head};
  int first = c->queries->start[sequence], rest = c->queries->start[sequence + 1] - first - at;
  divide_scratch(c, &w, c->scratch + (size_t)thread * c->floats, most, backward);
  w.first_query = first + at;
  w.queries = rest < most ? rest : most;
  for (int i = 0; i < w.queries; i++) w.query_at[i] = place_of(c->a->query_position, w.first_query + i, first);
  if (w.queries > 0) memset(w.acc, 0, (size_t)w.queries * (size_t)c->dim_padded * sizeof *w.acc);
  return w;
}

static void forward_tile(const attention_call *c, const work *w, int first) {
  int rows = w->queries - first < c->tile ? w->queries - first : c->tile;
  float *acc = w->acc + (size_t)first * (size_t)c->dim_padded;
  fd_cpu_scores scores = scores_of(c, w, first, rows);
  score(c, w, c->q, w->first_query + first, rows, w->k_down, w->s);
  c->cpu->kernels->soften(&scores, w->s, w->most + first, w->sum + first, acc, c->dim_padded);
  if (c->a->dropout > 0) draw_kept(c, w, first, rows), multiply_kept(w, rows, w->s);
  weigh(c, w, rows, w->keys, w->s, 0, w->v_along, acc);
}

static void store_rows(const attention_call *c, const work *w, fd_mat to, int first, int rows, const float *from) {
  for (int i = 0; i < rows; i++, from += c->dim_padded)
    memcpy(row_of(c, to, first + i, w->head), from, (size_t)c->a->dim * sizeof *from);
}

static void forward_item(void *context, int item, int thread) {
  const attention_call *c = context;
  int chunk = item % c->chunks, head = item / c->chunks % heads_of(c), sequence = item / c->chunks / heads_of(c);
  int most = FORWARD_TILES * c->tile, keys = c->keys->start[sequence + 1] - c->keys->start[sequence];
  work w = begin(c, sequence, head, chunk * most, most, thread, 0);
  for (int i = 0; i < w.queries; i++) w.most[i] = FD_SCORE_LEAST, w.sum[i] = 0;
  for (int at = 0; at < keys && w.queries > 0; at += KEYS) {
    load_keys(c, &w, at, keys);
    fd_cpu_pack(c->cpu->kernels, w.keys, c->a->dim, row_of(c, c->v, w.first_key, head), c->v.stride, 0, w.v_along);
    for (int i = 0; i < w.queries; i += c->tile) forward_tile(c, &w, i);
  }
  for (int i = 0; i < w.queries; i++) {
    float *acc = w.acc + (size_t)i * (size_t)c->dim_padded, sum = w.sum[i];
    for (int j = 0; j < c->a->dim; j++) acc[j] = sum == 0 ? 0 : acc[j] / sum;
    if (c->lse_out)
      c->lse_out[(size_t)(w.first_query + i) * (size_t)heads_of(c) + (size_t)head] =
          (float)(sum == 0 ? -INFINITY : (double)w.most[i] * LN_2 + log((double)sum));
  }
  if (w.queries > 0) store_rows(c, &w, c->y, w.first_query, w.queries, w.acc);
}

/* Packs q and dy tile by tile; stores lse in base 2 and dy y of each query. */
static void load_queries(const attention_call *c, work *w) {
  for (int i = 0; i < w->queries; i++) {
    const float *y = row_of(c, c->y, w->first_query + i, w->head), *dy = row_of(c, c->dy, w->first_query + i, w->head);
    double delta = 0;
    for (int j = 0; j < c->a->dim; j++) delta += (double)y[j] * (double)dy[j];
    w->sum[i] = (float)delta;
    float lse = c->lse[(size_t)(w->first_query + i) * (size_t)heads_of(c) + (size_t)w->head];
    w->most[i] = lse == -INFINITY ? 0 : (float)((double)lse * LOG2_E); /* a query without keys: all its scores are masked */
  }
  for (int i = 0; i < w->queries; i += c->tile) {
    int rows = w->queries - i < c->tile ? w->queries - i : c->tile, row = w->first_query + i;
    fd_cpu_pack(c->cpu->kernels, rows, c->a->dim, row_of(c, c->q, row, w->head), c->q.stride, 0,
                w->q_along + (size_t)i * (size_t)c->dim_padded);
    fd_cpu_pack(c->cpu->kernels, rows, c->a->dim, row_of(c, c->dy, row, w->head), c->dy.stride, 0,
                w->dy_along + (size_t)i * (size_t)c->dim_padded);
  }
}

static void backward_tile(const attention_call *c, const work *w, int first) {
  int rows = w->queries - first < c->tile ? w->queries - first : c->tile;
  size_t at = (size_t)first * (size_t)c->dim_padded;
  fd_cpu_scores scores = scores_of(c, w, first, rows);
  score(c, w, c->q, w->first_query + first, rows, w->k_down, w->s);
  score(c, w, c->dy, w->first_query + first, rows, w->v_down, w->d);
  if (c->a->dropout > 0) draw_kept(c, w, first, rows), multiply_kept(w, rows, w->d);
  c->cpu->kernels->soften_backward(&scores, w->s, w->d, w->most + first, w->sum + first, c->a->scale);
  if (c->a->dropout > 0) multiply_kept(w, rows, w->s);
  weigh(c, w, w->keys, rows, w->s, 1, w->dy_along + at, w->dv);
  weigh(c, w, w->keys, rows, w->d, 1, w->q_along + at, w->dk);
  weigh(c, w, rows, w->keys, w->d, 0, w->k_along, w->acc + at);
}

static void backward_item(void *context, int item, int thread) {
  const attention_call *c = context;
  int head = item % heads_of(c), sequence = item / heads_of(c);
  int keys = c->keys->start[sequence + 1] - c->keys->start[sequence];
  work w = begin(c, sequence, head, 0, c->longest, thread, 1);
  load_queries(c, &w);
  for (int at = 0; at < keys; at += KEYS) {
    load_keys(c, &w, at, keys);
    const float *k = row_of(c, c->k, w.first_key, head), *v = row_of(c, c->v, w.first_key, head);
    fd_cpu_pack(c->cpu->kernels, w.keys, c->a->dim, k, c->k.stride, 0, w.k_along);
    fd_cpu_pack(c->cpu->kernels, w.keys, c->a->dim, v, c->v.stride, 1, w.v_down);
    memset(w.dk, 0, (size_t)w.keys * (size_t)c->dim_padded * sizeof *w.dk);
    memset(w.dv, 0, (size_t)w.keys * (size_t)c->dim_padded * sizeof *w.dv);
    for (int i = 0; i < w.queries; i += c->tile) backward_tile(c, &w, i);
    store_rows(c, &w, c->dk, w.first_key, w.keys, w.dk);
    store_rows(c, &w, c->dv, w.first_key, w.keys, w.dv);
  }
  store_rows(c, &w, c->dq, w.first_query, w.queries, w.acc);
}

/* Runs items for each sequence and head. */
static void run(fd_device *dev, attention_call *c, int backward) {
  work none = {0};
  c->cpu = fd_cpu_of(dev);
  c->tile = c->cpu->kernels->narrow_rows * (backward ? ROW_BLOCKS : FORWARD_BLOCKS);
  c->dim_padded = fd_round_up(c->a->dim, c->cpu->kernels->narrow);
  for (int i = 0; i < c->queries->count; i++) {
    int rows = c->queries->start[i + 1] - c->queries->start[i];
    if (rows > c->longest) c->longest = rows;
  }
  int most = backward ? c->longest : FORWARD_TILES * c->tile;
  c->chunks = backward ? 1 : fd_parts(c->longest, most);
  c->floats = divide_scratch(c, &none, NULL, most, backward);
  c->scratch = fd_cpu_scratch(c->cpu, FD_SLOT_TILE, c->floats * (size_t)fd_pool_threads(c->cpu->pool));
  if (c->scratch)
    fd_pool_run(c->cpu->pool, c->queries->count * heads_of(c) * c->chunks, backward ? backward_item : forward_item, c);
}

void fd_cpu_attention_forward(fd_device *dev, const fd_seqs *queries, const fd_seqs *keys, const fd_attention *a, fd_mat q,
                              fd_mat k, fd_mat v, fd_mat y, float *lse) {
  attention_call call = {.a = a, .queries = queries, .keys = keys, .q = q, .k = k, .v = v, .y = y, .lse_out = lse};
  run(dev, &call, 0);
}

void fd_cpu_attention_backward(fd_device *dev, const fd_seqs *queries, const fd_seqs *keys, const fd_attention *a, fd_mat q,
                               fd_mat k, fd_mat v, fd_mat y, const float *lse, fd_mat dy, fd_mat dq, fd_mat dk, fd_mat dv) {
  attention_call call = {.a = a,
                         .queries = queries,
                         .keys = keys,
                         .q = q,
                         .k = k,
                         .v = v,
                         .y = y,
                         .dy = dy,
                         .dq = dq,
                         .dk = dk,
                         .dv = dv,
                         .lse = lse};
  run(dev, &call, 1);
}
