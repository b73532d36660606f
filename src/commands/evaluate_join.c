/* Joins the results of evaluations of one suite, made on different machines or of different checkpoints, into one table. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "commands/evaluate_results.h"
#include "output/json_file.h"

static const char *text(const json_t *object, const char *key) {
  const char *found = json_string_value(json_object_get(object, key));
  return found ? found : "";
}

/* The model of this name, or NULL. */
static fd_evaluation_model *find_model(fd_evaluation *e, const char *name) {
  for (int i = 0; i < e->models; i++)
    if (!strcmp(e->model[i].name, name)) return &e->model[i];
  return NULL;
}

static fd_status take_model(fd_evaluation *e, const char *path, const json_t *item) {
  const char *name = text(item, "name"), *state_id = text(item, "state_id");
  const fd_evaluation_model *there = find_model(e, name);
  if (!*name || strlen(name) >= sizeof there->name || strlen(state_id) >= sizeof there->state_id)
    return fd_fail(FD_DATA, "%s: a checkpoint without a name: only evaluations with --checkpoint NAME=PATH can be joined", path);
  if (there && !strcmp(there->state_id, state_id)) return FD_OK; /* the same checkpoint with other tasks or methods */
  if (there) return fd_fail(FD_DATA, "%s: '%s' is another checkpoint there than in a file before it", path, name);
  if (e->models == FD_EVALUATION_MODELS) return fd_fail(FD_DATA, "%s: more than %d checkpoints", path, FD_EVALUATION_MODELS);
  fd_evaluation_model *model = &e->model[e->models++];
  double cpu = fd_evaluation_number(item, "core_hours"), gpu = fd_evaluation_number(item, "gpu_hours");
  *model = (fd_evaluation_model){.path = "", .cost = {isfinite(gpu) ? gpu : cpu, isfinite(gpu)}};
  snprintf(model->name, sizeof model->name, "%s", name);
  snprintf(model->state_id, sizeof model->state_id, "%s", state_id);
  snprintf(model->version, sizeof model->version, "%s", text(item, "version"));
  snprintf(model->kernels, sizeof model->kernels, "%s", text(item, "kernels"));
  const fd_evaluation_model *untrained = find_model(e, text(item, "untrained"));
  model->untrained = (int)((untrained ? untrained : model) - e->model);
  return FD_OK;
}

/* Whether a task has this row already, in which case the two must be the same; FD_DATA if they differ. */
static fd_status look_up(const char *path, const fd_suite_task *t, const fd_evaluation_outcome *o, const fd_evaluation_row *r,
                         int *there) {
  *there = 0;
  for (int i = 0; i < o->count; i++) {
    const fd_evaluation_row *other = &o->row[i];
    if (strcmp(other->name, r->name) || strcmp(other->model, r->model)) continue;
    int same = other->seeds == r->seeds;
    for (int n = 0; n < r->seeds && same; n++) same = other->value[n] == r->value[n];
    if (!same)
      return fd_fail(FD_DATA,
                     "%s: %s: '%s%s%s' differs from a file before it: these evaluations were made from other rows or with other "
                     "settings",
                     path, t->name, r->name, *r->model ? " of " : "", r->model);
    *there = 1;
  }
  return FD_OK;
}

/* The place of a row in the order of an evaluation that is not joined: by method, then by model. */
static int place_of(const fd_evaluation *e, const fd_evaluation_row *r) {
  static const struct {
    const char *begin;
    int place;
  } names[] = {{"probe kmer", 1}, {"probe ", 0}, {"fine-tuned untrained", 3}, {"fine-tuned", 2}, {"", 4}};
  int name = 0, model = 0;
  while (strncmp(r->name, names[name].begin, strlen(names[name].begin))) name++;
  while (model < e->models && r->model != e->model[model].name) model++;
  return names[name].place * (FD_EVALUATION_MODELS + 1) + model;
}

static void insert(const fd_evaluation *e, const fd_evaluation_row *r, fd_evaluation_outcome *o) {
  int at = o->count++;
  for (; at > 0 && place_of(e, r) < place_of(e, &o->row[at - 1]); at--) o->row[at] = o->row[at - 1];
  o->row[at] = *r;
}

static fd_status take_row(fd_evaluation *e, const char *path, const fd_suite_task *t, const json_t *item,
                          fd_evaluation_outcome *o) {
  const json_t *values = json_object_get(item, "values");
  const char *name = text(item, "name"), *of = text(item, "model");
  const fd_evaluation_model *model = find_model(e, of);
  fd_evaluation_row r = {.model = model ? model->name : "",
                         .mean = fd_evaluation_number(item, "mean"),
                         .sd = json_array_size(values) > 1 ? fd_evaluation_number(item, "sd") : NAN,
                         .selection_loss = fd_evaluation_number(item, "selection_loss")};
  int there;
  if (!*name || strlen(name) >= sizeof r.name || (*of && !model) || !isfinite(r.mean) ||
      (json_array_size(values) > 1 && !isfinite(r.sd)) || json_array_size(values) > FD_EVALUATION_SEEDS)
    return fd_fail(FD_DATA, "%s: %s: a damaged result", path, t->name);
  snprintf(r.name, sizeof r.name, "%s", name);
  for (size_t i = 0; i < json_array_size(values); i++) r.value[r.seeds++] = json_number_value(json_array_get(values, i));
  if (e->seeds < r.seeds) e->seeds = r.seeds;
  FD_TRY(look_up(path, t, o, &r, &there));
  if (there) return FD_OK;
  if (o->count == FD_EVALUATION_ROWS) return fd_fail(FD_DATA, "%s: %s: too many results", path, t->name);
  FD_TRY(fd_evaluation_read_scores(&r, item));
  insert(e, &r, o);
  return FD_OK;
}

/* Adds the remarks that the task does not have yet. */
static void take_remarks(const json_t *remarks, fd_evaluation_outcome *o) {
  for (size_t i = 0; i < json_array_size(remarks); i++) {
    json_t *remark = json_array_get(remarks, i);
    int there = 0;
    for (size_t k = 0; k < json_array_size(o->remarks); k++) there |= json_equal(remark, json_array_get(o->remarks, k));
    if (!there && json_is_string(remark)) fd_json_append(&o->remarks, json_incref(remark));
  }
}

static fd_status take_task(fd_evaluation *e, const char *path, const json_t *item, fd_evaluation_outcome *outcome) {
  const json_t *results = json_object_get(item, "results");
  const char *name = text(item, "task");
  int n = 0;
  while (n < e->suite.count && strcmp(e->suite.task[n].name, name)) n++;
  if (n == e->suite.count) return fd_fail(FD_DATA, "%s: the suite has no task '%s'", path, name);
  const fd_suite_task *t = &e->suite.task[n];
  fd_evaluation_outcome *o = &outcome[n];
  if (strcmp(t->measure, text(item, "measure")))
    return fd_fail(FD_DATA, "%s: %s is measured by %s there, and by %s in the suite", path, name, text(item, "measure"),
                   t->measure);
  if (!json_array_size(results)) return fd_fail(FD_DATA, "%s: %s has no results there", path, name);
  if (o->count && (o->train != fd_evaluation_whole(item, "train_rows") || o->test != fd_evaluation_whole(item, "test_rows")))
    return fd_fail(FD_DATA, "%s: %s has other rows than in a file before it: %d for training and %d for testing, not %d and %d",
                   path, name, fd_evaluation_whole(item, "train_rows"), fd_evaluation_whole(item, "test_rows"), o->train,
                   o->test);
  o->train = fd_evaluation_whole(item, "train_rows"), o->test = fd_evaluation_whole(item, "test_rows"),
  o->classes = fd_evaluation_whole(item, "classes");
  o->same = fd_evaluation_whole(item, "test_rows_in_train"), o->turned = fd_evaluation_whole(item, "test_rows_turned_in_train");
  o->left_out = fd_evaluation_whole(item, "rows_left_out");
  take_remarks(json_object_get(item, "remarks"), o);
  for (size_t i = 0; i < json_array_size(results); i++) FD_TRY(take_row(e, path, t, json_array_get(results, i), o));
  return FD_OK;
}

static fd_status take_file(fd_evaluation *e, const char *path, fd_evaluation_outcome *outcome) {
  json_t *root;
  FD_TRY(fd_json_read(path, &root));
  if (!root) return fd_fail(FD_MISSING, "%s: there is no such file; 'findna evaluate' writes results.json", path);
  const json_t *models = json_object_get(root, "models"), *tasks = json_object_get(root, "tasks");
  fd_status status = FD_OK;
  for (size_t i = 0; i < json_array_size(models); i++) FD_GO(take_model(e, path, json_array_get(models, i)));
  for (size_t i = 0; i < json_array_size(tasks); i++) FD_GO(take_task(e, path, json_array_get(tasks, i), outcome));
  if (!json_array_size(tasks)) status = fd_fail(FD_DATA, "%s: has no results of tasks", path);
done:
  json_decref(root);
  return status;
}

fd_status fd_evaluation_join(fd_evaluation *e, fd_evaluation_outcome *outcome) {
  e->seeds = 1;
  for (int i = 0; i < e->join.count; i++) FD_TRY(take_file(e, e->join.item[i], outcome));
  return FD_OK;
}
