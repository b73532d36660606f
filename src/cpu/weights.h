/* Packed weights of the CPU back end: packed for one call, or once for as long as the weights are held (device/device.h). */
#ifndef FD_CPU_WEIGHTS_H
#define FD_CPU_WEIGHTS_H

#include "cpu/backend.h"

/* A matrix of parameters that is an operand of products: the left one [n, k], or the right one [k, n]. */
typedef struct fd_cpu_matrix {
  const float *w;
  const fd_cpu_kernels *kernels;
  int is_right, n, k, transposed; /* transposed: in memory [k, n], or [n, k] */
} fd_cpu_matrix;

/* Memory for the packed form of a matrix, and whether it already contains it: a cached copy if the weights are held, else `slot`.
 * If not *packed, the caller must pack the matrix now. NULL after a failure, which is recorded. */
float *fd_cpu_room_for_weights(fd_cpu *cpu, fd_cpu_slot slot, const fd_cpu_matrix *matrix, size_t floats, int *packed);

/* The packed panels of a left operand w [m, k] (transposed: in memory [k, m]), fd_cpu_left floats each: in `slot`, or a cached
 * copy. NULL after a failure, which is recorded. */
const float *fd_cpu_weights(fd_cpu *cpu, fd_cpu_slot slot, const float *w, int m, int k, int transposed);

/* The packed panels of a right operand w [k, n] (transposed: in memory [n, k]), fd_cpu_right floats each; likewise. */
const float *fd_cpu_right_weights(fd_cpu *cpu, fd_cpu_slot slot, const float *w, int k, int n, int transposed);

void fd_cpu_release_weights(fd_cpu *cpu);

#endif
