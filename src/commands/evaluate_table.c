/* Prints the tables of an evaluation. */
#include <stdio.h>
#include <string.h>

#include "base/printable.h"
#include "base/spread.h"
#include "commands/evaluate_results.h"

static void print_task(const fd_evaluation *e, const fd_suite_task *t, const fd_evaluation_outcome *o) {
  int several = *e->model[0].name != '\0';
  fd_print("%s: %s\n", t->name, t->measure);
  for (size_t i = 0; i < json_array_size(o->remarks); i++) fd_print("  (%s)\n", json_string_value(json_array_get(o->remarks, i)));
  for (int i = 0; i < o->count; i++) {
    const fd_evaluation_row *r = &o->row[i];
    if (several) fd_print("  %-12s", r->model);
    char room[FD_SPREAD];
    fd_print("  %-22s %7.2f%s (%d seed%s)%s%s\n", r->name, 100 * r->mean, fd_spread(room, 100 * r->sd, 2, 8), r->seeds,
             r->seeds > 1 ? "s" : "", *r->paper ? "   paper: " : "", r->paper);
    if (r->pairs)
      fd_print("    above %s, seed by seed: %+.2f%s (%d pair%s)\n", t->versus, 100 * r->above,
               fd_spread(room, 100 * r->spread, 2, 0), r->pairs, r->pairs > 1 ? "s" : "");
    fd_evaluation_print_scores(r, t->versus);
  }
}

/* The row of the same name and checkpoint, or NULL. */
static const fd_evaluation_row *find_row(const fd_evaluation_outcome *o, const fd_evaluation_row *like) {
  for (int i = 0; i < o->count; i++)
    if (!strcmp(o->row[i].name, like->name) && !strcmp(o->row[i].model, like->model)) return &o->row[i];
  return NULL;
}

/* Prints a line of the table of all tasks: a column per task, and the mean if no task is missing. */
static void print_line(const fd_evaluation *e, const fd_evaluation_outcome *outcome, const fd_evaluation_row *r) {
  double sum = 0;
  int tasks = 0, there = 0;
  fd_print("%-12s  %-22s", r->model, r->name);
  for (int t = 0; t < e->suite.count; t++) {
    const fd_evaluation_row *here = find_row(&outcome[t], r);
    if (!outcome[t].count) continue;
    there++;
    if (here) printf(" %10.2f", 100 * here->mean), sum += 100 * here->mean, tasks++;
    else printf(" %10s", "-");
  }
  if (tasks == there) printf(" %10.2f\n", sum / tasks);
  else printf(" %10s\n", "-");
}

/* For several checkpoints: a line per checkpoint and method, as in the paper's table 4. */
static void print_all(const fd_evaluation *e, const fd_evaluation_outcome *outcome) {
  printf("\n%-36s", "mean %");
  for (int t = 0; t < e->suite.count; t++)
    if (outcome[t].count) fd_print(" %10.10s", e->suite.task[t].name);
  printf(" %10s\n", "average");
  for (int t = 0; t < e->suite.count; t++)
    for (int i = 0; i < outcome[t].count; i++) {
      int seen = 0;
      for (int before = 0; before < t; before++) seen |= find_row(&outcome[before], &outcome[t].row[i]) != NULL;
      if (!seen) print_line(e, outcome, &outcome[t].row[i]);
    }
}

void fd_evaluation_print(const fd_evaluation *e, const fd_evaluation_outcome *outcome) {
  for (int t = 0; t < e->suite.count; t++)
    if (outcome[t].count) print_task(e, &e->suite.task[t], &outcome[t]);
  if (*e->model[0].name) print_all(e, outcome);
  fflush(stdout); /* before log lines about the files */
}
