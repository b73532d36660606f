/* Part of kernels.c: products of packed panels in fp32. */
#ifndef FD_CPU_GEMM_FP32_H
#define FD_CPU_GEMM_FP32_H

#include "cpu/vector.h"

typedef float factor;

INLINE vfloat v_spread(factor x) { return v_set(x); }

INLINE vfloat v_multiply(vfloat sum, vfloat x, vfloat b) { return v_fma(x, b, sum); }

#include "cpu/tile.h"

enum { WIDE = 1 };

static void gemm(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c, size_t ldc,
                 int add) {
  for (int panel = 0; panel < panels; panel++, b += (size_t)k * PANEL, c += PANEL)
    for (int i = 0; i < m; i += ROWS)
      tiles[m - i < ROWS ? m - i : ROWS](k, a + (size_t)i * row_step, row_step, k_step, b, c + (size_t)i * ldc, ldc, add);
}

static void pack(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  if (transposed) {
    for (int j = 0; j < columns; j++)
      for (int p = 0; p < k; p++) to[(size_t)p * PANEL + (size_t)j] = from[(size_t)j * ld + (size_t)p];
  } else {
    for (int p = 0; p < k; p++) memcpy(to + (size_t)p * PANEL, from + (size_t)p * ld, (size_t)columns * sizeof(float));
  }
  for (int p = 0; p < k && columns < PANEL; p++)
    memset(to + (size_t)p * PANEL + columns, 0, (size_t)(PANEL - columns) * sizeof(float));
}

#endif
