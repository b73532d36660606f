/* Cases of the operations that distilled students have, for every device: the distillation's loss. Its gradient is that of the
 * formula, which central differences confirm. */
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

/* Logits to +-80 and temperatures to where only their variance counts. */
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
  if (T < 5000) return;
  double variance = 0; /* T^2 KL -> half of the variance of z - t over the classes */
  for (int i = 0; i < count; i++) {
    double mean = 0, squares = 0;
    for (int c = 0; c < classes; c++) mean += (zd[i * classes + c] - td[i * classes + c]) / classes;
    for (int c = 0; c < classes; c++) squares += pow(zd[i * classes + c] - td[i * classes + c] - mean, 2) / classes;
    variance += squares / 2;
  }
  assert_near(sum, variance, 2e-2 * variance + 1e-5 * count);
}

static void soft_loss_equals_plain_and_finite_differences(void **state) { (void)state, on_each(36, soft_once); }

#define case_soft_loss soft_loss_equals_plain_and_finite_differences

#endif
