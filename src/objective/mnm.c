/* The masked-nucleotide term (Eq. 2-3). */
#include "objective/objective.h"

static double weight(const fd_config *config) { return config->objective.mnm_weight; }

static fd_out reads(const fd_config *config) {
  (void)config;
  return FD_OUT_LOGITS;
}

static double divisor(const fd_config *config, const fd_totals *totals) {
  if (config->objective.mnm_reduce == FD_REDUCE_SUM) return totals->sequences;
  double entries = totals->masked * (config->objective.mnm == FD_MNM_BCE ? FD_SYMBOLS : 1);
  return entries > 0 ? entries : 1;
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, fd_mat gradient, double *sum) {
  const fd_batch *batch = outputs->batch;
  fd_mat logits = fd_network_output(outputs->network, outputs->student, FD_OUT_LOGITS);
  dev->ops.mnm_loss(dev, &batch->seqs, logits.at, batch->labels, batch->mask, batch->entry_mask,
                    config->objective.mnm == FD_MNM_BCE, (float)config->objective.mnm_tau, scale, gradient.at, sum);
}

const fd_term fd_term_mnm = {"mnm", weight, reads, divisor, run};
