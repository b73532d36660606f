/* The reconstruction term of an autoencoder's visible words: their mean cross-entropy. */
#include "objective/objective.h"

static double weight(const fd_config *config) {
  return fd_config_hides(config) && config->model.encoder == FD_ARCH_MAE ? 1 - config->objective.hidden_weight : 0;
}

static fd_out reads(const fd_config *config) {
  (void)config;
  return FD_OUT_VISIBLE;
}

static double divisor(const fd_config *config, const fd_totals *totals) {
  (void)config;
  return totals->visible > 0 ? totals->visible : 1;
}

static void run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, fd_mat gradient, double *sum) {
  (void)config;
  fd_objective_words(dev, outputs, FD_OUT_VISIBLE, scale, gradient, sum);
}

const fd_term fd_term_visible = {"visible", weight, reads, divisor, run};
