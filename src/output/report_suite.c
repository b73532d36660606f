/* The page of a benchmark suite: for each task the scores of all methods beside the baselines and the paper's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "output/json_file.h"
#include "output/report.h"
#include "output/report_parts.h"
#include "output/svg.h"

enum { SEEDS_MAX = 64, METHODS = 8 };

/* The rows of a task, in the page's order. A baseline stands there when it is absent, too: a score without it says little. */
static const struct line {
  const char *name, *label;
  int color, baseline;
  const char *paper; /* the key of the paper's number of it, or NULL */
} lines[] = {
    {"probe teacher", "linear probe, teacher", 2, 0, "paper_probe"},
    {"probe student", "linear probe, student", 1, 0, NULL},
    {"probe untrained", "linear probe, untrained", 0, 1, NULL},
    {"probe kmer", "k-mer counts", 0, 1, NULL},
    {"fine-tuned", "fine-tuned", 3, 0, "paper_finetune"},
    {"fine-tuned untrained", "fine-tuned, from random", 0, 1, NULL},
};
enum { LINES = sizeof lines / sizeof *lines, BARS = 2 * LINES };

typedef struct suite {
  const char *folder;
  json_t *root;
} suite;

static const json_t *result_of(const json_t *task, const char *name) {
  const json_t *results = json_object_get(task, "results");
  for (size_t i = 0; i < json_array_size(results); i++)
    if (!strcmp(fd_report_text(json_array_get(results, i), "name", ""), name)) return json_array_get(results, i);
  return NULL;
}

/* "83.55 ± 0.17", or a mean alone; NAN without a number. */
static double paper_number(const json_t *task, const char *key, double *sd) {
  const char *text = key ? fd_report_text(task, key, "") : "", *plus = strstr(text, "±");
  char *end;
  double mean = strtod(text, &end);
  *sd = plus ? strtod(plus + strlen("±"), NULL) : NAN;
  return end == text ? NAN : mean;
}

/* --- the top --------------------------------------------------------------------------------------------------------- */

/* How many tasks have both, and in how many the first is the larger. */
static void compare(const json_t *tasks, const char *name, const char *other, int *both, int *above) {
  *both = *above = 0;
  for (size_t i = 0; i < json_array_size(tasks); i++) {
    const json_t *task = json_array_get(tasks, i), *a = result_of(task, name), *b = result_of(task, other);
    if (!a || !b) continue;
    ++*both;
    *above += fd_report_value(a, "mean") > fd_report_value(b, "mean");
  }
}

static void compare_card(FILE *out, const json_t *tasks, const char *name, const char *other, const char *label) {
  int both, above;
  compare(tasks, name, other, &both, &above);
  fprintf(out, "<div class=\"card\"><span>%s</span>", label);
  if (both)
    fprintf(out, "<b>%d of %d</b><span>task%s; by the mean over the seeds</span></div>\n", above, both, both > 1 ? "s" : "");
  else fprintf(out, "<b>–</b><span>not both are there</span></div>\n");
}

static void print_cards(FILE *out, const json_t *tasks) {
  fprintf(out, "<div class=\"cards\">\n");
  compare_card(out, tasks, "probe teacher", "probe untrained", "probe: teacher above untrained");
  compare_card(out, tasks, "probe teacher", "probe kmer", "probe: teacher above k-mer counts");
  compare_card(out, tasks, "fine-tuned", "fine-tuned untrained", "fine-tuned: pretrained above random");
  compare_card(out, tasks, "fine-tuned", "probe kmer", "fine-tuned above k-mer counts");
  fprintf(out, "</div>\n");
}

static void score_cell(FILE *out, double mean, double sd, int best) {
  if (!isfinite(mean)) fprintf(out, "<td class=\"n\">–</td>");
  else
    fprintf(out, isfinite(sd) ? "<td class=\"n%s\">%.2f ± %.2f</td>" : "<td class=\"n%s\">%.2f</td>", best ? " changed" : "",
            mean, sd);
}

static void overview_row(FILE *out, const json_t *task) {
  double best = -INFINITY, sd;
  for (int i = 0; i < LINES; i++) best = fmax(best, fd_report_value(result_of(task, lines[i].name), "mean"));
  fprintf(out, "<tr><td class=\"name\">");
  fd_html_text(out, fd_report_text(task, "task", ""));
  fprintf(out, "</td><td>");
  fd_html_text(out, fd_report_text(task, "measure", ""));
  fprintf(out, "</td>");
  for (int i = 0; i < LINES; i++) {
    const json_t *r = result_of(task, lines[i].name);
    score_cell(out, 100 * fd_report_value(r, "mean"), 100 * fd_report_value(r, "sd"), fd_report_value(r, "mean") == best);
    if (!lines[i].paper) continue;
    double paper = paper_number(task, lines[i].paper, &sd);
    score_cell(out, paper, sd, 0);
  }
  fprintf(out, "</tr>\n");
}

static void print_overview(FILE *out, const json_t *tasks) {
  fprintf(out, "<h2>All tasks</h2>\n<div class=\"scroll\"><table><tr><th>task</th><th>measure, %%</th>");
  for (int i = 0; i < LINES; i++) {
    fprintf(out, "<th class=\"n\">%s</th>", lines[i].label);
    if (lines[i].paper) fprintf(out, "<th class=\"n\">the paper’s</th>");
  }
  fprintf(out, "</tr>\n");
  for (size_t i = 0; i < json_array_size(tasks); i++) overview_row(out, json_array_get(tasks, i));
  fprintf(out,
          "</table></div>\n<p class=\"note\">Mean ± standard deviation over the seeds, in %%, of test rows that nothing was "
          "chosen on; "
          "bold: the best of ours. A pretrained network is of use where it is above both what the same network does without "
          "pretraining and counts of k-mers.</p>\n");
}

/* --- a task ---------------------------------------------------------------------------------------------------------- */

static int take_seeds(const json_t *result, double *seed) {
  const json_t *values = json_object_get(result, "values");
  int count = 0;
  for (size_t i = 0; i < json_array_size(values) && count < SEEDS_MAX; i++)
    seed[count++] = 100 * json_number_value(json_array_get(values, i));
  return count;
}

/* Where chance lies, in %. */
static double base_of(const char *measure, double classes) {
  return !strcmp(measure, "auroc") ? 50 : !strcmp(measure, "accuracy") && classes >= 2 ? 100 / classes : 0;
}

static void draw_task(FILE *out, const json_t *task) {
  fd_bar bar[BARS];
  double seeds[LINES][SEEDS_MAX], base = base_of(fd_report_text(task, "measure", ""), fd_report_value(task, "classes")), sd;
  char label[96];
  int count = 0;
  for (int i = 0; i < LINES; i++) {
    const json_t *r = result_of(task, lines[i].name);
    double paper = paper_number(task, lines[i].paper, &sd);
    if (r || lines[i].baseline) {
      bar[count] = (fd_bar){.name = lines[i].label,
                            .mean = 100 * fd_report_value(r, "mean"),
                            .sd = 100 * fd_report_value(r, "sd"),
                            .seed = seeds[i],
                            .color = lines[i].color};
      bar[count++].seeds = (size_t)take_seeds(r, seeds[i]);
    }
    if (isfinite(paper)) bar[count++] = (fd_bar){.name = "the paper’s", .mean = paper, .sd = sd, .hollow = 1};
  }
  snprintf(label, sizeof label, "%.20s, %%; bars begin at %.4g", fd_report_text(task, "measure", ""), base);
  fd_svg_bars(out, &(fd_bars){.title = label, .x_label = label, .base = base, .count = count, .bar = bar});
}

static void print_rows(FILE *out, const json_t *task) {
  double paper_train = fd_report_value(task, "paper_train_rows"), classes = fd_report_value(task, "classes");
  fprintf(out, "%.0f training and %.0f test rows", fd_report_value(task, "train_rows"), fd_report_value(task, "test_rows"));
  if (classes > 0) fprintf(out, " of %.0f classes", classes);
  if (!(paper_train > 0)) fprintf(out, "; the suite’s table does not say how many the paper has");
  else if (paper_train == fd_report_value(task, "train_rows") &&
           fd_report_value(task, "paper_test_rows") == fd_report_value(task, "test_rows"))
    fprintf(out, ", as many as in the paper");
  if (fd_report_value(task, "test_rows_in_train") + fd_report_value(task, "test_rows_turned_in_train") == 0)
    fprintf(out, ". No test sequence is also a training sequence, nor is its reverse complement");
  fprintf(out, ".");
}

/* The pictures of the first seeds: of the probe, and of each kind of fine-tuning. A file that is gone has none. */
static void print_figures(FILE *out, const suite *s, const json_t *task) {
  const json_t *files = json_object_get(task, "files");
  json_t *first[METHODS] = {0};
  int count = 0;
  for (size_t i = 0; i < json_array_size(files) && count < METHODS; i++) {
    const char *name = json_string_value(json_array_get(files, i));
    char path[FD_PATH_MAX];
    json_t *root = name && fd_path(path, s->folder, name, NULL) == FD_OK ? json_load_file(path, 0, NULL) : NULL;
    int is_first =
        json_is_object(root) && (!json_object_get(root, "seed") || json_integer_value(json_object_get(root, "seed")) == 0);
    if (is_first) first[count++] = root;
    else json_decref(root);
  }
  fd_report_figures(out, first, count);
  for (int i = 0; i < count; i++) json_decref(first[i]);
}

static void print_task(FILE *out, const suite *s, const json_t *task) {
  const json_t *remarks = json_object_get(task, "remarks");
  fprintf(out, "<h2>");
  fd_html_text(out, fd_report_text(task, "task", ""));
  fprintf(out, "</h2>\n<figure class=\"wide\">");
  draw_task(out, task);
  fprintf(out, "<figcaption>");
  print_rows(out, task);
  fprintf(out, "</figcaption></figure>\n");
  if (json_array_size(remarks)) fprintf(out, "<ul class=\"says\">\n");
  for (size_t i = 0; i < json_array_size(remarks); i++) {
    const char *remark = json_string_value(json_array_get(remarks, i));
    fprintf(out, "<li>");
    fd_html_text(out, remark ? remark : "");
    fprintf(out, ".</li>\n");
  }
  if (json_array_size(remarks)) fprintf(out, "</ul>\n");
  print_figures(out, s, task);
}

static void print_suite(FILE *out, const void *context) {
  const suite *s = context;
  const json_t *tasks = json_object_get(s->root, "tasks");
  fd_report_title(out, "FinDNA suite", fd_report_text(s->root, "suite", ""));
  fprintf(out, "<p class=\"lead-in\">checkpoint ");
  fd_html_text(out, fd_report_text(s->root, "checkpoint", ""));
  fprintf(out, " · state ");
  fd_html_text(out, fd_report_text(s->root, "state_id", ""));
  fprintf(out, " · version ");
  fd_html_text(out, fd_report_text(s->root, "version", ""));
  fprintf(out, "</p>\n");
  if (!json_array_size(tasks)) {
    fprintf(out, "<p class=\"absent\">no task has a result yet</p>\n");
    return;
  }
  print_cards(out, tasks);
  print_overview(out, tasks);
  for (size_t i = 0; i < json_array_size(tasks); i++) print_task(out, s, json_array_get(tasks, i));
  fprintf(
      out,
      "<p class=\"note\">Bars: mean over the seeds; whiskers: one standard deviation; dots: the seeds. Colour: the pretrained "
      "networks. Grey: the baselines, the same network without pretraining and logistic regression on k-mer counts. Dashed "
      "outline: the paper’s number, with the paper’s data and sizes.</p>\n");
}

fd_status fd_report_write_suite(const char *folder, const char *output) {
  char path[FD_PATH_MAX];
  suite s = {.folder = folder};
  FD_TRY(fd_path(path, folder, "results.json", NULL));
  FD_TRY(fd_json_read(path, &s.root));
  if (!s.root) return fd_fail(FD_MISSING, "%s: there is no such file; 'findna evaluate' writes it", path);
  fd_status status = fd_report_page(output, folder, print_suite, &s);
  json_decref(s.root);
  return status;
}
