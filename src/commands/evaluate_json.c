/* Writes results.json of an evaluation, from which its report page is made. */
#include <math.h>

#include "base/json.h"
#include "base/version.h"
#include "commands/evaluate_results.h"
#include "output/json_file.h"

static json_t *json_of_row(const fd_evaluation_row *r, const char *versus) {
  json_t *values = json_array();
  for (int k = 0; k < r->seeds; k++) fd_json_append(&values, json_real(r->value[k]));
  json_t *item = json_pack("{s:s, s:i, s:f, s:o}", "name", r->name, "seeds", r->seeds, "mean", r->mean, "values", values);
  fd_json_set_defined(&item, "sd", r->sd);
  if (*r->model) fd_json_set(&item, "model", json_string(r->model));
  if (r->pairs) {
    json_t *compared = json_pack("{s:s, s:i, s:f}", "with", versus, "pairs", r->pairs, "mean", r->above);
    fd_json_set_defined(&compared, "sd", r->spread);
    fd_json_set(&item, "compared", compared);
  }
  if (r->sets) fd_json_set(&item, "scores", fd_evaluation_scores_json(r));
  if (r->selection_loss > 0) fd_json_set(&item, "selection_loss", json_real(r->selection_loss));
  if (*r->paper) fd_json_set(&item, "paper", json_string(r->paper));
  return item;
}

static json_t *json_of_task(const fd_suite_task *t, const fd_evaluation_outcome *o) {
  json_t *list = json_array();
  for (int i = 0; i < o->count; i++) fd_json_append(&list, json_of_row(&o->row[i], t->versus));
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:O, s:o, s:O}", "task", t->name, "measure",
                   t->measure, "note", t->note, "paper_probe", t->paper_probe, "paper_finetune", t->paper_finetune, "classes",
                   o->classes, "train_rows", o->train, "test_rows", o->test, "paper_train_rows", t->paper_train,
                   "paper_test_rows", t->paper_test, "test_rows_in_train", o->same, "test_rows_turned_in_train", o->turned,
                   "rows_left_out", o->left_out, "remarks", o->remarks, "results", list, "files", o->files);
}

/* "untrained": name of the model whose untrained network this one shares. */
static json_t *json_of_model(const fd_evaluation *e, const fd_evaluation_model *model) {
  json_t *item = json_pack("{s:s, s:s, s:s, s:s}", "name", model->name, "checkpoint", model->path, "state_id", model->state_id,
                           "untrained", e->model[model->untrained].name);
  if (*model->version) fd_json_set(&item, "version", json_string(model->version));
  if (*model->kernels) fd_json_set(&item, "kernels", json_string(model->kernels));
  if (isfinite(model->cost.hours)) fd_json_set(&item, model->cost.gpu ? "gpu_hours" : "core_hours", json_real(model->cost.hours));
  return item;
}

fd_status fd_evaluation_save(const fd_evaluation *e, const fd_evaluation_outcome *outcome, json_t *contest) {
  char path[FD_PATH_MAX];
  json_t *tasks = json_array(), *models = json_array();
  for (int i = 0; i < e->suite.count; i++)
    if (outcome[i].count) fd_json_append(&tasks, json_of_task(&e->suite.task[i], &outcome[i]));
  for (int i = 0; i < e->models; i++) fd_json_append(&models, json_of_model(e, &e->model[i]));
  json_t *root =
      json_pack("{s:s, s:s, s:o, s:o}", "version", fd_version(), "suite", e->words[0], "models", models, "tasks", tasks);
  fd_status status = FD_OK;
  if (contest) fd_json_set(&root, "contest", contest);
  FD_GO(fd_path(path, e->output, "results.json", NULL));
  FD_GO(fd_make_folder(e->output));
  FD_GO(fd_json_write(path, root));
done:
  json_decref(root);
  return status;
}
