/* Part of kernels.c: the softmax of attention over blocks of keys, in base 2. Define exp2_negative and include row_kernels.h
 * first. */
#ifndef FD_CPU_SOFTMAX_H
#define FD_CPU_SOFTMAX_H

#include "cpu/vector.h"

/* The scores of LANES keys from j on, times log2 e. */
INLINE vfloat score_of(const fd_cpu_scores *c, const float *s, int j, vfloat at) {
  vfloat t = v_fma(v_load(s + j), v_set(c->scale), v_load(c->bias + j));
  return c->slope != 0 ? v_fma(v_abs(v_load(c->key_at + j) - at), v_set(-c->slope), t) : t;
}

/* 2^t for t <= 0; 0 below -64: of masked keys, and of those whose weight is lost in any sum. With ALiBi these are most keys of a
 * long sequence, and their products would be denormal numbers, with which processors calculate many times slower. */
INLINE vfloat weight_of(vfloat t) { return v_choose(t < v_set(-64), v_set(0), exp2_negative(t)); }

/* The largest score of row i, per lane. */
INLINE vfloat largest_of(const fd_cpu_scores *c, const float *s, int i, float most) {
  vfloat at = v_set(c->query_at[i]), largest = v_set(most);
  for (int j = 0; j < c->n; j += LANES) largest = v_max(score_of(c, s, j, at), largest);
  return largest;
}

/* Turns row i into 2^(score - most) and returns the sum per lane. Scores that are not finite make the sum NaN. */
INLINE vfloat powers_of(const fd_cpu_scores *c, float *s, int i, float most) {
  vfloat at = v_set(c->query_at[i]), top = v_set(most), bad = {0}, total = {0};
  for (int j = 0; j < c->n; j += LANES) {
    vfloat t = score_of(c, s, j, at), p = weight_of(t - top);
    bad = v_fma(t, v_set(0), bad);
    total += p;
    v_store(s + j, p);
  }
  return total + bad;
}

/* At most LANES rows, so that one number per row fits in a vector. */
INLINE void soften_rows(const fd_cpu_scores *c, int first, int rows, float *s, float *most, float *sum, float *acc, int width) {
  vfloat part[LANES] = {{0}};
  float now[LANES], shrink[LANES];
  double total[LANES] = {0};
  for (int i = 0; i < rows; i++) part[i] = largest_of(c, s + (size_t)i * c->ld, first + i, most[i]);
  v_transpose(LANES, part);
  for (int l = 1; l < LANES; l++) part[0] = v_max(part[l], part[0]);
  v_store(now, part[0]);
  vfloat before = v_load_part(most, rows);
  v_store(shrink, weight_of(before - part[0]));
  for (int i = 0; i < LANES; i++) part[i] = (vfloat){0};
  for (int i = 0; i < rows; i++) part[i] = powers_of(c, s + (size_t)i * c->ld, first + i, now[i]);
  v_transpose(LANES, part);
  for (int l = 0; l < LANES; l++) /* the lanes of a row in order */
    for (int i = 0; i < LANES; i++) total[i] += (double)part[l][i];
  for (int i = 0; i < rows; i++) {
    sum[i] = sum[i] * shrink[i] + (float)total[i];
    for (int j = 0; j < width && now[i] > most[i]; j += LANES)
      v_store(acc + (size_t)i * (size_t)width + j, v_load(acc + (size_t)i * (size_t)width + j) * v_set(shrink[i]));
    most[i] = now[i];
  }
}

static void soften(const fd_cpu_scores *scores, float *s, float *most, float *sum, float *acc, int width) {
  const fd_cpu_scores c = *scores; /* a local copy cannot alias the stores, so loops need not reload it */
  for (int i = 0; i < c.rows; i += LANES)
    soften_rows(&c, i, c.rows - i < LANES ? c.rows - i : LANES, s + (size_t)i * c.ld, most + i, sum + i,
                acc + (size_t)i * (size_t)width, width);
}

static void soften_backward(const fd_cpu_scores *c, float *s, float *d, const float *lse, const float *delta, float scale) {
  for (int i = 0; i < c->rows; i++, s += c->ld, d += c->ld) {
    vfloat at = v_set(c->query_at[i]), most = v_set(lse[i]), common = v_set(delta[i]);
    for (int j = 0; j < c->n; j += LANES) {
      vfloat p = weight_of(score_of(c, s, j, at) - most);
      v_store(s + j, p);
      v_store(d + j, p * (v_load(d + j) - common) * v_set(scale));
    }
  }
}

#endif
