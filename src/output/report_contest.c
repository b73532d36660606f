/* Contestants of a suite, over their seeds of pretraining: bars with intervals, cost against accuracy, a table, and the
 * differences of all pairs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/spread.h"
#include "base/text.h"
#include "output/report_parts.h"
#include "output/report_suite.h"
#include "output/svg.h"

static void name_cell(FILE *out, const char *text) {
  fprintf(out, "<td class=\"name\">");
  fd_html_text(out, text);
  fprintf(out, "</td>");
}

/* Prints "+1.20 (+0.35 to +2.05)", in bold if the interval excludes 0. */
static void gain_cell(FILE *out, const json_t *gain) {
  double mean = 100 * fd_report_value(gain, "mean"), low = 100 * fd_report_value(gain, "low"),
         high = 100 * fd_report_value(gain, "high");
  int clear = low > 0 || high < 0;
  if (!isfinite(mean)) fprintf(out, "<td class=\"n\">–</td>");
  else if (!isfinite(low) || !isfinite(high)) fprintf(out, "<td class=\"n\">%+.2f</td>", mean);
  else fprintf(out, "<td class=\"n%s\">%+.2f (%+.2f to %+.2f)</td>", clear ? " changed" : "", mean, low, high);
}

/* Whether no row before row i has the same text under the key. */
static int is_first(const json_t *rows, const char *key, size_t i) {
  const char *text = fd_report_text(json_array_get(rows, i), key, "");
  for (size_t k = 0; k < i; k++)
    if (!strcmp(fd_report_text(json_array_get(rows, k), key, ""), text)) return 0;
  return 1;
}

/* The colour of a contestant, the same in all figures: by its place among the names. */
static int color_of(const json_t *rows, const char *name) {
  int before = 0;
  for (size_t i = 0; strcmp(fd_report_text(json_array_get(rows, i), "name", ""), name); i++) before += is_first(rows, "name", i);
  return fd_svg_color(before);
}

/* --- bars ------------------------------------------------------------------------------------------------------------ */

typedef struct bars {
  int count;
  fd_bar bar[FD_REPORT_MODELS + 1];
  double seed[FD_REPORT_MODELS][FD_REPORT_MODELS];
} bars;

static void add_bar(bars *b, const json_t *rows, const json_t *row) {
  const json_t *values = json_object_get(row, "values"), *gain = json_object_get(row, "above_kmers");
  if (b->count == FD_REPORT_MODELS) return;
  fd_bar *bar = &b->bar[b->count];
  double *seed = b->seed[b->count];
  *bar = (fd_bar){.name = fd_report_text(row, "name", ""),
                  .mean = 100 * fd_report_value(row, "mean"),
                  .sd = 100 * (fd_report_value(gain, "high") - fd_report_value(gain, "low")) / 2,
                  .interval = 1,
                  .seed = seed,
                  .color = color_of(rows, fd_report_text(row, "name", ""))};
  for (size_t i = 0; i < json_array_size(values) && i < FD_REPORT_MODELS; i++)
    seed[bar->seeds++] = 100 * json_number_value(json_array_get(values, i));
  b->count++;
}

static void draw_method(FILE *out, const json_t *rows, const char *method) {
  bars *b = fd_text_memory(out, 1, sizeof *b);
  double kmers = NAN;
  for (size_t i = 0; b && i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    if (strcmp(fd_report_text(row, "method", ""), method)) continue;
    add_bar(b, rows, row);
    kmers = 100 * (fd_report_value(row, "mean") - fd_report_value(json_object_get(row, "above_kmers"), "mean"));
  }
  if (b) b->bar[b->count] = (fd_bar){.name = "k-mer counts", .mean = kmers, .sd = NAN};
  if (b) fd_svg_bars(out, &(fd_bars){.title = method, .x_label = "mean over the tasks, %", .count = b->count + 1, .bar = b->bar});
  free(b);
}

/* --- cost against accuracy ------------------------------------------------------------------------------------------- */

enum { CONTESTANTS = FD_REPORT_MODELS };
typedef struct costs {
  int count;
  fd_series series[CONTESTANTS];
  double hours[CONTESTANTS][FD_REPORT_MODELS], score[CONTESTANTS][FD_REPORT_MODELS];
} costs;

/* Adds a dot for each seed of a row with known cost. */
static void add_costs(costs *c, const json_t *rows, const json_t *row, const json_t *hours) {
  const json_t *values = json_object_get(row, "values");
  if (c->count == CONTESTANTS) return;
  fd_series *s = &c->series[c->count];
  double *x = c->hours[c->count], *y = c->score[c->count];
  *s = (fd_series){.name = fd_report_text(row, "name", ""), .x = x, .y = y, .dots = FD_DOTS_ONLY};
  s->color = color_of(rows, s->name);
  for (size_t i = 0; i < json_array_size(values) && i < FD_REPORT_MODELS; i++) {
    if (!json_is_number(json_array_get(hours, i))) continue;
    x[s->count] = json_number_value(json_array_get(hours, i));
    y[s->count++] = 100 * json_number_value(json_array_get(values, i));
  }
  c->count++;
}

/* Prints the figure of a method, unless no cost is known; key: "core_hours" or "gpu_hours". */
static void print_costs(FILE *out, const json_t *rows, const char *method, const char *key, const char *label) {
  costs *c = fd_text_memory(out, 1, sizeof *c);
  fd_reference kmers = {"k-mers", NAN};
  for (size_t i = 0; c && i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i), *hours = json_object_get(row, key);
    if (!hours || strcmp(fd_report_text(row, "method", ""), method) != 0) continue;
    add_costs(c, rows, row, hours);
    kmers.y = 100 * (fd_report_value(row, "mean") - fd_report_value(json_object_get(row, "above_kmers"), "mean"));
  }
  if (c && c->count) {
    fprintf(out, "<figure class=\"wide\">");
    fd_svg_chart(out, &(fd_chart){.title = "Cost against accuracy",
                                  .y_label = "mean over the tasks, %",
                                  .x_label = label,
                                  .x_from_zero = 1,
                                  .width = 860,
                                  .height = 320,
                                  .series = c->series,
                                  .series_count = c->count,
                                  .reference = &kmers,
                                  .reference_count = 1});
    fprintf(out, "<figcaption>");
    fd_html_text(out, method);
    fprintf(out,
            ": what pretraining cost, without that of a frozen teacher, and what it gained. A dot per seed; dashed: k-mer "
            "counts, which cost no pretraining.</figcaption></figure>\n");
  }
  free(c);
}

static void print_figures(FILE *out, const json_t *rows) {
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    if (!is_first(rows, "method", i)) continue;
    fprintf(out, "<figure class=\"wide\">");
    draw_method(out, rows, fd_report_text(row, "method", ""));
    fprintf(out, "<figcaption>");
    fd_html_text(out, fd_report_text(row, "method", ""));
    fprintf(out,
            ": mean over %.0f tasks, each with its own measure. Whiskers, and in brackets: 95 %% confidence interval over the "
            "seeds of pretraining; dots: the seeds.</figcaption></figure>\n",
            fd_report_value(row, "tasks"));
    print_costs(out, rows, fd_report_text(row, "method", ""), "core_hours", "core-hours of pretraining");
    print_costs(out, rows, fd_report_text(row, "method", ""), "gpu_hours", "GPU-hours of pretraining");
  }
}

/* --- tables ---------------------------------------------------------------------------------------------------------- */

static void print_rows(FILE *out, const json_t *rows) {
  fprintf(
      out,
      "<div class=\"scroll\"><table><tr><th>method</th><th>contestant</th><th class=\"n\">seeds</th><th class=\"n\">mean over "
      "the tasks ± standard deviation, %%</th><th class=\"n\">above k-mers (95 %% interval)</th><th class=\"n\">better "
      "in</th></tr>\n");
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    fprintf(out, "<tr>");
    name_cell(out, fd_report_text(row, "method", ""));
    name_cell(out, fd_report_text(row, "name", ""));
    char room[FD_SPREAD];
    fprintf(out, "<td class=\"n\">%.0f</td><td class=\"n\">%.2f%s</td>", fd_report_value(row, "seeds"),
            100 * fd_report_value(row, "mean"), fd_spread(room, 100 * fd_report_value(row, "sd"), 2, 0));
    gain_cell(out, json_object_get(row, "above_kmers"));
    fprintf(out, "<td class=\"n\">%.0f of %.0f tasks</td></tr>\n", fd_report_value(row, "better"), fd_report_value(row, "tasks"));
  }
  fprintf(out, "</table></div>\n");
}

static void print_pairs(FILE *out, const json_t *pairs) {
  if (!json_array_size(pairs)) return;
  fprintf(out,
          "<details><summary>Every pair of contestants</summary>\n<div class=\"scroll\"><table><tr><th>method</th>"
          "<th>contestant</th><th>above</th><th class=\"n\">common seeds</th><th class=\"n\">by (95 %% interval)</th></tr>\n");
  for (size_t i = 0; i < json_array_size(pairs); i++) {
    const json_t *pair = json_array_get(pairs, i);
    fprintf(out, "<tr>");
    name_cell(out, fd_report_text(pair, "method", ""));
    name_cell(out, fd_report_text(pair, "name", ""));
    name_cell(out, fd_report_text(pair, "above", ""));
    const json_t *gain = json_object_get(pair, "gain");
    fprintf(out, "<td class=\"n\">%.0f</td>", fd_report_value(gain, "seeds"));
    gain_cell(out, gain);
    fprintf(out, "</tr>\n");
  }
  fprintf(out, "</table></div></details>\n");
}

void fd_report_contest(FILE *out, const json_t *contest) {
  const json_t *rows = json_object_get(contest, "rows");
  if (!json_array_size(rows)) return;
  fprintf(out, "<h2>Contestants</h2>\n");
  print_figures(out, rows);
  print_rows(out, rows);
  print_pairs(out, json_object_get(contest, "pairs"));
  fprintf(
      out,
      "<p class=\"note\">Seeds of pretraining are the repetitions, tasks are blocks: the confidence intervals are those of the "
      "mean over the tasks, by Student’s t over the seeds (of a pair: over the differences of runs with the same seed), and are "
      "not corrected for the number of comparisons. Bold: the interval excludes 0. A task without a result for every seed is "
      "left out for all contestants.</p>\n");
}
