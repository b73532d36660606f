/* Compares contestants, with seeds of pretraining as repetitions and tasks as blocks. */
#include "commands/evaluate_contest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/spread.h"
#include "tasks/scores.h"

static const char kmers_name[] = "probe kmer";

/* Length of a checkpoint's name without -SEED; 0: the name has no seed. */
static size_t stem_of(const char *name) {
  size_t n = strlen(name), digits = n;
  while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') digits--;
  return digits == n || digits < 2 || name[digits - 1] != '-' ? 0 : digits - 1;
}

/* The seed in a checkpoint's name, as text without leading zeros. */
static const char *seed_of(const char *name) {
  const char *seed = name + stem_of(name) + 1;
  while (*seed == '0' && seed[1]) seed++;
  return seed;
}

int fd_contest_same_seed(const char *a, const char *b) {
  size_t n = stem_of(a);
  return n && n == stem_of(b) && !strncmp(a, b, n) && !strcmp(seed_of(a), seed_of(b));
}

static int is_of(const char *model, const char *contestant) {
  size_t n = stem_of(model);
  return n && n == strlen(contestant) && !strncmp(model, contestant, n);
}

int fd_contest_is(const fd_evaluation *e) {
  for (int i = 0; i < e->models; i++)
    for (int j = 0; j < i; j++) {
      size_t n = stem_of(e->model[i].name);
      if (n && n == stem_of(e->model[j].name) && !strncmp(e->model[i].name, e->model[j].name, n)) return 1;
    }
  return 0;
}

static const fd_evaluation_row *find(const fd_evaluation_outcome *o, const char *model, const char *method) {
  for (int i = 0; i < o->count; i++)
    if (!strcmp(o->row[i].name, method) && !strcmp(o->row[i].model, model)) return &o->row[i];
  return NULL;
}

/* Whether any task has this row. */
static int occurs(const fd_evaluation *e, const fd_evaluation_outcome *outcome, const char *model, const char *method) {
  for (int t = 0; t < e->suite.count; t++)
    if (find(&outcome[t], model, method)) return 1;
  return 0;
}

/* Whether a task counts for a method: it has results of k-mer counts and of every checkpoint that has this row in any task. */
static int counts(const fd_evaluation *e, const fd_evaluation_outcome *outcome, int task, const char *method) {
  if (!find(&outcome[task], "", kmers_name)) return 0;
  int some = 0;
  for (int i = 0; i < e->models; i++) {
    const char *model = e->model[i].name;
    int here = find(&outcome[task], model, method) != NULL;
    if (!here && occurs(e, outcome, model, method)) return 0;
    some |= here;
  }
  return some;
}

/* The 97.5th percentile of Student's t distribution. */
static double t_of(int freedom) {
  static const double t[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                             2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                             2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  enum { COUNT = sizeof t / sizeof *t };
  return freedom <= COUNT ? t[freedom - 1] : 1.960 + 2.5 / freedom; /* exact to within 0.002 */
}

static fd_contest_gain gain_of(const double *difference, int seeds) {
  fd_contest_gain g = {.seeds = seeds};
  double sd;
  if (!seeds) return g;
  fd_mean_sd(difference, seeds, 1, &g.mean, &sd);
  double half = seeds > 1 ? t_of(seeds - 1) * sd / sqrt(seeds) : NAN;
  g.low = g.mean - half, g.high = g.mean + half;
  return g;
}

/* Fills the row of a contestant and a method. */
static void fill(const fd_evaluation *e, const fd_evaluation_outcome *outcome, fd_contest_row *r) {
  double above[FD_EVALUATION_SEEDS] = {0}, kmers = 0, gain[FD_SUITE_TASKS] = {0};
  for (int t = 0; t < e->suite.count; t++) {
    if (!counts(e, outcome, t, r->method)) continue;
    r->tasks++;
    kmers += find(&outcome[t], "", kmers_name)->mean;
  }
  for (int i = 0; i < e->models && r->seeds < FD_EVALUATION_SEEDS; i++) {
    if (!is_of(e->model[i].name, r->name) || !occurs(e, outcome, e->model[i].name, r->method)) continue;
    double sum = 0;
    for (int t = 0; t < e->suite.count; t++) {
      if (!counts(e, outcome, t, r->method)) continue;
      double value = find(&outcome[t], e->model[i].name, r->method)->mean;
      sum += value, gain[t] += value - find(&outcome[t], "", kmers_name)->mean;
    }
    r->cost[r->seeds] = strstr(r->method, "untrained") ? (fd_cost){NAN, 0} : e->model[i].cost;
    r->seed[r->seeds] = seed_of(e->model[i].name);
    r->value[r->seeds] = sum / r->tasks;
    above[r->seeds++] = (sum - kmers) / r->tasks;
  }
  for (int t = 0; t < e->suite.count; t++) r->better += gain[t] > 0;
  fd_mean_sd(r->value, r->seeds, 1, &r->mean, &r->sd);
  r->kmers = gain_of(above, r->seeds);
}

/* Adds the row of a checkpoint's contestant and a method, unless it exists already or no task counts. */
static fd_status add(const fd_evaluation *e, const fd_evaluation_outcome *outcome, const char *model, const char *method,
                     fd_contest *c) {
  fd_contest_row r = {.method = method};
  snprintf(r.name, sizeof r.name, "%.*s", (int)stem_of(model), model);
  for (int i = 0; i < c->count; i++)
    if (!strcmp(c->row[i].name, r.name) && !strcmp(c->row[i].method, method)) return FD_OK;
  fill(e, outcome, &r);
  if (!r.tasks) return FD_OK;
  FD_TRY(fd_grow(&c->row, &c->capacity, (size_t)c->count + 1, sizeof *c->row, "contestants"));
  c->row[c->count++] = r;
  return FD_OK;
}

fd_status fd_contest_make(const fd_evaluation *e, const fd_evaluation_outcome *outcome, fd_contest *c) {
  *c = (fd_contest){0};
  for (int t = 0; t < e->suite.count; t++)
    for (int i = 0; i < outcome[t].count; i++) {
      const fd_evaluation_row *r = &outcome[t].row[i];
      if (stem_of(r->model)) FD_TRY(add(e, outcome, r->model, r->name, c));
    }
  return FD_OK;
}

fd_contest_gain fd_contest_between(const fd_contest_row *a, const fd_contest_row *b) {
  double difference[FD_EVALUATION_SEEDS];
  int seeds = 0;
  for (int i = 0; i < a->seeds && !strcmp(a->method, b->method); i++) {
    int k = 0;
    while (k < b->seeds && strcmp(a->seed[i], b->seed[k])) k++;
    if (k < b->seeds) difference[seeds++] = a->value[i] - b->value[k];
  }
  return gain_of(difference, seeds);
}

void fd_contest_print(const fd_contest *c) {
  printf(
      "\ncontestants: mean over the tasks of a method ± standard deviation over the seeds of pretraining; difference from k-mer "
      "counts with its 95 %% confidence interval\n");
  for (int i = 0; i < c->count; i++) {
    const fd_contest_row *r = &c->row[i];
    char room[FD_SPREAD];
    fd_print("%-14s  %-22s %7.2f%s (%d seed%s)  %+6.2f", r->name, r->method, 100 * r->mean, fd_spread(room, 100 * r->sd, 2, 8),
             r->seeds, r->seeds > 1 ? "s" : "", 100 * r->kmers.mean);
    if (r->seeds > 1) printf(" (%+.2f to %+.2f)", 100 * r->kmers.low, 100 * r->kmers.high);
    printf(", better in %d of %d tasks\n", r->better, r->tasks);
  }
}

static json_t *json_of_gain(const fd_contest_gain *g) {
  json_t *item = json_pack("{s:f, s:i}", "mean", g->mean, "seeds", g->seeds);
  if (g->seeds > 1) fd_json_set(&item, "low", json_real(g->low)), fd_json_set(&item, "high", json_real(g->high));
  return item;
}

/* Adds the cost of each seed of a row, if any is known: null for one that is unknown or of another kind than the first known one.
 */
static void set_cost(json_t **item, const fd_contest_row *r) {
  int known = 0;
  while (known < r->seeds && !isfinite(r->cost[known].hours)) known++;
  if (known == r->seeds) return;
  json_t *hours = json_array();
  for (int s = 0; s < r->seeds; s++) {
    int same = isfinite(r->cost[s].hours) && r->cost[s].gpu == r->cost[known].gpu;
    fd_json_append(&hours, same ? json_real(r->cost[s].hours) : json_null());
  }
  fd_json_set(item, r->cost[known].gpu ? "gpu_hours" : "core_hours", hours);
}

json_t *fd_contest_json(const fd_contest *c) {
  json_t *rows = json_array(), *pairs = json_array();
  for (int i = 0; i < c->count; i++) {
    const fd_contest_row *r = &c->row[i];
    json_t *values = json_array(), *names = json_array();
    for (int s = 0; s < r->seeds; s++)
      fd_json_append(&values, json_real(r->value[s])), fd_json_append(&names, json_string(r->seed[s]));
    json_t *row = json_pack("{s:s, s:s, s:i, s:o, s:i, s:i, s:f, s:o, s:o}", "name", r->name, "method", r->method, "seeds",
                            r->seeds, "seed", names, "tasks", r->tasks, "better", r->better, "mean", r->mean, "values", values,
                            "above_kmers", json_of_gain(&r->kmers));
    fd_json_set_defined(&row, "sd", r->sd);
    set_cost(&row, r);
    fd_json_append(&rows, row);
    for (int k = 0; k < i; k++) {
      fd_contest_gain g = fd_contest_between(r, &c->row[k]);
      if (g.seeds)
        fd_json_append(&pairs, json_pack("{s:s, s:s, s:s, s:o}", "method", r->method, "name", r->name, "above", c->row[k].name,
                                         "gain", json_of_gain(&g)));
    }
  }
  return json_pack("{s:o, s:o}", "rows", rows, "pairs", pairs);
}
