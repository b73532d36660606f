/* Learning rate, beta1 and teacher momentum by step. */
#include "train/schedule.h"

#include <math.h>

double fd_half_cosine(double share) { return 0.5 * (1 + cos(3.14159265358979323846 * share)); }

int64_t fd_schedule_steps(const fd_config *config, int64_t windows) {
  return config->train.steps ? config->train.steps : config->train.epochs * windows / config->train.batch;
}

/* Half a cosine from `first` to `peak`, then another to `last` in the last step. The number of warm-up steps need not be an
 * integer. */
static double one_cycle(const fd_config *config, int64_t t, int64_t steps, double first, double peak, double last) {
  double at = (double)t, middle = config->optim.warmup * (double)steps - 1, end = (double)steps - 1;
  if (at <= middle && middle > 0) return peak + (first - peak) * fd_half_cosine(at / middle);
  return last + (peak - last) * fd_half_cosine(end > middle ? (at - middle) / (end - middle) : 1);
}

double fd_schedule_beta1(const fd_config *config, int64_t t, int64_t steps) {
  static const double most = 0.95, least = 0.85;
  if (config->optim.schedule != FD_SCHEDULE_ONE_CYCLE) return config->optim.beta1;
  return one_cycle(config, t, steps, most, least, most);
}

double fd_schedule_lr(const fd_config *config, int64_t t, int64_t steps) {
  if (config->optim.schedule == FD_SCHEDULE_CONSTANT) return config->optim.lr;
  if (config->optim.schedule == FD_SCHEDULE_ONE_CYCLE)
    return one_cycle(config, t, steps, config->optim.lr / 25, config->optim.lr, config->optim.lr / 25 / 1e4);
  double warm = floor(config->optim.warmup * (double)steps + 0.5), at = (double)t;
  if (at < warm) return config->optim.lr * at / warm;
  double rest = (double)steps - warm;
  return config->optim.lr * fd_half_cosine((at - warm) / (rest > 1 ? rest : 1));
}

double fd_schedule_momentum(const fd_config *config, int64_t t, int64_t steps) {
  return 1 + (config->teacher.momentum - 1) * fd_half_cosine((double)t / (double)steps);
}
