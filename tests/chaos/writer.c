/* make test-chaos, third part: kill -9 of only the process that writes checkpoints, at random instants. After each kill the
 * newest checkpoint must be valid, hold what was written, and be no older than the last acknowledged one. writer FOLDER KILLS
 * SEED */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "train/checkpoint.h"

typedef struct world {
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_run run;
} world;

static fd_status build(world *w, const char *folder) {
  fd_config_defaults(&w->config);
  w->config.model.channels = 18, w->config.model.hidden = 20, w->config.model.track = 3, w->config.model.networks = 1;
  w->config.device.threads = 1;
  w->config.checkpoint.keep = 2;
  FD_TRY(fd_device_open(&w->dev, &w->config, 0, 1));
  FD_TRY(fd_network_create(&w->network, &w->config, 61));
  FD_TRY(fd_state_create(&w->state, &w->config, w->network, w->dev));
  w->run = (fd_run){folder, &w->config, w->network, fd_comm_self(), 61, "none", 0, NULL, NULL, NULL};
  return FD_OK;
}

/* A value of the state at a step. */
static float content(int64_t step, int array, size_t i) { return (float)((step * 7919 + array * 104729 + (int64_t)i) % 65521); }

static void fill(world *w, int64_t step) {
  w->state->step = w->state->updates = step;
  w->state->draws = (uint64_t)step * 64;
  for (int a = 0; a < FD_ARRAYS; a++)
    for (size_t i = 0; i < w->state->size[a]; i++) w->state->array[a][i] = content(step, a, i);
}

static int as_written(const world *w, int64_t step) {
  for (int a = 0; a < FD_ARRAYS; a++)
    for (size_t i = 0; i < w->state->size[a]; i++)
      if (w->state->array[a][i] != content(step, a, i)) return 0;
  return w->state->step == step && w->state->draws == (uint64_t)step * 64;
}

/* Writes checkpoints until it is killed; reports each durable one through the pipe. */
static void write_for_ever(world *w, int64_t step, int pipe_end) {
  fd_checkpointer *c;
  int durable;
  if (fd_checkpointer_create(&c, &w->run, w->state) != FD_OK) _exit(1);
  for (;; step++) {
    fill(w, step);
    if (fd_checkpointer_begin(c, w->state) != FD_OK || fd_checkpointer_finish(c, &durable, NULL) != FD_OK || !durable) _exit(1);
    if (write(pipe_end, &step, sizeof step) != sizeof step) _exit(1);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: writer FOLDER KILLS SEED\n"), 64;
  static world w;
  int64_t step = 0, acknowledged = -1, unfinished = 0;
  int kills = atoi(argv[2]);
  char name[FD_PATH_MAX];
  if (fd_make_folder(argv[1]) != FD_OK || build(&w, argv[1]) != FD_OK) return 1;
  fd_log_set_rank(1, 2); /* no info messages */
  for (int k = 0; k < kills; k++) {
    int ends[2];
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of((uint64_t)atoi(argv[3]), FD_RNG_TEST), (uint64_t)k, 0);
    if (pipe(ends)) return 1;
    pid_t child = fork();
    if (child == 0) write_for_ever(&w, step + 1, ends[1]);
    close(ends[1]);
    usleep(500 + fd_below(word[0], 15000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (int64_t told; read(ends[0], &told, sizeof told) == sizeof told;) acknowledged = told;
    close(ends[0]);
    snprintf(name, sizeof name, "%s/ckpt/.tmp-step_%09" PRId64, argv[1], acknowledged + 1);
    unfinished += fd_exists(name);
    fd_checkpoint_info info;
    int found = 0;
    fd_status status = acknowledged < 0 && !fd_exists(argv[1]) ? FD_OK : fd_checkpoint_resume(&w.run, w.state, &info, &found);
    if (status != FD_OK || (acknowledged >= 0 && (!found || info.step < acknowledged)) || (found && !as_written(&w, info.step))) {
      printf("kill %d: status %d, found %d, step %" PRId64 ", acknowledged %" PRId64 "\n", k, status, found,
             found ? info.step : -1, acknowledged);
      return 1;
    }
    if (found) step = info.step;
    if ((k + 1) % 2000 == 0)
      printf("%d kills, %" PRId64 " of them left an unfinished checkpoint, step %" PRId64 "\n", k + 1, unfinished, step),
          fflush(stdout);
  }
  printf(
      "ok - %d kills of the checkpoint writer (seed %s): none lost an acknowledged checkpoint, none loaded a partial one; "
      "%" PRId64 " left an unfinished checkpoint\n",
      kills, argv[3], unfinished);
  return 0;
}
