/* Measures linear layers of a transformer against the processor's peak. A line holds the seconds of each layer's forward and
 * backward pass, then their speed in percent of the peak. */
#include <stdio.h>

#include "bench.h"
#include "device/device.h"
#include "measure.h"

enum { ROWS = 1760, LAYERS = 3, PASSES = 2 };

static const int shapes[LAYERS][2] = {{768, 768}, {768, 3072}, {3072, 768}};

typedef struct linear_bench {
  int in, out;
  float *x, *w, *b, *y, *dy, *dx, *dw, *db;
} linear_bench;

static fd_status prepare(linear_bench *l, int in, int out) {
  size_t xs = (size_t)ROWS * (size_t)in, ys = (size_t)ROWS * (size_t)out, ws = (size_t)in * (size_t)out;
  l->in = in, l->out = out;
  FD_TRY(fd_bench_floats(&l->x, xs));
  FD_TRY(fd_bench_floats(&l->w, ws));
  FD_TRY(fd_bench_floats(&l->b, (size_t)out));
  FD_TRY(fd_bench_floats(&l->y, ys));
  FD_TRY(fd_bench_floats(&l->dy, ys));
  FD_TRY(fd_bench_floats(&l->dx, xs));
  FD_TRY(fd_bench_floats(&l->dw, ws));
  return fd_bench_floats(&l->db, (size_t)out);
}

static void measure(fd_device *dev, const linear_bench *l, double seconds[PASSES], double percent[PASSES]) {
  double flops = 2.0 * ROWS * l->in * l->out, peak = fd_bench_peak(dev), start = fd_bench_thread_seconds(), middle, end;
  dev->ops.linear_forward(dev, ROWS, l->in, l->out, fd_dense(l->x, l->in), l->w, l->b, fd_dense(l->y, l->out));
  middle = fd_bench_thread_seconds();
  dev->ops.linear_backward(dev, ROWS, 1, l->in, l->out, fd_dense(l->x, l->in), l->w, fd_dense(l->dy, l->out),
                           fd_dense(l->dx, l->in), l->dw, l->db);
  end = fd_bench_thread_seconds();
  seconds[0] = middle - start, seconds[1] = end - middle;
  for (int pass = 0; pass < PASSES; pass++) percent[pass] = 100 * (pass + 1) * flops / seconds[pass] / peak;
}

fd_status fd_bench_linear(fd_bench *bench) {
  fd_device *dev;
  linear_bench layers[LAYERS];
  double row[FD_BENCH_ROUNDS + 1][2][LAYERS][PASSES];
  FD_TRY(fd_device_open(&dev, &bench->config, 0, 1)); /* released only when the program exits */
  for (int l = 0; l < LAYERS; l++) FD_TRY(prepare(&layers[l], shapes[l][0], shapes[l][1]));
  while (fd_bench_next(bench)) {
    for (int i = 0; i <= FD_BENCH_ROUNDS; i++)
      for (int l = 0; l < LAYERS; l++) measure(dev, &layers[l], row[i][0][l], row[i][1][l]);
    fd_bench_print_medians(bench->out, row[0][0][0], 2 * LAYERS * PASSES);
  }
  return FD_OK;
}
