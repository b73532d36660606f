/* Part of kernels.c: products of packed panels in fp32. */
#ifndef FD_CPU_GEMM_FP32_H
#define FD_CPU_GEMM_FP32_H

#include "cpu/transpose.h"

typedef float factor;

INLINE vfloat v_spread(factor x) { return v_set(x); }

INLINE vfloat v_multiply(vfloat sum, vfloat x, vfloat b) { return v_fma(x, b, sum); }

/* Without fused instructions, v_multiply itself rounds the product first, and both kinds of products are the same. */
#if defined(FD_FUSED)
INLINE vfloat v_multiply_apart(vfloat sum, vfloat x, vfloat b) { return x * b + sum; }
#define V_MULTIPLY_APART v_multiply_apart
#define MULTIPLY_APART multiply_apart
#else
#define MULTIPLY_APART multiply
#endif

/* A panel of this depth has 32 KB with AVX-512, less otherwise. */
enum { DEPTH = LANES == 16 ? 128 : 256, UNIT = 1, ELEMENTS = 1, TILES_PER_THREAD = 8 };

#include "cpu/tile.h"

#define ROUND_UNITS NULL

static void gemm(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c, size_t ldc,
                 int start) {
  for (int panel = 0; panel < panels; panel++, b += (size_t)k * NARROW, c += NARROW)
    for (int i = 0; i < m; i += NARROW_ROWS)
      tiles[m - i < NARROW_ROWS ? m - i : NARROW_ROWS](k, a + (size_t)i * row_step, row_step, k_step, b, c + (size_t)i * ldc, ldc,
                                                       start);
}

static void multiply(int m, int n, int k, const float *a, const float *b, float *c, size_t ldc, int start) {
  (2 * n > PANEL ? tiles_packed : tiles_half)[m](k, a, b, c, ldc, start);
}

static void multiply_tiled(int m, int n, int k, const float *a, size_t step, const float *b, float *c, size_t ldc, int start) {
  (2 * n > PANEL ? tiles_tiled : tiles_tiled_half)[m](k, a, step, b, c, ldc, start);
}

#if defined(V_MULTIPLY_APART)
static void multiply_apart(int m, int n, int k, const float *a, const float *b, float *c, size_t ldc, int start) {
  (2 * n > PANEL ? tiles_packed_apart : tiles_half_apart)[m](k, a, b, c, ldc, start);
}
#endif

/* Copies rows of `n` floats; INLINE, so that rows of constant length are copied through registers. */
INLINE void copy_rows(int k, int n, const float *from, size_t ld, float *to, size_t to_ld) {
  for (int p = 0; p < k; p++) memcpy(to + (size_t)p * to_ld, from + (size_t)p * ld, (size_t)n * sizeof(float));
}

/* INLINE, so that the width is a constant. */
INLINE void pack_panel(int width, int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  if (transposed) transpose(columns, k, from, ld, to, (size_t)width);
  else if (columns == width) copy_rows(k, width, from, ld, to, (size_t)width);
  else copy_rows(k, columns, from, ld, to, (size_t)width);
  for (int p = 0; p < k && columns < width; p++)
    memset(to + (size_t)(p * width + columns), 0, (size_t)(width - columns) * sizeof(float));
}

static void pack(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  pack_panel(PANEL, k, columns, from, ld, transposed, to);
}

static void pack_narrow(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  pack_panel(NARROW, k, columns, from, ld, transposed, to);
}

static void pack_left(int m, int k, const float *from, size_t ld, int transposed, float *to) {
  if (!transposed) transpose(m, k, from, ld, to, ROWS);
  else if (m == ROWS) copy_rows(k, ROWS, from, ld, to, ROWS);
  else copy_rows(k, m, from, ld, to, ROWS);
}

#endif
