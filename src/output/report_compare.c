/* The page that compares several runs: their results, how they differ, and their curves in the same charts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "output/report.h"
#include "output/report_parts.h"
#include "output/svg.h"

typedef struct comparison {
  int count;
  fd_report *run[FD_REPORT_COMPARED];
  const char *name[FD_REPORT_COMPARED]; /* borrowed */
} comparison;

static const char *last_part(const char *folder) {
  const char *slash = strrchr(folder, '/');
  return slash && slash[1] ? slash + 1 : folder;
}

/* Names each run by the last component of its folder, or by the whole path if two runs share it. */
static void name_runs(comparison *c) {
  int shared = 0;
  for (int i = 0; i < c->count; i++)
    for (int k = 0; k < i; k++) shared |= !strcmp(last_part(c->run[i]->folder), last_part(c->run[k]->folder));
  for (int i = 0; i < c->count; i++) c->name[i] = shared ? c->run[i]->folder : last_part(c->run[i]->folder);
}

static void head_cells(FILE *out, const comparison *c) {
  for (int i = 0; i < c->count; i++) {
    fprintf(out, "<th>");
    fd_html_text(out, c->name[i]);
    fprintf(out, "</th>");
  }
  fprintf(out, "</tr>\n");
}

/* --- numbers --------------------------------------------------------------------------------------------------------- */

/* Numbers of each run: the last value in metrics.jsonl, a value of environment.json, or a score of a fine-tuning. */
static const struct number {
  const char *label, *kind, *name; /* kind: "environment", "test_scores", "valid_scores", or one of metrics.jsonl */
  double scale;
  const char *format;
} numbers[] = {
    {"parameters", "environment", "parameters", 1, "%.0f"},
    {"training windows or rows", "environment", "training_windows", 1, "%.0f"},
    {"steps planned", "environment", "steps", 1, "%.0f"},
    {"last step", "step", "step", 1, "%.0f"},
    {"training loss, last", "step", "loss", 1, "%.4g"},
    {"held-out loss, student", "eval", "student_loss", 1, "%.4f"},
    {"held-out loss, teacher", "eval", "teacher_loss", 1, "%.4f"},
    {"held-out accuracy, student, %", "eval", "student_accuracy", 100, "%.2f"},
    {"held-out accuracy, teacher, %", "eval", "teacher_accuracy", 100, "%.2f"},
    {"cosine of student and teacher features", "eval", "cosine", 1, "%.4f"},
    {"mutual information of the teacher, nats", "monitor", "mutual_information", 1, "%.3f"},
    {"gain, nats", "monitor", "gain", 1, "%.3f"},
    {"validation: accuracy, %", "valid_scores", "accuracy", 100, "%.2f"},
    {"validation: MCC", "valid_scores", "mcc", 1, "%.4f"},
    {"validation: R²", "valid_scores", "r2", 1, "%.4f"},
    {"test: accuracy, %", "test_scores", "accuracy", 100, "%.2f"},
    {"test: macro F1, %", "test_scores", "f1", 100, "%.2f"},
    {"test: MCC", "test_scores", "mcc", 1, "%.4f"},
    {"test: AUROC", "test_scores", "auroc", 1, "%.4f"},
    {"test: AUPRC", "test_scores", "auprc", 1, "%.4f"},
    {"test: R²", "test_scores", "r2", 1, "%.4f"},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static double number_of(const fd_report *r, const struct number *n) {
  if (!strcmp(n->kind, "environment")) return n->scale * fd_report_number(r, n->name);
  if (!strstr(n->kind, "_scores")) return n->scale * fd_report_last(r, n->kind, n->name);
  return n->scale * fd_report_value(json_object_get(r->finetune, n->kind), n->name);
}

static void print_numbers(FILE *out, const comparison *c) {
  fprintf(out, "<div class=\"scroll\"><table><tr><th></th>");
  head_cells(out, c);
  for (int n = 0; n < NUMBERS; n++) {
    int any = 0;
    for (int i = 0; i < c->count; i++) any |= isfinite(number_of(c->run[i], &numbers[n]));
    if (!any) continue;
    fprintf(out, "<tr><td>%s</td>", numbers[n].label);
    for (int i = 0; i < c->count; i++) {
      double value = number_of(c->run[i], &numbers[n]);
      fprintf(out, "<td>");
      if (isfinite(value)) fprintf(out, numbers[n].format, value);
      else fprintf(out, "–");
      fprintf(out, "</td>");
    }
    fprintf(out, "</tr>\n");
  }
  fprintf(out, "</table></div>\n");
}

/* --- differences ----------------------------------------------------------------------------------------------------- */

/* Prints a row of values and returns 1, unless they are all the same; NULL: absent. */
static int difference_row(FILE *out, const comparison *c, const char *section, const char *key, int key_bytes,
                          const char *const *value) {
  int same = 1;
  for (int i = 1; i < c->count; i++) same &= !strcmp(value[i] ? value[i] : "", value[0] ? value[0] : "");
  if (same) return 0;
  fprintf(out, "<tr><td><code>%s%.*s</code></td>", section, key_bytes, key);
  for (int i = 0; i < c->count; i++) {
    fprintf(out, "<td>");
    fd_html_text(out, value[i] ? value[i] : "–");
    fprintf(out, "</td>");
  }
  fprintf(out, "</tr>\n");
  return 1;
}

/* Prints the rows of all keys that differ. All configs print the same keys in the same order, so they are compared line by line.
 */
static int config_rows(FILE *out, const comparison *c, char *const *text) {
  char *rest[FD_REPORT_COMPARED], section[64] = "";
  int rows = 0;
  memcpy(rest, text, (size_t)c->count * sizeof *rest);
  for (;;) {
    const char *value[FD_REPORT_COMPARED] = {NULL}, *key = NULL;
    int more = 0;
    for (int i = 0; i < c->count; i++) {
      more |= rest[i] != NULL;
      char *line = rest[i] ? strsep(&rest[i], "\n") : NULL, *colon = line ? strchr(line, ':') : NULL;
      if (!colon) continue;
      key = line;
      value[i] = colon + 1 + (colon[1] == ' ');
    }
    if (!more) return rows;
    if (!key) continue;
    int bytes = (int)strcspn(key, ":");
    if (*key != ' ') snprintf(section, sizeof section, "%.*s.", bytes, key);
    else if (strcmp(section, "run.") || strncmp(key, "  folder:", 9)) /* the folder is in the table's head */
      rows += difference_row(out, c, section, key + strspn(key, " "), bytes - (int)strspn(key, " "), value);
  }
}

/* Prints the rows of scalar members that differ, of one JSON object for each run. */
static int object_rows(FILE *out, const comparison *c, json_t *const *object) {
  const char *key;
  json_t *item;
  json_t *any = object[0];
  int rows = 0;
  for (int i = 1; i < c->count && !any; i++) any = object[i];
  json_object_foreach(any, key, item) {
    char *text[FD_REPORT_COMPARED];
    if (json_is_object(item) || json_is_array(item)) continue;
    for (int i = 0; i < c->count; i++) {
      const json_t *other = json_object_get(object[i], key);
      text[i] = json_is_string(other) ? strdup(json_string_value(other)) : other ? fd_json_dump(other, 0) : NULL;
      if (other && !text[i]) fd_text_spoil(out);
    }
    rows += difference_row(out, c, "", key, (int)strlen(key), (const char *const *)text);
    for (int i = 0; i < c->count; i++) free(text[i]);
  }
  return rows;
}

static void head_row(FILE *out, const comparison *c, const char *what) {
  fprintf(out, "<tr><th>%s</th>", what);
  head_cells(out, c);
}

static void no_difference(FILE *out, const comparison *c) {
  fprintf(out, "<tr><td colspan=\"%d\">no difference</td></tr>\n", c->count + 1);
}

static void print_differences(FILE *out, const comparison *c) {
  char *text[FD_REPORT_COMPARED];
  json_t *environment[FD_REPORT_COMPARED], *tuning[FD_REPORT_COMPARED];
  int known = 1, tuned = 0;
  for (int i = 0; i < c->count; i++) {
    text[i] = c->run[i]->config_known ? fd_report_config(out, &c->run[i]->config) : NULL, known &= text[i] != NULL;
    environment[i] = c->run[i]->environment, tuning[i] = c->run[i]->finetune, tuned |= tuning[i] != NULL;
  }
  fprintf(out, "<h2>How they differ</h2>\n<div class=\"scroll\"><table>");
  head_row(out, c, "config");
  if (!config_rows(out, c, text)) no_difference(out, c);
  for (int i = 0; i < c->count; i++) free(text[i]);
  if (tuned) {
    head_row(out, c, "fine-tuning");
    if (!object_rows(out, c, tuning)) no_difference(out, c);
  }
  head_row(out, c, "environment");
  if (!object_rows(out, c, environment)) no_difference(out, c);
  fprintf(out, "</table></div>\n");
  if (!known) fprintf(out, "<p class=\"note\">A run without a config that this version can read has – here.</p>\n");
}

static void print_comparison(FILE *out, const void *context) {
  const comparison *c = context;
  fd_report_title(out, "FinDNA", "comparison of runs");
  print_numbers(out, c);
  fprintf(
      out,
      "<p class=\"note\">The last value of each run; seeds and data may differ, see below. Held-out losses are comparable only "
      "if the held-out windows and the masking are the same.</p>\n<h2>Curves</h2>\n");
  fd_report_overlays(out, c->run, c->name, c->count);
  print_differences(out, c);
}

fd_status fd_report_write_comparison(const char *const *folders, int count, const char *output) {
  comparison c = {0};
  fd_status status = FD_OK;
  if (count < 2 || count > FD_REPORT_COMPARED)
    return fd_fail(FD_USAGE, "%d runs to compare: expected 2 to %d", count, FD_REPORT_COMPARED);
  for (int i = 0; i < count; i++) {
    FD_GO(fd_alloc(&c.run[i], 1, sizeof *c.run[i], "report"));
    c.count = i + 1;
    FD_GO(fd_report_open(c.run[i], folders[i]));
  }
  name_runs(&c);
  FD_GO(fd_report_page(output, "the runs named above", print_comparison, &c));
done:
  for (int i = 0; i < c.count; i++) {
    fd_report_close(c.run[i]);
    free(c.run[i]);
  }
  return status;
}
