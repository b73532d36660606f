/* GELU and its derivative to the precision that bf16 values need, for the tensor-core kernels: the middle of a block is computed
 * in the kernel of its products, where 12 instructions per value instead of 21 matter. Plain functions that the host can also
 * call, so that tests cover all arguments. (matrix.h has the exact functions for everything else.) */
#ifndef FD_CUDA_GELU_H
#define FD_CUDA_GELU_H

#include <math.h>

#include "base/both.h"

/* x, clamped to [0, 1]. */
FD_BOTH static inline float fd_saturated(float x) {
#ifdef __CUDA_ARCH__
  return __saturatef(x);
#else
  return x > 0 ? x < 1 ? x : 1 : 0;
#endif
}

FD_BOTH static inline float fd_exp2(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

/* Phi(x) = 1/2 + x P(min(x^2, 4.5^2)), clamped to [0, 1]. P minimizes the maximum error of Phi(x) and of x Phi(x); for |x| > 4.5
 * both equal their asymptotes exactly. */
FD_BOTH static inline float fd_short_cdf(float x, float square) {
  float s = fminf(square, 20.25f), sum = 3.1447678e-11f;
  sum = fmaf(sum, s, -3.420528e-09f);
  sum = fmaf(sum, s, 1.6342425e-07f);
  sum = fmaf(sum, s, -4.5474467e-06f);
  sum = fmaf(sum, s, 8.266813e-05f);
  sum = fmaf(sum, s, -0.0010471583f);
  sum = fmaf(sum, s, 0.009627032f);
  sum = fmaf(sum, s, -0.06607709f);
  sum = fmaf(sum, s, 0.3987884f);
  return fd_saturated(fmaf(x, sum, 0.5f));
}

/* x Phi(x): the absolute error is below 5e-5; for |x| < 1/2 the relative error is below 1.2e-4. For comparison, half a unit in
 * the last place of bf16 is 2.4e-4 at GELU's minimum, -0.17, and 2e-3 of the value in general. */
FD_BOTH static inline float fd_short_gelu(float x) { return x * fd_short_cdf(x, x * x); }

/* The same, with the derivative Phi(x) + x phi(x) in *slope; the derivative's error is also below 5e-5. */
FD_BOTH static inline float fd_short_gelu_slope(float x, float *slope) {
  float square = x * x, cdf = fd_short_cdf(x, square);
  *slope = fmaf(x * 0.39894228f, fd_exp2(square * -0.72134752f), cdf);
  return x * cdf;
}

#endif
