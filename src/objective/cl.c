/* The [CLS] self-distillation term (Eq. 4-8). */
#include "objective/objective.h"

static double weight(const fd_config *config) { return config->objective.cl_weight; }

static double divisor(const fd_config *config, const fd_totals *totals, int width) {
  if (config->objective.cl_reduce == FD_REDUCE_SUM) return totals->sequences;
  return totals->sequences * (config->objective.cl_axis == FD_AXIS_D ? (double)config->model.cls : width);
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, const fd_output_grads *grads,
                double *sum) {
  int latent = config->objective.cl_space == FD_SPACE_LATENT;
  dev->ops.cl_loss(dev, &outputs->batch->seqs, outputs->width,
                   latent ? outputs->student->latent : fd_dense(outputs->student->logits, FD_SYMBOLS),
                   latent ? outputs->teacher->latent : fd_dense(outputs->teacher->logits, FD_SYMBOLS), outputs->centre,
                   config->objective.cl_axis == FD_AXIS_D, (float)config->objective.tau_student,
                   (float)config->objective.tau_teacher, scale, latent ? grads->dlatent : fd_dense(grads->dlogits, FD_SYMBOLS),
                   outputs->logp, outputs->prob, sum);
}

const fd_term fd_term_cl = {"cl", weight, divisor, run};
