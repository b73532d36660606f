/* Schedules by step. */
#include "train/schedule.h"

#include <math.h>

static double half_cosine(double share) { return 0.5 * (1 + cos(3.14159265358979323846 * share)); }

int64_t fd_schedule_steps(const fd_config *config, int64_t windows) {
  return config->train.steps ? config->train.steps : config->train.epochs * windows / config->train.batch;
}

double fd_schedule_lr(const fd_config *config, int64_t t, int64_t steps) {
  if (config->optim.schedule == FD_SCHEDULE_CONSTANT) return config->optim.lr;
  double warm = floor(config->optim.warmup * (double)steps + 0.5), at = (double)t;
  if (at < warm) return config->optim.lr * at / warm;
  double rest = (double)steps - warm;
  return config->optim.lr * half_cosine((at - warm) / (rest > 1 ? rest : 1));
}

double fd_schedule_momentum(const fd_config *config, int64_t t, int64_t steps) {
  return 1 + (config->teacher.momentum - 1) * half_cosine((double)t / (double)steps);
}
