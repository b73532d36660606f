/* Measures the whole training step (views, both networks, losses, backward pass, clipping, AdamW, moving average, centre) and
 * inference. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "train/rank_device.h"
#include "bench.h"
#include "train/trainer.h"

enum { LENGTH = 1000, WINDOWS = 64 };

static fd_windows random_windows(void) {
  fd_windows w = {WINDOWS, LENGTH, malloc(WINDOWS * LENGTH), NULL};
  for (int i = 0; i < WINDOWS * LENGTH; i++) {
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of(1, FD_RNG_TEST), 0, (uint64_t)i);
    w.symbols[i] = (uint8_t)fd_below(word[0], 4);
  }
  return w;
}

static double memory_megabytes(void) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return (double)use.ru_maxrss * 1024e-6;
}

fd_status fd_bench_step(fd_bench *bench) {
  const fd_config *c = &bench->config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_trainer *trainer;
  fd_loader loader;
  fd_step step;
  fd_windows windows = random_windows();
  int micro = (int)(c->train.batch / c->train.virtual_ranks);
  FD_TRY(fd_rank_device_open(&dev, c, bench->comm));
  FD_TRY(fd_network_create(&network, c, LENGTH));
  FD_TRY(fd_state_create(&state, c, network, dev));
  fd_loader_init(&loader, c, &windows);
  FD_TRY(fd_trainer_create(&trainer, c, bench->comm, dev, network, fd_loader_source(&loader), state, 1000,
                           micro * (LENGTH + (int)c->model.cls)));
  FD_TRY(fd_trainer_step(trainer, &step)); /* warm-up */
  while (fd_bench_next(bench)) {
    double start = fd_seconds();
    FD_TRY(fd_trainer_step(trainer, &step));
    if (bench->comm->rank == 0) fprintf(bench->out, "%.6f %.1f\n", fd_seconds() - start, memory_megabytes());
  }
  fd_trainer_destroy(&trainer);
  fd_state_destroy(&state);
  fd_network_destroy(&network);
  fd_device_close(&dev);
  free(windows.symbols);
  return FD_OK;
}

fd_status fd_bench_infer(fd_bench *bench) {
  const fd_config *c = &bench->config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_pass *pass;
  fd_spaces spaces;
  int tokens = LENGTH + (int)c->model.cls, rows = (int)c->train.batch * tokens, *start;
  float *x;
  const fd_extent extent = {rows, (int)c->train.batch, (int)c->model.cls};
  FD_TRY(fd_device_open(&dev, c, 0, 1));
  FD_TRY(fd_network_create(&network, c, LENGTH));
  FD_TRY(fd_state_create(&state, c, network, dev));
  FD_TRY(fd_network_pass(&pass, network, dev, (fd_demand){1u << FD_OUT_LOGITS, 0, 0}, extent));
  FD_TRY(fd_spaces_create(&spaces, dev, fd_pass_spaces(pass), extent));
  start = calloc((size_t)c->train.batch + 1, sizeof *start);
  x = calloc((size_t)rows * FD_SYMBOLS, sizeof *x);
  for (int i = 0; i <= c->train.batch; i++) start[i] = i * tokens;
  for (int i = 0; i < rows; i++) x[i * FD_SYMBOLS + i % 4] = 1;
  fd_seqs seqs = {.count = (int)c->train.batch, .cls = (int)c->model.cls, .start = start};
  FD_TRY(fd_spaces_set(&spaces, &seqs));
  fd_pass_forward(pass, &spaces, state->array[FD_STUDENT], x); /* warm-up */
  while (fd_bench_next(bench)) {
    double from = fd_seconds();
    fd_pass_forward(pass, &spaces, state->array[FD_STUDENT], x);
    FD_TRY(dev->sync(dev));
    fprintf(bench->out, "%.6f\n", fd_seconds() - from);
  }
  fd_spaces_destroy(&spaces);
  fd_pass_destroy(&pass);
  fd_state_destroy(&state);
  fd_network_destroy(&network);
  fd_device_close(&dev);
  free(start);
  free(x);
  return FD_OK;
}
