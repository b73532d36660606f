/* Random inputs for the tests of operations, poisoned outputs, and comparisons. */
#ifndef FD_TESTS_VALUES_H
#define FD_TESTS_VALUES_H

#include "check.h"

#include "device/tensors.h"
#include "draws.h"

static uint64_t counter;

static inline uint32_t word(void) {
  uint32_t out[4];
  fd_philox(out, drawn_key(7), 0, counter++);
  return out[0];
}

static inline int between(int lo, int hi) { return lo + (int)fd_below(word(), (uint32_t)(hi - lo + 1)); }

static inline float *random_floats(size_t n, float scale) {
  float *x = malloc((n + 1) * sizeof *x);
  for (size_t i = 0; i < n; i++) x[i] = scale * (2 * fd_unit(word()) - 1);
  return x;
}

static inline float *poison(size_t n) {
  float *x = malloc((n + 1) * sizeof *x);
  for (size_t i = 0; i <= n; i++) x[i] = NAN;
  return x;
}

static inline double *widen(const float *x, size_t n) {
  double *d = malloc((n + 1) * sizeof *d);
  for (size_t i = 0; i < n; i++) d[i] = (double)x[i];
  return d;
}

/* Fails unless the fast values, sums of `terms` products around 1, are within `bound` times the largest plain value, and nothing
 * was written past their end. The terms of a sum may cancel, but their errors do not: the bound is at least that of a sum of
 * terms with random signs. */
static inline void compare_sums(const char *what, const float *fast, const double *plain, size_t n, int terms, double bound) {
  double largest = sqrt(terms);
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(plain[i]));
  for (size_t i = 0; i < n; i++)
    if (!(fabs((double)fast[i] - plain[i]) <= bound * largest))
      fail_msg("%s[%zu] = %.9g, expected %.9g", what, i, (double)fast[i], plain[i]);
  if (!isnan(fast[n])) fail_msg("%s: written past its end", what);
}

static inline void compare(const char *what, const float *fast, const double *plain, size_t n, double bound) {
  compare_sums(what, fast, plain, n, 1, bound);
}

static inline fd_seqs random_seqs(int cls, int longest) {
  int count = between(1, 5), *start = calloc((size_t)count + 1, sizeof *start);
  for (int i = 0; i < count; i++) start[i + 1] = start[i] + cls + between(1, longest);
  return (fd_seqs){.count = count, .cls = cls, .micro_batches = 1, .start = start};
}

#endif
