/* Part of kernels.c: the micro-kernels. Define first ELEMENTS (cpu/kernels.h), `factor`, an element of A along k, and the
 * functions v_spread(factor) and v_multiply(sum, spread factor, vector of B); V_MULTIPLY_APART, if defined, names the
 * multiplication of a second kind of micro-kernel. */
#ifndef FD_CPU_TILE_H
#define FD_CPU_TILE_H

#include "cpu/vector.h"

/* Unrolls the loop over k where the registers suffice for it with every compiler. */
#if defined(__AVX512F__)
#define UNROLL_K _Pragma("GCC unroll 4")
#else
#define UNROLL_K
#endif

/* One register tile: C[M, V vectors] = A B over k factors, B's rows being STEP floats apart; `start` is FD_GEMM_SET, _ADD or
 * _CONTINUE. One function, not inlined, for each number of rows, so that only its accumulators compete for registers (checked by
 * tests/test_registers.sh). AT(i) is the factor of row i; ADVANCE steps to the next k. PARTS, unless empty, is a loop over parts
 * of k, which sets k to the length of each. */
#define TILE(M, V, STEP, NAME, ARGUMENTS, PREPARE, PARTS, AT, ADVANCE, MULTIPLY)                                           \
  static __attribute__((noinline)) void NAME ARGUMENTS {                                                                   \
    vfloat acc[M][V];                                                                                                      \
    for (int i = 0; i < M; i++)                                                                                            \
      for (int j = 0; j < V; j++) acc[i][j] = (vfloat){0};                                                                 \
    if (start == FD_GEMM_CONTINUE) {                                                                                       \
      _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) _Pragma("GCC unroll 4") for (int j = 0; j < V; j++) acc[i][j] = \
          v_load(c + (size_t)i * ldc + j * LANES);                                                                         \
    }                                                                                                                      \
    PREPARE(M)                                                                                                             \
    PARTS UNROLL_K for (; k > 0; k--, b += STEP) {                                                                         \
      vfloat right[V];                                                                                                     \
      _Pragma("GCC unroll 4") for (int j = 0; j < V; j++) right[j] = v_load(b + j * LANES);                                \
      _Pragma("GCC unroll 16") for (int i = 0; i < M; i++) {                                                               \
        vfloat x = v_spread(AT(i));                                                                                        \
        _Pragma("GCC unroll 4") for (int j = 0; j < V; j++) acc[i][j] = MULTIPLY(acc[i][j], x, right[j]);                  \
      }                                                                                                                    \
      ADVANCE(M)                                                                                                           \
    }                                                                                                                      \
    _Pragma("GCC unroll 16") for (int i = 0; i < M; i++, c += ldc) _Pragma("GCC unroll 4") for (int j = 0; j < V; j++)     \
        v_store(c + j * LANES, start == FD_GEMM_ADD ? v_load(c + j * LANES) + acc[i][j] : acc[i][j]);                      \
  }

/* A not packed: rows row_step apart, with a pointer for every third row. With one pointer and multiples of row_step, gcc 12 keeps
 * some of these multiples in vector registers, and moving them out takes an execution port of the multiply-adds. (The asm keeps
 * gcc from merging the pointers again.) */
#define STRIDED_ARGUMENTS \
  (int k, const factor *a, size_t row_step, size_t k_step, const float *b, float *c, size_t ldc, int start)
#define STRIDED_PREPARE(M)            \
  const factor *third[((M) + 2) / 3]; \
  _Pragma("GCC unroll 16") for (int i = 0; i < M; i += 3) third[i / 3] = a + (size_t)i * row_step;
#define STRIDED_AT(i) third[(i) / 3][(size_t)((i) % 3) * row_step]
#define STRIDED_ADVANCE(M)                                  \
  _Pragma("GCC unroll 16") for (int i = 0; i < M; i += 3) { \
    third[i / 3] += k_step;                                 \
    __asm__("" : "+r"(third[i / 3]));                       \
  }

/* A in a packed panel [k][ROWS]. */
#define PACKED_ARGUMENTS (int k, const factor *a, const float *b, float *c, size_t ldc, int start)
#define PACKED_PREPARE(M)
#define PACKED_AT(i) a[i]
#define PACKED_ADVANCE(M) a += ROWS;

/* A not packed, in tiles of ALONG of k: each row of a tile is ALONG factors, and the next tile is `step` factors further on. */
enum { ALONG = PANEL / ELEMENTS };
#define TILED_ARGUMENTS (int k, const factor *a, size_t step, const float *b, float *c, size_t ldc, int start)
#define TILED_PARTS for (int rest = k; (k = rest < ALONG ? rest : ALONG) > 0; rest -= ALONG, a += step - ALONG)
#define TILED_AT(i) a[(size_t)(i)*ALONG]
#define TILED_ADVANCE(M) a++;

#define STRIDED(M, KIND, MULTIPLY) \
  TILE(M, 2, NARROW, tile_##M##KIND, STRIDED_ARGUMENTS, STRIDED_PREPARE, , STRIDED_AT, STRIDED_ADVANCE, MULTIPLY)
#define PACKED(M, KIND, MULTIPLY) \
  TILE(M, WAYS, PANEL, tile_##M##KIND, PACKED_ARGUMENTS, PACKED_PREPARE, , PACKED_AT, PACKED_ADVANCE, MULTIPLY)
#define HALF(M, KIND, MULTIPLY) \
  TILE(M, WAYS / 2, PANEL, tile_##M##KIND, PACKED_ARGUMENTS, PACKED_PREPARE, , PACKED_AT, PACKED_ADVANCE, MULTIPLY)
#define TILED(M, KIND, MULTIPLY) \
  TILE(M, WAYS, PANEL, tile_##M##KIND, TILED_ARGUMENTS, PACKED_PREPARE, TILED_PARTS, TILED_AT, TILED_ADVANCE, MULTIPLY)
#define TILED_HALF(M, KIND, MULTIPLY) \
  TILE(M, WAYS / 2, PANEL, tile_##M##KIND, TILED_ARGUMENTS, PACKED_PREPARE, TILED_PARTS, TILED_AT, TILED_ADVANCE, MULTIPLY)

typedef void strided_tile STRIDED_ARGUMENTS;
typedef void packed_tile PACKED_ARGUMENTS;
typedef void tiled_tile TILED_ARGUMENTS;

/* The micro-kernels for all numbers of rows, 6 or 14 of them, and their table `tiles##KIND`. */
#define FIRST_TILES(FORM, KIND, MULTIPLY) \
  FORM(1, KIND, MULTIPLY)                 \
  FORM(2, KIND, MULTIPLY)                 \
  FORM(3, KIND, MULTIPLY)                 \
  FORM(4, KIND, MULTIPLY)                 \
  FORM(5, KIND, MULTIPLY)                 \
  FORM(6, KIND, MULTIPLY)
#define FIRST_NAMES(KIND) NULL, tile_1##KIND, tile_2##KIND, tile_3##KIND, tile_4##KIND, tile_5##KIND, tile_6##KIND
#define TILES_6(FORM, FUNCTION, KIND, MULTIPLY) \
  FIRST_TILES(FORM, KIND, MULTIPLY)             \
  static FUNCTION *const tiles##KIND[7] = {FIRST_NAMES(KIND)};
#define TILES_14(FORM, FUNCTION, KIND, MULTIPLY)                                                                          \
  FIRST_TILES(FORM, KIND, MULTIPLY)                                                                                       \
  FORM(7, KIND, MULTIPLY)                                                                                                 \
  FORM(8, KIND, MULTIPLY)                                                                                                 \
  FORM(9, KIND, MULTIPLY)                                                                                                 \
  FORM(10, KIND, MULTIPLY)                                                                                                \
  FORM(11, KIND, MULTIPLY)                                                                                                \
  FORM(12, KIND, MULTIPLY)                                                                                                \
  FORM(13, KIND, MULTIPLY)                                                                                                \
  FORM(14, KIND, MULTIPLY)                                                                                                \
  static FUNCTION *const tiles##KIND[15] = {FIRST_NAMES(KIND), tile_7##KIND,  tile_8##KIND,  tile_9##KIND, tile_10##KIND, \
                                            tile_11##KIND,     tile_12##KIND, tile_13##KIND, tile_14##KIND};

#if defined(FD_NEON)
#define TILES TILES_14
#else
#define TILES TILES_6
#endif
#if defined(FD_NEON) || defined(__AVX512F__)
#define NARROW_TILES TILES_14
#else
#define NARROW_TILES TILES_6
#endif

NARROW_TILES(STRIDED, strided_tile, , v_multiply)
TILES(PACKED, packed_tile, _packed, v_multiply)
TILES(HALF, packed_tile, _half, v_multiply)
TILES(TILED, tiled_tile, _tiled, v_multiply)
TILES(TILED_HALF, tiled_tile, _tiled_half, v_multiply)
#if defined(V_MULTIPLY_APART)
TILES(PACKED, packed_tile, _packed_apart, V_MULTIPLY_APART)
TILES(HALF, packed_tile, _half_apart, V_MULTIPLY_APART)
#endif

#endif
