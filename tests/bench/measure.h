/* What measurements of kernels have in common: the peak to compare with, numbers to compute with, medians. */
#ifndef FD_BENCH_MEASURE_H
#define FD_BENCH_MEASURE_H

#include <stdio.h>

#include "device/device.h"

enum { FD_BENCH_ROUNDS = 5 }; /* that a median is taken of, after one to warm up */

/* CPU time of the calling thread: what other programs take of a shared core is not in it. A thread that waits for others of its
 * pool spins, so with several threads it is the time of a pass, too. */
double fd_bench_thread_seconds(void);

/* Multiply-adds on registers by all threads of a CPU device, with its instructions: floating-point operations a second. */
double fd_bench_peak(fd_device *dev);

/* n random numbers between -0.1 and 0.1. */
fd_status fd_bench_floats(float **x, size_t n) FD_MUST_CHECK;

/* Prints a line: the median of each of `columns` columns over FD_BENCH_ROUNDS + 1 rows, the first of which was to warm up. */
void fd_bench_print_medians(FILE *out, const double *rows, int columns);

#endif
