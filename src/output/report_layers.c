/* How much each layer of a student has in common with a frozen teacher's features: over the layers, and over time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "output/report_parts.h"
#include "output/svg.h"

enum { NAME = 48, PROFILES = 4 /* evaluations in the picture over the layers */ };

/* The columns of a run's lines of layers. */
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

/* Against the layers: of the first evaluation, the last, and some between. */
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
    series[i] = (fd_series){.name = name[i], .x = x, .y = y, .count = (size_t)l->count, .color = fd_svg_color((int)i), .dots = 1};
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
      "What stands behind each layer of the student, of visible words of held-out windows, beside the features of the "
      "frozen teacher: 1 is the same up to a turn and a factor, 0 nothing in common beyond the mean (unbiased, so it may "
      "lie a little below). The loss looks behind the last layer only. A cosine that is high while all of this stays near "
      "0 says that the student has learned what all words have in common.");
  free(x);
}

/* Against the steps, a line a layer. */
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
                            .dots = 1};
  }
  const fd_chart chart = {.title = "Alignment of the layers over time",
                          .y_label = "linear CKA",
                          .from_zero = 1,
                          .series = series,
                          .series_count = l->count};
  print_figure(out, &chart, "The same against the steps.");
}

void fd_report_layers(FILE *out, const fd_report *r) {
  layers l = find_layers(r);
  if (!l.count || !l.table->rows) return;
  print_profiles(out, &l);
  print_courses(out, &l);
}
