/* The table of an evaluation: mean and standard deviation over the seeds, beside the paper's numbers. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "commands/evaluate.h"
#include "tasks/probe.h"

/* Of a task: teacher, student and untrained by a probe and two fine-tunings for each checkpoint, and k-mers. */
enum { ROWS_MAX = 5 * FD_EVALUATION_MODELS + 1 };

/* A row of the table: mean and standard deviation over the seeds of the task's measure. */
typedef struct row {
  const char *model; /* name of the checkpoint; empty: there is one alone, or it needs none */
  char name[32];
  int seeds;
  double mean, sd;
} row;

/* The rows of every task of the suite. */
typedef struct results {
  int count[FD_SUITE_TASKS];
  row row[FD_SUITE_TASKS][ROWS_MAX];
} results;

/* The numbers of a piece of work, or NULL. k-mers are of no checkpoint. */
static fd_status load(const fd_evaluation *e, const fd_evaluation_unit *u, json_t **root) {
  char folder[FD_PATH_MAX], path[FD_PATH_MAX];
  FD_TRY(fd_evaluation_place(e, u, folder, path));
  *root = fd_exists(path) ? json_load_file(path, 0, NULL) : NULL;
  const char *made_of = json_string_value(json_object_get(*root, u->method->tunes ? "checkpoint_state_id" : "state_id"));
  if (!*root || u->method->models == FD_OF_NONE || (made_of && !strcmp(made_of, u->model->state_id))) return FD_OK;
  fd_warn("%s: is of another checkpoint: left out of the table", path);
  json_decref(*root);
  *root = NULL;
  return FD_OK;
}

static int probe_rows(const json_t *root, const char *model, const char *measure, row *out) {
  const json_t *results = json_object_get(root, "results");
  int count = 0;
  for (size_t i = 0; i < json_array_size(results) && count < FD_PROBE_ITEMS; i++) {
    const json_t *item = json_array_get(results, i), *score = json_object_get(item, measure);
    const char *name = json_string_value(json_object_get(item, "name"));
    if (!name || !score) continue;
    row *r = &out[count++];
    r->model = model;
    snprintf(r->name, sizeof r->name, "probe %.20s", name);
    r->seeds = (int)json_array_size(json_object_get(score, "seeds"));
    r->mean = json_real_value(json_object_get(score, "mean"));
    r->sd = json_real_value(json_object_get(score, "sd"));
  }
  return count;
}

static fd_status finetune_row(const fd_evaluation *e, fd_evaluation_unit *u, row *r) {
  double value[FD_EVALUATION_SEEDS];
  *r = (row){.model = u->model->name};
  for (u->seed = 0; u->seed < e->seeds; u->seed++) {
    json_t *root;
    FD_TRY(load(e, u, &root));
    const json_t *score = json_object_get(json_object_get(root, "test_scores"), u->task->measure);
    if (score) value[r->seeds++] = json_real_value(score);
    json_decref(root);
  }
  snprintf(r->name, sizeof r->name, u->method->models == FD_OF_EACH_SHAPE ? "fine-tuned untrained" : "fine-tuned");
  if (r->seeds) fd_mean_sd(value, r->seeds, 1, &r->mean, &r->sd);
  return FD_OK;
}

static fd_status rows_of(const fd_evaluation *e, const fd_suite_task *t, row rows[ROWS_MAX], int *count) {
  *count = 0;
  for (const fd_evaluation_method *m = fd_evaluation_methods; m < fd_evaluation_methods + FD_EVALUATION_METHODS; m++)
    for (const fd_evaluation_model *model = e->model; model < e->model + e->models; model++) {
      fd_evaluation_unit u = {t, m, model, 0};
      json_t *root = NULL;
      if (!fd_evaluation_has(e, m, model)) continue;
      if (m->tunes) {
        FD_TRY(finetune_row(e, &u, &rows[*count]));
        *count += rows[*count].seeds > 0;
        continue;
      }
      FD_TRY(load(e, &u, &root));
      *count += probe_rows(root, m->models == FD_OF_NONE ? "" : model->name, t->measure, rows + *count);
      json_decref(root);
    }
  return FD_OK;
}

/* The paper's number for a row: of "FinDNA", or of a checkpoint without a name, those of the suite's columns; of any name those
 * of its last column, a list NAME/ROW=NUMBER; ... */
static void paper_of(const fd_suite_task *t, const row *r, char text[64]) {
  char key[128];
  *text = '\0';
  const char *found = !strcmp(r->name, "probe teacher") ? t->paper_probe
                      : !strcmp(r->name, "fine-tuned")  ? t->paper_finetune
                                                        : "";
  if (!*r->model || !strcmp(r->model, "FinDNA")) snprintf(text, 64, "%s", found);
  int n = snprintf(key, sizeof key, "%s/%s=", r->model, r->name);
  const char *at = *r->model ? strstr(t->paper_others, key) : NULL;
  if (at) snprintf(text, 64, "%.*s", (int)strcspn(at + n, ";"), at + n);
}

static void print_task(const fd_evaluation *e, const fd_suite_task *t, const row *rows, int count) {
  int several = *e->model[0].name != '\0';
  printf("%s: %s%s%s\n", t->name, t->measure, *t->note ? "; " : "", t->note);
  for (int i = 0; i < count; i++) {
    char paper[64];
    paper_of(t, &rows[i], paper);
    if (several) printf("  %-12s", rows[i].model);
    printf("  %-22s %7.2f ± %-5.2f (%d seed%s)%s%s\n", rows[i].name, 100 * rows[i].mean, 100 * rows[i].sd, rows[i].seeds,
           rows[i].seeds > 1 ? "s" : "", *paper ? "   paper: " : "", paper);
  }
}

/* The row of the same name and checkpoint, or NULL. */
static const row *find_row(const row *rows, int count, const row *like) {
  for (int i = 0; i < count; i++)
    if (!strcmp(rows[i].name, like->name) && !strcmp(rows[i].model, like->model)) return &rows[i];
  return NULL;
}

/* Several checkpoints: a line for each and method, a column a task, and the mean over the tasks, as in the paper's table 4. */
static void print_all(const fd_evaluation *e, const results *all) {
  printf("\n%-36s", "mean %");
  for (int i = 0; i < e->suite.count; i++)
    if (all->count[i]) printf(" %10.10s", e->suite.task[i].name);
  printf(" %10s\n", "average");
  for (int t = 0; t < e->suite.count; t++)
    for (int i = 0; i < all->count[t]; i++) {
      const row *r = &all->row[t][i];
      double sum = 0;
      int tasks = 0, seen = 0, there = 0;
      for (int before = 0; before < t; before++) seen |= find_row(all->row[before], all->count[before], r) != NULL;
      if (seen) continue;
      printf("%-12s  %-22s", r->model, r->name);
      for (int other = 0; other < e->suite.count; other++) {
        const row *here = find_row(all->row[other], all->count[other], r);
        if (!all->count[other]) continue;
        there++;
        if (here) printf(" %10.2f", 100 * here->mean), sum += 100 * here->mean, tasks++;
        else printf(" %10s", "-");
      }
      if (tasks == there) printf(" %10.2f\n", sum / tasks);
      else printf(" %10s\n", "-");
    }
}

static json_t *json_of_task(const fd_suite_task *t, const row *rows, int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++) {
    char paper[64];
    paper_of(t, &rows[i], paper);
    json_t *item =
        json_pack("{s:s, s:i, s:f, s:f}", "name", rows[i].name, "seeds", rows[i].seeds, "mean", rows[i].mean, "sd", rows[i].sd);
    if (*rows[i].model) json_object_set_new(item, "model", json_string(rows[i].model));
    if (*paper) json_object_set_new(item, "paper", json_string(paper));
    json_array_append_new(list, item);
  }
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "task", t->name, "measure", t->measure, "note", t->note, "paper_probe",
                   t->paper_probe, "paper_finetune", t->paper_finetune, "results", list);
}

static json_t *json_of(const fd_evaluation *e, const results *all) {
  json_t *tasks = json_array(), *models = json_array();
  for (int i = 0; i < e->suite.count; i++)
    if (all->count[i]) json_array_append_new(tasks, json_of_task(&e->suite.task[i], all->row[i], all->count[i]));
  for (int i = 0; i < e->models; i++)
    json_array_append_new(models, json_pack("{s:s, s:s, s:s}", "name", e->model[i].name, "checkpoint", e->model[i].path,
                                            "state_id", e->model[i].state_id));
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "version", fd_version(), "suite", e->words[0], "checkpoint",
                   e->model[0].path, "state_id", e->model[0].state_id, "models", models, "tasks", tasks);
}

static fd_status write_results(const fd_evaluation *e, const results *all) {
  char path[FD_PATH_MAX];
  json_t *root = json_of(e, all);
  char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
  fd_status status =
      text ? fd_path(path, e->output, "results.json", NULL) : fd_fail(FD_DATA, "cannot write results.json: a name is not UTF-8");
  if (status == FD_OK) status = fd_make_folder(e->output);
  if (status == FD_OK) status = fd_write_file(path, text, strlen(text));
  free(text);
  json_decref(root);
  return status;
}

fd_status fd_evaluation_report(const fd_evaluation *e) {
  results *all;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&all, 1, sizeof *all, "results"));
  for (int i = 0; i < e->suite.count; i++) {
    FD_GO(rows_of(e, &e->suite.task[i], all->row[i], &all->count[i]));
    if (all->count[i]) print_task(e, &e->suite.task[i], all->row[i], all->count[i]);
  }
  if (*e->model[0].name) print_all(e, all);
  FD_GO(write_results(e, all));
done:
  free(all);
  return status;
}
