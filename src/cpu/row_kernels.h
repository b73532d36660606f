/* Part of kernels.c: activations, normalization and random bits of rows. Define normal_cdf, gelu_slope and exp2_negative
 * first. */
#ifndef FD_CPU_ROW_KERNELS_H
#define FD_CPU_ROW_KERNELS_H

#include <math.h>

#include "cpu/vector.h"

INLINE vfloat v_abs(vfloat x) { return (vfloat)((vint)x & (vint)(0x7fffffff - (vint){0})); }

/* yes where the mask's bits are set, else no. */
INLINE vfloat v_choose(vint mask, vfloat yes, vfloat no) { return (vfloat)(((vint)yes & mask) | ((vint)no & ~mask)); }

/* The sum of the lanes, in order. */
INLINE double v_total(vfloat v) {
  double sum = 0;
  for (int i = 0; i < LANES; i++) sum += (double)v[i];
  return sum;
}

INLINE vfloat first_lanes(vfloat v, int n) {
  for (int i = n; i < LANES; i++) v[i] = 0;
  return v;
}

/* An activation and its derivative. */
INLINE void activate(fd_act act, vfloat x, vfloat *value, vfloat *slope) {
  if (act == FD_ACT_RELU) {
    *value = v_max(v_set(0), x); /* NaN stays */
    *slope = v_choose(x > v_set(0), v_set(1), v_set(0));
  } else if (act == FD_ACT_GELU) {
    vfloat cdf = normal_cdf(x);
    *value = x * cdf;
    *slope = gelu_slope(x, cdf);
  } else if (act == FD_ACT_TANH) {
    vfloat e = exp2_negative(v_abs(x) * v_set(-2.885390081777927f)), half = v_set(1) / (v_set(1) + e),
           size = (v_set(1) - e) * half;
    *value = v_choose(x == x, v_choose(x < v_set(0), -size, size), x); /* NaN stays */
    *slope = v_set(4) * e * half * half;                               /* 1 - tanh^2 without cancellation */
  } else {
    vfloat e = exp2_negative(v_abs(x) * v_set(-1.442695040888963f)),
           sigmoid = v_choose(x < v_set(0), e, v_set(1)) / (v_set(1) + e);
    *value = x * sigmoid;
    *slope = sigmoid * v_fma(x, v_set(1) - sigmoid, v_set(1));
  }
}

/* INLINE, so that each activation has a loop of its own. */
INLINE void act_row(fd_act act, int n, const float *x, const float *gate, float *y) {
  for (int j = 0; j < n; j += LANES) {
    int part = n - j < LANES ? n - j : LANES;
    vfloat value, slope;
    activate(act, v_load_part(x + j, part), &value, &slope);
    v_store_part(y + j, gate ? value * v_load_part(gate + j, part) : value, part);
  }
}

static void write_rows(int rows, int columns, const float *tile, size_t step, const float *bias, float *to, size_t ld, int past) {
  for (int i = 0; i < rows; i++, tile += PANEL, to += ld)
    for (int j = 0; j < columns; j += LANES) {
      int part = columns - j < LANES ? columns - j : LANES;
      vfloat v = v_load(tile + (size_t)(j / PANEL) * step + j % PANEL);
      if (bias) v = v + v_load_part(bias + j, part);
      if (part < LANES) v_store_part(to + j, v, part);
      else if (past) v_store_past(to + j, v);
      else v_store(to + j, v);
    }
  if (past) v_stored();
}

static void act_forward(fd_act act, int n, const float *x, const float *gate, float *y) {
  if (act == FD_ACT_RELU) act_row(FD_ACT_RELU, n, x, gate, y);
  else if (act == FD_ACT_GELU) act_row(FD_ACT_GELU, n, x, gate, y);
  else if (act == FD_ACT_TANH) act_row(FD_ACT_TANH, n, x, gate, y);
  else act_row(FD_ACT_SILU, n, x, gate, y);
}

INLINE void act_slopes(fd_act act, int n, const float *x, const float *gate, const float *dy, float *dx, float *dgate) {
  for (int j = 0; j < n; j += LANES) {
    int part = n - j < LANES ? n - j : LANES;
    vfloat value, slope, d = v_load_part(dy + j, part), through = gate ? d * v_load_part(gate + j, part) : d;
    activate(act, v_load_part(x + j, part), &value, &slope);
    if (gate) v_store_part(dgate + j, d * value, part); /* dx may be x, and dgate the gate */
    v_store_part(dx + j, through * slope, part);
  }
}

static void act_backward(fd_act act, int n, const float *x, const float *gate, const float *dy, float *dx, float *dgate) {
  if (act == FD_ACT_RELU) act_slopes(FD_ACT_RELU, n, x, gate, dy, dx, dgate);
  else if (act == FD_ACT_GELU) act_slopes(FD_ACT_GELU, n, x, gate, dy, dx, dgate);
  else if (act == FD_ACT_TANH) act_slopes(FD_ACT_TANH, n, x, gate, dy, dx, dgate);
  else act_slopes(FD_ACT_SILU, n, x, gate, dy, dx, dgate);
}

static void norm_forward(const fd_norm *norm, const float *x, float *y, float stats[2]) {
  int n = norm->width;
  vfloat sum = {0}, squares = {0};
  for (int j = 0; j < n && !norm->rms; j += LANES) sum += v_load_part(x + j, n - j < LANES ? n - j : LANES);
  vfloat mean = v_set(norm->rms ? 0 : (float)(v_total(sum) / n)), zero = {0};
  for (int j = 0; j < n; j += LANES) {
    int part = n - j < LANES ? n - j : LANES;
    vfloat v = v_load_part(x + j, part) - mean;
    squares = part == LANES ? v_fma(v, v, squares) : squares + first_lanes(v * v, part);
  }
  vfloat scale = v_set((float)(1 / sqrt(v_total(squares) / n + (double)norm->eps)));
  for (int j = 0; j < n; j += LANES) {
    int part = n - j < LANES ? n - j : LANES;
    vfloat v = (v_load_part(x + j, part) - mean) * scale;
    v_store_part(y + j,
                 v_fma(v, norm->w ? v_load_part(norm->w + j, part) : v_set(1), norm->b ? v_load_part(norm->b + j, part) : zero),
                 part);
  }
  stats[0] = mean[0], stats[1] = scale[0];
}

/* dx = (g - mean(g) - n mean(g n)) / root, where g = dy w and n is the normalized row; without mean(g) for RMSNorm. */
static void norm_backward(const fd_norm *norm, const float *x, const float stats[2], const float *dy, float *dx) {
  int n = norm->width;
  vfloat mean = v_set(stats[0]), scale = v_set(stats[1]), sum = {0}, product = {0};
  for (int j = 0; j < n; j += LANES) {
    int part = n - j < LANES ? n - j : LANES;
    vfloat g = v_load_part(dy + j, part);
    if (norm->w) g *= v_load_part(norm->w + j, part);
    sum += g;
    product = v_fma(g, (v_load_part(x + j, part) - mean) * scale, product);
  }
  vfloat all = v_set(norm->rms ? 0 : (float)(v_total(sum) / n)), along = v_set((float)(v_total(product) / n));
  for (int j = 0; j < n; j += LANES) {
    int part = n - j < LANES ? n - j : LANES;
    vfloat g = v_load_part(dy + j, part);
    if (norm->w) g *= v_load_part(norm->w + j, part);
    v_store_part(dx + j, scale * (g - v_fma((v_load_part(x + j, part) - mean) * scale, along, all)), part);
  }
}

/* dw and db of n columns, summed over the rows in order. */
static void norm_weights(int rows, int n, const float *x, size_t x_ld, const float *stats, const float *dy, size_t dy_ld,
                         float *dw, float *db) {
  for (int j = 0; j < n; j += LANES) {
    int part = n - j < LANES ? n - j : LANES;
    vfloat w = {0}, b = {0};
    for (int r = 0; r < rows; r++) {
      vfloat d = v_load_part(dy + (size_t)r * dy_ld + j, part), v = v_load_part(x + (size_t)r * x_ld + j, part);
      w = v_fma(d, (v - v_set(stats[2 * r])) * v_set(stats[2 * r + 1]), w);
      b += d;
    }
    if (dw) v_store_part(dw + j, w, part);
    if (db) v_store_part(db + j, b, part);
  }
}

/* fd_philox, LANES / 2 counters at a time; only the lower halves of 64-bit lanes are used. */
static void draw(int n, const uint32_t *groups, fd_rng_key key, uint64_t high, uint64_t low, uint16_t *bits) {
  enum { EACH = LANES / 2 };
  for (int first = 0; first < n; first += EACH) {
    vlong a = {0}, b = (low >> 32) - (vlong){0}, c = (high & 0xffffffffu) - (vlong){0}, d = (high >> 32) - (vlong){0},
          p = 0xD2511F53u - (vlong){0}, q = 0xCD9E8D57u - (vlong){0};
    uint32_t k0 = key.word[0], k1 = key.word[1];
    for (int i = 0; i < EACH && first + i < n; i++) a[i] = (uint32_t)low + groups[first + i];
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      vlong by_a = v_multiply_low(a, p), by_c = v_multiply_low(c, q);
      a = by_c >> 32 ^ b ^ (uint64_t)k0, c = by_a >> 32 ^ d ^ (uint64_t)k1;
      b = by_c, d = by_a;
    }
    for (int i = 0; i < EACH && first + i < n; i++, bits += 8) {
      bits[0] = (uint16_t)a[i], bits[1] = (uint16_t)(a[i] >> 16), bits[2] = (uint16_t)b[i], bits[3] = (uint16_t)(b[i] >> 16);
      bits[4] = (uint16_t)c[i], bits[5] = (uint16_t)(c[i] >> 16), bits[6] = (uint16_t)d[i], bits[7] = (uint16_t)(d[i] >> 16);
    }
  }
}

#endif
