/* Part of kernels.c: rounds operands of products to bf16, in pairs whose first element is the low half. Rounding is that of
 * AVX512_BF16: to nearest, ties to even; denormals become zeros of the same sign. */
#ifndef FD_CPU_BF16_H
#define FD_CPU_BF16_H

#include "cpu/transpose.h"

#if defined(FD_AMX_MODEL)
INLINE int32_t bf16_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000) == 0) return (int32_t)(bits >> 16 & 0x8000);
  if ((bits & 0x7fffffff) > 0x7f800000) return (int32_t)(bits >> 16 | 0x40); /* a quiet NaN */
  return (int32_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

INLINE int32_t pair_of(float low, float high) { return (int32_t)((uint32_t)bf16_of(high) << 16 | (uint32_t)bf16_of(low)); }

/* 32 floats as 16 pairs of neighbours. */
INLINE vint pairs_along(vfloat first, vfloat second) {
  vint pairs;
  for (int i = 0; i < LANES; i++) {
    vfloat from = i < LANES / 2 ? first : second;
    pairs[i] = pair_of(from[2 * i % LANES], from[2 * i % LANES + 1]);
  }
  return pairs;
}

/* 16 pairs of one element from each vector. */
INLINE vint pairs_across(vfloat low, vfloat high) {
  vint pairs;
  for (int i = 0; i < LANES; i++) pairs[i] = pair_of(low[i], high[i]);
  return pairs;
}
#else
INLINE vint pairs_along(vfloat first, vfloat second) { return (vint)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first); }

INLINE vint pairs_across(vfloat low, vfloat high) {
  __m512i l = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)low)),
          h = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)high));
  return (vint)_mm512_or_si512(_mm512_slli_epi32(h, 16), l);
}
#endif

/* Rounds 32 floats from p on of a row of k floats; zeros past its end. */
INLINE vint pairs_at(const float *row, int p, int k) {
  int rest = k - p, low = rest < LANES ? rest : LANES, high = rest - low < LANES ? rest - low : LANES;
  return pairs_along(v_load_part(row + p, low), v_load_part(row + p + low, high));
}

#endif
