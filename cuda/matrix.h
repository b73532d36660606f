/* Access to the elements of an fd_mat in kernels. Row numbers have 64 bits: a matrix may have more than 2^31 elements. */
#ifndef FD_CUDA_MATRIX_H
#define FD_CUDA_MATRIX_H

#include "base/normal.h"
#include "cuda/backend.h"

__device__ inline float fd_get(fd_mat m, int64_t row, int column) {
  int64_t at = row * m.stride + column;
  return m.type == FD_BF16 ? fd_bf16_low(((const uint16_t *)m.at)[at]) : ((const float *)m.at)[at];
}

__device__ inline void fd_put(fd_mat m, int64_t row, int column, float value) {
  int64_t at = row * m.stride + column;
  if (m.type == FD_BF16) ((uint16_t *)m.at)[at] = (uint16_t)fd_bf16_pair(value, 0);
  else ((float *)m.at)[at] = value;
}

/* Four adjacent elements of a row; the column and the stride are multiples of four. */
__device__ inline void fd_get4(fd_mat m, int64_t row, int column, float v[4]) {
  int64_t at = row * m.stride + column;
  if (m.type == FD_BF16) {
    uint2 bits = *(const uint2 *)((const uint16_t *)m.at + at);
    v[0] = fd_bf16_low(bits.x), v[1] = fd_bf16_high(bits.x), v[2] = fd_bf16_low(bits.y), v[3] = fd_bf16_high(bits.y);
  } else {
    float4 x = *(const float4 *)((const float *)m.at + at);
    v[0] = x.x, v[1] = x.y, v[2] = x.z, v[3] = x.w;
  }
}

__device__ inline void fd_put4(fd_mat m, int64_t row, int column, const float v[4]) {
  int64_t at = row * m.stride + column;
  if (m.type == FD_BF16) *(uint2 *)((uint16_t *)m.at + at) = make_uint2(fd_bf16_pair(v[0], v[1]), fd_bf16_pair(v[2], v[3]));
  else *(float4 *)((float *)m.at + at) = make_float4(v[0], v[1], v[2], v[3]);
}

/* Two adjacent elements of a row of a bf16 matrix; the column is even. */
__device__ inline void fd_put2(fd_mat m, int64_t row, int column, const float v[2]) {
  *(uint32_t *)((uint16_t *)m.at + row * m.stride + column) = fd_bf16_pair(v[0], v[1]);
}

/* N adjacent elements (4 or 8) of a row of a bf16 matrix as they are stored, read or written in one access; the column and the
 * stride are multiples of N. */
template <int N>
struct alignas(2 * N) fd_piece {
  fd_bf16x2 pair[N / 2];
};

template <int N>
__device__ inline fd_piece<N> fd_get_piece(fd_mat m, int64_t row, int column) {
  return *(const fd_piece<N> *)((const uint16_t *)m.at + row * m.stride + column);
}

template <int N>
__device__ inline void fd_put_piece(fd_mat m, int64_t row, int column, const fd_piece<N> &piece) {
  *(fd_piece<N> *)((uint16_t *)m.at + row * m.stride + column) = piece;
}

template <int N>
__device__ inline fd_piece<N> fd_piece_of(const float v[N]) {
  fd_piece<N> piece;
#pragma unroll
  for (int i = 0; i < N / 2; i++) piece.pair[i] = fd_bf16_pair(v[2 * i], v[2 * i + 1]);
  return piece;
}

template <int N>
__device__ inline void fd_floats_of(const fd_piece<N> &piece, float v[N]) {
#pragma unroll
  for (int i = 0; i < N / 2; i++) v[2 * i] = fd_bf16_low(piece.pair[i]), v[2 * i + 1] = fd_bf16_high(piece.pair[i]);
}

/* Whether the rows are bf16 and can be copied in pieces of 16 bytes, as the operands of tensor cores are. */
static inline int fd_in_pieces(fd_mat m) { return m.type == FD_BF16 && m.stride % 8 == 0 && (uintptr_t)m.at % 16 == 0; }

/* A value as it is stored in this type. */
__device__ inline float fd_rounded(fd_type type, float value) {
  return type == FD_BF16 ? fd_bf16_low(fd_bf16_pair(value, 0)) : value;
}

/* GELU (in its exact form, with erf) and its derivative, to fp32 precision. */
__device__ inline float fd_normal_cdf(float x) {
  const float p[FD_NORMAL_CDF_TERMS] = FD_NORMAL_CDF, end = FD_NORMAL_CDF_END;
  x = fminf(fmaxf(x, -end), end);
  float s = fmaf(x * x, 2.0f / (end * end), -1.0f), sum = p[FD_NORMAL_CDF_TERMS - 1];
#pragma unroll
  for (int i = FD_NORMAL_CDF_TERMS - 2; i >= 0; i--) sum = fmaf(sum, s, p[i]);
  return fmaf(x, sum, 0.5f);
}
__device__ inline float fd_gelu(float x) { return x * fd_normal_cdf(x); }
__device__ inline float fd_gelu_slope(float x) { return fmaf(x * 0.39894228040143268f, expf(-0.5f * x * x), fd_normal_cdf(x)); }

/* The thread's index in a one-dimensional grid, and the number of threads: for grid-stride loops. */
__device__ inline size_t fd_first_item() { return (size_t)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline size_t fd_all_items() { return (size_t)gridDim.x * blockDim.x; }

#endif
