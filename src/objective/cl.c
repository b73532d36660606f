/* The [CLS] self-distillation term (Eq. 4-8). */
#include "objective/objective.h"

static double weight(const fd_config *config) { return config->objective.cl_weight; }

static double divisor(const fd_config *config, const fd_totals *totals, int width) {
  if (config->objective.cl_reduce == FD_REDUCE_SUM) return totals->sequences;
  return totals->sequences * (config->objective.cl_axis == FD_AXIS_D ? (double)fd_objective_rows(config) : width);
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, const fd_output_grads *grads,
                double *sum) {
  const fd_compared *c = &outputs->compared;
  fd_projected *projected = outputs->projected;
  fd_mat dp = config->objective.cl_space == FD_SPACE_LATENT ? grads->dlatent : fd_dense(grads->dlogits, FD_SYMBOLS);
  if (projected) {
    dp = fd_dense(projected->student->dz, outputs->width);
    dev->ops.zero(dev, (size_t)fd_seqs_rows(c->seqs) * (size_t)outputs->width * sizeof(float), dp.at);
  }
  dev->ops.cl_loss(dev, c->seqs, outputs->width, c->student, c->teacher, outputs->centre, config->objective.cl_axis == FD_AXIS_D,
                   (float)config->objective.tau_student, (float)config->objective.tau_teacher, scale, dp, outputs->logp,
                   outputs->prob, sum);
  if (projected) fd_projected_backward(projected, outputs->params, grads->dlatent, grads->params);
}

const fd_term fd_term_cl = {"cl", weight, divisor, run};
