/* Part of kernels.c: the register tiles. Before it come `factor`, an element of A along k, and the functions v_spread(factor) and
 * v_multiply(sum, spread factor, vector of B); where there is a second kind of tiles, V_MULTIPLY_APART names its function. */
#ifndef FD_CPU_TILE_H
#define FD_CPU_TILE_H

#include "cpu/vector.h"

enum { PANEL = 2 * LANES };

/* C[M, PANEL] = A B, or what `start` (FD_GEMM_SET, _ADD, _CONTINUE) says, over k factors. Out of line for each number of rows, so
 * that nothing but the accumulators competes for registers (tests/test_registers.sh looks). */
#define TILE(M, NAME, MULTIPLY)                                                                                                \
  static __attribute__((noinline)) void NAME(int k, const factor *a, size_t row_step, size_t k_step, const float *b, float *c, \
                                             size_t ldc, int start) {                                                          \
    vfloat acc[M][2];                                                                                                          \
    for (int i = 0; i < M; i++) acc[i][0] = acc[i][1] = (vfloat){0};                                                           \
    if (start == FD_GEMM_CONTINUE) {                                                                                           \
      _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) {                                                                   \
        acc[i][0] = v_load(c + (size_t)i * ldc);                                                                               \
        acc[i][1] = v_load(c + (size_t)i * ldc + LANES);                                                                       \
      }                                                                                                                        \
    }                                                                                                                          \
    for (; k > 0; k--, a += k_step, b += PANEL) {                                                                              \
      vfloat b0 = v_load(b), b1 = v_load(b + LANES);                                                                           \
      _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) {                                                                   \
        vfloat x = v_spread(a[(size_t)i * row_step]);                                                                          \
        acc[i][0] = MULTIPLY(acc[i][0], x, b0);                                                                                \
        acc[i][1] = MULTIPLY(acc[i][1], x, b1);                                                                                \
      }                                                                                                                        \
    }                                                                                                                          \
    _Pragma("GCC unroll 16") for (int i = 0; i < M; i++, c += ldc) {                                                           \
      v_store(c, start == FD_GEMM_ADD ? v_load(c) + acc[i][0] : acc[i][0]);                                                    \
      v_store(c + LANES, start == FD_GEMM_ADD ? v_load(c + LANES) + acc[i][1] : acc[i][1]);                                    \
    }                                                                                                                          \
  }

typedef void tile_function(int k, const factor *a, size_t row_step, size_t k_step, const float *b, float *c, size_t ldc,
                           int start);

/* The tiles of all numbers of rows, and the table `tiles` or `tiles_KIND` of them. */
#define FIRST_TILES(KIND, MULTIPLY) \
  TILE(1, tile_1##KIND, MULTIPLY)   \
  TILE(2, tile_2##KIND, MULTIPLY)   \
  TILE(3, tile_3##KIND, MULTIPLY)   \
  TILE(4, tile_4##KIND, MULTIPLY)   \
  TILE(5, tile_5##KIND, MULTIPLY)   \
  TILE(6, tile_6##KIND, MULTIPLY)
#define FIRST_NAMES(KIND) NULL, tile_1##KIND, tile_2##KIND, tile_3##KIND, tile_4##KIND, tile_5##KIND, tile_6##KIND
#if defined(__AVX512F__)
#define TILES(KIND, MULTIPLY)                                                                           \
  FIRST_TILES(KIND, MULTIPLY)                                                                           \
  TILE(7, tile_7##KIND, MULTIPLY)                                                                       \
  TILE(8, tile_8##KIND, MULTIPLY)                                                                       \
  TILE(9, tile_9##KIND, MULTIPLY)                                                                       \
  TILE(10, tile_10##KIND, MULTIPLY)                                                                     \
  TILE(11, tile_11##KIND, MULTIPLY)                                                                     \
  TILE(12, tile_12##KIND, MULTIPLY)                                                                     \
  TILE(13, tile_13##KIND, MULTIPLY)                                                                     \
  TILE(14, tile_14##KIND, MULTIPLY)                                                                     \
  static tile_function *const tiles##KIND[ROWS + 1] = {FIRST_NAMES(KIND), tile_7##KIND,  tile_8##KIND,  \
                                                       tile_9##KIND,      tile_10##KIND, tile_11##KIND, \
                                                       tile_12##KIND,     tile_13##KIND, tile_14##KIND};
#else
#define TILES(KIND, MULTIPLY) \
  FIRST_TILES(KIND, MULTIPLY) \
  static tile_function *const tiles##KIND[ROWS + 1] = {FIRST_NAMES(KIND)};
#endif

TILES(, v_multiply)
#if defined(V_MULTIPLY_APART)
TILES(_apart, V_MULTIPLY_APART)
#endif

#endif
