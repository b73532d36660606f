/* Part of kernels.c: the tile registers of AMX, or with FD_AMX_MODEL a bit-exact model of them in C.
 *   tdpbf16ps (Intel, Architecture Instruction Set Extensions; order and rounding measured on hardware): each of the 16 x 16
 * outputs is the sum of two chains of fused multiply-adds that start from +0, one over the even and one over the odd elements of
 * k; then even + odd is added to C. Every step rounds to nearest, ties to even, regardless of MXCSR; denormal operands and
 * results are flushed to zeros of the same sign. */
#ifndef FD_CPU_AMX_TILES_H
#define FD_CPU_AMX_TILES_H

#include "cpu/vector.h"

enum { TILE_ROWS = 16, TILE_FLOATS = TILE_ROWS * LANES, TILES_OF_AMX = 8 }; /* a row: LANES floats or LANES pairs of bf16 */

#if defined(FD_AMX_MODEL)
static _Thread_local float model[TILES_OF_AMX][TILE_ROWS][LANES];

#define tile_zero(t) memset(model[t], 0, sizeof model[t])
#define tile_load(t, from, stride) model_load(model[t], from, stride)
#define tile_stream tile_load
#define tile_store(t, to, stride) model_store(model[t], to, stride)
#define tile_multiply(c, a, b) model_multiply(model[c], model[a], model[b])

INLINE void model_load(float tile[TILE_ROWS][LANES], const float *from, size_t stride) {
  for (int i = 0; i < TILE_ROWS; i++) memcpy(tile[i], from + (size_t)i * stride, sizeof tile[i]);
}

INLINE void model_store(float tile[TILE_ROWS][LANES], float *to, size_t stride) {
  for (int i = 0; i < TILE_ROWS; i++) memcpy(to + (size_t)i * stride, tile[i], sizeof tile[i]);
}

INLINE float flushed(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000) == 0) bits &= 0x80000000;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* The low (0) or high (1) half of a pair. */
INLINE float half_of(float pair, int half) {
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  bits = half ? bits & 0xffff0000u : bits << 16;
  memcpy(&pair, &bits, sizeof pair);
  return flushed(pair);
}

static void model_multiply_any(float c[TILE_ROWS][LANES], float a[TILE_ROWS][LANES], float b[TILE_ROWS][LANES]) {
  for (int m = 0; m < TILE_ROWS; m++)
    for (int n = 0; n < LANES; n++) {
      float sum[2] = {0, 0};
      for (int k = 0; k < LANES; k++)
        for (int half = 0; half < 2; half++) sum[half] = flushed(fmaf(half_of(a[m][k], half), half_of(b[k][n], half), sum[half]));
      c[m][n] = flushed(flushed(c[m][n]) + flushed(sum[0] + sum[1]));
    }
}

/* The exponents of the smallest and the largest element that is not zero, as they are encoded. */
static void model_exponents(float tile[TILE_ROWS][LANES], int *least, int *most) {
  *least = 255, *most = 0;
  for (int i = 0; i < TILE_ROWS; i++)
    for (int k = 0; k < LANES; k++) {
      uint32_t bits;
      memcpy(&bits, &tile[i][k], sizeof bits);
      int low = bits >> 7 & 255, high = bits >> 23 & 255;
      *least = low && low < *least ? low : *least, *most = low > *most ? low : *most;
      *least = high && high < *least ? high : *least, *most = high > *most ? high : *most;
    }
}

/* A product of two bf16 numbers has 16 significant bits, so it is exact in fp32 unless it overflows or is denormal, and a
 * multiplication and an addition then round as one multiply-add does. They are many times faster than fmaf where the compiler may
 * not use the instruction. If the last bits of all products are at least 2^-126, no sum of them is denormal, so that nothing
 * needs to be flushed in between. Tiles with other numbers take the slow way. */
static void model_multiply(float c[TILE_ROWS][LANES], float a[TILE_ROWS][LANES], float b[TILE_ROWS][LANES]) {
  enum { BIAS = 127, LAST_BITS = 14, LEAST = 2 * BIAS + LAST_BITS - 126, MOST = 2 * BIAS + 126 };
  int least[2], most[2];
  vfloat half[2][LANES];
  model_exponents(a, &least[0], &most[0]);
  model_exponents(b, &least[1], &most[1]);
  if (least[0] + least[1] < LEAST || most[0] + most[1] > MOST) {
    model_multiply_any(c, a, b);
    return;
  }
  for (int k = 0; k < LANES; k++)
    for (int n = 0; n < LANES; n++)
      for (int h = 0; h < 2; h++) half[h][k][n] = half_of(b[k][n], h);
  for (int m = 0; m < TILE_ROWS; m++) {
    vfloat even = {0}, odd = {0};
    for (int k = 0; k < LANES; k++) {
      even += v_set(half_of(a[m][k], 0)) * half[0][k];
      odd += v_set(half_of(a[m][k], 1)) * half[1][k];
    }
    even += odd;
    for (int n = 0; n < LANES; n++) c[m][n] = flushed(flushed(c[m][n]) + even[n]);
  }
}

INLINE void tiles_begin(void) {}
#define TILES_END NULL
#else

/* Strides are in floats. B is streamed from L2 with tileloaddt1, which keeps it from evicting A from L1. */
#define tile_zero(t) _tile_zero(t)
#define tile_load(t, from, stride) _tile_loadd(t, from, (stride) * sizeof(float))
#define tile_stream(t, from, stride) _tile_stream_loadd(t, from, (stride) * sizeof(float))
#define tile_store(t, to, stride) _tile_stored(t, to, (stride) * sizeof(float))
#define tile_multiply(c, a, b) _tile_dpbf16ps(c, a, b)

/* Each thread configures its tiles before their first use and releases them when it has no more work: a core with tiles in use
 * cannot enter its deepest sleep states, and a context switch moves 8 KB. */
static _Thread_local int configured;

static void tiles_begin(void) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* per row of each tile */
    uint8_t rows[16];
  } shape = {.palette = 1};
  if (configured) return;
  for (int i = 0; i < TILES_OF_AMX; i++) shape.bytes[i] = LANES * sizeof(float), shape.rows[i] = TILE_ROWS;
  /* gcc 12 declares that the intrinsic reads 8 bytes: the stores of the others would be removed as dead. */
  __asm__ volatile("" : : "r"(&shape) : "memory");
  _tile_loadconfig(&shape);
  configured = 1;
}

static void tiles_end(void) {
  if (configured) _tile_release();
  configured = 0;
}
#define TILES_END tiles_end
#endif

/* gcc's tile loads do not declare that they read memory. */
#define TILE_BARRIER __asm__ volatile("" : : : "memory")

#endif
