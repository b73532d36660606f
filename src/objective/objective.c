/* The loss as the weighted sum of its terms. */
#include "objective/objective.h"

const fd_term *const fd_terms[FD_TERMS] = {
#define TERM(name) &fd_term_##name,
#include "objective/terms.def"
#undef TERM
};

unsigned fd_objective_reads(const fd_config *config) {
  unsigned reads = 0;
  for (int i = 0; i < FD_TERMS; i++)
    if (fd_terms[i]->weight(config) > 0) reads |= 1u << fd_terms[i]->reads(config);
  return reads;
}

fd_out fd_objective_space(const fd_config *config) {
  if (fd_config_projects(config)) return FD_OUT_PROJECTED;
  return config->objective.cl_space == FD_SPACE_LATENT ? FD_OUT_LATENT : FD_OUT_LOGITS;
}

int fd_objective_rows(const fd_config *config) {
  return fd_config_projects(config) && config->objective.projection_of == FD_FEATURES_TOKENS ? 1 : (int)config->model.cls;
}

int fd_objective_width(const fd_config *config) {
  if (fd_config_projects(config)) return (int)config->objective.prototypes;
  return config->objective.cl_space == FD_SPACE_LATENT ? (int)config->model.channels : FD_SYMBOLS;
}

fd_compared fd_objective_compare(const fd_config *config, const fd_outputs *o) {
  if (!o->teacher) return (fd_compared){0};
  fd_out output = fd_objective_space(config);
  return (fd_compared){o->spaces->of[o->network->out[output].space], fd_network_output(o->network, o->student, output),
                       fd_network_output(o->network, o->teacher, output)};
}

void fd_objective_words(fd_device *dev, const fd_outputs *o, fd_out output, float scale, fd_mat gradient, double *sum) {
  fd_value logits = o->network->out[output];
  int rows = fd_seqs_rows(o->spaces->of[logits.space]), first = logits.space == FD_HIDDEN ? 0 : o->batch->rows - rows;
  fd_mat z = fd_network_output(o->network, o->student, output);
  dev->ops.class_loss(dev, rows, logits.width, z.at, o->batch->target + first, o->batch->weight + first, scale, gradient.at, sum);
}

void fd_objective_run(const fd_config *config, fd_device *dev, const fd_outputs *o, const fd_totals *totals, double *sums) {
  for (int i = 0; i < FD_TERMS; i++) {
    const fd_term *term = fd_terms[i];
    double weight = term->weight(config);
    if (weight <= 0) continue;
    fd_mat gradient = fd_network_gradient(o->network, o->student, term->reads(config));
    term->run(config, dev, o, (float)(weight / term->divisor(config, totals)), gradient, &sums[i]);
  }
}

double fd_objective_loss(const fd_config *config, const fd_totals *totals, const double *sums, double *values) {
  double loss = 0;
  for (int i = 0; i < FD_TERMS; i++) {
    values[i] = sums[i] / fd_terms[i]->divisor(config, totals);
    loss += fd_terms[i]->weight(config) * values[i];
  }
  return loss;
}
