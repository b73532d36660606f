/* The shape of a frozen teacher, and the operations of a run, counted from the graphs of its networks. */
#include "commands/doctor_work.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/file.h"
#include "commands/doctor.h"
#include "tasks/words.h"
#include "train/checkpoint.h"
#include "train/checkpoint_format.h"
#include "train/trainer.h"

/* Finds the config file of a checkpoint, of the newest checkpoint of a run, or otherwise takes `name` as a config's. */
static fd_status find_config(const char *name, char path[FD_PATH_MAX]) {
  char folder[FD_PATH_MAX];
  int64_t *steps = NULL;
  int count = 0;
  FD_TRY(fd_path(path, name, "config.yaml", NULL));
  if (fd_exists(path)) return FD_OK;
  FD_TRY(fd_path(path, name, "ckpt", NULL));
  if (!fd_exists(path)) return fd_path(path, name, NULL, NULL);
  FD_TRY(fd_checkpoint_list(name, &steps, &count));
  fd_status status =
      count ? fd_checkpoint_folder(folder, name, steps[0]) : fd_fail(FD_MISSING, "--teacher %s: has no checkpoint", name);
  free(steps);
  FD_TRY(status);
  return fd_path(path, folder, "config.yaml", NULL);
}

fd_status fd_doctor_teacher_open(fd_doctor_teacher *t, const char *name, int window) {
  char from[FD_PATH_MAX];
  fd_tokenizer *tokenizer = NULL;
  FD_TRY(find_config(name, from));
  FD_TRY(fd_config_load(&t->config, from, NULL, 0));
  if (!fd_config_reads_ids(&t->config))
    return fd_fail(FD_CONFIG, "--teacher %s: does not read words; expected a model over words of %d letters", name, FD_GROUP);
  FD_TRY(fd_words_open(&tokenizer, &t->config, name, 1));
  t->words = (int)fd_tokenizer_most(tokenizer, window);
  fd_tokenizer_destroy(&tokenizer);
  return fd_network_create(&t->network, &t->config, window);
}

void fd_doctor_teacher_close(fd_doctor_teacher *t) { fd_network_destroy(&t->network); }

/* Sets the number of rows of a window in each space, with the mean number of hidden tokens. */
static void fill_rows(const fd_config *c, double tokens, double rows[FD_SPACES]) {
  double hidden = fd_config_hides(c) ? c->aug.mask_rate * tokens : 0;
  for (int i = 0; i < FD_SPACES; i++) rows[i] = tokens;
  rows[FD_CLS_ROWS] = fd_config_cls(c), rows[FD_SEQUENCES] = 1, rows[FD_HIDDEN] = hidden, rows[FD_VISIBLE] = tokens - hidden;
  rows[FD_GROUPS] = tokens / FD_GROUP;
}

/* Dense bf16 FLOP/s from the data sheets, and the fraction of them that large products are assumed to reach. */
static const struct gpu {
  const char *name;
  double peak;
} gpus[] = {{"H100 SXM", 989e12}, {"A100", 312e12}};
static const double reached = 0.4;

static void show_run(const fd_config *c, double window, int64_t steps) {
  double step = window * (double)c->train.batch, run = step * (double)steps;
  char hours[160] = "";
  int at = 0;
  for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++)
    at += snprintf(hours + at, sizeof hours - (size_t)at, "%s%.3g h on one %s", i ? ", " : "",
                   run / (reached * gpus[i].peak * 3600), gpus[i].name);
  if (steps)
    fd_doctor_show("work",
                   "%.4g TFLOP a step, %.3g FLOP in %" PRId64 " steps: %s at %.0f %% of its bf16 peak (computed, not measured)",
                   1e-12 * step, run, steps, hours, 100 * reached);
  else fd_doctor_show("work", "%.4g TFLOP a step", 1e-12 * step);
}

fd_status fd_doctor_work(const fd_config *c, const fd_network *network, const fd_doctor_teacher *teacher, int tokens,
                         int64_t steps) {
  double rows[FD_SPACES], flops[3] = {0}; /* of forward, backward, teacher; a multiply-add counts as two */
  fd_products p;
  fill_rows(c, tokens, rows);
  FD_TRY(fd_network_products(network, fd_trainer_student(c, 1), rows, &p));
  flops[0] = 2 * p.forward, flops[1] = 2 * p.backward;
  if (c->teacher.kind == FD_TEACHER_EMA) {
    FD_TRY(fd_network_products(network, fd_trainer_teacher(c), rows, &p));
    flops[2] = 2 * p.forward;
  }
  if (teacher->network) {
    fill_rows(&teacher->config, teacher->words, rows);
    FD_TRY(fd_network_products(teacher->network, (fd_demand){.wanted = 1u << FD_OUT_LATENT}, rows, &p));
    flops[2] = 2 * p.forward;
  }
  fd_doctor_show("products", "%.4g GFLOP a window: student %.4g forward and %.4g backward, teacher %.4g",
                 1e-9 * (flops[0] + flops[1] + flops[2]), 1e-9 * flops[0], 1e-9 * flops[1], 1e-9 * flops[2]);
  show_run(c, flops[0] + flops[1] + flops[2], steps);
  return FD_OK;
}
