/* Part of kernels.c: products of packed panels whose operands are rounded to bf16, with sums in fp32 (AVX512_BF16). Operands are
 * stored as pairs along k, the first element in the low half: vdpbf16ps adds the products of a pair to an fp32 sum. An odd k is
 * padded with a zero. */
#ifndef FD_CPU_GEMM_BF16_H
#define FD_CPU_GEMM_BF16_H

#include "cpu/bf16.h"

typedef int32_t __attribute__((may_alias)) factor; /* a pair, stored in an array of floats */

INLINE vfloat v_spread(factor x) { return (vfloat)(x - (vint){0}); }

INLINE vfloat v_multiply(vfloat sum, vfloat x, vfloat b) {
  return (vfloat)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)b);
}

/* Size of a block of A in rows and pairs. A block is on the stack and is rounded once for all panels. */
enum {
  BLOCK = 6,
  BLOCK_ROWS = BLOCK * NARROW_ROWS,
  PAIRS = 256,
  DEPTH = 2 * PAIRS,
  UNIT = 2,
  ELEMENTS = 2,
  TILES_PER_THREAD = 8
};

#include "cpu/tile.h"

#define MULTIPLY_APART NULL
#define ROUND_UNITS round_units
_Static_assert(ROWS % UNIT == 0, "panels of rows that are packed one after another form one operand (mixer.c)");

INLINE void store_pairs(factor *to, vint pairs) { memcpy(to, &pairs, sizeof pairs); }

/* Rounds rows of A that are contiguous along k (k_step 1): pairs[i][p]. */
static void pair_rows(int m, int k, const float *a, size_t row_step, factor pairs[BLOCK_ROWS][PAIRS]) {
  for (int i = 0; i < m; i++, a += row_step)
    for (int p = 0; p < k; p += 2 * LANES) store_pairs(&pairs[i][p / 2], pairs_at(a, p, k));
}

/* Rounds rows of A that are columns in memory (row_step 1): pairs[p][i], for the rows of a register tile. */
static void pair_columns(int m, int k, const float *a, size_t k_step, factor pairs[PAIRS][LANES]) {
  for (int p = 0; p < k; p += 2, a += 2 * k_step)
    store_pairs(pairs[p / 2], pairs_across(v_load_part(a, m), p + 1 < k ? v_load_part(a + k_step, m) : (vfloat){0}));
}

/* A block of at most BLOCK_ROWS rows and PAIRS pairs of k. */
static void gemm_block(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, size_t b_step, int panels,
                       float *c, size_t ldc, int start) {
  union {
    factor rows[BLOCK_ROWS][PAIRS], columns[BLOCK][PAIRS][LANES];
  } pairs;
  if (k_step == 1) pair_rows(m, k, a, row_step, pairs.rows);
  for (int i = 0; k_step != 1 && i < m; i += NARROW_ROWS)
    pair_columns(m - i < NARROW_ROWS ? m - i : NARROW_ROWS, k, a + i, k_step, pairs.columns[i / NARROW_ROWS]);
  for (int panel = 0; panel < panels; panel++, b += b_step, c += NARROW) {
    for (int i = 0; i < m; i += NARROW_ROWS) {
      int rows = m - i < NARROW_ROWS ? m - i : NARROW_ROWS;
      float *to = c + (size_t)i * ldc;
      if (k_step == 1) tiles[rows]((k + 1) / 2, pairs.rows[i], PAIRS, 1, b, to, ldc, start);
      else tiles[rows]((k + 1) / 2, pairs.columns[i / NARROW_ROWS][0], 1, LANES, b, to, ldc, start);
    }
  }
}

static void gemm(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c, size_t ldc,
                 int start) {
  for (int i = 0; i < m; i += BLOCK_ROWS)
    for (int p = 0; p < k; p += 2 * PAIRS)
      gemm_block(m - i < BLOCK_ROWS ? m - i : BLOCK_ROWS, k - p < 2 * PAIRS ? k - p : 2 * PAIRS,
                 a + (size_t)i * row_step + (size_t)p * k_step, row_step, k_step, b + (size_t)(p / 2) * NARROW,
                 (size_t)((k + 1) / 2) * NARROW, panels, c + (size_t)i * ldc, ldc,
                 start != FD_GEMM_SET || p ? FD_GEMM_ADD : FD_GEMM_SET);
}

/* Sums start anew every DEPTH of k, as in gemm. */
static void multiply(int m, int n, int k, const float *a, const float *b, float *c, size_t ldc, int start) {
  for (int p = 0; p < k || p == 0; p += DEPTH) {
    (2 * n > PANEL ? tiles_packed : tiles_half)[m](
        (k - p < DEPTH ? k - p + 1 : DEPTH) / 2, (const factor *)(const void *)(a + (size_t)(p / 2) * ROWS),
        b + (size_t)(p / 2) * PANEL, c, ldc, p || start != FD_GEMM_SET ? FD_GEMM_ADD : FD_GEMM_SET);
  }
}

/* Of at most DEPTH of k. */
static void multiply_tiled(int m, int n, int k, const float *a, size_t step, const float *b, float *c, size_t ldc, int start) {
  (2 * n > PANEL ? tiles_tiled : tiles_tiled_half)[m]((k + 1) / 2, (const factor *)(const void *)a, step, b, c, ldc,
                                                      start == FD_GEMM_SET ? FD_GEMM_SET : FD_GEMM_ADD);
}

static void round_units(int m, int n, const float *from, float *to) {
  for (int i = 0; i < m; i++, from += PANEL, to += PANEL / 2)
    for (int p = 0; p < n; p += 2 * LANES) v_store(to + p / 2, (vfloat)pairs_at(from, p, n));
}

/* Rounds rows of k floats and stores their pairs as columns of `to`; columns from `rows` on are zero. */
static void transpose_pairs(int rows, int k, const float *from, size_t ld, float *to, size_t to_ld, int width) {
  for (int p = 0; p < k; p += 2 * LANES) {
    vfloat pairs[LANES];
    for (int i = 0; i < LANES; i++) pairs[i] = i < rows ? (vfloat)pairs_at(from + (size_t)i * ld, p, k) : (vfloat){0};
    v_transpose(LANES, pairs);
    for (int j = 0; j < LANES && p + 2 * j < k; j++) v_store_part(to + (size_t)(p / 2 + j) * to_ld, pairs[j], width);
  }
}

/* INLINE, so that the width is a constant. */
INLINE void pack_panel(int width, int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  for (int j = 0; transposed && j < width; j += LANES)
    transpose_pairs(columns - j, k, from + (size_t)j * ld, ld, to + j, (size_t)width, LANES);
  if (transposed) return;
  for (int p = 0; p < k; p += 2, from += 2 * ld, to += width)
    for (int j = 0; j < width; j += LANES) {
      int n = columns - j < 0 ? 0 : columns - j < LANES ? columns - j : LANES;
      v_store(to + j, (vfloat)pairs_across(v_load_part(from + j, n), p + 1 < k ? v_load_part(from + ld + j, n) : (vfloat){0}));
    }
}

static void pack(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  pack_panel(PANEL, k, columns, from, ld, transposed, to);
}

static void pack_narrow(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  pack_panel(NARROW, k, columns, from, ld, transposed, to);
}

static void pack_left(int m, int k, const float *from, size_t ld, int transposed, float *to) {
  if (!transposed) transpose_pairs(m, k, from, ld, to, ROWS, m);
  for (int p = 0; p < k && transposed; p += 2, from += 2 * ld, to += ROWS)
    v_store_part(to, (vfloat)pairs_across(v_load_part(from, m), p + 1 < k ? v_load_part(from + ld, m) : (vfloat){0}), m);
}

#endif
