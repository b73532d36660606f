/* Measures the whole training step (views, both networks, losses, backward pass, clipping, AdamW, moving average, centre) and
 * inference. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "bench.h"
#include "data/hide.h"
#include "tasks/words.h"
#include "train/rank_device.h"
#include "train/trainer.h"

enum { LENGTH = 1000, BARCODE = 660, WINDOWS = 64 };

/* Training data: views of windows, or for a model that predicts hidden words the words of barcodes. */
typedef struct input {
  fd_windows windows;
  fd_loader loader;
  fd_tokenizer *tokenizer;
  fd_hider hider;
  fd_source source;
} input;

static fd_windows random_windows(int length) {
  fd_windows w = {WINDOWS, length, malloc((size_t)WINDOWS * (size_t)length), NULL, NULL};
  for (int i = 0; i < WINDOWS * length; i++) {
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of(1, FD_RNG_TEST), 0, (uint64_t)i);
    w.symbols[i] = (uint8_t)fd_below(word[0], 4);
  }
  return w;
}

static fd_status open_input(input *in, const fd_config *c, const fd_network *network) {
  *in = (input){.windows = random_windows(fd_config_hides(c) ? BARCODE : LENGTH)};
  fd_loader_init(&in->loader, c, &in->windows);
  in->source = fd_loader_source(&in->loader);
  if (!fd_config_hides(c)) return FD_OK;
  FD_TRY(fd_words_open(&in->tokenizer, c, ".", 1));
  FD_TRY(fd_hider_create(&in->hider, c, &in->windows, in->tokenizer, c->model.encoder != FD_ARCH_MAE, network->first_word));
  in->source = fd_hider_source(&in->hider);
  return FD_OK;
}

static void close_input(input *in) {
  if (in->tokenizer) fd_hider_free(&in->hider);
  fd_tokenizer_destroy(&in->tokenizer);
  free(in->windows.symbols);
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
  fd_step step;
  input in;
  int length = fd_config_hides(c) ? BARCODE : LENGTH, rows;
  FD_TRY(fd_rank_device_open(&dev, c, bench->comm));
  FD_TRY(fd_network_create(&network, c, length));
  FD_TRY(fd_state_create(&state, c, network, dev));
  FD_TRY(open_input(&in, c, network));
  FD_TRY(fd_trainer_rows(c, fd_config_tokens(c, length), &rows));
  FD_TRY(fd_trainer_create(&trainer, c, bench->comm, dev, network, in.source, state, 1000, rows));
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
  close_input(&in);
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
