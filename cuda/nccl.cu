/* The link between GPUs over NCCL, on a stream of its own, which events order with the device's stream. The library is loaded
 * only when ranks need it, so a single GPU works without NCCL. */
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <new>

#include "cuda/nccl.h"
extern "C" {
#include "device/gpu_memory.h"
}

#ifndef __CUDACC__
#define FD_HAVE_NCCL 1
#define FD_NCCL "libfake_nccl.so.2" /* the real one needs a GPU */
#include "cuda/emulate_nccl.h"
#elif __has_include(<nccl.h>)
#define FD_HAVE_NCCL 1
#define FD_NCCL "libnccl.so.2"
#include <nccl.h>
#endif

#ifdef FD_HAVE_NCCL

static_assert(FD_LINK_ID >= sizeof(ncclUniqueId), "a link's id holds NCCL's");

namespace {

enum { THREADS = 256, MARKS = 64, SPIN_MICROSECONDS = 100, SLEEP_MICROSECONDS = 20, START_SECONDS = 120, END_SECONDS = 10 };

/* The NCCL functions that are used, loaded by name. */
#define FUNCTIONS(X)        \
  X(ncclGetUniqueId)        \
  X(ncclCommInitRankConfig) \
  X(ncclCommGetAsyncError)  \
  X(ncclGroupStart)         \
  X(ncclGroupEnd)           \
  X(ncclSend)               \
  X(ncclRecv)               \
  X(ncclAllReduce)          \
  X(ncclCommFinalize)       \
  X(ncclCommDestroy)        \
  X(ncclCommAbort)          \
  X(ncclGetErrorString)

struct library {
#define POINTER(name) decltype(&::name) name;
  FUNCTIONS(POINTER)
#undef POINTER
};

/* The library's functions, or NULL with the reason in *why if the library cannot be used. */
const library *load(const char **why) {
  static library loaded;
  static const char *missing = "not tried";
  if (missing && !strcmp(missing, "not tried")) {
    void *handle = dlopen(FD_NCCL, RTLD_NOW | RTLD_LOCAL);
    missing = handle ? NULL : FD_NCCL " is not there";
#define FIND(name) \
  if (handle && !(loaded.name = (decltype(&::name))dlsym(handle, #name))) missing = FD_NCCL " is too old: it lacks " #name;
    FUNCTIONS(FIND)
#undef FIND
  }
  if (why) *why = missing;
  return missing ? NULL : &loaded;
}

const library *nccl() { return load(NULL); }

struct nccl_link {
  fd_link link; /* must be first: an fd_link * is cast to nccl_link * */
  fd_cuda *cuda;
  ncclComm_t comm;
  cudaStream_t stream;
  cudaEvent_t given;        /* recorded on the device's stream */
  cudaEvent_t mark[MARKS];  /* a ring of events on the link's stream, each recorded after an operation */
  uint64_t requests[MARKS]; /* operations up to each mark */
  uint64_t taken;           /* operations so far */
  unsigned first, last;     /* marks first .. last - 1, modulo MARKS, were not reached at the last query */
  double limit;             /* seconds that NCCL may take to accept an operation */
  int broken;               /* NCCL has failed: the communicator can only be aborted */
};

nccl_link *of(fd_link *link) { return (nccl_link *)link; }

double seconds() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

fd_status failed(nccl_link *l, ncclResult_t result, const char *what) {
  l->broken = 1;
  return l->cuda->host->fail(FD_LOST, "the sum of gradients: NCCL, %s: %s", what, nccl()->ncclGetErrorString(result));
}

/* Polls the nonblocking communicator until it has accepted the call that returned `result`; returns ncclInProgress after `limit`
 * seconds. */
ncclResult_t poll(nccl_link *l, ncclResult_t result, double limit) {
  double start = seconds();
  while (result == ncclInProgress) {
    ncclResult_t asked = nccl()->ncclCommGetAsyncError(l->comm, &result);
    double waited = seconds() - start;
    if (asked != ncclSuccess) return asked;
    if (result == ncclInProgress && waited > limit) break;
    if (result == ncclInProgress && waited > 1e-6 * SPIN_MICROSECONDS) usleep(SLEEP_MICROSECONDS);
  }
  return result;
}

fd_status settle(nccl_link *l, ncclResult_t result, const char *what) {
  result = poll(l, result, l->limit);
  if (result == ncclSuccess) return FD_OK;
  if (result != ncclInProgress) return failed(l, result, what);
  l->broken = 1;
  return l->cuda->host->fail(FD_LOST, "the sum of gradients: NCCL, %s: not taken within %.0f s", what, l->limit);
}

/* The mark after the link's last operation. */
cudaEvent_t newest(const nccl_link *l) { return l->mark[(l->last + MARKS - 1) % MARKS]; }

/* Records an event after the operations on the link's stream; progress() queries it. When all marks wait, the newest one is
 * recorded again. */
fd_status mark(nccl_link *l) {
  if (l->last - l->first < MARKS) l->last++;
  l->requests[(l->last + MARKS - 1) % MARKS] = ++l->taken;
  return fd_cuda_check(l->cuda, cudaEventRecord(newest(l), l->stream), "an event");
}

fd_status follow(fd_link *link) {
  nccl_link *l = of(link);
  fd_cuda_graph_cut(l->cuda);
  FD_TRY(fd_cuda_check(l->cuda, cudaEventRecord(l->given, l->cuda->stream), "an event"));
  return fd_cuda_check(l->cuda, cudaStreamWaitEvent(l->stream, l->given, 0), "an event");
}

fd_status exchange(fd_link *link, int peer, const float *send, size_t send_count, float *receive, size_t receive_count) {
  nccl_link *l = of(link);
  const library *n = nccl();
  link->bytes_sent += send_count * sizeof(float);
  l->cuda->lent = FD_NCCL_CHANNELS; /* until lead() */
  FD_TRY(settle(l, n->ncclGroupStart(), "a group"));
  ncclResult_t sent = send_count ? n->ncclSend(send, send_count, ncclFloat, peer, l->comm, l->stream) : ncclSuccess;
  ncclResult_t received = receive_count ? n->ncclRecv(receive, receive_count, ncclFloat, peer, l->comm, l->stream) : ncclSuccess;
  ncclResult_t ended = n->ncclGroupEnd(); /* also after a failure: an open group would block the abort */
  if (sent != ncclSuccess && sent != ncclInProgress) return failed(l, sent, "a message");
  if (received != ncclSuccess && received != ncclInProgress) return failed(l, received, "a message");
  FD_TRY(settle(l, ended, "a message"));
  return mark(l);
}

__global__ void add_kernel(size_t n, const float *a, const float *b, float *out) {
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x) out[i] = a[i] + b[i];
}

fd_status add(fd_link *link, size_t count, const float *a, const float *b, float *out) {
  nccl_link *l = of(link);
  fd_launch_on(l->cuda, l->stream, "a sum of gradients", add_kernel, dim3(fd_blocks(count, THREADS)), THREADS, 0, count, a, b,
               out);
  return l->cuda->failed == FD_OK ? mark(l) : l->cuda->failed;
}

fd_status sum(fd_link *link, float *data, size_t count) {
  nccl_link *l = of(link);
  link->bytes_sent += count * sizeof(float);
  l->cuda->lent = FD_NCCL_CHANNELS;
  FD_TRY(settle(l, nccl()->ncclAllReduce(data, data, count, ncclFloat, ncclSum, l->comm, l->stream), "an all-reduce"));
  return mark(l);
}

fd_status progress(fd_link *link, int *idle) {
  nccl_link *l = of(link);
  ncclResult_t state = ncclSuccess, asked = nccl()->ncclCommGetAsyncError(l->comm, &state);
  *idle = 0;
  if (asked != ncclSuccess || (state != ncclSuccess && state != ncclInProgress))
    return failed(l, asked != ncclSuccess ? asked : state, "a rank or the network failed");
  for (; l->first != l->last; l->first++) {
    cudaError_t there = cudaEventQuery(l->mark[l->first % MARKS]);
    if (there == cudaErrorNotReady) {
      cudaGetLastError(); /* not ready is not an error; cleared so that the next launch does not report it */
      return FD_OK;
    }
    FD_TRY(fd_cuda_check(l->cuda, there, "a sum of gradients"));
    link->done = l->requests[l->first % MARKS];
  }
  *idle = 1;
  return FD_OK;
}

fd_status lead(fd_link *link) {
  of(link)->cuda->lent = 0;
  return fd_cuda_check(of(link)->cuda, cudaStreamWaitEvent(of(link)->cuda->stream, newest(of(link)), 0), "an event");
}

/* Ends the communicator. At an orderly end every rank calls this: the communicator is finalized, which flushes its operations,
 * and then destroyed. After a failure, during an operation, or if the other ranks do not arrive, it is aborted without waiting
 * for them. */
void end(nccl_link *l) {
  const library *n = nccl();
  int idle = !l->broken && l->cuda->failed == FD_OK && cudaEventQuery(newest(l)) == cudaSuccess;
  cudaGetLastError(); /* not ready is not an error */
  if (idle && poll(l, n->ncclCommFinalize(l->comm), END_SECONDS) == ncclSuccess) n->ncclCommDestroy(l->comm);
  else n->ncclCommAbort(l->comm);
}

/* Creates the link's stream with the highest priority: its kernels are scheduled first as SMs become free, so they do not wait
 * for a whole pass. */
fd_status create_stream(nccl_link *l) {
  int lowest = 0, highest = 0;
  FD_TRY(fd_cuda_check(l->cuda, cudaDeviceGetStreamPriorityRange(&lowest, &highest), "the priorities of streams"));
  return fd_cuda_check(l->cuda, cudaStreamCreateWithPriority(&l->stream, cudaStreamNonBlocking, highest), "a stream");
}

void close_link(fd_link *link) {
  nccl_link *l = of(link);
  if (l->comm) end(l);
  if (l->given) cudaEventDestroy(l->given);
  for (cudaEvent_t event : l->mark)
    if (event) cudaEventDestroy(event);
  if (l->stream) cudaStreamDestroy(l->stream);
  delete l;
}

}  // namespace

fd_status fd_nccl_id(fd_device *dev, char id[FD_LINK_ID], const char **why) {
  ncclUniqueId unique;
  if (!load(why)) return FD_MISSING;
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
  const char *why;
  *link = NULL;
  if (!load(&why))
    return cuda->host->fail(FD_GPU, "%s on rank %d's machine; install it everywhere, or set comm.transport=mpi", why, rank);
  nccl_link *l = new (std::nothrow) nccl_link();
  if (!l) return cuda->host->fail(FD_MEMORY, "no memory for the link between GPUs");
  l->link = {"nccl", rank, size, 0, 0, follow, exchange, add, sum, progress, lead, close_link};
  l->cuda = cuda;
  l->limit = limit > (double)START_SECONDS ? limit : (double)START_SECONDS; /* many ranks may take long to connect */
  config.blocking = 0;
  config.maxCTAs = FD_NCCL_CHANNELS; /* each takes an SM from the backward pass; NCCL_MAX_CTAS overrides the limit */
  memcpy(&unique, id, sizeof unique);
  fd_status status = create_stream(l);
  if (status == FD_OK) status = fd_cuda_check(cuda, cudaEventCreateWithFlags(&l->given, cudaEventDisableTiming), "an event");
  for (int i = 0; i < MARKS && status == FD_OK; i++)
    status = fd_cuda_check(cuda, cudaEventCreateWithFlags(&l->mark[i], cudaEventDisableTiming), "an event");
  if (status == FD_OK) status = settle(l, nccl()->ncclCommInitRankConfig(&l->comm, size, unique, rank, &config), "the start");
  if (status != FD_OK) {
    close_link(&l->link);
    return status;
  }
  l->limit = limit > 0 ? limit : 1e9;
  *link = &l->link;
  return FD_OK;
}

#else

fd_status fd_nccl_id(fd_device *dev, char id[FD_LINK_ID], const char **why) {
  (void)dev, (void)id;
  *why = "the plugin was built without nccl.h";
  return FD_MISSING;
}

fd_status fd_nccl_link(fd_device *dev, fd_link **link, int rank, int size, const char id[FD_LINK_ID], double limit) {
  (void)rank, (void)size, (void)id, (void)limit;
  *link = NULL;
  return fd_cuda_of(dev)->host->fail(FD_GPU, "this plugin was built without nccl.h; set comm.transport=mpi");
}

#endif
