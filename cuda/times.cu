/* Kernel times measured with events (FINDNA_TIMES=1): for each kernel, the number of launches and the time that it ran. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __CUDACC__
#include <cxxabi.h>
#endif

#include <algorithm>
#include <new>
#include <string>

#include "cuda/backend.h"

namespace {

enum { PAIRS = 256 }; /* of events; when all are in use, the oldest is waited for */

struct line {
  const void *kernel;
  const char *given; /* the launch's name for messages */
  std::string name;
  uint64_t launches, counted;
  double milliseconds;
};

struct pair {
  cudaEvent_t begin, end;
  size_t line;
};

}  // namespace

struct fd_times {
  pair pairs[PAIRS];
  unsigned first, next; /* the pairs in use, as a ring */
  std::vector<line> lines;
};

namespace {

/* The kernel's name with its template arguments, without anonymous namespaces, return type and parameters; if unavailable, the
 * name for messages. */
std::string name_of(const void *kernel, const char *given) {
  std::string name = given;
#if defined(__CUDACC__) && CUDART_VERSION >= 12030
  const char *mangled = NULL, *const hidden = "(anonymous namespace)::";
  int failed = 1;
  if (!kernel || cudaFuncGetName(&mangled, kernel) != cudaSuccess) return cudaGetLastError(), name;
  char *plain = abi::__cxa_demangle(mangled, NULL, NULL, &failed);
  if (!plain) return mangled;
  name = plain;
  free(plain);
  for (size_t at; (at = name.find(hidden)) != std::string::npos;) name.erase(at, strlen(hidden));
  if (!name.compare(0, 5, "void ")) name.erase(0, 5);
  name.erase(std::min(name.size(), name.find('(')));
#else
  (void)kernel;
#endif
  return name;
}

/* Adds the time of the oldest pair. A kernel's first launch is not counted: the driver may load its code between the two
 * events. */
void collect(fd_cuda *cuda) {
  fd_times *times = cuda->times;
  const pair &oldest = times->pairs[times->first++ % PAIRS];
  line &of = times->lines[oldest.line];
  float milliseconds = 0;
  if (cuda->failed != FD_OK || of.launches++ == 0) return;
  fd_cuda_check(cuda, cudaEventSynchronize(oldest.end), "the end of a kernel that is timed");
  fd_cuda_check(cuda, cudaEventElapsedTime(&milliseconds, oldest.begin, oldest.end), "the time of a kernel");
  of.milliseconds += (double)milliseconds;
  of.counted++;
}

size_t line_of(fd_times *times, const void *kernel, const char *given) {
  size_t i = 0;
  while (i < times->lines.size() && (times->lines[i].kernel != kernel || (!kernel && strcmp(times->lines[i].given, given)))) i++;
  if (i == times->lines.size()) times->lines.push_back({kernel, given, name_of(kernel, given), 0, 0, 0});
  return i;
}

}  // namespace

fd_status fd_times_open(fd_cuda *cuda) {
  const char *named = getenv("FINDNA_TIMES");
  if (!named || !strcmp(named, "0")) return FD_OK;
  if (strcmp(named, "1")) return cuda->host->fail(FD_CONFIG, "FINDNA_TIMES=%s: expected 0 or 1", named);
  if (cuda->device.begin)
    return cuda->host->fail(FD_CONFIG,
                            "FINDNA_TIMES=1 times single kernels, which is impossible within a graph: unset FINDNA_GRAPH");
  cuda->times = new (std::nothrow) fd_times();
  if (!cuda->times) return cuda->host->fail(FD_MEMORY, "no memory for the times of kernels");
  for (pair &p : cuda->times->pairs) {
    FD_TRY(fd_cuda_check(cuda, cudaEventCreateWithFlags(&p.begin, cudaEventDefault), "an event"));
    FD_TRY(fd_cuda_check(cuda, cudaEventCreateWithFlags(&p.end, cudaEventDefault), "an event"));
  }
  return FD_OK;
}

void fd_times_begin(fd_cuda *cuda, cudaStream_t stream, const void *kernel, const char *name) {
  fd_times *times = cuda->times;
  if (times->next - times->first == PAIRS) collect(cuda);
  pair &p = times->pairs[times->next % PAIRS];
  p.line = line_of(times, kernel, name);
  fd_cuda_check(cuda, cudaEventRecord(p.begin, stream), "an event");
}

void fd_times_end(fd_cuda *cuda, cudaStream_t stream) {
  fd_cuda_check(cuda, cudaEventRecord(cuda->times->pairs[cuda->times->next++ % PAIRS].end, stream), "an event");
}

void fd_times_close(fd_cuda *cuda) {
  fd_times *times = cuda->times;
  double all = 0;
  if (!times) return;
  while (times->first != times->next) collect(cuda);
  std::sort(times->lines.begin(), times->lines.end(),
            [](const line &a, const line &b) { return a.milliseconds > b.milliseconds; });
  for (const line &l : times->lines) all += l.milliseconds;
  for (const line &l : times->lines)
    if (l.counted)
      fprintf(stderr, "times: %9.3f ms %5.1f %% %8llu launches %10.2f us each  %s\n", l.milliseconds, 100 * l.milliseconds / all,
              (unsigned long long)l.counted, 1e3 * l.milliseconds / (double)l.counted, l.name.c_str());
  fprintf(stderr, "times: %9.3f ms in all kernels of %s, first launches not counted\n", all, cuda->name);
  for (const pair &p : times->pairs) {
    if (p.begin) cudaEventDestroy(p.begin);
    if (p.end) cudaEventDestroy(p.end);
  }
  delete times;
  cuda->times = NULL;
}
