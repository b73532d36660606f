/* Reads metrics.jsonl into columns. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "output/metrics.h"

enum { TABLES_MAX = 32 };

static fd_metrics_table *table_of(fd_metrics_log *log, const char *kind) {
  for (int i = 0; i < log->tables; i++)
    if (!strcmp(log->table[i].kind, kind)) return &log->table[i];
  if (log->tables == TABLES_MAX || strlen(kind) >= FD_METRICS_NAME) return NULL;
  fd_metrics_table *t = &log->table[log->tables];
  if (!(t->column = calloc(FD_METRICS_COLUMNS, sizeof *t->column))) return NULL;
  snprintf(t->kind, sizeof t->kind, "%s", kind);
  log->tables++;
  return t;
}

static fd_column *column_of(fd_metrics_table *t, const char *name) {
  for (int i = 0; i < t->columns; i++)
    if (!strcmp(t->column[i].name, name)) return &t->column[i];
  if (t->columns == FD_METRICS_COLUMNS || strlen(name) >= FD_METRICS_NAME) return NULL;
  fd_column *c = &t->column[t->columns];
  if (!(c->value = malloc(t->room * sizeof *c->value))) return NULL;
  for (size_t i = 0; i < t->rows; i++) c->value[i] = NAN; /* earlier lines did not have it */
  snprintf(c->name, sizeof c->name, "%s", name);
  t->columns++;
  return c;
}

/* Room for one more row in all columns. */
static int grow(fd_metrics_table *t) {
  if (t->rows < t->room) return 1;
  size_t room = t->room ? 2 * t->room : 64;
  for (int i = 0; i < t->columns; i++) {
    double *value = realloc(t->column[i].value, room * sizeof *value);
    if (!value) return 0;
    t->column[i].value = value;
  }
  t->room = room;
  return 1;
}

/* Takes one line's object; NULL when it is good, else what is wrong. */
static const char *take_line(fd_metrics_log *log, json_t *object) {
  const char *kind = json_string_value(json_object_get(object, "kind")), *key;
  json_t *value;
  if (!kind) return "has no \"kind\"";
  if (!json_is_integer(json_object_get(object, "step"))) return "has no \"step\"";
  fd_metrics_table *t = table_of(log, kind);
  if (!t) return "has one kind too many, or a kind with a long name";
  if (!grow(t) || !column_of(t, "step")) return "needs more memory than there is";
  for (int i = 0; i < t->columns; i++) t->column[i].value[t->rows] = NAN;
  json_object_foreach(object, key, value) {
    if (!json_is_number(value)) continue;
    fd_column *c = column_of(t, key);
    if (!c) return "has one column too many, or a name that is too long";
    c->value[t->rows] = json_number_value(value);
  }
  t->rows++;
  return NULL;
}

fd_status fd_metrics_read(const char *path, fd_metrics_log *log) {
  char *line = NULL;
  size_t room = 0, number = 0;
  fd_status status = FD_OK;
  *log = (fd_metrics_log){0};
  FILE *in = fopen(path, "re");
  if (!in) return fd_fail_errno("cannot open", path);
  FD_GO(fd_alloc(&log->table, TABLES_MAX, sizeof *log->table, "metrics"));
  for (ssize_t n; status == FD_OK && (n = getline(&line, &room, in)) > 0 && line[n - 1] == '\n';) {
    json_error_t error;
    json_t *object = json_loadb(line, (size_t)n, 0, &error);
    const char *wrong = object ? take_line(log, object) : error.text;
    number++;
    if (wrong) status = fd_fail(FD_DATA, "%s:%zu: is no line of metrics: %s", path, number, wrong);
    json_decref(object);
  }
  if (status == FD_OK && ferror(in)) status = fd_fail_errno("cannot read", path);
done:
  free(line);
  fclose(in);
  if (status != FD_OK) fd_metrics_log_free(log);
  return status;
}

void fd_metrics_log_free(fd_metrics_log *log) {
  for (int i = 0; i < log->tables; i++) {
    for (int c = 0; c < log->table[i].columns; c++) free(log->table[i].column[c].value);
    free(log->table[i].column);
  }
  free(log->table);
  *log = (fd_metrics_log){0};
}

const fd_metrics_table *fd_metrics_find(const fd_metrics_log *log, const char *kind) {
  for (int i = 0; i < log->tables; i++)
    if (!strcmp(log->table[i].kind, kind)) return &log->table[i];
  return NULL;
}

const double *fd_metrics_column(const fd_metrics_table *table, const char *name) {
  for (int i = 0; table && i < table->columns; i++)
    if (!strcmp(table->column[i].name, name)) return table->column[i].value;
  return NULL;
}
