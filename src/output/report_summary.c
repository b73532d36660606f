/* The top of a report: its title, the key numbers, and their interpretation in words. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sort.h"
#include "base/text.h"
#include "output/report_parts.h"
#include "output/svg.h"

static void print_title(FILE *out, const char *what, const char *folder) {
  const char *slash = strrchr(folder, '/');
  fprintf(out, "%s: ", what);
  fd_html_text(out, slash && slash[1] ? slash + 1 : folder);
}

void fd_report_title(FILE *out, const char *what, const char *folder) {
  fprintf(out,
          "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width,initial-scale=1\">\n<title>");
  print_title(out, what, folder);
  fprintf(out, "</title>\n<style>\n%s%s</style></head>\n<body><main>\n<h1>", fd_report_style, fd_report_svg_style);
  print_title(out, what, folder);
  fprintf(out, "</h1>\n");
}

/* Opens a card: its label, followed by the number and what to compare it with. */
static void open_card(FILE *out, const char *label) { fprintf(out, "<div class=\"card\"><span>%s</span><b>", label); }

static void absent_card(FILE *out, const char *label, const char *why) {
  open_card(out, label);
  fprintf(out, "–</b><span>%s</span></div>\n", why);
}

static int hides_words(const fd_report *r) { return r->config_known && fd_config_hides(&r->config); }

static void held_out_card(FILE *out, const fd_report *r, int accuracy) {
  const char *label = accuracy         ? "held-out accuracy"
                      : hides_words(r) ? "held-out hidden-word loss"
                                       : "held-out masked-nucleotide loss";
  double scale = accuracy ? 100 : 1, student = scale * fd_report_last(r, "eval", accuracy ? "student_accuracy" : "student_loss");
  double teacher = scale * fd_report_last(r, "eval", accuracy ? "teacher_accuracy" : "teacher_loss");
  if (!isfinite(student)) {
    absent_card(out, label, "no evaluation on held-out windows");
    return;
  }
  open_card(out, label);
  fprintf(out, accuracy ? "%.2f %%</b><span>student" : "%.4f nats</b><span>student", student);
  if (isfinite(teacher)) fprintf(out, accuracy ? "; teacher %.2f %%" : "; teacher %.4f", teacher);
  fprintf(out, "</span><span>%s", r->contexts ? "counting only: " : "no context tables to compare with");
  for (int i = 0; i < r->contexts; i++) {
    const fd_report_context *c = &r->context[i];
    fprintf(out, "%s%s ", i ? ", " : "", c->name);
    fprintf(out, accuracy ? "%.2f" : "%.4f", accuracy ? 100 * c->accuracy : c->loss);
  }
  fprintf(out, "</span></div>\n");
}

/* Rows of a single class have no area. */
static void print_area(FILE *out, const json_t *scores, const char *key, const char *name) {
  const json_t *area = json_object_get(scores, key);
  if (area) fprintf(out, ", %s %.4f", name, json_number_value(area));
}

/* A card with the main score of the selected weights: accuracy, or R² of a regression. */
static void task_card(FILE *out, const fd_report *r, const char *scores, const char *rows, const char *label) {
  const json_t *object = json_object_get(r->finetune, scores), *accuracy = json_object_get(object, "accuracy"),
               *r2 = json_object_get(object, "r2");
  if (!accuracy && !r2) {
    absent_card(out, label, r->finetune ? "no such rows" : "the run is not finished");
    return;
  }
  open_card(out, label);
  if (accuracy) {
    fprintf(out, "%.2f %%</b><span>accuracy; macro F1 %.2f %%, MCC %.4f", 100 * json_number_value(accuracy),
            100 * json_number_value(json_object_get(object, "f1")), json_number_value(json_object_get(object, "mcc")));
    print_area(out, object, "auroc", "AUROC");
    print_area(out, object, "auprc", "AUPRC");
    fprintf(out, "</span>");
  } else {
    fprintf(out, "R² %.4f</b><span>correlation %.4f, squared error %.4g</span>", json_number_value(r2),
            json_number_value(json_object_get(object, "correlation")), json_number_value(json_object_get(object, "loss")));
  }
  fprintf(out, "<span>%lld rows</span></div>\n", (long long)json_integer_value(json_object_get(r->finetune, rows)));
}

static void say_task(FILE *out, const fd_report *r) {
  long long same = json_integer_value(json_object_get(r->finetune, "test_rows_in_train")),
            turned = json_integer_value(json_object_get(r->finetune, "test_rows_turned_in_train"));
  const char *checkpoint = json_string_value(json_object_get(r->finetune, "checkpoint"));
  if (!checkpoint) return;
  fprintf(out, "<li>%s ",
          json_is_true(json_object_get(r->finetune, "untrained")) ? "Random weights of the model of" : "Fine-tuned from");
  fd_html_text(out, checkpoint);
  fprintf(out,
          "; the weights of step %lld were the best on the validation rows, and only these were scored on the test rows.</li>\n",
          (long long)json_integer_value(json_object_get(r->finetune, "best_step")));
  if (same + turned)
    fprintf(out,
            "<li><span class=\"warn\">%lld of the test sequences are also training sequences</span>, the reverse complements of "
            "%lld others are: this leakage inflates the test score.</li>\n",
            same, turned);
}

static double median(FILE *out, const double *value, size_t rows) {
  double *sorted = fd_text_memory(out, rows, sizeof *sorted), middle = NAN;
  size_t n = 0;
  for (size_t i = 0; sorted && value && i < rows; i++)
    if (isfinite(value[i])) sorted[n++] = value[i];
  if (n) fd_sort(sorted, n), middle = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  free(sorted);
  return middle;
}

static void speed_cards(FILE *out, const fd_report *r) {
  const fd_metrics_table *t = fd_metrics_find(&r->log, "step"), *resumes = fd_metrics_find(&r->log, "resume");
  double rate = median(out, fd_metrics_column(t, "sequences_per_second"), t ? t->rows : 0), ranks = fd_report_number(r, "ranks");
  double threads = fd_report_number(r, "threads_per_rank"), steps = fd_report_number(r, "steps"),
         total = fd_metrics_total_seconds(t), done = fd_report_last(r, "step", "step") + 1;
  char duration[FD_DURATION_TEXT];
  if (!isfinite(done)) {
    absent_card(out, "training", "no step was recorded");
    return;
  }
  open_card(out, "throughput");
  fprintf(out, "%.*f sequences/s</b><span>median over the steps", rate < 100 ? 1 : 0, rate);
  if (ranks > 0) fprintf(out, "; %.0f rank%s", ranks, ranks > 1 ? "s" : "");
  if (threads > 0) fprintf(out, " of %.0f thread%s", threads, threads > 1 ? "s" : "");
  fprintf(out, "</span></div>\n");
  open_card(out, "steps done");
  fprintf(out, "%.0f", done);
  if (steps > 0) fprintf(out, " of %.0f", steps);
  if (!isfinite(total)) total = 0;
  fprintf(out, "</b><span>%s h in training steps", fd_duration_text(duration, total));
  if (resumes) fprintf(out, "; resumed %zu time%s", resumes->rows, resumes->rows > 1 ? "s" : "");
  fprintf(out, "</span></div>\n");
}

/* Says which of the context tables the student beats. */
static void say_held_out(FILE *out, const fd_report *r) {
  double loss = fd_report_last(r, "eval", "student_loss");
  const fd_report_context *beaten = NULL, *ahead = NULL;
  if (!isfinite(loss) || !r->contexts) return;
  for (int i = 0; i < r->contexts; i++) {
    const fd_report_context *c = &r->context[i];
    if (loss < c->loss && (!beaten || c->loss < beaten->loss)) beaten = c;
    if (loss >= c->loss && (!ahead || c->loss > ahead->loss)) ahead = c;
  }
  fprintf(out, "<li>The student predicts %s it never saw ",
          hides_words(r) ? "hidden words of sequences" : "masked nucleotides of windows");
  if (!beaten)
    fprintf(out, "<span class=\"warn\">no better than counting</span> (%.4f nats): it has not learned from context yet", loss);
  else if (beaten->reach) fprintf(out, "better than counts given %s (%.4f against %.4f nats)", beaten->name, loss, beaten->loss);
  else
    fprintf(out, "better than %s composition only (%.4f against %.4f nats)", hides_words(r) ? "the words’" : "base", loss,
            beaten->loss);
  if (beaten && ahead && ahead->reach) fprintf(out, "; counts given %s are still ahead (%.4f)", ahead->name, ahead->loss);
  else if (beaten && ahead)
    fprintf(out, "; <span class=\"warn\">%s composition is still ahead</span> (%.4f)", hides_words(r) ? "the words’" : "base",
            ahead->loss);
  fprintf(out, ".</li>\n");
}

static void say_monitor(FILE *out, const fd_report *r) {
  const fd_metrics_table *t = fd_metrics_find(&r->log, "monitor");
  const double *warning = fd_metrics_column(t, "warning");
  size_t warned = 0;
  double windows = fd_report_last(r, "monitor", "windows");
  if (!t) return;
  for (size_t i = 0; warning && i < t->rows; i++) warned += warning[i] > 0;
  if (warning && warning[t->rows - 1] > 0)
    fprintf(out,
            "<li><span class=\"warn\">The [CLS] self-distillation term carries almost no signal at the end</span>: the collapse "
            "monitor warned in %zu of %zu evaluations. The model has learned from the masked nucleotides only; see the charts of "
            "the [CLS] term.</li>\n",
            warned, t->rows);
  else
    fprintf(out, "<li>The collapse monitor of the [CLS] term is quiet at the end (it warned in %zu of %zu evaluations).</li>\n",
            warned, t->rows);
  if (windows < FD_MONITOR_WINDOWS)
    fprintf(out,
            "<li>The monitor used %.0f windows; below %d its mutual information is biased upwards and its gain downwards.</li>\n",
            windows, FD_MONITOR_WINDOWS);
}

static size_t missing(const fd_report *r, const char *kind, const char *name, size_t *rows) {
  const fd_metrics_table *t = fd_metrics_find(&r->log, kind);
  const double *value = fd_metrics_column(t, name);
  size_t n = 0;
  *rows = value ? t->rows : 0;
  for (size_t i = 0; i < *rows; i++) n += !isfinite(value[i]);
  return n;
}

/* Reports losses that were not finite, and skipped steps: a gap in a curve is easily overlooked. */
static void say_gaps(FILE *out, const fd_report *r) {
  static const char *const losses[][3] = {{"step", "loss", "recorded training steps"},
                                          {"eval", "student_loss", "evaluations of the student"},
                                          {"eval", "teacher_loss", "evaluations of the teacher"},
                                          {"select", "loss", "evaluations"}};
  const fd_metrics_table *t = fd_metrics_find(&r->log, "step");
  const double *skipped = fd_metrics_column(t, "skipped");
  size_t rows, without = 0;
  for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
    size_t n = missing(r, losses[i][0], losses[i][1], &rows);
    if (n)
      fprintf(out, "<li><span class=\"warn\">The loss was not finite in %zu of %zu %s</span>: the curves have gaps there.</li>\n",
              n, rows, losses[i][2]);
  }
  for (size_t i = 0; skipped && i < t->rows; i++) without += skipped[i] > 0;
  if (without)
    fprintf(out,
            "<li><span class=\"warn\">%zu of %zu recorded training steps changed nothing</span>: their gradients were not finite "
            "or too large. A run that ends like this has diverged; try a smaller learning rate.</li>\n",
            without, t->rows);
}

void fd_report_summary(FILE *out, const fd_report *r) {
  static const char *const settings[] = {"started", "host", "version"};
  const char *between = "";
  fprintf(out, "<p class=\"lead-in\">");
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    const char *text = fd_report_setting(r, settings[i]);
    if (!text) continue;
    fprintf(out, "%s%s ", between, settings[i]);
    fd_html_text(out, text);
    between = " · ";
  }
  double parameters = fd_report_number(r, "parameters"), windows = fd_report_number(r, "training_windows"),
         length = fd_report_number(r, "window");
  if (parameters > 0) fprintf(out, "%s%.3g million parameters", between, parameters * 1e-6);
  if (windows > 0 && length > 0)
    fprintf(out, r->tuned ? " · %.0f training rows of up to %.0f nucleotides" : " · %.0f training windows of %.0f nucleotides",
            windows, length);
  fprintf(out, "</p>\n<div class=\"cards\">\n");
  if (r->tuned) {
    task_card(out, r, "test_scores", "test_rows", "test");
    task_card(out, r, "valid_scores", "valid_rows", "validation");
  } else {
    held_out_card(out, r, 0);
    held_out_card(out, r, 1);
  }
  speed_cards(out, r);
  fprintf(out, "</div>\n<ul class=\"says\">\n");
  say_gaps(out, r);
  say_task(out, r);
  say_held_out(out, r);
  say_monitor(out, r);
  fd_report_say_probes(out, r);
  fprintf(out, "</ul>\n");
}
