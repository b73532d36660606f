/* A table of all scores of a task's fine-tunings, on its test rows and on further ones, with the constant predictions. */
#include <math.h>
#include <string.h>

#include "base/spread.h"
#include "output/report_parts.h"
#include "output/report_suite.h"
#include "output/svg.h"

enum { SCORES = 5 };
static const char *const keys[SCORES] = {"accuracy", "balanced_accuracy", "mcc", "auroc", "auprc"};

/* Prints "75.35 ± 0.33", and below it the difference from the task of comparison. */
static void score_cell(FILE *out, const json_t *score) {
  double mean = 100 * fd_report_value(score, "mean"), sd = 100 * fd_report_value(score, "sd");
  const json_t *above = json_object_get(score, "above");
  char room[FD_SPREAD];
  double more = 100 * fd_report_value(above, "mean"), spread = 100 * fd_report_value(above, "sd");
  if (!isfinite(mean)) {
    fprintf(out, "<td class=\"n\">–</td>");
    return;
  }
  fprintf(out, "<td class=\"n\">%.2f%s", mean, fd_spread(room, sd, 2, 0));
  if (isfinite(more)) fprintf(out, "<br>(%+.2f%s)", more, fd_spread(room, spread, 2, 0));
  fprintf(out, "</td>");
}

static void print_set(FILE *out, const json_t *result, const json_t *set) {
  const char *model = fd_report_text(result, "model", "");
  fprintf(out, "<tr><td class=\"name\">");
  fd_html_text(out, fd_report_text(set, "rows", "?"));
  fprintf(out, "</td><td class=\"name\">");
  fd_html_text(out, fd_report_text(result, "name", "?"));
  if (*model) fprintf(out, " · "), fd_html_text(out, model);
  fprintf(out, "</td>");
  for (int i = 0; i < SCORES; i++) score_cell(out, json_object_get(set, keys[i]));
  fprintf(out, "</tr>\n");
}

static void print_constant(FILE *out, const json_t *set) {
  const json_t *constant = json_object_get(set, "constant");
  if (!json_object_size(constant)) return;
  fprintf(out, "<tr><td class=\"name\">");
  fd_html_text(out, fd_report_text(set, "rows", "?"));
  fprintf(out, "</td><td class=\"name\">always the most frequent class</td>");
  for (int i = 0; i < SCORES; i++) {
    double value = 100 * fd_report_value(constant, keys[i]);
    if (isfinite(value)) fprintf(out, "<td class=\"n\">%.2f</td>", value);
    else fprintf(out, "<td class=\"n\">–</td>");
  }
  fprintf(out, "</tr>\n");
}

/* Prints the sets with this name of all results, and once the constant prediction, which depends on the rows only. */
static void print_sets(FILE *out, const json_t *results, const char *rows) {
  const json_t *last = NULL;
  for (size_t i = 0; i < json_array_size(results); i++) {
    const json_t *result = json_array_get(results, i), *sets = json_object_get(result, "scores");
    for (size_t k = 0; k < json_array_size(sets); k++) {
      const json_t *set = json_array_get(sets, k);
      if (strcmp(fd_report_text(set, "rows", ""), rows)) continue;
      print_set(out, result, set);
      last = set;
    }
  }
  print_constant(out, last);
}

void fd_report_scores(FILE *out, const json_t *task) {
  const json_t *results = json_object_get(task, "results"), *most = NULL;
  for (size_t i = 0; i < json_array_size(results); i++) {
    const json_t *sets = json_object_get(json_array_get(results, i), "scores");
    if (json_array_size(sets) > json_array_size(most)) most = sets;
  }
  if (!json_array_size(most)) return;
  fprintf(out,
          "<div class=\"scroll\"><table><tr><th>rows</th><th>classifier</th><th class=\"n\">accuracy %%</th><th "
          "class=\"n\">balanced accuracy %%</th><th class=\"n\">MCC %%</th><th class=\"n\">AUROC %%</th><th class=\"n\">AUPRC "
          "%%</th></tr>\n");
  for (size_t i = 0; i < json_array_size(most); i++)
    print_sets(out, results, fd_report_text(json_array_get(most, i), "rows", ""));
  fprintf(
      out,
      "</table></div>\n<p class=\"note\">Mean ± standard deviation over the seeds; in brackets the differences, seed by seed, "
      "from the task with which this one is compared.</p>\n");
}
