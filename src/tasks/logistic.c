/* Fits and applies logistic regression on dense or sparse rows. */
#include "tasks/logistic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "tasks/lbfgs.h"

enum { ITERATIONS_MAX = 5000 };
static const double tolerance = 1e-6;

/* The data and scratch memory of one fit, or of one pass over rows. */
typedef struct problem {
  const fd_design *x;
  const int *label, *row;
  int count, outputs;
  double lambda;
  double *score;  /* [outputs] of a row; then the derivative of its loss */
  double *offset; /* [outputs]: bias - shift . weights */
  double *total;  /* [outputs]: sum of the derivatives over the rows */
} problem;

static double row_dot(const fd_design *x, int row, const double *w) {
  if (!x->dense) {
    double sum = 0;
    for (int64_t i = x->start[row]; i < x->start[row + 1]; i++) sum += (double)x->value[i] * w[x->column[i]];
    return sum;
  }
  const double *v = x->dense + (size_t)row * (size_t)x->dims;
  double sum[8] = {0}; /* enough partial sums to fill a vector register */
  int i = 0;
  for (; i + 8 <= x->dims; i += 8)
    for (int j = 0; j < 8; j++) sum[j] += v[i + j] * w[i + j];
  for (; i < x->dims; i++) sum[0] += v[i] * w[i];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static void row_add(const fd_design *x, int row, double factor, double *g) {
  if (!x->dense) {
    for (int64_t i = x->start[row]; i < x->start[row + 1]; i++) g[x->column[i]] += factor * (double)x->value[i];
    return;
  }
  const double *v = x->dense + (size_t)row * (size_t)x->dims;
  for (int i = 0; i < x->dims; i++) g[i] += factor * v[i];
}

static void set_offsets(const problem *p, const double *w) {
  int dims = p->x->dims;
  for (int o = 0; o < p->outputs; o++, w += dims + 1) {
    p->offset[o] = w[dims];
    for (int i = 0; i < dims && !p->x->dense; i++) p->offset[o] -= p->x->shift[i] * w[i];
  }
}

static void score_row(const problem *p, int row, const double *w) {
  for (int o = 0; o < p->outputs; o++) p->score[o] = p->offset[o] + row_dot(p->x, row, w + (size_t)o * (size_t)(p->x->dims + 1));
}

/* Negative log likelihood of a row from p->score, which is overwritten by the derivative. */
static double row_loss(const problem *p, int label) {
  double *s = p->score;
  if (p->outputs == 1) {
    double z = label ? -s[0] : s[0], loss = z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
    s[0] = 1 / (1 + exp(-s[0])) - label;
    return loss;
  }
  double top = s[0], sum = 0, at_label = s[label];
  for (int o = 1; o < p->outputs; o++) top = fmax(top, s[o]);
  for (int o = 0; o < p->outputs; o++) sum += s[o] = exp(s[o] - top);
  for (int o = 0; o < p->outputs; o++) s[o] = s[o] / sum - (o == label);
  return log(sum) + top - at_label;
}

static double value_and_gradient(void *context, const double *w, double *g) {
  const problem *p = context;
  size_t dims = (size_t)p->x->dims, width = dims + 1;
  double loss = 0, penalty = 0;
  set_offsets(p, w);
  memset(g, 0, (size_t)p->outputs * width * sizeof *g);
  memset(p->total, 0, (size_t)p->outputs * sizeof *p->total);
  for (int i = 0; i < p->count; i++) {
    int row = p->row ? p->row[i] : i;
    score_row(p, row, w);
    loss += row_loss(p, p->label[row]);
    for (int o = 0; o < p->outputs; o++) {
      p->total[o] += p->score[o];
      row_add(p->x, row, p->score[o], g + (size_t)o * width);
    }
  }
  for (int o = 0; o < p->outputs; o++, g += width, w += width) {
    for (size_t i = 0; i < dims; i++) {
      double shifted = p->x->dense ? 0 : p->total[o] * p->x->shift[i];
      g[i] = (g[i] - shifted) / p->count + p->lambda * w[i];
      penalty += w[i] * w[i];
    }
    g[dims] = p->total[o] / p->count;
  }
  return loss / p->count + p->lambda / 2 * penalty;
}

/* Allocates the scratch memory of a problem; released with free(p->score). */
static fd_status open_problem(problem *p, const fd_logistic *model, const fd_design *x) {
  p->x = x;
  p->outputs = model->outputs;
  if (x->dims != model->dims) return fd_fail(FD_BUG, "logistic regression: %d features for a model of %d", x->dims, model->dims);
  FD_TRY(fd_alloc(&p->score, 3 * (size_t)p->outputs, sizeof *p->score, "logistic regression"));
  p->offset = p->score + p->outputs;
  p->total = p->offset + p->outputs;
  return FD_OK;
}

fd_status fd_logistic_create(fd_logistic **model, int classes, int dims) {
  FD_TRY(fd_alloc(model, 1, sizeof **model, "logistic regression"));
  fd_logistic *m = *model;
  *m = (fd_logistic){.classes = classes, .dims = dims, .outputs = classes == 2 ? 1 : classes};
  fd_status status = fd_alloc(&m->weight, (size_t)m->outputs * (size_t)(dims + 1), sizeof *m->weight, "logistic regression");
  if (status != FD_OK) fd_logistic_free(model);
  return status;
}

void fd_logistic_free(fd_logistic **model) {
  if (*model) free((*model)->weight);
  free(*model);
  *model = NULL;
}

fd_status fd_logistic_fit(fd_logistic *model, const fd_design *x, const int *label, const int *row, int count, double lambda,
                          double *gradient) {
  problem p = {.label = label, .row = row, .count = count, .lambda = lambda};
  fd_lbfgs_end end = {0};
  FD_TRY(open_problem(&p, model, x));
  fd_status status =
      fd_lbfgs(value_and_gradient, &p, model->outputs * (model->dims + 1), model->weight, tolerance, ITERATIONS_MAX, &end);
  free(p.score);
  if (status == FD_OK && !end.converged)
    fd_warn("logistic regression (lambda %g, %d features) stopped after %d iterations with a gradient of %.1e, not %.0e", lambda,
            model->dims, end.iterations, end.gradient, tolerance);
  if (gradient) *gradient = end.gradient;
  return status;
}

fd_status fd_logistic_loss(const fd_logistic *model, const fd_design *x, const int *label, const int *row, int count,
                           double *loss) {
  problem p = {0};
  FD_TRY(open_problem(&p, model, x));
  set_offsets(&p, model->weight);
  *loss = 0;
  for (int i = 0; i < count; i++) {
    int at = row ? row[i] : i;
    score_row(&p, at, model->weight);
    *loss += row_loss(&p, label[at]) / count;
  }
  free(p.score);
  return FD_OK;
}

fd_status fd_logistic_predict(const fd_logistic *model, const fd_design *x, double *score) {
  problem p = {0};
  FD_TRY(open_problem(&p, model, x));
  set_offsets(&p, model->weight);
  for (int i = 0; i < x->rows; i++, score += model->classes) {
    score_row(&p, i, model->weight);
    score[0] = 0;
    memcpy(score + model->classes - p.outputs, p.score, (size_t)p.outputs * sizeof *score);
  }
  free(p.score);
  return FD_OK;
}
