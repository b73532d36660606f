/* The language in which the kernels are written: CUDA under nvcc; under any other C++ compiler, the same names for an emulated
 * GPU (emulate.h). Instructions that C++ cannot express are wrapped in functions, which the emulation provides too. */
#ifndef FD_CUDA_GPU_H
#define FD_CUDA_GPU_H

#include <stdint.h>

#ifdef __CUDACC__
#include <cuda.h>
#include <cuda_runtime.h>
#else
#include "cuda/emulate.h"
#endif

enum { FD_WARP = 32 };

/* Two bf16 numbers in a register, the first in the lower half. Conversion rounds to nearest, ties to even. */
typedef uint32_t fd_bf16x2;

__device__ inline float fd_bf16_low(fd_bf16x2 pair) { return __uint_as_float(pair << 16); }
__device__ inline float fd_bf16_high(fd_bf16x2 pair) { return __uint_as_float(pair & 0xffff0000u); }

#ifdef __CUDACC__

/* threadIdx.x, read at this point, so that values derived from it occupy no registers earlier in the kernel. */
__device__ inline int fd_thread_here() {
  int thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
}

/* The dynamic shared memory of the block, aligned to 1024 bytes. */
__device__ inline char *fd_shared() {
  extern __shared__ __align__(1024) char fd_shared_memory[];
  return fd_shared_memory;
}

/* The same memory as a 32-bit shared-memory address, the form that the instructions below take; byte offsets may be added. */
typedef uint32_t fd_address;
__device__ inline fd_address fd_shared_address() { return (uint32_t)__cvta_generic_to_shared(fd_shared()); }

/* Stores a number in shared memory, and reads it at this point, so that it occupies no register in between. */
__device__ inline void fd_store_number(fd_address at, int number) {
  asm volatile("st.shared.s32 [%0], %1;" ::"r"(at), "r"(number) : "memory");
}
__device__ inline int fd_number_here(fd_address at) {
  int number;
  asm volatile("ld.shared.s32 %0, [%1];" : "=r"(number) : "r"(at) : "memory");
  return number;
}

/* Stores two bf16 numbers in shared memory. */
__device__ inline void fd_store_pair(fd_address at, fd_bf16x2 pair) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(at), "r"(pair) : "memory");
}

__device__ inline fd_bf16x2 fd_bf16_pair(float low, float high) {
  fd_bf16x2 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

/* Starts an asynchronous copy of 16 bytes from global to shared memory; if !valid, writes zeros and reads nothing. */
__device__ inline void fd_copy16(fd_address shared, const void *global, int valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(valid ? 16 : 0) : "memory");
}

/* The same for 8 bytes. */
__device__ inline void fd_copy8(fd_address shared, const void *global, int valid) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared), "l"(global), "r"(valid ? 8 : 0) : "memory");
}

/* Makes one group of the copies that this thread has started since its last commit. */
__device__ inline void fd_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* Waits until at most the N most recent groups of this thread's copies are pending. */
template <int N>
__device__ inline void fd_copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/* Loads four 8 x 8 bf16 matrices from shared memory: lane l supplies the address of row l % 8 of matrix l / 8 and receives the
 * elements (l / 4, 2 (l % 4)) and (l / 4, 2 (l % 4) + 1) of each matrix. */
__device__ inline void fd_load_matrices(uint32_t r[4], fd_address row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

/* The same with the matrices transposed: lane l receives the elements (2 (l % 4), l / 4) and (2 (l % 4) + 1, l / 4). */
__device__ inline void fd_load_transposed(uint32_t r[4], fd_address row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

/* c[16, 8] += a[16, 16] b[16, 8]: bf16 operands, fp32 accumulation; fragments as in fragment.h. */
__device__ inline void fd_multiply(float c[4], const uint32_t a[4], const uint32_t b[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* Warpgroup instructions, which GPUs of compute capability 9.0 provide. */

/* Makes this thread's writes to shared memory visible to its fd_warpgroup_multiply and, after a barrier, to that of other
 * threads. */
__device__ inline void fd_warpgroup_publish() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

/* Required before an fd_warpgroup_multiply if other instructions have written the registers of its sums. */
__device__ inline void fd_warpgroup_begin() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

/* Makes one group of the products that the warpgroup has started since its last commit. */
__device__ inline void fd_warpgroup_commit() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

/* Waits until at most the N most recent groups are pending. */
template <int N>
__device__ inline void fd_warpgroup_wait() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
#endif
}

/* A shared-memory address in the form that matrix descriptors use (fd_descriptor removes the rank in the cluster). */
__device__ inline uint32_t fd_shared_offset(fd_address at) { return at; }

/* The registers of eight columns of sums, and of 64 columns from fragment j on, as operands of the instructions below. */
#define FD_SUM(j) "+f"(sum[j][0]), "+f"(sum[j][1]), "+f"(sum[j][2]), "+f"(sum[j][3])
#define FD_SUMS_FROM(j) \
  FD_SUM(j), FD_SUM(j + 1), FD_SUM(j + 2), FD_SUM(j + 3), FD_SUM(j + 4), FD_SUM(j + 5), FD_SUM(j + 6), FD_SUM(j + 7)

/* sum += a[64, 16] b[16, 128] by the four warps of a warpgroup. Warp w has rows 16 w .. 16 w + 15; in each 8 columns, its lanes
 * hold elements as for fd_multiply. Asynchronous: the sums are valid after fd_warpgroup_wait. */
template <bool A_T, bool B_T>
__device__ inline void fd_warpgroup_multiply(float sum[16][4], uint64_t a, uint64_t b) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, "
      "%15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, "
      "%39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, "
      "%63}, %64, %65, 1, 1, 1, %66, %67;"
      : FD_SUMS_FROM(0), FD_SUMS_FROM(8)
      : "l"(a), "l"(b), "n"((int)A_T), "n"((int)B_T));
#endif
}

/* The same for 8 columns, with b not transposed: sum += a[64, 16] b[16, 8]. */
template <bool A_T>
__device__ inline void fd_warpgroup_multiply_8(float sum[1][4], uint64_t a, uint64_t b) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %5, 1, 1, 1, %6, 0;"
               : "+f"(sum[0][0]), "+f"(sum[0][1]), "+f"(sum[0][2]), "+f"(sum[0][3])
               : "l"(a), "l"(b), "n"((int)A_T));
#endif
}

/* The same for 64 columns, sum += a[64, 16] b[16, 64], or sum = the product if !ADD; and for 256. */
#define FD_SUMS FD_SUMS_FROM(0)
#define FD_MULTIPLY_64                                                                                                           \
  "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
template <bool ADD, bool A_T, bool B_T>
__device__ inline void fd_warpgroup_multiply_64(float sum[8][4], uint64_t a, uint64_t b) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile(FD_MULTIPLY_64 "%32, %33, %34, 1, 1, %35, %36;"
               : FD_SUMS
               : "l"(a), "l"(b), "n"((int)ADD), "n"((int)A_T), "n"((int)B_T));
#endif
}

template <bool A_T, bool B_T>
__device__ inline void fd_warpgroup_multiply_256(float sum[32][4], uint64_t a, uint64_t b) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
      "%23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, "
      "%44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, "
      "%65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, "
      "%86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, "
      "%106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, "
      "%124, %125, %126, %127"
      "}, %128, %129, 1, 1, 1, %130, %131;"
      : FD_SUMS_FROM(0), FD_SUMS_FROM(8), FD_SUMS_FROM(16), FD_SUMS_FROM(24)
      : "l"(a), "l"(b), "n"((int)A_T), "n"((int)B_T));
#endif
}

/* The 64-column product with a in registers, which hold each warp's 16 rows as for fd_multiply. The registers must not change
 * until fd_warpgroup_wait. */
template <bool B_T>
__device__ inline void fd_warpgroup_multiply_64(float sum[8][4], const uint32_t a[4], uint64_t b) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile(FD_MULTIPLY_64 "{%32, %33, %34, %35}, %36, 1, 1, 1, %37;"
               : FD_SUMS
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"((int)B_T));
#endif
}
#undef FD_MULTIPLY_64
#undef FD_SUMS
#undef FD_SUMS_FROM
#undef FD_SUM

/* Tells the compiler that a value is uniform across the warp, so that values derived from it are computed once per warp. */
__device__ inline int fd_uniform(int value) { return __shfl_sync(0xffffffffu, value, 0); }

/* Change the registers of each thread of the warpgroup to N: fd_registers_give releases registers, fd_registers_take acquires
 * registers that other warpgroups released. All threads of the warpgroup must call. */
template <int N>
__device__ inline void fd_registers_give() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
#endif
}
template <int N>
__device__ inline void fd_registers_take() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
#endif
}

/* A named barrier for THREADS threads of the block (number 0 is the barrier of __syncthreads). */
template <int NUMBER, int THREADS>
__device__ inline void fd_sync_some() {
  asm volatile("bar.sync %0, %1;" ::"n"(NUMBER), "n"(THREADS) : "memory");
}

/* A barrier for all threads of a cluster: each arrives, and later waits until all have arrived. A block's shared memory may be
 * written by another block only while both are running, so kernels synchronize at the beginning, arrive when they no longer write
 * to another block, and wait before they end. Arriving waits for the thread's stores so far to complete. */
__device__ inline void fd_cluster_arrive() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
#endif
}
__device__ inline void fd_cluster_wait() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}

/* Initializes an mbarrier: eight bytes of shared memory that count in phases. A phase completes when `arrivals` threads have
 * arrived and all expected bytes have been copied; the next phase begins at once. */
__device__ inline void fd_mbarrier_init(fd_address mbarrier, int arrivals) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(mbarrier), "r"(arrivals) : "memory");
#endif
}

/* Makes the mbarriers that this thread has initialized visible to the cluster and to copies, once the cluster has met. */
__device__ inline void fd_mbarrier_publish() {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

/* Adds to the bytes that the current phase expects, and arrives. */
__device__ inline void fd_mbarrier_expect(fd_address mbarrier, int bytes) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(mbarrier), "r"(bytes) : "memory");
#endif
}

/* Arrives at the mbarrier at the same offset in block `rank` of the cluster. This signals that products and copies that were
 * waited for are complete. It orders other memory accesses within the block only: a release at cluster scope would wait for all
 * of the thread's stores. */
__device__ inline void fd_mbarrier_arrive(fd_address mbarrier, int rank) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile(
      "{\n\t.reg .b32 there;\n\tmapa.shared::cluster.u32 there, %0, %1;\n\t"
      "mbarrier.arrive.shared::cluster.b64 _, [there];\n\t}" ::"r"(mbarrier),
      "r"(rank)
      : "memory");
#endif
}

/* Waits until the phase of this parity has completed. Phases alternate between parity 0 and 1; before the first, a phase of
 * parity 1 counts as completed. */
__device__ inline void fd_mbarrier_wait(fd_address mbarrier, int parity) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  uint32_t ended;
  do {
    asm volatile(
        "{\n\t.reg .pred ended;\n\tmbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;\n\t"
        "selp.u32 %0, 1, 0, ended;\n\t}"
        : "=r"(ended)
        : "r"(mbarrier), "r"(parity)
        : "memory");
  } while (!ended);
#endif
}

/* Starts one copy from global memory to the same shared-memory offset in every block of the cluster whose bit is set in `blocks`.
 * The bytes are counted by the mbarrier at the same offset in each block. `to`, `from` and `bytes` are multiples of 16. */
__device__ inline void fd_copy_cluster(fd_address to, const void *from, int bytes, fd_address mbarrier, int blocks) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1], %2, [%3], %4;" ::"r"(to),
      "l"(from), "r"(bytes), "r"(mbarrier), "h"((uint16_t)blocks)
      : "memory");
#endif
}

/* Describes parts of equally many bf16 rows to the copy below (tensor_map.h). Kernels take it as a __grid_constant__. */
typedef CUtensorMap fd_tensor_map;

/* Starts one copy of a box, FD_BOX_ROWS rows by FD_BOX_COLUMNS columns from (row, column) of a part on, in the same way. Elements
 * beyond the part's rows and columns become zeros. The box is stored as rows of 128 bytes in the swizzling of fd_descriptor; `to`
 * is a multiple of 1024 from the beginning of shared memory. */
__device__ inline void fd_copy_box(fd_address to, const fd_tensor_map *map, int column, int row, int part, fd_address mbarrier,
                                   int blocks) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], "
      "[%1, {%2, %3, %4}], [%5], %6;" ::"r"(to),
      "l"(map), "r"(column), "r"(row), "r"(part), "r"(mbarrier), "h"((uint16_t)blocks)
      : "memory");
#endif
}

#endif
#endif
