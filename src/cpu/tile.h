/* Part of kernels.c: the register tiles. Before it come `factor`, an element of A along k, and the functions v_spread(factor) and
 * v_multiply(sum, spread factor, vector of B). */
#ifndef FD_CPU_TILE_H
#define FD_CPU_TILE_H

#include "cpu/vector.h"

enum { PANEL = 2 * LANES };

/* C[M, PANEL] = (or +=) A B over k factors. Out of line for each number of rows, so that nothing but the accumulators competes
 * for registers (tests/test_registers.sh looks). */
#define TILE(M)                                                                                                          \
  static __attribute__((noinline)) void tile_##M(int k, const factor *a, size_t row_step, size_t k_step, const float *b, \
                                                 float *c, size_t ldc, int add) {                                        \
    vfloat acc[M][2];                                                                                                    \
    for (int i = 0; i < M; i++) acc[i][0] = acc[i][1] = (vfloat){0};                                                     \
    for (; k > 0; k--, a += k_step, b += PANEL) {                                                                        \
      vfloat b0 = v_load(b), b1 = v_load(b + LANES);                                                                     \
      _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) {                                                             \
        vfloat x = v_spread(a[(size_t)i * row_step]);                                                                    \
        acc[i][0] = v_multiply(acc[i][0], x, b0);                                                                        \
        acc[i][1] = v_multiply(acc[i][1], x, b1);                                                                        \
      }                                                                                                                  \
    }                                                                                                                    \
    _Pragma("GCC unroll 16") for (int i = 0; i < M; i++, c += ldc) {                                                     \
      v_store(c, add ? v_load(c) + acc[i][0] : acc[i][0]);                                                               \
      v_store(c + LANES, add ? v_load(c + LANES) + acc[i][1] : acc[i][1]);                                               \
    }                                                                                                                    \
  }

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
#if defined(__AVX512F__)
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
TILE(13)
TILE(14)
#endif
#undef TILE

typedef void tile_function(int k, const factor *a, size_t row_step, size_t k_step, const float *b, float *c, size_t ldc, int add);

static tile_function *const tiles[ROWS + 1] = {
    NULL,   tile_1, tile_2, tile_3,  tile_4,  tile_5,  tile_6,
#if defined(__AVX512F__)
    tile_7, tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14,
#endif
};

#endif
