/* The [CLS] self-distillation term (Eq. 4-8). */
#include "objective/objective.h"

static double weight(const fd_config *config) { return config->objective.cl_weight; }

static double divisor(const fd_config *config, const fd_totals *totals) {
  if (config->objective.cl_reduce == FD_REDUCE_SUM) return totals->sequences;
  return totals->sequences * (config->objective.cl_axis == FD_AXIS_D ? fd_objective_rows(config) : fd_objective_width(config));
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, fd_mat gradient, double *sum) {
  fd_compared c = fd_objective_compare(config, outputs);
  dev->ops.cl_loss(dev, c.seqs, outputs->width, c.student, c.teacher, outputs->centre, config->objective.cl_axis == FD_AXIS_D,
                   (float)config->objective.tau_student, (float)config->objective.tau_teacher, scale, gradient, outputs->logp,
                   outputs->prob, sum);
}

const fd_term fd_term_cl = {"cl", weight, fd_objective_space, divisor, run};
