/* Packed weights of the CPU back end: packed for one call, or once for as long as the weights are held (device/device.h). */
#ifndef FD_CPU_WEIGHTS_H
#define FD_CPU_WEIGHTS_H

#include "cpu/backend.h"

/* The packed panels of a left operand w [m, k] (transposed: in memory [k, m]), fd_cpu_left floats each: in `slot`, or a cached
 * copy. NULL after a failure, which is recorded. */
const float *fd_cpu_weights(fd_cpu *cpu, fd_cpu_slot slot, const float *w, int m, int k, int transposed);

void fd_cpu_release_weights(fd_cpu *cpu);

#endif
