/* Reads the files of a run that a report is made from, and assembles the page. */
#include "output/report.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/text.h"
#include "base/version.h"
#include "output/json_file.h"
#include "output/report_parts.h"
#include "output/svg.h"

double fd_report_last(const fd_report *r, const char *kind, const char *name) {
  const fd_metrics_table *t = fd_metrics_find(&r->log, kind);
  const double *value = fd_metrics_column(t, name);
  for (size_t i = value ? t->rows : 0; i > 0; i--)
    if (isfinite(value[i - 1])) return value[i - 1];
  return NAN;
}

const char *fd_report_text(const json_t *object, const char *key, const char *otherwise) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : otherwise;
}

double fd_report_value(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *fd_report_setting(const fd_report *r, const char *name) { return fd_report_text(r->environment, name, NULL); }

double fd_report_number(const fd_report *r, const char *name) { return fd_report_value(r->environment, name); }

/* Reads the config; if this version cannot parse it, only its text is kept. */
static fd_status read_config(fd_report *r) {
  char path[FD_PATH_MAX];
  size_t bytes;
  FD_TRY(fd_path(path, r->folder, "config.used.yaml", NULL));
  if (fd_is_absent(path)) return FD_OK;
  FD_TRY(fd_read_file(path, FD_CONFIG_FILE_MAX, &r->config_text, &bytes));
  fd_status status = fd_config_parse(&r->config, r->config_text, bytes, path, NULL, 0);
  if (status != FD_OK && status != FD_CONFIG) return status;
  r->config_known = status == FD_OK;
  if (!r->config_known) fd_warn("%s: is not a config of this version; the report shows its text", path);
  return FD_OK;
}

static int is_probe(const struct dirent *entry) {
  size_t n = strlen(entry->d_name);
  return n > 5 && !strncmp(entry->d_name, "probe", 5) && !strcmp(entry->d_name + n - 5, ".json");
}

static fd_status read_probes(fd_report *r) {
  char path[FD_PATH_MAX];
  struct dirent **entries = NULL;
  fd_status status = FD_OK;
  int n = scandir(r->folder, &entries, is_probe, alphasort);
  if (n < 0) return fd_fail_errno("cannot open folder", r->folder);
  if (n > FD_REPORT_PROBES) fd_warn("%s: has %d probes; the report shows the first %d", r->folder, n, FD_REPORT_PROBES);
  for (int i = 0; i < n && i < FD_REPORT_PROBES && status == FD_OK; i++) {
    snprintf(r->probe_name[i], sizeof r->probe_name[i], "%s", entries[i]->d_name);
    status = fd_path(path, r->folder, entries[i]->d_name, NULL);
    if (status == FD_OK) status = fd_json_read(path, &r->probe[i]);
    r->probes = i + 1;
  }
  for (int i = 0; i < n; i++) free(entries[i]);
  free(entries);
  return status;
}

static void take_contexts(fd_report *r) {
  const fd_metrics_table *t = fd_metrics_find(&r->log, "context");
  const double *reach = fd_metrics_column(t, "reach"), *loss = fd_metrics_column(t, "loss"),
               *accuracy = fd_metrics_column(t, "accuracy");
  for (size_t i = 0; reach && loss && accuracy && i < t->rows && r->contexts < FD_REPORT_CONTEXTS; i++) {
    if (!(reach[i] >= -1 && reach[i] <= 1000) || !isfinite(loss[i])) continue;
    fd_report_context *c = &r->context[r->contexts++];
    *c = (fd_report_context){.reach = (int)reach[i], .loss = loss[i], .accuracy = accuracy[i]};
    if (c->reach > 0) snprintf(c->name, sizeof c->name, "±%d neighbours", c->reach);
    else snprintf(c->name, sizeof c->name, c->reach ? "the position" : "composition");
  }
}

fd_status fd_report_open(fd_report *r, const char *folder) {
  char path[FD_PATH_MAX];
  *r = (fd_report){.folder = folder};
  FD_TRY(fd_path(path, r->folder, "metrics.jsonl", NULL));
  FD_TRY(fd_metrics_read(path, &r->log));
  take_contexts(r);
  FD_TRY(read_config(r));
  FD_TRY(fd_path(path, r->folder, "environment.json", NULL));
  FD_TRY(fd_json_read(path, &r->environment));
  r->tuned = fd_metrics_find(&r->log, "select") != NULL;
  FD_TRY(fd_path(path, r->folder, "finetune.json", NULL));
  FD_TRY(fd_json_read(path, &r->finetune));
  FD_TRY(fd_path(path, r->folder, "speed.json", NULL));
  FD_TRY(fd_json_read(path, &r->speed));
  return read_probes(r);
}

void fd_report_close(fd_report *r) {
  fd_metrics_log_free(&r->log);
  json_decref(r->environment);
  json_decref(r->finetune);
  json_decref(r->speed);
  for (int i = 0; i < r->probes; i++) json_decref(r->probe[i]);
  free(r->config_text);
}

static void print_run(FILE *out, const void *context) {
  const fd_report *r = context;
  fd_report_title(out, r->tuned ? "FinDNA fine-tuning" : "FinDNA pretraining", r->folder);
  fd_report_summary(out, r);
  if (json_object_get(r->finetune, "figures")) {
    fprintf(out, "<h2>Test rows</h2>\n");
    fd_report_figures(out, &(json_t *){r->finetune}, 1);
  }
  fd_report_charts(out, r);
  fd_report_speed(out, r->speed);
  fd_report_probes(out, r);
  fd_report_tables(out, r);
}

fd_status fd_report_page(const char *output, const char *made_of, void (*print)(FILE *out, const void *context),
                         const void *context) {
  char *text;
  size_t bytes;
  FILE *out;
  FD_TRY(fd_text_open(&out, &text, &bytes));
  print(out, context);
  fprintf(out, "<footer>made by findna %s from the files of ", fd_version());
  fd_html_text(out, made_of);
  fprintf(out, "</footer>\n</main></body></html>\n");
  FD_TRY(fd_text_close(out, &text));
  fd_status status = fd_text_check(text, bytes);
  if (status == FD_OK) status = fd_write_file(output, text, bytes);
  free(text);
  return status;
}

fd_status fd_report_write(const char *run_folder, const char *output) {
  fd_report *r;
  FD_TRY(fd_alloc(&r, 1, sizeof *r, "report"));
  fd_status status = fd_report_open(r, run_folder);
  if (status == FD_OK) status = fd_report_page(output, run_folder, print_run, r);
  fd_report_close(r);
  free(r);
  return status;
}
