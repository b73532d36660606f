/* Scores rows on the host from pooled features and the head; keeps the best weights. */
#include "tasks/finetune.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/log.h"
#include "base/memory.h"
#include "tasks/features.h"
#include "tasks/scores.h"
#include "tasks/softmax.h"

const char *const fd_task_score_names[FD_TASK_SCORES] = {"loss",  "accuracy", "balanced_accuracy", "f1", "mcc", "auroc",
                                                         "auprc", "r2",       "correlation"};

/* The number of rows with a label that the head knows; `row`, if not NULL, receives their numbers. */
static int known_rows(const fd_table *table, int classes, int *row) {
  int known = 0;
  for (int i = 0; i < table->rows; i++) {
    if (table->label[i] >= classes) continue;
    if (row) row[known] = i;
    known++;
  }
  return known;
}

static fd_status score_classes(const fd_table *table, int classes, const double *z, fd_task_scores *s) {
  int *predicted, known = known_rows(table, classes, NULL);
  fd_scores scores;
  fd_areas areas;
  FD_TRY(fd_alloc(&predicted, (size_t)table->rows, sizeof *predicted, "scores"));
  fd_likeliest(table->rows, z, classes, predicted);
  s->loss = known ? 0 : NAN;
  for (int i = 0; i < table->rows; i++) {
    const double *row = z + (size_t)i * (size_t)classes;
    double total = 0;
    if (table->label[i] >= classes) continue;
    for (int c = 0; c < classes; c++) total += exp(row[c] - row[predicted[i]]);
    s->loss += (log(total) + row[predicted[i]] - row[table->label[i]]) / known;
  }
  fd_status status = fd_scores_of(table->rows, table->label, predicted, classes + (known < table->rows), &scores);
  if (status == FD_OK) status = fd_areas_of(table->rows, table->label, z, classes, &areas);
  if (status == FD_OK) s->accuracy = scores.accuracy, s->balanced = scores.balanced, s->f1 = scores.f1, s->mcc = scores.mcc;
  if (status == FD_OK) s->auroc = areas.roc, s->auprc = areas.precision;
  free(predicted);
  return status;
}

/* R2 and the correlation are NAN, shown as missing, where all values are the same and leave them undefined. */
static void score_values(const fd_table *table, const double *z, fd_task_scores *s) {
  double n = table->rows, mean_z = 0, mean_t = 0, zz = 0, tt = 0, zt = 0;
  int z_varies = 0, t_varies = 0; /* zz and tt cannot tell: rounding may leave them above 0 */
  s->loss = 0;
  for (int i = 0; i < table->rows; i++) {
    mean_z += z[i] / n, mean_t += (double)table->value[i] / n;
    z_varies |= z[i] < z[0] || z[i] > z[0];
    t_varies |= table->value[i] < table->value[0] || table->value[i] > table->value[0];
  }
  for (int i = 0; i < table->rows; i++) {
    double a = z[i] - mean_z, b = (double)table->value[i] - mean_t, error = z[i] - (double)table->value[i];
    zz += a * a, tt += b * b, zt += a * b;
    s->loss += error * error / n;
  }
  s->r2 = t_varies && tt > 0 ? 1 - s->loss * n / tt : NAN;
  s->correlation = z_varies && t_varies && zz * tt > 0 ? zt / sqrt(zz * tt) : NAN;
}

static fd_status check_outputs(const fd_table *table, size_t outputs, const double *z) {
  size_t count = (size_t)table->rows * outputs, place = fd_first_bad_double(z, count);
  if (place == count) return FD_OK;
  return fd_fail(FD_NUMERIC, "row %zu: output %zu of the head is not finite: its weights have diverged", place / outputs + 1,
                 place % outputs);
}

static fd_status score_many(const fd_selection *sel, const fd_table *table, const float *features, fd_task_scores *s) {
  const fd_task_head *head = &sel->encoder.network->task;
  const int dims = fd_task_head_inner_width(head);
  fd_softmax *model = NULL;
  double *x = NULL;
  int *predicted = NULL, *row = NULL, known = known_rows(table, head->outputs, NULL);
  fd_scores scores;
  fd_status status = FD_OK;
  FD_GO(fd_alloc(&row, (size_t)table->rows, sizeof *row, "scores"));
  FD_GO(fd_alloc(&x, (size_t)table->rows * (size_t)dims, sizeof *x, "scores"));
  FD_GO(fd_alloc(&predicted, (size_t)table->rows, sizeof *predicted, "scores"));
  FD_GO(fd_softmax_create(&model, sel->cpu, head->outputs, dims));
  for (int i = 0; i < table->rows; i++)
    fd_task_head_inner(head, sel->weights, features + (size_t)i * (size_t)head->width, x + (size_t)i * (size_t)dims);
  fd_softmax_set(model, sel->weights + head->out_weight->offset, sel->weights + head->out_bias->offset);
  const fd_design design = {.rows = table->rows, .dims = dims, .dense = x};
  FD_GO(fd_softmax_predict(model, &design, table->label, NULL, table->rows, predicted, known == table->rows ? &s->loss : NULL));
  known_rows(table, head->outputs, row);
  if (known && known < table->rows) FD_GO(fd_softmax_predict(model, &design, table->label, row, known, NULL, &s->loss));
  FD_GO(fd_scores_of(table->rows, table->label, predicted, head->outputs + (known < table->rows), &scores));
  s->accuracy = scores.accuracy, s->balanced = scores.balanced, s->f1 = scores.f1, s->mcc = scores.mcc;
done:
  fd_softmax_free(&model);
  free(predicted);
  free(row);
  free(x);
  return status;
}

void fd_prediction_free(fd_prediction *p) {
  free(p->features);
  free(p->output);
  *p = (fd_prediction){0};
}

fd_status fd_selection_score(const fd_selection *sel, fd_comm *comm, const fd_table *table, fd_task_scores *s,
                             fd_prediction *prediction) {
  const fd_task_head *head = &sel->encoder.network->task;
  size_t width = (size_t)head->width, outputs = (size_t)head->outputs;
  fd_status status = FD_OK;
  fd_prediction p = {0};
  *s = (fd_task_scores){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
  FD_GO(fd_alloc(&p.features, (size_t)table->rows * width, sizeof *p.features, "features"));
  FD_GO(fd_features_compute(&sel->encoder, (fd_features)head->features, table, comm, p.features));
  if (sel->cpu) {
    status = score_many(sel, table, p.features, s);
    goto done;
  }
  FD_GO(fd_alloc(&p.output, (size_t)table->rows * outputs, sizeof *p.output, "scores"));
  for (int i = 0; i < table->rows; i++)
    fd_task_head_apply(head, sel->weights, p.features + (size_t)i * width, p.output + (size_t)i * outputs);
  FD_GO(check_outputs(table, outputs, p.output));
  if (sel->config->task.kind == FD_TASK_VALUES) score_values(table, p.output, s);
  else FD_GO(score_classes(table, head->outputs, p.output, s));
done:
  if (prediction) *prediction = p;
  else fd_prediction_free(&p);
  return status;
}

/* Larger is better. */
static double merit(const fd_config *c, const fd_task_scores *s) {
  const double by[] = {-s->loss, s->accuracy, s->f1, s->mcc};
  return by[c->task.select];
}

int fd_selection_is_over(const fd_selection *sel, const fd_state *state) {
  int64_t patience = sel->config->task.patience;
  return patience && state->best_step >= 0 && state->step - state->best_step >= patience * sel->every;
}

static fd_status keep(fd_state *state, double score) {
  state->best_step = state->step;
  state->best_score = score;
  return state->dev->copy(state->dev, state->array[FD_BEST], state->array[FD_STUDENT], state->size[FD_STUDENT] * sizeof(float));
}

fd_status fd_selection_evaluate(fd_session *session) {
  fd_selection *sel = session->task;
  fd_state *state = session->trainer->state;
  fd_comm *comm = session->run->comm;
  fd_task_scores s;
  double values[FD_TASK_SCORES + 1];
  const char *names[FD_TASK_SCORES + 1];
  fd_comm_phase(comm, state->step, "the evaluation");
  FD_TRY(state->dev->copy(state->dev, sel->weights, state->array[FD_STUDENT], state->size[FD_STUDENT] * sizeof(float)));
  fd_status status = fd_selection_score(sel, comm, sel->rows, &s, NULL);
  if (status == FD_NUMERIC)
    return fd_fail(status,
                   "step %" PRId64 ": the validation rows cannot be scored: the training has diverged; try a smaller optim.lr",
                   state->step);
  FD_TRY(status);
  double score = merit(sel->config, &s);
  int better = state->best_step < 0 || score > state->best_score;
  if (better) FD_TRY(keep(state, score));
  if (sel->config->task.kind == FD_TASK_CLASSES)
    fd_info("step %" PRId64 ": validation rows: loss %.4f, accuracy %.2f %%, MCC %.4f%s", state->step, s.loss, 100 * s.accuracy,
            s.mcc, better ? " (best)" : "");
  else if (isnan(s.r2)) fd_info("step %" PRId64 ": validation rows: error %.5g%s", state->step, s.loss, better ? " (best)" : "");
  else fd_info("step %" PRId64 ": validation rows: error %.5g, R2 %.4f%s", state->step, s.loss, s.r2, better ? " (best)" : "");
  memcpy(values, &s, sizeof s);
  memcpy(names, fd_task_score_names, sizeof fd_task_score_names);
  values[FD_TASK_SCORES] = better, names[FD_TASK_SCORES] = "best";
  fd_metrics_step(session->metrics, "select", state->step, FD_TASK_SCORES + 1, names, values);
  session->enough = fd_selection_is_over(sel, state);
  if (session->enough)
    fd_info("step %" PRId64 ": no improvement for %" PRId64 " evaluations: early stopping", state->step,
            sel->config->task.patience);
  return FD_OK;
}

void fd_selection_class_weights(const fd_table *table, float *weights) {
  for (int c = 0; c < table->classes; c++) weights[c] = 0;
  for (int i = 0; i < table->rows; i++) weights[table->label[i]]++; /* exact below 2^24 */
  for (int c = 0; c < table->classes; c++)
    weights[c] = (float)((double)table->rows / ((double)table->classes * (double)weights[c]));
}
