/* Part of kernels.c: products of packed panels in fp32. */
#ifndef FD_CPU_GEMM_FP32_H
#define FD_CPU_GEMM_FP32_H

#include "cpu/vector.h"

typedef float factor;

INLINE vfloat v_spread(factor x) { return v_set(x); }

INLINE vfloat v_multiply(vfloat sum, vfloat x, vfloat b) { return v_fma(x, b, sum); }

/* Where there is no fused instruction, v_multiply is the same. */
#if defined(__FMA__)
INLINE vfloat v_multiply_apart(vfloat sum, vfloat x, vfloat b) { return x * b + sum; }
#define V_MULTIPLY_APART v_multiply_apart
#define GEMM_APART gemm_apart
#else
#define GEMM_APART gemm
#endif

#include "cpu/tile.h"

enum { WIDE = 1, DEPTH = 256 };

INLINE void gemm_by(tile_function *const *by, int m, int k, const float *a, size_t row_step, size_t k_step, const float *b,
                    int panels, float *c, size_t ldc, int start) {
  for (int panel = 0; panel < panels; panel++, b += (size_t)k * PANEL, c += PANEL)
    for (int i = 0; i < m; i += ROWS)
      by[m - i < ROWS ? m - i : ROWS](k, a + (size_t)i * row_step, row_step, k_step, b, c + (size_t)i * ldc, ldc, start);
}

static void gemm(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c, size_t ldc,
                 int start) {
  gemm_by(tiles, m, k, a, row_step, k_step, b, panels, c, ldc, start);
}

#if defined(V_MULTIPLY_APART)
static void gemm_apart(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c,
                       size_t ldc, int start) {
  gemm_by(tiles_apart, m, k, a, row_step, k_step, b, panels, c, ldc, start);
}
#endif

enum { TURN = 16 }; /* floats of a line: no line is read or written twice */

/* k columns of a matrix as rows. */
INLINE void turn(int k, int columns, const float *from, size_t ld, float *to) {
  for (int j = 0; j < columns; j++)
    for (int p = 0; p < k; p++) to[(size_t)p * PANEL + (size_t)j] = from[(size_t)j * ld + (size_t)p];
}

static void pack(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  if (transposed) {
    for (int p = 0; p < k; p += TURN) turn(k - p < TURN ? k - p : TURN, columns, from + p, ld, to + (size_t)p * PANEL);
  } else {
    for (int p = 0; p < k; p++) memcpy(to + (size_t)p * PANEL, from + (size_t)p * ld, (size_t)columns * sizeof(float));
  }
  for (int p = 0; p < k && columns < PANEL; p++)
    memset(to + (size_t)p * PANEL + columns, 0, (size_t)(PANEL - columns) * sizeof(float));
}

#endif
