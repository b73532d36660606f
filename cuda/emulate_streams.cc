/* The emulated GPU's streams, events and graphs: a stream executes each operation at once, or captures it. The source of a copy
 * from host memory must stay unchanged until the stream is synchronized, because a GPU may read it that late. A call that a GPU
 * forbids during stream capture aborts the program. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <vector>

#include "cuda/emulate.h"
#include "cuda/emulate_stream.h"
#include "device/gpu_memory.h"

namespace {

enum node_kind { KERNEL, COPY, SET };

struct node {
  node_kind kind;
  const void *kernel;
  std::function<void()> run;
};

/* A copy from host memory: the source's bytes when the copy was put on the stream. */
struct host_copy {
  const void *from;
  std::vector<char> bytes;
};

struct stream {
  fd_emulated_stream libraries; /* first: what the substitutes of libraries know */
  std::vector<node> *recorded;  /* NULL: not being captured */
  std::vector<host_copy> reading;
  int with_library; /* has work of a library for which no other stream waits yet */
  double busy;      /* until this time, in milliseconds, no event that is recorded on the stream is reached */
};

stream *recording;  /* the one stream being captured */
int with_libraries; /* streams that have work of a library */
cudaError_t last_error;

[[noreturn]] void stop(const char *what, const char *when) {
  fprintf(stderr, "emulated GPU: %s%s\n", what, when);
  abort();
}
[[noreturn]] void die(const char *what) { stop(what, " while a stream is recorded"); }

stream *of(cudaStream_t s) { return (stream *)s; }
std::vector<node> *nodes_of(void *graph) { return (std::vector<node> *)graph; }

void give(cudaStream_t s, node_kind kind, const void *kernel, std::function<void()> run) {
  if (of(s) && of(s)->recorded) of(s)->recorded->push_back({kind, kernel, std::move(run)});
  else fd_emulate_work(run);
}

void put(void *s, void (*work)(const void *), const void *with, size_t bytes) {
  if (!of(s)->with_library) of(s)->with_library = 1, with_libraries++;
  std::vector<char> copy((const char *)with, (const char *)with + bytes);
  give(s, KERNEL, (const void *)work, [=]() { work(copy.data()); });
}

}  // namespace

cudaError_t fd_emulate_fail(cudaError_t error) { return last_error = error; }

cudaError_t cudaGetLastError() {
  cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

void fd_emulate_not_recorded(const char *what) {
  if (recording) die(what);
}

void fd_emulate_launch(cudaStream_t s, const void *kernel, size_t shared, unsigned staying, std::function<void()> run) {
  cudaDeviceProp gpu;
  cudaGetDeviceProperties(&gpu, 0);
  int others = with_libraries - of(s)->with_library, free = gpu.multiProcessorCount - (others ? (int)FD_NCCL_CHANNELS : 0);
  /* A single cluster, of two blocks, must run in any case. */
  if (staying > 2 && (int)staying > free) stop("a kernel has more blocks that stay than there are multiprocessors for them", "");
  if (shared > fd_emulate_shared_of(kernel)) stop("a kernel was launched with more shared memory than it is allowed", "");
  give(s, KERNEL, kernel, std::move(run));
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, int, cudaStream_t s) {
  if (of(s)->recorded && !(fd_emulate_on_device(to) && fd_emulate_on_device(from))) die("a copy from or to the host");
  if (!fd_emulate_on_device(from)) of(s)->reading.push_back({from, {(const char *)from, (const char *)from + bytes}});
  give(s, COPY, nullptr, [=]() { memmove(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t s) {
  give(s, SET, nullptr, [=]() { memset(to, byte, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned) {
  return *s = new stream{{put}, nullptr, {}, 0, 0}, cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *lowest, int *highest) { return *lowest = 0, *highest = -5, cudaSuccess; }

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned flags, int priority) {
  return priority > 0 || priority < -5 ? last_error = cudaErrorInvalidValue : cudaStreamCreateWithFlags(s, flags);
}

/* Copies from host memory may read their sources until here: a source that has changed is an error. */
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  fd_emulate_not_recorded("cudaStreamSynchronize");
  for (const host_copy &c : of(s)->reading)
    if (memcmp(c.from, c.bytes.data(), c.bytes.size()))
      stop("the source of a copy was changed or freed before the copy was over", "");
  of(s)->reading.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s) {
  if (of(s)->recorded) die("cudaStreamDestroy");
  with_libraries -= of(s)->with_library;
  delete of(s);
  return cudaSuccess;
}

namespace {
struct event {
  int timed, looks;   /* looks: queries left until it counts as reached */
  stream *on;         /* on which it was recorded last */
  double at, reached; /* times of recording and of being reached, milliseconds */
};
event *event_of(cudaEvent_t e) { return (event *)e; }

double now() {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}
}  // namespace

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags) {
  return *e = new event{!(flags & cudaEventDisableTiming), 0, nullptr, 0, 0}, cudaSuccess;
}

/* An event counts as reached at the third query after it was last recorded; with FINDNA_EMULATED_DELAY, which stands for a slow
 * network, no sooner than so many milliseconds after the event before it on the same stream. */
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  const char *delay = getenv("FINDNA_EMULATED_DELAY");
  event *it = event_of(e);
  if (of(s)->recorded) die("cudaEventRecord");
  it->looks = 2, it->on = of(s), it->at = now();
  if (delay) of(s)->busy = std::max(of(s)->busy, it->at) + strtod(delay, NULL);
  it->reached = of(s)->busy;
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t e) {
  fd_emulate_not_recorded("cudaEventQuery");
  event *it = event_of(e);
  return it->looks-- > 0 || now() < it->reached ? last_error = cudaErrorNotReady : (it->looks = 0, cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  fd_emulate_not_recorded("cudaEventSynchronize");
  return event_of(e)->looks = 0, cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to) {
  if (!event_of(from)->timed || !event_of(to)->timed) return last_error = cudaErrorInvalidValue;
  if (event_of(to)->looks) return last_error = cudaErrorNotReady;
  return *milliseconds = (float)(event_of(to)->at - event_of(from)->at), cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t e) { return delete event_of(e), cudaSuccess; }

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  stream *on = event_of(e)->on;
  if (of(s)->recorded) die("cudaStreamWaitEvent");
  if (on && on != of(s) && on->with_library) on->with_library = 0, with_libraries--;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, int) {
  fd_emulate_not_recorded("cudaStreamBeginCapture");
  recording = of(s);
  of(s)->recorded = new std::vector<node>();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
  if (!of(s)->recorded) return last_error = cudaErrorInvalidValue;
  *graph = of(s)->recorded;
  of(s)->recorded = nullptr;
  recording = nullptr;
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *, size_t *count) {
  return *count = nodes_of(graph)->size(), cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long) {
  fd_emulate_not_recorded("cudaGraphInstantiate");
  return *executable = new std::vector<node>(*nodes_of(graph)), cudaSuccess;
}

/* Accepts other arguments, but no other operations. */
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *) {
  const std::vector<node> &from = *nodes_of(graph);
  std::vector<node> &to = *nodes_of(executable);
  if (from.size() != to.size()) return last_error = cudaErrorGraphExecUpdateFailure;
  for (size_t i = 0; i < from.size(); i++)
    if (from[i].kind != to[i].kind || from[i].kernel != to[i].kernel) return last_error = cudaErrorGraphExecUpdateFailure;
  to = from;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t s) {
  for (const node &each : *nodes_of(executable)) give(s, each.kind, each.kernel, each.run);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete nodes_of(graph), cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return delete nodes_of(executable), cudaSuccess; }
