/* Loops of register-only multiply-adds, one per instruction set in the build. */
#ifndef FD_BENCH_PEAK_H
#define FD_BENCH_PEAK_H

/* Runs `rounds` iterations of the loop and returns the number of floating-point operations. */
double fd_peak_generic(long rounds);
double fd_peak_avx2(long rounds);
double fd_peak_avx512(long rounds);
double fd_peak_avx512bf16(long rounds);
double fd_peak_amx(long rounds);

#endif
