/* Captures the operations between begin and end as one CUDA graph and launches it at the end. Executable graphs are kept and
 * updated with the arguments of the next pass: a training run has only a few kinds of passes. */
#include "cuda/backend.h"

void fd_cuda_graph_begin(fd_device *dev) {
  fd_cuda *cuda = fd_cuda_of(dev);
  if (cuda->failed != FD_OK) return;
  dev->graphs.passes++;
  cuda->recording = fd_cuda_check(cuda, cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeThreadLocal),
                                  "the start of a graph") == FD_OK;
}

/* A kept executable graph, updated with the arguments of `graph`, or NULL if no kept graph has the same operations. */
static cudaGraphExec_t update(fd_cuda *cuda, cudaGraph_t graph, size_t nodes) {
  cudaGraphExecUpdateResultInfo info;
  for (const fd_cuda_graph &each : cuda->graphs) {
    if (!each.executable || each.nodes != nodes) continue;
    if (cudaGraphExecUpdate(each.executable, graph, &info) == cudaSuccess) return each.executable;
    cudaGetLastError(); /* a different kind of pass is not an error */
  }
  return NULL;
}

static cudaGraphExec_t build(fd_cuda *cuda, cudaGraph_t graph) {
  cudaGraphExec_t executable = NULL;
  cuda->device.graphs.built++;
  fd_cuda_check(cuda, cudaGraphInstantiateWithFlags(&executable, graph, 0), "a graph");
  return executable;
}

/* The executable graph of a whole pass: a kept one, or a new one that replaces the oldest. */
static cudaGraphExec_t find(fd_cuda *cuda, cudaGraph_t graph, size_t nodes) {
  cudaGraphExec_t executable = update(cuda, graph, nodes);
  if (executable) return executable;
  fd_cuda_graph &oldest = cuda->graphs[cuda->oldest_graph++ % FD_GRAPHS];
  if (oldest.executable) cudaGraphExecDestroy(oldest.executable);
  return (oldest = {nodes, build(cuda, graph)}).executable;
}

/* Ends the capture and launches its graph. */
static void start(fd_cuda *cuda, int whole) {
  cudaGraph_t graph = NULL;
  size_t nodes = 0;
  cuda->recording = 0;
  cudaError_t error = cudaStreamEndCapture(cuda->stream, &graph);
  if (cuda->failed == FD_OK) fd_cuda_check(cuda, error, "the end of a graph");
  else cudaGetLastError(); /* a consequence of the failure already reported */
  if (cuda->failed == FD_OK) fd_cuda_check(cuda, cudaGraphGetNodes(graph, NULL, &nodes), "a graph");
  if (cuda->failed == FD_OK && nodes) {
    cudaGraphExec_t executable = whole ? find(cuda, graph, nodes) : build(cuda, graph);
    if (executable) fd_cuda_check(cuda, cudaGraphLaunch(executable, cuda->stream), "a graph");
    if (executable && !whole) cudaGraphExecDestroy(executable); /* takes effect after its operations are complete */
  }
  if (graph) cudaGraphDestroy(graph);
}

void fd_cuda_graph_cut(fd_cuda *cuda) {
  if (cuda->recording) start(cuda, 0);
}

void fd_cuda_graph_end(fd_device *dev) {
  fd_cuda *cuda = fd_cuda_of(dev);
  if (!cuda->recording) return;
  start(cuda, 1);
  dev->graphs.whole += cuda->failed == FD_OK;
}
