/* Shared by measurements of kernels: the peak to compare with, random input, medians. */
#ifndef FD_BENCH_MEASURE_H
#define FD_BENCH_MEASURE_H

#include <stdio.h>

#include "device/device.h"

enum { FD_BENCH_ROUNDS = 5 }; /* rounds of which a median is taken, after one warm-up round */

/* CPU time of the calling thread, which excludes time that other programs take on a shared core. As a thread that waits for
 * others of its pool spins, this is the time of a whole pass also with several threads. */
double fd_bench_thread_seconds(void);

/* Peak of register-only multiply-adds by all threads of a CPU device with its instruction set: floating-point operations per
 * second. */
double fd_bench_peak(fd_device *dev);

/* Allocates n random numbers between -0.1 and 0.1. */
fd_status fd_bench_floats(float **x, size_t n) FD_MUST_CHECK;

/* Prints a line: the median of each of `columns` columns over FD_BENCH_ROUNDS + 1 rows, of which the first is the warm-up. */
void fd_bench_print_medians(FILE *out, const double *rows, int columns);

#endif
