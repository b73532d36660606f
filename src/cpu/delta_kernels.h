/* Part of kernels.c: rows and small triangular matrices of the gated delta rule, and its convolutions. Include row_kernels.h
 * first. */
#ifndef FD_CPU_DELTA_KERNELS_H
#define FD_CPU_DELTA_KERNELS_H

#include <math.h>

#include "cpu/vector.h"

INLINE int part_of(int n, int j) { return n - j < LANES ? n - j : LANES; }

static void scale(int n, float a, const float *x, float *y) {
  for (int j = 0; j < n; j += LANES) v_store_part(y + j, v_set(a) * v_load_part(x + j, part_of(n, j)), part_of(n, j));
}

static void blend(int n, float a, const float *x, float b, float *y) {
  for (int j = 0; j < n; j += LANES) {
    int part = part_of(n, j);
    v_store_part(y + j, v_fma(v_set(a), v_load_part(x + j, part), v_set(b) * v_load_part(y + j, part)), part);
  }
}

static void times(int n, const float *x, float *y) {
  for (int j = 0; j < n; j += LANES)
    v_store_part(y + j, v_load_part(x + j, part_of(n, j)) * v_load_part(y + j, part_of(n, j)), part_of(n, j));
}

static double dot(int n, const float *x, const float *y) {
  vfloat sum = {0};
  for (int j = 0; j < n; j += LANES) sum = v_fma(v_load_part(x + j, part_of(n, j)), v_load_part(y + j, part_of(n, j)), sum);
  return v_total(sum);
}

static float to_unit(int n, float eps, float factor, const float *x, float *y) {
  float r = (float)(1 / sqrt(dot(n, x, x) + (double)eps));
  scale(n, r * factor, x, y);
  return r;
}

/* dx = r (g - e (e g)), with the unit vector e = y / factor and its gradient g = factor dy. */
static void to_unit_backward(int n, float r, float factor, const float *y, const float *dy, float *dx) {
  float along = (float)(dot(n, y, dy) / (double)factor);
  scale(n, -along * r, y, dx);
  blend(n, factor * r, dy, 1, dx);
}

enum { CHUNK_VECTORS = FD_DELTA_CHUNK / LANES };

/* x, or 0 where its size is below FD_DECAY_LEAST. */
INLINE vfloat v_decay(vfloat x) { return v_choose(v_abs(x) < v_set(FD_DECAY_LEAST), v_set(0), x); }

static void decays(int n, const float *alpha, float *d) {
  for (int i = 0; i < n; i++, d += FD_DELTA_CHUNK) {
    if (i == 0) memset(d, 0, FD_DELTA_CHUNK * sizeof *d);
    for (int v = 0; i && v < CHUNK_VECTORS; v++)
      v_store(d + v * LANES, v_decay(v_set(alpha[i]) * v_load(d - FD_DELTA_CHUNK + v * LANES)));
    d[i] = 1;
  }
}

static void invert(int n, const float *a, float *t) {
  for (int i = 0; i < n; i++, a += FD_DELTA_CHUNK) {
    vfloat sum[CHUNK_VECTORS] = {{0}};
    for (int k = 0; k < i; k++)
      for (int v = 0; v < CHUNK_VECTORS; v++) sum[v] = v_fma(v_set(-a[k]), v_load(t + k * FD_DELTA_CHUNK + v * LANES), sum[v]);
    for (int v = 0; v < CHUNK_VECTORS; v++) v_store(t + i * FD_DELTA_CHUNK + v * LANES, v_decay(sum[v]));
    t[i * FD_DELTA_CHUNK + i] = 1;
  }
}

static void conv(int n, int taps, const float *const *x, const float *w, float *y) {
  for (int j = 0; j < n; j += LANES) {
    vfloat sum = {0};
    for (int k = 0; k < taps; k++)
      if (x[k]) sum = v_fma(v_load_part(w + (size_t)k * (size_t)n + j, part_of(n, j)), v_load_part(x[k] + j, part_of(n, j)), sum);
    v_store_part(y + j, sum, part_of(n, j));
  }
}

/* Sums of LANES columns. INLINE, so that with a constant number of taps the sums are in registers. */
INLINE void sum_taps(int taps, int rows, int part, int reverse, const float *x, size_t x_ld, const float *dy, size_t dy_ld,
                     float *dw, size_t dw_ld) {
  vfloat sum[FD_TAPS_MAX];
  for (int k = 0; k < taps; k++) sum[k] = v_load_part(dw + (size_t)k * dw_ld, part);
  for (int t = 0; t < rows; t++) {
    vfloat d = v_load_part(dy + (size_t)t * dy_ld, part);
    for (int k = 0; k < taps; k++) {
      int from = reverse ? t + (taps - 1) - k : t - (taps - 1) + k;
      if (from >= 0 && from < rows) sum[k] = v_fma(d, v_load_part(x + (size_t)from * x_ld, part), sum[k]);
    }
  }
  for (int k = 0; k < taps; k++) v_store_part(dw + (size_t)k * dw_ld, sum[k], part);
}

static void conv_weights(int rows, int n, int taps, int reverse, const float *x, size_t x_ld, const float *dy, size_t dy_ld,
                         float *dw, size_t dw_ld) {
  for (int j = 0; j < n; j += LANES) {
    if (taps == 4) sum_taps(4, rows, part_of(n, j), reverse, x + j, x_ld, dy + j, dy_ld, dw + j, dw_ld);
    else sum_taps(taps, rows, part_of(n, j), reverse, x + j, x_ld, dy + j, dy_ld, dw + j, dw_ld);
  }
}

#endif
