/* The weighted sum of the terms. */
#include "objective/objective.h"

const fd_term *const fd_terms[FD_TERMS] = {
#define TERM(name) &fd_term_##name,
#include "objective/terms.def"
#undef TERM
};

int fd_objective_latent(const fd_config *config) {
  return config->task.outputs > 0 || (config->objective.cl_space != FD_SPACE_HEAD && config->objective.cl_weight > 0);
}

int fd_objective_rows(const fd_config *config) {
  return fd_config_projects(config) && config->objective.projection_of == FD_FEATURES_TOKENS ? 1 : (int)config->model.cls;
}

int fd_objective_width(const fd_config *config) {
  if (fd_config_projects(config)) return (int)config->objective.prototypes;
  return config->objective.cl_space == FD_SPACE_LATENT ? (int)config->model.channels : FD_SYMBOLS;
}

void fd_objective_compare(const fd_config *config, fd_outputs *o) {
  if (!o->teacher) return;
  if (o->projected) {
    fd_projected *p = o->projected;
    fd_projected_forward(p, o->params, o->student->latent, p->student);
    fd_projected_forward(p, o->teacher_params, o->teacher->latent, p->teacher);
    o->compared = (fd_compared){&p->rows, fd_dense(p->student->z, o->width), fd_dense(p->teacher->z, o->width)};
  } else if (config->objective.cl_space == FD_SPACE_LATENT) {
    o->compared = (fd_compared){&o->batch->seqs, o->student->latent, o->teacher->latent};
  } else {
    o->compared = (fd_compared){&o->batch->seqs, fd_dense(o->student->logits, o->width), fd_dense(o->teacher->logits, o->width)};
  }
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
