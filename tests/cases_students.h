/* Test cases of the operations of distilled students, for every device: the distillation loss, unfolding for convolutions, batch
 * normalization. Gradients are computed by formulas, which central differences confirm. */
#ifndef FD_TESTS_CASES_STUDENTS_H
#define FD_TESTS_CASES_STUDENTS_H

#include "plain.h"
#include "subjects.h"

/* T^2 KL(softmax(t / T) || softmax(z / T)) of one row. */
static double plain_soft(int classes, const double *z, const double *t, double T) {
  double sums[2] = {0, 0}, most[2] = {z[0], t[0]}, kl = 0;
  for (int c = 1; c < classes; c++) most[0] = fmax(most[0], z[c]), most[1] = fmax(most[1], t[c]);
  for (int c = 0; c < classes; c++) sums[0] += exp((z[c] - most[0]) / T), sums[1] += exp((t[c] - most[1]) / T);
  for (int c = 0; c < classes; c++) {
    double p = (z[c] - most[0]) / T - log(sums[0]), q = (t[c] - most[1]) / T - log(sums[1]);
    kl += exp(q) * (q - p);
  }
  return T * T * kl;
}

/* For large T, T^2 KL is half of the variance of z - t over the classes. */
static void expect_variance(int count, int classes, const double *z, const double *t, double sum) {
  double variance = 0;
  for (int i = 0; i < count; i++, z += classes, t += classes) {
    double mean = 0, squares = 0;
    for (int c = 0; c < classes; c++) mean += (z[c] - t[c]) / classes;
    for (int c = 0; c < classes; c++) squares += pow(z[c] - t[c] - mean, 2) / classes;
    variance += squares / 2;
  }
  assert_near(sum, variance, 2e-2 * variance + 1e-5 * count);
}

/* Logits up to +-80, and temperatures so high that only their variance matters. */
static void soft_once(int n) {
  const float temperatures[] = {1, 3, 5, 0.5f, 100, 10000}, T = temperatures[n % 6], scale = 0.3f;
  int count = between(1, n % 4 ? 20 : 700), classes = between(2, n % 5 ? 9 : 200), all = count * classes;
  float *z = some((size_t)all, n % 3 ? 4 : 80), *t = some((size_t)all, n % 2 ? 4 : 80), *dz = some((size_t)all, 1);
  double *zd = wide(z, (size_t)all), *td = wide(t, (size_t)all), *dzd = wide(dz, (size_t)all), expected = 0, sum;
  for (int i = 0; i < count; i++) {
    double *zi = zd + i * classes, *ti = td + i * classes, total[2] = {0, 0}, step = 1e-4 * fmax(1, (double)T), side[2], most[2];
    most[0] = zi[0], most[1] = ti[0];
    expected += plain_soft(classes, zi, ti, (double)T);
    for (int c = 0; c < classes; c++) most[0] = fmax(most[0], zi[c]), most[1] = fmax(most[1], ti[c]);
    for (int c = 0; c < classes; c++)
      total[0] += exp((zi[c] - most[0]) / (double)T), total[1] += exp((ti[c] - most[1]) / (double)T);
    int tried = between(0, classes - 1);
    for (int c = 0; c < classes; c++) {
      double slope = (double)T * (exp((zi[c] - most[0]) / (double)T) / total[0] - exp((ti[c] - most[1]) / (double)T) / total[1]);
      dzd[i * classes + c] += (double)scale * slope;
      if (c != tried || i > 9) continue;
      for (int s = 0; s < 2; s++) {
        double kept = zi[c];
        zi[c] += s ? step : -step;
        side[s] = plain_soft(classes, zi, ti, (double)T);
        zi[c] = kept;
      }
      assert_near(slope, (side[1] - side[0]) / (2 * step), 1e-5 * fmax(1, (double)T));
    }
  }
  fd_device *dev = on->dev;
  float *zs = floats_there(z, (size_t)all), *ts = floats_there(t, (size_t)all), *dzs = floats_there(dz, (size_t)all);
  double *sums = there(NULL, sizeof sum);
  dev->ops.soft_loss(dev, count, classes, zs, ts, T, scale, dzs, sums);
  expect_floats("dz of the soft loss", dzs, (size_t)all, dzd, 1e-6);
  assert_ok(dev->copy(dev, &sum, sums, sizeof sum));
  assert_ok(dev->sync(dev));
  assert_near(sum, expected, 1e-9 * (1 + expected) + 1e-14 * (double)T * (double)T * count);
  if (T > 5000) expect_variance(count, classes, zd, td, sum);
}

static void soft_loss_equals_plain_and_finite_differences(void **state) { (void)state, on_each(36, soft_once); }

/* Also sequences shorter than the taps. */
static void unfold_once(int n) {
  int width = between(1, n % 3 ? 9 : 70), taps = 2 * between(0, 8) + 1, across = width * taps;
  fd_seqs seqs = random_seqs(n % 2 ? between(1, 3) : 0, n % 4 ? 30 : 5);
  hold(seqs.start);
  int rows = fd_seqs_rows(&seqs);
  size_t in = (size_t)(rows * width), out = (size_t)(rows * across);
  float *x = some(in, 1), *dy = some(out, 1);
  double *y = zeros(out), *dx = zeros(in);
  for (int s = 0; s < seqs.count; s++)
    for (int r = seqs.start[s]; r < seqs.start[s + 1]; r++)
      for (int j = 0; j < taps; j++) {
        int from = r + j - taps / 2;
        if (from < seqs.start[s] || from >= seqs.start[s + 1]) continue;
        for (int i = 0; i < width; i++) {
          y[r * across + i * taps + j] = (double)x[from * width + i];
          dx[from * width + i] += (double)dy[r * across + i * taps + j];
        }
      }
  fd_device *dev = on->dev;
  fd_seqs beside = put_seqs(dev, &seqs);
  fd_mat xs = rows_there(x, rows, width), ys = rows_there(NULL, rows, across), dys = rows_there(dy, rows, across),
         dxs = rows_there(NULL, rows, width);
  dev->ops.unfold(dev, &beside, width, taps, xs, ys);
  dev->ops.fold(dev, &beside, width, taps, dys, dxs);
  expect_rows("unfolded", ys, rows, across, y, 0);
  expect_rows("folded", dxs, rows, width, dx, 1e-6);
  fd_seqs_destroy(&beside, dev);
}

static void unfolded_rows_equal_plain(void **state) { (void)state, on_each(30, unfold_once); }

/* One column; returns sum(y dy). stats: mean, 1 / root, the variance over rows - 1. */
static double plain_batch_norm(int rows, int width, double eps, const double *x, double w, double b, const double *dy, double *y,
                               double stats[3]) {
  double mean = 0, squares = 0, loss = 0;
  for (int r = 0; r < rows; r++) mean += x[r * width] / rows;
  for (int r = 0; r < rows; r++) squares += (x[r * width] - mean) * (x[r * width] - mean);
  stats[0] = mean, stats[1] = 1 / sqrt(squares / rows + eps), stats[2] = squares / (rows > 1 ? rows - 1 : 1);
  for (int r = 0; r < rows; r++) {
    double v = (x[r * width] - mean) * stats[1] * w + b;
    if (y) y[r * width] = v;
    loss += v * dy[r * width];
  }
  return loss;
}

/* The gradient of a column by its formula, checked against central differences. */
static void plain_batch_norm_backward(int rows, int width, double eps, double *x, double w, const double *dy, double *dx,
                                      double *dw, double *db) {
  double stats[3], side[2], step = 1e-5;
  plain_batch_norm(rows, width, eps, x, w, 0, dy, NULL, stats);
  *dw = *db = 0;
  for (int r = 0; r < rows; r++) *dw += dy[r * width] * (x[r * width] - stats[0]) * stats[1], *db += dy[r * width];
  for (int r = 0; r < rows; r++)
    dx[r * width] = w * stats[1] * (dy[r * width] - *db / rows - (x[r * width] - stats[0]) * stats[1] * *dw / rows);
  int r = between(0, rows - 1);
  double kept = x[r * width], ignored[3];
  for (int i = 0; i < 2; i++) {
    x[r * width] = kept + (i ? step : -step);
    side[i] = plain_batch_norm(rows, width, eps, x, w, 0, dy, NULL, ignored);
  }
  x[r * width] = kept;
  assert_near(dx[r * width], (side[1] - side[0]) / (2 * step),
              1e-4 * (1 + fabs(dx[r * width])) * fmax(1, stats[1] * stats[1] * 1e-2));
}

static void batch_norm_once(int n) {
  int rows = between(n % 6 ? 2 : 1, n % 5 ? 60 : 1500), width = between(1, n % 3 ? 40 : 150);
  size_t all = (size_t)(rows * width), columns = (size_t)width;
  float *x = some(all, 2), *w = some(columns, 1), *b = some(columns, 1), *dy = some(all, 1), *mean = some(columns, 1),
        *variance = some(columns, 1), eps = n % 4 ? 1e-2f : 1e-5f;
  for (size_t c = 0; c < columns; c++) variance[c] = fabsf(variance[c]) + 0.1f;
  double *xd = wide(x, all), *dyd = wide(dy, all), *y = zeros(all), *dx = zeros(all), *dw = zeros(columns), *db = zeros(columns),
         *stats = zeros(3 * columns), *moved = zeros(2 * columns), *kept = zeros(all);
  for (int c = 0; c < width; c++) {
    double s[3];
    plain_batch_norm(rows, width, (double)eps, xd + c, (double)w[c], (double)b[c], dyd + c, y + c, s);
    plain_batch_norm_backward(rows, width, (double)eps, xd + c, (double)w[c], dyd + c, dx + c, dw + c, db + c);
    for (int i = 0; i < 3; i++) stats[i * width + c] = s[i];
    moved[c] = s[0], moved[width + c] = s[2];
    for (int r = 0; r < rows; r++)
      kept[r * width + c] =
          ((double)x[r * width + c] - (double)mean[c]) / sqrt((double)variance[c] + (double)eps) * (double)w[c] + (double)b[c];
  }
  fd_device *dev = on->dev;
  fd_norm norm = {width, 0, eps, floats_there(w, columns), floats_there(b, columns)};
  fd_mat xs = rows_there(x, rows, width), ys = rows_there(NULL, rows, width), again = rows_there(NULL, rows, width),
         dys = rows_there(dy, rows, width), dxs = rows_there(NULL, rows, width), keeps = rows_there(NULL, rows, width);
  float *saved = floats_there(NULL, 3 * columns), *dws = floats_there(NULL, columns), *dbs = floats_there(NULL, columns),
        *moment = floats_there(NULL, 2 * columns), *means = floats_there(mean, columns),
        *variances = floats_there(variance, columns);
  dev->ops.batch_norm_forward(dev, rows, &norm, xs, ys, saved);
  dev->ops.batch_norm_forward(dev, rows, &norm, xs, again, NULL);
  dev->ops.batch_norm_backward(dev, rows, &norm, xs, saved, dys, dxs, dws, dbs, moment, moment + width);
  dev->ops.batch_norm_apply(dev, rows, &norm, means, variances, xs, keeps);
  expect_rows("normalized over rows", ys, rows, width, y, 4e-6);
  expect_rows("normalized over rows again", again, rows, width, y, 4e-6);
  expect_floats("mean, 1 / root and variance", saved, 3 * columns, stats, 4e-6);
  expect_floats("mean and variance", moment, 2 * columns, moved, 4e-6);
  expect_rows("dx of batch normalization", dxs, rows, width, dx, 1e-5);
  expect_floats("dw", dws, columns, dw, 1e-5);
  expect_floats("db", dbs, columns, db, 4e-6);
  expect_rows("with running statistics", keeps, rows, width, kept, 4e-6);
}

static void batch_norm_equals_plain_and_finite_differences(void **state) { (void)state, on_each(40, batch_norm_once); }

#define case_soft_loss soft_loss_equals_plain_and_finite_differences
#define case_unfold unfolded_rows_equal_plain
#define case_fold unfolded_rows_equal_plain
#define case_batch_norm_forward batch_norm_equals_plain_and_finite_differences
#define case_batch_norm_backward batch_norm_equals_plain_and_finite_differences
#define case_batch_norm_apply batch_norm_equals_plain_and_finite_differences

#endif
