/* Part of kernels.c: the transposition of a matrix. */
#ifndef FD_CPU_TURN_H
#define FD_CPU_TURN_H

#include "cpu/vector.h"

/* At most LANES rows and columns. */
INLINE void turn_block(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  vfloat r[LANES];
  for (int i = 0; i < LANES; i++) r[i] = i < rows ? v_load_part(from + (size_t)i * ld, columns) : (vfloat){0};
  v_transpose(r);
  for (int j = 0; j < LANES; j++)
    if (j < columns) v_store_part(to + (size_t)j * to_ld, r[j], rows);
}

/* A block of `rows` rows, which the compiler knows where they are LANES or ROWS. */
INLINE void turn_rows(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  int j = 0;
  for (; j + LANES <= columns; j += LANES) turn_block(rows, LANES, from + j, ld, to + (size_t)j * to_ld, to_ld);
  if (j < columns) turn_block(rows, columns - j, from + j, ld, to + (size_t)j * to_ld, to_ld);
}

static void turn(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld) {
  for (int i = 0; i < rows; i += LANES, from += LANES * ld, to += LANES) {
    if (rows - i >= LANES) turn_rows(LANES, columns, from, ld, to, to_ld);
    else if (rows == ROWS) turn_rows(ROWS % LANES, columns, from, ld, to, to_ld);
    else turn_rows(rows - i, columns, from, ld, to, to_ld);
  }
}

#endif
