/* The processor's peak: multiply-adds (or, for the bf16 kernels, their dot products or tile products) on registers only. Compiled
 * once per instruction set, like kernels.c. */
#include "cpu/kernels.h"
#include "cpu/vector.h"
#include "peak.h"

#if defined(FD_AMX)
#include "cpu/amx_tiles.h"

/* Four tiles of sums, as in a product's inner loop; each instruction multiplies 16 x 32 by 32 x 16. */
static double peak(long rounds) {
  tiles_begin();
  for (long n = 0; n < rounds; n++) {
    tile_multiply(0, 4, 6);
    tile_multiply(1, 4, 7);
    tile_multiply(2, 5, 6);
    tile_multiply(3, 5, 7);
  }
  tiles_end();
  return (double)rounds * 4 * 2 * 16 * 16 * 32;
}
#else
#if defined(__AVX512BF16__)
#define STEP(sum) sum = (vfloat)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)x, (__m512bh)y)
enum { FLOPS = 4 * LANES };
#else
#define STEP(sum) sum = v_fma(sum, x, y)
enum { FLOPS = 2 * LANES };
#endif

enum { SUMS = ROWS * WAYS - 2 }; /* these, two factors and a temporary (without a fused instruction) fit in the registers */

static double peak(long rounds) {
  vfloat sum[SUMS], x = v_set(0.999f), y = v_set(1e-6f), total = {0};
  for (int i = 0; i < SUMS; i++) sum[i] = v_set((float)i);
  for (long n = 0; n < rounds; n++) {
    _Pragma("GCC unroll 32") for (int i = 0; i < SUMS; i++) STEP(sum[i]);
  }
  for (int i = 0; i < SUMS; i++) total += sum[i];
  volatile float keep = total[0];
  (void)keep;
  return (double)rounds * SUMS * FLOPS;
}
#endif

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
double PASTE(fd_peak_, FD_ISA)(long rounds) { return peak(rounds); }
