/* Test cases of the gated delta rule and its related operations, for every device: causal convolutions, the rule against its
 * recurrence, the gated norm. Gradients of the plain versions are confirmed by central differences. */
#ifndef FD_TESTS_CASES_DELTA_H
#define FD_TESTS_CASES_DELTA_H

#include "delta_bits.h"
#include "plain.h"
#include "subjects.h"

static void conv_once(int n) {
  int width = between(1, n % 4 ? 40 : 150), taps = n % 3 ? 4 : between(1, FD_TAPS_MAX), reverse = n / 2 % 2;
  fd_seqs seqs = random_seqs(0, n % 5 ? 20 : 150);
  hold(seqs.start);
  int rows = fd_seqs_rows(&seqs);
  size_t all = (size_t)(rows * width), weights = (size_t)(width * taps);
  float *x = some(all, 1), *dy = some(all, 1), *w = some(weights, 1);
  double *y = zeros(all), *dx = zeros(all), *dw = zeros(weights);
  for (int s = 0; s < seqs.count; s++)
    for (int r = seqs.start[s]; r < seqs.start[s + 1]; r++)
      for (int j = 0; j < taps; j++) {
        int from = reverse ? r + (taps - 1) - j : r - (taps - 1) + j;
        if (from < seqs.start[s] || from >= seqs.start[s + 1]) continue;
        for (int c = 0; c < width; c++) {
          y[r * width + c] += (double)w[c * taps + j] * (double)x[from * width + c];
          dx[from * width + c] += (double)w[c * taps + j] * (double)dy[r * width + c];
          dw[c * taps + j] += (double)dy[r * width + c] * (double)x[from * width + c];
        }
      }
  fd_device *dev = on->dev;
  fd_seqs beside = put_seqs(dev, &seqs);
  float *ws = floats_there(w, weights), *dws = floats_there(NULL, weights);
  fd_mat xs = rows_there(x, rows, width), ys = rows_there(NULL, rows, width), dys = rows_there(dy, rows, width),
         dxs = rows_there(NULL, rows, width);
  dev->ops.causal_conv(dev, &beside, width, taps, reverse, ws, xs, ys);
  dev->ops.causal_conv(dev, &beside, width, taps, !reverse, ws, dys, dxs);
  dev->ops.causal_conv_weights(dev, &beside, width, taps, reverse, xs, dys, dws);
  expect_rows("y", ys, rows, width, y, 1e-6);
  expect_rows("dx", dxs, rows, width, dx, 1e-6);
  expect_floats("dw", dws, weights, dw, 2e-6);
  fd_seqs_destroy(&beside, dev);
}

static void convolutions_equal_plain(void **state) { (void)state, on_each(40, conv_once); }

/* All in double; x [rows, heads (2 keys + values)], gates [rows, 2 heads], dy, y [rows, heads values]. */
typedef struct plain_delta {
  const fd_seqs *seqs;
  int heads, keys, values, reverse;
  double eps, *rate, *offset, *x, *gates, *dy, *y, *dx, *dgates, *drate, *doffset;
  double *sizes; /* [heads] sums of the sizes of the terms whose sum is drate or doffset */
} plain_delta;

/* The values of one row of a head. */
typedef struct plain_row {
  double *q, *k, *v, *y, alpha, beta, decay, slope, k_length, q_length;
  int at[3], gate[2]; /* offsets of q, k, v in x; of a, b in gates */
} plain_row;

static plain_row plain_row_of(const plain_delta *p, int row, int head) {
  int width = p->heads * (2 * p->keys + p->values), at = row * width;
  plain_row r = {.at = {at + head * p->keys, at + (p->heads + head) * p->keys, at + 2 * p->heads * p->keys + head * p->values},
                 .gate = {row * 2 * p->heads + head, row * 2 * p->heads + p->heads + head},
                 .y = p->y + (row * p->heads + head) * p->values};
  double a = p->gates[r.gate[0]] + p->offset[head];
  r.q = p->x + r.at[0], r.k = p->x + r.at[1], r.v = p->x + r.at[2];
  r.decay = -exp(p->rate[head]) * log1p(exp(a)), r.slope = -exp(p->rate[head]) / (1 + exp(-a));
  r.alpha = exp(r.decay), r.beta = 1 / (1 + exp(-p->gates[r.gate[1]]));
  r.k_length = r.q_length = p->eps;
  for (int i = 0; i < p->keys; i++) r.k_length += r.k[i] * r.k[i], r.q_length += r.q[i] * r.q[i];
  r.k_length = sqrt(r.k_length), r.q_length = sqrt(r.q_length);
  return r;
}

/* One step of a head: updates s [keys, values], computes u [values] and y. */
static void plain_step(const plain_delta *p, const plain_row *r, double *s, double *u) {
  double scale = sqrt((double)p->keys) * r->q_length;
  for (int j = 0; j < p->values; j++) {
    double seen = 0, y = 0;
    for (int i = 0; i < p->keys; i++) seen += (s[i * p->values + j] *= r->alpha) * r->k[i] / r->k_length;
    u[j] = r->beta * (r->v[j] - seen);
    for (int i = 0; i < p->keys; i++) y += (s[i * p->values + j] += r->k[i] / r->k_length * u[j]) * r->q[i] / scale;
    r->y[j] = y;
  }
}

/* Adds to dx the gradient of a vector x, given the gradient d of its unit vector x / length. */
static void plain_direction(int n, const double *x, double length, const double *d, double *dx) {
  double along = 0;
  for (int i = 0; i < n; i++) along += x[i] / length * d[i];
  for (int i = 0; i < n; i++) dx[i] += (d[i] - x[i] / length * along) / length;
}

/* The backward pass of one step, given the states before and after it; updates ds. */
static void plain_step_back(const plain_delta *p, const plain_row *r, int head, const double *before, const double *s,
                            const double *u, const double *dy, double *ds) {
  double dq[64] = {0}, dk[64] = {0}, dalpha = 0, dbeta = 0, root = sqrt((double)p->keys);
  for (int j = 0; j < p->values; j++) {
    double du = 0, seen = 0;
    for (int i = 0; i < p->keys; i++) {
      double k = r->k[i] / r->k_length, *d = &ds[i * p->values + j];
      dq[i] += s[i * p->values + j] * dy[j] / root;
      *d += r->q[i] / r->q_length / root * dy[j];
      du += *d * k, seen += r->alpha * before[i * p->values + j] * k;
      dk[i] += *d * u[j];
    }
    dbeta += du * (r->v[j] - seen);
    p->dx[r->at[2] + j] += r->beta * du;
    for (int i = 0; i < p->keys; i++) {
      double *d = &ds[i * p->values + j];
      *d -= r->k[i] / r->k_length * r->beta * du;
      dk[i] -= r->alpha * before[i * p->values + j] * r->beta * du;
      dalpha += *d * before[i * p->values + j];
      *d *= r->alpha;
    }
  }
  plain_direction(p->keys, r->q, r->q_length, dq, p->dx + r->at[0]);
  plain_direction(p->keys, r->k, r->k_length, dk, p->dx + r->at[1]);
  double dlog = dalpha * r->alpha;
  p->dgates[r->gate[0]] = dlog * r->slope, p->dgates[r->gate[1]] = dbeta * r->beta * (1 - r->beta);
  p->drate[head] += dlog * r->decay, p->doffset[head] += dlog * r->slope;
  p->sizes[head] += fabs(dlog) * fmax(fabs(r->decay), fabs(r->slope));
}

/* Runs one head of a sequence; returns its part of sum(dy y). */
static double plain_head(plain_delta *p, int sequence, int head, int gradients) {
  int first = p->seqs->start[sequence], length = p->seqs->start[sequence + 1] - first;
  size_t each = (size_t)(p->keys * p->values);
  double *s = calloc((size_t)(length + 2) * each, sizeof *s), *u = malloc(sizeof *u * (size_t)(length * p->values + 1)), loss = 0;
  for (int t = 0; t < length; t++) {
    int row = first + (p->reverse ? length - 1 - t : t);
    plain_row r = plain_row_of(p, row, head);
    memcpy(s + (size_t)(t + 1) * each, s + (size_t)t * each, each * sizeof *s);
    plain_step(p, &r, s + (size_t)(t + 1) * each, u + t * p->values);
    for (int j = 0; j < p->values; j++) loss += r.y[j] * p->dy[(row * p->heads + head) * p->values + j];
  }
  for (int t = length - 1; gradients && t >= 0; t--) {
    int row = first + (p->reverse ? length - 1 - t : t);
    plain_row r = plain_row_of(p, row, head);
    plain_step_back(p, &r, head, s + (size_t)t * each, s + (size_t)(t + 1) * each, u + t * p->values,
                    p->dy + (row * p->heads + head) * p->values, s + (size_t)(length + 1) * each);
  }
  free(s), free(u);
  return loss;
}

static double plain_rule(plain_delta *p, int gradients) {
  double loss = 0;
  for (int s = 0; s < p->seqs->count; s++)
    for (int h = 0; h < p->heads; h++) loss += plain_head(p, s, h, gradients);
  return loss;
}

static void expect_delta_slope(plain_delta *p, double *values, const double *gradient, int n) {
  int i = between(0, n - 1);
  double kept = values[i], side[2], step = 1e-5;
  for (int k = 0; k < 2; k++) values[i] = kept + (k ? step : -step), side[k] = plain_rule(p, 0);
  values[i] = kept;
  assert_near(gradient[i], (side[1] - side[0]) / (2 * step), 1e-6 * (1 + fabs(gradient[i])));
}

/* Lengths around those of chunks, then random ones; some sequences are empty. */
static fd_seqs delta_seqs(int n) {
  static const int lengths[] = {1, 2, 31, 32, 33, 63, 64, 65, 97, 0, 128, 5};
  int many = (int)(sizeof lengths / sizeof *lengths), count = n < many ? 2 : between(1, 4);
  int *start = hold(calloc((size_t)count + 1, sizeof *start));
  for (int i = 0; i < count; i++)
    start[i + 1] = start[i] + (n < many ? lengths[(n + 5 * i) % many] : between(1, n % 7 ? 60 : 200));
  return (fd_seqs){.count = count, .cls = 0, .micro_batches = 1, .start = start};
}

/* A decay that forgets at once, one that hardly forgets, and the initial values of training. */
static void some_gates(int n, int heads, float *rate, float *offset) {
  for (int h = 0; h < heads; h++) {
    rate[h] = n % 3 == 0 ? 2.5f : n % 3 == 1 ? -3 : 1;
    offset[h] = n % 3 == 2 ? -4 : 0.5f * rate[h];
  }
}

static void compare_delta(plain_delta *p, const fd_delta *d, const float *x, const float *gates, const float *dy) {
  fd_device *dev = on->dev;
  int rows = fd_seqs_rows(p->seqs), heads = p->heads, in = heads * (2 * p->keys + p->values), out = heads * p->values;
  size_t states = (size_t)(rows / FD_DELTA_CHUNK * heads * p->keys * p->values);
  fd_seqs beside = put_seqs(dev, p->seqs);
  fd_mat xs = rows_there(x, rows, in), gs = rows_there(gates, rows, 2 * heads), ys = rows_there(NULL, rows, out),
         again = rows_there(NULL, rows, out), dys = rows_there(dy, rows, out), dxs = rows_there(NULL, rows, in),
         dgs = rows_there(NULL, rows, 2 * heads);
  float *kept = floats_there(NULL, states), *drate = floats_there(NULL, (size_t)heads),
        *doffset = floats_there(NULL, (size_t)heads);
  dev->ops.delta_forward(dev, &beside, d, xs, gs, ys, kept);
  dev->ops.delta_forward(dev, &beside, d, xs, gs, again, NULL);
  dev->ops.delta_backward(dev, &beside, d, xs, gs, kept, dys, dxs, dgs, drate, doffset);
  double bound = 3e-6 + on->products, steep = 2e-5 + 4 * on->products;
  expect_rows("y", ys, rows, out, p->y, bound);
  expect_rows("y again", again, rows, out, p->y, bound);
  expect_rows("dx", dxs, rows, in, p->dx, steep);
  expect_rows("dgates", dgs, rows, 2 * heads, p->dgates, steep);
  double largest = 1; /* sums over all rows cancel: their error is relative to the terms */
  for (int h = 0; h < heads; h++) largest = fmax(largest, p->sizes[h]);
  expect_floats("drate", drate, (size_t)heads, p->drate, 2 * steep * largest);
  expect_floats("doffset", doffset, (size_t)heads, p->doffset, 2 * steep * largest);
  fd_seqs_destroy(&beside, dev);
}

/* Moves queries and keys away from zero, where their normalization changes abruptly. */
static void keep_off_zero(int rows, int heads, int keys, int values, float *x) {
  for (int r = 0; r < rows; r++)
    for (int h = 0; h < 2 * heads; h++) {
      float *v = x + (size_t)r * (size_t)(heads * (2 * keys + values)) + h * keys;
      *v = copysignf(fmaxf(fabsf(*v), 0.25f), *v);
    }
}

static void delta_once(int n) {
  int heads = between(1, 3), keys = between(1, n % 4 ? 20 : 60), values = between(1, n % 5 ? 24 : 100);
  fd_seqs seqs = delta_seqs(n);
  int rows = fd_seqs_rows(&seqs), in = heads * (2 * keys + values), out = heads * values;
  size_t xs = (size_t)(rows * in), gs = (size_t)(rows * 2 * heads), ys = (size_t)(rows * out), hs = (size_t)heads;
  float *x = some(xs, 1), *gates = some(gs, 2), *dy = some(ys, 1), *rate = some(hs, 1), *offset = some(hs, 1);
  some_gates(n, heads, rate, offset);
  keep_off_zero(rows, heads, keys, values, x);
  fd_delta d = {heads, keys, values, n % 2, 1e-6f, floats_there(rate, hs), floats_there(offset, hs)};
  plain_delta p = {&seqs,       heads,           keys,         values,    n % 2,     1e-6,      wide(rate, hs), wide(offset, hs),
                   wide(x, xs), wide(gates, gs), wide(dy, ys), zeros(ys), zeros(xs), zeros(gs), zeros(hs),      zeros(hs),
                   zeros(hs)};
  plain_rule(&p, 1);
  compare_delta(&p, &d, x, gates, dy);
  for (int i = 0; i < 2 && rows > 0 && rows * in < 9000; i++) {
    expect_delta_slope(&p, p.x, p.dx, (int)xs);
    expect_delta_slope(&p, p.gates, p.dgates, (int)gs);
    expect_delta_slope(&p, p.rate, p.drate, heads);
    expect_delta_slope(&p, p.offset, p.doffset, heads);
  }
}

static void delta_rule_equals_its_recurrence_and_finite_differences(void **state) { (void)state, on_each(40, delta_once); }

/* One row of a head; adds the gradients of x, w and the gate. */
static double plain_gated(int n, double eps, const double *x, const double *w, const double *gate, const double *dy, double *y,
                          double *dx, double *dw, double *dgate) {
  double squares = 0, along = 0, loss = 0;
  for (int c = 0; c < n; c++) squares += x[c] * x[c] / n;
  double r = 1 / sqrt(squares + eps);
  for (int c = 0; c < n; c++) {
    double s = gate[c] / (1 + exp(-gate[c]));
    y[c] = x[c] * r * w[c] * s;
    loss += y[c] * dy[c], along += dy[c] * s * w[c] * x[c] * r / n;
  }
  for (int c = 0; dx && c < n; c++) {
    double sigmoid = 1 / (1 + exp(-gate[c])), s = gate[c] * sigmoid;
    dx[c] = r * (dy[c] * s * w[c] - x[c] * r * along);
    dw[c] += dy[c] * s * x[c] * r;
    dgate[c] = dy[c] * x[c] * r * w[c] * sigmoid * (1 + gate[c] * (1 - sigmoid));
  }
  return loss;
}

static void expect_gated_slope(int n, double eps, double *x, double *w, double *gate, const double *dy, double *value,
                               double gradient) {
  double kept = *value, side[2], step = 1e-5, *y = zeros((size_t)n);
  for (int k = 0; k < 2; k++) {
    *value = kept + (k ? step : -step);
    side[k] = plain_gated(n, eps, x, w, gate, dy, y, NULL, NULL, NULL);
  }
  *value = kept;
  assert_near(gradient, (side[1] - side[0]) / (2 * step), 1e-5 * (1 + fabs(gradient)));
}

static void gated_once(int n) {
  int rows = between(1, n % 6 ? 50 : 1100), heads = between(1, 4), width = between(1, n % 3 ? 24 : 100), all = heads * width;
  size_t size = (size_t)(rows * all), columns = (size_t)width;
  float *x = some(size, 2), *gate = some(size, 3), *dy = some(size, 1), *w = some(columns, 1), eps = 1e-3f;
  double *xd = wide(x, size), *gated = wide(gate, size), *dyd = wide(dy, size), *wd = wide(w, columns), *y = zeros(size),
         *dx = zeros(size), *dw = zeros(columns), *dgate = zeros(size), *none = zeros(columns);
  for (int i = 0; i < rows * heads; i++)
    plain_gated(width, (double)eps, xd + i * width, wd, gated + i * width, dyd + i * width, y + i * width, dx + i * width, dw,
                dgate + i * width);
  int row = between(0, rows * heads - 1) * width, c = between(0, width - 1);
  plain_gated(width, (double)eps, xd + row, wd, gated + row, dyd + row, y + row, dx + row, none, dgate + row);
  expect_gated_slope(width, (double)eps, xd + row, wd, gated + row, dyd + row, xd + row + c, dx[row + c]);
  expect_gated_slope(width, (double)eps, xd + row, wd, gated + row, dyd + row, gated + row + c, dgate[row + c]);
  expect_gated_slope(width, (double)eps, xd + row, wd, gated + row, dyd + row, wd + c, none[c]);
  fd_device *dev = on->dev;
  fd_norm norm = {width, 1, eps, floats_there(w, columns), NULL};
  fd_mat xs = rows_there(x, rows, all), gs = rows_there(gate, rows, all), ys = rows_there(NULL, rows, all),
         dys = rows_there(dy, rows, all), dxs = rows_there(NULL, rows, all), dgs = rows_there(NULL, rows, all);
  float *dws = floats_there(NULL, columns);
  dev->ops.gated_norm_forward(dev, rows, heads, &norm, xs, gs, ys);
  dev->ops.gated_norm_backward(dev, rows, 1, heads, &norm, xs, gs, dys, dxs, dgs, dws);
  expect_rows("y", ys, rows, all, y, 3e-6);
  expect_rows("dx", dxs, rows, all, dx, 5e-6);
  expect_rows("dgate", dgs, rows, all, dgate, 5e-6);
  expect_floats("dw", dws, columns, dw, 5e-6);
}

static void gated_norm_equals_plain_and_finite_differences(void **state) { (void)state, on_each(40, gated_once); }

/* A sequence by itself yields the same bits as among others. */
static void delta_place_once(int n) {
  fd_seqs seqs = random_seqs(0, n % 3 ? 50 : 300);
  hold(seqs.start);
  int last = seqs.count - 1, rows = fd_seqs_rows(&seqs), first = seqs.start[last], alone_start[2] = {0, rows - first};
  float *x = some((size_t)(rows * BITS_OF), 1);
  fd_seqs alone = {.count = 1, .micro_batches = 1, .start = alone_start};
  const float *together = hold(delta_there(on->dev, &seqs, x, 0)), *by_itself = hold(delta_there(on->dev, &alone, x, first));
  assert_memory_equal(by_itself, together + first * BITS_OF, (size_t)((rows - first) * BITS_OF) * sizeof *x);
}

static void delta_rule_does_not_depend_on_place(void **state) { (void)state, on_each(9, delta_place_once); }

/* The loss of a row; adds scale * gradient to dy. */
static double plain_align(int n, int cosine, int normalize, const double *y, const double *z, double scale, double *dy) {
  double mean = 0, variance = 0, along = 0, yy = 1e-12, zz = 1e-12, squares = 0, *t = malloc(sizeof *t * (size_t)n);
  for (int c = 0; c < n; c++) mean += normalize ? z[c] / n : 0;
  for (int c = 0; c < n; c++) variance += (z[c] - mean) * (z[c] - mean) / n;
  for (int c = 0; c < n; c++) {
    t[c] = normalize ? (z[c] - mean) / sqrt(variance + 1e-5) : z[c];
    along += y[c] * t[c], yy += y[c] * y[c], zz += t[c] * t[c], squares += (y[c] - t[c]) * (y[c] - t[c]);
  }
  double similar = along / sqrt(yy * zz);
  for (int c = 0; c < n; c++) dy[c] += scale * (cosine ? similar * y[c] / yy - t[c] / sqrt(yy * zz) : 2 * (y[c] - t[c]));
  free(t);
  return cosine ? 1 - similar : squares;
}

static void align_once(int n) {
  int rows = between(1, 60), width = between(2, n % 4 ? 40 : 150), theirs = between(1, 30), cosine = n % 2, normalize = n / 2 % 2;
  size_t all = (size_t)(rows * width), targets = (size_t)(theirs * width);
  float *y = some(all, 1), *z = some(targets, 2), *dy = some(all, 1);
  int *index = some_indices((size_t)rows, -1, theirs - 1);
  double *yd = wide(y, all), *zd = wide(z, targets), *dyd = wide(dy, all), *none = zeros(all), sum = 0, scale = 0.25;
  for (int r = 0; r < rows; r++) {
    if (index[r] < 0) continue;
    const double *target = zd + index[r] * width;
    sum += plain_align(width, cosine, normalize, yd + r * width, target, scale, dyd + r * width);
    int c = between(0, width - 1);
    double kept = yd[r * width + c], side[2], step = 1e-5, mine[2] = {dyd[r * width + c] - (double)dy[r * width + c], 0};
    for (int k = 0; k < 2; k++) {
      yd[r * width + c] = kept + (k ? step : -step);
      side[k] = plain_align(width, cosine, normalize, yd + r * width, target, 0, none + r * width);
    }
    yd[r * width + c] = kept;
    assert_near(mine[0], scale * (side[1] - side[0]) / (2 * step), 1e-6 * (1 + fabs(mine[0])));
  }
  fd_device *dev = on->dev;
  fd_mat ys = rows_there(y, rows, width), zs = rows_there(z, theirs, width), dys = rows_there(dy, rows, width);
  double *there_sum = there(&(double){7}, sizeof sum), got;
  dev->ops.align_loss(dev, rows, width, cosine, normalize, ys, indices_there(index, (size_t)rows), zs, (float)scale, dys,
                      there_sum);
  expect_rows("dy", dys, rows, width, dyd, 2e-6);
  assert_ok(dev->copy(dev, &got, there_sum, sizeof got));
  assert_ok(dev->sync(dev));
  assert_near(got, sum, 2e-6 * (1 + fabs(sum)));
}

static void alignment_equals_plain_and_finite_differences(void **state) { (void)state, on_each(32, align_once); }

#define case_align_loss alignment_equals_plain_and_finite_differences
#define case_causal_conv convolutions_equal_plain
#define case_causal_conv_weights convolutions_equal_plain
#define case_delta_forward delta_rule_equals_its_recurrence_and_finite_differences
#define case_delta_backward delta_rule_equals_its_recurrence_and_finite_differences
#define case_gated_norm_forward gated_norm_equals_plain_and_finite_differences
#define case_gated_norm_backward gated_norm_equals_plain_and_finite_differences

#endif
