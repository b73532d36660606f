/* The table of an evaluation: mean and standard deviation over the seeds, beside the paper's numbers. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/version.h"
#include "commands/evaluate.h"
#include "tasks/scores.h"

enum { ROWS_MAX = 8 };

/* A row of the table: mean and standard deviation over the seeds of the task's measure. */
typedef struct row {
  char name[32];
  int seeds;
  double mean, sd;
} row;

/* A result of this checkpoint, or NULL. */
static json_t *load(const fd_evaluation *e, const char *path) {
  json_t *root = fd_exists(path) ? json_load_file(path, 0, NULL) : NULL;
  const char *tuned = json_string_value(json_object_get(root, "checkpoint_state_id")),
             *probed = json_string_value(json_object_get(root, "state_id")), *made_of = tuned ? tuned : probed;
  if (made_of && !strcmp(made_of, e->state_id)) return root;
  if (root) fd_warn("%s: is of another checkpoint: left out of the table", path);
  json_decref(root);
  return NULL;
}

static int probe_rows(const json_t *root, const char *measure, row *out) {
  const json_t *results = json_object_get(root, "results");
  int count = 0;
  for (size_t i = 0; i < json_array_size(results) && count < ROWS_MAX - 2; i++) {
    const json_t *item = json_array_get(results, i), *score = json_object_get(item, measure);
    const char *name = json_string_value(json_object_get(item, "name"));
    if (!name || !score) continue;
    row *r = &out[count++];
    snprintf(r->name, sizeof r->name, "probe %.20s", name);
    r->seeds = (int)json_array_size(json_object_get(score, "seeds"));
    r->mean = json_real_value(json_object_get(score, "mean"));
    r->sd = json_real_value(json_object_get(score, "sd"));
  }
  return count;
}

static fd_status finetune_row(const fd_evaluation *e, const fd_suite_task *t, const fd_evaluation_method *m, row *r) {
  double value[FD_EVALUATION_SEEDS];
  char folder[FD_PATH_MAX], file[FD_PATH_MAX];
  *r = (row){.seeds = 0};
  for (int64_t seed = 0; seed < e->seeds; seed++) {
    FD_TRY(fd_evaluation_place(e, t, m, seed, folder, file));
    json_t *root = load(e, file);
    const json_t *score = json_object_get(json_object_get(root, "test_scores"), t->measure);
    if (score) value[r->seeds++] = json_real_value(score);
    json_decref(root);
  }
  snprintf(r->name, sizeof r->name, m->option ? "fine-tuned untrained" : "fine-tuned");
  if (r->seeds) fd_mean_sd(value, r->seeds, 1, &r->mean, &r->sd);
  return FD_OK;
}

static fd_status rows_of(const fd_evaluation *e, const fd_suite_task *t, row rows[ROWS_MAX], int *count) {
  char folder[FD_PATH_MAX], file[FD_PATH_MAX];
  *count = 0;
  for (int i = 0; i < FD_EVALUATION_METHODS; i++) {
    if (fd_evaluation_methods[i].seeds) {
      FD_TRY(finetune_row(e, t, &fd_evaluation_methods[i], &rows[*count]));
      *count += rows[*count].seeds > 0;
      continue;
    }
    FD_TRY(fd_evaluation_place(e, t, &fd_evaluation_methods[i], 0, folder, file));
    json_t *root = load(e, file);
    *count += probe_rows(root, t->measure, rows + *count);
    json_decref(root);
  }
  return FD_OK;
}

static void print_task(const fd_suite_task *t, const row *rows, int count) {
  printf("%s: %s%s%s\n", t->name, t->measure, *t->note ? "; " : "", t->note);
  for (int i = 0; i < count; i++) {
    const char *paper = !strncmp(rows[i].name, "probe teacher", 13) ? t->paper_probe
                        : !strcmp(rows[i].name, "fine-tuned")       ? t->paper_finetune
                                                                    : "";
    printf("  %-22s %7.2f ± %-5.2f (%d seed%s)%s%s\n", rows[i].name, 100 * rows[i].mean, 100 * rows[i].sd, rows[i].seeds,
           rows[i].seeds > 1 ? "s" : "", *paper ? "   paper: " : "", paper);
  }
}

static json_t *json_of_task(const fd_suite_task *t, const row *rows, int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++)
    json_array_append_new(list, json_pack("{s:s, s:i, s:f, s:f}", "name", rows[i].name, "seeds", rows[i].seeds, "mean",
                                          rows[i].mean, "sd", rows[i].sd));
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "task", t->name, "measure", t->measure, "note", t->note, "paper_probe",
                   t->paper_probe, "paper_finetune", t->paper_finetune, "results", list);
}

fd_status fd_evaluation_report(const fd_evaluation *e) {
  char path[FD_PATH_MAX];
  json_t *list = json_array();
  for (int i = 0; i < e->suite.count; i++) {
    row rows[ROWS_MAX];
    int count;
    fd_status status = rows_of(e, &e->suite.task[i], rows, &count);
    if (status != FD_OK) {
      json_decref(list);
      return status;
    }
    if (!count) continue;
    print_task(&e->suite.task[i], rows, count);
    json_array_append_new(list, json_of_task(&e->suite.task[i], rows, count));
  }
  json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:o}", "version", fd_version(), "suite", e->words[0], "checkpoint", e->words[1],
                           "state_id", e->state_id, "tasks", list);
  char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
  fd_status status =
      text ? fd_path(path, e->output, "results.json", NULL) : fd_fail(FD_DATA, "cannot write results.json: a name is not UTF-8");
  if (status == FD_OK) status = fd_make_folder(e->output);
  if (status == FD_OK) status = fd_write_file(path, text, strlen(text));
  free(text);
  json_decref(root);
  return status;
}
