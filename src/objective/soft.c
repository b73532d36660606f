/* The distillation term of a classifier: Kullback-Leibler divergence of the head's class probabilities from a teacher's, both of
 * logits divided by a temperature. */
#include "objective/frozen.h"
#include "objective/objective.h"

static double weight(const fd_config *config) { return fd_config_distils(config) ? 1 - config->objective.kd_alpha : 0; }

static fd_out reads(const fd_config *config) {
  (void)config;
  return FD_OUT_TASK;
}

static double divisor(const fd_config *config, const fd_totals *totals) {
  (void)config;
  return totals->sequences;
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, fd_mat gradient, double *sum) {
  const float *taught = outputs->frozen ? fd_frozen_output(outputs->frozen, FD_OUT_TASK).at : outputs->batch->logits;
  fd_mat z = fd_network_output(outputs->network, outputs->student, FD_OUT_TASK);
  dev->ops.soft_loss(dev, outputs->batch->seqs.count, outputs->network->task.outputs, z.at, taught,
                     (float)config->objective.kd_temperature, scale, gradient.at, sum);
}

const fd_term fd_term_soft = {"soft", weight, reads, divisor, run};
