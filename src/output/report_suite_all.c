/* The top of a suite's page: in how many tasks a model is above its baselines, and a table of the numbers of all tasks. */
#include <math.h>

#include "base/spread.h"
#include "output/report_parts.h"
#include "output/report_suite.h"
#include "output/svg.h"

/* `instead` is the line of models that have no numbers of the first. */
static const struct comparison {
  int line, instead, other;
  const char *label;
} comparisons[] = {{FD_LINE_TEACHER, FD_LINE_STUDENT, FD_LINE_UNTRAINED, "probe above untrained"},
                   {FD_LINE_TEACHER, FD_LINE_STUDENT, FD_LINE_KMER, "probe above k-mer counts"},
                   {FD_LINE_TUNED, FD_LINE_TUNED, FD_LINE_TUNED_UNTRAINED, "fine-tuned: pretrained above random"},
                   {FD_LINE_TUNED, FD_LINE_TUNED, FD_LINE_KMER, "fine-tuned above k-mer counts"}};
enum { COMPARISONS = sizeof comparisons / sizeof *comparisons };

static double mean_of(const json_t *task, int line, const fd_report_model *model) {
  return 100 * fd_report_value(fd_report_result(task, &fd_report_lines[line], model), "mean");
}

/* Whether any task has a number of ours in this line. */
static int has_number(const fd_report_suite *s, int line, const fd_report_model *model) {
  for (size_t i = 0; i < json_array_size(s->tasks); i++)
    if (isfinite(mean_of(json_array_get(s->tasks, i), line, model))) return 1;
  return 0;
}

/* --- above the baselines --------------------------------------------------------------------------------------------- */

/* Counts the tasks that have both numbers, and those in which the first is larger. */
static void compare(const fd_report_suite *s, const struct comparison *c, const fd_report_model *model, int *both, int *above) {
  int line = has_number(s, c->line, model) ? c->line : c->instead;
  *both = *above = 0;
  for (size_t i = 0; i < json_array_size(s->tasks); i++) {
    const json_t *task = json_array_get(s->tasks, i);
    double a = mean_of(task, line, model), b = mean_of(task, c->other, model);
    *both += isfinite(a) && isfinite(b);
    *above += a > b;
  }
}

static void print_cards(FILE *out, const fd_report_suite *s) {
  int both, above;
  fprintf(out, "<div class=\"cards\">\n");
  for (int i = 0; i < COMPARISONS; i++) {
    compare(s, &comparisons[i], s->model, &both, &above);
    fprintf(out, "<div class=\"card\"><span>%s</span>", comparisons[i].label);
    if (both)
      fprintf(out, "<b>%d of %d</b><span>task%s; by the mean over the seeds</span></div>\n", above, both, both > 1 ? "s" : "");
    else fprintf(out, "<b>–</b><span>no task has both numbers</span></div>\n");
  }
  fprintf(out, "</div>\n");
}

static int has_comparison(const fd_report_suite *s, const struct comparison *c) {
  int all = 0, both, above;
  for (int m = 0; m < s->models; m++) compare(s, c, &s->model[m], &both, &above), all += both;
  return all > 0;
}

/* The same for several models: a table with a line for each, of the comparisons that any of them allows. */
static void print_comparisons(FILE *out, const fd_report_suite *s) {
  int both, above, has[COMPARISONS], any = 0;
  for (int i = 0; i < COMPARISONS; i++) any |= has[i] = has_comparison(s, &comparisons[i]);
  if (!any) return;
  fprintf(out, "<h2>Above the baselines</h2>\n<div class=\"scroll\"><table><tr><th>model</th>");
  for (int i = 0; i < COMPARISONS; i++)
    if (has[i]) fprintf(out, "<th class=\"n\">%s</th>", comparisons[i].label);
  fprintf(out, "</tr>\n");
  for (const fd_report_model *m = s->model; m < s->model + s->models; m++) {
    fprintf(out, "<tr><td class=\"name\">");
    fd_html_text(out, m->name);
    fprintf(out, "</td>");
    for (int i = 0; i < COMPARISONS; i++) {
      if (!has[i]) continue;
      compare(s, &comparisons[i], m, &both, &above);
      fprintf(out, both ? "<td class=\"n\">%d of %d</td>" : "<td class=\"n\">–</td>", above, both);
    }
    fprintf(out, "</tr>\n");
  }
  fprintf(out,
          "</table></div>\n<p class=\"note\">Of the tasks that have both numbers; by the mean over the seeds. Probes are of the "
          "teacher or, without one, of the student.</p>\n");
}

/* --- all tasks ------------------------------------------------------------------------------------------------------- */

/* The columns of the table: a line with numbers of ours or of the paper, and those that the paper has. */
typedef struct columns {
  int shown[FD_REPORT_LINES], papers[FD_REPORT_LINES];
} columns;

static columns find_columns(const fd_report_suite *s) {
  columns has = {{0}, {0}};
  double sd;
  for (int i = 0; i < FD_REPORT_LINES; i++)
    for (int m = 0; m < s->models; m++) {
      for (size_t t = 0; t < json_array_size(s->tasks); t++)
        has.papers[i] |= isfinite(fd_report_paper(json_array_get(s->tasks, t), &fd_report_lines[i], &s->model[m], &sd));
      has.shown[i] |= has.papers[i] || has_number(s, i, &s->model[m]);
    }
  return has;
}

static void score_cell(FILE *out, double mean, double sd, int best) {
  char room[FD_SPREAD];
  if (!isfinite(mean)) fprintf(out, "<td class=\"n\">–</td>");
  else fprintf(out, "<td class=\"n%s\">%.2f%s</td>", best ? " changed" : "", mean, fd_spread(room, sd, 2, 0));
}

static void name_cells(FILE *out, const fd_report_suite *s, const char *task, const fd_report_model *model, const char *measure) {
  fprintf(out, "<tr><td class=\"name\">");
  fd_html_text(out, task);
  if (s->models > 1) fprintf(out, "</td><td class=\"name\">"), fd_html_text(out, model->name);
  fprintf(out, "</td><td>");
  fd_html_text(out, measure);
  fprintf(out, "</td>");
}

static void print_row(FILE *out, const fd_report_suite *s, const json_t *task, const fd_report_model *model, double best,
                      const columns *has) {
  name_cells(out, s, fd_report_text(task, "task", ""), model, fd_report_text(task, "measure", ""));
  for (int i = 0; i < FD_REPORT_LINES; i++) {
    if (!has->shown[i]) continue;
    const json_t *r = fd_report_result(task, &fd_report_lines[i], model);
    double mean = mean_of(task, i, model), sd, paper = fd_report_paper(task, &fd_report_lines[i], model, &sd);
    score_cell(out, mean, 100 * fd_report_value(r, "sd"), mean == best);
    if (has->papers[i]) score_cell(out, paper, sd, 0);
  }
  fprintf(out, "</tr>\n");
}

/* Prints the mean over the tasks, of lines that have a number for every task. */
static void print_average(FILE *out, const fd_report_suite *s, const fd_report_model *model, const columns *has) {
  const double tasks = (double)json_array_size(s->tasks);
  name_cells(out, s, "mean over the tasks", model, "");
  for (int i = 0; i < FD_REPORT_LINES; i++) {
    double sum = 0, paper = 0, sd;
    if (!has->shown[i]) continue;
    for (size_t t = 0; t < json_array_size(s->tasks); t++) {
      const json_t *task = json_array_get(s->tasks, t);
      sum += mean_of(task, i, model);
      paper += fd_report_paper(task, &fd_report_lines[i], model, &sd);
    }
    score_cell(out, sum / tasks, NAN, 0);
    if (has->papers[i]) score_cell(out, paper / tasks, NAN, 0);
  }
  fprintf(out, "</tr>\n");
}

static void print_table(FILE *out, const fd_report_suite *s) {
  const columns has = find_columns(s);
  fprintf(out, "<h2>All tasks</h2>\n<div class=\"scroll\"><table><tr><th>task</th>%s<th>measure, %%</th>",
          s->models > 1 ? "<th>model</th>" : "");
  for (int i = 0; i < FD_REPORT_LINES; i++) {
    char label[FD_LABEL];
    if (has.shown[i]) fprintf(out, "<th class=\"n\">%s</th>", fd_report_label(label, &fd_report_lines[i], s, NULL));
    if (has.papers[i]) fprintf(out, "<th class=\"n\">the paper’s</th>");
  }
  fprintf(out, "</tr>\n");
  for (size_t t = 0; t < json_array_size(s->tasks); t++) {
    const json_t *task = json_array_get(s->tasks, t);
    double best = -INFINITY;
    for (int m = 0; m < s->models; m++)
      for (int i = 0; i < FD_REPORT_LINES; i++) best = fmax(best, mean_of(task, i, &s->model[m]));
    for (int m = 0; m < s->models; m++) print_row(out, s, task, &s->model[m], best, &has);
  }
  for (int m = 0; m < s->models && s->models > 1 && json_array_size(s->tasks) > 1; m++) print_average(out, s, &s->model[m], &has);
  fprintf(
      out,
      "</table></div>\n<p class=\"note\">Mean ± standard deviation over the seeds, in %%, on test rows that were not used for "
      "any choice; bold: our best. Pretraining is useful where the network is above both the same network without "
      "pretraining and k-mer counts.%s</p>\n",
      s->models > 1 ? " All models share the k-mer counts, and models of the same shape the untrained network." : "");
}

void fd_report_overview(FILE *out, const fd_report_suite *s) {
  if (s->models > 1) print_comparisons(out, s);
  else print_cards(out, s);
  print_table(out, s);
}
