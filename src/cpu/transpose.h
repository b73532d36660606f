/* Part of kernels.c: matrix transposition. */
#ifndef FD_CPU_TRANSPOSE_H
#define FD_CPU_TRANSPOSE_H

#include "cpu/vector.h"

/* Transposes at most n rows and LANES columns; n is LANES or, so that two columns share a vector, LANES / 2. */
INLINE void transpose_block(int n, int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  vfloat r[LANES];
  for (int i = 0; i < n; i++) r[i] = i < rows ? v_load_part(from + (size_t)i * ld, columns) : (vfloat){0};
  v_transpose(n, r);
  for (int j = 0; j < LANES; j++)
    if (j < columns) v_store_part(to + (size_t)j * to_ld, n == LANES ? r[j] : j % 2 ? v_upper(r[j / 2]) : r[j / 2], rows);
}

/* Transposes `rows` <= n rows; INLINE, so that n and common numbers of rows are constants. */
INLINE void transpose_rows(int n, int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  int j = 0;
  for (; j + LANES <= columns; j += LANES) transpose_block(n, rows, LANES, from + j, ld, to + (size_t)j * to_ld, to_ld);
  if (j < columns) transpose_block(n, rows, columns - j, from + j, ld, to + (size_t)j * to_ld, to_ld);
}

static void transpose(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  enum { REST = ROWS % LANES };
  for (int i = 0; i < rows; i += LANES, from += LANES * ld, to += LANES) {
    if (rows - i >= LANES) transpose_rows(LANES, LANES, columns, from, ld, to, to_ld);
    else if (rows == ROWS) transpose_rows(2 * REST > LANES ? LANES : LANES / 2, REST, columns, from, ld, to, to_ld);
    else transpose_rows(LANES, rows - i, columns, from, ld, to, to_ld);
  }
}

#endif
