/* A GPU as a device: the plugin's entry point, device memory, scratch memory, copies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <new>

#include "cuda/blas.h"
#include "cuda/fragment.h"
#include "cuda/matrix.h"
#include "cuda/nccl.h"
#include "build_interface.h"

enum { THREADS = 256, PAD_BF16 = 16, PAD_FP32 = 4 };

fd_status fd_cuda_check(fd_cuda *cuda, cudaError_t error, const char *what) {
  if (error == cudaSuccess) return FD_OK;
  fd_status status = cuda->host->fail(error == cudaErrorMemoryAllocation ? FD_MEMORY : FD_GPU, "%s: %s: %s", cuda->name, what,
                                      cudaGetErrorString(error));
  if (cuda->failed == FD_OK) cuda->failed = status;
  return status;
}

fd_status fd_cuda_take(fd_cuda *cuda, void **out, size_t bytes, const char *what) {
  size_t free_bytes = 0, total = 0;
  *out = NULL;
  fd_cuda_graph_cut(cuda);
  cudaError_t error = cudaMalloc(out, bytes ? bytes : 1);
  if (error == cudaSuccess) return FD_OK;
  cudaGetLastError(); /* clears the error, which is reported below: the next launch must not report it */
  *out = NULL;
  cudaMemGetInfo(&free_bytes, &total);
  return cuda->host->fail(error == cudaErrorMemoryAllocation ? FD_MEMORY : FD_GPU,
                          "%s: %.2f GB for %s: %s (%.2f of %.2f GB are free)", cuda->name, 1e-9 * (double)bytes, what,
                          cudaGetErrorString(error), 1e-9 * (double)free_bytes, 1e-9 * (double)total);
}

void *fd_cuda_scratch(fd_cuda *cuda, fd_cuda_slot slot, size_t bytes) {
  if (bytes > cuda->scratch_bytes[slot]) {
    fd_cuda_graph_cut(cuda);
    fd_cuda_check(cuda, cudaStreamSynchronize(cuda->stream), "a kernel before more scratch memory was needed");
    cudaFree(cuda->scratch[slot]);
    cuda->scratch_bytes[slot] = 0;
    fd_status status = fd_cuda_take(cuda, &cuda->scratch[slot], bytes, "scratch memory of the kernels");
    if (status != FD_OK && cuda->failed == FD_OK) cuda->failed = status;
    if (status != FD_OK) return NULL;
    cuda->scratch_bytes[slot] = bytes;
  }
  return cuda->scratch[slot];
}

void fd_cuda_allow_shared(fd_cuda *cuda, const void *kernel, size_t shared, const char *name) {
  size_t i = 0;
  while (i < cuda->large_kernels.size() && cuda->large_kernels[i].kernel != kernel) i++;
  if (i == cuda->large_kernels.size()) cuda->large_kernels.push_back({kernel, 0});
  if (cuda->large_kernels[i].shared >= shared) return;
  cuda->large_kernels[i].shared = shared;
  fd_cuda_check(cuda, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared), name);
}

void fd_cuda_fetch(fd_cuda *cuda, void *to, const void *from, size_t bytes) {
  memset(to, 0, bytes);
  fd_cuda_graph_cut(cuda);
  if (cuda->failed != FD_OK || !from) return;
  fd_cuda_check(cuda, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, cuda->stream), "a copy to the host");
  fd_cuda_check(cuda, cudaStreamSynchronize(cuda->stream), "a kernel");
}

static fd_status gpu_alloc(fd_device *dev, void *out, size_t bytes, const char *what) {
  fd_cuda *cuda = fd_cuda_of(dev);
  void *memory;
  fd_status status = fd_cuda_take(cuda, &memory, bytes, what);
  if (status == FD_OK) cuda->allocations.push_back({(char *)memory, bytes});
  memcpy(out, &memory, sizeof memory);
  return status;
}

static void gpu_release(fd_device *dev, void *buffer) {
  fd_cuda *cuda = fd_cuda_of(dev);
  fd_cuda_graph_cut(cuda);
  for (size_t i = 0; buffer && i < cuda->allocations.size(); i++) {
    if (cuda->allocations[i].at != buffer) continue;
    fd_cuda_forget(cuda, buffer, cuda->allocations[i].bytes);
    cuda->allocations.erase(cuda->allocations.begin() + (long)i);
    break;
  }
  cudaFree(buffer);
}

/* Pinned host memory: copies from and to it run at the full speed of the bus. */
static fd_status gpu_alloc_host(fd_device *dev, void *out, size_t bytes, const char *what) {
  fd_cuda *cuda = fd_cuda_of(dev);
  void *memory = NULL;
  fd_cuda_graph_cut(cuda);
  cudaError_t error = cudaMallocHost(&memory, bytes ? bytes : 1);
  memcpy(out, &memory, sizeof memory);
  if (error == cudaSuccess) return FD_OK;
  cudaGetLastError();
  return cuda->host->fail(FD_MEMORY, "%.2f GB of pinned memory for %s: %s", 1e-9 * (double)bytes, what,
                          cudaGetErrorString(error));
}

static void gpu_release_host(fd_device *dev, void *buffer) {
  fd_cuda_graph_cut(fd_cuda_of(dev));
  if (buffer) cudaFreeHost(buffer);
}

static int on_device(const fd_cuda *cuda, const void *at) {
  int inside = 0;
  for (const auto &a : cuda->allocations) inside |= (const char *)at >= a.at && (const char *)at < a.at + a.bytes;
  return inside;
}

/* A copy from or to the host is complete when this returns, so that the caller may read the destination and change or free the
 * source: cudaMemcpyAsync guarantees neither, not even for a source in pageable memory. */
static fd_status gpu_copy(fd_device *dev, void *to, const void *from, size_t bytes) {
  fd_cuda *cuda = fd_cuda_of(dev);
  fd_cuda_graph_cut(cuda);
  if (cuda->failed != FD_OK) return cuda->failed;
  fd_cuda_written(cuda, to, bytes);
  FD_TRY(fd_cuda_check(cuda, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, cuda->stream), "a copy"));
  if (on_device(cuda, to) && on_device(cuda, from)) return FD_OK;
  return fd_cuda_check(cuda, cudaStreamSynchronize(cuda->stream), "a kernel before a copy");
}

static fd_status gpu_sync(fd_device *dev) {
  fd_cuda *cuda = fd_cuda_of(dev);
  fd_cuda_graph_cut(cuda);
  if (cuda->failed == FD_OK) fd_cuda_check(cuda, cudaStreamSynchronize(cuda->stream), "a kernel");
  return cuda->failed;
}

static void gpu_destroy(fd_device *dev) {
  fd_cuda *cuda = fd_cuda_of(dev);
  fd_cuda_graph_cut(cuda);
  for (auto &g : cuda->graphs)
    if (g.executable) cudaGraphExecDestroy(g.executable);
  for (auto &w : cuda->weights) cudaFree(w.packed);
  for (void *scratch : cuda->scratch) cudaFree(scratch);
  fd_blas_close(cuda);
  fd_times_close(cuda);
  if (cuda->stream) cudaStreamDestroy(cuda->stream);
  delete cuda;
}

static int driver(void) {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

static int count(void) {
  int gpus = 0;
  return cudaGetDeviceCount(&gpus) == cudaSuccess ? gpus : 0;
}

static int describe(int gpu, fd_gpu *out) {
  cudaDeviceProp p;
  size_t free_bytes = 0, total = 0;
  cudaError_t error = cudaGetDeviceProperties(&p, gpu);
  if (error == cudaSuccess) error = cudaSetDevice(gpu);
  if (error == cudaSuccess) error = cudaMemGetInfo(&free_bytes, &total);
  memset(out, 0, sizeof *out);
  if (error != cudaSuccess) return (int)error;
  snprintf(out->name, sizeof out->name, "%.100s", p.name);
  out->major = p.major;
  out->minor = p.minor;
  out->memory = total;
  out->shared = p.sharedMemPerBlockOptin;
  out->fill = p.multiProcessorCount * FD_TILE_ROWS;
  out->free_memory = free_bytes;
  memcpy(out->uuid, p.uuid.bytes, sizeof out->uuid);
  return 0;
}

static const char *const product_names[FD_PRODUCTS] = {"chain", "single", "warpgroup", "plain", "library"};

/* FINDNA_PRODUCTS, for measurements: the last bits of the results depend on it. */
static fd_status choose_products(fd_cuda *cuda, const fd_gpu *gpu, int wanted) {
  const char *named = getenv("FINDNA_PRODUCTS");
  cuda->products = wanted != FD_PRODUCTS_DEFAULT ? wanted : gpu->major == 9 ? FD_PRODUCTS_SINGLE : FD_PRODUCTS_CHAIN;
  if (named) {
    int i = 0;
    while (i < FD_PRODUCTS && strcmp(named, product_names[i])) i++;
    if (i == FD_PRODUCTS)
      return cuda->host->fail(FD_CONFIG, "FINDNA_PRODUCTS=%s: expected chain, single, warpgroup, plain or library", named);
    cuda->products = i;
  }
  if (cuda->products == FD_PRODUCTS_WARPGROUP && gpu->major != 9)
    return cuda->host->fail(FD_CONFIG, "FINDNA_PRODUCTS=warpgroup needs compute capability 9.0, and %s has %d.%d", gpu->name,
                            gpu->major, gpu->minor);
  return FD_OK;
}

/* FINDNA_GRAPH=1, for measurements: the results are bit-identical. */
static fd_status choose_graphs(fd_cuda *cuda) {
  const char *named = getenv("FINDNA_GRAPH");
  if (!named || !strcmp(named, "0")) return FD_OK;
  if (strcmp(named, "1")) return cuda->host->fail(FD_CONFIG, "FINDNA_GRAPH=%s: expected 0 or 1", named);
  cuda->device.begin = fd_cuda_graph_begin;
  cuda->device.end = fd_cuda_graph_end;
  return FD_OK;
}

/* The description of the device, and its operations. */
static void fill_device(fd_cuda *cuda, const fd_gpu *gpu, const fd_gpu_options *options) {
  snprintf(cuda->name, sizeof cuda->name, "GPU %d (%s%s%s%s)", options->gpu, gpu->name, cuda->products ? ", products: " : "",
           cuda->products ? product_names[cuda->products] : "", cuda->device.begin ? ", graphs" : "");
  snprintf(cuda->kernels, sizeof cuda->kernels, "compute capability %d.%d, products %s", gpu->major, gpu->minor,
           product_names[cuda->products]);
  cuda->device.kind = "cuda";
  cuda->device.simd = cuda->name;
  cuda->device.kernels = cuda->kernels;
  cuda->device.threads = 1;
  cuda->device.own_memory = 1;
  cuda->device.fill = gpu->fill;
  cuda->multiprocessors = gpu->fill / FD_TILE_ROWS;
  cuda->device.gpu = options->gpu;
  memcpy(cuda->device.uuid, gpu->uuid, sizeof gpu->uuid);
  cuda->device.form = options->bf16 ? fd_form{FD_BF16, PAD_BF16, 0} : fd_form{FD_FP32, PAD_FP32, 0};
  cuda->device.alloc = gpu_alloc;
  cuda->device.release = gpu_release;
  cuda->device.alloc_host = gpu_alloc_host;
  cuda->device.release_host = gpu_release_host;
  cuda->device.copy = gpu_copy;
  cuda->device.sync = gpu_sync;
  cuda->device.destroy = gpu_destroy;
  cuda->device.link_id = fd_nccl_id;
  cuda->device.link = fd_nccl_link;
  cuda->device.free_memory = gpu->free_memory;
#define OP(name, args) cuda->device.ops.name = fd_cuda_##name;
#define LEAN_OP(name, args) /* plans of this device keep all activations */
#include "device/ops.def"
#undef OP
}

static fd_status open_gpu(fd_device **dev, const fd_plugin_host *host, const fd_gpu_options *options) {
  fd_gpu gpu;
  *dev = NULL;
  if (describe(options->gpu, &gpu))
    return host->fail(FD_GPU, "GPU %d cannot be opened: %s", options->gpu, cudaGetErrorString(cudaGetLastError()));
  if (gpu.major < FD_GPU_MAJOR)
    return host->fail(FD_CONFIG, "GPU %d (%s) has compute capability %d.%d; the lowest supported is %d.0 (A100)", options->gpu,
                      gpu.name, gpu.major, gpu.minor, FD_GPU_MAJOR);
  fd_cuda *cuda = new (std::nothrow) fd_cuda();
  if (!cuda) return host->fail(FD_MEMORY, "no memory for the GPU's device");
  cuda->host = host;
  cuda->shared_limit = gpu.shared;
  fd_status status = choose_products(cuda, &gpu, options->products);
  if (status == FD_OK) status = choose_graphs(cuda);
  if (status != FD_OK) {
    delete cuda;
    return status;
  }
  fill_device(cuda, &gpu, options);
  status = cuda->products == FD_PRODUCTS_LIBRARY ? fd_blas_open(cuda) : FD_OK;
  if (status == FD_OK) status = fd_times_open(cuda);
  if (status == FD_OK) status = fd_cuda_check(cuda, cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking), "a stream");
  if (status != FD_OK) {
    gpu_destroy(&cuda->device);
    return status;
  }
  *dev = &cuda->device;
  return FD_OK;
}

extern "C" __attribute__((visibility("default"))) const fd_plugin *fd_plugin_entry(void) {
  static const fd_plugin plugin = {FD_INTERFACE, CUDART_VERSION, driver, count, describe, open_gpu};
  return &plugin;
}
