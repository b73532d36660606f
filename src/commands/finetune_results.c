/* Writes and prints the results of a fine-tuning. */
#include "commands/finetune_results.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/version.h"
#include "output/json_file.h"
#include "tasks/figures.h"
#include "tasks/task_json.h"
#include "tasks/whiten.h"

static json_t *json_of(const fd_task_scores *scores) {
  json_t *object = json_object();
  double values[FD_TASK_SCORES];
  memcpy(values, scores, sizeof values);
  for (int i = 0; i < FD_TASK_SCORES; i++)
    if (!isnan(values[i])) fd_json_set(&object, fd_task_score_names[i], json_real(values[i]));
  return object;
}

/* Whether all rows have identical features. They have no principal plane, which is no error of a run that has finished. */
static int all_the_same(const float *features, int rows, size_t width) {
  for (int i = 1; i < rows; i++)
    if (memcmp(features, features + (size_t)i * width, width * sizeof *features)) return 0;
  return 1;
}

/* The data of the report's figures of the test rows. */
static fd_status figures_of(const fd_tuned *t, json_t **json) {
  const fd_table *test = &t->data->test;
  const fd_prediction *p = &t->prediction;
  const int width = t->width, classes = t->data->train.value ? 0 : t->data->train.classes;
  fd_whitening *whitening = NULL;
  double *plane = NULL;
  fd_status status = FD_OK;
  fd_figures f = {.name = t->untrained ? "fine-tuned untrained" : "fine-tuned",
                  .seed = t->config->run.seed,
                  .test = test,
                  .classes = classes,
                  .score = p->output,
                  .axes = "test rows"};
  if (classes && !all_the_same(p->features, test->rows, (size_t)width)) {
    FD_GO(fd_alloc(&plane, (size_t)test->rows * 2, sizeof *plane, "principal components"));
    FD_GO(fd_whitening_fit(&whitening, p->features, test->rows, width));
    fd_whitening_plane(whitening, p->features, test->rows, plane);
    f.plane = plane, f.share = whitening->share;
  }
  FD_GO(fd_figures_json(&f, json));
done:
  free(plane);
  fd_whitening_free(&whitening);
  return status;
}

/* Scores of further test rows, an object for each file. */
static fd_status json_of_further(const fd_further *f, int classes, json_t **made) {
  json_t *list = json_array(), *constant;
  fd_status status = FD_OK;
  for (int i = 0; i < f->count && status == FD_OK; i++) {
    status = fd_constant_answer(&f->table[i], classes, &constant);
    int unknown = fd_task_unknown(&f->table[i], classes);
    json_t *one = json_pack("{s:s, s:i, s:i, s:i, s:o, s:o*}", "test", f->file[i], "test_rows", f->table[i].rows,
                            "test_rows_in_train", f->same[i], "test_rows_turned_in_train", f->turned[i], "test_scores",
                            json_of(&f->scores[i]), "constant", constant);
    if (unknown) fd_json_set(&one, "test_rows_of_unknown_label", json_integer(unknown));
    fd_json_append(&list, one);
  }
  *made = list;
  return status;
}

static fd_status write_results(const fd_tuned *t) {
  char path[FD_PATH_MAX];
  const fd_task_folder *d = t->data;
  json_t *root = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s?, s:s?, s:i, s:i, s:i, s:i, s:i, s:I, s:i, s:I, s:I, s:o}", "version",
                           fd_version(), "checkpoint", t->from->folder, "checkpoint_state_id", t->from->state_id, "untrained",
                           t->untrained, "train", fd_task_input_name(t->rows), "valid", t->rows->valid, "test", t->rows->test,
                           "train_rows", d->train.rows, "valid_rows", d->valid.rows, "test_rows", d->test.rows,
                           "test_rows_in_train", t->same, "test_rows_turned_in_train", t->turned, "rows_left_out",
                           (json_int_t)d->left_out, "classes", d->train.classes, "best_step", (json_int_t)t->state->best_step,
                           "seed", (json_int_t)t->config->run.seed, "valid_scores", json_of(&t->valid));
  fd_status status = fd_path(path, t->config->run.folder, "finetune.json", NULL);
  if (root && d->test.rows) {
    json_t *figures = NULL, *constant = NULL;
    fd_json_set(&root, "test_scores", json_of(&t->test));
    if (status == FD_OK) status = fd_constant_answer(&d->test, d->train.classes, &constant);
    if (constant) fd_json_set(&root, "constant", constant);
    if (t->unknown) fd_json_set(&root, "test_rows_of_unknown_label", json_integer(t->unknown));
    if (status == FD_OK && !t->unknown) status = figures_of(t, &figures);
    if (figures) fd_json_set(&root, "figures", json_pack("[o]", figures));
  }
  if (root && t->further->count && status == FD_OK) {
    json_t *also;
    status = json_of_further(t->further, d->train.classes, &also);
    fd_json_set(&root, "also", also);
  }
  if (root && t->taken) fd_json_set(&root, "tensors_taken", json_deep_copy(t->taken));
  if (root && t->teacher) fd_json_set(&root, "teacher", fd_teacher_json(t->teacher));
  if (root && d->names.count) fd_json_set(&root, "labels", fd_task_json_list(&d->names));
  if (status == FD_OK) status = fd_json_write(path, root);
  json_decref(root);
  return status;
}

static void print_number(const char *format, int width, double value) {
  if (isnan(value)) printf("  %*s", width, "-");
  else printf(format, value);
}

static void print_row(const char *name, const fd_table *table, const fd_task_scores *s) {
  fd_print("%-10s %8d", name, table->rows);
  if (table->value) {
    print_number("  %10.5g", 10, s->loss);
    print_number("  %8.4f", 8, s->r2);
    print_number("  %11.4f", 11, s->correlation);
  } else {
    print_number("  %10.4f", 10, s->loss);
    print_number("  %10.2f", 10, 100 * s->accuracy);
    print_number("  %10.2f", 10, 100 * s->f1);
    print_number("  %8.4f", 8, s->mcc);
    print_number("  %8.4f", 8, s->auroc);
    print_number("  %8.4f", 8, s->auprc);
  }
  printf("\n");
}

/* Prints the scores of test rows, and below them the accuracy of the constant prediction of one of the model's classes, and how
 * many rows have none of these. */
static fd_status print_test(const char *name, const fd_table *table, int classes, const fd_task_scores *s) {
  json_t *constant;
  FD_TRY(fd_constant_answer(table, classes, &constant));
  print_row(name, table, s);
  if (constant)
    printf("%19s  (always predicting their most frequent class: accuracy %.2f %%)\n", "",
           100 * json_number_value(json_object_get(constant, "accuracy")));
  json_decref(constant);
  int unknown = fd_task_unknown(table, classes);
  if (unknown) printf("%19s  (%d rows have a label that no training row has: they count as wrong)\n", "", unknown);
  return FD_OK;
}

fd_status fd_tuned_report(const fd_tuned *t) {
  const fd_table *train = &t->data->train;
  FD_TRY(write_results(t));
  fd_print("best weights: step %" PRId64 " of %" PRId64 " (%s)\n", t->state->best_step, t->state->step, t->config->run.folder);
  printf(train->value ? "%-10s %8s  %10s  %8s  %11s\n" : "%-10s %8s  %10s  %10s  %10s  %8s  %8s  %8s\n", "rows", "count", "loss",
         train->value ? "R2" : "accuracy %", train->value ? "correlation" : "macro F1 %", "MCC", "AUROC", "AUPRC");
  print_row("validation", &t->data->valid, &t->valid);
  if (t->data->test.rows) FD_TRY(print_test("test", &t->data->test, train->classes, &t->test));
  for (int i = 0; i < t->further->count; i++)
    FD_TRY(print_test(t->further->file[i], &t->further->table[i], train->classes, &t->further->scores[i]));
  return FD_OK;
}
