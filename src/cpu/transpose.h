/* Part of kernels.c: matrix transposition. */
#ifndef FD_CPU_TRANSPOSE_H
#define FD_CPU_TRANSPOSE_H

#include "cpu/vector.h"

/* Transposes at most LANES rows and columns. */
INLINE void transpose_block(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  vfloat r[LANES];
  for (int i = 0; i < LANES; i++) r[i] = i < rows ? v_load_part(from + (size_t)i * ld, columns) : (vfloat){0};
  v_transpose(r);
  for (int j = 0; j < LANES; j++)
    if (j < columns) v_store_part(to + (size_t)j * to_ld, r[j], rows);
}

/* Transposes `rows` <= LANES rows; INLINE, so that common numbers of rows are constants. */
INLINE void transpose_rows(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  int j = 0;
  for (; j + LANES <= columns; j += LANES) transpose_block(rows, LANES, from + j, ld, to + (size_t)j * to_ld, to_ld);
  if (j < columns) transpose_block(rows, columns - j, from + j, ld, to + (size_t)j * to_ld, to_ld);
}

static void transpose(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  for (int i = 0; i < rows; i += LANES, from += LANES * ld, to += LANES) {
    if (rows - i >= LANES) transpose_rows(LANES, columns, from, ld, to, to_ld);
    else if (rows == ROWS) transpose_rows(ROWS % LANES, columns, from, ld, to, to_ld);
    else transpose_rows(rows - i, columns, from, ld, to, to_ld);
  }
}

#endif
