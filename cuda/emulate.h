/* A GPU emulated on the CPU, for tests: the kernels' sources run as C++, each thread a fiber. Device memory is poisoned when
 * allocated and ends at a guard page, shared memory is poisoned, asynchronous copies land as late as they may (bulk copies of
 * whole chunks also at random), and between two barriers the warps run in random order, each as far as it can: a missing barrier
 * or wait yields wrong results. Not built for speed. */
#ifndef FD_CUDA_EMULATE_H
#define FD_CUDA_EMULATE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <functional>

#define __global__
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __restrict__
#define __grid_constant__

typedef struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
} dim3;
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }

static inline float __uint_as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static inline uint32_t __float_as_uint(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Functions that kernels call. */
void __syncthreads();
void fd_emulate_shuffle(const void *mine, void *theirs, size_t bytes, int lane);
int fd_emulate_lane();
void __syncwarp();
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  T other;
  fd_emulate_shuffle(&value, &other, sizeof value, fd_emulate_lane() ^ mask);
  return other;
}
static inline unsigned __match_any_sync(unsigned all, int value) {
  unsigned bits = 0;
  for (int distance = 0; distance < 32; distance++)
    if (__shfl_xor_sync(all, value, distance) == value) bits |= 1u << (fd_emulate_lane() ^ distance);
  return bits;
}
static inline int __popc(unsigned bits) { return __builtin_popcount(bits); }

static inline int fd_thread_here() { return (int)threadIdx.x; }
char *fd_shared();
typedef char *fd_address;
static inline fd_address fd_shared_address() { return fd_shared(); }
static inline void fd_store_number(fd_address at, int number) { memcpy(at, &number, sizeof number); }
static inline int fd_number_here(fd_address at) {
  int number;
  memcpy(&number, at, sizeof number);
  return number;
}
void fd_store_pair(fd_address at, uint32_t pair);
void fd_copy16(fd_address shared, const void *global, int valid);
void fd_copy8(fd_address shared, const void *global, int valid);
void fd_copy_commit();
void fd_emulate_copy_wait(int newest);
template <int N>
void fd_copy_wait() {
  fd_emulate_copy_wait(N);
}
void fd_load_matrices(uint32_t r[4], fd_address row);
void fd_load_transposed(uint32_t r[4], fd_address row);
void fd_multiply(float c[4], const uint32_t a[4], const uint32_t b[2]);

void fd_warpgroup_publish();
void fd_warpgroup_begin();
void fd_warpgroup_commit();
void fd_emulate_group_wait(int newest);
template <int N>
void fd_warpgroup_wait() {
  fd_emulate_group_wait(N);
}
uint32_t fd_shared_offset(fd_address at);
/* sum = (add ? sum : 0) + a b, of `columns` columns; a is in registers or at a descriptor. */
void fd_emulate_group_multiply(float (*sum)[4], int columns, int add, const uint32_t *registers, uint64_t a, uint64_t b, int a_t,
                               int b_t);
template <bool A_T, bool B_T>
void fd_warpgroup_multiply(float sum[16][4], uint64_t a, uint64_t b) {
  fd_emulate_group_multiply(sum, 128, 1, nullptr, a, b, A_T, B_T);
}
template <bool A_T>
void fd_warpgroup_multiply_8(float sum[1][4], uint64_t a, uint64_t b) {
  fd_emulate_group_multiply(sum, 8, 1, nullptr, a, b, A_T, 0);
}
template <bool ADD, bool A_T, bool B_T>
void fd_warpgroup_multiply_64(float sum[8][4], uint64_t a, uint64_t b) {
  fd_emulate_group_multiply(sum, 64, ADD, nullptr, a, b, A_T, B_T);
}
template <bool A_T, bool B_T>
void fd_warpgroup_multiply_256(float sum[32][4], uint64_t a, uint64_t b) {
  fd_emulate_group_multiply(sum, 256, 1, nullptr, a, b, A_T, B_T);
}
template <bool B_T>
void fd_warpgroup_multiply_64(float sum[8][4], const uint32_t a[4], uint64_t b) {
  fd_emulate_group_multiply(sum, 64, 1, a, 0, b, 0, B_T);
}
int fd_uniform(int value);
template <int N>
void fd_registers_give() {}
template <int N>
void fd_registers_take() {}

void fd_emulate_sync(int number, int threads);
template <int NUMBER, int THREADS>
void fd_sync_some() {
  fd_emulate_sync(NUMBER, THREADS);
}
void fd_cluster_arrive();
void fd_cluster_wait();
void fd_mbarrier_init(fd_address mbarrier, int arrivals);
void fd_mbarrier_publish();
void fd_mbarrier_expect(fd_address mbarrier, int bytes);
void fd_mbarrier_arrive(fd_address mbarrier, int rank);
void fd_mbarrier_wait(fd_address mbarrier, int parity);
void fd_copy_cluster(fd_address to, const void *from, int bytes, fd_address mbarrier, int blocks);
struct fd_tensor_map {
  const uint16_t *at;
  int stride, rows, parts;
};
void fd_copy_box(fd_address to, const fd_tensor_map *map, int column, int row, int part, fd_address mbarrier, int blocks);

static inline uint32_t fd_emulate_bf16(float value) {
  uint32_t bits = __float_as_uint(value);
  if (isnan(value)) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
static inline uint32_t fd_bf16_pair(float low, float high) { return fd_emulate_bf16(low) | fd_emulate_bf16(high) << 16; }

/* Runs a kernel: every thread of every block calls `thread`. The blocks of a cluster run concurrently. */
void fd_emulate_run(dim3 grid, int threads, size_t shared, const std::function<void()> &thread, int cluster = 1);

/* The functions of the CUDA runtime that the back end calls. */
typedef int cudaError_t;
typedef void *cudaStream_t;
typedef void *cudaEvent_t;
enum { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorNotReady = 600 };
enum {
  cudaMemcpyDefault = 4,
  cudaStreamNonBlocking = 1,
  cudaEventDefault = 0,
  cudaEventDisableTiming = 2,
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8
};
typedef struct cudaDeviceProp {
  char name[256];
  struct {
    unsigned char bytes[16];
  } uuid;
  int major, minor, multiProcessorCount, l2CacheSize;
  size_t totalGlobalMem, sharedMemPerBlockOptin;
} cudaDeviceProp;
cudaError_t cudaGetDeviceCount(int *count);
#define CUDART_VERSION 13000
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total);
cudaError_t cudaMalloc(void **memory, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaMallocHost(void **memory, size_t bytes);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaGetLastError();
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaFuncSetAttribute(const void *kernel, int attribute, int value);
cudaError_t cudaDeviceGetStreamPriorityRange(int *lowest, int *highest);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);

/* Graphs (emulate_streams.cc). */
enum { cudaStreamCaptureModeThreadLocal = 1, cudaErrorGraphExecUpdateFailure = 910 };
typedef void *cudaGraph_t;
typedef void *cudaGraphExec_t;
typedef void *cudaGraphNode_t;
typedef struct cudaGraphExecUpdateResultInfo {
  int result;
} cudaGraphExecUpdateResultInfo;
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, int mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);

/* Launches a kernel with this much shared memory per block; `run` executes it. `staying`: blocks that divide all work among them,
 * for each of which there must be a multiprocessor that no kernel of NCCL holds (0: blocks that may wait for one). */
void fd_emulate_launch(cudaStream_t stream, const void *kernel, size_t shared, unsigned staying, std::function<void()> run);

/* Aborts if a kernel's argument contains an address of host memory, which a GPU could not access. */
void fd_emulate_argument(const void *argument, size_t bytes);

/* The same once the padding between its members, in which half of an address may be left, is zero. Compilers that cannot clear
 * padding check nothing. */
template <class T>
void fd_emulate_check(T *argument) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(argument);
  fd_emulate_argument(argument, sizeof *argument);
#endif
#endif
  (void)argument;
}

/* Runs an operation of the GPU: device memory is closed to everything else. */
void fd_emulate_work(const std::function<void()> &operation);

/* Shared by the emulator's files: setting the error that cudaGetLastError returns, aborting at a call that is forbidden during
 * stream capture, whether an address is in device memory, and how much shared memory a kernel's blocks may use. */
cudaError_t fd_emulate_fail(cudaError_t error);
void fd_emulate_not_recorded(const char *what);
int fd_emulate_on_device(const void *at);
size_t fd_emulate_shared_of(const void *kernel);

#endif
