/* Multiply-adds on registers, for each set of instructions that the build has. */
#ifndef FD_BENCH_PEAK_H
#define FD_BENCH_PEAK_H

/* Runs `rounds` of the loop and returns the floating-point operations done. */
double fd_peak_generic(long rounds);
double fd_peak_avx2(long rounds);
double fd_peak_avx512(long rounds);
double fd_peak_avx512bf16(long rounds);

#endif
