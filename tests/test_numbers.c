/* Tests NaN, infinities, denormals and huge values in everything that ranks, fits, sorts or plots: it terminates with a correct
 * value or FD_NUMERIC. */
#include "files.h"
#include "values.h"

#include <float.h>

#include "base/finite.h"
#include "base/sort.h"
#include "output/metrics.h"
#include "output/report.h"
#include "output/svg.h"
#include "output/tensorboard.h"
#include "tasks/figures.h"
#include "tasks/lbfgs.h"
#include "tasks/probe.h"
#include "tasks/scores.h"
#include "tasks/whiten.h"

enum { SECONDS = 60, ROWS = 60, CLASSES = 4, DIMS = 6 };

/* --- values ---------------------------------------------------------------------------------------------------------- */

enum { ORDINARY, FINITE, ANY };

/* ORDINARY: values around 1, often equal; FINITE: of every magnitude; ANY: also values that are not finite. */
static double odd_value(int kind) {
  static const double sizes[] = {0, -0.0, 1, -1, 1e-3, 1e16, 9007199254740993.0, 1e30, -1e38, 3e38, 1e-38, 1e-45},
                      wide[] = {1e300, -1e308, DBL_MAX, -DBL_MAX, DBL_MIN, 5e-324, -1e-310}, bad[] = {NAN, INFINITY, -INFINITY};
  int dice = between(0, 9);
  if (kind == ANY && dice == 0) return bad[between(0, 2)];
  if (kind == ANY && dice == 1) return wide[between(0, 6)];
  if (kind != ORDINARY && dice < 6) return sizes[between(0, 11)];
  return between(-8, 8) / 4.0;
}

static size_t odd_values(double *x, size_t n, int kind) {
  int all = between(0, 9) ? kind : ORDINARY;
  double same = odd_value(kind);
  int equal = between(0, 9) == 0;
  for (size_t i = 0; i < n; i++) x[i] = equal ? same : odd_value(all);
  return n;
}

static void first_bad_is_found(void **state) {
  (void)state;
  static float x[5000];
  static const float bad[] = {NAN, INFINITY, -INFINITY}, good[] = {FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45f, 0};
  for (int i = 0; i < 5000; i++) x[i] = good[i % 5];
  assert_int_equal(fd_first_bad(x, 0), 0);
  assert_int_equal(fd_first_bad(x, 5000), 5000);
  for (int trial = 0; trial < 500; trial++) {
    int at = between(0, 4999), behind = between(at, 4999);
    float kept = x[at], other = x[behind];
    x[behind] = bad[trial % 3], x[at] = bad[(trial + 1) % 3];
    double d[3] = {1, DBL_MAX, (double)x[at]};
    assert_int_equal(fd_first_bad(x, 5000), at);
    assert_int_equal(fd_first_bad(x, (size_t)at), at);
    assert_int_equal(fd_first_bad_double(d, 3), 2);
    x[behind] = other, x[at] = kept;
  }
}

/* --- scores ---------------------------------------------------------------------------------------------------------- */

static double counted_area(const double *score, const int *label, int class) {
  double pairs = 0, won = 0;
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < ROWS; k++) {
      if (label[i] != class || label[k] == class) continue;
      double a = odds_of(score + i * CLASSES, CLASSES, class), b = odds_of(score + k * CLASSES, CLASSES, class);
      pairs++, won += a > b ? 1 : a == b ? 0.5 : 0;
    }
  return won / pairs;
}

static void ranking_refuses_nan_and_takes_the_rest(void **state) {
  (void)state;
  int refused = 0, taken = 0;
  for (int trial = 0; trial < 2000; trial++) {
    double score[ROWS * CLASSES], area, want = 0;
    int label[ROWS], predicted[ROWS], points, nan = 0, counted = 0;
    fd_roc_point curve[FD_ROC_POINTS];
    fd_areas areas;
    odd_values(score, ROWS * CLASSES, trial % 3);
    for (int i = 0; i < ROWS; i++) label[i] = between(0, CLASSES - 1);
    for (int i = 0; i < ROWS * CLASSES; i++) nan |= isnan(score[i]);
    fd_status status = fd_areas_of(ROWS, label, score, CLASSES, &areas);
    assert_int_equal(status, nan ? FD_NUMERIC : FD_OK);
    *(nan ? &refused : &taken) += 1;
    fd_likeliest(ROWS, score, CLASSES, predicted);
    for (int i = 0; i < ROWS; i++) assert_in_range(predicted[i], 0, CLASSES - 1);
    for (int c = 0; c < CLASSES; c++) {
      double here = nan ? NAN : counted_area(score, label, c);
      if (!isnan(here)) want += here, counted++;
      assert_int_equal(fd_roc(ROWS, label, score, CLASSES, c, curve, &points, &area), nan ? FD_NUMERIC : FD_OK);
      assert_true(nan ? points == 0 && isnan(area) : isnan(here) || fabs(area - here) < 1e-12);
    }
    if (nan) continue;
    assert_near(areas.roc, want / counted, 1e-12);
  }
  assert_true(refused > 300 && taken > 300);
}

static void sorting_is_a_total_order(void **state) {
  (void)state;
  for (int trial = 0; trial < 2000; trial++) {
    double x[50], sum = 0;
    size_t n = odd_values(x, (size_t)between(0, 50), ANY), nans = 0;
    for (size_t i = 0; i < n; i++) nans += isnan(x[i]), sum += x[i] == 1;
    fd_sort(x, n);
    for (size_t i = 0; i < n; i++) assert_true(i < n - nans ? !isnan(x[i]) && (!i || x[i - 1] <= x[i]) : isnan(x[i]));
    for (size_t i = 0; i < n; i++) sum -= x[i] == 1;
    assert_true(sum == 0);
  }
}

static void means_of_anything_end(void **state) {
  (void)state;
  double x[ROWS], mean, sd;
  for (int trial = 0; trial < 300; trial++) {
    odd_values(x, ROWS, trial % 3);
    fd_mean_sd(x, ROWS, 1, &mean, &sd);
    if (trial % 3 == ORDINARY) assert_true(isfinite(mean) && sd >= 0);
  }
}

/* --- fits ------------------------------------------------------------------------------------------------------------ */

/* A paraboloid around 1 with a bad value or slope beyond a distance, like a fit of diverged features. */
static double broken_bowl(void *context, const double *x, double *g) {
  const double *bad = context; /* value, slope, distance */
  double sum = 0, far = 0;
  for (int i = 0; i < DIMS; i++) sum += (x[i] - 1) * (x[i] - 1), g[i] = 2 * (x[i] - 1), far = fmax(far, fabs(x[i]));
  if (far < bad[2]) return sum;
  g[DIMS - 1] += bad[1];
  return sum + bad[0];
}

static void a_search_ends(void **state) {
  (void)state;
  int failed = 0, converged = 0;
  for (int trial = 0; trial < 2000; trial++) {
    double x[DIMS] = {0}, bad[3] = {odd_value(ANY), odd_value(ANY), between(0, 2) * 0.4};
    fd_lbfgs_end end;
    fd_status status = fd_lbfgs(broken_bowl, bad, DIMS, x, 1e-6, 200, &end);
    if (bad[2] == 0 && (!isfinite(bad[0]) || !isfinite(bad[1]))) assert_int_equal(status, FD_NUMERIC);
    if (status == FD_OK) assert_true(isfinite(end.value) && isfinite(end.gradient) && fd_first_bad_double(x, DIMS) == DIMS);
    else assert_int_equal(status, FD_NUMERIC);
    failed += status != FD_OK, converged += status == FD_OK && end.converged;
  }
  assert_true(failed > 20 && converged > 200);
}

static void check_fit(const fd_design *x, const int *label, int finite) {
  fd_logistic *model;
  double lambda = -1, loss, score[ROWS * CLASSES], gradient;
  int order[ROWS];
  for (int i = 0; i < ROWS; i++) order[i] = i;
  assert_ok(fd_logistic_create(&model, CLASSES, x->dims));
  fd_status status = fd_logistic_fit(model, x, label, NULL, ROWS, 0.1, &gradient);
  assert_true(status == FD_OK || status == FD_NUMERIC);
  if (!finite) assert_int_equal(status, FD_NUMERIC);
  if (status == FD_OK) {
    assert_int_equal(fd_first_bad_double(model->weight, (size_t)model->outputs * (size_t)(x->dims + 1)),
                     (size_t)model->outputs * (size_t)(x->dims + 1));
    assert_ok(fd_logistic_predict(model, x, score));
    assert_ok(fd_logistic_loss(model, x, label, NULL, ROWS, &loss));
  }
  fd_logistic_free(&model);
  status = fd_probe_select(x, label, CLASSES, order, ROWS / 4, &lambda, &loss);
  assert_true(status == FD_NUMERIC || (status == FD_OK && lambda > 0 && isfinite(loss)));
}

static void fits_end(void **state) {
  (void)state;
  static double dense[ROWS * DIMS];
  int label[ROWS];
  for (int trial = 0; trial < 60; trial++) {
    odd_values(dense, ROWS * DIMS, trial % 3);
    for (int i = 0; i < ROWS * DIMS; i++)
      if (isfinite(dense[i])) dense[i] = fmax(-1e38, fmin(1e38, dense[i])); /* features are floats */
    for (int i = 0; i < ROWS; i++) label[i] = i % CLASSES;
    int finite = fd_first_bad_double(dense, ROWS * DIMS) == ROWS * DIMS;
    check_fit(&(fd_design){.rows = ROWS, .dims = DIMS, .dense = dense}, label, finite);
  }
}

static void whitening_ends(void **state) {
  (void)state;
  static float x[ROWS * DIMS];
  static double y[ROWS * DIMS], plane[2 * ROWS];
  int fitted = 0;
  for (int trial = 0; trial < 600; trial++) {
    for (int i = 0; i < ROWS * DIMS; i++) x[i] = (float)odd_value(trial % 3);
    fd_whitening *w = NULL;
    fd_status status = fd_whitening_fit(&w, x, ROWS, DIMS);
    int finite = fd_first_bad(x, ROWS * DIMS) == ROWS * DIMS;
    assert_true(finite ? status == FD_OK || status == FD_NUMERIC || status == FD_DATA : status == FD_NUMERIC);
    if (status != FD_OK) continue;
    assert_ok(fd_whitening_apply(w, x, ROWS, y));
    fd_whitening_plane(w, x, ROWS, plane);
    assert_int_equal(fd_first_bad_double(y, (size_t)ROWS * (size_t)w->kept), (size_t)ROWS * (size_t)w->kept);
    assert_int_equal(fd_first_bad_double(plane, 2 * ROWS), 2 * ROWS);
    fd_whitening_free(&w);
    fitted++;
  }
  assert_true(fitted > 300);
}

/* --- pictures -------------------------------------------------------------------------------------------------------- */

/* Checks that a picture contains no NaN or infinity and has a bounded size. */
static void check_picture(FILE *out, char **text, size_t *bytes, const char *what) {
  fclose(out);
  if (strstr(*text, "nan") || strstr(*text, "inf"))
    fail_msg("%s: %.400s", what, strstr(*text, "nan") ? strstr(*text, "nan") : strstr(*text, "inf"));
  if (*bytes > 200000) fail_msg("%s has %zu bytes", what, *bytes);
  free(*text);
}

static void charts_of_anything_are_drawn(void **state) {
  (void)state;
  for (int trial = 0; trial < 3000; trial++) {
    double x[ROWS], y[2][ROWS], event[3];
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    fd_series series[2];
    fd_reference reference[3];
    odd_values(x, ROWS, trial % 4 ? ORDINARY : ANY);
    odd_values(event, 3, ANY);
    for (int i = 0; i < 2; i++) {
      odd_values(y[i], ROWS, trial % 3);
      series[i] = (fd_series){.name = "s",
                              .x = x,
                              .y = y[i],
                              .count = (size_t)between(0, ROWS),
                              .faint = between(0, 1),
                              .dots = between(0, 1),
                              .range_from = odd_value(ANY)};
    }
    for (int i = 0; i < 3; i++) reference[i] = (fd_reference){"r", odd_value(ANY)};
    fd_svg_chart(out, &(fd_chart){.title = "t",
                                  .y_label = "y",
                                  .log_y = between(0, 1),
                                  .from_zero = between(0, 1),
                                  .diagonal = between(0, 1),
                                  .series_count = 2,
                                  .reference_count = between(0, 3),
                                  .series = series,
                                  .reference = reference,
                                  .event = event,
                                  .event_count = 3});
    check_picture(out, &text, &bytes, "a chart");
  }
}

static void ticks_of_anything_end(void **state) {
  (void)state;
  for (int trial = 0; trial < 20000; trial++) {
    double low = odd_value(ANY), high = odd_value(ANY), first, step;
    char text[32];
    int n = 0;
    fd_svg_ticks(low, high, 5, &first, &step);
    assert_true(isnan(first) == isnan(step));
    if (!(low < high) || !isfinite(high - low)) assert_true(isnan(step));
    for (int i = 0; first + i * step <= high && n < 1000; i++, n++) fd_svg_tick_text(text, first + i * step, step);
    assert_true(n < 20);
  }
}

static void bars_and_points_of_anything_are_drawn(void **state) {
  (void)state;
  for (int trial = 0; trial < 2000; trial++) {
    double x[ROWS], y[ROWS], seed[4], count[CLASSES * CLASSES];
    int class[ROWS];
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    odd_values(x, ROWS, trial % 3), odd_values(y, ROWS, trial % 3), odd_values(seed, 4, trial % 3);
    for (int i = 0; i < ROWS; i++) class[i] = between(0, 12);
    for (int i = 0; i < CLASSES * CLASSES; i++) count[i] = fabs(odd_value(FINITE));
    const fd_bar bar[3] = {{"a", odd_value(trial % 3), odd_value(trial % 3), 0, seed, 4, 1, 0},
                           {"b", 1, 0, 1, NULL, 0, 2, 1},
                           {"c", x[0], y[0], 0, NULL, 0, 2, 1}};
    fd_svg_bars(out, &(fd_bars){.title = "t", .x_label = "x", .base = between(0, 50), .count = 3, .bar = bar});
    fd_svg_scatter(out, &(fd_scatter){"t", "x", "y", ROWS, x, y, trial % 2 ? class : NULL});
    fd_svg_matrix(out, &(fd_confusion_figure){"m", CLASSES, count});
    check_picture(out, &text, &bytes, "bars and points");
  }
}

static void figures_of_anything_are_made(void **state) {
  (void)state;
  for (int trial = 0; trial < 300; trial++) {
    double score[ROWS * CLASSES], plane[2 * ROWS], share[2];
    int label[ROWS], nan = 0;
    json_t *json;
    odd_values(score, ROWS * CLASSES, trial % 3), odd_values(plane, 2 * ROWS, ANY), odd_values(share, 2, ANY);
    for (int i = 0; i < ROWS; i++) label[i] = i % CLASSES;
    for (int i = 0; i < ROWS * CLASSES; i++) nan |= isnan(score[i]);
    const fd_table test = {.rows = ROWS, .classes = CLASSES, .label = label};
    fd_status status = fd_figures_json(&(fd_figures){"a", 0, &test, CLASSES, score, plane, share, "rows"}, &json);
    assert_int_equal(status, nan ? FD_NUMERIC : FD_OK);
    if (status == FD_OK) free(json_dumps(json, 0));
    json_decref(json);
  }
}

/* A run with null in some metrics: the page has gaps and reports them. */
static void a_report_states_its_gaps(void **state) {
  (void)state;
  static const char *const step_names[] = {
      "loss", "mnm", "cl", "lr", "lambda", "grad_norm", "skipped", "seconds", "sequences_per_second"};
  static const char *const eval_names[] = {"student_loss", "student_accuracy", "teacher_loss", "teacher_accuracy"};
  assert_ok(fd_make_folder(below("run", NULL)));
  for (int trial = 0; trial < 40; trial++) {
    fd_metrics *m;
    int skipped = 0;
    assert_ok(fd_metrics_open(below("run", "metrics.jsonl"), -1, 1, &m));
    for (int i = 0; i < 80; i++) {
      double v[9];
      for (int k = 0; k < 9; k++) v[k] = odd_value(trial % 3);
      v[6] = trial && i >= 60;
      if (trial && i >= 60) v[0] = v[5] = NAN, skipped++;
      if (!trial) v[0] = 1;
      fd_metrics_step(m, "step", i, 9, step_names, v);
      if (i % 10 == 0) fd_metrics_step(m, "eval", i, 4, eval_names, v + 1);
    }
    fd_metrics_close(&m);
    assert_ok(fd_report_write(below("run", NULL), below("page.html", NULL)));
    assert_ok(fd_tensorboard_write(below("run", NULL), below("events", NULL)));
    char *page = get(below("page.html", NULL));
    assert_int_equal(count_of(page, "recorded training steps changed nothing"), skipped > 0);
    assert_int_equal(count_of(page, "recorded training steps</span>: the curves have gaps there"), skipped > 0);
    assert_null(strstr(page, "nan"));
    free(page);
  }
}

static int start(void **state) {
  alarm(SECONDS); /* kills a test that does not terminate */
  return make_folder(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_bad_is_found),
      cmocka_unit_test(ranking_refuses_nan_and_takes_the_rest),
      cmocka_unit_test(sorting_is_a_total_order),
      cmocka_unit_test(means_of_anything_end),
      cmocka_unit_test(a_search_ends),
      cmocka_unit_test(fits_end),
      cmocka_unit_test(whitening_ends),
      cmocka_unit_test(charts_of_anything_are_drawn),
      cmocka_unit_test(ticks_of_anything_end),
      cmocka_unit_test(bars_and_points_of_anything_are_drawn),
      cmocka_unit_test(figures_of_anything_are_made),
      cmocka_unit_test(a_report_states_its_gaps),
  };
  return cmocka_run_group_tests(tests, start, remove_folder);
}
