/* The table of rotary position embeddings, the same on every device. */
#ifndef FD_DEVICE_ROTARY_H
#define FD_DEVICE_ROTARY_H

#include <math.h>
#include <stddef.h>

/* Fills table[n, dim] as `rotary_table` of ops.def says. */
static inline void fd_rotary_fill(int n, int dim, double base, float *table) {
  for (int i = 0; i < dim / 2; i++) {
    double turn = pow(base, -2.0 * i / dim);
    for (int p = 0; p < n; p++) {
      float *row = table + (size_t)p * (size_t)dim;
      row[i] = (float)cos(p * turn);
      row[dim / 2 + i] = (float)sin(p * turn);
    }
  }
}

#endif
