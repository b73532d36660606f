/* The curves of a report, each with a caption that says what good looks like. */
#include <math.h>
#include <stdlib.h>

#include "output/report_parts.h"
#include "output/svg.h"

enum { SERIES_MAX = 3 };

/* A chart under construction; owns the curves that it computes. */
typedef struct figure {
  FILE *out;
  const fd_report *report;
  const char *title;
  fd_chart chart;
  fd_series series[SERIES_MAX];
  fd_reference reference[FD_REPORT_CONTEXTS];
  char name[SERIES_MAX][64];
  double *owned[SERIES_MAX];
} figure;

static void begin(figure *f, FILE *out, const fd_report *r, const char *title, const char *y_label) {
  *f = (figure){.out = out, .report = r, .title = title};
  f->chart = (fd_chart){.title = title, .y_label = y_label, .series = f->series, .reference = f->reference};
}

/* Adds a column against the steps; an absent one is left out. `name` NULL keeps it out of the legend. */
static fd_series *add(figure *f, const char *kind, const char *column, const char *name, int color) {
  const fd_metrics_table *t = fd_metrics_find(&f->report->log, kind);
  const double *value = fd_metrics_column(t, column);
  if (!value || f->chart.series_count == SERIES_MAX) return NULL;
  fd_series *s = &f->series[f->chart.series_count++];
  *s = (fd_series){.name = name, .x = fd_metrics_column(t, "step"), .y = value, .count = t->rows, .color = color};
  return s;
}

/* Gives the series values of its own, to be computed; NULL when there is no memory (the series then keeps its column). */
static double *own_values(figure *f, fd_series *s) {
  double *value = malloc((s->count + 1) * sizeof *value);
  if (!value) return NULL;
  f->owned[s - f->series] = value;
  s->y = value;
  return value;
}

/* A value beside the name of a series, so that the last point can be read off. */
static void name_with_last(figure *f, fd_series *s, const char *format) {
  double last = NAN;
  for (size_t i = 0; i < s->count; i++)
    if (isfinite(s->y[i])) last = s->y[i];
  if (!isfinite(last)) return;
  char *name = f->name[s - f->series];
  int n = snprintf(name, sizeof f->name[0], "%s ", s->name);
  snprintf(name + n, sizeof f->name[0] - (size_t)n, format, last);
  s->name = name;
}

static void refer(figure *f, const char *name, double y) {
  if (f->chart.reference_count < FD_REPORT_CONTEXTS && isfinite(y))
    f->reference[f->chart.reference_count++] = (fd_reference){name, y};
}

static void end(figure *f, const char *caption) {
  fprintf(f->out, "<figure><h3>%s</h3>\n", f->title);
  if (f->chart.series_count) fd_svg_chart(f->out, &f->chart);
  else fprintf(f->out, "<p class=\"absent\">absent: this run recorded no such values</p>\n");
  fprintf(f->out, "<figcaption>%s</figcaption></figure>\n", caption);
  for (int i = 0; i < SERIES_MAX; i++) free(f->owned[i]);
}

/* The raw column, pale, and its moving average over about a fiftieth of the run. */
static void add_smoothed(figure *f, const char *column, int color) {
  fd_series *raw = add(f, "step", column, "each step", color);
  if (!raw) return;
  fd_series *smooth = add(f, "step", column, "moving average", color);
  double *value = own_values(f, smooth), keep = 1 - 1 / fmax(1, (double)raw->count / 50), sum = 0, weight = 0;
  for (size_t i = 0; value && i < raw->count; i++) {
    if (isfinite(raw->y[i])) sum = keep * sum + (1 - keep) * raw->y[i], weight = keep * weight + (1 - keep);
    value[i] = weight > 0 ? sum / weight : NAN;
  }
  raw->faint = 1;
}

static void held_out(FILE *out, const fd_report *r, int accuracy) {
  figure f;
  begin(&f, out, r, accuracy ? "Held-out accuracy" : "Held-out loss",
        accuracy ? "% of masked nucleotides" : "nats a masked nucleotide");
  for (int teacher = 0; teacher < 2; teacher++) {
    const char *column = accuracy ? teacher ? "teacher_accuracy" : "student_accuracy" : teacher ? "teacher_loss" : "student_loss";
    fd_series *s = add(&f, "eval", column, teacher ? "teacher" : "student", 1 + teacher);
    if (!s) continue;
    const double *from = s->y;
    double *percent = accuracy ? own_values(&f, s) : NULL;
    for (size_t i = 0; percent && i < s->count; i++) percent[i] = 100 * from[i];
    s->dots = 1;
    s->range_from = s->count > 3 ? s->x[1] : 0; /* the untrained network is far away from everything of interest */
    name_with_last(&f, s, accuracy ? "%.2f %%" : "%.4f");
  }
  for (int i = 0; i < r->contexts; i++)
    refer(&f, r->context[i].name, accuracy ? 100 * r->context[i].accuracy : r->context[i].loss);
  end(&f, accuracy ? "Share of masked A, C, G, T of unaugmented held-out windows that are named right; higher is better. Dashed: "
                     "what counting gets on the same positions."
                   : "Masked-nucleotide loss on unaugmented windows that were never trained on; lower is better. Dashed: tables "
                     "counted from the training windows "
                     "(composition alone, then given the neighbours on either side). Good: below composition soon, then below "
                     "±1, and on towards ±4. A teacher that "
                     "lags early is its moving average at work. The untrained network may lie outside the chart.");
}

/* A score of the rows that select, against the steps; a dashed line at the weights that were kept. */
static void selection(FILE *out, const fd_report *r, const char *column, const char *title, const char *y_label, double scale,
                      const char *caption) {
  figure f;
  const fd_metrics_table *t = fd_metrics_find(&r->log, "select");
  const double *best = fd_metrics_column(t, "best");
  double kept = NAN;
  begin(&f, out, r, title, y_label);
  fd_series *s = add(&f, "select", column, "rows that select", 2);
  const double *from = s ? s->y : NULL;
  double *value = s ? own_values(&f, s) : NULL;
  for (size_t i = 0; value && i < s->count; i++) {
    value[i] = scale * from[i];
    if (best && best[i] > 0) kept = value[i];
  }
  if (s) s->dots = 1, name_with_last(&f, s, "%.4g");
  refer(&f, "kept", kept);
  end(&f, caption);
}

static void selections(FILE *out, const fd_report *r) {
  selection(out, r, "loss", "Loss", "loss", 1,
            "On rows that are not trained on; lower is better. Rising while the training loss falls is overfitting. Dashed: the "
            "weights that were kept.");
  if (isfinite(fd_report_last(r, "select", "accuracy"))) {
    selection(out, r, "accuracy", "Accuracy", "% of the rows", 100, "Higher is better.");
    selection(out, r, "mcc", "Matthews’ correlation", "MCC", 1,
              "1: all right; 0: as good as chance, whatever the classes’ sizes.");
    selection(out, r, "auroc", "Area under the ROC curve", "AUROC", 1,
              "How well the probabilities order the rows; 0.5 is chance.");
  } else {
    selection(out, r, "r2", "R²", "R²", 1, "Share of the variance that is explained; 0 or below is no better than the mean.");
    selection(out, r, "correlation", "Correlation", "Pearson’s r", 1, "Of the predicted with the true values.");
  }
}

static void losses(FILE *out, const fd_report *r) {
  figure f;
  begin(&f, out, r, "Training loss", "loss");
  add_smoothed(&f, "loss", 1);
  if (r->tuned) {
    end(&f,
        "Of the batches, with dropout and class weights if there are any. A jump that does not come back means too high a "
        "learning rate.");
    return;
  }
  end(&f,
      "The weighted sum of the terms that is minimised, on augmented views. It falls with noise; a jump that does not come back "
      "means too high a learning rate.");
  begin(&f, out, r, "Masked-nucleotide term", "mnm");
  add_smoothed(&f, "mnm", 1);
  end(&f, r->config_known && r->config.objective.mnm_reduce == FD_REDUCE_SUM
              ? "Before weighting: summed over the masked positions of a window, mean over the batch. Augmentation puts random "
                "bases into the windows, so it stays above the "
                "held-out loss; do not compare it with the counting tables."
              : "Before weighting. Augmentation puts random bases into the windows, so it stays above the held-out loss; do not "
                "compare it with the counting tables.");
  begin(&f, out, r, "[CLS] self-distillation term", "cl");
  add_smoothed(&f, "cl", 2);
  end(&f,
      "Before weighting. Its value alone says little: a constant teacher makes it small. Whether it carries signal is shown by "
      "the monitor above.");
}

static void optimizer(FILE *out, const fd_report *r) {
  figure f;
  fd_series *s;
  begin(&f, out, r, "Learning rate", "learning rate");
  f.chart.from_zero = 1;
  add(&f, "step", "lr", NULL, 3);
  end(&f,
      "A line up to the peak during the warm-up, then half a cosine down to 0 at the last step; with the constant schedule "
      "always the peak.");
  if (!r->tuned) {
    begin(&f, out, r, "Teacher momentum λ", "λ");
    add(&f, "step", "lambda", NULL, 3);
    end(&f, "The teacher keeps this share of itself at every step; it rises to 1 at the end, so that the teacher comes to rest.");
  }
  begin(&f, out, r, "Gradient norm", "norm before clipping");
  f.chart.log_y = 1;
  add_smoothed(&f, "grad_norm", 3);
  if (r->config_known && r->config.optim.clip > 0) refer(&f, "clipped above", r->config.optim.clip);
  end(&f,
      "Norm over all parameters, before clipping. With summed losses it lies above the clipping line at nearly every step, which "
      "leaves the direction only; "
      "growth by orders of magnitude announces divergence.");
  begin(&f, out, r, "Throughput", "sequences/s");
  f.chart.from_zero = 1;
  add_smoothed(&f, "sequences_per_second", 0);
  const fd_metrics_table *resumes = fd_metrics_find(&r->log, "resume");
  f.chart.event = fd_metrics_column(resumes, "step");
  f.chart.event_count = f.chart.event ? resumes->rows : 0;
  if ((s = f.chart.series_count ? &f.series[0] : NULL)) s->color = 1, f.series[1].color = 1;
  end(&f,
      "Windows a second over all ranks, in training steps. Dotted: resumes. Single dips are checkpoints being written behind the "
      "training; a lasting drop is another program on the machine.");
}

static void teacher_entropy(FILE *out, const fd_report *r) {
  figure f;
  double limit = fd_report_last(r, "monitor", "entropy_limit");
  begin(&f, out, r, "Entropy of the teacher’s [CLS] distribution", "nats");
  f.chart.from_zero = 1;
  fd_series *s = add(&f, "monitor", "teacher_entropy", "teacher", 2);
  if (s) s->dots = 1, name_with_last(&f, s, "%.3f");
  refer(&f, "ln n, uniform", limit);
  refer(&f, "0.97 ln n", 0.97 * limit);
  refer(&f, "0.1 ln n", 0.1 * limit);
  end(&f,
      "Good: between the collapse lines. Above 0.97 ln n the teacher says nothing (uniform); below 0.1 ln n it says one thing "
      "with certainty, which is "
      "collapse unless the mutual information is high.");
}

/* Cross entropy minus entropy: how far the student is from what the teacher says of the same window. */
static void divergence(FILE *out, const fd_report *r) {
  figure f;
  const fd_metrics_table *t = fd_metrics_find(&r->log, "monitor");
  const double *entropy = fd_metrics_column(t, "teacher_entropy");
  begin(&f, out, r, "Divergence of the student from the teacher", "KL, nats");
  f.chart.from_zero = 1;
  fd_series *s = entropy ? add(&f, "monitor", "cross_entropy", "KL(teacher ‖ student)", 1) : NULL;
  const double *cross = s ? s->y : NULL;
  double *value = s ? own_values(&f, s) : NULL;
  for (size_t i = 0; value && i < s->count; i++) value[i] = cross[i] - entropy[i];
  if (s) s->dots = 1, name_with_last(&f, s, "%.3f");
  end(&f,
      "What self-distillation should bring down. Near 0 together with a mutual information near 0 is collapse: the two agree "
      "because neither looks at the window.");
}

static void monitor(FILE *out, const fd_report *r) {
  figure f;
  fd_series *s;
  begin(&f, out, r, "Mutual information and gain", "nats");
  f.chart.from_zero = 1;
  if ((s = add(&f, "monitor", "mutual_information", "mutual information", 2))) s->dots = 1, name_with_last(&f, s, "%.3f");
  if ((s = add(&f, "monitor", "gain", "gain", 1))) s->dots = 1, name_with_last(&f, s, "%.3f");
  refer(&f, "0.1: MI collapse", 0.1);
  refer(&f, "0: no gain", 0);
  end(&f,
      "Mutual information: how much the teacher’s answer depends on the window; below 0.1 nats it hardly does. Gain: by how much "
      "the student predicts that answer better than "
      "the best constant; at or below 0 the term teaches nothing about the sequence.");
  begin(&f, out, r, "Correlation of the two views", "correlation");
  f.chart.from_zero = 1;
  if ((s = add(&f, "monitor", "correlation", "student’s and teacher’s [CLS] outputs", 1)))
    s->dots = 1, name_with_last(&f, s, "%.3f");
  end(&f,
      "Of what the softmax sees, mean over windows removed. Near 0 the two views of a window have nothing in common that the "
      "term could learn.");
  begin(&f, out, r, "Norm of the centre", "norm");
  f.chart.from_zero = 1;
  if ((s = add(&f, "monitor", "centre_norm", "without the part that the softmax cancels", 3)))
    s->dots = 1, name_with_last(&f, s, "%.3f");
  end(&f, "Should level off. Steady growth means that one answer is being pushed away faster than the teacher changes.");
}

static void pretraining(FILE *out, const fd_report *r) {
  int distils = fd_metrics_find(&r->log, "monitor") != NULL;
  held_out(out, r, 0);
  held_out(out, r, 1);
  fprintf(out, "</div>\n<h2>The [CLS] term: signal or collapse?</h2>\n");
  if (distils) {
    fprintf(out, "<div class=\"grid\">\n");
    teacher_entropy(out, r);
    monitor(out, r);
    divergence(out, r);
    fprintf(out, "</div>\n");
  } else {
    fprintf(out, "<p class=\"absent\">absent: this run has no teacher, or eval.monitor_windows is 0</p>\n");
  }
}

void fd_report_charts(FILE *out, const fd_report *r) {
  fprintf(out, "<h2>Does it learn?</h2>\n<div class=\"grid\">\n");
  if (r->tuned) {
    selections(out, r);
    fprintf(out, "</div>\n");
  } else pretraining(out, r);
  fprintf(out, "<h2>Training</h2>\n<div class=\"grid\">\n");
  losses(out, r);
  optimizer(out, r);
  fprintf(out, "</div>\n");
}
