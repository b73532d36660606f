/* Part of kernels.c: products of packed panels in fp32. */
#ifndef FD_CPU_GEMM_FP32_H
#define FD_CPU_GEMM_FP32_H

#include "cpu/transpose.h"

typedef float factor;

INLINE vfloat v_spread(factor x) { return v_set(x); }

INLINE vfloat v_multiply(vfloat sum, vfloat x, vfloat b) { return v_fma(x, b, sum); }

/* Without fused instructions, v_multiply itself rounds the product first, and both gemms are the same. */
#if defined(FD_FUSED)
INLINE vfloat v_multiply_apart(vfloat sum, vfloat x, vfloat b) { return x * b + sum; }
#define V_MULTIPLY_APART v_multiply_apart
#define GEMM_APART gemm_apart
#else
#define GEMM_APART gemm
#endif

#include "cpu/tile.h"

enum { WIDE = 1, DEPTH = 256, UNIT = 1, ELEMENTS = 1 };

INLINE void gemm_by(strided_tile *const *by, int m, int k, const float *a, size_t row_step, size_t k_step, const float *b,
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

static void multiply(int m, int k, const float *a, const float *b, float *c, size_t ldc, int start) {
  tiles_packed[m](k, a, b, c, ldc, start);
}

/* Copies rows of `n` floats; INLINE, so that rows of constant length are copied through registers. */
INLINE void copy_rows(int k, int n, const float *from, size_t ld, float *to, size_t to_ld) {
  for (int p = 0; p < k; p++) memcpy(to + (size_t)p * to_ld, from + (size_t)p * ld, (size_t)n * sizeof(float));
}

static void pack(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  if (transposed) transpose(columns, k, from, ld, to, PANEL);
  else if (columns == PANEL) copy_rows(k, PANEL, from, ld, to, PANEL);
  else copy_rows(k, columns, from, ld, to, PANEL);
  for (int p = 0; p < k && columns < PANEL; p++)
    memset(to + (size_t)p * PANEL + columns, 0, (size_t)(PANEL - columns) * sizeof(float));
}

static void pack_left(int m, int k, const float *from, size_t ld, int transposed, float *to) {
  if (!transposed) transpose(m, k, from, ld, to, ROWS);
  else if (m == ROWS) copy_rows(k, ROWS, from, ld, to, ROWS);
  else copy_rows(k, m, from, ld, to, ROWS);
}

#endif
