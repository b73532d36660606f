/* Alignment (linear CKA) of each layer of a student with a frozen teacher's features: over the layers, and over time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "output/report_parts.h"
#include "output/svg.h"

enum { NAME = 48, PROFILES = 4 /* evaluations in the figure over the layers */ };

/* The columns of the lines of kind "layers" of a run's metrics. */
typedef struct layers {
  const fd_metrics_table *table;
  int count;
  const double *value[FD_METRICS_COLUMNS]; /* [table->rows] of each layer */
} layers;

static layers find_layers(const fd_report *r) {
  layers l = {.table = fd_metrics_find(&r->log, "layers")};
  char name[NAME];
  while (l.count < FD_METRICS_COLUMNS) {
    snprintf(name, sizeof name, "layer_%d", l.count + 1);
    if (!(l.value[l.count] = fd_metrics_column(l.table, name))) break;
    l.count++;
  }
  return l;
}

static void print_figure(FILE *out, const fd_chart *chart, const char *caption) {
  fprintf(out, "<figure><h3>%s</h3>\n", chart->title);
  fd_svg_chart(out, chart);
  fprintf(out, "<figcaption>%s</figcaption></figure>\n", caption);
}

/* Prints the figure over the layers: for the first evaluation, the last one, and some in between. */
static void print_profiles(FILE *out, const layers *l) {
  fd_series series[PROFILES];
  char name[PROFILES][NAME];
  double *x = fd_text_memory(out, (size_t)l->count * (PROFILES + 1), sizeof *x);
  const double *step = fd_metrics_column(l->table, "step");
  size_t rows = l->table->rows, lines = rows < PROFILES ? rows : PROFILES;
  for (size_t i = 0; x && i < lines; i++) {
    size_t row = lines > 1 ? i * (rows - 1) / (lines - 1) : 0;
    double *y = x + (i + 1) * (size_t)l->count;
    for (int k = 0; k < l->count; k++) x[k] = k + 1, y[k] = l->value[k][row];
    snprintf(name[i], NAME, "step %.0f", step[row]);
    series[i] =
        (fd_series){.name = name[i], .x = x, .y = y, .count = (size_t)l->count, .color = fd_svg_color((int)i), .dots = FD_DOTS};
  }
  const fd_chart chart = {.title = "Alignment of each layer with the teacher",
                          .y_label = "linear CKA",
                          .x_label = "layer",
                          .whole_x = 1,
                          .from_zero = 1,
                          .series = series,
                          .series_count = x ? (int)lines : 0};
  print_figure(
      out, &chart,
      "Similarity of the output of each layer of the student, for visible words of held-out windows, to the features of the "
      "frozen teacher: 1 means equal up to rotation and scale, 0 nothing in common beyond the mean (the estimate is unbiased, "
      "so it may be slightly negative). The loss uses the output of the last layer only. If the cosine is high while all "
      "layers stay near 0, the student has learned only what all words have in common.");
  free(x);
}

/* Prints the figure over the steps, with a line per layer. */
static void print_courses(FILE *out, const layers *l) {
  fd_series series[FD_METRICS_COLUMNS];
  char name[FD_METRICS_COLUMNS][NAME];
  for (int i = 0; i < l->count; i++) {
    snprintf(name[i], NAME, "layer %d: %.3f", i + 1, l->value[i][l->table->rows - 1]);
    series[i] = (fd_series){.name = name[i],
                            .x = fd_metrics_column(l->table, "step"),
                            .y = l->value[i],
                            .count = l->table->rows,
                            .color = fd_svg_color(i),
                            .dashed = i >= 8,
                            .dots = FD_DOTS};
  }
  const fd_chart chart = {.title = "Alignment of the layers over time",
                          .y_label = "linear CKA",
                          .from_zero = 1,
                          .series = series,
                          .series_count = l->count};
  print_figure(out, &chart, "The same similarity against the steps.");
}

void fd_report_layers(FILE *out, const fd_report *r) {
  layers l = find_layers(r);
  if (!l.count || !l.table->rows) return;
  print_profiles(out, &l);
  print_courses(out, &l);
}
