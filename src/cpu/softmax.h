/* Part of kernels.c: the softmax of attention over blocks of keys, in powers of two. Before it come exp2_negative and
 * row_kernels.h. */
#ifndef FD_CPU_SOFTMAX_H
#define FD_CPU_SOFTMAX_H

#include "cpu/vector.h"

/* The score of LANES keys from j on, times log2 e. */
INLINE vfloat score_of(const fd_cpu_scores *c, const float *s, int j, vfloat at) {
  vfloat t = v_fma(v_load(s + j), v_set(c->scale), v_load(c->bias + j));
  return c->slope != 0 ? v_fma(v_abs(v_load(c->key_at + j) - at), v_set(-c->slope), t) : t;
}

/* 2^(t - most), and 0 where nobody looks. */
INLINE vfloat weight_of(vfloat t, vfloat most) { return v_choose(t < v_set(FD_SCORE_LEAST), v_set(0), exp2_negative(t - most)); }

static void soften(const fd_cpu_scores *c, float *s, float *most, float *sum, float *acc, int width) {
  for (int i = 0; i < c->rows; i++, s += c->ld, acc += width) {
    vfloat at = v_set(c->query_at[i]), largest = v_set(most[i]), bad = {0}, total = {0};
    for (int j = 0; j < c->n; j += LANES) {
      vfloat t = score_of(c, s, j, at);
      bad = v_fma(t, v_set(0), bad); /* what is not finite shows in the sum */
      largest = v_max(t, largest);
      v_store(s + j, t);
    }
    float now = largest[0];
    for (int l = 1; l < LANES; l++) now = largest[l] > now ? largest[l] : now;
    for (int j = 0; j < c->n; j += LANES) {
      vfloat p = weight_of(v_load(s + j), v_set(now));
      total += p;
      v_store(s + j, p);
    }
    float shrink = exp2_negative(v_set(most[i] - now))[0];
    sum[i] = sum[i] * shrink + (float)(v_total(total) + v_total(bad));
    for (int j = 0; j < width && now > most[i]; j += LANES) v_store(acc + j, v_load(acc + j) * v_set(shrink));
    most[i] = now;
  }
}

static void soften_backward(const fd_cpu_scores *c, float *s, float *d, const float *lse, const float *delta, float scale) {
  for (int i = 0; i < c->rows; i++, s += c->ld, d += c->ld) {
    vfloat at = v_set(c->query_at[i]), most = v_set(lse[i]), common = v_set(delta[i]);
    for (int j = 0; j < c->n; j += LANES) {
      vfloat p = weight_of(score_of(c, s, j, at), most);
      v_store(s + j, p);
      v_store(d + j, p * (v_load(d + j) - common) * v_set(scale));
    }
  }
}

#endif
