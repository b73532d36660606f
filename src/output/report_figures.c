/* Figures of the test rows: ROC curves, confusion matrices, embeddings in a plane, predicted against true values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/spread.h"
#include "base/text.h"
#include "output/report_parts.h"
#include "output/svg.h"

enum { FIGURES_MAX = 16, CURVES_MAX = 16, SMALL = 300 };

/* One network or method, and the data of its figures. */
typedef struct entry {
  json_t *figure;
  const char *name, *label;
  int color, dashed;
  char score[128]; /* its score, as a sentence for the caption */
} entry;

/* Pretrained networks have the colours of the bars. The baselines, grey in the bars, must be distinguishable as curves. */
static const struct look {
  const char *name, *label;
  int color, dashed;
} looks[] = {{"teacher", "probe, teacher", 2, 0},
             {"student", "probe, student", 1, 0},
             {"untrained", "probe, untrained", 0, 0},
             {"kmer", "k-mer counts", 5, 0},
             {"best", "probe, best weights", 3, 0},
             {"fine-tuned", "fine-tuned", 3, 0},
             {"fine-tuned untrained", "fine-tuned, from random", 0, 1}};

/* The numbers of a list, to be released with free(); an entry that is not a number (null) is NAN. */
static double *numbers(FILE *out, const json_t *list, size_t *count) {
  *count = json_array_size(list);
  double *value = fd_text_memory(out, *count, sizeof *value);
  for (size_t i = 0; value && i < *count; i++) {
    const json_t *item = json_array_get(list, i);
    value[i] = json_is_number(item) ? json_number_value(item) : NAN;
  }
  if (!value) *count = 0;
  return value;
}

/* Sets the score on the test rows of the probe with this name, or of the fine-tuning. */
static void find_score(const json_t *root, entry *e) {
  char room[FD_SPREAD];
  const json_t *results = json_object_get(root, "results"), *tuned = json_object_get(root, "test_scores");
  for (size_t i = 0; i < json_array_size(results); i++) {
    const json_t *item = json_array_get(results, i), *accuracy = json_object_get(item, "accuracy");
    const char *name = json_string_value(json_object_get(item, "name"));
    if (name && accuracy && !strcmp(name, e->name))
      snprintf(e->score, sizeof e->score, "Accuracy of the probe: %.2f%s\u00a0%%.", 100 * fd_report_value(accuracy, "mean"),
               fd_spread(room, 100 * fd_report_value(accuracy, "sd"), 2, 0));
  }
  if (json_object_get(tuned, "accuracy"))
    snprintf(e->score, sizeof e->score, "Accuracy: %.2f\u00a0%%.", 100 * json_number_value(json_object_get(tuned, "accuracy")));
  else if (json_object_get(tuned, "r2"))
    snprintf(e->score, sizeof e->score, "R²: %.4f.", json_number_value(json_object_get(tuned, "r2")));
}

static int gather(json_t *const *results, int roots, entry *entries) {
  int count = 0;
  for (int r = 0; r < roots; r++) {
    json_t *list = json_object_get(results[r], "figures");
    for (size_t i = 0; i < json_array_size(list) && count < FIGURES_MAX; i++) {
      entry *e = &entries[count];
      *e = (entry){.figure = json_array_get(list, i), .color = 8};
      e->name = e->label = json_string_value(json_object_get(e->figure, "name"));
      if (!e->name) continue;
      for (size_t k = 0; k < sizeof looks / sizeof *looks; k++)
        if (!strcmp(looks[k].name, e->name)) e->label = looks[k].label, e->color = looks[k].color, e->dashed = looks[k].dashed;
      find_score(results[r], e);
      count++;
    }
  }
  return count;
}

static void open_figure(FILE *out, const char *what, const char *of) {
  fprintf(out, "<figure><h3>%s", what);
  if (of) fprintf(out, ": "), fd_html_text(out, of);
  fprintf(out, "</h3>\n");
}

/* --- ROC ------------------------------------------------------------------------------------------------------------- */

/* Curves of one chart. */
typedef struct curves {
  int count;
  fd_series series[CURVES_MAX];
  char name[CURVES_MAX][64];
  double *owned[2 * CURVES_MAX];
} curves;

static void add_curve(FILE *out, curves *c, const json_t *curve, const char *name, int color, int dashed) {
  size_t xs, ys;
  if (c->count == CURVES_MAX) return;
  int i = c->count++;
  double *x = c->owned[2 * i] = numbers(out, json_object_get(curve, "x"), &xs),
         *y = c->owned[2 * i + 1] = numbers(out, json_object_get(curve, "y"), &ys);
  snprintf(c->name[i], sizeof c->name[i], "%.40s %.4f", name, json_number_value(json_object_get(curve, "area")));
  c->series[i] = (fd_series){.name = c->name[i], .x = x, .y = y, .count = xs < ys ? xs : ys, .color = color, .dashed = dashed};
}

static void draw_curves(FILE *out, curves *c, const char *of) {
  if (c->count) {
    open_figure(out, "ROC", of);
    fd_svg_chart(out, &(fd_chart){.title = "ROC curves",
                                  .x_label = "false positive rate",
                                  .y_label = "true positive rate",
                                  .width = SMALL,
                                  .height = SMALL,
                                  .from_zero = 1,
                                  .diagonal = 1,
                                  .series_count = c->count,
                                  .series = c->series});
    fprintf(out, "</figure>\n");
  }
  for (int i = 0; i < 2 * c->count; i++) free(c->owned[i]);
  *c = (curves){0};
}

/* For two classes, one chart has the curves of all methods; for more, each method has a chart with a curve per class. */
static void print_curves(FILE *out, const entry *entries, int count) {
  curves *c = fd_text_memory(out, 1, sizeof *c);
  for (int i = 0; c && i < count; i++) {
    const json_t *roc = json_object_get(entries[i].figure, "roc");
    if (json_array_size(roc) == 1)
      add_curve(out, c, json_array_get(roc, 0), entries[i].label, entries[i].color, entries[i].dashed);
  }
  if (c) draw_curves(out, c, NULL);
  for (int i = 0; c && i < count; i++) {
    const json_t *roc = json_object_get(entries[i].figure, "roc");
    for (size_t k = 0; json_array_size(roc) > 1 && k < json_array_size(roc); k++) {
      char name[32];
      snprintf(name, sizeof name, "class %lld", (long long)json_integer_value(json_object_get(json_array_get(roc, k), "class")));
      add_curve(out, c, json_array_get(roc, k), name, fd_svg_color((int)k), k >= 8);
    }
    draw_curves(out, c, entries[i].label);
  }
  free(c);
}

/* --- confusion, plane, values ---------------------------------------------------------------------------------------- */

static void print_confusion(FILE *out, const entry *e) {
  const json_t *matrix = json_object_get(e->figure, "confusion");
  size_t classes = json_array_size(matrix);
  double *count = classes && classes <= 1024 ? fd_text_memory(out, classes * classes, sizeof *count) : NULL;
  if (!count) return;
  for (size_t i = 0; i < classes * classes; i++)
    count[i] = json_number_value(json_array_get(json_array_get(matrix, i / classes), i % classes));
  open_figure(out, "Confusion", e->label);
  fd_svg_matrix(out, &(fd_confusion_figure){.title = "confusion matrix", .classes = (int)classes, .count = count});
  fprintf(out, "<figcaption>");
  fd_html_text(out, e->score);
  fprintf(out, "</figcaption></figure>\n");
  free(count);
}

static void print_points(FILE *out, const entry *e, const json_t *points, const fd_scatter *look, const char *what) {
  size_t xs, ys, labels;
  fd_scatter s = *look;
  double *x = numbers(out, json_object_get(points, "x"), &xs), *y = numbers(out, json_object_get(points, "y"), &ys),
         *label = numbers(out, json_object_get(points, "label"), &labels);
  int *class = fd_text_memory(out, xs, sizeof *class);
  s.x = x, s.y = y, s.count = xs < ys ? xs : ys;
  for (size_t i = 0; class && i < s.count && i < labels; i++) class[i] = label[i] >= 0 && label[i] < 1e9 ? (int)label[i] : 0;
  if (labels && class) s.class = class;
  open_figure(out, what, e->label);
  fd_svg_scatter(out, &s);
  fprintf(out, "<figcaption>");
  fd_html_text(out, e->score);
  fprintf(out, "</figcaption></figure>\n");
  free(x);
  free(y);
  free(label);
  free(class);
}

static void print_plane(FILE *out, const entry *e) {
  const json_t *pca = json_object_get(e->figure, "pca"), *share = json_object_get(pca, "share");
  char axis[2][64];
  if (!pca) return;
  for (size_t i = 0; i < 2; i++)
    snprintf(axis[i], sizeof axis[i], "component %zu (%.3g %% of the variance)", i + 1,
             100 * json_number_value(json_array_get(share, i)));
  print_points(out, e, pca, &(fd_scatter){.title = "embeddings", .x_label = axis[0], .y_label = axis[1]}, "Embeddings");
}

static void print_values(FILE *out, const entry *e) {
  const json_t *scatter = json_object_get(e->figure, "scatter");
  if (scatter)
    print_points(out, e, scatter, &(fd_scatter){.title = "values", .x_label = "true value", .y_label = "predicted value"},
                 "Values");
}

/* Prints the names of the classes, of which the figures show the numbers only. All results of a task have the same names. */
static void print_class_names(FILE *out, const json_t *labels) {
  for (size_t i = 0; i < json_array_size(labels); i++) {
    const char *name = json_string_value(json_array_get(labels, i));
    fprintf(out, i ? " · <b>%zu</b> " : "<p class=\"note\">Classes: <b>%zu</b> ", i);
    fd_html_text(out, name ? name : "?");
  }
  if (json_array_size(labels)) fprintf(out, "</p>\n");
}

void fd_report_figures(FILE *out, json_t *const *results, int count) {
  entry entries[FIGURES_MAX];
  int n = gather(results, count, entries);
  if (!n) return;
  fprintf(
      out,
      "<p class=\"note\">Figures of the test rows, for the first seed if there are several. ROC: of class 1, or of each class "
      "against the rest, with the area after the name; dashed diagonal: chance. Confusion: number of rows and percentage of the "
      "true class (for many classes the percentage only). Embeddings: projected on the first two principal components of the "
      "training rows (of a fine-tuning: of the test rows), coloured by class; a classifier uses more dimensions than these "
      "two.</p>\n");
  print_class_names(out, json_object_get(results[0], "labels"));
  fprintf(out, "<div class=\"grid small\">\n");
  print_curves(out, entries, n);
  for (int i = 0; i < n; i++) print_confusion(out, &entries[i]);
  if (n > 1) fprintf(out, "</div>\n<div class=\"grid small\">\n");
  for (int i = 0; i < n; i++) print_plane(out, &entries[i]);
  for (int i = 0; i < n; i++) print_values(out, &entries[i]);
  fprintf(out, "</div>\n");
}
