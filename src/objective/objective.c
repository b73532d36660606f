/* The weighted sum of the terms. */
#include "objective/objective.h"

const fd_term *const fd_terms[FD_TERMS] = {
#define TERM(name) &fd_term_##name,
#include "objective/terms.def"
#undef TERM
};

int fd_objective_latent(const fd_config *config) {
  return config->task.outputs > 0 || (config->objective.cl_space == FD_SPACE_LATENT && config->objective.cl_weight > 0);
}

int fd_objective_width(const fd_config *config) {
  return config->objective.cl_space == FD_SPACE_LATENT ? (int)config->model.channels : FD_SYMBOLS;
}

void fd_objective_run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, const fd_totals *totals,
                      const fd_output_grads *grads, double *sums) {
  for (int i = 0; i < FD_TERMS; i++) {
    double weight = fd_terms[i]->weight(config);
    if (weight > 0)
      fd_terms[i]->run(config, dev, outputs, (float)(weight / fd_terms[i]->divisor(config, totals, outputs->width)), grads,
                       &sums[i]);
  }
}

double fd_objective_loss(const fd_config *config, const fd_totals *totals, const double *sums, double *values) {
  double loss = 0;
  for (int i = 0; i < FD_TERMS; i++) {
    values[i] = sums[i] / fd_terms[i]->divisor(config, totals, fd_objective_width(config));
    loss += fd_terms[i]->weight(config) * values[i];
  }
  return loss;
}
