/* Test cases of operations on rows, for every device: tables, indices, normalization, activations, rotary positions, dropout,
 * maxima, flat buffers. Gradients are computed by formulas, which central differences confirm. */
#ifndef FD_TESTS_CASES_ROWS_H
#define FD_TESTS_CASES_ROWS_H

#include "plain.h"
#include "subjects.h"

static void lookup_once(int n) {
  int rows = between(1, n % 5 ? 90 : 1500), width = between(1, n % 4 ? 40 : 300), size = between(1, n % 6 == 4 ? 700 : 60),
      add = n % 2;
  size_t all = (size_t)(rows * width), entries = (size_t)(size * width);
  float *table = some(entries, 1), *x = some(all, 1);
  int *ids = some_indices((size_t)rows, -1, size - 1);
  double *y = add ? wide(x, all) : zeros(all), *dtable = add ? wide(table, entries) : zeros(entries);
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < width && ids[r] >= 0; c++) {
      y[r * width + c] += (double)table[ids[r] * width + c];
      dtable[ids[r] * width + c] = (double)((float)dtable[ids[r] * width + c] + x[r * width + c]); /* in row order */
    }
  fd_device *dev = on->dev;
  float *tables = floats_there(table, entries), *dtables = floats_there(add ? table : NULL, entries);
  int *indices = indices_there(ids, (size_t)rows);
  fd_mat ys = rows_there(add ? x : NULL, rows, width), dys = rows_there(x, rows, width);
  dev->ops.lookup(dev, rows, width, tables, indices, add, ys);
  dev->ops.lookup_backward(dev, rows, 1, width, size, indices, add, dys, dtables);
  expect_rows("table[ids]", ys, rows, width, y, 1e-7);
  expect_floats("dtable", dtables, entries, dtable, add && dev->own_memory ? 1e-6 : 0); /* a GPU sums the rows before it adds */
}

static void lookup_equals_plain(void **state) { (void)state, on_each(24, lookup_once); }

/* Also in place, and sequences of masked tokens only. */
static void token_dropout_once(int n) {
  int width = between(1, 70), mask = between(0, 3);
  fd_seqs seqs = random_seqs(0, n % 4 ? 40 : 700);
  hold(seqs.start);
  int rows = fd_seqs_rows(&seqs), *ids = some_indices((size_t)rows, n % 5 ? 0 : mask, n % 5 ? 6 : mask);
  float *x = some((size_t)(rows * width), 1);
  double *y = zeros((size_t)(rows * width));
  for (int s = 0; s < seqs.count; s++) {
    double masked = 0, length = seqs.start[s + 1] - seqs.start[s];
    for (int r = seqs.start[s]; r < seqs.start[s + 1]; r++) masked += ids[r] == mask;
    for (int r = seqs.start[s]; r < seqs.start[s + 1]; r++)
      for (int c = 0; c < width && ids[r] != mask; c++)
        y[r * width + c] = (double)x[r * width + c] * 0.88 / (1 - masked / length);
  }
  fd_device *dev = on->dev;
  fd_seqs beside = put_seqs(dev, &seqs);
  int *indices = indices_there(ids, (size_t)rows);
  fd_mat xs = rows_there(x, rows, width), ys = rows_there(NULL, rows, width);
  dev->ops.token_dropout(dev, &beside, width, indices, mask, xs, ys);
  expect_rows("visible tokens", ys, rows, width, y, 1e-6);
  dev->ops.token_dropout(dev, &beside, width, indices, mask, xs, xs);
  expect_rows("in place", xs, rows, width, y, 1e-6);
  fd_seqs_destroy(&beside, dev);
}

static void token_dropout_equals_plain(void **state) { (void)state, on_each(20, token_dropout_once); }

static void select_once(int n) {
  (void)n;
  int rows = between(1, 90), count = between(1, rows), width = between(1, 60);
  float *x = some((size_t)(rows * width), 1);
  int *index = some_indices((size_t)count, -1, 0);
  for (int i = 0; i < count; i++)
    if (index[i] == 0) index[i] = i * (rows / count) + between(0, rows / count - 1); /* no row twice */
  double *y = zeros((size_t)(count * width)), *back = zeros((size_t)(rows * width));
  for (int i = 0; i < count; i++)
    for (int c = 0; c < width && index[i] >= 0; c++)
      back[index[i] * width + c] = y[i * width + c] = (double)x[index[i] * width + c];
  fd_device *dev = on->dev;
  int *indices = indices_there(index, (size_t)count);
  fd_mat xs = rows_there(x, rows, width), ys = rows_there(NULL, count, width), again = rows_there(NULL, rows, width);
  dev->ops.select_rows(dev, count, width, indices, xs, ys);
  dev->ops.scatter_rows(dev, count, rows, width, indices, ys, again);
  expect_rows("selected", ys, count, width, y, 0);
  expect_rows("scattered", again, rows, width, back, 0);
}

static void selected_rows_equal_plain(void **state) { (void)state, on_each(24, select_once); }

/* One row; returns sum(y dy). */
static double plain_norm(int width, int rms, double eps, const double *x, const double *w, const double *b, const double *dy,
                         double *y, double stats[2]) {
  double mean = 0, variance = 0, loss = 0;
  for (int c = 0; c < width && !rms; c++) mean += x[c] / width;
  for (int c = 0; c < width; c++) variance += (x[c] - mean) * (x[c] - mean) / width;
  for (int c = 0; c < width; c++) {
    double v = (x[c] - mean) / sqrt(variance + eps) * (w ? w[c] : 1) + (b ? b[c] : 0);
    if (y) y[c] = v;
    loss += v * dy[c];
  }
  if (stats) stats[0] = mean, stats[1] = 1 / sqrt(variance + eps);
  return loss;
}

/* The gradient of one row by its formula, checked against central differences. */
static void plain_norm_backward(int width, int rms, double eps, double *x, const double *w, const double *dy, double *dx,
                                double *dw, double *db) {
  double stats[2], sum = 0, along = 0, *hat = malloc(sizeof(double) * (size_t)width), step = 1e-5;
  plain_norm(width, rms, eps, x, w, NULL, dy, NULL, stats);
  for (int c = 0; c < width; c++) {
    double g = dy[c] * (w ? w[c] : 1);
    hat[c] = (x[c] - stats[0]) * stats[1];
    sum += rms ? 0 : g / width, along += g * hat[c] / width;
    dw[c] += dy[c] * hat[c], db[c] += dy[c];
  }
  for (int c = 0; c < width; c++) dx[c] = stats[1] * (dy[c] * (w ? w[c] : 1) - sum - hat[c] * along);
  int c = between(0, width - 1);
  double kept = x[c], side[2];
  for (int i = 0; i < 2; i++) {
    x[c] = kept + (i ? step : -step);
    side[i] = plain_norm(width, rms, eps, x, w, NULL, dy, NULL, NULL);
  }
  x[c] = kept;
  assert_near(dx[c], (side[1] - side[0]) / (2 * step), 1e-5 * (1 + fabs(dx[c])) * fmax(1, stats[1] * stats[1] * 1e-2));
  free(hat);
}

static void norm_once(int n) {
  int rows = between(1, n % 7 ? 60 : 1100), width = between(1, n % 3 ? 40 : 200), rms = n % 2, affine = n % 5 != 0,
      some_b = affine && !rms;
  size_t all = (size_t)(rows * width), columns = (size_t)width;
  float *x = some(all, 2), *w = some(columns, 1), *b = some(columns, 1), *dy = some(all, 1), eps = n % 4 ? 1e-5f : 1e-2f;
  double *xd = wide(x, all), *wd = affine ? wide(w, columns) : NULL, *bd = some_b ? wide(b, columns) : NULL, *dyd = wide(dy, all);
  double *y = zeros(all), *dx = zeros(all), *dw = zeros(columns), *db = zeros(columns), *stats = zeros(2 * (size_t)rows);
  for (int r = 0; r < rows; r++) {
    size_t at = (size_t)(r * width);
    plain_norm(width, rms, (double)eps, xd + at, wd, bd, dyd + at, y + at, stats + 2 * r);
    plain_norm_backward(width, rms, (double)eps, xd + at, wd, dyd + at, dx + at, dw, db);
  }
  fd_device *dev = on->dev;
  fd_norm norm = {width, rms, eps, affine ? floats_there(w, columns) : NULL, some_b ? floats_there(b, columns) : NULL};
  fd_mat xs = rows_there(x, rows, width), ys = rows_there(NULL, rows, width), again = rows_there(NULL, rows, width),
         dys = rows_there(dy, rows, width), dxs = rows_there(NULL, rows, width);
  float *saved = floats_there(NULL, 2 * (size_t)rows), *dws = floats_there(NULL, columns), *dbs = floats_there(NULL, columns);
  dev->ops.norm_forward(dev, rows, &norm, xs, ys, saved);
  dev->ops.norm_forward(dev, rows, &norm, xs, again, NULL);
  dev->ops.norm_backward(dev, rows, 1, &norm, xs, saved, dys, dxs, affine ? dws : NULL, some_b ? dbs : NULL);
  expect_rows("normalized", ys, rows, width, y, 2e-6);
  expect_rows("normalized again", again, rows, width, y, 2e-6);
  expect_floats("mean and 1 / root", saved, 2 * (size_t)rows, stats, 2e-6);
  float *got = hold(get_rows(dev, dxs, rows, width)); /* its terms are multiples of 1 / root, and may cancel */
  for (size_t i = 0; i < all; i++) {
    double root = stats[2 * (i / columns) + 1];
    got[i] = (float)((double)got[i] / root), dx[i] /= root;
  }
  compare("dx as multiples of 1 / root", got, dx, all, 4e-6 + (dxs.type == FD_BF16 ? 4e-3 : 0));
  if (affine) expect_floats("dw", dws, columns, dw, 4e-6);
  if (some_b) expect_floats("db", dbs, columns, db, 4e-6);
}

static void norm_equals_plain_and_finite_differences(void **state) { (void)state, on_each(60, norm_once); }

static double plain_act(fd_act act, double x) {
  if (act == FD_ACT_TANH) return tanh(x);
  return act == FD_ACT_GELU ? plain_gelu(x) : act == FD_ACT_RELU ? fmax(x, 0) : x / (1 + exp(-x));
}

static double plain_act_slope(fd_act act, double x) {
  double step = 1e-5; /* for smooth functions; ReLU's slope at its corner is defined */
  if (act == FD_ACT_RELU) return x > 0;
  return (plain_act(act, x + step) - plain_act(act, x - step)) / (2 * step);
}

static void act_once(int n) {
  fd_act act = (fd_act)(n % 4);
  int rows = between(1, 60), width = between(1, 70), gated = n / 4 % 2, across = width * (1 + gated);
  size_t in = (size_t)(rows * across), out = (size_t)(rows * width);
  float *x = some(in, n % 3 ? 3 : 40), *dy = some(out, 1);
  double *y = zeros(out), *dx = zeros(in);
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < width; c++) {
      double v = (double)x[r * across + c], gate = gated ? (double)x[r * across + width + c] : 1, d = (double)dy[r * width + c];
      y[r * width + c] = plain_act(act, v) * gate;
      dx[r * across + c] = d * gate * plain_act_slope(act, v);
      if (gated) dx[r * across + width + c] = d * plain_act(act, v);
    }
  fd_device *dev = on->dev;
  fd_mat xs = rows_there(x, rows, across), ys = rows_there(NULL, rows, width), dys = rows_there(dy, rows, width),
         dxs = rows_there(NULL, rows, across);
  dev->ops.act_forward(dev, rows, width, act, gated, xs, ys);
  dev->ops.act_backward(dev, rows, width, act, gated, xs, dys, dxs);
  expect_rows("act(x)", ys, rows, width, y, 1e-6);
  expect_rows("dx", dxs, rows, across, dx, 1e-6);
  dev->ops.act_backward(dev, rows, width, act, gated, xs, dys, xs);
  expect_rows("dx in the place of x", xs, rows, across, dx, 1e-6);
}

static void activations_equal_plain_and_finite_differences(void **state) { (void)state, on_each(36, act_once); }

static double *rows_back(fd_mat m, int rows, int width) {
  return wide(hold(get_rows(on->dev, m, rows, width)), (size_t)rows * (size_t)width);
}

static double *floats_back(const float *at, size_t n) { return wide(hold(get(on->dev, at, n)), n); }

/* The layer behind an activation has the bits of the three operations that the backward pass takes on devices that are not lean.
 */
static void act_linear_once(int n) {
  static const int edges[] = {1, 2, 15, 17, 32, 33, 64, 65, 128, 130, 257, 300};
  enum { EDGES = sizeof edges / sizeof *edges };
  fd_act act = (fd_act)(n % 4);
  int wide_layer = n % 12 == 11, rows = edges[between(0, EDGES - 1)], in = wide_layer ? 641 : edges[between(0, EDGES - 1)],
      out = wide_layer ? 642 : edges[between(0, EDGES - 1)], gated = n / 4 % 2, biased = n / 8 % 2, across = in * (1 + gated);
  size_t weights = (size_t)(in * out), biases = (size_t)out;
  float *h = some((size_t)(rows * across), 3), *dy = some((size_t)(rows * out), 1);
  fd_device *dev = on->dev;
  assert_int_equal(dev->ops.act_linear_backward != NULL, dev->form.lean);
  if (!dev->form.lean) return;
  fd_mat hs = rows_there(h, rows, across), y = rows_there(NULL, rows, in), d = rows_there(NULL, rows, in),
         dys = rows_there(dy, rows, out), dh = rows_there(NULL, rows, across);
  float *w = floats_there(some(weights, 1), weights), *dw = floats_there(NULL, weights), *db = floats_there(NULL, biases),
        *dw_got = floats_there(NULL, weights), *db_got = floats_there(NULL, biases);
  dev->ops.act_forward(dev, rows, in, act, gated, hs, y);
  dev->ops.linear_backward(dev, rows, 1, in, out, y, w, dys, d, dw, biased ? db : NULL);
  dev->ops.act_backward(dev, rows, in, act, gated, hs, d, dh);
  dev->ops.act_linear_backward(dev, rows, 1, in, out, act, gated, hs, w, dys, dw_got, biased ? db_got : NULL);
  expect_rows("dh in the place of h", hs, rows, across, rows_back(dh, rows, across), 0);
  expect_floats("dw", dw_got, weights, floats_back(dw, weights), 0);
  if (biased) expect_floats("db", db_got, biases, floats_back(db, biases), 0);
}

static void the_layer_behind_an_activation_has_the_same_bits(void **state) { (void)state, on_each(48, act_linear_once); }

/* Rotates a view of some columns of wider rows, and rotates it back; nothing else changes. */
static void rotary_once(int n) {
  int rows = between(1, 50), heads = between(1, 4), dim = 2 * between(1, 20), first = n % 2 * 16,
      wide_rows = first + heads * dim + 5, places = 40;
  size_t all = (size_t)(rows * wide_rows), entries = (size_t)(places * dim);
  float *x = some(all, 1);
  int *position = some_indices((size_t)rows, 0, places - 1);
  double *y = wide(x, all), *same = wide(x, all), *table = zeros(entries);
  for (int p = 0; p < places; p++)
    for (int i = 0; i < dim / 2; i++) {
      table[p * dim + i] = cos(p / pow(1e4, 2.0 * i / dim));
      table[p * dim + dim / 2 + i] = sin(p / pow(1e4, 2.0 * i / dim));
    }
  for (int r = 0; r < rows; r++)
    for (int h = 0; h < heads; h++)
      for (int i = 0; i < dim / 2; i++) {
        double *a = y + r * wide_rows + first + h * dim + i, *b = a + dim / 2, kept = *a;
        const double *angle = table + position[r] * dim + i;
        *a = kept * angle[0] - *b * angle[dim / 2];
        *b = *b * angle[0] + kept * angle[dim / 2];
      }
  fd_device *dev = on->dev;
  float *tables = floats_there(NULL, entries);
  int *positions = indices_there(position, (size_t)rows);
  fd_mat xs = rows_there(x, rows, wide_rows);
  dev->ops.rotary_table(dev, places, dim, 1e4, tables);
  dev->ops.rotary(dev, rows, heads, dim, positions, tables, 0, fd_mat_columns(xs, first));
  expect_floats("table", tables, entries, table, 1e-7);
  expect_rows("rotated", xs, rows, wide_rows, y, 1e-6);
  dev->ops.rotary(dev, rows, heads, dim, positions, tables, 1, fd_mat_columns(xs, first));
  expect_rows("rotated back", xs, rows, wide_rows, same, xs.type == FD_BF16 ? 8e-3 : 1e-6);
}

static void rotary_equals_plain(void **state) { (void)state, on_each(24, rotary_once); }

/* The dropped entries depend only on draw, layer, position and column, and are drawn from the bits that ops.def specifies. */
static void dropout_rows_once(int n) {
  int width = between(1, 50), layer = between(0, 9), given = n % 2;
  fd_seqs seqs = random_seqs(between(0, 3), 40);
  hold(seqs.start);
  uint64_t draws[8];
  for (int i = 0; i < 8; i++) draws[i] = (uint64_t)word() << 20;
  seqs.draws = draws;
  int rows = fd_seqs_rows(&seqs), *position = some_indices((size_t)rows, 0, 5000);
  float *x = some((size_t)(rows * width), 1), rate = 0.3f;
  double *y = zeros((size_t)(rows * width)), out = 0;
  fd_rng_key key = fd_rng_key_of(drawn_seed(3), FD_RNG_DROPOUT);
  for (int s = 0; s < seqs.count; s++)
    for (int r = seqs.start[s]; r < seqs.start[s + 1]; r++)
      for (int c = 0; c < width; c++) {
        uint32_t bits[4];
        int t = given ? position[r] : r - seqs.start[s];
        fd_philox(bits, key, draws[s], (uint64_t)layer << 52 | (uint64_t)t << 16 | (uint64_t)(c / 8));
        int left_out = (bits[c % 8 / 2] >> (c % 2 * 16) & 0xffff) < (uint32_t)(0.3 * 65536);
        y[r * width + c] = left_out ? 0 : (double)x[r * width + c] / (1 - (double)rate);
        out += left_out;
      }
  if (rows * width > 1500) assert_near(out / (rows * width), 0.3, 0.06);
  fd_device *dev = on->dev;
  fd_seqs beside = put_seqs(dev, &seqs);
  int *positions = indices_there(position, (size_t)rows);
  fd_mat xs = rows_there(x, rows, width), ys = rows_there(NULL, rows, width), same = rows_there(NULL, rows, width);
  dev->ops.dropout_rows(dev, &beside, given ? positions : NULL, width, 0, key, layer, xs, same);
  dev->ops.dropout_rows(dev, &beside, given ? positions : NULL, width, rate, key, layer, xs, ys);
  expect_rows("none dropped", same, rows, width, wide(x, (size_t)(rows * width)), 0);
  expect_rows("dropped", ys, rows, width, y, 1e-6);
  dev->ops.dropout_rows(dev, &beside, given ? positions : NULL, width, rate, key, layer, xs, xs);
  expect_rows("dropped in place", xs, rows, width, y, 1e-6);
  fd_seqs_destroy(&beside, dev);
}

static void dropout_of_rows_equals_plain(void **state) { (void)state, on_each(20, dropout_rows_once); }

static void pool_max_once(int n) {
  int cls = between(1, 4), channels = between(1, 70), stride = channels + between(0, 5), which = n % 2;
  fd_seqs seqs = random_seqs(cls, 30);
  hold(seqs.start);
  int rows = fd_seqs_rows(&seqs);
  size_t size = (size_t)(rows * channels), outs = (size_t)(seqs.count * stride), places = (size_t)(seqs.count * channels);
  float *x = some(size, 1), *out = some(outs, 1), *dout = some(outs, 1), *dx = some(size, 1);
  for (size_t i = 0; i < size; i++) x[i] = n % 3 ? x[i] : (float)between(-1, 1); /* with ties */
  double *outd = wide(out, outs), *dxd = wide(dx, size);
  int *place = some_indices(places, 0, 0);
  for (int s = 0; s < seqs.count; s++)
    for (int c = 0; c < channels; c++) {
      int middle = seqs.start[s + 1] - cls, first = which ? middle : seqs.start[s], last = which ? seqs.start[s + 1] : middle,
          at = first;
      for (int r = first; r < last; r++)
        if (x[r * channels + c] > x[at * channels + c]) at = r;
      place[s * channels + c] = at;
      outd[s * stride + c] = (double)x[at * channels + c];
      dxd[at * channels + c] += (double)dout[s * stride + c];
    }
  fd_device *dev = on->dev;
  fd_seqs beside = put_seqs(dev, &seqs);
  float *outs_there = floats_there(out, outs), *douts = floats_there(dout, outs);
  int *places_there = indices_there(NULL, places), *found = some_indices(places, 0, 0);
  float *alone = floats_there(out, outs);
  fd_mat xs = rows_there(x, rows, channels), dxs = rows_there(dx, rows, channels);
  dev->ops.pool_max(dev, &beside, channels, which, xs, (size_t)stride, outs_there, places_there);
  dev->ops.pool_max(dev, &beside, channels, which, xs, (size_t)stride, alone, NULL);
  dev->ops.pool_max_backward(dev, &beside, channels, douts, (size_t)stride, places_there, dxs);
  expect_floats("largest", outs_there, outs, outd, 0);
  expect_floats("largest, without its place", alone, outs, outd, 0);
  expect_rows("dx", dxs, rows, channels, dxd, 1e-6);
  assert_ok(dev->copy(dev, found, places_there, places * sizeof *found));
  assert_ok(dev->sync(dev));
  assert_memory_equal(found, place, places * sizeof *found);
  fd_seqs_destroy(&beside, dev);
}

static void pool_max_equals_plain(void **state) { (void)state, on_each(24, pool_max_once); }

/* The other operations on flat buffers. */
static void flat_once(int n) {
  size_t size = n % 4 ? (size_t)between(1, 300) : (size_t)between(17000, 40000);
  int width = between(1, 40), rows = between(1, 30);
  size_t all = (size_t)(rows * width);
  float *a = some(size, 1), *b = some(size, 1), *x = some(all, 1), *y = some(all, 1);
  double *sum = zeros(size), *average = zeros(size), *both = zeros(all), bad;
  for (size_t i = 0; i < size; i++) sum[i] = (double)a[i] + (double)b[i], average[i] = 0.9 * (double)b[i] + 0.1 * (double)a[i];
  for (size_t i = 0; i < all; i++) both[i] = (double)x[i] + (double)y[i];
  fd_device *dev = on->dev;
  float *as = floats_there(a, size), *bs = floats_there(b, size), *sums = floats_there(NULL, size);
  fd_mat xs = rows_there(x, rows, width), ys = rows_there(y, rows, width), boths = rows_there(NULL, rows, width);
  uint64_t hash[3];
  dev->ops.add(dev, size, as, bs, sums);
  dev->ops.add_rows(dev, rows, xs, ys, boths);
  expect_floats("a + b", sums, size, sum, 1e-7);
  expect_rows("rows of a + b", boths, rows, width, both, 1e-7);
  dev->ops.ema(dev, size, 0.9f, as, bs);
  expect_floats("average", bs, size, average, 1e-6);
  dev->ops.hash(dev, size, as, &hash[0]);
  dev->ops.hash(dev, size, as, &hash[1]);
  dev->ops.zero(dev, sizeof(float), as + size / 2);
  dev->ops.hash(dev, size, as, &hash[2]);
  assert_true(hash[0] == hash[1] && (a[size / 2] == 0 || hash[2] != hash[1]));
  a[size / 2] = 0;
  expect_floats("one zero", as, size, wide(a, size), 0);
  dev->ops.count_bad(dev, rows, xs, &bad);
  assert_true(bad == 0);
  x[between(0, (int)all - 1)] = NAN, x[between(0, (int)all - 1)] = INFINITY;
  double expected = 0;
  for (size_t i = 0; i < all; i++) expected += !isfinite(x[i]);
  dev->ops.count_bad(dev, rows, rows_there(x, rows, width), &bad);
  assert_true(bad == expected);
}

static void flat_buffers_equal_plain(void **state) { (void)state, on_each(12, flat_once); }

#define case_lookup lookup_equals_plain
#define case_lookup_backward lookup_equals_plain
#define case_token_dropout token_dropout_equals_plain
#define case_select_rows selected_rows_equal_plain
#define case_scatter_rows selected_rows_equal_plain
#define case_norm_forward norm_equals_plain_and_finite_differences
#define case_norm_backward norm_equals_plain_and_finite_differences
#define case_act_forward activations_equal_plain_and_finite_differences
#define case_act_backward activations_equal_plain_and_finite_differences
#define case_act_linear_backward the_layer_behind_an_activation_has_the_same_bits
#define case_rotary_table rotary_equals_plain
#define case_rotary rotary_equals_plain
#define case_dropout_rows dropout_of_rows_equals_plain
#define case_pool_max pool_max_equals_plain
#define case_pool_max_backward pool_max_equals_plain
#define case_add flat_buffers_equal_plain
#define case_add_rows flat_buffers_equal_plain
#define case_ema flat_buffers_equal_plain
#define case_zero flat_buffers_equal_plain
#define case_hash flat_buffers_equal_plain
#define case_count_bad flat_buffers_equal_plain

#endif
