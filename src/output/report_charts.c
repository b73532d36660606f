/* The curves of a report, each with a caption that describes a good run: a table of charts, and the drawing of a chart for one
 * run or for several. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "output/report.h"
#include "output/report_parts.h"
#include "output/svg.h"

enum { LINES = 2, REFERENCES = FD_REPORT_CONTEXTS, NAME = 96 };

/* Sections of the page. */
enum { LEARNS, MONITOR, TRAINING };

/* Kinds of runs that have a chart. */
enum { PRETRAINED = 1, CLASSES = 2, VALUES = 4, TUNED = CLASSES | VALUES, ALL = PRETRAINED | TUNED };

/* How a chart is drawn. */
enum {
  SMOOTH = 1,    /* every step in pale, and a moving average */
  DOTS = 2,      /* a dot at every point, and the last value after the name */
  FROM_ZERO = 4, /* the value axis begins at zero */
  LOGARITHM = 8, /* the value axis is logarithmic */
  LATER = 16,    /* the first point, of the untrained network, does not widen the value axis */
  RESUMES = 32,  /* dotted lines where the run was resumed */
  PERCENT = 64,  /* values are fractions, shown in % */
  IF_THERE = 128 /* the chart is left out if the run has no such values */
};

/* Named dashed lines to compare the curves with. */
typedef enum references { NONE, CONTEXT_LOSS, CONTEXT_ACCURACY, KEPT, CLIP, ENTROPY, COLLAPSE } references;

/* One column of one kind of line of metrics.jsonl. */
typedef struct line {
  const char *kind, *column, *name, *format; /* of the last value */
  int color;
  const char *less; /* a column of the same kind to subtract, or NULL */
} line;

typedef struct chart {
  int part, runs, look;
  references against;
  const char *title, *y_label;
  line line[LINES];
  const char *caption;
} chart;

static const chart charts[] = {
    {LEARNS,
     PRETRAINED,
     DOTS | LATER,
     CONTEXT_LOSS,
     "Held-out loss",
     "nats per masked nucleotide or hidden word",
     {{"eval", "student_loss", "student", "%.4f", 1, NULL}, {"eval", "teacher_loss", "teacher", "%.4f", 2, NULL}},
     "Loss on masked nucleotides (for a model over words: hidden words) of unaugmented windows that were not trained on; lower "
     "is "
     "better. Dashed: count tables of the training windows (composition only, then given the neighbours on either side, or the "
     "position). A good run soon falls below composition, then below ±1, and on towards ±4. The teacher lags behind at first "
     "because it is a moving average. The untrained network may be outside the chart."},
    {LEARNS,
     PRETRAINED,
     DOTS | LATER | PERCENT,
     CONTEXT_ACCURACY,
     "Held-out accuracy",
     "% of masked nucleotides or hidden words",
     {{"eval", "student_accuracy", "student", "%.2f %%", 1, NULL}, {"eval", "teacher_accuracy", "teacher", "%.2f %%", 2, NULL}},
     "Percentage of masked A, C, G, T, or of hidden words, of unaugmented held-out windows that are predicted correctly; higher "
     "is "
     "better. Dashed: the count tables on the same positions."},
    {LEARNS,
     PRETRAINED,
     DOTS | IF_THERE,
     NONE,
     "Features of a frozen teacher",
     "cosine",
     {{"eval", "cosine", "student and teacher", "%.4f", 1, NULL}},
     "Mean cosine between the student's projection of visible words of held-out windows and the teacher's features of these "
     "words; "
     "1: the same directions. It should rise and level off."},
    {LEARNS,
     TUNED,
     DOTS,
     KEPT,
     "Loss",
     "loss",
     {{"select", "loss", "validation", "%.4g", 2, NULL}},
     "On validation rows, which are not trained on; lower is better. A rise while the training loss falls is overfitting. "
     "Dashed: "
     "the weights that were kept."},
    {LEARNS,
     CLASSES,
     DOTS | PERCENT,
     KEPT,
     "Accuracy",
     "% of the rows",
     {{"select", "accuracy", "validation", "%.4g", 2, NULL}},
     "Higher is better."},
    {LEARNS,
     CLASSES,
     DOTS,
     KEPT,
     "Matthews’ correlation",
     "MCC",
     {{"select", "mcc", "validation", "%.4g", 2, NULL}},
     "1: all correct; 0: as good as chance, whatever the sizes of the classes."},
    {LEARNS,
     CLASSES,
     DOTS,
     KEPT,
     "Area under the ROC curve",
     "AUROC",
     {{"select", "auroc", "validation", "%.4g", 2, NULL}},
     "How well the probabilities rank the rows; 0.5 is chance."},
    {LEARNS,
     VALUES,
     DOTS,
     KEPT,
     "R²",
     "R²",
     {{"select", "r2", "validation", "%.4g", 2, NULL}},
     "Fraction of the variance explained; 0 or below is no better than predicting the mean."},
    {LEARNS,
     VALUES,
     DOTS,
     KEPT,
     "Correlation",
     "Pearson’s r",
     {{"select", "correlation", "validation", "%.4g", 2, NULL}},
     "Correlation of the predicted values with the true ones."},
    {MONITOR,
     PRETRAINED,
     DOTS | FROM_ZERO,
     ENTROPY,
     "Entropy of the teacher’s [CLS] distribution",
     "nats",
     {{"monitor", "teacher_entropy", "teacher", "%.3f", 2, NULL}},
     "Good: between the collapse lines. Above 0.97 ln n the teacher's output is uniform and carries no information; below 0.1 ln "
     "n "
     "it is nearly one-hot, which is collapse unless the mutual information is high."},
    {MONITOR,
     PRETRAINED,
     DOTS | FROM_ZERO,
     COLLAPSE,
     "Mutual information and gain",
     "nats",
     {{"monitor", "mutual_information", "mutual information", "%.3f", 2, NULL}, {"monitor", "gain", "gain", "%.3f", 1, NULL}},
     "Mutual information: how much the teacher’s output depends on the window; below 0.1 nats it hardly does. Gain: how much "
     "better "
     "the student predicts that output than the best constant does; at or below 0 the term teaches nothing about the sequence."},
    {MONITOR,
     PRETRAINED,
     DOTS | FROM_ZERO,
     NONE,
     "Correlation of the two views",
     "correlation",
     {{"monitor", "correlation", "student’s and teacher’s [CLS] outputs", "%.3f", 1, NULL}},
     "Correlation of the inputs of the softmax, with the mean over windows removed. Near 0 the two views of a window have "
     "nothing "
     "in common that the term could learn."},
    {MONITOR,
     PRETRAINED,
     DOTS | FROM_ZERO,
     NONE,
     "Norm of the centre",
     "norm",
     {{"monitor", "centre_norm", "without the part that the softmax cancels", "%.3f", 3, NULL}},
     "Should level off. Steady growth means that one output is pushed away faster than the teacher changes."},
    {MONITOR,
     PRETRAINED,
     DOTS | FROM_ZERO,
     NONE,
     "Divergence of the student from the teacher",
     "KL, nats",
     {{"monitor", "cross_entropy", "KL(teacher ‖ student)", "%.3f", 1, "teacher_entropy"}},
     "Self-distillation should reduce it. Near 0 together with a mutual information near 0 is collapse: student and teacher "
     "agree "
     "because neither depends on the window."},
    {TRAINING,
     PRETRAINED,
     SMOOTH,
     NONE,
     "Training loss",
     "loss",
     {{"step", "loss", NULL, NULL, 1, NULL}},
     "The weighted sum of the terms that is minimised, on augmented views. It falls noisily; a jump that does not recover means "
     "that the learning rate is too high."},
    {TRAINING,
     PRETRAINED,
     SMOOTH | IF_THERE,
     NONE,
     "Hidden words or letters, and alignment",
     "term",
     {{"step", "hidden", "hidden", NULL, 1, NULL}, {"step", "distil", "alignment", NULL, 2, NULL}},
     "The terms before weighting: cross-entropy of the hidden words or letters (a uniform guess among four letters has 1.386 "
     "nats), "
     "and the distance to a frozen teacher's features (if they are normalized, a constant reaches 1)."},
    {TRAINING,
     TUNED,
     SMOOTH,
     NONE,
     "Training loss",
     "loss",
     {{"step", "loss", NULL, NULL, 1, NULL}},
     "Loss of the batches, with dropout and class weights if used. A jump that does not recover means that the learning rate is "
     "too "
     "high."},
    {TRAINING,
     PRETRAINED,
     SMOOTH,
     NONE,
     "Masked-nucleotide term",
     "mnm",
     {{"step", "mnm", NULL, NULL, 1, NULL}},
     "Before weighting; with objective.mnm_reduce: sum it is summed over the masked positions of a window. Augmentation puts "
     "random "
     "bases into the windows, so the term stays above the held-out loss; do not compare it with the count tables."},
    {TRAINING,
     PRETRAINED,
     SMOOTH,
     NONE,
     "[CLS] self-distillation term",
     "cl",
     {{"step", "cl", NULL, NULL, 2, NULL}},
     "Before weighting. Its value says little by itself, since a constant teacher makes it small; the monitor above shows "
     "whether it "
     "carries signal."},
    {TRAINING,
     ALL,
     FROM_ZERO,
     NONE,
     "Learning rate",
     "learning rate",
     {{"step", "lr", NULL, NULL, 3, NULL}},
     "cosine: linear warm-up to the peak, then half a cosine down to 0 at the last step; constant: always the peak; one_cycle: "
     "half a cosine from a 25th of the peak up to it, then half a cosine down to nearly 0."},
    {TRAINING,
     PRETRAINED,
     0,
     NONE,
     "Teacher momentum λ",
     "λ",
     {{"step", "lambda", NULL, NULL, 3, NULL}},
     "The teacher keeps this fraction of its weights at every step; λ rises to 1, so that the teacher no longer changes at the "
     "end."},
    {TRAINING,
     ALL,
     SMOOTH | LOGARITHM,
     CLIP,
     "Gradient norm",
     "norm before clipping",
     {{"step", "grad_norm", NULL, NULL, 3, NULL}},
     "Norm over all parameters, before clipping. With summed losses it is above the clipping line at nearly every step, so that "
     "only "
     "the direction of the gradient matters; growth by orders of magnitude announces divergence."},
    {TRAINING,
     ALL,
     SMOOTH | FROM_ZERO | RESUMES,
     NONE,
     "Throughput",
     "sequences/s",
     {{"step", "sequences_per_second", NULL, NULL, 1, NULL}},
     "Sequences per second over all ranks, in training steps. Dotted: resumes. Single dips are checkpoints being written in the "
     "background; a lasting drop means other load on the machine."},
};
enum { CHARTS = sizeof charts / sizeof *charts };

/* --- curves ---------------------------------------------------------------------------------------------------------- */

/* A chart under construction, which owns its values and names. */
typedef struct figure {
  fd_chart chart;
  fd_series series[FD_REPORT_COMPARED + LINES];
  fd_reference reference[REFERENCES];
  char name[FD_REPORT_COMPARED + LINES][NAME];
  double *owned[FD_REPORT_COMPARED + LINES];
} figure;

static figure *begin(FILE *out, const chart *c) {
  figure *f = fd_text_memory(out, 1, sizeof *f);
  if (!f) return NULL;
  f->chart = (fd_chart){.title = c->title,
                        .y_label = c->y_label,
                        .series = f->series,
                        .reference = f->reference,
                        .log_y = (c->look & LOGARITHM) != 0,
                        .from_zero = (c->look & FROM_ZERO) != 0};
  return f;
}

static void end(FILE *out, figure *f, const char *of, const char *caption) {
  fprintf(out, "<figure><h3>%s%s%s</h3>\n", f->chart.title, of ? ": " : "", of ? of : "");
  if (f->chart.series_count) fd_svg_chart(out, &f->chart);
  else fprintf(out, "<p class=\"absent\">absent: this run recorded no such values</p>\n");
  if (caption) fprintf(out, "<figcaption>%s</figcaption>", caption);
  fprintf(out, "</figure>\n");
  for (int i = 0; i < f->chart.series_count; i++) free(f->owned[i]);
  free(f);
}

/* A moving average over about a fiftieth of the run. */
static void smooth(double *value, size_t count) {
  double keep = 1 - 1 / fmax(1, (double)count / 50), sum = 0, weight = 0;
  for (size_t i = 0; i < count; i++) {
    if (isfinite(value[i])) sum = keep * sum + (1 - keep) * value[i], weight = keep * weight + (1 - keep);
    value[i] = weight > 0 ? sum / weight : NAN;
  }
}

/* Adds a line of a run against the steps; returns NULL if the run has no such values. `name` NULL: not in the legend. */
static fd_series *add(FILE *out, figure *f, const fd_report *r, const chart *c, const line *l, const char *name, int smoothed) {
  const fd_metrics_table *t = fd_metrics_find(&r->log, l->kind);
  const double *from = fd_metrics_column(t, l->column), *less = l->less ? fd_metrics_column(t, l->less) : NULL;
  double *value = from && (less || !l->less) ? fd_text_memory(out, t->rows, sizeof *value) : NULL,
         scale = c->look & PERCENT ? 100 : 1, last = NAN;
  if (!value) return NULL;
  int i = f->chart.series_count++, n;
  for (size_t k = 0; k < t->rows; k++) {
    value[k] = scale * (less ? from[k] - less[k] : from[k]);
    if (isfinite(value[k])) last = value[k];
  }
  if (smoothed) smooth(value, t->rows);
  f->owned[i] = value;
  fd_series *s = &f->series[i];
  *s = (fd_series){.x = fd_metrics_column(t, "step"), .y = value, .count = t->rows, .color = l->color};
  s->dots = (c->look & DOTS) != 0;
  s->range_from = c->look & LATER && s->count > 3 ? s->x[1] : 0;
  if (!name) return s;
  n = snprintf(f->name[i], NAME, "%.64s ", name);
  if (l->format && isfinite(last)) snprintf(f->name[i] + n, (size_t)(NAME - n), l->format, last);
  s->name = f->name[i];
  return s;
}

/* --- references ------------------------------------------------------------------------------------------------------ */

static void refer(figure *f, const char *name, double y) {
  if (f->chart.reference_count < REFERENCES && isfinite(y)) f->reference[f->chart.reference_count++] = (fd_reference){name, y};
}

/* The value of the drawn line at the best evaluation, whose weights were kept. */
static double kept_value(const figure *f, const fd_report *r) {
  const double *best = fd_metrics_column(fd_metrics_find(&r->log, "select"), "best");
  double kept = NAN;
  for (size_t i = 0; best && f->chart.series_count && i < f->series[0].count; i++)
    if (best[i] > 0) kept = f->series[0].y[i];
  return kept;
}

static void add_references(figure *f, const fd_report *r, references against) {
  double limit = fd_report_last(r, "monitor", "entropy_limit");
  if (against == CONTEXT_LOSS || against == CONTEXT_ACCURACY)
    for (int i = 0; i < r->contexts; i++)
      refer(f, r->context[i].name, against == CONTEXT_LOSS ? r->context[i].loss : 100 * r->context[i].accuracy);
  if (against == KEPT) refer(f, "kept", kept_value(f, r));
  if (against == CLIP && r->config_known && r->config.optim.clip > 0) refer(f, "clipped above", r->config.optim.clip);
  if (against == ENTROPY)
    refer(f, "ln n, uniform", limit), refer(f, "0.97 ln n", 0.97 * limit), refer(f, "0.1 ln n", 0.1 * limit);
  if (against == COLLAPSE) refer(f, "0.1: MI collapse", 0.1), refer(f, "0: no gain", 0);
}

/* --- one run --------------------------------------------------------------------------------------------------------- */

static int kind_of(const fd_report *r) {
  return !r->tuned ? PRETRAINED : isfinite(fd_report_last(r, "select", "accuracy")) ? CLASSES : VALUES;
}

static void print_chart(FILE *out, const fd_report *r, const chart *c) {
  figure *f = begin(out, c);
  if (!f) return;
  for (int i = 0; i < LINES && c->line[i].kind; i++) {
    const line *l = &c->line[i];
    fd_series *raw = add(out, f, r, c, l, c->look & SMOOTH ? "each step" : l->name, 0);
    if (!raw || !(c->look & SMOOTH)) continue;
    raw->faint = 1;
    add(out, f, r, c, l, "moving average", 1);
  }
  if (!f->chart.series_count && c->look & IF_THERE) {
    free(f);
    return;
  }
  add_references(f, r, c->against);
  if (c->look & RESUMES) {
    const fd_metrics_table *resumes = fd_metrics_find(&r->log, "resume");
    f->chart.event = fd_metrics_column(resumes, "step");
    f->chart.event_count = f->chart.event ? resumes->rows : 0;
  }
  end(out, f, NULL, c->caption);
}

/* Whether a chart of the table shows this column of the steps. */
static int is_drawn(const char *column) {
  for (int i = 0; i < CHARTS; i++)
    for (int k = 0; k < LINES && charts[i].line[k].kind; k++)
      if (!strcmp(charts[i].line[k].kind, "step") && !strcmp(charts[i].line[k].column, column)) return 1;
  return 0;
}

/* Prints the terms of the loss that have no chart in the table. */
static void print_terms(FILE *out, const fd_report *r) {
  const json_t *terms = json_object_get(r->environment, "terms");
  for (size_t i = 0; i < json_array_size(terms) && json_array_size(terms) > 1; i++) {
    const char *name = json_string_value(json_array_get(terms, i));
    if (!name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] || is_drawn(name) ||
        !fd_metrics_column(fd_metrics_find(&r->log, "step"), name))
      continue;
    const chart term = {
        TRAINING, ALL, SMOOTH, NONE, name, name, {{"step", name, NULL, NULL, 1, NULL}}, "A term of the loss, before weighting."};
    print_chart(out, r, &term);
  }
}

static void print_part(FILE *out, const fd_report *r, int part) {
  fprintf(out, "<div class=\"grid\">\n");
  for (int i = 0; i < CHARTS; i++)
    if (charts[i].part == part && charts[i].runs & kind_of(r)) print_chart(out, r, &charts[i]);
  if (part == LEARNS) fd_report_layers(out, r);
  if (part == TRAINING) print_terms(out, r);
  fprintf(out, "</div>\n");
}

void fd_report_charts(FILE *out, const fd_report *r) {
  fprintf(out, "<h2>Does it learn?</h2>\n");
  print_part(out, r, LEARNS);
  if (!r->tuned) {
    fprintf(out, "<h2>The [CLS] term: signal or collapse?</h2>\n");
    if (fd_metrics_find(&r->log, "monitor")) print_part(out, r, MONITOR);
    else fprintf(out, "<p class=\"absent\">absent: this run has no teacher, or eval.monitor_windows is 0</p>\n");
  }
  fprintf(out, "<h2>Training</h2>\n");
  print_part(out, r, TRAINING);
}

/* --- several runs ---------------------------------------------------------------------------------------------------- */

/* Prints a chart with one of its lines for all runs that have it. */
static void overlay(FILE *out, fd_report *const *runs, const char *const *names, int count, const chart *c, const line *l) {
  figure *f = begin(out, c);
  if (!f) return;
  for (int i = 0; i < count; i++) {
    fd_series *s = c->runs & kind_of(runs[i]) ? add(out, f, runs[i], c, l, names[i], c->look & SMOOTH) : NULL;
    if (s) s->color = fd_svg_color(i), s->dashed = i >= 8;
  }
  if (f->chart.series_count) end(out, f, c->line[1].kind ? l->name : NULL, NULL);
  else free(f);
}

void fd_report_overlays(FILE *out, fd_report *const *runs, const char *const *names, int count) {
  fprintf(out, "<div class=\"grid\">\n");
  for (int i = 0; i < CHARTS; i++)
    for (int k = 0; k < LINES && charts[i].line[k].kind; k++) overlay(out, runs, names, count, &charts[i], &charts[i].line[k]);
  fprintf(out, "</div>\n");
}
