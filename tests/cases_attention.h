/* Test cases of attention, for every device: self- and cross-attention on views of wider rows, positions, masked keys,
 * dropout. */
#ifndef FD_TESTS_CASES_ATTENTION_H
#define FD_TESTS_CASES_ATTENTION_H

#include "plain.h"
#include "subjects.h"

/* All in double without padding: q, dy, y [query rows, heads * dim], k, v [key rows, heads * dim], lse [query rows, heads]. */
typedef struct plain_attention {
  const fd_seqs *queries, *keys;
  fd_attention a; /* its arrays are in host memory */
  double *q, *k, *v, *dy, *y, *lse, *dq, *dk, *dv;
} plain_attention;

static int plain_place(const int *position, int row, int first) { return position ? position[row] : row - first; }

/* The score of a pair of rows of sequence s; -infinity for a masked key. */
static double plain_score(const plain_attention *p, int s, int head, int i, int j) {
  const fd_attention *a = &p->a;
  int width = a->heads * a->dim;
  double sum = 0;
  if (a->hidden && a->hidden[j]) return -INFINITY;
  for (int c = head * a->dim; c < (head + 1) * a->dim; c++) sum += p->q[i * width + c] * p->k[j * width + c];
  int far = plain_place(a->query_position, i, p->queries->start[s]) - plain_place(a->key_position, j, p->keys->start[s]);
  return (double)a->scale * sum - (a->slopes ? (double)a->slopes[head] * abs(far) : 0);
}

/* 0 or 1 / (1 - rate), drawn from (key, draw, layer, head, positions). */
static double plain_kept(const plain_attention *p, int s, int head, int i, int j) {
  const fd_attention *a = &p->a;
  uint64_t query = (uint64_t)plain_place(a->query_position, i, p->queries->start[s]),
           key = (uint64_t)plain_place(a->key_position, j, p->keys->start[s]);
  uint32_t bits[4];
  if (a->dropout == 0) return 1;
  fd_philox(bits, a->key, p->queries->draws[s], (uint64_t)a->layer << 56 | (uint64_t)head << 48 | query << 24 | key / 8);
  return (bits[key % 8 / 2] >> (key % 2 * 16) & 0xffff) < (uint32_t)((double)a->dropout * 65536) ? 0
                                                                                                 : 1 / (1 - (double)a->dropout);
}

/* Computes y and lse of one query, and its probabilities before dropout in share[keys of the sequence]. */
static void plain_query(const plain_attention *p, int s, int head, int i, double *share, double *y) {
  int first = p->keys->start[s], last = p->keys->start[s + 1], dim = p->a.dim, width = p->a.heads * dim;
  double most = -INFINITY, sum = 0;
  for (int j = first; j < last; j++) most = fmax(most, share[j - first] = plain_score(p, s, head, i, j));
  for (int j = first; j < last; j++) sum += share[j - first] = share[j - first] == -INFINITY ? 0 : exp(share[j - first] - most);
  for (int c = 0; c < dim; c++) y[c] = 0;
  for (int j = first; j < last; j++) {
    share[j - first] = sum > 0 ? share[j - first] / sum : 0;
    double weight = share[j - first] * plain_kept(p, s, head, i, j);
    for (int c = 0; c < dim; c++) y[c] += weight * p->v[j * width + head * dim + c];
  }
  p->lse[i * p->a.heads + head] = sum > 0 ? most + log(sum) : -INFINITY;
}

/* Computes y and the gradients of sum(dy y); returns that sum. */
static double plain_attend(plain_attention *p, int gradients) {
  int heads = p->a.heads, dim = p->a.dim, width = heads * dim;
  double loss = 0, *share = malloc(sizeof(double) * (size_t)(fd_seqs_rows(p->keys) + 1));
  for (int s = 0; s < p->queries->count; s++)
    for (int head = 0; head < heads; head++)
      for (int i = p->queries->start[s]; i < p->queries->start[s + 1]; i++) {
        size_t at = (size_t)(i * width + head * dim);
        double *y = p->y + at, *dy = p->dy + at, delta = 0;
        plain_query(p, s, head, i, share, y);
        for (int c = 0; c < dim; c++) delta += y[c] * dy[c];
        loss += delta;
        for (int j = p->keys->start[s]; gradients && j < p->keys->start[s + 1]; j++) {
          double kept = plain_kept(p, s, head, i, j), weight = share[j - p->keys->start[s]], along = 0;
          size_t to = (size_t)(j * width + head * dim);
          for (int c = 0; c < dim; c++) along += dy[c] * p->v[to + (size_t)c], p->dv[to + (size_t)c] += weight * kept * dy[c];
          double d = weight * (kept * along - delta) * (double)p->a.scale;
          for (int c = 0; c < dim; c++)
            p->dq[at + (size_t)c] += d * p->k[to + (size_t)c], p->dk[to + (size_t)c] += d * p->q[at + (size_t)c];
        }
      }
  free(share);
  return loss;
}

static void expect_slope(plain_attention *p, double *values, const double *gradient, int n) {
  int i = between(0, n - 1);
  double kept = values[i], side[2], step = 1e-5;
  for (int k = 0; k < 2; k++) values[i] = kept + (k ? step : -step), side[k] = plain_attend(p, 0);
  values[i] = kept;
  assert_near(gradient[i], (side[1] - side[0]) / (2 * step), 1e-6 * (1 + fabs(gradient[i])));
}

/* Embeds columns in wider rows with margins of 0.5 on both sides; expect_view compares such rows, margins included. */
static float *widen_rows(const float *x, int rows, int width, int gap, int behind) {
  int all = gap + width + behind;
  float *to = some((size_t)(rows * all), 1);
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < all; c++) to[r * all + c] = c < gap || c >= gap + width ? 0.5f : x[r * width + c - gap];
  return to;
}

static void expect_view(const char *what, fd_mat m, int rows, int width, int gap, int behind, const double *expected,
                        double bound) {
  int all = gap + width + behind;
  double *whole = zeros((size_t)(rows * all));
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < all; c++) whole[r * all + c] = c < gap || c >= gap + width ? 0.5 : expected[r * width + c - gap];
  expect_rows(what, m, rows, all, whole, bound);
}

enum { GAP = 16, BEHIND = 3 };

/* Compares a device with the plain version; gradients are views of wider rows whose margins must not be changed. */
static void compare_attention(plain_attention *p, const fd_attention *a, const fd_seqs *queries, const fd_seqs *keys,
                              const float *q, const float *k, const float *v, const float *dy) {
  fd_device *dev = on->dev;
  int width = a->heads * a->dim, mine = fd_seqs_rows(p->queries), theirs = fd_seqs_rows(p->keys),
      bf16 = dev->form.type == FD_BF16;
  float *gap = some((size_t)((mine + theirs) * width), 1), *lse = floats_there(NULL, (size_t)(mine * a->heads));
  fd_mat qs = rows_there(widen_rows(q, mine, width, GAP, BEHIND), mine, GAP + width + BEHIND),
         ks = rows_there(widen_rows(k, theirs, width, GAP, 0), theirs, GAP + width),
         vs = rows_there(widen_rows(v, theirs, width, GAP, 0), theirs, GAP + width), ys = rows_there(NULL, mine, width),
         again = rows_there(NULL, mine, width), dys = rows_there(dy, mine, width),
         dqs = rows_there(widen_rows(gap, mine, width, GAP, BEHIND), mine, GAP + width + BEHIND),
         dks = rows_there(widen_rows(gap, theirs, width, GAP, BEHIND), theirs, GAP + width + BEHIND),
         dvs = rows_there(widen_rows(gap, theirs, width, GAP, BEHIND), theirs, GAP + width + BEHIND);
  fd_mat view[] = {fd_mat_columns(qs, GAP), fd_mat_columns(ks, GAP), fd_mat_columns(vs, GAP)};
  dev->ops.attention_forward(dev, queries, keys, a, view[0], view[1], view[2], ys, lse);
  dev->ops.attention_forward(dev, queries, keys, a, view[0], view[1], view[2], again, NULL);
  dev->ops.attention_backward(dev, queries, keys, a, view[0], view[1], view[2], ys, lse, dys, fd_mat_columns(dqs, GAP),
                              fd_mat_columns(dks, GAP), fd_mat_columns(dvs, GAP));
  double rounded = 0; /* rounding error of scores, before their exponential */
  for (int i = 0; i < mine * a->heads; i++) rounded = fmax(rounded, p->lse[i] == -INFINITY ? 0 : 2e-7 * fabs(p->lse[i]));
  double weights = bf16 ? 0x1p-9 / (1 - (double)a->dropout) : 0; /* rounding error of weights */
  double bound = 2e-6 + rounded + weights + on->products, steep = 6e-6 + 2 * rounded + 2 * on->products + (bf16 ? 1.2e-2 : 0);
  expect_rows("y", ys, mine, width, p->y, bound);
  expect_rows("y again", again, mine, width, p->y, bound);
  float *got = hold(get(dev, lse, (size_t)(mine * a->heads)));
  for (int i = 0; i < mine * a->heads; i++)
    if (p->lse[i] == -INFINITY) assert_true(got[i] == -INFINITY);
    else assert_near((double)got[i], p->lse[i], 2e-6 * (1 + fabs(p->lse[i])) + 2 * on->products);
  expect_view("dq", dqs, mine, width, GAP, BEHIND, p->dq, steep);
  expect_view("dk", dks, theirs, width, GAP, BEHIND, p->dk, steep);
  expect_view("dv", dvs, theirs, width, GAP, BEHIND, p->dv, steep);
}

/* The same number of sequences with different lengths, some empty. */
static fd_seqs others(const fd_seqs *seqs, int longest) {
  int *start = hold(calloc((size_t)seqs->count + 1, sizeof *start));
  for (int i = 0; i < seqs->count; i++) start[i + 1] = start[i] + between(0, longest);
  return (fd_seqs){.count = seqs->count, .cls = 0, .micro_batches = 1, .start = start};
}

enum { RANDOM_LENGTHS = 48, TILE_LENGTHS = 26 };

/* Sequences of random lengths up to a maximum that depends on n, then two of lengths around the tile sizes of the kernels. */
static fd_seqs some_seqs(int n) {
  static const int lengths[] = {1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129};
  int many = (int)(sizeof lengths / sizeof *lengths);
  if (n < RANDOM_LENGTHS) {
    fd_seqs seqs = random_seqs(between(0, 2), n % 8 == 7 ? 560 : n % 12 == 5 ? 1 : n % 3 ? 30 : 100);
    return hold(seqs.start), seqs;
  }
  int *start = hold(calloc(3, sizeof *start));
  start[1] = lengths[n % many], start[2] = start[1] + lengths[(5 * n + 3) % many];
  return (fd_seqs){.count = 2, .cls = 0, .micro_batches = 1, .start = start};
}

/* Head sizes of any width, and those that tensor cores support. */
static int some_dim(int n, int big) {
  if (n % 2) return 8 * (big ? between(9, 16) : n % 4 == 1 ? between(1, 8) : between(5, 8));
  return big ? between(65, 128) : between(1, 33);
}

static void attention_once(int n) {
  int cross = n % 4 == 1, alibi = n % 3 == 1, given = n % 5 == 2, hide = n % 4 > 1, big = n % 8 == 3 || n == 15,
      heads = big || n % 8 == 7 ? 1 : between(1, 4), dim = some_dim(n, big), width = heads * dim;
  fd_seqs queries = some_seqs(n);
  uint64_t draws[8];
  for (int i = 0; i < 8; i++) draws[i] = (uint64_t)word() << 20;
  queries.draws = draws;
  fd_seqs keys = !cross ? queries : n < RANDOM_LENGTHS ? others(&queries, n % 3 ? 30 : 100) : some_seqs(n + 7);
  int mine = fd_seqs_rows(&queries), theirs = fd_seqs_rows(&keys);
  size_t in = (size_t)(mine * width), out = (size_t)(theirs * width);
  float *q = some(in, 2), *k = some(out, 2), *v = some(out, 1), *dy = some(in, 1), *slopes = some((size_t)heads, 0.5f);
  int *positions[] = {some_indices((size_t)mine, 0, 900), some_indices((size_t)theirs, 0, 900)};
  uint8_t *hidden = hold(malloc((size_t)theirs + 1));
  for (int j = 0; j < theirs; j++) hidden[j] = (uint8_t)(between(0, 2) == 0);
  for (int j = keys.start[0]; j < keys.start[1]; j++) hidden[j] = 1; /* all of the first sequence */
  for (int h = 0; h < heads; h++) slopes[h] = fabsf(slopes[h]);
  fd_attention a = {.heads = heads, .dim = dim, .scale = 1 / sqrtf((float)dim), .dropout = n % 4 == 2 ? 0.25f : 0, .layer = n};
  a.key = fd_rng_key_of(drawn_seed(3), FD_RNG_ATTENTION);
  plain_attention p = {&queries,     &keys,        a,
                       wide(q, in),  wide(k, out), wide(v, out),
                       wide(dy, in), zeros(in),    zeros((size_t)(mine * heads)),
                       zeros(in),    zeros(out),   zeros(out)};
  p.a.slopes = alibi ? slopes : NULL, p.a.hidden = hide ? hidden : NULL;
  p.a.query_position = given ? positions[0] : NULL, p.a.key_position = given ? positions[1] : NULL;
  plain_attend(&p, 1);
  fd_seqs here = put_seqs(on->dev, &queries), beside = cross ? put_seqs(on->dev, &keys) : here;
  if (alibi) a.slopes = floats_there(slopes, (size_t)heads);
  if (hide) a.hidden = there(hidden, (size_t)theirs);
  if (given)
    a.query_position = indices_there(positions[0], (size_t)mine), a.key_position = indices_there(positions[1], (size_t)theirs);
  compare_attention(&p, &a, &here, &beside, q, k, v, dy);
  for (int i = 0; i < 2 && mine * theirs < 3000 && theirs > 0; i++) {
    expect_slope(&p, p.q, p.dq, mine * width);
    expect_slope(&p, p.k, p.dk, theirs * width);
    expect_slope(&p, p.v, p.dv, theirs * width);
  }
  fd_seqs_destroy(&here, on->dev);
  if (cross) fd_seqs_destroy(&beside, on->dev);
}

static void attention_equals_plain_and_finite_differences(void **state) {
  (void)state, on_each(RANDOM_LENGTHS + TILE_LENGTHS, attention_once);
}

/* y, dq, dk and dv of self-attention, [rows, width] each, for rows of the pack from `first` on, with q, k, v side by side. */
static float *attend_there(const fd_seqs *seqs, const fd_attention *a, const float *qkv, const float *dy, int first) {
  fd_device *dev = on->dev;
  int width = a->heads * a->dim, rows = fd_seqs_rows(seqs);
  fd_seqs beside = put_seqs(dev, seqs);
  fd_mat x = rows_there(qkv + (size_t)first * 3 * (size_t)width, rows, 3 * width), y = rows_there(NULL, rows, width),
         dys = rows_there(dy + (size_t)first * (size_t)width, rows, width), dx = rows_there(qkv, rows, 3 * width);
  float *lse = floats_there(NULL, (size_t)(rows * a->heads)), *out = hold(malloc((size_t)(rows * 4 * width + 1) * sizeof *out));
  fd_mat part[6];
  for (int i = 0; i < 3; i++) part[i] = fd_mat_columns(x, i * width), part[3 + i] = fd_mat_columns(dx, i * width);
  dev->ops.attention_forward(dev, &beside, &beside, a, part[0], part[1], part[2], y, lse);
  dev->ops.attention_backward(dev, &beside, &beside, a, part[0], part[1], part[2], y, lse, dys, part[3], part[4], part[5]);
  const float *ys = hold(get_rows(dev, y, rows, width)), *dxs = hold(get_rows(dev, dx, rows, 3 * width));
  for (int r = 0; r < rows; r++) {
    memcpy(out + r * 4 * width, ys + r * width, (size_t)width * sizeof *out);
    memcpy(out + r * 4 * width + width, dxs + r * 3 * width, (size_t)(3 * width) * sizeof *out);
  }
  fd_seqs_destroy(&beside, dev);
  return out;
}

/* The rest of the pack does not matter: a sequence by itself yields the same bits as among others. */
static void place_once(int n) {
  fd_seqs seqs = random_seqs(1, n % 3 ? 50 : 300);
  hold(seqs.start);
  uint64_t draws[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  seqs.draws = draws;
  int last = seqs.count - 1, rows = fd_seqs_rows(&seqs), first = seqs.start[last], alone_start[2] = {0, rows - first},
      heads = between(1, 3), width = heads * 16;
  fd_attention a = {.heads = heads, .dim = 16, .scale = 0.25f, .dropout = n % 2 ? 0.2f : 0, .layer = 1};
  float *qkv = some((size_t)(rows * 3 * width), 2), *dy = some((size_t)(rows * width), 1);
  fd_seqs alone = {.count = 1, .cls = 1, .micro_batches = 1, .start = alone_start, .draws = draws + last};
  const float *together = attend_there(&seqs, &a, qkv, dy, 0), *by_itself = attend_there(&alone, &a, qkv, dy, first);
  assert_memory_equal(by_itself, together + (size_t)first * 4 * (size_t)width,
                      (size_t)((rows - first) * 4 * width) * sizeof *qkv);
}

static void attention_does_not_depend_on_place(void **state) { (void)state, on_each(9, place_once); }

#define case_attention_forward attention_equals_plain_and_finite_differences
#define case_attention_backward attention_equals_plain_and_finite_differences

#endif
