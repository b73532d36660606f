/* The page of a benchmark suite: for each task the scores of all models and methods, the baselines and the paper's numbers. */
#include "output/report_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "output/json_file.h"
#include "output/report.h"
#include "output/report_parts.h"
#include "output/svg.h"

enum { SEEDS_MAX = 64, METHODS = 8, BARS_MAX = 2 * FD_REPORT_LINES * FD_REPORT_MODELS };

const fd_report_line fd_report_lines[FD_REPORT_LINES] = {
    [FD_LINE_TEACHER] = {"teacher", "teacher", 1, 2, FD_LINE_OF_MODEL, 0, "paper_probe"},
    [FD_LINE_STUDENT] = {"student", "student", 1, 1, FD_LINE_OF_MODEL, 0, NULL},
    [FD_LINE_UNTRAINED] = {"untrained", "untrained", 1, 0, FD_LINE_OF_SHAPE, 1, NULL},
    [FD_LINE_KMER] = {"kmer", "k-mer counts", 0, 0, FD_LINE_OF_NONE, 1, NULL},
    [FD_LINE_TEACHER_KMER] = {"teacher+kmer", "teacher + k-mers", 1, 2, FD_LINE_OF_MODEL, 0, NULL},
    [FD_LINE_STUDENT_KMER] = {"student+kmer", "student + k-mers", 1, 1, FD_LINE_OF_MODEL, 0, NULL},
    [FD_LINE_UNTRAINED_KMER] = {"untrained+kmer", "untrained + k-mers", 1, 0, FD_LINE_OF_SHAPE, 0, NULL},
    [FD_LINE_TUNED] = {"fine-tuned", "fine-tuned", 0, 3, FD_LINE_OF_MODEL, 0, "paper_finetune"},
    [FD_LINE_TUNED_UNTRAINED] = {"fine-tuned untrained", "fine-tuned, from random", 0, 0, FD_LINE_OF_SHAPE, 1, NULL},
};

/* The classifiers of features: the first word of a result's name, and of a line's label. */
static const struct { const char *name, *label; } classifiers[] = {{"probe ", "linear probe"}, {"knn ", "knn"}};
enum { CLASSIFIERS = sizeof classifiers / sizeof *classifiers };

/* The classifier of a result, or CLASSIFIERS for fine-tuned networks; *rest: its name without it. */
static int classifier_of(const json_t *result, const char **rest) {
  int i = 0;
  *rest = fd_report_text(result, "name", "");
  while (i < CLASSIFIERS && strncmp(*rest, classifiers[i].name, strlen(classifiers[i].name))) i++;
  if (i < CLASSIFIERS) *rest += strlen(classifiers[i].name);
  return i;
}

static void look_for_classifiers(const json_t *task, int has[CLASSIFIERS + 1]) {
  const json_t *results = json_object_get(task, "results");
  const char *rest;
  for (size_t i = 0; i < json_array_size(results); i++) has[classifier_of(json_array_get(results, i), &rest)] = 1;
}

const char *fd_report_label(char label[FD_LABEL], const fd_report_line *line, const fd_report_suite *s, const json_t *task) {
  int has[CLASSIFIERS + 1] = {0}, used = 0;
  if (task) look_for_classifiers(task, has);
  for (size_t t = 0; !task && t < json_array_size(s->tasks); t++) look_for_classifiers(json_array_get(s->tasks, t), has);
  for (int i = 0; i < CLASSIFIERS && line->features; i++)
    if (has[i]) used += snprintf(label + used, (size_t)(FD_LABEL - used), "%s%s", used ? " or " : "", classifiers[i].label);
  snprintf(label + used, (size_t)(FD_LABEL - used), "%s%s", used ? ", " : "", line->label);
  return label;
}

const json_t *fd_report_result(const json_t *task, const fd_report_line *line, const fd_report_model *model) {
  const json_t *results = json_object_get(task, "results");
  const char *of = line->of == FD_LINE_OF_MODEL ? model->name : line->of == FD_LINE_OF_SHAPE ? model->untrained : "";
  for (size_t i = 0; i < json_array_size(results); i++) {
    const json_t *result = json_array_get(results, i);
    const char *name;
    classifier_of(result, &name);
    if (!strcmp(name, line->name) && !strcmp(fd_report_text(result, "model", ""), of)) return result;
  }
  return NULL;
}

/* Parses "83.55 ± 0.17", or a mean without a deviation. For the model without a name it exists even without a result of ours. */
double fd_report_paper(const json_t *task, const fd_report_line *line, const fd_report_model *model, double *sd) {
  const char *otherwise = line->paper && !*model->name ? fd_report_text(task, line->paper, "") : "";
  const char *text = fd_report_text(fd_report_result(task, line, model), "paper", otherwise), *plus = strstr(text, "±");
  char *end;
  double mean = strtod(text, &end);
  *sd = plus ? strtod(plus + strlen("±"), NULL) : NAN;
  return end == text ? NAN : mean;
}

/* --- the bars of a task ---------------------------------------------------------------------------------------------- */

typedef struct bars {
  int count;
  fd_bar bar[BARS_MAX];
  double seed[BARS_MAX][SEEDS_MAX];
  char name[BARS_MAX][128];
} bars;

/* Whether the line has a bar for this model: a shared baseline has its bar at the first of its models. */
static int has_bar(const fd_report_suite *s, const fd_report_line *line, const fd_report_model *model) {
  if (line->of == FD_LINE_OF_NONE) return model == s->model;
  return line->of == FD_LINE_OF_MODEL || !strcmp(model->untrained, model->name);
}

static void add_bar(bars *b, const fd_report_suite *s, const json_t *task, const fd_report_line *line,
                    const fd_report_model *model) {
  const json_t *r = fd_report_result(task, line, model), *values = json_object_get(r, "values");
  double sd, paper = fd_report_paper(task, line, model, &sd);
  int named = line->of == FD_LINE_OF_MODEL ? s->models > 1 : line->of == FD_LINE_OF_SHAPE && s->shapes > 1;
  char label[FD_LABEL];
  fd_report_label(label, line, s, task);
  if (r || line->is_baseline) {
    int i = b->count++;
    snprintf(b->name[i], sizeof b->name[i], "%s%s%.50s", label, named ? " · " : "", named ? model->name : "");
    fd_bar *bar = &b->bar[i];
    *bar = (fd_bar){.name = b->name[i],
                    .mean = 100 * fd_report_value(r, "mean"),
                    .sd = 100 * fd_report_value(r, "sd"),
                    .seed = b->seed[i],
                    .color = line->color};
    for (size_t k = 0; k < json_array_size(values) && k < SEEDS_MAX; k++)
      b->seed[i][bar->seeds++] = 100 * json_number_value(json_array_get(values, k));
  }
  if (!isfinite(paper)) return;
  int i = b->count++;
  snprintf(b->name[i], sizeof b->name[i], "the paper’s%s%s", r ? "" : ": ",
           r ? "" : label); /* without a bar of ours, name the line */
  b->bar[i] = (fd_bar){.name = b->name[i], .mean = paper, .sd = sd, .hollow = 1};
}

/* The score of guessing at random, in %. */
static double base_of(const char *measure, double classes) {
  return !strcmp(measure, "auroc") ? 50 : !strcmp(measure, "accuracy") && classes >= 2 ? 100 / classes : 0;
}

static void draw_task(FILE *out, const fd_report_suite *s, const json_t *task) {
  double base = base_of(fd_report_text(task, "measure", ""), fd_report_value(task, "classes"));
  char label[96];
  bars *b = fd_text_memory(out, 1, sizeof *b);
  for (int i = 0; b && i < FD_REPORT_LINES; i++)
    for (int m = 0; m < s->models; m++)
      if (has_bar(s, &fd_report_lines[i], &s->model[m])) add_bar(b, s, task, &fd_report_lines[i], &s->model[m]);
  snprintf(label, sizeof label, "%.20s, %%; bars begin at %.4g", fd_report_text(task, "measure", ""), base);
  if (b) fd_svg_bars(out, &(fd_bars){.title = label, .x_label = label, .base = base, .count = b->count, .bar = b->bar});
  free(b);
}

/* --- a task ---------------------------------------------------------------------------------------------------------- */

static void print_rows(FILE *out, const json_t *task) {
  double paper_train = fd_report_value(task, "paper_train_rows"), classes = fd_report_value(task, "classes");
  fprintf(out, "%.0f training and %.0f test rows", fd_report_value(task, "train_rows"), fd_report_value(task, "test_rows"));
  if (classes > 0) fprintf(out, " of %.0f classes", classes);
  if (!(paper_train > 0)) fprintf(out, "; the suite does not list the paper’s numbers of rows");
  else if (paper_train == fd_report_value(task, "train_rows") &&
           fd_report_value(task, "paper_test_rows") == fd_report_value(task, "test_rows"))
    fprintf(out, ", the same numbers as in the paper");
  if (fd_report_value(task, "test_rows_in_train") + fd_report_value(task, "test_rows_turned_in_train") == 0)
    fprintf(out, ". No test sequence is also a training sequence, nor is its reverse complement");
  fprintf(out, ".");
}

/* Prints the remarks on a task, and the suite's notes in brackets after numbers of the paper. */
static void print_remarks(FILE *out, const json_t *task) {
  const json_t *remarks = json_object_get(task, "remarks"), *results = json_object_get(task, "results");
  int count = 0;
  for (size_t i = 0; i < json_array_size(remarks); i++) {
    const char *remark = json_string_value(json_array_get(remarks, i));
    fprintf(out, count++ ? "<li>" : "<ul class=\"says\">\n<li>");
    fd_html_text(out, remark ? remark : "");
    fprintf(out, ".</li>\n");
  }
  for (size_t i = 0; i < json_array_size(results); i++) {
    const json_t *r = json_array_get(results, i);
    const char *paper = fd_report_text(r, "paper", "");
    if (!strchr(paper, '(')) continue;
    fprintf(out, count++ ? "<li>the paper’s number for " : "<ul class=\"says\">\n<li>the paper’s number for ");
    fd_html_text(out, fd_report_text(r, "model", "the checkpoint"));
    fprintf(out, ", ");
    fd_html_text(out, fd_report_text(r, "name", ""));
    fprintf(out, ": ");
    fd_html_text(out, paper);
    fprintf(out, ".</li>\n");
  }
  if (count) fprintf(out, "</ul>\n");
}

/* Whether a relative path stays within the folder. */
static int is_below(const char *name) {
  if (*name == '/') return 0;
  for (const char *at = name; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
    if (!strncmp(at, "..", 2) && (!at[2] || at[2] == '/')) return 0;
  return 1;
}

/* Prints the figures of a model's first seeds, of its probe and each kind of fine-tuning, and those of k-mers. Missing files are
 * skipped. */
static void print_figures(FILE *out, const fd_report_suite *s, const json_t *task, const fd_report_model *model) {
  const json_t *files = json_object_get(task, "files");
  json_t *first[METHODS] = {0};
  int count = 0, own = 0;
  for (size_t i = 0; i < json_array_size(files) && count < METHODS; i++) {
    const char *name = fd_report_text(json_array_get(files, i), "file", NULL),
               *of = fd_report_text(json_array_get(files, i), "model", "");
    char path[FD_PATH_MAX];
    if (!name || (*of && strcmp(of, model->name))) continue;
    json_t *root = NULL;
    if (!is_below(name) || fd_path(path, s->folder, name, NULL) != FD_OK) continue;
    if (fd_json_read(path, &root) == FD_MEMORY) fd_text_spoil(out);
    int is_first = root && (!json_object_get(root, "seed") || json_integer_value(json_object_get(root, "seed")) == 0);
    own |= is_first && !strcmp(of, model->name);
    if (is_first) first[count++] = root;
    else json_decref(root);
  }
  if (s->models > 1 && own) {
    fprintf(out, "<details><summary>Test rows of ");
    fd_html_text(out, model->name);
    fprintf(out, "</summary>\n");
  }
  if (s->models == 1 || own) fd_report_figures(out, first, count);
  if (s->models > 1 && own) fprintf(out, "</details>\n");
  for (int i = 0; i < count; i++) json_decref(first[i]);
}

static void print_task(FILE *out, const fd_report_suite *s, const json_t *task) {
  fprintf(out, "<h2>");
  fd_html_text(out, fd_report_text(task, "task", ""));
  fprintf(out, "</h2>\n<figure class=\"wide\">");
  draw_task(out, s, task);
  fprintf(out, "<figcaption>");
  print_rows(out, task);
  fprintf(out, "</figcaption></figure>\n");
  print_remarks(out, task);
  fd_report_scores(out, task);
  for (int m = 0; m < s->models; m++) print_figures(out, s, task, &s->model[m]);
}

/* --- the page -------------------------------------------------------------------------------------------------------- */

static void print_models(FILE *out, const fd_report_suite *s) {
  fprintf(out, "<p class=\"lead-in\">");
  for (const fd_report_model *m = s->model; m < s->model + s->models; m++) {
    if (*m->name) fd_html_text(out, m->name), fprintf(out, ": ");
    if (*m->checkpoint) fprintf(out, "checkpoint "), fd_html_text(out, m->checkpoint), fprintf(out, " · ");
    fprintf(out, "state ");
    fd_html_text(out, m->state_id);
    fprintf(out, m + 1 < s->model + s->models ? "<br>\n" : " · version ");
  }
  fd_html_text(out, fd_report_text(s->root, "version", ""));
  fprintf(out, "</p>\n");
}

static void print_suite(FILE *out, const void *context) {
  const fd_report_suite *s = context;
  fd_report_title(out, "FinDNA suite", fd_report_text(s->root, "suite", ""));
  print_models(out, s);
  if (!json_array_size(s->tasks)) {
    fprintf(out, "<p class=\"absent\">no task has a result yet</p>\n");
    return;
  }
  fd_report_contest(out, json_object_get(s->root, "contest"));
  fd_report_overview(out, s);
  fd_report_speed(out, s->speed);
  for (size_t i = 0; i < json_array_size(s->tasks); i++) print_task(out, s, json_array_get(s->tasks, i));
  fprintf(
      out,
      "<p class=\"note\">Bars: mean over the seeds; whiskers: one standard deviation; dots: the seeds. Colour: the pretrained "
      "networks. Grey: the baselines, the same network without pretraining and a classifier of k-mer counts. Dashed "
      "outline: the paper’s number, with the paper’s data and sizes.</p>\n");
}

static void take_models(fd_report_suite *s) {
  const json_t *models = json_object_get(s->root, "models");
  s->tasks = json_object_get(s->root, "tasks");
  s->model[0] = (fd_report_model){"", "", "", ""};
  s->models = json_array_size(models) < FD_REPORT_MODELS ? (int)json_array_size(models) : FD_REPORT_MODELS;
  for (int i = 0; i < s->models; i++) {
    const json_t *m = json_array_get(models, (size_t)i);
    const char *name = fd_report_text(m, "name", "");
    s->model[i] = (fd_report_model){name, fd_report_text(m, "checkpoint", ""), fd_report_text(m, "state_id", ""),
                                    fd_report_text(m, "untrained", name)};
    s->shapes += !strcmp(s->model[i].untrained, name);
  }
  if (!s->models) s->models = s->shapes = 1;
}

fd_status fd_report_write_suite(const char *folder, const char *output) {
  char path[FD_PATH_MAX];
  fd_report_suite s = {.folder = folder};
  FD_TRY(fd_path(path, folder, "results.json", NULL));
  FD_TRY(fd_json_read(path, &s.root));
  if (!s.root) return fd_fail(FD_MISSING, "%s: there is no such file; 'findna evaluate' writes it", path);
  take_models(&s);
  fd_status status = fd_path(path, folder, "speed.json", NULL);
  if (status == FD_OK) status = fd_json_read(path, &s.speed);
  if (status == FD_OK) status = fd_report_page(output, folder, print_suite, &s);
  json_decref(s.root);
  json_decref(s.speed);
  return status;
}
