/* The link over NCCL: a stream of its own beside the device's, handed over by events. The library is loaded when ranks need it:
 * one GPU works without. */
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <new>

#include "cuda/nccl.h"

#if defined(__CUDACC__) && defined(__has_include)
#if __has_include(<nccl.h>)
#define FD_HAVE_NCCL 1
#include <nccl.h>
#endif
#endif

#ifdef FD_HAVE_NCCL

static_assert(FD_LINK_ID >= sizeof(ncclUniqueId), "a link's id holds NCCL's");

namespace {

enum { THREADS = 256, POLL_MICROSECONDS = 200 };

/* NCCL's functions, by name. */
#define FUNCTIONS(X)        \
  X(ncclGetUniqueId)        \
  X(ncclCommInitRankConfig) \
  X(ncclCommGetAsyncError)  \
  X(ncclGroupStart)         \
  X(ncclGroupEnd)           \
  X(ncclSend) X(ncclRecv) X(ncclAllReduce) X(ncclCommAbort) X(ncclCommFinalize) X(ncclCommDestroy) X(ncclGetErrorString)

struct library {
#define POINTER(name) decltype(&::name) name;
  FUNCTIONS(POINTER)
#undef POINTER
};

const library *nccl() {
  static library loaded;
  static int state; /* 0: not tried, 1: there, -1: not */
  if (state) return state > 0 ? &loaded : NULL;
  void *handle = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  state = handle ? 1 : -1;
#define FIND(name) \
  if (handle && !(loaded.name = (decltype(&::name))dlsym(handle, #name))) state = -1;
  FUNCTIONS(FIND)
#undef FIND
  return state > 0 ? &loaded : NULL;
}

struct nccl_link {
  fd_link link; /* first */
  fd_cuda *cuda;
  ncclComm_t comm;
  cudaStream_t stream;
  cudaEvent_t given, done; /* on the device's stream; on this one */
  double limit;            /* seconds that NCCL may take to accept something */
};

nccl_link *of(fd_link *link) { return (nccl_link *)link; }

double seconds() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

fd_status failed(nccl_link *l, ncclResult_t result, const char *what) {
  return l->cuda->host->fail(FD_LOST, "the sum of gradients: NCCL %s: %s", what, nccl()->ncclGetErrorString(result));
}

/* Calls do not wait: after one that is under way, until NCCL has taken it. */
fd_status settle(nccl_link *l, ncclResult_t result, const char *what) {
  double until = seconds() + l->limit;
  while (result == ncclInProgress) {
    ncclResult_t asked = nccl()->ncclCommGetAsyncError(l->comm, &result);
    if (asked != ncclSuccess) return failed(l, asked, what);
    if (result != ncclInProgress) break;
    if (seconds() > until)
      return l->cuda->host->fail(FD_LOST, "the sum of gradients: NCCL %s has taken more than comm.limit, %.0f s", what, l->limit);
    usleep(POLL_MICROSECONDS);
  }
  return result == ncclSuccess ? FD_OK : failed(l, result, what);
}

fd_status follow(fd_link *link) {
  nccl_link *l = of(link);
  FD_TRY(fd_cuda_check(l->cuda, cudaEventRecord(l->given, l->cuda->stream), "an event"));
  return fd_cuda_check(l->cuda, cudaStreamWaitEvent(l->stream, l->given, 0), "an event");
}

fd_status exchange(fd_link *link, int peer, const float *send, size_t send_count, float *receive, size_t receive_count) {
  nccl_link *l = of(link);
  const library *n = nccl();
  link->bytes_sent += send_count * sizeof(float);
  FD_TRY(settle(l, n->ncclGroupStart(), "a group"));
  if (send_count) FD_TRY(settle(l, n->ncclSend(send, send_count, ncclFloat, peer, l->comm, l->stream), "a message"));
  if (receive_count) FD_TRY(settle(l, n->ncclRecv(receive, receive_count, ncclFloat, peer, l->comm, l->stream), "a message"));
  return settle(l, n->ncclGroupEnd(), "a message");
}

__global__ void add_kernel(size_t n, const float *a, const float *b, float *out) {
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x) out[i] = a[i] + b[i];
}

fd_status add(fd_link *link, size_t count, const float *a, const float *b, float *out) {
  nccl_link *l = of(link);
  if (!count) return FD_OK;
  add_kernel<<<fd_blocks(count, THREADS), THREADS, 0, l->stream>>>(count, a, b, out);
  return fd_cuda_check(l->cuda, cudaGetLastError(), "a sum of gradients");
}

fd_status sum(fd_link *link, float *data, size_t count) {
  nccl_link *l = of(link);
  link->bytes_sent += count * sizeof(float);
  return settle(l, nccl()->ncclAllReduce(data, data, count, ncclFloat, ncclSum, l->comm, l->stream), "an all-reduce");
}

fd_status progress(fd_link *link, int *idle) {
  nccl_link *l = of(link);
  ncclResult_t state = ncclSuccess;
  ncclResult_t asked = nccl()->ncclCommGetAsyncError(l->comm, &state);
  *idle = 0;
  if (asked != ncclSuccess || (state != ncclSuccess && state != ncclInProgress))
    return failed(l, asked != ncclSuccess ? asked : state, "failed");
  FD_TRY(fd_cuda_check(l->cuda, cudaEventRecord(l->done, l->stream), "an event"));
  cudaError_t there = cudaEventQuery(l->done);
  *idle = there == cudaSuccess;
  return there == cudaErrorNotReady ? FD_OK : fd_cuda_check(l->cuda, there, "a sum of gradients");
}

fd_status lead(fd_link *link) {
  nccl_link *l = of(link);
  FD_TRY(fd_cuda_check(l->cuda, cudaEventRecord(l->done, l->stream), "an event"));
  return fd_cuda_check(l->cuda, cudaStreamWaitEvent(l->cuda->stream, l->done, 0), "an event");
}

void close_link(fd_link *link, int abandon) {
  nccl_link *l = of(link);
  if (l->comm && abandon) nccl()->ncclCommAbort(l->comm);
  else if (l->comm) {
    if (settle(l, nccl()->ncclCommFinalize(l->comm), "the end") == FD_OK) nccl()->ncclCommDestroy(l->comm);
    else nccl()->ncclCommAbort(l->comm);
  }
  if (l->given) cudaEventDestroy(l->given);
  if (l->done) cudaEventDestroy(l->done);
  if (l->stream) cudaStreamDestroy(l->stream);
  delete l;
}

}  // namespace

fd_status fd_nccl_id(fd_device *dev, char id[FD_LINK_ID]) {
  ncclUniqueId unique;
  if (!nccl()) return FD_MISSING;
  ncclResult_t result = nccl()->ncclGetUniqueId(&unique);
  if (result != ncclSuccess)
    return fd_cuda_of(dev)->host->fail(FD_LOST, "NCCL has no id for the ranks: %s", nccl()->ncclGetErrorString(result));
  memcpy(id, &unique, sizeof unique);
  return FD_OK;
}

fd_status fd_nccl_link(fd_device *dev, fd_link **link, int rank, int size, const char id[FD_LINK_ID], double limit) {
  fd_cuda *cuda = fd_cuda_of(dev);
  ncclUniqueId unique;
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  *link = NULL;
  if (!nccl())
    return cuda->host->fail(
        FD_GPU, "libnccl.so.2 is not on rank %d's machine, but on others: install it everywhere, or set comm.transport=mpi",
        rank);
  nccl_link *l = new (std::nothrow) nccl_link();
  if (!l) return cuda->host->fail(FD_MEMORY, "no memory for the link between GPUs");
  l->link = {"nccl", rank, size, 0, follow, exchange, add, sum, progress, lead, close_link};
  l->cuda = cuda;
  l->limit = limit > 0 ? limit : 1e9;
  config.blocking = 0;
  memcpy(&unique, id, sizeof unique);
  fd_status status = fd_cuda_check(cuda, cudaStreamCreateWithFlags(&l->stream, cudaStreamNonBlocking), "a stream");
  if (status == FD_OK) status = fd_cuda_check(cuda, cudaEventCreateWithFlags(&l->given, cudaEventDisableTiming), "an event");
  if (status == FD_OK) status = fd_cuda_check(cuda, cudaEventCreateWithFlags(&l->done, cudaEventDisableTiming), "an event");
  if (status == FD_OK) status = settle(l, nccl()->ncclCommInitRankConfig(&l->comm, size, unique, rank, &config), "the start");
  if (status != FD_OK) {
    close_link(&l->link, 1);
    return status;
  }
  *link = &l->link;
  return FD_OK;
}

#else

fd_status fd_nccl_id(fd_device *dev, char id[FD_LINK_ID]) {
  (void)dev, (void)id;
  return FD_MISSING;
}

fd_status fd_nccl_link(fd_device *dev, fd_link **link, int rank, int size, const char id[FD_LINK_ID], double limit) {
  (void)rank, (void)size, (void)id, (void)limit;
  *link = NULL;
  return fd_cuda_of(dev)->host->fail(FD_GPU, "this plugin was built without NCCL; set comm.transport=mpi");
}

#endif
