/* Cases of operations for every device: a case runs on each of the `subjects` that the test has opened and is compared with the
 * plain version. Memory from `hold` and `hold_there` is released by `leave`. */
#ifndef FD_TESTS_SUBJECTS_H
#define FD_TESTS_SUBJECTS_H

#include "transfer.h"

typedef struct subject {
  fd_device *dev;
  const char *name;
  double products; /* error of a product with rounded operands of values around 1 */
} subject;

enum { SUBJECTS_MAX = 8, HELD_MAX = 128 };
static subject subjects[SUBJECTS_MAX];
static int subject_count;
static const subject *on; /* the subject of the running case */
static void *held[HELD_MAX], *held_there[HELD_MAX];
static int held_count, held_there_count;

static inline void *hold(void *memory) {
  assert_true(held_count < HELD_MAX);
  return held[held_count++] = memory;
}

static inline void *hold_there(void *memory) {
  assert_true(held_there_count < HELD_MAX);
  return held_there[held_there_count++] = memory;
}

static inline void leave(void) {
  while (held_there_count) on->dev->release(on->dev, held_there[--held_there_count]);
  while (held_count) free(held[--held_count]);
}

/* Runs a case `times` times on each subject. */
static inline void on_each(int times, void (*run)(int n)) {
  if (!subject_count) skip();
  for (int s = 0; s < subject_count; s++)
    for (int n = 0; n < times; n++) {
      on = &subjects[s];
      run(n);
      leave();
    }
}

/* In host memory: random values that bf16 represents, the same in double, zeros in double. */
static inline float *some(size_t n, float scale) { return hold(random_values(n, scale)); }
static inline double *wide(const float *x, size_t n) { return hold(widen(x, n)); }
static inline double *zeros(size_t n) { return hold(calloc(n + 1, sizeof(double))); }

/* Random indices between lo and hi. */
static inline int *some_indices(size_t n, int lo, int hi) {
  int *x = hold(malloc((n + 1) * sizeof *x));
  for (size_t i = 0; i < n; i++) x[i] = between(lo, hi);
  return x;
}

/* In device memory: a copy, or poison for NULL. */
static inline void *there(const void *from, size_t bytes) { return hold_there(put(on->dev, from, bytes)); }
static inline float *floats_there(const float *from, size_t n) { return there(from, n * sizeof *from); }
static inline int *indices_there(const int *from, size_t n) { return there(from, n * sizeof *from); }
static inline fd_mat rows_there(const float *x, int rows, int width) {
  fd_mat m = put_rows(on->dev, x, rows, width);
  hold_there(m.at);
  return m;
}

/* Fails unless the device's values are as expected, within `bound` times the largest value, in addition to the rounding of bf16
 * rows. */
static inline void expect_floats(const char *what, const float *at, size_t n, const double *expected, double bound) {
  char name[80];
  snprintf(name, sizeof name, "%s (%s)", what, on->name);
  compare(name, hold(get(on->dev, at, n)), expected, n, bound);
}

static inline void expect_rows(const char *what, fd_mat m, int rows, int width, const double *expected, double bound) {
  char name[80];
  snprintf(name, sizeof name, "%s (%s)", what, on->name);
  compare(name, hold(get_rows(on->dev, m, rows, width)), expected, (size_t)rows * (size_t)width,
          bound + (m.type == FD_BF16 ? 4e-3 : 0));
}

/* A value as rounded in the device's rows. */
static inline double stored(double x) {
  if (on->dev->form.type != FD_BF16) return x;
  float f = (float)x;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy(&f, &bits, sizeof f);
  return (double)f;
}

#endif
