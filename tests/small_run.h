/* A small run in one process on given windows, for tests of training and of evaluations. */
#ifndef FD_TESTS_SMALL_RUN_H
#define FD_TESTS_SMALL_RUN_H

#include "check.h"
#include "draws.h"

#include "train/schedule.h"
#include "train/trainer.h"

typedef struct small_run {
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_loader loader;
  fd_trainer *trainer;
} small_run;

static inline void open_run(small_run *r, const fd_windows *windows) {
  int rows = (int)(r->config.train.batch / r->config.train.virtual_ranks) * (windows->length + (int)r->config.model.cls);
  assert_ok(fd_device_open(&r->dev, &r->config, 0, 1));
  assert_ok(fd_network_create(&r->network, &r->config, windows->length));
  assert_ok(fd_state_create(&r->state, &r->config, r->network, r->dev));
  fd_loader_init(&r->loader, &r->config, windows);
  assert_ok(fd_trainer_create(&r->trainer, &r->config, fd_comm_self(), r->dev, r->network, fd_loader_source(&r->loader), r->state,
                              fd_schedule_steps(&r->config, windows->count), rows));
}

static inline void close_run(small_run *r) {
  fd_trainer_destroy(&r->trainer);
  fd_state_destroy(&r->state);
  fd_network_destroy(&r->network);
  fd_device_close(&r->dev);
}

static inline fd_config small_config(int channels, int hidden, int track, int networks) {
  fd_config c;
  fd_config_defaults(&c);
  c.model.channels = channels, c.model.hidden = hidden, c.model.track = track, c.model.networks = networks;
  c.device.threads = 1;
  c.run.seed = (int64_t)drawn_seed((uint64_t)c.run.seed);
  return c;
}

/* Several micro-batches, learned [CLS] rows, a projection, two threads. */
static inline fd_config busy_config(void) {
  fd_config c = small_config(24, 32, 6, 2);
  c.train.batch = 8, c.train.virtual_ranks = 4, c.train.steps = 12;
  c.model.cls_tokens = FD_CLS_LEARNED;
  c.objective.cl_space = FD_SPACE_PROJECTION;
  c.device.threads = 2;
  return c;
}

/* Windows of random nucleotides. */
static inline fd_windows many_windows(int count, int length) {
  fd_windows w = {count, length, malloc((size_t)count * (size_t)length), NULL, NULL};
  for (int i = 0; i < count * length; i++) {
    uint32_t word[4];
    fd_philox(word, drawn_key(2), 1, (uint64_t)i);
    w.symbols[i] = (uint8_t)fd_below(word[0], 4);
  }
  return w;
}

#endif
