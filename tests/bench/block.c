/* Measures one ChordMixer block against the processor's peak, and what each of its stages costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
  b->seqs = (fd_seqs){.count = count, .cls = (int)c->model.cls, .parts = 1, .start = start};
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

/* Seconds of one pass. */
static double forward(const block_bench *b) {
  double start = fd_seconds();
  b->dev->ops.mixer_forward(b->dev, &b->seqs, &b->block, fd_dense(b->x, b->block.channels), fd_dense(b->z, b->block.hidden),
                            fd_dense(b->y, b->block.channels));
  return fd_seconds() - start;
}

static double backward(const block_bench *b) {
  double start = fd_seconds();
  b->dev->ops.mixer_backward(b->dev, &b->seqs, &b->block, fd_dense(b->x, b->block.channels), fd_dense(b->z, b->block.hidden),
                             fd_dense(b->dy, b->block.channels), fd_dense(b->dx, b->block.channels), &b->grads);
  return fd_seconds() - start;
}

fd_status fd_bench_block(fd_bench *bench) {
  block_bench b;
  double row[FD_BENCH_ROUNDS + 1][COLUMNS];
  FD_TRY(prepare(bench, &b)); /* the program ends with the measurement: nothing is released */
  while (fd_bench_next(bench)) {
    for (int i = 0; i <= FD_BENCH_ROUNDS; i++) {
      double best = fd_bench_peak(b.dev) * 1e-9, there = b.flops / forward(&b) * 1e-9, back = 2 * b.flops / backward(&b) * 1e-9;
      memcpy(row[i], (double[COLUMNS]){best, there, back, 100 * there / best, 100 * back / best}, sizeof row[i]);
    }
    fd_bench_print_medians(bench->out, row[0], COLUMNS);
  }
  return FD_OK;
}

/* Stand-ins that leave a stage out; what they should have written keeps its old values. */
static void no_gemm(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c,
                    size_t ldc, int start) {
  (void)m, (void)k, (void)a, (void)row_step, (void)k_step, (void)b, (void)panels, (void)c, (void)ldc, (void)start;
}
static void no_pack(int k, int columns, const float *from, size_t ld, int transposed, float *to) {
  (void)k, (void)columns, (void)from, (void)ld, (void)transposed, (void)to;
}
static void no_gelu(int rows, int n, size_t ld, const float *bias, float *z, float *keep, float *h) {
  (void)rows, (void)n, (void)ld, (void)bias, (void)z, (void)keep, (void)h;
}
static void no_slope(int rows, int n, size_t ld, const float *z, size_t z_ld, const float *dh, float *g, float *da) {
  (void)rows, (void)n, (void)ld, (void)z, (void)z_ld, (void)dh, (void)g, (void)da;
}

/* Seconds of the floating-point operations of a forward pass by register tiles whose operands stay in L1. */
static double isolated_tiles(const block_bench *b) {
  const fd_cpu_kernels *k = fd_cpu_of(b->dev)->kernels;
  int d = b->block.channels;
  static float c[64 * FD_PANEL_MAX];
  long calls = (long)(b->flops / (2.0 * k->rows * d * k->panel));
  double start = fd_seconds();
  for (long i = 0; i < calls; i++) k->gemm(k->rows, d, b->x, (size_t)d, 1, b->dy, 1, c, (size_t)k->panel, 0);
  return fd_seconds() - start;
}

fd_status fd_bench_stages(fd_bench *bench) {
  block_bench b;
  bench->config.device.threads = 1;
  FD_TRY(prepare(bench, &b));
  fd_cpu *cpu = fd_cpu_of(b.dev);
  fd_cpu_kernels whole = *cpu->kernels, variant[5] = {whole, whole, whole, whole, whole};
  variant[1].gemm = no_gemm;
  variant[2].pack = no_pack;
  variant[3].bias_gelu = no_gelu, variant[3].gelu_backward = no_slope;
  variant[4].gemm = no_gemm, variant[4].pack = no_pack, variant[4].bias_gelu = no_gelu, variant[4].gelu_backward = no_slope;
  forward(&b), backward(&b);
  while (fd_bench_next(bench)) {
    fprintf(bench->out, "%.3f %.3f", 1e3 * b.flops / fd_bench_peak(b.dev), 1e3 * isolated_tiles(&b));
    for (int i = 0; i < 5; i++) {
      cpu->kernels = &variant[i];
      double there = forward(&b);
      fprintf(bench->out, " %.3f %.3f", 1e3 * there, 1e3 * backward(&b));
    }
    cpu->kernels = &whole;
    fprintf(bench->out, "\n");
  }
  return FD_OK;
}
