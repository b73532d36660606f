/* Measures one ChordMixer block against the processor's peak, and the times of its stages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/memory.h"
#include "bench.h"
#include "cpu/backend.h"
#include "measure.h"

enum { TOKENS = 1010, COLUMNS = 5 };

typedef struct block_bench {
  fd_device *dev;
  fd_seqs seqs;
  fd_mixer block;
  fd_mixer_grads grads;
  float *x, *z, *y, *dy, *dx;
  double flops; /* of the forward pass */
} block_bench;

static fd_status prepare(fd_bench *bench, block_bench *b) {
  const fd_config *c = &bench->config;
  int d = (int)c->model.channels, h = (int)c->model.hidden, count = (int)c->train.batch, *start;
  size_t rows = (size_t)count * TOKENS, dn = (size_t)d, hn = (size_t)h;
  float *w1, *w2, *b1, *b2;
  FD_TRY(fd_device_open(&b->dev, c, 0, 1));
  FD_TRY(fd_alloc(&start, (size_t)count + 1, sizeof *start, "benchmark"));
  for (int i = 0; i <= count; i++) start[i] = i * TOKENS;
  b->seqs = (fd_seqs){.count = count, .cls = (int)c->model.cls, .micro_batches = 1, .start = start};
  FD_TRY(fd_bench_floats(&b->x, rows * dn));
  FD_TRY(fd_bench_floats(&b->z, rows * hn));
  FD_TRY(fd_bench_floats(&b->y, rows * dn));
  FD_TRY(fd_bench_floats(&b->dy, rows * dn));
  FD_TRY(fd_bench_floats(&b->dx, rows * dn));
  FD_TRY(fd_bench_floats(&w1, dn * hn));
  FD_TRY(fd_bench_floats(&w2, dn * hn));
  FD_TRY(fd_bench_floats(&b1, hn));
  FD_TRY(fd_bench_floats(&b2, dn));
  FD_TRY(fd_bench_floats(&b->grads.w1, dn * hn));
  FD_TRY(fd_bench_floats(&b->grads.w2, dn * hn));
  FD_TRY(fd_bench_floats(&b->grads.b1, hn));
  FD_TRY(fd_bench_floats(&b->grads.b2, dn));
  b->block = (fd_mixer){d, h, (int)c->model.track, w1, b1, w2, b2};
  b->flops = 4.0 * (double)rows * d * h;
  return FD_OK;
}

/* Seconds of CPU time of the calling thread for one pass. */
static double forward(const block_bench *b) {
  double start = fd_bench_thread_seconds();
  b->dev->ops.mixer_forward(b->dev, &b->seqs, &b->block, fd_dense(b->x, b->block.channels), fd_dense(b->z, b->block.hidden),
                            fd_dense(b->y, b->block.channels));
  return fd_bench_thread_seconds() - start;
}

static double backward(const block_bench *b) {
  double start = fd_bench_thread_seconds();
  b->dev->ops.mixer_backward(b->dev, &b->seqs, &b->block, fd_dense(b->x, b->block.channels), fd_dense(b->z, b->block.hidden),
                             fd_dense(b->dy, b->block.channels), fd_dense(b->dx, b->block.channels), &b->grads);
  return fd_bench_thread_seconds() - start;
}

fd_status fd_bench_block(fd_bench *bench) {
  block_bench b;
  double row[FD_BENCH_ROUNDS + 1][COLUMNS];
  FD_TRY(prepare(bench, &b)); /* released only when the program exits */
  while (fd_bench_next(bench)) {
    for (int i = 0; i <= FD_BENCH_ROUNDS; i++) {
      double best = fd_bench_peak(b.dev) * 1e-9, there = b.flops / forward(&b) * 1e-9, back = 2 * b.flops / backward(&b) * 1e-9;
      memcpy(row[i], (double[COLUMNS]){best, there, back, 100 * there / best, 100 * back / best}, sizeof row[i]);
    }
    fd_bench_print_medians(bench->out, row[0], COLUMNS);
  }
  return FD_OK;
}

/* Stages of a pass: every kernel is called through a wrapper that adds its wall-clock time to its stage. */
enum { PRODUCTS, PACKING, GELU, STAGES };
static const fd_cpu_kernels *timed; /* the wrapped kernels */
static fd_cpu_kernels instrumented;
static double spent[STAGES + 1]; /* last: outside of these stages */

/* A call takes microseconds; a call of half a millisecond was preempted and is left out. */
static void add_time(int stage, double seconds) { spent[stage] += seconds < 5e-4 ? seconds : 0; }

#define TIMED(stage, name, parameters, arguments) \
  static void timed_##name parameters {           \
    double start = fd_seconds();                  \
    timed->name arguments;                        \
    add_time(stage, fd_seconds() - start);        \
  }
TIMED(PRODUCTS, multiply, (int m, int n, int k, const float *a, const float *b, float *c, size_t ldc, int start_with),
      (m, n, k, a, b, c, ldc, start_with))
TIMED(PRODUCTS, multiply_tiled,
      (int m, int n, int k, const float *a, size_t step, const float *b, float *c, size_t ldc, int start_with),
      (m, n, k, a, step, b, c, ldc, start_with))
TIMED(PACKING, round_units, (int m, int n, const float *from, float *to), (m, n, from, to))
TIMED(PACKING, pack, (int k, int columns, const float *from, size_t ld, int transposed, float *to),
      (k, columns, from, ld, transposed, to))
TIMED(PACKING, pack_left, (int m, int k, const float *from, size_t ld, int transposed, float *to),
      (m, k, from, ld, transposed, to))
TIMED(PACKING, transpose, (int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld),
      (rows, columns, from, ld, to, to_ld))
TIMED(GELU, bias_gelu, (int rows, const float *bias, float *z, float *h), (rows, bias, z, h))
TIMED(GELU, gelu_backward, (int rows, int n, const float *z, size_t z_ld, const float *dh, float *g, float *da),
      (rows, n, z, z_ld, dh, g, da))

/* Bytes that a pass must read or write at least once: activations, weights and their gradients. */
static double bytes_of(const block_bench *b, int back) {
  double rows = b->seqs.start[b->seqs.count], d = b->block.channels, h = b->block.hidden, weights = 2 * d * h + d + h;
  return 4 * (back ? rows * (3 * d + h) + 2 * weights : rows * (2 * d + h) + weights);
}

static long page_faults(void) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return use.ru_minflt;
}

/* Prints ms of thread CPU time, minor page faults and MB of a pass, then ms of its stages and of the rest: each the minimum over
 * several passes, since the stages' wall-clock time includes time taken by other programs. */
static void print_pass(fd_bench *bench, const block_bench *b, double (*pass)(const block_bench *b), int back) {
  long faults = page_faults();
  double seconds = pass(b), least[STAGES + 1];
  fprintf(bench->out, " %.3f %ld %.1f", 1e3 * seconds, page_faults() - faults, 1e-6 * bytes_of(b, back));
  for (int n = 0; n < FD_BENCH_ROUNDS; n++) {
    memset(spent, 0, sizeof spent);
    fd_cpu_of(b->dev)->kernels = &instrumented;
    seconds = pass(b);
    fd_cpu_of(b->dev)->kernels = timed;
    for (int i = 0; i < STAGES; i++) seconds -= spent[i];
    spent[STAGES] = seconds;
    for (int i = 0; i <= STAGES; i++) least[i] = n == 0 || spent[i] < least[i] ? spent[i] : least[i];
  }
  for (int i = 0; i <= STAGES; i++) fprintf(bench->out, " %.3f", 1e3 * least[i]);
}

fd_status fd_bench_stages(fd_bench *bench) {
  block_bench b;
  bench->config.device.threads = 1;
  FD_TRY(prepare(bench, &b));
  timed = fd_cpu_of(b.dev)->kernels;
  instrumented = *timed;
  instrumented.multiply = timed_multiply, instrumented.multiply_tiled = timed_multiply_tiled;
  if (timed->round_units) instrumented.round_units = timed_round_units;
  instrumented.pack = timed_pack, instrumented.pack_left = timed_pack_left;
  instrumented.transpose = timed_transpose, instrumented.bias_gelu = timed_bias_gelu,
  instrumented.gelu_backward = timed_gelu_backward;
  forward(&b), backward(&b);
  while (fd_bench_next(bench)) {
    fprintf(bench->out, "%.3f", 1e3 * b.flops / fd_bench_peak(b.dev));
    print_pass(bench, &b, forward, 0);
    print_pass(bench, &b, backward, 1);
    fprintf(bench->out, "\n");
  }
  return FD_OK;
}
