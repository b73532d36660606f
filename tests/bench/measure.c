/* Shared by measurements of kernels. */
#include "measure.h"

#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/sort.h"
#include "cpu/backend.h"
#include "peak.h"

enum { PEAK_ROUNDS = 300000 };

typedef double peak_loop(long rounds);

static peak_loop *peak_of(const char *simd) {
#ifdef FD_WITH_amx
  if (!strcmp(simd, "amx")) return fd_peak_amx;
#endif
#ifdef FD_WITH_avx512bf16
  if (!strcmp(simd, "avx512bf16")) return fd_peak_avx512bf16;
#endif
#ifdef FD_WITH_avx512
  if (!strcmp(simd, "avx512")) return fd_peak_avx512;
#endif
#ifdef FD_WITH_avx2
  if (!strcmp(simd, "avx2")) return fd_peak_avx2;
#endif
  (void)simd;
  return fd_peak_generic;
}

static void peak_item(void *context, int item, int thread) {
  (void)item, (void)thread;
  peak_loop *peak = *(peak_loop **)context;
  peak(PEAK_ROUNDS);
}

double fd_bench_thread_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double fd_bench_peak(fd_device *dev) {
  fd_pool *pool = fd_cpu_of(dev)->pool;
  peak_loop *peak = peak_of(dev->simd);
  int threads = fd_pool_threads(pool);
  double flops = peak(1000) / 1000 * PEAK_ROUNDS * threads, start = fd_bench_thread_seconds();
  fd_pool_run(pool, threads, peak_item, (void *)&peak);
  return flops / (fd_bench_thread_seconds() - start);
}

fd_status fd_bench_floats(float **x, size_t n) {
  FD_TRY(fd_alloc(x, n, sizeof **x, "benchmark"));
  for (size_t i = 0; i < n; i++) {
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of(1, FD_RNG_TEST), 0, i);
    (*x)[i] = 0.2f * fd_unit(word[0]) - 0.1f;
  }
  return FD_OK;
}

void fd_bench_print_medians(FILE *out, const double *rows, int columns) {
  for (int c = 0; c < columns; c++) {
    double value[FD_BENCH_ROUNDS];
    for (int i = 0; i < FD_BENCH_ROUNDS; i++) value[i] = rows[(i + 1) * columns + c];
    fd_sort(value, FD_BENCH_ROUNDS);
    fprintf(out, "%.4g%s", value[FD_BENCH_ROUNDS / 2], c + 1 < columns ? " " : "\n");
  }
}
