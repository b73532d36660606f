/* What kernels are written in: CUDA under nvcc, and under any C++ compiler the same words for an emulated GPU (emulate.h). The
 * instructions that C++ has no words for are functions here, so that both have them. */
#ifndef FD_CUDA_GPU_H
#define FD_CUDA_GPU_H

#include <stdint.h>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include "cuda/emulate.h"
#endif

enum { FD_WARP = 32 };

/* Two bf16 numbers in a register, the first one in the lower half, rounded to the nearest (even). */
typedef uint32_t fd_bf16x2;

__device__ inline float fd_bf16_low(fd_bf16x2 pair) { return __uint_as_float(pair << 16); }
__device__ inline float fd_bf16_high(fd_bf16x2 pair) { return __uint_as_float(pair & 0xffff0000u); }

#ifdef __CUDACC__

/* The dynamic shared memory of the block, aligned to 128 bytes. */
__device__ inline char *fd_shared() {
  extern __shared__ __align__(128) char fd_shared_memory[];
  return fd_shared_memory;
}

/* The same as an address of the instructions below: 32 bits that can be added to. */
typedef uint32_t fd_address;
__device__ inline fd_address fd_shared_address() { return (uint32_t)__cvta_generic_to_shared(fd_shared()); }

/* Stores two bf16 numbers there. */
__device__ inline void fd_store_pair(fd_address at, fd_bf16x2 pair) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(at), "r"(pair) : "memory");
}

__device__ inline fd_bf16x2 fd_bf16_pair(float low, float high) {
  fd_bf16x2 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

/* Starts to copy 16 bytes from global to shared memory; with !valid it writes zeros and reads nothing. */
__device__ inline void fd_copy16(fd_address shared, const void *global, int valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(valid ? 16 : 0) : "memory");
}

/* Closes the group of copies that this thread has started. */
__device__ inline void fd_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* Waits until at most N of this thread's newest groups are under way. */
template <int N>
__device__ inline void fd_copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/* Four 8 x 8 matrices of bf16 from shared memory: lane l gives the address of row l % 8 of matrix l / 8 and receives of each
 * matrix the elements (l / 4, 2 (l % 4)) and (l / 4, 2 (l % 4) + 1). */
__device__ inline void fd_load_matrices(uint32_t r[4], fd_address row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

/* The same of the transposed matrices: the elements (2 (l % 4), l / 4) and (2 (l % 4) + 1, l / 4). */
__device__ inline void fd_load_transposed(uint32_t r[4], fd_address row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

/* c[16, 8] += a[16, 16] b[16, 8]: products of bf16, sums of fp32; fragments as in fragment.h. */
__device__ inline void fd_multiply(float c[4], const uint32_t a[4], const uint32_t b[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif
#endif
