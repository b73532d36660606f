/* Vectors of the instruction set that kernels.c is compiled for (FD_ISA: generic, avx2, avx512 and its variants, neon).
 * FD_AMX_MODEL: AVX-512 in plain C, bit for bit, for the model of AMX. */
#ifndef FD_CPU_VECTOR_H
#define FD_CPU_VECTOR_H

#include <stdint.h>
#include <string.h>

/* A register tile has ROWS x WAYS vectors, and that of a gemm with narrow panels NARROW_ROWS x 2: with as many vectors of B and a
 * broadcast they fit in the registers. With AVX-512, 6 x 4 needs 10 loads for 24 multiply-adds and leaves the load units time for
 * lines from L2; 14 x 2 needs 16 for 28. */
#if defined(FD_AMX)
#include <immintrin.h>
enum { LANES = 16, ROWS = 32, WAYS = 2, NARROW_ROWS = 32 }; /* 2 x 2 tiles of AMX */
#elif defined(__AVX512F__)
#include <immintrin.h>
enum { LANES = 16, ROWS = 6, WAYS = 4, NARROW_ROWS = 14 };
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
enum { LANES = 8, ROWS = 6, WAYS = 2, NARROW_ROWS = 6 };
#elif defined(FD_AMX_MODEL)
#include <math.h>
enum { LANES = 16, ROWS = 32, WAYS = 2, NARROW_ROWS = 32 };
#elif defined(FD_NEON)
#include <arm_neon.h>
enum { LANES = 4, ROWS = 14, WAYS = 2, NARROW_ROWS = 14 };
#else
enum { LANES = 4, ROWS = 6, WAYS = 2, NARROW_ROWS = 6 };
#endif
enum { PANEL = WAYS * LANES, NARROW = 2 * LANES }; /* columns */
_Static_assert((int)PANEL <= (int)FD_PANEL_MOST, "a panel is wider than the memory for it");

typedef float vfloat __attribute__((vector_size(4 * LANES)));
typedef int32_t vint __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vfloat v_load(const float *p) {
  vfloat v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void v_store(float *p, vfloat v) { memcpy(p, &v, sizeof v); }

/* Stores past the caches, which saves reading the line first, where there is such an instruction and p is aligned; v_stored
 * orders these stores before later ones. */
#if defined(__AVX2__) || defined(__AVX512F__)
INLINE void v_store_past(float *p, vfloat v) {
  if ((uintptr_t)p % sizeof v) v_store(p, v);
#if defined(__AVX512F__)
  else _mm512_stream_ps(p, (__m512)v);
#else
  else _mm256_stream_ps(p, (__m256)v);
#endif
}

INLINE void v_stored(void) { _mm_sfence(); }
#else
INLINE void v_store_past(float *p, vfloat v) { v_store(p, v); }
INLINE void v_stored(void) {}
#endif

INLINE vfloat v_set(float x) { return x - (vfloat){0}; }

/* a * b + c, fused where the instruction set has it. Explicit, never left to the compiler's contraction, so that a value has the
 * same bits in every position of every loop. */
INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
#if defined(__AVX512F__)
  return (vfloat)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
  return (vfloat)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(FD_AMX_MODEL)
  for (int i = 0; i < LANES; i++) c[i] = fmaf(a[i], b[i], c[i]);
  return c;
#elif defined(FD_NEON)
  return (vfloat)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

/* Defined where v_fma rounds only once. */
#if defined(__FMA__) || defined(FD_AMX_MODEL) || defined(FD_NEON)
#define FD_FUSED
#endif

/* Interleave the lanes of a and b: of their lower halves, of their upper halves. v_upper: the upper half of a, twice. */
#if defined(__clang__)
#define V_LANES(a, b, ...) (vfloat) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define V_LANES(a, b, ...) (vfloat) __builtin_shuffle(a, b, (vint){__VA_ARGS__})
#endif
#if defined(__AVX512F__) || defined(FD_AMX_MODEL)
INLINE vfloat v_zip_low(vfloat a, vfloat b) { return V_LANES(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
INLINE vfloat v_zip_high(vfloat a, vfloat b) {
  return V_LANES(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
INLINE vfloat v_upper(vfloat a) { return V_LANES(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15); }
#elif defined(__AVX2__) && defined(__FMA__)
INLINE vfloat v_zip_low(vfloat a, vfloat b) { return V_LANES(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
INLINE vfloat v_zip_high(vfloat a, vfloat b) { return V_LANES(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
INLINE vfloat v_upper(vfloat a) { return V_LANES(a, a, 4, 5, 6, 7, 4, 5, 6, 7); }
#else
INLINE vfloat v_zip_low(vfloat a, vfloat b) { return V_LANES(a, b, 0, 4, 1, 5); }
INLINE vfloat v_zip_high(vfloat a, vfloat b) { return V_LANES(a, b, 2, 6, 3, 7); }
INLINE vfloat v_upper(vfloat a) { return V_LANES(a, a, 2, 3, 2, 3); }
#endif

/* Transposes n rows, a power of two, in place: vector v then holds columns v * LANES / n to (v + 1) * LANES / n - 1, of n lanes
 * each. Zipping rows i and i + n / 2 doubles the distance between the neighbours of a row: after log2(n) rounds it is n. */
INLINE void v_transpose(int n, vfloat *r) {
  vfloat t[LANES];
  _Pragma("GCC unroll 4") for (int round = 1; round < n; round *= 2) {
    _Pragma("GCC unroll 8") for (int i = 0; i < n / 2; i++) {
      t[2 * i] = v_zip_low(r[i], r[i + n / 2]);
      t[2 * i + 1] = v_zip_high(r[i], r[i + n / 2]);
    }
    _Pragma("GCC unroll 16") for (int i = 0; i < n; i++) r[i] = t[i];
  }
}

/* Full 64-bit products of the lower halves of 64-bit lanes. */
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

/* a < b ? a : b, and a > b ? a : b: b if either is NaN. */
INLINE vfloat v_min(vfloat a, vfloat b) {
#if defined(__AVX512F__)
  return (vfloat)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && defined(__FMA__)
  return (vfloat)_mm256_min_ps((__m256)a, (__m256)b);
#else
  vint less = a < b;
  return (vfloat)(((vint)a & less) | ((vint)b & ~less));
#endif
}

INLINE vfloat v_max(vfloat a, vfloat b) {
#if defined(__AVX512F__)
  return (vfloat)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__) && defined(__FMA__)
  return (vfloat)_mm256_max_ps((__m256)a, (__m256)b);
#else
  vint more = a > b;
  return (vfloat)(((vint)a & more) | ((vint)b & ~more));
#endif
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

/* Load and store the first n <= LANES elements; other lanes become zero, other elements in memory are unchanged. */
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
