/* The masked-nucleotide term (Eq. 2-3). */
#include "objective/objective.h"

static double weight(const fd_config *config) { return config->objective.mnm_weight; }

static double divisor(const fd_config *config, const fd_totals *totals, int width) {
  (void)width;
  if (config->objective.mnm_reduce == FD_REDUCE_SUM) return totals->sequences;
  double entries = totals->masked * (config->objective.mnm == FD_MNM_BCE ? FD_SYMBOLS : 1);
  return entries > 0 ? entries : 1;
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, const fd_output_grads *grads,
                double *sum) {
  const fd_batch *batch = outputs->batch;
  dev->ops.mnm_loss(dev, &batch->seqs, outputs->student->logits, batch->labels, batch->mask, batch->entry_mask,
                    config->objective.mnm == FD_MNM_BCE, (float)config->objective.mnm_tau, scale, grads->dlogits, sum);
}

const fd_term fd_term_mnm = {"mnm", weight, divisor, run};
