/* Part of kernels.c: products of packed panels with AMX: operands rounded to bf16, sums in fp32. A register tile is 2 x 2 AMX
 * tiles. A packed operand has, for each 32 of k, two AMX tiles of 1 KB: 16 rows of 16 pairs for A, 16 pairs of k by 16 columns
 * for B. Partial tiles are padded with zeros. */
#ifndef FD_CPU_GEMM_AMX_H
#define FD_CPU_GEMM_AMX_H

#include "cpu/amx_tiles.h"
#include "cpu/bf16.h"

/* A panel of B of this depth, 16 KB, stays in L1 while A streams past it. */
enum { DEPTH = 256, UNIT = 2 * LANES, ELEMENTS = 2, TILES_PER_THREAD = 4, STEP = 2 * TILE_FLOATS };
#define MULTIPLY_APART multiply

/* Packs n <= 32 rows or columns of an operand over k; in memory k runs along the rows or, with `across`, down the columns.
 * `transposed`: each block of pairs is transposed. */
INLINE void pack_operand(int n, int k, const float *from, size_t ld, int across, int transposed, float *to) {
  for (int p = 0; p < k; p += UNIT)
    for (int first = 0; first < PANEL; first += LANES, to += TILE_FLOATS) {
      vfloat pairs[LANES];
      int count = n - first < 0 ? 0 : n - first < LANES ? n - first : LANES;
      for (int i = 0; i < LANES && !across; i++)
        pairs[i] = i < count ? (vfloat)pairs_at(from + (size_t)(first + i) * ld, p, k) : (vfloat){0};
      for (int i = 0; i < LANES && across; i++) {
        const float *row = from + (size_t)(p + 2 * i) * ld + first;
        pairs[i] = (vfloat)pairs_across(p + 2 * i < k && count ? v_load_part(row, count) : (vfloat){0},
                                        p + 2 * i + 1 < k && count ? v_load_part(row + ld, count) : (vfloat){0});
      }
      if (transposed) v_transpose(LANES, pairs);
      for (int i = 0; i < LANES; i++) v_store(to + i * LANES, pairs[i]);
    }
}

static void pack(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  if (transposed) pack_operand(columns, k, from, ld, 0, 1, to);
  else pack_operand(columns, k, from, ld, 1, 0, to);
}

static void pack_left(int m, int k, const float *from, size_t ld, int transposed, float *to) {
  if (transposed) pack_operand(m, k, from, ld, 1, 1, to);
  else pack_operand(m, k, from, ld, 0, 0, to);
}

INLINE void zero_tiles(void) {
  tile_zero(0);
  tile_zero(1);
  tile_zero(2);
  tile_zero(3);
}

/* Adds the product over one unit of k to C, the tiles 0 .. 3. A is streamed past a panel of B that stays in L1. */
INLINE void multiply_unit(const float *a, const float *b) {
  tile_stream(4, a, LANES);
  tile_load(6, b, LANES);
  tile_multiply(0, 4, 6);
  tile_load(7, b + TILE_FLOATS, LANES);
  tile_multiply(1, 4, 7);
  tile_stream(5, a + TILE_FLOATS, LANES);
  tile_multiply(2, 5, 6);
  tile_multiply(3, 5, 7);
}

INLINE void store_tiles(float *c, size_t ldc) {
  float *low = c + TILE_ROWS * ldc;
  tile_store(0, c, ldc);
  tile_store(1, c + LANES, ldc);
  tile_store(2, low, ldc);
  tile_store(3, low + LANES, ldc);
}

/* A full register tile: c[32, 32] = A B, or c + A B. */
static void multiply_tiles(int k, const float *a, const float *b, float *c, size_t ldc, int add) {
  float *low = c + TILE_ROWS * ldc;
  TILE_BARRIER;
  if (add) {
    tile_load(0, c, ldc);
    tile_load(1, c + LANES, ldc);
    tile_load(2, low, ldc);
    tile_load(3, low + LANES, ldc);
  } else {
    zero_tiles();
  }
  for (; k > 0; k -= UNIT, a += STEP, b += STEP) multiply_unit(a, b);
  store_tiles(c, ldc);
  TILE_BARRIER;
}

static void copy_rows(int m, const float *from, size_t ld, float *to, size_t to_ld) {
  for (int i = 0; i < m; i++) memcpy(to + (size_t)i * to_ld, from + (size_t)i * ld, PANEL * sizeof(float));
}

static void multiply(int m, int n, int k, const float *a, const float *b, float *c, size_t ldc, int start) {
  (void)n; /* half a panel would be no faster */
  float edge[ROWS * PANEL];
  tiles_begin();
  if (m == ROWS) {
    multiply_tiles(k, a, b, c, ldc, start != FD_GEMM_SET);
    return;
  }
  if (start != FD_GEMM_SET) {
    memset(edge, 0, sizeof edge);
    copy_rows(m, c, ldc, edge, PANEL);
  }
  multiply_tiles(k, a, b, edge, PANEL, start != FD_GEMM_SET);
  copy_rows(m, edge, PANEL, c, ldc);
}

/* The rows of a register tile over one depth of k of A are packed on the stack, once for all panels. */
static void gemm(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c, size_t ldc,
                 int start) {
  _Alignas(64) float left[DEPTH / UNIT * STEP];
  for (int i = 0; i < m; i += ROWS)
    for (int p = 0; p < k || p == 0; p += DEPTH) {
      int rows = m - i < ROWS ? m - i : ROWS, depth = k - p < DEPTH ? k - p : DEPTH, columns = k_step != 1;
      pack_left(rows, depth, a + (size_t)i * row_step + (size_t)p * k_step, columns ? k_step : row_step, columns, left);
      for (int panel = 0; panel < panels; panel++)
        multiply(rows, PANEL, depth, left, b + (size_t)panel * (size_t)((k + UNIT - 1) / UNIT * STEP) + (size_t)(p / UNIT * STEP),
                 c + (size_t)i * ldc + panel * PANEL, ldc, p ? FD_GEMM_CONTINUE : start);
    }
}

#endif
