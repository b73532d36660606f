/* Makes the data of a report's figures from test rows. */
#include "tasks/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/memory.h"
#include "tasks/scores.h"

enum { POINTS_MAX = 1500, CLASSES_MAX = 64 };

/* A number rounded to seven digits, those of a float32 label. */
static json_t *drawn(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.7g", value);
  double rounded = strtod(text, NULL); /* numbers near the largest double round to infinity */
  return isfinite(rounded) ? json_real(rounded) : json_null();
}

/* The values, `stride` apart, of every n-th row, so that at most POINTS_MAX are drawn. */
static json_t *thinned(const double *value, int rows, int stride) {
  json_t *list = json_array();
  int step = 1 + (rows - 1) / POINTS_MAX;
  for (int i = 0; i < rows; i += step) fd_json_append(&list, drawn(value[(size_t)i * (size_t)stride]));
  return list;
}

static json_t *thinned_labels(const fd_table *test) {
  json_t *list = json_array();
  int step = 1 + (test->rows - 1) / POINTS_MAX;
  for (int i = 0; i < test->rows; i += step) fd_json_append(&list, json_integer(test->label[i]));
  return list;
}

static fd_status confusion_of(const fd_figures *f, json_t **out) {
  int classes = f->classes, *predicted, *confusion;
  size_t cells = (size_t)classes * (size_t)classes;
  FD_TRY(fd_alloc(&predicted, (size_t)f->test->rows + cells, sizeof *predicted, "a confusion matrix"));
  confusion = predicted + f->test->rows;
  fd_likeliest(f->test->rows, f->score, classes, predicted);
  fd_confusion(f->test->rows, f->test->label, predicted, classes, confusion);
  json_t *matrix = json_array();
  for (int t = 0; t < classes; t++) {
    json_t *row = json_array();
    for (int p = 0; p < classes; p++) fd_json_append(&row, json_integer(confusion[t * classes + p]));
    fd_json_append(&matrix, row);
  }
  fd_json_set(out, "confusion", matrix);
  free(predicted);
  return FD_OK;
}

static fd_status curves_of(const fd_figures *f, json_t **out) {
  json_t *curves = json_array();
  fd_status status = FD_OK;
  for (int c = f->classes == 2 ? 1 : 0; c < f->classes; c++) {
    fd_roc_point point[FD_ROC_POINTS];
    double area;
    int points;
    FD_GO(fd_roc(f->test->rows, f->test->label, f->score, f->classes, c, point, &points, &area));
    if (!points) continue;
    json_t *x = json_array(), *y = json_array();
    for (int i = 0; i < points; i++) {
      fd_json_append(&x, drawn(point[i].false_positive));
      fd_json_append(&y, drawn(point[i].true_positive));
    }
    fd_json_append(&curves, json_pack("{s:i, s:f, s:o, s:o}", "class", c, "area", area, "x", x, "y", y));
  }
done:
  if (status == FD_OK) fd_json_set(out, "roc", curves);
  else json_decref(curves);
  return status;
}

static json_t *plane_of(const fd_figures *f) {
  json_t *share = json_pack("[o, o]", drawn(f->share[0]), drawn(f->share[1]));
  return json_pack("{s:s, s:o, s:o, s:o, s:o}", "axes", f->axes, "share", share, "x", thinned(f->plane, f->test->rows, 2), "y",
                   thinned(f->plane + 1, f->test->rows, 2), "label", thinned_labels(f->test));
}

/* Predicted against true values. */
static fd_status scatter_of(const fd_figures *f, json_t **out) {
  double *truth;
  FD_TRY(fd_alloc(&truth, (size_t)f->test->rows, sizeof *truth, "a figure"));
  for (int i = 0; i < f->test->rows; i++) truth[i] = (double)f->test->value[i];
  fd_json_set(out, "scatter",
              json_pack("{s:o, s:o}", "x", thinned(truth, f->test->rows, 1), "y", thinned(f->score, f->test->rows, 1)));
  free(truth);
  return FD_OK;
}

fd_status fd_figures_json(const fd_figures *f, json_t **json) {
  fd_status status = FD_OK;
  json_t *out = json_pack("{s:s, s:I}", "name", f->name, "seed", (json_int_t)f->seed);
  if (!f->classes) FD_GO(scatter_of(f, &out));
  if (f->classes && f->classes <= CLASSES_MAX) { /* more cannot be distinguished in a figure */
    FD_GO(confusion_of(f, &out));
    FD_GO(curves_of(f, &out));
  }
  if (f->classes && f->plane) fd_json_set(&out, "pca", plane_of(f));
  status = fd_json_built(out, "a figure");
done:
  if (status != FD_OK) json_decref(out), out = NULL;
  *json = out;
  return status;
}
