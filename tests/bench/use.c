/* Measures uses of a pretrained model: a fine-tuning step, and embeddings. */
#include <stdlib.h>

#include "base/clock.h"
#include "train/rank_device.h"
#include "bench.h"
#include "data/rows.h"
#include "tasks/features.h"
#include "train/trainer.h"

enum { ROWS = 64 };

static fd_table random_table(int length) {
  fd_table t = {ROWS, 2,   calloc(ROWS + 1, sizeof(int64_t)), malloc((size_t)(ROWS * length)), calloc(ROWS, sizeof(int)), NULL,
                NULL, NULL};
  for (int i = 0; i < ROWS * length; i++) {
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of(1, FD_RNG_TEST), 1, (uint64_t)i);
    t.symbols[i] = (uint8_t)fd_below(word[0], 4);
  }
  for (int i = 0; i < ROWS; i++) t.start[i + 1] = t.start[i] + length, t.label[i] = i % 2;
  return t;
}

/* The paper's model and a linear head on the mean of 500 nucleotides, as in its histone tasks. */
fd_status fd_bench_finetune(fd_bench *bench) {
  enum { LENGTH = 500 };
  fd_config *c = &bench->config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_trainer *trainer;
  fd_step step;
  fd_table table = random_table(LENGTH);
  fd_rows rows = {.config = c, .table = &table};
  int tokens;
  c->task.outputs = 2, c->model.blocks = 10;
  c->objective.mnm_weight = c->objective.cl_weight = 0;
  c->teacher.kind = FD_TEACHER_NONE;
  FD_TRY(fd_trainer_rows(c, LENGTH, &tokens));
  FD_TRY(fd_rank_device_open(&dev, c, bench->comm));
  FD_TRY(fd_network_create(&network, c, LENGTH));
  FD_TRY(fd_state_create(&state, c, network, dev));
  FD_TRY(fd_trainer_create(&trainer, c, bench->comm, dev, network, fd_rows_source(&rows), state, 1000, tokens));
  FD_TRY(fd_trainer_step(trainer, &step)); /* warm-up */
  while (fd_bench_next(bench)) {
    double start = fd_seconds();
    FD_TRY(fd_trainer_step(trainer, &step));
    fprintf(bench->out, "%.6f\n", fd_seconds() - start);
  }
  return FD_OK; /* released only when the program exits */
}

/* Pooled embeddings of train.batch sequences of 1,000 nucleotides. */
fd_status fd_bench_embed(fd_bench *bench) {
  enum { LENGTH = 1000 };
  const fd_config *c = &bench->config;
  fd_device *dev;
  fd_network *network;
  fd_table table = random_table(LENGTH);
  table.rows = (int)c->train.batch;
  FD_TRY(fd_device_open(&dev, c, 0, 1));
  FD_TRY(fd_network_create(&network, c, LENGTH));
  float *params = calloc(network->params.size, sizeof *params),
        *out = calloc((size_t)(table.rows * network->channels), sizeof *out);
  fd_params_init(&network->params, 1, params);
  fd_encoder encoder = {"random", network, params, dev, (int)c->model.cls, NULL};
  FD_TRY(fd_features_compute(&encoder, FD_FEATURES_TOKENS, &table, bench->comm, out)); /* warm-up */
  while (fd_bench_next(bench)) {
    double start = fd_seconds();
    FD_TRY(fd_features_compute(&encoder, FD_FEATURES_TOKENS, &table, bench->comm, out));
    fprintf(bench->out, "%.6f\n", fd_seconds() - start);
  }
  return FD_OK;
}
