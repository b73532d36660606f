/* The term of a downstream task, on the output of the student's head: cross-entropy of classes or squared error of values. */
#include "objective/objective.h"

static double weight(const fd_config *config) {
  return fd_config_distils(config) ? config->objective.kd_alpha : config->task.outputs > 0;
}

static fd_out reads(const fd_config *config) {
  (void)config;
  return FD_OUT_TASK;
}

static double divisor(const fd_config *config, const fd_totals *totals) {
  (void)config;
  return totals->sequences;
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, fd_mat gradient, double *sum) {
  const fd_batch *batch = outputs->batch;
  int count = batch->seqs.count, classes = outputs->network->task.outputs;
  fd_mat z = fd_network_output(outputs->network, outputs->student, FD_OUT_TASK);
  if (config->task.kind == FD_TASK_CLASSES)
    dev->ops.class_loss(dev, count, classes, z.at, batch->target, batch->weight, scale, gradient.at, sum);
  else dev->ops.value_loss(dev, count, z.at, batch->target, scale, gradient.at, sum);
}

const fd_term fd_term_task = {"task", weight, reads, divisor, run};
