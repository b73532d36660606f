/* Gathers the results of an evaluation's units of work: mean and standard deviation, baselines and the paper's numbers; and
 * reports them. */
#include "commands/evaluate_contest.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/json.h"
#include "base/memory.h"
#include "output/json_file.h"
#include "output/report.h"
#include "tasks/scores.h"

enum { TEXT_MAX = 512 };

int fd_evaluation_whole(const json_t *root, const char *key) {
  json_int_t value = json_integer_value(json_object_get(root, key));
  return value < 0 || value > INT_MAX / 2 ? 0 : (int)value; /* two counts are added without overflow */
}

/* Takes the numbers of rows from a results file; all files of a task have the same. */
static void take_rows(const json_t *root, fd_evaluation_outcome *o) {
  if (o->train) return;
  o->train =
      fd_evaluation_whole(root, "train_rows") + fd_evaluation_whole(root, "valid_rows") + fd_evaluation_whole(root, "key_rows");
  o->test = fd_evaluation_whole(root, "test_rows") + fd_evaluation_whole(root, "query_rows");
  o->unknown = fd_evaluation_whole(root, "test_rows_of_unknown_label") + fd_evaluation_whole(root, "queries_without_key");
  o->same = fd_evaluation_whole(root, "test_rows_in_train"), o->turned = fd_evaluation_whole(root, "test_rows_turned_in_train");
  o->left_out = fd_evaluation_whole(root, "rows_left_out"), o->classes = fd_evaluation_whole(root, "classes");
}

/* Reads the results file of a unit; *root is NULL if it does not exist, or was made from other weights, settings or rows. */
static fd_status load(fd_evaluation *e, const fd_evaluation_unit *u, fd_evaluation_outcome *o, json_t **root) {
  char output[FD_PATH_MAX], folder[FD_PATH_MAX], path[FD_PATH_MAX], what[FD_EVALUATION_WHAT];
  FD_TRY(fd_path(output, e->output, NULL, NULL));
  FD_TRY(fd_evaluation_place(e, u, folder, path));
  FD_TRY(fd_json_read(path, root));
  if (!*root) return FD_OK;
  const int kmers = u->method->models == FD_OF_NONE;
  const char *made_of = json_string_value(json_object_get(*root, u->method->tunes ? "checkpoint_state_id" : "state_id"));
  fd_status status = fd_evaluation_differs(e, u, what);
  if (!kmers && (!made_of || strcmp(made_of, u->model->state_id))) snprintf(what, sizeof what, "of another checkpoint");
  if (status != FD_OK || *what) {
    if (*what) fd_warn("%s: was made otherwise (%s): left out of the table", path, what);
    json_decref(*root);
    *root = NULL;
    return status;
  }
  take_rows(*root, o);
  fd_json_append(&o->files, json_pack("{s:s, s:s}", "file", path + strlen(output) + 1, "model", kmers ? "" : u->model->name));
  return FD_OK;
}

/* The paper's number for a row. For "FinDNA", or a checkpoint without a name, it is in the suite's columns of paper's numbers;
 * for any name it may be in the column of other models, a list NAME/ROW=NUMBER; ... */
static void find_paper(const fd_suite_task *t, fd_evaluation_row *r) {
  char key[128];
  const char *found = !strcmp(r->name, "probe teacher") ? t->paper_probe
                      : !strcmp(r->name, "fine-tuned")  ? t->paper_finetune
                                                        : "";
  if (!*r->model || !strcmp(r->model, "FinDNA")) snprintf(r->paper, sizeof r->paper, "%s", found);
  int n = snprintf(key, sizeof key, "%s/%s=", r->model, r->name);
  for (const char *at = t->paper_others; *r->model && *at; at += strcspn(at, ";")) {
    at += strspn(at, "; ");
    if (!strncmp(at, key, (size_t)n)) snprintf(r->paper, sizeof r->paper, "%.*s", (int)strcspn(at + n, ";"), at + n);
  }
}

/* Adds the rows of a search, which has one value per score, or of a probe, which has one for each of its seeds. */
static void take_probe(const json_t *root, const fd_evaluation_unit *u, fd_evaluation_outcome *o) {
  const char *measure = u->task->measure;
  const json_t *results = json_object_get(root, "results");
  for (size_t i = 0; i < json_array_size(results) && o->count < FD_EVALUATION_ROWS; i++) {
    const json_t *item = json_array_get(results, i), *score = json_object_get(item, measure);
    const json_t *seeds = json_object_get(score, "seeds");
    const char *name = json_string_value(json_object_get(item, "name"));
    int once = json_is_number(score);
    if (name && !score) fd_warn("%s: %s: the results have no '%s': left out of the table", u->task->name, name, measure);
    if (!name || (!once && !json_is_number(json_object_get(score, "mean")))) continue;
    fd_evaluation_row *r = &o->row[o->count++];
    r->model = u->method->models == FD_OF_NONE || !strcmp(name, "kmer") ? "" : u->model->name;
    snprintf(r->name, sizeof r->name, "%s %.20s", u->method->searches ? "knn" : "probe", name);
    r->mean = json_number_value(once ? score : json_object_get(score, "mean"));
    if (once) r->value[r->seeds++] = r->mean;
    r->selection_loss = fd_evaluation_number(json_object_get(item, "selection_loss"), "mean");
    for (size_t k = 0; k < json_array_size(seeds) && r->seeds < FD_EVALUATION_SEEDS; k++)
      r->value[r->seeds++] = json_number_value(json_array_get(seeds, k));
    r->sd = r->seeds > 1 ? fd_evaluation_number(score, "sd") : NAN;
  }
}

static fd_status take_probes(fd_evaluation *e, const fd_evaluation_unit *u, fd_evaluation_outcome *o) {
  json_t *root;
  FD_TRY(load(e, u, o, &root));
  take_probe(root, u, o);
  json_decref(root);
  return FD_OK;
}

static fd_status take_tunings(fd_evaluation *e, fd_evaluation_unit *u, fd_evaluation_outcome *o) {
  fd_evaluation_row *r = &o->row[o->count];
  if (o->count == FD_EVALUATION_ROWS) return FD_OK;
  for (u->seed = 0; u->seed < e->seeds; u->seed++) {
    json_t *root;
    FD_TRY(load(e, u, o, &root));
    const json_t *score = json_object_get(json_object_get(root, "test_scores"), u->task->measure);
    if (json_is_number(score)) r->value[r->seeds++] = json_number_value(score);
    fd_status status = fd_evaluation_take_scores(r, root);
    json_decref(root);
    FD_TRY(status);
  }
  if (!r->seeds) {
    fd_evaluation_free_scores(r);
    return FD_OK;
  }
  r->model = u->model->name;
  snprintf(r->name, sizeof r->name, u->method->models == FD_OF_EACH_SHAPE ? "fine-tuned untrained" : "fine-tuned");
  fd_mean_sd(r->value, r->seeds, 1, &r->mean, &r->sd);
  o->count++;
  return FD_OK;
}

static void remark(fd_evaluation_outcome *o, const char *text) { fd_json_append(&o->remarks, json_string(text)); }

/* Remarks on how these rows differ from the paper's, and on leakage that inflates the test score. */
static void remark_on(const fd_suite_task *t, fd_evaluation_outcome *o) {
  char text[TEXT_MAX];
  if (*t->note) remark(o, t->note);
  if (t->paper_train && (o->train != t->paper_train || o->test != t->paper_test)) {
    snprintf(text, sizeof text, "%d training and %d test rows; the paper counts %d and %d", o->train, o->test, t->paper_train,
             t->paper_test);
    remark(o, text);
  }
  if (o->unknown) {
    snprintf(text, sizeof text, "%d test rows have a label that no training row has: they cannot be classified correctly",
             o->unknown);
    remark(o, text);
  }
  if (o->left_out) {
    snprintf(text, sizeof text, "%d rows on contigs that the genome lacks were left out", o->left_out);
    remark(o, text);
  }
  if (o->same + o->turned) {
    snprintf(text, sizeof text,
             "%d of the test sequences are also training sequences, the reverse complements of %d others are: this leakage "
             "inflates the scores",
             o->same, o->turned);
    remark(o, text);
  }
}

static fd_status gather_task(fd_evaluation *e, const fd_suite_task *t, fd_evaluation_outcome *o) {
  for (const fd_evaluation_method *m = fd_evaluation_methods; m < fd_evaluation_methods + FD_EVALUATION_METHODS; m++)
    for (const fd_evaluation_model *model = e->model; model < e->model + e->models; model++) {
      fd_evaluation_unit u = {t, m, model, 0};
      if (fd_evaluation_has(e, t, m, model)) FD_TRY(m->tunes ? take_tunings(e, &u, o) : take_probes(e, &u, o));
    }
  remark_on(t, o);
  return FD_OK;
}

static fd_status gather(fd_evaluation *e, fd_evaluation_outcome *outcome) {
  for (int i = 0; i < e->models; i++) FD_TRY(fd_evaluation_cost(e->model[i].path, &e->model[i].cost));
  for (int i = 0; i < e->suite.count; i++) FD_TRY(gather_task(e, &e->suite.task[i], &outcome[i]));
  return FD_OK;
}

/* Compares a row, seed by seed, with the row of the same name and checkpoint of the task named in the suite's column `versus`,
 * once the results of all seeds of both exist. */
static void compare_rows(const fd_evaluation *e, const fd_suite_task *t, fd_evaluation_outcome *outcome, fd_evaluation_row *r) {
  for (int i = 0; i < e->suite.count && *t->versus; i++)
    for (int k = 0; k < outcome[i].count && !strcmp(e->suite.task[i].name, t->versus); k++) {
      const fd_evaluation_row *other = &outcome[i].row[k];
      double above[FD_EVALUATION_SEEDS];
      if (strcmp(other->name, r->name) || strcmp(other->model, r->model) || !strncmp(r->name, "probe", 5)) continue;
      if (other->seeds != e->seeds || r->seeds != e->seeds) continue;
      for (int n = 0; n < r->seeds; n++) above[n] = r->value[n] - other->value[n];
      fd_mean_sd(above, r->pairs = r->seeds, 1, &r->above, &r->spread);
      fd_evaluation_compare_scores(r, other, e->seeds);
    }
}

fd_status fd_evaluation_report(fd_evaluation *e) {
  fd_evaluation_outcome *outcome;
  fd_contest contest = {0};
  char page[FD_PATH_MAX];
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&outcome, (size_t)e->suite.count, sizeof *outcome, "results"));
  for (int i = 0; i < e->suite.count; i++) outcome[i].files = json_array(), outcome[i].remarks = json_array();
  FD_GO(e->join.count ? fd_evaluation_join(e, outcome) : gather(e, outcome));
  for (int i = 0; i < e->suite.count; i++)
    for (int k = 0; k < outcome[i].count; k++) {
      find_paper(&e->suite.task[i], &outcome[i].row[k]);
      compare_rows(e, &e->suite.task[i], outcome, &outcome[i].row[k]);
    }
  fd_evaluation_print(e, outcome);
  if (fd_contest_is(e)) {
    FD_GO(fd_contest_make(e, outcome, &contest));
    fd_contest_print(&contest);
  }
  FD_GO(fd_evaluation_save(e, outcome, contest.count ? fd_contest_json(&contest) : NULL));
  FD_GO(fd_path(page, e->output, "report.html", NULL));
  FD_GO(fd_report_write_suite(e->output, page));
  fd_info("wrote %s", page);
done:
  for (int i = 0; i < e->suite.count; i++) {
    json_decref(outcome[i].files);
    json_decref(outcome[i].remarks);
    for (int k = 0; k < FD_EVALUATION_ROWS; k++) fd_evaluation_free_scores(&outcome[i].row[k]);
  }
  free(outcome);
  free(contest.row);
  return status;
}
