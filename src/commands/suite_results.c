/* Gathers the numbers of an evaluation's pieces: mean and standard deviation beside the baselines and the paper's. */
#include "commands/suite_results.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/version.h"
#include "output/json_file.h"
#include "output/report.h"
#include "tasks/scores.h"

enum { ROWS_MAX = 8, TEXT_MAX = 512 };

const fd_suite_method fd_suite_methods[FD_SUITE_METHODS] = {
    {"probe", NULL, 0}, {"finetune", NULL, 1}, {"untrained", "--init-untrained", 1}};

fd_status fd_suite_result_path(const fd_suite_results *r, const fd_suite_task *t, const fd_suite_method *m, int64_t seed,
                               char folder[FD_PATH_MAX], char file[FD_PATH_MAX]) {
  char name[300];
  snprintf(name, sizeof name, m->seeds ? "%s-%s-%" PRId64 : "%s-%s-seeds-%" PRId64, t->name, m->name, m->seeds ? seed : r->seeds);
  FD_TRY(fd_path(folder, r->output, name, NULL));
  return fd_path(file, folder, m->seeds ? "finetune.json" : "probe.json", NULL);
}

/* A row of the table: the task's measure over the seeds. */
typedef struct row {
  char name[32];
  int seeds;
  double mean, sd, value[FD_SUITE_SEEDS];
} row;

/* What is there of a task. */
typedef struct outcome {
  int rows;
  row row[ROWS_MAX];
  int classes, train, test, same, turned, left_out; /* of the rows; train 0: nothing is there */
  json_t *file;                                     /* names of the files, below the output folder */
} outcome;

static int whole(const json_t *root, const char *key) { return (int)json_integer_value(json_object_get(root, key)); }

/* A result of this checkpoint, or NULL. */
static json_t *load(const fd_suite_results *r, const char *path, outcome *o) {
  json_t *root = fd_exists(path) ? json_load_file(path, 0, NULL) : NULL;
  const char *tuned = json_string_value(json_object_get(root, "checkpoint_state_id")),
             *probed = json_string_value(json_object_get(root, "state_id")), *made_of = tuned ? tuned : probed;
  if (!made_of || strcmp(made_of, r->state_id)) {
    if (root) fd_warn("%s: is of another checkpoint: left out of the table", path);
    json_decref(root);
    return NULL;
  }
  json_array_append_new(o->file, json_string(path + strlen(r->output) + 1));
  if (o->train) return root;
  o->train = whole(root, "train_rows") + whole(root, "valid_rows"), o->test = whole(root, "test_rows");
  o->same = whole(root, "test_rows_in_train"), o->turned = whole(root, "test_rows_turned_in_train");
  o->left_out = whole(root, "rows_left_out"), o->classes = whole(root, "classes");
  return root;
}

static void take_probe(const json_t *root, const char *measure, outcome *o) {
  const json_t *results = json_object_get(root, "results");
  for (size_t i = 0; i < json_array_size(results) && o->rows < ROWS_MAX - 2; i++) {
    const json_t *item = json_array_get(results, i), *score = json_object_get(item, measure), *seeds;
    const char *name = json_string_value(json_object_get(item, "name"));
    if (!name || !json_is_number(json_object_get(score, "mean"))) continue;
    row *r = &o->row[o->rows++];
    *r = (row){.mean = json_number_value(json_object_get(score, "mean")), .sd = json_number_value(json_object_get(score, "sd"))};
    snprintf(r->name, sizeof r->name, "probe %.20s", name);
    seeds = json_object_get(score, "seeds");
    for (size_t k = 0; k < json_array_size(seeds) && r->seeds < FD_SUITE_SEEDS; k++)
      r->value[r->seeds++] = json_number_value(json_array_get(seeds, k));
  }
}

static void finish_row(const fd_suite_method *m, outcome *o) {
  row *r = &o->row[o->rows];
  if (!r->seeds) return;
  snprintf(r->name, sizeof r->name, m->option ? "fine-tuned untrained" : "fine-tuned");
  fd_mean_sd(r->value, r->seeds, 1, &r->mean, &r->sd);
  o->rows++;
}

static fd_status gather(const fd_suite_results *r, const fd_suite_task *t, outcome *o) {
  char folder[FD_PATH_MAX], file[FD_PATH_MAX];
  *o = (outcome){.file = json_array()};
  for (int i = 0; i < FD_SUITE_METHODS; i++) {
    const fd_suite_method *m = &fd_suite_methods[i];
    for (int64_t seed = 0; seed < (m->seeds ? r->seeds : 1); seed++) {
      FD_TRY(fd_suite_result_path(r, t, m, seed, folder, file));
      json_t *root = load(r, file, o);
      const json_t *score = json_object_get(json_object_get(root, "test_scores"), t->measure);
      row *next = &o->row[o->rows];
      if (!m->seeds) take_probe(root, t->measure, o);
      else if (json_is_number(score)) next->value[next->seeds++] = json_number_value(score);
      json_decref(root);
    }
    if (m->seeds) finish_row(m, o);
  }
  return FD_OK;
}

static const char *paper_of(const fd_suite_task *t, const row *r) {
  return !strcmp(r->name, "probe teacher") ? t->paper_probe : !strcmp(r->name, "fine-tuned") ? t->paper_finetune : "";
}

/* How these rows differ from those of the paper, and what makes the test score too good; a sentence each. */
static json_t *remarks_on(const fd_suite_task *t, const outcome *o) {
  char text[TEXT_MAX];
  json_t *list = json_array();
  if (*t->note) json_array_append_new(list, json_string(t->note));
  if (t->paper_train && (o->train != t->paper_train || o->test != t->paper_test)) {
    snprintf(text, sizeof text, "%d training and %d test rows; the paper counts %d and %d", o->train, o->test, t->paper_train,
             t->paper_test);
    json_array_append_new(list, json_string(text));
  }
  if (o->left_out) {
    snprintf(text, sizeof text, "%d rows on contigs that the genome lacks were left out", o->left_out);
    json_array_append_new(list, json_string(text));
  }
  if (o->same + o->turned) {
    snprintf(text, sizeof text,
             "%d of the test sequences are also training sequences, the reverse complements of %d others are: the scores are too "
             "good by that",
             o->same, o->turned);
    json_array_append_new(list, json_string(text));
  }
  return list;
}

static void print_task(const fd_suite_task *t, const outcome *o, const json_t *remarks) {
  printf("%s: %s\n", t->name, t->measure);
  for (size_t i = 0; i < json_array_size(remarks); i++) printf("  (%s)\n", json_string_value(json_array_get(remarks, i)));
  for (int i = 0; i < o->rows; i++) {
    const row *r = &o->row[i];
    const char *paper = paper_of(t, r);
    printf("  %-22s %7.2f ± %-5.2f (%d seed%s)%s%s\n", r->name, 100 * r->mean, 100 * r->sd, r->seeds, r->seeds > 1 ? "s" : "",
           *paper ? "   paper: " : "", paper);
  }
}

/* Takes over o->file and remarks. */
static json_t *json_of_task(const fd_suite_task *t, const outcome *o, json_t *remarks) {
  json_t *list = json_array();
  for (int i = 0; i < o->rows; i++) {
    const row *r = &o->row[i];
    json_t *values = json_array();
    for (int k = 0; k < r->seeds; k++) json_array_append_new(values, json_real(r->value[k]));
    json_array_append_new(list, json_pack("{s:s, s:i, s:f, s:f, s:o}", "name", r->name, "seeds", r->seeds, "mean", r->mean, "sd",
                                          r->sd, "values", values));
  }
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o}", "task", t->name, "measure",
                   t->measure, "note", t->note, "paper_probe", t->paper_probe, "paper_finetune", t->paper_finetune, "classes",
                   o->classes, "train_rows", o->train, "test_rows", o->test, "paper_train_rows", t->paper_train,
                   "paper_test_rows", t->paper_test, "test_rows_in_train", o->same, "test_rows_turned_in_train", o->turned,
                   "rows_left_out", o->left_out, "remarks", remarks, "results", list, "files", o->file);
}

static fd_status gather_tasks(const fd_suite_results *r, json_t *list) {
  outcome o;
  for (int i = 0; i < r->tasks; i++) {
    fd_status status = gather(r, &r->task[i], &o);
    if (status != FD_OK || !o.rows) {
      json_decref(o.file);
      FD_TRY(status);
      continue;
    }
    json_t *remarks = remarks_on(&r->task[i], &o);
    print_task(&r->task[i], &o, remarks);
    json_array_append_new(list, json_of_task(&r->task[i], &o, remarks));
  }
  return FD_OK;
}

fd_status fd_suite_results_write(const fd_suite_results *r) {
  char path[FD_PATH_MAX];
  json_t *list = json_array();
  json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:o}", "version", fd_version(), "suite", r->suite, "checkpoint", r->checkpoint,
                           "state_id", r->state_id, "tasks", list);
  fd_status status = FD_OK;
  FD_GO(root ? gather_tasks(r, list) : fd_fail(FD_DATA, "%s, %s: not UTF-8", r->suite, r->checkpoint));
  FD_GO(fd_path(path, r->output, "results.json", NULL));
  FD_GO(fd_make_folder(r->output));
  FD_GO(fd_json_write(path, root));
  FD_GO(fd_path(path, r->output, "report.html", NULL));
  FD_GO(fd_report_write_suite(r->output, path));
  fd_info("wrote %s", path);
done:
  json_decref(root);
  return status;
}
