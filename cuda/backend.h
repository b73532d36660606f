/* The CUDA back end's own state, shared by its files. */
#ifndef FD_CUDA_BACKEND_H
#define FD_CUDA_BACKEND_H

#include <vector>

#include "cuda/gpu.h"
extern "C" {
#include "device/plugin.h"
}

/* Scratch buffers by use; each grows to the largest size requested and is kept. */
enum fd_cuda_slot { FD_SLOT_H, FD_SLOT_Z, FD_SLOT_DM, FD_SLOT_DA, FD_SLOT_PARTIAL, FD_SLOT_SUMS, FD_SLOT_PRODUCT, FD_SLOTS };

/* How a copy of weights is stored, in bf16: in rows with padding, or in tile order (fragment.h), with hidden units as rows of the
 * matrix or as columns. */
enum fd_cuda_order { FD_IN_ROWS, FD_TILES_UNITS_DOWN, FD_TILES_UNITS_ACROSS };

/* The copy of a weight matrix that products read. */
struct fd_cuda_weight {
  const float *from;
  int rows, columns, order, stale;
  int all_rows, all_columns; /* of the copy, with padding */
  uint16_t *packed;
};

/* An executable graph and its number of operations. */
enum { FD_GRAPHS = 4 };
struct fd_cuda_graph {
  size_t nodes;
  cudaGraphExec_t executable;
};

struct fd_cuda {
  fd_device device; /* must be first: a pointer to it is a pointer to its fd_cuda */
  const fd_plugin_host *host;
  cudaStream_t stream;
  int products;
  size_t shared_limit; /* bytes of shared memory per block at most */
  int multiprocessors;
  int lent; /* of these, to NCCL, whose kernels may run beside those launched now */
  struct large_kernel {
    const void *kernel;
    size_t shared;
  };
  std::vector<large_kernel> large_kernels; /* allowed more shared memory than FD_SHARED_USUAL */
  struct fd_times *times;                  /* with FINDNA_TIMES=1, else NULL */
  char name[160], kernels[96];
  struct fd_blas *blas; /* cuBLASLt, or NULL: then product.h computes wide linear layers */
  void *scratch[FD_SLOTS];
  size_t scratch_bytes[FD_SLOTS];
  struct allocation {
    char *at;
    size_t bytes;
  };
  std::vector<allocation> allocations;
  std::vector<fd_cuda_weight> weights;
  int recording; /* the stream is being captured */
  fd_cuda_graph graphs[FD_GRAPHS];
  unsigned oldest_graph;
  fd_status failed; /* the first failure of an operation; reported by sync */
};

static inline fd_cuda *fd_cuda_of(fd_device *dev) { return (fd_cuda *)dev; }

/* Records (and logs, once) the failure of a call of the CUDA runtime; `what` names the operation. */
fd_status fd_cuda_check(fd_cuda *cuda, cudaError_t error, const char *what);

/* Allocates device memory; `what` names its purpose in the error message. */
fd_status fd_cuda_take(fd_cuda *cuda, void **out, size_t bytes, const char *what);

/* A scratch buffer of at least `bytes`, or NULL after a failure. Kernels can share it because the stream runs them in order. */
void *fd_cuda_scratch(fd_cuda *cuda, fd_cuda_slot slot, size_t bytes);

/* Weights w [rows, columns] in the form that products read: in bf16 with padded rows, converted at first use and again after a
 * write; or unchanged. */
fd_mat fd_cuda_weights(fd_cuda *cuda, const float *w, int rows, int columns);

/* The same in tile order, in bf16, for a matrix of at most FD_ORDER_CHANNELS channels and any number of hidden units. */
const uint16_t *fd_cuda_tiles(fd_cuda *cuda, const float *w, int rows, int columns, fd_cuda_order order);

/* To be called when memory that may hold weights is written, and when it is released. */
void fd_cuda_written(fd_cuda *cuda, const void *at, size_t bytes);
void fd_cuda_forget(fd_cuda *cuda, const void *at, size_t bytes);

/* Copies a value from the device to the host and waits for it. */
void fd_cuda_fetch(fd_cuda *cuda, void *to, const void *from, size_t bytes);

/* fd_device's begin and end. */
void fd_cuda_graph_begin(fd_device *dev);
void fd_cuda_graph_end(fd_device *dev);

/* To be called before any operation that stream capture forbids: synchronization, allocation and release of memory, copies from
 * or to the host, events. What has been captured so far is launched, and the rest of the pass runs without a graph. */
void fd_cuda_graph_cut(fd_cuda *cuda);

/* Bytes of shared memory that a block may use without cudaFuncSetAttribute. */
enum { FD_SHARED_USUAL = 48 << 10 };

/* Allows a kernel's blocks this much shared memory, the first time the kernel needs it. */
void fd_cuda_allow_shared(fd_cuda *cuda, const void *kernel, size_t shared, const char *name);

/* Times of kernels (times.cu): the work put on a stream between begin and end counts under the kernel's name; `kernel` may be
 * NULL. */
fd_status fd_times_open(fd_cuda *cuda);
void fd_times_begin(fd_cuda *cuda, cudaStream_t stream, const void *kernel, const char *name);
void fd_times_end(fd_cuda *cuda, cudaStream_t stream);
/* Prints the times to stderr and releases them. */
void fd_times_close(fd_cuda *cuda);

static inline unsigned fd_blocks(size_t items, size_t per_block) { return (unsigned)((items + per_block - 1) / per_block); }

/* How many clusters of `size` blocks share `items` of work if each stays until all is done: as many as run at a time, one block
 * per multiprocessor. One more would start when the others end, and take as long again. */
static inline unsigned fd_clusters(const fd_cuda *cuda, int size, int items) {
  int most = (cuda->multiprocessors - cuda->lent) / size;
  return (unsigned)(items < most ? items : most > 1 ? most : 1);
}

/* Launches a kernel on a stream, with its blocks in clusters of `cluster` (1: without clusters). `name` is for messages. */
template <class... P, class... A>
inline void fd_start(fd_cuda *cuda, cudaStream_t stream, const char *name, void (*kernel)(P...), dim3 grid, int cluster,
                     int threads, size_t shared, A... arguments) {
  if (cuda->failed != FD_OK || !grid.x || !grid.y || !grid.z) return;
  if (shared > FD_SHARED_USUAL) fd_cuda_allow_shared(cuda, (const void *)kernel, shared, name);
  if (cuda->times) fd_times_begin(cuda, stream, (const void *)kernel, name);
#ifdef __CUDACC__
  cudaLaunchAttribute together = {};
  together.id = cudaLaunchAttributeClusterDimension;
  together.val.clusterDim.x = (unsigned)cluster, together.val.clusterDim.y = together.val.clusterDim.z = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid, config.blockDim = dim3((unsigned)threads), config.dynamicSmemBytes = shared, config.stream = stream;
  config.attrs = &together, config.numAttrs = cluster > 1;
  cudaLaunchKernelEx(&config, kernel, arguments...);
#else
  (fd_emulate_check(&arguments), ...);
  fd_emulate_launch(stream, (const void *)kernel, shared, cluster > 1 ? grid.x : 0, [=]() {
    fd_emulate_run(
        grid, threads, shared, [=]() { kernel(arguments...); }, cluster);
  });
#endif
  fd_cuda_check(cuda, cudaGetLastError(), name);
  if (cuda->times) fd_times_end(cuda, stream);
}

template <class... P, class... A>
inline void fd_launch_on(fd_cuda *cuda, cudaStream_t stream, const char *name, void (*kernel)(P...), dim3 grid, int threads,
                         size_t shared, A... arguments) {
  fd_start(cuda, stream, name, kernel, grid, 1, threads, shared, arguments...);
}

template <class... P, class... A>
inline void fd_launch(fd_cuda *cuda, const char *name, void (*kernel)(P...), dim3 grid, int threads, size_t shared,
                      A... arguments) {
  fd_start(cuda, cuda->stream, name, kernel, grid, 1, threads, shared, arguments...);
}

#define FD_LAUNCH(cuda, kernel, ...) fd_launch(cuda, #kernel, kernel, __VA_ARGS__)

extern "C" {
#define OP(name, args) void fd_cuda_##name args;
#define LEAN_OP(name, args)
#include "device/ops.def"
#undef OP
}

#endif
