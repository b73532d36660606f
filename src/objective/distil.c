/* The alignment term: the student's latents of visible letters, mapped to the teacher's width, against a frozen teacher's
 * features of the same words. */
#include "objective/frozen.h"
#include "objective/objective.h"

static double weight(const fd_config *config) { return fd_config_aligns(config) ? config->objective.distil_weight : 0; }

static fd_out reads(const fd_config *config) {
  (void)config;
  return FD_OUT_ALIGNED;
}

/* The number of compared rows; for the squared error times the number of columns, as every column has its own difference. */
static double divisor(const fd_config *config, const fd_totals *totals) {
  double columns = config->objective.distil == FD_DISTIL_MSE ? (double)config->teacher.width : 1;
  return totals->aligned > 0 && columns > 0 ? totals->aligned * columns : 1;
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *o, float scale, fd_mat gradient, double *sum) {
  fd_value value = o->network->out[FD_OUT_ALIGNED];
  dev->ops.align_loss(dev, fd_seqs_rows(o->spaces->of[value.space]), value.width, config->objective.distil == FD_DISTIL_COSINE,
                      config->objective.distil_norm == FD_DISTIL_LAYER, fd_network_output(o->network, o->student, FD_OUT_ALIGNED),
                      o->batch->aligned, fd_frozen_output(o->frozen, FD_OUT_LATENT), scale, gradient, sum);
}

const fd_term fd_term_distil = {"distil", weight, reads, divisor, run};
