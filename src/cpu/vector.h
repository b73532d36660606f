/* Vectors of the instruction set that this file is compiled for (FD_ISA: generic, avx2 or avx512). */
#ifndef FD_CPU_VECTOR_H
#define FD_CPU_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { LANES = 16, ROWS = 14 }; /* ROWS x 2 accumulators, 2 vectors of B and a broadcast fill the 32 registers */
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
enum { LANES = 8, ROWS = 6 };
#else
enum { LANES = 4, ROWS = 6 };
#endif

typedef float vfloat __attribute__((vector_size(4 * LANES)));
typedef int32_t vint __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vfloat v_load(const float *p) {
  vfloat v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void v_store(float *p, vfloat v) { memcpy(p, &v, sizeof v); }

INLINE vfloat v_set(float x) { return x - (vfloat){0}; }

/* a * b + c, fused where the instruction set has it. Written out, never left to the compiler's contraction: the same value has
 * the same bits in every position of every loop. */
INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
#if defined(__AVX512F__)
  return (vfloat)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
  return (vfloat)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}

/* Products of the lower halves of 64-bit lanes, whole. */
typedef uint64_t vlong __attribute__((vector_size(4 * LANES)));

INLINE vlong v_multiply_low(vlong a, vlong b) {
#if defined(__AVX512F__)
  return (vlong)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && defined(__FMA__)
  return (vlong)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

INLINE vfloat v_min(vfloat a, vfloat b) {
  vint less = a < b;
  return (vfloat)(((vint)a & less) | ((vint)b & ~less));
}

INLINE vfloat v_max(vfloat a, vfloat b) {
  vint more = a > b;
  return (vfloat)(((vint)a & more) | ((vint)b & ~more));
}

INLINE vfloat v_sqrt(vfloat a) {
#if defined(__AVX512F__)
  return (vfloat)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__) && defined(__FMA__)
  return (vfloat)_mm256_sqrt_ps((__m256)a);
#else
  for (int i = 0; i < LANES; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
#endif
}

/* The first n <= LANES elements; the others are zero, or left as they are. */
#if defined(__AVX512F__)
INLINE vfloat v_load_part(const float *p, int n) { return (vfloat)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }

INLINE void v_store_part(float *p, vfloat v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v); }
#else
INLINE vfloat v_load_part(const float *p, int n) {
  vfloat v = {0};
  memcpy(&v, p, (size_t)n * sizeof(float));
  return v;
}

INLINE void v_store_part(float *p, vfloat v, int n) { memcpy(p, &v, (size_t)n * sizeof(float)); }
#endif

#endif
